//! Audiences as the control address shows, makes and deletes them.
use super::{Answer, Refusal, good, named_partner};
use crate::call::{Partner, bare_account};
use crate::form::Params;
use crate::meta::NewAudience;
use crate::reply::{Class, Reply};
use crate::shelf::NewShelved;
use crate::values::is_digits;
use crate::world::World;
use serde::Deserialize;
use serde_json::{Value, json};

/// Body of `POST /_lab/audiences`: an audience as if it had been made elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AudienceSpec {
    partner: Option<String>,
    account: String,
    id: Option<String>,
    name: String,
    /// Meta's subtype (default `CUSTOM`), TikTok's type (default `Partner`, made through the API), Google's kind (default
    /// `CONTACT_ID`), Marketo's workspace, Criteo's segment type (default `ContactList`), Pinterest's list type (default
    /// `EMAIL`), Snapchat's source (default `FIRST_PARTY`), Experience Platform's namespace (default `AEPSegments`).
    kind: Option<String>,
    description: Option<String>,
    #[serde(default)]
    value_based: bool,
    /// Google: shared with the account, and not its own. Criteo: the list takes no amendments.
    #[serde(default)]
    read_only: bool,
}

pub(super) fn audiences(world: &World, only: Option<Partner>) -> Vec<Value> {
    let mut list = Vec::new();
    let shows = |partner| only.is_none_or(|only| only == partner);
    for partner in Partner::ALL.into_iter().filter(|partner| shows(*partner)) {
        let Some(shelf) = world.shelf(partner) else { continue };
        list.extend(shelf.audiences().map(|audience| {
            json!({
                "partner": partner.name(), "audience": audience.id, "name": audience.name, "account": audience.account,
                "type": audience.kind, "size": audience.members.len(), "refused": audience.refused,
                "description": audience.description,
            })
        }));
    }
    if shows(Partner::Google) {
        list.extend(crate::google::listed(world));
    }
    if shows(Partner::Marketo) {
        list.extend(crate::marketo::listed(world));
    }
    if shows(Partner::Platform) {
        list.extend(crate::platform::listed(world));
    }
    if shows(Partner::Meta) {
        list.extend(world.meta().audiences().map(|audience| {
            json!({
                "partner": "meta", "audience": audience.id, "name": audience.name, "account": audience.account,
                "type": audience.subtype, "size": audience.members.len(), "refused": audience.refused,
                "description": audience.description,
            })
        }));
    }
    if shows(Partner::TikTok) {
        list.extend(world.tiktok().audiences().map(|audience| {
            json!({
                "partner": "tiktok", "audience": audience.id, "name": audience.name, "account": audience.account,
                "type": audience.kind, "size": audience.members.len(), "refused": audience.ignored,
            })
        }));
    }
    list
}

/// What stands in one audience.
pub(crate) struct Standing {
    pub(crate) head: Value,
    pub(crate) keys: Vec<(&'static str, Vec<String>)>,
    /// Rows as JSON, sorted, where the partner keeps rows and they are asked for.
    pub(crate) rows: Option<Vec<String>>,
}

pub(super) fn members(world: &World, partner: Option<Partner>, id: &str, query: &Params<'_>) -> Answer {
    let with_rows = query.get("rows") == Some("1");
    let standing = standing(world, partner, id, with_rows)
        .ok_or_else(|| Refusal::missing(format!("no audience has the id {id}")))?;
    match query.filled("format") {
        None | Some("json") => Ok(Reply::new(200, Class::Ok, "application/json", members_json(&standing))),
        Some("hashes") => {
            let mut text = String::new();
            let wanted = query.filled("key");
            for (key, values) in &standing.keys {
                if wanted.is_some_and(|wanted| wanted != *key) {
                    continue;
                }
                for value in values {
                    if wanted.is_none() {
                        text.push_str(key);
                        text.push(' ');
                    }
                    text.push_str(value);
                    text.push('\n');
                }
            }
            Ok(Reply::new(200, Class::Ok, "text/plain; charset=utf-8", text))
        }
        Some(other) => Err(Refusal::bad(format!("no format `{other}`; there are json and hashes"))),
    }
}

fn standing(world: &World, partner: Option<Partner>, id: &str, with_rows: bool) -> Option<Standing> {
    let asks = |asked| partner.is_none_or(|partner| partner == asked);
    for partner in Partner::ALL.into_iter().filter(|partner| asks(*partner)) {
        let Some(shelf) = world.shelf(partner) else { continue };
        let Some(audience) = shelf.existing(id) else { continue };
        let head = json!({
            "partner": partner.name(), "audience": audience.id, "name": audience.name, "account": audience.account,
            "type": audience.kind, "size": audience.members.len(), "refused": audience.refused,
        });
        return Some(Standing { head, keys: audience.members.keys(), rows: None });
    }
    if asks(Partner::Google)
        && let Some(standing) = crate::google::standing(world, id, with_rows)
    {
        return Some(standing);
    }
    if asks(Partner::Marketo)
        && let Some(standing) = crate::marketo::standing(world, id, with_rows)
    {
        return Some(standing);
    }
    if asks(Partner::Platform)
        && let Some(standing) = crate::platform::standing(world, id)
    {
        return Some(standing);
    }
    if asks(Partner::Meta)
        && let Some(audience) = world.meta().existing(id)
    {
        let rows = with_rows.then(|| {
            let row = |row: Vec<(&'static str, String)>| {
                Value::Object(row.into_iter().map(|(key, value)| (key.to_string(), value.into())).collect()).to_string()
            };
            let mut rows: Vec<String> = audience.members.rows().map(row).collect();
            rows.sort_unstable();
            rows
        });
        let head = json!({
            "partner": "meta", "audience": audience.id, "name": audience.name, "account": audience.account,
            "type": audience.subtype, "size": audience.members.len(), "refused": audience.refused,
            "limited": audience.limited,
        });
        return Some(Standing { head, keys: audience.members.keys(), rows });
    }
    if !asks(Partner::TikTok) {
        return None;
    }
    let state = world.tiktok();
    let audience = state.existing(id)?;
    let head = json!({
        "partner": "tiktok", "audience": audience.id, "name": audience.name, "account": audience.account,
        "type": audience.kind, "size": audience.members.len(), "refused": audience.ignored,
    });
    Some(Standing { head, keys: audience.members.keys(), rows: None })
}

/// Written by hand: a million members as a tree of values would take gigabytes.
fn members_json(standing: &Standing) -> String {
    let mut text = standing.head.to_string();
    text.pop();
    text.push_str(",\"keys\":{");
    for (place, (key, values)) in standing.keys.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&format!("\"{key}\":["));
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(&Value::from(value.as_str()).to_string());
        }
        text.push(']');
    }
    text.push('}');
    if let Some(rows) = &standing.rows {
        text.push_str(",\"rows\":[");
        text.push_str(&rows.join(","));
        text.push(']');
    }
    text.push('}');
    text
}

/// As if someone deleted the audience in the partner's own pages.
pub(super) fn delete_audience(world: &World, partner: Option<Partner>, id: &str) -> Answer {
    let mut asked = Partner::ALL.into_iter().filter(|other| partner.is_none_or(|partner| partner == *other));
    let gone = asked.any(|partner| match partner {
        Partner::Google => world.google().delete(id),
        Partner::Marketo => world.marketo().delete(id),
        Partner::Platform => world.platform().delete(id),
        Partner::Meta => world.meta().delete(id),
        Partner::TikTok => {
            let mut state = world.tiktok();
            let account = state.existing(id).map(|audience| audience.account.clone());
            account.is_some_and(|account| state.delete(&account, id).is_ok())
        }
        partner => world.shelf(partner).is_some_and(|mut shelf| shelf.delete(id)),
    });
    match gone {
        true => Ok(good(&json!({"deleted": id}))),
        false => Err(Refusal::missing(format!("no audience has the id {id}"))),
    }
}

pub(super) fn new_audience(world: &World, door: Option<Partner>, spec: AudienceSpec) -> Answer {
    let partner = named_partner(spec.partner.as_deref(), door)?;
    let form = world.shelf(partner).map(|shelf| shelf.form());
    let account = if form.is_some() { spec.account.as_str() } else { bare_account(&spec.account) };
    let (is_account, is_audience) =
        form.map_or((is_digits as _, is_digits as _), |form| (form.is_account, form.is_audience));
    let formed = is_account(account) || matches!(partner, Partner::Marketo | Partner::Platform);
    if !formed || (partner != Partner::Platform && spec.id.as_deref().is_some_and(|id| !is_audience(id))) {
        return Err(Refusal::bad(match partner {
            Partner::Snapchat => "account is a UUID and id are digits",
            _ => "account and id are digits (Meta's account may start with act_)",
        }));
    }
    if let Some(id) = spec.id.as_ref().filter(|id| standing(world, None, id, false).is_some()) {
        return Err(Refusal(409, format!("the audience {id} exists already")));
    }
    let id = match partner {
        Partner::Google => {
            let mut state = world.google();
            let id = state.create(account, spec.id, &spec.name);
            if let Some(list) = state.existing_mut(&id) {
                let (kind, info) = (spec.kind.unwrap_or_else(|| list.kind_word().into()), list.info.clone());
                list.describe(&kind, spec.description.unwrap_or_default(), info);
                list.read_only = spec.read_only;
            }
            id
        }
        Partner::Marketo => {
            let mut state = world.marketo();
            let id = state.create(account, spec.id, &spec.name);
            if let Some(list) = state.existing_mut(&id) {
                list.description = spec.description.unwrap_or_default();
                list.workspace = spec.kind.unwrap_or_else(|| list.workspace.clone());
            }
            id
        }
        Partner::Platform => {
            let mut state = world.platform();
            let id = state.create(account, spec.id, &spec.name);
            state.describe(&id, spec.description.unwrap_or_default(), spec.kind, spec.read_only);
            id
        }
        Partner::Meta => world.meta().create(
            account,
            NewAudience {
                id: spec.id,
                name: spec.name,
                description: spec.description.unwrap_or_default(),
                subtype: spec.kind.unwrap_or_else(|| "CUSTOM".into()),
                source: "USER_PROVIDED_ONLY".into(),
                value_based: spec.value_based,
                retention_days: None,
            },
        ),
        Partner::TikTok => {
            let kind = spec.kind.as_deref().unwrap_or("Partner");
            world.tiktok().create(account, spec.id, &spec.name, kind, "MULTIPLE_TYPES")
        }
        partner => {
            let new = NewShelved {
                id: spec.id,
                name: spec.name,
                description: spec.description.unwrap_or_default(),
                kind: spec.kind,
                read_only: spec.read_only,
                retention_days: None,
            };
            let shelf = world.shelf(partner);
            shelf.map(|mut shelf| shelf.create(account, new)).ok_or_else(|| Refusal::bad("no such partner"))?
        }
    };
    Ok(good(&json!({"partner": partner.name(), "audience": id})))
}
