//! Static lists: find, describe, make (contract, section 2).
use crate::api;
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Audience, AudiencePage, Created, Fault, Settings, fault};
use serde_json::{Value, json};

/// The one kind of list.
pub const STATIC: &str = "static";
/// Assets of a page, the most that Marketo gives.
const ASSETS: usize = 200;
/// How many pages of the folder are searched for the marker.
const PAGES: usize = 25;

/// One page of lists whose name contains `query`. Marketo tells no sizes.
///
/// # Errors
/// Why Marketo did not answer.
pub fn list(settings: &Settings, account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let workspace = api::workspace(settings, account)?;
    let answer = api::get(settings, page(workspace, cursor), About::Login)?;
    let query = query.to_lowercase();
    let audiences = api::items(&answer).iter().map(|item| Audience {
        id: api::text(&item["id"]),
        name: api::text(&item["name"]),
        kind: STATIC.to_owned(),
        unusable: None,
        size: None,
    });
    let audiences = audiences.filter(|audience| audience.name.to_lowercase().contains(&query));
    Ok(AudiencePage { audiences: audiences.collect(), next: api::next(&answer) })
}

/// A page of the lead database's lists.
pub fn page(workspace: Option<&str>, cursor: Option<&str>) -> Path {
    Path::new(["rest", "v1", "lists.json"])
        .query("batchSize", "300")
        .query_if("workspaceName", workspace)
        .query_if("nextPageToken", cursor)
}

/// Makes a list whose description carries `marker`, or adopts the one in the folder whose description already does.
///
/// # Errors
/// Why Marketo did not answer, or what it refused; `misconfigured` where no folder is named.
pub fn create(settings: &Settings, account: &str, name: &str, marker: &str) -> Result<Created, Fault> {
    api::workspace(settings, account)?;
    let number = settings.number("folder");
    if number <= 0 {
        let message = "A new list needs a place: fill in the setting `folder` with the number of a folder or program, which \
                       stands in its address at Marketo (`#MF13A1` is 13).";
        return Err(fault::misconfigured("folder", message));
    }
    let folder = json!({"id": number, "type": settings.text("folder_type")}).to_string();
    if let Some(audience) = find_marked(settings, &folder, marker)? {
        return Ok(Created { audience, audience_parts: Vec::new(), adopted: true });
    }
    let description = format!("Kept by Caravan. {marker}");
    let form = Path::new([]).query("folder", &folder).query("name", name).query("description", &description);
    let body = form.as_str().trim_start_matches(['/', '?']).to_owned();
    let host = api::host(settings)?;
    let path = Path::new(["rest", "asset", "v1", "staticLists.json"]);
    let answer = classify(&http::send(Request::post(&host, path).form(body))?, About::Folder)?;
    match api::items(&answer).first().map(|item| api::text(&item["id"])) {
        Some(audience) if !audience.is_empty() => Ok(Created { audience, audience_parts: Vec::new(), adopted: false }),
        _ => Err(fault::unavailable(None, fault::cause("no-id", "Marketo made no list that it names."))),
    }
}

fn find_marked(settings: &Settings, folder: &str, marker: &str) -> Result<Option<String>, Fault> {
    for number in 0..PAGES {
        let path = Path::new(["rest", "asset", "v1", "staticLists.json"])
            .query("folder", folder)
            .query("offset", &(number * ASSETS).to_string())
            .query("maxReturn", &ASSETS.to_string());
        let answer = api::get(settings, path, About::Folder)?;
        let items = api::items(&answer);
        let ours = |item: &&Value| item["description"].as_str().is_some_and(|text| carries(text, marker));
        if let Some(found) = items.iter().find(ours) {
            return Ok(Some(api::text(&found["id"])));
        }
        if items.len() < ASSETS {
            return Ok(None);
        }
    }
    Err(fault::bug("too-many-audiences", format!("The folder has more than {PAGES} pages of lists.")))
}

/// Whether a description holds the marker as a word of its own, so that `m-1` is not found in `m-12`.
fn carries(description: &str, marker: &str) -> bool {
    !marker.is_empty() && description.split_whitespace().any(|word| word == marker)
}

#[cfg(test)]
mod tests;
