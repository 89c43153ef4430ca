//! Calls of the real connector for Meta, against a peer on loopback.
mod support;

use bytes::Bytes;
use caravan_connectors::{BoundConnector, Grant, Reach, Transport};
use caravan_model::manifest::{QuotaScope, UsageKind};
use caravan_model::port::{Answer, Ask, BoxFuture, Connector as _, Secret, Vault};
use caravan_model::{Effect, FlagColumn};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_part_lands_with_the_token_that_the_guest_never_sees() {
    let peer = Peer::meta().await;
    let connector = bind("meta", peer.lab(META));
    let outcome = sync(&connector, 3).await;
    assert_eq!(report(&outcome).settled, [(0, 3)], "{outcome:?}");
    assert_eq!((report(&outcome).fault.as_ref(), outcome.effect), (None, Effect::MayHaveLanded));
    let received = peer.received();
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", "/v26.0/23850/users"));
    assert_eq!(received[0].headers["authorization"], "Bearer lab-token");
    let record = &outcome.requests[0];
    assert_eq!(record.url, "https://graph.facebook.com/v26.0/23850/users");
    assert_eq!((record.route.as_deref(), &record.outcome), (Some("add"), &Ok(200)));
    assert_eq!(record.body.as_deref(), Some(&received[0].body[..]));
    assert!(record.headers.contains(&("authorization".into(), "***".into())), "{:?}", record.headers);
    assert!(!format!("{outcome:?}").contains("lab-token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_part_makes_the_same_bytes() {
    let peer = Peer::meta().await;
    let connector = bind("meta", peer.lab(META));
    for _ in 0..2 {
        sync(&connector, 10_000).await;
    }
    let received = peer.received();
    assert_eq!(received[0].body.len(), received[1].body.len());
    assert!(received[0].body == received[1].body && received[0].path == received[1].path);
    assert!(received[0].body.len() > 640_000);
}

/// Answers as the lab would, and notes what it was sent.
struct InProcess(Mutex<Vec<(String, http::Request<Bytes>)>>);

impl Transport for InProcess {
    fn send(&self, partner_host: &str, request: http::Request<Bytes>) -> BoxFuture<'static, http::Response<Bytes>> {
        let rows = String::from_utf8_lossy(request.body()).matches('[').count() - 2;
        self.0.lock().unwrap().push((partner_host.to_owned(), request));
        let body = format!(r#"{{"audience_id":"23850","num_received":{rows},"num_invalid_entries":0}}"#);
        Box::pin(async move { http::Response::new(Bytes::from(body)) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_makes_the_same_request_and_no_connection() {
    let peer = Peer::meta().await;
    let live = sync(&bind("meta", peer.lab(META)), 5).await;
    let transport = Arc::new(InProcess(Mutex::default()));
    let dry = sync(&bind("meta", Reach::InProcess(transport.clone())), 5).await;
    let asked = |outcome: &caravan_model::port::CallOutcome| -> Vec<_> {
        let requests = outcome.requests.iter().cloned();
        requests.map(|one| (one.method, one.url, one.headers, one.body, one.route, one.outcome, one.placed)).collect()
    };
    assert_eq!(asked(&dry), asked(&live));
    assert_eq!(report(&dry).settled, [(0, 5)]);
    let sent = transport.0.lock().unwrap();
    assert_eq!((sent.len(), sent[0].0.as_str()), (1, META));
    assert_eq!(peer.received().len(), 1);
    assert_eq!(sent[0].1.body(), &peer.received()[0].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echoed_token_is_scrubbed_from_what_comes_back() {
    let peer = Peer::start(|_| {
        json(400, r#"{"error":{"message":"Malformed access token lab-token","type":"OAuthException","code":190,"fbtrace_id":"A"}}"#)
    })
    .await;
    let outcome = sync(&bind("meta", peer.lab(META)), 2).await;
    let (class, words) = fault(&outcome);
    assert_eq!(class, "unauthorized", "{outcome:?}");
    assert!(!words.contains("lab-token"), "{words}");
    assert_eq!(outcome.effect, Effect::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_had_no_effect() {
    let reach = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Reach::Lab(caravan_connectors::LabMap::new([(META, address)]).unwrap())
    };
    let outcome = sync(&bind("meta", reach), 2).await;
    assert_eq!(fault(&outcome).0, "unavailable", "{outcome:?}");
    assert_eq!(outcome.effect, Effect::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_hangs_may_have_taken_it() {
    let peer = Peer::start(|_| {
        std::thread::sleep(Duration::from_millis(800));
        json(200, "{}")
    })
    .await;
    let connector = bind("meta", peer.lab(META));
    let mut context = context();
    context.deadline = Duration::from_millis(300);
    let outcome = connector.call(context, Ask::Sync { target: target(), part: part(2) }).await;
    assert_eq!(fault(&outcome).0, "unavailable", "{outcome:?}");
    assert_eq!(outcome.effect, Effect::MayHaveLanded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_holds_the_queue_and_asks_nobody() {
    let peer = Peer::meta().await;
    let component = load("meta");
    let mut binding = binding(&component, peer.lab(META));
    binding.connection = "nobody".into();
    let outcome = sync(&BoundConnector::new(component, binding).unwrap(), 1).await;
    let (class, words) = fault(&outcome);
    assert!(class == "unauthorized" && words.contains("CV063"), "{class} {words}");
    assert_eq!((outcome.effect, peer.received().len()), (Effect::None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_outside_the_grant_is_denied_with_the_lines_that_would_allow_it() {
    let peer = Peer::meta().await;
    let component = load("meta");
    let mut binding = binding(&component, peer.lab(META));
    binding.grant.to.values_mut().for_each(|routes| routes.retain(|route| route != "add"));
    let outcome = sync(&BoundConnector::new(component, binding).unwrap(), 1).await;
    let (class, words) = fault(&outcome);
    assert_eq!(class, "stopped", "{outcome:?}");
    assert!(words.contains("to: { \"graph.facebook.com\": [add] }"), "{words}");
    assert_eq!((outcome.effect, peer.received().len()), (Effect::None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_connection_does_not_have_is_refused_before_anything_runs() {
    let peer = Peer::meta().await;
    let connector = bind("meta", peer.lab(META));
    let mut elsewhere = target();
    elsewhere.account = "act_2".into();
    let outcome = connector.call(context(), Ask::Sync { target: elsewhere, part: part(1) }).await;
    let (class, words) = fault(&outcome);
    assert!(class == "stopped" && words.contains("it has: act_1"), "{class} {words}");
    assert!(outcome.requests.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_audiences_creation_and_check_are_answered() {
    let peer = Peer::meta().await;
    let connector = bind("meta", peer.lab(META));
    let accounts = connector.call(context(), Ask::Accounts { cursor: None }).await;
    assert!(matches!(&accounts.answer, Ok(Answer::Accounts(all, None)) if all[0].id == "act_1"), "{accounts:?}");
    let ask = Ask::Audiences { account: "act_1".into(), query: String::new(), cursor: None };
    let audiences = connector.call(context(), ask).await;
    assert!(matches!(&audiences.answer, Ok(Answer::Audiences(all, _)) if all.is_empty()), "{audiences:?}");
    let ask = Ask::CreateAudience {
        account: "act_1".into(),
        name: "Lapsed".into(),
        marker: "caravan:1".into(),
        group: "people".into(),
        seed: None,
    };
    let created = connector.call(context(), ask).await;
    assert!(matches!(&created.answer, Ok(Answer::Created { audience, .. }) if audience == "23850"), "{created:?}");
    assert_eq!(created.effect, Effect::MayHaveLanded);
    let check = connector.call(context(), Ask::Check { target: target() }).await;
    assert!(matches!(&check.answer, Ok(Answer::Findings(all)) if !all.is_empty()), "{check:?}");
    assert_eq!(check.effect, Effect::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let peer = Peer::start(|_| {
        http::Response::builder()
            .status(302)
            .header("location", "https://graph.facebook.com/v26.0/me/adaccounts")
            .body(Default::default())
            .unwrap()
    })
    .await;
    let outcome = sync(&bind("meta", peer.lab(META)), 1).await;
    assert_eq!(outcome.requests.len(), 1);
    assert_eq!(outcome.requests[0].outcome, Ok(302));
    assert!(report(&outcome).fault.is_some(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_cut_and_stops_the_call() {
    let peer = Peer::start(|_| json(200, &"x".repeat(2 << 20))).await;
    let component = load("meta");
    let mut binding = binding(&component, peer.lab(META));
    binding.grant.limits.response_bytes = 1 << 20;
    let outcome = sync(&BoundConnector::new(component, binding).unwrap(), 1).await;
    let (class, words) = fault(&outcome);
    assert!(class == "stopped" && words.contains("CV061") && words.contains("response_bytes:"), "{class} {words}");
    assert_eq!(outcome.effect, Effect::MayHaveLanded);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_share_the_sandbox() {
    let peer = Arc::new(Peer::meta().await);
    let connector = Arc::new(bind("meta", peer.lab(META)));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let connector = connector.clone();
            tokio::spawn(async move { report(&sync(&connector, 10).await).fault.is_none() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_tell_about_quotas_comes_back_with_the_call() {
    let peer = Peer::start(|request| {
        let mut answer = json(200, &meta_answer(request));
        let usage = r#"{"9":[{"type":"custom_audience","call_count":93,"estimated_time_to_regain_access":4}]}"#;
        answer.headers_mut().insert("x-business-use-case-usage", usage.parse().unwrap());
        answer.headers_mut().insert("x-app-usage", "{\"call_count\":".parse().unwrap());
        answer
    })
    .await;
    let outcome = sync(&bind("meta", peer.lab(META)), 1).await;
    let told: Vec<_> = outcome.usage.iter().map(|told| (told.scope, told.kind, told.value)).collect();
    let account = Some(QuotaScope::Account);
    assert_eq!(told, [(account, UsageKind::Percent, 93), (account, UsageKind::RegainIn, 4)], "{outcome:?}");

    let peer = Peer::start(|_| {
        let mut answer = json(503, "{}");
        answer.headers_mut().insert("retry-after", "120".parse().unwrap());
        answer
    })
    .await;
    let outcome = sync(&bind("meta", peer.lab(META)), 1).await;
    let told: Vec<_> = outcome.usage.iter().map(|told| (told.scope, told.kind, told.value)).collect();
    assert_eq!(told, [(None, UsageKind::RetryIn, 120)], "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_grant_withholds_stops_the_call_with_the_line_that_would_allow_it() {
    let peer = Peer::meta().await;
    let component = load("meta");
    let flag = component.manifest().flags[0].key.clone();
    let told = FlagColumn { key: flag.clone(), values: vec![1, 2] };
    for (change, line) in [
        ((|grant| grant.actions = Some(vec!["remove".into()])) as fn(&mut Grant), "actions: [add]".to_owned()),
        (|grant| grant.send.retain(|key| key != "EMAIL"), "send: [EMAIL]".to_owned()),
        (|grant| grant.flags = Some(Vec::new()), format!("flags: [{flag}]")),
    ] {
        let mut binding = binding(&component, peer.lab(META));
        change(&mut binding.grant);
        let connector = BoundConnector::new(component.clone(), binding).unwrap();
        let part = Arc::new(caravan_model::Part { flags: vec![told.clone()], ..(*part(2)).clone() });
        let outcome = connector.call(context(), Ask::Sync { target: settled_target(&connector), part }).await;
        let (class, words) = fault(&outcome);
        assert!(class == "stopped" && words.contains("CV060") && words.contains(&line), "{class} {words}");
    }
    assert_eq!(peer.received().len(), 0);
}

/// A vault that has every secret.
struct Rich;

impl Vault for Rich {
    fn secret(&self, _: &str, name: &str) -> Result<Secret, String> {
        Ok(Secret::new(format!("the-{name}")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_grant_withholds_is_used_for_nobody() {
    let peer = Peer::start(|_| json(200, r#"{"code":0,"data":{"list":[]}}"#)).await;
    let component = load("tiktok");
    for withheld in [false, true] {
        let mut binding = binding(&component, peer.lab(TIKTOK));
        binding.vault = Arc::new(Rich);
        if withheld {
            binding.grant.secrets = Some(Vec::new());
        }
        let connector = BoundConnector::new(component.clone(), binding).unwrap();
        connector.call(context(), Ask::Accounts { cursor: None }).await;
        let shown = |request: &Received| request.path.contains("app_id=") || request.path.contains("secret=");
        let received = peer.received();
        assert_eq!(shown(received.last().unwrap()), !withheld, "{received:?}");
    }
}
