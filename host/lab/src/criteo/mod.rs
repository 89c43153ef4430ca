//! Criteo contact lists: the Marketing Solutions API's paths, token endpoint and error body (contract `criteo.md`).
//!
//! Only the form of the path that the contract asks for is served (traps, row 20). An invalid body, and what the
//! contract marks as unsure, is read strictly.

mod contacts;
mod error;
mod segments;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::json;

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind, Strike};
use crate::form::Params;
use crate::quota::RateUse;
use crate::reply::{Class, Reply};
use crate::settings::Rate;
use crate::shelf::{Form, Shelved};
use crate::tokens::{Granted, Refused, Standing};
use crate::values::is_digits;
use crate::world::{Damage, Job, Plan, World};

pub(crate) use error::CriteoError;

type Answer = Result<Reply, CriteoError>;
type Effect<'a> = Box<dyn FnOnce(&World, Damage) -> Answer + Send + 'a>;

/// Versions that are served; older dated ones are gone.
const VERSIONS: [&str; 4] = ["2026-01", "2026-07", "2027-01", "preview"];
const TOKEN_PATH: &str = "/oauth2/token";
/// How long a token lives.
const TOKEN_SECONDS: u64 = 900;
/// Calls a minute and account, where a person granted the app.
const PERSONS_RATE: u64 = 10;

/// What is particular to Criteo's lists.
pub(crate) const FORM: Form = Form {
    is_account: is_digits,
    is_audience: is_digits,
    kind: "ContactList",
    id_type: |name| contacts::TYPES.into_iter().find(|known| *known == name),
    accounts: || (1..=20).map(|number: u32| number.to_string()).chain(["1111".into(), "2222".into()]).collect(),
    first_id: 5_678,
};

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let token = crate::tokens::bearer(request).unwrap_or_default();
    let mut call = Call::of(Partner::Criteo, request.method(), token);
    if request.uri().path() == TOKEN_PATH && request.method() == Method::POST {
        call.route = Route::Token;
        call.template = "oauth2/token";
        let job: Job<'a> = Box::new(move |world, _| grant(world, request));
        return Plan { call, job, counted: false };
    }
    let refusal = match world.criteo().tokens.standing(token, Instant::now()) {
        _ if token.is_empty() => Some("authorization-token-invalid"),
        Standing::Live => None,
        Standing::Expired => Some("authorization-token-expired"),
        Standing::Dead => Some("authorization-token-invalid"),
    };
    let effect = route(world, &mut call, request);
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match refusal {
            Some(code) => Err(CriteoError::of(code)),
            None => effect(world, damage),
        };
        answer.unwrap_or_else(|error| error.reply(world))
    });
    Plan { call, job, counted: refusal.is_none() }
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(world: &World, call: &mut Call, request: &'a Request<Bytes>) -> Effect<'a> {
    let segments: Vec<&'a str> = request.uri().path().trim_start_matches('/').split('/').collect();
    let Some((&version, path)) = segments.split_first() else { return refused("not-found") };
    if !VERSIONS.contains(&version) {
        let older = version.len() == 7 && version.starts_with("20") && version < VERSIONS[0];
        return refused(if older { "endpoint-deprecated" } else { "not-found" });
    }
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !request.body().is_empty() && !media.starts_with("application/json") {
        return refused("unsupported-media-type");
    }
    let body: &'a [u8] = request.body();
    let params = Params::of_query(request);
    let whom: Whom = if path.ends_with(&["contact-list"]) { Whom::default() } else { Whom::of(body) };
    call.account = whom.account;
    call.audiences = whom.audiences;
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    let (get, post) = (call.method == Method::GET, call.method == Method::POST);
    let (patch, delete) = (call.method == Method::PATCH, call.method == Method::DELETE);
    match path {
        ["advertisers", "me"] if get => {
            known(Route::Accounts, "advertisers/me");
            Box::new(|world, _| advertisers(world))
        }
        ["marketing-solutions", "me"] if get => {
            known(Route::Me, "marketing-solutions/me");
            Box::new(|_, _| me())
        }
        ["marketing-solutions", "audience-segments"] if patch => {
            known(Route::Update, "audience-segments");
            Box::new(move |world, _| segments::update(world, body))
        }
        ["marketing-solutions", "audience-segments", "search"] if post => {
            known(Route::Audiences, "audience-segments/search");
            Box::new(move |world, _| segments::search(world, &params, body))
        }
        ["marketing-solutions", "audience-segments", "create"] if post => {
            known(Route::Create, "audience-segments/create");
            Box::new(move |world, _| segments::create(world, version, body))
        }
        ["marketing-solutions", "audience-segments", "delete"] if post => {
            known(Route::Delete, "audience-segments/delete");
            Box::new(move |world, _| segments::delete(world, body))
        }
        ["marketing-solutions", "audience-segments", "compute-sizes"] if post => {
            known(Route::Sizes, "audience-segments/compute-sizes");
            Box::new(move |world, _| segments::sizes(world, body))
        }
        ["marketing-solutions", "audience-segments", id, "contact-list", rest @ ..] if is_digits(id) => {
            let id: &'a str = id;
            let effect: Effect<'a> = match rest {
                [] if patch => {
                    let amendment = contacts::Amendment::parse(body);
                    let remove = amendment.as_ref().is_ok_and(contacts::Amendment::removes);
                    known(if remove { Route::Remove } else { Route::Add }, "audience-segments/{audience}/contact-list");
                    Box::new(move |world, damage| contacts::amend(world, version, id, amendment?, damage))
                }
                [] if delete => {
                    known(Route::Clear, "audience-segments/{audience}/contact-list");
                    Box::new(move |world, _| contacts::clear(world, id))
                }
                ["statistics"] if get => {
                    known(Route::Statistics, "audience-segments/{audience}/contact-list/statistics");
                    Box::new(move |world, _| contacts::statistics(world, id))
                }
                _ => return refused("not-found"),
            };
            call.audiences.push(id.to_string());
            call.account = world.criteo().audience(None, id).map(|audience| audience.account.clone());
            effect
        }
        _ => refused("not-found"),
    }
}

fn refused<'a>(code: &'static str) -> Effect<'a> {
    Box::new(move |_, _| Err(CriteoError::of(code)))
}

/// Whom a small body concerns.
#[derive(Default)]
struct Whom {
    account: Option<String>,
    audiences: Vec<String>,
}

impl Whom {
    fn of(body: &[u8]) -> Whom {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let texts = |value: &serde_json::Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_string)).collect()
        };
        let filter = &body["data"]["attributes"];
        let bulk = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut audiences = texts(&filter["audienceSegmentIds"]);
        audiences.extend(bulk.iter().filter_map(|item| item["id"].as_str().map(str::to_string)));
        let made = bulk.iter().find_map(|item| item["attributes"]["advertiserId"].as_str().map(str::to_string));
        Whom { account: texts(&filter["advertiserIds"]).into_iter().next().or(made), audiences }
    }
}

fn is_contact_list(audience: &Shelved) -> bool {
    audience.kind == FORM.kind
}

fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CriteoError> {
    serde_json::from_slice(bytes).map_err(|_| CriteoError::field("invalid", "body"))
}

fn good(body: &impl serde::Serialize) -> Reply {
    Reply::json(200, Class::Ok, body)
}

/// `GET advertisers/me`.
fn advertisers(world: &World) -> Answer {
    let shelf = world.criteo();
    let list: Vec<_> = shelf
        .accounts()
        .iter()
        .map(|id| json!({"id": id, "type": "advertiser", "attributes": {"advertiserName": format!("Advertiser {id}")}}))
        .collect();
    Ok(good(&json!({"data": list, "errors": [], "warnings": []})))
}

/// `GET marketing-solutions/me`.
fn me() -> Answer {
    let attributes = json!({
        "applicationId": 1, "name": "Lab", "organizationId": 1, "criteoService": "MarketingSolutions",
        "description": "An application of the lab",
    });
    Ok(good(
        &json!({"data": {"id": "1", "type": "Application", "attributes": attributes}, "errors": [], "warnings": []}),
    ))
}

/// `POST /oauth2/token`. The body of a refusal is not documented; it has OAuth's own form here.
fn grant(world: &World, request: &Request<Bytes>) -> Reply {
    let no = |status, error: &str| Reply::json(status, Class::Auth, &json!({"error": error}));
    let Ok(params) = Params::of(request) else { return no(400, "invalid_request") };
    let life = world.settings().token_seconds.unwrap_or(TOKEN_SECONDS);
    let text = |name: &str| params.filled(name).unwrap_or_default().to_string();
    let client = Some((text("client_id"), text("client_secret")));
    let granted = world.criteo().tokens.grant(&params, client, Duration::from_secs(life), Instant::now());
    match granted {
        Ok(Granted { access, refresh }) => good(&json!({
            "access_token": access, "token_type": "Bearer", "refresh_token": refresh, "expires_in": life,
        })),
        Err(Refused::Client) => no(401, "invalid_client"),
        Err(Refused::Grant) => no(400, "invalid_grant"),
        Err(Refused::Missing(_)) => no(400, "invalid_request"),
        Err(Refused::Type) => no(400, "unsupported_grant_type"),
    }
}

/// By whom a call is counted, and against which rate: an app's calls together, a person's by account, whatever token they go
/// with.
pub(crate) fn counted(world: &World, token: &str, account: Option<&str>, app: Rate) -> (String, Rate) {
    match world.criteo().tokens.consent(token) {
        Some(consent) => {
            let rate = Rate { per_minute: Some(PERSONS_RATE), ..Rate::default() };
            (format!("consent {consent} {}", account.unwrap_or_default()), rate)
        }
        None => (String::new(), app),
    }
}

/// Adds the headers about the rate.
pub(crate) fn dress(reply: &mut Reply, rate: RateUse) {
    reply.header("x-ratelimit-limit", &rate.limit.to_string());
    reply.header("x-ratelimit-remaining", &rate.remaining.to_string());
    reply.header("x-ratelimit-reset", &(crate::meta::unix_now() + rate.reset_in).to_string());
}

/// The answer to a call beyond the rate.
pub(crate) fn throttled() -> Reply {
    Reply::json(429, Class::Throttled, &json!({}))
}

/// The answer that a dial asks for. `reason` is a code of Criteo's.
pub(crate) fn fault(world: &World, strike: &Strike) -> Reply {
    let code = match strike.kind {
        Kind::DeadToken => "authorization-token-expired",
        Kind::Permission | Kind::Terms => "authorization-forbidden",
        Kind::Throttle => "too-many-requests",
        Kind::AudienceGone => "audience-invalid",
        Kind::NotEditable | Kind::Integrity => "contact-list-read-only",
        Kind::TooLarge => "request-too-large",
        Kind::Duplicate | Kind::TooSmall => "invalid",
        _ => "internal-error",
    };
    let mut error = CriteoError::of(strike.reason.as_deref().unwrap_or(code));
    if let Some(message) = &strike.message {
        error.title.clone_from(message);
    }
    error.status = strike.status.unwrap_or(error.status);
    error.reply(world)
}
