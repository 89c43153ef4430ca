//! What an `update` step changes of a person: their own fields and attributes, never who they are or what they allowed.
use crate::{Millis, Profile};
use serde_json::{Map, Value};

/// Changes by path; `null` removes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes(pub Map<String, Value>);

/// What a path of an `update` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A field of the profile, of text.
    Field(&'static str),
    /// A custom attribute: a dotted path within `attributes`.
    Attribute(&'a str),
    /// One of the ids by which people are known and matched: not to be changed.
    Identifier,
    /// What the person allows: only they change it.
    Consent,
    /// No path: empty, or with an empty name in it.
    Nowhere,
}

/// The fields of text that an `update` may change.
pub const FIELDS: [&str; 10] =
    ["first_name", "last_name", "gender", "birth_date", "city", "state", "zip", "country", "time_zone", "locale"];
const IDENTIFIERS: [&str; 8] = ["external_id", "aliases", "email", "emails", "phone", "phones", "idfa", "gaid"];
const CONSENTS: [&str; 4] = ["consent", "consents", "ad_tracking_enabled", "do_not_sell_or_share"];

/// What a path leads to. A name that is no field of the profile is an attribute's; `attributes.email` is one too.
pub fn place_of(path: &str) -> Place<'_> {
    let root = path.split('.').next().unwrap_or_default();
    let attribute = path.strip_prefix("attributes.").unwrap_or(path);
    if attribute.split('.').any(|name| name.trim().is_empty()) || path == "attributes" {
        Place::Nowhere
    } else if IDENTIFIERS.contains(&root) {
        Place::Identifier
    } else if CONSENTS.contains(&root) {
        Place::Consent
    } else if let Some(field) = FIELDS.into_iter().find(|field| *field == path) {
        Place::Field(field)
    } else {
        Place::Attribute(attribute)
    }
}

impl Changes {
    /// Makes the changes, told of at `now`. What may not be changed, and a field's value that is no text, is left alone.
    pub fn apply(&self, person: &mut Profile, now: Millis) {
        self.make(person);
        for path in self.0.keys() {
            match place_of(path) {
                Place::Field(field) => person.told.note(field, now),
                Place::Attribute(path) => {
                    let name = path.split('.').next().unwrap_or_default();
                    person.told.note(&format!("attributes.{name}"), now);
                }
                Place::Identifier | Place::Consent | Place::Nowhere => {}
            }
        }
    }

    fn make(&self, person: &mut Profile) {
        for (path, value) in &self.0 {
            match place_of(path) {
                Place::Field(field) => {
                    let Some(place) = field_of(person, field) else { continue };
                    match value {
                        Value::Null => *place = None,
                        Value::String(text) => *place = Some(text.clone()),
                        _ => {}
                    }
                }
                Place::Attribute(path) if value.is_null() => while remove(&mut person.attributes, path) {},
                Place::Attribute(path) => set(&mut person.attributes, path, value),
                Place::Identifier | Place::Consent | Place::Nowhere => {}
            }
        }
    }
}

fn field_of<'a>(person: &'a mut Profile, field: &str) -> Option<&'a mut Option<String>> {
    Some(match field {
        "first_name" => &mut person.first_name,
        "last_name" => &mut person.last_name,
        "gender" => &mut person.gender,
        "birth_date" => &mut person.birth_date,
        "city" => &mut person.city,
        "state" => &mut person.state,
        "zip" => &mut person.zip,
        "country" => &mut person.country,
        "time_zone" => &mut person.time_zone,
        "locale" => &mut person.locale,
        _ => return None,
    })
}

/// Sets what the path reads afterwards: filters take a name with dots of its own for the nearer one, and so does this.
/// Maps on the way are made; a value on the way that is no map makes room for one.
fn set(map: &mut Map<String, Value>, path: &str, value: &Value) {
    if let Some(there) = find(map, path) {
        *there = value.clone();
        return;
    }
    match path.split_once('.') {
        None => {
            map.insert(path.to_owned(), value.clone());
        }
        Some((name, rest)) => {
            let below = map.entry(name).or_insert(Value::Null);
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            if let Value::Object(below) = below {
                set(below, rest, value);
            }
        }
    }
}

fn find<'a>(map: &'a mut Map<String, Value>, path: &str) -> Option<&'a mut Value> {
    if map.contains_key(path) {
        return map.get_mut(path);
    }
    let cut = path.match_indices('.').map(|(at, _)| at).find(|at| {
        let below = map.get_mut(&path[..*at]).and_then(Value::as_object_mut);
        below.is_some_and(|below| find(below, &path[at + 1..]).is_some())
    })?;
    find(map.get_mut(&path[..cut])?.as_object_mut()?, &path[cut + 1..])
}

fn remove(map: &mut Map<String, Value>, path: &str) -> bool {
    if map.remove(path).is_some() {
        return true;
    }
    let mut cuts = path.match_indices('.').map(|(at, _)| at);
    cuts.any(|at| {
        let below = map.get_mut(&path[..at]).and_then(Value::as_object_mut);
        below.is_some_and(|below| remove(below, &path[at + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(attributes: Value, changes: Value) -> Value {
        let Value::Object(attributes) = attributes else { panic!("a map") };
        let Value::Object(changes) = changes else { panic!("a map") };
        let mut person = Profile { attributes, ..Profile::default() };
        Changes(changes).make(&mut person);
        Value::Object(person.attributes)
    }

    #[test]
    fn dotted_paths_set_nested_attributes_and_null_removes() {
        assert_eq!(
            after(json!({}), json!({ "plan": "pro", "a.b.c": [1] })),
            json!({ "plan": "pro", "a": { "b": { "c": [1] } } })
        );
        assert_eq!(after(json!({ "a": { "b": 1, "c": 2 } }), json!({ "a.b": 3 })), json!({ "a": { "b": 3, "c": 2 } }));
        assert_eq!(after(json!({ "a": { "b": 1, "c": 2 } }), json!({ "a.b": null })), json!({ "a": { "c": 2 } }));
        assert_eq!(after(json!({ "a": 7 }), json!({ "a.b": true })), json!({ "a": { "b": true } }));
        assert_eq!(after(json!({ "a": 7 }), json!({ "a.b": null, "x": null })), json!({ "a": 7 }));
        assert_eq!(after(json!({}), json!({ "attributes.email": "x" })), json!({ "email": "x" }));
    }

    #[test]
    fn a_name_with_dots_of_its_own_is_the_one_that_filters_read() {
        assert_eq!(
            after(json!({ "a.b": 1, "a": { "b": 2 } }), json!({ "a.b": 3 })),
            json!({ "a.b": 3, "a": { "b": 2 } })
        );
        assert_eq!(after(json!({ "a.b": { "c": 1 } }), json!({ "a.b.c": 3 })), json!({ "a.b": { "c": 3 } }));
        assert_eq!(after(json!({ "a.b": 1, "a": { "b": 2 } }), json!({ "a.b": null })), json!({ "a": {} }));
    }

    #[test]
    fn fields_are_set_and_who_someone_is_stays() {
        let mut person = Profile { country: Some("FR".into()), city: Some("Lyon".into()), ..Profile::default() };
        let changes =
            json!({ "country": "DE", "city": null, "zip": 7, "email": "x@y.example", "consents.email": "granted" });
        let Value::Object(changes) = changes else { panic!("a map") };
        Changes(changes).make(&mut person);
        assert_eq!(person, Profile { country: Some("DE".into()), ..Profile::default() });
        assert_eq!(
            ["email", "consents.a", "a..b", "attributes", "country.x"].map(place_of),
            [Place::Identifier, Place::Consent, Place::Nowhere, Place::Nowhere, Place::Attribute("country.x")]
        );
    }
}
