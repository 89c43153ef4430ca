//! TikTok Custom Audiences: the Business API's paths, token header and envelope (contract `tiktok.md`).

mod account;
mod audience;
mod error;
mod file;
mod mapping;
mod slots;
mod state;

use bytes::Bytes;
use http::{Method, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind, Strike};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::values::is_digits;
use crate::world::{Damage, Job, Plan, World};

pub(crate) use audience::date;
pub(crate) use error::TikTokError;
pub(crate) use state::TikTokState;

/// The id type of this name, of those that a mapping or a file may hold.
pub(crate) fn id_type(name: &str) -> Option<&'static str> {
    mapping::TYPES.iter().chain(&file::TYPES).find(|known| **known == name).copied()
}

type Answer = Result<Reply, TikTokError>;
type Effect<'a> = Box<dyn FnOnce(&World, Damage) -> Answer + Send + 'a>;

const BASE: &str = "/open_api/v1.3/";

/// The parts of a body that tell whom a call concerns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Whom {
    advertiser_id: Value,
    audience_id: Value,
    custom_audience_id: Value,
    custom_audience_ids: Value,
    action: Value,
}

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let token = request.headers().get("access-token").and_then(|value| value.to_str().ok()).unwrap_or("").trim();
    let mut call = Call::of(Partner::TikTok, request.method(), token);
    // Without its trailing slash a path is not found, whatever else is right (contract, section 1).
    let path = request.uri().path().strip_prefix(BASE).and_then(|path| path.strip_suffix('/'));
    let Some((effect, open)) = path.and_then(|path| route(path, &mut call, request)) else {
        let job: Job<'a> =
            Box::new(|_, _| Reply::new(404, Class::BadRequest, "text/plain; charset=utf-8", "404 page not found"));
        return Plan { call, job, counted: false };
    };
    let refusal = if open {
        None
    } else if call.token.is_empty() {
        Some(TikTokError::of(40_104))
    } else if world.tiktok().is_revoked(&call.token) {
        Some(TikTokError::of(40_105))
    } else {
        None
    };
    let counted = open || !call.token.is_empty();
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match refusal {
            Some(refusal) => Err(refusal),
            None => effect(world, damage),
        };
        answer.unwrap_or_else(TikTokError::reply)
    });
    Plan { call, job, counted }
}

/// Finds out what a path means, fills in the call, and gives the effect and whether it needs no token.
fn route<'a>(path: &str, call: &mut Call, request: &'a Request<Bytes>) -> Option<(Effect<'a>, bool)> {
    let body: &'a [u8] = request.body();
    let params = Params::of_query(request);
    // A mapping is read whole below, and an upload is no JSON.
    let whom: Whom = match path {
        "segment/mapping" | "dmp/custom_audience/file/upload" => Whom::default(),
        _ => serde_json::from_slice(body).unwrap_or_default(),
    };
    let text = |value: &Value| value.as_str().filter(|id| is_digits(id)).map(str::to_string);
    call.account = text(&whom.advertiser_id).or_else(|| params.filled("advertiser_id").map(str::to_string));
    call.audiences.extend(text(&whom.audience_id).or_else(|| text(&whom.custom_audience_id)));
    call.audiences.extend(whom.custom_audience_ids.as_array().into_iter().flatten().filter_map(text));
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    let mut open = false;
    let effect: Effect<'a> = match (request.method(), path) {
        (&Method::GET, "user/info") => {
            known(Route::Me, "user/info/");
            Box::new(|_, _| account::me())
        }
        (&Method::GET, "oauth2/advertiser/get") => {
            known(Route::Accounts, "oauth2/advertiser/get/");
            Box::new(move |world, _| account::list(world, &params))
        }
        (&Method::POST, "oauth2/access_token") => {
            known(Route::Token, "oauth2/access_token/");
            open = true;
            Box::new(move |world, _| account::exchange(world, body))
        }
        (&Method::POST, "oauth2/revoke_token") => {
            known(Route::Revoke, "oauth2/revoke_token/");
            Box::new(move |world, _| account::revoke(world, body))
        }
        (&Method::GET, "advertiser/info") => {
            known(Route::Account, "advertiser/info/");
            Box::new(move |world, _| account::info(world, &params))
        }
        (&Method::GET, "dmp/custom_audience/list") => {
            known(Route::Audiences, "dmp/custom_audience/list/");
            Box::new(move |world, _| audience::list(world, &params))
        }
        (&Method::GET, "dmp/custom_audience/get") => {
            known(Route::Audience, "dmp/custom_audience/get/");
            if let Some(Ok(ids)) = params.filled("custom_audience_ids").map(serde_json::from_str::<Vec<String>>) {
                call.audiences = ids;
            }
            Box::new(move |world, _| audience::get(world, &params))
        }
        (&Method::POST, "dmp/custom_audience/delete") => {
            known(Route::Delete, "dmp/custom_audience/delete/");
            Box::new(move |world, _| audience::delete(world, body))
        }
        (&Method::POST, "dmp/custom_audience/create") => {
            known(Route::FileCreate, "dmp/custom_audience/create/");
            Box::new(move |world, _| file::create(world, body))
        }
        (&Method::POST, "dmp/custom_audience/update") => {
            known(Route::FileUpdate, "dmp/custom_audience/update/");
            Box::new(move |world, _| file::update(world, body))
        }
        (&Method::POST, "dmp/custom_audience/file/upload") => {
            known(Route::Upload, "dmp/custom_audience/file/upload/");
            Box::new(move |world, _| file::upload(world, request))
        }
        (&Method::POST, "segment/audience") => {
            let delete = whom.action.as_str() == Some("delete");
            known(if delete { Route::Delete } else { Route::Create }, "segment/audience/");
            Box::new(move |world, _| audience::stream(world, body))
        }
        (&Method::POST, "segment/mapping") => {
            let mapping = mapping::Mapping::parse(body);
            let mut route = Route::Add;
            if let Ok(mapping) = &mapping {
                call.account = mapping.advertiser().map(str::to_string);
                call.audiences = mapping.audiences();
                if mapping.deletes() {
                    route = Route::Remove;
                }
            }
            call.route = route;
            call.template = "segment/mapping/";
            Box::new(move |world, damage| mapping::apply(world, mapping?, damage))
        }
        _ => return None,
    };
    Some((effect, open))
}

/// A good answer with its data.
fn ok(data: Value) -> Reply {
    error::envelope(200, Class::Ok, 0, "OK", data)
}

/// The body of a call as its type, or what is wrong with it.
fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, TikTokError> {
    serde_json::from_slice(body).map_err(|error| TikTokError::parameter(format!("Invalid JSON body: {error}")))
}

fn required<'v>(value: &'v Option<String>, name: &str) -> Result<&'v str, TikTokError> {
    match value.as_deref() {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(TikTokError::parameter(format!("{name}: Missing data for required field."))),
    }
}

/// The answer to a call beyond the quota: nothing but the code tells it (contract, section 5).
pub(crate) fn throttled() -> Reply {
    TikTokError::of(40_100).reply()
}

/// The answer that a dial asks for.
pub(crate) fn fault(strike: &Strike) -> Reply {
    let code = match strike.kind {
        Kind::DeadToken => 40_105,
        Kind::Permission | Kind::Terms => 40_001,
        Kind::Throttle => 40_100,
        Kind::AudienceGone => 40_007,
        Kind::NotEditable | Kind::Integrity => 40_002,
        Kind::TooSmall => 40_002,
        Kind::Duplicate => 40_050,
        Kind::TooLarge => {
            let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
            return Reply::new(strike.status.unwrap_or(413), Class::BadRequest, "text/html", page);
        }
        _ => 50_000,
    };
    let mut error = TikTokError::of(strike.code.unwrap_or(code));
    match strike.kind {
        Kind::NotEditable | Kind::Integrity if strike.code.is_none() => error = TikTokError::not_editable(),
        Kind::TooSmall if strike.code.is_none() => error = TikTokError::too_small(),
        _ => {}
    }
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    strike.with_status(error.reply())
}

/// The word for a call of which only a part was taken; its detail is not documented.
fn partial() -> Reply {
    error::envelope(200, Class::Partial, 20_001, "Partial success", json!({}))
}
