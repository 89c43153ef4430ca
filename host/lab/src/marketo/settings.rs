//! What can be adjusted at Marketo.

use serde::{Deserialize, Serialize};

/// Marketo's switches, under `marketo` in `/_lab/settings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MarketoSettings {
    /// Of 256 e-mail addresses so many belong to nobody: those whose SHA-256 begins with a byte below it. All others are
    /// people that Marketo has known for long.
    pub(crate) unknown_of_256: u16,
    /// Of 256 addresses so many belong to two people: by the second byte.
    pub(crate) duplicates_of_256: u16,
    /// Whether adding a member again is `skipped` instead of `added`, which is not documented.
    pub(crate) skips_members: bool,
    /// Calls per 20 seconds and per day.
    pub(crate) per_20_seconds: u64,
    pub(crate) per_day: u64,
    /// Calls at the same time.
    pub(crate) at_once: u64,
    /// Leads per call.
    pub(crate) leads_per_call: usize,
}

impl Default for MarketoSettings {
    fn default() -> MarketoSettings {
        MarketoSettings {
            unknown_of_256: 0,
            duplicates_of_256: 0,
            skips_members: false,
            per_20_seconds: 100,
            per_day: 50_000,
            at_once: 10,
            leads_per_call: 300,
        }
    }
}
