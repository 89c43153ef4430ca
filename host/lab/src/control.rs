//! The control address: what stands where, what was called, and the dials. Also reachable under `/_lab/` at every
//! partner's address, where it speaks of that partner unless told otherwise.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::call::{Partner, bare_account};
use crate::faults::FaultSpec;
use crate::form::Params;
use crate::meta::NewAudience;
use crate::reply::{Class, Reply};
use crate::settings::{QuotaChange, SettingsChange};
use crate::shelf::NewShelved;
use crate::values::is_digits;
use crate::world::{Addresses, World};

/// A refusal of a control call: HTTP status and words.
struct Refusal(u16, String);

type Answer = Result<Reply, Refusal>;

impl Refusal {
    fn bad(text: impl Into<String>) -> Refusal {
        Refusal(400, text.into())
    }

    fn missing(text: impl Into<String>) -> Refusal {
        Refusal(404, text.into())
    }
}

/// The lab's addresses as one line of JSON.
pub(crate) fn address_line(addresses: &Addresses) -> String {
    let list = |written: &dyn Fn(&str) -> String| -> Map<String, Value> {
        let named = addresses.partners.iter().map(|(partner, url)| (partner.name().to_string(), json!(written(url))));
        named.collect()
    };
    let mut line = json!({"lab": addresses.lab, "partners": list(&str::to_string)});
    if let Some(ca) = &addresses.ca {
        let secure = |url: &str| url.replacen("http://127.0.0.1", "https://localhost", 1);
        line["tls"] = json!({"ca": ca, "partners": list(&secure)});
    }
    line.to_string()
}

/// Answers a control call that came to the control address (`door` none) or to a partner's.
pub(crate) fn answer(world: &World, door: Option<Partner>, request: &Request<Bytes>) -> Reply {
    route(world, door, request)
        .unwrap_or_else(|Refusal(status, text)| Reply::json(status, Class::BadRequest, &json!({"error": text})))
}

fn route(world: &World, door: Option<Partner>, request: &Request<Bytes>) -> Answer {
    let query = Params::of_query(request);
    let partner = match query.filled("partner") {
        Some(name) => Some(known_partner(name)?),
        None => door,
    };
    let path = request.uri().path().trim_matches('/');
    let path = path.strip_prefix("_lab").unwrap_or(path).trim_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    let body = request.body();
    let method = request.method().as_str();
    match (method, segments.as_slice()) {
        ("GET", [""]) => Ok(match world.addresses.get() {
            Some(addresses) => Reply::new(200, Class::Ok, "application/json", address_line(addresses) + "\n"),
            None => good(&json!({"lab": null, "partners": {}})),
        }),
        ("GET", ["audiences"]) => Ok(good(&json!({"audiences": audiences(world, partner)}))),
        ("POST", ["audiences"]) => new_audience(world, door, parse(body)?),
        ("DELETE", ["audiences", id]) => delete_audience(world, partner, id),
        ("POST", ["audiences", id, "members"]) => Ok(crate::platform::evaluate(world, id, parse(body)?)),
        ("GET", ["audiences", id, "members"]) => members(world, partner, id, &query),
        ("POST", ["accounts"]) => change_account(world, door, parse(body)?),
        ("GET", ["calls"]) if query.get("bodies") == Some("1") => {
            let records = world.ledger().records(partner);
            let records: Vec<_> = records.iter().map(|record| record.as_ref()).collect();
            Ok(good(&json!({"requests": records})))
        }
        ("GET", ["calls"]) => Ok(good(&world.ledger().counts(partner))),
        ("POST", ["record"]) => {
            let switch: Switch = parse(body)?;
            world.ledger().record(switch.on);
            Ok(good(&json!({"on": switch.on})))
        }
        ("GET", ["faults"]) => Ok(good(&world.faults().list())),
        ("POST", ["faults"]) => set_faults(world, door, body),
        ("DELETE", ["faults"]) => {
            let id = match query.filled("id") {
                Some(text) => Some(text.parse().map_err(|_| Refusal::bad(format!("`{text}` is no id of a fault")))?),
                None => None,
            };
            let deleted = world.faults().delete(id);
            match (id, deleted) {
                (Some(id), 0) => Err(Refusal::missing(format!("no fault has the id {id}"))),
                _ => Ok(good(&json!({"deleted": deleted}))),
            }
        }
        ("GET", ["settings" | "quota"]) => Ok(good(&*world.settings())),
        ("POST", ["settings"]) => {
            parse::<SettingsChange>(body)?.apply(&mut world.settings()).map_err(Refusal::bad)?;
            Ok(good(&*world.settings()))
        }
        ("POST", ["quota"]) => {
            parse::<QuotaChange>(body)?.apply(&mut world.settings()).map_err(Refusal::bad)?;
            world.usage().clear();
            Ok(good(&*world.settings()))
        }
        ("POST", ["strict"]) => {
            let strict: Strict = parse(body)?;
            world.settings().strict_accounts = strict.accounts;
            Ok(good(&json!({"accounts": strict.accounts})))
        }
        ("POST", ["consents"]) => {
            let partner = partner.ok_or_else(|| Refusal::bad("name the partner: ?partner=meta".to_owned()))?;
            crate::consent::change(world, partner, &parse(body)?);
            Ok(good(&json!({"partner": partner.name()})))
        }
        ("POST", ["reset"]) => {
            world.reset();
            Ok(good(&json!({"reset": true})))
        }
        (
            _,
            [""]
            | [
                "audiences" | "calls" | "record" | "faults" | "settings" | "quota" | "strict" | "reset" | "accounts"
                | "consents",
            ],
        )
        | (_, ["audiences", _] | ["audiences", _, "members"]) => {
            Err(Refusal(405, format!("{method} is not for /_lab/{path}")))
        }
        _ => Err(Refusal::missing(format!(
            "no /_lab/{path}; there are audiences, audiences/ID, audiences/ID/members, accounts, consents, calls, record, faults, settings, quota, strict and reset"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    accounts: bool,
}

/// Body of `POST /_lab/audiences`: an audience as if it had been made elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AudienceSpec {
    partner: Option<String>,
    account: String,
    id: Option<String>,
    name: String,
    /// Meta's subtype (default `CUSTOM`), TikTok's type (default `Partner`, made through the API), Google's kind (default
    /// `CONTACT_ID`), Marketo's workspace, Criteo's segment type (default `ContactList`), Pinterest's list type (default
    /// `EMAIL`), Snapchat's source (default `FIRST_PARTY`).
    kind: Option<String>,
    description: Option<String>,
    #[serde(default)]
    value_based: bool,
    /// Google: shared with the account, and not its own. Criteo: the list takes no amendments.
    #[serde(default)]
    read_only: bool,
}

/// Body of `POST /_lab/accounts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountSpec {
    partner: Option<String>,
    account: String,
    name: Option<String>,
    terms: Option<bool>,
}

fn good(body: &(impl serde::Serialize + ?Sized)) -> Reply {
    Reply::json(200, Class::Ok, &body)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))
}

fn known_partner(name: &str) -> Result<Partner, Refusal> {
    Partner::parse(name).ok_or_else(|| Refusal::bad(format!("no partner `{name}`; the lab knows {}", Partner::names())))
}

fn named_partner(name: Option<&str>, door: Option<Partner>) -> Result<Partner, Refusal> {
    match name {
        Some(name) => known_partner(name),
        None => door.ok_or_else(|| Refusal::bad(format!("`partner` is missing: {}", Partner::names()))),
    }
}

fn set_faults(world: &World, door: Option<Partner>, body: &[u8]) -> Answer {
    let many = body.trim_ascii_start().starts_with(b"[");
    let specs: Vec<FaultSpec> = if many { parse(body)? } else { vec![parse(body)?] };
    let mut faults = world.faults();
    let mut ids = Vec::new();
    for spec in specs {
        match faults.set(spec.or_partner(door)) {
            Ok(id) => ids.push(id),
            Err(text) => {
                // A list is set whole or not at all.
                for id in ids {
                    faults.delete(Some(id));
                }
                return Err(Refusal::bad(text));
            }
        }
    }
    Ok(match ids.as_slice() {
        [id] if !many => good(&json!({"id": id})),
        ids => good(&json!({"ids": ids})),
    })
}

fn audiences(world: &World, only: Option<Partner>) -> Vec<Value> {
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

fn members(world: &World, partner: Option<Partner>, id: &str, query: &Params<'_>) -> Answer {
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
fn delete_audience(world: &World, partner: Option<Partner>, id: &str) -> Answer {
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

fn new_audience(world: &World, door: Option<Partner>, spec: AudienceSpec) -> Answer {
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
            state.describe(&id, spec.description.unwrap_or_default(), spec.read_only);
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

fn change_account(world: &World, door: Option<Partner>, spec: AccountSpec) -> Answer {
    let partner = named_partner(spec.partner.as_deref(), door)?;
    if partner == Partner::Google && spec.name.is_none() {
        let (signed, account) = (spec.terms.unwrap_or(true), bare_account(&spec.account));
        return match world.google().sign(account, signed) {
            true => Ok(good(&json!({"account": account, "terms": signed}))),
            false => Err(Refusal::missing(format!("no account {account}"))),
        };
    }
    if partner != Partner::Meta {
        return Err(Refusal::bad("only Meta's accounts have a name to set, and only Meta's and Google's have terms"));
    }
    let settings = world.settings().clone();
    let mut state = world.meta();
    let account = state
        .account(bare_account(&spec.account), &settings)
        .ok_or_else(|| Refusal::missing(format!("no account {}", spec.account)))?;
    if let Some(name) = spec.name {
        account.name = name;
    }
    account.terms = spec.terms.unwrap_or(account.terms);
    Ok(good(&json!({"account": account.id, "name": account.name, "terms": account.terms})))
}
