//! Files of what people did: the same as a stream of it, whole after a death in the middle, and nothing when repeated.
use crate::common::*;
use caravan_model::{Duration, Event, Message, Millis, Profile, ProfileId};
use caravan_runner::ImportRow;
use caravan_store::{DocumentKind, Store};
use tokio::sync::watch;

const CANVAS: &str = "format: 1\ncanvas: lapsed\n\
    entry: { trigger: { event: lapsed, where: { n: { gte: 2 } } }, start: wait }\nexit: [ { event: bought } ]\n\
    steps:\n  wait: { delay: { for: 30d }, next: exit }\n";

/// Row `n` of a file: people lapse, some buy afterwards, times go back and forth.
fn row(n: u64, now: Millis) -> ImportRow {
    let name = if n.is_multiple_of(7) { "bought" } else { "lapsed" };
    let at = now.before(Duration::MINUTE.times(1 + n * 37 % 1_000));
    let properties = [("n".to_owned(), serde_json::Value::from(n % 5))].into_iter().collect();
    let who = Profile { external_id: format!("u{}", n * 31 % 900), ..Profile::default() };
    let id = n.is_multiple_of(3).then(|| format!("m{n}"));
    ImportRow {
        row: n,
        id,
        message: Message { who, event: Some(Event { name: name.to_owned(), at, properties }), ..Message::default() },
    }
}

fn free() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// Everything that a store knows of these people, in a form that compares.
async fn known(
    stage: &Stage,
    version: caravan_model::VersionId,
) -> (Vec<(Profile, Vec<Event>)>, (u64, u64), Vec<ProfileId>) {
    let everyone = stage.store.everyone(ProfileId(0), 10_000).await.unwrap();
    let ids: Vec<ProfileId> = everyone.iter().map(|known| known.id).collect();
    let events = stage.store.events(ids, Vec::new()).await.unwrap();
    let mut people: Vec<(Profile, Vec<Event>)> = everyone.into_iter().map(|known| known.profile).zip(events).collect();
    people.sort_by(|a, b| a.0.external_id.cmp(&b.0.external_id));
    let counters = stage.store.counters(version).await.unwrap();
    let inside = stage.store.inside(version, ProfileId(0), 10_000).await.unwrap();
    stage.balanced().await;
    (people, (counters.entered, counters.open), inside)
}

#[tokio::test]
async fn an_import_is_the_same_as_a_stream_of_its_messages() {
    let rows = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 100_000 } else { 12_000 };
    let (file, stream) = (Stage::new(50), Stage::new(50));
    let now = stage_now(&file);
    let versions = (file.publish(CANVAS).await, stream.publish(CANVAS).await);
    let imported = file.runner().import_events("f", (0..rows).map(|n| row(n, now)), &free()).await.unwrap();
    assert_eq!((imported.rows, imported.new, imported.known), (rows, rows, 0));
    // The same messages, received by tens as a library sends them, and worked off by a host that serves.
    let runner = stream.runner();
    let all: Vec<_> = (0..rows).map(|n| row(n, now)).map(|row| (row.id, row.message)).collect();
    for batch in all.chunks(10) {
        runner.receive(batch.to_vec()).await.unwrap();
    }
    let (tell, _) = watch::channel(Default::default());
    let (stop, stopped) = watch::channel(false);
    let store = stream.store.clone();
    let watching = tokio::spawn(async move {
        while store.backlog().await.unwrap().messages > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.send_replace(true);
    });
    runner.serve(tell, stopped).await.unwrap();
    watching.await.unwrap();
    let (by_file, by_stream) = (known(&file, versions.0).await, known(&stream, versions.1).await);
    assert_eq!(by_file, by_stream);
    assert!(by_file.1.0 > 100 && by_file.1.1 > 0, "{:?}", by_file.1);
}

#[tokio::test]
async fn a_repeated_import_changes_nothing_and_one_that_was_cut_short_goes_on() {
    let stage = Stage::new(50);
    let now = stage_now(&stage);
    let version = stage.publish(CANVAS).await;
    let rows = 12_000;
    // It dies while it reads: what was committed stays.
    let dying = (0..rows).map(move |n| {
        assert!(n < 7_000, "the process dies here");
        row(n, now)
    });
    let runner = stage.runner();
    let dead = tokio::spawn(async move { runner.import_events("f", dying, &free()).await.map(|_| ()) }).await;
    assert!(dead.is_err_and(|dead| dead.is_panic()));
    let before = known(&stage, version).await;
    let imported = stage.runner().import_events("f", (0..rows).map(|n| row(n, now)), &free()).await.unwrap();
    assert_eq!((imported.rows, imported.known, imported.new), (rows, 5_000, rows - 5_000));
    let whole = known(&stage, version).await;
    assert_ne!(before, whole);
    assert_eq!(whole.0.iter().map(|(_, events)| events.len() as u64).sum::<u64>(), rows);
    let again = stage.runner().import_events("f", (0..rows).map(|n| row(n, now)), &free()).await.unwrap();
    assert_eq!((again.known, again.new), (rows, 0));
    assert_eq!(known(&stage, version).await, whole);
    // Also where the note of how far it came was lost: ids are remembered.
    let lease = stage.store.lease("again", caravan_store::Slots::ALL, now).await.unwrap();
    stage.store.put_documents(lease, vec![(DocumentKind::Import, "f".to_owned(), None)]).await.unwrap();
    let again = stage.runner().import_events("f", (0..rows).map(|n| row(n, now)), &free()).await.unwrap();
    assert_eq!((again.known, again.new), (rows, 0));
    assert_eq!(known(&stage, version).await, whole);
}

#[tokio::test]
async fn rule_11_13_what_an_erased_person_did_before_makes_nobody_anew() {
    let stage = Stage::new(50);
    let now = stage_now(&stage);
    let runner = stage.runner();
    runner.import_events("f", (0..10).map(|n| row(n, now)), &free()).await.unwrap();
    let who = stage.store.find("u31").await.unwrap();
    assert_eq!(who.len(), 1);
    runner.erase(&who).await.unwrap();
    let mut late = row(1, now);
    late.id = Some("late".to_owned());
    let mut anew = row(1, now);
    anew.id = Some("anew".to_owned());
    runner.import_events("g", [late], &free()).await.unwrap();
    assert!(stage.store.find("u31").await.unwrap().is_empty(), "it was dated before the erasure");
    if let Some(event) = &mut anew.message.event {
        event.at = stage_now(&stage).after(Duration::SECOND);
    }
    anew.row = 5;
    runner.import_events("g", [anew], &free()).await.unwrap();
    assert_eq!(stage.store.find("u31").await.unwrap().len(), 1, "who comes back is somebody new");
    stage.balanced().await;
}
