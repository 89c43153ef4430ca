//! The contract: durable state as calls on sets. Each call is one transaction; none lets SQL out.
//!
//! Who calls: `runner` alone. Every writing call carries the epoch of the caller's lease and is refused as
//! [`Error::Fenced`] once another owner has taken over. Every writing call is harmless when repeated after its commit
//! was acknowledged or lost: by an intake key, by positions that are no longer there, or by a part that has ended.
mod entries;
mod lanes;
mod reading;
mod slices;

pub use entries::*;
pub use lanes::*;
pub use reading::*;
pub use slices::*;

use caravan_model::{
    Canvas, Event, LaneId, Millis, PartId, Problem, Profile, ProfileId, Reason, Status, StepIx, VersionId, VisitId,
};
use std::future::Future;

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
