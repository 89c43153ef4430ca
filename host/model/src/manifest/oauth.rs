//! How a person lets an app in at the partner (RFC 6749, 4.1, with PKCE), in the partner's own words.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Consent of a person: where it is asked for, where the code becomes a token, and what the partner calls things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The page on which a person consents. A browser goes there, never the host.
    pub authorize: Endpoint,
    /// Where a code or a refresh token becomes a token.
    pub token: Endpoint,
    /// Where a token ends by request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Revocation>,
    /// The scopes that the connector needs; `3|31` where either will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What stands between scopes; a space where the partner keeps to the standard.
    #[serde(default = "space")]
    pub separator: String,
    /// The partner's names of parameters: the standard's → its own (`code` → `auth_code`, `client_id` → `app_id`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// Parameters of the standard that the partner does not know, and is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omit: Vec<String>,
    /// Further parameters of the token endpoint (`continuous_refresh` → `true`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_extra: BTreeMap<String, String>,
    /// Further parameters of the authorize page (`access_type` → `offline`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// How parameters travel to the token endpoint.
    #[serde(default)]
    pub body: Body,
    /// How the app shows its id and secret there.
    #[serde(default)]
    pub client: ClientAuth,
    /// Whether a proof key goes along (RFC 7636).
    #[serde(default = "super::yes")]
    pub pkce: bool,
    /// Where in an answer the token's fields stand: a JSON pointer, empty = at the top.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// The grant type that changes a short token for a long one (`fb_exchange_token`), where there is one; the token goes
    /// in a parameter of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// Whether the partner lets a program on this machine take the code at a loopback address (RFC 8252).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loopback: bool,
    /// After so many idle days the consent ends unless it is refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_days: Option<u32>,
    /// Whether a service account's signed assertion is taken instead of a person's consent (RFC 7523).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub service_account: bool,
}

/// A place at the partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its host; one of the manifest's where the host itself goes there.
    pub host: String,
    /// Its path.
    pub path: String,
}

/// Where a token ends by request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Its host.
    pub host: String,
    /// Its path.
    pub path: String,
    /// The parameter that carries the token.
    pub parameter: String,
    /// A header that carries it as well (TikTok's `Access-Token`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// How parameters travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// As a form, the standard.
    #[default]
    Form,
    /// As a JSON object.
    Json,
}

/// How an app shows its id and secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Among the parameters.
    #[default]
    Body,
    /// By HTTP Basic.
    Basic,
}

impl OAuth {
    /// The partner's name of a parameter of the standard.
    pub fn name<'a>(&'a self, standard: &'a str) -> &'a str {
        self.names.get(standard).map_or(standard, String::as_str)
    }
}

fn space() -> String {
    " ".to_owned()
}
