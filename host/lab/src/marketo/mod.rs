//! Adobe Marketo Engage: leads and static lists over REST, with errors inside a 200 (contract `marketo.md`). The lab is one
//! instance, whatever Munchkin id it is reached by.

mod error;
mod leads;
mod lists;
mod settings;
mod shown;
mod state;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

use crate::call::{Call, Partner, Route};
use crate::faults::{Kind as Dial, Strike};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::world::{Damage, Job, Plan, World};

use error::MarketoError;

pub(crate) use settings::MarketoSettings;
pub(crate) use shown::{listed, standing};
pub(crate) use state::MarketoState;

type Answer = Result<Reply, MarketoError>;
type Effect<'a> = Box<dyn FnOnce(&World, &Damage) -> Answer + Send + 'a>;

/// Seconds that a token lives.
const LIFE: u64 = 3_600;
/// The longest path with query.
const LONGEST: usize = 8 * 1_024;
/// The largest body.
const BODY: usize = 1 << 20;
/// US Central time in winter, in hours behind UTC; a new day of quota begins at its midnight.
const CENTRAL: u64 = 6;

/// Understands a request.
pub(crate) fn plan<'a>(world: &World, request: &'a Request<Bytes>) -> Plan<'a> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim();
    let token = header("authorization").strip_prefix("Bearer ").unwrap_or("").trim();
    let mut call = Call::of(Partner::Marketo, request.method(), token);
    let too_long = request.uri().path_and_query().is_some_and(|both| both.as_str().len() > LONGEST);
    if too_long || request.body().len() > BODY {
        let status = if too_long { 414 } else { 413 };
        let page = if too_long { "<h1>Request-URI Too Long</h1>" } else { "<h1>Request Entity Too Large</h1>" };
        let job: Job<'a> = Box::new(move |_, _| Reply::new(status, Class::BadRequest, "text/html", page));
        return Plan { call, job, counted: false };
    }
    // A double slash is refused: the path is taken as it stands.
    let path = request.uri().path().strip_prefix('/').unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    let effect = route(&segments, &mut call, request);
    if call.route == Route::Token {
        let job: Job<'a> = Box::new(|world, _| identity(world, request));
        return Plan { call, job, counted: false };
    }
    let now = Instant::now();
    let refusal = if call.token.is_empty() {
        // A token in the query counts for none.
        Some(600)
    } else if world.marketo().revoked.contains(&call.token) {
        Some(601)
    } else if world.marketo().is_over(&call.token, now) {
        Some(602)
    } else {
        None
    };
    let counted = refusal.is_none();
    let job: Job<'a> = Box::new(move |world, damage| {
        let answer = match (refusal, effect) {
            (Some(code), _) => Err(MarketoError::of(code)),
            (None, Some(effect)) => effect(world, &damage),
            (None, None) => Err(MarketoError::of(610)),
        };
        answer.unwrap_or_else(MarketoError::reply)
    });
    Plan { call, job, counted }
}

/// Finds out what a path means, fills in the call, and gives the effect.
fn route<'a>(segments: &[&str], call: &mut Call, request: &'a Request<Bytes>) -> Option<Effect<'a>> {
    let body: &'a [u8] = request.body();
    let query = Params::of_query(request);
    let get = request.method() == Method::GET;
    let mut known = |route, template| {
        call.route = route;
        call.template = template;
    };
    Some(match (request.method(), segments) {
        (&Method::GET | &Method::POST, ["identity", "oauth", "token"]) => {
            known(Route::Token, "identity/oauth/token");
            Box::new(|_, _| Err(MarketoError::of(611)))
        }
        (&Method::GET, ["rest", "v1", "leads.json"]) => {
            known(Route::Lookup, "leads.json");
            Box::new(move |world, _| leads::lookup(world, &query))
        }
        (&Method::POST, ["rest", "v1", "leads.json"]) if query.get("_method") == Some("GET") => {
            known(Route::Lookup, "leads.json?_method=GET");
            let params = Params::of(request).unwrap_or_default();
            Box::new(move |world, _| leads::lookup(world, &params))
        }
        (&Method::POST, ["rest", "v1", "leads.json"]) => {
            known(Route::Upload, "leads.json");
            Box::new(move |world, _| leads::upsert(world, body))
        }
        (&Method::GET, ["rest", "v1", "lists.json"]) => {
            known(Route::Audiences, "lists.json");
            Box::new(move |world, _| lists::list(world, &query))
        }
        (&Method::GET, ["rest", "v1", "lists", file]) => {
            let id = file.strip_suffix(".json")?.to_string();
            known(Route::Audience, "lists/{audience}.json");
            call.audiences.push(id.clone());
            Box::new(move |world, _| lists::get(world, &id))
        }
        (method @ (&Method::POST | &Method::DELETE), ["rest", "v1", "lists", id, "leads.json"]) => {
            let add = method == Method::POST;
            known(if add { Route::Add } else { Route::Remove }, "lists/{audience}/leads.json");
            call.audiences.push((*id).to_string());
            let id = (*id).to_string();
            Box::new(move |world, damage| lists::members(world, &id, add, &query, body, damage))
        }
        (&Method::GET, ["rest", "v1", "lists", id, "leads.json"]) => {
            known(Route::Account, "lists/{audience}/leads.json");
            let id = (*id).to_string();
            Box::new(move |world, _| lists::members_of(world, &id, &query))
        }
        (&Method::GET, ["rest", "v1", "lists", id, "leads", "ismember.json"]) => {
            known(Route::Account, "lists/{audience}/leads/ismember.json");
            let id = (*id).to_string();
            Box::new(move |world, _| lists::is_member(world, &id, &query))
        }
        (_, ["rest", "asset", "v1", rest @ ..]) => return assets(rest, get, call, request),
        _ => return None,
    })
}

/// The assets' view of lists.
fn assets<'a>(rest: &[&str], get: bool, call: &mut Call, request: &'a Request<Bytes>) -> Option<Effect<'a>> {
    let params = Params::of(request).unwrap_or_default();
    let mut known = |route, template, id: Option<&str>| {
        call.route = route;
        call.template = template;
        call.audiences.extend(id.map(str::to_string));
    };
    Some(match (get, rest) {
        (true, ["staticLists.json"]) => {
            known(Route::Audiences, "staticLists.json", None);
            Box::new(move |world, _| lists::assets(world, None, &params))
        }
        (false, ["staticLists.json"]) => {
            known(Route::Create, "staticLists.json", None);
            Box::new(move |world, _| lists::create(world, &params))
        }
        (true, ["staticList", "byName.json"]) => {
            known(Route::Audiences, "staticList/byName.json", None);
            Box::new(move |world, _| lists::assets(world, None, &params))
        }
        (true, ["folder", "byName.json"]) => {
            known(Route::Account, "folder/byName.json", None);
            Box::new(move |_, _| lists::folder_named(&params))
        }
        (_, ["staticList", file]) => {
            let id = file.strip_suffix(".json")?.to_string();
            known(if get { Route::Audience } else { Route::Update }, "staticList/{audience}.json", Some(&id));
            Box::new(move |world, _| match get {
                true => lists::assets(world, Some(&id), &params),
                false => lists::change(world, &id, false, &params),
            })
        }
        (false, ["staticList", id, "delete.json"]) => {
            known(Route::Delete, "staticList/{audience}/delete.json", Some(id));
            let id = (*id).to_string();
            Box::new(move |world, _| lists::change(world, &id, true, &params))
        }
        _ => return None,
    })
}

/// `identity/oauth/token`: the same token again until it ends, with the seconds that it has left.
fn identity(world: &World, request: &Request<Bytes>) -> Reply {
    let params = Params::of(request).unwrap_or_default();
    let refused =
        |error: &str, words: &str| Reply::json(401, Class::Auth, &json!({"error": error, "error_description": words}));
    if params.get("grant_type") != Some("client_credentials") {
        return refused("unsupported_grant_type", "Unsupported grant type");
    }
    let (Some(client), Some(secret)) = (params.filled("client_id"), params.filled("client_secret")) else {
        return refused("invalid_client", "Bad client credentials");
    };
    if secret == "wrong" {
        return refused("invalid_client", "Bad client credentials");
    }
    let life = world.settings().token_seconds.unwrap_or(LIFE);
    let scale = world.settings().time_scale.max(1);
    let (token, left) = world.marketo().token(client, Duration::from_secs(life) / scale, Instant::now());
    let left = left.saturating_mul(scale).as_secs().min(LIFE - 1);
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": left, "scope": "apis@lab.example"});
    Reply::json(200, Class::Ok, &body)
}

/// Counts a call against the instance's quotas, and refuses it where one is spent.
pub(crate) fn charge(world: &World, under_way: u64) -> Option<Reply> {
    let settings = world.settings().clone();
    if under_way > settings.marketo.at_once {
        return Some(MarketoError::of(615).reply());
    }
    let today = (crate::meta::unix_now() - CENTRAL * 3_600) / 86_400;
    let spent = world.marketo().charge(Instant::now(), today, &settings);
    spent.map(|code| MarketoError::of(code).reply())
}

/// The code of a dial that asks for a failure without errors.
const UNTOLD: u32 = 0;

/// The answer that a dial asks for.
pub(crate) fn fault(strike: &Strike) -> Reply {
    let code = match strike.kind {
        Dial::DeadToken => 601,
        Dial::Permission | Dial::Terms => 603,
        Dial::Throttle => 606,
        Dial::AudienceGone => 1013,
        Dial::NotEditable | Dial::Integrity | Dial::TooSmall => 709,
        Dial::Duplicate => 1029,
        Dial::TooLarge => {
            let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
            return Reply::new(strike.status.unwrap_or(413), Class::BadRequest, "text/html", page);
        }
        _ => 611,
    };
    let mut error = MarketoError::of(strike.code.unwrap_or(code));
    if error.code == UNTOLD {
        return strike.with_status(error::untold());
    }
    if let Some(message) = &strike.message {
        error.message.clone_from(message);
    }
    strike.with_status(error.reply())
}

/// `YYYY-MM-DDThh:mm:ssZ`.
pub(crate) fn date(seconds: u64) -> String {
    format!("{}Z", crate::tiktok::date(seconds).replace(' ', "T"))
}
