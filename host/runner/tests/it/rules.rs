//! Each rule of the design's section 11 that delivery touches, by its name.
use crate::common::*;
use caravan_model::{Action, Consent, Duration, Event, Millis, Status};
use caravan_runner::{RunEnd, RunOptions};
use caravan_store::{Slots, Standing, Store};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

const OTHERWISE: &str = "
format: 1
canvas: otherwise
audiences:
  list: { connection: c, account: main, name: List, if_missing: create }
entry: { trigger: { api: true }, start: sync }
steps:
  sync: { audience_sync: { audience: list, action: add, match: [email], advance: when_synced }, next: passed, otherwise: failed }
  passed: { branch: [ { if: { attr: country, in: [FR] }, next: exit } ], else: exit }
  failed: { branch: [ { if: { attr: country, in: [FR] }, next: exit } ], else: exit }
";

#[tokio::test]
async fn rule_11_1_an_entry_goes_on_once_its_status_is_final() {
    let stage = Stage::new(10);
    let version = stage.publish(OTHERWISE).await;
    let mut all = people(0..30);
    all[3].emails.clear();
    stage.fake().dial(|_| Reaction::Refuse(vec!["p5@".into()]));
    let end = stage.run(version, "f", all).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!((stage.count(version, 1, Status::Passed).await, stage.count(version, 2, Status::Passed).await), (28, 2));
}

#[tokio::test]
async fn rule_11_1_at_once_does_not_wait_for_the_partner() {
    let stage = Stage::new(10);
    let text = OTHERWISE.replace("advance: when_synced", "advance: at_once");
    let version = stage.publish(&text).await;
    stage.fake().partner.lock().unwrap().dead = true;
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, people(0..30), options).await else { panic!("it waits") };
    assert_eq!(stage.count(version, 1, Status::Passed).await, 30);
    assert_eq!(stage.count(version, 0, Status::Waiting).await, 30);
    assert_eq!(stage.store.counters(version).await.unwrap().open, 0);
}

#[tokio::test]
async fn rule_11_2_two_names_of_one_audience_share_a_lane() {
    let stage = Stage::new(10);
    let one = stage.publish(&one_step("one", "add", "email")).await;
    let two =
        stage.publish(&one_step("two", "remove", "email").replace("if_missing: create", "if_missing: fail")).await;
    assert_eq!(stage.store.lanes().await.unwrap().len(), 1);
    assert_eq!(stage.fake().partner.lock().unwrap().made, 1);
    stage.run(one, "f", people(0..30)).await;
    stage.run(two, "f", people(0..10)).await;
    assert_eq!(stage.fake().members("new-1"), emails(10..30));
}

#[tokio::test]
async fn rule_11_3_nothing_overtakes_a_call_in_flight() {
    let stage = Stage::new(10);
    let add = stage.publish(&one_step("one", "add", "email")).await;
    let remove = stage.publish(&one_step("two", "remove", "email")).await;
    // The add may have landed and waits for its repeat while the removal comes.
    stage.fake().dial(|_| Reaction::LostAnswer);
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(add, people(0..10), options).await else { panic!("it waits") };
    stage.fake().calm();
    stage.run(remove, "f", people(0..10)).await;
    let actions: Vec<Action> = stage.fake().calls().iter().map(|call| call.1.action).collect();
    let first_removal = actions.iter().position(|action| *action == Action::Remove).unwrap();
    assert!(actions[..first_removal].len() >= 2 && actions[first_removal..].iter().all(|a| *a == Action::Remove));
    assert_eq!(stage.fake().members("new-1"), BTreeSet::new());
    assert_eq!(stage.count(add, 0, Status::Synced).await, 10);
}

/// Adds and removes the same people in one go, so that both wait in one lane.
const BACK_AND_FORTH: &str = "
format: 1
canvas: back-and-forth
audiences:
  list: { connection: c, account: main, name: List, if_missing: create }
entry: { trigger: { api: true }, re_entry: always, start: add }
steps:
  add: { audience_sync: { audience: list, action: add, match: [email], advance: at_once }, next: split }
  split: { branch: [ { if: { attr: country, in: [FR] }, next: remove } ], else: again }
  remove: { audience_sync: { audience: list, action: remove, match: [email], advance: at_once }, next: exit }
  again: { audience_sync: { audience: list, action: add, match: [email, external_id], advance: at_once }, next: exit }
";

#[tokio::test]
async fn rule_11_4_newest_wins_and_others_share_or_are_superseded() {
    let stage = Stage::new(100);
    let version = stage.publish(BACK_AND_FORTH).await;
    let mut all = people(0..40);
    for (n, person) in all.iter_mut().enumerate() {
        person.country = Some(if n % 2 == 0 { "FR" } else { "DE" }.into());
    }
    let end = stage.run(version, "f", all).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    // We made the audience: who was never in it needs no removal.
    assert_eq!(stage.reasons(version, 0).await[&(Status::Skipped, "superseded".into())], 20);
    assert_eq!(stage.reasons(version, 0).await[&(Status::Synced, String::new())], 20);
    assert_eq!(stage.reasons(version, 2).await[&(Status::Unchanged, String::new())], 20);
    assert_eq!(stage.reasons(version, 3).await[&(Status::Synced, String::new())], 20);
    let members = stage.fake().members("new-1");
    assert_eq!(members.len(), 20);
    assert!(members.iter().all(|row| row.starts_with("ID=p") && row.contains("|EMAIL=")), "{members:?}");
}

#[tokio::test]
async fn rule_11_4_removals_go_before_adds_and_parts_keep_to_rows_and_people() {
    let mut stage = Stage::new(7);
    stage.options.chunk = 1000;
    let add = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(add, "f", people(0..20)).await;
    let calls = stage.fake().calls().len();
    // New addresses: the old ones are removed in the same slice, first.
    let mut changed = people(0..20);
    for person in &mut changed {
        person.emails =
            vec![format!("new-{}@x.example", person.external_id), format!("b-{}@x.example", person.external_id)];
    }
    stage.run(add, "g", changed).await;
    let mut before: Option<Action> = None;
    for (_, part) in &stage.fake().calls()[calls..] {
        assert!(part.rows <= 7);
        for person in 0..part.people() {
            let expected = if part.action == Action::Add { 2 } else { 1 };
            assert_eq!(part.rows_of(person).len(), expected, "a person's rows stay together");
        }
        if part.action == Action::Remove {
            assert_ne!(before, Some(Action::Remove), "each slice: its removals, then its adds");
        }
        before = Some(part.action);
    }
    let members = stage.fake().members("new-1");
    assert_eq!(members.len(), 40);
    assert!(members.iter().all(|row| row.contains("new-") || row.contains("b-")));
}

#[tokio::test]
async fn rule_11_5_remove_of_an_unknown_person_is_sent_and_of_our_own_audience_is_not() {
    let stage = Stage::new(10);
    stage.fake().partner.lock().unwrap().audiences.insert("old".into(), ("List".into(), String::new(), emails(0..10)));
    let found = stage.publish(&one_step("found", "remove", "email")).await;
    stage.run(found, "f", people(0..5)).await;
    assert_eq!(stage.fake().members("old"), emails(5..10));
    assert_eq!(stage.count(found, 0, Status::Synced).await, 5);
    let stage = Stage::new(10);
    let made = stage.publish(&one_step("made", "remove", "email")).await;
    stage.run(made, "f", people(0..5)).await;
    assert_eq!(stage.count(made, 0, Status::Unchanged).await, 5);
    assert!(stage.fake().calls().is_empty());
}

#[tokio::test]
async fn rule_11_5_a_repeat_costs_no_call_until_its_renewal_age() {
    let mut manifest = manifest(10);
    manifest["audience"]["member_life"] = "10d".into();
    let stage = Stage::of(manifest);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(version, "f", people(0..10)).await;
    stage.run(version, "g", people(0..10)).await;
    assert_eq!(stage.fake().calls().len(), 1);
    assert_eq!(stage.count(version, 0, Status::Unchanged).await, 10);
    stage.clock.0.store(6 * 86_400_000, Ordering::SeqCst);
    stage.run(version, "h", people(0..10)).await;
    // The timer of the renewal and the third entry ask for the same: once is enough.
    assert_eq!(stage.fake().calls().len(), 2);
    let (synced, unchanged) =
        (stage.count(version, 0, Status::Synced).await, stage.count(version, 0, Status::Unchanged).await);
    assert_eq!((synced >= 10, synced + unchanged), (true, 30));
}

#[tokio::test]
async fn rule_11_5_a_removal_sends_what_was_recorded_not_todays_profile() {
    let stage = Stage::new(10);
    let add = stage.publish(&one_step("one", "add", "email, external_id")).await;
    let remove = stage.publish(&one_step("two", "remove", "phone")).await;
    stage.run(add, "f", people(0..10)).await;
    let mut moved = people(0..10);
    moved.iter_mut().for_each(|person| person.emails = vec!["other@x.example".into()]);
    stage.run(remove, "f", moved).await;
    assert_eq!(stage.fake().members("new-1"), BTreeSet::new());
    assert_eq!(stage.count(remove, 0, Status::Synced).await, 10);
}

#[tokio::test]
async fn rule_11_5_what_may_have_landed_is_maybe_and_is_removed_with_all_its_sets() {
    let mut stage = Stage::new(10);
    stage.options.retry.flowing = Duration(0);
    let add = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(add, "f", people(0..4)).await;
    let mut changed = people(0..4);
    changed.iter_mut().for_each(|person| person.emails = vec![format!("new-{}@x.example", person.external_id)]);
    // Neither the removal of the old rows nor the add is acknowledged, and nobody retries for long.
    stage.fake().dial(|part| if part.action == Action::Add { Reaction::LostAnswer } else { Reaction::LostRequest });
    stage.run(add, "g", changed).await;
    assert_eq!(stage.count(add, 0, Status::Expired).await, 4);
    assert_eq!(stage.fake().members("new-1").len(), 8);
    let profile = stage.store.find("p1").await.unwrap()[0];
    let trace = stage.store.trace(profile).await.unwrap().unwrap();
    assert_eq!((trace.memberships[0].1.standing, trace.memberships[0].1.recorded.len()), (Standing::Maybe, 2));
    stage.fake().calm();
    let remove = stage.publish(&one_step("two", "remove", "email")).await;
    stage.run(remove, "f", people(0..4)).await;
    assert_eq!(stage.fake().members("new-1"), BTreeSet::new());
    assert_eq!(stage.store.trace(profile).await.unwrap().unwrap().memberships[0].1.standing, Standing::Out);
}

#[tokio::test]
async fn rule_11_11_a_known_row_does_nothing_and_again_is_a_new_generation() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(version, "f", people(0..30)).await;
    stage.run(version, "f", people(0..30)).await;
    assert_eq!(stage.store.counters(version).await.unwrap().entered, 30);
    let again = RunOptions { source: "f".into(), again: true, ..RunOptions::default() };
    let end = stage.run_with(version, people(0..30), again).await;
    assert_eq!(end.totals().source, "f#2");
    assert_eq!(stage.store.counters(version).await.unwrap().entered, 60);
    // Without `again`, the newest generation is resumed.
    stage.run(version, "f", people(0..40)).await;
    assert_eq!(stage.store.counters(version).await.unwrap().entered, 70);
}

#[tokio::test]
async fn rule_11_12_people_finish_on_their_version() {
    let stage = Stage::new(10);
    let first = stage.publish(&one_step("one", "add", "email")).await;
    waiting_after(&stage, Reaction::Down, first).await;
    let second = stage.publish(&one_step("one", "add", "external_id")).await;
    assert_ne!(first, second);
    stage.run(second, "g", people(20..30)).await;
    let members = stage.fake().members("new-1");
    assert_eq!(members.iter().filter(|row| row.starts_with("EMAIL=")).count(), 10);
    assert_eq!(members.iter().filter(|row| row.starts_with("ID=")).count(), 10);
}

#[tokio::test]
async fn rule_11_13_events_count_for_conditions_whenever_they_arrive() {
    let stage = Stage::new(10);
    let text = "
format: 1
canvas: events
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, start: split }
steps:
  split: { branch: [ { if: { event: app_open, within: 7d }, next: exit } ], else: sync }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";
    let version = stage.publish(text).await;
    let open = |at| Event { name: "app_open".into(), at, properties: Default::default() };
    let now = stage_now(&stage);
    let events = vec![
        ("p1".to_owned(), None, open(now.before(Duration::DAY))),
        ("p2".to_owned(), None, open(now.before(Duration::DAY.times(8)))),
    ];
    stage.runner().record(events).await.unwrap();
    stage.run(version, "f", people(0..4)).await;
    assert_eq!(stage.fake().members("new-1").len(), 3);
    assert!(!stage.fake().members("new-1").contains("EMAIL=p1@x.example"));
}

#[tokio::test]
async fn rule_11_13_an_exit_event_ends_the_entry_unless_it_is_dated_before_it() {
    let stage = Stage::new(10);
    let text = "
format: 1
canvas: leaves
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, start: pause }
exit: [ { event: purchase } ]
steps:
  pause: { delay: { for: 2d }, next: sync }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";
    let version = stage.publish(text).await;
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, people(0..4), options).await else { panic!("it waits") };
    let bought = |at| Event { name: "purchase".into(), at, properties: Default::default() };
    let now = stage_now(&stage);
    let events = vec![
        ("p1".to_owned(), None, bought(now.after(Duration::SECOND))),
        ("p2".to_owned(), None, bought(now.before(Duration::DAY))),
    ];
    stage.runner().record(events).await.unwrap();
    stage.clock.0.store(2 * 86_400_000 + 1000, Ordering::SeqCst);
    let end = stage.run(version, "f", people(0..4)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!((stage.count(version, 0, Status::Exited).await, stage.count(version, 1, Status::Synced).await), (1, 3));
    assert!(!stage.fake().members("new-1").contains("EMAIL=p1@x.example"));
}

#[tokio::test]
async fn a_run_that_another_owner_fenced_says_so() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().dial(|_| Reaction::Slow(100));
    let (progress, _) = tokio::sync::watch::channel(Default::default());
    let (_cancel, cancelled) = tokio::sync::watch::channel(false);
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let runner = stage.runner();
    let run = runner.run(version, rows(people(0..100)), options, progress, cancelled);
    let other = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stage.store.lease("another", Slots::ALL, Millis(0)).await.unwrap();
    };
    let (end, ()) = tokio::join!(run, other);
    let fenced = matches!(end, Err(caravan_runner::Error::Store(caravan_store::Error::Fenced { .. })));
    assert!(fenced, "{end:?}");
    stage.fake().calm();
    stage.run(version, "f", people(0..100)).await;
    assert_eq!(stage.fake().members("new-1"), emails(0..100));
}

#[tokio::test]
async fn rule_11_15_denied_and_do_not_sell_block_adds_and_unknown_does_not() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let mut all = people(0..4);
    all[0].consents.insert("advertising".into(), Consent::Denied);
    all[1].do_not_sell_or_share = Some(true);
    all[2].consents.insert("advertising".into(), Consent::Granted);
    stage.run(version, "f", all).await;
    let reasons = stage.reasons(version, 0).await;
    assert_eq!(reasons[&(Status::Skipped, "consent-denied".into())], 1);
    assert_eq!(reasons[&(Status::Skipped, "do-not-sell-or-share".into())], 1);
    assert_eq!(stage.fake().members("new-1"), emails(2..4));
}

#[tokio::test]
async fn rule_11_17_each_step_that_asked_holds_a_claim_and_a_remove_step_ends_all() {
    let stage = Stage::new(10);
    let one = stage.publish(&one_step("one", "add", "email")).await;
    let two = stage.publish(&one_step("two", "add", "email")).await;
    let gone = stage.publish(&one_step("gone", "remove", "email")).await;
    stage.run(one, "f", people(0..3)).await;
    stage.run(two, "f", people(0..3)).await;
    let profile = stage.store.find("p1").await.unwrap()[0];
    let claims = stage.store.trace(profile).await.unwrap().unwrap().memberships[0].1.claims.len();
    assert_eq!((claims, stage.count(two, 0, Status::Unchanged).await), (2, 3));
    stage.run(gone, "f", people(0..3)).await;
    let trace = stage.store.trace(profile).await.unwrap().unwrap();
    assert!(trace.memberships[0].1.claims.is_empty() && trace.memberships[0].1.standing == Standing::Out);
}
