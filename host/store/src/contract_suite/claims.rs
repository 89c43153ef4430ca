//! Claims that end, renewals, refills, resends, rebinding: operations that no entry asks for.
use super::Engine;
use super::world::*;
use crate::contract::*;
use caravan_model::{Action, Duration, Millis, ProfileId, Reason, Status, StepIx};

/// Rule 11.17: a takeback and the end of `keep_for` queue the end of one claim.
pub async fn rule_11_17_claims_end_one_by_one<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..3).await;
    // The second person is asked for by another step too, which keeps them until an instant.
    w.enter(&people[1..2], &[w.offer(3, Action::Add, false), Move::End]).await;
    let ops = w.peek().await;
    let mut sealing = w.sealing(&[]);
    let until = Millis(w.now.0 + 500);
    sealing.upto = ops[0].seq;
    sealing.outcomes = vec![outcome(&ops[0], Status::Unchanged, GoesTo::Stays)];
    sealing.membership = vec![MembershipChange {
        profile: people[1],
        claim: Some(Claim { version: w.version.id, step: StepIx(3), until: Some(until) }),
        ended: w.now,
        ..MembershipChange::default()
    }];
    w.store.seal(w.lease, sealing).await.expect("sealed");
    let store = w.store.clone();
    let members = async |after, limit| store.members(w.lane, after, limit).await.expect("members");
    assert_eq!(members(ProfileId(0), 10).await.len(), 3);
    assert_eq!(members(people[0], 1).await[0].0, people[1]);
    let (_, second) = members(people[0], 1).await.remove(0);
    assert_eq!(
        second.claims.iter().map(Claim::of).collect::<Vec<_>>(),
        [(w.version.id, StepIx(0)), (w.version.id, StepIx(3))]
    );
    assert_eq!(second.newest, w.now);
    // Takeback of step 0, in pages; a repeat queues nothing more.
    let claims = vec![(w.version.id, StepIx(0))];
    let take = async |after, limit| {
        w.store.take_back(w.lease, w.lane, claims.clone(), after, limit, w.now).await.expect("a takeback")
    };
    let first = take(ProfileId(0), 2).await;
    assert_eq!((first.offered, first.next), (2, Some(people[1])));
    assert_eq!(take(people[1], 2).await, Walked { offered: 1, next: None });
    assert_eq!(take(ProfileId(0), 10).await, Walked { offered: 0, next: None });
    let ops = w.peek().await;
    assert!(ops.iter().all(|op| op.origin == Origin::TakeBack && op.action == Action::Remove && op.step == claims[0]));
    assert_eq!(ops.len(), 3);
    w.balanced().await;
    // Ends of claims and members are the sealing's to decide; here all three lose the claim.
    let mut sealing = w.sealing(&[]);
    sealing.upto = ops[2].seq;
    sealing.outcomes = ops.iter().map(|op| outcome(op, Status::Unchanged, GoesTo::Stays)).collect();
    sealing.membership = people
        .iter()
        .map(|person| MembershipChange {
            profile: *person,
            end_claim: Some(claims[0]),
            ended: w.now,
            ..Default::default()
        })
        .collect();
    w.store.seal(w.lease, sealing).await.expect("sealed");
    let claims: Vec<usize> = members(ProfileId(0), 10).await.iter().map(|(_, member)| member.claims.len()).collect();
    assert_eq!(claims, [0, 1, 0]);
    // Then the other claim's time is over.
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(until));
    assert_eq!(w.store.end_claims(w.lease, w.now, 10).await.expect("ends"), 0);
    assert_eq!(w.store.end_claims(w.lease, until, 10).await.expect("ends"), 1);
    assert_eq!(w.store.end_claims(w.lease, until, 10).await.expect("ends"), 0);
    let ops = w.peek().await;
    assert_eq!(ops.iter().map(|op| (op.profile, op.origin)).collect::<Vec<_>>(), [(people[1], Origin::KeepFor)]);
    w.balanced().await;
}

/// What a step asks for while its takeback is under way is taken back too.
pub async fn a_takeback_finds_what_is_not_sent_yet<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..2).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    w.enter(&people[..1], &[w.offer(1, Action::Add, false), Move::End]).await;
    let claims = vec![(w.version.id, StepIx(0))];
    let walked = w.store.take_back(w.lease, w.lane, claims, ProfileId(0), 10, w.now).await.expect("a takeback");
    assert_eq!(walked.offered, 2);
    w.balanced().await;
}

/// A member is renewed once for each acknowledgement, and looked at again in time.
pub async fn members_are_renewed_once_per_acknowledgement<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..2).await;
    let age = Duration::DAY.times(10);
    let renew = async |w: &World<E>| w.store.renew_members(w.lease, w.lane, age, w.now).await.expect("renewals");
    assert_eq!(renew(&w).await, 0);
    let due = w.now.after(age);
    assert_eq!(w.store.next_timer().await.expect("a timer"), Some(due));
    assert_eq!(w.store.lanes().await.expect("lanes")[0].next_renewal, Some(due));
    w.now = due;
    assert_eq!(renew(&w).await, 2);
    assert_eq!(renew(&w).await, 0);
    let ops = w.peek().await;
    assert_eq!(
        ops.iter().map(|op| (op.profile, op.origin, op.action)).collect::<Vec<_>>(),
        people.iter().map(|p| (*p, Origin::Renewal, Action::Add)).collect::<Vec<_>>()
    );
    let w = w.crash().await;
    accept_all(&w, joined).await;
    let mut w = w;
    w.balanced().await;
    assert_eq!(w.count(0, Status::Synced).await, 2, "a renewal is no visit");
    w.now = w.now.after(age);
    assert_eq!(renew(&w).await, 2);
}

/// Where members are kept for a shorter time from now on, they are not looked at as late as was noted before.
pub async fn a_shorter_age_of_renewal_counts_at_once<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    members(&mut w, 0..2).await;
    let long = Duration::DAY.times(270);
    assert_eq!(w.store.renew_members(w.lease, w.lane, long, w.now).await.expect("renewals"), 0);
    w.now = w.now.after(Duration::DAY.times(20));
    let short = Duration::DAY.times(15);
    assert_eq!(w.store.renew_members(w.lease, w.lane, long, w.now).await.expect("renewals"), 0);
    assert_eq!(w.store.renew_members(w.lease, w.lane, short, w.now).await.expect("renewals"), 2);
    assert_eq!(w.store.renew_members(w.lease, w.lane, short, w.now).await.expect("renewals"), 0);
    w.balanced().await;
}

/// Everyone whom membership holds is added anew elsewhere, and the old audience can be forgotten.
pub async fn a_refill_adds_whom_membership_holds<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..3).await;
    let spec = LaneSpec { stripes: 2, ..lane_spec("aud-2", "meta-main", true, Vec::new()) };
    let (to, _) = w.store.lane(w.lease, spec).await.expect("a lane");
    let refill = |after, limit| Refill { from: w.lane, to, forget: true, after, limit, now: w.now };
    let first = w.store.refill(w.lease, refill(ProfileId(0), 2)).await.expect("a refill");
    assert_eq!((first.offered, first.next), (2, Some(people[1])));
    let rest = w.store.refill(w.lease, refill(people[1], 10)).await.expect("a refill");
    assert_eq!((rest.offered, rest.next), (1, None));
    assert!(w.store.members(w.lane, ProfileId(0), 10).await.expect("members").is_empty());
    // Two stripes share the people; each has their own for ever.
    let lanes = w.store.lanes().await.expect("lanes");
    let stripes: Vec<&Lane> = lanes.iter().filter(|lane| lane.key == lane_key("aud-2")).collect();
    assert_eq!(stripes.iter().map(|lane| lane.stripe).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(stripes.iter().map(|lane| lane.waiting).sum::<u64>(), 3);
    assert!(stripes.iter().all(|lane| lane.waiting > 0));
    // Whoever asked for them goes on asking there, though nothing is known to stand there.
    for stripe in &stripes {
        for (_, member) in w.store.members(stripe.id, ProfileId(0), 10).await.expect("members") {
            let asked = member.claims.iter().map(Claim::of).collect::<Vec<_>>();
            assert_eq!((member.standing, asked.len(), member.recorded.len()), (Standing::Unknown, 1, 0));
        }
    }
    w.balanced().await;
}

/// Expired people wait again, are counted once, and are not sent over something newer.
pub async fn rule_11_9_a_resend_waits_again_unless_something_newer_exists<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    let slice = w.seal_all().await;
    let now = w.now;
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        s.outcomes = slice.parts[0]
            .riders
            .iter()
            .flat_map(|rider| outcomes(rider, Status::Expired, GoesTo::Stays))
            .map(|outcome| Outcome { reason: Reason::new("retries-exhausted", "down"), ..outcome })
            .collect();
        s.membership = slice.parts[0]
            .riders
            .iter()
            .map(|rider| MembershipChange {
                profile: rider.profile,
                now: Some(MembershipNow {
                    standing: Standing::Unknown,
                    recorded: Vec::new(),
                    fingerprint: [0; 16],
                    at: now,
                }),
                ended: now,
                ..MembershipChange::default()
            })
            .collect();
    })
    .await
    .expect("a settlement");
    assert_eq!(w.count(0, Status::Expired).await, 3);
    w.now = Millis(w.now.0 + 10);
    // The first person's newer remove has ended, the second's waits.
    w.enter(&people[..1], &[w.offer(1, Action::Remove, false), Move::End]).await;
    accept_all(&w, left).await;
    w.enter(&people[1..2], &[w.offer(1, Action::Remove, false), Move::End]).await;
    let resend = |reason: &str| Resend {
        version: w.version.id,
        step: StepIx(0),
        to: Again::Queued { lane: w.lane, connection: w.connection, action: Action::Add },
        status: Status::Expired,
        reason: Some(reason.to_owned()),
        before: None,
        limit: 1,
        now: w.now,
    };
    // One visit at a time, the newest first: those that are overtaken do not look like the end.
    let mut walk = Vec::new();
    let mut before = None;
    loop {
        let page = Resend { before, ..resend("retries-exhausted") };
        let resent = w.store.resend(w.lease, page.clone()).await.expect("a resend");
        // A repeat sends nobody twice.
        assert_eq!(w.store.resend(w.lease, page).await.expect("a repeat").offered, 0);
        walk.push((resent.offered, resent.overtaken));
        before = resent.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(walk, [(1, 0), (0, 1), (0, 1)]);
    let whole = |reason| Resend { limit: 10, ..resend(reason) };
    assert_eq!(w.store.resend(w.lease, whole("another")).await.expect("a resend"), Resent::default());
    let again = w.store.resend(w.lease, whole("retries-exhausted")).await.expect("a resend");
    assert_eq!((again.offered, again.overtaken, again.next), (0, 2, None));
    assert_eq!((w.count(0, Status::Expired).await, w.count(0, Status::Waiting).await), (2, 1));
    w.balanced().await;
    let expired = w.store.visits(w.version.id, StepIx(0), Status::Expired, None, 10).await.expect("visits");
    assert_eq!(expired.len(), 2, "who waits again is no longer expired");
    let trace = w.store.trace(people[2]).await.expect("a trace").expect("a person");
    assert_eq!(trace.visits.iter().map(|visit| visit.status).collect::<Vec<_>>(), [Status::Waiting]);
    let w = w.crash().await;
    let slice = w.seal_all().await;
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        s.outcomes =
            slice.parts[0].riders.iter().flat_map(|rider| outcomes(rider, Status::Synced, GoesTo::Stays)).collect();
    })
    .await
    .expect("a settlement");
    assert_eq!((w.count(0, Status::Expired).await, w.count(0, Status::Synced).await), (2, 1));
    w.balanced().await;
    let trace = w.store.trace(people[2]).await.expect("a trace").expect("a person");
    assert_eq!(trace.visits.iter().map(|visit| visit.status).collect::<Vec<_>>(), [Status::Synced]);
}

/// Unsealed operations move to another lane in order, with their visits waiting all the while.
pub async fn rule_11_2_rebinding_moves_unsealed_operations<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..4).await;
    w.enter(&people[..1], &[w.offer(0, Action::Add, false), Move::End]).await;
    w.seal_all().await;
    w.enter(&people[1..2], &[w.offer(0, Action::Add, false), Move::End]).await;
    w.enter(&people[2..3], &[w.offer(1, Action::Add, false), Move::End]).await;
    w.enter(&people[3..], &[w.offer(0, Action::Remove, true)]).await;
    let (to, _) = w.store.lane(w.lease, lane_spec("aud-2", "meta-main", true, Vec::new())).await.expect("a lane");
    let steps = vec![(w.version.id, StepIx(0))];
    assert_eq!(w.store.move_operations(w.lease, w.lane, to, steps.clone(), w.now).await.expect("moved"), 2);
    assert_eq!(w.store.move_operations(w.lease, w.lane, to, steps, w.now).await.expect("moved"), 0);
    w.balanced().await;
    assert_eq!(w.count(0, Status::Waiting).await, 3);
    let there = w.store.peek(to, 10).await.expect("a peek");
    assert_eq!(
        there.iter().map(|op| (op.profile, op.action, op.parks)).collect::<Vec<_>>(),
        [(people[1], Action::Add, false), (people[3], Action::Remove, true)]
    );
    assert_eq!(w.peek().await.iter().map(|op| op.profile).collect::<Vec<_>>(), [people[2]]);
}

/// A lane whose audience is gone gives back what it had sealed, in order, and nothing else changes.
pub async fn a_lane_that_is_given_up_gives_back_what_it_had_sealed<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = members(&mut w, 0..6).await;
    w.enter(&people[..3], &[w.offer(0, Action::Remove, false), Move::End]).await;
    let slice = w.seal_all().await;
    // The first is settled; the slice stays open with an attempt that nobody has ended.
    w.send(&slice.parts[0], |s| {
        s.outcomes = outcomes(&slice.parts[0].riders[0], Status::Rejected, GoesTo::Stays);
        s.struck = vec![0];
    })
    .await
    .expect("a settlement");
    w.store.attempt(w.lease, slice.parts[0].id, w.now, Vec::new(), w.now).await.expect("an attempt");
    w.enter(&people[3..4], &[w.offer(0, Action::Add, false), Move::End]).await;
    let refill = Refill { from: w.lane, to: w.lane, forget: false, after: people[3], limit: 10, now: w.now };
    assert_eq!(w.store.refill(w.lease, refill).await.expect("a refill").offered, 2);
    assert_eq!(w.store.give_up(w.lease, w.lane, w.now).await.expect("given up"), 2);
    assert_eq!(w.store.give_up(w.lease, w.lane, w.now).await.expect("a repeat"), 0);
    w.balanced().await;
    let mut w = w.crash().await;
    let lane = w.store.lanes().await.expect("lanes").remove(0);
    assert_eq!((lane.waiting, lane.sealed), (3, 0));
    assert!(w.store.open_slice(w.lane).await.expect("a slice").is_none());
    assert!(w.store.part(&slice.parts[0].part.id).await.expect("a part").expect("kept").ended.is_some());
    let order: Vec<(ProfileId, Action)> = w.peek().await.iter().map(|op| (op.profile, op.action)).collect();
    assert_eq!(order, [(people[1], Action::Remove), (people[2], Action::Remove), (people[3], Action::Add)]);
    // What went back can be sealed and settled like anything else.
    accept_all(&w, joined).await;
    w.balanced().await;
    assert_eq!(w.count(0, Status::Waiting).await, 0);
    // Owed removals go back too, and keep their receipts.
    w.store.erase(w.lease, vec![people[4], people[5]], w.now).await.expect("an erasure");
    let owed = |profile| Offer {
        lane: w.lane,
        profile,
        action: Action::Remove,
        origin: Origin::Erasure,
        step: Default::default(),
    };
    let offers = vec![owed(people[4]), owed(people[5])];
    w.store.offer(w.lease, offers, people[4..].to_vec(), w.now).await.expect("an offer");
    w.seal_all().await;
    assert_eq!(w.store.give_up(w.lease, w.lane, w.now).await.expect("given up"), 2);
    w.balanced().await;
    w.now = Millis(w.now.0 + 1);
    accept_all(&w, left).await;
    w.balanced().await;
    let receipts = w.store.receipts_of("p0005").await.expect("receipts");
    assert_eq!((receipts.len(), receipts[0].done, receipts[0].status), (1, Some(w.now), Status::Synced));
}

/// Who rests where can be asked for, to be woken or let out.
pub async fn people_who_rest_are_found_and_woken<E: Engine>(engine: E) {
    let mut w = World::new(engine).await;
    let people = w.people(0..3).await;
    w.enter(&people[..2], &[Move::Wait { step: StepIx(2), due: Millis::NEVER }]).await;
    assert_eq!(w.store.inside(w.version.id, ProfileId(0), 10).await.expect("people"), people[..2]);
    assert_eq!(w.store.inside(w.version.id, people[0], 1).await.expect("people"), people[1..2]);
    let resting = w.store.resting(vec![people[1], people[2]]).await.expect("positions");
    assert_eq!(resting.iter().map(|due| (due.profile, due.step)).collect::<Vec<_>>(), [(people[1], StepIx(2))]);
    let due = &resting[0];
    let woken = Advance {
        visit: due.visit,
        version: due.version,
        step: due.step,
        arrives: due.arrives,
        due: due.due,
        profile: due.profile,
        ends_as: (Status::Passed, Reason::none()),
        moves: vec![Move::End],
    };
    assert_eq!(w.store.advance(w.lease, vec![woken], CanvasesSeen::default(), w.now).await.expect("moved"), 1);
    assert_eq!(w.store.inside(w.version.id, ProfileId(0), 10).await.expect("people"), people[..1]);
    w.balanced().await;
}
