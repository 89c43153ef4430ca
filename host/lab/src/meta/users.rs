//! Members of an audience: add, remove, replace, and the upload sessions (contract, section 3).

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::payload::Payload;
use super::state::{Session, unix_now};
use super::{Answer, MetaError, ok};
use crate::form::Params;
use crate::rows::{Key, RowSet, key, key_name};
use crate::values::{is_digits, is_hex, to_hex};
use crate::world::{Damage, World};

/// Sessions that an audience remembers.
const SESSIONS: usize = 100;
/// Refused rows that an answer shows.
const SAMPLES: usize = 5;

/// What a call does to the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    Add,
    Remove,
    Replace,
}

/// The `session` parameter.
#[derive(Debug, Clone)]
struct Batch {
    id: String,
    number: u64,
    last: bool,
}

/// `POST` and `DELETE /<audience_id>/users`, `POST /<audience_id>/usersreplace`.
pub(super) fn edit(world: &World, id: &str, edit: Edit, params: &Params<'_>, damage: Damage) -> Answer {
    let settings = world.settings().clone();
    let value_based = {
        let mut state = world.meta();
        let verb = if edit == Edit::Remove { "delete" } else { "post" };
        let audience = state.audience(id).ok_or_else(|| MetaError::invisible(id, verb))?;
        if audience.subtype != "CUSTOM" {
            return Err(MetaError::known(2650, None));
        }
        if edit == Edit::Remove && audience.members.len() < settings.minimum_on_remove {
            return Err(MetaError::too_small());
        }
        let (value_based, account) = (audience.value_based, audience.account.clone());
        if !state.terms(&account) {
            return Err(MetaError::known(2655, None));
        }
        value_based
    };
    // The rows are read and checked outside the lock, so that other calls go on meanwhile.
    let text = params.filled("payload").ok_or_else(|| MetaError::missing("payload"))?;
    let payload = Payload::parse(text)?;
    let batch = batch(params)?;
    if edit == Edit::Replace && batch.is_none() {
        return Err(MetaError::missing("session"));
    }
    if payload.rows.len() > settings.rows_per_call {
        return Err(MetaError::known(1, Some(99)));
    }
    if value_based && edit != Edit::Remove {
        requires_value(&payload)?;
    }
    let forms: Vec<Form> = payload.keys.iter().map(|key| form(*key)).collect();
    let mut samples = Map::new();
    let mut invalid = 0u64;
    let mut good: Vec<Cow<'_, [Cow<'_, str>]>> = Vec::with_capacity(payload.rows.len());
    for (place, row) in payload.rows.iter().enumerate() {
        if place >= damage.rows && valid(row, &forms, payload.raw) {
            good.push(match payload.raw {
                true => Cow::Owned(hashed(row, &forms)),
                false => Cow::Borrowed(row),
            });
            continue;
        }
        invalid += 1;
        if samples.len() < SAMPLES {
            // As at Meta, the sample is found by the row's content, not by its place.
            samples.insert(row.join(","), Value::String("The row is not valid".into()));
        }
    }

    let mut state = world.meta();
    let Some(audience) = state.audience(id) else { return Err(MetaError::invisible(id, "post")) };
    match edit {
        Edit::Add => add(&mut audience.members, &payload.keys, &good),
        Edit::Remove => {
            for row in &good {
                audience.members.remove(&payload.keys, row);
            }
        }
        Edit::Replace => {
            if let Some(batch) = &batch {
                // A new session begins anew; its members take over when it ends.
                let mut gathered = match audience.replacing.take() {
                    Some((session, rows)) if session == batch.id && batch.number > 1 => rows,
                    _ => RowSet::default(),
                };
                add(&mut gathered, &payload.keys, &good);
                match batch.last {
                    true => audience.members = gathered,
                    false => audience.replacing = Some((batch.id.clone(), gathered)),
                }
            }
        }
    }
    if edit != Edit::Remove {
        audience.limited += limited(&payload.keys, &good);
    }
    let now = unix_now();
    audience.content_updated = now;
    audience.refused += invalid;
    let received = payload.rows.len() as u64;
    let session = batch.unwrap_or_else(|| Batch { id: session_id(world), number: 1, last: true });
    if let Some(known) = audience.sessions.iter_mut().find(|known| known.id == session.id) {
        known.received += received;
        known.invalid += invalid;
        known.end = session.last.then_some(now);
    } else {
        if audience.sessions.len() == SESSIONS {
            audience.sessions.remove(0);
        }
        let end = session.last.then_some(now);
        audience.sessions.push(Session { id: session.id.clone(), start: now, end, received, invalid });
    }
    let mut reply = ok(&json!({
        "audience_id": id,
        "session_id": session.id,
        "num_received": received,
        "num_invalid_entries": invalid,
        "invalid_entry_samples": samples,
    }));
    if invalid > 0 {
        reply.class = crate::reply::Class::Partial;
    }
    Ok(reply)
}

/// `GET /<audience_id>/sessions`.
pub(super) fn sessions(world: &World, id: &str, params: &Params<'_>) -> Answer {
    let mut state = world.meta();
    let audience = state.audience(id).ok_or_else(|| MetaError::invisible(id, "get"))?;
    let wanted = params.filled("session_id");
    let data: Vec<Value> = audience
        .sessions
        .iter()
        .filter(|session| wanted.is_none_or(|id| id == session.id))
        .map(|session| {
            let matched = session.received - session.invalid;
            json!({
                "session_id": session.id,
                "start_time": session.start.to_string(),
                "end_time": session.end.unwrap_or(0).to_string(),
                "num_received": session.received.to_string(),
                "num_matched": matched.to_string(),
                "num_invalid_entries": session.invalid.to_string(),
                "progress": if session.end.is_some() { "100" } else { "50" },
                "stage": if session.end.is_some() { "complete" } else { "uploading" },
            })
        })
        .collect();
    Ok(ok(&json!({"data": data})))
}

fn add(members: &mut RowSet, keys: &[Key], rows: &[Cow<'_, [Cow<'_, str>]>]) {
    let schema = members.schema(keys);
    for row in rows {
        members.add(schema, row);
    }
}

/// How many of these rows are for Limited Data Use.
fn limited(keys: &[Key], rows: &[Cow<'_, [Cow<'_, str>]>]) -> u64 {
    let Some(column) = keys.iter().position(|key| form(*key) == Form::Options) else { return 0 };
    rows.iter().filter(|row| row[column] == LIMITED).count() as u64
}

fn requires_value(payload: &Payload<'_>) -> Result<(), MetaError> {
    let column = payload.keys.iter().position(|known| Some(*known) == key("LOOKALIKE_VALUE"));
    let complete = column.is_some_and(|column| payload.rows.iter().all(|row| !row[column].is_empty()));
    match complete {
        true => Ok(()),
        false => Err(MetaError::new(100, "(#100) Value-Based Custom Audience requires LOOKALIKE_VALUE attribute.")),
    }
}

/// What the cells of a column must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Digest,
    Number,
    /// `DATA_PROCESSING_OPTIONS`: Limited Data Use or, as an empty list, none.
    Options,
    /// The country and state beside it: whole numbers, 0 where Meta finds out itself.
    Place,
    Free,
}

/// A cell of `DATA_PROCESSING_OPTIONS` that asks for Limited Data Use.
const LIMITED: &str = r#"["LDU"]"#;

/// Contract, section 4: which keys are hashed.
fn form(key: Key) -> Form {
    match key_name(key) {
        "EMAIL" | "PHONE" | "GEN" | "DOBY" | "DOBM" | "DOBD" | "LN" | "FN" | "FI" | "CT" | "ST" | "ZIP" | "COUNTRY" => {
            Form::Digest
        }
        "LOOKALIKE_VALUE" => Form::Number,
        "DATA_PROCESSING_OPTIONS" => Form::Options,
        "DATA_PROCESSING_OPTIONS_COUNTRY" | "DATA_PROCESSING_OPTIONS_STATE" => Form::Place,
        _ => Form::Free,
    }
}

/// A row is taken if one cell about the person is filled and none is malformed.
fn valid(row: &[Cow<'_, str>], forms: &[Form], raw: bool) -> bool {
    let mut filled = false;
    for (cell, form) in row.iter().zip(forms) {
        if cell.is_empty() {
            continue;
        }
        filled |= !matches!(form, Form::Options | Form::Place);
        let good = match form {
            Form::Digest => raw || is_hex(cell, 64),
            Form::Number => cell.parse::<f64>().is_ok_and(|value| value >= 0.0),
            Form::Options => matches!(cell.as_ref(), LIMITED | "[]"),
            Form::Place => cell.parse::<u32>().is_ok(),
            Form::Free => true,
        };
        if !good {
            return false;
        }
    }
    filled
}

/// Raw cells as Meta keeps them: hashed, unless they are digests already.
fn hashed<'a>(row: &[Cow<'a, str>], forms: &[Form]) -> Vec<Cow<'a, str>> {
    row.iter()
        .zip(forms)
        .map(|(cell, form)| match form {
            Form::Digest if !cell.is_empty() && !is_hex(cell, 64) => {
                Cow::Owned(to_hex(&Sha256::digest(cell.trim().to_lowercase())))
            }
            _ => cell.clone(),
        })
        .collect()
}

fn batch(params: &Params<'_>) -> Result<Option<Batch>, MetaError> {
    let Some(text) = params.filled("session") else { return Ok(None) };
    let invalid = |what: &str| MetaError::new(100, format!("(#100) Param session is invalid: {what}"));
    let value: Value = serde_json::from_str(text).map_err(|error| invalid(&error.to_string()))?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let id = text(&value["session_id"]);
    if !is_digits(&id) || id.parse::<u64>().is_err() {
        return Err(invalid("session_id must be an unsigned 64-bit integer"));
    }
    let number = text(&value["batch_seq"]).parse().map_err(|_| invalid("batch_seq must be a number from 1 on"))?;
    if number == 0 {
        return Err(invalid("batch_seq must be a number from 1 on"));
    }
    let last = matches!(text(&value["last_batch_flag"]).as_str(), "true" | "1");
    Ok(Some(Batch { id, number, last }))
}

fn session_id(world: &World) -> String {
    let number = world.traces.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let seed = world.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    fastrand::Rng::with_seed(seed).u64(1_000_000_000_000_000_000..9_000_000_000_000_000_000).to_string()
}
