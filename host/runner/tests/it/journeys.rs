//! Steps that do more than wait and sync, through the whole runner.
use crate::common::*;
use caravan_model::{Duration, Event, Profile, Status};
use caravan_runner::{RunEnd, RunOptions};
use caravan_store::{Caps, Store};

fn some(ids: std::ops::Range<usize>) -> Vec<Profile> {
    ids.map(|id| person(format!("p{id}"))).collect()
}

/// Counts of a step by status and the words of the reason.
async fn words(stage: &Stage, version: caravan_model::VersionId, step: u16) -> Vec<(Status, String, u64)> {
    let counters = stage.store.counters(version).await.unwrap();
    let here = counters.counts.into_iter().filter(|count| count.step.0 == step && count.n > 0);
    let mut words: Vec<_> = here.map(|count| (count.status, count.reason.words, count.n)).collect();
    words.sort();
    words
}

#[tokio::test]
async fn an_experiment_splits_people_and_an_update_leads_them() {
    let stage = Stage::new(50);
    let text = "
format: 1
canvas: split
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, re_entry: always, start: test }
steps:
  test: { experiment: [ { name: sent, weight: 3, next: mark }, { name: kept, weight: 1, next: exit } ] }
  mark: { update: { test.group: sent, country: DE }, next: split }
  split: { branch: [ { if: { attr: test.group, eq: sent }, next: sync } ], else: exit }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";
    let version = stage.publish(text).await;
    stage.run(version, "f", some(0..400)).await;
    let first = words(&stage, version, 0).await;
    let [(Status::Passed, kept, k), (Status::Passed, sent, s)] = &first[..] else { panic!("{first:?}") };
    assert_eq!((kept.as_str(), sent.as_str(), k + s), ("kept", "sent", 400));
    // Five standard deviations around 300.
    assert!((257..=343).contains(s), "{first:?}");
    assert_eq!(stage.fake().members("new-1").len() as u64, *s);
    assert_eq!(words(&stage, version, 2).await, [(Status::Passed, "arm 1".to_owned(), *s)]);
    let marked = stage.store.find("p0").await.unwrap()[0];
    let trace = stage.store.trace(marked).await.unwrap().unwrap();
    assert_eq!(trace.profile.country.is_some(), trace.visits[0].reason.words == "sent");
    // The same people again, in a new version: each goes the same way.
    let version = stage.publish(&text.replace("canvas: split", "canvas: split\ntitle: Two")).await;
    stage.run(version, "g", some(0..400)).await;
    assert_eq!(words(&stage, version, 0).await, first);
    assert_eq!(stage.fake().members("new-1").len() as u64, *s, "nobody else was added");
}

#[tokio::test]
async fn the_control_group_is_held_out_and_counted() {
    let stage = Stage::new(50);
    let text = one_step("held", "add", "email").replace("start: sync", "control: 25%, start: sync");
    let version = stage.publish(&text).await;
    stage.run(version, "f", some(0..400)).await;
    let (held, synced) =
        (stage.count(version, 0, Status::Control).await, stage.count(version, 0, Status::Synced).await);
    // Five standard deviations around 100.
    assert!((57..=143).contains(&held) && held + synced == 400, "{held} and {synced}");
    assert_eq!(stage.fake().members("new-1").len() as u64, synced);
    assert_eq!(stage.store.counters(version).await.unwrap().open, 0);
}

#[tokio::test]
async fn rule_11_11_caps_are_never_exceeded_and_change_while_the_canvas_is_live() {
    let stage = Stage::new(50);
    let version = stage.publish(&one_step("capped", "add", "email")).await;
    let caps = |in_all, a_day, a_run| Caps { in_all, a_day, a_run };
    let set = async |caps| stage.runner().cap_canvas("capped", caps).await.unwrap();
    let entered = async || stage.store.counters(version).await.unwrap().entered;
    set(caps(Some(300), None, Some(100))).await;
    stage.run(version, "f", some(0..200)).await;
    assert_eq!(entered().await, 100, "a run");
    assert_eq!(stage.store.counters(version).await.unwrap().refused, [("cap".to_owned(), 100)]);
    set(caps(Some(300), Some(150), None)).await;
    stage.run(version, "g", some(0..200)).await;
    assert_eq!(entered().await, 150, "a day");
    stage.clock.0.fetch_add(86_400_000, std::sync::atomic::Ordering::SeqCst);
    // Another version is the same canvas.
    let next =
        stage.publish(&one_step("capped", "add", "email").replace("canvas: capped", "canvas: capped\ntitle: 2")).await;
    stage.run(next, "h", some(200..320)).await;
    set(caps(Some(300), None, None)).await;
    stage.run(next, "i", some(0..500)).await;
    assert_eq!(entered().await + stage.store.counters(next).await.unwrap().entered, 300, "in all");
    set(Caps::default()).await;
    stage.run(next, "j", some(0..500)).await;
    assert_eq!(entered().await + stage.store.counters(next).await.unwrap().entered, 800, "no caps");
    assert!(stage.runner().cap_canvas("nowhere", Caps::default()).await.is_err());
}

#[tokio::test]
async fn an_event_that_is_recorded_wakes_whoever_waits_for_it() {
    let stage = Stage::new(50);
    let text = one_step("waiting", "add", "email").replace("start: sync", "start: wait").replace(
        "steps:\n",
        "steps:\n  wait: { wait_for: { event: opened, timeout: 3d, on_timeout: exit }, next: sync }\n",
    );
    let version = stage.publish(&text).await;
    let options = RunOptions { wait: std::time::Duration::ZERO, source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(lines, _) = stage.run_with(version, some(0..20), options).await else { panic!("nobody waits") };
    assert!(lines.iter().any(|line| line.what == "step `wait`: wait for opened" && line.n == 20), "{lines:?}");
    let now = stage_now(&stage);
    let event = |name: &str, at| Event { name: name.to_owned(), at, properties: Default::default() };
    let old = event("opened", now.before(Duration::HOUR));
    let events = (0..10).map(|id| (format!("p{id}"), None, event("opened", now)));
    let others = [("p11".to_owned(), None, event("closed", now)), ("p12".to_owned(), None, old)];
    stage.runner().record(events.chain(others).collect()).await.unwrap();
    let end = stage
        .run_with(version, Vec::new(), RunOptions { skip_delays: true, source: "f".into(), ..RunOptions::default() })
        .await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    let passed = |why: &str| ((Status::Passed, why.to_owned()), 10);
    assert_eq!(stage.reasons(version, 0).await, [passed("happened"), passed("timed-out")].into());
    assert_eq!(stage.fake().members("new-1"), emails(0..10));
}

#[tokio::test]
async fn rule_11_12_people_inside_finish_on_their_version_whatever_is_published_meanwhile() {
    let stage = Stage::new(50);
    let first = one_step("long", "add", "email")
        .replace("start: sync", "start: pause")
        .replace("steps:\n", "steps:\n  pause: { delay: { for: 1h }, next: sync }\n");
    let one = stage.publish(&first).await;
    let none = RunOptions { wait: std::time::Duration::ZERO, source: "f".into(), ..RunOptions::default() };
    stage.run_with(one, some(0..2_000), none.clone()).await;
    assert_eq!(stage.count(one, 0, Status::Waiting).await, 2_000);
    // The new version leads everyone out; those inside are not asked.
    let two = stage.publish(&one_step("long", "add", "email").replace("start: sync", "start: exit")).await;
    assert_ne!(one, two);
    stage.run_with(two, some(1_000..3_000), none).await;
    let counters = async |version| stage.store.counters(version).await.unwrap();
    let (before, after) = (counters(one).await, counters(two).await);
    assert_eq!((before.entered, before.open), (2_000, 2_000));
    assert_eq!((after.entered, after.open), (1_000, 0), "those inside are kept out");
    stage.clock.0.fetch_add(3_600_000, std::sync::atomic::Ordering::SeqCst);
    let end = stage
        .run_with(one, Vec::new(), RunOptions { wait: std::time::Duration::from_secs(20), ..RunOptions::default() })
        .await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.count(one, 1, Status::Synced).await, 2_000);
    assert_eq!(stage.fake().members("new-1"), emails(0..2_000));
    assert_eq!(stage.store.counters(one).await.unwrap().open, 0);
}
