//! Use of a quota as it is stored: pacing makes it, the store keeps it with the attempt that it belongs to.
use crate::Millis;

/// Use of a quota within one bucket of its window; `amount` is added to what is stored under `key` and `bucket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose window, and which: the quota's scope and unit in words.
    pub key: String,
    /// When the bucket begins.
    pub bucket: Millis,
    /// How much was used in it.
    pub amount: u64,
    /// From then on it says nothing any more and may be deleted.
    pub keep_until: Millis,
}
