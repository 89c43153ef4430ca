//! The members of a contact list: amend, clear, statistics (contract, section 3).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use super::{Answer, CriteoError, body, good, is_contact_list};
use crate::shelf::Shelved;
use crate::values::{is_hex, is_uuid};
use crate::world::{Damage, World};

/// Identifiers that one request may carry.
const MOST: usize = 50_000;
/// The version that is stable now.
const STABLE: &str = "2026-07";
/// How many invalid values an answer samples.
const SAMPLE: usize = 10;

/// Identifier types; e-mails under MD5 are kept apart, so that one can see what was sent.
pub(super) const TYPES: [&str; 6] = ["email", "email_md5", "madid", "identityLink", "gum", "phoneNumber"];

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    attributes: Amendment<'a>,
}

/// What an amendment says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Amendment<'a> {
    operation: Option<String>,
    identifier_type: Option<String>,
    gum_caller_id: Option<i64>,
    #[serde(borrow)]
    identifiers: Option<Vec<Cow<'a, str>>>,
}

impl<'a> Amendment<'a> {
    /// Reads a body.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Amendment<'a>, CriteoError> {
        let Document { data } = body(bytes)?;
        match data.kind.as_deref() {
            Some("ContactlistAmendment") => Ok(data.attributes),
            _ => Err(CriteoError::field("invalid", "data.type")),
        }
    }

    /// Whether identifiers are taken out.
    pub(super) fn removes(&self) -> bool {
        self.operation.as_deref() == Some("remove")
    }
}

/// The type under which a well-formed identifier is kept. A phone number in plain digits is refused: whether Criteo
/// takes one is unsure.
fn kept(kind: &str, value: &str) -> Option<&'static str> {
    match kind {
        "email" if is_hex(value, 64) => Some("email"),
        "email" if is_hex(value, 32) => Some("email_md5"),
        "email" => {
            value.split_once('@').filter(|(local, domain)| !local.is_empty() && domain.contains('.')).map(|_| "email")
        }
        "phoneNumber" => is_hex(value, 64).then_some("phoneNumber"),
        "madid" => (is_uuid(value) && value.bytes().any(|byte| !matches!(byte, b'0' | b'-'))).then_some("madid"),
        "identityLink" => (!value.is_empty()).then_some("identityLink"),
        "gum" => (!value.is_empty()).then_some("gum"),
        _ => None,
    }
}

/// A contact list that takes amendments.
fn writable(audience: Option<&mut Shelved>) -> Result<&mut Shelved, CriteoError> {
    let audience = audience.ok_or_else(|| CriteoError::of("audience-invalid"))?;
    if !is_contact_list(audience) {
        return Err(CriteoError::of("segment-type-invalid"));
    }
    match audience.read_only {
        true => Err(CriteoError::of("contact-list-read-only")),
        false => Ok(audience),
    }
}

/// `PATCH audience-segments/{id}/contact-list`. A version behind the stable one says beside its answer that it will end.
pub(super) fn amend(world: &World, version: &str, id: &str, amendment: Amendment<'_>, damage: Damage) -> Answer {
    let add = match amendment.operation.as_deref() {
        Some("add") => true,
        Some("remove") => false,
        Some(_) => return Err(CriteoError::field("invalid", "operation")),
        None => return Err(CriteoError::field("required-field", "operation")),
    };
    let kind = amendment.identifier_type.as_deref().unwrap_or_default();
    if !TYPES.contains(&kind) || kind == "email_md5" {
        return Err(CriteoError::field("invalid", "identifierType"));
    }
    if kind == "gum" && amendment.gum_caller_id.is_none() {
        return Err(CriteoError::field("required-field", "gumCallerId"));
    }
    let identifiers = amendment.identifiers.ok_or_else(|| CriteoError::field("required-field", "identifiers"))?;
    if identifiers.is_empty() || identifiers.len() > MOST {
        return Err(CriteoError::field("invalid-ranged", "identifiers"));
    }
    let mut shelf = world.criteo();
    let audience = writable(shelf.audience(None, id))?;
    let (mut good_ones, mut bad) = (Vec::with_capacity(identifiers.len()), Vec::new());
    for (place, value) in identifiers.iter().enumerate() {
        match kept(kind, value).filter(|_| place >= damage.rows) {
            Some(kept) => good_ones.push((kept, value.as_ref())),
            None => bad.push(value.as_ref()),
        }
    }
    for kept in TYPES {
        let of_kind = good_ones.iter().filter(|(kind, _)| *kind == kept).map(|(_, value)| *value);
        audience.edit(add, kept, of_kind, 0);
    }
    audience.edit(add, "email", std::iter::empty(), bad.len());
    audience.note_batch();
    let mut answer = json!({
        "data": {"type": "ContactlistAmendment", "attributes": {
            "contactListId": id.parse::<u64>().unwrap_or_default(),
            "operation": if add { "add" } else { "remove" },
            "requestDate": "2026-11-26T10:00:50.000Z",
            "identifierType": kind,
            "nbValidIdentifiers": good_ones.len(),
            "nbInvalidIdentifiers": bad.len(),
            "sampleInvalidIdentifiers": bad.iter().take(SAMPLE).collect::<Vec<_>>(),
        }},
        "errors": [],
        "warnings": [],
    });
    if version < STABLE {
        answer["warnings"] = json!([CriteoError::of("endpoint-deprecated").entry(world)]);
    }
    Ok(good(&answer))
}

/// `DELETE audience-segments/{id}/contact-list`: everybody out.
pub(super) fn clear(world: &World, id: &str) -> Answer {
    let mut shelf = world.criteo();
    let audience = writable(shelf.audience(None, id))?;
    audience.members.clear();
    audience.note_batch();
    let attributes = json!({"name": audience.name, "description": audience.description});
    Ok(good(
        &json!({"data": {"id": id, "type": "ContactList", "attributes": attributes}, "errors": [], "warnings": []}),
    ))
}

/// `GET audience-segments/{id}/contact-list/statistics`. The lab matches everybody.
pub(super) fn statistics(world: &World, id: &str) -> Answer {
    let mut shelf = world.criteo();
    let audience = shelf.audience(None, id).filter(|audience| is_contact_list(audience));
    let count = audience.ok_or_else(|| CriteoError::of("audience-invalid"))?.members.len();
    let attributes = json!({"numberOfIdentifiers": count, "numberOfMatches": count, "matchRate": f64::from(count > 0)});
    Ok(good(&json!({
        "data": {"id": id, "type": "ContactListStatistics", "attributes": attributes}, "errors": [], "warnings": [],
    })))
}
