//! Slices and parts: what is sealed, attempted and settled.
use super::{CanvasesSeen, Charge, LaneState, MembershipChange, Outcome};
use caravan_model::{Digest, Effect, LaneId, Millis, Part, PartId, ProfileId, SliceId, StepIx, VersionId, VisitId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// The first part's first attempt, recorded along with it: its deadline. It is left out where it was overtaken: more of
    /// those who are taken have heard an exit than `exited` says, or a canvas of theirs stands otherwise than `seen` says.
    /// Who must not be sent any more is then found by [`super::Store::recheck`] before the attempt that is to be made.
    pub first_attempt: Option<Millis>,
    /// How many of the operations that are taken had heard an exit when it was decided what to send.
    pub exited: usize,
    /// How canvases stood then.
    pub seen: CanvasesSeen,
    /// What that attempt uses of quotas.
    pub charges: Vec<Charge>,
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
    /// A reference for follow-up, and when to ask first.
    pub pending: Option<(String, Millis)>,
    /// How the lane goes on.
    pub lane: LaneState,
    /// For `batch show`: the fault in words, and requests made (`method url status`), without secrets.
    pub note: String,
    /// The redacted requests and answer heads, as the caller writes them; empty = none were made.
    pub exchange: String,
    /// Now.
    pub now: Millis,
}
