//! What people do to queues, audiences, people and canvases beside a run.
use crate::common::*;
use caravan_model::{Consent, ProfileId, Status, StepIx};
use caravan_runner::RunEnd;
use caravan_runner::RunOptions;
use caravan_runner::control::{CanvasState, Resends, canvases, is_former, states, what_waits};
use caravan_store::{HoldScope, LaneKey, LaneState, Origin, Standing, Store};
use std::time::Duration;

/// A stage whose calls page early.
fn small_pages() -> Stage {
    let mut stage = Stage::new(50);
    stage.options.chunk = 2;
    stage
}

fn key(audience: &str) -> LaneKey {
    LaneKey { connector: "fake".into(), account: "act_1".into(), audience: audience.into() }
}

fn resends(status: Status, step: Option<&str>, reason: Option<&str>) -> Resends {
    Resends { canvas: "one".into(), step: step.map(str::to_owned), status, reason: reason.map(str::to_owned) }
}

/// A run that does not stay for what waits.
async fn brief_run(stage: &Stage, version: caravan_model::VersionId, source: &str, n: std::ops::Range<u32>) -> RunEnd {
    stage.run_with(version, people(n), RunOptions { source: source.into(), ..RunOptions::default() }).await
}

async fn members(stage: &Stage, audience: &str) -> Vec<(ProfileId, Standing)> {
    let lane = stage.lane_of(audience).await;
    let all = stage.store.members(lane, ProfileId(0), 1_000).await.unwrap();
    all.into_iter().map(|(profile, member)| (profile, member.standing)).collect()
}

#[tokio::test]
async fn a_hold_needs_words_and_is_lifted_by_its_own_scope() {
    let stage = Stage::new(10);
    stage.publish(&one_step("one", "add", "email")).await;
    let runner = stage.runner();
    assert!(runner.hold(HoldScope::Everything, "  ", "ann").await.is_err());
    runner.hold(HoldScope::Everything, "audit", "ann").await.unwrap();
    runner.hold(HoldScope::Audience { key: key("new-1") }, "wrong list", "bob").await.unwrap();
    let held = stage.lane().await.held_by;
    assert_eq!(held.iter().map(|hold| hold.words.as_str()).collect::<Vec<_>>(), ["wrong list", "audit"]);
    // Letting the queue go on lifts what holds it alone, and says what still does.
    let resumed = runner.resume(&key("new-1")).await.unwrap();
    assert!(resumed.lifted);
    assert_eq!(resumed.still_held_by.iter().map(|hold| &hold.scope).collect::<Vec<_>>(), [&HoldScope::Everything]);
    assert!(runner.lift(HoldScope::Everything).await.unwrap());
    assert!(!runner.lift(HoldScope::Everything).await.unwrap());
    assert!(stage.lane().await.held_by.is_empty());
    assert!(runner.resume(&key("nowhere")).await.is_err());
}

#[tokio::test]
async fn a_queue_that_is_held_by_itself_is_opened_at_once() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    waiting_after(&stage, Reaction::Stopped, version).await;
    assert!(matches!(stage.lane().await.state, LaneState::Held { .. }));
    let resumed = stage.runner().resume(&key("new-1")).await.unwrap();
    assert!(matches!(resumed.was[..], [LaneState::Held { .. }]), "{resumed:?}");
    assert_eq!((resumed.lifted, resumed.waiting), (false, 10));
    assert_eq!(stage.lane().await.state, LaneState::Open);
    let RunEnd::Done(_) = brief_run(&stage, version, "f", 0..10).await else { panic!("it flows") };
    assert_eq!(stage.fake().members("new-1"), emails(0..10));
}

#[tokio::test]
async fn rule_11_9_rejected_people_are_sent_again_over_all_versions() {
    let stage = small_pages();
    let first = stage.publish(&one_step("one", "add", "email")).await;
    let all = |part: &caravan_model::Part| (0..part.rows as usize).map(|row| row_of(part, row)).collect();
    stage.fake().dial(move |part| Reaction::Refuse(all(part)));
    brief_run(&stage, first, "f", 0..60).await;
    let second = stage.publish(&one_step("one", "add", "email, first_name")).await;
    assert_ne!(first, second);
    brief_run(&stage, second, "g", 40..80).await;
    assert_eq!(
        (stage.count(first, 0, Status::Rejected).await, stage.count(second, 0, Status::Rejected).await),
        (60, 40)
    );
    stage.fake().calm();
    let runner = stage.runner();
    let none = runner.resend(&resends(Status::Rejected, Some("sync"), Some("partner:other"))).await.unwrap();
    assert_eq!((none.offered, none.overtaken), (0, 0));
    let sent = runner.resend(&resends(Status::Rejected, Some("sync"), Some("partner:bad"))).await.unwrap();
    assert_eq!((sent.offered, sent.overtaken), (80, 20), "who was rejected in both goes once, with the newest visit");
    let again = runner.resend(&resends(Status::Rejected, None, None)).await.unwrap();
    assert_eq!((again.offered, again.overtaken), (0, 20));
    let RunEnd::Done(_) = brief_run(&stage, second, "", 0..0).await else { panic!("it flows") };
    assert_eq!(stage.fake().members("new-1"), emails(0..80));
    assert_eq!((stage.count(first, 0, Status::Rejected).await, stage.count(first, 0, Status::Synced).await), (20, 40));
    assert_eq!(stage.count(second, 0, Status::Synced).await, 40);
    assert!(runner.resend(&resends(Status::Synced, None, None)).await.is_err());
    let words = runner.resend(&resends(Status::Expired, Some("nope"), None)).await.unwrap_err().to_string();
    assert!(words.contains("sync"), "it says which steps there are: {words}");
}

#[tokio::test]
async fn a_takeback_queues_removals_in_every_queue_that_the_step_reached() {
    let stage = small_pages();
    let version = stage.publish(&one_step("one", "add", "email")).await;
    brief_run(&stage, version, "f", 0..9).await;
    let runner = stage.runner();
    stage.fake().partner.lock().unwrap().audiences.insert("other".into(), Default::default());
    let rebound = runner.rebind("one/list", "other", false).await.unwrap();
    assert_eq!((rebound.moved, rebound.refilled), (0, 0));
    brief_run(&stage, version, "g", 9..14).await;
    assert_eq!((members(&stage, "new-1").await.len(), members(&stage, "other").await.len()), (9, 5));
    let runner = stage.runner();
    assert_eq!(runner.take_back("one", "sync").await.unwrap(), 14);
    assert_eq!(runner.take_back("one", "sync").await.unwrap(), 0, "they wait already");
    for (audience, n) in [("new-1", 9), ("other", 5)] {
        let queued = stage.store.peek(stage.lane_of(audience).await, 100).await.unwrap();
        assert_eq!(queued.iter().filter(|op| op.origin == Origin::TakeBack).count(), n);
    }
    assert!(runner.take_back("one", "nope").await.is_err());
    assert!(runner.take_back("two", "sync").await.is_err());
    stage.publish(&one_step("gone", "remove", "email")).await;
    let words = runner.take_back("gone", "sync").await.unwrap_err().to_string();
    assert!(words.contains("removes"), "{words}");
}

#[tokio::test]
async fn a_refill_sends_all_of_an_audience_again() {
    let stage = small_pages();
    let version = stage.publish(&one_step("one", "add", "email")).await;
    brief_run(&stage, version, "f", 0..30).await;
    stage.fake().partner.lock().unwrap().audiences.get_mut("new-1").unwrap().2.clear();
    let runner = stage.runner();
    assert_eq!(runner.refill("one/list").await.unwrap(), 30);
    assert_eq!(runner.refill("one/list").await.unwrap(), 0, "they wait already");
    assert!(runner.refill("one/nobody").await.is_err());
}

#[tokio::test]
async fn rule_11_2_rebinding_moves_what_is_unsealed_and_survives_publishing() {
    let stage = small_pages();
    stage.fake().partner.lock().unwrap().audiences.insert("7".into(), Default::default());
    stage.fake().partner.lock().unwrap().audiences.insert("8".into(), Default::default());
    let text = one_step("one", "add", "email").replace("name: List, if_missing: create", "id: \"7\"");
    let version = stage.publish(&text).await;
    brief_run(&stage, version, "f", 0..5).await;
    waiting_and_unsealed(&stage, version).await;
    let runner = stage.runner();
    let rebound = runner.rebind("one/list", "8", true).await.unwrap();
    assert_eq!((rebound.from, rebound.to.clone()), (Some(key("7")), key("8")));
    assert_eq!(rebound.refilled, 5);
    assert!(rebound.moved > 0);
    let again = runner.rebind("one/list", "8", true).await.unwrap();
    assert_eq!((again.from, again.moved, again.refilled), (Some(key("8")), 0, 0));
    stage.balanced().await;
    // The document still says 7; publishing it anew, or a version that says the same, keeps what a person bound.
    assert_eq!(stage.publish(&text).await, version);
    stage.publish(&text.replace("match: [email]", "match: [email, first_name]")).await;
    let bound = stage.store.audience("one/list").await.unwrap().unwrap();
    assert_eq!(bound.partner_id.as_deref(), Some("8"));
    let former: Vec<String> =
        stage.store.audiences().await.unwrap().into_iter().map(|a| a.name).filter(|name| is_former(name)).collect();
    assert_eq!(former, ["one/list (was 7)"]);
    // A version that names another id binds that.
    stage.publish(&text.replace("id: \"7\"", "id: \"9\"")).await;
    let bound = stage.store.audience("one/list").await.unwrap().unwrap();
    assert_eq!(bound.partner_id.as_deref(), Some("9"));
}

/// Ten more people, of whom some are sealed in an open batch and the others wait.
async fn waiting_and_unsealed(stage: &Stage, version: caravan_model::VersionId) {
    stage.fake().dial(|_| Reaction::Down);
    let options = RunOptions { source: "wait".into(), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, people(100..200), options).await else { panic!("it waits") };
    stage.fake().calm();
    let lane = stage.lane().await;
    assert!(lane.sealed > 0 && lane.waiting > lane.sealed, "{lane:?}");
}

#[tokio::test]
async fn a_deleted_audience_is_made_again_and_everybody_goes_on_there() {
    let stage = small_pages();
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.publish(&one_step("two", "add", "email")).await;
    brief_run(&stage, version, "f", 0..30).await;
    let words = stage.runner().recreate("one/list").await.unwrap_err().to_string();
    assert!(words.contains("still at the partner"), "{words}");
    waiting_and_unsealed(&stage, version).await;
    stage.fake().partner.lock().unwrap().audiences.clear();
    let options = RunOptions { wait: Duration::from_millis(200), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, Vec::new(), options).await else { panic!("it is held") };
    assert!(matches!(stage.lane().await.state, LaneState::Held { .. }));
    let runner = stage.runner();
    // The partner dies after it has made one: said again, no second is made.
    stage.fake().partner.lock().unwrap().dies_after_making = true;
    assert!(runner.recreate("one/list").await.is_err());
    stage.fake().partner.lock().unwrap().dies_after_making = false;
    let recreated = runner.recreate("one/list").await.unwrap();
    assert_eq!(recreated.to, key("new-2"));
    assert_eq!((recreated.moved, recreated.refilled), (100, 30));
    assert_eq!(stage.fake().partner.lock().unwrap().made, 2);
    stage.balanced().await;
    for name in ["one/list", "two/list"] {
        let bound = stage.store.audience(name).await.unwrap().unwrap();
        assert_eq!(
            (bound.partner_id.as_deref(), bound.made_by_us),
            (Some("new-2"), true),
            "{name} led to the same one"
        );
    }
    assert_eq!(stage.lane().await.state, LaneState::Open);
    assert!(members(&stage, "new-1").await.is_empty());
    let end = stage.run(version, "", Vec::new()).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    let mut expected = emails(0..30);
    expected.extend(emails(100..200));
    assert_eq!(stage.fake().members("new-2"), expected);
    assert_eq!(stage.count(version, 0, Status::Synced).await, 130);
    let words = stage.runner().recreate("one/list").await.unwrap_err().to_string();
    assert!(words.contains("still at the partner"), "{words}");
}

#[tokio::test]
async fn an_erased_person_leaves_every_canvas_and_is_owed_removals() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    brief_run(&stage, version, "f", 0..3).await;
    let waiting = stage.publish(&delayed("late")).await;
    brief_run(&stage, waiting, "f", 0..3).await;
    let runner = stage.runner();
    let gone = stage.store.find("p1").await.unwrap();
    let erased = runner.erase(&gone).await.unwrap();
    assert_eq!((erased.entries, erased.owed), (1, 1));
    let again = runner.erase(&gone).await.unwrap();
    assert_eq!((again.entries, again.owed), (0, 1), "a repeat changes nothing");
    assert!(stage.store.find("p1").await.unwrap().is_empty());
    assert_eq!(stage.store.counters(waiting).await.unwrap().open, 2);
    stage.balanced().await;
}

#[tokio::test]
async fn an_import_merges_people_in_and_owes_what_they_withdraw() {
    let stage = small_pages();
    let version = stage.publish(&one_step("one", "add", "email")).await;
    brief_run(&stage, version, "f", 0..4).await;
    let mut withdrawn = person("p2");
    withdrawn.consents.insert("advertising".into(), Consent::Denied);
    let mut rows = people(4..9);
    rows.push(withdrawn);
    let imported = stage.runner().import_profiles(rows).await.unwrap();
    assert_eq!((imported.people, imported.owing), (6, 1));
    let owing = stage.store.owing(stage_now(&stage), 10).await.unwrap();
    assert_eq!((owing[0].cause, owing[0].lanes.len()), (Origin::Consent, 1));
    assert_eq!(stage.store.find("p8").await.unwrap().len(), 1);
}

/// A canvas in which people wait a day before the sync.
fn delayed(id: &str) -> String {
    one_step(id, "add", "email")
        .replace("start: sync", "start: pause")
        .replace("steps:\n", "steps:\n  pause: { delay: { for: 1d }, next: sync }\n")
}

#[tokio::test]
async fn rule_11_12_a_canvas_is_paused_closed_stopped_and_resumed() {
    let stage = small_pages();
    let version = stage.publish(&delayed("one")).await;
    brief_run(&stage, version, "f", 0..7).await;
    let runner = stage.runner();
    let canvas = stage.store.versions().await.unwrap().remove(0).canvas;
    let waits = what_waits(&stage.store, "one").await.unwrap();
    assert_eq!((waits.state, waits.open, waits.resting, waits.queued), (CanvasState::Live, 7, 7, 0));
    assert_eq!((waits.steps[0].step.as_str(), waits.steps[0].in_queue, waits.steps[0].n), ("pause", false, 7));
    assert_eq!(runner.pause_canvas("one", "ann").await.unwrap(), CanvasState::Live);
    let paused = states(&stage.store).await.unwrap();
    assert_eq!((paused.of("one"), paused.of("two")), (CanvasState::Paused, CanvasState::Live));
    assert!(!paused.of("one").advances() && !paused.of("one").admits());
    assert_eq!(paused.since("one").unwrap().1, "ann");
    let words = paused.admit(&canvas.canvas).unwrap_err().to_string();
    assert!(words.contains("one is paused") && words.contains("canvas resume one"), "{words}");
    assert_eq!(runner.stop_entries("one", "ann").await.unwrap(), CanvasState::Paused);
    let closed = states(&stage.store).await.unwrap().of("one");
    assert!(closed.advances() && !closed.admits());
    let word = async || {
        let lines = canvases(&stage.store, true).await.unwrap();
        let word = what_waits(&stage.store, "one").await.unwrap().word;
        assert_eq!(lines[0].state, word);
        word
    };
    assert_eq!(word().await, "stopping", "people are inside");
    assert_eq!(runner.stop_now("one", "ann").await.unwrap().entries, 7);
    assert_eq!(runner.stop_now("one", "ann").await.unwrap().entries, 0);
    stage.balanced().await;
    assert_eq!(stage.count(version, 0, Status::Exited).await, 7);
    assert_eq!(stage.store.counters(version).await.unwrap().open, 0);
    assert_eq!(word().await, "stopped");
    assert_eq!(runner.stop_entries("one", "ann").await.unwrap(), CanvasState::Stopped);
    assert_eq!(word().await, "stopped", "nobody is inside who could go on");
    runner.stop_now("one", "ann").await.unwrap();
    assert_eq!(runner.resume_canvas("one").await.unwrap(), CanvasState::Stopped);
    assert!(states(&stage.store).await.unwrap().admit(&canvas.canvas).is_ok());
    assert!(runner.pause_canvas("nope", "ann").await.is_err());
    assert!(what_waits(&stage.store, "nope").await.is_err());
    assert_eq!(stage.store.visits(version, StepIx(0), Status::Exited, None, 10).await.unwrap().len(), 7);
}

#[tokio::test]
async fn rule_11_12_nobody_moves_on_in_a_paused_canvas_while_what_is_queued_goes() {
    let stage = Stage::new(10);
    let version = stage.publish(&delayed("one")).await;
    brief_run(&stage, version, "f", 0..7).await;
    let other = stage.publish(&one_step("two", "add", "email")).await;
    waiting_after(&stage, Reaction::Down, other).await;
    stage.runner().pause_canvas("one", "ann").await.unwrap();
    stage.runner().pause_canvas("two", "ann").await.unwrap();
    stage.clock.0.store(25 * 3_600_000, std::sync::atomic::Ordering::SeqCst);
    brief_run(&stage, version, "", 0..0).await;
    assert_eq!(stage.count(version, 0, Status::Waiting).await, 7, "their timers are over, and they stay");
    assert_eq!(stage.count(other, 0, Status::Synced).await, 10, "what was queued went");
    stage.runner().resume_canvas("one").await.unwrap();
    let end = brief_run(&stage, version, "", 0..0).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.count(version, 1, Status::Unchanged).await, 7);
}
