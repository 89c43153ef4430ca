//! What would happen: one person's way through a canvas, and the requests of a step. Nothing is sent or kept.
use super::profiles::{PersonInput, profiles};
use super::{EDIT_CANVASES, VIEW_PROFILES};
use crate::bench::{DryRun, Preview};
use crate::caller::Caller;
use crate::input::Json;
use crate::problem::Refused;
use caravan_model::{Right, mask};
use caravan_store::Store;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// People who are sent through a step, as a trial.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunInput {
    /// The canvas, as YAML or JSON.
    pub canvas: String,
    /// The `audience_sync` step.
    pub step: String,
    /// The partner's id of the audience, where it is not known yet.
    #[serde(default)]
    pub audience: Option<String>,
    /// At most 10,000.
    pub people: Vec<PersonInput>,
}

/// Walks one person of the store through a canvas and tells every decision; each sync names its requests, without bodies.
/// The person's id is masked without the right `see-identities`.
#[utoipa::path(post, path = "/api/canvases/preview", tag = "canvases", request_body = Preview,
    security(("key" = ["view-profiles"])), responses((status = 200, body = Object)))]
pub(crate) async fn preview<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    Json(wanted): Json<Preview>,
) -> Result<axum::Json<Value>, Refused> {
    let mut told = caller.place.bench.preview(wanted).await?;
    if !caller.signed.rights.has(Right::SeeIdentities) {
        hide(&mut told["external_id"]);
        for visit in told["visits"].as_array_mut().into_iter().flatten() {
            for result in visit["sync"]["results"].as_array_mut().into_iter().flatten() {
                hide(&mut result["external_id"]);
            }
        }
    }
    Ok(axum::Json(told))
}

fn hide(id: &mut Value) {
    if let Value::String(id) = id {
        *id = mask::identifier(id);
    }
}

/// The very requests that a step would make for these people: the connector runs, the emulator answers.
#[utoipa::path(post, path = "/api/canvases/dry-run", tag = "canvases", request_body = DryRunInput,
    security(("key" = ["edit-canvases"])), responses((status = 200, body = Object)))]
pub(crate) async fn dry_run<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    Json(input): Json<DryRunInput>,
) -> Result<axum::Json<Value>, Refused> {
    let DryRunInput { canvas, step, audience, people } = input;
    let people = profiles(people)?;
    Ok(axum::Json(caller.place.bench.dry_run(DryRun { canvas, step, audience, people }).await?))
}
