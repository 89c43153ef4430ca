//! A connector's manifest: JSON in the component's custom section `caravan:manifest`, read without running it.
//!
//! It says what the connector asks for (hosts, routes, secrets) and how the partner wants its data (match keys,
//! batches, quotas). What it asks for is granted, or not, by a person.
mod keys;
mod limits;
mod oauth;
mod settings;
mod trace;
mod usage;

pub use keys::*;
pub use limits::*;
pub use oauth::*;
pub use settings::*;
pub use trace::*;
pub use usage::*;

use crate::{Action, Duration};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the custom section.
pub const SECTION: &str = "caravan:manifest";
/// The manifest format that this host reads.
pub const FORMAT: u32 = 1;

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The manifest format: 1.
    pub manifest: u32,
    /// The connector's name: lower case, as connections name it (`meta`).
    pub name: String,
    /// The partner's product, for people.
    pub title: String,
    /// The connector's own version (semantic).
    pub version: String,
    /// The version of `caravan:connector` that it was built for.
    pub wit: String,
    /// `destination` or `source`.
    pub world: World,
    /// Who publishes it.
    pub publisher: Publisher,
    /// Exact host names that it may reach, without port: `graph.facebook.com`. Where each customer has a host, the first
    /// label may be a setting: `{settings.munchkin}.mktorest.com`.
    pub hosts: Vec<String>,
    /// The requests that it may make.
    pub routes: Vec<Route>,
    /// Where credentials are put.
    pub auth: Auth,
    /// The actions it can do.
    pub actions: Vec<Action>,
    /// Match keys, in the order in which columns are handed over.
    #[serde(default)]
    pub keys: Vec<MatchKey>,
    /// Which keys may share a request; each key belongs to one or more groups. A part has one group.
    #[serde(default)]
    pub groups: Vec<KeyGroup>,
    /// Facts per row beside identifiers.
    #[serde(default)]
    pub flags: Vec<Flag>,
    /// Rows and bytes per call.
    #[serde(default)]
    pub batch: Batch,
    /// Quotas to keep.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// What answers tell about quotas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<UsageRule>,
    /// About audiences at this partner.
    #[serde(default)]
    pub audience: AudienceRules,
    /// Settings of a connection.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// A link that opens an audience at the partner; places `{account}`, `{audience}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_url: Option<String>,
    /// Where the partner's trace id stands in its answers.
    #[serde(default, skip_serializing_if = "Trace::is_empty")]
    pub trace: Trace,
}

/// Which world a component serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Writes people into audiences.
    Destination,
    /// Reads members of external audiences.
    Source,
}

/// Who publishes a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// A name.
    pub name: String,
    /// Where to ask for help: an address or a URL.
    #[serde(default)]
    pub support: String,
    /// Documentation.
    #[serde(default)]
    pub docs: String,
}

/// A request that the connector may make: everything else is denied at the egress.
///
/// Templates know the places `{account}`, `{audience}` (the step's own ids, enforced), `{settings.NAME}` (the
/// connection's), and `{any}` (one path segment or value without `/`). A place may stand within a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The route's name, in logs, metrics and grants.
    pub name: String,
    /// The HTTP method.
    pub method: String,
    /// The host, one of `hosts`.
    pub host: String,
    /// The path template: `/{settings.api_version}/{audience}/users`.
    pub path: String,
    /// Query parameters that may appear: name → template of the whole decoded value, or `*`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Headers that the connector may set, beside those that say what it sends and takes (`content-type`, `accept` and the
    /// like): name in lower case → template of the whole value, or `*`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The content type of the body; none = no body allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body locks: JSON pointer (`*` = every element) → template. Every value that the pointer reaches must equal
    /// it, and at least one must be there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub locks: BTreeMap<String, String>,
    /// Whether credentials are injected; a pre-signed upload has none.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub auth: bool,
    /// True where the request changes membership; at most one such request per `sync`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writes: bool,
}

/// How credentials enter a request. Values are templates with `{token}` and `{secret.NAME}`; the guest sees none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Headers on every route with `auth`: name → template (`Authorization` → `Bearer {token}`).
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters on named routes: route → name → template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, BTreeMap<String, String>>,
    /// Further secrets of a connection, beside the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSpec>,
    /// Where the host changes an app's id and secret for the token, where a connection keeps these instead of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenGrant>,
    /// How a person lets an app in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuth>,
}

/// A token endpoint that takes `client_credentials` (RFC 6749, 4.4) as a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenGrant {
    /// Its host, one of the manifest's.
    pub host: String,
    /// Its path.
    pub path: String,
    /// The setting whose text goes along as `scope`, for partners that want one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_setting: Option<String>,
}

/// A further secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    /// Its name in `{secret.NAME}`.
    pub name: String,
    /// What it is, for people.
    pub title: String,
    /// Whether a connection must have it.
    #[serde(default)]
    pub required: bool,
    /// What of the connector's sealed app stands in for it where a connection has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppPart>,
}

/// A part of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppPart {
    /// Its id.
    Id,
    /// Its secret.
    Secret,
}

impl Manifest {
    /// The age from which a repeat of what membership holds is sent again; `None` = never.
    pub fn renewal_age(&self) -> Option<Duration> {
        let rules = &self.audience;
        let half = rules.member_life.map(|life| Duration(life.0 / 2));
        rules.renew_after.filter(|after| rules.member_life.is_none_or(|life| *after < life)).or(half)
    }

    /// The keys that a step's `match` words choose, in manifest order. A word is a source's name or, in any case,
    /// the partner's key.
    pub fn chosen<'a>(&'a self, words: &'a [String]) -> impl Iterator<Item = &'a MatchKey> + 'a {
        self.keys.iter().filter(move |key| words.iter().any(|word| key.is_asked_by(word)))
    }

    /// All words that `match` may use here, for error messages. A key that no field of a profile brings has its own name.
    pub fn match_words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        for key in &self.keys {
            let own = key.sources.is_empty().then_some(key.key.as_str());
            for word in key.sources.iter().map(|source| source.name.as_str()).chain(own) {
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        words
    }

    /// The same as it holds for a connection with these settings, defaults filled in: what a setting bounds of batches, quotas
    /// and the time that members stay.
    #[must_use]
    pub fn under(&self, settings: &serde_json::Map<String, serde_json::Value>) -> Manifest {
        let number = |name: &Option<String>| settings.get(name.as_deref()?)?.as_i64().filter(|number| *number > 0);
        let mut bounded = self.clone();
        if let Some(rows) = number(&self.batch.rows_setting).and_then(|rows| u32::try_from(rows).ok()) {
            bounded.batch.rows = self.batch.rows.min(rows);
        }
        for quota in &mut bounded.quotas {
            if let Some(amount) = number(&quota.amount_setting) {
                quota.amount = amount.unsigned_abs();
            }
        }
        let days = number(&self.audience.member_life_setting).map(|days| Duration::DAY.times(days.unsigned_abs()));
        bounded.audience.member_life = self.audience.member_life.into_iter().chain(days).min();
        bounded
    }

    /// Whether settings that bound something are there, and are numbers.
    ///
    /// # Errors
    /// Names one that is not.
    pub fn check_bounds(&self) -> Result<(), String> {
        let others = [&self.batch.rows_setting, &self.audience.member_life_setting];
        let named = self.quotas.iter().map(|quota| &quota.amount_setting).chain(others);
        let is_number = |name: &String| {
            let number = |setting: &&Setting| matches!(setting.kind, SettingKind::Number { .. });
            self.settings.iter().filter(number).any(|setting| setting.name == *name)
        };
        match named.flatten().find(|name| !is_number(name)) {
            Some(name) => Err(format!(
                "`{name}` bounds a batch, a quota or how long members stay, and is no `number` of `settings`"
            )),
            None => Ok(()),
        }
    }

    /// The settings object with defaults filled in, or what is wrong with one.
    ///
    /// # Errors
    /// Names the unknown or ill-typed setting and what may stand there.
    pub fn settings_with(
        &self,
        given: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<serde_json::Map<String, serde_json::Value>, String> {
        let mut all = serde_json::Map::new();
        for setting in &self.settings {
            let (value, fits) = match (&setting.kind, given.get(&setting.name)) {
                (SettingKind::Text { default } | SettingKind::Choice { default, .. }, None) => {
                    (default.clone().into(), true)
                }
                (SettingKind::Switch { default }, None) => ((*default).into(), true),
                (SettingKind::Number { default }, None) => ((*default).into(), true),
                (SettingKind::Text { .. }, Some(value)) => (value.clone(), value.is_string()),
                (SettingKind::Choice { values, .. }, Some(value)) => {
                    (value.clone(), value.as_str().is_some_and(|text| values.iter().any(|v| v == text)))
                }
                (SettingKind::Switch { .. }, Some(value)) => (value.clone(), value.is_boolean()),
                (SettingKind::Number { .. }, Some(value)) => (value.clone(), value.is_i64()),
            };
            if !fits {
                return Err(format!(
                    "setting `{}` of {} cannot be {value}: {:?}",
                    setting.name, self.name, setting.kind
                ));
            }
            all.insert(setting.name.clone(), value);
        }
        if let Some(unknown) = given.keys().find(|name| !all.contains_key(*name)) {
            let known: Vec<&str> = self.settings.iter().map(|setting| setting.name.as_str()).collect();
            return Err(format!("{} has no setting `{unknown}`; it has: {}", self.name, known.join(", ")));
        }
        Ok(all)
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}
