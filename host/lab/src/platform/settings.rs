//! What can be adjusted at Experience Platform.

use serde::{Deserialize, Serialize};

/// Its switches, under `experience-platform` in `/_lab/settings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PlatformSettings {
    /// The one organisation that the token is good for; empty = any that is well formed.
    pub(crate) organisation: String,
    /// Seconds of the lab's clock that an export job takes.
    pub(crate) export_seconds: u64,
    /// Whether export jobs end as `FAILED`.
    pub(crate) exports_fail: bool,
    /// Rows of one part of an export's file.
    pub(crate) rows_per_part: usize,
    /// Whether exports are served as real ones are: Parquet, which nobody here can read.
    pub(crate) parquet: bool,
    /// Sandboxes beside the two that are always there, and how many an answer names: `sb-0` and so on.
    pub(crate) sandboxes: usize,
    /// See `sandboxes`.
    pub(crate) sandboxes_per_page: usize,
    /// The one merge policy that exports may name, and its version; empty = any.
    pub(crate) merge_policy: String,
    /// See `merge_policy`.
    pub(crate) merge_policy_version: u64,
    /// Calls per second of a token.
    pub(crate) per_second: u64,
}

impl Default for PlatformSettings {
    fn default() -> PlatformSettings {
        PlatformSettings {
            organisation: String::new(),
            export_seconds: 20,
            exports_fail: false,
            rows_per_part: 20_000,
            parquet: false,
            sandboxes: 0,
            sandboxes_per_page: 50,
            merge_policy: String::new(),
            merge_policy_version: 1,
            per_second: 50,
        }
    }
}
