//! Pinterest customer lists and audiences: API v5's paths, token endpoint and error body (contract `pinterest.md`).
//! The file upload, which is in closed beta, is not emulated.

mod error;
mod lists;
mod targets;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind, Strike};
use crate::form::Params;
use crate::quota::RateUse;
use crate::reply::{Class, Reply};
use crate::settings::Rate;
use crate::shelf::{Form, page};
use crate::tokens::{Granted, Refused, Standing, basic, bearer};
use crate::values::is_digits;
use crate::world::{Damage, Job, Plan, World};

pub(crate) use error::PinterestError;
pub(crate) use targets::Targets;

type Answer = Result<Reply, PinterestError>;
type Effect<'a> = Box<dyn FnOnce(&World, Damage) -> Answer + Send + 'a>;

const TOKEN_PATH: &str = "/v5/oauth/token";
/// Thirty days.
const TOKEN_SECONDS: u64 = 30 * 86_400;
/// Sixty days.
const REFRESH_SECONDS: u64 = 60 * 86_400;
/// Reading calls a minute.
const READS_PER_MINUTE: u64 = 1_000;
/// The longest id.
const ID_MAX: usize = 18;

/// What is particular to Pinterest's lists.
pub(crate) const FORM: Form = Form {
    is_account: is_id,
    is_audience: is_id,
    kind: "EMAIL",
    id_type: |name| lists::TYPES.into_iter().find(|known| *known == name),
    accounts: || {
        let long = (0..5).map(|place: u64| (549_755_000_000 + place).to_string());
        long.chain((1..=20).map(|number: u32| number.to_string())).collect()
    },
    first_id: 643_001,
};

fn is_id(text: &str) -> bool {
    is_digits(text) && text.len() <= ID_MAX
}

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let token = bearer(request).unwrap_or_default();
    let mut call = Call::of(Partner::Pinterest, request.method(), token);
    if request.uri().path() == TOKEN_PATH && request.method() == Method::POST {
        call.route = Route::Token;
        call.template = "oauth/token";
        let job: Job<'a> = Box::new(move |world, _| grant(world, request));
        return Plan { call, job, counted: false };
    }
    let dead = token.is_empty() || world.pinterest().tokens.standing(token, Instant::now()) != Standing::Live;
    // Customer lists are a person's alone (contract, section 1).
    let apps = request.uri().path().contains("/customer_lists") && world.pinterest().tokens.is_apps(token);
    let effect = route(&mut call, request);
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match (dead, apps) {
            (true, _) => Err(PinterestError::of(401)),
            (false, true) => Err(PinterestError::of(403)),
            (false, false) => effect(world, damage),
        };
        answer.unwrap_or_else(PinterestError::reply)
    });
    Plan { call, job, counted: !dead }
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(call: &mut Call, request: &'a Request<Bytes>) -> Effect<'a> {
    let segments: Vec<&'a str> = request.uri().path().trim_start_matches('/').split('/').collect();
    let params = Params::of_query(request);
    let body: &'a [u8] = request.body();
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    let (get, post, patch) = (call.method == Method::GET, call.method == Method::POST, call.method == Method::PATCH);
    match *segments.as_slice() {
        ["v5", "oauth", "token", "revoke"] if post => {
            known(Route::Revoke, "oauth/token/revoke");
            Box::new(move |world, _| revoke(world, request))
        }
        ["v5", "ad_accounts"] if get => {
            known(Route::Accounts, "ad_accounts");
            Box::new(move |world, _| accounts(world, &params))
        }
        ["v5", "ad_accounts", account, ref rest @ ..] if is_id(account) => {
            let effect: Effect<'a> = match *rest {
                [] if get => {
                    known(Route::Account, "ad_accounts/{account}");
                    Box::new(move |world, _| {
                        account_of(world, account)?;
                        Ok(good(&shown_account(account)))
                    })
                }
                ["customer_lists"] if get => {
                    known(Route::Audiences, "ad_accounts/{account}/customer_lists");
                    Box::new(move |world, _| lists::list(world, account, &params))
                }
                ["customer_lists"] if post => {
                    known(Route::Create, "ad_accounts/{account}/customer_lists");
                    Box::new(move |world, damage| lists::create(world, account, body, damage))
                }
                ["customer_lists", id] if get => {
                    known(Route::Audience, "ad_accounts/{account}/customer_lists/{audience}");
                    call.audiences.push(id.to_string());
                    Box::new(move |world, _| lists::get(world, account, id))
                }
                ["customer_lists", id] if patch => {
                    let change = self::body::<lists::Change<'a>>(body);
                    let remove = change.as_ref().is_ok_and(lists::Change::removes);
                    let route = if remove { Route::Remove } else { Route::Add };
                    known(route, "ad_accounts/{account}/customer_lists/{audience}");
                    call.audiences.push(id.to_string());
                    Box::new(move |world, damage| lists::change(world, account, id, change?, damage))
                }
                ["audiences"] if get => {
                    known(Route::Targets, "ad_accounts/{account}/audiences");
                    Box::new(move |world, _| targets::list(world, account, &params))
                }
                ["audiences"] if post => {
                    known(Route::CreateTarget, "ad_accounts/{account}/audiences");
                    Box::new(move |world, _| targets::create(world, account, body))
                }
                ["audiences", id] if patch => {
                    known(Route::Update, "ad_accounts/{account}/audiences/{target}");
                    Box::new(move |world, _| targets::change(world, account, id, body))
                }
                _ => return Box::new(|_, _| Err(PinterestError::of(405))),
            };
            call.account = Some(account.to_string());
            effect
        }
        ["v5", "ad_accounts", ..] => Box::new(|_, _| Err(PinterestError::no_account())),
        _ => Box::new(|_, _| Err(PinterestError::no_path())),
    }
}

/// Checks that an ad account is there.
fn account_of(world: &World, account: &str) -> Result<(), PinterestError> {
    let settings = world.settings().clone();
    match world.pinterest().account(account, &settings) {
        true => Ok(()),
        false => Err(PinterestError::no_account()),
    }
}

fn shown_account(id: &str) -> Value {
    json!({
        "id": id, "name": format!("Ad account {id}"), "owner": {"username": "lab", "id": "1"},
        "country": "FR", "currency": "EUR", "permissions": ["ADMIN"],
        "created_time": 1_600_000_000, "updated_time": 1_600_000_000,
    })
}

/// `GET /ad_accounts`.
fn accounts(world: &World, params: &Params<'_>) -> Answer {
    let all: Vec<Value> = world.pinterest().accounts().iter().map(|id| shown_account(id)).collect();
    paged(all, params)
}

/// A page of a list: `page_size` from 1 to 250, default 25; the bookmark is opaque.
fn paged(all: Vec<Value>, params: &Params<'_>) -> Answer {
    let wrong = |name: &str| PinterestError::parameter(format!("Parameter '{name}' is invalid."));
    let size = match params.filled("page_size") {
        None => 25,
        Some(text) => text.parse().ok().filter(|size| (1..=250).contains(size)).ok_or_else(|| wrong("page_size"))?,
    };
    let start = match params.filled("bookmark") {
        None => 0,
        Some(text) => text.strip_prefix("Y2JV").and_then(|text| text.parse().ok()).ok_or_else(|| wrong("bookmark"))?,
    };
    let (items, next) = page(all, start, size);
    Ok(good(&json!({"items": items, "bookmark": next.map(|next| format!("Y2JV{next}"))})))
}

fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, PinterestError> {
    serde_json::from_slice(bytes).map_err(|_| PinterestError::parameter("The body is no JSON object of this call."))
}

fn good(body: &impl serde::Serialize) -> Reply {
    Reply::json(200, Class::Ok, body)
}

/// `POST /oauth/token`, with the app's id and secret as Basic credentials. A refresh gives a new refresh token, which
/// lives as long as the first one. The code of a refusal is not documented.
fn grant(world: &World, request: &Request<Bytes>) -> Reply {
    let Ok(params) = Params::of(request) else { return PinterestError::of(400).reply() };
    let life = world.settings().token_seconds.unwrap_or(TOKEN_SECONDS);
    let client = request.headers().get(header::AUTHORIZATION).and_then(|value| basic(value.to_str().ok()?));
    let idle = Duration::from_secs(REFRESH_SECONDS) / world.settings().time_scale.max(1);
    world.pinterest().tokens.idle = Some(idle);
    let granted = world.pinterest().tokens.grant(&params, client, Duration::from_secs(life), Instant::now());
    match granted {
        Ok(Granted { access, refresh }) => {
            let scope = params.filled("scope").unwrap_or("ads:read,ads:write").to_string();
            let mut answer = json!({
                "access_token": access, "token_type": "bearer", "expires_in": life, "scope": scope,
                "response_type": params.filled("grant_type"),
            });
            if let Some(refresh) = refresh {
                answer["refresh_token"] = json!(refresh);
                answer["refresh_token_expires_in"] = json!(REFRESH_SECONDS);
                answer["refresh_token_expires_at"] = json!(crate::meta::unix_now() + REFRESH_SECONDS);
            }
            good(&answer)
        }
        Err(Refused::Client) => PinterestError::of(401).reply(),
        Err(Refused::Grant) => PinterestError::parameter("The code or refresh token is invalid.").reply(),
        Err(Refused::Missing(name)) => PinterestError::parameter(format!("Missing parameter '{name}'.")).reply(),
        Err(Refused::Type) => PinterestError::parameter("Unknown grant_type.").reply(),
    }
}

/// `POST /oauth/token/revoke`.
fn revoke(world: &World, request: &Request<Bytes>) -> Answer {
    let params = Params::of(request).map_err(|error| PinterestError::parameter(error.to_string()))?;
    let token = params.filled("token").ok_or_else(|| PinterestError::parameter("Missing parameter 'token'."))?;
    world.pinterest().tokens.revoke(token);
    Ok(good(&json!({})))
}

/// The rate that a call counts against: reads have more a minute than writes.
pub(crate) fn rate(call: &Call, writes: Rate) -> Rate {
    match call.method {
        Method::GET if writes.per_minute.is_some_and(|most| most < READS_PER_MINUTE) && !call.route.changes() => {
            Rate { per_minute: None, ..writes }
        }
        _ => writes,
    }
}

/// Adds the headers about the rate; a reset is told in seconds from now.
pub(crate) fn dress(reply: &mut Reply, rate: RateUse) {
    reply.header("x-ratelimit-limit", &rate.limit.to_string());
    reply.header("x-ratelimit-remaining", &rate.remaining.to_string());
    reply.header("x-ratelimit-reset", &rate.reset_in.to_string());
}

/// The answer to a call beyond the rate: without `Retry-After`.
pub(crate) fn throttled() -> Reply {
    PinterestError::of(429).reply()
}

/// The answer that a dial asks for.
pub(crate) fn fault(strike: &Strike) -> Reply {
    let status = match strike.kind {
        Kind::DeadToken => 401,
        Kind::Permission | Kind::Terms => 403,
        Kind::Throttle => 429,
        Kind::AudienceGone | Kind::NotEditable | Kind::Integrity => 404,
        Kind::TooLarge => 413,
        Kind::Duplicate | Kind::TooSmall => 400,
        Kind::Error => 400,
        _ => 500,
    };
    let mut error = PinterestError::of(strike.status.unwrap_or(status));
    error.code = strike.code.unwrap_or(error.code);
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    error.reply()
}
