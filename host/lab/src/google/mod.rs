//! Google Customer Match: the Data Manager API's lists and members, the Ads API's accounts, and Google's token endpoint,
//! all at one address (contract `google.md`).

mod account;
mod assertion;
mod enums;
mod error;
mod lists;
mod members;
mod request;
mod settings;
mod shown;
mod state;

use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind as Dial, Strike};
use crate::form::{Params, decode};
use crate::reply::{Class, Reply};
use crate::world::{Damage, Job, Plan, World};

use error::{GoogleError, ROW_REASONS, Violation};
use request::Body;
use state::{Deed, Service};

pub(crate) use enums::named;
pub(crate) use settings::GoogleSettings;
pub(crate) use shown::{listed, standing};
pub(crate) use state::GoogleState;

type Answer = Result<Reply, GoogleError>;
type Effect<'a> = Box<dyn FnOnce(&World, &Damage) -> Answer + Send + 'a>;

/// Versions of the Ads API that are served.
const ADS_VERSIONS: [&str; 4] = ["v23", "v24", "v25", "v26"];

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim();
    let token = header("authorization").strip_prefix("Bearer ").unwrap_or("").trim();
    let mut call = Call::of(Partner::Google, request.method(), token);
    let path = request.uri().path().trim_start_matches('/');
    let segments: Vec<String> = path.split('/').map(|segment| decode(segment).into_owned()).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let Some(effect) = route(&segments, &mut call, request) else {
        let page = "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>";
        let job: Job<'a> = Box::new(move |_, _| Reply::new(404, Class::BadRequest, "text/html; charset=UTF-8", page));
        return Plan { call, job, counted: false };
    };
    let open = matches!(call.route, Route::Token | Route::Revoke);
    let ads = matches!(call.route, Route::Accounts | Route::Account);
    let dead = call.token.is_empty() || world.google().is_dead(&call.token, Instant::now());
    let refusal = match (open, dead, ads) {
        (true, ..) | (_, false, _) => None,
        (_, _, true) => Some(GoogleError::ads("authenticationError.OAUTH_TOKEN_INVALID")),
        (_, _, false) => Some(GoogleError::of("UNAUTHENTICATED")),
    };
    let manager = world.settings().google.manager.clone();
    let named = header("login-account").rsplit('/').next().unwrap_or_default().to_string();
    let under_manager = matches!(call.route, Route::Audiences | Route::Audience | Route::Create | Route::Update);
    let strange = under_manager && !manager.is_empty() && named != manager;
    let counted = !open && !dead;
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match refusal {
            Some(refusal) => Err(refusal),
            None if strange => Err(GoogleError::of("PERMISSION_DENIED")),
            None => effect(world, &damage),
        };
        answer.unwrap_or_else(GoogleError::reply)
    });
    Plan { call, job, counted }
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(segments: &[&str], call: &mut Call, request: &'a Request<Bytes>) -> Option<Effect<'a>> {
    let body: &'a [u8] = request.body();
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    let effect: Effect<'a> = match (request.method(), segments) {
        (&Method::POST, ["token"]) => {
            known(Route::Token, "token");
            let params = Params::of(request).unwrap_or_default();
            Box::new(move |world, _| account::token(world, &params))
        }
        (&Method::POST, ["revoke"]) => {
            known(Route::Revoke, "revoke");
            let params = Params::of(request).unwrap_or_default();
            Box::new(move |world, _| account::revoke(world, &params))
        }
        (&Method::GET, [version, "customers:listAccessibleCustomers"]) if ADS_VERSIONS.contains(version) => {
            known(Route::Accounts, "customers:listAccessibleCustomers");
            Box::new(|world, _| account::accessible(world))
        }
        (&Method::POST, [version, "customers", id, "googleAds:search"]) if ADS_VERSIONS.contains(version) => {
            known(Route::Account, "customers/{customer}/googleAds:search");
            let id = id.to_string();
            Box::new(move |world, _| account::search(world, &id, body))
        }
        (&Method::GET, ["v1", "requestStatus:retrieve"]) => {
            known(Route::Status, "requestStatus:retrieve");
            let params = Params::of_query(request);
            Box::new(move |world, _| members::status(world, &params))
        }
        (&Method::POST, ["v1", verb]) => return edit(verb, call, body),
        (_, ["v1", "accountTypes", "GOOGLE_ADS", "accounts", account, "userLists", rest @ ..]) => {
            call.account = Some((*account).to_string());
            return lists(account, rest, call, request);
        }
        _ => return None,
    };
    Some(effect)
}

/// A call that changes members.
fn edit<'a>(verb: &str, call: &mut Call, body: &'a [u8]) -> Option<Effect<'a>> {
    let (route, template, deed) = match verb {
        "audienceMembers:ingest" => (Route::Add, "audienceMembers:ingest", Deed::Ingest),
        "audienceMembers:remove" => (Route::Remove, "audienceMembers:remove", Deed::Remove),
        "audienceMembers:removeAll" => (Route::Replace, "audienceMembers:removeAll", Deed::RemoveAll),
        _ => return None,
    };
    (call.route, call.template) = (route, template);
    let parsed: Result<Body<'a>, _> = serde_json::from_slice(body).map_err(|error| GoogleError::payload(&error));
    if let Ok(parsed) = &parsed {
        call.account = parsed.destinations.first().map(|first| first.operating_account.account_id.clone());
        call.audiences =
            parsed.destinations.iter().map(|destination| destination.product_destination_id.clone()).collect();
    }
    Some(Box::new(move |world, damage| members::edit(world, deed, parsed, damage)))
}

/// A call about user lists.
fn lists<'a>(account: &str, rest: &[&str], call: &mut Call, request: &'a Request<Bytes>) -> Option<Effect<'a>> {
    let body: &'a [u8] = request.body();
    let (account, params) = (account.to_string(), Params::of_query(request));
    let (route, template): (Route, &'static str) = match (request.method(), rest) {
        (&Method::GET, []) => (Route::Audiences, "{account}/userLists"),
        (&Method::POST, []) => (Route::Create, "{account}/userLists"),
        (&Method::GET, [_]) => (Route::Audience, "{account}/userLists/{audience}"),
        (&Method::PATCH, [_]) => (Route::Update, "{account}/userLists/{audience}"),
        (&Method::DELETE, [_]) => (Route::Delete, "{account}/userLists/{audience}"),
        _ => return None,
    };
    (call.route, call.template) = (route, template);
    call.audiences.extend(rest.iter().map(ToString::to_string));
    let id = rest.first().map(ToString::to_string).unwrap_or_default();
    Some(Box::new(move |world, _| match route {
        Route::Audiences => lists::list(world, &account, &params),
        Route::Create => lists::create(world, &account, params.get("validateOnly") == Some("true"), body),
        Route::Audience => lists::get(world, &account, &id),
        Route::Update => lists::update(world, &account, &id, &params, body),
        _ => lists::delete(world, &account, &id),
    }))
}

/// A good answer.
fn ok(body: &Value) -> Reply {
    Reply::json(200, Class::Ok, body)
}

/// Counts a call against the project's quota, and refuses it where that is spent.
pub(crate) fn charge(world: &World, call: &Call) -> Option<Reply> {
    let service = match call.route {
        Route::Accounts | Route::Account => return None,
        Route::Add | Route::Remove | Route::Replace => Service::Ingestion,
        Route::Status => Service::Status,
        _ => Service::Others,
    };
    let settings = world.settings().clone();
    let free = world.google().charge(service, Instant::now(), &settings);
    (!free).then(|| GoogleError::of("RESOURCE_EXHAUSTED").reply())
}

/// The answer that a dial asks for.
pub(crate) fn fault(call: &Call, strike: &Strike) -> Reply {
    let ads = matches!(call.route, Route::Accounts | Route::Account);
    let on_audience = !matches!(call.route, Route::Add | Route::Remove | Route::Replace);
    let reason = match strike.kind {
        Dial::DeadToken if ads => "authenticationError.OAUTH_TOKEN_EXPIRED",
        Dial::DeadToken => "UNAUTHENTICATED",
        Dial::Permission if ads => "authorizationError.USER_PERMISSION_DENIED",
        Dial::Permission => "PERMISSION_DENIED",
        Dial::Throttle if ads => "quotaError.RESOURCE_EXHAUSTED",
        Dial::Throttle => "RESOURCE_EXHAUSTED",
        Dial::Terms => "TERMS_AND_CONDITIONS_NOT_SIGNED",
        Dial::AudienceGone if on_audience => "NOT_FOUND",
        Dial::AudienceGone => "INVALID_USER_LIST_ID",
        Dial::NotEditable => "USER_LIST_MUTATION_NOT_SUPPORTED",
        Dial::Integrity => "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA",
        Dial::TooLarge => "TOO_MANY_AUDIENCE_MEMBERS",
        Dial::TooSmall => "INVALID_ARGUMENT",
        Dial::Duplicate => "ABORTED",
        _ => "UNAVAILABLE",
    };
    let reason = strike.reason.as_deref().unwrap_or(reason);
    let mut error = match (reason.contains('.'), GoogleError::of(reason)) {
        (true, _) => GoogleError::ads(reason),
        (false, known) if known.http != 400 => known,
        (false, _) if ROW_REASONS.contains(&reason) => {
            let named = |place| Violation::new(format!("audience_members[{place}]"), reason, "The value is not valid.");
            GoogleError::fields((0..strike.rows).map(named).collect())
        }
        (false, _) => GoogleError::field("destinations[0]", reason, "The request was refused."),
    };
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    error.http = strike.status.unwrap_or(error.http);
    error.after(strike.ms).reply()
}
