//! People who wait for an endpoint: a timer of their own kind, kept over crashes, ended like every other wait.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::{Canvas, Millis, Reason, Status, StepIx, VersionId};

/// A canvas whose steps both call an endpoint.
fn canvas() -> Canvas {
    let step = serde_json::json!({ "webhook": { "use": "mailer" }, "next": "exit" });
    let document = serde_json::json!({
        "format": 1, "canvas": "calls", "entry": { "trigger": { "api": true }, "start": "one" },
        "steps": { "one": step, "two": step },
    });
    serde_json::from_value(document).expect("a canvas")
}

fn ends(call: &Calling, status: Status, moves: Vec<Move>) -> Advance {
    Advance {
        visit: call.visit,
        version: call.version,
        step: call.step,
        arrives: false,
        due: call.due,
        profile: call.profile,
        ends_as: (status, Reason::none()),
        moves,
    }
}

pub async fn calls_wait_are_put_off_and_end<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    w.version = w.store.publish(w.lease, canvas(), w.now).await.expect("a version");
    let version = w.version.id;
    let people = w.people(0..4).await;
    let (began, later) = (w.now, Millis(w.now.0 + 5_000));
    w.enter(&people, &[Move::Call { step: StepIx(0), due: began }]).await;
    assert_eq!(w.store.due(Millis(Millis::NEVER.0 - 1), 10, true).await.expect("due").len(), 0, "no timer of a delay");
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(began));
    let both = |version: VersionId| vec![(version, StepIx(1)), (version, StepIx(0))];
    let calls = w.store.calls(both(version), began, 10).await.expect("calls");
    let found: Vec<_> = calls.iter().map(|call| (call.profile, call.step, call.began, call.tried.clone())).collect();
    assert_eq!(found, people.iter().map(|one| (*one, StepIx(0), began, None)).collect::<Vec<_>>());
    assert_eq!(calls[0].person.as_ref().expect("a person").external_id, "p0000");
    assert_eq!(w.store.calls(both(version), began, 3).await.expect("calls").len(), 3);
    assert_eq!(w.store.calls(vec![(version, StepIx(1))], began, 3).await.expect("calls"), []);
    assert_eq!(w.count(0, Status::Waiting).await, 4);

    // Put off: kept over a crash, shown in the trace, and not found before its time.
    let tried = Tried { since: began, attempts: 1, reason: Reason::new("retrying", "it answered 503") };
    let off: Vec<Postponed> =
        calls.iter().map(|call| Postponed { visit: call.visit, due: later, tried: tried.clone() }).collect();
    assert_eq!(w.store.postpone(w.lease, off[..3].to_vec(), w.now).await.expect("put off"), 3);
    let mut w = w.crash().await;
    let now = w.store.calls(both(version), began, 10).await.expect("calls");
    assert_eq!(now.iter().map(|call| call.profile).collect::<Vec<_>>(), people[3..]);
    let again = w.store.calls(both(version), later, 10).await.expect("calls");
    assert_eq!(again.len(), 4);
    assert!(again[1..].iter().all(|call| call.tried.as_ref() == Some(&tried) && call.due == later));
    let visit = w.store.trace(people[0]).await.expect("a trace").expect("a person").visits.remove(0);
    assert_eq!((visit.status, visit.at, visit.reason), (Status::Waiting, began, tried.reason.clone()));
    w.balanced().await;

    // One goes on to the next endpoint, one ends as failed, one is let out, and then none is put off any more.
    let next = vec![Move::Call { step: StepIx(1), due: later }];
    let moves = vec![ends(&calls[0], Status::Passed, next), ends(&calls[1], Status::Failed, vec![Move::End])];
    assert_eq!(w.store.advance(w.lease, moves.clone(), CanvasesSeen::default(), w.now).await.expect("moved"), 2);
    assert_eq!(w.store.advance(w.lease, moves, CanvasesSeen::default(), w.now).await.expect("a repeat"), 0);
    w.store.signal_exit(w.lease, version, people[2..3].to_vec(), Reason::none(), w.now).await.expect("let out");
    let uncalled = calls.iter().map(|call| (call.visit, call.version, call.step)).collect();
    assert_eq!(w.store.still_called(uncalled).await.expect("a look"), [false, false, false, true]);
    assert_eq!(w.store.postpone(w.lease, off[..3].to_vec(), w.now).await.expect("put off"), 0);
    let left = w.store.calls(both(version), later, 10).await.expect("calls");
    let left: Vec<_> = left.iter().map(|call| (call.profile, call.step, call.tried.clone())).collect();
    assert_eq!(left, [(people[0], StepIx(1), None), (people[3], StepIx(0), None)]);
    let counts = [w.count(0, Status::Passed).await, w.count(0, Status::Failed).await, w.count(0, Status::Exited).await];
    assert_eq!((counts, w.census().await), ([1, 1, 1], (4, 2)));
    w.balanced().await;

    // Only a canvas with such a step can call.
    w.version = w.store.publish(w.lease, super::world::canvas("plain", "one", 2), w.now).await.expect("a version");
    let stray = w.batch(&people[..1], &[Move::Call { step: StepIx(0), due: began }]);
    assert!(is_impossible(w.store.enter(w.lease, stray).await));
}
