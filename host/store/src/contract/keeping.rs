//! Backups, checks, and how long things are kept.
use caravan_model::Millis;
use serde::{Deserialize, Serialize};

/// Where a sweep goes on; means nothing outside the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub i64, pub i64);

/// One call of a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// What is older is swept.
    pub before: Millis,
    /// Where to go on.
    pub after: Cursor,
    /// How many rows are looked at.
    pub limit: usize,
    /// Now.
    pub now: Millis,
}

/// What one call of a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many events were dropped, or visits folded.
    pub done: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// How much room a store takes, and how much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Space {
    /// Bytes that it takes.
    pub bytes: u64,
    /// Bytes that are left where it lies; `None` where the engine cannot tell.
    pub free: Option<u64>,
}

/// A backup that was made and looked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Its size.
    pub bytes: u64,
}
