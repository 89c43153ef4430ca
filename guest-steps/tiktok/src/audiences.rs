//! Audiences of an ad account: find, describe, make (contract, section 2).
use crate::api;
use caravan_sdk::{Audience, AudiencePage, Created, Fault, fault};
use serde_json::{Value, json};

/// The longest name that TikTok takes.
pub const NAME_MAX: usize = 128;
/// The type of audiences that were made through the API; only these take people.
pub const PARTNER: &str = "Partner";
/// What such audiences match on.
const MULTIPLE_TYPES: &str = "MULTIPLE_TYPES";
/// How many pages of 100 are searched for a name; an account has at most 400 audiences.
const PAGES: u64 = 50;

/// One page of audiences whose name contains `query`: `GET dmp/custom_audience/list/`. The cursor is the page's number.
///
/// # Errors
/// Why TikTok did not answer.
pub fn list(account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let number = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(1);
    let (items, next) = page(account, number)?;
    let query = query.to_lowercase();
    let audiences = items.iter().map(audience).filter(|audience| audience.name.to_lowercase().contains(&query));
    Ok(AudiencePage { audiences: audiences.collect(), next: next.map(|number| number.to_string()) })
}

/// Makes an audience, or adopts the one of exactly this name that was made through the API.
///
/// TikTok gives an audience no field that could carry our marker but its name, which people read: so the name is the
/// marker. An interrupted call is found again by it; that a list of the same name was made by another tool through the
/// API cannot be told apart, and is adopted too.
///
/// # Errors
/// Why TikTok did not answer, or what it refused.
pub fn create(account: &str, name: &str) -> Result<Created, Fault> {
    if name.chars().count() > NAME_MAX {
        let message = format!("TikTok takes audience names of at most {NAME_MAX} characters: shorten the name.");
        return Err(fault::misconfigured("name-too-long", message));
    }
    if let Some(audience) = find(account, name)? {
        return Ok(Created { audience, audience_parts: Vec::new(), adopted: true });
    }
    // `serde_json` sorts names, so the same call has the same bytes.
    let body = json!({"advertiser_id": account, "custom_audience_name": name, "action": "create"});
    let answer = api::post(api::path(&["segment", "audience"]), &body)?;
    match api::text(&answer.data["audience_id"]) {
        // Also after "duplicate request": the next try finds it by name.
        id if id.is_empty() => {
            Err(fault::unavailable(None, fault::cause("no-id", "TikTok made no audience that it names.")))
        }
        audience => Ok(Created { audience, audience_parts: Vec::new(), adopted: false }),
    }
}

fn find(account: &str, name: &str) -> Result<Option<String>, Fault> {
    let mut number = 1;
    while number <= PAGES {
        let (items, next) = page(account, number)?;
        let ours = |item: &&Value| {
            item["name"] == name
                && unusable(item).is_none()
                && item["calculate_type"].as_str().is_none_or(|kind| kind == MULTIPLE_TYPES)
        };
        if let Some(found) = items.iter().find(ours) {
            return Ok(Some(api::text(&found["audience_id"])));
        }
        match next {
            Some(next) => number = next,
            None => return Ok(None),
        }
    }
    Err(fault::bug("too-many-audiences", format!("The ad account has more than {PAGES} pages of audiences.")))
}

fn page(account: &str, number: u64) -> Result<(Vec<Value>, Option<u64>), Fault> {
    let path = api::path(&["dmp", "custom_audience", "list"])
        .query("advertiser_id", account)
        .query("page", &number.to_string())
        .query("page_size", "100");
    let data = api::get(path)?;
    let total = data["page_info"]["total_page"].as_u64().unwrap_or_default();
    Ok((api::list(&data).to_vec(), (number < total).then(|| number + 1)))
}

fn audience(item: &Value) -> Audience {
    Audience {
        id: api::text(&item["audience_id"]),
        name: api::text(&item["name"]),
        kind: kind(item).to_owned(),
        unusable: unusable(item),
        size: item["cover_num"].as_u64(),
    }
}

/// The list says `audience_type`, the details of one say `type`.
fn kind(item: &Value) -> &str {
    item["audience_type"].as_str().or_else(|| item["type"].as_str()).unwrap_or_default()
}

/// Why an audience takes no members from us.
pub fn unusable(item: &Value) -> Option<String> {
    let kind = kind(item);
    (!kind.eq_ignore_ascii_case(PARTNER)).then(|| {
        format!("This audience is of the kind “{kind}”; TikTok takes people only into audiences made through its API.")
    })
}

/// The details of one audience: `GET dmp/custom_audience/get/`; none where TikTok knows no such audience.
///
/// # Errors
/// Why TikTok did not answer.
pub fn details(account: &str, audience: &str) -> Result<Option<Value>, Fault> {
    let path = api::path(&["dmp", "custom_audience", "get"])
        .query("advertiser_id", account)
        .query("custom_audience_ids", &api::only(audience));
    let data = api::get(path)?;
    let found = api::list(&data).iter().map(|item| &item["audience_details"]);
    Ok(found.into_iter().find(|details| api::text(&details["audience_id"]) == audience).cloned())
}

/// Whether an audience is still being made: not valid yet, and nobody in it.
pub fn is_processing(details: &Value) -> bool {
    details["is_valid"] == false && details["cover_num"].as_i64().unwrap_or_default() <= 0
}

#[cfg(test)]
mod tests {
    use super::{create, is_processing, list};
    use caravan_sdk::{Fault, testing};
    use serde_json::json;

    const PAGE_1: &str = r#"{"code":0,"message":"OK","data":{"list":[
        {"audience_id":"1730000000000000001","name":"Lapsed","audience_type":"Customer File","cover_num":2000},
        {"audience_id":"1730000000000000002","name":"lapsed FR","audience_type":"Partner","calculate_type":"MULTIPLE_TYPES","cover_num":0}],
        "page_info":{"page":1,"page_size":100,"total_page":2,"total_number":3}}}"#;
    const PAGE_2: &str = r#"{"code":0,"message":"OK","data":{"list":[
        {"audience_id":"1730000000000000003","name":"Lapsed","audience_type":"Partner","calculate_type":"MULTIPLE_TYPES"}],
        "page_info":{"page":2,"page_size":100,"total_page":2,"total_number":3}}}"#;
    const MADE: &str = r#"{"code":0,"message":"OK","data":{"audience_id":"1730000000000000009"}}"#;

    fn partner(call: &testing::Call) -> caravan_sdk::http::Response {
        let body = match (call.method.as_str(), call.path.contains("page=1&")) {
            ("POST", _) => MADE,
            (_, true) => PAGE_1,
            (_, false) => PAGE_2,
        };
        testing::json(200, body)
    }

    #[test]
    fn audiences_come_in_numbered_pages_and_only_partner_ones_are_writable() {
        let ((first, last), calls) = testing::with_partner(partner, || {
            let first = list("7", "LAPSED", None).expect("a page");
            (list("7", "", first.next.as_deref()).expect("a page"), first)
        });
        let (first, last) = (last, first);
        assert_eq!(first.next.as_deref(), Some("2"));
        let seen: Vec<_> = first.audiences.iter().map(|a| (a.size, a.unusable.is_some())).collect();
        assert_eq!(seen, [(Some(2000), true), (Some(0), false)]);
        assert_eq!((last.audiences.len(), last.next), (1, None));
        assert_eq!(calls[0].path, "/open_api/v1.3/dmp/custom_audience/list/?advertiser_id=7&page=1&page_size=100");
    }

    #[test]
    fn an_audience_of_exactly_this_name_made_through_the_api_is_adopted() {
        let (made, calls) = testing::with_partner(partner, || create("7", "Lapsed").expect("found"));
        assert_eq!((made.audience.as_str(), made.adopted), ("1730000000000000003", true));
        assert!(calls.iter().all(|call| call.method == "GET"));
    }

    #[test]
    fn otherwise_it_is_made_under_its_name() {
        let (made, calls) = testing::with_partner(partner, || create("7", "Lapsed DE").expect("made"));
        assert_eq!((made.audience.as_str(), made.adopted), ("1730000000000000009", false));
        let post = calls.last().expect("a call");
        assert_eq!(post.path, "/open_api/v1.3/segment/audience/");
        assert_eq!(post.body, r#"{"action":"create","advertiser_id":"7","custom_audience_name":"Lapsed DE"}"#);
    }

    #[test]
    fn a_name_that_tiktok_would_cut_is_refused_without_a_call() {
        let (made, calls) = testing::with_partner(partner, || create("7", &"é".repeat(129)));
        assert!(matches!(made, Err(Fault::Misconfigured(_))));
        assert!(calls.is_empty());
        let (made, _) = testing::with_partner(partner, || create("7", &"é".repeat(128)));
        assert!(made.is_ok());
    }

    #[test]
    fn an_audience_is_processing_while_it_is_invalid_and_empty() {
        assert!(is_processing(&json!({"is_valid": false, "cover_num": 0})));
        assert!(!is_processing(&json!({"is_valid": true, "cover_num": 0})));
        assert!(!is_processing(&json!({"is_valid": false, "cover_num": 1500})));
    }
}
