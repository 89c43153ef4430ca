//! Who the token is, and its ad accounts (contract, section 2).

use serde_json::{Map, Value, json};

use super::fields::{page, requested, select};
use super::state::Account;
use super::{Answer, MetaError, Origin, ok};
use crate::call::Partner;
use crate::faults::Kind;
use crate::form::Params;
use crate::world::World;

const FIELDS: [&str; 14] = [
    "id",
    "account_id",
    "name",
    "account_status",
    "tos_accepted",
    "currency",
    "timezone_name",
    "timezone_id",
    "business",
    "capabilities",
    "created_time",
    "amount_spent",
    "user_tasks",
    "owner",
];
const USER: &str = "1000000000000001";

/// `GET /me`.
pub(super) fn me(params: &Params<'_>) -> Answer {
    let user = Map::from_iter([("id".into(), USER.into()), ("name".into(), "Lab System User".into())]);
    let names = requested(params).unwrap_or_else(|| vec!["id".into(), "name".into()]);
    Ok(ok(&select(user, &names, "User", &["id", "name", "email"])?))
}

/// `GET /me/permissions`.
pub(super) fn permissions() -> Answer {
    let granted = ["ads_management", "ads_read", "business_management", "public_profile"];
    let data: Vec<Value> = granted.iter().map(|name| json!({"permission": name, "status": "granted"})).collect();
    Ok(ok(&json!({"data": data})))
}

/// `GET /me/adaccounts`.
pub(super) fn list(world: &World, params: &Params<'_>, origin: &Origin<'_>) -> Answer {
    let names = requested(params).unwrap_or_else(|| vec!["account_id".into(), "id".into()]);
    let state = world.meta();
    let accounts: Result<Vec<Value>, MetaError> =
        state.accounts().iter().map(|account| select(object(world, account), &names, "AdAccount", &FIELDS)).collect();
    Ok(ok(&page(accounts?, params, origin)?))
}

/// `GET /act_<id>`.
pub(super) fn get(world: &World, id: &str, params: &Params<'_>) -> Answer {
    let names = requested(params).unwrap_or_else(|| vec!["account_id".into(), "id".into()]);
    let settings = world.settings().clone();
    let mut state = world.meta();
    let account = state.account(id, &settings).ok_or_else(|| MetaError::invisible(&format!("act_{id}"), "get"))?;
    Ok(ok(&select(object(world, account), &names, "AdAccount", &FIELDS)?))
}

/// `GET /act_<id>/customaudiencestos`: the terms that are signed.
pub(super) fn terms(world: &World, id: &str) -> Answer {
    let settings = world.settings().clone();
    let mut state = world.meta();
    let account = state.account(id, &settings).ok_or_else(|| MetaError::invisible(&format!("act_{id}"), "get"))?;
    let data = match signed(world, account) {
        true => {
            json!([{"id": "custom_audience_tos", "type": "custom_audience_tos", "content": "Customer List Custom Audiences Terms"}])
        }
        false => json!([]),
    };
    Ok(ok(&json!({"data": data})))
}

/// `POST /act_<id>/customaudiencestos`: a person signs.
pub(super) fn accept_terms(world: &World, id: &str) -> Answer {
    let settings = world.settings().clone();
    let mut state = world.meta();
    let account = state.account(id, &settings).ok_or_else(|| MetaError::invisible(&format!("act_{id}"), "post"))?;
    account.terms = true;
    Ok(ok(&json!({"success": true})))
}

/// Whether the terms count as signed: by the account's state and by the dials.
fn signed(world: &World, account: &Account) -> bool {
    account.terms && !world.faults().stands(Kind::Terms, Partner::Meta, Some(&account.id), None)
}

fn object(world: &World, account: &Account) -> Map<String, Value> {
    let tos = match signed(world, account) {
        true => json!({"custom_audience_tos": 1, "web_custom_audience_tos": 1}),
        false => json!({"web_custom_audience_tos": 1}),
    };
    let fields = [
        ("id", json!(format!("act_{}", account.id))),
        ("account_id", json!(account.id)),
        ("name", json!(account.name)),
        ("account_status", json!(1)),
        ("tos_accepted", tos),
        ("currency", json!("EUR")),
        ("timezone_name", json!("Europe/Paris")),
        ("timezone_id", json!(57)),
        ("capabilities", json!(["CAN_USE_CUSTOM_AUDIENCES"])),
        ("amount_spent", json!("0")),
    ];
    fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}
