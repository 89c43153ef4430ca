//! Steps that do more than wait and sync: updates, waits for an event, entries with a limit.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::changes::Changes;
use caravan_model::{EntryId, Millis, Status, StepIx};
use serde_json::{Value, json};
use std::sync::Arc;

fn update(step: u16, changes: Value) -> Move {
    let Value::Object(changes) = changes else { panic!("changes are a map") };
    Move::Update { step: StepIx(step), changes: Arc::new(Changes(changes)) }
}

fn wait(step: u16, due: Millis) -> Move {
    Move::Wait { step: StepIx(step), due }
}

fn advance(due: &Due, moves: Vec<Move>) -> Advance {
    Advance {
        visit: due.visit,
        version: due.version,
        step: due.step,
        arrives: due.arrives,
        due: due.due,
        profile: due.profile,
        ends_as: (Status::Passed, caravan_model::Reason::none()),
        moves,
    }
}

async fn profile<E: Engine>(w: &World<E>, id: caravan_model::ProfileId) -> caravan_model::Profile {
    w.store.trace(id).await.expect("a trace").expect("a person").profile
}

pub async fn an_update_is_kept_with_its_move(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    let first = [update(0, json!({ "plan.tier": "gold", "country": "DE" })), wait(1, w.now)];
    let batch = w.batch(&people, &first);
    w.store.enter(w.lease, batch.clone()).await.expect("entries");
    // Later news of the same person are not undone by a repeat of the call.
    let mut newer = person(0);
    newer.country = Some("FR".into());
    w.store.upsert(w.lease, vec![newer], w.now).await.expect("a person");
    assert_eq!(w.store.enter(w.lease, batch).await.expect("a repeat").known_rows, 3);
    w.store.erase(w.lease, vec![people[2]], w.now).await.expect("erased");
    let mut w = w.crash().await;
    assert_eq!(profile(&w, people[0]).await.country.as_deref(), Some("FR"));
    assert_eq!(profile(&w, people[0]).await.attributes["plan"], json!({ "tier": "gold" }));
    assert_eq!(profile(&w, people[1]).await.country.as_deref(), Some("DE"));
    assert_eq!(w.count(0, Status::Passed).await, 3);
    // On the way on, of the person as they are then; who was erased stays erased.
    let due = w.store.due(w.now, 10, true).await.expect("due");
    let moves = due.iter().map(|due| advance(due, vec![update(2, json!({ "plan": null, "n": 1 })), Move::End]));
    assert_eq!(w.store.advance(w.lease, moves.collect(), CanvasesSeen::default(), w.now).await.expect("moved"), 3);
    let known = profile(&w, people[0]).await;
    assert_eq!(Value::Object(known.attributes), json!({ "n": 1 }));
    assert_eq!((known.country.as_deref(), known.emails.len()), (Some("FR"), 1));
    assert!(profile(&w, people[2]).await.attributes.is_empty());
    // An update leads on: it is no place to rest.
    let alone = w.batch(&people[..1], &[update(0, json!({ "n": 2 }))]);
    assert!(is_impossible(w.store.enter(w.lease, alone).await));
    assert_eq!(profile(&w, people[0]).await.attributes["n"], json!(1), "nothing of a refused call is kept");
    w.balanced().await;
}

pub async fn open_entries_go_to_another_version_with_their_visits(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..10).await;
    let due = Millis(w.now.0 + 5_000);
    w.enter(&people[..6], &[wait(1, due)]).await;
    w.enter(&people[6..8], &[wait(2, due)]).await;
    let parked = w.offer(3, caravan_model::Action::Add, true);
    w.enter(&people[8..], &[parked]).await;
    let newer = w.store.publish(w.lease, canvas("journey", "two", 4), w.now).await.expect("a version").id;
    let older = w.version.id;
    let now = w.now;
    let wanted =
        |after| MoveEntries { from: older, to: newer, steps: vec![(StepIx(1), StepIx(3))], after, limit: 4, now };
    // In pages; said again after a crash, nobody moves twice.
    let first = w.store.move_entries(w.lease, wanted(EntryId(0))).await.expect("moved");
    assert_eq!(first.moved, 4);
    let w = w.crash().await;
    let rest = w.store.move_entries(w.lease, wanted(first.next.expect("more"))).await.expect("moved");
    assert_eq!(rest.moved, 2);
    let none = w.store.move_entries(w.lease, wanted(EntryId(0))).await.expect("a repeat");
    assert_eq!(none.moved, 0);
    let of = async |version| w.store.counters(version).await.expect("counters");
    let waiting = |counters: &Counters, step| -> u64 {
        let here = counters.counts.iter().filter(|count| count.step.0 == step && count.status == Status::Waiting);
        here.map(|count| count.n).sum()
    };
    let (old, new) = (of(older).await, of(newer).await);
    assert_eq!((old.entered, old.open, new.entered, new.open), (10, 4, 0, 6));
    assert_eq!((waiting(&old, 1), waiting(&old, 2), waiting(&old, 3), waiting(&new, 3)), (0, 2, 2, 6));
    assert_eq!(w.store.inside(newer, caravan_model::ProfileId(0), 100).await.expect("inside"), people[..6]);
    let entries = w.store.newest_entries(newer, people.clone()).await.expect("entries");
    assert_eq!(entries.iter().filter(|entry| entry.version == newer && entry.open).count(), 6);
    // They keep their due time, go on there, and hear an exit there.
    assert!(w.store.due(w.now, 100, false).await.expect("due").is_empty());
    w.store
        .signal_exit(w.lease, newer, people[..2].to_vec(), caravan_model::Reason::new("exit", "bought"), w.now)
        .await
        .expect("let out");
    let later = Millis(due.0 + 1);
    let found = w.store.due(later, 100, false).await.expect("due");
    let moved: Vec<&Due> = found.iter().filter(|due| due.version == newer).collect();
    assert!(moved.len() == 4 && moved.iter().all(|due| due.step == StepIx(3)), "{moved:?}");
    let on = moved.into_iter().map(|due| advance(due, vec![Move::End])).collect();
    assert_eq!(w.store.advance(w.lease, on, CanvasesSeen::default(), later).await.expect("moved on"), 4);
    let new = of(newer).await;
    assert_eq!((new.open, new.counts.iter().map(|count| count.n).sum::<u64>()), (0, 6));
    w.balanced().await;
}
