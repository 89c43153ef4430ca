//! Which match keys a step sends, and how each is made.
use crate::{Alpha2, Place, Unusable, identifier};
use caravan_model::manifest::{Field, Hash, Manifest, MatchKey, Rule};
use caravan_model::{Code, Profile};
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
    /// The profile fields that bring it.
    pub fields: Vec<Field>,
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
            PlanError::Setting(_) | PlanError::DefaultCountry(_) => None,
        }
    }
}

/// A field of a person that brings no identifier, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The partner's key.
    pub key: String,
    /// The profile field.
    pub field: Field,
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
            keys.push(PlannedKey {
                key: key.key.clone(),
                fields: key.fields(match_words).collect(),
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
            for field in &key.fields {
                let mut absent = true;
                for value in values(profile, *field) {
                    absent = false;
                    if let Err(why) = identifier(key.rule, key.hash, value, place) {
                        complaints.push(Complaint { key: key.key.clone(), field: *field, why });
                    }
                }
                if absent {
                    complaints.push(Complaint { key: key.key.clone(), field: *field, why: Unusable::Empty });
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

/// The values that a profile has for a field.
pub(crate) fn values(profile: &Profile, field: Field) -> impl Iterator<Item = &str> {
    let (many, one): (&[String], Option<&str>) = match field {
        Field::Email => (&profile.emails, None),
        Field::Phone => (&profile.phones, None),
        Field::ExternalId => (&[], Some(profile.external_id.as_str())),
        Field::FirstName => (&[], profile.first_name.as_deref()),
        Field::LastName => (&[], profile.last_name.as_deref()),
        Field::Gender => (&[], profile.gender.as_deref()),
        Field::BirthDate => (&[], profile.birth_date.as_deref()),
        Field::City => (&[], profile.city.as_deref()),
        Field::State => (&[], profile.state.as_deref()),
        Field::Zip => (&[], profile.zip.as_deref()),
        Field::Country => (&[], profile.country.as_deref()),
        Field::Idfa => (&[], profile.idfa.as_deref()),
        Field::Gaid => (&[], profile.gaid.as_deref()),
    };
    many.iter().map(String::as_str).chain(one)
}

/// A field for people to read.
pub(crate) fn title(field: Field) -> &'static str {
    match field {
        Field::ExternalId => "external id",
        Field::Email => "e-mail",
        Field::Phone => "phone",
        Field::FirstName => "first name",
        Field::LastName => "last name",
        Field::Gender => "gender",
        Field::BirthDate => "birth date",
        Field::City => "city",
        Field::State => "state",
        Field::Zip => "postal code",
        Field::Country => "country",
        Field::Idfa => "Apple advertising id",
        Field::Gaid => "Google advertising id",
    }
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
