//! The control address: what stands where, what was called, and the dials. Also reachable under `/_lab/` at every
//! partner's address, where it speaks of that partner unless told otherwise.

mod audiences;

pub(crate) use audiences::Standing;
use audiences::{audiences, delete_audience, members, new_audience};
use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::call::{Partner, bare_account};
use crate::faults::FaultSpec;
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::settings::{QuotaChange, SettingsChange};
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
        ("POST", ["audiences", id, "hand-over"]) => Ok(crate::platform::hand_over(world, id, &parse(body)?)),
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
