//! Installed connectors.
use caravan_model::{Digest, Millis};

/// A kept connector, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentRecord {
    /// The SHA-256 digest of its bytes.
    pub digest: Digest,
    /// Its manifest's name.
    pub name: String,
    /// Its manifest's version.
    pub version: String,
    /// How many bytes it has.
    pub size: u64,
    /// When it came.
    pub at: Millis,
}
