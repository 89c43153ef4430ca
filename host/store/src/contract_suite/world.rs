//! A small world for the suite: a canvas, a lane, people, and short ways to move them.
use super::Engine;
use crate::contract::*;
use caravan_model::canvas::ReEntry;
use caravan_model::{
    Action, Canvas, Column, Digest, Effect, LaneId, Millis, Part, Profile, ProfileId, Reason, Status, StepIx,
};
use std::sync::Arc;

/// The suite's world.
#[derive(Debug)]
pub struct World<E: Engine> {
    pub engine: E,
    pub store: E::Store,
    pub lease: Lease,
    pub version: Version,
    pub lane: LaneId,
    pub connection: u32,
    pub now: Millis,
    sources: u32,
}

/// A canvas with so many steps; the store does not care what they do.
pub fn canvas(name: &str, title: &str, steps: usize) -> Canvas {
    let steps: serde_json::Map<String, serde_json::Value> = (0..steps)
        .map(|n| (format!("s{n}"), serde_json::json!({ "delay": { "for": "1d" }, "next": "exit" })))
        .collect();
    let document = serde_json::json!({
        "format": 1, "canvas": name, "title": title,
        "entry": { "trigger": { "api": true }, "start": "s0" }, "steps": steps,
    });
    serde_json::from_value(document).expect("a canvas")
}

/// The lane of the suite.
pub fn lane_key(audience: &str) -> LaneKey {
    LaneKey { connector: "meta".into(), account: "act_1".into(), audience: audience.into() }
}

/// A lane with one stripe.
pub fn lane_spec(audience: &str, connection: &str, made_by_us: bool, parts: Vec<(String, String)>) -> LaneSpec {
    LaneSpec { key: lane_key(audience), connection: connection.into(), made_by_us, parts, stripes: 1 }
}

pub fn person(n: usize) -> Profile {
    let mut person = Profile { external_id: format!("p{n:04}"), ..Profile::default() };
    person.emails.push(format!("p{n:04}@example.com"));
    person.phones.push(format!("+1 555 01{n:04}"));
    person
}

impl<E: Engine> World<E> {
    /// A leased store with one canvas of six steps and one lane.
    pub async fn new(engine: E) -> World<E> {
        let store = engine.store();
        let now = Millis(1_000_000);
        let lease = store.lease("suite", Slots::ALL, now).await.expect("a lease");
        let version = store.publish(lease, canvas("journey", "one", 6), now).await.expect("a version");
        let (lane, connection) =
            store.lane(lease, lane_spec("aud-1", "meta-main", true, Vec::new())).await.expect("a lane");
        World { engine, store, lease, version, lane, connection, now, sources: 0 }
    }

    /// Dies and starts again, with a new lease.
    pub async fn crash(self) -> World<E> {
        let World { engine, version, lane, connection, now, sources, store, .. } = self;
        drop(store);
        let engine = engine.crash().await;
        let store = engine.store();
        let lease = store.lease("suite again", Slots::ALL, now).await.expect("a lease");
        World { engine, store, lease, version, lane, connection, now, sources }
    }

    /// Upserts people with these numbers.
    pub async fn people(&self, numbers: std::ops::Range<usize>) -> Vec<ProfileId> {
        let people = numbers.map(person).collect();
        let known = self.store.upsert(self.lease, people, self.now).await.expect("people");
        known.into_iter().map(|known| known.id).collect()
    }

    /// A chunk from a source of its own.
    pub fn batch(&mut self, profiles: &[ProfileId], moves: &[Move]) -> EnterBatch {
        self.sources += 1;
        let candidates = (0..)
            .zip(profiles)
            .map(|(row, profile)| Candidate { profile: *profile, row, began: self.now, moves: moves.to_vec() })
            .collect();
        EnterBatch {
            version: self.version.id,
            re_entry: ReEntry::Always,
            source: format!("source {}", self.sources),
            next_row: profiles.len() as u64,
            candidates,
            day: Millis(0),
            caps: Caps::default(),
            refused: Vec::new(),
            seen: CanvasesSeen::default(),
            now: self.now,
        }
    }

    /// Lets people in.
    pub async fn enter(&mut self, profiles: &[ProfileId], moves: &[Move]) -> Entered {
        let batch = self.batch(profiles, moves);
        self.store.enter(self.lease, batch).await.expect("entries")
    }

    /// An offer to the lane.
    pub fn offer(&self, step: u16, action: Action, parks: bool) -> Move {
        Move::Offer { step: StepIx(step), lane: self.lane, action, connection: self.connection, parks }
    }

    /// The head of the lane.
    pub async fn peek(&self) -> Vec<Queued> {
        self.store.peek(self.lane, 1_000_000).await.expect("a peek")
    }

    /// A sealing of these operations in one part for each list.
    pub fn sealing(&self, parts: &[&[Queued]]) -> Sealing {
        Sealing {
            lane: self.lane,
            upto: parts.iter().copied().flatten().map(|op| op.seq).max().unwrap_or(0),
            outcomes: Vec::new(),
            membership: Vec::new(),
            parts: parts.iter().map(|ops| draft(ops)).collect(),
            connection: Arc::from("meta-main"),
            digest: Digest([7; 32]),
            settings: "{}".into(),
            now: self.now,
            first_attempt: None,
            exited: 0,
            seen: CanvasesSeen::default(),
            charges: Vec::new(),
        }
    }

    /// Seals all that waits into one part.
    pub async fn seal_all(&self) -> Slice {
        let ops = self.peek().await;
        let sealing = self.sealing(&[&ops]);
        self.store.seal(self.lease, sealing).await.expect("a sealing").expect("a slice")
    }

    /// An attempt at a part, ended so.
    pub async fn send(&self, part: &OpenPart, change: impl FnOnce(&mut Settlement)) -> Result<()> {
        let attempt =
            self.store.attempt(self.lease, part.id, self.now, Vec::new(), self.now).await.expect("an attempt");
        let mut settlement = self.settlement(part, attempt);
        change(&mut settlement);
        self.store.settle(self.lease, settlement).await
    }

    /// A settlement that says nothing yet.
    pub fn settlement(&self, part: &OpenPart, attempt: u32) -> Settlement {
        Settlement {
            part: part.id,
            attempt,
            effect: Effect::MayHaveLanded,
            outcomes: Vec::new(),
            membership: Vec::new(),
            struck: Vec::new(),
            ends: false,
            replaced_by: Vec::new(),
            poison: 0,
            doubtful: 0,
            pending: None,
            lane: LaneState::Open,
            note: String::new(),
            exchange: String::new(),
            now: self.now,
        }
    }

    /// The counter of a step and status, over all reasons.
    pub async fn count(&self, step: u16, status: Status) -> u64 {
        let counters = self.store.counters(self.version.id).await.expect("counters");
        let at = counters.counts.iter().filter(|count| count.step == StepIx(step) && count.status == status);
        at.map(|count| count.n).sum()
    }

    /// Entries ever begun and still open.
    pub async fn census(&self) -> (u64, u64) {
        let counters = self.store.counters(self.version.id).await.expect("counters");
        (counters.entered, counters.open)
    }

    /// The books must balance.
    pub async fn balanced(&self) {
        assert_eq!(self.store.audit().await.expect("an audit"), Vec::<String>::new());
    }
}

/// One part of these operations: a rider for each person in order of appearance.
pub fn draft(ops: &[Queued]) -> PartDraft {
    let mut riders: Vec<Rider> = Vec::new();
    for op in ops {
        let operation = (op.seq, op.visit, op.step.0, op.step.1, op.parks);
        match riders.iter_mut().find(|rider| rider.profile == op.profile) {
            Some(rider) => rider.operations.push(operation),
            None => riders.push(Rider {
                profile: op.profile,
                operations: vec![operation],
                fingerprint: fingerprint(op.profile),
                recorded: op.profile.0.to_le_bytes().to_vec(),
            }),
        }
    }
    let action = ops.first().map_or(Action::Add, |op| op.action);
    let mut column = Column::with_capacity("EMAIL", riders.len(), 8);
    riders.iter().for_each(|rider| column.push(&format!("hash of {}", rider.profile)));
    let rows = riders.len() as u32;
    let part = Part {
        id: String::new(),
        action,
        group: "hashed".into(),
        rows,
        person_ends: (1..=rows).collect(),
        columns: vec![column],
        flags: Vec::new(),
    };
    PartDraft { part, riders }
}

pub fn fingerprint(profile: ProfileId) -> [u8; 16] {
    let mut print = [0; 16];
    print[..8].copy_from_slice(&profile.0.to_le_bytes());
    print
}

/// Outcomes for all operations of a rider.
pub fn outcomes(rider: &Rider, status: Status, goes: GoesTo) -> Vec<Outcome> {
    let of = |&(seq, visit, version, step, parks): &(_, _, _, _, bool)| Outcome {
        seq,
        visit,
        step: (version, step),
        profile: rider.profile,
        status,
        reason: Reason::none(),
        goes: if parks { goes } else { GoesTo::Stays },
    };
    rider.operations.iter().map(of).collect()
}

/// The outcome of an operation at sealing.
pub fn outcome(op: &Queued, status: Status, goes: GoesTo) -> Outcome {
    Outcome {
        seq: op.seq,
        visit: op.visit,
        step: op.step,
        profile: op.profile,
        status,
        reason: Reason::none(),
        goes: if op.parks { goes } else { GoesTo::Stays },
    }
}

/// The change that goes with an accepted add.
pub fn joined(rider: &Rider, at: Millis) -> MembershipChange {
    MembershipChange {
        profile: rider.profile,
        now: Some(MembershipNow {
            standing: Standing::In,
            recorded: vec![rider.recorded.clone()],
            fingerprint: rider.fingerprint,
            at,
        }),
        claim: rider.operations.first().map(|(_, _, version, step, _)| (*version, *step).into()),
        clear_claims: false,
        ..MembershipChange::default()
    }
}

/// Whether a call was refused as a contradiction.
pub fn is_impossible<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Impossible(_)))
}

/// Whether a call was fenced.
pub fn is_fenced<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Fenced { .. }))
}

/// People with these numbers become members by step 0.
pub async fn members<E: Engine>(w: &mut World<E>, numbers: std::ops::Range<usize>) -> Vec<ProfileId> {
    let people = w.people(numbers).await;
    w.enter(&people, &[w.offer(0, Action::Add, false), Move::End]).await;
    accept_all(w, joined).await;
    people
}

/// The partner takes all that waits, in one part, and membership changes so for each of its people.
pub async fn accept_all<E: Engine>(w: &World<E>, change: fn(&Rider, Millis) -> MembershipChange) {
    let slice = w.seal_all().await;
    let riders = &slice.parts[0].riders;
    w.send(&slice.parts[0], |s| {
        s.ends = true;
        s.outcomes = riders.iter().flat_map(|rider| outcomes(rider, Status::Synced, GoesTo::Stays)).collect();
        s.membership = riders.iter().map(|rider| change(rider, w.now)).collect();
    })
    .await
    .expect("a settlement");
}

/// The change that goes with an accepted removal.
pub fn left(rider: &Rider, now: Millis) -> MembershipChange {
    MembershipChange {
        profile: rider.profile,
        now: Some(MembershipNow { standing: Standing::Out, recorded: Vec::new(), fingerprint: [0; 16], at: now }),
        clear_claims: true,
        ended: now,
        ..MembershipChange::default()
    }
}
