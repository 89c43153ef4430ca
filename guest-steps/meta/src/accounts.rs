//! The ad accounts that a token sees (contract, section 2).
use crate::api;
use crate::classify::About;
use caravan_sdk::{Account, AccountPage, Fault, Settings};
use serde_json::Value;

/// One page of accounts: `GET /me/adaccounts`.
///
/// # Errors
/// Why Meta did not answer.
pub fn list(settings: &Settings, cursor: Option<&str>) -> Result<AccountPage, Fault> {
    let path = api::path(settings, &["me", "adaccounts"])
        .query("fields", "id,account_id,name,account_status")
        .query("limit", "100")
        .query_if("after", cursor);
    let answer = api::get(path, About::Login)?;
    let (items, next) = api::page(&answer);
    Ok(AccountPage { accounts: items.iter().map(account).collect(), next })
}

fn account(item: &Value) -> Account {
    let id = api::text(&item["id"]);
    let name = item["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&id).to_owned();
    Account { unusable: unusable(&item["account_status"]), id, name }
}

/// Why an account in this state takes no audiences; states as in Meta's reference of the ad account.
pub fn unusable(status: &Value) -> Option<String> {
    let why = match status.as_i64()? {
        2 => "The ad account is disabled.",
        3 => "The ad account has an unsettled bill.",
        7 => "The ad account is under risk review.",
        8 => "The ad account waits for settlement.",
        9 => "The ad account is in a grace period and may be closed.",
        100 => "The ad account is about to be closed.",
        101 => "The ad account is closed.",
        _ => return None,
    };
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::list;
    use caravan_sdk::{Settings, testing};

    #[test]
    fn accounts_come_in_pages_and_the_last_has_no_cursor() {
        let settings = Settings::parse(r#"{"api_version":"v26.0"}"#).expect("settings");
        let (pages, calls) = testing::with_partner(
            |call| match call.path.contains("after=") {
                false => testing::json(
                    200,
                    r#"{"data":[{"id":"act_1","account_id":"1","name":"One","account_status":1},
                        {"id":"act_2","account_id":"2","account_status":2}],
                        "paging":{"cursors":{"before":"a","after":"b="},"next":"https://graph.facebook.com/x?access_token=T"}}"#,
                ),
                true => testing::json(
                    200,
                    r#"{"data":[{"id":"act_3","name":"Three"}],"paging":{"cursors":{"before":"b","after":"c"}}}"#,
                ),
            },
            || {
                let first = list(&settings, None).expect("a page");
                (list(&settings, first.next.as_deref()).expect("a page"), first)
            },
        );
        let (last, first) = pages;
        assert_eq!(first.next.as_deref(), Some("b="));
        assert_eq!((first.accounts[0].id.as_str(), first.accounts[0].name.as_str()), ("act_1", "One"));
        assert_eq!(first.accounts[0].unusable, None);
        assert_eq!(first.accounts[1].name, "act_2");
        assert!(first.accounts[1].unusable.is_some());
        assert_eq!((last.accounts.len(), last.next), (1, None));
        let fields = "fields=id,account_id,name,account_status&limit=100";
        assert_eq!(calls[0].path, format!("/v26.0/me/adaccounts?{fields}"));
        assert_eq!(calls[1].path, format!("/v26.0/me/adaccounts?{fields}&after=b%3D"));
    }
}
