//! Who is in which segment and list.
use caravan_model::{Group, ProfileId};

/// Someone is to be in a group, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regroup {
    /// Which group; made where it is not there.
    pub group: Group,
    /// Who.
    pub profile: ProfileId,
    /// In or out.
    pub joined: bool,
}

/// Someone who changed since their segments were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restless {
    /// Who.
    pub profile: ProfileId,
    /// The number of their newest change.
    pub change: i64,
}
