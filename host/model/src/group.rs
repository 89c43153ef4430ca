//! Groups of people: segments, which are rules, and lists, which people are put on.
use crate::{Filter, Millis, ProfileId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which kind of group. The numbers are the store's format: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// A rule; who fulfils it is in.
    Segment,
    /// Whoever was put on it.
    List,
}

impl GroupKind {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            GroupKind::Segment => "segment",
            GroupKind::List => "list",
        }
    }
}

/// A segment or a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// Which kind.
    pub kind: GroupKind,
    /// Its name.
    pub name: String,
}

impl Group {
    /// The segment of a name.
    pub fn segment(name: impl Into<String>) -> Group {
        Group { kind: GroupKind::Segment, name: name.into() }
    }

    /// The list of a name.
    pub fn list(name: impl Into<String>) -> Group {
        Group { kind: GroupKind::List, name: name.into() }
    }
}

/// Someone joined a group or left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Who.
    pub profile: ProfileId,
    /// Which group.
    pub group: Group,
    /// Joined, or left.
    pub joined: bool,
    /// When we saw it.
    pub at: Millis,
}

/// `segment.yaml`: a rule that people fulfil or not. Unknown fields are refused; `journey` reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// The file format: 1.
    pub format: u32,
    /// The segment's name, as canvases mention it: lower case, digits, `-` and `_`; it never changes.
    pub segment: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who is in it.
    pub who: Filter,
}

/// Whether this can be a group's name: 1 to 64 of `a`–`z`, `0`–`9`, `-` and `_`, beginning with a letter or digit.
pub fn is_group_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['-', '_'])
}
