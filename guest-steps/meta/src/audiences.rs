//! Audiences of an ad account: find, describe, make (contract, section 2).
use crate::api;
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Request};
use caravan_sdk::{Audience, AudiencePage, Created, Fault, Settings, fault};
use serde_json::{Value, json};

/// The subtype that takes people from a customer list.
pub const CUSTOM: &str = "CUSTOM";
/// What is asked for of an audience.
pub const FIELDS: &str = "id,name,description,subtype,approximate_count_lower_bound,operation_status,is_value_based";
/// How many pages of audiences are searched for the marker: 200 a page, many times what an account may have.
const PAGES: usize = 50;

/// One page of audiences whose name contains `query`: `GET /act_…/customaudiences`.
///
/// # Errors
/// Why Meta did not answer.
pub fn list(settings: &Settings, account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let answer = page(settings, account, cursor)?;
    let (items, next) = api::page(&answer);
    let query = query.to_lowercase();
    let audiences = items.iter().map(audience).filter(|audience| audience.name.to_lowercase().contains(&query));
    Ok(AudiencePage { audiences: audiences.collect(), next })
}

/// Makes an audience whose description carries `marker`, or adopts the one whose description already does.
///
/// # Errors
/// Why Meta did not answer, or what it refused.
pub fn create(settings: &Settings, account: &str, name: &str, marker: &str) -> Result<Created, Fault> {
    if let Some(audience) = find_marked(settings, account, marker)? {
        return Ok(Created { audience, audience_parts: Vec::new(), adopted: true });
    }
    // `serde_json` sorts names, so the same call has the same bytes.
    let body = json!({
        "name": name,
        "subtype": CUSTOM,
        "description": format!("Kept by Caravan. {marker}"),
        "customer_file_source": settings.text("customer_file_source"),
    });
    let path = api::path(settings, &[&api::account_node(account), "customaudiences"]);
    let answer =
        classify(&http::send(Request::post(api::HOST, path).json(body.to_string()))?, About::Account(account))?;
    match api::text(&answer["id"]) {
        id if id.is_empty() => {
            Err(fault::unavailable(None, fault::cause("no-id", "Meta made no audience that it names.")))
        }
        audience => Ok(Created { audience, audience_parts: Vec::new(), adopted: false }),
    }
}

fn find_marked(settings: &Settings, account: &str, marker: &str) -> Result<Option<String>, Fault> {
    let mut cursor = None;
    for _ in 0..PAGES {
        let answer = page(settings, account, cursor.as_deref())?;
        let (items, next) = api::page(&answer);
        let ours = |item: &&Value| item["description"].as_str().is_some_and(|text| carries(text, marker));
        if let Some(found) = items.iter().find(ours) {
            return Ok(Some(api::text(&found["id"])));
        }
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(None),
        }
    }
    Err(fault::bug("too-many-audiences", format!("The ad account has more than {PAGES} pages of audiences.")))
}

/// Whether a description holds the marker as a word of its own, so that `m-1` is not found in `m-12`.
fn carries(description: &str, marker: &str) -> bool {
    !marker.is_empty() && description.split_whitespace().any(|word| word == marker)
}

fn page(settings: &Settings, account: &str, cursor: Option<&str>) -> Result<Value, Fault> {
    let path = api::path(settings, &[&api::account_node(account), "customaudiences"])
        .query("fields", FIELDS)
        .query("limit", "200")
        .query_if("after", cursor);
    api::get(path, About::Account(account))
}

fn audience(item: &Value) -> Audience {
    Audience {
        id: api::text(&item["id"]),
        name: api::text(&item["name"]),
        kind: api::text(&item["subtype"]),
        unusable: unusable(item),
        // Meta says -1 where it does not tell.
        size: item["approximate_count_lower_bound"].as_u64(),
    }
}

/// Why an audience takes no members from us.
pub fn unusable(item: &Value) -> Option<String> {
    let subtype = item["subtype"].as_str().unwrap_or_default();
    if subtype != CUSTOM {
        return Some(format!("Meta fills this audience itself ({subtype}); only customer lists take people."));
    }
    if item["is_value_based"] == true {
        return Some("This audience is value-based: every person needs a value, which is not sent.".to_owned());
    }
    (item["operation_status"]["code"].as_i64() == Some(471))
        .then(|| "Meta has flagged this audience: review it in Audience Manager.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{carries, create, list};
    use caravan_sdk::{Fault, Settings, testing};

    const EMPTY: &str = r#"{"data":[]}"#;

    fn settings() -> Settings {
        Settings::parse(r#"{"api_version":"v26.0","customer_file_source":"USER_PROVIDED_ONLY"}"#).expect("settings")
    }

    #[test]
    fn audiences_are_filtered_by_name_and_say_why_they_are_unusable() {
        let answer = r#"{"data":[
            {"id":"11","name":"Lapsed FR","subtype":"CUSTOM","approximate_count_lower_bound":1000,"operation_status":{"code":200}},
            {"id":"12","name":"lapsed visitors","subtype":"WEBSITE","approximate_count_lower_bound":-1},
            {"id":"13","name":"Lapsed flagged","subtype":"CUSTOM","operation_status":{"code":471}},
            {"id":"14","name":"Other","subtype":"CUSTOM"},
            {"id":"15","name":"lapsed by value","subtype":"CUSTOM","is_value_based":true}]}"#;
        let (page, calls) = testing::with_partner(
            move |_| testing::json(200, answer),
            || list(&settings(), "1", "LAPSED", None).expect("a page"),
        );
        let seen: Vec<_> = page.audiences.iter().map(|a| (a.id.as_str(), a.size, a.unusable.is_some())).collect();
        assert_eq!(seen, [("11", Some(1000), false), ("12", None, true), ("13", None, true), ("15", None, true)]);
        let by_value = page.audiences[3].unusable.as_deref();
        assert!(by_value.is_some_and(|why| why.contains("value-based")), "refused before anybody is sent");
        assert!(calls[0].path.starts_with("/v26.0/act_1/customaudiences?fields=id,name,"), "{}", calls[0].path);
    }

    #[test]
    fn an_audience_is_made_with_the_marker_in_its_description() {
        let (made, calls) = testing::with_partner(
            |call| testing::json(200, if call.method == "GET" { EMPTY } else { r#"{"id":"23850"}"# }),
            || create(&settings(), "act_1", "Lapsed \"FR\"", "caravan:abc").expect("made"),
        );
        assert_eq!((made.audience.as_str(), made.adopted), ("23850", false));
        assert_eq!((calls[1].method.as_str(), calls[1].path.as_str()), ("POST", "/v26.0/act_1/customaudiences"));
        assert_eq!(
            calls[1].body,
            "{\"customer_file_source\":\"USER_PROVIDED_ONLY\",\"description\":\"Kept by Caravan. caravan:abc\",\
             \"name\":\"Lapsed \\\"FR\\\"\",\"subtype\":\"CUSTOM\"}"
        );
    }

    #[test]
    fn an_audience_that_carries_the_marker_is_adopted_from_any_page() {
        let (made, calls) = testing::with_partner(
            |call| match call.path.contains("after=") {
                false => testing::json(
                    200,
                    r#"{"data":[{"id":"1","description":"Kept by Caravan. caravan:abcd"}],
                        "paging":{"cursors":{"after":"n"},"next":"https://…"}}"#,
                ),
                true => testing::json(200, r#"{"data":[{"id":"2","description":"Kept by Caravan. caravan:abc"}]}"#),
            },
            || create(&settings(), "act_1", "Any", "caravan:abc").expect("found"),
        );
        assert_eq!((made.audience.as_str(), made.adopted), ("2", true));
        assert!(calls.iter().all(|call| call.method == "GET"));
    }

    #[test]
    fn nothing_is_made_while_the_search_fails() {
        let error = r#"{"error":{"message":"x","type":"OAuthException","code":2}}"#;
        let (made, calls) =
            testing::with_partner(move |_| testing::json(500, error), || create(&settings(), "1", "Any", "m"));
        assert!(matches!(made, Err(Fault::Unavailable(_))));
        assert_eq!(calls.len(), 1);
    }

    #[test]
    fn a_marker_is_a_word_of_its_own() {
        assert!(carries("Kept by Caravan. m-1", "m-1"));
        assert!(!carries("Kept by Caravan. m-12", "m-1") && !carries("anything", ""));
    }
}
