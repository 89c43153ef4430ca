//! Audiences at TikTok: list, get, create and delete (contract, section 2).

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::string_list;
use super::state::{Audience, PARTNER};
use super::{Answer, TikTokError, body, ok, required};
use crate::call::Partner;
use crate::faults::Kind;
use crate::form::Params;
use crate::world::World;

/// Custom audiences that one ad account may have.
const PER_ACCOUNT: usize = 400;
/// An idle audience ends so many seconds after its last use.
const LIFE: u64 = 365 * 86_400;

#[derive(Deserialize)]
struct Stream {
    advertiser_id: Option<String>,
    custom_audience_name: Option<String>,
    audience_id: Option<String>,
    action: Option<String>,
}

#[derive(Deserialize)]
struct Deletion {
    advertiser_id: Option<String>,
    custom_audience_ids: Option<Vec<String>>,
}

/// `GET dmp/custom_audience/list/`.
pub(super) fn list(world: &World, params: &Params<'_>) -> Answer {
    let account = of_query(world, params)?;
    let page = number(params, "page", 1, 1..=u64::MAX)?;
    let size = number(params, "page_size", 10, 1..=100)?;
    let wanted = string_list(params, "custom_audience_ids")?;
    let state = world.tiktok();
    let audiences: Vec<&Audience> = state
        .audiences_of(&account)
        .filter(|audience| wanted.as_ref().is_none_or(|ids| ids.contains(&audience.id)))
        .collect();
    let total = audiences.len() as u64;
    let start = (page - 1).saturating_mul(size);
    let list: Vec<Value> = audiences
        .into_iter()
        .skip(usize::try_from(start).unwrap_or(usize::MAX))
        .take(size as usize)
        .map(|audience| {
            json!({
                "audience_id": audience.id,
                "name": audience.name,
                "audience_type": audience.kind,
                "cover_num": audience.members.len(),
                "is_valid": valid(world, audience),
                "is_expiring": false,
                "shared": false,
                "create_time": date(audience.created),
                "expired_time": date(audience.created + LIFE),
                "calculate_type": audience.calculate_type,
            })
        })
        .collect();
    Ok(ok(json!({
        "list": list,
        "page_info": {"page": page, "page_size": size, "total_page": total.div_ceil(size), "total_number": total},
    })))
}

/// `GET dmp/custom_audience/get/`. Unknown ids are left out; if all are unknown the call is refused (the contract
/// does not tell).
pub(super) fn get(world: &World, params: &Params<'_>) -> Answer {
    let account = of_query(world, params)?;
    let ids = string_list(params, "custom_audience_ids")?
        .ok_or_else(|| TikTokError::parameter("custom_audience_ids: Missing data for required field."))?;
    if ids.is_empty() || ids.len() > 100 {
        return Err(TikTokError::parameter("custom_audience_ids: Length must be between 1 and 100."));
    }
    let history = number(params, "history_size", 10, 1..=100)? as usize;
    let mut state = world.tiktok();
    let mut list = Vec::new();
    for id in &ids {
        let Ok(audience) = state.audience(&[&account], id) else { continue };
        let changes: Vec<Value> = audience
            .history
            .iter()
            .rev()
            .take(history)
            .map(|(time, action, detail)| {
                json!({"action": action, "action_detail": detail, "editor": "open_api", "msg": "", "opt_time": date(*time)})
            })
            .collect();
        list.push(json!({
            "audience_details": {
                "audience_id": audience.id,
                "name": audience.name,
                "type": audience.kind,
                "audience_sub_type": "NORMAL",
                "calculate_type": audience.calculate_type,
                "cover_num": audience.members.len(),
                "create_time": date(audience.created),
                "expired_time": date(audience.created + LIFE),
                "is_valid": valid(world, audience),
                "is_expiring": false,
                "is_creator": true,
                "is_auto_refresh": false,
                "shared": false,
                "error_msg": "",
                "msg": "",
                "owner_id": audience.account,
                "rule": "",
            },
            "audience_history": changes,
        }));
    }
    match list.is_empty() {
        true => Err(TikTokError::of(40_007)),
        false => Ok(ok(json!({"list": list}))),
    }
}

/// `POST segment/audience/`: create or delete.
pub(super) fn stream(world: &World, bytes: &[u8]) -> Answer {
    let call: Stream = body(bytes)?;
    let account = required(&call.advertiser_id, "advertiser_id")?;
    let settings = world.settings().clone();
    let mut state = world.tiktok();
    state.account(account, &settings)?;
    match required(&call.action, "action")? {
        "create" => {
            let name = required(&call.custom_audience_name, "custom_audience_name")?;
            check_name(name)?;
            check_room(state.audiences_of(account).count())?;
            let id = state.create(account, None, name, PARTNER, "MULTIPLE_TYPES");
            Ok(ok(json!({"audience_id": id})))
        }
        "delete" => {
            state.delete(account, required(&call.audience_id, "audience_id")?)?;
            Ok(ok(json!({})))
        }
        _ => Err(TikTokError::parameter("action: Must be one of: create, delete.")),
    }
}

/// `POST dmp/custom_audience/delete/`.
pub(super) fn delete(world: &World, bytes: &[u8]) -> Answer {
    let call: Deletion = body(bytes)?;
    let account = required(&call.advertiser_id, "advertiser_id")?;
    let ids = call
        .custom_audience_ids
        .as_deref()
        .filter(|ids| !ids.is_empty())
        .ok_or_else(|| TikTokError::parameter("custom_audience_ids: Missing data for required field."))?;
    let settings = world.settings().clone();
    let mut state = world.tiktok();
    state.account(account, &settings)?;
    for id in ids {
        state.audience(&[account], id)?;
    }
    for id in ids {
        state.delete(account, id)?;
    }
    Ok(ok(json!({})))
}

/// Refuses a name that is too long.
pub(super) fn check_name(name: &str) -> Result<(), TikTokError> {
    match name.chars().count() {
        0..=128 => Ok(()),
        _ => Err(TikTokError::parameter("custom_audience_name: Longer than maximum length 128.")),
    }
}

/// Refuses one audience too many. The contract names the limit but no code for it.
pub(super) fn check_room(audiences: usize) -> Result<(), TikTokError> {
    match audiences {
        0..PER_ACCOUNT => Ok(()),
        _ => Err(TikTokError::parameter(
            "The number of custom audiences of this advertiser has reached the limit of 400.",
        )),
    }
}

fn valid(world: &World, audience: &Audience) -> bool {
    let (account, id) = (Some(audience.account.as_str()), Some(audience.id.as_str()));
    !world.faults().stands(Kind::NotEditable, Partner::TikTok, account, id)
}

fn of_query(world: &World, params: &Params<'_>) -> Result<String, TikTokError> {
    let account = params
        .filled("advertiser_id")
        .ok_or_else(|| TikTokError::parameter("advertiser_id: Missing data for required field."))?;
    let settings = world.settings().clone();
    world.tiktok().account(account, &settings)?;
    Ok(account.to_string())
}

fn number(
    params: &Params<'_>,
    name: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, TikTokError> {
    let Some(text) = params.filled(name) else { return Ok(default) };
    let number = text.parse().map_err(|_| TikTokError::parameter(format!("{name}: Not a valid integer.")))?;
    match range.contains(&number) {
        true => Ok(number),
        false => {
            let (from, to) = (range.start(), range.end());
            Err(TikTokError::parameter(format!("{name}: Must be between {from} and {to}.")))
        }
    }
}

/// `YYYY-MM-DD hh:mm:ss` in UTC, by the civil-calendar arithmetic for days since 1970.
pub(crate) fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        assert_eq!(super::date(0), "1970-01-01 00:00:00");
        assert_eq!(super::date(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(super::date(1_795_336_199), "2026-11-22 08:29:59");
    }
}
