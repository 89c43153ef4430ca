//! People: looked up by a field, made or changed (contract, section 3).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{MarketoError, ok, page, text};
use super::state::Lead;
use super::{Answer, MarketoState};
use crate::form::Params;
use crate::world::World;

/// Hits that a lookup may have.
const HITS: usize = 1_000;
/// Fields that can be looked up by, beside custom ones.
const NOT_SEARCHABLE: [&str; 3] = ["firstName", "lastName", "company"];

/// `GET leads.json?filterType=…&filterValues=…`, also as `POST` with `_method=GET`.
pub(super) fn lookup(world: &World, params: &Params<'_>) -> Answer {
    let settings = world.settings().marketo.clone();
    let kind = params
        .filled("filterType")
        .ok_or_else(|| MarketoError::saying(1002, "Missing value for required parameter 'filterType'"))?;
    let values = params
        .filled("filterValues")
        .ok_or_else(|| MarketoError::saying(1002, "Missing value for required parameter 'filterValues'"))?;
    if NOT_SEARCHABLE.contains(&kind) {
        return Err(MarketoError::saying(1011, format!("Field '{kind}' is not searchable")));
    }
    let values: Vec<&str> = values.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
    if values.len() > settings.leads_per_call {
        return Err(MarketoError::saying(
            1003,
            format!("filterValues may have at most {} values", settings.leads_per_call),
        ));
    }
    let size = params.filled("batchSize").and_then(|size| size.parse::<usize>().ok()).unwrap_or(300).clamp(1, 300);
    let start = params.filled("nextPageToken").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let fields: Vec<&str> = params.filled("fields").unwrap_or("id,email,updatedAt,createdAt").split(',').collect();
    let mut state = world.marketo();
    let mut hits: Vec<Lead> = Vec::new();
    for value in values {
        match kind {
            "id" => hits.extend(value.parse().ok().and_then(|id| state.lead(id).cloned())),
            "email" => hits.extend(state.with_email(value, &settings)),
            field => hits.extend(state.with_field(field, value)),
        }
    }
    hits.sort_unstable_by_key(|lead| lead.id);
    hits.dedup_by_key(|lead| lead.id);
    if hits.len() > HITS {
        return Err(MarketoError::saying(1003, "Too many results match the filter"));
    }
    let next = (start + size < hits.len()).then(|| (start + size).to_string());
    Ok(page(hits.iter().skip(start).take(size).map(|lead| shown(lead, &fields)).collect(), next))
}

/// The fields of a person that are asked for.
pub(super) fn shown(lead: &Lead, fields: &[&str]) -> Value {
    let mut row = Map::new();
    row.insert("id".into(), lead.id.into());
    for field in fields {
        let value = match *field {
            "id" => continue,
            "email" => json!(lead.email),
            "updatedAt" | "createdAt" => json!(super::date(lead.updated)),
            "ecids" => json!([]),
            other => lead.fields.get(other).map_or(Value::Null, |value| json!(value)),
        };
        row.insert((*field).to_string(), value);
    }
    Value::Object(row)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Upsert {
    action: Option<String>,
    lookup_field: Option<String>,
    input: Vec<Map<String, Value>>,
}

/// `POST leads.json`: makes or changes people.
pub(super) fn upsert(world: &World, body: &[u8]) -> Answer {
    let call: Upsert = serde_json::from_slice(body).map_err(|_| MarketoError::of(609))?;
    let settings = world.settings().marketo.clone();
    let action = call.action.as_deref().unwrap_or("createOrUpdate");
    if !matches!(action, "createOrUpdate" | "createOnly" | "updateOnly" | "createDuplicate") {
        return Err(MarketoError::saying(1001, format!("Invalid value '{action}' for field 'action'")));
    }
    if call.input.len() > settings.leads_per_call {
        return Err(MarketoError::saying(1003, "Too many rows"));
    }
    let field = call.lookup_field.as_deref().unwrap_or("email");
    let mut state = world.marketo();
    let rows = call.input.iter().map(|row| one(&mut state, action, field, row)).collect();
    Ok(ok(rows))
}

fn one(state: &mut MarketoState, action: &str, field: &str, row: &Map<String, Value>) -> Value {
    let skipped =
        |code: u32| json!({"status": "skipped", "reasons": [{"code": code.to_string(), "message": text(code)}]});
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let email = row.get("email").map(word).unwrap_or_default().trim().to_lowercase();
    if !email.is_ascii() || (field == "email" && !email.contains('@')) {
        return skipped(1003);
    }
    let others: HashMap<String, String> = row
        .iter()
        .filter(|(name, _)| *name != "email" && *name != "id")
        .map(|(name, value)| (name.clone(), word(value)))
        .collect();
    let found: Vec<u32> = match field {
        "id" => row
            .get("id")
            .and_then(Value::as_u64)
            .and_then(|id| u32::try_from(id).ok())
            .into_iter()
            .filter(|id| state.lead(*id).is_some())
            .collect(),
        _ => state.emailed(&email),
    };
    match (action, found.as_slice()) {
        ("createDuplicate", _) | ("createOrUpdate" | "createOnly", []) => {
            json!({"id": state.make(&email, others), "status": "created"})
        }
        ("createOnly", [_, ..]) => skipped(1005),
        ("updateOnly", []) => skipped(1004),
        (_, [id]) => json!({"id": id, "status": "updated"}),
        _ => skipped(1007),
    }
}
