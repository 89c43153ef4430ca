//! People through a canvas: everyone is accounted for.
use crate::common::*;
use caravan_model::{Consent, Status};
use caravan_runner::{IntakeRow, RunEnd, RunOptions};
use caravan_store::{LaneState, Store};
use std::time::Duration;

const TWO_WAYS: &str = "
format: 1
canvas: two-ways
audiences:
  list: { connection: c, account: main, name: List, if_missing: create }
  other: { connection: d, account: main, name: Other, if_missing: create }
entry:
  trigger: { api: true }
  who: { all: [ { consent: advertising } ] }
  start: pause
steps:
  pause: { delay: { for: 2d }, next: split }
  split: { branch: [ { if: { attr: country, in: [FR] }, next: add } ], else: add-other }
  add: { audience_sync: { audience: list, action: add, match: [email], advance: when_synced }, next: exit, otherwise: add-other }
  add-other: { audience_sync: { audience: other, action: add, match: [external_id] }, next: exit }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_is_accounted_for() {
    let mut stage = Stage::new(50);
    let mut other = manifest(30);
    other["name"] = "other".into();
    stage.fakes.insert("d".into(), Fake::new(other));
    let version = stage.publish(TWO_WAYS).await;
    let mut all = people(0..500);
    for (n, person) in all.iter_mut().enumerate() {
        let consent = if n % 10 == 9 { Consent::Denied } else { Consent::Granted };
        person.consents.insert("advertising".into(), consent);
        person.country = Some(if n % 2 == 0 { "FR" } else { "DE" }.into());
        if n % 20 == 0 {
            person.emails.clear();
        }
    }
    let options = RunOptions { skip_delays: true, source: "file".into(), ..RunOptions::default() };
    let end = stage.run_with(version, all.clone(), options.clone()).await;
    let RunEnd::Done(totals) = end else { panic!("{end:?}") };
    assert_eq!((totals.progress.entered, totals.progress.refused), (450, 50));
    assert_eq!(totals.counters.refused, vec![("consent".to_owned(), 50)]);
    assert_eq!((totals.counters.entered, totals.counters.open), (450, 0));
    // 250 French, 25 of them without an e-mail: these go on to the other list. 200 others.
    assert_eq!(stage.count(version, 2, Status::Synced).await, 225);
    assert_eq!(stage.count(version, 2, Status::Skipped).await, 25);
    assert_eq!(stage.count(version, 3, Status::Synced).await, 225);
    assert_eq!(stage.fake().members("new-1").len(), 225);
    assert_eq!(stage.fakes["d"].members("new-1").len(), 225);
    // The same file again: everyone was here before.
    let end = stage.run_with(version, all, options).await;
    assert!(
        matches!(end, RunEnd::Done(ref totals) if totals.progress.entered == 0 && totals.resumed_from == 500),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_run_ends_where_a_delay_is_longer_than_it_may_wait() {
    let stage = {
        let mut stage = Stage::new(50);
        let mut other = manifest(30);
        other["name"] = "other".into();
        stage.fakes.insert("d".into(), Fake::new(other));
        stage
    };
    let version = stage.publish(TWO_WAYS).await;
    let mut all = people(0..10);
    for person in &mut all {
        person.consents.insert("advertising".into(), Consent::Granted);
    }
    let options = RunOptions { source: "file".into(), ..RunOptions::default() };
    let RunEnd::Waits(lines, _) = stage.run_with(version, all, options.clone()).await else { panic!("it waits") };
    assert_eq!((lines[0].what.as_str(), lines[0].n), ("step `pause`: delay", 10));
    assert!(lines[0].until.is_some());
    // Two days later the same command goes on.
    stage.clock.0.store(2 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
    let end = stage.run_with(version, Vec::new(), options).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.count(version, 3, Status::Synced).await, 10);
}

#[tokio::test]
async fn unreadable_rows_are_counted_and_the_rest_goes_on() {
    let stage = Stage::new(50);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let rows: Vec<IntakeRow> = (0u64..200)
        .map(|row| IntakeRow {
            row,
            person: if row % 50 == 7 { Err("bad-date".into()) } else { Ok(person(format!("p{row}"))) },
        })
        .collect();
    let (progress, _) = tokio::sync::watch::channel(Default::default());
    let (_cancel, cancelled) = tokio::sync::watch::channel(false);
    let options = RunOptions { source: "file".into(), ..RunOptions::default() };
    let end = stage.runner().run(version, rows.into_iter(), options, progress, cancelled).await.unwrap();
    assert_eq!(end.totals().counters.refused, vec![("bad-date".to_owned(), 4)]);
    assert_eq!((end.totals().counters.entered, stage.count(version, 0, Status::Synced).await), (196, 196));
    stage.balanced().await;
}

#[tokio::test]
async fn a_dead_token_holds_and_goes_on_by_itself_once_mended() {
    let stage = Stage::new(50);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let fake = stage.fake();
    fake.partner.lock().unwrap().dead = true;
    let options = RunOptions { source: "file".into(), ..RunOptions::default() };
    let end = stage.run_with(version, people(0..100), options.clone()).await;
    let RunEnd::Waits(lines, _) = end else { panic!("{end:?}") };
    assert!(lines[0].what.contains("held-unauthorized"), "{lines:?}");
    assert_eq!((lines[0].n, lines[0].until), (100, None));
    assert!(matches!(stage.lane().await.state, LaneState::Held { .. }));
    // Once refreshed, once repeated, then held.
    assert_eq!(fake.calls().len(), 2);
    let mending = fake.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        mending.partner.lock().unwrap().dead = false;
    });
    let options = RunOptions { wait: Duration::from_secs(20), ..options };
    let end = stage.run_with(version, people(0..100), options).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(fake.members("new-1"), emails(0..100));
    assert_eq!(stage.count(version, 0, Status::Synced).await, 100);
    assert!(fake.partner.lock().unwrap().checks > 1);
}

#[tokio::test]
async fn a_stopped_connector_holds_its_queue_and_the_other_finishes() {
    let mut stage = Stage::new(50);
    let mut other = manifest(30);
    other["name"] = "other".into();
    stage.fakes.insert("d".into(), Fake::new(other));
    let version = stage.publish(TWO_WAYS).await;
    stage.fake().dial(|_| Reaction::Stopped);
    let mut all = people(0..100);
    for (n, person) in all.iter_mut().enumerate() {
        person.consents.insert("advertising".into(), Consent::Granted);
        person.country = Some(if n % 2 == 0 { "FR" } else { "DE" }.into());
    }
    let options = RunOptions { skip_delays: true, source: "file".into(), ..RunOptions::default() };
    let RunEnd::Waits(lines, _) = stage.run_with(version, all, options).await else { panic!("it waits") };
    assert_eq!(lines.len(), 1);
    assert!(lines[0].what.contains("held-stopped") && lines[0].what.contains("another host"), "{lines:?}");
    assert_eq!(stage.count(version, 3, Status::Synced).await, 50);
    assert_eq!(stage.count(version, 2, Status::Waiting).await, 50);
}

#[tokio::test]
async fn an_interrupted_run_keeps_its_state() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().dial(|_| Reaction::Slow(5));
    let (progress, _) = tokio::sync::watch::channel(Default::default());
    let (cancel, cancelled) = tokio::sync::watch::channel(false);
    let options = RunOptions { source: "file".into(), ..RunOptions::default() };
    let runner = stage.runner();
    let run = runner.run(version, rows(people(0..2000)), options.clone(), progress, cancelled);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        cancel.send_replace(true);
    };
    let (end, ()) = tokio::join!(run, stop);
    assert!(matches!(end.unwrap(), RunEnd::Interrupted(_)));
    stage.balanced().await;
    stage.fake().calm();
    let end = stage.run_with(version, people(0..2000), options).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.store.counters(version).await.unwrap().entered, 2000);
    assert_eq!(stage.fake().members("new-1"), emails(0..2000));
    assert_eq!(stage.count(version, 0, Status::Synced).await, 2000);
}
