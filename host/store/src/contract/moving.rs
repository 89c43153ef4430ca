//! People inside go on in another version.
use caravan_model::{EntryId, Millis, StepIx, VersionId};

/// Which entries are to go to which version.
#[derive(Clone, Debug)]
pub struct MoveEntries {
    /// The version they are in.
    pub from: VersionId,
    /// Another version of the same canvas.
    pub to: VersionId,
    /// Steps at which they wait, and where they wait then. Who waits elsewhere, in a queue or for an endpoint stays.
    pub steps: Vec<(StepIx, StepIx)>,
    /// Only entries behind this one.
    pub after: EntryId,
    /// At most so many are looked at.
    pub limit: usize,
    /// Now.
    pub now: Millis,
}

/// How far a move came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Entries that moved.
    pub moved: u64,
    /// The last one that was looked at; `None` = there are no more.
    pub next: Option<EntryId>,
}
