//! Profiles, consents and events, as they come in and as the store keeps them.
use crate::{Millis, Told};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person said about one purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Nothing is known; blocks only what a policy names.
    #[default]
    Unknown,
    /// Granted.
    Granted,
    /// Denied; blocks every add.
    Denied,
}

/// A person we know. Every field but `external_id` may be absent; an absent field in an update leaves what is known.
///
/// The compact serde names are the store's format: fields may be added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The customer's own id of the person.
    pub external_id: String,
    /// Further ids: anonymous ids, ECIDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// E-mail addresses as given, or SHA-256 digests of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// Phone numbers as given, or digests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Gender, in any spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// Birth date, ISO 8601 (`1985-07-03`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or region: a name or a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    /// Country: ISO 3166-1 alpha-2, alpha-3 or an English name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Apple's advertising id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idfa: Option<String>,
    /// Google's advertising id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaid: Option<String>,
    /// IANA time zone (`Europe/Paris`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// BCP 47 locale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The device's tracking permission; `Some(false)` withholds device ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_tracking_enabled: Option<bool>,
    /// *Do not sell or share*; `Some(true)` blocks every add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_not_sell_or_share: Option<bool>,
    /// Consents by purpose (`advertising`, `email`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub consents: BTreeMap<String, Consent>,
    /// Custom attributes, nested as they came.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// When these were told of.
    #[serde(skip_serializing_if = "Told::is_nothing")]
    pub told: Told,
}

impl Profile {
    /// The consent for a purpose; `Unknown` where nothing was said.
    pub fn consent(&self, purpose: &str) -> Consent {
        self.consents.get(purpose).copied().unwrap_or_default()
    }
}

/// Something that a person did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its name (`app_open`).
    pub name: String,
    /// When it happened.
    pub at: Millis,
    /// Its properties.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub properties: serde_json::Map<String, serde_json::Value>,
}
