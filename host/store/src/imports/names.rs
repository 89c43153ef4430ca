//! What a member is called by, in the forms in which one export's member is found in another's, and in our profiles.
use caravan_identity::{Alpha2, Place, Rule, normalise};
use caravan_model::{Digest, Profile};

/// Digests of all that a member is called by: a plain address or number and its digest are one name.
pub(super) fn of(who: &Profile) -> Vec<Digest> {
    let mut names = Vec::new();
    let mut add = |kind: &str, text: &str| {
        let name = Digest::of(format!("{kind}\0{text}").as_bytes());
        if !text.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    for name in [&who.external_id].into_iter().chain(&who.aliases) {
        add("name", name.trim());
    }
    for email in &who.emails {
        let email = email.trim().to_lowercase();
        match is_digest(&email) || email.is_empty() {
            true => add("email", &email),
            false => add("email", &Digest::of(email.as_bytes()).to_string()),
        }
    }
    let place = place_of(who.country.as_deref());
    for phone in &who.phones {
        for form in phone_forms(phone, place).into_iter().filter(|form| is_digest(form)) {
            add("phone", &form);
        }
    }
    names
}

/// The key of a member who is new: stable, so that the same page makes the same rows.
pub(super) fn key(who: &Profile) -> Digest {
    let mut text = who.external_id.clone();
    for name in who.aliases.iter().chain(&who.emails).chain(&who.phones) {
        text.push('\0');
        text.push_str(name);
    }
    Digest::of(text.as_bytes())
}

/// Whether a text is a SHA-256 digest in lower case.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where somebody is, for the reading of phone numbers.
pub(crate) fn place_of(country: Option<&str>) -> Place {
    Place { country: country.and_then(|country| Alpha2::parse(country).ok()), default_country: None }
}

/// A phone number as digits with the country code, and as the digests of that with and without `+`, since sources differ;
/// a digest as it is. Nothing where it can be read as neither.
pub(crate) fn phone_forms(phone: &str, place: Place) -> Vec<String> {
    let phone = phone.trim();
    if let digest = phone.to_ascii_lowercase()
        && is_digest(&digest)
    {
        return vec![digest];
    }
    let Ok(digits) = normalise(Rule::PhoneDigits, phone, place) else { return Vec::new() };
    let with_plus = Digest::of(format!("+{digits}").as_bytes()).to_string();
    vec![with_plus, Digest::of(digits.as_bytes()).to_string(), digits]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_phone(phone: &str, country: Option<&str>) -> Vec<Digest> {
        let country = country.map(str::to_owned);
        of(&Profile { phones: vec![phone.to_owned()], country, ..Profile::default() })
    }

    #[test]
    fn a_plain_number_and_its_digests_share_a_name_and_words_are_none() {
        let plain = of_phone("+33 (0)1 40 40 22 90", None);
        // The vector of the contract: the digest of `+33140402290`.
        let digest = "f80a807618cce09f81574aad74a3efe06c27c200d50873754fd287c9f15fea68";
        assert!(of_phone(digest, None).iter().all(|name| plain.contains(name)));
        assert_eq!(of_phone("01 40 40 22 90", Some("FR")), plain);
        assert!(of_phone("01 40 40 22 90", None).is_empty() && of_phone("call me", None).is_empty());
    }

    #[test]
    fn an_address_and_its_digest_are_one_name_and_another_kind_of_name_is_another() {
        let email = |email: &str| of(&Profile { emails: vec![email.to_owned()], ..Profile::default() });
        let digest = "b375b7bbddb3de3298fbc7641063d9f03a38e118aa4480c8ab9f58740982e8bd";
        assert_eq!(email("  Person@Email.COM "), email(digest));
        let name = of(&Profile { external_id: digest.to_owned(), ..Profile::default() });
        assert_ne!(email(digest), name);
        assert!(of(&Profile::default()).is_empty());
    }
}
