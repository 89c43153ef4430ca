//! `connections.yaml`: connector + credentials + settings, without any secret value.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// The file format: 1.
    pub format: u32,
    /// Connections by name.
    pub connections: BTreeMap<String, Connection>,
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// A bundled connector's name, a path to a component (`path.wasm`), or `name@sha256:…`.
    pub connector: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the token comes from. A value written here is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretRef>,
    /// Further secrets that the connector's manifest names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretRef>,
    /// Our short name of an ad account → the partner's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, String>,
    /// The country of phone numbers that name none, where the person has none either (ISO alpha-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<String>,
    /// Settings that the manifest describes.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// True: the partner's emulator on this machine, never the partner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lab: bool,
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file, white space trimmed off its ends.
    File(String),
}
