//! Audiences of an ad account (contract, section 2): those over a customer list, under the list's id.
//!
//! Pinterest does not tell what kind of records a list holds. Of those that Caravan made, the audience's description
//! says it; for others it is unknown, and they are named by their `id`.
use crate::api;
use crate::classify::About;
use caravan_sdk::{Audience, AudiencePage, Fault};
use serde_json::Value;

/// The type of audience that stands over a customer list.
pub const CUSTOMER_LIST: &str = "CUSTOMER_LIST";
/// How the description of ours begins; the kind and the marker follow.
pub const OURS: &str = "Kept by Caravan:";
/// How many pages are searched for one audience.
const PAGES: usize = 50;

/// One page of audiences whose name contains `query`.
///
/// # Errors
/// Why Pinterest did not answer.
pub fn list(account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let answer = page(account, cursor)?;
    let (items, next) = api::page(&answer);
    let query = query.to_lowercase();
    let audiences = items.iter().map(audience).filter(|audience| audience.name.to_lowercase().contains(&query));
    Ok(AudiencePage { audiences: audiences.collect(), next })
}

fn page(account: &str, cursor: Option<&str>) -> Result<Value, Fault> {
    let path = api::path(&[account, "audiences"]).query("ownership_type", "OWNED");
    api::get(api::paged(path, cursor), About::Account)
}

/// The audience over a list; none where there is none, or not among the first pages.
///
/// # Errors
/// Why Pinterest did not answer.
pub fn over(account: &str, list: &str) -> Result<Option<Value>, Fault> {
    let mut cursor = None;
    for _ in 0..PAGES {
        let answer = page(account, cursor.as_deref())?;
        let (items, next) = api::page(&answer);
        if let Some(found) = items.iter().find(|item| list_of(item) == list) {
            return Ok(Some(found.clone()));
        }
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(None)
}

fn list_of(item: &Value) -> String {
    api::text(&item["rule"]["customer_list_id"])
}

fn audience(item: &Value) -> Audience {
    let kind = item["audience_type"].as_str().unwrap_or_default();
    let list = list_of(item);
    let (id, unusable) = match kind == CUSTOMER_LIST && !list.is_empty() {
        true => (list, None),
        false => {
            let why = format!("Pinterest fills this audience itself ({kind}); only customer lists take people.");
            (api::text(&item["id"]), Some(why))
        }
    };
    let description = item["description"].as_str().unwrap_or_default();
    let ours = description.strip_prefix(OURS).and_then(|rest| rest.split_whitespace().next());
    let ours = ours.map(|kind| kind.trim_end_matches('.').to_owned());
    let told = item["rule"]["list_type"].as_str().or_else(|| item["list_type"].as_str()).map(str::to_owned);
    Audience {
        id,
        name: api::text(&item["name"]),
        kind: told.or(ours).unwrap_or_else(|| kind.to_owned()),
        unusable,
        size: item["size"].as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::list;
    use caravan_sdk::testing;

    #[test]
    fn audiences_are_listed_under_their_lists_ids_with_the_kind_where_it_is_known() {
        let body = r#"{"items":[
            {"id":"91","name":"Lapsed","audience_type":"CUSTOMER_LIST","rule":{"customer_list_id":"11"},"size":200,
             "description":"Kept by Caravan: EMAIL. caravan-1"},
            {"id":"92","name":"lapsed others","audience_type":"CUSTOMER_LIST","rule":{"customer_list_id":"12"},"size":null},
            {"id":"93","name":"Lapsed visitors","audience_type":"VISITOR","rule":{}},
            {"id":"94","name":"Other","audience_type":"CUSTOMER_LIST","rule":{"customer_list_id":"14"}}],"bookmark":"b"}"#;
        let (page, calls) =
            testing::with_partner(move |_| testing::json(200, body), || list("1", "LAPSED", None).expect("a page"));
        let seen: Vec<_> =
            page.audiences.iter().map(|a| (a.id.as_str(), a.kind.as_str(), a.size, a.unusable.is_some())).collect();
        assert_eq!(
            seen,
            [("11", "EMAIL", Some(200), false), ("12", "CUSTOMER_LIST", None, false), ("93", "VISITOR", None, true)]
        );
        assert_eq!(page.next.as_deref(), Some("b"));
        assert_eq!(calls[0].path, "/v5/ad_accounts/1/audiences?ownership_type=OWNED&page_size=250");
    }
}
