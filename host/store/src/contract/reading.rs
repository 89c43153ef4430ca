//! What people read: counters, traces, parts.
use super::{LaneKey, Membership};
use caravan_model::{Digest, Event, Millis, Part, Profile, ProfileId, Reason, Status, StepIx, VersionId, VisitId};
use serde::Serialize;

/// A count: visits of a step with a status and a reason code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Count {
    /// The version.
    pub version: VersionId,
    /// The step.
    pub step: StepIx,
    /// The status.
    pub status: Status,
    /// The reason.
    pub reason: Reason,
    /// How many.
    pub n: u64,
}

/// Sums of one version in one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Entries ever begun.
    pub entered: u64,
    /// Entries still open.
    pub open: u64,
    /// Visits by step, status and reason; waiting ones included. For every step: entered the step = Σ n.
    pub counts: Vec<Count>,
    /// Rows that did not enter, by reason, over all sources.
    pub refused: Vec<(String, u64)>,
}

/// One step of a person's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceVisit {
    /// The visit.
    pub visit: VisitId,
    /// The version.
    pub version: VersionId,
    /// The step.
    pub step: StepIx,
    /// Its status.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// When it became so.
    pub at: Millis,
    /// The part that carried it, as `batch show` names it.
    pub part: Option<String>,
    /// When a waiting one is due, or its lane's state in words.
    pub until: Option<String>,
}

/// All about one person.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Who.
    pub id: ProfileId,
    /// What is known.
    pub profile: Profile,
    /// Their visits, oldest first.
    pub visits: Vec<TraceVisit>,
    /// Their memberships by lane.
    pub memberships: Vec<(LaneKey, Membership)>,
    /// Removals that consent or erasure owed them.
    pub receipts: Vec<super::Receipt>,
    /// Events.
    pub events: Vec<Event>,
    /// Profiles of theirs that went on in this one.
    pub merged: Vec<super::MergedAt>,
}

/// A part for `batch show`. An ended part keeps its rows while it is among the newest 50 of its lane and these have no more
/// than 256 MB; later `part` is empty (membership keeps the identifiers as they were sent).
#[derive(Clone, Debug)]
pub struct PartRecord {
    /// `<slice>-<n>`.
    pub name: String,
    /// Its lane.
    pub lane: LaneKey,
    /// The connection.
    pub connection: String,
    /// The connector's bytes.
    pub digest: Digest,
    /// Sealing time.
    pub at: Millis,
    /// The settings as sealed.
    pub settings: String,
    /// Columns and all, as last sent: people struck meanwhile are left out. Without rows where they are no longer kept.
    pub part: Part,
    /// Open, or how it ended.
    pub ended: Option<Millis>,
    /// One line per attempt.
    pub attempts: Vec<String>,
    /// Of each attempt that made requests: its number, and the redacted exchange as [`super::Settlement`] had it.
    pub exchanges: Vec<(u32, String)>,
    /// Refused without being named.
    pub doubtful: u32,
    /// Whether the partner has yet to judge it.
    pub pending: bool,
    /// What a later judgement said without naming rows: counts by the partner's reason.
    pub judged: Vec<(String, u32)>,
}

/// A count of what became final within a quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// When it began; quarters begin at the hour in UTC, so that they fit the days of every time zone.
    pub from: Millis,
    /// Of which step, status and reason; `n` is the size of the change.
    pub count: Count,
    /// What became so, less what a correction or a resend took back.
    pub change: i64,
}
