//! `/api/canvases`: what is live, how many are where, and what people decide about it.
use super::{PUBLISH_CANVASES, VIEW_CANVASES, VIEW_PROFILES};
use crate::caller::Caller;
use crate::input::{At, Json, Search, Text};
use crate::problem::Refused;
use caravan_journey::document::{format_canvas, read_canvas};
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::validate::{Facts, validate};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Canvas, Code, Problem, Right, reasons};
use caravan_runner::control::{self, CanvasLine, CanvasWaits, caps_of, versions_of, what_waits};
use caravan_runner::{Forecast, MovePlan, Replay, move_plan};
use caravan_store::{Caps, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Which canvases are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Archived ones, too.
    #[serde(default)]
    pub archived: bool,
}

/// How a canvas is published.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// People inside earlier versions go on in this one, at the step of the same id and kind; others finish where they are.
    #[serde(default, rename = "move")]
    #[param(rename = "move")]
    pub move_inside: bool,
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
#[derive(Debug, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StepNumbers {
    /// The step.
    pub step: String,
    /// Visits ever begun.
    pub entered: u64,
    /// By status and reason.
    pub statuses: Vec<StatusNumber>,
}

/// How many visits have a status and reason.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
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
    /// People inside earlier versions at that moment.
    pub inside: u64,
    /// Of these, those who go on in this one.
    pub moves: u64,
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

/// All canvases: how they stand, how many are inside, whether a draft is kept.
#[utoipa::path(get, path = "/api/canvases", tag = "canvases", params(Which), security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    Search(which): Search<Which>,
) -> Result<axum::Json<Vec<CanvasLine>>, Refused> {
    Ok(axum::Json(control::canvases(caller.store(), which.archived).await?))
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
        state: what_waits(store, &canvas).await?.word.to_owned(),
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

/// How many are where, version by version, the oldest first.
///
/// # Errors
/// No canvas of this name was published, or the store cannot be read.
pub async fn numbers_of<S: Store>(store: &S, canvas: &str) -> caravan_runner::Result<Vec<VersionNumbers>> {
    let mut all = Vec::new();
    for version in versions_of(store, canvas).await? {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let counters = store.counters(version.id).await?;
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
    Ok(all)
}

/// How many are where, version by version.
#[utoipa::path(get, path = "/api/canvases/{canvas}/numbers", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = Vec<VersionNumbers>)))]
pub(crate) async fn numbers<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<Vec<VersionNumbers>>, Refused> {
    Ok(axum::Json(numbers_of(caller.store(), &canvas).await?))
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

/// How far a replay looks back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Back {
    /// Events of so many days, as far as they are kept; 30 if not given, at most 3660.
    #[param(minimum = 1, maximum = 3660)]
    pub days: Option<u32>,
}

/// Who would have entered a canvas, and come to each step, by the events of the last days that are still kept.
#[utoipa::path(post, path = "/api/canvases/replay", tag = "canvases", params(Back),
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["view-profiles"])), responses((status = 200, body = Object)))]
pub(crate) async fn replay<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    Search(back): Search<Back>,
    Text(text): Text,
) -> Result<axum::Json<Replay>, Refused> {
    let days = back.days.unwrap_or(30);
    if !(1..=3_660).contains(&days) {
        return Err(Problem::new(Code::BadValue, "a replay looks back 1 to 3660 days").at_path("days").into());
    }
    let canvas = read_canvas("", &text)?;
    if let Some(first) = validate(&canvas, &Facts::default()).into_iter().next() {
        return Err(first.into());
    }
    let zone = caller.runner().zone();
    let found = caravan_runner::replay(caller.store(), &canvas.value, days, SystemClock.now(), zone).await?;
    Ok(axum::Json(found))
}

/// Who is inside earlier versions of a canvas.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovePlanView {
    /// The canvas's id.
    pub canvas: String,
    /// People inside earlier versions now.
    pub inside: u64,
    /// Of these, those who could go on in this one.
    pub could_move: u64,
    /// The others: they finish where they are.
    pub stay: u64,
    /// Where those who could move would go on, by the step's id.
    pub steps: BTreeMap<String, u64>,
}

/// How many people inside earlier versions could go on in a canvas, if it were published now, and where. Changes nothing.
#[utoipa::path(post, path = "/api/canvases/move-plan", tag = "canvases",
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["view-canvases"])), responses((status = 200, body = MovePlanView)))]
pub(crate) async fn plan_moves<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    Text(text): Text,
) -> Result<axum::Json<MovePlanView>, Refused> {
    let canvas = read_canvas("the body", &text)?.value;
    let MovePlan { canvas, inside, could_move, stay, steps } = move_plan(caller.store(), &canvas).await?;
    Ok(axum::Json(MovePlanView { canvas, inside, could_move, stay, steps }))
}

/// Makes a canvas live. Audiences that it asks for are made at the partner. One with an `audience_sync` step asks for the right
/// `export-identities`, too.
#[utoipa::path(post, path = "/api/canvases", tag = "canvases", params(How),
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["publish-canvases"])), responses((status = 200, body = Published)))]
pub(crate) async fn publish<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    Search(how): Search<How>,
    Text(text): Text,
) -> Result<axum::Json<Published>, Refused> {
    if read_canvas("the body", &text)?.value.exports_identities() {
        caller.need(Right::ExportIdentities)?;
    }
    let version = caller.place.bench.publish(caller.signed.who.clone(), text).await?;
    let canvas = version.canvas.canvas.to_string();
    let plan = move_plan(caller.store(), &version.canvas).await?;
    if how.move_inside {
        caller.acting().move_inside(&canvas).await?;
    }
    let (inside, moves) = (plan.inside, if how.move_inside { plan.could_move } else { 0 });
    Ok(axum::Json(Published { canvas, version: version.number, inside, moves }))
}

/// Nobody enters, and nobody moves on, until it is resumed; what is queued still goes.
#[utoipa::path(post, path = "/api/canvases/{canvas}/pause", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["publish-canvases"])), responses((status = 200, body = Stands)))]
pub(crate) async fn pause<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<Stands>, Refused> {
    let was = what_waits(caller.store(), &canvas).await?.word.to_owned();
    caller.acting().pause_canvas(&canvas).await?;
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
    let was = what_waits(caller.store(), &canvas).await?.word.to_owned();
    caller.acting().resume_canvas(&canvas).await?;
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
    let was = what_waits(caller.store(), &canvas).await?.word.to_owned();
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
