//! Lanes: order, heads, states.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::{Action, Duration, Millis, Reason, Status};

pub async fn rule_11_3_lane_order_is_commit_order(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3_000).await;
    let add = [w.offer(0, Action::Add, false), Move::End];
    let both = [w.offer(1, Action::Add, false), w.offer(2, Action::Remove, false), Move::End];
    w.enter(&people, &add).await;
    w.now = w.now.after(Duration::SECOND);
    w.enter(&people[..2], &both).await;
    let ops = w.peek().await;
    assert!(ops.iter().zip(1..).all(|(op, seq)| op.seq == seq));
    let tail: Vec<_> = ops[3_000..].iter().map(|op| (op.profile, op.action, op.step.1.0)).collect();
    let (one, two) = (people[0], people[1]);
    assert_eq!(
        tail,
        [(one, Action::Add, 1), (one, Action::Remove, 2), (two, Action::Add, 1), (two, Action::Remove, 2)]
    );
    assert_eq!(ops[3_003].offered, w.now);
    // Calls made at once get places in the order of their commits, without gaps.
    let mut batches = Vec::new();
    for at in 0..20 {
        batches.push(w.batch(&people[at * 10..at * 10 + 10], &add));
    }
    let calls: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let (store, lease) = (w.store.clone(), w.lease);
            tokio::spawn(async move { store.enter(lease, batch).await })
        })
        .collect();
    for call in calls {
        call.await.expect("a call").expect("entries");
    }
    let ops = w.peek().await;
    assert_eq!(ops.len(), 3_204);
    assert!(ops.iter().zip(1..).all(|(op, seq)| op.seq == seq));
    w.balanced().await;
}

pub async fn peek_takes_nothing_and_knows_people_and_membership(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..10).await;
    let moves = [w.offer(0, Action::Add, true)];
    w.enter(&[people[7], people[2]], &moves).await;
    for _ in 0..2 {
        let ops = w.peek().await;
        assert_eq!(ops.iter().map(|op| op.profile).collect::<Vec<_>>(), [people[7], people[2]]);
        assert_eq!(ops[0].person.as_ref().map(|p| p.external_id.as_str()), Some("p0007"));
        assert!(ops[0].membership.is_none() && ops[0].parks && !ops[0].exited);
        assert_eq!((&*ops[0].connection, ops[0].step.0), ("meta-main", w.version.id));
    }
    assert_eq!(w.store.peek(w.lane, 1).await.expect("a peek").len(), 1);
    // People are shown as they are now, not as they were when the operation came.
    let mut changed = person(7);
    changed.do_not_sell_or_share = Some(true);
    w.store.upsert(w.lease, vec![changed], w.now).await.expect("a person");
    assert_eq!(w.peek().await[0].person.as_ref().and_then(|p| p.do_not_sell_or_share), Some(true));
    let lanes = w.store.lanes().await.expect("lanes");
    assert_eq!((lanes[0].waiting, lanes[0].sealed, lanes[0].oldest), (2, 0, Some(w.now)));
    w.balanced().await;
}

pub async fn a_partial_seal_leaves_the_rest_in_order(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..5_000).await;
    let moves = [w.offer(0, Action::Add, true)];
    w.enter(&people, &moves).await;
    for upto in [1, 2_047, 2_048, 2_049, 4_096, 4_999, 5_000] {
        let ops: Vec<Queued> = w.peek().await.into_iter().take_while(|op| op.seq <= upto).collect();
        let (skipped, sent) = ops.split_at(ops.len() / 2);
        let mut sealing = w.sealing(&[sent]);
        sealing.outcomes = skipped.iter().map(|op| outcome(op, Status::Skipped, GoesTo::End)).collect();
        let slice = w.store.seal(w.lease, sealing).await.expect("sealed").expect("a slice");
        let lane = &w.store.lanes().await.expect("lanes")[0];
        assert_eq!((lane.waiting, lane.sealed), (5_000 - upto as u64 + sent.len() as u64, sent.len() as u64));
        w.balanced().await;
        let part = &slice.parts[0];
        let done = part.riders.iter().flat_map(|r| outcomes(r, Status::Synced, GoesTo::End)).collect();
        w.send(part, |s| (s.ends, s.outcomes) = (true, done)).await.expect("a settlement");
        let rest = w.peek().await;
        assert!(rest.iter().zip(upto + 1..).all(|(op, seq)| op.seq == seq));
    }
    assert_eq!(w.census().await, (5_000, 0));
    let lane = &w.store.lanes().await.expect("lanes")[0];
    assert_eq!((lane.waiting, lane.sealed, lane.oldest), (0, 0, None));
    w.balanced().await;
}

pub async fn lane_states_are_durable_and_timers_count(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let until = w.now.after(Duration::MINUTE);
    let waiting = LaneState::Waiting { why: "throttled".into(), until, reason: Reason::new("throttled", "slow down") };
    w.store.set_lane(w.lease, w.lane, waiting.clone()).await.expect("set");
    assert_eq!(w.store.next_timer().await.expect("a timer"), None, "nothing waits in that lane");
    let people = w.people(0..1).await;
    let moves = [w.offer(0, Action::Add, true)];
    w.enter(&people, &moves).await;
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(until));
    let w = w.crash().await;
    assert_eq!(w.store.lanes().await.expect("lanes")[0].state, waiting);
    let held = LaneState::Held { reason: Reason::new("terms", "sign"), since: w.now, probe: Millis::NEVER, probes: 2 };
    w.store.set_lane(w.lease, w.lane, held.clone()).await.expect("set");
    assert_eq!(w.store.next_timer().await.expect("a timer"), None);
    let trace = w.store.trace(people[0]).await.expect("a trace").expect("a person");
    assert!(trace.visits[0].until.as_deref().is_some_and(|words| words.contains("held")), "{:?}", trace.visits);
    assert_eq!(w.store.lanes().await.expect("lanes")[0].state, held);
}

async fn flowing<E: Engine>(w: &World<E>) -> Millis {
    w.store.open_slice(w.lane).await.expect("read").expect("a slice").parts[0].flowing_since
}

pub async fn rule_11_9_time_held_does_not_flow(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let moves = [w.offer(0, Action::Add, true)];
    w.enter(&people, &moves).await;
    let sealed_at = w.now;
    let slice = w.seal_all().await;
    let held = |since, probes| LaneState::Held { reason: Reason::none(), since, probe: Millis::NEVER, probes };
    // One hour flows, two are held by a settlement, one flows, half is held by a person.
    w.now = w.now.after(Duration::HOUR);
    let since = w.now;
    w.send(&slice.parts[0], |s| s.lane = held(since, 0)).await.expect("a settlement");
    w.now = w.now.after(Duration::HOUR);
    w.store.renew(w.lease, w.now).await.expect("renewed");
    w.store.set_lane(w.lease, w.lane, held(since, 1)).await.expect("set");
    assert_eq!(flowing(&w).await, sealed_at, "still held: nothing is added before it ends");
    w.now = w.now.after(Duration::HOUR);
    w.store.renew(w.lease, w.now).await.expect("renewed");
    w.store.set_lane(w.lease, w.lane, LaneState::Open).await.expect("set");
    assert_eq!(flowing(&w).await, sealed_at.after(Duration::HOUR.times(2)));
    w.now = w.now.after(Duration::HOUR);
    w.store.set_lane(w.lease, w.lane, held(w.now, 0)).await.expect("set");
    w.now = w.now.after(Duration::MINUTE.times(30));
    let slice = w.store.open_slice(w.lane).await.expect("read").expect("a slice");
    // A split takes over the shifted clock.
    let part = &slice.parts[0];
    let halves: Vec<PartDraft> = part
        .riders
        .iter()
        .zip([[false, true], [true, false]])
        .map(|(rider, struck)| PartDraft { part: part.part.without(&struck), riders: vec![rider.clone()] })
        .collect();
    w.send(part, |s| (s.ends, s.replaced_by) = (true, halves)).await.expect("a split");
    assert_eq!(flowing(&w).await, sealed_at.after(Duration::MINUTE.times(150)));
    w.balanced().await;
}
