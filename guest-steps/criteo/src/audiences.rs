//! Segments of an advertiser: find, describe, make (contract, section 2). There is no call for a single one: a search by
//! its id stands in for it.
use crate::api;
use crate::classify::{About, Refusal, classify};
use caravan_sdk::http::{self, Request};
use caravan_sdk::{Audience, AudiencePage, AudienceState, Created, Fault, Settings, fault};
use serde_json::{Value, json};

/// The type of segment that takes people.
pub const CONTACT_LIST: &str = "ContactList";
/// The most on a page of a search.
const PAGE: usize = 100;
/// How many pages are searched; an advertiser may have 1,000 segments.
const PAGES: usize = 50;

/// One page of segments whose name contains `query`. The cursor is the offset.
///
/// # Errors
/// Why Criteo did not answer.
pub fn list(settings: &Settings, account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let offset = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
    let (items, next) = page(settings, account, offset)?;
    let query = query.to_lowercase();
    let audiences = items.iter().map(audience).filter(|audience| audience.name.to_lowercase().contains(&query));
    Ok(AudiencePage { audiences: audiences.collect(), next: next.map(|offset| offset.to_string()) })
}

/// Makes a contact list whose description carries `marker`, or adopts the one whose description already does. Where
/// Criteo says that the name is taken, the contact list of that name is used, if it takes people.
///
/// # Errors
/// Why Criteo did not answer, or what it refused.
pub fn create(settings: &Settings, account: &str, name: &str, marker: &str) -> Result<Created, Fault> {
    let adopted = |audience| Created { audience, audience_parts: Vec::new(), adopted: true };
    let ours = |item: &Value| {
        let description = item["attributes"]["description"].as_str().unwrap_or_default();
        !marker.is_empty() && description.split_whitespace().any(|word| word == marker)
    };
    if let Some(found) = find(settings, account, ours)? {
        return Ok(adopted(api::text(&found["id"])));
    }
    // `serde_json` sorts names, so the same call has the same bytes.
    let body = json!({"data": [{"type": "AudienceSegment", "attributes": {
        "advertiserId": account,
        "name": name,
        "description": format!("Kept by Caravan. {marker}"),
        "contactList": {},
    }}]});
    let request = Request::post(api::HOST, api::segments(settings, &["create"]))
        .header("accept", "application/json")
        .json(body.to_string());
    let answer = http::send(request)?;
    // What failed is told as an error under 400, or as a warning under 200.
    let refusal = answer.json().and_then(|body| Refusal::of(&body, true));
    if let Some(refusal) = refusal.filter(|_| answer.is_success() || answer.status == 400) {
        if refusal.code != "name-must-be-unique" {
            return Err(refusal.fault(answer.status, About::Account));
        }
        let found = find(settings, account, |item| item["attributes"]["name"] == name)?;
        return match found {
            Some(found) if unusable(&found).is_none() => Ok(adopted(api::text(&found["id"]))),
            _ => {
                let ours = "Another segment of this advertiser has the name and takes no people: choose another name.";
                Err(fault::audience(AudienceState::NotWritable, refusal.cause(ours)))
            }
        };
    }
    let answer = classify(&answer, About::Account)?;
    match api::items(&answer).first().map(|item| api::text(&item["id"])).filter(|id| !id.is_empty()) {
        Some(audience) => Ok(Created { audience, audience_parts: Vec::new(), adopted: false }),
        None => Err(fault::unavailable(None, fault::cause("no-id", "Criteo made no segment that it names."))),
    }
}

fn find(settings: &Settings, account: &str, wanted: impl Fn(&Value) -> bool) -> Result<Option<Value>, Fault> {
    let mut offset = 0;
    for _ in 0..PAGES {
        let (items, next) = page(settings, account, offset)?;
        if let Some(found) = items.iter().find(|item| wanted(item)) {
            return Ok(Some(found.clone()));
        }
        match next {
            Some(next) => offset = next,
            None => return Ok(None),
        }
    }
    Err(fault::bug("too-many-audiences", format!("The advertiser has more than {PAGES} pages of segments.")))
}

fn page(settings: &Settings, account: &str, offset: usize) -> Result<(Vec<Value>, Option<usize>), Fault> {
    let path =
        api::segments(settings, &["search"]).query("limit", &PAGE.to_string()).query("offset", &offset.to_string());
    let body = json!({"data": {"attributes": {"advertiserIds": [account]}}});
    let answer = api::post(path, &body, About::Account)?;
    let items = api::items(&answer).to_vec();
    let after = offset + items.len();
    let total = answer["meta"]["totalItems"].as_u64().and_then(|total| usize::try_from(total).ok());
    let more = !items.is_empty() && total.map_or(items.len() == PAGE, |total| after < total);
    Ok((items, more.then_some(after)))
}

/// One segment of the advertiser; none where Criteo shows no such segment.
///
/// # Errors
/// Why Criteo did not answer.
pub fn one(settings: &Settings, account: &str, audience: &str) -> Result<Option<Value>, Fault> {
    let body = json!({"data": {"attributes": {"advertiserIds": [account], "audienceSegmentIds": [audience]}}});
    let answer = api::post(api::segments(settings, &["search"]), &body, About::Account)?;
    Ok(api::items(&answer).iter().find(|item| api::text(&item["id"]) == audience).cloned())
}

fn audience(item: &Value) -> Audience {
    let attributes = &item["attributes"];
    Audience {
        id: api::text(&item["id"]),
        name: api::text(&attributes["name"]),
        kind: api::text(&attributes["type"]),
        unusable: unusable(item),
        // A search tells none.
        size: None,
    }
}

/// Why a segment takes no members from us.
pub fn unusable(item: &Value) -> Option<String> {
    let attributes = &item["attributes"];
    match attributes["type"].as_str() {
        Some(CONTACT_LIST) => (attributes["contactList"]["isReadOnly"] == true)
            .then(|| "Criteo keeps this contact list read-only: another tool or a file fills it.".to_owned()),
        kind => {
            let kind = kind.unwrap_or("another kind");
            Some(format!("Criteo fills this segment itself ({kind}); only contact lists take people."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{create, list};
    use caravan_sdk::{AudienceState, Fault, Settings, testing};

    const EMPTY: &str = r#"{"data":[],"meta":{"totalItems":0}}"#;
    const SOME: &str = r#"{"data":[
        {"id":"11","attributes":{"name":"Lapsed","description":"Kept by Caravan. caravan-1","type":"ContactList","contactList":{"isReadOnly":false}}},
        {"id":"12","attributes":{"name":"lapsed visitors","type":"Retargeting"}},
        {"id":"13","attributes":{"name":"Lapsed file","type":"ContactList","contactList":{"isReadOnly":true}}},
        {"id":"14","attributes":{"name":"Other","type":"ContactList","contactList":{"isReadOnly":false}}}],
        "meta":{"totalItems":5}}"#;
    const TAKEN: &str = r#"{"data":[],"warnings":[{"type":"validation","code":"name-must-be-unique","title":"Segment name must be unique"}]}"#;
    const TAKEN_400: &str =
        r#"{"errors":[{"type":"validation","code":"name-must-be-unique","title":"Segment name must be unique"}]}"#;

    fn settings() -> Settings {
        Settings::parse(r#"{"api_version":"2026-07"}"#).expect("settings")
    }

    #[test]
    fn segments_come_in_pages_and_say_why_they_are_unusable() {
        let ((first, last), calls) = testing::with_partner(
            |call| testing::json(200, if call.path.ends_with("offset=0") { SOME } else { EMPTY }),
            || {
                let first = list(&settings(), "1", "LAPSED", None).expect("a page");
                let last = list(&settings(), "1", "", first.next.as_deref()).expect("a page");
                (first, last)
            },
        );
        let seen: Vec<_> = first.audiences.iter().map(|a| (a.id.as_str(), a.unusable.is_some())).collect();
        assert_eq!(seen, [("11", false), ("12", true), ("13", true)]);
        assert_eq!((first.next.as_deref(), last.next), (Some("4"), None));
        assert_eq!(calls[0].path, "/2026-07/marketing-solutions/audience-segments/search?limit=100&offset=0");
        assert_eq!(calls[0].body, r#"{"data":{"attributes":{"advertiserIds":["1"]}}}"#);
    }

    fn made(
        search: &'static str,
        status: u16,
        answer: &'static str,
        name: &str,
        marker: &str,
    ) -> (Result<(String, bool), Fault>, Vec<testing::Call>) {
        let (made, calls) = testing::with_partner(
            move |call| match call.path.contains("/create") {
                true => testing::json(status, answer),
                false => testing::json(200, search),
            },
            || create(&settings(), "1", name, marker),
        );
        (made.map(|made| (made.audience, made.adopted)), calls)
    }

    #[test]
    fn a_list_is_made_with_the_marker_and_newer_answers_tell_only_the_id() {
        let (found, calls) =
            made(EMPTY, 200, r#"{"data":[{"id":"5678","type":"AudienceSegment"}]}"#, "New", "caravan-2");
        assert_eq!(found, Ok(("5678".to_owned(), false)));
        assert_eq!(
            calls[1].body,
            r#"{"data":[{"attributes":{"advertiserId":"1","contactList":{},"description":"Kept by Caravan. caravan-2","name":"New"},"type":"AudienceSegment"}]}"#
        );
    }

    #[test]
    fn a_list_that_carries_the_marker_is_adopted() {
        let (found, calls) = made(SOME, 500, "", "New", "caravan-1");
        assert_eq!((found, calls.len()), (Ok(("11".to_owned(), true)), 1));
    }

    #[test]
    fn row_a_taken_name_is_no_failure_in_either_form() {
        for (status, answer) in [(200, TAKEN), (400, TAKEN_400)] {
            let (found, _) = made(SOME, status, answer, "Other", "caravan-2");
            assert_eq!(found, Ok(("14".to_owned(), true)), "{status}");
            let (refused, _) = made(SOME, status, answer, "lapsed visitors", "caravan-2");
            let Err(Fault::Audience(fault)) = refused else { panic!("{refused:?}") };
            assert_eq!(fault.state, AudienceState::NotWritable);
        }
    }

    #[test]
    fn one_segment_too_many_is_told() {
        let full = r#"{"data":[],"warnings":[{"type":"validation","code":"x","title":"The maximum number of segments is reached"}]}"#;
        let (refused, _) = made(EMPTY, 200, full, "New", "caravan-2");
        let Err(Fault::Audience(fault)) = refused else { panic!("{refused:?}") };
        assert_eq!(fault.state, AudienceState::Full);
    }
}
