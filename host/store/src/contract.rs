//! The contract: durable state as calls on sets. Each call is one transaction; none lets SQL out.
//!
//! Who calls: `runner` alone. Every writing call carries the epoch of the caller's lease and is refused as
//! [`Error::Fenced`] once another owner has taken over. Every writing call is harmless when repeated after its commit
//! was acknowledged or lost: by an intake key, by positions that are no longer there, or by a part that has ended.
use caravan_model::{
    Action, Canvas, Digest, Effect, Event, LaneId, Millis, Part, PartId, Problem, Profile, ProfileId, Reason, SliceId,
    Status, StepIx, VersionId, VisitId, canvas::ReEntry,
};
use serde::{Deserialize, Serialize};
use std::{future::Future, sync::Arc};

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another owner has the slots now: stop writing, whatever was in flight.
    #[error("another host has taken over this store (epoch {held} is no longer valid)")]
    Fenced {
        /// The caller's epoch.
        held: i64,
    },
    /// A problem that a person can mend: the file is in use, unreadable or too new.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The engine failed: disk full, I/O. Nothing of the call was kept.
    #[error("the store could not {doing}: {source}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The engine's words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store contradicts itself, or the caller does: a bug. Nothing of the call was kept.
    #[error("the store refused an impossible change: {0}")]
    Impossible(String),
}

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// A lease on the store's slots, fenced by its epoch. SQLite has one owner for all 256; PostgreSQL leases them singly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every new owner.
    pub epoch: i64,
}

/// A live version of a canvas.
#[derive(Clone, Debug)]
pub struct Version {
    /// The store's id.
    pub id: VersionId,
    /// 1 for the canvas's first.
    pub number: u32,
    /// The document.
    pub canvas: Arc<Canvas>,
    /// The digest of its canonical text.
    pub digest: Digest,
}

/// An audience registered in the workspace under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Our name: `<canvas>/<name in the canvas>` or a name of the workspace.
    pub name: String,
    /// The connection that reaches it.
    pub connection: String,
    /// The connector's name; the lane's key is (connector, account, audience id) (design, 11.2).
    pub connector: String,
    /// The partner's account id.
    pub account: String,
    /// The partner's audience id; `None` while it is being made.
    pub partner_id: Option<String>,
    /// Further ids.
    pub parts: Vec<(String, String)>,
    /// Our marker, stored before the call that makes it, so that a crash makes no second.
    pub marker: String,
    /// Whether we made it: then a person without membership is known to be out of it.
    pub made_by_us: bool,
}

/// A person as upserted.
#[derive(Clone, Debug)]
pub struct Known {
    /// The store's id.
    pub id: ProfileId,
    /// All that is known now, the upsert merged in.
    pub profile: Profile,
}

/// Someone who may enter, with the walk that `journey` computed for them.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Who.
    pub profile: ProfileId,
    /// The row of the intake source that this comes from; rows of a source are handed over in ascending order.
    pub row: u64,
    /// What happens if they are admitted.
    pub moves: Vec<Move>,
}

/// One move of an entry, in order. The last one says where it rests: `Wait`, `Offer` with `parks`, or `End`.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Went through a step with a final status (branch: `Passed`).
    Visit {
        /// The step.
        step: StepIx,
        /// A final status.
        status: Status,
        /// Why.
        reason: Reason,
    },
    /// Waits at a step until `due`; a position. `Millis::NEVER` waits for a signal alone.
    Wait {
        /// The step.
        step: StepIx,
        /// When the timer fires.
        due: Millis,
    },
    /// Asks an audience for something: the visit and its operation.
    Offer {
        /// The step.
        step: StepIx,
        /// Which lane.
        lane: LaneId,
        /// Add or remove.
        action: Action,
        /// The connection to use.
        connection: u32,
        /// `when_synced`: the entry rests here until the visit is final. Else it goes on at once.
        parks: bool,
    },
    /// The entry ends.
    End,
}

/// A chunk of people who may enter one version.
#[derive(Clone, Debug)]
pub struct EnterBatch {
    /// The version.
    pub version: VersionId,
    /// The re-entry rule.
    pub re_entry: ReEntry,
    /// The intake source: the digest of a file and the generation (`--again` counts up), or any idempotency key.
    pub source: String,
    /// Rows below this are done once the batch is committed, admitted or not.
    pub next_row: u64,
    /// Who, by ascending row.
    pub candidates: Vec<Candidate>,
    /// Rows that could not be read or were not admitted by the canvas, counted by reason for the summary.
    pub refused: Vec<(String, u64)>,
    /// Now.
    pub now: Millis,
}

/// What became of an [`EnterBatch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// How many entered.
    pub entered: u64,
    /// How many had an open entry, or may not enter again (yet).
    pub kept_out: u64,
    /// Rows that an earlier, repeated call had done already.
    pub known_rows: u64,
}

/// A position whose time has come.
#[derive(Clone, Debug)]
pub struct Due {
    /// The visit that waits.
    pub visit: VisitId,
    /// Its version.
    pub version: VersionId,
    /// Its step; for an arrival, the step to be entered.
    pub step: StepIx,
    /// True where the entry arrives at `step` (a sync before it became final); false where its timer at `step` fired.
    pub arrives: bool,
    /// Whose.
    pub profile: ProfileId,
    /// The person, where the call asked for profiles.
    pub person: Option<Arc<Profile>>,
    /// When the timer was due.
    pub due: Millis,
}

/// What a due position does next.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The visit, as `Due` named it.
    pub visit: VisitId,
    /// Its version.
    pub version: VersionId,
    /// Its step, as `Due` named it.
    pub step: StepIx,
    /// As `Due` said.
    pub arrives: bool,
    /// As `Due` said.
    pub due: Millis,
    /// Whose.
    pub profile: ProfileId,
    /// The status that the waiting visit ends with (a delay: `Passed`); ignored for arrivals.
    pub ends_as: (Status, Reason),
    /// What follows.
    pub moves: Vec<Move>,
}

/// The key of a lane (design, 11.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneKey {
    /// The connector's name.
    pub connector: String,
    /// The partner's account id.
    pub account: String,
    /// The partner's audience id.
    pub audience: String,
}

/// How a lane stands. Everything here is durable; a restart forgets none of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum LaneState {
    /// Filling or flowing.
    Open,
    /// Waiting by itself: throttled, retrying, preparing.
    Waiting {
        /// `throttled`, `retrying` or `preparing`.
        why: String,
        /// Until when.
        until: Millis,
        /// The partner's words.
        reason: Reason,
    },
    /// Held until a person or the partner mends something; probed by `check` at `probe`.
    Held {
        /// Why: the fault's class and the partner's words.
        reason: Reason,
        /// Since when.
        since: Millis,
        /// When to look again; `Millis::NEVER` where a person held it.
        probe: Millis,
        /// How many probes have failed.
        probes: u32,
    },
}

/// A lane and its numbers.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The store's id.
    pub id: LaneId,
    /// Its key.
    pub key: LaneKey,
    /// Its state.
    pub state: LaneState,
    /// The connection that its newest operation asked for.
    pub connection: String,
    /// Operations waiting, sealed ones included.
    pub waiting: u64,
    /// Of these, in the open slice.
    pub sealed: u64,
    /// When its oldest unsealed operation came; `None` where there is none.
    pub oldest: Option<Millis>,
    /// Whether the audience was made by us: then no membership row means out, not unknown.
    pub made_by_us: bool,
    /// Further ids of the audience.
    pub audience_parts: Vec<(String, String)>,
}

/// Whether someone stands in an audience (design, 11.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Standing {
    /// Not a member.
    Out = 0,
    /// A member.
    In = 1,
    /// May be a member: a call may have landed.
    Maybe = 2,
}

/// What we know of one person in one audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether they stand there.
    pub standing: Standing,
    /// Every identifier set that may stand at the partner, as sent (`identity::recorded`); usually one.
    pub recorded: Vec<Vec<u8>>,
    /// The fingerprint of the newest set.
    pub fingerprint: [u8; 16],
    /// When it was last accepted.
    pub at: Millis,
    /// The steps that asked for it: (version, step) (design, 11.17).
    pub claims: Vec<(VersionId, StepIx)>,
}

/// An operation at the head of a lane, with all that sealing needs.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Its place in the lane; lane order is commit order.
    pub seq: i64,
    /// Add or remove.
    pub action: Action,
    /// The visit that asked.
    pub visit: VisitId,
    /// Its version and step.
    pub step: (VersionId, StepIx),
    /// The connection, by its name.
    pub connection: Arc<str>,
    /// Whether the entry is parked on it.
    pub parks: bool,
    /// Whether the entry has ended meanwhile.
    pub exited: bool,
    /// Whose.
    pub profile: ProfileId,
    /// The person as known now; `None` once erased. Shared by all operations of one person in this peek.
    pub person: Option<Arc<Profile>>,
    /// What we know of them in this audience.
    pub membership: Option<Arc<Membership>>,
    /// When it was offered.
    pub offered: Millis,
}

/// Where an entry goes once its parked visit is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GoesTo {
    /// It is not parked on this visit (or it has ended): nothing moves.
    Stays,
    /// It arrives at a step: an immediately due position with `arrives`.
    Step(StepIx),
    /// It ends.
    End,
}

/// The final word on one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its place in the lane.
    pub seq: i64,
    /// The visit.
    pub visit: VisitId,
    /// Its version and step, for the counters.
    pub step: (VersionId, StepIx),
    /// Whose.
    pub profile: ProfileId,
    /// A final status.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// Where its entry goes.
    pub goes: GoesTo,
}

/// What changes in membership along with outcomes.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipChange {
    /// Who.
    pub profile: ProfileId,
    /// `None`: only the claims change.
    pub now: Option<MembershipNow>,
    /// A claim that begins.
    pub claim: Option<(VersionId, StepIx)>,
    /// All claims end (a `remove` step).
    pub clear_claims: bool,
}

/// The new membership of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipNow {
    /// Where they stand.
    pub standing: Standing,
    /// Every set that may stand at the partner.
    pub recorded: Vec<Vec<u8>>,
    /// The newest set's fingerprint.
    pub fingerprint: [u8; 16],
    /// When.
    pub at: Millis,
}

/// One person of a part, as the store keeps them beside the packed columns: which operations ride on these rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rider {
    /// Whose rows.
    pub profile: ProfileId,
    /// The operation whose status these rows decide, and those that share it: (seq, visit, version, step, parks).
    /// Empty for the removal of an old identifier set that goes along with an add in a later part.
    pub operations: Vec<(i64, VisitId, VersionId, StepIx, bool)>,
    /// The fingerprint of what is sent.
    pub fingerprint: [u8; 16],
    /// The identifiers as sent (`identity::recorded`).
    pub recorded: Vec<u8>,
}

/// A part to be sealed.
#[derive(Clone, Debug)]
pub struct PartDraft {
    /// Columns, action, group; its `id` is ignored, the store gives `<slice>-<n>`.
    pub part: Part,
    /// Its people, in the order of `part.person_ends`.
    pub riders: Vec<Rider>,
}

/// What one sealing decided.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// The lane.
    pub lane: LaneId,
    /// All operations up to this one are taken from the lane's waiting end.
    pub upto: i64,
    /// Those that need no call: superseded, skipped, unchanged.
    pub outcomes: Vec<Outcome>,
    /// What changes along with them (claims of `unchanged`).
    pub membership: Vec<MembershipChange>,
    /// The parts, removals before adds; empty = no slice is made.
    pub parts: Vec<PartDraft>,
    /// The connection that will call.
    pub connection: Arc<str>,
    /// The connector's bytes.
    pub digest: Digest,
    /// The settings as sent.
    pub settings: String,
    /// Sealing time.
    pub now: Millis,
    /// The first part's first attempt, recorded along with it: its deadline.
    pub first_attempt: Option<Millis>,
}

/// A durable, immutable slice, with the parts that have not ended, in order.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The store's id.
    pub id: SliceId,
    /// Its lane.
    pub lane: LaneId,
    /// The connection.
    pub connection: Arc<str>,
    /// The connector's bytes that it was sealed for.
    pub digest: Digest,
    /// The settings as sealed.
    pub settings: String,
    /// Sealing time: what the guest's clock shows.
    pub at: Millis,
    /// Open parts.
    pub parts: Vec<OpenPart>,
}

/// A part that has not ended.
#[derive(Clone, Debug)]
pub struct OpenPart {
    /// The store's id.
    pub id: PartId,
    /// Rows in the sealed order, struck people still among them.
    pub part: Arc<Part>,
    /// Its people.
    pub riders: Arc<Vec<Rider>>,
    /// People struck since, by their place.
    pub struck: Vec<u32>,
    /// Attempts so far.
    pub attempts: u32,
    /// The last attempt's deadline, where it has no recorded end: a dead owner's call may still be under way.
    pub open_until: Option<Millis>,
    /// Whether an earlier attempt may have landed.
    pub may_have_landed: bool,
    /// When it was sealed, less the time that its lane was held: the retry horizon counts from here.
    pub flowing_since: Millis,
    /// Poison rows found so far among parts halved from one.
    pub poison: u32,
}

/// The end of an attempt, in one transaction.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The part; one that has ended already makes the whole call a harmless repeat.
    pub part: PartId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Its effect.
    pub effect: Effect,
    /// Final words on operations (not for people still open).
    pub outcomes: Vec<Outcome>,
    /// Membership.
    pub membership: Vec<MembershipChange>,
    /// People struck: they are no longer sent (their outcomes are above, unless their operation rides on).
    pub struck: Vec<u32>,
    /// Whether the part has ended.
    pub ends: bool,
    /// New parts of the rest (halves, or what a partial success left); the part must end.
    pub replaced_by: Vec<PartDraft>,
    /// Poison rows found, handed on to `replaced_by`.
    pub poison: u32,
    /// Refused but not named by the partner: the part's note (design, 11.8).
    pub doubtful: u32,
    /// A reference for follow-up.
    pub pending: Option<String>,
    /// How the lane goes on.
    pub lane: LaneState,
    /// For `batch show`: the fault in words, and requests made (`method url status`), without secrets.
    pub note: String,
    /// Now.
    pub now: Millis,
}

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
    /// Events.
    pub events: Vec<Event>,
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
    /// Columns and all.
    pub part: Part,
    /// Open, or how it ended.
    pub ended: Option<Millis>,
    /// One line per attempt.
    pub attempts: Vec<String>,
    /// Refused without being named.
    pub doubtful: u32,
}

/// The contract of design section 7. All engines pass the same suite (`contract_suite`).
pub trait Store: Send + Sync + Clone + 'static {
    /// Takes ownership of all slots of this database, fencing any earlier owner.
    fn lease(&self, host: &str, now: Millis) -> impl Future<Output = Result<Lease>> + Send;
    /// Keeps the lease alive; `Fenced` where it was lost.
    fn renew(&self, lease: Lease, now: Millis) -> impl Future<Output = Result<()>> + Send;
    /// Gives it back.
    fn release(&self, lease: Lease) -> impl Future<Output = Result<()>> + Send;

    /// Makes a document the live version of its canvas; the same document again is the same version.
    fn publish(&self, lease: Lease, canvas: Canvas, now: Millis) -> impl Future<Output = Result<Version>> + Send;
    /// All versions of all canvases, oldest first.
    fn versions(&self) -> impl Future<Output = Result<Vec<Version>>> + Send;

    /// The registered audience of a name.
    fn audience(&self, name: &str) -> impl Future<Output = Result<Option<Audience>>> + Send;
    /// All registered audiences.
    fn audiences(&self) -> impl Future<Output = Result<Vec<Audience>>> + Send;
    /// Registers or changes one. Written before the partner is asked to make it (with its marker), and again after.
    fn bind(&self, lease: Lease, audience: Audience) -> impl Future<Output = Result<()>> + Send;
    /// The lane of a bound audience, made if need be; also interns its connection (the number in `Move::Offer`).
    fn lane(
        &self,
        lease: Lease,
        key: LaneKey,
        connection: &str,
        made_by_us: bool,
        parts: Vec<(String, String)>,
    ) -> impl Future<Output = Result<(LaneId, u32)>> + Send;

    /// Merges people in, by external id or alias. Ids come in the order of the input; the same person twice in one chunk
    /// is merged in order. Harmless when repeated. Two people who share an alias stay two: it belongs to the first; only
    /// who was known by nothing but that alias takes the new external id.
    fn upsert(
        &self,
        lease: Lease,
        people: Vec<Profile>,
        now: Millis,
    ) -> impl Future<Output = Result<Vec<Known>>> + Send;
    /// Appends events: (external id, message id, event). Unknown people are made.
    fn record(
        &self,
        lease: Lease,
        events: Vec<(String, Option<String>, Event)>,
        now: Millis,
    ) -> impl Future<Output = Result<Vec<ProfileId>>> + Send;
    /// Events of these people with these names, oldest first, in the order of `profiles`.
    fn events(
        &self,
        profiles: Vec<ProfileId>,
        names: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Vec<Event>>>> + Send;

    /// How many rows of an intake source are done, and how many of them entered. 0 where the source is unknown.
    fn intake(&self, version: VersionId, source: &str) -> impl Future<Output = Result<(u64, u64)>> + Send;
    /// Lets people in: re-entry rule, open-entry rule, counters, positions and operations, one transaction.
    fn enter(&self, lease: Lease, batch: EnterBatch) -> impl Future<Output = Result<Entered>> + Send;
    /// Positions due by `now`, oldest first, at most `limit`; arrivals are always due.
    fn due(&self, now: Millis, limit: usize, with_people: bool) -> impl Future<Output = Result<Vec<Due>>> + Send;
    /// Moves due positions on. One that is no longer there (exited, already advanced) is left out silently.
    fn advance(&self, lease: Lease, moves: Vec<Advance>, now: Millis) -> impl Future<Output = Result<u64>> + Send;
    /// Ends the open entries of these people in a canvas at once: positions go, unsent operations learn `exited`.
    fn signal_exit(
        &self,
        lease: Lease,
        version: VersionId,
        profiles: Vec<ProfileId>,
        reason: Reason,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// When the next timer is due, of positions and lanes; `None` where nothing waits for the clock.
    fn next_timer(&self) -> impl Future<Output = Result<Option<Millis>>> + Send;

    /// All lanes.
    fn lanes(&self) -> impl Future<Output = Result<Vec<Lane>>> + Send;
    /// Changes a lane's state. Where it leaves [`LaneState::Held`], the time held is added to the `flowing_since` of its
    /// open parts; it counts until the newest `now` that any call has named ([`Store::renew`] names one every few seconds).
    fn set_lane(&self, lease: Lease, lane: LaneId, state: LaneState) -> impl Future<Output = Result<()>> + Send;
    /// The lane's next operations in order, with people and memberships. Takes nothing.
    fn peek(&self, lane: LaneId, limit: usize) -> impl Future<Output = Result<Vec<Queued>>> + Send;
    /// Takes operations off the lane's waiting end: outcomes, and a durable slice of the rest. `Impossible` where the
    /// lane has an open slice.
    fn seal(&self, lease: Lease, sealing: Sealing) -> impl Future<Output = Result<Option<Slice>>> + Send;
    /// The lane's open slice, unchanged.
    fn open_slice(&self, lane: LaneId) -> impl Future<Output = Result<Option<Slice>>> + Send;
    /// Records an attempt before its request leaves; gives its number.
    fn attempt(
        &self,
        lease: Lease,
        part: PartId,
        deadline: Millis,
        now: Millis,
    ) -> impl Future<Output = Result<u32>> + Send;
    /// Ends an attempt: statuses, membership, counters, next steps, strikes, splits, the lane's state.
    fn settle(&self, lease: Lease, settlement: Settlement) -> impl Future<Output = Result<()>> + Send;
    /// Of these people's riders in an open part: who must be struck now (consent withdrawn, erased, exited)?
    fn recheck(&self, part: PartId) -> impl Future<Output = Result<Vec<Queued>>> + Send;

    /// Sums in one snapshot.
    fn counters(&self, version: VersionId) -> impl Future<Output = Result<Counters>> + Send;
    /// Counts everything anew from the rows and compares: what is off, in words. Empty = the books balance.
    fn audit(&self) -> impl Future<Output = Result<Vec<String>>> + Send;
    /// Finds people by any identifier: external id, alias, e-mail, phone, device id, or a digest that membership holds.
    /// Ids and aliases are looked up at once; the others by reading every profile, about a second per million.
    fn find(&self, identifier: &str) -> impl Future<Output = Result<Vec<ProfileId>>> + Send;
    /// All about one person.
    fn trace(&self, profile: ProfileId) -> impl Future<Output = Result<Option<Trace>>> + Send;
    /// Visits with a status (and reason code), newest first: who is behind a number.
    fn visits(
        &self,
        version: VersionId,
        step: StepIx,
        status: Status,
        reason: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(String, VisitId, Reason)>>> + Send;
    /// The newest parts of a version's step, newest first.
    fn parts(&self, lane: Option<LaneId>, limit: usize) -> impl Future<Output = Result<Vec<PartRecord>>> + Send;
    /// One part by its name.
    fn part(&self, name: &str) -> impl Future<Output = Result<Option<PartRecord>>> + Send;
    /// A hint that there may be work; never misses, may be spurious.
    fn changed(&self) -> impl Future<Output = ()> + Send;
}
