//! Google: tokens, accounts, user lists, quotas.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, JSON};

const LISTS: &str = "/v1/accountTypes/GOOGLE_ADS/accounts/1/userLists";

/// Status and the first reason that a refusal names.
pub fn refusal(json: &Value) -> (u64, String) {
    let error = &json["error"];
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = details.iter().find_map(|detail| detail["fieldViolations"][0]["reason"].as_str());
    let reason = named.or_else(|| details.iter().find_map(|detail| detail["reason"].as_str()));
    (error["code"].as_u64().unwrap_or_default(), reason.unwrap_or_default().to_string())
}

async fn form(bench: &Bench, path: &str, body: &str) -> (u16, Value) {
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = bench.send("google", Method::POST, path, &kind, body.to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn without_a_token_nothing_is_answered_and_each_api_says_so_in_its_form() {
    let bench = Bench::start().await;
    let lists = bench.send("google", Method::GET, LISTS, &[], "").await;
    assert_eq!((lists.status, lists.json()["error"]["status"].as_str()), (401, Some("UNAUTHENTICATED")));
    let words = lists.json()["error"]["message"].as_str().unwrap_or_default().to_string();
    assert!(words.starts_with("Request had invalid authentication credentials"), "{words}");
    let accounts = bench.send("google", Method::GET, "/v26/customers:listAccessibleCustomers", &[], "").await;
    let failure = accounts.json()["error"]["details"][0].clone();
    assert_eq!(
        (accounts.status, &failure["errors"][0]["errorCode"]["authenticationError"]),
        (401, &json!("OAUTH_TOKEN_INVALID"))
    );
    assert_eq!(bench.google(Method::GET, "/v22/customers:listAccessibleCustomers", Value::Null).await.status, 404);
}

#[tokio::test]
async fn refresh_tokens_codes_and_signed_assertions_become_tokens_that_end() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"time_scale": 4_000_000_000u32})).await;
    let client = "client_id=c&client_secret=s";
    let (status, first) = form(&bench, "/token", &format!("grant_type=authorization_code&code=x&{client}")).await;
    assert_eq!((status, &first["token_type"], &first["expires_in"]), (200, &json!("Bearer"), &json!(3_599)));
    let refresh = first["refresh_token"].as_str().expect("a refresh token");
    let again = format!("grant_type=refresh_token&refresh_token={refresh}&{client}");
    let (_, token) = form(&bench, "/token", &again).await;
    let token = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let ask = || async { bench.send("google", Method::GET, LISTS, &[("authorization", token.as_str())], "").await };
    assert_eq!(ask().await.status, 401, "an hour is over");
    let (status, wrong) = form(&bench, "/token", &format!("grant_type=authorization_code&code=x&{client}")).await;
    assert_eq!((status, &wrong["error"]), (400, &json!("invalid_grant")));
    assert_eq!(form(&bench, "/revoke", &format!("token={refresh}")).await.0, 200);
    let (status, wrong) = form(&bench, "/token", &again).await;
    assert_eq!((status, &wrong["error"]), (400, &json!("invalid_grant")));
    let assertion = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c";
    let (status, wrong) = form(&bench, "/token", assertion).await;
    assert_eq!((status, &wrong["error"]), (400, &json!("invalid_grant")), "nobody signed it");
    assert_eq!(form(&bench, "/token", "grant_type=refresh_token&refresh_token=r").await.0, 401);
}

#[tokio::test]
async fn accounts_are_listed_through_the_ads_api_also_below_a_manager() {
    let bench = Bench::start().await;
    let all = bench.google(Method::GET, "/v26/customers:listAccessibleCustomers", Value::Null).await.json();
    assert_eq!(all["resourceNames"][0], "customers/9000000001");
    let query = json!({"query": "SELECT customer_client.id, customer_client.manager FROM customer_client"});
    let below = bench.google(Method::POST, "/v26/customers/9000000001/googleAds:search", query.clone()).await.json();
    let rows = below["results"].as_array().expect("rows");
    assert_eq!((rows.len(), &rows[0]["customerClient"]["manager"]), (21, &json!(true)));
    assert_eq!(rows[1]["customerClient"]["id"], "1000000001");
    let strange = bench.google(Method::POST, "/v26/customers/77/googleAds:search", query).await;
    assert_eq!(strange.status, 403);
}

#[tokio::test]
async fn lists_are_made_found_changed_and_deleted() {
    let bench = Bench::start().await;
    let id = bench.google_list("Churn risk").await;
    let one = bench.google(Method::GET, &format!("{LISTS}/{id}"), Value::Null).await.json();
    assert_eq!(
        (&one["membershipDuration"], &one["sizeInfo"]["searchNetworkMembersCount"]),
        (&json!("46656000s"), &json!("0"))
    );
    let filter = bench
        .google(Method::GET, &format!("{LISTS}?filter=display_name%20%3D%20%22Churn%20risk%22"), Value::Null)
        .await;
    assert_eq!(filter.json()["userLists"].as_array().map(Vec::len), Some(1));
    let path = format!("{LISTS}/{id}?updateMask=displayName,membershipStatus");
    let changed =
        bench.google(Method::PATCH, &path, json!({"displayName": "B", "membershipStatus": "CLOSED"})).await.json();
    assert_eq!((&changed["displayName"], &changed["membershipStatus"]), (&json!("B"), &json!("CLOSED")));
    bench.google_list("C").await;
    let page = bench.google(Method::GET, &format!("{LISTS}?pageSize=1"), Value::Null).await.json();
    assert_eq!((page["userLists"].as_array().map(Vec::len), &page["nextPageToken"]), (Some(1), &json!("1")));
    let last = bench.google(Method::GET, &format!("{LISTS}?pageSize=1&pageToken=1"), Value::Null).await.json();
    assert_eq!((&last["userLists"][0]["displayName"], last["nextPageToken"].is_null()), (&json!("C"), true));
    assert_eq!(bench.google(Method::DELETE, &format!("{LISTS}/{id}"), Value::Null).await.json(), json!({}));
    let gone = bench.google(Method::GET, &format!("{LISTS}/{id}"), Value::Null).await;
    assert_eq!((gone.status, refusal(&gone.json()).1), (404, "NOT_FOUND".into()));
}

#[tokio::test]
async fn a_list_that_google_would_not_make_is_refused_with_its_reason() {
    let bench = Bench::start().await;
    bench.google_list("Taken").await;
    let contact =
        json!({"uploadKeyTypes": ["CONTACT_ID"], "contactIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"}});
    let mobile = json!({"uploadKeyTypes": ["MOBILE_ID"], "mobileIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY", "keySpace": "IOS"}});
    for (body, reason) in [
        (json!({"ingestedUserListInfo": contact}), "REQUIRED_FIELD_MISSING"),
        (json!({"displayName": "Taken", "ingestedUserListInfo": contact}), "DISPLAY_NAME_ALREADY_USED"),
        (
            json!({"displayName": "A", "membershipDuration": "46742400s", "ingestedUserListInfo": contact}),
            "MEMBERSHIP_DURATION_TOO_LONG",
        ),
        (
            json!({"displayName": "A", "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID", "USER_ID"]}}),
            "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES",
        ),
        (
            json!({"displayName": "A", "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID"]}}),
            "UNSUPPORTED_INGESTED_USER_LIST_INFO_CONFIG",
        ),
        (json!({"displayName": "A", "ingestedUserListInfo": mobile}), "REQUIRED_FIELD_MISSING"),
        (json!({"displayName": "A", "ingestedUserListInfo": {"uploadKeyTypes": ["PAIR_ID"]}}), "NOT_ALLOWLISTED"),
    ] {
        let answer = bench.google(Method::POST, LISTS, body.clone()).await;
        assert_eq!(refusal(&answer.json()), (400, reason.into()), "{body}");
    }
    let unknown = bench.google(Method::POST, LISTS, json!({"display_nam": "A"})).await.json();
    assert!(
        unknown["error"]["message"].as_str().is_some_and(|words| words.contains("Unknown name \"display_nam\"")),
        "{unknown}"
    );
    bench.control(Method::POST, "/_lab/accounts", json!({"partner": "google", "account": "1", "terms": false})).await;
    let unsigned =
        bench.google(Method::POST, LISTS, json!({"displayName": "A", "ingestedUserListInfo": contact})).await;
    assert_eq!(refusal(&unsigned.json()), (400, "ADVERTISER_TOS_NOT_ACCEPTED".into()));
}

#[tokio::test]
async fn an_account_below_a_manager_is_reached_by_naming_it() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"google": {"manager": "9000000001"}})).await;
    assert_eq!(bench.google(Method::GET, LISTS, Value::Null).await.status, 403);
    let headers =
        [("authorization", "Bearer good"), ("login-account", "accountTypes/GOOGLE_ADS/accounts/9000000001"), JSON];
    assert_eq!(bench.send("google", Method::GET, LISTS, &headers, "").await.status, 200);
}

#[tokio::test]
async fn a_projects_quota_is_counted_by_service_and_begins_anew() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"google": {"per_minute": 2}})).await;
    let ask = || bench.google(Method::GET, LISTS, Value::Null);
    assert_eq!((ask().await.status, ask().await.status), (200, 200));
    let third = ask().await;
    assert_eq!((third.status, refusal(&third.json())), (429, (429, "RESOURCE_EXHAUSTED".into())));
    let status = bench.google(Method::GET, "/v1/requestStatus:retrieve?requestId=t", Value::Null).await;
    assert_eq!(refusal(&status.json()), (400, "INVALID_REQUEST_ID".into()), "another service, with a quota of its own");
    bench.control(Method::POST, "/_lab/settings", json!({"time_scale": 4_000_000_000u32})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(ask().await.status, 200);
}
