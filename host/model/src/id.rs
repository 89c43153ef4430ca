//! Identifiers. People write `CanvasId` and `StepId`; the dense integers are the store's own and never leave it
//! as names of anything that a person must remember.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

macro_rules! dense {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

dense! {
    /// A profile, interned by the store.
    ProfileId,
    /// One pass of one profile through one canvas version.
    EntryId,
    /// One stored version of a canvas.
    VersionId,
    /// The ordered operations of one audience; people read *queue*.
    LaneId,
    /// What one sealing took from a lane.
    SliceId,
    /// The unit of call, attempt, quota and outcome; people read *batch*.
    PartId,
}

/// One entry at one step: the entry and the ordinal of the visit within it (0 for its first).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VisitId {
    /// The entry.
    pub entry: EntryId,
    /// The how-manieth visit of that entry, from 0.
    pub ordinal: u32,
}

/// A step's place in its canvas version: the order in which the file lists the steps, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIx(pub u16);

/// One of 256 shares of the profiles; a profile's slot never changes (design, 11.18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u8);

/// The slot of a profile: the first byte of SHA-256(workspace, NUL, id first seen under).
pub fn slot_of(workspace: &str, first_seen_id: &str) -> Slot {
    let mut hash = Sha256::new();
    hash.update(workspace.as_bytes());
    hash.update([0]);
    hash.update(first_seen_id.as_bytes());
    Slot(hash.finalize()[0])
}

/// A SHA-256 digest: of a connector's bytes, a file, a canvas version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Digest {
    /// Its hexadecimal digits.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let wrong = || format!("`{text}` is no SHA-256 digest: 64 hexadecimal digits, optionally after `sha256:`");
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Digest(bytes))
    }
}

macro_rules! named {
    ($(#[$doc:meta] $name:ident, $what:literal),* $(,)?) => {$(
        #[$doc]
        /// Lower-case letters, digits and hyphens, starting with a letter or digit, at most 64.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}$"))] String);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// Says what the name may consist of.
            pub fn new(text: impl Into<String>) -> Result<Self, String> {
                let text = text.into();
                let good = !text.is_empty() && text.len() <= 64
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
                    && !text.starts_with(['-', '_']);
                if good { Ok($name(text)) } else {
                    Err(format!(concat!("`{}` cannot be the id of a ", $what,
                        ": lower-case letters, digits, hyphens and underscores, at most 64, starting with a letter or digit"), text))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(from)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

named! {
    /// A canvas's id; it never changes.
    CanvasId, "canvas",
    /// A step's id within its canvas.
    StepId, "step",
    /// The id of a subscription to alerts.
    SubscriptionId, "subscription",
}

impl StepId {
    /// The reserved target that ends an entry.
    pub const EXIT: &'static str = "exit";

    /// Whether this is the reserved target `exit`.
    pub fn is_exit(&self) -> bool {
        self.0 == Self::EXIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_11_18_a_slot_is_the_first_byte_of_the_hash_of_workspace_and_first_id() {
        // Calculated apart: printf 'default\0user-1' | sha256sum
        assert_eq!(slot_of("default", "user-1"), Slot(0xa5));
        assert_ne!(slot_of("default", "user-1"), slot_of("other", "user-1"));
    }
}
