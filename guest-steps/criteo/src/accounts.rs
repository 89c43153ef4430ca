//! The advertisers of a token (contract, section 2).
use crate::api;
use crate::classify::About;
use caravan_sdk::{Account, AccountPage, Fault, Settings};

/// All advertisers: `GET advertisers/me`, which has no pages.
///
/// # Errors
/// Why Criteo did not answer.
pub fn list(settings: &Settings) -> Result<AccountPage, Fault> {
    let answer = api::get(api::path(settings, &["advertisers", "me"]), About::Login)?;
    let accounts = api::items(&answer).iter().map(|item| {
        let id = api::text(&item["id"]);
        let name = item["attributes"]["advertiserName"].as_str().filter(|name| !name.is_empty());
        Account { name: name.unwrap_or(&id).to_owned(), id, unusable: None }
    });
    Ok(AccountPage { accounts: accounts.collect(), next: None })
}

#[cfg(test)]
mod tests {
    use super::list;
    use caravan_sdk::{Settings, testing};

    #[test]
    fn advertisers_are_listed_in_one_page() {
        let settings = Settings::parse(r#"{"api_version":"2026-07"}"#).expect("settings");
        let body = r#"{"data":[{"id":"1","type":"advertiser","attributes":{"advertiserName":"One"}},{"id":"2"}],"errors":null}"#;
        let (page, calls) =
            testing::with_partner(move |_| testing::json(200, body), || list(&settings).expect("a page"));
        let seen: Vec<_> = page.accounts.iter().map(|a| (a.id.as_str(), a.name.as_str())).collect();
        assert_eq!(seen, [("1", "One"), ("2", "2")]);
        assert_eq!(calls[0].path, "/2026-07/advertisers/me");
    }
}
