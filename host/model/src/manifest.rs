//! A connector's manifest: JSON in the component's custom section `caravan:manifest`, read without running it.
//!
//! It says what the connector asks for (hosts, routes, secrets) and how the partner wants its data (match keys,
//! batches, quotas). What it asks for is granted, or not, by a person.
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
    /// Exact host names that it may reach, without port: `graph.facebook.com`.
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
    /// About audiences at this partner.
    #[serde(default)]
    pub audience: AudienceRules,
    /// Settings of a connection.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// A link that opens an audience at the partner; places `{account}`, `{audience}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_url: Option<String>,
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

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
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
}

/// A match key: an identifier that the partner compares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchKey {
    /// The partner's name (`EMAIL`).
    pub key: String,
    /// For people.
    pub title: String,
    /// Which words of a step's `match` ask for it, and the profile field that each brings; the first usable wins
    /// for single-valued fields, e-mails and phones give a row each.
    pub sources: Vec<Source>,
    /// The normalisation.
    pub rule: Rule,
    /// Other normalisations by a connection's setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<RuleVariant>,
    /// The hash.
    pub hash: Hash,
    /// Whether this key alone identifies a person: someone without any such key is skipped.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub identifies: bool,
    /// Whether it is a device id, withheld while tracking is denied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub device: bool,
    /// Keys without which this one must not be sent ("all of these or none").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
}

/// A word of `match` and the field it brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The word in `match`; usually the field's name.
    pub name: String,
    /// The profile field.
    pub field: Field,
}

/// A normalisation that a setting chooses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleVariant {
    /// The setting's name.
    pub setting: String,
    /// The value at which this rule holds.
    pub value: String,
    /// The rule.
    pub rule: Rule,
}

/// A profile field that identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // Each is the field of `Profile` with that name.
pub enum Field {
    ExternalId,
    Email,
    Phone,
    FirstName,
    LastName,
    Gender,
    BirthDate,
    City,
    State,
    Zip,
    Country,
    Idfa,
    Gaid,
}

/// The closed list of normalisations; `identity` implements them, `docs/ARCHITECTURE.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// White space off the ends, nothing else (opaque ids; case kept).
    Trim,
    /// E-mail: trimmed, Unicode lower case, NFC; must look like an address.
    Email,
    /// E-mail: as `email`, and white space within removed.
    EmailCompact,
    /// E-mail: as `email-compact`, `+tag` removed.
    EmailNoTag,
    /// E-mail: as `email-no-tag`, all dots of the local part removed, whatever the domain.
    EmailNoTagNoDots,
    /// E.164 digits without `+`.
    PhoneDigits,
    /// E.164 with `+`.
    PhonePlus,
    /// A person's name: lower case, punctuation out, inner spaces kept.
    Name,
    /// The first character of the normalised name.
    Initial,
    /// `m` or `f`; everything else is unusable.
    GenderMf,
    /// `YYYY`, from 1900.
    BirthYear,
    /// `MM`.
    BirthMonth,
    /// `DD`.
    BirthDay,
    /// City: lower case, letters and digits of any script only.
    City,
    /// State: US names to two-letter codes, else lower case without spaces and punctuation.
    State,
    /// Postal code: lower case, no white space or hyphens; US first five digits.
    Zip,
    /// Country: ISO 3166-1 alpha-2, lower case; names and alpha-3 mapped.
    Country,
    /// Advertising id: trimmed, lower case, hyphens kept; all zeros is unusable.
    AdId,
}

/// The closed list of hashes. Values that already are such a digest pass through in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    /// The normalised value itself leaves: a raw right.
    None,
    /// SHA-256, lower-case hexadecimal.
    Sha256Hex,
    /// SHA-256, base64 with padding.
    Sha256Base64,
    /// MD5, lower-case hexadecimal.
    Md5Hex,
    /// SHA-256 of the MD5's hexadecimal form, lower-case hexadecimal (Criteo).
    Sha256OfMd5,
}

/// Keys that may share a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyGroup {
    /// The group's name.
    pub name: String,
    /// Its keys.
    pub keys: Vec<String>,
}

/// A fact per row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// Its name.
    pub key: String,
    /// The consent purpose that it carries.
    pub purpose: String,
}

/// Rows and bytes per call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Most rows per part.
    pub rows: u32,
    /// Most bytes of packed columns per part.
    pub bytes: u64,
    /// How many calls one audience may have in flight; 1 where the partner forbids parallel calls.
    pub parallel_per_audience: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Batch { rows: 10_000, bytes: 32 << 20, parallel_per_audience: 1 }
    }
}

/// A quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Whom it is counted for.
    pub scope: QuotaScope,
    /// What is counted.
    pub unit: QuotaUnit,
    /// How many.
    pub amount: u64,
    /// Per which span; absent for `in-flight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Duration>,
    /// `rolling` (default) or the wall-clock moment it starts anew, such as `00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets: Option<String>,
}

/// Whom a quota is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaScope {
    /// The partner's app: all connections of this connector.
    App,
    /// One login: a connection.
    Login,
    /// One ad account.
    Account,
    /// One audience.
    Audience,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaUnit {
    /// Requests.
    Calls,
    /// Rows.
    Rows,
    /// Body bytes.
    Bytes,
    /// Requests at the same time.
    InFlight,
}

/// About audiences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudienceRules {
    /// Whether we can make one.
    pub create: bool,
    /// Whether it needs its first people to be made.
    pub create_needs_rows: bool,
    /// The kinds that we write; fixed when made. Empty: one kind only.
    pub kinds: Vec<AudienceKind>,
    /// The longest name, in characters; 0 = no limit known.
    pub name_max: u32,
    /// Most audiences per account; 0 = no limit known.
    pub per_account: u32,
    /// Below how many members the partner does not serve it; for words only.
    pub serves_from: u64,
    /// How long the partner keeps a member; absent = for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_life: Option<Duration>,
    /// From which age a repeat is sent again; absent = half of `member_life`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_after: Option<Duration>,
}

/// A kind of audience and the keys it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudienceKind {
    /// The partner's word.
    pub kind: String,
    /// Its keys.
    pub keys: Vec<String>,
}

/// A setting of a connection.
// No `deny_unknown_fields`: serde cannot tell them from those of the flattened kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// Its type and default.
    #[serde(flatten)]
    pub kind: SettingKind,
}

/// The type of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum SettingKind {
    /// Free text.
    Text {
        /// The default.
        default: String,
    },
    /// One of a list.
    Choice {
        /// The list.
        values: Vec<String>,
        /// The default.
        default: String,
    },
    /// On or off.
    Switch {
        /// The default.
        default: bool,
    },
    /// A whole number.
    Number {
        /// The default.
        default: i64,
    },
}

impl Manifest {
    /// The age from which a repeat of what membership holds is sent again; `None` = never.
    pub fn renewal_age(&self) -> Option<Duration> {
        let rules = &self.audience;
        rules.renew_after.or(rules.member_life.map(|life| Duration(life.0 / 2)))
    }

    /// The keys that a step's `match` words choose, in manifest order. A word is a source's name or, in any case,
    /// the partner's key.
    pub fn chosen<'a>(&'a self, words: &'a [String]) -> impl Iterator<Item = &'a MatchKey> + 'a {
        self.keys.iter().filter(move |key| words.iter().any(|word| key.is_asked_by(word)))
    }

    /// All words that `match` may use here, for error messages.
    pub fn match_words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        for source in self.keys.iter().flat_map(|key| &key.sources) {
            if !words.contains(&source.name.as_str()) {
                words.push(&source.name);
            }
        }
        words
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

impl MatchKey {
    /// Whether a word of a step's `match` asks for this key.
    pub fn is_asked_by(&self, word: &str) -> bool {
        self.key.eq_ignore_ascii_case(word) || self.sources.iter().any(|source| source.name == word)
    }

    /// The fields that the words bring: those named; all of them where the partner's key itself is named.
    pub fn fields<'a>(&'a self, words: &'a [String]) -> impl Iterator<Item = Field> + 'a {
        let all = words.iter().any(|word| self.key.eq_ignore_ascii_case(word));
        self.sources.iter().filter(move |source| all || words.contains(&source.name)).map(|source| source.field)
    }

    /// The rule under these settings.
    pub fn rule_under(&self, settings: &serde_json::Map<String, serde_json::Value>) -> Rule {
        let chosen = self.variants.iter().find(|variant| {
            settings.get(&variant.setting).and_then(|value| value.as_str()) == Some(variant.value.as_str())
        });
        chosen.map_or(self.rule, |variant| variant.rule)
    }
}
