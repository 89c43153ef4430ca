//! Which match keys a step sends, and how each is made.
use crate::source::{At, KeySource, fits, sources_of, values};
use crate::{Alpha2, Place, Unusable};
use caravan_model::manifest::{Hash, Manifest, MatchKey, Rule};
use caravan_model::{Code, Identities, Profile};
use std::sync::Arc;

/// The match keys that a step sends, in the manifest's order. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) keys: Arc<[PlannedKey]>,
    pub(crate) default_country: Option<Alpha2>,
}

/// One match key, with the choices made.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedKey {
    /// The partner's name.
    pub key: String,
    /// What brings it.
    pub sources: Vec<KeySource>,
    /// The normalisation under the connection's settings.
    pub rule: Rule,
    /// The hash.
    pub hash: Hash,
    /// Whether it alone identifies a person.
    pub identifies: bool,
    /// Whether it is a device id.
    pub device: bool,
    /// Positions in the plan of the keys without which it is not sent.
    pub with: Vec<usize>,
}

/// Why a step's match keys cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `match` names nothing.
    #[error("{connector} needs at least one match key; it takes: {known}")]
    Nothing {
        /// The connector's name.
        connector: String,
        /// What may stand there.
        known: String,
    },
    /// A word that the connector does not know.
    #[error("{connector} has no match key `{word}`; it takes: {known}")]
    UnknownKey {
        /// The connector's name.
        connector: String,
        /// The word.
        word: String,
        /// What may stand there.
        known: String,
    },
    /// The chosen keys together identify nobody.
    #[error("{chosen} identify nobody at {connector}; add one of: {identifying}")]
    IdentifiesNobody {
        /// The connector's name.
        connector: String,
        /// The chosen words.
        chosen: String,
        /// The words of keys that identify.
        identifying: String,
    },
    /// A key is taken only together with others.
    #[error("{connector} takes `{word}` only together with: {missing}")]
    Incomplete {
        /// The connector's name.
        connector: String,
        /// The key's word.
        word: String,
        /// The words of the keys that are missing.
        missing: String,
    },
    /// A match field for which the connection's mapping has nothing.
    #[error("the connection's `identities` have nothing for `{word}`; they have: {mapped}")]
    Unmapped {
        /// The word.
        word: String,
        /// What is mapped.
        mapped: String,
    },
    /// The connection's mapping cannot be.
    #[error("identities.{0}")]
    Mapping(String),
    /// A setting is unknown or ill-typed.
    #[error("{0}")]
    Setting(String),
    /// The default country is none.
    #[error("`{0}` is no country; write its ISO code, such as `US`")]
    DefaultCountry(String),
}

impl PlanError {
    /// The error code, where it is about the choice of keys.
    pub fn code(&self) -> Option<Code> {
        match self {
            PlanError::UnknownKey { .. } => Some(Code::UnknownMatchKey),
            PlanError::Nothing { .. } | PlanError::IdentifiesNobody { .. } | PlanError::Incomplete { .. } => {
                Some(Code::ImpossibleKeys)
            }
            PlanError::Unmapped { .. } => Some(Code::UnmappedKey),
            PlanError::Mapping(_) => Some(Code::BadMapping),
            PlanError::Setting(_) | PlanError::DefaultCountry(_) => None,
        }
    }
}

/// A field of a person that brings no identifier, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The partner's key.
    pub key: String,
    /// The profile field or attribute.
    pub field: At,
    /// Why.
    pub why: Unusable,
}

impl Plan {
    /// Chooses the keys that the words of a step's `match` ask for.
    ///
    /// # Errors
    /// An unknown word; keys that together identify nobody, or that want company; a bad setting or country.
    pub fn new(
        manifest: &Manifest,
        match_words: &[String],
        settings: &serde_json::Map<String, serde_json::Value>,
        default_country: Option<&str>,
    ) -> Result<Plan, PlanError> {
        Plan::mapped(manifest, match_words, settings, default_country, &Identities::default())
    }

    /// As [`Plan::new`], from the fields that a connection maps.
    ///
    /// # Errors
    /// As [`Plan::new`]; also a word that is not mapped.
    pub fn mapped(
        manifest: &Manifest,
        match_words: &[String],
        settings: &serde_json::Map<String, serde_json::Value>,
        default_country: Option<&str>,
        identities: &Identities,
    ) -> Result<Plan, PlanError> {
        let connector = manifest.name.clone();
        let known = || manifest.match_words().join(", ");
        if match_words.is_empty() {
            return Err(PlanError::Nothing { connector, known: known() });
        }
        if let Some(word) = match_words.iter().find(|word| !manifest.keys.iter().any(|key| key.is_asked_by(word))) {
            return Err(PlanError::UnknownKey { connector, word: word.clone(), known: known() });
        }
        let chosen: Vec<&MatchKey> = manifest.chosen(match_words).collect();
        if !chosen.iter().any(|key| key.identifies) {
            let identifying = words_of(manifest.keys.iter().filter(|key| key.identifies));
            return Err(PlanError::IdentifiesNobody { connector, chosen: match_words.join(", "), identifying });
        }
        let settings = manifest.settings_with(settings).map_err(PlanError::Setting)?;
        let default_country = match default_country {
            Some(text) => {
                Some(Alpha2::parse(text).map_err(|_| PlanError::DefaultCountry(text.chars().take(40).collect()))?)
            }
            None => None,
        };
        let mut keys = Vec::with_capacity(chosen.len());
        for key in &chosen {
            let missing = |name: &&String| !chosen.iter().any(|other| other.key == **name);
            let missing: Vec<&String> = key.with.iter().filter(missing).collect();
            if !missing.is_empty() {
                let missing = words_of(manifest.keys.iter().filter(|other| missing.contains(&&other.key)));
                return Err(PlanError::Incomplete { connector, word: word_of(key).to_owned(), missing });
            }
            let sources = sources_of(key, match_words, identities);
            if sources.is_empty() {
                let word = match_words.iter().find(|word| key.is_asked_by(word)).cloned().unwrap_or_default();
                let mapped = identities.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(PlanError::Unmapped { word, mapped });
            }
            keys.push(PlannedKey {
                key: key.key.clone(),
                sources,
                rule: key.rule_under(&settings),
                hash: key.hash,
                identifies: key.identifies,
                device: key.device,
                with: key.with.iter().filter_map(|name| chosen.iter().position(|other| other.key == *name)).collect(),
            });
        }
        Ok(Plan { keys: keys.into(), default_country })
    }

    /// The keys, in the manifest's order.
    pub fn keys(&self) -> &[PlannedKey] {
        &self.keys
    }

    /// The names of the keys, in the manifest's order.
    pub fn key_names(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.key.clone()).collect()
    }

    /// The connection's default country.
    pub fn default_country(&self) -> Option<Alpha2> {
        self.default_country
    }

    /// What of this person brings no identifier, and why: for a trace. Absent fields are [`Unusable::Empty`].
    pub fn complaints(&self, profile: &Profile) -> Vec<Complaint> {
        let place = self.place(profile);
        let mut complaints = Vec::new();
        for key in self.keys.iter() {
            for source in &key.sources {
                let mut say = |why| {
                    complaints.push(Complaint { key: key.key.clone(), field: source.at.clone(), why });
                };
                let mut absent = true;
                for value in values(profile, &source.at) {
                    absent = false;
                    if let Some(why) = source.refusal(key.rule, key.hash, &value, place) {
                        say(why);
                    }
                }
                if absent {
                    say(Unusable::Empty);
                }
            }
        }
        complaints
    }

    /// Where a person is.
    pub(crate) fn place(&self, profile: &Profile) -> Place {
        let country = profile.country.as_deref().and_then(|country| Alpha2::parse(country).ok());
        Place { country, default_country: self.default_country }
    }
}

/// What of a connection's mapping this connector cannot take.
///
/// # Errors
/// The first entry that names no match key of it, no source, or digests that the key cannot be.
pub fn check_mapping(manifest: &Manifest, identities: &Identities) -> Result<(), PlanError> {
    let (title, wrong) = (&manifest.title, |text: String| Err(PlanError::Mapping(text)));
    for (name, sources) in &identities.0 {
        let keys: Vec<&MatchKey> = manifest.keys.iter().filter(|key| key.is_asked_by(name)).collect();
        if keys.is_empty() {
            let known = manifest.match_words().join(", ");
            return wrong(format!("{name}: {title} has no such match key; it takes: {known}"));
        }
        if sources.all().is_empty() || sources.all().iter().any(|source| source.path().trim().is_empty()) {
            return wrong(format!("{name}: no field is named"));
        }
        for (declared, path) in sources.all().iter().filter_map(|source| Some((source.hashed()?, source.path()))) {
            let Some(key) = keys.iter().find(|key| !fits(declared, key.hash)) else { continue };
            let why = match key.hash {
                Hash::None => "unhashed".to_owned(),
                Hash::Sha256Hex | Hash::Sha256Base64 => "as SHA-256".to_owned(),
                Hash::Md5Hex => "as MD5".to_owned(),
                Hash::Sha256OfMd5 => "as SHA-256 of the MD5".to_owned(),
            };
            return wrong(format!(
                "{name}: `{path}` is declared {}, and {title} takes `{}` {why}",
                declared.word(),
                key.key
            ));
        }
    }
    Ok(())
}

fn word_of(key: &MatchKey) -> &str {
    key.sources.first().map_or(key.key.as_str(), |source| source.name.as_str())
}

fn words_of<'a>(keys: impl Iterator<Item = &'a MatchKey>) -> String {
    let mut words: Vec<&str> = Vec::new();
    for key in keys {
        if !words.contains(&word_of(key)) {
            words.push(word_of(key));
        }
    }
    words.join(", ")
}
