//! What can be adjusted at Google.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Google's switches, under `google` in `/_lab/settings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GoogleSettings {
    /// Seconds that a request is `PROCESSING`; 30 minutes at Google.
    pub(crate) processing_seconds: u64,
    /// Most members that a refusal names; whether Google names all is not known (contract, section 3).
    pub(crate) named_rows: usize,
    /// Whether a request names its operating account's manager wrongly unless `loginAccount` is this; empty = any.
    pub(crate) manager: String,
    /// Whether everyone needs both consents, and not only people whose address is in the EEA.
    pub(crate) consent_for_all: bool,
    /// Writes per minute and day; the same again for reads of a status.
    pub(crate) per_minute: u64,
    pub(crate) per_day: u64,
    /// Calls of the other services per day.
    pub(crate) others_per_day: u64,
    /// Service accounts: their address and public key, as PEM of the kind `RSA PUBLIC KEY`. Others get no token.
    pub(crate) service_accounts: BTreeMap<String, String>,
    /// Members below which sizes are shown as 0.
    pub(crate) size_from: usize,
}

impl Default for GoogleSettings {
    fn default() -> GoogleSettings {
        GoogleSettings {
            processing_seconds: 1_800,
            named_rows: 10_000,
            manager: String::new(),
            consent_for_all: false,
            per_minute: 300,
            per_day: 100_000,
            others_per_day: 50_000,
            service_accounts: BTreeMap::new(),
            size_from: 100,
        }
    }
}
