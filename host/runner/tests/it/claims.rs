//! Claims of steps through the whole runner: `keep_for` by timer, and takeback beside another's claim (design, 11.17).
use crate::common::*;
use caravan_model::{Action, Status, VersionId};
use caravan_runner::{DeliverOptions, RunEnd};
use caravan_store::Store;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

const DAY: i64 = 86_400_000;

fn keeping(id: &str, days: u32) -> String {
    one_step(id, "add", "email").replace("match: [email]", &format!("match: [email], keep_for: {days}d"))
}

async fn deliver(stage: &Stage) {
    let (progress, _) = watch::channel(Default::default());
    let (_cancel, cancelled) = watch::channel(false);
    let options = DeliverOptions { wait: Duration::from_secs(20) };
    let end = stage.runner().deliver(options, progress, cancelled).await.expect("it delivers");
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    stage.balanced().await;
}

/// A second canvas on the audience of the first.
async fn beside(stage: &Stage, text: &str) -> VersionId {
    stage.publish(&text.replace("if_missing: create", "id: new-1")).await
}

#[tokio::test]
async fn rule_11_17_keep_for_removes_by_itself_and_not_whom_another_canvas_claims() {
    let stage = Stage::new(100);
    let short = stage.publish(&keeping("short", 1)).await;
    stage.run(short, "f", people(0..10)).await;
    let other = beside(&stage, &one_step("other", "add", "email")).await;
    stage.run(other, "f", people(0..3)).await;
    stage.clock.0.store(DAY / 2, Ordering::SeqCst);
    // Whoever is asked for anew stays a day from then on.
    stage.run(short, "g", people(9..10)).await;
    deliver(&stage).await;
    assert_eq!(stage.fake().members("new-1"), emails(0..10), "its time is not over");
    stage.clock.0.store(DAY + 60_000, Ordering::SeqCst);
    deliver(&stage).await;
    let left: BTreeSet<String> = emails(0..3).union(&emails(9..10)).cloned().collect();
    assert_eq!(stage.fake().members("new-1"), left);
    stage.clock.0.store(2 * DAY, Ordering::SeqCst);
    deliver(&stage).await;
    assert_eq!(stage.fake().members("new-1"), emails(0..3));
    assert_eq!(stage.count(short, 0, Status::Synced).await, 10, "a timer is no visit, and changes none");
    assert_eq!(stage.fake().calls().len(), 3, "one add and two removals; what membership held cost no call");
    assert_eq!(stage.store.next_timer().await.expect("a timer"), None);
}

#[tokio::test]
async fn rule_11_17_wrong_adds_are_taken_back_at_once_and_whom_another_step_claims_stays() {
    let stage = Stage::new(5_000);
    let wrong = stage.publish(&one_step("wrong", "add", "email")).await;
    stage.run(wrong, "f", people(0..5_000)).await;
    let right = beside(&stage, &one_step("right", "add", "email")).await;
    stage.run(right, "f", people(0..500)).await;
    assert_eq!(stage.runner().take_back("wrong", "sync").await.expect("taken back"), 5_000);
    deliver(&stage).await;
    assert_eq!(stage.fake().members("new-1"), emails(0..500));
    let removals = stage.fake().calls().iter().filter(|(_, part)| part.action == Action::Remove).count();
    assert_eq!(removals, 1, "one call removes 4,500 people");
    // What is taken back is taken back: saying it again asks for nothing.
    assert_eq!(stage.runner().take_back("wrong", "sync").await.expect("taken back"), 0);
    assert_eq!(stage.runner().take_back("right", "sync").await.expect("taken back"), 500);
    deliver(&stage).await;
    assert!(stage.fake().members("new-1").is_empty());
}
