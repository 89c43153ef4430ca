//! The fault dials.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, JSON, hex};

fn rows(number: u64) -> Value {
    json!({"payload": {"schema": ["EMAIL"], "data": [[hex(number)], [hex(number + 1)]]}})
}

async fn add(bench: &Bench, id: &str, number: u64) -> Answer {
    bench.meta(Method::POST, &format!("/{id}/users"), rows(number)).await
}

async fn map(bench: &Bench, id: &str, number: u64) -> Answer {
    let slot = |number| json!([{"id": hex(number), "audience_ids": [id]}]);
    let body = json!({"advertiser_ids": ["1"], "action": "add", "id_schema": ["EMAIL_SHA256"], "batch_data": [slot(number), slot(number + 1)]});
    bench.tiktok(Method::POST, "segment/mapping/", body).await
}

#[tokio::test]
async fn every_error_form_of_meta() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    for (fault, status, kind, code, subcode) in [
        (json!({"fault": "dead-token"}), 400, "OAuthException", 190, Some(463)),
        (json!({"fault": "dead-token", "code": 190}), 400, "OAuthException", 190, None),
        (json!({"fault": "dead-token", "subcode": 460}), 400, "OAuthException", 190, Some(460)),
        (json!({"fault": "dead-token", "subcode": 467, "status": 401}), 401, "OAuthException", 190, Some(467)),
        (json!({"fault": "error", "code": 102}), 400, "OAuthException", 102, None),
        (json!({"fault": "permission"}), 403, "OAuthException", 200, None),
        (json!({"fault": "permission", "code": 294}), 400, "GraphMethodException", 294, None),
        (json!({"fault": "permission", "code": 10}), 400, "OAuthException", 10, None),
        (json!({"fault": "permission", "code": 270}), 400, "OAuthException", 270, None),
        (json!({"fault": "audience-gone"}), 400, "GraphMethodException", 100, Some(33)),
        (json!({"fault": "audience-gone", "code": 1487366}), 400, "OAuthException", 1_487_366, None),
        (json!({"fault": "integrity"}), 400, "OAuthException", 100, Some(1_713_230)),
        (json!({"fault": "not-editable"}), 400, "OAuthException", 2650, None),
        (json!({"fault": "terms"}), 400, "OAuthException", 2655, None),
        (json!({"fault": "terms", "code": 1870090}), 400, "OAuthException", 1_870_090, None),
        (json!({"fault": "terms", "code": 100, "subcode": 1870090}), 400, "OAuthException", 100, Some(1_870_090)),
        (json!({"fault": "throttle"}), 400, "OAuthException", 80_003, None),
        (json!({"fault": "throttle", "status": 429}), 429, "OAuthException", 80_003, None),
        (json!({"fault": "throttle", "code": 17, "subcode": 2446079}), 400, "OAuthException", 17, Some(2_446_079)),
        (json!({"fault": "too-large"}), 500, "OAuthException", 1, Some(99)),
        (json!({"fault": "too-small", "route": "users"}), 400, "OAuthException", 100, None),
        (json!({"fault": "server-error"}), 500, "OAuthException", 2, None),
        (json!({"fault": "error", "code": 368}), 400, "OAuthException", 368, None),
    ] {
        bench.fault(fault.clone()).await;
        let answer = add(&bench, &id, 1).await;
        assert_eq!(answer.error(), (status, kind.to_string(), code, subcode), "{fault}");
        if fault["fault"] == "throttle" {
            let usage: Value = serde_json::from_str(answer.header("x-business-use-case-usage")).unwrap_or_default();
            assert_eq!(usage["1"][0]["estimated_time_to_regain_access"], 1, "{fault}");
        }
        if fault["fault"] == "server-error" {
            assert_eq!(answer.json()["error"]["is_transient"], true);
        }
        bench.mend().await;
    }
    assert_eq!(bench.members(&id).await["size"], 0);
    assert_eq!(add(&bench, &id, 1).await.status, 200);
}

#[tokio::test]
async fn every_error_form_of_tiktok() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    for (fault, code) in [
        (json!({"fault": "dead-token"}), 40_105),
        (json!({"fault": "dead-token", "code": 40102}), 40_102),
        (json!({"fault": "permission"}), 40_001),
        (json!({"fault": "throttle"}), 40_100),
        (json!({"fault": "throttle", "code": 40133}), 40_133),
        (json!({"fault": "audience-gone"}), 40_007),
        (json!({"fault": "not-editable"}), 40_002),
        (json!({"fault": "duplicate"}), 40_050),
        (json!({"fault": "server-error"}), 50_000),
        (json!({"fault": "error", "code": 60001}), 60_001),
    ] {
        bench.fault(fault.clone()).await;
        assert_eq!(map(&bench, &id, 1).await.code().0, code, "{fault}");
        bench.mend().await;
    }
    bench.fault(json!({"fault": "server-error", "status": 503})).await;
    assert_eq!(map(&bench, &id, 1).await.status, 503);
    bench.mend().await;
    assert_eq!(bench.members(&id).await["size"], 0);
    bench.fault(json!({"fault": "not-editable"})).await;
    assert_eq!(map(&bench, &id, 1).await.code().1, "Audience is not editable, please check audience status");
}

#[tokio::test]
async fn some_rows_are_bad() {
    let bench = Bench::start().await;
    let (meta, tiktok) = (bench.meta_audience().await, bench.tiktok_audience().await);
    bench.fault(json!({"fault": "bad-rows", "partner": "meta"})).await;
    bench.fault(json!({"fault": "partial", "partner": "tiktok"})).await;
    let answer = add(&bench, &meta, 1).await.json();
    assert_eq!((&answer["num_received"], &answer["num_invalid_entries"]), (&json!(2), &json!(1)));
    assert_eq!(bench.members(&meta).await["keys"]["EMAIL"], json!([hex(2)]));
    assert_eq!(map(&bench, &tiktok, 1).await.code().0, 20_001);
    assert_eq!(bench.members(&tiktok).await["keys"]["EMAIL_SHA256"], json!([hex(2)]));
}

#[tokio::test]
async fn a_cut_comes_before_or_after_the_effect() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let mut size = 0;
    for (fault, applied) in [("cut", false), ("cut-after", true), ("drop", false), ("drop-after", true)] {
        bench.fault(json!({"partner": "meta", "route": "users", "fault": fault, "count": 1})).await;
        let headers = [("authorization", "Bearer t"), JSON];
        let body = rows(size * 10 + 1).to_string();
        let request = bench.request("meta", Method::POST, &format!("/v26.0/{id}/users"), &headers, body);
        let broken = bench.attempt(request).await;
        assert!(broken.is_err(), "{fault}: {broken:?}");
        size += if applied { 2 } else { 0 };
        assert_eq!(bench.members(&id).await["size"], size, "{fault}");
    }
    assert_eq!(add(&bench, &id, 900).await.status, 200, "each dial hits once");
}

#[tokio::test]
async fn a_cut_answer_began() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bench = Bench::start().await;
    bench.fault(json!({"fault": "cut-after", "route": "accounts"})).await;
    let address = bench.lab.partners()["meta"].trim_start_matches("http://").to_string();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap_or_else(|error| panic!("{error}"));
    let request = format!("GET /v26.0/me/adaccounts HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer t\r\n\r\n");
    assert!(stream.write_all(request.as_bytes()).await.is_ok());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse::<usize>().ok());
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(!body.is_empty() && length.is_some_and(|length| body.len() < length), "{length:?} {body}");
}

#[tokio::test]
async fn a_hang_holds_the_answer_with_or_without_the_effect() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    for (fault, size) in [("hang", 0), ("hang-after", 2)] {
        bench.fault(json!({"fault": fault, "ms": 300, "count": 1, "route": "users-add"})).await;
        let began = Instant::now();
        let headers = [("authorization", "Bearer t"), JSON];
        let request = bench.request("meta", Method::POST, &format!("/v26.0/{id}/users"), &headers, rows(1).to_string());
        assert!(bench.attempt(request).await.is_err());
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert_eq!(bench.members(&id).await["size"], size, "{fault}");
    }
}

#[tokio::test]
async fn slow_html_malformed_redirected_and_endless_answers() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    bench.fault(json!({"fault": "slow", "ms": 200, "count": 1})).await;
    let began = Instant::now();
    assert_eq!(add(&bench, &id, 1).await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(200));
    bench.mend().await;
    bench.fault(json!({"fault": "html"})).await;
    let html = add(&bench, &id, 3).await;
    assert_eq!((html.status, html.header("content-type")), (502, "text/html; charset=utf-8"));
    bench.mend().await;
    bench.fault(json!({"fault": "malformed"})).await;
    let malformed = add(&bench, &id, 3).await;
    assert_eq!(malformed.status, 200);
    assert!(serde_json::from_slice::<Value>(&malformed.body).is_err());
    bench.mend().await;
    bench.fault(json!({"fault": "redirect"})).await;
    let elsewhere = add(&bench, &id, 3).await;
    assert_eq!((elsewhere.status, elsewhere.header("location")), (302, "http://127.0.0.1:9/elsewhere"));
    bench.mend().await;
    bench.fault(json!({"fault": "flood"})).await;
    assert!(add(&bench, &id, 3).await.body.len() > 32 << 20);
    assert_eq!(bench.members(&id).await["size"], 2);
}

#[tokio::test]
async fn dials_count_their_calls() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    bench.fault(json!({"fault": "throttle", "route": "users", "after_calls": 2, "every": 2, "count": 2})).await;
    let mut statuses = Vec::new();
    for number in 0..9 {
        statuses.push(add(&bench, &id, number * 10).await.status);
        bench.meta(Method::GET, "/me", Value::Null).await;
    }
    assert_eq!(statuses, [200, 200, 400, 200, 400, 200, 200, 200, 200]);
    let listed = bench.control(Method::GET, "/_lab/faults", Value::Null).await;
    assert_eq!(
        (&listed[0]["seen"], &listed[0]["hits"], &listed[0]["fault"]),
        (&json!(9), &json!(2), &json!("throttle"))
    );
}

#[tokio::test]
async fn dials_aim_at_account_audience_and_token() {
    let bench = Bench::start().await;
    let (first, second) = (bench.meta_audience().await, bench.meta_audience().await);
    bench.fault(json!({"partner": "meta", "audience": first, "fault": "audience-gone"})).await;
    assert_eq!(add(&bench, &first, 1).await.error().3, Some(33));
    assert_eq!(add(&bench, &second, 1).await.status, 200);
    bench.mend().await;
    bench.fault(json!({"partner": "meta", "account": "act_1", "fault": "dead-token"})).await;
    assert_eq!(add(&bench, &second, 1).await.error().2, 190);
    assert_eq!(bench.meta(Method::GET, "/act_2", Value::Null).await.status, 200);
    bench.mend().await;
    bench.fault(json!({"token": "bad", "fault": "dead-token"})).await;
    assert_eq!(bench.meta(Method::GET, "/me", Value::Null).await.status, 200);
    assert_eq!(
        bench.send("meta", Method::GET, "/v26.0/me", &[("authorization", "Bearer bad")], "").await.error().2,
        190
    );
}

#[tokio::test]
async fn reading_shows_what_a_dial_stands_for() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    bench.fault(json!({"partner": "meta", "audience": id, "fault": "integrity"})).await;
    bench.fault(json!({"partner": "meta", "account": "act_1", "fault": "terms"})).await;
    let path = format!("/{id}?fields=operation_status");
    assert_eq!(bench.meta(Method::GET, &path, Value::Null).await.json()["operation_status"]["code"], 471);
    assert_eq!(bench.meta(Method::POST, &format!("/{id}"), json!({"name": "B"})).await.error().3, Some(1_713_228));
    assert_eq!(bench.meta(Method::GET, "/act_1/customaudiencestos", Value::Null).await.json()["data"], json!([]));
    assert_eq!(
        bench.meta(Method::GET, "/act_2/customaudiencestos", Value::Null).await.json()["data"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn wrong_dials_are_refused_with_words() {
    let bench = Bench::start().await;
    for (fault, word) in [
        (json!({"fault": "explode"}), "no fault `explode`"),
        (json!({"fault": "cut", "parner": "meta"}), "parner"),
        (json!({"fault": "cut", "partner": "nobody"}), "no partner `nobody`"),
        (json!({"fault": "cut", "route": "somewhere"}), "no route `somewhere`"),
        (json!({"fault": "error"}), "needs a code"),
        (json!({"fault": "terms-after"}), "cannot come after"),
        (json!({"fault": "cut", "every": 0}), "`every` starts at 1"),
        (json!({"partner": "meta"}), "missing field `fault`"),
        (json!([{"fault": "cut"}, {"fault": "explode"}]), "no fault `explode`"),
    ] {
        let answer = bench.send("lab", Method::POST, "/_lab/faults", &[JSON], fault.to_string()).await;
        assert_eq!(answer.status, 400, "{fault}");
        let said = answer.json();
        assert!(said["error"].as_str().is_some_and(|text| text.contains(word)), "{fault}: {said}");
    }
    assert_eq!(bench.control(Method::GET, "/_lab/faults", Value::Null).await, json!([]));
}
