//! Pinterest: tokens, customer lists, audiences, rates, error forms.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, hex};

async fn call(bench: &Bench, method: Method, path: &str, body: Value) -> Answer {
    bench.bearer("pinterest", method, &format!("/v5{path}"), body).await
}

async fn list(bench: &Bench, records: &str, kind: &str) -> Answer {
    let body = json!({"name": "A", "records": records, "list_type": kind});
    call(bench, Method::POST, "/ad_accounts/1/customer_lists", body).await
}

async fn list_id(bench: &Bench) -> String {
    let made = list(bench, &hex(1), "EMAIL").await.json();
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_string()
}

async fn change(bench: &Bench, id: &str, operation: &str, records: &str) -> Answer {
    let body = json!({"operation_type": operation, "records": records});
    call(bench, Method::PATCH, &format!("/ad_accounts/1/customer_lists/{id}"), body).await
}

/// Status, code and message of a refusal.
fn error(answer: &Answer) -> (u16, u64, String) {
    let json = answer.json();
    let message = json["message"].as_str().unwrap_or_else(|| panic!("{json}")).to_string();
    (answer.status, json["code"].as_u64().unwrap_or_else(|| panic!("{json}")), message)
}

#[tokio::test]
async fn tokens_come_by_basic_credentials_and_refresh_to_new_ones() {
    let bench = Bench::start().await;
    let basic = "Basic YXBwOnMzY3JldA==";
    let token = |form: String, basic: Option<&'static str>| {
        let bench = &bench;
        async move { bench.form("pinterest", "/v5/oauth/token", basic, &form).await }
    };
    let code = "grant_type=authorization_code&code=c&redirect_uri=x".to_string();
    assert_eq!(token(code.clone(), None).await.status, 401);
    let first = token(code.clone(), Some(basic)).await.json();
    assert_eq!((&first["expires_in"], &first["refresh_token_expires_in"]), (&json!(2_592_000), &json!(5_184_000)));
    assert_eq!(first["scope"], "ads:read,ads:write");
    assert_eq!(token(code, Some(basic)).await.status, 400);
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", first["refresh_token"].as_str().unwrap_or_default());
    let second = token(refresh.clone(), Some(basic)).await.json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(token(refresh, Some(basic)).await.status, 400);
    let bearer = format!("Bearer {}", second["access_token"].as_str().unwrap_or_default());
    let headers = [("authorization", bearer.as_str())];
    let accounts = || bench.send("pinterest", Method::GET, "/v5/ad_accounts", &headers, "");
    assert_eq!(accounts().await.status, 200);
    let form = format!("token={}", second["access_token"].as_str().unwrap_or_default());
    let revoke = bench.send(
        "pinterest",
        Method::POST,
        "/v5/oauth/token/revoke",
        &[("authorization", "Bearer own"), ("content-type", "application/x-www-form-urlencoded")],
        form,
    );
    assert_eq!(revoke.await.status, 200);
    assert_eq!(error(&accounts().await), (401, 2, "Authentication failed.".into()));
}

#[tokio::test]
async fn accounts_come_in_pages_and_an_unknown_one_is_told_with_400() {
    let bench = Bench::start().await;
    let first = call(&bench, Method::GET, "/ad_accounts?page_size=20", Value::Null).await.json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(20));
    let bookmark = first["bookmark"].as_str().unwrap_or_default();
    let last = call(&bench, Method::GET, &format!("/ad_accounts?bookmark={bookmark}"), Value::Null).await.json();
    assert_eq!((last["items"].as_array().map(Vec::len), &last["bookmark"]), (Some(5), &Value::Null));
    assert_eq!(call(&bench, Method::GET, "/ad_accounts?page_size=251", Value::Null).await.status, 400);
    bench.control(Method::POST, "/_lab/strict", json!({"accounts": true})).await;
    let answer = call(&bench, Method::GET, "/ad_accounts/424242/customer_lists", Value::Null).await;
    assert_eq!(error(&answer), (400, 2, "AdAccount not found.".into()));
}

#[tokio::test]
async fn a_list_needs_its_first_records_and_its_kind_is_for_life() {
    let bench = Bench::start().await;
    assert_eq!(list(&bench, "", "EMAIL").await.status, 400);
    assert_eq!(list(&bench, &hex(1), "PHONE").await.status, 400);
    let without = json!({"name": "A"});
    assert_eq!(call(&bench, Method::POST, "/ad_accounts/1/customer_lists", without).await.status, 400);
    let made = list(&bench, &format!("{},{}", hex(1), "0f".repeat(16)), "MAID").await.json();
    assert_eq!((&made["status"], &made["num_uploaded_user_records"]), (&json!("PROCESSING"), &json!(2)));
    assert!(made["list_type"].is_null(), "the kind of a list is not told");
    let id = made["id"].as_str().unwrap_or_default();
    assert_eq!(
        bench.members(id).await["keys"]["MAID"],
        json!(["0f".repeat(16), hex(1)])
            .as_array()
            .map(|list| {
                let mut list = list.clone();
                list.sort_by_key(|value| value.as_str().map(str::to_string));
                Value::from(list)
            })
            .unwrap_or_default()
    );
    let shown = call(&bench, Method::GET, &format!("/ad_accounts/1/customer_lists/{id}"), Value::Null).await.json();
    assert_eq!(shown["status"], "TOO_SMALL");
}

#[tokio::test]
async fn records_come_and_go_and_the_counts_are_of_what_came_in() {
    let bench = Bench::start().await;
    let id = list_id(&bench).await;
    for _ in 0..2 {
        let answer = change(&bench, &id, "ADD", &format!("{},{}", hex(2), hex(3))).await.json();
        assert_eq!(answer["exceptions"], json!({}));
    }
    let answer = change(&bench, &id, "REMOVE", &format!("{},{},n/a", hex(1), hex(9))).await.json();
    assert_eq!(answer["exceptions"], json!({"invalid_records": 1}));
    assert_eq!(
        (&answer["num_batches"], &answer["num_uploaded_user_records"], &answer["num_removed_user_records"]),
        (&json!(4), &json!(5), &json!(3))
    );
    let standing = bench.members(&id).await;
    assert_eq!((&standing["keys"]["EMAIL"], &standing["type"]), (&json!([hex(2), hex(3)]), &json!("EMAIL")));
    for (operation, records) in [("PUT", hex(1)), ("ADD", String::new())] {
        assert_eq!(change(&bench, &id, operation, &records).await.status, 400);
    }
    let gone = change(&bench, "999", "ADD", &hex(1)).await;
    assert_eq!(error(&gone), (404, 50, "Customer list not found.".into()));
}

#[tokio::test]
async fn nineteen_hundred_records_are_taken_and_one_more_is_not() {
    let bench = Bench::start().await;
    let id = list_id(&bench).await;
    let many = |count: u64| (1..=count).map(hex).collect::<Vec<_>>().join(",");
    assert_eq!(change(&bench, &id, "ADD", &many(1_901)).await.status, 400);
    assert_eq!(change(&bench, &id, "ADD", &many(1_900)).await.status, 200);
    assert_eq!(bench.members(&id).await["size"], 1_900);
    let shown = call(&bench, Method::GET, &format!("/ad_accounts/1/customer_lists/{id}"), Value::Null).await.json();
    assert_eq!(shown["status"], "READY");
}

#[tokio::test]
async fn an_audience_stands_over_a_list_of_its_account() {
    let bench = Bench::start().await;
    let id = list_id(&bench).await;
    let create = |account: &str, list: &str| {
        let body = json!({"name": "A", "audience_type": "CUSTOMER_LIST", "rule": {"customer_list_id": list}, "description": "m"});
        let path = format!("/ad_accounts/{account}/audiences");
        let bench = &bench;
        async move { call(bench, Method::POST, &path, body).await }
    };
    let made = create("1", &id).await.json();
    assert_eq!((&made["size"], &made["status"], &made["type"]), (&json!(1), &json!("TOO_SMALL"), &json!("audience")));
    assert_eq!(create("2", &id).await.status, 404);
    let all = || call(&bench, Method::GET, "/ad_accounts/1/audiences?ownership_type=OWNED", Value::Null);
    assert_eq!(all().await.json()["items"][0]["rule"]["customer_list_id"], json!(id));
    let path = format!("/ad_accounts/1/audiences/{}", made["id"].as_str().unwrap_or_default());
    let removed = call(&bench, Method::PATCH, &path, json!({"operation_type": "REMOVE"})).await;
    assert_eq!(removed.status, 200);
    assert_eq!(all().await.json()["items"], json!([]));
    assert_eq!(change(&bench, &id, "ADD", &hex(2)).await.status, 200, "the list is still there");
}

#[tokio::test]
async fn a_spent_rate_is_a_429_with_its_headers_and_without_retry_after() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "pinterest", "per_minute": 2})).await;
    let id = list_id(&bench).await;
    let last = change(&bench, &id, "ADD", &hex(2)).await;
    assert_eq!((last.status, last.header("x-ratelimit-remaining")), (200, "0"));
    let refused = change(&bench, &id, "ADD", &hex(3)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("x-ratelimit-reset").parse::<u64>().is_ok_and(|seconds| seconds <= 60));
    assert!(!refused.headers.contains_key("retry-after"));
    assert_eq!(call(&bench, Method::GET, "/ad_accounts", Value::Null).await.status, 200, "reads have more");
}

#[tokio::test]
async fn every_error_form_of_pinterest() {
    let bench = Bench::start().await;
    let id = list_id(&bench).await;
    for (fault, status, code) in [
        (json!({"fault": "dead-token"}), 401, 2),
        (json!({"fault": "permission"}), 403, 29),
        (json!({"fault": "audience-gone"}), 404, 50),
        (json!({"fault": "error", "status": 400, "code": 2, "message": "AdAccount not found."}), 400, 2),
        (json!({"fault": "throttle"}), 429, 8),
        (json!({"fault": "error", "status": 403, "code": 29, "message": "Rate limit exceeded."}), 403, 29),
        (json!({"fault": "server-error"}), 500, 11),
        (json!({"fault": "server-error", "status": 504}), 504, 11),
        (json!({"fault": "error", "code": 1}), 400, 1),
    ] {
        bench.fault(fault.clone()).await;
        let answer = change(&bench, &id, "ADD", &hex(7)).await;
        let (found, inner, _) = error(&answer);
        assert_eq!((found, inner), (status, code), "{fault}");
        bench.mend().await;
    }
    assert_eq!(bench.members(&id).await["size"], 1);
    bench.fault(json!({"fault": "bad-rows"})).await;
    let answer = change(&bench, &id, "ADD", &format!("{},{}", hex(7), hex(8))).await.json();
    assert_eq!(answer["exceptions"], json!({"invalid_records": 1}));
}

#[tokio::test]
async fn exceptions_are_the_lists_of_all_time_unless_a_switch_says_the_calls() {
    let bench = Bench::start().await;
    let id = list_id(&bench).await;
    let told = async || change(&bench, &id, "ADD", "rubbish").await.json()["exceptions"]["invalid_records"].clone();
    assert_eq!((told().await, told().await), (json!(1), json!(2)));
    let shown = call(&bench, Method::GET, &format!("/ad_accounts/1/customer_lists/{id}"), Value::Null).await.json();
    assert_eq!(shown["exceptions"], json!({"invalid_records": 2}));
    bench.control(Method::POST, "/_lab/settings", json!({"pinterest_exceptions_of_call": true})).await;
    assert_eq!(told().await, json!(1));
}

#[tokio::test]
async fn an_apps_own_token_sees_audiences_and_no_customer_lists() {
    let bench = Bench::start().await;
    let id = list_id(&bench).await;
    let form = "grant_type=client_credentials&scope=ads:read,ads:write";
    let granted = bench.form("pinterest", "/v5/oauth/token", Some("Basic YXBwOnMzY3JldA=="), form).await.json();
    let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap_or_default());
    let headers = [("authorization", bearer.as_str())];
    for (path, expected) in [
        ("/v5/ad_accounts".to_string(), 200),
        ("/v5/ad_accounts/1/audiences".to_string(), 200),
        ("/v5/ad_accounts/1/customer_lists".to_string(), 403),
        (format!("/v5/ad_accounts/1/customer_lists/{id}"), 403),
    ] {
        let answer = bench.send("pinterest", Method::GET, &path, &headers, "").await;
        assert_eq!(answer.status, expected, "{path}");
    }
}

#[tokio::test]
async fn an_app_on_trial_has_a_thousand_calls_a_day_and_three_hundred_of_them_may_write() {
    let bench = Bench::start().await;
    bench
        .control(Method::POST, "/_lab/quota", json!({"partner": "pinterest", "per_second": 9_000, "per_minute": 9_000}))
        .await;
    bench.control(Method::POST, "/_lab/settings", json!({"pinterest_trial": true})).await;
    let id = list_id(&bench).await;
    let mut written = 1;
    while change(&bench, &id, "ADD", &hex(written)).await.status == 200 {
        written += 1;
    }
    assert_eq!(written, 300, "the list was made with the first of them");
    assert_eq!(call(&bench, Method::GET, "/ad_accounts", Value::Null).await.status, 200, "reads go on");
}
