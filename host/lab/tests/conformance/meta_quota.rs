//! Meta: usage headers and throttling.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench};

fn use_of(answer: &Answer, account: &str) -> Value {
    let all: Value = serde_json::from_str(answer.header("x-business-use-case-usage")).unwrap_or_default();
    all[account][0].clone()
}

#[tokio::test]
async fn every_answer_tells_the_use() {
    let bench = Bench::start().await;
    for path in ["/act_1/customaudiences", "/act_1?fields=nonsense", "/me"] {
        let answer = bench.meta(Method::GET, path, Value::Null).await;
        let account = if path == "/me" { "0" } else { "1" };
        let usage = use_of(&answer, account);
        assert_eq!(
            (&usage["type"], &usage["estimated_time_to_regain_access"]),
            (&json!("custom_audience"), &json!(0)),
            "{path}"
        );
        assert!(answer.header("x-app-usage").contains("call_count"));
        assert!(answer.header("x-ad-account-usage").contains("acc_id_util_pct"));
        assert!(answer.headers.get("retry-after").is_none());
    }
}

#[tokio::test]
async fn a_spent_quota_is_a_400_with_80003_or_a_429() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "meta", "per_hour": 2})).await;
    let get = |path: &'static str| bench.meta(Method::GET, path, Value::Null);
    assert_eq!(use_of(&get("/act_1").await, "1")["call_count"], 50);
    assert_eq!(use_of(&get("/act_1").await, "1")["call_count"], 100);
    let throttled = get("/act_1").await;
    assert_eq!(throttled.error(), (400, "OAuthException".into(), 80_003, None));
    assert_eq!(use_of(&throttled, "1")["estimated_time_to_regain_access"], 60);
    assert_eq!(get("/act_2").await.status, 200, "the quota is per account");
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "meta", "throttle_status": 429, "per_hour": 0})).await;
    assert_eq!(get("/act_1").await.error().0, 429);
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "meta", "account": "act_1", "per_hour": 9})).await;
    assert_eq!(get("/act_1").await.status, 200);
    let counts = bench.control(Method::GET, "/_lab/calls", Value::Null).await;
    assert_eq!(counts["partners"]["meta"]["rate_limit_hits"], 2);
}

#[tokio::test]
async fn a_short_window_opens_again() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/quota", json!({"partner": "meta", "per_hour": 1, "window_seconds": 1})).await;
    assert_eq!(bench.meta(Method::GET, "/act_1", Value::Null).await.status, 200);
    assert_eq!(bench.meta(Method::GET, "/act_1", Value::Null).await.error().2, 80_003);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(bench.meta(Method::GET, "/act_1", Value::Null).await.status, 200);
}
