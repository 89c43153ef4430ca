//! Organizations, ad accounts and segments (contract, section 2).

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::good;
use super::{Answer, ORGANIZATION, SnapError, body};
use crate::form::{Params, encode};
use crate::shelf::{NewShelved, Shelved, page};
use crate::world::World;

/// Segments that one ad account may have (a peer's figure).
const PER_ACCOUNT: usize = 1_000;
/// The longest name.
const NAME_MAX: usize = 375;
/// Below so many users a segment cannot be targeted.
const MINIMUM: usize = 1_000;
/// The longest page, and the length of one where nothing is asked.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
struct Bulk {
    segments: Vec<Segment>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Segment {
    id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    source_type: Option<String>,
    retention_in_days: Option<u64>,
    ad_account_id: Option<String>,
}

/// A segment as it is shown. Uploads are processed afterwards (contract, section 3): until then the newest is under way.
pub(super) fn entity(world: &World, audience: &Shelved) -> Value {
    let users = audience.members.len();
    let seconds = world.settings().snapchat_processing_seconds;
    let (upload, targetable) = match (audience.batches, users) {
        (0, _) => ("NO_UPLOAD", "NOT_READY"),
        _ if audience.changed.is_some_and(|changed| !world.has_passed(changed, seconds)) => ("PROCESSING", "NOT_READY"),
        (_, 0..MINIMUM) => ("COMPLETE", "TOO_FEW_USERS"),
        _ => ("COMPLETE", "READY"),
    };
    json!({
        "id": audience.id,
        "created_at": audience.created,
        "updated_at": audience.updated,
        "name": audience.name,
        "description": audience.description,
        "ad_account_id": audience.account,
        "organization_id": ORGANIZATION,
        "source_type": audience.kind,
        "retention_in_days": audience.retention_days.unwrap_or(9_999),
        "approximate_number_users": users,
        "status": if audience.batches == 0 { "PENDING" } else { "ACTIVE" },
        "upload_status": upload,
        "targetable_status": targetable,
        "visible_to": [format!("AdAccountEntity_{}", audience.account)],
    })
}

pub(super) fn one(world: &World, audience: &Shelved) -> Value {
    json!({"segments": [{"sub_request_status": "SUCCESS", "segment": entity(world, audience)}]})
}

/// `GET /me/organizations`.
pub(super) fn organizations(world: &World, params: &Params<'_>) -> Answer {
    let mut organization = json!({"id": ORGANIZATION, "name": "Lab", "type": "ENTERPRISE", "roles": ["admin"]});
    if params.get("with_ad_accounts") == Some("true") {
        let accounts: Vec<Value> = world.snapchat().accounts().iter().map(|id| account_entity(id)).collect();
        organization["ad_accounts"] = accounts.into();
    }
    let list = json!([{"sub_request_status": "SUCCESS", "organization": organization}]);
    Ok(good(world, json!({"organizations": list})))
}

fn account_entity(id: &str) -> Value {
    json!({
        "id": id, "name": format!("Ad account {}", id.rsplit('-').next().unwrap_or(id)), "type": "PARTNER",
        "status": "ACTIVE", "organization_id": ORGANIZATION, "currency": "EUR", "timezone": "Europe/Paris",
        "roles": ["data_manager"],
    })
}

/// `GET /organizations/{id}/adaccounts`.
pub(super) fn accounts(world: &World, organization: &str) -> Answer {
    if organization != ORGANIZATION {
        return Err(SnapError::of(403));
    }
    let accounts = world.snapchat().accounts().to_vec();
    let list: Vec<Value> =
        accounts.iter().map(|id| json!({"sub_request_status": "SUCCESS", "adaccount": account_entity(id)})).collect();
    Ok(good(world, json!({"adaccounts": list})))
}

/// `GET /adaccounts/{account}/segments`.
pub(super) fn list(world: &World, account: &str, params: &Params<'_>) -> Answer {
    super::account_of(world, account)?;
    let size = match params.filled("limit") {
        None => PAGE,
        Some(text) => {
            let size = text.parse().ok().filter(|size| (1..=PAGE).contains(size));
            size.ok_or_else(|| SnapError::invalid("limit must be between 1 and 1000"))?
        }
    };
    let start = match params.filled("cursor") {
        None => 0,
        Some(text) => text.parse().map_err(|_| SnapError::invalid("cursor is invalid"))?,
    };
    let all: Vec<Value> = world
        .snapchat()
        .audiences_of(account)
        .map(|audience| json!({"sub_request_status": "SUCCESS", "segment": entity(world, audience)}))
        .collect();
    let (segments, next) = page(all, start, size);
    let paging = next.map_or(json!({}), |next| {
        let link = format!(
            "https://adsapi.snapchat.com/v1/adaccounts/{account}/segments?cursor={}&limit={size}",
            encode(&next.to_string())
        );
        json!({"next_link": link})
    });
    Ok(good(world, json!({"paging": paging, "segments": segments})))
}

/// `GET /segments/{id}`.
pub(super) fn get(world: &World, id: &str) -> Answer {
    let shown =
        world.snapchat().audience(None, id).map(|audience| one(world, audience)).ok_or_else(|| SnapError::of(404))?;
    Ok(good(world, shown))
}

/// `POST /adaccounts/{account}/segments`. What is wrong with one of several is told with that one, under 200.
pub(super) fn create(world: &World, account: &str, bytes: &[u8]) -> Answer {
    let bulk: Bulk = body(bytes)?;
    super::account_of(world, account)?;
    let mut answers = Vec::new();
    for segment in bulk.segments {
        let name = segment.name.unwrap_or_default();
        let days = segment.retention_in_days.unwrap_or_default();
        let mut shelf = world.snapchat();
        let wrong = if segment.ad_account_id.as_deref() != Some(account) {
            Some("ad_account_id does not match the path")
        } else if name.is_empty() || name.chars().count() > NAME_MAX {
            Some("name must have between 1 and 375 characters")
        } else if !(1..=9_999).contains(&days) {
            Some("retention_in_days must be between 1 and 9999")
        } else if segment.source_type.as_deref() != Some(super::FORM.kind) {
            Some("source_type must be FIRST_PARTY")
        } else if shelf.audiences_of(account).count() >= PER_ACCOUNT {
            Some("the maximum number of segments in this ad account is reached")
        } else {
            None
        };
        answers.push(match wrong {
            Some(why) => json!({"sub_request_status": "ERROR", "sub_request_error_reason": why}),
            None => {
                let new = NewShelved {
                    name,
                    description: segment.description.unwrap_or_default(),
                    retention_days: Some(days),
                    ..NewShelved::default()
                };
                let id = shelf.create(account, new);
                json!({"sub_request_status": "SUCCESS", "segment": shelf.existing(&id).map(|segment| entity(world, segment))})
            }
        });
    }
    Ok(good(world, json!({"segments": answers})))
}

/// `PUT /adaccounts/{account}/segments`: name, description and retention.
pub(super) fn update(world: &World, account: &str, bytes: &[u8]) -> Answer {
    let bulk: Bulk = body(bytes)?;
    super::account_of(world, account)?;
    let mut answers = Vec::new();
    for segment in bulk.segments {
        let mut shelf = world.snapchat();
        let found = shelf.audience(Some(account), segment.id.as_deref().unwrap_or_default());
        answers.push(match found {
            None => json!({"sub_request_status": "ERROR", "sub_request_error_reason": "segment not found"}),
            Some(audience) => {
                audience.name = segment.name.unwrap_or_else(|| audience.name.clone());
                audience.description = segment.description.unwrap_or_else(|| audience.description.clone());
                audience.retention_days = segment.retention_in_days.or(audience.retention_days);
                audience.updated = crate::meta::unix_now();
                json!({"sub_request_status": "SUCCESS", "segment": entity(world, audience)})
            }
        });
    }
    Ok(good(world, json!({"segments": answers})))
}

/// `DELETE /segments/{id}`.
pub(super) fn delete(world: &World, id: &str) -> Answer {
    match world.snapchat().delete(id) {
        true => Ok(good(world, json!({"segments": []}))),
        false => Err(SnapError::of(404)),
    }
}
