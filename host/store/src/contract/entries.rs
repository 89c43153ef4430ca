//! What enters and moves: versions, audiences, candidates, moves, positions.
use caravan_model::{
    Action, Canvas, Digest, LaneId, Millis, Profile, ProfileId, Reason, Status, StepIx, VersionId, VisitId,
    canvas::ReEntry, changes::Changes,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How canvases stood when the caller looked: their documents of kind [`super::DocumentKind::Canvas`], by id. What lets
/// people in or moves them on is refused as [`super::Error::Overtaken`] where a canvas of theirs has another document by
/// now: once whoever pauses or stops one is answered, nobody enters or moves on behind it. A slice that was decided on so is
/// kept without its first attempt ([`super::Sealing::first_attempt`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanvasesSeen(Arc<BTreeMap<String, String>>);

impl CanvasesSeen {
    /// The document of a canvas; `None` where it had none.
    pub fn of(&self, canvas: &str) -> Option<&str> {
        self.0.get(canvas).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for CanvasesSeen {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(documents: I) -> CanvasesSeen {
        CanvasesSeen(Arc::new(documents.into_iter().collect()))
    }
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
    /// The partner's audience id; `None` while it is being made, [`to_be_made`] while it waits for its first people.
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
    /// When their entry begins: when that happened which lets them in, at the latest now. What is dated before neither
    /// wakes nor ends the entry (design, 11.13).
    pub began: Millis,
    /// What happens if they are admitted.
    pub moves: Vec<Move>,
}

/// One move of an entry, in order. The last one says where it rests: `Wait`, `Call`, `Arrive`, `Offer` with `parks`, or
/// `End`.
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
    /// Goes through a step (`Passed`) that changes the person, in the same transaction. Who was erased stays erased.
    Update {
        /// The step.
        step: StepIx,
        /// What is changed, of the person as they are then.
        changes: Arc<Changes>,
    },
    /// Waits at a step until `due`; a position. `Millis::NEVER` waits for a signal alone.
    Wait {
        /// The step.
        step: StepIx,
        /// When the timer fires.
        due: Millis,
    },
    /// Waits at a step until its endpoint has been called ([`super::Store::calls`]).
    Call {
        /// The step.
        step: StepIx,
        /// When it may be called.
        due: Millis,
    },
    /// Rests at the door of a step, and is due at once: an arrival.
    Arrive {
        /// The step to be entered.
        step: StepIx,
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
    /// When the workspace's day began that it is now: entries are counted by days.
    pub day: Millis,
    /// How many may enter.
    pub caps: Caps,
    /// Rows that could not be read or were not admitted by the canvas, counted by reason for the summary.
    pub refused: Vec<(String, u64)>,
    /// How canvases stood when it was decided that people may enter.
    pub seen: CanvasesSeen,
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
    /// How many would have entered if they were not too many.
    pub capped: u64,
    /// Rows that an earlier, repeated call had done already.
    pub known_rows: u64,
}

/// How many may enter a canvas, counted over its versions in the transaction that lets them in: never exceeded (design,
/// 11.11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Ever.
    pub in_all: Option<u64>,
    /// On a day of the workspace.
    pub a_day: Option<u64>,
    /// From one intake source.
    pub a_run: Option<u64>,
}

/// How many more people each cap lets in; `u64::MAX` where there is no such cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRoom {
    /// Ever.
    pub in_all: u64,
    /// On the day that was asked for.
    pub a_day: u64,
    /// From the source that was asked for, or from a new one.
    pub a_run: u64,
}

impl EntryRoom {
    /// Under all of them.
    pub fn least(&self) -> u64 {
        self.in_all.min(self.a_day).min(self.a_run)
    }
}

/// Someone's newest entry into a canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct NewestEntry {
    /// Whose.
    pub profile: ProfileId,
    /// The person, unless erased.
    pub person: Option<Arc<Profile>>,
    /// Into which version.
    pub version: VersionId,
    /// When it began.
    pub began: Millis,
    /// Whether it has not ended.
    pub open: bool,
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
    /// What follows; nothing for a visit that was sent again (`Calling::again`), whose end moves nobody.
    pub moves: Vec<Move>,
}
