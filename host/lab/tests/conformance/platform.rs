//! Experience Platform as a source: the gateway, audiences, export jobs and their files.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, JSON};

const ORG: (&str, &str) = ("x-gw-ims-org-id", "0123@AdobeOrg");
const KEY: (&str, &str) = ("x-api-key", "key");
const PROD: (&str, &str) = ("x-sandbox-name", "prod");
const TOKEN: (&str, &str) = ("authorization", "Bearer good");

async fn ask(bench: &Bench, method: Method, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    bench.send("experience-platform", method, path, &[TOKEN, KEY, ORG, PROD, JSON], body).await
}

async fn audience(bench: &Bench, people: usize) -> String {
    let spec = json!({"partner": "experience-platform", "account": "prod", "name": "Churned"});
    let made = bench.control(Method::POST, "/_lab/audiences", spec).await;
    let id = made["audience"].as_str().expect("an id").to_string();
    let join: Vec<Value> =
        (0..people).map(|n| json!({"id": n.to_string(), "identities": {"ECID": format!("{n:038}")}})).collect();
    bench.control(Method::POST, &format!("/_lab/audiences/{id}/members"), json!({"join": join})).await;
    id
}

fn job(id: &str, statuses: &[&str], since: Option<&str>) -> Value {
    let mut body = json!({
        "fields": "identityMap,segmentMembership,_lab", "schema": {"name": "_xdm.context.profile"},
        "destination": {"datasetId": "d", "segmentPerBatch": false},
        "filter": {"segments": [{"segmentId": id, "segmentNs": "ups", "status": statuses}]},
    });
    if let Some(since) = since {
        body["filter"]["segmentQualificationTime"] = json!({"startTime": since});
    }
    body
}

/// Runs an export to its end and gives its rows.
async fn export(bench: &Bench, body: Value) -> Vec<Value> {
    let begun = ask(bench, Method::POST, "/data/core/ups/export/jobs", body).await.json();
    assert_eq!(begun["status"], "NEW", "{begun}");
    let batch = begun["destination"]["batchId"].as_str().expect("a batch");
    let files =
        ask(bench, Method::GET, &format!("/data/foundation/export/batches/{batch}/files"), Value::Null).await.json();
    let mut rows = Vec::new();
    for file in files["data"].as_array().into_iter().flatten() {
        let path = format!("/data/foundation/export/files/{}", file["dataSetFileId"].as_str().expect("a file"));
        let parts = ask(bench, Method::GET, &path, Value::Null).await.json();
        for part in parts["data"].as_array().into_iter().flatten() {
            let path = format!("{path}?path={}", part["name"].as_str().expect("a name"));
            let text = ask(bench, Method::GET, &path, Value::Null).await.body;
            rows.extend(
                text.split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(|line| serde_json::from_slice::<Value>(line).expect("a line")),
            );
        }
    }
    rows
}

#[tokio::test]
async fn the_gateway_asks_for_token_key_and_organisation_in_this_order() {
    let bench = Bench::start().await;
    let path = "/data/core/ups/audiences";
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Headers<'_>, u16, &str); 4] = [
        (&[KEY, ORG, PROD], 403, "403010"),
        (&[TOKEN, ORG, PROD], 403, "403000"),
        (&[TOKEN, KEY, PROD], 400, "400003"),
        (&[TOKEN, KEY, ("x-gw-ims-org-id", "nobody"), PROD], 403, "403025"),
    ];
    for (headers, status, code) in cases {
        let answer = bench.send("experience-platform", Method::GET, path, headers, "").await;
        assert_eq!((answer.status, answer.json()["error_code"].as_str()), (status, Some(code)));
    }
    assert_eq!(ask(&bench, Method::GET, path, Value::Null).await.status, 200);
}

#[tokio::test]
async fn an_export_is_pending_by_the_labs_clock_and_then_done() {
    let bench = Bench::start().await;
    let id = audience(&bench, 3).await;
    let begun = ask(&bench, Method::POST, "/data/core/ups/export/jobs", job(&id, &["realized"], None)).await.json();
    let path = format!("/data/core/ups/export/jobs/{}", begun["id"]);
    assert_eq!(ask(&bench, Method::GET, &path, Value::Null).await.json()["status"], "PROCESSING");
    bench.control(Method::POST, "/_lab/settings", json!({"time_scale": 4_000_000_000u32})).await;
    assert_eq!(ask(&bench, Method::GET, &path, Value::Null).await.json()["status"], "SUCCEEDED");
    bench.control(Method::POST, "/_lab/settings", json!({"experience-platform": {"exports_fail": true}})).await;
    let failed = ask(&bench, Method::POST, "/data/core/ups/export/jobs", job(&id, &["realized"], None)).await.json();
    let failed = ask(&bench, Method::GET, &format!("/data/core/ups/export/jobs/{}", failed["id"]), Value::Null).await;
    assert_eq!((&failed.json()["status"], &failed.json()["errors"][0]["code"]), (&json!("FAILED"), &json!("1200")));
}

#[tokio::test]
async fn joiners_and_leavers_since_a_time_are_exported_alone() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"experience-platform": {"rows_per_part": 2}})).await;
    let id = audience(&bench, 5).await;
    let all = export(&bench, job(&id, &["realized", "existing"], None)).await;
    assert_eq!(all.len(), 5);
    let seen = &all[0]["segmentMembership"]["ups"][&id]["lastQualificationTime"];
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let change = json!({"join": [{"id": "new", "identities": {"Email": "n@example.com"}, "attributes": {"tier": "gold"}}], "leave": ["1"]});
    let changed = bench.control(Method::POST, &format!("/_lab/audiences/{id}/members"), change).await;
    assert_eq!(changed, json!({"joined": 1, "left": 1}));
    let seen = seen.as_str().expect("a time").replace('Z', "");
    let (whole, thousandths) = seen.split_once('.').expect("milliseconds");
    let next = thousandths.parse::<u32>().expect("a number") + 1;
    let since = if next < 1_000 { format!("{whole}.{next:03}Z") } else { format!("{whole}.999Z") };
    let rows = export(&bench, job(&id, &["realized", "exited"], Some(&since))).await;
    let status = |row: &Value| row["segmentMembership"]["ups"][&id]["status"].clone();
    assert!(rows.iter().any(|row| status(row) == "exited"), "{rows:?}");
    assert!(rows.iter().any(|row| row["_lab"]["tier"] == "gold" && status(row) == "realized"), "{rows:?}");
    assert_eq!(export(&bench, job(&id, &["realized"], None)).await.len(), 5);
}

#[tokio::test]
async fn at_most_a_hundred_parts_of_a_file_are_told_at_once() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"experience-platform": {"rows_per_part": 1}})).await;
    let id = audience(&bench, 130).await;
    ask(&bench, Method::POST, "/data/core/ups/export/jobs", job(&id, &["realized"], None)).await;
    let path = "/data/foundation/export/files/file-100";
    let first = ask(&bench, Method::GET, path, Value::Null).await.json();
    assert_eq!(first["data"].as_array().map(Vec::len), Some(100));
    let next = first["_links"]["next"]["href"].as_str().expect("a link").to_string();
    assert!(next.ends_with("file-100?start=100&limit=100"), "{next}");
    let rest = ask(&bench, Method::GET, &format!("{path}?start=100&limit=100"), Value::Null).await.json();
    assert_eq!((rest["data"].as_array().map(Vec::len), &rest["_links"]), (Some(30), &json!({})));
    assert_eq!(rest["data"][0]["name"], "part-00100.json");
}

#[tokio::test]
async fn a_file_is_given_in_ranges() {
    let bench = Bench::start().await;
    let id = audience(&bench, 3).await;
    ask(&bench, Method::POST, "/data/core/ups/export/jobs", job(&id, &["realized"], None)).await;
    let path = "/data/foundation/export/files/file-100?path=part-00000.json";
    let whole = ask(&bench, Method::GET, path, Value::Null).await.body;
    let headers = [TOKEN, KEY, ORG, PROD, ("range", "bytes=5-14")];
    let some = bench.send("experience-platform", Method::GET, path, &headers, "").await;
    assert_eq!((some.status, &some.body[..]), (206, &whole[5..15]));
    let beyond = [TOKEN, KEY, ORG, PROD, ("range", "bytes=99999-")];
    assert_eq!(bench.send("experience-platform", Method::GET, path, &beyond, "").await.status, 416);
}

#[tokio::test]
async fn an_export_gives_the_fields_that_are_asked_for_under_the_audiences_own_namespace_and_merge_policy() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"experience-platform": {"merge_policy": "p"}})).await;
    let spec = json!({"partner": "experience-platform", "account": "prod", "name": "Manager", "kind": "AAM"});
    let made = bench.control(Method::POST, "/_lab/audiences", spec).await;
    let id = made["audience"].as_str().expect("an id").to_string();
    let member = json!({"id": "1", "identities": {"ECID": ["1", "2"]}, "attributes": {"tier": "gold", "secret": 7}});
    bench.control(Method::POST, &format!("/_lab/audiences/{id}/members"), json!({"join": [member]})).await;
    let shown = ask(&bench, Method::GET, &format!("/data/core/ups/audiences/{id}"), Value::Null).await.json();
    assert_eq!((&shown["namespace"], &shown["type"]), (&json!("AAM"), &json!("ExternalSegment")));
    assert!(export(&bench, job(&id, &["realized"], None)).await.is_empty(), "nobody has it under `ups`");
    let mut wish = job(&id, &["realized"], None);
    wish["filter"]["segments"][0]["segmentNs"] = json!("AAM");
    wish["fields"] = json!("identityMap,segmentMembership,_lab.tier");
    wish["mergePolicy"] = json!({"id": "p", "version": 1});
    let rows = export(&bench, wish.clone()).await;
    assert_eq!(rows[0]["_lab"], json!({"tier": "gold"}));
    assert_eq!(rows[0]["identityMap"]["ECID"][1], json!({"id": "2", "primary": false}));
    assert_eq!(rows[0]["segmentMembership"]["AAM"][&id]["status"], "realized");
    wish["mergePolicy"]["version"] = json!(2);
    assert_eq!(ask(&bench, Method::POST, "/data/core/ups/export/jobs", wish).await.status, 400);
}

#[tokio::test]
async fn a_file_destination_hands_over_what_changed_with_its_status() {
    let bench = Bench::start().await;
    let id = audience(&bench, 2).await;
    let path = format!("/_lab/audiences/{id}/hand-over");
    // What changes within the millisecond of a hand-over is told again.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let first = bench.control(Method::POST, &path, json!({})).await;
    assert_eq!(first["rows"], 2);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let change =
        json!({"leave": ["1"], "join": [{"id": "new", "identities": {"Email": ["a@x.example", "b@x.example"]}}]});
    bench.control(Method::POST, &format!("/_lab/audiences/{id}/members"), change).await;
    let next = bench.control(Method::POST, &path, json!({"tabs": true})).await;
    let text = next["text"].as_str().expect("a text");
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.remove(0), "identityMap.ECID\tidentityMap.Email\tsegmentMembershipStatus");
    lines.sort_unstable();
    assert_eq!(lines[0], "\t\"[\"\"a@x.example\"\",\"\"b@x.example\"\"]\"\trealized");
    assert!(lines[1].ends_with("1\t\texited") && lines.len() == 2, "{lines:?}");
    assert!(next["file"].as_str().is_some_and(|name| name.contains(&id) && name.ends_with(".txt")), "{next}");
}
