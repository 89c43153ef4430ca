//! Steps that do more than wait and sync: updates, waits for an event, entries with a limit.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::changes::Changes;
use caravan_model::{Millis, Status, StepIx};
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
    assert_eq!(w.store.advance(w.lease, moves.collect(), w.now).await.expect("moved"), 3);
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
