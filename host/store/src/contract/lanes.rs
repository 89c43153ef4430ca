//! Lanes, their operations, and what is known of people in audiences.
use super::{Hold, Origin};
use caravan_model::{Action, LaneId, Millis, Profile, ProfileId, Reason, Status, StepIx, VersionId, VisitId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// What stands before our marker in place of an id.
const TO_BE_MADE: &str = "new:";

/// What stands for the id of an audience that its partner makes only with its first people, until they come.
pub fn to_be_made(marker: &str) -> String {
    format!("{TO_BE_MADE}{marker}")
}

impl LaneKey {
    /// The marker under which the audience is made with its first people; `None` where it has an id.
    pub fn marker_to_be_made(&self) -> Option<&str> {
        self.audience.strip_prefix(TO_BE_MADE)
    }
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
    /// Of these, removals that consent or erasure owe: they go first.
    pub owed: u64,
    /// Whether the audience was made by us: then no membership row means out, not unknown.
    pub made_by_us: bool,
    /// Further ids of the audience.
    pub audience_parts: Vec<(String, String)>,
    /// Which of the audience's stripes this is, from 0; people are spread over them for ever.
    pub stripe: u32,
    /// What people hold it by; empty = nobody holds it.
    pub held_by: Vec<Hold>,
    /// When its members are looked through for renewal next; `None` until [`super::Store::renew_members`] was called.
    pub next_renewal: Option<Millis>,
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
    /// Nothing is known: an operation on them ended without the partner's word.
    Unknown = 3,
}

/// A step or activation that asked for a member (design, 11.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The version.
    pub version: VersionId,
    /// The step.
    pub step: StepIx,
    /// When it ends by itself (`keep_for`).
    pub until: Option<Millis>,
}

impl Claim {
    /// Which step's it is.
    pub fn of(&self) -> (VersionId, StepIx) {
        (self.version, self.step)
    }
}

impl From<(VersionId, StepIx)> for Claim {
    /// Without an end.
    fn from((version, step): (VersionId, StepIx)) -> Claim {
        Claim { version, step, until: None }
    }
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
    /// The steps that asked for it (design, 11.17).
    pub claims: Vec<Claim>,
    /// When the newest operation on them ended, however it did; 0 = none is known.
    pub newest: Millis,
}

/// An operation at the head of a lane, with all that sealing needs.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Its place in the lane; lane order is commit order. Owed removals have places below 0: they go first.
    pub seq: i64,
    /// Add or remove.
    pub action: Action,
    /// Why it is there.
    pub origin: Origin,
    /// The visit that asked; entry 0 where none did ([`Origin::has_visit`]).
    pub visit: VisitId,
    /// Its version and step; for an operation without a visit those of the claim that it is about, zeros where none.
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MembershipChange {
    /// Who.
    pub profile: ProfileId,
    /// `None`: only the claims change.
    pub now: Option<MembershipNow>,
    /// Where they stand if nothing is known of them yet; without it, claims of people who are not known are refused.
    pub unless_known: Option<MembershipNow>,
    /// A claim that begins, or is asked for anew with another end.
    pub claim: Option<Claim>,
    /// All claims end (a `remove` step, consent, erasure).
    pub clear_claims: bool,
    /// One claim ends (takeback, `keep_for`), before `claim` begins.
    pub end_claim: Option<(VersionId, StepIx)>,
    /// When the operation that this is about ended: [`Membership::newest`] grows to it.
    pub ended: Millis,
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
