//! The contract: durable state as calls on sets. Each call is one transaction; none lets SQL out.
//!
//! Who calls: `runner` alone. Every writing call carries the epoch of the caller's lease and is refused as [`Error::Fenced`]
//! once another owner has taken over. Each is harmless when repeated after its commit was acknowledged or lost: by an intake
//! key, by positions that are gone, or by a part that has ended. With a [`Warrant`]'s note, both stand or fall together.
mod calling;
mod catalogue;
mod components;
mod delivery;
mod entries;
mod groups;
mod imports;
mod inbox;
mod keeping;
mod lanes;
mod leases;
mod merging;
mod moving;
mod notes;
mod reading;
mod slices;

pub use calling::*;
pub use caravan_model::Charge;
pub use catalogue::*;
pub use components::*;
pub use delivery::*;
pub use entries::*;
pub use groups::*;
pub use imports::*;
pub use inbox::*;
pub use keeping::*;
pub use lanes::*;
pub use leases::*;
pub use merging::*;
pub use moving::*;
pub use notes::*;
pub use reading::*;
pub use slices::*;

use caravan_model::{
    Canvas, Digest, Event, Group, LaneId, Millis, PartId, Problem, Profile, ProfileId, Reason, Status, StepIx,
    VersionId, VisitId,
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
    /// How a canvas stands has changed since the caller looked. Nothing of the call was kept: look again.
    #[error("a canvas was paused, stopped or opened meanwhile")]
    Overtaken,
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

/// The contract of design section 7. All engines pass the same suite (`contract_suite`).
pub trait Store: Send + Sync + Clone + 'static {
    /// Takes ownership of slots, fencing any earlier owner of them. The lease names those that were got: an engine with
    /// one owner (SQLite) gives all, one with many gives of the wanted ones those that are free or whose lease is over.
    fn lease(&self, host: &str, wanted: Slots, now: Millis) -> impl Future<Output = Result<Lease>> + Send;
    /// Keeps the lease alive; `Fenced` where it was lost.
    fn renew(&self, lease: Lease, now: Millis) -> impl Future<Output = Result<()>> + Send;
    /// Gives it back.
    fn release(&self, lease: Lease) -> impl Future<Output = Result<()>> + Send;

    /// Makes a document the live version of its canvas; the same document again is the same version.
    fn publish(&self, by: impl Under, canvas: Canvas, now: Millis) -> impl Future<Output = Result<Version>> + Send;
    /// All versions of all canvases, oldest first.
    fn versions(&self) -> impl Future<Output = Result<Vec<Version>>> + Send;

    /// The registered audience of a name.
    fn audience(&self, name: &str) -> impl Future<Output = Result<Option<Audience>>> + Send;
    /// All registered audiences.
    fn audiences(&self) -> impl Future<Output = Result<Vec<Audience>>> + Send;
    /// Registers or changes one. Written before the partner is asked to make it (with its marker), and again after.
    fn bind(&self, by: impl Under, audience: Audience) -> impl Future<Output = Result<()>> + Send;
    /// Gives an audience that was still to be made the partner's id: its lane, all names that lead to it and a person's
    /// hold on it have the new key from then on, in one transaction; it is ours. False, and nothing is changed, where
    /// another lane has that key already.
    fn name_audience(
        &self,
        lease: Lease,
        key: LaneKey,
        id: String,
        parts: Vec<(String, String)>,
    ) -> impl Future<Output = Result<bool>> + Send;
    /// The lane of a bound audience, made if need be; also interns its connection (the number in `Move::Offer`). With
    /// more than one stripe, the id is the first one's; who offers names that, and each person has a stripe of their own
    /// for ever, so the number of a lane's first day counts.
    fn lane(&self, lease: Lease, lane: LaneSpec) -> impl Future<Output = Result<(LaneId, u32)>> + Send;

    /// Merges people in, by external id or alias. Ids come in the order of the input; the same person twice in one chunk
    /// is merged in order. Harmless when repeated. Two people who share an alias stay two: it belongs to the first; only
    /// who was known by nothing but that alias takes the new external id.
    fn upsert(
        &self,
        by: impl Under,
        people: Vec<Profile>,
        now: Millis,
    ) -> impl Future<Output = Result<Vec<Known>>> + Send;
    /// Who has these external ids or aliases, in their order.
    fn named(&self, names: Vec<String>) -> impl Future<Output = Result<Vec<Option<ProfileId>>>> + Send;
    /// Which of these pairs name two people who are to be one.
    fn strangers(&self, pairs: Vec<SamePerson>) -> impl Future<Output = Result<Vec<SamePerson>>> + Send;
    /// Makes two people one, where they are to be: names, identifiers, events, lists and entries go to the survivor; of two
    /// open entries in a canvas the survivor's stays, the other ends as `exited` with `merged`. What
    /// audiences and queues have of the other goes over, too. Those of whom rows are at a partner just now are noted, and
    /// tried again by a later call, up to `again` of them. Gives who was merged; repeated, nobody is.
    fn merge(
        &self,
        lease: Lease,
        pairs: Vec<SamePerson>,
        again: usize,
        now: Millis,
    ) -> impl Future<Output = Result<Vec<Merged>>> + Send;
    /// How many profiles were merged, and how many could not be yet.
    fn merges(&self) -> impl Future<Output = Result<Merges>> + Send;
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

    /// Takes messages in: (message id, body), appended in this order; an id heard within seven days does nothing. Gives
    /// how many were new. Once this has answered, none is lost.
    fn receive(
        &self,
        by: impl Under,
        messages: Vec<(Option<String>, String)>,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// The oldest messages that are not worked off.
    fn inbox(&self, limit: usize) -> impl Future<Output = Result<Vec<Inbound>>> + Send;
    /// How much waits in the inbox; never reads all of it.
    fn backlog(&self) -> impl Future<Output = Result<Backlog>> + Send;
    /// Forgets messages up to this one and keeps their events, as [`Store::record`] does.
    fn work_off(
        &self,
        lease: Lease,
        upto: u64,
        events: Vec<(String, Option<String>, Event)>,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;

    /// How many rows of an intake source are done, and how many of them entered. 0 where the source is unknown.
    fn intake(&self, version: VersionId, source: &str) -> impl Future<Output = Result<(u64, u64)>> + Send;
    /// Lets people in: re-entry rule, open-entry rule, counters, positions and operations, one transaction.
    fn enter(&self, lease: Lease, batch: EnterBatch) -> impl Future<Output = Result<Entered>> + Send;
    /// How many more its caps let into a version's canvas, as [`Store::enter`] counts: on this day, from a new source.
    fn room(&self, version: VersionId, caps: Caps, day: Millis) -> impl Future<Output = Result<EntryRoom>> + Send;
    /// Positions due by `now`, oldest first, at most `limit`; arrivals are always due.
    fn due(&self, now: Millis, limit: usize, with_people: bool) -> impl Future<Output = Result<Vec<Due>>> + Send;
    /// Moves due positions on. One that is no longer there (exited, already advanced) is left out silently.
    fn advance(
        &self,
        lease: Lease,
        moves: Vec<Advance>,
        seen: CanvasesSeen,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// Moves open entries to another version of their canvas, with the visits at which they wait, due times and all: a visit
    /// counts where it waits, an entry as begun where it began and as open where it is. Harmless when repeated.
    fn move_entries(&self, lease: Lease, wanted: MoveEntries) -> impl Future<Output = Result<Moved>> + Send;
    /// Ends the open entries of these people in a canvas at once: positions go, unsent operations learn `exited`.
    fn signal_exit(
        &self,
        by: impl Under,
        version: VersionId,
        profiles: Vec<ProfileId>,
        reason: Reason,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// Where these people's open entries rest, whatever is due: who is woken is moved by [`Store::advance`].
    fn resting(&self, profiles: Vec<ProfileId>) -> impl Future<Output = Result<Vec<Due>>> + Send;
    /// These people's newest entries into a version's canvas, whatever version they entered; who never did is left out.
    fn newest_entries(
        &self,
        version: VersionId,
        profiles: Vec<ProfileId>,
    ) -> impl Future<Output = Result<Vec<NewestEntry>>> + Send;
    /// Which of these calls are still to be made: not of whoever left, or moved to another version. Asked before requests leave.
    fn still_called(&self, calls: Vec<Uncalled>) -> impl Future<Output = Result<Vec<bool>>> + Send;
    /// Calls of these steps' endpoints that may be made now, step by step, oldest first, with their people.
    fn calls(
        &self,
        steps: Vec<(VersionId, StepIx)>,
        now: Millis,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Calling>>> + Send;
    /// Calls that are made again later. One whose visit waits no longer is left out silently; gives how many do.
    fn postpone(&self, lease: Lease, calls: Vec<Postponed>, now: Millis) -> impl Future<Output = Result<u64>> + Send;
    /// People with an open entry in a version, by ascending id from `after` on.
    fn inside(
        &self,
        version: VersionId,
        after: ProfileId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ProfileId>>> + Send;
    /// When the next timer is due, of whatever waits for the clock; `None` where nothing does.
    fn next_timer(&self) -> impl Future<Output = Result<Option<Millis>>> + Send;

    /// All lanes.
    fn lanes(&self) -> impl Future<Output = Result<Vec<Lane>>> + Send;
    /// Changes a lane's state. Where it leaves [`LaneState::Held`], the time held is added to the `flowing_since` of its
    /// open parts; it counts until the newest `now` that any call has named ([`Store::renew`] names one every few seconds).
    fn set_lane(&self, by: impl Under, lane: LaneId, state: LaneState) -> impl Future<Output = Result<()>> + Send;
    /// Adds operations that no entry asks for: removals owed, claims that end, renewals. Those of people whom `settles`
    /// names leave the list of [`Store::owing`] in the same transaction. Owed ones get a receipt each. An operation that
    /// waits already for the same (lane, profile, origin, step) is not added twice.
    fn offer(
        &self,
        lease: Lease,
        offers: Vec<Offer>,
        settles: Vec<ProfileId>,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// Sends visits with this final status (and reason code) again: each waits once more ([`Again`]), as a new operation at the
    /// end of its lane, unless a newer one of the same person has ended there or waits, or for its endpoint, unless they left
    /// by an exit. Looks at `limit` visits, the newest first; gives how many were sent and where to go on.
    fn resend(&self, by: impl Under, resend: Resend) -> impl Future<Output = Result<Resent>> + Send;
    /// Moves unsealed operations of these steps to another lane, to its end, in order (rebinding). Gives how many.
    fn move_operations(
        &self,
        by: impl Under,
        from: LaneId,
        to: LaneId,
        steps: Vec<(VersionId, StepIx)>,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// Gives up on a lane whose audience is gone: its open slice and parts end, operations that wait in them go back to
    /// the lane's head (owed ones to their line's end, with their receipts), and renewals and refills, which a new
    /// audience's refill asks for anew, are dropped. Gives how many went back.
    fn give_up(&self, by: impl Under, lane: LaneId, now: Millis) -> impl Future<Output = Result<u64>> + Send;

    /// Erases people: profile, names and events go, tombstones stay; rows of ended parts that held them go. What
    /// membership recorded stays until the removals that this owes are done ([`Store::owing`]). Unknown ids do nothing.
    fn erase(&self, by: impl Under, profiles: Vec<ProfileId>, now: Millis) -> impl Future<Output = Result<()>> + Send;
    /// People who withdrew consent or were erased, with the audiences that may hold them, or whose call is under way:
    /// what is owed is not queued yet. Written by [`Store::upsert`] and [`Store::erase`] in their own transaction; who is
    /// owed a removal that the partner refused comes again some hours later.
    fn owing(&self, now: Millis, limit: usize) -> impl Future<Output = Result<Vec<Owing>>> + Send;
    /// Receipts of a person, or (none named) those that are open, oldest first: not done yet, or refused by the partner
    /// and not asked for anew.
    fn receipts(&self, profile: Option<ProfileId>, limit: usize) -> impl Future<Output = Result<Vec<Receipt>>> + Send;
    /// Receipts that name this external id, also once the profile is erased.
    fn receipts_of(&self, external_id: &str) -> impl Future<Output = Result<Vec<Receipt>>> + Send;
    /// When the people with these external ids or aliases were erased, in their order; `None` where nobody was.
    fn erased(&self, names: Vec<String>) -> impl Future<Output = Result<Vec<Option<Millis>>>> + Send;
    /// When the person with this identifier was erased; `None` where nobody was who had it.
    fn erased_at(&self, identifier: &str) -> impl Future<Output = Result<Option<Millis>>> + Send;

    /// Removals owed whose newest answer is the partner's refusal, also while they are asked for anew: each person once.
    fn refused_removals(&self) -> impl Future<Output = Result<Vec<RefusedRemovals>>> + Send;

    /// Members of a lane, by ascending profile from `after` on, whatever their standing.
    fn members(
        &self,
        lane: LaneId,
        after: ProfileId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(ProfileId, Membership)>>> + Send;
    /// Queues the end of these claims for members of a lane, and for adds of these steps that still wait there
    /// (takeback). Works on at most `limit` members from `after` on.
    fn take_back(
        &self,
        by: impl Under,
        lane: LaneId,
        claims: Vec<(VersionId, StepIx)>,
        after: ProfileId,
        limit: usize,
        now: Millis,
    ) -> impl Future<Output = Result<Walked>> + Send;
    /// Queues the end of claims whose time has come (`keep_for`), at most `limit`. Gives how many timers were fired.
    fn end_claims(&self, lease: Lease, now: Millis, limit: usize) -> impl Future<Output = Result<u64>> + Send;
    /// Queues renewals for members whom the partner acknowledged `age` ago or longer, each once per acknowledgement, and
    /// notes when to look again. Does nothing before that time, unless it was set under a longer age.
    fn renew_members(
        &self,
        lease: Lease,
        lane: LaneId,
        age: caravan_model::Duration,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// Queues an add for everyone whom a lane's membership holds, at another lane or the same one (refill). With
    /// `forget`, the old audience is gone: what was recorded there is dropped. At most `limit` from `after` on.
    fn refill(&self, by: impl Under, refill: Refill) -> impl Future<Output = Result<Walked>> + Send;

    /// Puts people into groups and takes them out. Where it is `told`, each change that is one becomes a message of the inbox
    /// ([`caravan_model::GroupChange`]) in the same transaction; people of `looked` are no longer restless, unless they
    /// changed again. Erased people are left out. Gives how many changes there were.
    fn regroup(
        &self,
        lease: Lease,
        changes: Vec<Regroup>,
        told: bool,
        looked: Vec<Restless>,
        now: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;
    /// Forgets a group and who is in it, without a message.
    fn disband(&self, by: impl Under, group: Group) -> impl Future<Output = Result<()>> + Send;
    /// Who is in a group and since when, by ascending profile from `after` on.
    fn group_members(
        &self,
        group: Group,
        after: ProfileId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(ProfileId, Millis)>>> + Send;
    /// The groups that these people are in, in the order of `profiles`.
    fn groups_of(&self, profiles: Vec<ProfileId>) -> impl Future<Output = Result<Vec<Vec<Group>>>> + Send;
    /// All groups that anybody was in, with how many are in now.
    fn group_sizes(&self) -> impl Future<Output = Result<Vec<(Group, u64)>>> + Send;
    /// Who changed since their segments were looked at, oldest first. Noted only while there are segments.
    fn restless(&self, limit: usize) -> impl Future<Output = Result<Vec<Restless>>> + Send;
    /// People by ascending id from `after` on, without erased ones.
    fn everyone(&self, after: ProfileId, limit: usize) -> impl Future<Output = Result<Vec<Known>>> + Send;
    /// These people, by ascending id; erased ones are left out.
    fn people(&self, profiles: Vec<ProfileId>) -> impl Future<Output = Result<Vec<Known>>> + Send;

    /// A step of an import into a list: members are linked to people whom we know and put on it, in the transaction that
    /// notes how far the import is; repeated, it changes nothing. What came along is merged in as attributes.
    fn import(&self, by: impl Under, step: ImportStep, now: Millis) -> impl Future<Output = Result<Imported>> + Send;
    /// How many an import linked, and those whom it did not, after a key.
    fn imported(
        &self,
        import: String,
        after: Option<Digest>,
        limit: usize,
    ) -> impl Future<Output = Result<ImportView>> + Send;

    /// A person holds what this names; holding it again changes the words.
    fn hold(&self, by: impl Under, hold: Hold) -> impl Future<Output = Result<()>> + Send;
    /// Ends a hold; false where there is none. Time held does not flow (design, 11.9).
    fn lift(&self, by: impl Under, scope: HoldScope, now: Millis) -> impl Future<Output = Result<bool>> + Send;
    /// All holds by people.
    fn holds(&self) -> impl Future<Output = Result<Vec<Hold>>> + Send;

    /// What is used of quotas whose window is not over.
    fn charges(&self, now: Millis) -> impl Future<Output = Result<Vec<Charge>>> + Send;
    /// Parts that a partner judges later, and that are to be asked about now.
    fn follow_ups(&self, now: Millis, limit: usize) -> impl Future<Output = Result<Vec<FollowUp>>> + Send;
    /// What a follow-up said: corrections that move both counters (design, 11.8), counts, or when to ask again. A visit
    /// whose status is no longer the one corrected from is left alone. Where nothing was processed, visits wait once more (as
    /// by `resend`), and removals that are owed are owed again, each after a wait that grows.
    fn correct(&self, lease: Lease, correction: Correction) -> impl Future<Output = Result<u64>> + Send;

    /// A number that changes with each write of documents, once it is there to be read: what was read since the number was
    /// looked at is still so while it is the same. `None` where it cannot be told, as others may write: then read anew.
    fn documents_written(&self) -> Option<u64>;
    /// All documents of a kind: settings that stand beside versions (policy, subscriptions, alerts, canvas states).
    fn documents(&self, kind: DocumentKind) -> impl Future<Output = Result<Vec<(String, String)>>> + Send;
    /// Writes, or (`None`) removes, documents in one transaction.
    fn put_documents(
        &self,
        by: impl Under,
        documents: Vec<(DocumentKind, String, Option<String>)>,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Puts a sealed text in the place of the one that was read, or (`None`) removes it, with a note of whose order it is; false,
    /// and nothing is changed, where another one stands there by now. No lease: what was read is the fence, for every owner.
    fn swap_sealed(
        &self,
        id: String,
        was: Option<String>,
        becomes: Option<String>,
        note: Option<Note>,
    ) -> impl Future<Output = Result<bool>> + Send;
    /// Writes or removes documents as [`Store::put_documents`] does, and appends notes of it, or of what was done already,
    /// to the audit chain: one transaction. Nothing changes or removes a note.
    fn note(
        &self,
        lease: Lease,
        documents: Vec<(DocumentKind, String, Option<String>)>,
        notes: Vec<Note>,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Records of the audit chain after a number, oldest first.
    fn notes(&self, after: u64, limit: usize) -> impl Future<Output = Result<Vec<Noted>>> + Send;
    /// The number and hash of the newest record that was ever appended; `None` before the first.
    fn newest_note(&self) -> impl Future<Output = Result<Option<(u64, String)>>> + Send;
    /// Keeps a connector's bytes by their digest, for every host; the same again do nothing. Gives the digest.
    fn keep_component(
        &self,
        lease: Lease,
        name: String,
        version: String,
        bytes: Vec<u8>,
        now: Millis,
    ) -> impl Future<Output = Result<Digest>> + Send;
    /// The bytes with this digest; checked against it.
    fn component(&self, digest: Digest) -> impl Future<Output = Result<Option<Vec<u8>>>> + Send;
    /// All kept connectors without their bytes, by name and then by the time of their coming.
    fn components(&self) -> impl Future<Output = Result<Vec<ComponentRecord>>> + Send;
    /// Forgets a connector's bytes; false where there are none. Whoever calls makes sure that nobody is pinned to them.
    fn drop_component(&self, lease: Lease, digest: Digest) -> impl Future<Output = Result<bool>> + Send;

    /// Forgets exchanges of attempts that ended before. Gives how many.
    fn prune(&self, by: impl Under, before: Millis) -> impl Future<Output = Result<u64>> + Send;
    /// Drops events that happened before, among the next `limit` from the cursor on. How many there were stays by person
    /// and name, with the first one's time and the newest 256 times of the last 400 days: [`Store::events`] goes on
    /// telling of them, without properties.
    fn drop_events(&self, lease: Lease, sweep: Sweep) -> impl Future<Output = Result<Swept>> + Send;
    /// Folds visits away, among the next `limit` records from the cursor on: all of an entry at once, where it has ended,
    /// nothing of it waits or is judged later, and its last word was said before. Counters stay as they are, and
    /// [`Store::audit`] goes on balancing; who is behind the number is forgotten, and cannot be sent again.
    fn fold_visits(&self, lease: Lease, sweep: Sweep) -> impl Future<Output = Result<Swept>> + Send;

    /// Writes a copy of the store, as it is at one instant, to a new file that its owner alone can read; while others
    /// write. The copy is looked through ([`Store::integrity`], [`Store::audit`]) before it gets its name. Refuses to
    /// replace a file.
    fn backup(&self, to: std::path::PathBuf) -> impl Future<Output = Result<BackedUp>> + Send;
    /// How much room the store takes, and how much is left; cheap, but for the engine's own reasons not for every message.
    fn space(&self) -> impl Future<Output = Result<Space>> + Send;
    /// Whether the engine's own structures are whole: what is off, in its words. Reads everything.
    fn integrity(&self) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// The lane's next operations in order, with people and memberships: owed removals alone while there are any. Takes
    /// nothing.
    fn peek(&self, lane: LaneId, limit: usize) -> impl Future<Output = Result<Vec<Queued>>> + Send;
    /// Takes operations off the lane's waiting end: outcomes, and a durable slice of the rest, with its first attempt unless
    /// an exit or a stop came between ([`Sealing::first_attempt`]). `Impossible` where the lane has an open slice.
    fn seal(&self, lease: Lease, sealing: Sealing) -> impl Future<Output = Result<Option<Slice>>> + Send;
    /// The lane's open slice, unchanged.
    fn open_slice(&self, lane: LaneId) -> impl Future<Output = Result<Option<Slice>>> + Send;
    /// Records an attempt before its request leaves, with what it uses of quotas; gives its number.
    fn attempt(
        &self,
        lease: Lease,
        part: PartId,
        deadline: Millis,
        charges: Vec<Charge>,
        now: Millis,
    ) -> impl Future<Output = Result<u32>> + Send;
    /// Ends an attempt: statuses, membership, counters, next steps, strikes, splits, the lane's state.
    fn settle(&self, lease: Lease, settlement: Settlement) -> impl Future<Output = Result<()>> + Send;
    /// Of these people's riders in an open part: who must be struck now (consent withdrawn, erased, exited)?
    fn recheck(&self, part: PartId) -> impl Future<Output = Result<Vec<Queued>>> + Send;

    /// Sums in one snapshot.
    fn counters(&self, version: VersionId) -> impl Future<Output = Result<Counters>> + Send;
    /// What became final in a version from one instant (included) to another, by quarters of an hour.
    fn history(
        &self,
        version: VersionId,
        from: Millis,
        to: Millis,
    ) -> impl Future<Output = Result<Vec<Quarter>>> + Send;
    /// Counts everything anew from the rows and compares: what is off, in words. Empty = the books balance.
    fn audit(&self) -> impl Future<Output = Result<Vec<String>>> + Send;
    /// Finds people by any identifier: external id, alias, e-mail, phone, device id, or a digest that membership holds.
    /// Ids and aliases are looked up at once; the others by reading every profile, about a second per million.
    fn find(&self, identifier: &str) -> impl Future<Output = Result<Vec<ProfileId>>> + Send;
    /// Which events, properties and attributes are observed, looking at so many people and so many events at most. No value
    /// of anybody is in it.
    fn catalogue(&self, most: usize) -> impl Future<Output = Result<Catalogue>> + Send;
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
    /// A hint that there may be work; never misses.
    fn changed(&self) -> impl Future<Output = ()> + Send;
}
