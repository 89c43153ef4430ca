//! What keeps delivery true beside entries: owed removals, corrections, holds, quotas, documents.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::{Action, Consent, Millis, ProfileId, Reason, Status, StepIx};

/// Promise 7: what consent owes is durable with the withdrawal, goes first, and leaves a receipt.
pub async fn rule_11_3_removals_owed_to_consent_go_first_and_leave_receipts<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..2).await;
    assert!(w.store.owing(w.now, 10).await.expect("owing").is_empty());
    let mut denied = person(0);
    denied.consents.insert("advertising".into(), Consent::Denied);
    w.store.upsert(w.lease, vec![denied.clone(), person(1)], w.now).await.expect("people");
    let mut w = w.crash().await;
    let owing = w.store.owing(w.now, 10).await.expect("owing");
    assert_eq!(
        owing.iter().map(|owing| (owing.profile, owing.cause)).collect::<Vec<_>>(),
        [(people[0], Origin::Consent)]
    );
    assert_eq!(owing[0].lanes.iter().map(|(lane, _)| *lane).collect::<Vec<_>>(), [w.lane]);
    assert_eq!(owing[0].lanes[0].1.as_ref().expect("a membership").standing, Standing::In);
    // Someone else's operation waits already.
    w.enter(&people[1..], &[w.offer(1, Action::Remove, false), Move::End]).await;
    let offer = Offer {
        lane: w.lane,
        profile: people[0],
        action: Action::Remove,
        origin: Origin::Consent,
        step: Default::default(),
    };
    assert_eq!(w.store.offer(w.lease, vec![offer, offer], vec![people[0]], w.now).await.expect("an offer"), 1);
    assert!(w.store.owing(w.now, 10).await.expect("owing").is_empty());
    w.balanced().await;
    let lane = w.store.lanes().await.expect("lanes").remove(0);
    assert_eq!((lane.waiting, lane.owed), (2, 1));
    let first = w.peek().await;
    assert_eq!(
        first.iter().map(|op| (op.profile, op.origin, op.seq < 0)).collect::<Vec<_>>(),
        [(people[0], Origin::Consent, true)]
    );
    let open = w.store.receipts(None, 10).await.expect("receipts");
    assert_eq!((open.len(), open[0].profile, open[0].done, open[0].status), (1, people[0], None, Status::Waiting));
    accept_all(&w, left).await;
    w.balanced().await;
    let done = w.store.receipts(Some(people[0]), 10).await.expect("receipts");
    assert_eq!((done[0].done, done[0].status, done[0].part.is_some()), (Some(w.now), Status::Synced, true));
    assert_eq!(w.store.receipts_of("p0000").await.expect("receipts"), done);
    assert!(w.store.receipts(None, 10).await.expect("receipts").is_empty());
    // Only now the other's.
    assert_eq!(w.peek().await.iter().map(|op| op.profile).collect::<Vec<_>>(), [people[1]]);
    // Denying again withdraws nothing.
    w.store.upsert(w.lease, vec![denied], w.now).await.expect("people");
    assert!(w.store.owing(w.now, 10).await.expect("owing").is_empty());
}

/// Promise 4: a removal that is owed and was refused is known until the partner gives another answer.
pub async fn a_refused_removal_counts_once_until_another_answer_comes<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..3).await;
    let offers: Vec<Offer> = people[..2]
        .iter()
        .map(|&profile| Offer {
            lane: w.lane,
            profile,
            action: Action::Remove,
            origin: Origin::Erasure,
            step: Default::default(),
        })
        .collect();
    let refused = Reason::new("partner:2655", "too few would be left");
    let told =
        |count: u64, since: Millis| vec![RefusedRemovals { lane: w.lane, reason: refused.clone(), count, since }];
    let first = told(2, w.now);
    let again = told(2, Millis(w.now.0 + 1));
    let rest = told(1, Millis(w.now.0 + 1));
    for expected in [&first, &again] {
        w.store.offer(w.lease, offers.clone(), Vec::new(), w.now).await.expect("an offer");
        let slice = w.seal_all().await;
        w.send(&slice.parts[0], |s| {
            s.ends = true;
            let riders = slice.parts[0].riders.iter();
            s.outcomes = riders.flat_map(|rider| outcomes(rider, Status::Rejected, GoesTo::Stays)).collect();
            s.outcomes.iter_mut().for_each(|outcome| outcome.reason = refused.clone());
        })
        .await
        .expect("a settlement");
        assert_eq!(w.store.refused_removals().await.expect("refusals"), *expected);
        w.now = Millis(w.now.0 + 1);
    }
    w.store.offer(w.lease, offers[..1].to_vec(), Vec::new(), w.now).await.expect("an offer");
    assert_eq!(w.store.refused_removals().await.expect("refusals"), again, "asked, not answered");
    accept_all(&w, left).await;
    assert_eq!(w.store.refused_removals().await.expect("refusals"), rest);
    w.balanced().await;
}

/// An erased person keeps what was sent until it is removed, then only what proves it.
pub async fn an_erased_person_leaves_receipts_alone<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..2).await;
    let event = |at| caravan_model::Event { name: "click".into(), at: Millis(at), properties: Default::default() };
    w.store.record(w.lease, vec![("p0000".into(), None, event(5))], w.now).await.expect("an event");
    w.now = Millis(w.now.0 + 1_000);
    w.store.erase(w.lease, vec![people[0], ProfileId(77)], w.now).await.expect("an erasure");
    let owing = w.store.owing(w.now, 10).await.expect("owing");
    assert_eq!((owing.len(), owing[0].cause, owing[0].person.is_none()), (1, Origin::Erasure, true));
    assert!(!owing[0].lanes[0].1.as_ref().expect("a membership").recorded.is_empty());
    assert!(w.store.find("p0000").await.expect("a search").is_empty());
    let part = w.store.parts(None, 1).await.expect("parts").remove(0);
    assert_eq!(part.part.rows, 0, "rows of the batch that carried them are gone");
    // What happened before the erasure does not make them anew; what happens later does.
    w.store.record(w.lease, vec![("p0000".into(), None, event(6))], w.now).await.expect("an event");
    assert!(w.store.find("p0000").await.expect("a search").is_empty());
    let offer = Offer {
        lane: w.lane,
        profile: people[0],
        action: Action::Remove,
        origin: Origin::Erasure,
        step: Default::default(),
    };
    w.store.offer(w.lease, vec![offer], vec![people[0]], w.now).await.expect("an offer");
    accept_all(&w, left).await;
    let trace = w.store.trace(people[0]).await.expect("a trace").expect("a number");
    assert_eq!((trace.memberships.len(), trace.events.len(), trace.receipts.len()), (0, 0, 1));
    assert_eq!(w.store.receipts_of("p0000").await.expect("receipts").len(), 1);
    assert_eq!(w.store.erased_at("p0000").await.expect("a look"), Some(w.now));
    assert_eq!(w.store.erased_at("p0001").await.expect("a look"), None);
    w.balanced().await;
    w.store.record(w.lease, vec![("p0000".into(), None, event(w.now.0 + 1))], w.now).await.expect("an event");
    assert_ne!(w.store.find("p0000").await.expect("a search"), [people[0]]);
}

/// A withdrawal while a call is under way finds the lane, though membership knows nothing yet.
pub async fn a_call_under_way_is_owed_a_removal_too<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..1).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    w.seal_all().await;
    let mut sold = person(0);
    sold.do_not_sell_or_share = Some(true);
    w.store.upsert(w.lease, vec![sold], w.now).await.expect("people");
    let owing = w.store.owing(w.now, 10).await.expect("owing");
    assert_eq!(
        owing[0].lanes.iter().map(|(lane, known)| (*lane, known.is_some())).collect::<Vec<_>>(),
        [(w.lane, false)]
    );
}

/// A follow-up that names rows corrects visits, moves both counters, and is asked about until it is judged.
pub async fn rule_11_8_a_correction_moves_both_counters<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    let slice = w.seal_all().await;
    let (now, due) = (w.now, Millis(w.now.0 + 100));
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        s.pending = Some(("job 9".into(), due));
        s.outcomes =
            slice.parts[0].riders.iter().flat_map(|rider| outcomes(rider, Status::Synced, GoesTo::Stays)).collect();
        s.membership =
            slice.parts[0].riders.iter().map(|rider| MembershipChange { ended: now, ..joined(rider, now) }).collect();
    })
    .await
    .expect("a settlement");
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(due));
    assert!(w.store.follow_ups(w.now, 10).await.expect("follow-ups").is_empty());
    let mut w = w.crash().await;
    w.now = due;
    let follow = w.store.follow_ups(w.now, 10).await.expect("follow-ups").remove(0);
    assert_eq!((follow.reference.as_str(), follow.asked, follow.since, follow.riders.len()), ("job 9", 0, now, 2));
    let correction = |again| Correction {
        part: follow.part,
        visits: Vec::new(),
        membership: Vec::new(),
        undone: Vec::new(),
        unprocessed: None,
        counts: Vec::new(),
        again,
        now: due,
    };
    let later = Millis(due.0 + 100);
    w.store.correct(w.lease, correction(Some(later))).await.expect("a correction");
    assert_eq!(w.store.follow_ups(later, 10).await.expect("follow-ups")[0].asked, 1);
    let visits: Vec<Corrected> = follow.riders[..1]
        .iter()
        .flat_map(|rider| &rider.operations)
        .map(|(_, visit, version, step, _)| Corrected {
            visit: *visit,
            step: (*version, *step),
            from: Status::Synced,
            to: Status::Rejected,
            reason: Reason::new("partner:bad", "no such person"),
        })
        .collect();
    let out = MembershipChange { ended: follow.since, ..left(&follow.riders[0], due) };
    let judged = Correction { visits, membership: vec![out], counts: vec![("too old".into(), 4)], ..correction(None) };
    assert_eq!(w.store.correct(w.lease, judged.clone()).await.expect("a correction"), 1);
    assert_eq!(w.store.correct(w.lease, judged).await.expect("a repeat"), 0);
    assert_eq!((w.count(0, Status::Synced).await, w.count(0, Status::Rejected).await), (1, 1));
    w.balanced().await;
    assert!(w.store.follow_ups(later, 10).await.expect("follow-ups").is_empty());
    let standing = w.store.members(w.lane, ProfileId(0), 1).await.expect("members").remove(0).1.standing;
    assert_eq!(standing, Standing::Out);
    assert_eq!(w.store.parts(None, 1).await.expect("parts")[0].judged, [("too old".to_owned(), 4)]);
    let visits = w.store.visits(w.version.id, StepIx(0), Status::Synced, None, 10).await.expect("visits");
    assert_eq!(visits.len(), 1);
    // Quarters of an hour sum up to the counters.
    let history = w.store.history(w.version.id, Millis(0), Millis(i64::MAX)).await.expect("a history");
    let sum = |status| history.iter().filter(|q| q.count.status == status).map(|q| q.change).sum::<i64>();
    assert_eq!((sum(Status::Synced), sum(Status::Rejected)), (1, 1));
}

/// People hold what they name; time held does not flow, whoever holds.
pub async fn rule_11_9_holds_by_people_stop_the_clock<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..1).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    let slice = w.seal_all().await;
    let since = slice.parts[0].flowing_since;
    let at = |w: &World<E>, by: i64| Millis(w.now.0 + by);
    let hold = |scope, since| Hold { scope, words: "audit".into(), by: "ann".into(), since };
    let scope = HoldScope::Connection { name: "meta-main".into() };
    let other = HoldScope::Connector { name: "tiktok".into() };
    w.store.hold(w.lease, hold(scope.clone(), at(&w, 100))).await.expect("a hold");
    w.store.hold(w.lease, hold(other.clone(), at(&w, 100))).await.expect("a hold");
    w.store.hold(w.lease, hold(HoldScope::Everything, at(&w, 200))).await.expect("a hold");
    let mut w = w.crash().await;
    let held = w.store.lanes().await.expect("lanes").remove(0).held_by;
    assert_eq!(held.iter().map(|hold| &hold.scope).collect::<Vec<_>>(), [&scope, &HoldScope::Everything]);
    assert_eq!(w.store.holds().await.expect("holds").len(), 3);
    assert!(w.store.lift(w.lease, scope.clone(), at(&w, 300)).await.expect("a lift"));
    assert!(!w.store.lift(w.lease, scope, at(&w, 300)).await.expect("no lift"));
    let open = w.store.open_slice(w.lane).await.expect("a slice").expect("open");
    assert_eq!(open.parts[0].flowing_since, since, "something still holds it");
    w.now = at(&w, 500);
    assert!(w.store.lift(w.lease, HoldScope::Everything, w.now).await.expect("a lift"));
    let open = w.store.open_slice(w.lane).await.expect("a slice").expect("open");
    assert_eq!(open.parts[0].flowing_since.0, since.0 + 400, "from 100 to 500 it was held");
}

/// What is used of quotas survives a restart and is forgotten with its window.
pub async fn quotas_are_kept_with_the_attempt<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    let charge = |amount, until| Charge {
        key: "app calls 1d".into(),
        bucket: Millis(60_000),
        amount,
        keep_until: Millis(until),
    };
    let ops = w.peek().await;
    let over = w.now.0 + 1_000;
    let sealing = Sealing { charges: vec![charge(1, over)], first_attempt: Some(w.now), ..w.sealing(&[&ops]) };
    let slice = w.store.seal(w.lease, sealing).await.expect("sealed").expect("a slice");
    w.store.attempt(w.lease, slice.parts[0].id, w.now, vec![charge(2, over + 5)], w.now).await.expect("an attempt");
    let w = w.crash().await;
    assert_eq!(w.store.charges(w.now).await.expect("charges"), [charge(3, over + 5)]);
    assert!(w.store.charges(Millis(over + 5)).await.expect("charges").is_empty());
}

/// Documents and exchanges are kept, changed, and forgotten.
pub async fn documents_and_exchanges_are_kept<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let policy = |body: Option<&str>| vec![(DocumentKind::Policy, "policy".to_owned(), body.map(str::to_owned))];
    // Whoever keeps what they read hears of every way to write.
    let mut written = w.store.documents_written();
    let mut is_told = |now: Option<u64>| std::mem::replace(&mut written, now) != now || now.is_none();
    w.store.put_documents(w.lease, policy(Some("{}"))).await.expect("kept");
    assert!(is_told(w.store.documents_written()));
    w.store.note(w.lease, policy(Some("{\"a\":1}")), Vec::new()).await.expect("kept");
    assert!(is_told(w.store.documents_written()));
    assert!(w.store.swap_sealed("s".to_owned(), None, Some("x".to_owned()), None).await.expect("sealed"));
    assert!(is_told(w.store.documents_written()));
    let forget = ImportStep::Forget { import: "none".to_owned() };
    w.store.import(w.lease, forget, w.now).await.expect("nothing was there");
    assert!(is_told(w.store.documents_written()));
    let people = w.people(0..1).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    let slice = w.seal_all().await;
    w.send(&slice.parts[0], |s| s.exchange = "[1]".into()).await.expect("a settlement");
    let w = w.crash().await;
    assert_eq!(
        w.store.documents(DocumentKind::Policy).await.expect("documents"),
        [("policy".to_owned(), "{\"a\":1}".to_owned())]
    );
    assert!(w.store.documents(DocumentKind::Alert).await.expect("documents").is_empty());
    w.store.put_documents(w.lease, policy(None)).await.expect("removed");
    assert!(w.store.documents(DocumentKind::Policy).await.expect("documents").is_empty());
    assert_eq!(w.store.parts(None, 1).await.expect("parts")[0].exchanges, [(1, "[1]".to_owned())]);
    assert_eq!(w.store.prune(w.lease, w.now).await.expect("pruned"), 0);
    assert_eq!(w.store.prune(w.lease, Millis(w.now.0 + 1)).await.expect("pruned"), 1);
    assert!(w.store.parts(None, 1).await.expect("parts")[0].exchanges.is_empty());
}

/// Promise 4: a removal that consent owes and the partner refuses is owed again, until it is done.
pub async fn a_refused_removal_is_owed_again<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..1).await;
    w.store.erase(w.lease, people.clone(), w.now).await.expect("an erasure");
    let (profile, lane) = (people[0], w.lane);
    let offer = Offer { lane, profile, action: Action::Remove, origin: Origin::Erasure, step: Default::default() };
    w.store.offer(w.lease, vec![offer], people.clone(), w.now).await.expect("an offer");
    let slice = w.seal_all().await;
    let now = w.now;
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        let refused = outcomes(&slice.parts[0].riders[0], Status::Rejected, GoesTo::Stays);
        s.outcomes = refused
            .into_iter()
            .map(|outcome| Outcome { reason: Reason::new("held-audience-too-small", "too small"), ..outcome })
            .collect();
        s.now = now;
    })
    .await
    .expect("the settlement is taken");
    let mut w = w.crash().await;
    let open = w.store.receipts(None, 10).await.expect("receipts");
    assert_eq!((open.len(), open[0].status, open[0].done), (1, Status::Rejected, Some(now)));
    assert!(w.store.owing(w.now, 10).await.expect("owing").is_empty(), "not at once");
    let again = w.store.next_timer().await.expect("a timer").expect("it is owed again");
    w.now = again;
    let owing = w.store.owing(w.now, 10).await.expect("owing");
    assert_eq!((owing.len(), owing[0].profile, owing[0].cause), (1, profile, Origin::Erasure));
    assert!(!owing[0].lanes[0].1.as_ref().expect("a membership").recorded.is_empty(), "what was sent is kept");
    w.store.offer(w.lease, vec![offer], people, w.now).await.expect("an offer");
    let open = w.store.receipts(None, 10).await.expect("receipts");
    assert_eq!(open.iter().map(|receipt| receipt.status).collect::<Vec<_>>(), [Status::Waiting]);
    accept_all(&w, left).await;
    assert!(w.store.receipts(None, 10).await.expect("receipts").is_empty());
    let receipts = w.store.receipts(Some(profile), 10).await.expect("receipts");
    assert_eq!(receipts.iter().map(|r| r.status).collect::<Vec<_>>(), [Status::Rejected, Status::Synced]);
    w.balanced().await;
}
