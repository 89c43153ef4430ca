//! `/api/workspaces`: the workspace of whoever asks. Nothing of the others that a host serves is seen from it.
use super::VIEW_CANVASES;
use crate::caller::Caller;
use crate::problem::Refused;
use caravan_store::Store;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceView {
    /// Its name.
    pub workspace: String,
    /// The time zone of its days and schedules.
    pub zone: Option<String>,
    /// How many canvases it has published.
    pub canvases: u64,
    /// Bytes of its store.
    pub bytes: u64,
}

/// The workspaces that the key or session belongs to: one.
#[utoipa::path(get, path = "/api/workspaces", tag = "host", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<WorkspaceView>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
) -> Result<axum::Json<Vec<WorkspaceView>>, Refused> {
    let versions = caller.store().versions().await?;
    let canvases: BTreeSet<&str> = versions.iter().map(|version| version.canvas.canvas.as_str()).collect();
    Ok(axum::Json(vec![WorkspaceView {
        workspace: caller.place.name.clone(),
        zone: caller.runner().zone().iana_name().map(str::to_owned),
        canvases: canvases.len() as u64,
        bytes: caller.place.space().await?.bytes,
    }]))
}
