//! Snapchat: tokens, accounts, segments, users, rates, error forms.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, JSON, hex};

const ACCOUNT: &str = "8adc3db7-8148-4fbf-999c-000000000001";

async fn call(bench: &Bench, method: Method, path: &str, body: Value) -> Answer {
    bench.bearer("snapchat", method, &format!("/v1{path}"), body).await
}

fn new(name: &str) -> Value {
    json!({"segments": [{
        "name": name, "description": "d", "source_type": "FIRST_PARTY", "retention_in_days": 180, "ad_account_id": ACCOUNT,
    }]})
}

async fn segment(bench: &Bench) -> String {
    let made = call(bench, Method::POST, &format!("/adaccounts/{ACCOUNT}/segments"), new("A")).await.json();
    made["segments"][0]["segment"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_string()
}

fn users(schema: &str, values: &[String]) -> Value {
    let data: Vec<[&String; 1]> = values.iter().map(|value| [value]).collect();
    json!({"users": [{"schema": [schema], "data": data}]})
}

async fn edit(bench: &Bench, method: Method, id: &str, body: Value) -> Answer {
    call(bench, method, &format!("/segments/{id}/users"), body).await
}

#[tokio::test]
async fn a_code_becomes_a_token_and_a_refresh_comes_without_a_bearer() {
    let bench = Bench::start().await;
    let path = "/login/oauth2/access_token";
    let code = "grant_type=authorization_code&code=c&client_id=a&client_secret=s&redirect_uri=x";
    let granted = bench.form("snapchat", path, None, code).await.json();
    assert_eq!(granted["token_type"], "Bearer");
    let refresh = granted["refresh_token"].as_str().unwrap_or_default();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}&client_id=a&client_secret=s");
    assert_eq!(bench.form("snapchat", path, Some("Bearer x"), &form).await.status, 400);
    assert_eq!(bench.form("snapchat", path, None, &form).await.status, 200);
    let again = bench.form("snapchat", path, None, &form).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")));
    let answer = bench.send("snapchat", Method::GET, "/v1/me/organizations", &[], "").await;
    assert_eq!((answer.status, answer.body.as_ref()), (401, &b"unauthorized"[..]));
}

#[tokio::test]
async fn accounts_come_with_their_organization() {
    let bench = Bench::start().await;
    let all = call(&bench, Method::GET, "/me/organizations?with_ad_accounts=true", Value::Null).await.json();
    let organization = &all["organizations"][0]["organization"];
    assert_eq!(organization["ad_accounts"][0]["id"], ACCOUNT);
    let path = format!("/organizations/{}/adaccounts", organization["id"].as_str().unwrap_or_default());
    assert_eq!(call(&bench, Method::GET, &path, Value::Null).await.json()["adaccounts"][0]["adaccount"]["id"], ACCOUNT);
    let stranger = "/adaccounts/12/segments";
    assert_eq!(call(&bench, Method::GET, stranger, Value::Null).await.json()["error_code"], "E3002");
}

#[tokio::test]
async fn a_segment_that_is_wrong_fails_within_a_good_answer() {
    let bench = Bench::start().await;
    let path = format!("/adaccounts/{ACCOUNT}/segments");
    for (name, value) in [
        ("name", json!("x".repeat(376))),
        ("retention_in_days", json!(0)),
        ("source_type", json!("PIXEL")),
        ("ad_account_id", json!("8adc3db7-8148-4fbf-999c-000000000002")),
    ] {
        let mut body = new("A");
        body["segments"][0][name] = value;
        let answer = call(&bench, Method::POST, &path, body).await;
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert_eq!(
            (&answer["request_status"], &answer["segments"][0]["sub_request_status"]),
            (&json!("SUCCESS"), &json!("ERROR")),
            "{name}"
        );
    }
    assert_eq!(call(&bench, Method::GET, &path, Value::Null).await.json()["segments"], json!([]));
}

#[tokio::test]
async fn segments_come_in_pages_by_a_link_and_can_be_deleted() {
    let bench = Bench::start().await;
    let ids = [segment(&bench).await, segment(&bench).await];
    let path = format!("/adaccounts/{ACCOUNT}/segments?limit=1");
    let first = call(&bench, Method::GET, &path, Value::Null).await.json();
    let link = first["paging"]["next_link"].as_str().unwrap_or_default();
    let rest = link.strip_prefix("https://adsapi.snapchat.com/v1").unwrap_or_else(|| panic!("{link}"));
    let last = call(&bench, Method::GET, rest, Value::Null).await.json();
    assert_eq!((&last["segments"][0]["segment"]["id"], &last["paging"]), (&json!(ids[1]), &json!({})));
    assert_eq!(first["segments"][0]["segment"]["status"], "PENDING");
    let path = format!("/segments/{}", ids[0]);
    assert_eq!(call(&bench, Method::DELETE, &path, Value::Null).await.json()["segments"], json!([]));
    assert_eq!(call(&bench, Method::GET, &path, Value::Null).await.status, 404);
    assert_eq!(edit(&bench, Method::POST, &ids[0], users("EMAIL_SHA256", &[hex(1)])).await.status, 404);
}

#[tokio::test]
async fn users_come_and_go_by_schema() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"snapchat_processing_seconds": 0})).await;
    let id = segment(&bench).await;
    for _ in 0..2 {
        let answer = edit(&bench, Method::POST, &id, users("EMAIL_SHA256", &[hex(1), hex(2)])).await.json();
        assert_eq!(answer["users"][0]["user"]["number_uploaded_users"], 2);
    }
    edit(&bench, Method::POST, &id, users("PHONE_SHA256", &[hex(3)])).await.json();
    let mut removal = users("EMAIL_SHA256", &[hex(1), hex(9)]);
    removal["users"][0]["id"] = json!(id);
    let answer = edit(&bench, Method::DELETE, &id, removal).await.json();
    assert_eq!(answer["users"][0]["user"]["number_uploaded_users"], 2, "a removal is counted under the same name");
    assert_eq!(bench.members(&id).await["keys"], json!({"EMAIL_SHA256": [hex(2)], "PHONE_SHA256": [hex(3)]}));
    let shown = call(&bench, Method::GET, &format!("/segments/{id}"), Value::Null).await.json();
    assert_eq!(shown["segments"][0]["segment"]["targetable_status"], "TOO_FEW_USERS");
    call(&bench, Method::DELETE, &format!("/segments/{id}/all_users"), Value::Null).await.json();
    assert_eq!(bench.members(&id).await["size"], 0);
}

#[tokio::test]
async fn users_of_the_wrong_form_are_refused_whole_or_a_malformed_row_is_dropped() {
    let bench = Bench::start().await;
    let id = segment(&bench).await;
    let one = users("EMAIL_SHA256", &[hex(1)]);
    let mut two = one.clone();
    two["users"][0]["schema"] = json!(["EMAIL_SHA256", "PHONE_SHA256"]);
    let mut wide = one.clone();
    wide["users"][0]["data"] = json!([[hex(1), hex(2)]]);
    let rows = users("EMAIL_SHA256", &[hex(1), "plain@example.com".into()]);
    for body in [two, wide, users("HASHED_EMAIL", &[hex(1)]), json!({"users": []}), rows.clone()] {
        let answer = edit(&bench, Method::POST, &id, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!("E1001")), "{body}");
    }
    assert_eq!(bench.members(&id).await["size"], 0);
    bench.control(Method::POST, "/_lab/settings", json!({"snapchat_refuses_malformed": false})).await;
    let answer = edit(&bench, Method::POST, &id, rows).await.json();
    assert_eq!(answer["users"][0]["user"]["number_uploaded_users"], 1);
    let spec = json!({"partner": "snapchat", "account": ACCOUNT, "name": "Visitors", "kind": "PIXEL", "id": "88"});
    bench.control(Method::POST, "/_lab/audiences", spec).await;
    assert_eq!(edit(&bench, Method::POST, "88", one).await.status, 400);
}

#[tokio::test]
async fn a_hundred_thousand_identifiers_are_taken_and_one_more_is_not() {
    let bench = Bench::start().await;
    let id = segment(&bench).await;
    let many = |count: u64| users("EMAIL_SHA256", &(0..count).map(hex).collect::<Vec<_>>());
    assert_eq!(edit(&bench, Method::POST, &id, many(100_001)).await.status, 400);
    let taken = edit(&bench, Method::POST, &id, many(100_000)).await.json();
    assert_eq!(taken["users"][0]["user"]["number_uploaded_users"], 100_000);
}

#[tokio::test]
async fn ten_calls_a_second_are_taken_and_no_header_tells_when_to_come_back() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "snapchat", "per_minute": 1})).await;
    let get = || call(&bench, Method::GET, "/me/organizations", Value::Null);
    assert_eq!(get().await.status, 200);
    let refused = get().await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.keys().all(|name| !name.as_str().contains("rate") && name != "retry-after"));
}

#[tokio::test]
async fn every_error_form_of_snapchat() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "snapchat", "per_second": 1000})).await;
    let id = segment(&bench).await;
    for (fault, status, code) in [
        (json!({"fault": "dead-token", "reason": "E3003"}), 401, "E3003"),
        (json!({"fault": "permission"}), 403, "E3002"),
        (json!({"fault": "permission", "reason": "E3003"}), 403, "E3003"),
        (json!({"fault": "audience-gone"}), 404, "E1004"),
        (json!({"fault": "not-editable"}), 400, "E1001"),
        (json!({"fault": "throttle"}), 429, "E2001"),
        (json!({"fault": "server-error"}), 500, "E5000"),
        (json!({"fault": "server-error", "status": 503}), 503, "E5000"),
        (json!({"fault": "error", "reason": "E9", "status": 418}), 418, "E9"),
        // Traps, row 28: an error under a good status.
        (json!({"fault": "error", "reason": "E9", "status": 200}), 200, "E9"),
    ] {
        bench.fault(fault.clone()).await;
        let answer = edit(&bench, Method::POST, &id, users("EMAIL_SHA256", &[hex(1)])).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, &json["request_status"], &json["error_code"]),
            (status, &json!("ERROR"), &json!(code)),
            "{fault}"
        );
        assert!(json["request_id"].is_string() && json["display_message"].is_string());
        bench.mend().await;
    }
    bench.fault(json!({"fault": "dead-token"})).await;
    let dead = edit(&bench, Method::POST, &id, users("EMAIL_SHA256", &[hex(1)])).await;
    assert_eq!((dead.status, dead.body.as_ref()), (401, &b"unauthorized"[..]));
    bench.mend().await;
    assert_eq!(bench.members(&id).await["size"], 0);
    bench.fault(json!({"fault": "partial", "rows": 0})).await;
    let answer = edit(&bench, Method::POST, &id, users("EMAIL_SHA256", &[hex(1)])).await.json();
    assert_eq!(
        (&answer["request_status"], &answer["users"][0]["sub_request_status"]),
        (&json!("SUCCESS"), &json!("ERROR"))
    );
    assert_eq!(bench.members(&id).await["size"], 0);
    let unread = bench.send("snapchat", Method::POST, &format!("/v1/segments/{id}/users"), &[JSON], "{}").await;
    assert_eq!(unread.status, 401);
}

#[tokio::test]
async fn an_upload_is_processed_for_a_while_before_it_is_complete() {
    let bench = Bench::start().await;
    let id = segment(&bench).await;
    let shown = async || {
        let shown = call(&bench, Method::GET, &format!("/segments/{id}"), Value::Null).await.json();
        let segment = &shown["segments"][0]["segment"];
        (segment["upload_status"].clone(), segment["targetable_status"].clone())
    };
    assert_eq!(shown().await, (json!("NO_UPLOAD"), json!("NOT_READY")));
    edit(&bench, Method::POST, &id, users("EMAIL_SHA256", &[hex(1)])).await;
    assert_eq!(shown().await, (json!("PROCESSING"), json!("NOT_READY")));
    bench.control(Method::POST, "/_lab/settings", json!({"snapchat_processing_seconds": 0})).await;
    assert_eq!(shown().await, (json!("COMPLETE"), json!("TOO_FEW_USERS")));
}

#[tokio::test]
async fn an_app_has_twenty_calls_a_second_over_all_its_tokens() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"snapchat_per_app": 2})).await;
    let get = async |token: &str| {
        let token = format!("Bearer {token}");
        let headers = [("authorization", token.as_str())];
        bench.send("snapchat", Method::GET, "/v1/me/organizations", &headers, "").await.status
    };
    assert_eq!((get("a").await, get("b").await), (200, 200));
    // Each token has ten, the app two, however slowly they come.
    let mut refused = false;
    for number in 0..200 {
        refused |= get(&format!("t{number}")).await == 429;
        if refused {
            break;
        }
    }
    assert!(refused);
}
