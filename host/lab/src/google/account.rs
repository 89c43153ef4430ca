//! Tokens, and the accounts that the Ads API lists (contract, sections 1 and 2).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::error::GoogleError;
use super::state::MANAGER;
use super::{Answer, ok};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::world::World;

/// Seconds that an access token lives.
const LIFE: u64 = 3_600;

/// `POST oauth2.googleapis.com/token`: a code, a refresh token or a signed assertion becomes an access token.
pub(super) fn token(world: &World, params: &Params<'_>) -> Answer {
    let refused =
        |error: &str, words: &str| Reply::json(400, Class::Auth, &json!({"error": error, "error_description": words}));
    let settings = world.settings().clone();
    let mut state = world.google();
    let grant = params.filled("grant_type").unwrap_or_default();
    let assertion = grant == "urn:ietf:params:oauth:grant-type:jwt-bearer";
    if !assertion && (params.filled("client_id").is_none() || params.filled("client_secret").is_none()) {
        return Ok(Reply::json(
            401,
            Class::Auth,
            &json!({"error": "invalid_client", "error_description": "The OAuth client was not found."}),
        ));
    }
    let mut refresh = None;
    match grant {
        "refresh_token" => match params.filled("refresh_token") {
            Some(token) if !state.revoked.contains(token) => {}
            _ => return Ok(refused("invalid_grant", "Token has been expired or revoked.")),
        },
        "authorization_code" => match params.filled("code") {
            Some(code) if state.used_codes.insert(code.to_string()) => refresh = Some(format!("1//lab-{code}")),
            _ => return Ok(refused("invalid_grant", "Malformed auth code.")),
        },
        _ if assertion => {
            let jwt = params.filled("assertion").unwrap_or_default();
            let now = i64::try_from(crate::meta::unix_now()).unwrap_or(i64::MAX);
            if let Err(words) = super::assertion::check(jwt, &settings.google, now) {
                return Ok(refused("invalid_grant", words));
            }
        }
        _ => return Ok(refused("unsupported_grant_type", "Invalid grant_type.")),
    }
    let token = format!("ya29.lab-{}", state.tokens.len() + 1);
    let life = settings.token_seconds.unwrap_or(LIFE);
    let end = Instant::now() + Duration::from_secs(life) / settings.time_scale.max(1);
    state.tokens.insert(token.clone(), end);
    let scope = "https://www.googleapis.com/auth/datamanager https://www.googleapis.com/auth/adwords";
    let mut answer =
        json!({"access_token": token, "expires_in": life.min(LIFE - 1), "scope": scope, "token_type": "Bearer"});
    if let Some(refresh) = refresh {
        answer["refresh_token"] = refresh.into();
    }
    Ok(ok(&answer))
}

/// `POST oauth2.googleapis.com/revoke`.
pub(super) fn revoke(world: &World, params: &Params<'_>) -> Answer {
    match params.filled("token") {
        Some(token) => {
            world.google().revoked.insert(token.to_string());
            Ok(ok(&json!({})))
        }
        None => Ok(Reply::json(400, Class::BadRequest, &json!({"error": "invalid_request"}))),
    }
}

/// `GET customers:listAccessibleCustomers`.
pub(super) fn accessible(world: &World) -> Answer {
    let names: Vec<String> = world.google().accessible().iter().map(|id| format!("customers/{id}")).collect();
    Ok(ok(&json!({"resourceNames": names})))
}

/// `POST customers/ID/googleAds:search`: the accounts below a customer, itself among them. Other queries are refused.
pub(super) fn search(world: &World, customer: &str, body: &[u8]) -> Answer {
    let query: Value = serde_json::from_slice(body).map_err(|error| GoogleError::payload(&error))?;
    let query = query["query"].as_str().unwrap_or_default().to_lowercase();
    if !query.contains("from customer_client") {
        return Err(GoogleError::ads("queryError.BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"));
    }
    let clients = world.google().clients(customer);
    if clients.is_empty() {
        return Err(GoogleError::ads("authorizationError.USER_PERMISSION_DENIED"));
    }
    let row = |id: &str| {
        let manager = id == MANAGER;
        let name = if manager { format!("Manager {id}") } else { format!("Account {id}") };
        json!({"customerClient": {
            "resourceName": format!("customers/{customer}/customerClients/{id}"),
            "id": id, "descriptiveName": name, "manager": manager, "status": "ENABLED",
        }})
    };
    let own = (customer == MANAGER).then_some(MANAGER);
    let rows: Vec<Value> = own.into_iter().chain(clients.iter().map(String::as_str)).map(row).collect();
    Ok(ok(&json!({"results": rows, "fieldMask": "customerClient.id,customerClient.descriptiveName"})))
}
