//! What Experience Platform tells of sandboxes and audiences.

use serde_json::{Value, json};

use super::Answer;
use super::error::PlatformError;
use super::state::{PlatformAudience, SANDBOXES};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::world::World;

/// Audiences of a page, unless asked otherwise.
const PAGE: usize = 20;

/// `GET sandbox-management/`: the sandboxes that the credentials see.
pub(super) fn sandboxes(_world: &World) -> Reply {
    let sandboxes: Vec<Value> = SANDBOXES
        .iter()
        .map(|(name, title)| json!({"name": name, "title": title, "state": "active", "type": "production", "isDefault": *name == "prod"}))
        .collect();
    let count = sandboxes.len();
    Reply::json(200, Class::Ok, &json!({"sandboxes": sandboxes, "_page": {"limit": 50, "count": count}, "_links": {}}))
}

/// `GET audiences`: a page; `start` counts pages, as the real one's links do.
pub(super) fn audiences(world: &World, sandbox: &str, query: &Params<'_>) -> Answer {
    if !SANDBOXES.iter().any(|(name, _)| *name == sandbox) {
        return Err(PlatformError::gateway(400, "400003", "Missing header"));
    }
    let number = |name: &str| query.filled(name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(PAGE).clamp(1, 100);
    let start = number("start").unwrap_or(0);
    let name = query.filled("name").unwrap_or_default().to_lowercase();
    let state = world.platform();
    let all: Vec<&PlatformAudience> = state
        .audiences()
        .filter(|audience| audience.sandbox == sandbox && audience.name.to_lowercase().contains(&name))
        .collect();
    let children: Vec<Value> = all.iter().skip(start * limit).take(limit).map(|audience| shown(audience)).collect();
    let pages = all.len().div_ceil(limit);
    let mut body = json!({
        "children": children,
        "_page": {"totalCount": all.len(), "totalPages": pages, "pageSize": limit, "limit": limit, "start": start},
    });
    if start + 1 < pages {
        let next = start + 1;
        body["_page"]["next"] = next.to_string().into();
        body["_links"]["next"]["href"] =
            format!("@/audiences?start={next}&limit={limit}&totalCount={}", all.len()).into();
    }
    Ok(Reply::json(200, Class::Ok, &body))
}

/// `GET audiences/ID`.
pub(super) fn audience(world: &World, sandbox: &str, id: &str) -> Answer {
    match world.platform().audience(sandbox, id) {
        Some(audience) => Ok(Reply::json(200, Class::Ok, &shown(audience))),
        None => Err(PlatformError::service(404, "NotFoundError", "The audience could not be found")),
    }
}

fn shown(audience: &PlatformAudience) -> Value {
    json!({
        "id": audience.id, "audienceId": audience.id, "name": audience.name, "description": audience.description,
        "type": "SegmentDefinition", "originName": "REAL_TIME_CUSTOMER_PROFILE", "namespace": "AEPSegments",
        "lifecycleState": audience.lifecycle, "schema": {"name": "_xdm.context.profile"},
        "sandbox": {"sandboxName": audience.sandbox}, "updateTime": audience.changed,
        "metrics": {"data": {"totalProfiles": audience.size()}},
    })
}

/// `YYYY-MM-DDThh:mm:ss.mmmZ`.
pub(super) fn date(millis: u64) -> String {
    let text = crate::marketo::date(millis / 1_000);
    format!("{}.{:03}Z", text.trim_end_matches('Z'), millis % 1_000)
}
