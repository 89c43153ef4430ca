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

pub async fn a_failed_call_is_made_again_and_moves_nobody<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    w.version = w.store.publish(w.lease, canvas(), w.now).await.expect("a version");
    let (version, step) = (w.version.id, StepIx(0));
    let people = w.people(0..5).await;
    let began = w.now;
    w.enter(&people, &[Move::Call { step, due: began }]).await;
    let calls = w.store.calls(vec![(version, step)], began, 10).await.expect("calls");
    w.now = Millis(w.now.0 + 1_000);
    // All fail; the first waits for the next endpoint then, the others are through.
    let go_on =
        |at| if at == 0 { vec![Move::Call { step: StepIx(1), due: Millis(began.0 * 2) }] } else { vec![Move::End] };
    let failed = calls.iter().enumerate().map(|(at, call)| ends(call, Status::Failed, go_on(at))).collect();
    assert_eq!(w.store.advance(w.lease, failed, CanvasesSeen::default(), w.now).await.expect("moved"), 5);
    assert_eq!(w.store.calls(vec![(version, step)], w.now, 10).await.expect("calls"), []);
    w.balanced().await;
    // The last one left by an exit since.
    w.store.signal_exit(w.lease, version, people[4..].to_vec(), Reason::none(), w.now).await.expect("let out");

    w.now = Millis(w.now.0 + 1_000);
    let asked = w.now;
    let page = |before, limit| Resend {
        version,
        step,
        to: Again::Called,
        status: Status::Failed,
        reason: None,
        before,
        limit,
        now: asked,
    };
    let first = w.store.resend(w.lease, page(None, 2)).await.expect("a resend");
    assert_eq!((first.offered, first.overtaken), (1, 1));
    let rest = w.store.resend(w.lease, page(first.next, 9)).await.expect("a resend");
    assert_eq!((rest.offered, rest.overtaken, rest.next), (3, 0, None));
    let repeat = w.store.resend(w.lease, page(None, 9)).await.expect("a repeat");
    assert_eq!((repeat.offered, repeat.overtaken), (0, 1), "who waits is not asked for twice");
    assert_eq!((w.count(0, Status::Failed).await, w.count(0, Status::Waiting).await), (1, 4));
    w.balanced().await;

    // They are found with when their visits began, which their keys are made of, also after a crash, and may be put off.
    let mut w = w.crash().await;
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(w.now));
    let again = w.store.calls(vec![(version, step)], w.now, 10).await.expect("calls");
    let found: Vec<_> = again.iter().map(|call| (call.profile, call.began, call.again, call.tried.clone())).collect();
    assert_eq!(found, people[..4].iter().map(|one| (*one, began, true, None)).collect::<Vec<_>>());
    assert_eq!(w.store.visits(version, step, Status::Waiting, None, 9).await.expect("visits").len(), 4);
    let later = Millis(w.now.0 + 5_000);
    let tried = Tried { since: w.now, attempts: 1, reason: Reason::new("retrying", "it answered 503") };
    let off = Postponed { visit: again[3].visit, due: later, tried: tried.clone() };
    assert_eq!(w.store.postpone(w.lease, vec![off.clone()], w.now).await.expect("put off"), 1);
    let visit = w.store.trace(people[3]).await.expect("a trace").expect("a person").visits.remove(0);
    assert_eq!((visit.status, visit.reason), (Status::Waiting, tried.reason));

    // One is taken, one fails again, one leaves; nobody moves, and the first waits where they were.
    let over = vec![ends(&again[0], Status::Passed, Vec::new()), ends(&again[1], Status::Failed, Vec::new())];
    assert_eq!(w.store.advance(w.lease, over.clone(), CanvasesSeen::default(), w.now).await.expect("ended"), 2);
    assert_eq!(w.store.advance(w.lease, over, CanvasesSeen::default(), w.now).await.expect("a repeat"), 0);
    w.store.signal_exit(w.lease, version, people[3..4].to_vec(), Reason::none(), w.now).await.expect("let out");
    assert_eq!(w.store.postpone(w.lease, vec![off], w.now).await.expect("put off"), 0);
    let uncalled = again.iter().map(|call| (call.visit, call.version, call.step)).collect();
    assert_eq!(w.store.still_called(uncalled).await.expect("a look"), [false, false, true, false]);
    let mut counts = Vec::new();
    for status in [Status::Passed, Status::Failed, Status::Exited, Status::Waiting] {
        counts.push(w.count(0, status).await);
    }
    assert_eq!((counts, w.census().await), (vec![1, 2, 1, 1], (5, 1)));
    w.balanced().await;

    // What failed again may be asked for again, under the same key; what is old is folded with all that is kept of it.
    w.now = Millis(w.now.0 + 1_000);
    let once_more = Resend { now: w.now, ..page(None, 9) };
    assert_eq!(w.store.resend(w.lease, once_more).await.expect("a resend").offered, 1);
    let calls = w.store.calls(vec![(version, step)], w.now, 10).await.expect("calls");
    assert!(calls.len() == 2 && calls.iter().all(|call| call.began == began && call.again));
    let sweep = Sweep { before: Millis(w.now.0 + 1), after: Cursor::default(), limit: 100, now: w.now };
    assert_eq!(w.store.fold_visits(w.lease, sweep).await.expect("folded").done, 2, "those of which nothing waits");
    w.balanced().await;
}
