//! `/api/host`: how this host is; and the document of the API itself.
use super::{OPERATE, VIEW_CANVASES};
use crate::caller::Caller;
use crate::doc;
use crate::input::Json;
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Problem};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a host is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostView {
    /// This program's version.
    pub version: String,
    /// `serving`, or `leaving` once it was asked to go.
    pub state: String,
    /// The workspace.
    pub workspace: String,
    /// Messages that wait to be worked off.
    pub inbox: u64,
    /// How long the oldest of them has waited, in milliseconds.
    pub inbox_age: u64,
    /// Operations that wait in queues.
    pub queued: u64,
    /// Queues that are held.
    pub held: u64,
}

/// How this host is.
#[utoipa::path(get, path = "/api/host", tag = "host", security(("key" = ["view-canvases"])),
    responses((status = 200, body = HostView)))]
pub(crate) async fn show<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<axum::Json<HostView>, Refused> {
    let backlog = caller.store().backlog().await?;
    let lanes = caller.store().lanes().await?;
    let is_held = |lane: &&caravan_store::Lane| {
        !lane.held_by.is_empty() || matches!(lane.state, caravan_store::LaneState::Held { .. })
    };
    Ok(axum::Json(HostView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: if caller.host.is_leaving() { "leaving" } else { "serving" }.to_owned(),
        workspace: caller.place.name.clone(),
        inbox: backlog.messages,
        inbox_age: backlog.oldest.map_or(0, |oldest| SystemClock.now().since(oldest).0),
        queued: lanes.iter().map(|lane| lane.waiting).sum(),
        held: lanes.iter().filter(is_held).count() as u64,
    }))
}

/// Which host is asked to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// The workspace of whoever asks, so that a call gone astray ends nobody's host.
    pub workspace: String,
}

/// What a host was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Leaving {
    /// `leaving`.
    pub state: String,
}

/// Asks the host to go, as the system does by SIGTERM: it takes nothing more in, requests and calls under way end, the rest
/// stays queued, and the process ends. It serves all workspaces, so whoever asks belongs to the one that keeps the installation:
/// `default`, else the first by name.
#[utoipa::path(post, path = "/api/host/drain", tag = "host", request_body = Drain, security(("key" = ["operate"])),
    responses((status = 202, body = Leaving)))]
pub(crate) async fn drain<S: Store>(
    caller: Caller<S, OPERATE>,
    Json(drain): Json<Drain>,
) -> Result<(StatusCode, axum::Json<Leaving>), Refused> {
    if drain.workspace != caller.place.name {
        let problem = Problem::new(Code::BadValue, "this is not the workspace that the key belongs to");
        return Err(problem.at_path("workspace").cure("`GET /api/me` says which it is").into());
    }
    let names = caller.host.workspaces.iter().map(|place| place.name.as_str());
    let keeper = names.min_by_key(|name| (*name != "default", *name));
    if keeper.is_some_and(|keeper| keeper != caller.place.name) {
        let problem = Problem::new(Code::NoRight, "this host serves other workspaces, too")
            .cure(format!("ask an operator of the workspace `{}`", keeper.unwrap_or_default()));
        return Err(Refused::bad(problem).with(StatusCode::FORBIDDEN));
    }
    // Noted before: afterwards the store may be closed.
    caller.acting().note("host.drain", "host", serde_json::json!({})).await?;
    caller.host.ask_to_leave();
    Ok((StatusCode::ACCEPTED, axum::Json(Leaving { state: "leaving".to_owned() })))
}

/// This API's OpenAPI document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "host", security(()), responses((status = 200, body = Object)))]
pub(crate) async fn document() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(doc::document())
}
