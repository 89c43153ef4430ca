//! User lists: list, get, create, change, delete (contract, section 2).

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::GoogleError;
use super::state::{Kind, UserList};
use super::{Answer, ok};
use crate::call::Partner;
use crate::faults::Kind as Dial;
use crate::form::Params;
use crate::world::World;

const DAY: u64 = 86_400;

/// The fields of a list that a caller may set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    display_name: String,
    description: String,
    membership_status: Option<String>,
    membership_duration: Option<String>,
    integration_code: Option<String>,
    ingested_user_list_info: Value,
    // Read-only: sent back by clients that read first, and not looked at.
    name: Value,
    id: Value,
    read_only: Value,
    access_reason: Value,
    account_access_status: Value,
    closing_reason: Value,
    size_info: Value,
    target_network_info: Value,
}

/// `GET …/userLists`.
pub(super) fn list(world: &World, account: &str, params: &Params<'_>) -> Answer {
    let settings = world.settings().clone();
    world.google().account(account, &settings)?;
    let size = match params.filled("pageSize").map(str::parse::<usize>) {
        None | Some(Ok(0)) => 50,
        Some(Ok(size)) => size.min(1_000),
        Some(Err(_)) => return Err(GoogleError::field("page_size", "INVALID_ARGUMENT", "Not a number.")),
    };
    let start = match params.filled("pageToken").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(start)) => start,
        Some(Err(_)) => return Err(GoogleError::field("page_token", "INVALID_ARGUMENT", "Not a token of this list.")),
    };
    let filter = filter(params.filled("filter").unwrap_or_default())?;
    let state = world.google();
    let of_account =
        |list: &&UserList| list.account == account && filter.as_ref().is_none_or(|filter| filter.fits(list));
    let lists: Vec<&UserList> = state.lists().filter(of_account).collect();
    let page: Vec<Value> = lists.iter().skip(start).take(size).map(|list| shown(world, list)).collect();
    let mut answer = json!({"userLists": page});
    if start + size < lists.len() {
        answer["nextPageToken"] = (start + size).to_string().into();
    }
    Ok(ok(&answer))
}

/// `GET …/userLists/ID`.
pub(super) fn get(world: &World, account: &str, id: &str) -> Answer {
    let mut state = world.google();
    let found = state.list(account, id, Kind::Contact).map(|list| list.id.clone());
    let list = found.and_then(|id| state.existing(&id)).ok_or_else(|| GoogleError::of("NOT_FOUND"))?;
    Ok(ok(&shown(world, list)))
}

/// `POST …/userLists`.
pub(super) fn create(world: &World, account: &str, only_validate: bool, body: &[u8]) -> Answer {
    let spec: Spec = serde_json::from_slice(body).map_err(|error| GoogleError::payload(&error))?;
    let settings = world.settings().clone();
    let mut state = world.google();
    state.account(account, &settings)?;
    if !state.terms(account) {
        return Err(GoogleError::field("parent", "ADVERTISER_TOS_NOT_ACCEPTED", "The terms are not accepted."));
    }
    name_fits(&spec.display_name)?;
    if state.lists().any(|list| list.account == account && list.name == spec.display_name) {
        return Err(GoogleError::field("user_list.display_name", "DISPLAY_NAME_ALREADY_USED", "The name is used."));
    }
    let days = days(spec.membership_duration.as_deref())?;
    let (kind, ios) = key_type(&spec.ingested_user_list_info)?;
    if only_validate {
        return Ok(ok(&json!({})));
    }
    let id = state.create(account, None, &spec.display_name);
    if let Some(list) = state.existing_mut(&id) {
        (list.kind, list.ios, list.days) = (kind, ios, days);
        list.description = spec.description;
        list.closed = spec.membership_status.as_deref() == Some("CLOSED");
        list.info = spec.ingested_user_list_info;
    }
    let list = state.existing(&id).ok_or_else(|| GoogleError::of("INTERNAL"))?;
    Ok(ok(&shown(world, list)))
}

/// `PATCH …/userLists/ID?updateMask=…`.
pub(super) fn update(world: &World, account: &str, id: &str, params: &Params<'_>, body: &[u8]) -> Answer {
    let spec: Spec = serde_json::from_slice(body).map_err(|error| GoogleError::payload(&error))?;
    let mut state = world.google();
    let taken = state.lists().any(|list| list.account == account && list.id != id && list.name == spec.display_name);
    let list =
        state.existing_mut(id).filter(|list| list.account == account).ok_or_else(|| GoogleError::of("NOT_FOUND"))?;
    if list.read_only {
        return Err(GoogleError::field("user_list", "OWNERSHIP_REQUIRED_FOR_UPDATE", "The list is not yours."));
    }
    let mask: Vec<&str> = params.filled("updateMask").unwrap_or_default().split(',').map(str::trim).collect();
    for field in mask {
        match field {
            "displayName" | "display_name" if taken => {
                return Err(GoogleError::field(
                    "user_list.display_name",
                    "DISPLAY_NAME_ALREADY_USED",
                    "The name is used.",
                ));
            }
            "displayName" | "display_name" => {
                name_fits(&spec.display_name)?;
                list.name.clone_from(&spec.display_name);
            }
            "description" => list.description.clone_from(&spec.description),
            "membershipStatus" | "membership_status" => {
                list.closed = spec.membership_status.as_deref() == Some("CLOSED");
            }
            "membershipDuration" | "membership_duration" => list.days = days(spec.membership_duration.as_deref())?,
            "ingestedUserListInfo" | "ingested_user_list_info" => {
                return Err(GoogleError::field(
                    "user_list.ingested_user_list_info",
                    "IMMUTABLE_FIELD_FOR_UPDATE",
                    "Immutable.",
                ));
            }
            _ => return Err(GoogleError::field("update_mask", "INVALID_UPDATE_MASK", "No such field.")),
        }
    }
    let list = state.existing(id).ok_or_else(|| GoogleError::of("NOT_FOUND"))?;
    Ok(ok(&shown(world, list)))
}

/// `DELETE …/userLists/ID`.
pub(super) fn delete(world: &World, account: &str, id: &str) -> Answer {
    let mut state = world.google();
    let own = state.existing(id).is_some_and(|list| list.account == account);
    match own && state.delete(id) {
        true => Ok(ok(&json!({}))),
        false => Err(GoogleError::of("NOT_FOUND")),
    }
}

fn name_fits(name: &str) -> Result<(), GoogleError> {
    match name.trim() {
        "" => Err(GoogleError::field("user_list.display_name", "REQUIRED_FIELD_MISSING", "The name is missing.")),
        _ => Ok(()),
    }
}

/// Whole days, at most 540.
fn days(duration: Option<&str>) -> Result<u64, GoogleError> {
    let wrong = |reason: &str| GoogleError::field("user_list.membership_duration", reason, "Whole days up to 540.");
    let Some(text) = duration else { return Ok(540) };
    let seconds: u64 =
        text.strip_suffix('s').and_then(|text| text.parse().ok()).ok_or_else(|| wrong("INVALID_FORMAT"))?;
    match (seconds % DAY, seconds / DAY) {
        (0, days @ 0..=540) => Ok(days),
        (0, _) => Err(wrong("MEMBERSHIP_DURATION_TOO_LONG")),
        _ => Err(wrong("INVALID_FORMAT")),
    }
}

/// Exactly one key type, with what belongs to it; a mobile list is of one platform.
fn key_type(info: &Value) -> Result<(Kind, bool), GoogleError> {
    let field = "user_list.ingested_user_list_info";
    let types = info["uploadKeyTypes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = match types {
        [one] => one.as_str().and_then(Kind::parse),
        _ => None,
    };
    let Some(kind) = kind else {
        return Err(GoogleError::field(field, "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES", "Exactly one key type."));
    };
    let needed = match kind {
        Kind::Contact => "contactIdInfo",
        Kind::Mobile => "mobileIdInfo",
        Kind::User => "userIdInfo",
        Kind::Other => return Err(GoogleError::field(field, "NOT_ALLOWLISTED", "For data partners.")),
    };
    let details = &info[needed];
    if !details["dataSourceType"].is_string() {
        return Err(GoogleError::field(
            field,
            "UNSUPPORTED_INGESTED_USER_LIST_INFO_CONFIG",
            "The details are missing.",
        ));
    }
    let ios = details["keySpace"] == "IOS";
    if kind == Kind::Mobile && !ios && details["keySpace"] != "ANDROID" {
        return Err(GoogleError::field(field, "UNSUPPORTED_INGESTED_USER_LIST_INFO_CONFIG", "A key space is needed."));
    }
    if kind == Kind::Mobile && details["appId"].as_str().is_none_or(str::is_empty) {
        return Err(GoogleError::field(field, "REQUIRED_FIELD_MISSING", "The app's id is missing."));
    }
    Ok((kind, ios))
}

/// A list as Google shows it. Sizes are 0 until the list is large enough and processed.
fn shown(world: &World, list: &UserList) -> Value {
    let settings = world.settings().clone();
    let processed = list.changed.is_none_or(|at| world.has_passed(at, settings.google.processing_seconds));
    let size = match list.members.len() {
        size if size >= settings.google.size_from && processed => size,
        _ => 0,
    };
    let size = size.to_string();
    let (account, id) = (Some(list.account.as_str()), Some(list.id.as_str()));
    let read_only = list.read_only || world.faults().stands(Dial::NotEditable, Partner::Google, account, id);
    json!({
        "name": format!("accountTypes/GOOGLE_ADS/accounts/{}/userLists/{}", list.account, list.id),
        "id": list.id,
        "readOnly": read_only,
        "displayName": list.name,
        "description": list.description,
        "membershipStatus": if list.closed { "CLOSED" } else { "OPEN" },
        "membershipDuration": format!("{}s", list.days * DAY),
        "accessReason": if list.read_only { "SHARED" } else { "OWNED" },
        "accountAccessStatus": "ENABLED",
        "sizeInfo": {
            "displayNetworkMembersCount": size, "searchNetworkMembersCount": size,
            "youtubeMembersCount": size, "gmailMembersCount": size,
        },
        "targetNetworkInfo": {"eligibleForDisplay": true, "eligibleForSearch": true},
        "ingestedUserListInfo": list.info,
    })
}

/// `FIELD = "VALUE"` or `FIELD : "VALUE"`: of AIP-160 no more is read.
struct Filter {
    field: String,
    value: String,
    whole: bool,
}

impl Filter {
    fn fits(&self, list: &UserList) -> bool {
        let text = match self.field.as_str() {
            "id" => &list.id,
            "description" => &list.description,
            _ => &list.name,
        };
        match self.whole {
            true => *text == self.value,
            false => text.contains(&self.value),
        }
    }
}

fn filter(text: &str) -> Result<Option<Filter>, GoogleError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || GoogleError::field("filter", "INVALID_ARGUMENT", "The lab reads FIELD = \"VALUE\" only.");
    let at = text.find(['=', ':']).ok_or_else(wrong)?;
    let (field, value) = (text[..at].trim(), text[at + 1..].trim().trim_matches('"'));
    match field {
        "id" | "display_name" | "description" => {
            Ok(Some(Filter { field: field.into(), value: value.into(), whole: text[at..].starts_with('=') }))
        }
        _ => Err(wrong()),
    }
}
