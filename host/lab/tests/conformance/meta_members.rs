//! Meta: members in all accepted encodings, and what stands afterwards.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, JSON, hex};

fn payload(schema: Value, data: Value) -> Value {
    json!({"payload": {"schema": schema, "data": data}})
}

/// Percent-encodes a query value.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[tokio::test]
async fn members_come_and_go_in_every_encoding() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let path = format!("/v26.0/{id}/users");
    let json_rows = payload(json!(["EXTERN_ID", "EMAIL", "FN"]), json!([["u1", hex(1), hex(90)], ["u2", hex(2), ""]]));
    let answer = bench.meta(Method::POST, &format!("/{id}/users"), json_rows.clone()).await.json();
    assert_eq!((&answer["audience_id"], &answer["num_received"]), (&json!(id), &json!(2)));
    assert_eq!((&answer["num_invalid_entries"], &answer["invalid_entry_samples"]), (&json!(0), &json!({})));
    assert!(answer["session_id"].as_str().is_some_and(|session| session.bytes().all(|byte| byte.is_ascii_digit())));

    // A form with JSON inside, as the SDK posts it; the single-key schema is a word, the data flat.
    let single = json!({"schema": "EMAIL_SHA256", "data": [hex(3), hex(4)]}).to_string();
    let form = format!("access_token=t&payload={}", encoded(&single));
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = bench.send("meta", Method::POST, &path, &kind, form).await.json();
    assert_eq!(answer["num_received"], 2);
    let standing = bench.members(&id).await;
    assert_eq!(standing["size"], 4);
    assert_eq!(
        standing["keys"],
        json!({"EMAIL": [hex(1), hex(2), hex(3), hex(4)], "EXTERN_ID": ["u1", "u2"], "FN": [hex(90)]})
    );

    // Deletion in the query string, as the SDK does it, then as a JSON body, then as a payload that is itself text.
    let query = format!(
        "{path}?access_token=t&payload={}",
        encoded(&json!({"schema": "EMAIL_SHA256", "data": [[hex(3)]]}).to_string())
    );
    assert_eq!(bench.send("meta", Method::DELETE, &query, &[], "").await.json()["num_received"], 1);
    bench.meta(Method::DELETE, &format!("/{id}/users"), payload(json!(["EXTERN_ID"]), json!([["u1"]]))).await;
    let text = json!({"schema": ["EMAIL"], "data": [[hex(4)]]}).to_string();
    bench.meta(Method::DELETE, &format!("/{id}/users"), json!({"payload": text})).await;
    assert_eq!(bench.members(&id).await["keys"], json!({"EMAIL": [hex(2)], "EXTERN_ID": ["u2"]}));
}

#[tokio::test]
async fn adding_and_removing_twice_is_harmless() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let path = format!("/{id}/users");
    let rows = payload(json!(["EMAIL", "PHONE"]), json!([[hex(1), hex(11)], [hex(2), ""]]));
    for _ in 0..2 {
        assert_eq!(bench.meta(Method::POST, &path, rows.clone()).await.json()["num_received"], 2);
        assert_eq!(bench.members(&id).await["size"], 2);
    }
    for _ in 0..2 {
        assert_eq!(bench.meta(Method::DELETE, &path, rows.clone()).await.status, 200);
        assert_eq!(bench.members(&id).await["size"], 0);
    }
}

#[tokio::test]
async fn a_removal_takes_every_row_that_shares_an_identifier_but_no_namesakes() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let path = format!("/{id}/users");
    let rows = json!([[hex(1), hex(11), hex(90)], [hex(2), hex(11), hex(90)], [hex(3), hex(13), hex(90)]]);
    bench.meta(Method::POST, &path, payload(json!(["EMAIL", "PHONE", "FN"]), rows)).await;
    bench.meta(Method::DELETE, &path, payload(json!(["FN"]), json!([[hex(90)]]))).await;
    assert_eq!(bench.members(&id).await["size"], 3);
    bench
        .meta(Method::DELETE, &path, payload(json!(["EMAIL", "PHONE", "FN"]), json!([[hex(1), hex(11), hex(90)]])))
        .await;
    let standing = bench.control(Method::GET, &format!("/_lab/audiences/{id}/members?rows=1"), Value::Null).await;
    assert_eq!(standing["rows"], json!([{"EMAIL": hex(3), "PHONE": hex(13), "FN": hex(90)}]));
}

#[tokio::test]
async fn bad_rows_are_counted_and_not_taken() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let rows = json!([[hex(1), "u1"], ["not a digest", "u2"], ["", ""], ["", "u4"]]);
    let answer = bench.meta(Method::POST, &format!("/{id}/users"), payload(json!(["EMAIL", "EXTERN_ID"]), rows)).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!((&answer["num_received"], &answer["num_invalid_entries"]), (&json!(4), &json!(2)));
    assert!(answer["invalid_entry_samples"]["not a digest,u2"].is_string(), "{answer}");
    assert_eq!(bench.members(&id).await["keys"], json!({"EMAIL": [hex(1)], "EXTERN_ID": ["u1", "u4"]}));
}

#[tokio::test]
async fn data_processing_options_are_checked_and_recorded() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let options = ["DATA_PROCESSING_OPTIONS", "DATA_PROCESSING_OPTIONS_COUNTRY", "DATA_PROCESSING_OPTIONS_STATE"];
    let schema = json!(["EMAIL", options[0], options[1], options[2]]);
    let path = format!("/{id}/users");
    let rows = json!([
        [hex(1), ["LDU"], 0, 0],
        [hex(2), [], 0, 0],
        [hex(3), ["ldu"], 0, 0],
        [hex(4), ["LDU"], "US", 0],
        ["", ["LDU"], 0, 0]
    ]);
    let answer = bench.meta(Method::POST, &path, payload(schema.clone(), rows)).await.json();
    assert_eq!((&answer["num_received"], &answer["num_invalid_entries"]), (&json!(5), &json!(3)), "{answer}");
    let standing = bench.control(Method::GET, &format!("/_lab/audiences/{id}/members?rows=1"), Value::Null).await;
    assert_eq!((&standing["limited"], &standing["size"]), (&json!(1), &json!(2)));
    let rows = standing["rows"].as_array().expect("rows");
    let limited: Vec<&Value> = rows.iter().filter(|row| row[options[0]] == r#"["LDU"]"#).collect();
    assert_eq!(limited.len(), 1);
    assert_eq!((&limited[0]["EMAIL"], &limited[0][options[1]]), (&json!(hex(1)), &json!("0")));
    bench.meta(Method::DELETE, &path, payload(schema, json!([[hex(1), ["LDU"], 0, 0]]))).await;
    assert_eq!((&bench.members(&id).await["limited"], &bench.members(&id).await["size"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_call_of_the_wrong_form_is_refused_whole() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let path = format!("/{id}/users");
    for body in [
        json!({}),
        json!({"payload": {"schema": ["EMAIL"]}}),
        json!({"payload": {"data": [[hex(1)]]}}),
        payload(json!(["EMAIL", "FN"]), json!([[hex(1), ""], [hex(2)]])),
        payload(json!(["MAIL"]), json!([[hex(1)]])),
        json!({"payload": {"schema": ["EMAIL"], "data": [[hex(1)]]}, "session": {"session_id": "x"}}),
    ] {
        let refused = bench.meta(Method::POST, &path, body.clone()).await;
        assert_eq!(refused.error(), (400, "OAuthException".into(), 100, None), "{body}");
    }
    assert_eq!(bench.members(&id).await["size"], 0);
    let unknown = bench.meta(Method::POST, "/99999/users", payload(json!(["EMAIL"]), json!([[hex(1)]]))).await;
    assert_eq!(unknown.error().3, Some(33));
}

#[tokio::test]
async fn ten_thousand_rows_are_taken_and_one_more_is_not() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let rows = |count: u64| Value::from((0..count).map(|number| json!([hex(number)])).collect::<Vec<_>>());
    let path = format!("/{id}/users");
    let refused = bench.meta(Method::POST, &path, payload(json!(["EMAIL"]), rows(10_001))).await;
    assert_eq!(refused.error(), (500, "OAuthException".into(), 1, Some(99)));
    assert_eq!(bench.members(&id).await["size"], 0);
    let taken = bench.meta(Method::POST, &path, payload(json!(["EMAIL"]), rows(10_000))).await.json();
    assert_eq!(taken["num_received"], 10_000);
    assert_eq!(bench.members(&id).await["size"], 10_000);
}

#[tokio::test]
async fn raw_cells_are_hashed_by_meta() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let body = json!({"payload": {"schema": ["EMAIL", "MADID"], "is_raw": true, "data": [[" John.Doe@Example.COM ", "aece52e7-03ee-455a-b3c4-e57283966239"]]}});
    assert_eq!(bench.meta(Method::POST, &format!("/{id}/users"), body).await.json()["num_invalid_entries"], 0);
    // The digest is the contract's vector for this address.
    let expected = json!({
        "EMAIL": ["836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f"],
        "MADID": ["aece52e7-03ee-455a-b3c4-e57283966239"],
    });
    assert_eq!(bench.members(&id).await["keys"], expected);
}

#[tokio::test]
async fn a_value_based_audience_wants_values() {
    let bench = Bench::start().await;
    let body =
        json!({"name": "V", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY", "is_value_based": true});
    let answer = bench.meta(Method::POST, "/act_1/customaudiences", body).await.json();
    let path = format!("/{}/users", answer["id"].as_str().unwrap_or_default());
    let refused = bench.meta(Method::POST, &path, payload(json!(["EMAIL"]), json!([[hex(1)]]))).await;
    assert_eq!(
        refused.json()["error"]["message"],
        "(#100) Value-Based Custom Audience requires LOOKALIKE_VALUE attribute."
    );
    let rows = json!([[hex(1), 10.5], [hex(2), "-3"]]);
    let taken = bench.meta(Method::POST, &path, payload(json!(["EMAIL", "LOOKALIKE_VALUE"]), rows)).await.json();
    assert_eq!((&taken["num_received"], &taken["num_invalid_entries"]), (&json!(2), &json!(1)));
    let removed = bench.meta(Method::DELETE, &path, payload(json!(["EMAIL"]), json!([[hex(1)]]))).await;
    assert_eq!(removed.status, 200);
}

#[tokio::test]
async fn a_replacing_session_takes_over_when_it_ends() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    bench.meta(Method::POST, &format!("/{id}/users"), payload(json!(["EMAIL"]), json!([[hex(1)], [hex(2)]]))).await;
    let part = |number: u64, last: bool, value: u64| {
        let mut body = payload(json!(["EMAIL"]), json!([[hex(value)]]));
        body["session"] =
            json!({"session_id": 9_778_993, "batch_seq": number, "last_batch_flag": last, "estimated_num_total": 2});
        body
    };
    let path = format!("/{id}/usersreplace");
    bench.meta(Method::POST, &path, part(1, false, 7)).await;
    assert_eq!(bench.members(&id).await["keys"]["EMAIL"], json!([hex(1), hex(2)]));
    bench.meta(Method::POST, &path, part(2, true, 8)).await;
    assert_eq!(bench.members(&id).await["keys"]["EMAIL"], json!([hex(7), hex(8)]));
    let sessions = bench.meta(Method::GET, &format!("/{id}/sessions?session_id=9778993"), Value::Null).await.json();
    assert_eq!((&sessions["data"][0]["num_received"], &sessions["data"][0]["progress"]), (&json!("2"), &json!("100")));
    assert_eq!(bench.meta(Method::POST, &path, payload(json!(["EMAIL"]), json!([[hex(1)]]))).await.error().2, 100);
}

#[tokio::test]
async fn other_kinds_of_audiences_take_no_members() {
    let bench = Bench::start().await;
    let spec = json!({"partner": "meta", "account": "act_1", "name": "Visitors", "kind": "WEBSITE", "id": "777"});
    bench.control(Method::POST, "/_lab/audiences", spec).await;
    let refused = bench.meta(Method::POST, "/777/users", payload(json!(["EMAIL"]), json!([[hex(1)]]))).await;
    assert_eq!(refused.error().2, 2650);
}

#[tokio::test]
async fn removal_from_a_small_audience_can_be_refused() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let path = format!("/{id}/users");
    let rows = payload(json!(["EMAIL"]), json!([[hex(1)], [hex(2)]]));
    bench.meta(Method::POST, &path, rows.clone()).await;
    bench.control(Method::POST, "/_lab/settings", json!({"minimum_on_remove": 3})).await;
    assert_eq!(bench.meta(Method::DELETE, &path, rows.clone()).await.error().2, 100);
    assert_eq!(bench.members(&id).await["size"], 2);
    bench.control(Method::POST, "/_lab/settings", json!({"minimum_on_remove": 2})).await;
    assert_eq!(bench.meta(Method::DELETE, &path, rows).await.status, 200);
}

#[tokio::test]
async fn a_broken_body_changes_nothing() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    let headers = [("authorization", "Bearer t"), JSON];
    let body = format!("{{\"payload\":{{\"schema\":[\"EMAIL\"],\"data\":[[\"{}\"]", hex(1));
    assert_eq!(bench.send("meta", Method::POST, &format!("/v26.0/{id}/users"), &headers, body).await.error().2, 100);
    assert_eq!(bench.members(&id).await["size"], 0);
}
