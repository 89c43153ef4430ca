//! `connections.yaml`: connector + credentials + settings, and endpoints of webhooks, without any secret value.
use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// The file format: 1.
    pub format: u32,
    /// Connections by name.
    #[serde(default)]
    pub connections: BTreeMap<String, Connection>,
    /// Endpoints of one's own that webhook steps call, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub webhooks: BTreeMap<String, crate::webhook::Endpoint>,
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
    /// An app of the partner's instead of a token: the host gets tokens by itself, and renews them, where the partner
    /// gives them to apps (Criteo, Marketo).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppRef>,
    /// When the token ends, where it does: a day (`2027-01-31`) or an instant (RFC 3339). People who subscribed to alerts
    /// are told a week and a day before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ends: Option<String>,
    /// Further secrets that the connector's manifest names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretRef>,
    /// Our short name of an ad account → the partner's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, String>,
    /// Accounts of these, by our short name, that are switched off: nothing is published or sent to them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub off: BTreeSet<String>,
    /// The country of phone numbers that name none, where the person has none either (ISO alpha-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<String>,
    /// Which of a person's fields are sent as which identifiers, where not the partner's defaults.
    #[serde(default, skip_serializing_if = "crate::Identities::is_empty")]
    pub identities: crate::Identities,
    /// Match keys by which a person's e-mail, phone, name, gender or birth date may leave as it is, where the partner takes it
    /// unhashed. None does by itself; a connector that was granted needs it only for what `identities` maps to its keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub raw: BTreeSet<String>,
    /// Settings that the manifest describes.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// True: the partner's emulator on this machine, never the partner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lab: bool,
}

impl Connection {
    /// The accounts that are switched on: our short name, and the partner's id.
    pub fn switched_on(&self) -> impl Iterator<Item = (&String, &String)> {
        self.accounts.iter().filter(|(name, _)| !self.off.contains(*name))
    }

    /// The partner's ids of accounts that are switched off under every name that they have.
    pub fn switched_off(&self) -> BTreeSet<String> {
        let is_on = |id: &String| self.switched_on().any(|(_, known)| known == id);
        self.accounts.values().filter(|id| !is_on(id)).cloned().collect()
    }
}

/// What a store keeps of a connection: all of one that was made there, or how accounts of one of the file are switched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptConnection {
    /// The whole connection; a file has none of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// Accounts of the file's connection, by our short name: whether they are on, whatever the file says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub switches: BTreeMap<String, bool>,
}

/// `{ id: 0f3a…, secret: { env: CRITEO_APP_SECRET } }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppRef {
    /// The app's id (`client_id`), which is no secret.
    pub id: String,
    /// Where its secret is kept.
    pub secret: SecretRef,
}

/// Where a secret is kept: `{ env: META_TOKEN }` or `{ file: /run/secrets/meta }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file, white space trimmed off its ends.
    File(String),
}

/// By hand, because no error may repeat what stands here: it could be the secret itself.
impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Place;
        impl<'de> Visitor<'de> for Place {
            type Value = SecretRef;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("where the secret is kept, `{ env: NAME }` or `{ file: path }`, never the secret itself")
            }
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(E::invalid_type(serde::de::Unexpected::Other("a value"), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<String>()? {
                    let place = match key.as_str() {
                        "env" => SecretRef::Env(map.next_value()?),
                        "file" => SecretRef::File(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            return Err(A::Error::unknown_field(&key, &["env", "file"]));
                        }
                    };
                    if found.replace(place).is_some() {
                        return Err(A::Error::custom("a secret is kept in two places: write `env` or `file`"));
                    }
                }
                found.ok_or_else(|| A::Error::custom("no place of a secret stands here: write `env` or `file`"))
            }
        }
        from.deserialize_any(Place)
    }
}
