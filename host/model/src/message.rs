//! What streams in about people: who they are, what they did.
use crate::{CanvasId, Event, GroupChange, Millis, Profile};
use serde::{Deserialize, Serialize};

/// One message about one person. Its serde form is what the inbox keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Whom it is about, with what it says of them; only the identifiers where it says nothing else.
    pub who: Profile,
    /// What they did, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Names that are the same person's for certain (`alias`): their profiles go on in this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<String>,
    /// The group that they joined or left, if any: ours alone, never heard from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupChange>,
    /// The canvas that a call of our API lets them into, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Called>,
    /// The canvas that a call of our API lets them out of, if any. It makes nobody: who is not known is in no canvas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_out: Option<Called>,
}

/// A call lets someone into a canvas, or out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// The canvas.
    pub canvas: CanvasId,
    /// When it was called.
    pub at: Millis,
}
