//! `policy.yaml`: what a workspace demands before people's data leaves, as people write it. `journey::policy` checks it.
//!
//! A canvas may ask for more than the policy (`consent: required` at a step), never for less.
use crate::Duration;
pub use crate::entitlements::{Entitlements, SLOTS_PER_PURCHASE, SlotChange, Unentitled};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole file. What is left out demands and denies nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The file format: 1.
    pub format: u32,
    /// What an add needs of a person's consents.
    #[serde(default, skip_serializing_if = "ConsentPolicy::is_empty")]
    pub consent: ConsentPolicy,
    /// What a device id needs.
    #[serde(default, skip_serializing_if = "TrackingPolicy::is_empty")]
    pub tracking: TrackingPolicy,
    /// Labels on fields, and what data with them must not be used for.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Which partners may be used; all of them where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlements: Option<Entitlements>,
    /// What connectors by others need before they are used.
    #[serde(default, skip_serializing_if = "ConnectorPolicy::is_empty")]
    pub connectors: ConnectorPolicy,
    /// Whether connections may lead to the lab, the partners' emulators on this machine.
    #[serde(default, skip_serializing_if = "LabUse::is_allowed")]
    pub lab: LabUse,
    /// How long what happened is kept.
    #[serde(default, skip_serializing_if = "KeepPolicy::is_empty")]
    pub keep: KeepPolicy,
    /// Whether the workspace holds health data under a law such as HIPAA: then no external audience is imported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regulated_health: bool,
}

/// `lab: deny`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LabUse {
    /// They may: a place to try things.
    #[default]
    Allow,
    /// They may not: where real people wait, nobody may believe that an emulator's answer is a partner's.
    Deny,
}

impl LabUse {
    /// Whether they may.
    pub fn is_allowed(&self) -> bool {
        *self == LabUse::Allow
    }
}

/// `keep: { events: 90d, statuses: 400d, exchanges: 90d }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepPolicy {
    /// Events with their properties; then their number, the first one's time and the newest times stay. Default 90 days,
    /// at least one. A condition with `where` that looks back further is refused.
    pub events: Duration,
    /// Who is behind the number of a final status, counted from the end of the entry; counters stay for ever. Default 400
    /// days, at least 31.
    pub statuses: Duration,
    /// Requests and answers of calls, as `batch show` prints them. Default 90 days, at least one.
    pub exchanges: Duration,
}

impl Default for KeepPolicy {
    fn default() -> KeepPolicy {
        let days = |n| Duration::DAY.times(n);
        KeepPolicy { events: days(90), statuses: days(400), exchanges: days(90) }
    }
}

impl KeepPolicy {
    fn is_empty(&self) -> bool {
        *self == KeepPolicy::default()
    }
}

/// `connectors: { approval: other, signatures: require, keys: [{ name: Acme, key: "ed25519:…" }] }`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectorPolicy {
    /// Who may allow a version: whoever installed it too, or somebody else alone.
    pub approval: Approval,
    /// Whether components by others must be signed by one of `keys`. Those inside the program are not asked.
    #[serde(skip_serializing_if = "Signatures::is_off")]
    pub signatures: Signatures,
    /// Whose signatures count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<SignerKey>,
}

/// `{ name: Acme, key: "ed25519:…", for: [acme] }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignerKey {
    /// Who signs with it, for people.
    pub name: String,
    /// The public key: `ed25519:` and 64 hexadecimal digits, as `caravan connector keygen` prints it.
    pub key: String,
    /// The names of connectors that it counts for, such as `[acme]`; it counts for every connector where this is left out.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
}

impl SignerKey {
    /// Whether it counts for a connector of this name.
    pub fn counts_for(&self, connector: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|name| name == connector))
    }
}

/// What becomes of a component that nobody signed whose key counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Signatures {
    /// Nothing: signatures are not looked at.
    #[default]
    Off,
    /// It is used, and people are told.
    Warn,
    /// It is neither installed, nor taken up, nor loaded.
    Require,
}

impl Signatures {
    /// Whether signatures are not looked at.
    pub fn is_off(&self) -> bool {
        *self == Signatures::Off
    }
}

/// Who may allow a connector's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Anybody, also who installed it.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// Somebody else than who installed it.
    Other,
}

impl ConnectorPolicy {
    fn is_empty(&self) -> bool {
        *self == ConnectorPolicy::default()
    }
}

/// A workspace without a policy: nothing is demanded or denied beyond what people themselves denied.
impl Default for Policy {
    fn default() -> Policy {
        Policy {
            format: 1,
            consent: ConsentPolicy::default(),
            tracking: TrackingPolicy::default(),
            labels: Labels::default(),
            entitlements: None,
            connectors: ConnectorPolicy::default(),
            lab: LabUse::default(),
            keep: KeepPolicy::default(),
            regulated_health: false,
        }
    }
}

/// `consent: { demand: [advertising] }`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentPolicy {
    /// Purposes for which an add needs a granted consent: *unknown* blocks too. Elsewhere only *denied* blocks.
    pub demand: Vec<String>,
}

/// `tracking: { demand: true }`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrackingPolicy {
    /// True: device ids leave only where `ad_tracking_enabled` is true. Else they leave unless it is false.
    pub demand: bool,
}

/// Labels on fields, and what is denied to data with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// Field → its labels. A field is a profile field (`email`), an attribute (`attributes.health.condition`), an event
    /// or a property of one (`events.purchase.diagnosis`), a segment or a list (`segments.vip`, `lists.vip`). A label
    /// holds for everything below its field too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Vec<String>>,
    /// What data with certain labels must not be used for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Deny>,
}

/// `{ name: No health data in ads, labels: [sensitive], action: advertising }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// Its name: every refusal repeats it.
    pub name: String,
    /// Data with any of these labels is meant.
    pub labels: Vec<String>,
    /// What it must not be used for. Every `audience_sync` is `advertising`, and what its `purpose` says; the body of
    /// every webhook is `webhook`.
    pub action: String,
}

impl Policy {
    /// Whether an add for this purpose needs a granted consent.
    pub fn demands_consent(&self, purpose: &str) -> bool {
        self.consent.demand.iter().any(|demanded| demanded == purpose)
    }
}

impl ConsentPolicy {
    fn is_empty(&self) -> bool {
        self.demand.is_empty()
    }
}

impl TrackingPolicy {
    fn is_empty(&self) -> bool {
        !self.demand
    }
}

impl Labels {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.deny.is_empty()
    }
}
