//! A page of members as people: identifiers and attributes.
use caravan_model::Profile;
use caravan_model::port::Members;
use serde_json::Value;

/// What attributes' columns begin with.
const ATTRIBUTE: &str = "attributes.";

/// The members of a page, and whether each joined.
pub(super) fn people(page: &Members) -> Vec<(Profile, bool)> {
    (0..page.rows as usize)
        .map(|row| (person(page, row), page.joined.get(row).is_some_and(|joined| *joined != 0)))
        .collect()
}

fn person(page: &Members, row: usize) -> Profile {
    let all = |keys: &[&str]| -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for value in keys.iter().flat_map(|key| page.values(key, row)).map(str::trim).filter(|value| !value.is_empty())
        {
            if !found.iter().any(|known| known == value) {
                found.push(value.to_owned());
            }
        }
        found
    };
    // Several own ids are one id and other names of the same person.
    let mut own = all(&["external_id"]);
    let external_id = if own.is_empty() { String::new() } else { own.remove(0) };
    own.extend(all(&["ecid", "alias"]));
    let mut who =
        Profile { external_id, aliases: own, emails: all(&["email"]), phones: all(&["phone"]), ..Profile::default() };
    for column in &page.columns {
        let Some(name) = column.key.strip_prefix(ATTRIBUTE).filter(|name| !name.is_empty()) else { continue };
        let value = page.value(&column.key, row).map_or(Value::Null, attribute);
        who.attributes.insert(name.to_owned(), value);
    }
    who
}

/// Numbers, truth values, lists and objects as such, so that filters compare them; everything else as text.
fn attribute(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) if text.len() <= 15 => value,
        Ok(value @ (Value::Array(_) | Value::Object(_))) => value,
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::Column;

    #[test]
    fn identifiers_and_attributes_of_a_row_are_a_person() {
        let column = |key: &str, values: [&str; 2]| {
            let mut column = Column { key: key.to_owned(), text: Vec::new(), ends: Vec::new() };
            values.iter().for_each(|value| column.push(value));
            column
        };
        let page = Members {
            rows: 2,
            columns: vec![
                column("ecid", ["89149270342662559642753730269986316601", ""]),
                column("email", ["", "a@x.example"]),
                column("ecid", ["second", ""]),
                column("attributes.tier", ["gold", "7"]),
                column("attributes.plan", ["", r#"{"seats":[3]}"#]),
            ],
            joined: vec![1, 0],
            ..Members::default()
        };
        assert_eq!(page.breach(), None);
        let people = people(&page);
        assert_eq!(people[0].0.aliases, ["89149270342662559642753730269986316601", "second"]);
        assert!(people[0].0.attributes["plan"].is_null(), "what is empty was emptied");
        assert_eq!(people[1].0.attributes["plan"]["seats"][0], 3);
        assert_eq!((people[0].0.attributes["tier"].clone(), people[0].1), (Value::from("gold"), true));
        assert_eq!((people[1].0.emails.clone(), people[1].1), (vec!["a@x.example".to_owned()], false));
        assert_eq!(people[1].0.attributes["tier"], 7);
    }
}
