//! The control address and the lab's own ways.

use bytes::Bytes;
use caravan_lab::{InProcess, Lab, LabError, LabOptions};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::bench::{Bench, JSON, hex};

#[tokio::test]
async fn the_address_line_is_one_line_and_answered_at_the_address() {
    let bench = Bench::start().await;
    let line = bench.lab.address_line();
    let (meta, tiktok) = (&bench.lab.partners()["meta"], &bench.lab.partners()["tiktok"]);
    let parsed: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(parsed, json!({"lab": bench.lab.url(), "partners": bench.lab.partners()}));
    assert!(!line.contains('\n') && bench.lab.partners().len() >= 3);
    let answer = bench.send("lab", Method::GET, "/", &[], "").await;
    assert_eq!(String::from_utf8_lossy(&answer.body).trim_end(), line);
    assert_eq!(bench.send("meta", Method::GET, "/_lab", &[], "").await.json()["lab"], bench.lab.url());
    for url in [bench.lab.url(), meta, tiktok] {
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    }
}

#[tokio::test]
async fn a_base_port_gives_ports_in_a_row_by_the_partners_names() {
    let mut base = 21_700;
    let lab = loop {
        match Lab::start(LabOptions { base_port: Some(base), ..LabOptions::default() }).await {
            Ok(lab) => break lab,
            // Another program may hold one of them.
            Err(LabError::Bind { .. }) if base < 30_000 => base += 10,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(lab.url(), format!("http://127.0.0.1:{base}"));
    for (place, url) in (1..).zip(lab.partners().values()) {
        assert_eq!(*url, format!("http://127.0.0.1:{}", base + place));
    }
    let again = Lab::start(LabOptions { base_port: Some(base), ..LabOptions::default() }).await;
    assert!(matches!(again, Err(LabError::Bind { what: "lab", .. })));
    lab.shutdown().await;
    let free = Lab::start(LabOptions { base_port: Some(base), ..LabOptions::default() }).await;
    assert!(free.is_ok(), "the ports are free after the shutdown");
    let none = Lab::start(LabOptions { base_port: Some(u16::MAX), ..LabOptions::default() }).await;
    assert!(matches!(none, Err(LabError::BasePort(u16::MAX) | LabError::Bind { .. })));
}

#[tokio::test]
async fn calls_are_counted_by_route_account_and_answer() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    for number in 0..3 {
        let body = json!({"payload": {"schema": ["EMAIL"], "data": [[hex(number)]]}});
        bench.meta(Method::POST, &format!("/{id}/users"), body).await;
    }
    bench.meta(Method::POST, "/404/users", json!({})).await;
    bench.tiktok(Method::GET, "user/info/", Value::Null).await;
    let counts = bench.control(Method::GET, "/_lab/calls", Value::Null).await;
    assert_eq!((&counts["total"], &counts["partners"]["meta"]["total"]), (&json!(6), &json!(5)));
    let meta = &counts["partners"]["meta"];
    assert_eq!(meta["routes"], json!({"POST /{audience}/users": 4, "POST /{account}/customaudiences": 1}));
    assert_eq!((&meta["accounts"], &meta["answers"]), (&json!({"1": 4}), &json!({"ok": 4, "bad-audience": 1})));
    assert_eq!((&meta["writes"], &meta["refused"]), (&json!(4), &json!(1)));
    assert_eq!(counts["partners"]["tiktok"]["routes"]["GET user/info/"], 1);
    let here = bench.send("tiktok", Method::GET, "/_lab/calls", &[], "").await.json();
    assert_eq!((&here["total"], here["partners"]["meta"].is_null()), (&json!(1), true));
    bench.control(Method::POST, "/_lab/reset", Value::Null).await;
    assert_eq!(bench.control(Method::GET, "/_lab/calls", Value::Null).await["total"], 0);
    assert_eq!(bench.control(Method::GET, "/_lab/audiences", Value::Null).await, json!({"audiences": []}));
}

#[tokio::test]
async fn changes_are_recorded_on_request_without_secrets() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    bench.control(Method::POST, "/_lab/record", json!({"on": true})).await;
    let body = r#"{"payload":{"schema":["EMAIL"],"data":[[""]]}}"#;
    let path = format!("/v26.0/{id}/users?access_token=top-secret&x=1");
    bench.send("meta", Method::POST, &path, &[("authorization", "Bearer top-secret"), JSON], body).await;
    bench.meta(Method::GET, &format!("/{id}"), Value::Null).await;
    bench.tiktok_audience().await;
    bench.control(Method::POST, "/_lab/record", json!({"on": false})).await;
    bench.tiktok_audience().await;
    let recorded = bench.control(Method::GET, "/_lab/calls?bodies=1", Value::Null).await;
    let requests = recorded["requests"].as_array().unwrap_or_else(|| panic!("{recorded}"));
    assert_eq!(requests.len(), 2, "only changes, only while it was on");
    assert_eq!((&requests[0]["method"], &requests[0]["body"]), (&json!("POST"), &json!(body)));
    assert_eq!(requests[0]["path"], format!("/v26.0/{id}/users?access_token=***&x=1"));
    assert!(requests[0]["headers"].as_array().is_some_and(|list| list.contains(&json!(["authorization", "***"]))));
    assert_eq!((&requests[1]["partner"], &requests[1]["account"]), (&json!("tiktok"), &json!("1")));
    assert!(!recorded.to_string().contains("top-secret"));
}

#[tokio::test]
async fn members_can_be_read_as_lines() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let body = json!({"payload": {"schema": ["EMAIL", "EXTERN_ID"], "data": [[hex(2), "u2"], [hex(1), "u1"]]}});
    bench.meta(Method::POST, &format!("/{id}/users"), body).await;
    let path = format!("/_lab/audiences/{id}/members?format=hashes");
    let lines = bench.send("lab", Method::GET, &format!("{path}&key=EMAIL"), &[], "").await;
    assert_eq!(String::from_utf8_lossy(&lines.body), format!("{}\n{}\n", hex(1), hex(2)));
    let all = bench.send("meta", Method::GET, &path, &[], "").await;
    assert_eq!(
        String::from_utf8_lossy(&all.body),
        format!("EXTERN_ID u1\nEXTERN_ID u2\nEMAIL {}\nEMAIL {}\n", hex(1), hex(2))
    );
    let list = bench.control(Method::GET, "/_lab/audiences", Value::Null).await;
    assert_eq!((&list["audiences"][0]["audience"], &list["audiences"][0]["size"]), (&json!(id), &json!(2)));
    assert_eq!(bench.send("tiktok", Method::GET, &path, &[], "").await.status, 404);
    assert_eq!(bench.send("lab", Method::GET, &format!("{path}x"), &[], "").await.status, 400);
}

#[tokio::test]
async fn an_audience_can_be_deleted_behind_our_back() {
    let bench = Bench::start().await;
    let ids = [bench.meta_audience().await, bench.tiktok_audience().await];
    for id in &ids {
        let path = format!("/_lab/audiences/{id}");
        assert_eq!(bench.control(Method::DELETE, &path, Value::Null).await, json!({"deleted": id}));
        assert_eq!(bench.send("lab", Method::DELETE, &path, &[], "").await.status, 404);
    }
    assert_eq!(bench.control(Method::GET, "/_lab/audiences", Value::Null).await, json!({"audiences": []}));
    assert_eq!(bench.meta(Method::GET, &format!("/{}", ids[0]), Value::Null).await.status, 400);
}

#[tokio::test]
async fn control_calls_of_the_wrong_form_are_refused_with_words() {
    let bench = Bench::start().await;
    for (path, body) in [
        ("/_lab/record", json!({"on": true, "off": 1})),
        ("/_lab/record", json!({})),
        ("/_lab/strict", json!({"account": true})),
        ("/_lab/settings", json!({"meta_throttle_status": 418})),
        ("/_lab/settings", json!({"nonsense": 1})),
        ("/_lab/quota", json!({"partner": "meta", "per_second": 1})),
        ("/_lab/quota", json!({"partner": "tiktok", "per_hour": 1})),
        ("/_lab/quota", json!({"partner": "nobody"})),
        ("/_lab/audiences", json!({"account": "1", "name": "A"})),
        ("/_lab/audiences", json!({"partner": "meta", "account": "x", "name": "A"})),
        ("/_lab/accounts", json!({"partner": "tiktok", "account": "1"})),
    ] {
        let answer = bench.send("lab", Method::POST, path, &[JSON], body.to_string()).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.json()["error"].as_str().is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(bench.send("lab", Method::PUT, "/_lab/faults", &[], "").await.status, 405);
    assert_eq!(bench.send("lab", Method::GET, "/_lab/nowhere", &[], "").await.status, 404);
    assert_eq!(bench.send("lab", Method::DELETE, "/_lab/faults?id=7", &[], "").await.status, 404);
}

#[tokio::test]
async fn the_lab_answers_in_the_process_too() {
    let lab = InProcess::new(true);
    let ask = |partner: &'static str, method: Method, path: &'static str, header: &'static str, body: String| {
        let request = Request::builder().method(method).uri(path).header(header, "Bearer t").body(Bytes::from(body));
        let lab = &lab;
        async move {
            let response = lab.answer(partner, request.unwrap_or_else(|error| panic!("{error}"))).await;
            let status = response.status().as_u16();
            (status, serde_json::from_slice::<Value>(response.body()).unwrap_or_default())
        }
    };
    // Permissive: any well-formed account and audience is there, and nothing is limited.
    let body = json!({"payload": {"schema": ["EMAIL"], "data": [[hex(1)]]}}).to_string();
    for _ in 0..200 {
        let (status, answer) =
            ask("meta", Method::POST, "/v26.0/23840000000001/users", "authorization", body.clone()).await;
        assert_eq!((status, &answer["num_received"]), (200, &json!(1)));
    }
    let (_, malformed) = ask("meta", Method::GET, "/v26.0/act_x", "authorization", String::new()).await;
    assert_eq!(malformed["error"]["error_subcode"], 33);
    assert!(lab.adopt("tiktok", "7000000000000000005", "1730", "Lapsed"));
    assert!(!lab.adopt("tiktok", "x", "1730", "Lapsed") && !lab.adopt("nobody", "1", "1", "A"));
    let path = "/open_api/v1.3/dmp/custom_audience/get/?advertiser_id=7000000000000000005&custom_audience_ids=%5B%221730%22%5D";
    let (_, got) = ask("tiktok", Method::GET, path, "access-token", String::new()).await;
    assert_eq!(got["data"]["list"][0]["audience_details"]["name"], "Lapsed");
    let rows = json!({"advertiser_ids": ["3"], "action": "add", "id_schema": ["EMAIL_SHA256"], "batch_data": [[{"id": hex(1), "audience_ids": ["55"]}]]});
    let (_, mapped) =
        ask("tiktok", Method::POST, "/open_api/v1.3/segment/mapping/", "access-token", rows.to_string()).await;
    assert_eq!(mapped["code"], 0, "{mapped}");
    let (_, standing) = ask("lab", Method::GET, "/_lab/audiences/55/members", "x-nothing", String::new()).await;
    assert_eq!((&standing["account"], &standing["size"]), (&json!("3"), &json!(1)));
    assert_eq!(ask("nobody", Method::GET, "/", "x-nothing", String::new()).await.0, 404);
}

#[tokio::test]
async fn a_served_lab_and_its_inside_are_the_same() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let request = Request::builder().uri("/_lab/audiences").body(Bytes::new()).unwrap_or_default();
    let response = bench.lab.in_process().answer("lab", request).await;
    assert!(String::from_utf8_lossy(response.body()).contains(&id));
}
