//! What the writer keeps in memory: the lease, next ids, interned words, and how lanes stand. Loaded from the tables at
//! the start and after every undone call, so that it never knows more than they do.
use crate::contract::{Error, LaneState, Lease};
use crate::fail::{Done, Fail};
use crate::schema::{meta, set_meta};
use caravan_model::{LaneId, Millis, ProfileId, Reason, StepIx, VersionId};
use rusqlite::Connection;
use std::collections::HashMap;

/// So many different reasons are told apart by their words; further ones by their codes only.
const WORDED_REASONS: usize = 1_000;
/// So many by their codes; further ones are `other`.
const CODED_REASONS: usize = 3_000;

/// The next ids, and the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Of the newest lease.
    pub(crate) epoch: i64,
    /// Whether somebody holds it.
    pub(crate) leased: i64,
    /// Next profile.
    pub(crate) profile: i64,
    /// Next entry.
    pub(crate) entry: i64,
    /// Next row of final visits.
    pub(crate) visit: i64,
    /// Next event.
    pub(crate) event: i64,
    /// Next slice.
    pub(crate) slice: i64,
    /// Next part.
    pub(crate) part: i64,
}

impl Numbers {
    fn named(&mut self) -> [(&'static str, &mut i64); 8] {
        [
            ("epoch", &mut self.epoch),
            ("leased", &mut self.leased),
            ("next_profile", &mut self.profile),
            ("next_entry", &mut self.entry),
            ("next_visit", &mut self.visit),
            ("next_event", &mut self.event),
            ("next_slice", &mut self.slice),
            ("next_part", &mut self.part),
        ]
    }
}

/// Hands out the next id.
pub(crate) fn next(id: &mut i64) -> i64 {
    let this = *id;
    *id += 1;
    this
}

/// What the writer must know of a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionFacts {
    /// The interned canvas.
    pub(crate) canvas: i64,
    /// How many steps it has.
    pub(crate) steps: u16,
    /// Whether any of them calls an endpoint.
    pub(crate) calls: bool,
}

impl VersionFacts {
    /// Of a document.
    pub(crate) fn of(interned: i64, canvas: &caravan_model::Canvas) -> VersionFacts {
        let steps = &canvas.steps.0;
        VersionFacts {
            canvas: interned,
            steps: u16::try_from(steps.len()).unwrap_or(u16::MAX),
            calls: steps.iter().any(|(_, step)| step.webhook.is_some()),
        }
    }
}

/// What the writer must know of a lane.
#[derive(Clone, Debug)]
pub(crate) struct LaneFacts {
    /// Its state.
    pub(crate) state: LaneState,
    /// The next operation's place.
    pub(crate) next_seq: i64,
    /// Operations without a final status.
    pub(crate) waiting: i64,
    /// Of these, in the open slice.
    pub(crate) sealed: i64,
    /// The newest operation's connection.
    pub(crate) connection: i64,
    /// The next owed operation's number.
    pub(crate) next_owed: i64,
    /// Owed operations without a final word, sealed ones included.
    pub(crate) owed: i64,
    /// How many stripes the audience has; their ids follow the first one's.
    pub(crate) stripes: i64,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Books {
    /// Next ids and the lease.
    pub(crate) numbers: Numbers,
    /// As the tables have them.
    kept: Numbers,
    /// The newest time that any call named.
    pub(crate) now: Millis,
    versions: HashMap<VersionId, VersionFacts>,
    lanes: HashMap<LaneId, LaneFacts>,
    /// Whether there are segments: then it is noted who changes.
    pub(crate) segments: bool,
    /// How many connections are interned; their ids count from 0.
    pub(crate) connections: u32,
    reasons: HashMap<Reason, i64>,
}

impl Books {
    /// Reads them from the tables.
    pub(crate) fn load(db: &Connection) -> Done<Books> {
        let mut numbers = Numbers { epoch: 0, leased: 0, profile: 1, entry: 1, visit: 1, event: 1, slice: 1, part: 1 };
        for (name, number) in numbers.named() {
            if let Some(kept) = meta(db, name)? {
                *number = kept;
            }
        }
        let mut versions = HashMap::new();
        let mut select = db.prepare_cached("SELECT id, canvas, document FROM version")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let canvas: caravan_model::Canvas = serde_json::from_str(row.get_ref(2)?.as_str().map_err(mistyped)?)?;
            versions.insert(VersionId(row.get(0)?), VersionFacts::of(row.get(1)?, &canvas));
        }
        let mut lanes = HashMap::new();
        let mut select = db.prepare_cached(
            "SELECT id, state, next_seq, waiting, sealed, connection, next_owed, owed, stripes FROM lane",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let facts = LaneFacts {
                state: serde_json::from_str(row.get_ref(1)?.as_str().map_err(mistyped)?)?,
                next_seq: row.get(2)?,
                waiting: row.get(3)?,
                sealed: row.get(4)?,
                connection: row.get(5)?,
                next_owed: row.get(6)?,
                owed: row.get(7)?,
                stripes: row.get(8)?,
            };
            lanes.insert(LaneId(row.get(0)?), facts);
        }
        let connections = db.query_row("SELECT count(*) FROM connection", [], |row| row.get(0))?;
        let mut reasons = HashMap::from([(Reason::none(), 0)]);
        let mut select = db.prepare_cached("SELECT id, code, words FROM reason")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            reasons.insert(Reason { code: row.get(1)?, words: row.get(2)? }, row.get(0)?);
        }
        let now = Millis(meta(db, "now")?.unwrap_or(0));
        let segments = crate::groups::any_segment(db)?;
        Ok(Books { numbers, kept: numbers, now, versions, lanes, segments, connections, reasons })
    }

    /// Takes over what was read anew after an undone call.
    pub(crate) fn replace(&mut self, fresh: Books) {
        let now = self.now.max(fresh.now);
        *self = Books { now, ..fresh };
    }

    /// Writes the numbers that have changed; the last act of every call.
    pub(crate) fn keep(&mut self, db: &Connection) -> Done<()> {
        if self.numbers != self.kept {
            let mut kept = self.kept;
            for ((name, number), (_, before)) in self.numbers.named().into_iter().zip(kept.named()) {
                if *number != *before {
                    set_meta(db, name, *number)?;
                }
            }
            self.kept = self.numbers;
        }
        Ok(())
    }

    /// Refuses a caller whose lease is over.
    pub(crate) fn check(&self, lease: Lease) -> Done<()> {
        if self.numbers.leased == 1 && self.numbers.epoch == lease.epoch {
            Ok(())
        } else {
            Err(Error::Fenced { held: lease.epoch }.into())
        }
    }

    /// Hears the time.
    pub(crate) fn hear(&mut self, now: Millis) {
        self.now = self.now.max(now);
    }

    /// A version that must exist.
    pub(crate) fn version(&self, id: VersionId) -> Done<VersionFacts> {
        self.versions.get(&id).copied().ok_or_else(|| Fail::impossible(format!("there is no version {id}")))
    }

    /// A step that must exist.
    pub(crate) fn step(&self, version: VersionId, step: StepIx) -> Done<()> {
        let steps = self.version(version)?.steps;
        if step.0 < steps {
            Ok(())
        } else {
            Err(Fail::impossible(format!("version {version} has {steps} steps, none at place {}", step.0)))
        }
    }

    /// Notes a new version.
    pub(crate) fn publish(&mut self, id: VersionId, facts: VersionFacts) {
        self.versions.insert(id, facts);
    }

    /// How many versions there are.
    pub(crate) fn next_version(&self) -> i64 {
        self.versions.len() as i64 + 1
    }

    /// A lane that must exist.
    pub(crate) fn lane(&mut self, id: LaneId) -> Done<&mut LaneFacts> {
        self.lanes.get_mut(&id).ok_or_else(|| Fail::impossible(format!("there is no lane {id}")))
    }

    /// The stripe of a lane that a person has for ever; `lane` is the first stripe's id.
    pub(crate) fn stripe_of(&mut self, lane: LaneId, profile: ProfileId) -> Done<LaneId> {
        let stripes = self.lane(lane)?.stripes.max(1);
        Ok(LaneId(lane.0 + profile.0 % stripes))
    }

    /// Notes a new lane.
    pub(crate) fn open_lane(&mut self, id: LaneId, facts: LaneFacts) {
        self.lanes.insert(id, facts);
    }

    /// The next lane's id.
    pub(crate) fn next_lane(&self) -> i64 {
        self.lanes.len() as i64 + 1
    }

    /// Interns a reason.
    pub(crate) fn reason(&mut self, db: &Connection, reason: &Reason) -> Done<i64> {
        if let Some(&id) = self.reasons.get(reason) {
            return Ok(id);
        }
        let reason = match self.reasons.len() {
            ..WORDED_REASONS => reason.clone(),
            WORDED_REASONS..CODED_REASONS => Reason::new(reason.code.clone(), ""),
            _ => Reason::new("other", ""),
        };
        if let Some(&id) = self.reasons.get(&reason) {
            return Ok(id);
        }
        let id = self.reasons.len() as i64;
        db.prepare_cached("INSERT INTO reason VALUES (?1, ?2, ?3)")?.execute((id, &reason.code, &reason.words))?;
        self.reasons.insert(reason, id);
        Ok(id)
    }
}

/// A column of a type that we never wrote.
pub(crate) fn mistyped(error: rusqlite::types::FromSqlError) -> Fail {
    Fail::Told(Error::Problem(crate::fail::damaged(format!("a row of the store cannot be read: {error}"))))
}
