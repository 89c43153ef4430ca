//! `/api/canvases/{canvas}/entries`: people who enter by a call.
use super::PUBLISH_CANVASES;
use super::profiles::{PersonInput, profiles};
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
    let key = match headers.get(KEY).map(|key| key.to_str().unwrap_or_default()) {
        Some(key) if (1..=200).contains(&key.len()) => Some(key.to_owned()),
        Some(_) => {
            let problem = Problem::new(Code::BadValue, "the Idempotency-Key has no or more than 200 characters");
            return Err(problem.at_path("Idempotency-Key").into());
        }
        None => None,
    };
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
    let taken_in = caller.runner().receive(messages).await?;
    if taken_in > 0 {
        let details = json!({"people": taken_in});
        caller.acting().note("canvas.enter", &format!("canvas {canvas}"), details).await?;
    }
    Ok((StatusCode::ACCEPTED, axum::Json(TakenIn { taken_in, known: offered - taken_in })))
}
