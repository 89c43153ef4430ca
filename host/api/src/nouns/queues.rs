//! `/api/queues`: what waits for an audience, what people hold, and sending again.
use super::queue_book::{QueueBook, queue_book};
use super::{OPERATE, VIEW_CANVASES};
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use caravan_model::{Code, Millis, Problem, Status, reasons};
use caravan_runner::control::names::{self, find_queue};
use caravan_runner::control::{Labs, Resends};
use caravan_store::{Hold, HoldScope, Lane, LaneState, Store};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A queue, or one stripe of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// Its name: its audience's.
    pub queue: String,
    /// The connection of its newest operation.
    pub connection: String,
    /// Whether it leads to the lab, and not to the partner.
    pub lab: bool,
    /// The connector.
    pub connector: String,
    /// The partner's account.
    pub account: String,
    /// The partner's audience id.
    pub audience: String,
    /// Which stripe.
    pub stripe: u32,
    /// How it stands: `open`, `waiting` or `held`, with the reason and until when.
    #[schema(value_type = Object)]
    pub state: LaneState,
    /// Why, in plain words; empty where it is open.
    pub words: String,
    /// What to do about it, where something can be done.
    pub cure: Option<String>,
    /// What people hold it by.
    #[schema(value_type = Vec<Object>)]
    pub held_by: Vec<Hold>,
    /// Operations that wait.
    pub waiting: u64,
    /// Of these, in an open batch.
    pub sealed: u64,
    /// Of these, removals that consent or erasure owe.
    pub owed: u64,
    /// Since when the oldest waits, in milliseconds of UTC.
    #[schema(value_type = Option<i64>)]
    pub oldest: Option<Millis>,
    /// When its members are looked through for renewal next, in milliseconds of UTC.
    #[schema(value_type = Option<i64>)]
    pub next_renewal: Option<Millis>,
}

/// What is to be held or resumed: exactly one of the fields.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeInput {
    /// A queue by its name.
    #[serde(default)]
    pub queue: Option<String>,
    /// All queues of a connection.
    #[serde(default)]
    pub connection: Option<String>,
    /// All queues of a connector.
    #[serde(default)]
    pub connector: Option<String>,
    /// All queues.
    #[serde(default)]
    pub everything: bool,
}

/// A hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldInput {
    /// What is held.
    pub scope: ScopeInput,
    /// Why: others read it where people wait.
    pub because: String,
}

/// What a hold reaches.
#[derive(Debug, Serialize, ToSchema)]
pub struct Held {
    /// What is held.
    #[schema(value_type = Object)]
    pub held: HoldScope,
    /// Operations that wait in the queues that it reaches.
    pub waiting: u64,
}

/// What resuming did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResumedView {
    /// Whether a hold was lifted, or the queue opened.
    pub lifted: bool,
    /// Wider holds that still hold the queue.
    #[schema(value_type = Vec<Object>)]
    pub still_held_by: Vec<Hold>,
    /// Operations that wait.
    pub waiting: u64,
}

/// What is to be sent again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendInput {
    /// The canvas, over all its versions.
    pub canvas: String,
    /// Only this step.
    #[serde(default)]
    pub step: Option<String>,
    /// `expired`, `rejected` or `skipped`; `failed` for visits of webhook steps, whose endpoints are called again.
    #[schema(value_type = String)]
    pub status: Status,
    /// Only with this reason code.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What was queued again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResentView {
    /// Visits that wait once more.
    pub queued: u64,
    /// Visits left alone: something newer of theirs has ended or waits; of webhooks, they have left the canvas since.
    pub overtaken: u64,
}

pub(super) fn view(lane: Lane, audiences: &[caravan_store::Audience], labs: &Labs) -> QueueView {
    let reason = match &lane.state {
        LaneState::Open => None,
        LaneState::Waiting { reason, .. } | LaneState::Held { reason, .. } => Some(reason),
    };
    let words = match lane.held_by.first() {
        Some(hold) => format!("held by {}: {}", hold.by, hold.words),
        None => reason.map(|reason| reasons::words_of(reason).into_owned()).unwrap_or_default(),
    };
    QueueView {
        queue: names::of_queue(&lane.key, audiences),
        words,
        cure: reason.and_then(reasons::cure_of).map(str::to_owned),
        lab: labs.has(&lane.connection),
        connection: lane.connection,
        connector: lane.key.connector,
        account: lane.key.account,
        audience: lane.key.audience,
        stripe: lane.stripe,
        state: lane.state,
        held_by: lane.held_by,
        waiting: lane.waiting,
        sealed: lane.sealed,
        owed: lane.owed,
        oldest: lane.oldest,
        next_renewal: lane.next_renewal,
    }
}

/// All queues of a store, stripe by stripe.
///
/// # Errors
/// The store cannot be read.
pub async fn queues_of<S: Store>(store: &S) -> caravan_runner::Result<Vec<QueueView>> {
    let (audiences, labs) = (store.audiences().await?, Labs::of(store).await?);
    Ok(store.lanes().await?.into_iter().map(|lane| view(lane, &audiences, &labs)).collect())
}

/// All queues, stripe by stripe.
#[utoipa::path(get, path = "/api/queues", tag = "queues", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<QueueView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<axum::Json<Vec<QueueView>>, Refused> {
    Ok(axum::Json(queues_of(caller.store()).await?))
}

/// All about one queue, by its name or its audience's id: its stripes, what became of people at the steps that lead
/// there, its newest batches.
#[utoipa::path(get, path = "/api/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = QueueBook)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(queue): At<String>,
) -> Result<axum::Json<QueueBook>, Refused> {
    Ok(axum::Json(queue_book(caller.store(), &queue).await?))
}

/// What people hold, also where no queue is there yet that it reaches.
#[utoipa::path(get, path = "/api/holds", tag = "queues", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn holds<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<axum::Json<Vec<Hold>>, Refused> {
    Ok(axum::Json(caller.store().holds().await?))
}

async fn scope<S: Store>(store: &S, input: &ScopeInput) -> Result<HoldScope, Refused> {
    let scope = match input {
        ScopeInput { queue: Some(queue), connection: None, connector: None, everything: false } => {
            let key = find_queue(&store.lanes().await?, &store.audiences().await?, queue)?;
            HoldScope::Audience { key }
        }
        ScopeInput { queue: None, connection: Some(name), connector: None, everything: false } => {
            HoldScope::Connection { name: name.clone() }
        }
        ScopeInput { queue: None, connection: None, connector: Some(name), everything: false } => {
            HoldScope::Connector { name: name.clone() }
        }
        ScopeInput { queue: None, connection: None, connector: None, everything: true } => HoldScope::Everything,
        _ => {
            let words = "exactly one of `queue`, `connection`, `connector` and `everything` must be said";
            return Err(Problem::new(Code::BadValue, words).at_path("scope").into());
        }
    };
    Ok(scope)
}

/// Holds a queue, or all of something: nothing is sent until it is resumed.
#[utoipa::path(post, path = "/api/queues/hold", tag = "queues", request_body = HoldInput,
    security(("key" = ["operate"])), responses((status = 200, body = Held)))]
pub(crate) async fn hold<S: Store>(
    caller: Caller<S, OPERATE>,
    Json(input): Json<HoldInput>,
) -> Result<axum::Json<Held>, Refused> {
    let scope = scope(caller.store(), &input.scope).await?;
    caller.acting().hold(scope.clone(), &input.because).await?;
    let lanes = caller.store().lanes().await?;
    let reached = lanes.iter().filter(|lane| lane.held_by.iter().any(|hold| hold.scope == scope));
    Ok(axum::Json(Held { waiting: reached.map(|lane| lane.waiting).sum(), held: scope }))
}

/// Lets a held queue go on at once, or ends a hold of the same scope.
#[utoipa::path(post, path = "/api/queues/resume", tag = "queues", request_body = ScopeInput,
    security(("key" = ["operate"])), responses((status = 200, body = ResumedView)))]
pub(crate) async fn resume<S: Store>(
    caller: Caller<S, OPERATE>,
    Json(input): Json<ScopeInput>,
) -> Result<axum::Json<ResumedView>, Refused> {
    let view = match scope(caller.store(), &input).await? {
        HoldScope::Audience { key } => {
            let resumed = caller.acting().resume(&key).await?;
            let lifted = resumed.lifted || resumed.was.iter().any(|state| *state != LaneState::Open);
            ResumedView { lifted, still_held_by: resumed.still_held_by, waiting: resumed.waiting }
        }
        scope => {
            let lifted = caller.acting().lift(scope).await?;
            ResumedView { lifted, still_held_by: Vec::new(), waiting: 0 }
        }
    };
    Ok(axum::Json(view))
}

/// Sends people again whose visits ended without success.
#[utoipa::path(post, path = "/api/queues/resend", tag = "queues", request_body = ResendInput,
    security(("key" = ["operate"])), responses((status = 200, body = ResentView)))]
pub(crate) async fn resend<S: Store>(
    caller: Caller<S, OPERATE>,
    Json(input): Json<ResendInput>,
) -> Result<axum::Json<ResentView>, Refused> {
    let what = Resends { canvas: input.canvas, step: input.step, status: input.status, reason: input.reason };
    let again = caller.acting().resend(&what).await?;
    Ok(axum::Json(ResentView { queued: again.offered, overtaken: again.overtaken }))
}
