//! Static lists: the lead database's view, the assets' view, and members (contract, sections 2 and 3).

use serde_json::{Value, json};

use super::error::{MarketoError, nothing, ok, page, text};
use super::leads::shown as lead_shown;
use super::state::{FOLDERS, Lead, List};
use super::{Answer, date};
use crate::form::Params;
use crate::world::{Damage, World};

/// Assets per page.
const ASSETS: usize = 200;

/// `GET lists.json`.
pub(super) fn list(world: &World, params: &Params<'_>) -> Answer {
    let size = params.filled("batchSize").and_then(|size| size.parse::<usize>().ok()).unwrap_or(300).clamp(1, 300);
    let start = params.filled("nextPageToken").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let wanted =
        |name: &str, value: &str| params.filled(name).is_none_or(|given| given.split(',').any(|one| one == value));
    let state = world.marketo();
    let lists: Vec<&List> = state
        .lists()
        .filter(|list| wanted("id", &list.id) && wanted("name", &list.name) && wanted("workspaceName", &list.workspace))
        .collect();
    let next = (start + size < lists.len()).then(|| (start + size).to_string());
    Ok(page(lists.iter().skip(start).take(size).map(|list| shown(list)).collect(), next))
}

/// `GET lists/ID.json`.
pub(super) fn get(world: &World, id: &str) -> Answer {
    match world.marketo().list(id) {
        Some(list) => Ok(ok(vec![shown(list)])),
        None => Err(MarketoError::of(1013)),
    }
}

fn shown(list: &List) -> Value {
    json!({
        "id": list.id.parse::<u64>().unwrap_or_default(), "name": list.name, "description": list.description,
        "workspaceName": list.workspace, "createdAt": date(list.created), "updatedAt": date(list.created),
    })
}

/// `GET staticLists.json`, `GET staticList/byName.json` and `GET staticList/ID.json`.
pub(super) fn assets(world: &World, id: Option<&str>, params: &Params<'_>) -> Answer {
    let number = |name: &str| params.filled(name).and_then(|text| text.parse::<usize>().ok());
    let folder = params.filled("folder").map(folder).transpose()?;
    let name = params.filled("name");
    let state = world.marketo();
    let found: Vec<Value> = state
        .lists()
        .filter(|list| {
            id.is_none_or(|id| id == list.id)
                && name.is_none_or(|name| name == list.name)
                && folder.as_ref().is_none_or(|folder| *folder == list.folder)
        })
        .skip(number("offset").unwrap_or(0))
        .take(number("maxReturn").unwrap_or(20).clamp(1, ASSETS))
        .map(asset)
        .collect();
    Ok(if found.is_empty() { nothing() } else { ok(found) })
}

fn asset(list: &List) -> Value {
    let date = date(list.created).replace('Z', "Z+0000");
    json!({
        "id": list.id.parse::<u64>().unwrap_or_default(), "name": list.name, "description": list.description,
        "createdAt": date, "updatedAt": date, "folder": {"id": list.folder.0, "type": list.folder.1},
        "computedUrl": format!("https://app-lab.marketo.com/#ST{}A1", list.id),
    })
}

/// `{"id":13,"type":"Folder"}`; a bare number is taken for a folder, as a peer sends it.
fn folder(text: &str) -> Result<(u32, String), MarketoError> {
    let value: Value = serde_json::from_str(text).map_err(|_| MarketoError::of(1001))?;
    let id = value["id"].as_u64().or_else(|| value["id"].as_str()?.parse().ok()).or_else(|| value.as_u64());
    let id = id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| MarketoError::of(1001))?;
    let kind = value["type"].as_str().unwrap_or("Folder");
    match kind {
        _ if id == 0 || id > FOLDERS => Err(MarketoError::of(710)),
        "Folder" | "Program" => Ok((id, kind.to_string())),
        _ => Err(MarketoError::of(711)),
    }
}

/// `POST staticLists.json`: makes a list, whose name nobody else has.
pub(super) fn create(world: &World, params: &Params<'_>) -> Answer {
    let name = params.filled("name").ok_or_else(|| MarketoError::saying(701, "Name cannot be blank"))?;
    let folder = folder(params.filled("folder").ok_or_else(|| MarketoError::saying(701, "Folder cannot be blank"))?)?;
    let mut state = world.marketo();
    if state.lists().any(|list| list.name == name) {
        return Err(MarketoError::saying(709, "Static List name already exists"));
    }
    let id = state.create("", None, name);
    if let Some(list) = state.existing_mut(&id) {
        list.description = params.get("description").unwrap_or_default().to_string();
        list.folder = folder;
    }
    Ok(state.existing(&id).map_or_else(nothing, |list| ok(vec![asset(list)])))
}

/// `POST staticList/ID.json` and `POST staticList/ID/delete.json`.
pub(super) fn change(world: &World, id: &str, delete: bool, params: &Params<'_>) -> Answer {
    let mut state = world.marketo();
    let number = id.parse::<u32>().unwrap_or_default();
    if delete {
        return match state.delete(id) {
            true => Ok(ok(vec![json!({"id": number})])),
            false => Err(MarketoError::of(702)),
        };
    }
    let taken = params.filled("name").is_some_and(|name| state.lists().any(|list| list.name == name && list.id != id));
    let list = state.existing_mut(id).ok_or_else(|| MarketoError::of(702))?;
    if taken {
        return Err(MarketoError::saying(709, "Static List name already exists"));
    }
    if let Some(name) = params.filled("name") {
        list.name = name.to_string();
    }
    if let Some(description) = params.get("description") {
        list.description = description.to_string();
    }
    Ok(ok(vec![asset(list)]))
}

/// `GET folder/byName.json`: folders are named after their number.
pub(super) fn folder_named(params: &Params<'_>) -> Answer {
    let number = params.filled("name").and_then(|name| name.rsplit(' ').next()?.parse::<u32>().ok());
    Ok(match number.filter(|id| (1..=FOLDERS).contains(id)) {
        Some(id) => {
            ok(vec![json!({"id": id, "name": format!("Folder {id}"), "folderId": {"id": id, "type": "Folder"}})])
        }
        None => nothing(),
    })
}

/// The lead ids of a call: `id=1&id=2`, `id=1,2`, or `{"input":[{"id":1}]}` in the body.
fn ids(query: &Params<'_>, body: &[u8], most: usize) -> Result<Vec<u32>, MarketoError> {
    let wrong = || MarketoError::of(1001);
    let number =
        |text: &str| text.trim().parse::<u32>().ok().filter(|id| *id > 0 && *id <= i32::MAX as u32).ok_or_else(wrong);
    let mut ids = Vec::new();
    for (_, value) in query.iter().filter(|(name, _)| *name == "id") {
        for one in value.split(',') {
            ids.push(number(one)?);
        }
    }
    if ids.is_empty() && !body.is_empty() {
        let body: Value = serde_json::from_slice(body).map_err(|_| MarketoError::of(609))?;
        for row in body["input"].as_array().into_iter().flatten() {
            let id = &row["id"];
            ids.push(number(&id.as_str().map_or_else(|| id.to_string(), str::to_string))?);
        }
    }
    match ids.len() {
        0 => Err(MarketoError::saying(1002, "Missing value for required parameter 'id'")),
        count if count > most => Err(MarketoError::saying(1003, format!("At most {most} ids"))),
        _ => Ok(ids),
    }
}

/// `POST` and `DELETE lists/ID/leads.json`.
pub(super) fn members(world: &World, id: &str, add: bool, query: &Params<'_>, body: &[u8], damage: &Damage) -> Answer {
    let settings = world.settings().marketo.clone();
    let ids = ids(query, body, settings.leads_per_call)?;
    let mut state = world.marketo();
    if state.list(id).is_none() {
        return Err(MarketoError::of(1013));
    }
    let skipped = |id: u32, code: u32| json!({"id": id, "status": "skipped", "reasons": [{"code": code.to_string(), "message": text(code)}]});
    let mut rows = Vec::with_capacity(ids.len());
    for (place, lead) in ids.into_iter().enumerate() {
        if state.knows_all() {
            state.know(lead, "", Default::default());
        }
        let known = state.lead(lead).is_some();
        let Some(list) = state.existing_mut(id) else { continue };
        if place < damage.rows || !known {
            list.refused += 1;
            rows.push(skipped(lead, if place < damage.rows { damage.code.unwrap_or(1004) } else { 1004 }));
        } else if add {
            let new = list.members.insert(lead);
            rows.push(match new || !settings.skips_members {
                true => json!({"id": lead, "status": "added"}),
                false => json!({"id": lead, "status": "skipped"}),
            });
        } else {
            rows.push(match list.members.remove(&lead) {
                true => json!({"id": lead, "status": "removed"}),
                false => skipped(lead, 1015),
            });
        }
    }
    Ok(ok(rows))
}

/// `GET lists/ID/leads.json`.
pub(super) fn members_of(world: &World, id: &str, params: &Params<'_>) -> Answer {
    let size = params.filled("batchSize").and_then(|size| size.parse::<usize>().ok()).unwrap_or(300).clamp(1, 300);
    let start = params.filled("nextPageToken").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let fields: Vec<&str> = params.filled("fields").unwrap_or("id,email").split(',').collect();
    let mut state = world.marketo();
    let list = state.list(id).ok_or_else(|| MarketoError::of(1013))?;
    let members: Vec<u32> = list.members.iter().copied().collect();
    let next = (start + size < members.len()).then(|| (start + size).to_string());
    let leads: Vec<&Lead> = members.iter().skip(start).take(size).filter_map(|id| state.lead(*id)).collect();
    Ok(page(leads.into_iter().map(|lead| lead_shown(lead, &fields)).collect(), next))
}

/// `GET lists/ID/leads/ismember.json`.
pub(super) fn is_member(world: &World, id: &str, query: &Params<'_>) -> Answer {
    let ids = ids(query, &[], world.settings().marketo.leads_per_call)?;
    let mut state = world.marketo();
    let members = state.list(id).ok_or_else(|| MarketoError::of(1013))?.members.clone();
    let row = |lead: u32| match (state.lead(lead).is_some(), members.contains(&lead)) {
        (false, _) => json!({"id": lead, "status": "skipped", "reasons": [{"code": "1004", "message": text(1004)}]}),
        (_, true) => json!({"id": lead, "status": "memberof"}),
        _ => json!({"id": lead, "status": "notmemberof"}),
    };
    Ok(ok(ids.into_iter().map(row).collect()))
}
