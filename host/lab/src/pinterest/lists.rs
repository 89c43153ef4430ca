//! Customer lists: create, list, get, and their records (contract, sections 2 and 3a).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, PinterestError, account_of, body, good, paged};
use crate::form::Params;
use crate::shelf::{NewShelved, Shelved};
use crate::values::is_hex;
use crate::world::{Damage, World};

/// What a list may hold; one kind for its life.
pub(super) const TYPES: [&str; 6] = ["EMAIL", "IDFA", "MAID", "LR_ID", "DLX_ID", "HASHED_PINNER_ID"];
/// Below so many people a list is too small to be used.
const MINIMUM: usize = 100;

#[derive(Deserialize)]
struct New<'a> {
    name: Option<String>,
    #[serde(borrow)]
    records: Option<Cow<'a, str>>,
    list_type: Option<String>,
}

/// Body of a change of records.
#[derive(Deserialize)]
pub(super) struct Change<'a> {
    operation_type: Option<String>,
    #[serde(borrow)]
    records: Option<Cow<'a, str>>,
}

impl Change<'_> {
    /// Whether records are taken out.
    pub(super) fn removes(&self) -> bool {
        self.operation_type.as_deref() == Some("REMOVE")
    }
}

fn kind_of(name: &str) -> Option<&'static str> {
    TYPES.into_iter().find(|known| *known == name)
}

/// Whether a list of this kind can match the record: digests, for e-mails also the address itself.
fn well_formed(kind: &str, record: &str) -> bool {
    let digest = || [64, 40, 32].into_iter().any(|length| is_hex(record, length));
    match kind {
        "EMAIL" => {
            digest() || record.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        }
        "IDFA" | "MAID" => digest(),
        _ => !record.is_empty(),
    }
}

fn records(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|record| !record.is_empty()).collect()
}

/// Takes the records of one call. What is not well formed is counted, and shows in the list's exceptions.
fn take(audience: &mut Shelved, add: bool, records: &[&str], damage: Damage) {
    let Some(kind) = kind_of(&audience.kind) else { return };
    let good = |(place, record): &(usize, &&str)| *place >= damage.rows && well_formed(kind, record);
    let taken: Vec<&str> = records.iter().enumerate().filter(good).map(|(_, record)| *record).collect();
    let refused = records.len() - taken.len();
    audience.edit(add, kind, taken.into_iter(), refused);
    audience.note_batch();
}

fn check_count(world: &World, records: &[&str]) -> Result<(), PinterestError> {
    let most = world.settings().pinterest_records;
    match records.len() {
        0 => Err(PinterestError::parameter("Parameter 'records' must not be empty.")),
        count if count > most => Err(PinterestError::parameter(format!("Parameter 'records' has more than {most}."))),
        _ => Ok(()),
    }
}

/// A list as it is shown. Its kind is not. Right after a change it is being processed.
fn entity(audience: &Shelved, changed: bool, refused: u64) -> Value {
    let status = match audience.members.len() {
        _ if changed => "PROCESSING",
        0..MINIMUM => "TOO_SMALL",
        _ => "READY",
    };
    json!({
        "id": audience.id,
        "name": audience.name,
        "ad_account_id": audience.account,
        "type": "customerlist",
        "status": status,
        "num_batches": audience.batches,
        "num_uploaded_user_records": audience.uploaded,
        "num_removed_user_records": audience.withdrawn,
        "created_time": audience.created,
        "updated_time": audience.updated,
        "exceptions": if refused > 0 { json!({"invalid_records": refused}) } else { json!({}) },
    })
}

/// `POST /ad_accounts/{account}/customer_lists`: with at least one record.
pub(super) fn create(world: &World, account: &str, bytes: &[u8], damage: Damage) -> Answer {
    let new: New<'_> = body(bytes)?;
    account_of(world, account)?;
    let name = new.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| PinterestError::parameter("Missing required parameter 'name'."))?;
    let text = new.records.ok_or_else(|| PinterestError::parameter("Missing required parameter 'records'."))?;
    let kind = new.list_type.unwrap_or_else(|| "EMAIL".to_string());
    if kind_of(&kind).is_none() {
        return Err(PinterestError::parameter(format!("'{kind}' is not one of {}.", TYPES.join(", "))));
    }
    let records = records(&text);
    check_count(world, &records)?;
    let mut shelf = world.pinterest();
    let id = shelf.create(account, NewShelved { name, kind: Some(kind), ..NewShelved::default() });
    let list = shelf.audience(Some(account), &id).ok_or_else(|| PinterestError::of(404))?;
    take(list, true, &records, damage);
    Ok(good(&entity(list, true, list.refused)))
}

/// `GET /ad_accounts/{account}/customer_lists`.
pub(super) fn list(world: &World, account: &str, params: &Params<'_>) -> Answer {
    account_of(world, account)?;
    let shelf = world.pinterest();
    let mut all: Vec<Value> = shelf.audiences_of(account).map(|list| entity(list, false, list.refused)).collect();
    if params.get("order") != Some("ASCENDING") {
        all.reverse();
    }
    paged(all, params)
}

/// `GET /ad_accounts/{account}/customer_lists/{id}`.
pub(super) fn get(world: &World, account: &str, id: &str) -> Answer {
    account_of(world, account)?;
    let mut shelf = world.pinterest();
    let list = shelf.audience(Some(account), id).ok_or_else(|| PinterestError::of(404))?;
    Ok(good(&entity(list, false, list.refused)))
}

/// `PATCH /ad_accounts/{account}/customer_lists/{id}`: records in or out. The exceptions are the list's, or, by a switch, those
/// of this call.
pub(super) fn change(world: &World, account: &str, id: &str, change: Change<'_>, damage: Damage) -> Answer {
    account_of(world, account)?;
    let add = match change.operation_type.as_deref() {
        Some("ADD") => true,
        Some("REMOVE") => false,
        Some(other) => return Err(PinterestError::parameter(format!("'{other}' is not one of ADD, REMOVE."))),
        None => return Err(PinterestError::parameter("Missing required parameter 'operation_type'.")),
    };
    let text = change.records.ok_or_else(|| PinterestError::parameter("Missing required parameter 'records'."))?;
    let records = records(&text);
    check_count(world, &records)?;
    let of_call = world.settings().pinterest_exceptions_of_call;
    let mut shelf = world.pinterest();
    let list = shelf.audience(Some(account), id).ok_or_else(|| PinterestError::of(404))?;
    let before = if of_call { list.refused } else { 0 };
    take(list, add, &records, damage);
    Ok(good(&entity(list, true, list.refused - before)))
}
