//! Who a person is at Marketo (contract, section 3): lists take lead ids, so addresses are looked up first.
//!
//! Lookups go by GET, a few at a time so that no address exceeds 8 KiB, and no route is needed that could make leads.
use crate::api;
use crate::classify::{About, is_too_many};
use caravan_sdk::http::Path;
use caravan_sdk::{Fault, Settings};
use std::collections::HashMap;

/// The longest address of a lookup; Marketo and the host end at 8 KiB.
const LONGEST: usize = 7_500;
/// Values of one lookup. Marketo takes 300, but 1,000 hits at most: with room for leads that stand there several times.
const AT_ONCE: usize = 300;
/// The most pages of one lookup: 1,000 hits.
const PAGES: usize = 4;

/// A lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Its id.
    pub id: u32,
    /// When it was last changed, as Marketo writes it; such texts sort by time.
    pub updated: String,
}

/// What was found: leads by value, and values that too many leads have.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By value in lower case.
    pub leads: HashMap<String, Vec<Lead>>,
    /// Values of more leads than Marketo tells.
    pub crowded: Vec<String>,
}

/// Looks these values of a field up.
///
/// # Errors
/// Why Marketo did not answer, or what it refused.
pub fn find(settings: &Settings, field: &str, values: &[&str]) -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut open: Vec<&[&str]> = chunks(field, values);
    open.reverse();
    while let Some(chunk) = open.pop() {
        match lookup(settings, field, chunk, &mut found) {
            Ok(()) => {}
            Err(fault) if is_too_many(&fault) => match chunk {
                [one] => found.crowded.push(one.to_lowercase()),
                many => {
                    let (first, second) = many.split_at(many.len() / 2);
                    open.extend([second, first]);
                }
            },
            Err(fault) => return Err(fault),
        }
    }
    Ok(found)
}

/// The values in as few lookups as their addresses allow.
fn chunks<'a, 'v>(field: &str, values: &'a [&'v str]) -> Vec<&'a [&'v str]> {
    let empty = path(field, "", None).as_str().len();
    let mut chunks = Vec::new();
    let (mut from, mut length) = (0, empty);
    for (at, value) in values.iter().enumerate() {
        // Each byte may take three, and a comma parts the values.
        let more = Path::new([*value]).as_str().len();
        if at > from && (length + more > LONGEST || at - from == AT_ONCE) {
            chunks.push(&values[from..at]);
            (from, length) = (at, empty);
        }
        length += more;
    }
    if from < values.len() {
        chunks.push(&values[from..]);
    }
    chunks
}

fn path(field: &str, values: &str, cursor: Option<&str>) -> Path {
    Path::new(["rest", "v1", "leads.json"])
        .query("filterType", field)
        .query("filterValues", values)
        .query("fields", &format!("id,{field},updatedAt"))
        .query("batchSize", "300")
        .query_if("nextPageToken", cursor)
}

fn lookup(settings: &Settings, field: &str, values: &[&str], found: &mut Found) -> Result<(), Fault> {
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let answer = api::get(settings, path(field, &values.join(","), cursor.as_deref()), About::Login)?;
        for item in api::items(&answer) {
            let Some(id) = item["id"].as_u64().and_then(|id| u32::try_from(id).ok()) else { continue };
            let value = api::text(&item[field]).trim().to_lowercase();
            let known = found.leads.entry(value).or_default();
            if !known.iter().any(|lead| lead.id == id) {
                known.push(Lead { id, updated: api::text(&item["updatedAt"]) });
            }
        }
        cursor = api::next(&answer);
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, chunks, find};
    use caravan_sdk::{Fault, Settings, testing};

    fn settings() -> Settings {
        Settings::parse(r#"{"munchkin":"123-ABC-456"}"#).expect("settings")
    }

    /// The vectors of the contract, section 4: a plus that is not encoded would find nobody.
    #[test]
    fn values_are_encoded_and_parted_by_commas() {
        let values = ["person@email.com", "a+tag@example.com", "o'neil@example.com", "x&y@example.com"];
        let (_, calls) = testing::with_partner(
            |_| testing::json(200, r#"{"success":true,"result":[]}"#),
            || find(&settings(), "email", &values).expect("found"),
        );
        let joined = "person%40email.com,a%2Btag%40example.com,o%27neil%40example.com,x%26y%40example.com";
        assert_eq!(
            calls[0].path,
            format!(
                "/rest/v1/leads.json?filterType=email&filterValues={joined}&fields=id,email,updatedAt&batchSize=300"
            )
        );
    }

    #[test]
    fn duplicates_and_pages_are_gathered_by_value_in_any_case() {
        let (found, calls) = testing::with_partner(
            |call| match call.path.contains("nextPageToken=N%3D") {
                false => testing::json(
                    200,
                    r#"{"success":true,"nextPageToken":"N=","result":[{"id":1,"email":"A@x.io","updatedAt":"2026-01-01T00:00:00Z"}]}"#,
                ),
                true => testing::json(
                    200,
                    r#"{"success":true,"result":[{"id":2,"email":"a@x.io"},{"id":1,"email":"a@x.io"}]}"#,
                ),
            },
            || find(&settings(), "email", &["a@x.io"]).expect("found"),
        );
        let ids: Vec<u32> = found.leads["a@x.io"].iter().map(|lead| lead.id).collect();
        assert_eq!((ids, calls.len()), (vec![1, 2], 2));
        assert_eq!(found.leads["a@x.io"][0].updated, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn no_lookup_is_longer_than_marketo_takes() {
        let long: Vec<String> = (0..300).map(|n| format!("{}{n}@example.com", "+".repeat(60))).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let parts = chunks("email", &long);
        assert_eq!(parts.concat(), long);
        assert!(parts.len() > 5, "{}", parts.len());
        for part in parts {
            assert!(super::path("email", &part.join(","), None).as_str().len() <= LONGEST + 16);
        }
        assert_eq!(chunks("email", &[]).len(), 0);
    }

    #[test]
    fn a_lookup_that_hits_too_many_is_halved_down_to_the_value_that_does() {
        let partner = |call: &testing::Call| {
            let values =
                call.path.split("filterValues=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
            match values.split(',').any(|value| value == "crowd") {
                true => testing::json(
                    200,
                    r#"{"success":false,"errors":[{"code":"1003","message":"Too many results match the filter"}]}"#,
                ),
                false => {
                    let items: Vec<String> =
                        values.split(',').map(|v| format!(r#"{{"id":{},"f":"{v}"}}"#, v.len())).collect();
                    testing::json(200, &format!(r#"{{"success":true,"result":[{}]}}"#, items.join(",")))
                }
            }
        };
        let (found, calls) =
            testing::with_partner(partner, || find(&settings(), "f", &["a", "bb", "crowd", "dddd"]).expect("found"));
        assert_eq!(found.crowded, ["crowd"]);
        let mut values: Vec<&str> = found.leads.keys().map(String::as_str).collect();
        values.sort_unstable();
        assert_eq!((values, calls.len()), (vec!["a", "bb", "dddd"], 5));
    }

    #[test]
    fn a_refusal_ends_the_search() {
        let (found, _) = testing::with_partner(
            |_| testing::json(200, r#"{"success":false,"errors":[{"code":"1011","message":"Field not searchable"}]}"#),
            || find(&settings(), "x", &["a", "b"]),
        );
        assert!(matches!(found, Err(Fault::Bug(_))));
    }
}
