//! Who a person is at Marketo (contract, section 3): lists take lead ids, so addresses are looked up first.
//!
//! Marketo takes a lookup as a form, too, so that people's addresses stand in a body and not in a URL, which many a log
//! keeps. A form makes no lead: the call that does takes JSON.
use crate::api;
use crate::classify::{About, classify, is_too_many};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Fault, Settings};
use std::collections::HashMap;

/// Values of one lookup.
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
    let mut open: Vec<&[&str]> = values.chunks(AT_ONCE).rev().collect();
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

/// The query as a form.
fn form(field: &str, values: &str, cursor: Option<&str>) -> String {
    let query = Path::new([])
        .query("filterType", field)
        .query("filterValues", values)
        .query("fields", &format!("id,{field},updatedAt"))
        .query("batchSize", "300")
        .query_if("nextPageToken", cursor);
    query.as_str().trim_start_matches(['/', '?']).to_owned()
}

fn lookup(settings: &Settings, field: &str, values: &[&str], found: &mut Found) -> Result<(), Fault> {
    let (host, values) = (api::host(settings)?, values.join(","));
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let path = Path::new(["rest", "v1", "leads.json"]).query("_method", "GET");
        let request = Request::post(&host, path).form(form(field, &values, cursor.as_deref()));
        let answer = classify(&http::send(request)?, About::Login)?;
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
    use super::find;
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
        assert_eq!((calls[0].method.as_str(), calls[0].path.as_str()), ("POST", "/rest/v1/leads.json?_method=GET"));
        let body = format!("filterType=email&filterValues={joined}&fields=id,email,updatedAt&batchSize=300");
        assert_eq!(calls[0].body, body);
    }

    #[test]
    fn duplicates_and_pages_are_gathered_by_value_in_any_case() {
        let (found, calls) = testing::with_partner(
            |call| match call.body.contains("nextPageToken=N%3D") {
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
    fn no_lookup_has_more_values_than_marketo_takes() {
        let values: Vec<String> = (0..301).map(|n| format!("{n}@example.com")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (_, calls) = testing::with_partner(
            |_| testing::json(200, r#"{"success":true,"result":[]}"#),
            || find(&settings(), "email", &values).expect("found"),
        );
        let counts: Vec<usize> = calls.iter().map(|call| call.body.matches("example.com").count()).collect();
        assert_eq!(counts, [300, 1]);
    }

    #[test]
    fn a_lookup_that_hits_too_many_is_halved_down_to_the_value_that_does() {
        let partner = |call: &testing::Call| {
            let values =
                call.body.split("filterValues=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
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
