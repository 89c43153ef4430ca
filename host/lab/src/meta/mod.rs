//! Meta (Facebook) Custom Audiences: the Graph API's paths, tokens and headers (contract `meta.md`).

mod account;
mod audience;
mod error;
mod fields;
mod payload;
mod state;
mod users;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Serialize;
use serde_json::json;

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind, Strike};
use crate::form::Params;
use crate::quota::HourUse;
use crate::reply::{Class, Reply};
use crate::tokens::{Refused, Standing};
use crate::values::is_digits;
use crate::world::{Damage, Job, Plan, World};

pub(crate) use error::MetaError;
pub(crate) use state::{MetaState, NewAudience, unix_now};

type Answer = Result<Reply, MetaError>;
type Effect<'a> = Box<dyn FnOnce(&World, Damage) -> Answer + Send + 'a>;

const MEDIA: &str = "application/json; charset=UTF-8";
/// The version that the emulator names in its answers; it takes any from v20.0 on.
const VERSION: &str = "v26.0";

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let (params, broken) = match Params::of(request) {
        Ok(params) => (params, None),
        Err(error) => {
            (Params::of_query(request), Some(MetaError::new(100, format!("(#100) Invalid parameter: {error}"))))
        }
    };
    let token = token(request, &params).unwrap_or_default();
    let path = request.uri().path();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (version, segments) = match segments.split_first() {
        Some((first, rest)) if version(first).is_some() => (version(first), rest),
        _ => (None, segments.as_slice()),
    };
    let method = request.method();
    let mut call = Call::of(Partner::Meta, method, token);
    if segments == ["oauth", "access_token"] {
        call.route = Route::Token;
        call.template = "/oauth/access_token";
        let job: Job<'a> = Box::new(move |world, _| grant(world, &params));
        return Plan { call, job, counted: false };
    }
    let standing = world.consents().meta.standing(&call.token, Instant::now());
    let refusal = if call.token.is_empty() {
        Some(no_token(segments))
    } else if standing != Standing::Live {
        let subcode = if standing == Standing::Expired { 463 } else { 467 };
        Some(MetaError::known(190, Some(subcode)))
    } else if version.is_some_and(|version| version < 20) {
        Some(MetaError::new(
            2635,
            "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version.",
        ))
    } else {
        broken
    };
    let counted = !call.token.is_empty();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("graph.facebook.com");
    let origin = Origin { path, host, token: call.token.clone() };
    let effect = route(world, &mut call, segments, origin, params);
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match refusal {
            Some(refusal) => Err(refusal),
            None => effect(world, damage),
        };
        answer.unwrap_or_else(|error| error.reply(world))
    });
    Plan { call, job, counted }
}

/// `oauth/access_token`: a code becomes a token of an hour, that one a token of sixty days. There is no refresh token.
fn grant(world: &World, params: &Params<'_>) -> Reply {
    let long = params.get("grant_type") == Some("fb_exchange_token");
    let life = world.settings().token_seconds.unwrap_or(if long { 60 * 86_400 } else { 3_600 });
    let text = |name: &str| params.filled(name).unwrap_or_default().to_string();
    let client = Some((text("client_id"), text("client_secret")));
    let granted = world.consents().meta.grant(params, client, Duration::from_secs(life), Instant::now());
    match granted {
        Ok(granted) => {
            let body = json!({"access_token": granted.access, "token_type": "bearer", "expires_in": life});
            Reply::json(200, Class::Ok, &body)
        }
        Err(Refused::Client) => MetaError::new(101, "Error validating client secret.").reply(world),
        Err(_) => MetaError::new(100, "This authorization code has been used or is not valid.").reply(world),
    }
}

/// Where a list was asked for, as its next page's address repeats it.
#[derive(Debug)]
struct Origin<'a> {
    path: &'a str,
    host: &'a str,
    token: String,
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(
    world: &World,
    call: &mut Call,
    segments: &[&'a str],
    origin: Origin<'a>,
    params: Params<'a>,
) -> Effect<'a> {
    let path = origin.path;
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    let (get, post, delete) = (call.method == Method::GET, call.method == Method::POST, call.method == Method::DELETE);
    match *segments {
        ["me"] if get => {
            known(Route::Me, "/me");
            Box::new(move |_, _| account::me(&params))
        }
        ["me", "permissions"] if get => {
            known(Route::Permissions, "/me/permissions");
            Box::new(|_, _| account::permissions())
        }
        ["me", "adaccounts"] if get => {
            known(Route::Accounts, "/me/adaccounts");
            Box::new(move |world, _| account::list(world, &params, &origin))
        }
        [act, ref rest @ ..] if act.starts_with("act_") => {
            let Some(id) = act.strip_prefix("act_").filter(|id| is_digits(id)) else { return invisible(act, post) };
            let effect: Effect<'a> = match *rest {
                [] if get => {
                    known(Route::Account, "/{account}");
                    Box::new(move |world, _| account::get(world, id, &params))
                }
                ["customaudiences"] if get => {
                    known(Route::Audiences, "/{account}/customaudiences");
                    Box::new(move |world, _| audience::list(world, id, &params, &origin))
                }
                ["customaudiences"] if post => {
                    known(Route::Create, "/{account}/customaudiences");
                    Box::new(move |world, _| audience::create(world, id, &params))
                }
                ["customaudiencestos"] if get => {
                    known(Route::Terms, "/{account}/customaudiencestos");
                    Box::new(move |world, _| account::terms(world, id))
                }
                ["customaudiencestos"] if post => {
                    known(Route::AcceptTerms, "/{account}/customaudiencestos");
                    Box::new(move |world, _| account::accept_terms(world, id))
                }
                _ => return unknown(path),
            };
            call.account = Some(id.to_string());
            effect
        }
        [id, ref rest @ ..] if is_digits(id) => {
            let effect: Effect<'a> = match *rest {
                [] if get => {
                    known(Route::Audience, "/{audience}");
                    Box::new(move |world, _| audience::get(world, id, &params))
                }
                [] if post => {
                    known(Route::Update, "/{audience}");
                    Box::new(move |world, _| audience::update(world, id, &params))
                }
                [] if delete => {
                    known(Route::Delete, "/{audience}");
                    Box::new(move |world, _| audience::delete(world, id))
                }
                ["users"] if post => {
                    known(Route::Add, "/{audience}/users");
                    Box::new(move |world, damage| users::edit(world, id, users::Edit::Add, &params, damage))
                }
                ["users"] if delete => {
                    known(Route::Remove, "/{audience}/users");
                    Box::new(move |world, damage| users::edit(world, id, users::Edit::Remove, &params, damage))
                }
                ["usersreplace"] if post => {
                    known(Route::Replace, "/{audience}/usersreplace");
                    Box::new(move |world, damage| users::edit(world, id, users::Edit::Replace, &params, damage))
                }
                ["adaccounts"] if get || post || delete => {
                    known(Route::Share, "/{audience}/adaccounts");
                    let method = call.method.clone();
                    Box::new(move |world, _| audience::share(world, id, &method, &params))
                }
                ["sessions"] if get => {
                    known(Route::Sessions, "/{audience}/sessions");
                    Box::new(move |world, _| users::sessions(world, id, &params))
                }
                _ => return unknown(path),
            };
            call.audiences.push(id.to_string());
            call.account = world.meta().audience(id).map(|audience| audience.account.clone());
            effect
        }
        [name] if !name.is_empty() => invisible(name, post),
        _ => unknown(path),
    }
}

fn unknown(path: &str) -> Effect<'_> {
    Box::new(move |_, _| Err(MetaError::new(2500, format!("Unknown path components: {path}"))))
}

fn invisible(id: &str, post: bool) -> Effect<'_> {
    Box::new(move |_, _| Err(MetaError::invisible(id, if post { "post" } else { "get" })))
}

/// The number of a version segment such as `v26.0`.
fn version(segment: &str) -> Option<u32> {
    segment.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
}

/// The token: bearer header, or parameter `access_token` in query or body (contract, section 1).
fn token(request: &Request<Bytes>, params: &Params<'_>) -> Option<String> {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.filter(|token| !token.is_empty()).or_else(|| params.filled("access_token")).map(str::to_string)
}

fn no_token(segments: &[&str]) -> MetaError {
    match segments.first() {
        Some(&"me") => {
            MetaError::new(2500, "An active access token must be used to query information about the current user.")
        }
        _ => MetaError::new(104, "An access token is required to request this resource."),
    }
}

fn ok(body: &impl Serialize) -> Reply {
    let mut reply = Reply::json(200, Class::Ok, body);
    reply.headers[0].1 = http::HeaderValue::from_static(MEDIA);
    reply
}

/// The answer to a call beyond the quota (contract, section 5).
pub(crate) fn throttled(world: &World, status: u16) -> Reply {
    MetaError::known(80_003, None).status(status).reply(world)
}

/// The answer that a dial asks for.
pub(crate) fn fault(world: &World, call: &Call, strike: &Strike) -> Reply {
    let id = call.audiences.first().or(call.account.as_ref()).map_or("0", String::as_str);
    let verb = if call.method == Method::POST { "post" } else { "get" };
    let (code, subcode) = match strike.kind {
        Kind::DeadToken => (190, Some(463)),
        Kind::Permission => (200, None),
        Kind::Throttle => (80_003, None),
        Kind::Terms => (2655, None),
        Kind::Integrity => (100, Some(1_713_230)),
        Kind::NotEditable => (2650, None),
        Kind::TooLarge => (1, Some(99)),
        Kind::TooSmall => (100, None),
        Kind::AudienceGone => (100, Some(33)),
        _ => (2, None),
    };
    let code = strike.code.unwrap_or(code);
    // A code of one's own has no subcode unless it is said.
    let subcode = strike.subcode.or(if strike.code.is_some() { None } else { subcode });
    let mut error = match (strike.kind, code, subcode) {
        (_, 100, Some(33)) => MetaError::invisible(id, verb),
        (Kind::Permission, 200, None) => MetaError::no_right(id),
        (Kind::TooSmall, 100, None) => MetaError::too_small(),
        _ => MetaError::known(code, subcode),
    };
    if error.class == Class::Throttled {
        error = error.status(world.settings().meta_throttle_status);
    }
    if let Some(status) = strike.status {
        error = error.status(status);
    }
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    error.transient |= strike.transient;
    let throttled = error.class == Class::Throttled;
    let mut reply = error.reply(world);
    if throttled {
        let hour = HourUse { percent: 100, regain_minutes: strike.minutes.unwrap_or(1) };
        usage(&mut reply, call, Some(hour));
    }
    reply
}

/// Adds the headers that every answer carries (contract, section 5).
pub(crate) fn dress(reply: &mut Reply, call: &Call, hour: Option<HourUse>) {
    reply.header("facebook-api-version", VERSION);
    if !reply.headers.iter().any(|(name, _)| name == "x-business-use-case-usage") {
        usage(reply, call, hour);
    }
}

fn usage(reply: &mut Reply, call: &Call, hour: Option<HourUse>) {
    let hour = hour.unwrap_or(HourUse { percent: 0, regain_minutes: 0 });
    let object = call.account.as_deref().unwrap_or("0");
    let business = json!({object: [{
        "type": "custom_audience",
        "call_count": hour.percent,
        "total_cputime": hour.percent / 2,
        "total_time": hour.percent / 2,
        "estimated_time_to_regain_access": hour.regain_minutes,
        "ads_api_access_tier": "standard_access",
    }]});
    reply.header("x-business-use-case-usage", &business.to_string());
    reply.header("x-app-usage", r#"{"call_count":0,"total_cputime":0,"total_time":0}"#);
    reply.header(
        "x-ad-account-usage",
        r#"{"acc_id_util_pct":0,"reset_time_duration":0,"ads_api_access_tier":"standard_access"}"#,
    );
}
