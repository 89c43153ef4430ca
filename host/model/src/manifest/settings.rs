//! Settings of a connection.
use serde::{Deserialize, Serialize};

/// A setting of a connection.
// No `deny_unknown_fields`: serde cannot tell them from those of the flattened kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// Its type and default.
    #[serde(flatten)]
    pub kind: SettingKind,
}

/// The type of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum SettingKind {
    /// Free text.
    Text {
        /// The default.
        default: String,
    },
    /// One of a list.
    Choice {
        /// The list.
        values: Vec<String>,
        /// The default.
        default: String,
    },
    /// On or off.
    Switch {
        /// The default.
        default: bool,
    },
    /// A whole number.
    Number {
        /// The default.
        default: i64,
    },
}
