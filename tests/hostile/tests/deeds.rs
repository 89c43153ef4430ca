//! One component that does what it is told to do wrong: each deed is contained, nothing but the step's own requests
//! reaches the partner, and a neighbour's batches stay exact meanwhile.
#[path = "../../../host/connectors/tests/support/mod.rs"]
mod support;

use caravan_connectors::{BoundConnector, LoadedComponent};
use caravan_model::port::{CallOutcome, Connector as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::*;

/// Requests that must be denied before anything leaves.
const DENIED: [&str; DENIED_DEEDS] = [
    // Hosts that are not the manifest's.
    "userinfo",
    "userinfo-before",
    "odd-port",
    "trailing-dot",
    "punycode",
    "subdomain",
    "prefix",
    "hex-address",
    "octal-address",
    "short-address",
    "six-to-four",
    "nat64",
    "metadata-name",
    "carrier-nat",
    "unique-local",
    // Paths and queries that lead elsewhere.
    "traversal",
    "encoded-traversal",
    "encoded-slash",
    "double-slash",
    "empty-segment",
    "semicolon",
    "null-byte",
    "unasked-query",
    "method-in-query",
    "double-encoding",
    "long-path",
    "any-bomb",
    // Headers of the host's, and requests that are read in two ways.
    "own-token",
    "cookie",
    "override",
    "encoded-body",
    "forwarded",
    "underscored",
    "account-in-header",
    "original-url",
    "second-type",
    "connect",
    "trace",
    "put",
    "no-length",
    "body-on-get",
    "port-80",
];
const DENIED_DEEDS: usize = 42;

/// Requests that WASI itself refuses to make, so that the report is not believed, or that leave only as the step's own.
const HARMLESS: [&str; 13] = [
    "idn",
    "backslash",
    "fragment",
    "host-header",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
    "second-length",
    "plain-http",
    "other-scheme",
    "own-method",
    "too-much-said",
];

/// Reports that cannot be true.
const LIES: [&str; 7] = [
    "settles-too-much",
    "settles-twice",
    "settles-backwards",
    "refuses-a-stranger",
    "settles-and-refuses",
    "refuses-more-than-all",
    "says-nothing",
];

/// Ways to use more than one's share.
const BURDENS: [&str; 8] = [
    "recursion",
    "handle-flood",
    "stderr-flood",
    "memory-again-and-again",
    "random-flood",
    "exit",
    "abort",
    "one-huge-line",
];

fn bound(component: &Arc<LoadedComponent>, peer: &Peer, deed: &str) -> BoundConnector {
    let mut binding = binding(component, peer.lab(META));
    binding.grant.limits.cpu_ticks = 100;
    binding.settings.insert("deed".into(), deed.into());
    BoundConnector::new(component.clone(), binding).unwrap()
}

async fn done(component: &Arc<LoadedComponent>, deed: &str) -> (CallOutcome, Vec<Received>) {
    // A server that takes whatever it is sent, also what is no JSON.
    let peer = Peer::start(|request| {
        let whole = request.method == "GET" || serde_json::from_slice::<serde_json::Value>(&request.body).is_ok();
        json(200, &if whole { meta_answer(request) } else { "{}".to_owned() })
    })
    .await;
    let outcome = sync(&bound(component, &peer, deed), 4).await;
    let received = peer.received();
    for request in &received {
        let own = ["/v26.0/23850/users", "/v26.0/me/adaccounts", "/v26.0/act_1/customaudiences"];
        assert!(own.iter().any(|own| request.path.split('?').next() == Some(own)), "{deed}: {request:?}");
        assert_eq!(request.headers.get("authorization").map(String::as_str), Some("Bearer lab-token"), "{deed}");
        assert!(!request.headers.contains_key("cookie") && !request.headers.contains_key("upgrade"), "{deed}");
    }
    assert!(!outcome.log.iter().any(|line| line.contains("lab-token")), "{deed}: {:?}", outcome.log);
    assert!(outcome.log.len() <= 201 && outcome.log.iter().map(String::len).sum::<usize>() < 80 << 10, "{deed}");
    (outcome, received)
}

/// A neighbour that syncs until told to stop; gives how many of its batches did not go well, and how many did.
async fn neighbour(stop: Arc<AtomicBool>, begun: Arc<tokio::sync::Notify>) -> (usize, usize, usize) {
    let peer = Peer::meta().await;
    let connector = bind("meta", peer.lab(META));
    let (mut bad, mut good) = (0, 0);
    // Some batches at least, however soon the others are done.
    while !stop.load(Ordering::SeqCst) || bad + good < 10 {
        let outcome = sync(&connector, 10).await;
        let well = report(&outcome).fault.is_none() && report(&outcome).settled == [(0, 10)];
        if well {
            good += 1
        } else {
            bad += 1
        }
        begun.notify_one();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (bad, good, peer.received().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_beyond_manifest_and_grant_is_denied_while_a_neighbour_stays_exact() {
    let component = load("hostile_deeds");
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(tokio::sync::Notify::new());
    let beside = tokio::spawn(neighbour(stop.clone(), begun.clone()));
    begun.notified().await;
    let mut wrong = Vec::new();
    for deed in DENIED {
        let (outcome, received) = done(&component, deed).await;
        let (class, words) = fault(&outcome);
        if class != "stopped" || !(words.contains("CV060") || words.contains("CV061")) || !received.is_empty() {
            wrong.push(format!("{deed}: {class}, {words}, {} received", received.len()));
        }
    }
    for deed in HARMLESS {
        let (outcome, received) = done(&component, deed).await;
        let class = report(&outcome).fault.as_ref().map(caravan_model::Fault::class);
        // What is answered went to the step's own route, with nothing of what the guest wrote beyond its own length.
        let as_own = class.is_none() && received.len() == 1 && received[0].body.is_empty();
        let stopped = class.is_some_and(|class| ["stopped", "bug", "unavailable"].contains(&class));
        let contained = as_own || (stopped && received.is_empty());
        if !contained {
            wrong.push(format!("{deed}: {class:?}, {} received", received.len()));
        }
    }
    for deed in ["many-headers", "large-header"] {
        let (outcome, received) = done(&component, deed).await;
        if !received.is_empty() || report(&outcome).fault.is_none() {
            wrong.push(format!("{deed}: {outcome:?}"));
        }
    }
    let (outcome, received) = done(&component, "second-write").await;
    let (class, words) = fault(&outcome);
    if class != "stopped" || !words.contains("second") || received.len() != 1 {
        wrong.push(format!("second-write: {class} {words} {}", received.len()));
    }
    stop.store(true, Ordering::SeqCst);
    let (bad, good, received) = beside.await.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(bad == 0 && good > 5 && received == good, "{bad} bad, {good} good, {received} received");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_cannot_be_true_is_a_bug() {
    let component = load("hostile_deeds");
    assert!(report(&done(&component, "proper").await.0).fault.is_none());
    for deed in LIES {
        let (outcome, _) = done(&component, deed).await;
        let (class, words) = fault(&outcome);
        assert!(class == "bug" && words.len() < 2_000, "{deed}: {class} {words}");
        assert!(report(&outcome).settled.is_empty(), "{deed}: nothing of a lie is believed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_uses_more_than_its_share_is_stopped_and_others_go_on() {
    let component = load("hostile_deeds");
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(tokio::sync::Notify::new());
    let beside = tokio::spawn(neighbour(stop.clone(), begun.clone()));
    begun.notified().await;
    let mut wrong = Vec::new();
    for deed in BURDENS {
        let (outcome, received) = done(&component, deed).await;
        let (class, words) = fault(&outcome);
        if !["stopped", "bug"].contains(&class) || !received.is_empty() {
            wrong.push(format!("{deed}: {class} {words}"));
        }
    }
    stop.store(true, Ordering::SeqCst);
    let (bad, good, received) = beside.await.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(bad == 0 && good > 5 && received == good, "{bad} bad, {good} good, {received} received");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_sleeps_is_ended_by_its_deadline() {
    let peer = Peer::meta().await;
    let connector = bound(&load("hostile_deeds"), &peer, "sleep");
    let mut short = context();
    short.deadline = Duration::from_millis(500);
    let ask = caravan_model::port::Ask::Sync { target: settled_target(&connector), part: part(1) };
    let (class, words) = fault(&connector.call(short, ask).await);
    assert!(class == "stopped" && words.contains("had not ended after 0.5 s"), "{class} {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_from_one_call_to_the_next() {
    let peer = Peer::meta().await;
    let connector = bound(&load("hostile_deeds"), &peer, "remember");
    for _ in 0..3 {
        let outcome = sync(&connector, 1).await;
        assert!(outcome.log.iter().any(|line| line.ends_with("call 1")), "{:?}", outcome.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_dumps_all_it_can_see_finds_no_secret_no_file_and_no_raw_field() {
    let peer = Peer::start(|request| {
        let mut answer = json(200, &meta_answer(request).replace("Main", "lab-token"));
        answer.headers_mut().insert("x-echo", "lab-token".parse().unwrap());
        answer
    })
    .await;
    let outcome = sync(&bound(&load("hostile_deeds"), &peer, "dump"), 4).await;
    assert!(report(&outcome).fault.is_none(), "{outcome:?}");
    let log = outcome.log.join("\n");
    assert!(log.contains(&format!("column EMAIL: {:064x}", 0)) && log.contains("body "), "{log}");
    assert!(!log.contains("file /: true") && !log.contains("passwd: true") && !log.contains("socket: true"), "{log}");
    for leak in ["lab-token", "env ", "PATH", "root:", "@"] {
        assert!(!log.contains(leak), "{leak}: {log}");
    }
}
