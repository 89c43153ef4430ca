//! `/api/canvases/{canvas}/entries` and `/exits`: people who enter and leave by a call.
use super::PUBLISH_CANVASES;
use super::profiles::{MOST, PersonInput, check_id, profiles};
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use axum::http::{HeaderMap, StatusCode};
use caravan_model::canvas::Trigger;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Called, Code, Message, Problem, Profile, Told};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The header that makes a repeated call harmless.
const KEY: &str = "idempotency-key";

/// People who are to enter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entering {
    /// At most 10,000.
    pub people: Vec<PersonInput>,
}

/// What was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakenIn {
    /// People who are looked at in a moment: who may enter does.
    pub taken_in: u64,
    /// People of a call with this key that was heard before: nothing is done for them.
    pub known: u64,
}

/// Lets people enter a canvas whose trigger is `api`, as far as its rule admits them. The call is answered once it is durable;
/// with the same `Idempotency-Key` it does nothing again for seven days.
#[utoipa::path(post, path = "/api/canvases/{canvas}/entries", tag = "canvases",
    params(("canvas" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "At most 200 characters")),
    request_body = Entering, security(("key" = ["publish-canvases"])), responses((status = 202, body = TakenIn)))]
pub(crate) async fn enter<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
    headers: HeaderMap,
    Json(entering): Json<Entering>,
) -> Result<(StatusCode, axum::Json<TakenIn>), Refused> {
    let versions = caller.store().versions().await?;
    let newest = versions.into_iter().rev().find(|version| version.canvas.canvas.as_str() == canvas);
    let newest = newest.ok_or_else(|| Refused::missing(format!("no canvas `{canvas}` was ever published here")))?;
    if !matches!(newest.canvas.entry.trigger, Trigger::Api(_)) {
        let problem = Problem::new(Code::BadValue, format!("people do not enter {canvas} by a call"));
        return Err(problem.at_path("entry.trigger").cure("write `trigger: { api: true }` and publish it").into());
    }
    let key = key_of(&headers)?;
    crate::tracking::has_room(&caller.host, &caller.place).await?;
    let people = profiles(entering.people)?;
    let (offered, at) = (people.len() as u64, SystemClock.now());
    let message = |(place, mut who): (usize, Profile)| {
        who.told = Told::at(at);
        let id = key.as_ref().map(|key| format!("api {canvas} {key} {place}"));
        let called = Some(Called { canvas: newest.canvas.canvas.clone(), at });
        (id, Message { who, called, ..Message::default() })
    };
    let messages = people.into_iter().enumerate().map(message).collect();
    let details = json!({"people": offered});
    let mut order = caller.acting().order("canvas.enter", &format!("canvas {canvas}"), details).await?;
    let taken_in = caller.runner().receive_under(&mut order, messages).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(TakenIn { taken_in, known: offered - taken_in })))
}

/// People who are to leave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// External ids or aliases, at most 10,000. Who is not known, or not inside, is passed over.
    pub external_ids: Vec<String>,
}

/// Lets people out of a canvas at once, wherever in it they wait, whatever its exit rules say; what is queued of them and not
/// sent is withdrawn, also where their entry has ended. They leave behind what was sent before this call. The call is
/// answered once it is durable; with the same `Idempotency-Key` it does nothing again for seven days.
#[utoipa::path(post, path = "/api/canvases/{canvas}/exits", tag = "canvases",
    params(("canvas" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "At most 200 characters")),
    request_body = Leaving, security(("key" = ["publish-canvases"])), responses((status = 202, body = TakenIn)))]
pub(crate) async fn leave<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
    headers: HeaderMap,
    Json(leaving): Json<Leaving>,
) -> Result<(StatusCode, axum::Json<TakenIn>), Refused> {
    let versions = caller.store().versions().await?;
    let known = versions.into_iter().find(|version| version.canvas.canvas.as_str() == canvas);
    let known = known.ok_or_else(|| Refused::missing(format!("no canvas `{canvas}` was ever published here")))?;
    let key = key_of(&headers)?;
    if leaving.external_ids.len() > MOST {
        let words = format!("{} people are more than one call takes: {MOST}", leaving.external_ids.len());
        return Err(Problem::new(Code::BadValue, words).at_path("external_ids").cure("send several calls").into());
    }
    crate::tracking::has_room(&caller.host, &caller.place).await?;
    let (offered, at) = (leaving.external_ids.len() as u64, SystemClock.now());
    let mut messages = Vec::with_capacity(leaving.external_ids.len());
    for (place, id) in leaving.external_ids.into_iter().enumerate() {
        check_id(&id).map_err(|problem| problem.at_path(format!("external_ids[{place}]")))?;
        let who = Profile { external_id: id.trim().to_owned(), ..Profile::default() };
        let let_out = Some(Called { canvas: known.canvas.canvas.clone(), at });
        let id = key.as_ref().map(|key| format!("api exit {canvas} {key} {place}"));
        messages.push((id, Message { who, let_out, ..Message::default() }));
    }
    let details = json!({"people": offered});
    let mut order = caller.acting().order("canvas.let-out", &format!("canvas {canvas}"), details).await?;
    let taken_in = caller.runner().receive_under(&mut order, messages).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(TakenIn { taken_in, known: offered - taken_in })))
}

/// The key that makes a repeated call harmless, if the caller names one.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    match headers.get(KEY).map(|key| key.to_str().unwrap_or_default()) {
        Some(key) if (1..=200).contains(&key.len()) => Ok(Some(key.to_owned())),
        Some(_) => {
            let problem = Problem::new(Code::BadValue, "the Idempotency-Key has no or more than 200 characters");
            Err(problem.at_path("Idempotency-Key").into())
        }
        None => Ok(None),
    }
}
