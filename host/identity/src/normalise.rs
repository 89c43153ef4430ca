//! One value by one rule.
use crate::birth::Part;
use crate::email::Form;
use crate::name::{Extras, Spaces};
use crate::{Place, Unusable, amount, birth, country, device, digest, email, gender, name, phone, state, text, zip};
use caravan_model::Hashed;
use caravan_model::manifest::{Hash, Rule};

/// The normalised value.
///
/// # Errors
/// Why the value cannot be used.
pub fn normalise(rule: Rule, value: &str, place: Place) -> Result<String, Unusable> {
    let mut out = Vec::with_capacity(value.len().min(text::MAX_CHARS));
    normalise_into(rule, value, place, &mut out)?;
    String::from_utf8(out).map_err(|_| Unusable::NothingLeft)
}

/// Appends the normalised value; appends nothing where it cannot be used.
///
/// # Errors
/// Why the value cannot be used.
pub fn normalise_into(rule: Rule, value: &str, place: Place, out: &mut Vec<u8>) -> Result<(), Unusable> {
    of_usable(rule, text::usable(value)?, place, out)
}

/// The identifier as it is sent: normalised and hashed; a value that already is such a digest in lower case.
///
/// # Errors
/// Why the value cannot be used.
pub fn identifier(rule: Rule, hash: Hash, value: &str, place: Place) -> Result<String, Unusable> {
    let mut out = Vec::with_capacity(64);
    identifier_into(rule, hash, value, place, &mut Vec::new(), &mut out)?;
    String::from_utf8(out).map_err(|_| Unusable::NothingLeft)
}

/// Appends the identifier as it is sent; `scratch` holds the normalised value in between.
///
/// # Errors
/// Why the value cannot be used; nothing is appended then.
pub fn identifier_into(
    rule: Rule,
    hash: Hash,
    value: &str,
    place: Place,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Unusable> {
    prepare(rule, hash, value, place, scratch, out, |scratch, out| digest::hash_into(hash, scratch, out))
}

/// As [`identifier_into`], with the hashing given.
pub(crate) fn prepare(
    rule: Rule,
    hash: Hash,
    value: &str,
    place: Place,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
    hashed: impl FnOnce(&[u8], &mut Vec<u8>),
) -> Result<(), Unusable> {
    let value = text::usable(value)?;
    if hash == Hash::None {
        return of_usable(rule, value, place, out);
    }
    let before = out.len();
    if digest::pass_through(hash, value, out)? {
        if takes_a_part(rule) {
            out.truncate(before);
            return Err(Unusable::OtherDigest);
        }
        return Ok(());
    }
    scratch.clear();
    of_usable(rule, value, place, scratch)?;
    hashed(scratch, out);
    Ok(())
}

/// Appends a value that is declared to be a digest already; anything else is never sent, nor hashed once more.
///
/// # Errors
/// Why the value cannot be used; nothing is appended then.
pub(crate) fn declared(
    rule: Rule,
    hash: Hash,
    declared: Hashed,
    value: &str,
    out: &mut Vec<u8>,
) -> Result<(), Unusable> {
    let (value, before) = (text::usable(value)?, out.len());
    let fits = (value.len() == 32) == (declared == Hashed::Md5) && digest::pass_through(hash, value, out)?;
    if fits && !takes_a_part(rule) {
        return Ok(());
    }
    out.truncate(before);
    Err(if fits { Unusable::OtherDigest } else { Unusable::NotADigest })
}

/// Rules that take a part of the field: of a digest, none can be had.
fn takes_a_part(rule: Rule) -> bool {
    matches!(rule, Rule::Initial | Rule::BirthYear | Rule::BirthMonth | Rule::BirthDay)
}

/// Normalises a trimmed value that is neither empty nor too long.
fn of_usable(rule: Rule, value: &str, place: Place, out: &mut Vec<u8>) -> Result<(), Unusable> {
    if rule != Rule::Trim && digest::is_some_digest(value) {
        let zeros = value.bytes().all(|byte| byte == b'0');
        return Err(if zeros { Unusable::AllZero } else { Unusable::OtherDigest });
    }
    match rule {
        Rule::Trim => {
            out.extend_from_slice(value.as_bytes());
            Ok(())
        }
        Rule::Email => email::normalise(value, Form::Plain, out),
        Rule::EmailCompact => email::normalise(value, Form::Compact, out),
        Rule::EmailNoTag => email::normalise(value, Form::NoTag, out),
        Rule::EmailNoTagNoDots => email::normalise(value, Form::NoTagNoDots, out),
        Rule::EmailGmail => email::normalise(value, Form::Gmail, out),
        Rule::EmailGmailTag => email::normalise(value, Form::GmailTag, out),
        Rule::PhoneDigits => phone::normalise(value, place, false, out),
        Rule::PhonePlus => phone::normalise(value, place, true, out),
        Rule::Name => name::normalise(value, Spaces::Kept, out),
        Rule::GivenName => name::without_extras(value, Extras::Titles, out),
        Rule::FamilyName => name::without_extras(value, Extras::Suffixes, out),
        Rule::NameSpaceless => name::spaceless(value, out),
        Rule::NameLatin => name::latin(value, out),
        Rule::Initial => name::initial(value, out),
        Rule::GenderMf => gender::normalise(value, out),
        Rule::BirthYear => birth::normalise(value, Part::Year, out),
        Rule::BirthMonth => birth::normalise(value, Part::Month, out),
        Rule::BirthDay => birth::normalise(value, Part::Day, out),
        Rule::City => name::normalise(value, Spaces::Out, out),
        Rule::State => state::normalise(value, place, out),
        Rule::Zip => zip::normalise(value, place, out),
        Rule::Country => country::normalise(value, out),
        Rule::CountryUpper => upper(out, |out| country::normalise(value, out)),
        Rule::AdIdUpper => upper(out, |out| device::normalise(value, out)),
        Rule::AdId => device::normalise(value, out),
        Rule::Amount => amount::normalise(value, out),
    }
}

/// Raises what `append` appends; both kinds of value are ASCII.
fn upper(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>) -> Result<(), Unusable>) -> Result<(), Unusable> {
    let start = out.len();
    append(out)?;
    out[start..].make_ascii_uppercase();
    Ok(())
}
