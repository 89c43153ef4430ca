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

/// Whether a sandbox is there.
fn is_sandbox(world: &World, name: &str) -> bool {
    let further = world.settings().platform.sandboxes;
    let numbered = name.strip_prefix("sb-").and_then(|number| number.parse::<usize>().ok());
    SANDBOXES.iter().any(|(known, _)| *known == name) || numbered.is_some_and(|number| number < further)
}

/// `GET sandbox-management/`: the sandboxes that the credentials see, a page; only the link tells that there are more.
pub(super) fn sandboxes(world: &World, query: &Params<'_>) -> Reply {
    let (further, limit) = {
        let settings = &world.settings().platform;
        (settings.sandboxes, settings.sandboxes_per_page.max(1))
    };
    let start = query.filled("offset").and_then(|offset| offset.parse::<usize>().ok()).unwrap_or(0);
    let named = SANDBOXES.iter().map(|(name, title)| ((*name).to_string(), (*title).to_string()));
    let all = named.chain((0..further).map(|n| (format!("sb-{n}"), format!("Sandbox {n}"))));
    let sandboxes: Vec<Value> = all
        .skip(start)
        .take(limit)
        .map(|(name, title)| json!({"isDefault": name == "prod", "name": name, "title": title, "state": "active", "type": "production"}))
        .collect();
    let count = sandboxes.len();
    let mut body = json!({"sandboxes": sandboxes, "_page": {"limit": limit, "count": count}, "_links": {}});
    if start + count < further + SANDBOXES.len() {
        body["_links"]["next"] = json!({
            "href": "https://platform.adobe.io:443/data/foundation/sandbox-management/?limit={limit}&offset={offset}",
            "templated": true,
        });
    }
    Reply::json(200, Class::Ok, &body)
}

/// `GET audiences`: a page; `start` counts pages, as the real one's links do.
pub(super) fn audiences(world: &World, sandbox: &str, query: &Params<'_>) -> Answer {
    if !is_sandbox(world, sandbox) {
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
        "type": if audience.is_ours() { "SegmentDefinition" } else { "ExternalSegment" },
        "originName": if audience.is_ours() { "REAL_TIME_CUSTOMER_PROFILE" } else { "AUDIENCE_MANAGER" },
        "namespace": audience.namespace,
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
