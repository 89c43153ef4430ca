//! `/api/host`: how this host is; and the document of the API itself.
use super::VIEW_CANVASES;
use crate::caller::Caller;
use crate::doc;
use crate::problem::Refused;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_store::Store;
use serde::Serialize;
use utoipa::ToSchema;

/// How a host is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostView {
    /// This program's version.
    pub version: String,
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
        workspace: caller.place.name.clone(),
        inbox: backlog.messages,
        inbox_age: backlog.oldest.map_or(0, |oldest| SystemClock.now().since(oldest).0),
        queued: lanes.iter().map(|lane| lane.waiting).sum(),
        held: lanes.iter().filter(is_held).count() as u64,
    }))
}

/// This API's OpenAPI document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "host", security(()), responses((status = 200, body = Object)))]
pub(crate) async fn document() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(doc::document())
}
