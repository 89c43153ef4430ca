//! The bare calls of the main path, timed: what the store alone costs, for the benchmark to compare the path with.
use crate::contract::*;
use crate::sqlite::{OpenOptions, Sqlite};
use caravan_model::canvas::ReEntry;
use caravan_model::{
    Action, Canvas, Column, Digest, Effect, LaneId, Millis, Part, Profile, Reason, Status, StepIx, VersionId,
};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// People per call.
const CHUNK: usize = 10_000;
/// The match keys of a row: seven, each a SHA-256 digest in hexadecimal.
const KEYS: [&str; 7] = ["EMAIL", "PHONE", "FN", "LN", "CT", "ZIP", "COUNTRY"];

/// What one kind of call took, over all people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of all threads together; zero where the system does not tell.
    pub cpu: Duration,
}

/// What the calls took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// How many people.
    pub people: u64,
    /// First sight of every person.
    pub upsert: Timing,
    /// Entries with an offer each.
    pub enter: Timing,
    /// The lane's head, with people and memberships.
    pub peek: Timing,
    /// A slice with its first attempt.
    pub seal: Timing,
    /// Final statuses, memberships, the ends of the entries.
    pub settle: Timing,
}

impl Timings {
    /// All calls together.
    pub fn total(&self) -> Timing {
        let all = [self.upsert, self.enter, self.peek, self.seal, self.settle];
        all.iter().fold(Timing::default(), |sum, one| Timing { wall: sum.wall + one.wall, cpu: sum.cpu + one.cpu })
    }

    /// CPU microseconds per person, by the name of the call.
    pub fn cpu_per_person(&self) -> [(&'static str, f64); 6] {
        let each = |timing: Timing| timing.cpu.as_secs_f64() * 1e6 / self.people.max(1) as f64;
        [
            ("upsert", each(self.upsert)),
            ("enter", each(self.enter)),
            ("peek", each(self.peek)),
            ("seal", each(self.seal)),
            ("settle", each(self.settle)),
            ("total", each(self.total())),
        ]
    }
}

/// Takes `n` people with seven fields through the calls of the main path, in a new store at `path`.
///
/// # Errors
/// Whatever the store says; also where `path` holds a store already.
pub async fn bench_calls(path: &Path, n: usize) -> Result<Timings> {
    let store = Sqlite::open(path, OpenOptions::default())?;
    let now = Millis(1_750_000_000_000);
    let lease = store.lease("bench", Slots::ALL, now).await?;
    let version = store.publish(lease, canvas(), now).await?.id;
    let key = LaneKey { connector: "meta".into(), account: "1".into(), audience: "2".into() };
    let spec = LaneSpec { key, connection: "bench".into(), made_by_us: true, parts: Vec::new(), stripes: 1 };
    let (lane, connection) = store.lane(lease, spec).await?;
    let mut timings = Timings { people: n as u64, ..Timings::default() };
    for first in (0..n).step_by(CHUNK) {
        let last = n.min(first + CHUNK);
        let people = (first..last).map(person).collect();
        let known = timed(&mut timings.upsert, store.upsert(lease, people, now)).await?;
        let offer = Move::Offer { step: StepIx(0), lane, action: Action::Add, connection, parks: true };
        let candidates = known
            .iter()
            .zip(first as u64..)
            .map(|(known, row)| Candidate { profile: known.id, row, began: now, moves: vec![offer.clone()] })
            .collect();
        let batch = EnterBatch {
            version,
            re_entry: ReEntry::Never,
            source: "bench".into(),
            next_row: last as u64,
            candidates,
            day: Millis(0),
            caps: Caps::default(),
            refused: Vec::new(),
            seen: CanvasesSeen::default(),
            now,
        };
        timed(&mut timings.enter, store.enter(lease, batch)).await?;
    }
    loop {
        let queued = timed(&mut timings.peek, store.peek(lane, CHUNK)).await?;
        if queued.is_empty() {
            break;
        }
        let sealing = sealing(lane, &queued, now);
        drop(queued);
        let slice = timed(&mut timings.seal, store.seal(lease, sealing)).await?;
        let part = slice.and_then(|slice| slice.parts.into_iter().next());
        let Some(part) = part else { return Err(Error::Impossible("a sealing made no slice".into())) };
        let settlement = settlement(&part, version, now);
        timed(&mut timings.settle, store.settle(lease, settlement)).await?;
    }
    Ok(timings)
}

async fn timed<T>(timing: &mut Timing, call: impl Future<Output = Result<T>>) -> Result<T> {
    let (cpu, wall) = (cpu_time(), Instant::now());
    let result = call.await;
    timing.wall += wall.elapsed();
    timing.cpu += cpu_time().saturating_sub(cpu);
    result
}

/// CPU time of this process's living threads so far.
fn cpu_time() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let of = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    threads.filter_map(|thread| of(thread.ok()?)).sum()
}

fn canvas() -> Canvas {
    let text = r#"{"format":1,"canvas":"bench","entry":{"trigger":{"api":true},"start":"sync"},
        "audiences":{"a":{"connection":"bench","account":"x"}},
        "steps":{"sync":{"audience_sync":{"audience":"a","action":"add","match":["EMAIL"]},"next":"exit"}}}"#;
    serde_json::from_str(text)
        .unwrap_or_else(|error| unreachable!("the benchmark's own canvas is well-formed: {error}"))
}

fn person(n: usize) -> Profile {
    Profile {
        external_id: format!("user-{n:09}"),
        emails: vec![format!("user{n}@example.com")],
        phones: vec![format!("+1415{n:07}")],
        first_name: Some("Maria".into()),
        last_name: Some("Garcia".into()),
        city: Some("San Francisco".into()),
        zip: Some("94105".into()),
        country: Some("US".into()),
        ..Profile::default()
    }
}

fn sealing(lane: LaneId, queued: &[Queued], now: Millis) -> Sealing {
    let riders: Vec<Rider> = queued
        .iter()
        .map(|op| Rider {
            profile: op.profile,
            operations: vec![(op.seq, op.visit, op.step.0, op.step.1, op.parks)],
            fingerprint: [op.seq as u8; 16],
            recorded: vec![op.seq as u8; KEYS.len() * 33],
        })
        .collect();
    let digest = "0123456789abcdef".repeat(4);
    let column = |key: &&str| {
        let mut column = Column::with_capacity(key, riders.len(), digest.len());
        riders.iter().for_each(|_| column.push(&digest));
        column
    };
    let part = Part {
        id: String::new(),
        action: Action::Add,
        group: "hashed".into(),
        rows: riders.len() as u32,
        person_ends: (1..=riders.len() as u32).collect(),
        columns: KEYS.iter().map(column).collect(),
        flags: Vec::new(),
    };
    Sealing {
        lane,
        upto: queued.last().map_or(0, |last| last.seq),
        outcomes: Vec::new(),
        membership: Vec::new(),
        parts: vec![PartDraft { part, riders }],
        connection: Arc::from("bench"),
        digest: Digest([0; 32]),
        settings: "{}".into(),
        now,
        first_attempt: Some(now),
        exited: 0,
        seen: CanvasesSeen::default(),
        charges: Vec::new(),
    }
}

fn settlement(part: &OpenPart, version: VersionId, now: Millis) -> Settlement {
    let outcome = |rider: &Rider| {
        let (seq, visit, version, step, _) = rider.operations[0];
        let step = (version, step);
        let (status, reason) = (Status::Synced, Reason::none());
        Outcome { seq, visit, step, profile: rider.profile, status, reason, goes: GoesTo::End }
    };
    let joined = |rider: &Rider| MembershipChange {
        profile: rider.profile,
        now: Some(MembershipNow {
            standing: Standing::In,
            recorded: vec![rider.recorded.clone()],
            fingerprint: rider.fingerprint,
            at: now,
        }),
        claim: Some((version, StepIx(0)).into()),
        clear_claims: false,
        ..MembershipChange::default()
    };
    Settlement {
        part: part.id,
        attempt: 1,
        effect: Effect::MayHaveLanded,
        outcomes: part.riders.iter().map(outcome).collect(),
        membership: part.riders.iter().map(joined).collect(),
        struck: Vec::new(),
        ends: true,
        replaced_by: Vec::new(),
        poison: 0,
        doubtful: 0,
        pending: None,
        lane: LaneState::Open,
        note: String::new(),
        exchange: String::new(),
        now,
    }
}
