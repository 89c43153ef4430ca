//! Marketo: every row of the error table, raised by a dial.

use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::marketo::{code, ids, result};

#[tokio::test]
async fn every_code_of_the_table_can_be_raised_inside_a_200() {
    let bench = Bench::start().await;
    let list = bench.marketo_list("A").await;
    let path = format!("/rest/v1/lists/{list}/leads.json?id=1");
    for wanted in [
        600, 601, 602, 603, 604, 605, 606, 607, 608, 609, 610, 611, 612, 613, 614, 615, 616, 701, 702, 703, 704, 709,
        710, 711, 713, 719, 1001, 1002, 1003, 1006, 1011, 1013, 1016, 1019, 1022, 1029, 1035,
    ] {
        bench.fault(json!({"partner": "marketo", "fault": "error", "code": wanted, "count": 1})).await;
        let answer = bench.marketo(Method::POST, &path, Value::Null).await;
        assert_eq!(code(&answer), wanted.to_string());
        assert!(answer.json()["errors"][0]["message"].as_str().is_some_and(|words| words != "The call failed"));
    }
}

#[tokio::test]
async fn every_code_of_a_row_can_be_raised_and_the_other_rows_are_taken() {
    let bench = Bench::start().await;
    let list = bench.marketo_list("A").await;
    let leads = ids(&bench, "a%40x.io,b%40x.io").await;
    let path = format!("/rest/v1/lists/{list}/leads.json?id={},{}", leads[0], leads[1]);
    for wanted in [1003, 1004, 1005, 1007, 1008, 1009, 1010, 1015] {
        bench.fault(json!({"partner": "marketo", "fault": "bad-rows", "rows": 1, "code": wanted, "count": 1})).await;
        let rows = result(&bench.marketo(Method::POST, &path, Value::Null).await);
        assert_eq!(rows[0]["reasons"][0]["code"], wanted.to_string());
        assert_eq!(rows[1]["status"], "added");
    }
    assert_eq!(bench.members(&list).await["size"], 1);
}

#[tokio::test]
async fn the_dials_that_all_partners_share_speak_marketos_words() {
    let bench = Bench::start().await;
    let list = bench.marketo_list("A").await;
    let path = format!("/rest/v1/lists/{list}/leads.json?id=1");
    for (dial, expected) in [
        ("dead-token", "601"),
        ("permission", "603"),
        ("throttle", "606"),
        ("server-error", "611"),
        ("audience-gone", "1013"),
        ("not-editable", "709"),
        ("duplicate", "1029"),
    ] {
        bench.fault(json!({"partner": "marketo", "fault": dial, "count": 1})).await;
        assert_eq!(code(&bench.marketo(Method::POST, &path, Value::Null).await), expected, "{dial}");
    }
    bench.fault(json!({"partner": "marketo", "fault": "too-large", "count": 1})).await;
    assert_eq!(bench.marketo(Method::POST, &path, Value::Null).await.status, 413);
    bench.fault(json!({"partner": "marketo", "fault": "html", "status": 502, "count": 1})).await;
    assert_eq!(bench.marketo(Method::POST, &path, Value::Null).await.status, 502);
}
