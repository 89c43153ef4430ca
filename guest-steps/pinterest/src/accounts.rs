//! The ad accounts of a token (contract, sections 1 and 2).
use crate::api;
use crate::classify::About;
use caravan_sdk::{Account, AccountPage, Fault};
use serde_json::Value;

/// Roles that may change audiences; which exactly is not certain, so that others are only warned about.
pub const ROLES: [&str; 3] = ["OWNER", "ADMIN", "AUDIENCE_MANAGER"];

/// One page of accounts, those shared with the user too.
///
/// # Errors
/// Why Pinterest did not answer.
pub fn list(cursor: Option<&str>) -> Result<AccountPage, Fault> {
    let answer = page(cursor)?;
    let (items, next) = api::page(&answer);
    Ok(AccountPage { accounts: items.iter().map(account).collect(), next })
}

fn page(cursor: Option<&str>) -> Result<Value, Fault> {
    api::get(api::paged(api::path(&[]).query("include_shared_accounts", "true"), cursor), About::Login)
}

/// Looks for one account among all pages.
///
/// # Errors
/// Why Pinterest did not answer.
pub fn find(id: &str) -> Result<Option<Value>, Fault> {
    let mut cursor = None;
    loop {
        let answer = page(cursor.as_deref())?;
        let (items, next) = api::page(&answer);
        if let Some(found) = items.iter().find(|item| api::text(&item["id"]) == id) {
            return Ok(Some(found.clone()));
        }
        match next {
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            _ => return Ok(None),
        }
    }
}

fn account(item: &Value) -> Account {
    let id = api::text(&item["id"]);
    let name = item["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&id).to_owned();
    Account { id, name, unusable: None }
}

/// Whether the user's roles in the account let audiences be changed; none where no role is told.
pub fn may_change(item: &Value) -> Option<bool> {
    let roles = item["permissions"].as_array()?;
    Some(roles.iter().any(|role| role.as_str().is_some_and(|role| ROLES.contains(&role))))
}

#[cfg(test)]
mod tests {
    use super::{find, list};
    use caravan_sdk::testing;

    #[test]
    fn accounts_come_in_pages_until_the_bookmark_is_null() {
        let partner = |call: &testing::Call| match call.path.contains("bookmark=b") {
            false => {
                testing::json(200, r#"{"items":[{"id":"1","name":"One","permissions":["ADMIN"]}],"bookmark":"b"}"#)
            }
            true => testing::json(200, r#"{"items":[{"id":"2"}],"bookmark":null}"#),
        };
        let ((first, second, none), calls) = testing::with_partner(partner, || {
            (list(None).expect("a page"), find("2").expect("read"), find("3").expect("read"))
        });
        assert_eq!((first.accounts[0].name.as_str(), first.next.as_deref()), ("One", Some("b")));
        assert!(second.is_some() && none.is_none());
        assert_eq!(calls[0].path, "/v5/ad_accounts?include_shared_accounts=true&page_size=250");
    }
}
