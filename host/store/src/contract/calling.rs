//! People who wait at a step that calls an endpoint (`webhook`), and what they wait for.
use caravan_model::{Millis, Profile, ProfileId, Reason, StepIx, VersionId, VisitId};
use std::sync::Arc;

/// Someone who waits at a step that calls an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Calling {
    /// The visit that waits.
    pub visit: VisitId,
    /// Its version.
    pub version: VersionId,
    /// Its step.
    pub step: StepIx,
    /// Whose.
    pub profile: ProfileId,
    /// The person, unless erased.
    pub person: Option<Arc<Profile>>,
    /// When the call may be made.
    pub due: Millis,
    /// When the visit began.
    pub began: Millis,
    /// What became of the attempts so far; none where there was none.
    pub tried: Option<Tried>,
    /// The visit had failed and is sent again: its end moves nobody.
    pub again: bool,
}

/// A call that is about to be made: its visit, version and step.
pub type Uncalled = (VisitId, VersionId, StepIx);

/// Attempts that did not bring a visit to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// When the first one was made.
    pub since: Millis,
    /// How many.
    pub attempts: u32,
    /// What became of the last one: `retrying`, and plain words.
    pub reason: Reason,
}

/// A call that is made again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// The visit, as [`Calling`] named it.
    pub visit: VisitId,
    /// When.
    pub due: Millis,
    /// All attempts up to now.
    pub tried: Tried,
}
