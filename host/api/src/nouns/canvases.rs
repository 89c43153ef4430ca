//! `/api/canvases`: what is live, how many are where, and what people decide about it.
use super::{PUBLISH_CANVASES, VIEW_CANVASES, VIEW_PROFILES};
use crate::caller::Caller;
use crate::input::{At, Json, Text};
use crate::problem::Refused;
use caravan_journey::document::format_canvas;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Canvas, reasons};
use caravan_runner::Forecast;
use caravan_runner::control::{CanvasWaits, caps_of, states, what_waits};
use caravan_store::{Caps, Store, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A canvas.
#[derive(Debug, Serialize, ToSchema)]
pub struct CanvasView {
    /// Its id.
    pub canvas: String,
    /// For people.
    pub title: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How it stands: `live`, `paused`, `stopping`, `stopped`.
    pub state: String,
    /// Its newest version's number.
    pub version: u32,
    /// Entries ever begun, over all versions.
    pub entered: u64,
    /// Entries that are open, over all versions.
    pub inside: u64,
}

/// A version's document.
#[derive(Debug, Serialize, ToSchema)]
pub struct CanvasDocument {
    /// The canvas's id.
    pub canvas: String,
    /// How it stands.
    pub state: String,
    /// The version's number.
    pub version: u32,
    /// How many may enter.
    pub caps: CapsView,
    /// The canonical text.
    pub text: String,
    /// The same as JSON.
    #[schema(value_type = Object)]
    pub document: Value,
}

/// How many may enter a canvas; what is left out is not limited.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapsView {
    /// Ever.
    #[serde(default)]
    pub total: Option<u64>,
    /// On a day of the workspace's time zone.
    #[serde(default)]
    pub day: Option<u64>,
    /// By one run of a schedule or one users file.
    #[serde(default)]
    pub run: Option<u64>,
}

/// The numbers of a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionNumbers {
    /// The version's number.
    pub version: u32,
    /// Entries ever begun.
    pub entered: u64,
    /// Entries that are open.
    pub inside: u64,
    /// Who did not enter, by reason.
    #[schema(value_type = Object)]
    pub refused: BTreeMap<String, u64>,
    /// Step by step, in the order of the document.
    pub steps: Vec<StepNumbers>,
}

/// The numbers of a step: entered = the sum of all.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepNumbers {
    /// The step.
    pub step: String,
    /// Visits ever begun.
    pub entered: u64,
    /// By status and reason.
    pub statuses: Vec<StatusNumber>,
}

/// How many visits have a status and reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusNumber {
    /// The status.
    #[schema(value_type = String)]
    pub status: caravan_model::Status,
    /// The reason's code; empty where the status says it all.
    pub reason: String,
    /// The reason in words.
    pub words: String,
    /// What to do about it, where something can be done.
    pub cure: Option<String>,
    /// How many.
    pub n: u64,
}

/// What publishing did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Published {
    /// The canvas's id.
    pub canvas: String,
    /// The version's number; the same document again is the same version.
    pub version: u32,
}

/// Whether a canvas is sound.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checkup {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// All that is wrong: code, place, cure.
    #[schema(value_type = Vec<Object>)]
    pub problems: Vec<caravan_model::Problem>,
}

/// How to stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Lets everyone inside out at once, too.
    #[serde(default)]
    pub now: bool,
}

/// What waits in a canvas after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stands {
    /// How it stood.
    pub was: String,
    /// How it stands, and where people wait.
    #[schema(value_type = Object)]
    pub waits: CanvasWaits,
    /// Entries that ended by it.
    pub let_out: u64,
}

/// The newest version of each canvas.
fn newest(versions: Vec<Version>) -> BTreeMap<String, Vec<Version>> {
    let mut all: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for version in versions {
        all.entry(version.canvas.canvas.to_string()).or_default().push(version);
    }
    all
}

/// All canvases.
#[utoipa::path(get, path = "/api/canvases", tag = "canvases", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<CanvasView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<axum::Json<Vec<CanvasView>>, Refused> {
    let store = caller.store();
    let states = states(store).await?;
    let mut views = Vec::new();
    for (id, versions) in newest(store.versions().await?) {
        let (mut entered, mut inside) = (0, 0);
        for version in &versions {
            let counters = store.counters(version.id).await?;
            entered += counters.entered;
            inside += counters.open;
        }
        let Some(last) = versions.last() else { continue };
        views.push(CanvasView {
            state: states.of(&id).word().to_owned(),
            canvas: id,
            title: last.canvas.title.clone(),
            owner: last.canvas.owner.clone(),
            version: last.number,
            entered,
            inside,
        });
    }
    Ok(axum::Json(views))
}

async fn versions_of<S: Store>(store: &S, canvas: &str) -> Result<Vec<Version>, Refused> {
    let versions = newest(store.versions().await?).remove(canvas);
    versions.ok_or_else(|| Refused::missing(format!("no canvas `{canvas}` was ever published here")))
}

/// A canvas's newest version.
#[utoipa::path(get, path = "/api/canvases/{canvas}", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = CanvasDocument)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<CanvasDocument>, Refused> {
    let store = caller.store();
    let versions = versions_of(store, &canvas).await?;
    let last = versions.last().ok_or_else(|| Refused::missing("the canvas has no version"))?;
    let caps = caps_of(store, &canvas).await?;
    Ok(axum::Json(CanvasDocument {
        state: states(store).await?.of(&canvas).word().to_owned(),
        canvas,
        version: last.number,
        caps: CapsView { total: caps.in_all, day: caps.a_day, run: caps.a_run },
        text: format_canvas(&last.canvas)?,
        document: as_json(&last.canvas)?,
    }))
}

fn as_json(canvas: &Canvas) -> Result<Value, Refused> {
    Ok(serde_json::to_value(canvas).map_err(|error| caravan_runner::Error::Broken(error.to_string()))?)
}

/// How many are where, version by version.
#[utoipa::path(get, path = "/api/canvases/{canvas}/numbers", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = Vec<VersionNumbers>)))]
pub(crate) async fn numbers<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<Vec<VersionNumbers>>, Refused> {
    let mut all = Vec::new();
    for version in versions_of(caller.store(), &canvas).await? {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let counters = caller.store().counters(version.id).await?;
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (at, step) in plan.steps.iter().enumerate() {
            let here = counters.counts.iter().filter(|count| usize::from(count.step.0) == at && count.n > 0);
            let statuses: Vec<StatusNumber> = here
                .map(|count| StatusNumber {
                    status: count.status,
                    reason: count.reason.code.clone(),
                    words: reasons::words_of(&count.reason).into_owned(),
                    cure: reasons::cure_of(&count.reason).map(str::to_owned),
                    n: count.n,
                })
                .collect();
            let entered = statuses.iter().map(|status| status.n).sum();
            steps.push(StepNumbers { step: step.id.to_string(), entered, statuses });
        }
        let (entered, inside) = (counters.entered, counters.open);
        let refused = counters.refused.into_iter().collect();
        all.push(VersionNumbers { version: version.number, entered, inside, refused, steps });
    }
    Ok(axum::Json(all))
}

/// Says everything that is wrong with a canvas, and changes nothing.
#[utoipa::path(post, path = "/api/canvases/check", tag = "canvases",
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["view-canvases"])), responses((status = 200, body = Checkup)))]
pub(crate) async fn check<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    Text(text): Text,
) -> Result<axum::Json<Checkup>, Refused> {
    let problems = caller.place.bench.check(text).await?;
    Ok(axum::Json(Checkup { valid: problems.is_empty(), problems }))
}

/// Who of the people in the store would come now, whom each sync could send, in how many calls, and what to mind.
#[utoipa::path(post, path = "/api/canvases/forecast", tag = "canvases",
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["view-profiles"])), responses((status = 200, body = Object)))]
pub(crate) async fn forecast<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    Text(text): Text,
) -> Result<axum::Json<Forecast>, Refused> {
    Ok(axum::Json(caller.place.bench.forecast(text).await?))
}

/// Makes a canvas live. Audiences that it asks for are made at the partner.
#[utoipa::path(post, path = "/api/canvases", tag = "canvases",
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["publish-canvases"])), responses((status = 200, body = Published)))]
pub(crate) async fn publish<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    Text(text): Text,
) -> Result<axum::Json<Published>, Refused> {
    let version = caller.place.bench.publish(caller.signed.who.clone(), text).await?;
    Ok(axum::Json(Published { canvas: version.canvas.canvas.to_string(), version: version.number }))
}

/// Nobody enters, and nobody moves on, until it is resumed; what is queued still goes.
#[utoipa::path(post, path = "/api/canvases/{canvas}/pause", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["publish-canvases"])), responses((status = 200, body = Stands)))]
pub(crate) async fn pause<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<Stands>, Refused> {
    let was = caller.acting().pause_canvas(&canvas).await?.word().to_owned();
    let waits = what_waits(caller.store(), &canvas).await?;
    Ok(axum::Json(Stands { was, waits, let_out: 0 }))
}

/// People enter and move on again.
#[utoipa::path(post, path = "/api/canvases/{canvas}/resume", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["publish-canvases"])), responses((status = 200, body = Stands)))]
pub(crate) async fn resume<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<Stands>, Refused> {
    let was = caller.acting().resume_canvas(&canvas).await?.word().to_owned();
    let waits = what_waits(caller.store(), &canvas).await?;
    Ok(axum::Json(Stands { was, waits, let_out: 0 }))
}

/// Nobody enters any more; those inside go on to their end, or (`now`) leave at once.
#[utoipa::path(post, path = "/api/canvases/{canvas}/stop", tag = "canvases", params(("canvas" = String, Path)),
    request_body = Stop, security(("key" = ["publish-canvases"])), responses((status = 200, body = Stands)))]
pub(crate) async fn stop<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
    Json(stop): Json<Stop>,
) -> Result<axum::Json<Stands>, Refused> {
    let was = what_waits(caller.store(), &canvas).await?.state.word().to_owned();
    let let_out = match stop.now {
        true => caller.acting().stop_now(&canvas).await?.entries,
        false => {
            caller.acting().stop_entries(&canvas).await?;
            0
        }
    };
    let waits = what_waits(caller.store(), &canvas).await?;
    Ok(axum::Json(Stands { was, waits, let_out }))
}

/// Sets how many may enter; what is left out is not limited.
#[utoipa::path(put, path = "/api/canvases/{canvas}/caps", tag = "canvases", params(("canvas" = String, Path)),
    request_body = CapsView, security(("key" = ["publish-canvases"])), responses((status = 200, body = CapsView)))]
pub(crate) async fn cap<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
    Json(caps): Json<CapsView>,
) -> Result<axum::Json<CapsView>, Refused> {
    let wanted = Caps { in_all: caps.total, a_day: caps.day, a_run: caps.run };
    caller.acting().cap_canvas(&canvas, wanted).await?;
    Ok(axum::Json(caps))
}
