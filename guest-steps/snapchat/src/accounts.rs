//! The ad accounts of a token (contract, section 2).
use crate::api;
use crate::classify::About;
use caravan_sdk::{Account, AccountPage, Fault};
use serde_json::Value;

/// One page of accounts: those of the organizations, `GET me/organizations?with_ad_accounts=true`. Its shape is not
/// certain, so both names of the list are read, with the account itself or in its frame.
///
/// # Errors
/// Why Snapchat did not answer.
pub fn list(cursor: Option<&str>) -> Result<AccountPage, Fault> {
    let path = api::path(&["me", "organizations"]).query("with_ad_accounts", "true").query_if("cursor", cursor);
    let answer = api::get(path, About::Login)?;
    let mut accounts = Vec::new();
    for organization in api::items(&answer, "organizations", "organization") {
        for name in ["ad_accounts", "adaccounts"] {
            accounts.extend(api::items(organization, name, "adaccount").into_iter().map(account));
        }
    }
    Ok(AccountPage { accounts, next: api::next(&answer)? })
}

fn account(item: &Value) -> Account {
    let id = api::text(&item["id"]);
    let name = item["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&id).to_owned();
    let status = item["status"].as_str().filter(|status| !status.eq_ignore_ascii_case("ACTIVE"));
    Account { id, name, unusable: status.map(|status| format!("Snapchat says that the ad account is {status}.")) }
}

/// Looks for one account among all pages.
///
/// # Errors
/// Why Snapchat did not answer.
pub fn find(id: &str) -> Result<Option<Account>, Fault> {
    let mut cursor = None;
    loop {
        let page = list(cursor.as_deref())?;
        if let Some(found) = page.accounts.into_iter().find(|account| account.id == id) {
            return Ok(Some(found));
        }
        match page.next {
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            _ => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::list;
    use caravan_sdk::testing;

    #[test]
    fn accounts_are_read_in_either_shape() {
        let body = r#"{"request_status":"success","organizations":[
            {"sub_request_status":"success","organization":{"id":"o","ad_accounts":[{"id":"a","name":"One","status":"ACTIVE"}]}},
            {"sub_request_status":"success","organization":{"adaccounts":[{"adaccount":{"id":"b","status":"PAUSED"}}]}}]}"#;
        let (page, calls) = testing::with_partner(move |_| testing::json(200, body), || list(None).expect("a page"));
        let seen: Vec<_> =
            page.accounts.iter().map(|a| (a.id.as_str(), a.name.as_str(), a.unusable.is_some())).collect();
        assert_eq!(seen, [("a", "One", false), ("b", "b", true)]);
        assert_eq!(calls[0].path, "/v1/me/organizations?with_ad_accounts=true");
    }
}
