//! Components that break each rule: each is stopped, the queue is told why, and nobody else is hurt.
#[path = "../../../host/connectors/tests/support/mod.rs"]
mod support;

use caravan_connectors::BoundConnector;
use caravan_model::Effect;
use std::time::{Duration, Instant};
use support::*;

async fn run(name: &str) -> (caravan_model::port::CallOutcome, Vec<Received>) {
    let peer = Peer::meta().await;
    let component = load(name);
    let mut binding = binding(&component, peer.lab(META));
    binding.grant.limits.cpu_ticks = 50;
    let outcome = sync(&BoundConnector::new(component, binding).unwrap(), 4).await;
    let received = peer.received();
    (outcome, received)
}

fn assert_stopped(outcome: &caravan_model::port::CallOutcome, parts: &[&str]) {
    let (class, words) = fault(outcome);
    assert_eq!(class, "stopped", "{outcome:?}");
    for part in parts {
        assert!(words.contains(part), "`{part}` is not in: {words}");
    }
    assert!(report(outcome).settled.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_is_denied_although_the_report_says_all_is_well() {
    let (outcome, received) = run("hostile_other_host").await;
    assert_stopped(
        &outcome,
        &["CV060", "collector.attacker.example", "no such host", "to: { \"collector.attacker.example\": [ROUTE] }"],
    );
    assert_eq!((received.len(), outcome.effect), (0, Effect::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_audience_is_denied() {
    let (outcome, received) = run("hostile_other_audience").await;
    assert_stopped(&outcome, &["CV060", "audience 23850"]);
    assert_eq!((received.len(), outcome.effect), (0, Effect::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_denied() {
    let (outcome, received) = run("hostile_other_account").await;
    assert_stopped(&outcome, &["CV060", "account act_1"]);
    assert_eq!((received.len(), outcome.effect), (0, Effect::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_denied_in_every_form() {
    let (outcome, received) = run("hostile_loopback").await;
    assert_stopped(&outcome, &["CV060", "no grant can allow this"]);
    assert!(!outcome.log.iter().any(|line| line.contains("reached")), "{:?}", outcome.log);
    assert_eq!(outcome.requests.len(), 8);
    assert!(outcome.requests.iter().all(|request| request.outcome.is_err()));
    assert_eq!((received.len(), outcome.effect), (0, Effect::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_without_end_is_stopped_and_others_go_on() {
    let peer = Peer::meta().await;
    let neighbour = bind("meta", peer.lab(META));
    sync(&neighbour, 1).await;
    let spinning = tokio::spawn(run("hostile_spin"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    assert!(report(&sync(&neighbour, 1).await).fault.is_none());
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    let (outcome, _) = spinning.await.unwrap();
    assert_stopped(&outcome, &["CV061", "computed for more than 0.5 s", "cpu_ticks: 100"]);
    assert_eq!(outcome.effect, Effect::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_without_end_is_stopped() {
    let (outcome, _) = run("hostile_hoard").await;
    assert_stopped(&outcome, &["CV061", "256 MiB", "memory_bytes:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_the_connectors_bug_with_its_words() {
    let (outcome, _) = run("hostile_panic").await;
    let (class, words) = fault(&outcome);
    assert_eq!(class, "bug", "{outcome:?}");
    assert!(words.contains("no connector should do this with 4 rows"), "{words}");
    assert_eq!(outcome.effect, Effect::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_leaves_a_row_out_is_a_bug() {
    let (outcome, received) = run("hostile_liar").await;
    let (class, words) = fault(&outcome);
    assert!(class == "bug" && words.contains("says nothing of row 3"), "{class} {words}");
    assert_eq!((received.len(), outcome.effect), (1, Effect::MayHaveLanded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_is_stopped() {
    let (outcome, received) = run("hostile_flood").await;
    assert_stopped(&outcome, &["CV061", "more than 32 requests", "requests: 64"]);
    assert_eq!(received.len(), 32);
    assert!(outcome.requests.len() < 60, "{}", outcome.requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chattering_log_is_bounded_and_stopped() {
    let (outcome, _) = run("hostile_chatter").await;
    assert_stopped(&outcome, &["CV061", "computed for more than"]);
    assert!(outcome.log.len() <= 201, "{}", outcome.log.len());
    assert!(outcome.log.iter().map(String::len).sum::<usize>() < 80 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_sees_no_secret_and_nothing_of_the_machine() {
    let peer = Peer::start(|request| {
        let mut answer = json(200, &meta_answer(request).replace("Main", "Main lab-token"));
        answer.headers_mut().insert("x-echo", "Bearer lab-token".parse().unwrap());
        answer.headers_mut().insert("set-cookie", "session=1".parse().unwrap());
        answer
    })
    .await;
    let outcome = sync(&bind("hostile_peek", peer.lab(META)), 4).await;
    assert!(report(&outcome).fault.is_none(), "{outcome:?}");
    let log = outcome.log.join("\n");
    assert!(log.contains("peek body") && log.contains("peek header x-echo: Bearer *********"), "{log}");
    for leak in ["lab-token", "peek env", "PATH", "set-cookie"] {
        assert!(!log.contains(leak), "{leak}: {log}");
    }
    assert!(log.contains("peek args []"), "{log}");
}
