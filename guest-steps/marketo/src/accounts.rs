//! What stands for accounts (contract, section 2): the instance, and its workspaces where there are several.
use crate::classify::About;
use crate::{api, audiences};
use caravan_sdk::{Account, AccountPage, Fault, Settings};

/// How many pages of 300 lists are looked through for workspaces; no call names them.
const PAGES: usize = 10;

/// The instance as one account, and each workspace that its lists show as another.
///
/// # Errors
/// Why Marketo did not answer.
pub fn list(settings: &Settings) -> Result<AccountPage, Fault> {
    api::host(settings)?;
    let mut workspaces: Vec<String> = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES {
        let answer = api::get(settings, audiences::page(None, cursor.as_deref()), About::Login)?;
        for name in api::items(&answer).iter().filter_map(|item| item["workspaceName"].as_str()) {
            if !name.is_empty() && !workspaces.iter().any(|known| known == name) {
                workspaces.push(name.to_owned());
            }
        }
        cursor = api::next(&answer);
        if cursor.is_none() {
            break;
        }
    }
    let munchkin = settings.text("munchkin");
    let whole = Account { id: munchkin.to_owned(), name: format!("All of {munchkin}"), unusable: None };
    let each = workspaces.iter().filter(|_| workspaces.len() > 1);
    let each = each.map(|name| Account { id: format!("{munchkin}:{name}"), name: name.clone(), unusable: None });
    Ok(AccountPage { accounts: std::iter::once(whole).chain(each).collect(), next: None })
}

#[cfg(test)]
mod tests {
    use super::list;
    use caravan_sdk::{Fault, Settings, testing};

    fn ids(body: &'static str) -> Vec<String> {
        let settings = Settings::parse(r#"{"munchkin":"123-ABC-456"}"#).expect("settings");
        let (page, calls) =
            testing::with_partner(move |_| testing::json(200, body), || list(&settings).expect("a page"));
        assert_eq!(
            (calls[0].host.as_str(), calls[0].path.as_str()),
            ("123-abc-456.mktorest.com", "/rest/v1/lists.json?batchSize=300")
        );
        page.accounts.into_iter().map(|account| account.id).collect()
    }

    #[test]
    fn the_instance_is_an_account_and_so_are_its_workspaces_where_there_are_several() {
        let one =
            r#"{"success":true,"result":[{"id":1,"workspaceName":"Default"},{"id":2,"workspaceName":"Default"}]}"#;
        assert_eq!(ids(one), ["123-ABC-456"]);
        let two = r#"{"success":true,"result":[{"id":1,"workspaceName":"Default"},{"id":2,"workspaceName":"Europe"}]}"#;
        assert_eq!(ids(two), ["123-ABC-456", "123-ABC-456:Default", "123-ABC-456:Europe"]);
    }

    #[test]
    fn without_a_munchkin_id_nothing_is_asked() {
        for munchkin in ["", "a.b", "a/b"] {
            let settings = Settings::parse(&format!(r#"{{"munchkin":"{munchkin}"}}"#)).expect("settings");
            let (page, calls) = testing::with_partner(|_| testing::json(200, "{}"), || list(&settings));
            assert!(matches!(page, Err(Fault::Misconfigured(_))) && calls.is_empty(), "{munchkin}");
        }
    }
}
