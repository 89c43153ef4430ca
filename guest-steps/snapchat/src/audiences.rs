//! Segments of an ad account: find, describe, make (contract, section 2).
use crate::api;
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Request};
use caravan_sdk::{Audience, AudiencePage, Created, Fault, Settings, fault};
use serde_json::{Value, json};

/// The source that takes people.
pub const FIRST_PARTY: &str = "FIRST_PARTY";
/// The longest name.
const NAME_MAX: usize = 375;
/// How many days members may stay.
const DAYS: std::ops::RangeInclusive<i64> = 1..=9_999;
/// How many pages are searched for the marker; an ad account may have 1,000 segments.
const PAGES: usize = 50;

/// One page of segments whose name contains `query`.
///
/// # Errors
/// Why Snapchat did not answer.
pub fn list(account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let answer = page(account, cursor)?;
    let query = query.to_lowercase();
    let audiences = api::items(&answer, "segments", "segment").into_iter().map(audience);
    let audiences = audiences.filter(|audience| audience.name.to_lowercase().contains(&query)).collect();
    Ok(AudiencePage { audiences, next: api::next(&answer)? })
}

/// Makes a segment whose description carries `marker`, or adopts the one whose description already does.
///
/// # Errors
/// Why Snapchat did not answer, or what it refused.
pub fn create(settings: &Settings, account: &str, name: &str, marker: &str) -> Result<Created, Fault> {
    let days = settings.number("retention_in_days");
    if !DAYS.contains(&days) {
        let message = format!("The setting `retention_in_days` is {days}: Snapchat keeps members for 1 to 9999 days.");
        return Err(fault::misconfigured("retention_in_days", message));
    }
    if name.chars().count() > NAME_MAX {
        let message = format!("Snapchat takes names of at most {NAME_MAX} characters: shorten the name.");
        return Err(fault::misconfigured("name-too-long", message));
    }
    if let Some(audience) = find_marked(account, marker)? {
        return Ok(Created { audience, audience_parts: Vec::new(), adopted: true });
    }
    // `serde_json` sorts names, so the same call has the same bytes.
    let body = json!({"segments": [{
        "name": name,
        "description": format!("Kept by Caravan. {marker}"),
        "source_type": FIRST_PARTY,
        "retention_in_days": days,
        "ad_account_id": account,
    }]});
    let path = api::path(&["adaccounts", account, "segments"]);
    let answer = classify(&http::send(Request::post(api::HOST, path).json(body.to_string()))?, About::Create)?;
    let made = api::items(&answer, "segments", "segment").first().map(|segment| api::text(&segment["id"]));
    match made.filter(|id| !id.is_empty()) {
        Some(audience) => Ok(Created { audience, audience_parts: Vec::new(), adopted: false }),
        None => Err(fault::unavailable(None, fault::cause("no-id", "Snapchat made no segment that it names."))),
    }
}

fn find_marked(account: &str, marker: &str) -> Result<Option<String>, Fault> {
    let mut cursor = None;
    for _ in 0..PAGES {
        let answer = page(account, cursor.as_deref())?;
        let ours = |item: &&Value| {
            let description = item["description"].as_str().unwrap_or_default();
            !marker.is_empty() && description.split_whitespace().any(|word| word == marker)
        };
        if let Some(found) = api::items(&answer, "segments", "segment").into_iter().find(ours) {
            return Ok(Some(api::text(&found["id"])));
        }
        match api::next(&answer)? {
            Some(next) => cursor = Some(next),
            None => return Ok(None),
        }
    }
    Err(fault::bug("too-many-audiences", format!("The ad account has more than {PAGES} pages of segments.")))
}

fn page(account: &str, cursor: Option<&str>) -> Result<Value, Fault> {
    let path = api::path(&["adaccounts", account, "segments"]).query("limit", "1000").query_if("cursor", cursor);
    api::get(path, About::Account)
}

/// One segment.
///
/// # Errors
/// Why Snapchat did not answer; a segment that is not there.
pub fn one(audience: &str) -> Result<Value, Fault> {
    let answer = api::get(api::path(&["segments", audience]), About::Audience)?;
    Ok(api::items(&answer, "segments", "segment").first().map(|segment| (*segment).clone()).unwrap_or_default())
}

fn audience(item: &Value) -> Audience {
    Audience {
        id: api::text(&item["id"]),
        name: api::text(&item["name"]),
        kind: api::text(&item["source_type"]),
        unusable: unusable(item),
        size: item["approximate_number_users"].as_u64(),
    }
}

/// Why a segment takes no members from us.
pub fn unusable(item: &Value) -> Option<String> {
    let source = item["source_type"].as_str().unwrap_or("another source");
    if source != FIRST_PARTY {
        return Some(format!("Snapchat fills this segment itself ({source}); only FIRST_PARTY segments take people."));
    }
    let status = item["status"].as_str().filter(|status| !["ACTIVE", "PENDING"].contains(status));
    status.map(|status| format!("Snapchat says that the segment is {status}."))
}

#[cfg(test)]
mod tests {
    use super::{create, list};
    use caravan_sdk::{AudienceState, Fault, Settings, testing};

    const PAGE_1: &str = r#"{"request_status":"SUCCESS","paging":{"next_link":"https://adsapi.snapchat.com/v1/adaccounts/a/segments?cursor=2&limit=1000"},"segments":[
        {"sub_request_status":"SUCCESS","segment":{"id":"11","name":"Lapsed","source_type":"FIRST_PARTY","status":"ACTIVE","approximate_number_users":2000}},
        {"sub_request_status":"SUCCESS","segment":{"id":"12","name":"lapsed visitors","source_type":"PIXEL","status":"ACTIVE"}},
        {"sub_request_status":"SUCCESS","segment":{"id":"13","name":"lapsed paused","source_type":"FIRST_PARTY","status":"PAUSED"}}]}"#;
    const PAGE_2: &str = r#"{"request_status":"success","paging":{},"segments":[
        {"sub_request_status":"success","segment":{"id":"14","name":"Other","description":"Kept by Caravan. caravan-1","source_type":"FIRST_PARTY","status":"PENDING"}}]}"#;
    const MADE: &str =
        r#"{"request_status":"SUCCESS","segments":[{"sub_request_status":"SUCCESS","segment":{"id":"99"}}]}"#;
    const FULL: &str = r#"{"request_status":"SUCCESS","segments":[{"sub_request_status":"ERROR","sub_request_error_reason":"the maximum number of segments is reached"}]}"#;

    fn made(days: i64, marker: &str, answer: &'static str) -> (Result<(String, bool), Fault>, Vec<testing::Call>) {
        let settings = Settings::parse(&format!(r#"{{"retention_in_days":{days}}}"#)).expect("settings");
        let (made, calls) = testing::with_partner(
            move |call| {
                let body = match (call.method.as_str(), call.path.contains("cursor=2")) {
                    ("POST", _) => answer,
                    (_, false) => PAGE_1,
                    (_, true) => PAGE_2,
                };
                testing::json(200, body)
            },
            || create(&settings, "a", "New", marker),
        );
        (made.map(|made| (made.audience, made.adopted)), calls)
    }

    #[test]
    fn segments_come_in_pages_and_say_why_they_are_unusable() {
        let (page, calls) =
            testing::with_partner(|_| testing::json(200, PAGE_1), || list("a", "LAPSED", None).expect("a page"));
        let seen: Vec<_> = page.audiences.iter().map(|a| (a.id.as_str(), a.size, a.unusable.is_some())).collect();
        assert_eq!(seen, [("11", Some(2000), false), ("12", None, true), ("13", None, true)]);
        assert_eq!(page.next.as_deref(), Some("2"));
        assert_eq!(calls[0].path, "/v1/adaccounts/a/segments?limit=1000");
    }

    #[test]
    fn a_segment_is_made_with_the_marker_and_the_retention_of_the_connection() {
        let (found, calls) = made(180, "caravan-2", MADE);
        assert_eq!(found, Ok(("99".to_owned(), false)));
        let post = calls.last().expect("a call");
        assert_eq!(post.path, "/v1/adaccounts/a/segments");
        assert_eq!(
            post.body,
            r#"{"segments":[{"ad_account_id":"a","description":"Kept by Caravan. caravan-2","name":"New","retention_in_days":180,"source_type":"FIRST_PARTY"}]}"#
        );
    }

    #[test]
    fn a_segment_that_carries_the_marker_is_adopted_from_any_page() {
        let (found, calls) = made(9_999, "caravan-1", MADE);
        assert_eq!((found, calls.len()), (Ok(("14".to_owned(), true)), 2));
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let (refused, calls) = made(0, "caravan-2", MADE);
        assert!(matches!(refused, Err(Fault::Misconfigured(_))) && calls.is_empty());
        let (refused, _) = made(1, "caravan-2", FULL);
        let Err(Fault::Audience(fault)) = refused else { panic!("{refused:?}") };
        assert_eq!(fault.state, AudienceState::Full);
    }
}
