//! Match keys: which profile fields become which identifiers, by which rule and hash.
use super::{is_true, yes};
use serde::{Deserialize, Serialize};

/// A match key: an identifier that the partner compares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchKey {
    /// The partner's name (`EMAIL`).
    pub key: String,
    /// For people.
    pub title: String,
    /// Which words of a step's `match` ask for it, and the profile field that each brings; the first usable wins
    /// for single-valued fields, e-mails and phones give a row each. None: only what a connection maps to it is sent.
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

impl Field {
    /// Whether its plain value says who somebody is, or how they are reached. Ids, device ids and places do not.
    pub fn is_personal(self) -> bool {
        use Field::{BirthDate, Email, FirstName, Gender, LastName, Phone};
        matches!(self, Email | Phone | FirstName | LastName | Gender | BirthDate)
    }
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
    /// E-mail: as `email-compact`; at gmail.com and googlemail.com also without dots and `+tag` in the local part.
    EmailGmail,
    /// E-mail: as `email-gmail`, but the `+tag` stays.
    EmailGmailTag,
    /// E.164 digits without `+`.
    PhoneDigits,
    /// E.164 with `+`.
    PhonePlus,
    /// A person's name: lower case, punctuation out, inner spaces kept.
    Name,
    /// A first name: as `name`, titles (`Mrs.`) out, without inner spaces.
    GivenName,
    /// A last name: as `name`, suffixes (`Jr.`) out, without inner spaces.
    FamilyName,
    /// A person's name: lower case without white space, punctuation kept.
    NameSpaceless,
    /// A name of a person or place: a to z alone, lower case; everything else is dropped, accented letters too.
    NameLatin,
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
    /// Country: as `country`, upper case.
    CountryUpper,
    /// Advertising id: trimmed, lower case, hyphens kept; all zeros is unusable.
    AdId,
    /// Advertising id: as `ad-id`, upper case.
    AdIdUpper,
    /// A decimal number of at least 0, as written (a person's value for value-based audiences).
    Amount,
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

/// A fact per row of an add: what the person said about a purpose. A part has its column only where some row's value
/// is not 0 (unspecified); removals have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// Its name.
    pub key: String,
    /// The consent purpose that it carries.
    pub purpose: String,
}

impl Rule {
    /// Whether what it makes is a person's e-mail, phone, name, gender or birth date, wherever the value came from.
    pub fn is_personal(self) -> bool {
        match self {
            Rule::Email
            | Rule::EmailCompact
            | Rule::EmailNoTag
            | Rule::EmailNoTagNoDots
            | Rule::EmailGmail
            | Rule::EmailGmailTag
            | Rule::PhoneDigits
            | Rule::PhonePlus
            | Rule::Name
            | Rule::GivenName
            | Rule::FamilyName
            | Rule::NameSpaceless
            | Rule::Initial
            | Rule::GenderMf
            | Rule::BirthYear
            | Rule::BirthMonth
            | Rule::BirthDay => true,
            Rule::Trim
            | Rule::NameLatin
            | Rule::City
            | Rule::State
            | Rule::Zip
            | Rule::Country
            | Rule::CountryUpper
            | Rule::AdId
            | Rule::AdIdUpper
            | Rule::Amount => false,
        }
    }
}

impl MatchKey {
    /// Whether its normalised value leaves as it is.
    pub fn is_unhashed(&self) -> bool {
        self.hash == Hash::None
    }

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
