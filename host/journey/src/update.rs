//! What may stand in an `update` step.
use caravan_model::changes::{Changes, FIELDS, Place, place_of};
use jiff::civil::Date;
use serde_json::Value;

/// What is wrong with one change: the path at which it stands, words, and the cure.
pub type Flaw = (String, String, String);

/// All that is wrong with changes.
pub fn flaws(changes: &Changes) -> Vec<Flaw> {
    let mut flaws: Vec<Flaw> = Vec::new();
    if changes.0.is_empty() {
        let cure = "for instance { plan: pro, visits.last: null }, where `null` removes";
        flaws.push((String::new(), "an update that changes nothing".to_owned(), cure.to_owned()));
    }
    for (path, value) in &changes.0 {
        let mut flaw = |words: String, cure: String| flaws.push((path.clone(), words, cure));
        match place_of(path) {
            Place::Identifier => flaw(
                format!("`{path}` says who a person is: a canvas does not change that"),
                format!("set an attribute of another name, or `attributes.{path}`; identifiers come with the people"),
            ),
            Place::Consent => flaw(
                format!("`{path}` says what a person allows: only they can change that"),
                "remove it; consents come with the people, by import or event".to_owned(),
            ),
            Place::Nowhere => flaw(
                format!("`{path}` names no attribute"),
                "write a name, or names with dots between them: `plan`, `address.city`".to_owned(),
            ),
            Place::Field(field) => {
                if let Some((words, cure)) = field_flaw(field, value) {
                    flaw(words, cure);
                }
            }
            Place::Attribute(attribute) => {
                let root = attribute.split('.').next().unwrap_or_default();
                if root.len() < path.len() && FIELDS.contains(&root) && !path.starts_with("attributes.") {
                    let cure = format!("set `{root}` itself, or an attribute of another name");
                    flaw(format!("`{root}` is a text of the profile, with nothing below it"), cure);
                }
            }
        }
        let above =
            changes.0.keys().find(|other| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('.')));
        if let Some(above) = above {
            let cure = "write one of the two: the whole, or its parts".to_owned();
            flaws.push((path.clone(), format!("`{above}` is set as a whole here, and in part"), cure));
        }
    }
    flaws
}

fn field_flaw(field: &str, value: &Value) -> Option<(String, String)> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.trim(),
        _ => {
            let cure = format!("write `{field}: \"…\"`, or `{field}: null` to remove it");
            return Some((format!("`{field}` is a text"), cure));
        }
    };
    match field {
        "birth_date" if text.parse::<Date>().is_err() => {
            Some((format!("`{text}` is no date"), "write it as 1985-07-03".to_owned()))
        }
        "time_zone" if crate::person::zone(text).is_none() => {
            Some((format!("there is no time zone `{text}`"), "for instance Europe/Paris".to_owned()))
        }
        _ if text.is_empty() => Some((format!("`{field}` is empty"), format!("write `{field}: null` to remove it"))),
        _ => None,
    }
}
