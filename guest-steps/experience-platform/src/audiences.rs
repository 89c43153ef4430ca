//! Folders, which are sandboxes, and the audiences in them (contract, section 2).
use crate::api;
use caravan_sdk::http::Path;
use caravan_sdk::{Audience, AudiencePage, Fault, Folder, FolderPage, Settings};
use serde_json::Value;

/// Audiences of a page.
const PAGE: &str = "100";

/// The sandboxes that the credentials see.
///
/// # Errors
/// Why Adobe did not answer.
pub fn folders(settings: &Settings) -> Result<FolderPage, Fault> {
    let answer = api::get(settings, "", Path::new(["data", "foundation", "sandbox-management", ""]))?;
    let active = |sandbox: &&Value| sandbox["state"].as_str().is_none_or(|state| state == "active");
    let folder = |sandbox: &Value| Folder { id: api::text(&sandbox["name"]), name: api::text(&sandbox["title"]) };
    let folders = answer["sandboxes"].as_array().into_iter().flatten().filter(active).map(folder).collect();
    Ok(FolderPage { folders, next: None })
}

/// One page of audiences whose name contains `query`.
///
/// # Errors
/// Why Adobe did not answer.
pub fn list(settings: &Settings, folder: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let path = Path::new(["data", "core", "ups", "audiences"]).query("limit", PAGE);
    let path = path.query_if("start", cursor).query_if("name", Some(query).filter(|query| !query.is_empty()));
    let answer = api::get(settings, folder, path)?;
    let wanted = query.to_lowercase();
    let audiences = answer["children"].as_array().into_iter().flatten().map(audience);
    let audiences = audiences.filter(|audience| audience.name.to_lowercase().contains(&wanted)).collect();
    Ok(AudiencePage { audiences, next: next(&answer) })
}

/// `start` of the next page: only the link tells whether it counts pages or audiences.
fn next(answer: &Value) -> Option<String> {
    let href = answer["_links"]["next"]["href"].as_str()?;
    let query = href.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("start=")).map(str::to_owned)
}

fn audience(item: &Value) -> Audience {
    let total = &item["metrics"]["data"]["totalProfiles"];
    Audience {
        id: api::text(&item["id"]),
        name: api::text(&item["name"]),
        kind: api::text(&item["type"]),
        unusable: unreadable(item).map(str::to_owned),
        size: total.as_u64(),
    }
}

/// Why an audience cannot be read.
pub fn unreadable(item: &Value) -> Option<&'static str> {
    match item["lifecycleState"].as_str() {
        Some("archived") => Some("It is archived at Adobe."),
        Some("inactive") => Some("It is inactive at Adobe."),
        Some("draft") => Some("It is a draft at Adobe, and evaluated by nobody."),
        _ => None,
    }
}
