//! Slices and parts: sealing, attempts, settlements.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::{Action, Digest, Effect, Millis, Reason, Status, StepIx};

/// A world with people parked in the lane.
async fn parked<E: Engine>(engine: E, people: usize) -> World<E> {
    let mut w = World::new(engine).await;
    let ids = w.people(0..people).await;
    let moves = [w.offer(0, Action::Add, true)];
    w.enter(&ids, &moves).await;
    w
}

fn all(part: &OpenPart, status: Status, goes: GoesTo) -> Vec<Outcome> {
    part.riders.iter().flat_map(|rider| outcomes(rider, status, goes)).collect()
}

pub async fn a_slice_lives_from_sealing_to_settlement(engine: impl Engine) {
    let w = parked(engine, 4).await;
    let ops = w.peek().await;
    let mut sealing = w.sealing(&[&ops[..2], &ops[2..3]]);
    sealing.upto = 4;
    sealing.outcomes = vec![outcome(&ops[3], Status::Skipped, GoesTo::Step(StepIx(5)))];
    sealing.settings = r#"{"a":1}"#.into();
    sealing.first_attempt = Some(Millis(5));
    let slice = w.store.seal(w.lease, sealing).await.expect("sealed").expect("a slice");
    assert_eq!((slice.lane, &*slice.connection, slice.digest, slice.at), (w.lane, "meta-main", Digest([7; 32]), w.now));
    assert_eq!(
        slice.parts.iter().map(|p| (p.attempts, p.open_until)).collect::<Vec<_>>(),
        [(1, Some(Millis(5))), (0, None)]
    );
    assert_eq!(slice.parts[0].part.id, format!("{}-1", slice.id));
    assert_eq!(slice.parts[0].part.columns[0].value(1), format!("hash of {}", ops[1].profile));
    assert!(w.peek().await.is_empty());
    w.balanced().await;

    let mut settlement = w.settlement(&slice.parts[0], 1);
    settlement.ends = true;
    settlement.outcomes = all(&slice.parts[0], Status::Synced, GoesTo::End);
    w.store.settle(w.lease, settlement).await.expect("a settlement");
    w.balanced().await;
    let left = w.store.open_slice(w.lane).await.expect("read").expect("still open");
    assert_eq!(left.parts.iter().map(|p| p.id).collect::<Vec<_>>(), [slice.parts[1].id]);
    let done = all(&slice.parts[1], Status::Rejected, GoesTo::Step(StepIx(4)));
    w.send(&slice.parts[1], |s| (s.ends, s.outcomes) = (true, done)).await.expect("a settlement");
    assert!(w.store.open_slice(w.lane).await.expect("read").is_none());
    assert_eq!((w.count(0, Status::Synced).await, w.count(0, Status::Rejected).await), (2, 1));
    let arrivals = w.store.due(w.now, 10, false).await.expect("due");
    assert_eq!(arrivals.iter().map(|due| due.step.0).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(w.census().await, (4, 2));
    w.balanced().await;
    let trace = w.store.trace(ops[0].profile).await.expect("a trace").expect("a person");
    assert_eq!(trace.visits[0].part.as_deref(), Some(slice.parts[0].part.id.as_str()));
}

pub async fn rule_11_4_a_slice_is_immutable_and_comes_back_unchanged(engine: impl Engine) {
    let mut w = parked(engine, 3).await;
    let ops = w.peek().await;
    let sealing = w.sealing(&[&ops]);
    let slice = w.store.seal(w.lease, sealing.clone()).await.expect("sealed").expect("a slice");
    let again = w.store.seal(w.lease, sealing).await.expect("a repeat").expect("the same slice");
    let same = |a: &Slice, b: &Slice| {
        assert_eq!(
            (a.id, &a.connection, a.digest, &a.settings, a.at),
            (b.id, &b.connection, b.digest, &b.settings, b.at)
        );
        assert_eq!((&a.parts[0].part, &a.parts[0].riders), (&b.parts[0].part, &b.parts[0].riders));
    };
    same(&slice, &again);
    // What comes later waits for the next slice.
    let more = w.people(3..4).await;
    let moves = [w.offer(0, Action::Remove, true)];
    w.enter(&more, &moves).await;
    let ops = w.peek().await;
    assert!(is_impossible(w.store.seal(w.lease, w.sealing(&[&ops])).await));
    same(&slice, &w.store.open_slice(w.lane).await.expect("read").expect("a slice"));
    w.balanced().await;
    let w = w.crash().await;
    same(&slice, &w.store.open_slice(w.lane).await.expect("read").expect("a slice"));
    let part = &slice.parts[0];
    w.send(part, |s| (s.ends, s.outcomes) = (true, all(part, Status::Synced, GoesTo::End))).await.expect("settled");
    // A late repeat of the sealing finds nothing left to do.
    assert!(w.store.seal(w.lease, w.sealing(&[])).await.expect("a late repeat").is_none());
    assert_eq!(w.peek().await.len(), 1);
    w.balanced().await;
}

pub async fn rule_11_12_a_slice_that_an_exit_or_a_stop_overtook_has_no_attempt_yet(engine: impl Engine) {
    let mut w = parked(engine, 8).await;
    let charge = Charge { key: "calls".into(), bucket: w.now, amount: 1, keep_until: Millis(w.now.0 + 60_000) };
    let sealing = |w: &World<_>, ops: &[Queued]| Sealing {
        first_attempt: Some(Millis(5)),
        charges: vec![charge.clone()],
        exited: ops.iter().filter(|op| op.exited).count(),
        ..w.sealing(&[ops])
    };
    let attempts = |slice: &Slice| (slice.parts[0].attempts, slice.parts[0].open_until);
    // Somebody leaves behind the look.
    let ops = w.peek().await[..2].to_vec();
    let leaver = ops[1].profile;
    w.store.signal_exit(w.lease, w.version.id, vec![leaver], Reason::none(), w.now).await.expect("let out");
    let slice = w.store.seal(w.lease, sealing(&w, &ops)).await.expect("sealed").expect("a slice");
    assert_eq!(attempts(&slice), (0, None));
    assert_eq!(w.store.charges(w.now).await.expect("charges"), [], "no attempt uses nothing");
    let changed = w.store.recheck(slice.parts[0].id).await.expect("a recheck");
    assert_eq!(
        changed.iter().map(|op| (op.profile, op.exited)).collect::<Vec<_>>(),
        [(ops[0].profile, false), (leaver, true)]
    );
    let close = async |w: &World<_>, slice: &Slice| {
        let part = &slice.parts[0];
        w.send(part, |s| (s.ends, s.outcomes) = (true, all(part, Status::Synced, GoesTo::End))).await.expect("settled");
        w.balanced().await;
    };
    close(&w, &slice).await;
    // Whoever leaves elsewhere in the queue, or had left before the look, changes nothing.
    let ops = w.peek().await;
    w.store.signal_exit(w.lease, w.version.id, vec![ops[1].profile], Reason::none(), w.now).await.expect("let out");
    let ops = w.peek().await;
    w.store.signal_exit(w.lease, w.version.id, vec![ops[3].profile], Reason::none(), w.now).await.expect("let out");
    let slice = w.store.seal(w.lease, sealing(&w, &ops[..2])).await.expect("sealed").expect("a slice");
    assert_eq!(attempts(&slice), (1, Some(Millis(5))));
    close(&w, &slice).await;
    // The canvas is stopped behind the look.
    let ops = w.peek().await[..2].to_vec();
    let document = |body: &str| (DocumentKind::Canvas, "journey".to_owned(), Some(body.to_owned()));
    w.store.put_documents(w.lease, vec![document("stopped")]).await.expect("written");
    let slice = w.store.seal(w.lease, sealing(&w, &ops)).await.expect("sealed").expect("a slice");
    assert_eq!(attempts(&slice), (0, None));
    close(&w, &slice).await;
    // And was so at the look.
    w.now = Millis(w.now.0 + 1);
    let ops = w.peek().await;
    let seen = CanvasesSeen::from_iter([("journey".to_owned(), "stopped".to_owned())]);
    let slice = w.store.seal(w.lease, Sealing { seen, ..sealing(&w, &ops) }).await.expect("sealed").expect("a slice");
    assert_eq!(attempts(&slice), (1, Some(Millis(5))));
    close(&w, &slice).await;
}

pub async fn rule_11_4_sealing_needs_a_word_on_every_operation(engine: impl Engine) {
    let w = parked(engine, 3).await;
    let ops = w.peek().await;
    let refused = async |change: fn(&mut Sealing)| {
        let mut sealing = w.sealing(&[&ops[..2]]);
        sealing.upto = 3;
        sealing.outcomes = vec![outcome(&ops[2], Status::Skipped, GoesTo::End)];
        change(&mut sealing);
        is_impossible(w.store.seal(w.lease, sealing).await)
    };
    assert!(refused(|s| s.outcomes.clear()).await, "operation 3 is forgotten");
    assert!(refused(|s| s.outcomes.push(s.outcomes[0].clone())).await, "two outcomes");
    assert!(refused(|s| s.outcomes[0].seq = 1).await, "an outcome for one that rides");
    assert!(refused(|s| s.upto = 4).await, "there is no operation 4");
    assert!(refused(|s| s.upto = 2).await, "an outcome beyond what is taken");
    assert!(refused(|s| s.outcomes[0].status = Status::Waiting).await, "not final");
    assert!(refused(|s| s.outcomes[0].goes = GoesTo::Stays).await, "it would rest nowhere");
    assert!(refused(|s| s.outcomes[0].step.1 = StepIx(3)).await, "another step");
    assert!(refused(|s| s.outcomes[0].goes = GoesTo::Step(StepIx(77))).await, "no such step");
    assert!(refused(|s| s.parts[0].riders[0].operations[0].1.ordinal = 7).await, "another visit");
    assert_eq!(w.peek().await.len(), 3, "nothing was taken");
    w.balanced().await;
    assert!(!refused(|_| ()).await);
    w.balanced().await;
}

pub async fn rule_11_4_removals_stay_before_adds_when_a_part_is_split(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..4).await;
    let (remove, add) = ([w.offer(0, Action::Remove, true)], [w.offer(1, Action::Add, true)]);
    w.enter(&people[..2], &remove).await;
    w.enter(&people[2..], &add).await;
    let ops = w.peek().await;
    let slice = w.store.seal(w.lease, w.sealing(&[&ops[..2], &ops[2..]])).await.expect("sealed").expect("a slice");
    let part = &slice.parts[0];
    let halves = vec![draft(&ops[..1]), draft(&ops[1..2])];
    w.send(part, |s| (s.ends, s.replaced_by, s.poison) = (true, halves.clone(), 2)).await.expect("a split");
    let now = w.store.open_slice(w.lane).await.expect("read").expect("a slice");
    let order: Vec<_> = now.parts.iter().map(|p| (p.part.action, p.riders[0].profile, p.poison)).collect();
    assert_eq!(order, [(Action::Remove, people[0], 2), (Action::Remove, people[1], 2), (Action::Add, people[2], 0)]);
    assert_eq!(now.parts[0].part.id, format!("{}-3", slice.id), "a part keeps its name, a new one gets a new one");
    assert!(now.parts[0].may_have_landed && !now.parts[2].may_have_landed);
    w.balanced().await;
    for part in &now.parts {
        let done = all(part, Status::Synced, GoesTo::End);
        w.send(part, |s| (s.ends, s.outcomes) = (true, done)).await.expect("settled");
        w.balanced().await;
    }
    let unended = w.enter(&people[..1], &add).await;
    assert_eq!(unended.entered, 1);
    let slice = w.seal_all().await;
    let rides = vec![draft(&ops[..1])];
    let result = w.send(&slice.parts[0], |s| s.replaced_by = rides.clone()).await;
    assert!(is_impossible(result), "only an ended part can be replaced");
    let mut again = w.settlement(&slice.parts[0], 1);
    (again.ends, again.replaced_by) = (true, rides);
    assert!(is_impossible(w.store.settle(w.lease, again).await), "what is final cannot ride on");
    w.balanced().await;
}

pub async fn rule_11_6_attempts_are_recorded_before_and_ended_once(engine: impl Engine) {
    let w = parked(engine, 1).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    let settlement = w.settlement(part, 1);
    assert!(is_impossible(w.store.settle(w.lease, settlement.clone()).await), "no attempt, no end");
    for n in 1..=3 {
        let attempt = w.store.attempt(w.lease, part.id, Millis(9), Vec::new(), w.now).await.expect("an attempt");
        assert_eq!(attempt, n);
        let open = w.store.open_slice(w.lane).await.expect("read").expect("a slice").parts.remove(0);
        assert_eq!((open.attempts, open.open_until, open.may_have_landed), (n, Some(Millis(9)), false));
        let mut settlement = w.settlement(part, n);
        settlement.effect = Effect::None;
        settlement.note = format!("connection refused, try {n}");
        w.store.settle(w.lease, settlement).await.expect("an end");
        let open = w.store.open_slice(w.lane).await.expect("read").expect("a slice").parts.remove(0);
        assert_eq!((open.attempts, open.open_until, open.may_have_landed), (n, None, false));
    }
    let mut late = w.settlement(part, 2);
    late.ends = true;
    late.outcomes = all(part, Status::Synced, GoesTo::End);
    w.store.settle(w.lease, late).await.expect("a late repeat does nothing");
    assert_eq!(w.count(0, Status::Waiting).await, 1);
    let record = w.store.part(&part.part.id).await.expect("read").expect("a part");
    assert_eq!(record.attempts.len(), 3);
    assert!(record.attempts[2].contains("try 3") && record.attempts[2].contains("no effect"), "{:?}", record.attempts);
    w.balanced().await;
}

pub async fn rule_11_6_an_attempt_without_an_end_may_have_landed(engine: impl Engine) {
    let w = parked(engine, 1).await;
    let slice = w.seal_all().await;
    let part = slice.parts[0].id;
    w.store.attempt(w.lease, part, Millis(77), Vec::new(), w.now).await.expect("an attempt");
    let w = w.crash().await;
    let open = w.store.open_slice(w.lane).await.expect("read").expect("a slice").parts.remove(0);
    assert_eq!((open.attempts, open.open_until), (1, Some(Millis(77))), "a successor sees until when it must wait");
    assert_eq!(w.store.attempt(w.lease, part, Millis(99), Vec::new(), w.now).await.expect("an attempt"), 2);
    let mut settlement = w.settlement(&open, 2);
    settlement.effect = Effect::None;
    w.store.settle(w.lease, settlement).await.expect("an end");
    let open = w.store.open_slice(w.lane).await.expect("read").expect("a slice").parts.remove(0);
    assert!(open.may_have_landed, "the first may have, whatever the second did");
}

pub async fn rule_11_6_struck_people_stay_in_the_rows(engine: impl Engine) {
    let w = parked(engine, 3).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    let struck = outcomes(&part.riders[1], Status::Rejected, GoesTo::End);
    w.send(part, |s| (s.struck, s.outcomes) = (vec![1], struck.clone())).await.expect("a strike");
    w.balanced().await;
    let open = w.store.open_slice(w.lane).await.expect("read").expect("a slice").parts.remove(0);
    assert_eq!((open.struck.as_slice(), open.part.rows, open.riders.len()), ([1].as_slice(), 3, 3));
    assert_eq!(w.store.recheck(part.id).await.expect("a recheck").len(), 2);
    let twice = w.send(part, |s| s.outcomes = struck).await;
    assert!(is_impossible(twice), "a final status is final");
    w.balanced().await;
}

pub async fn rule_11_6_an_exit_after_sealing_finishes_the_operation(engine: impl Engine) {
    let w = parked(engine, 3).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    let profiles = part.riders.iter().map(|rider| rider.profile).take(2).collect();
    let left = w.store.signal_exit(w.lease, w.version.id, profiles, Reason::none(), w.now).await.expect("an exit");
    assert_eq!(left, 2);
    w.balanced().await;
    assert_eq!(
        w.store.recheck(part.id).await.expect("a recheck").iter().map(|op| op.exited).collect::<Vec<_>>(),
        [true, true, false]
    );
    let mut done = outcomes(&part.riders[0], Status::Synced, GoesTo::Step(StepIx(3)));
    done.extend(outcomes(&part.riders[1], Status::Synced, GoesTo::End));
    done.extend(outcomes(&part.riders[2], Status::Synced, GoesTo::Step(StepIx(3))));
    w.send(part, |s| (s.ends, s.outcomes) = (true, done)).await.expect("settled");
    let due = w.store.due(w.now, 10, false).await.expect("due");
    assert_eq!(
        due.iter().map(|due| due.profile).collect::<Vec<_>>(),
        [part.riders[2].profile],
        "an ended entry moves nowhere"
    );
    assert_eq!((w.count(0, Status::Synced).await, w.census().await), (3, (3, 1)));
    w.balanced().await;
}

pub async fn rule_11_8_doubtful_counts_stay_with_the_part(engine: impl Engine) {
    let w = parked(engine, 3).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    w.send(part, |s| {
        (s.ends, s.doubtful, s.pending) = (true, 2, Some(("job 9".into(), w.now)));
        s.outcomes = all(part, Status::Synced, GoesTo::End);
    })
    .await
    .expect("settled");
    let record = w.store.part(&part.part.id).await.expect("read").expect("a part");
    assert_eq!((record.doubtful, record.ended), (2, Some(w.now)));
    assert!(record.attempts.iter().any(|line| line.contains("job 9")));
    assert_eq!(w.count(0, Status::Synced).await, 3, "they stay synced");
}

pub async fn a_repeated_settlement_does_nothing(engine: impl Engine) {
    let w = parked(engine, 2).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    let attempt = w.store.attempt(w.lease, part.id, w.now, Vec::new(), w.now).await.expect("an attempt");
    let mut settlement = w.settlement(part, attempt);
    settlement.ends = true;
    settlement.doubtful = 1;
    settlement.outcomes = all(part, Status::Synced, GoesTo::Step(StepIx(1)));
    settlement.membership = part.riders.iter().map(|rider| joined(rider, w.now)).collect();
    w.store.settle(w.lease, settlement.clone()).await.expect("settled");
    let before = w.store.counters(w.version.id).await.expect("counters");
    for _ in 0..2 {
        settlement.lane = LaneState::Held { reason: Reason::none(), since: w.now, probe: Millis::NEVER, probes: 0 };
        w.store.settle(w.lease, settlement.clone()).await.expect("a repeat");
    }
    assert_eq!(w.store.counters(w.version.id).await.expect("counters"), before);
    assert_eq!(w.store.lanes().await.expect("lanes")[0].state, LaneState::Open);
    assert!(
        is_impossible(w.store.attempt(w.lease, part.id, w.now, Vec::new(), w.now).await),
        "an ended part is never sent again"
    );
    let w = w.crash().await;
    w.store.settle(w.lease, settlement).await.expect("a repeat after a crash");
    assert_eq!(w.store.due(w.now, 10, false).await.expect("due").len(), 2);
    w.balanced().await;
}

pub async fn a_settlement_that_forgets_someone_is_refused(engine: impl Engine) {
    let w = parked(engine, 2).await;
    let slice = w.seal_all().await;
    let part = &slice.parts[0];
    let attempt = w.store.attempt(w.lease, part.id, w.now, Vec::new(), w.now).await.expect("an attempt");
    let mut settlement = w.settlement(part, attempt);
    settlement.ends = true;
    settlement.outcomes = outcomes(&part.riders[0], Status::Synced, GoesTo::End);
    assert!(is_impossible(w.store.settle(w.lease, settlement.clone()).await), "the second is forgotten");
    settlement.outcomes.extend(settlement.outcomes.clone());
    assert!(is_impossible(w.store.settle(w.lease, settlement.clone()).await), "the first twice");
    w.balanced().await;
    settlement.outcomes = all(part, Status::Synced, GoesTo::End);
    w.store.settle(w.lease, settlement).await.expect("refused calls have left nothing");
    w.balanced().await;
}

pub async fn a_crash_keeps_the_slice_and_its_attempt(engine: impl Engine) {
    let mut w = parked(engine, 2_500).await;
    let ops = w.peek().await;
    let mut sealing = w.sealing(&[&ops[..1_000], &ops[1_000..]]);
    sealing.first_attempt = Some(Millis(42));
    let slice = w.store.seal(w.lease, sealing).await.expect("sealed").expect("a slice");
    w = w.crash().await;
    w.balanced().await;
    let back = w.store.open_slice(w.lane).await.expect("read").expect("a slice");
    assert_eq!(back.parts.len(), 2);
    assert_eq!((back.parts[0].attempts, back.parts[0].open_until), (1, Some(Millis(42))));
    for (before, after) in slice.parts.iter().zip(&back.parts) {
        assert_eq!((&before.part, &before.riders), (&after.part, &after.riders));
    }
    for part in &back.parts {
        let done = all(part, Status::Synced, GoesTo::End);
        w.send(part, |s| {
            s.membership = part.riders.iter().map(|rider| joined(rider, s.now)).collect();
            (s.ends, s.outcomes) = (true, done);
        })
        .await
        .expect("settled");
        w = w.crash().await;
        w.balanced().await;
    }
    assert_eq!((w.count(0, Status::Synced).await, w.census().await), (2_500, (2_500, 0)));
}

pub async fn ended_parts_can_be_looked_at(engine: impl Engine) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    let mut names = Vec::new();
    for round in 0..60 {
        let moves = [w.offer(0, if round % 2 == 0 { Action::Add } else { Action::Remove }, false), Move::End];
        w.enter(&people, &moves).await;
        let slice = w.seal_all().await;
        let part = &slice.parts[0];
        w.send(part, |s| (s.ends, s.outcomes) = (true, all(part, Status::Synced, GoesTo::Stays)))
            .await
            .expect("settled");
        names.push(part.part.id.clone());
    }
    let newest = w.store.parts(Some(w.lane), 3).await.expect("read");
    assert_eq!(newest.iter().map(|p| &p.name).collect::<Vec<_>>(), names.iter().rev().take(3).collect::<Vec<_>>());
    assert_eq!((newest[0].part.rows, newest[0].part.action), (2, Action::Remove));
    assert_eq!(
        (newest[0].lane.clone(), newest[0].connection.as_str(), newest[0].at),
        (lane_key("aud-1"), "meta-main", w.now)
    );
    assert_eq!(w.store.parts(None, 100).await.expect("read").len(), 60);
    // The rows of old ones are not kept for ever; that they were, is.
    let oldest = w.store.part(&names[0]).await.expect("read").expect("a part");
    assert_eq!((oldest.part.rows, oldest.ended.is_some(), oldest.attempts.len()), (0, true, 1));
    for nothing in ["", "-", "1", "99-1", "1-99", "x-1"] {
        assert!(w.store.part(nothing).await.expect("read").is_none(), "{nothing}");
    }
    w.balanced().await;
}

pub async fn a_recheck_sees_people_as_they_are_now(engine: impl Engine) {
    let w = parked(engine, 2).await;
    let slice = w.seal_all().await;
    let mut changed = person(1);
    changed.do_not_sell_or_share = Some(true);
    w.store.upsert(w.lease, vec![changed], w.now).await.expect("a person");
    let now = w.store.recheck(slice.parts[0].id).await.expect("a recheck");
    let sold: Vec<_> = now.iter().map(|op| op.person.as_ref().and_then(|p| p.do_not_sell_or_share)).collect();
    assert_eq!(sold, [None, Some(true)]);
    assert_eq!(
        (now[1].action, &*now[1].connection, now[1].step),
        (Action::Add, "meta-main", (w.version.id, StepIx(0)))
    );
    let part = &slice.parts[0];
    w.send(part, |s| (s.ends, s.outcomes) = (true, all(part, Status::Synced, GoesTo::End))).await.expect("settled");
    assert!(w.store.recheck(part.id).await.expect("a recheck").is_empty(), "an ended part has nobody to strike");
}
