//! What is kept of a call for people: heads, the partner's trace id, and never bodies, cookies or secrets.
mod support;

use bytes::Bytes;
use caravan_model::exchanges_of;
use caravan_model::port::{Connector as _, RequestRecord};
use http::Response;
use http_body_util::Full;
use support::*;

/// What a sync of two people made of this answer.
async fn record(connector: &str, host: &str, answer: fn() -> Response<Full<Bytes>>) -> RequestRecord {
    let peer = Peer::start(move |_| answer()).await;
    let outcome = sync(&bind(connector, peer.lab(host)), 2).await;
    outcome.requests.into_iter().next_back().unwrap()
}

fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut answer = json(status, body);
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        answer.headers_mut().append(name, value.parse().unwrap());
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_trace_id_is_that_of_the_error_body_else_that_of_a_header() {
    let refused = record("meta", META, || {
        let body =
            r#"{"error":{"message":"Invalid parameter","type":"OAuthException","code":100,"fbtrace_id":"Abody"}}"#;
        with(400, &[("x-fb-trace-id", "Hhead")], body)
    });
    let refused = refused.await;
    assert_eq!((refused.trace_id.as_deref(), &refused.outcome), (Some("Abody"), &Ok(400)));
    let taken = record("meta", META, || {
        let body = r#"{"audience_id":"23850","num_received":2,"num_invalid_entries":0}"#;
        with(200, &[("X-FB-Request-Id", "Rhead"), ("X-FB-Trace-ID", "Hhead")], body)
    });
    let taken = taken.await;
    assert_eq!(taken.trace_id.as_deref(), Some("Hhead"), "{taken:?}");
    assert_eq!(taken.answer_bytes, 64, "{taken:?}");
    assert!(taken.answer_headers.contains(&("x-fb-request-id".into(), "Rhead".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn tiktoks_trace_id_is_read_from_the_body() {
    let peer = Peer::start(|_| {
        let body = r#"{"code":40105,"message":"Access token is incorrect","request_id":"2026body","data":{}}"#;
        with(200, &[("x-tt-logid", "2026head")], body)
    })
    .await;
    let connector = bind("tiktok", peer.lab(TIKTOK));
    let ask = caravan_model::port::Ask::Check { target: target() };
    let outcome = connector.call(context(), ask).await;
    assert!(!outcome.requests.is_empty());
    assert!(outcome.requests.iter().all(|one| one.trace_id.as_deref() == Some("2026body")), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_long_to_look_into_has_the_headers_id() {
    let long = record("meta", META, || {
        let body = format!(r#"{{"error":{{"code":1,"fbtrace_id":"Abody","message":"{}"}}}}"#, "x".repeat(70_000));
        with(500, &[("x-fb-trace-id", "Hhead")], &body)
    });
    let long = long.await;
    assert_eq!(long.trace_id.as_deref(), Some("Hhead"));
    assert!(long.answer_bytes > 70_000, "{}", long.answer_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_has_no_cookie_no_secret_and_no_body() {
    let one = record("meta", META, || {
        let body = r#"{"error":{"message":"private words","type":"OAuthException","code":100,"fbtrace_id":"A"}}"#;
        let headers = [("set-cookie", "session=1"), ("set-cookie2", "old=1"), ("x-echo", "Bearer lab-token of you")];
        with(400, &headers, body)
    });
    let kept = exchanges_of(&[one.await]);
    let json = serde_json::to_string(&kept).unwrap();
    for none in ["lab-token", "session=1", "old=1", "private words", "payload", "0000000001"] {
        assert!(!json.contains(none), "{none} in {json}");
    }
    assert!(kept[0].answer_headers.contains(&("x-echo".into(), "Bearer ********* of you".into())), "{json}");
    let curl = kept[0].curl("batch-1-0.json");
    assert!(curl.contains(r#"--header "authorization: Bearer $CARAVAN_TOKEN""#), "{curl}");
    assert!(curl.ends_with("--data-binary @batch-1-0.json"), "{curl}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_heads_are_kept_in_part() {
    let one = record("meta", META, || {
        let names: Vec<String> = (0..50).map(|at| format!("x-{at}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        with(200, &headers, "{}")
    });
    assert_eq!(one.await.answer_headers.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_the_egress_adds_are_variables_of_the_command() {
    let peer = Peer::start(|_| json(200, r#"{"code":0,"message":"OK","request_id":"R","data":{"list":[]}}"#)).await;
    let component = load("tiktok");
    let mut binding = binding(&component, peer.lab(TIKTOK));
    binding.vault = std::sync::Arc::new(AllSecrets);
    let connector = caravan_connectors::BoundConnector::new(component, binding).unwrap();
    let outcome = connector.call(context(), caravan_model::port::Ask::Accounts { cursor: None }).await;
    assert!(peer.received()[0].path.contains("secret=of-app_secret"), "{:?}", peer.received());
    let kept = exchanges_of(&outcome.requests);
    assert!(!serde_json::to_string(&kept).unwrap().contains("of-app_secret"));
    let curl = kept[0].curl("unused");
    assert!(curl.contains("?app_id=${CARAVAN_APP_ID}&secret=$CARAVAN_APP_SECRET\""), "{curl}");
}

/// A vault that has every secret.
struct AllSecrets;

impl caravan_model::port::Vault for AllSecrets {
    fn secret(&self, _: &str, name: &str) -> Result<caravan_model::port::Secret, String> {
        Ok(caravan_model::port::Secret::new(format!("of-{name}")))
    }
}
