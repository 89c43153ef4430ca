//! TikTok: mappings, and what stands afterwards.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, hex};

fn mapping(action: &str, schema: Value, rows: Value) -> Value {
    json!({"advertiser_ids": ["1"], "action": action, "id_schema": schema, "batch_data": rows})
}

#[tokio::test]
async fn ids_come_and_go_by_type() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    let slot = |number: u64| json!({"id": hex(number), "audience_ids": [id]});
    let schema = json!(["EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256", "AAID_SHA256"]);
    let rows = json!([[slot(1), slot(11), {}, {}], [slot(2), {}, {}, slot(22)], [{}, {}, {}, {}]]);
    for _ in 0..2 {
        let answer = bench.tiktok(Method::POST, "segment/mapping/", mapping("add", schema.clone(), rows.clone())).await;
        assert_eq!(answer.data(), json!({}), "no counts, no report");
    }
    let standing = bench.members(&id).await;
    assert_eq!(
        standing["keys"],
        json!({"EMAIL_SHA256": [hex(1), hex(2)], "PHONE_SHA256": [hex(11)], "AAID_SHA256": [hex(22)]})
    );
    assert_eq!((&standing["size"], &standing["type"]), (&json!(4), &json!("Partner")));
    // A removal takes the ids named, not the person: the phone stays.
    let removal = mapping("delete", json!(["EMAIL_SHA256"]), json!([[slot(1)], [slot(99)]]));
    bench.tiktok(Method::POST, "segment/mapping/", removal).await.data();
    let keys = json!({"EMAIL_SHA256": [hex(2)], "PHONE_SHA256": [hex(11)], "AAID_SHA256": [hex(22)]});
    assert_eq!(bench.members(&id).await["keys"], keys);
}

#[tokio::test]
async fn one_call_may_reach_several_audiences() {
    let bench = Bench::start().await;
    let (first, second) = (bench.tiktok_audience().await, bench.tiktok_audience().await);
    let rows = json!([[{"id": hex(1), "audience_ids": [first, second]}], [{"id": hex(2), "audience_ids": [second]}]]);
    bench.tiktok(Method::POST, "segment/mapping/", mapping("add", json!(["EMAIL_SHA256"]), rows)).await.data();
    assert_eq!(bench.members(&first).await["keys"]["EMAIL_SHA256"], json!([hex(1)]));
    assert_eq!(bench.members(&second).await["keys"]["EMAIL_SHA256"], json!([hex(1), hex(2)]));
}

#[tokio::test]
async fn ids_that_are_no_digests_are_dropped_without_a_word() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    let slot = |value: String| json!({"id": value, "audience_ids": [id]});
    let rows = json!([[slot(hex(1)), slot("0".repeat(32))], [slot("nonsense".into()), slot(hex(2))]]);
    let answer =
        bench.tiktok(Method::POST, "segment/mapping/", mapping("add", json!(["EMAIL_SHA256", "IDFA_MD5"]), rows)).await;
    assert_eq!(answer.code(), (0, "OK".into()));
    let standing = bench.members(&id).await;
    assert_eq!(standing["keys"], json!({"EMAIL_SHA256": [hex(1)], "IDFA_MD5": ["0".repeat(32)]}));
    assert_eq!(standing["refused"], 2);
}

#[tokio::test]
async fn a_mapping_of_the_wrong_form_is_refused_whole() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    let slot = json!({"id": hex(1), "audience_ids": [id]});
    let both = json!(["EMAIL_SHA256", "PHONE_SHA256"]);
    for body in [
        mapping("add", both.clone(), json!([[slot, {}], [slot]])),
        mapping("add", both.clone(), json!([[slot, {}, {}]])),
        mapping("put", both.clone(), json!([[slot, {}]])),
        mapping("add", json!(["GAID_SHA256"]), json!([[slot]])),
        mapping("add", json!([]), json!([[]])),
        mapping("add", both.clone(), json!([])),
        mapping("add", json!(["EMAIL_SHA256"]), json!([[{"id": hex(1)}]])),
        mapping("add", json!(["EMAIL_SHA256"]), json!([[{"id": hex(1), "audience_ids": []}]])),
        mapping("add", json!(["EMAIL_SHA256"]), json!([[{"id": hex(1), "audience_ids": [173]}]])),
        json!({"action": "add", "id_schema": ["EMAIL_SHA256"], "batch_data": [[slot]]}),
    ] {
        assert_eq!(bench.tiktok(Method::POST, "segment/mapping/", body.clone()).await.code().0, 40_002, "{body}");
    }
    assert_eq!(bench.members(&id).await["size"], 0);
}

#[tokio::test]
async fn ten_thousand_people_are_taken_and_one_more_is_not() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    let rows =
        |count: u64| Value::from((0..count).map(|n| json!([{"id": hex(n), "audience_ids": [id]}])).collect::<Vec<_>>());
    let call =
        |count| bench.tiktok(Method::POST, "segment/mapping/", mapping("add", json!(["EMAIL_SHA256"]), rows(count)));
    assert_eq!(call(10_001).await.code().0, 40_002);
    assert_eq!(call(10_000).await.code().0, 0);
    assert_eq!(bench.members(&id).await["size"], 10_000);
}

#[tokio::test]
async fn only_audiences_of_this_advertiser_made_through_the_api_take_mappings() {
    let bench = Bench::start().await;
    let id = bench.tiktok_audience().await;
    let rows = |id: &str| json!([[{"id": hex(1), "audience_ids": [id]}]]);
    let unknown = mapping("add", json!(["EMAIL_SHA256"]), rows("999"));
    assert_eq!(bench.tiktok(Method::POST, "segment/mapping/", unknown).await.code().0, 40_007);
    let mut foreign = mapping("add", json!(["EMAIL_SHA256"]), rows(&id));
    foreign["advertiser_ids"] = json!(["2"]);
    assert_eq!(bench.tiktok(Method::POST, "segment/mapping/", foreign).await.code().0, 40_007);
    let spec = json!({"partner": "tiktok", "account": "1", "name": "Visitors", "kind": "Website Traffic", "id": "888"});
    bench.control(Method::POST, "/_lab/audiences", spec).await;
    let website = mapping("add", json!(["EMAIL_SHA256"]), rows("888"));
    assert_eq!(bench.tiktok(Method::POST, "segment/mapping/", website).await.code().0, 40_002);
}
