//! Adobe Experience Platform, read only: sandboxes, audiences, and members by export job (contract `adobe.md`). Its
//! profile exports are Parquet; the lab serves the same rows as JSON lines, which is what the connector reads. What a file
//! destination hands over, it writes as such a file.

mod error;
mod export;
mod handed;
mod jobs;
mod settings;
mod state;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::call::{Call, Partner, Route};
use crate::control::Standing;
use crate::faults::{Kind as Dial, Strike};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::tokens::{Standing as TokenStanding, bearer};
use crate::world::{Job, Plan, World};

use error::PlatformError;

pub(crate) use handed::hand_over;
pub(crate) use settings::PlatformSettings;
pub(crate) use state::PlatformState;

type Answer = Result<Reply, PlatformError>;
type Effect<'a> = Box<dyn FnOnce(&World) -> Answer + Send + 'a>;

/// Seconds that a token lives.
const LIFE: u64 = 86_399;

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let token = bearer(request).unwrap_or_default();
    let mut call = Call::of(Partner::Platform, request.method(), token);
    let path = request.uri().path().trim_start_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    if segments == ["ims", "token", "v3"] {
        (call.route, call.template) = (Route::Token, "ims/token/v3");
        let job: Job<'a> = Box::new(|world, _| identity(world, request));
        return Plan { call, job, counted: false };
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim();
    let sandbox = header("x-sandbox-name").to_string();
    call.account = Some(sandbox.clone()).filter(|name| !name.is_empty());
    let refusal = refusal(world, &call.token, header("x-api-key"), header("x-gw-ims-org-id"));
    let effect = route(&segments, &mut call, request, sandbox);
    let job: Job<'a> = Box::new(move |world, _| {
        let answer = match (refusal, effect) {
            (Some(refused), _) => Err(refused),
            (None, Some(effect)) => effect(world),
            (None, None) => Err(PlatformError::service(404, "NotFoundError", "There is no such resource")),
        };
        answer.unwrap_or_else(PlatformError::reply)
    });
    Plan { call, job, counted: true }
}

/// What the gateway refuses before a service hears of the call.
fn refusal(world: &World, token: &str, key: &str, organisation: &str) -> Option<PlatformError> {
    if token.is_empty() {
        return Some(PlatformError::gateway(403, "403010", "Oauth token is missing."));
    }
    if world.platform().tokens.standing(token, Instant::now()) != TokenStanding::Live {
        return Some(PlatformError::gateway(401, "401013", "Oauth token is not valid"));
    }
    if key.is_empty() {
        return Some(PlatformError::gateway(403, "403000", "Api Key is required"));
    }
    if organisation.is_empty() {
        return Some(PlatformError::gateway(400, "400003", "Missing header"));
    }
    let known = world.settings().platform.organisation.clone();
    match organisation.ends_with("@AdobeOrg") && (known.is_empty() || known == organisation) {
        true => None,
        false => Some(PlatformError::gateway(403, "403025", "Profile is not valid")),
    }
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(segments: &[&str], call: &mut Call, request: &'a Request<Bytes>, sandbox: String) -> Option<Effect<'a>> {
    let query = Params::of_query(request);
    let get = request.method() == Method::GET;
    let mut known = |route, template| (call.route, call.template) = (route, template);
    Some(match segments {
        ["data", "foundation", "sandbox-management", ""] if get => {
            known(Route::Accounts, "sandbox-management/");
            Box::new(move |world| Ok(jobs::sandboxes(world, &query)))
        }
        ["data", "core", "ups", "audiences"] if get => {
            known(Route::Audiences, "audiences");
            Box::new(move |world| jobs::audiences(world, &sandbox, &query))
        }
        ["data", "core", "ups", "audiences", id] if get => {
            known(Route::Audience, "audiences/{audience}");
            call.audiences.push((*id).to_string());
            let id = (*id).to_string();
            Box::new(move |world| jobs::audience(world, &sandbox, &id))
        }
        ["data", "core", "ups", "export", "jobs"] if request.method() == Method::POST => {
            known(Route::Upload, "export/jobs");
            let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let segment = body["filter"]["segments"][0]["segmentId"].as_str().map(str::to_string);
            call.audiences.extend(segment);
            let is_json =
                request.headers().get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
            Box::new(move |world| export::create(world, &sandbox, is_json, &body))
        }
        ["data", "core", "ups", "export", "jobs", id] if get => {
            known(Route::Status, "export/jobs/{job}");
            let id = (*id).to_string();
            Box::new(move |world| export::status(world, &id))
        }
        ["data", "foundation", "export", "batches", batch, "files"] if get => {
            known(Route::Lookup, "batches/{batch}/files");
            let batch = (*batch).to_string();
            Box::new(move |world| export::files(world, &batch, &query))
        }
        ["data", "foundation", "export", "files", file] if get => {
            known(Route::Lookup, "files/{file}");
            let file = (*file).to_string();
            let range = request.headers().get(http::header::RANGE).and_then(|range| range.to_str().ok());
            Box::new(move |world| export::file(world, &file, &query, range))
        }
        _ => return None,
    })
}

/// `POST /ims/token/v3`: `client_credentials` alone, and no refresh token.
fn identity(world: &World, request: &Request<Bytes>) -> Reply {
    let params = Params::of(request).unwrap_or_default();
    let client = params.filled("client_id").zip(params.filled("client_secret"));
    let client = client.map(|(id, secret)| (id.to_string(), secret.to_string()));
    let (scale, seconds) = {
        let settings = world.settings();
        (settings.time_scale.max(1), settings.token_seconds.unwrap_or(LIFE))
    };
    let life = Duration::from_secs(seconds) / scale;
    let is_client = params.get("grant_type") == Some("client_credentials");
    if params.filled("scope").is_none() {
        return Reply::json(400, Class::Auth, &json!({"error": "invalid_scope"}));
    }
    match world.platform().tokens.grant(&params, client, life, Instant::now()) {
        Ok(granted) if is_client => {
            let body = json!({"access_token": granted.access, "token_type": "bearer", "expires_in": seconds});
            Reply::json(200, Class::Ok, &body)
        }
        Ok(_) => Reply::json(400, Class::Auth, &json!({"error": "unsupported_grant_type"})),
        Err(_) => Reply::json(401, Class::Auth, &json!({"error": "invalid_client"})),
    }
}

/// Counts a call, and refuses it where there were too many.
pub(crate) fn charge(world: &World) -> Option<Reply> {
    let (settings, scale) = {
        let settings = world.settings();
        (settings.platform.clone(), settings.time_scale)
    };
    let free = world.platform().charge(Instant::now(), &settings, scale);
    (!free).then(|| PlatformError::service(429, "TooManyRequests", "Too many requests were sent").reply())
}

/// The answer that a dial asks for.
pub(crate) fn fault(strike: &Strike) -> Reply {
    let mut error = match strike.kind {
        Dial::DeadToken => PlatformError::gateway(401, "401013", "Oauth token is not valid"),
        Dial::Permission | Dial::Terms => PlatformError::refused(
            "UPAPI-113752-403",
            "Permission denied on some resources: the user lacks View Segments",
        ),
        Dial::Throttle => PlatformError::service(429, "TooManyRequests", "Too many requests were sent"),
        Dial::AudienceGone => PlatformError::service(404, "NotFoundError", "The audience could not be found"),
        Dial::Error => PlatformError::of(strike.reason.as_deref().unwrap_or_default(), strike.code),
        _ => PlatformError::service(500, "InternalServerError", "The service failed"),
    };
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    strike.with_status(error.reply())
}

/// All audiences, as the control address shows them.
pub(crate) fn listed(world: &World) -> Vec<Value> {
    world.platform().audiences().map(head).collect()
}

fn head(audience: &state::PlatformAudience) -> Value {
    json!({
        "partner": Partner::Platform.name(), "audience": audience.id, "name": audience.name, "account": audience.sandbox,
        "type": if audience.is_ours() { "SegmentDefinition" } else { "ExternalSegment" }, "size": audience.size(), "refused": 0, "description": audience.description,
    })
}

/// Who is in an audience.
pub(crate) fn standing(world: &World, id: &str) -> Option<Standing> {
    let state = world.platform();
    let audience = state.existing(id)?;
    Some(Standing { head: head(audience), keys: audience.keys(), rows: None })
}

/// `POST /_lab/audiences/ID/members`: an evaluation in which people join and leave.
pub(crate) fn evaluate(world: &World, id: &str, change: state::MembersChange) -> Reply {
    match world.platform().evaluate(id, change) {
        Some((joined, left)) => Reply::json(200, Class::Ok, &json!({"joined": joined, "left": left})),
        None => {
            let words = format!("experience-platform has no audience {id}: only its members are set here");
            Reply::json(404, Class::BadRequest, &json!({"error": words}))
        }
    }
}
