//! Making an audience with its first people (contract, section 2): the list, then the audience over it.
//!
//! A list has no field but its name, which people do not see in Ads Manager, so it carries our marker; the audience has
//! the name that people know. A call that was cut short between the two finds the list again and makes the audience.
use crate::audiences::{self, CUSTOMER_LIST, OURS};
use crate::classify::{About, classify};
use crate::{api, members};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Created, Fault, Part, Rows, Sink, fault, json as text};
use serde_json::{Value, json};

/// How many pages of lists are searched for the marker.
const PAGES: usize = 50;
/// The part's name under which the audience's id is kept.
pub const AUDIENCE: &str = "audience";

/// Makes the list of kind `group` with the people of `seed`, or finds the one that carries the marker, and then the
/// audience over it, unless there is one.
///
/// # Errors
/// Why Pinterest did not answer, or what it refused; there are no first people.
pub fn create(account: &str, name: &str, marker: &str, group: &str, seed: Option<&Part>) -> Result<Created, Fault> {
    let (list, adopted) = match marked(account, marker)? {
        Some(list) => (list, true),
        None => (make_list(account, name, marker, group, seed)?, false),
    };
    let known = if adopted { audiences::over(account, &list)? } else { None };
    let audience = match known {
        Some(known) => api::text(&known["id"]),
        None => make_audience(account, name, marker, group, &list)?,
    };
    Ok(Created { audience: list, audience_parts: vec![(AUDIENCE.to_owned(), audience)], adopted })
}

fn marked(account: &str, marker: &str) -> Result<Option<String>, Fault> {
    let ending = format!(" ({marker})");
    let mut cursor = None;
    for _ in 0..PAGES {
        let answer = api::get(api::paged(api::path(&[account, "customer_lists"]), cursor.as_deref()), About::Account)?;
        let (items, next) = api::page(&answer);
        let ours =
            |item: &&Value| !marker.is_empty() && item["name"].as_str().is_some_and(|name| name.ends_with(&ending));
        if let Some(found) = items.iter().find(ours) {
            return Ok(Some(api::text(&found["id"])));
        }
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(None),
        }
    }
    Err(fault::bug("too-many-audiences", format!("The ad account has more than {PAGES} pages of customer lists.")))
}

fn make_list(account: &str, name: &str, marker: &str, group: &str, seed: Option<&Part>) -> Result<String, Fault> {
    let Some(seed) = seed.filter(|seed| seed.rows > 0) else {
        let message = "Pinterest makes a list only with its first people.";
        return Err(fault::misconfigured("no-seed", message));
    };
    let rows = Rows::of(seed)?;
    let [column] = rows.columns() else {
        return Err(fault::bug("columns", "A list at Pinterest takes exactly one kind of record."));
    };
    members::fit(column)?;
    let head = format!(
        "{{\"list_type\":{},\"name\":{},\"records\":\"",
        text::string(group),
        text::string(&format!("{name} ({marker})")),
    );
    let write = |sink: &mut Sink<'_>| members::records(&head, column, sink);
    let request =
        Request::post(api::HOST, api::path(&[account, "customer_lists"])).json_stream(text::measure(&write), &write);
    named(&classify(&http::send(request)?, About::Account)?)
}

fn make_audience(account: &str, name: &str, marker: &str, group: &str, list: &str) -> Result<String, Fault> {
    let body = json!({
        "name": name,
        "audience_type": CUSTOMER_LIST,
        "rule": {"customer_list_id": list},
        "description": format!("{OURS} {group}. {marker}"),
    });
    let path: Path = api::path(&[account, "audiences"]);
    named(&classify(&http::send(Request::post(api::HOST, path).json(body.to_string()))?, About::Account)?)
}

fn named(answer: &Value) -> Result<String, Fault> {
    match api::text(&answer["id"]) {
        id if id.is_empty() => {
            Err(fault::unavailable(None, fault::cause("no-id", "Pinterest made nothing that it names.")))
        }
        id => Ok(id),
    }
}

#[cfg(test)]
mod tests {
    use super::create;
    use caravan_sdk::http::Response;
    use caravan_sdk::{Fault, testing};

    const NONE: &str = r#"{"items":[],"bookmark":null}"#;
    const LISTS: &str = r#"{"items":[{"id":"643","name":"Lapsed (caravan-1)"},{"id":"644","name":"Lapsed (caravan-12)"}],"bookmark":null}"#;

    fn partner(lists: &'static str, audiences: &'static str) -> impl Fn(&testing::Call) -> Response {
        move |call| {
            let is_list = call.path.contains("/customer_lists");
            match (call.method.as_str(), is_list) {
                ("POST", true) => testing::json(200, r#"{"id":"643001"}"#),
                ("POST", false) => testing::json(200, r#"{"id":"2542"}"#),
                (_, true) => testing::json(200, lists),
                (_, false) => testing::json(200, audiences),
            }
        }
    }

    #[test]
    fn a_list_is_made_with_its_first_people_and_an_audience_over_it() {
        let seed = testing::part("EMAIL", &[("EMAIL", &["aa", "bb"])]);
        let (made, calls) = testing::with_partner(partner(NONE, NONE), || {
            create("1", "Lapsed", "caravan-1", "EMAIL", Some(&seed)).expect("made")
        });
        assert_eq!((made.audience.as_str(), made.adopted), ("643001", false));
        assert_eq!(made.audience_parts, [("audience".to_owned(), "2542".to_owned())]);
        assert_eq!(calls[1].path, "/v5/ad_accounts/1/customer_lists");
        assert_eq!(calls[1].body, r#"{"list_type":"EMAIL","name":"Lapsed (caravan-1)","records":"aa,bb"}"#);
        assert_eq!(
            calls[2].body,
            r#"{"audience_type":"CUSTOMER_LIST","description":"Kept by Caravan: EMAIL. caravan-1","name":"Lapsed","rule":{"customer_list_id":"643001"}}"#
        );
    }

    #[test]
    fn a_call_that_was_cut_short_finds_its_list_and_makes_no_second() {
        let (made, calls) = testing::with_partner(partner(LISTS, NONE), || {
            create("1", "Lapsed", "caravan-1", "EMAIL", None).expect("found")
        });
        assert_eq!((made.audience.as_str(), made.adopted), ("643", true));
        assert_eq!(calls.iter().filter(|call| call.method == "POST").count(), 1, "the audience alone");
        let over = r#"{"items":[{"id":"9","rule":{"customer_list_id":"643"}}],"bookmark":null}"#;
        let (made, calls) = testing::with_partner(partner(LISTS, over), || {
            create("1", "Lapsed", "caravan-1", "EMAIL", None).expect("found")
        });
        assert_eq!(made.audience_parts[0].1, "9");
        assert!(calls.iter().all(|call| call.method == "GET"));
    }

    #[test]
    fn without_first_people_nothing_is_made() {
        let (made, calls) =
            testing::with_partner(partner(NONE, NONE), || create("1", "Lapsed", "caravan-1", "EMAIL", None));
        assert!(matches!(made, Err(Fault::Misconfigured(_))));
        assert!(calls.iter().all(|call| call.method == "GET"));
    }
}
