//! Old events become summaries, old visits become sums, and nothing else changes.
use super::{Engine, World};
use crate::contract::*;
use caravan_model::{Action, Duration, Event, Millis, Profile, ProfileId, Status, StepIx};

fn event(name: &str, at: Millis) -> (String, Option<String>, Event) {
    let properties = [("plan".to_owned(), serde_json::Value::from("pro"))].into_iter().collect();
    ("p0001".to_owned(), None, Event { name: name.to_owned(), at, properties })
}

async fn drop_all<E: Engine>(w: &World<E>, before: Millis, limit: usize) -> u64 {
    let (mut done, mut after) = (0, Some(Cursor::default()));
    while let Some(cursor) = after {
        let sweep = Sweep { before, after: cursor, limit, now: w.now };
        let swept = w.store.drop_events(w.lease, sweep).await.expect("a sweep");
        done += swept.done;
        after = swept.next;
    }
    done
}

async fn fold_all<E: Engine>(w: &World<E>, before: Millis, limit: usize) -> u64 {
    let (mut done, mut after) = (0, Some(Cursor::default()));
    while let Some(cursor) = after {
        let sweep = Sweep { before, after: cursor, limit, now: w.now };
        let swept = w.store.fold_visits(w.lease, sweep).await.expect("a sweep");
        done += swept.done;
        after = swept.next;
    }
    done
}

async fn events_of<E: Engine>(w: &World<E>, id: ProfileId, names: &[&str]) -> Vec<Event> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    w.store.events(vec![id], names).await.expect("events").remove(0)
}

pub async fn dropped_events_go_on_counting_without_properties(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    w.now = Millis(Duration::DAY.times(100).0 as i64);
    let days = |n| w.now.before(Duration::DAY.times(n));
    let all = vec![event("open", days(99)), event("open", days(95)), event("buy", days(91)), event("open", days(5))];
    w.store.record(w.lease, all, w.now).await.expect("recorded");
    let before = events_of(&w, people[1], &[]).await;
    // In steps of one row as well as at once.
    assert_eq!(drop_all(&w, days(90), 1).await, 3);
    assert_eq!(drop_all(&w, days(90), 1_000).await, 0, "a repetition finds nothing");
    let after = events_of(&w, people[1], &[]).await;
    assert_eq!(after.len(), before.len());
    for (was, is) in before.iter().zip(&after) {
        assert_eq!((&was.name, was.at, is.at < days(90)), (&is.name, is.at, is.properties.is_empty()));
    }
    // A late one joins what stays of those before it.
    w.store.record(w.lease, vec![event("open", days(98))], w.now).await.expect("recorded");
    assert_eq!(drop_all(&w, days(90), 1_000).await, 1);
    let ats: Vec<Millis> = events_of(&w, people[1], &["open"]).await.into_iter().map(|event| event.at).collect();
    assert_eq!(ats, [days(99), days(98), days(95), days(5)]);
    assert!(events_of(&w, people[0], &[]).await.is_empty());
    // Erasure forgets that, too.
    w.store.erase(w.lease, vec![people[1]], w.now).await.expect("erased");
    assert!(events_of(&w, people[1], &[]).await.is_empty());
}

pub async fn rule_11_16_where_sees_what_is_kept_and_times_stay(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    w.now = Millis(Duration::DAY.times(1_000).0 as i64);
    let many: Vec<_> = (0..300).map(|n| event("open", w.now.before(Duration::DAY.times(100 + n % 3)))).collect();
    let old = vec![event("open", w.now.before(Duration::DAY.times(900)))];
    w.store.record(w.lease, [many, old].concat(), w.now).await.expect("recorded");
    assert_eq!(drop_all(&w, w.now.before(Duration::DAY.times(90)), 64).await, 301);
    let events = events_of(&w, people[1], &["open"]).await;
    assert_eq!(events.len(), 301, "counts stay exact");
    let timed = events.iter().filter(|event| event.at >= w.now.before(Duration::DAY.times(400))).count();
    assert_eq!(timed, 256, "the newest times of 400 days are kept");
    assert_eq!(events[0].at, w.now.before(Duration::DAY.times(900)), "the first is known for ever");
}

pub async fn folded_visits_leave_counters_exact(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..40).await;
    let pass = |step| Move::Visit { step: StepIx(step), status: Status::Passed, reason: Default::default() };
    w.enter(&people, &[pass(0), pass(1), Move::End]).await;
    w.enter(&people[..10], &[w.offer(2, Action::Add, false), Move::End]).await;
    super::world::accept_all(&w, super::world::joined).await;
    let before = w.store.counters(w.version.id).await.expect("counters");
    w.now = w.now.after(Duration::DAY.times(400));
    // A second pass of some, later.
    w.enter(&people[..5], &[pass(0), Move::End]).await;
    let cut = w.now.before(Duration::DAY);
    assert_eq!(fold_all(&w, cut, 1).await, 90);
    assert_eq!(fold_all(&w, cut, 1_000).await, 0, "a repetition finds nothing");
    w.balanced().await;
    let after = w.store.counters(w.version.id).await.expect("counters");
    assert_eq!((after.entered, after.open), (before.entered + 5, before.open));
    assert_eq!(w.count(1, Status::Passed).await, 40);
    assert_eq!(w.count(2, Status::Synced).await, 10);
    assert_eq!(w.count(0, Status::Passed).await, 45);
    // Who is behind the number is known of the young ones alone.
    let behind = w.store.visits(w.version.id, StepIx(0), Status::Passed, None, 100).await.expect("visits");
    assert_eq!(behind.len(), 5);
    let trace = w.store.trace(people[7]).await.expect("a trace").expect("a person");
    assert!(trace.visits.is_empty() && trace.memberships.len() == 1, "membership stays");
    let w = w.crash().await;
    w.balanced().await;
    assert_eq!(w.count(1, Status::Passed).await, 40);
}

pub async fn what_waits_or_is_young_is_not_folded(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..6).await;
    let pass = Move::Visit { step: StepIx(0), status: Status::Passed, reason: Default::default() };
    let rest = Move::Wait { step: StepIx(1), due: Millis::NEVER };
    w.enter(&people[..2], &[pass.clone(), rest]).await;
    // Unsent although the entry has ended.
    w.enter(&people[2..4], &[pass.clone(), w.offer(2, Action::Add, false), Move::End]).await;
    w.enter(&people[4..], &[pass, Move::End]).await;
    w.now = w.now.after(Duration::DAY.times(400));
    let cut = w.now.before(Duration::DAY);
    assert_eq!(fold_all(&w, cut, 100).await, 2, "only those of whom nothing waits");
    w.balanced().await;
    // Once it has had its final word, that word is young.
    super::world::accept_all(&w, super::world::joined).await;
    assert_eq!(fold_all(&w, cut, 100).await, 0);
    w.now = w.now.after(Duration::DAY.times(2));
    assert_eq!(fold_all(&w, w.now.before(Duration::DAY), 100).await, 4);
    w.balanced().await;
    assert_eq!((w.count(0, Status::Passed).await, w.count(1, Status::Waiting).await), (6, 2));
    let out = w.store.signal_exit(w.lease, w.version.id, people[..2].to_vec(), Default::default(), w.now).await;
    assert_eq!(out.expect("let out"), 2);
    w.balanced().await;
    assert_eq!(fold_all(&w, w.now.after(Duration::DAY), 100).await, 4);
    w.balanced().await;
}

pub async fn the_catalogue_names_and_counts_and_shows_nobody(engine: impl Engine) {
    let w = World::new(engine).await;
    let mut people: Vec<Profile> = (0..10).map(super::world::person).collect();
    for (n, person) in people.iter_mut().enumerate() {
        if n < 4 {
            person.attributes.insert("plan".into(), serde_json::json!({"tier": "gold", "since": "2026-01-02"}));
        }
        person.attributes.insert("age".into(), if n == 0 { "old".into() } else { n.into() });
    }
    w.store.upsert(w.lease, people, w.now).await.expect("people");
    w.store.record(w.lease, vec![event("open", w.now), event("open", Millis(5))], w.now).await.expect("recorded");
    let catalogue = w.store.catalogue(1_000).await.expect("a catalogue");
    assert_eq!(catalogue.people, Looked { at: 10, is_all: true });
    assert_eq!(catalogue.kept_events, Looked { at: 2, is_all: true });
    let named = |name: &str| catalogue.attributes.iter().find(|seen| seen.name == name).expect(name).clone();
    assert_eq!((named("plan.tier").count, named("email").count), (4, 10));
    assert_eq!(named("plan.since").types, [("date".to_owned(), 4)].into());
    assert_eq!(named("age").types, [("number".to_owned(), 9), ("text".to_owned(), 1)].into());
    let open = &catalogue.events[0];
    assert_eq!((open.name.as_str(), open.count, open.people, open.first, open.last), ("open", 2, 1, Millis(5), w.now));
    assert_eq!((open.properties[0].name.as_str(), open.properties[0].count), ("plan", 2));
    let text = serde_json::to_string(&catalogue).expect("text");
    assert!(!text.contains("gold") && !text.contains("p0001") && !text.contains("example.com"), "{text}");
    assert!(!w.store.catalogue(3).await.expect("a catalogue").people.is_all);
    // Who is erased is no longer in it.
    let who = w.store.find("p0001").await.expect("found");
    w.store.erase(w.lease, who, w.now).await.expect("erased");
    let after = w.store.catalogue(1_000).await.expect("a catalogue");
    assert_eq!((after.people.at, after.kept_events.at), (9, 0));
}

pub async fn a_store_tells_the_room_that_it_takes(engine: impl Engine) {
    let w = World::new(engine).await;
    let before = w.store.space().await.expect("the room");
    w.people(0..5_000).await;
    let after = w.store.space().await.expect("the room");
    assert!(before.bytes > 0 && after.bytes > before.bytes, "{before:?} {after:?}");
    assert!(after.free.is_none_or(|free| free > 0));
}
