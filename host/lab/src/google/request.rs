//! The body of a call that changes members, and what is checked of it (contract, section 3).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use super::error::Violation;
use super::state::Kind;
use crate::values::{is_hex, to_hex};

/// Identifiers that a member may have.
const IDENTIFIERS: usize = 10;

/// An account as a destination names it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Account {
    pub(super) account_type: Value,
    pub(super) account_id: String,
    /// The older spelling of `accountType`, which is superseded.
    pub(super) product: Option<String>,
}

/// Where members go.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Destination {
    pub(super) reference: Option<String>,
    pub(super) operating_account: Account,
    pub(super) login_account: Option<Account>,
    pub(super) linked_account: Option<Account>,
    pub(super) product_destination_id: String,
}

/// What a person said.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Consent {
    pub(super) ad_user_data: Said,
    pub(super) ad_personalization: Said,
}

/// An answer to a question of consent. Clients of the gRPC kind write numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    #[default]
    Nothing,
    Granted,
    Denied,
    /// A word that is none.
    Rubbish,
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match (value.as_str(), value.as_u64()) {
            (Some("CONSENT_STATUS_UNSPECIFIED"), _) | (_, Some(0)) => Said::Nothing,
            (Some("CONSENT_GRANTED"), _) | (_, Some(1)) => Said::Granted,
            (Some("CONSENT_DENIED"), _) | (_, Some(2)) => Said::Denied,
            _ => Said::Rubbish,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Terms {
    customer_match_terms_of_service_status: Value,
}

impl Terms {
    pub(super) fn accepted(&self) -> bool {
        let status = &self.customer_match_terms_of_service_status;
        status == "ACCEPTED" || status == 1
    }
}

/// The whole body of `:ingest`, `:remove` and `:removeAll`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Body<'a> {
    pub(super) destinations: Vec<Destination>,
    #[serde(borrow)]
    pub(super) audience_members: Vec<Member<'a>>,
    pub(super) consent: Option<Consent>,
    pub(super) encoding: Value,
    pub(super) validate_only: bool,
    pub(super) terms_of_service: Terms,
    pub(super) encryption_info: Option<IgnoredAny>,
    pub(super) remove_as_of_time: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Member<'a> {
    destination_references: Vec<String>,
    #[serde(borrow)]
    user_data: Option<UserData<'a>>,
    mobile_data: Option<MobileData>,
    user_id_data: Option<UserIdData>,
    composite_data: Option<IgnoredAny>,
    pair_data: Option<IgnoredAny>,
    ppid_data: Option<IgnoredAny>,
    google_user_id_data: Option<IgnoredAny>,
    partner_provided_id_data: Option<IgnoredAny>,
    pub(super) consent: Option<Consent>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct UserData<'a> {
    #[serde(borrow)]
    user_identifiers: Vec<Identifier<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Identifier<'a> {
    #[serde(borrow)]
    email_address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    phone_number: Option<Cow<'a, str>>,
    #[serde(borrow)]
    address: Option<Address<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Address<'a> {
    #[serde(borrow)]
    given_name: Cow<'a, str>,
    #[serde(borrow)]
    family_name: Cow<'a, str>,
    #[serde(borrow)]
    region_code: Cow<'a, str>,
    #[serde(borrow)]
    postal_code: Cow<'a, str>,
    address_line: Option<IgnoredAny>,
    city: Option<IgnoredAny>,
    administrative_area: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct MobileData {
    mobile_ids: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct UserIdData {
    user_id: String,
}

/// One member's identifiers, once they are checked: key and value each, digests in hexadecimal.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) cells: Vec<(&'static str, String)>,
    /// The country of an address.
    pub(super) region: Option<String>,
    pub(super) identifiers: usize,
}

/// How digests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    pub(super) fn of(value: &Value) -> Option<Encoding> {
        match (value.as_str(), value.as_u64()) {
            (Some("HEX"), _) | (_, Some(1)) => Some(Encoding::Hex),
            (Some("BASE64"), _) | (_, Some(2)) => Some(Encoding::Base64),
            _ => None,
        }
    }

    /// The digest in lower-case hexadecimal, or the reason why it is none.
    fn digest(self, value: &str) -> Result<String, &'static str> {
        match self {
            Encoding::Hex if is_hex(value, 64) => Ok(value.to_ascii_lowercase()),
            Encoding::Hex if value.len().is_multiple_of(2) && is_hex(value, value.len()) => {
                Err("INVALID_SHA256_FORMAT")
            }
            Encoding::Hex => Err("INVALID_HEX_ENCODING"),
            Encoding::Base64 => match base64(value) {
                Some(bytes) if bytes.len() == 32 => Ok(to_hex(&bytes)),
                Some(_) => Err("INVALID_SHA256_FORMAT"),
                None => Err("INVALID_BASE64_ENCODING"),
            },
        }
    }
}

/// Standard base64 with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | LETTERS.iter().position(|known| *known == letter)? as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (!text.is_empty()).then_some(bytes)
}

impl Member<'_> {
    /// The kinds of data that it holds.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let others = [
            &self.composite_data,
            &self.pair_data,
            &self.ppid_data,
            &self.google_user_id_data,
            &self.partner_provided_id_data,
        ];
        let found = [
            self.user_data.is_some().then_some(Kind::Contact),
            self.mobile_data.is_some().then_some(Kind::Mobile),
            self.user_id_data.is_some().then_some(Kind::User),
            others.iter().any(|other| other.is_some()).then_some(Kind::Other),
        ];
        found.into_iter().flatten()
    }

    /// Whether it goes to a destination of this reference.
    pub(super) fn goes_to(&self, reference: Option<&str>) -> bool {
        self.destination_references.is_empty()
            || self.destination_references.iter().any(|r| Some(r.as_str()) == reference)
    }

    /// Its identifiers, or the first thing that is wrong with them.
    pub(super) fn known(&self, place: usize, encoding: Option<Encoding>, ios: bool) -> Result<Known, Violation> {
        let at = format!("audience_members[{place}]");
        let wrong = |field: String, reason: &str| Violation::new(field, reason, "The value is not valid.");
        let mut known = Known::default();
        if let Some(data) = &self.user_data {
            let at = format!("{at}.user_data.user_identifiers");
            match data.user_identifiers.len() {
                0 => return Err(wrong(at, "NO_IDENTIFIERS_PROVIDED")),
                1..=IDENTIFIERS => {}
                _ => return Err(wrong(at, "TOO_MANY_USER_IDENTIFIERS")),
            }
            for (number, identifier) in data.user_identifiers.iter().enumerate() {
                let at = format!("{at}[{number}]");
                identifier.read(&at, encoding.unwrap_or(Encoding::Hex), &mut known)?;
            }
        }
        if let Some(data) = &self.mobile_data {
            let at = format!("{at}.mobile_data.mobile_ids");
            match data.mobile_ids.len() {
                0 => return Err(wrong(at, "NO_IDENTIFIERS_PROVIDED")),
                1..=IDENTIFIERS => {}
                _ => return Err(wrong(at, "TOO_MANY_USER_IDENTIFIERS")),
            }
            for (number, id) in data.mobile_ids.iter().enumerate() {
                if !is_uuid(id) {
                    return Err(wrong(format!("{at}[{number}]"), "INVALID_MOBILE_ID_FORMAT"));
                }
                known.cells.push((if ios { "IDFA" } else { "GAID" }, id.clone()));
            }
        }
        if let Some(data) = &self.user_id_data {
            if data.user_id.trim().is_empty() {
                return Err(wrong(format!("{at}.user_id_data.user_id"), "REQUIRED_FIELD_MISSING"));
            }
            known.cells.push(("USER_ID", data.user_id.clone()));
        }
        if known.cells.is_empty() {
            return Err(wrong(at, "INVALID_AUDIENCE_MEMBER"));
        }
        known.identifiers =
            known.cells.iter().filter(|(key, _)| !matches!(*key, "FAMILY_NAME" | "REGION" | "POSTAL")).count();
        Ok(known)
    }
}

impl Identifier<'_> {
    /// Exactly one of the three; all four parts of an address.
    fn read(&self, at: &str, encoding: Encoding, known: &mut Known) -> Result<(), Violation> {
        let wrong =
            |field: &str, reason: &str| Violation::new(format!("{at}.{field}"), reason, "The value is not valid.");
        match (&self.email_address, &self.phone_number, &self.address) {
            (Some(email), None, None) => {
                let digest = encoding.digest(email).map_err(|reason| wrong("email_address", reason))?;
                known.cells.push(("EMAIL", digest));
            }
            (None, Some(phone), None) => {
                let digest = encoding.digest(phone).map_err(|reason| wrong("phone_number", reason))?;
                known.cells.push(("PHONE", digest));
            }
            (None, None, Some(address)) => {
                for (name, value) in [
                    ("given_name", &address.given_name),
                    ("family_name", &address.family_name),
                    ("region_code", &address.region_code),
                    ("postal_code", &address.postal_code),
                ] {
                    if value.is_empty() {
                        return Err(wrong(&format!("address.{name}"), "REQUIRED_FIELD_MISSING"));
                    }
                }
                let given =
                    encoding.digest(&address.given_name).map_err(|reason| wrong("address.given_name", reason))?;
                let family =
                    encoding.digest(&address.family_name).map_err(|reason| wrong("address.family_name", reason))?;
                let region = &address.region_code;
                if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_uppercase()) {
                    return Err(wrong("address.region_code", "INVALID_REGION_CODE"));
                }
                if address.postal_code.len() > 20 {
                    return Err(wrong("address.postal_code", "INVALID_POSTAL_CODE"));
                }
                known.region = Some(region.to_string());
                known.cells.extend([
                    ("GIVEN_NAME", given),
                    ("FAMILY_NAME", family),
                    ("REGION", region.to_string()),
                    ("POSTAL", address.postal_code.to_string()),
                ]);
            }
            (None, None, None) => {
                return Err(Violation::new(at, "REQUIRED_FIELD_MISSING", "An identifier is missing."));
            }
            _ => return Err(Violation::new(at, "INVALID_FORMAT", "Exactly one identifier may be set.")),
        }
        Ok(())
    }
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| is_hex(part, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(base64("TWFu").as_deref(), Some(&b"Man"[..]));
        assert_eq!(base64("TWE=").as_deref(), Some(&b"Ma"[..]));
        assert_eq!(base64("TQ").as_deref(), Some(&b"M"[..]));
        assert_eq!((base64("a b@x"), base64("")), (None, None));
    }

    #[test]
    fn a_digest_that_is_none_has_its_reason() {
        let hex = |value: &str| Encoding::Hex.digest(value);
        assert_eq!(hex(&"AB".repeat(32)), Ok("ab".repeat(32)));
        assert_eq!((hex("abcd"), hex("a@example.com")), (Err("INVALID_SHA256_FORMAT"), Err("INVALID_HEX_ENCODING")));
        assert_eq!(Encoding::Base64.digest("@"), Err("INVALID_BASE64_ENCODING"));
    }
}
