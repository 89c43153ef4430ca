//! TikTok: tokens, advertisers, audiences, quotas.

use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;

#[tokio::test]
async fn the_token_has_its_own_header_and_must_come() {
    let bench = Bench::start().await;
    let get = |headers: &'static [(&'static str, &'static str)]| {
        bench.send("tiktok", Method::GET, "/open_api/v1.3/user/info/", headers, "")
    };
    let (code, message) = get(&[]).await.code();
    assert_eq!(code, 40_104);
    assert_eq!(message, "Access token is null, you should set it in http header with key Access-Token.");
    assert_eq!(get(&[("authorization", "Bearer t")]).await.code().0, 40_104);
    let good = get(&[("access-token", "t")]).await;
    assert!(good.data()["display_name"].is_string());
    assert_eq!(good.header("x-tt-logid"), good.json()["request_id"].as_str().unwrap_or_default());
}

#[tokio::test]
async fn a_path_without_its_slash_is_not_found() {
    let bench = Bench::start().await;
    for path in
        ["/open_api/v1.3/segment/mapping", "/open_api/v1.2/user/info/", "/user/info/", "/open_api/v1.3/nothing/"]
    {
        let answer = bench.send("tiktok", Method::POST, path, &[("access-token", "t")], "{}").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_code_becomes_a_token_once_and_a_revoked_token_is_dead() {
    let bench = Bench::start().await;
    let exchange = || {
        bench.send(
            "tiktok",
            Method::POST,
            "/open_api/v1.3/oauth2/access_token/",
            &[],
            r#"{"app_id":"a","secret":"s","auth_code":"c"}"#,
        )
    };
    let data = exchange().await.data();
    let token = data["access_token"].as_str().unwrap_or_default().to_string();
    assert!(data["scope"].as_array().is_some_and(|scope| scope.contains(&json!(31))));
    assert!(data["advertiser_ids"].as_array().is_some_and(|ids| ids.contains(&json!("7000000000000000001"))));
    assert_eq!(exchange().await.code().0, 40_110);
    let headers = [("access-token", token.as_str())];
    let probe = || bench.send("tiktok", Method::GET, "/open_api/v1.3/user/info/", &headers, "");
    assert_eq!(probe().await.code().0, 0);
    bench.tiktok(Method::POST, "oauth2/revoke_token/", json!({"access_token": token})).await.data();
    assert_eq!(probe().await.code().0, 40_105);
}

#[tokio::test]
async fn advertisers_are_listed_with_app_and_secret() {
    let bench = Bench::start().await;
    assert_eq!(bench.tiktok(Method::GET, "oauth2/advertiser/get/", Value::Null).await.code().0, 40_002);
    let data = bench.tiktok(Method::GET, "oauth2/advertiser/get/?app_id=1&secret=2", Value::Null).await.data();
    let ids: Vec<&str> =
        data["list"].as_array().into_iter().flatten().filter_map(|item| item["advertiser_id"].as_str()).collect();
    for id in ["7000000000000000001", "7000000000000000020", "1", "20", "1111", "2222"] {
        assert!(ids.contains(&id), "{id}");
    }
    let path = "advertiser/info/?advertiser_ids=%5B%221%22%2C%22424242%22%5D";
    assert_eq!(bench.tiktok(Method::GET, path, Value::Null).await.data()["list"][1]["advertiser_id"], "424242");
    bench.control(Method::POST, "/_lab/strict", json!({"accounts": true})).await;
    let path = "advertiser/info/?advertiser_ids=%5B%22525252%22%5D";
    assert_eq!(bench.tiktok(Method::GET, path, Value::Null).await.code().0, 40_300);
}

#[tokio::test]
async fn audiences_made_here_are_of_the_type_partner() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    assert!(id.parse::<u64>().is_ok_and(|id| id > 1 << 53), "{id}");
    let path = format!("dmp/custom_audience/get/?advertiser_id=1&custom_audience_ids=%5B%22{id}%22%5D");
    let data = bench.tiktok(Method::GET, &path, Value::Null).await.data();
    let details = &data["list"][0]["audience_details"];
    assert_eq!((&details["type"], &details["calculate_type"]), (&json!("Partner"), &json!("MULTIPLE_TYPES")));
    assert_eq!((&details["name"], &details["is_valid"]), (&json!("A"), &json!(true)));
    assert_eq!(data["list"][0]["audience_history"][0]["editor"], "open_api");
    let other = format!("dmp/custom_audience/get/?advertiser_id=2&custom_audience_ids=%5B%22{id}%22%5D");
    assert_eq!(bench.tiktok(Method::GET, &other, Value::Null).await.code().0, 40_007);
}

#[tokio::test]
async fn audiences_are_paged() {
    let bench = Bench::start().await;
    for _ in 0..23 {
        bench.tiktok_audience().await;
    }
    let bench = &bench;
    let list = |query: &'static str| async move {
        let path = format!("dmp/custom_audience/list/?advertiser_id=1{query}");
        bench.tiktok(Method::GET, &path, Value::Null).await
    };
    let first = list("").await.data();
    assert_eq!(first["list"].as_array().map(Vec::len), Some(10));
    assert_eq!(first["page_info"], json!({"page": 1, "page_size": 10, "total_page": 3, "total_number": 23}));
    assert_eq!(list("&page=3").await.data()["list"].as_array().map(Vec::len), Some(3));
    assert_eq!(list("&page=1&page_size=100").await.data()["list"].as_array().map(Vec::len), Some(23));
    for bad in ["&page_size=101", "&page_size=0", "&page=0", "&page=x"] {
        assert_eq!(list(bad).await.code().0, 40_002, "{bad}");
    }
    assert_eq!(bench.tiktok(Method::GET, "dmp/custom_audience/list/", Value::Null).await.code().0, 40_002);
}

#[tokio::test]
async fn audiences_are_deleted_in_two_ways() {
    let bench = Bench::start().await;
    let (first, second) = (bench.tiktok_audience().await, bench.tiktok_audience().await);
    let delete = |id: &str| json!({"advertiser_id": "1", "audience_id": id, "action": "delete"});
    bench.tiktok(Method::POST, "segment/audience/", delete(&first)).await.data();
    assert_eq!(bench.tiktok(Method::POST, "segment/audience/", delete(&first)).await.code().0, 40_007);
    let body = json!({"advertiser_id": "1", "custom_audience_ids": [second]});
    bench.tiktok(Method::POST, "dmp/custom_audience/delete/", body.clone()).await.data();
    assert_eq!(bench.tiktok(Method::POST, "dmp/custom_audience/delete/", body).await.code().0, 40_007);
}

#[tokio::test]
async fn creation_of_the_wrong_form_is_refused() {
    let bench = Bench::start().await;
    for body in [
        json!({"custom_audience_name": "A", "action": "create"}),
        json!({"advertiser_id": "1", "action": "create"}),
        json!({"advertiser_id": "1", "custom_audience_name": "A"}),
        json!({"advertiser_id": "1", "custom_audience_name": "A", "action": "make"}),
        json!({"advertiser_id": 1, "custom_audience_name": "A", "action": "create"}),
        json!({"advertiser_id": "1", "custom_audience_name": "x".repeat(129), "action": "create"}),
    ] {
        assert_eq!(bench.tiktok(Method::POST, "segment/audience/", body.clone()).await.code().0, 40_002, "{body}");
    }
    let body = json!({"advertiser_id": "12a", "custom_audience_name": "A", "action": "create"});
    assert_eq!(bench.tiktok(Method::POST, "segment/audience/", body).await.code().0, 40_300);
}

#[tokio::test]
async fn a_spent_quota_is_a_200_with_40100_and_nothing_else() {
    let bench = Bench::start().await;
    let quota = json!({"partner": "tiktok", "per_second": 1000, "per_minute": 2, "suspension_seconds": 1});
    bench.control(Method::POST, "/_lab/quota", quota).await;
    for expected in [0, 0, 40_100, 40_100] {
        let answer = bench.tiktok(Method::GET, "user/info/", Value::Null).await;
        assert_eq!(answer.code().0, expected);
        assert!(answer.headers.keys().all(|name| !name.as_str().contains("rate") && name != "retry-after"));
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(bench.tiktok(Method::GET, "user/info/", Value::Null).await.code().0, 0);
}
