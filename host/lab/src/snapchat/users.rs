//! The users of a segment: add, remove, all out (contract, section 3).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::good;
use super::segments::one;
use super::{Answer, SnapError, body};
use crate::values::is_hex;
use crate::world::{Damage, World};

/// Identifiers that one request may carry.
const MOST: usize = 100_000;

/// Values of `schema`. The aliases of old are refused.
pub(super) const SCHEMAS: [&str; 3] = ["EMAIL_SHA256", "PHONE_SHA256", "MOBILE_AD_ID_SHA256"];

/// `{"users":[{"schema":["EMAIL_SHA256"],"data":[["…"],…]}]}`.
#[derive(Deserialize)]
pub(super) struct Users<'a> {
    #[serde(borrow)]
    users: Vec<Element<'a>>,
}

#[derive(Deserialize)]
struct Element<'a> {
    schema: Vec<String>,
    #[serde(borrow)]
    data: Vec<Vec<Cow<'a, str>>>,
    /// Some callers repeat the segment's id here.
    id: Option<String>,
}

/// `POST` and `DELETE /segments/{id}/users`.
pub(super) fn edit(world: &World, id: &str, add: bool, bytes: &[u8], damage: Damage) -> Answer {
    let call: Users<'_> = body(bytes)?;
    if call.users.is_empty() || call.users.iter().any(|element| element.id.as_deref().is_some_and(|other| other != id))
    {
        return Err(SnapError::invalid("users: one element for this segment is expected"));
    }
    if call.users.iter().map(|element| element.data.len()).sum::<usize>() > MOST {
        return Err(SnapError::invalid("users: at most 100000 identifiers per request"));
    }
    let refuses = world.settings().snapchat_refuses_malformed;
    let mut checked = Vec::new();
    for element in &call.users {
        let [name] = element.schema.as_slice() else {
            return Err(SnapError::invalid("schema: exactly one identifier type is expected"));
        };
        let Some(schema) = SCHEMAS.into_iter().find(|known| known == name) else {
            return Err(SnapError::invalid(format!("schema: must be one of {}", SCHEMAS.join(", "))));
        };
        if element.data.is_empty() || element.data.iter().any(|row| row.len() != 1) {
            return Err(SnapError::invalid("data: every row has one value"));
        }
        let values: Vec<&str> = element.data.iter().flatten().map(Cow::as_ref).collect();
        if refuses && values.iter().any(|value| !is_hex(value, 64)) {
            return Err(SnapError::invalid("data: not a SHA-256 hash"));
        }
        checked.push((schema, values));
    }
    let mut shelf = world.snapchat();
    let segment = shelf.audience(None, id).ok_or_else(|| SnapError::of(404))?;
    if segment.kind != super::FORM.kind {
        return Err(SnapError::not_writable("the segment's source_type does not accept users"));
    }
    let mut answers: Vec<Value> = Vec::new();
    for (schema, values) in checked {
        let taken: Vec<&str> = values.iter().skip(damage.rows).copied().filter(|value| is_hex(value, 64)).collect();
        let (count, refused) = (taken.len(), values.len() - taken.len());
        if !damage.partial {
            segment.edit(add, schema, taken.into_iter(), refused);
        }
        answers.push(match damage.partial {
            // The dial `partial`: the call is taken, and this element of it is not.
            true => json!({"sub_request_status": "ERROR", "sub_request_error_reason": "Internal error"}),
            false => json!({"sub_request_status": "SUCCESS", "user": {"number_uploaded_users": count}}),
        });
    }
    segment.note_batch();
    Ok(good(world, json!({"users": answers})))
}

/// `DELETE /segments/{id}/all_users`.
pub(super) fn clear(world: &World, id: &str) -> Answer {
    let mut shelf = world.snapchat();
    let segment = shelf.audience(None, id).ok_or_else(|| SnapError::of(404))?;
    segment.members.clear();
    segment.note_batch();
    Ok(good(world, one(world, segment)))
}
