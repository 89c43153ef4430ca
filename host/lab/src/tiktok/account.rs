//! Tokens and advertisers (contract, sections 1 and 2).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, TikTokError, body, ok, required};
use crate::form::Params;
use crate::world::World;

#[derive(Deserialize)]
struct Exchange {
    app_id: Option<String>,
    secret: Option<String>,
    auth_code: Option<String>,
}

#[derive(Deserialize)]
struct Revocation {
    access_token: Option<String>,
}

/// `GET user/info/`: the probe of a token.
pub(super) fn me() -> Answer {
    Ok(ok(json!({
        "display_name": "Lab User",
        "email": "l**@example.com",
        "core_user_id": "7000000000000000999",
        "create_time": 1_600_000_000,
    })))
}

/// `GET oauth2/advertiser/get/`: the advertisers of the token. App id and secret are asked for, outside a permissive lab.
pub(super) fn list(world: &World, params: &Params<'_>) -> Answer {
    for name in ["app_id", "secret"] {
        if !world.permissive && params.filled(name).is_none() {
            return Err(TikTokError::parameter(format!("{name}: Missing data for required field.")));
        }
    }
    let state = world.tiktok();
    let list: Vec<Value> =
        state.accounts().iter().map(|id| json!({"advertiser_id": id, "advertiser_name": name(id)})).collect();
    Ok(ok(json!({"list": list})))
}

/// `GET advertiser/info/`.
pub(super) fn info(world: &World, params: &Params<'_>) -> Answer {
    let ids = string_list(params, "advertiser_ids")?
        .ok_or_else(|| TikTokError::parameter("advertiser_ids: Missing data for required field."))?;
    let settings = world.settings().clone();
    let mut state = world.tiktok();
    let mut list = Vec::new();
    for id in ids {
        state.account(&id, &settings)?;
        list.push(json!({
            "advertiser_id": id,
            "name": name(&id),
            "status": "STATUS_ENABLE",
            "role": "ROLE_ADVERTISER",
            "currency": "EUR",
            "country": "FR",
            "timezone": "Europe/Paris",
            "company": "Lab",
        }));
    }
    Ok(ok(json!({"list": list})))
}

/// `POST oauth2/access_token/`: a code, good for one use, becomes a token without an end.
pub(super) fn exchange(world: &World, bytes: &[u8]) -> Answer {
    let exchange: Exchange = body(bytes)?;
    required(&exchange.app_id, "app_id")?;
    required(&exchange.secret, "secret")?;
    let code = required(&exchange.auth_code, "auth_code")?;
    let mut state = world.tiktok();
    if !state.use_code(code) {
        return Err(TikTokError::of(40_110));
    }
    Ok(ok(json!({
        "access_token": format!("lab-{code}"),
        "advertiser_ids": state.accounts(),
        "scope": [3, 30, 31, 32, 100],
    })))
}

/// `POST oauth2/revoke_token/`.
pub(super) fn revoke(world: &World, bytes: &[u8]) -> Answer {
    let revocation: Revocation = body(bytes)?;
    let token = required(&revocation.access_token, "access_token")?;
    world.tiktok().revoke(token);
    Ok(ok(json!({})))
}

/// A query parameter that holds a JSON array of strings.
pub(super) fn string_list(params: &Params<'_>, name: &str) -> Result<Option<Vec<String>>, TikTokError> {
    match params.filled(name) {
        None => Ok(None),
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|_| TikTokError::parameter(format!("{name}: Not a valid list of strings."))),
    }
}

fn name(id: &str) -> String {
    format!("Advertiser {id}")
}
