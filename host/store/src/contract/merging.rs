//! Two profiles of one person become one.
use caravan_model::{Millis, ProfileId};
use serde::{Deserialize, Serialize};

/// Two names of one person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SamePerson {
    /// The name that goes on: whoever has it survives.
    pub name: String,
    /// The other name.
    pub other: String,
    /// Somebody said so outright (`alias`). Else the two are merged only where nothing but `other` names its profile: who
    /// uses a device after somebody else is another person.
    pub is_certain: bool,
}

/// A profile that went on in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Which was left.
    pub other: ProfileId,
    /// Which goes on.
    pub survivor: ProfileId,
}

/// A profile that went on in another, as a trace tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedAt {
    /// Its id.
    pub other: ProfileId,
    /// When.
    pub at: Millis,
}

/// How many profiles were merged, and how many should be and are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Merges {
    /// Profiles that went on in others.
    pub merged: u64,
    /// Profiles that will be merged once nothing of either is at a partner.
    pub waiting: u64,
}
