//! Snapchat audience segments: the Marketing API's paths, token endpoint and envelope (contract `snapchat.md`).

mod error;
mod segments;
mod users;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::json;

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind, Strike};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::shelf::Form;
use crate::tokens::{Granted, Refused, Standing, bearer};
use crate::values::{is_digits, is_uuid};
use crate::world::{Damage, Job, Plan, World};

pub(crate) use error::SnapError;

type Answer = Result<Reply, SnapError>;
type Effect<'a> = Box<dyn FnOnce(&World, Damage) -> Answer + Send + 'a>;

/// The path at the host for sign-in, `accounts.snapchat.com`.
const TOKEN_PATH: &str = "/login/oauth2/access_token";
/// How long a token lives: the older of two figures, and the shorter one.
const TOKEN_SECONDS: u64 = 1_800;
/// The lab's one organization.
const ORGANIZATION: &str = "40d6719b-da09-410b-9185-0cc9c0dfed1d";

/// What is particular to Snapchat's segments.
pub(crate) const FORM: Form = Form {
    is_account: is_uuid,
    is_audience: is_digits,
    kind: "FIRST_PARTY",
    id_type: |name| users::SCHEMAS.into_iter().find(|known| *known == name),
    accounts: || (1..=20).map(|number: u32| format!("8adc3db7-8148-4fbf-999c-{number:012}")).collect(),
    first_id: 5_677_923_948_298_240,
};

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let token = bearer(request).unwrap_or_default();
    let mut call = Call::of(Partner::Snapchat, request.method(), token);
    if request.uri().path() == TOKEN_PATH && request.method() == Method::POST {
        call.route = Route::Token;
        call.template = "login/oauth2/access_token";
        let job: Job<'a> = Box::new(move |world, _| grant(world, request));
        return Plan { call, job, counted: false };
    }
    let dead = token.is_empty() || world.snapchat().tokens.standing(token, Instant::now()) != Standing::Live;
    let effect = route(world, &mut call, request);
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match dead {
            true => Err(SnapError::of(401)),
            false => effect(world, damage),
        };
        answer.unwrap_or_else(|error| error.reply(world))
    });
    Plan { call, job, counted: !dead }
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(world: &World, call: &mut Call, request: &'a Request<Bytes>) -> Effect<'a> {
    let segments: Vec<&'a str> = request.uri().path().trim_start_matches('/').split('/').collect();
    let params = Params::of_query(request);
    let body: &'a [u8] = request.body();
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    let (get, post) = (call.method == Method::GET, call.method == Method::POST);
    let (put, delete) = (call.method == Method::PUT, call.method == Method::DELETE);
    match *segments.as_slice() {
        ["v1", "me", "organizations"] if get => {
            known(Route::Accounts, "me/organizations");
            Box::new(move |world, _| segments::organizations(world, &params))
        }
        ["v1", "organizations", id, "adaccounts"] if get => {
            known(Route::Accounts, "organizations/{organization}/adaccounts");
            Box::new(move |world, _| segments::accounts(world, id))
        }
        ["v1", "adaccounts", account, "segments"] if get || post || put => {
            call.account = Some(account.to_string());
            let effect: Effect<'a> = if get {
                known(Route::Audiences, "adaccounts/{account}/segments");
                Box::new(move |world, _| segments::list(world, account, &params))
            } else if post {
                known(Route::Create, "adaccounts/{account}/segments");
                Box::new(move |world, _| segments::create(world, account, body))
            } else {
                known(Route::Update, "adaccounts/{account}/segments");
                Box::new(move |world, _| segments::update(world, account, body))
            };
            effect
        }
        ["v1", "segments", id, ref rest @ ..] => {
            let effect: Effect<'a> = match *rest {
                [] if get => {
                    known(Route::Audience, "segments/{audience}");
                    Box::new(move |world, _| segments::get(world, id))
                }
                [] if delete => {
                    known(Route::Delete, "segments/{audience}");
                    Box::new(move |world, _| segments::delete(world, id))
                }
                ["users"] if post || delete => {
                    known(if post { Route::Add } else { Route::Remove }, "segments/{audience}/users");
                    Box::new(move |world, damage| users::edit(world, id, post, body, damage))
                }
                ["all_users"] if delete => {
                    known(Route::Clear, "segments/{audience}/all_users");
                    Box::new(move |world, _| users::clear(world, id))
                }
                _ => return Box::new(|_, _| Err(SnapError::of(405))),
            };
            call.audiences.push(id.to_string());
            call.account = world.snapchat().audience(None, id).map(|audience| audience.account.clone());
            effect
        }
        _ => Box::new(|_, _| Err(SnapError::of(404))),
    }
}

/// Checks that an ad account is there; one that is not is out of reach.
fn account_of(world: &World, account: &str) -> Result<(), SnapError> {
    let settings = world.settings().clone();
    match world.snapchat().account(account, &settings) {
        true => Ok(()),
        false => Err(SnapError::of(403)),
    }
}

fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SnapError> {
    serde_json::from_slice(bytes).map_err(|_| SnapError::invalid("the body is not what this call takes"))
}

/// The token endpoint. A refresh must come without a bearer header; a refresh token is good once, and the answer has the
/// next one (both are the strict reading). The body of a refusal is OAuth's own.
fn grant(world: &World, request: &Request<Bytes>) -> Reply {
    let no = |status, error: &str| Reply::json(status, Class::Auth, &json!({"error": error}));
    let Ok(params) = Params::of(request) else { return no(400, "invalid_request") };
    if request.headers().contains_key(header::AUTHORIZATION) || params.get("grant_type") == Some("client_credentials") {
        return no(400, "invalid_request");
    }
    let life = world.settings().token_seconds.unwrap_or(TOKEN_SECONDS);
    let text = |name: &str| params.filled(name).unwrap_or_default().to_string();
    let client = Some((text("client_id"), text("client_secret")));
    let granted = world.snapchat().tokens.grant(&params, client, Duration::from_secs(life), Instant::now());
    match granted {
        Ok(Granted { access, refresh }) => Reply::json(
            200,
            Class::Ok,
            &json!({
                "access_token": access, "token_type": "Bearer", "expires_in": life, "refresh_token": refresh,
                "scope": "snapchat-marketing-api",
            }),
        ),
        Err(Refused::Client) => no(401, "invalid_client"),
        Err(Refused::Grant) => no(400, "invalid_grant"),
        Err(Refused::Missing(_)) => no(400, "invalid_request"),
        Err(Refused::Type) => no(400, "unsupported_grant_type"),
    }
}

/// The answer to a call beyond the rate: no header tells when to come back.
pub(crate) fn throttled(world: &World) -> Reply {
    SnapError::of(429).reply(world)
}

/// The answer that a dial asks for. `reason` is a code of Snapchat's; under status 200 it is an error within a good answer.
pub(crate) fn fault(world: &World, strike: &Strike) -> Reply {
    let status = match strike.kind {
        Kind::DeadToken => 401,
        Kind::Permission | Kind::Terms => 403,
        Kind::Throttle => 429,
        Kind::AudienceGone => 404,
        Kind::TooLarge => 413,
        Kind::NotEditable | Kind::Integrity | Kind::Duplicate | Kind::TooSmall | Kind::Error => 400,
        _ => 500,
    };
    let mut error = SnapError::of(strike.status.unwrap_or(status));
    if let Some(word) = &strike.reason {
        error.code = Some(word.clone());
    }
    if matches!(strike.kind, Kind::NotEditable | Kind::Integrity) {
        error.message = "the segment does not accept users now".to_string();
    }
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    error.reply(world)
}
