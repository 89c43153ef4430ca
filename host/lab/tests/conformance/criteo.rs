//! Criteo: tokens, segments, contact lists, rates, error forms.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, JSON, hex};

const SEGMENTS: &str = "/2026-07/marketing-solutions/audience-segments";

async fn call(bench: &Bench, method: Method, path: &str, body: Value) -> Answer {
    bench.bearer("criteo", method, path, body).await
}

async fn segment(bench: &Bench, name: &str) -> String {
    let body =
        json!({"data": [{"attributes": {"advertiserId": "1", "name": name, "description": "d", "contactList": {}}}]});
    let made = call(bench, Method::POST, &format!("{SEGMENTS}/create"), body).await.json();
    made["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_string()
}

fn amendment(operation: &str, kind: &str, identifiers: Value) -> Value {
    let attributes = json!({"operation": operation, "identifierType": kind, "identifiers": identifiers});
    json!({"data": {"type": "ContactlistAmendment", "attributes": attributes}})
}

async fn amend(bench: &Bench, id: &str, body: Value) -> Answer {
    call(bench, Method::PATCH, &format!("{SEGMENTS}/{id}/contact-list"), body).await
}

/// Status, type and code of a refusal.
fn error(answer: &Answer) -> (u16, String, String) {
    let json = answer.json();
    let error = &json["errors"][0];
    assert!(error["traceId"].is_string() && error["title"].is_string() && json["warnings"].is_array(), "{json}");
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_string();
    (answer.status, text("type"), text("code"))
}

#[tokio::test]
async fn client_credentials_give_a_token_of_fifteen_minutes_that_ends() {
    let bench = Bench::start().await;
    let form = "grant_type=client_credentials&client_id=a&client_secret=s";
    let granted = bench.form("criteo", "/oauth2/token", None, form).await.json();
    assert_eq!((&granted["expires_in"], &granted["refresh_token"]), (&json!(900), &Value::Null));
    let refused = bench.form("criteo", "/oauth2/token", None, &form.replace("=s", "=wrong")).await;
    assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")));

    bench.control(Method::POST, "/_lab/settings", json!({"token_seconds": 0})).await;
    let ended = bench.form("criteo", "/oauth2/token", None, form).await.json();
    let of = |token: &Value| format!("Bearer {}", token["access_token"].as_str().unwrap_or_default());
    for (bearer, expected) in [
        (of(&granted), 200),
        (of(&ended), 401),
        ("Bearer granted-nowhere".to_string(), 401),
        ("Bearer my-own".to_string(), 200),
    ] {
        let headers = [("authorization", bearer.as_str())];
        let answer = bench.send("criteo", Method::GET, "/2026-07/advertisers/me", &headers, "").await;
        assert_eq!(answer.status, expected, "{bearer}");
        if bearer == of(&ended) {
            assert_eq!(error(&answer).2, "authorization-token-expired");
        }
    }
    let answer = bench.send("criteo", Method::GET, "/2026-07/advertisers/me", &[], "").await;
    assert_eq!(error(&answer), (401, "authorization".into(), "authorization-token-invalid".into()));
}

#[tokio::test]
async fn a_persons_grant_has_ten_calls_a_minute_and_an_apps_250() {
    let bench = Bench::start().await;
    let form = "grant_type=authorization_code&client_id=a&client_secret=s&code=c&redirect_uri=x";
    let granted = bench.form("criteo", "/oauth2/token", None, form).await.json();
    assert!(granted["refresh_token"].is_string());
    let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap_or_default());
    let me = || async {
        let headers = [("authorization", bearer.as_str())];
        bench.send("criteo", Method::GET, "/2026-07/marketing-solutions/me", &headers, "").await
    };
    for left in (0..10).rev() {
        let answer = me().await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, left.to_string().as_str()));
    }
    let answer = me().await;
    assert_eq!((answer.status, answer.json()), (429, json!({})));
    assert!(answer.header("x-ratelimit-reset").parse::<u64>().is_ok_and(|second| second > 1_700_000_000));
    let app = call(&bench, Method::GET, "/2026-07/marketing-solutions/me", Value::Null).await;
    assert_eq!((app.status, app.header("x-ratelimit-limit")), (200, "250"));
    // The next token is the same person's.
    let refresh = granted["refresh_token"].as_str().unwrap_or_default();
    let form = format!("grant_type=refresh_token&client_id=a&client_secret=s&refresh_token={refresh}");
    let next = bench.form("criteo", "/oauth2/token", None, &form).await.json();
    let bearer = format!("Bearer {}", next["access_token"].as_str().unwrap_or_default());
    let headers = [("authorization", bearer.as_str())];
    let answer = bench.send("criteo", Method::GET, "/2026-07/marketing-solutions/me", &headers, "").await;
    assert_eq!(answer.status, 429);
}

#[tokio::test]
async fn only_published_versions_and_the_newer_path_are_served() {
    let bench = Bench::start().await;
    let id = segment(&bench, "A").await;
    let body = amendment("add", "email", json!([hex(1)]));
    for (path, status, code) in [
        (format!("/2023-10/marketing-solutions/audience-segments/{id}/contact-list"), 410, "endpoint-deprecated"),
        (format!("/2031-01/marketing-solutions/audience-segments/{id}/contact-list"), 404, "not-found"),
        // Traps, row 20.
        (format!("/2026-07/audiences/{id}/contactlist"), 404, "not-found"),
        (format!("/legacy/marketing/v1/audiences/userlist/{id}"), 404, "not-found"),
    ] {
        let answer = call(&bench, Method::PATCH, &path, body.clone()).await;
        let (found, _, word) = error(&answer);
        assert_eq!((found, word.as_str()), (status, code), "{path}");
    }
    let older = format!("/2026-01/marketing-solutions/audience-segments/{id}/contact-list");
    let answer = call(&bench, Method::PATCH, &older, body).await.json();
    assert_eq!(answer["warnings"][0]["type"], "deprecation");
    assert_eq!(bench.members(&id).await["size"], 1);
}

#[tokio::test]
async fn segments_are_made_in_bulk_and_what_fails_is_a_warning() {
    let bench = Bench::start().await;
    let list = |name: &str| json!({"attributes": {"advertiserId": "1", "name": name, "contactList": {}}});
    let path = format!("{SEGMENTS}/create");
    let made = call(&bench, Method::POST, &path, json!({"data": [list("A"), list("A"), list("")]})).await;
    assert_eq!(made.status, 200);
    let made = made.json();
    assert_eq!(made["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(made["data"][0]["attributes"]["contactList"]["isReadOnly"], false);
    let codes: Vec<&str> =
        made["warnings"].as_array().into_iter().flatten().filter_map(|warning| warning["code"].as_str()).collect();
    assert_eq!(codes, ["name-must-be-unique", "name-must-not-be-empty"]);
    let newer = path.replace("2026-07", "2027-01");
    let made = call(&bench, Method::POST, &newer, json!({"data": [list("B")]})).await.json();
    assert!(made["data"][0]["id"].is_string() && made["data"][0]["attributes"].is_null(), "{made}");
    let two = json!({"data": [{"attributes": {"advertiserId": "1", "name": "C", "contactList": {}, "location": {}}}]});
    assert_eq!(call(&bench, Method::POST, &path, two).await.status, 400);
}

#[tokio::test]
async fn a_search_joins_its_filters_and_pages() {
    let bench = Bench::start().await;
    let ids = [segment(&bench, "A").await, segment(&bench, "B").await];
    let spec = json!({"partner": "criteo", "account": "1", "name": "Visitors", "kind": "Retargeting", "id": "99"});
    bench.control(Method::POST, "/_lab/audiences", spec).await;
    let find = |query: &'static str, filter: Value| {
        let body = json!({"data": {"attributes": filter}});
        let bench = &bench;
        async move { call(bench, Method::POST, &format!("{SEGMENTS}/search{query}"), body).await }
    };
    let all = find("?limit=1&offset=1", json!({"advertiserIds": ["1"]})).await.json();
    assert_eq!((&all["meta"]["totalItems"], &all["data"][0]["id"]), (&json!(3), &json!(ids[1])));
    let one = find("", json!({"advertiserIds": ["1"], "audienceSegmentIds": ["99"]})).await.json();
    assert_eq!(one["data"][0]["attributes"]["type"], "Retargeting");
    let none = json!({"advertiserIds": ["1"], "audienceSegmentIds": ["99"], "audienceSegmentTypes": ["ContactList"]});
    assert_eq!(find("", none).await.json()["data"], json!([]));
    assert_eq!(error(&find("?limit=101", json!({})).await).2, "invalid-ranged");
    let both = json!({"data": [{"id": ids[0]}, {"id": "1"}]});
    let gone = call(&bench, Method::POST, &format!("{SEGMENTS}/delete"), both).await.json();
    assert_eq!((&gone["data"][0]["id"], &gone["warnings"][0]["code"]), (&json!(ids[0]), &json!("segment-not-found")));
}

#[tokio::test]
async fn identifiers_come_and_go_by_type_and_the_invalid_are_counted_with_a_sample() {
    let bench = Bench::start().await;
    let id = segment(&bench, "A").await;
    let md5 = "0f".repeat(16);
    let values = json!([hex(1), hex(2), md5, "n/a"]);
    for _ in 0..2 {
        let answer = amend(&bench, &id, amendment("add", "email", values.clone())).await.json();
        let told = &answer["data"]["attributes"];
        assert_eq!((&told["nbValidIdentifiers"], &told["nbInvalidIdentifiers"]), (&json!(3), &json!(1)), "{answer}");
        assert_eq!(told["sampleInvalidIdentifiers"], json!(["n/a"]));
    }
    amend(&bench, &id, amendment("add", "phoneNumber", json!([hex(3)]))).await.json();
    let upper = "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6";
    let zero = "00000000-0000-0000-0000-000000000000";
    let answer = amend(&bench, &id, amendment("add", "madid", json!([upper, zero]))).await.json();
    assert_eq!(answer["data"]["attributes"]["nbInvalidIdentifiers"], 1);
    let keys = bench.members(&id).await["keys"].clone();
    assert_eq!(keys, json!({"email": [hex(1), hex(2)], "email_md5": [md5], "madid": [upper], "phoneNumber": [hex(3)]}));
    amend(&bench, &id, amendment("remove", "email", json!([hex(1), hex(9)]))).await.json();
    assert_eq!(bench.members(&id).await["keys"]["email"], json!([hex(2)]));
    let told = call(&bench, Method::GET, &format!("{SEGMENTS}/{id}/contact-list/statistics"), Value::Null).await.json();
    assert_eq!(told["data"]["attributes"]["numberOfIdentifiers"], 4);
    call(&bench, Method::DELETE, &format!("{SEGMENTS}/{id}/contact-list"), Value::Null).await.json();
    assert_eq!(bench.members(&id).await["size"], 0);
}

#[tokio::test]
async fn an_amendment_of_the_wrong_form_is_refused_whole() {
    let bench = Bench::start().await;
    let id = segment(&bench, "A").await;
    let without = json!({"data": {"type": "ContactlistAmendment", "attributes": {"operation": "add", "identifierType": "email"}}});
    for (body, code) in [
        (amendment("put", "email", json!([hex(1)])), "invalid"),
        (amendment("add", "name", json!([hex(1)])), "invalid"),
        (amendment("add", "gum", json!(["g"])), "required-field"),
        (amendment("add", "email", json!([])), "invalid-ranged"),
        (without, "required-field"),
        (json!({"data": {"attributes": {}}}), "invalid"),
    ] {
        let (status, kind, word) = error(&amend(&bench, &id, body.clone()).await);
        assert_eq!((status, kind.as_str(), word.as_str()), (400, "validation", code), "{body}");
    }
    let path = format!("{SEGMENTS}/{id}/contact-list");
    let headers = [("authorization", "Bearer t"), ("content-type", "text/plain")];
    assert_eq!(bench.send("criteo", Method::PATCH, &path, &headers, "{}").await.status, 415);
    assert_eq!(bench.members(&id).await["size"], 0);
}

#[tokio::test]
async fn fifty_thousand_identifiers_are_taken_and_one_more_is_not() {
    let bench = Bench::start().await;
    let id = segment(&bench, "A").await;
    let many = |count: u64| amendment("add", "email", (0..count).map(hex).collect::<Vec<_>>().into());
    assert_eq!(error(&amend(&bench, &id, many(50_001)).await).2, "invalid-ranged");
    assert_eq!(amend(&bench, &id, many(50_000)).await.status, 200);
    assert_eq!(bench.members(&id).await["size"], 50_000);
}

#[tokio::test]
async fn lists_that_are_not_ours_to_amend_are_refused() {
    let bench = Bench::start().await;
    for (spec, status, code) in [
        (json!({"id": "91", "kind": "Retargeting", "name": "V"}), 400, "segment-type-invalid"),
        (json!({"id": "92", "read_only": true, "name": "F"}), 400, "contact-list-read-only"),
        (json!({"id": "93", "name": "G"}), 404, "audience-invalid"),
    ] {
        let id = spec["id"].as_str().unwrap_or_default().to_string();
        let mut spec = spec;
        spec["partner"] = json!("criteo");
        spec["account"] = json!("1");
        bench.control(Method::POST, "/_lab/audiences", spec).await;
        if status == 404 {
            bench.control(Method::DELETE, &format!("/_lab/audiences/{id}"), Value::Null).await;
        }
        let answer = amend(&bench, &id, amendment("add", "email", json!([hex(1)]))).await;
        assert_eq!((answer.status, error(&answer).2.as_str()), (status, code));
    }
}

#[tokio::test]
async fn every_error_form_of_criteo() {
    let bench = Bench::start().await;
    let id = segment(&bench, "A").await;
    for (fault, status, kind, code) in [
        (json!({"fault": "dead-token"}), 401, "authorization", "authorization-token-expired"),
        (
            json!({"fault": "dead-token", "reason": "authorization-token-invalid"}),
            401,
            "authorization",
            "authorization-token-invalid",
        ),
        (json!({"fault": "error", "reason": "other", "status": 401}), 401, "validation", "other"),
        (json!({"fault": "permission"}), 403, "authorization", "authorization-forbidden"),
        (json!({"fault": "audience-gone"}), 404, "authorization", "audience-invalid"),
        (json!({"fault": "not-editable"}), 400, "validation", "contact-list-read-only"),
        (json!({"fault": "throttle"}), 429, "quota", "too-many-requests"),
        (json!({"fault": "server-error"}), 500, "unknown", "internal-error"),
        (json!({"fault": "error", "reason": "service-unavailable"}), 503, "availability", "service-unavailable"),
        (
            json!({"fault": "error", "reason": "audience-invalid", "status": 503}),
            503,
            "authorization",
            "audience-invalid",
        ),
        (json!({"fault": "server-error", "status": 502}), 502, "unknown", "internal-error"),
        (json!({"fault": "error", "reason": "required-field"}), 400, "validation", "required-field"),
        (json!({"fault": "too-large"}), 413, "validation", "request-too-large"),
        (json!({"fault": "error", "reason": "endpoint-deprecated"}), 410, "deprecation", "endpoint-deprecated"),
    ] {
        bench.fault(fault.clone()).await;
        let answer = amend(&bench, &id, amendment("add", "email", json!([hex(1)]))).await;
        assert_eq!(error(&answer), (status, kind.to_string(), code.to_string()), "{fault}");
        bench.mend().await;
    }
    assert_eq!(bench.members(&id).await["size"], 0);
    bench.fault(json!({"fault": "bad-rows", "rows": 1})).await;
    let answer = amend(&bench, &id, amendment("add", "email", json!([hex(1), hex(2)]))).await.json();
    assert_eq!(answer["data"]["attributes"]["nbInvalidIdentifiers"], 1);
    assert_eq!(bench.members(&id).await["keys"]["email"], json!([hex(2)]));
    let unread = bench.send("criteo", Method::PATCH, &format!("{SEGMENTS}/{id}/contact-list"), &[JSON], "{}").await;
    assert_eq!(unread.status, 401);
}
