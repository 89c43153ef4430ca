//! Where the values of a match key come from: fields of a person, or attributes that a connection maps.
use crate::normalise::declared;
use crate::{Place, Unusable, identifier};
use caravan_model::manifest::{Field, Hash, MatchKey, Rule};
use caravan_model::{Hashed, Identities, IdentitySource, Manifest, Profile};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Where values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// A field that every profile has.
    Field(Field),
    /// An attribute, by its path with dots.
    Attribute(Box<str>),
}

/// A source of a match key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// Where the values come from.
    pub at: At,
    /// What they are declared to be.
    pub hashed: Option<Hashed>,
}

impl KeySource {
    /// What a connection's mapping names.
    fn of(source: &IdentitySource) -> KeySource {
        let at = field_named(source.path()).map_or_else(|| At::Attribute(source.path().into()), At::Field);
        KeySource { at, hashed: source.hashed() }
    }

    /// Whether each of its values counts at a key of this rule, not only the first that can be used.
    pub(crate) fn counts_all(&self, rule: Rule) -> bool {
        match self.at {
            At::Field(field) => matches!(field, Field::Email | Field::Phone),
            At::Attribute(_) => is_email(rule) || matches!(rule, Rule::PhoneDigits | Rule::PhonePlus),
        }
    }

    /// Why one of its values cannot be sent.
    pub(crate) fn refusal(&self, rule: Rule, hash: Hash, value: &str, place: Place) -> Option<Unusable> {
        match self.hashed {
            Some(hashed) => declared(rule, hash, hashed, value, &mut Vec::new()).err(),
            None => identifier(rule, hash, value, place).err(),
        }
    }
}

fn is_email(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Email
            | Rule::EmailCompact
            | Rule::EmailNoTag
            | Rule::EmailNoTagNoDots
            | Rule::EmailGmail
            | Rule::EmailGmailTag
    )
}

/// The sources of a key for the words of a step's `match`: those that the connection maps, else the partner's defaults.
pub(crate) fn sources_of(key: &MatchKey, words: &[String], identities: &Identities) -> Vec<KeySource> {
    if identities.is_empty() {
        return key.fields(words).map(|field| KeySource { at: At::Field(field), hashed: None }).collect();
    }
    let whole = |word: &str| key.key.eq_ignore_ascii_case(word);
    let asked = |name: &str| {
        let of_key = |word: &String| key.is_asked_by(word) && (whole(name) || whole(word));
        key.is_asked_by(name) && words.iter().any(|word| word == name || of_key(word))
    };
    let mapped = identities.0.iter().filter(|(name, _)| asked(name));
    mapped.flat_map(|(_, sources)| sources.all()).map(KeySource::of).collect()
}

/// The keys by which a person's e-mail, phone, name, gender or birth date leaves as it is: unhashed ones that make such a value,
/// or whose sources, by the manifest or by what a connection maps, are such fields.
pub fn raw_keys<'a>(manifest: &'a Manifest, identities: &Identities) -> Vec<&'a str> {
    let personal = |key: &&MatchKey| {
        let sources = sources_of(key, std::slice::from_ref(&key.key), identities);
        let field = |source: &KeySource| matches!(source.at, At::Field(field) if field.is_personal());
        !sources.is_empty() && (key.rule.is_personal() || sources.iter().any(field))
    };
    manifest.keys.iter().filter(|key| key.is_unhashed()).filter(personal).map(|key| key.key.as_str()).collect()
}

/// Whether a digest of the declared kind can be sent as this hash.
pub(crate) fn fits(declared: Hashed, hash: Hash) -> bool {
    match hash {
        Hash::None => false,
        Hash::Sha256Hex | Hash::Sha256Base64 => declared == Hashed::Sha256,
        Hash::Md5Hex => declared == Hashed::Md5,
        Hash::Sha256OfMd5 => matches!(declared, Hashed::Md5 | Hashed::Sha256OfMd5),
    }
}

/// The values that a profile has at a source: text, whole numbers, and lists of them.
pub(crate) fn values<'a>(profile: &'a Profile, at: &At) -> impl Iterator<Item = Cow<'a, str>> {
    let (many, one): (&'a [String], Option<&'a str>) = match at {
        At::Field(field) => of_field(profile, *field),
        At::Attribute(_) => (&[], None),
    };
    let mut further = Vec::new();
    if let At::Attribute(path) = at {
        match attribute(&profile.attributes, path) {
            Some(Value::Array(several)) => further.extend(several.iter().filter_map(text)),
            Some(value) => further.extend(text(value)),
            None => {}
        }
    }
    many.iter().map(String::as_str).chain(one).map(Cow::Borrowed).chain(further)
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// An attribute by its path; a name with dots in it comes first. `traits.` and `attributes.` before it may stand there.
fn attribute<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let below = || path.strip_prefix("traits.").or_else(|| path.strip_prefix("attributes."));
    reach(attributes, path).or_else(|| reach(attributes, below()?))
}

fn reach<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    map.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| reach(map.get(&path[..dot])?.as_object()?, &path[dot + 1..]))
    })
}

fn of_field(profile: &Profile, field: Field) -> (&[String], Option<&str>) {
    match field {
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
    }
}

fn field_named(name: &str) -> Option<Field> {
    Some(match name {
        "external_id" => Field::ExternalId,
        "email" | "emails" => Field::Email,
        "phone" | "phones" => Field::Phone,
        "first_name" => Field::FirstName,
        "last_name" => Field::LastName,
        "gender" => Field::Gender,
        "birth_date" => Field::BirthDate,
        "city" => Field::City,
        "state" => Field::State,
        "zip" => Field::Zip,
        "country" => Field::Country,
        "idfa" => Field::Idfa,
        "gaid" => Field::Gaid,
        _ => return None,
    })
}

/// A source for people to read.
pub(crate) fn title(at: &At) -> Cow<'static, str> {
    match at {
        At::Field(field) => Cow::Borrowed(title_of(*field)),
        At::Attribute(path) => Cow::Owned(format!("`{path}`")),
    }
}

/// A field for people to read.
fn title_of(field: Field) -> &'static str {
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
