//! The ad accounts of a login (contract, section 2): the Ads API alone lists them.
use crate::api;
use crate::classify::classify;
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Account, AccountPage, Fault, Settings};
use serde_json::{Value, json};

/// What is asked of each customer; the manifest's lock allows no other question.
const QUERY: &str = "SELECT customer_client.id, customer_client.descriptive_name, customer_client.manager, \
                     customer_client.status FROM customer_client";
/// How many customers are looked into in one call, which may make 32 requests.
const AT_ONCE: usize = 20;

/// One page: some of the customers that the login reaches, each with the accounts below it. The cursor is the place in
/// the list of customers.
///
/// # Errors
/// Why Google did not answer.
pub fn list(settings: &Settings, cursor: Option<&str>) -> Result<AccountPage, Fault> {
    let version = settings.text("ads_version");
    let path = Path::new([version, "customers:listAccessibleCustomers"]);
    let answer = classify(&http::send(Request::get(api::ADS_HOST, path))?)?;
    let names = api::items(&answer, "resourceNames");
    let customers: Vec<&str> =
        names.iter().filter_map(|name| name.as_str()?.strip_prefix("customers/")).filter(|id| !id.is_empty()).collect();
    let start = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let mut accounts: Vec<Account> = Vec::new();
    for customer in customers.iter().skip(start).take(AT_ONCE) {
        for account in below(version, customer)? {
            if !accounts.iter().any(|known| known.id == account.id) {
                accounts.push(account);
            }
        }
    }
    let next = start + AT_ONCE;
    Ok(AccountPage { accounts, next: (next < customers.len()).then(|| next.to_string()) })
}

/// A customer and the accounts below it. One that refuses is shown with the reason.
fn below(version: &str, customer: &str) -> Result<Vec<Account>, Fault> {
    let path = Path::new([version, "customers", customer, "googleAds:search"]);
    let request = Request::post(api::ADS_HOST, path)
        .header("login-customer-id", customer)
        .json(json!({ "query": QUERY }).to_string());
    match classify(&http::send(request)?) {
        Ok(answer) => Ok(api::items(&answer, "results").iter().map(|row| account(&row["customerClient"])).collect()),
        Err(Fault::Forbidden(cause)) => {
            Ok(vec![Account { id: customer.to_owned(), name: customer.to_owned(), unusable: Some(cause.message) }])
        }
        Err(fault) => Err(fault),
    }
}

fn account(client: &Value) -> Account {
    let id = api::text(&client["id"]);
    let name = client["descriptiveName"].as_str().filter(|name| !name.is_empty()).unwrap_or(&id).to_owned();
    let manager = client["manager"] == true;
    let unusable = match client["status"].as_str() {
        _ if manager => Some("This is a manager account: audiences stand in the accounts below it.".to_owned()),
        None | Some("ENABLED" | "UNSPECIFIED" | "UNKNOWN") => None,
        Some(status) => Some(format!("Google says that the account is {}.", status.to_lowercase())),
    };
    Account { unusable, id, name }
}

#[cfg(test)]
mod tests {
    use super::{QUERY, list};
    use caravan_sdk::{Settings, testing};

    #[test]
    fn accounts_are_those_below_each_customer_and_managers_are_no_place_for_lists() {
        let settings = Settings::parse(r#"{"ads_version":"v26"}"#).expect("settings");
        let (page, calls) = testing::with_partner(
            |call| match call.path.as_str() {
                "/v26/customers:listAccessibleCustomers" => {
                    testing::json(200, r#"{"resourceNames":["customers/9","customers/7","customers/2"]}"#)
                }
                "/v26/customers/9/googleAds:search" => testing::json(
                    200,
                    r#"{"results":[{"customerClient":{"id":"9","descriptiveName":"All","manager":true}},
                        {"customerClient":{"id":"2","descriptiveName":"Two","manager":false,"status":"ENABLED"}},
                        {"customerClient":{"id":"3","status":"CANCELED"}}]}"#,
                ),
                "/v26/customers/7/googleAds:search" => testing::json(
                    403,
                    r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"x","details":[{"errors":[
                        {"errorCode":{"authorizationError":"CUSTOMER_NOT_ENABLED"},"message":"m"}]}]}}"#,
                ),
                _ => testing::json(200, r#"{"results":[{"customerClient":{"id":"2","descriptiveName":"Two"}}]}"#),
            },
            || list(&settings, None).expect("a page"),
        );
        let seen: Vec<_> =
            page.accounts.iter().map(|a| (a.id.as_str(), a.name.as_str(), a.unusable.is_some())).collect();
        assert_eq!(seen, [("9", "All", true), ("2", "Two", false), ("3", "3", true), ("7", "7", true)]);
        assert_eq!(page.next, None);
        assert_eq!(calls[1].body, format!(r#"{{"query":"{QUERY}"}}"#));
        assert!(calls[1].headers.contains(&("login-customer-id".to_owned(), "9".to_owned())));
        assert!(crate::MANIFEST.contains(QUERY), "the manifest locks this very question");
    }

    #[test]
    fn many_customers_come_in_pages() {
        let names: Vec<String> = (1..=25).map(|id| format!("\"customers/{id}\"")).collect();
        let all = format!(r#"{{"resourceNames":[{}]}}"#, names.join(","));
        let partner = move |call: &testing::Call| match call.path.contains("listAccessible") {
            true => testing::json(200, &all),
            false => {
                let id = call.path.split('/').nth(3).unwrap_or_default();
                testing::json(200, &format!(r#"{{"results":[{{"customerClient":{{"id":"{id}"}}}}]}}"#))
            }
        };
        let ((first, last), calls) = testing::with_partner(partner, || {
            let first = list(&Settings::default(), None).expect("a page");
            let last = list(&Settings::default(), first.next.as_deref()).expect("a page");
            (first, last)
        });
        assert_eq!((first.accounts.len(), first.next.as_deref()), (20, Some("20")));
        assert_eq!((last.accounts.len(), last.next, calls.len()), (5, None, 27));
    }
}
