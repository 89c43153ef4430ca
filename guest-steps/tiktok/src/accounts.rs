//! The ad accounts of a token (contract, section 2).
use crate::api;
use caravan_sdk::{Account, AccountPage, Fault};

/// All accounts: `GET oauth2/advertiser/get/`, which has no pages. The host adds the app's id and secret; without them
/// TikTok refuses, and accounts are typed by hand.
///
/// # Errors
/// Why TikTok did not answer.
pub fn list() -> Result<AccountPage, Fault> {
    let data = api::get(api::path(&["oauth2", "advertiser", "get"]))?;
    let accounts = api::list(&data).iter().map(|item| {
        let id = api::text(&item["advertiser_id"]);
        let name = item["advertiser_name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&id).to_owned();
        Account { id, name, unusable: None }
    });
    Ok(AccountPage { accounts: accounts.collect(), next: None })
}

#[cfg(test)]
mod tests {
    use super::list;
    use caravan_sdk::testing;

    #[test]
    fn accounts_are_listed_in_one_page() {
        let body = r#"{"code":0,"message":"OK","data":{"list":[
            {"advertiser_id":"7000000000000000001","advertiser_name":"One"},{"advertiser_id":7000000000000000002}]}}"#;
        let (page, calls) = testing::with_partner(move |_| testing::json(200, body), || list().expect("a page"));
        let seen: Vec<_> = page.accounts.iter().map(|a| (a.id.as_str(), a.name.as_str())).collect();
        assert_eq!(seen, [("7000000000000000001", "One"), ("7000000000000000002", "7000000000000000002")]);
        assert_eq!(page.next, None);
        assert_eq!(calls[0].path, "/open_api/v1.3/oauth2/advertiser/get/");
    }
}
