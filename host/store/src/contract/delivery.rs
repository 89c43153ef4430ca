//! What keeps delivery true beside entries: who asked for an operation, what is owed, holds, quotas, follow-ups.
use super::{LaneKey, Membership, MembershipChange, Rider};
use caravan_model::{
    Action, Digest, Duration, LaneId, Millis, Part, PartId, Profile, ProfileId, Reason, Status, StepIx, VersionId,
    VisitId,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why an operation is in a lane. The numbers are the store's format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Origin {
    /// A visit asked, on its entry's way.
    #[default]
    Visit = 0,
    /// A visit that had ended is sent again.
    Resend = 1,
    /// Consent was withdrawn.
    Consent = 2,
    /// The person was erased.
    Erasure = 3,
    /// A person took back what a step did: its claim ends.
    TakeBack = 4,
    /// `keep_for` is over: the claim ends, if it was not asked for anew.
    KeepFor = 5,
    /// The partner would forget the member otherwise.
    Renewal = 6,
    /// A person asked to send all of it again.
    Refill = 7,
}

impl Origin {
    /// By the store's number.
    pub fn from_number(number: u8) -> Option<Origin> {
        use Origin::*;
        [Visit, Resend, Consent, Erasure, TakeBack, KeepFor, Renewal, Refill].into_iter().nth(number.into())
    }

    /// Whether the operation decides a visit's status.
    pub fn has_visit(self) -> bool {
        matches!(self, Origin::Visit | Origin::Resend)
    }

    /// Whether it is a removal that consent or erasure owe: first in line, never withdrawn, never expired.
    pub fn is_owed(self) -> bool {
        matches!(self, Origin::Consent | Origin::Erasure)
    }

    /// Whether it only ends one claim, and removes with the last (design, 11.17).
    pub fn ends_claim(self) -> bool {
        matches!(self, Origin::TakeBack | Origin::KeepFor)
    }

    /// Whether it repeats what membership holds: a renewal where it has become old, a refill in any case.
    pub fn is_forced(self) -> bool {
        matches!(self, Origin::Renewal | Origin::Refill)
    }

    /// What people read.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Visit => "step",
            Origin::Resend => "sent again",
            Origin::Consent => "consent withdrawn",
            Origin::Erasure => "erased",
            Origin::TakeBack => "taken back",
            Origin::KeepFor => "kept for its time",
            Origin::Renewal => "renewal",
            Origin::Refill => "refill",
        }
    }
}

/// A lane to be opened.
#[derive(Clone, Debug)]
pub struct LaneSpec {
    /// Its key.
    pub key: LaneKey,
    /// The connection that reaches it.
    pub connection: String,
    /// Whether we made the audience.
    pub made_by_us: bool,
    /// Further ids of the audience.
    pub parts: Vec<(String, String)>,
    /// How many calls the partner allows on one audience at a time; at least 1.
    pub stripes: u32,
}

/// An operation that no entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The lane, stripe and all.
    pub lane: LaneId,
    /// Whom.
    pub profile: ProfileId,
    /// Add or remove.
    pub action: Action,
    /// Why; one without a visit.
    pub origin: Origin,
    /// The claim that it is about; zeros where it is about none.
    pub step: (VersionId, StepIx),
}

/// Where visits that are sent again go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Once more into a queue.
    Queued {
        /// The lane of its audience, as [`super::Move::Offer`] names it.
        lane: LaneId,
        /// The connection.
        connection: u32,
        /// Add or remove.
        action: Action,
    },
    /// Once more to the endpoint, under the key of before; the person stays where they are.
    Called,
}

/// Visits to be sent again.
#[derive(Clone, Debug)]
pub struct Resend {
    /// The version.
    pub version: VersionId,
    /// The step.
    pub step: StepIx,
    /// Where to.
    pub to: Again,
    /// `Rejected`, `Expired` or `Skipped`; of an endpoint `Failed`.
    pub status: Status,
    /// Only with this reason code.
    pub reason: Option<String>,
    /// Only visits before this one: where the last call came to. `None` begins with the newest.
    pub before: Option<VisitId>,
    /// At most so many visits are looked at.
    pub limit: usize,
    /// Now.
    pub now: Millis,
}

/// How far a resend came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Visits that wait again; 0 does not mean that there are no more.
    pub offered: u64,
    /// Visits left alone, because something newer of the same person has ended or waits in the lane; of an endpoint
    /// because they left the canvas by an exit since.
    pub overtaken: u64,
    /// The last visit looked at; `None` = there are no more.
    pub next: Option<VisitId>,
}

/// A refill of a lane from membership.
#[derive(Clone, Copy, Debug)]
pub struct Refill {
    /// Whose membership says who belongs there: one stripe.
    pub from: LaneId,
    /// Where they are added: the first stripe's id.
    pub to: LaneId,
    /// The old audience is gone.
    pub forget: bool,
    /// From this profile on.
    pub after: ProfileId,
    /// At most so many members.
    pub limit: usize,
    /// Now.
    pub now: Millis,
}

/// How far a walk over members came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Operations queued.
    pub offered: u64,
    /// The last member looked at; `None` = there are no more.
    pub next: Option<ProfileId>,
}

/// Someone who is owed removals that are not queued yet.
#[derive(Clone, Debug)]
pub struct Owing {
    /// Who.
    pub profile: ProfileId,
    /// `Consent` or `Erasure`.
    pub cause: Origin,
    /// Since when; after a refusal, since when it is to be asked for anew.
    pub since: Millis,
    /// The person as known now; `None` once erased.
    pub person: Option<Arc<Profile>>,
    /// Audiences that hold them, or may: with what membership says, `None` where only a call is under way.
    pub lanes: Vec<(LaneId, Option<Arc<Membership>>)>,
}

/// What proves a removal that was owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whose; an erased person has no more than this number.
    pub profile: ProfileId,
    /// SHA-256 of the external id: whoever knows the id finds the receipt, also after erasure.
    pub subject: Digest,
    /// The audience.
    pub lane: LaneKey,
    /// `consent` or `erasure`.
    pub cause: Origin,
    /// When it was queued.
    pub asked: Millis,
    /// When it ended; `None` = it waits.
    pub done: Option<Millis>,
    /// How it ended: `synced`, `unchanged` where nothing stood there, `rejected` where the partner refused.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// The part that carried it.
    pub part: Option<String>,
}

/// Removals owed to consent or erasure that a partner refused, of one lane and for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRemovals {
    /// The lane, stripe and all.
    pub lane: LaneId,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: u64,
    /// When the first of them was last refused.
    pub since: Millis,
}

/// What a person can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
pub enum HoldScope {
    /// Everything.
    Everything,
    /// All queues of a connector.
    Connector {
        /// Its name.
        name: String,
    },
    /// All queues that a connection serves.
    Connection {
        /// Its name.
        name: String,
    },
    /// One audience: its queue, whatever canvases lead there.
    Audience {
        /// Its key.
        key: LaneKey,
    },
}

/// A hold by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What is held.
    pub scope: HoldScope,
    /// Why, in the person's words.
    pub words: String,
    /// Who.
    pub by: String,
    /// Since when.
    pub since: Millis,
}

/// A part that the partner judges later.
#[derive(Clone, Debug)]
pub struct FollowUp {
    /// The part.
    pub part: PartId,
    /// Its lane.
    pub lane: LaneId,
    /// The connection.
    pub connection: Arc<str>,
    /// The settings as sealed.
    pub settings: String,
    /// The partner's reference.
    pub reference: String,
    /// When it was left pending.
    pub since: Millis,
    /// How often it was asked about.
    pub asked: u32,
    /// Its rows, struck people still among them.
    pub rows: Arc<Part>,
    /// Its people.
    pub riders: Arc<Vec<Rider>>,
    /// People struck before it was sent, by their place.
    pub struck: Vec<u32>,
}

/// A corrected visit.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// Which.
    pub visit: VisitId,
    /// Its version and step.
    pub step: (VersionId, StepIx),
    /// The status that it must still have.
    pub from: Status,
    /// Its new one.
    pub to: Status,
    /// Why.
    pub reason: Reason,
}

/// An operation of a judged part that was not done after all, and of which no visit tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// Whose.
    pub profile: ProfileId,
    /// Its place in the lane (below 0 where consent or erasure owe it) and its step; `None` for an old identifier set whose
    /// removal went along with an add.
    pub operation: Option<(i64, (VersionId, StepIx))>,
    /// Why, for its receipt.
    pub reason: Reason,
}

/// Nothing of what a correction names was processed: it is asked for again.
#[derive(Clone, Debug, PartialEq)]
pub struct Unprocessed {
    /// What the part asked for.
    pub action: Action,
    /// How long after the part was left pending it is asked for again, by how often its visits were sent before. Beyond the
    /// last, visits are corrected; removals that are owed come again in any case.
    pub waits: Vec<Duration>,
}

/// What a follow-up said.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The part; one that is no longer pending makes the call a harmless repeat.
    pub part: PartId,
    /// Corrected visits.
    pub visits: Vec<Corrected>,
    /// Membership of the people behind them, `ended` when the part was left pending. A change that is older than what
    /// membership heard is left out.
    pub membership: Vec<MembershipChange>,
    /// What else of the part was not done: removals that are owed are owed again.
    pub undone: Vec<Undone>,
    /// Whether all that is named was not processed, and is to be sent again. Visits then wait once more instead of being
    /// corrected, unless something newer of the person ended or waits.
    pub unprocessed: Option<Unprocessed>,
    /// Counts by reason where the partner names no rows.
    pub counts: Vec<(String, u32)>,
    /// When to ask again; `None` = it is judged.
    pub again: Option<Millis>,
    /// Now.
    pub now: Millis,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// The workspace's policy; id `policy`.
    Policy,
    /// A subscription to alerts.
    Subscription,
    /// An open alert.
    Alert,
    /// A notice on its way.
    Notice,
    /// How a canvas stands: paused, stopping, stopped.
    Canvas,
    /// How an installed connector stands: which version is in use, which waits; id = its name.
    Connector,
    /// What a connector version may do; id = its digest.
    Grant,
    /// The version that a connection stays with; id = the connection's name.
    Pin,
    /// How many may enter a canvas; id = the canvas's.
    Caps,
    /// A segment's rule; id = its name.
    Segment,
    /// A list; id = its name.
    List,
    /// How far people were looked through for a segment; id = its name.
    Sweep,
    /// Up to when a canvas's schedule has run; id = the canvas's.
    Schedule,
    /// A canvas that is being written; id = its own.
    Draft,
    /// People inside are to go on in the newest version; id = the canvas's.
    Moving,
    /// An export that somebody waits for; id = the canvas's.
    Export,
    /// Who signs in; id = the e-mail address.
    Member,
    /// A machine's key; id = its digest.
    Key,
    /// A member who is signed in; id = the digest of the session's secret.
    Session,
    /// What signs a member in once; id = the digest of the link's secret.
    Link,
    /// How far what is old was looked through; one document.
    Keeping,
    /// How far a file of events was imported; id = its digest.
    Import,
    /// An app's secret or a connection's credential, sealed with a key that is not in the store; id = `app/CONNECTOR` or
    /// `connection/NAME`. Written by [`super::Store::swap_sealed`] alone.
    Sealed,
    /// An import of an external audience into a list, and how far it is; id = list and digest of the audience.
    ListImport,
    /// A connection that leads to the lab, for badges; id = its name.
    Lab,
    /// A connection that was made here, or how accounts of one of the file are switched; id = its name.
    Connection,
}

impl DocumentKind {
    /// The store's word.
    pub fn word(self) -> &'static str {
        match self {
            DocumentKind::Policy => "policy",
            DocumentKind::Subscription => "subscription",
            DocumentKind::Alert => "alert",
            DocumentKind::Notice => "notice",
            DocumentKind::Canvas => "canvas",
            DocumentKind::Connector => "connector",
            DocumentKind::Grant => "grant",
            DocumentKind::Pin => "pin",
            DocumentKind::Caps => "caps",
            DocumentKind::Segment => "segment",
            DocumentKind::List => "list",
            DocumentKind::Sweep => "sweep",
            DocumentKind::Schedule => "schedule",
            DocumentKind::Draft => "draft",
            DocumentKind::Moving => "moving",
            DocumentKind::Export => "export",
            DocumentKind::Member => "member",
            DocumentKind::Key => "key",
            DocumentKind::Session => "session",
            DocumentKind::Link => "link",
            DocumentKind::Keeping => "keeping",
            DocumentKind::Import => "import",
            DocumentKind::Sealed => "sealed",
            DocumentKind::ListImport => "list-import",
            DocumentKind::Lab => "lab",
            DocumentKind::Connection => "connection",
        }
    }
}
