//! Which of a person's fields a connection sends as which identifiers, where that is not the partner's default.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `identities: { email: [ email, traits.loyalty_email ], phone: { from: traits.phone_sha256, hashed: sha256 } }`
///
/// By match key: a word of a step's `match`, or the partner's own name of a key. Where anything stands here, a step's
/// `match` picks among these keys alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Identities(pub BTreeMap<String, Sources>);

/// One source, or several: every e-mail and phone counts, of other keys the first that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sources {
    /// One.
    One(IdentitySource),
    /// Several, in order.
    Several(Vec<IdentitySource>),
}

/// A field of the person: `email`, `traits.loyalty_email`, `{ from: traits.email_hash, hashed: sha256 }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum IdentitySource {
    /// The field, or an attribute's path with dots. A value that is a digest already passes as it is.
    Path(String),
    /// The field, and what its values are.
    Spelled(SpelledSource),
}

/// A source that says more than its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpelledSource {
    /// The field, or an attribute's path with dots.
    pub from: String,
    /// Its values are digests already: anything else there is unusable, and is never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed: Option<Hashed>,
}

/// What digests a source holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hashed {
    /// SHA-256 of the normalised value, hexadecimal in any case.
    Sha256,
    /// MD5 of the normalised value, hexadecimal in any case.
    Md5,
    /// SHA-256 of the MD5's hexadecimal form.
    Sha256OfMd5,
}

impl Hashed {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Hashed::Sha256 => "sha256",
            Hashed::Md5 => "md5",
            Hashed::Sha256OfMd5 => "sha256-of-md5",
        }
    }
}

impl Identities {
    /// Whether the partner's defaults hold.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Sources {
    /// All sources, in order.
    pub fn all(&self) -> &[IdentitySource] {
        match self {
            Sources::One(one) => std::slice::from_ref(one),
            Sources::Several(several) => several,
        }
    }
}

impl IdentitySource {
    /// The field, or an attribute's path.
    pub fn path(&self) -> &str {
        match self {
            IdentitySource::Path(path) => path,
            IdentitySource::Spelled(spelled) => &spelled.from,
        }
    }

    /// What its values are declared to be.
    pub fn hashed(&self) -> Option<Hashed> {
        match self {
            IdentitySource::Path(_) => None,
            IdentitySource::Spelled(spelled) => spelled.hashed,
        }
    }
}
