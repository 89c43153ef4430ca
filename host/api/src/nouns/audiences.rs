//! `/api/audiences`: the lists at partners that steps lead to.
use super::audience_book::{AudienceBook, audience_book};
use super::{EXPORT_IDENTITIES, OPERATE, VIEW_CANVASES};
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use caravan_runner::control::names::{find_audience, leads_to};
use caravan_runner::control::{Labs, current_name, is_former};
use caravan_store::{Audience, Lane, Store};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An audience.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AudienceView {
    /// Its name: `CANVAS/NAME`.
    pub audience: String,
    /// The connection that reaches it.
    pub connection: String,
    /// Whether it leads to the lab, and not to the partner.
    pub lab: bool,
    /// The connector.
    pub connector: String,
    /// The partner's account.
    pub account: String,
    /// The partner's id; nothing while it is being made.
    pub id: Option<String>,
    /// Whether we made it.
    pub made_by_us: bool,
    /// Whether the name led here once, and leads elsewhere now.
    pub former: bool,
    /// Operations that wait for it.
    pub waiting: u64,
    /// Of these, removals that consent or erasure owe.
    pub owed: u64,
}

/// Another id for a name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rebind {
    /// The partner's id.
    pub id: String,
    /// Adds everyone to it who is in the old one.
    #[serde(default)]
    pub refill: bool,
}

/// A step whose adds are to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Takeback {
    /// The canvas.
    pub canvas: String,
    /// The step.
    pub step: String,
}

/// What was queued.
#[derive(Debug, Serialize, ToSchema)]
pub struct Queued {
    /// Operations that wait now.
    pub queued: u64,
}

/// What binding anew did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReboundView {
    /// The id before.
    pub from: Option<String>,
    /// The id now.
    pub to: String,
    /// Operations that moved along.
    pub moved: u64,
    /// People who are to be added from the old one.
    pub refilled: u64,
}

fn view(audience: Audience, lanes: &[Lane], labs: &Labs) -> AudienceView {
    let own = || lanes.iter().filter(|lane| leads_to(&audience, &lane.key));
    AudienceView {
        waiting: own().map(|lane| lane.waiting).sum(),
        owed: own().map(|lane| lane.owed).sum(),
        former: is_former(&audience.name),
        audience: audience.name,
        lab: labs.has(&audience.connection),
        connection: audience.connection,
        connector: audience.connector,
        account: audience.account,
        id: audience.partner_id,
        made_by_us: audience.made_by_us,
    }
}

/// All audiences of a store: those that steps lead to, then former ones.
///
/// # Errors
/// The store cannot be read.
pub async fn audiences_of<S: Store>(store: &S) -> caravan_runner::Result<Vec<AudienceView>> {
    let lanes = store.lanes().await?;
    let mut audiences = store.audiences().await?;
    audiences.sort_by_key(|audience| (is_former(&audience.name), audience.name.clone()));
    let labs = Labs::of(store).await?;
    Ok(audiences.into_iter().map(|audience| view(audience, &lanes, &labs)).collect())
}

/// All audiences.
#[utoipa::path(get, path = "/api/audiences", tag = "audiences", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<AudienceView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<axum::Json<Vec<AudienceView>>, Refused> {
    Ok(axum::Json(audiences_of(caller.store()).await?))
}

async fn full_name<S: Store>(store: &S, name: &str) -> Result<String, Refused> {
    Ok(find_audience(&store.audiences().await?, current_name(name))?.name.clone())
}

/// All about one audience, by its name, its name within a canvas, or the partner's id: who stands in it, which steps
/// claim them, what is owed. Reads all its members.
#[utoipa::path(get, path = "/api/audiences/{audience}", tag = "audiences",
    params(("audience" = String, Path, description = "A `/` is written %2F")), security(("key" = ["view-canvases"])),
    responses((status = 200, body = AudienceBook)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(name): At<String>,
) -> Result<axum::Json<AudienceBook>, Refused> {
    Ok(axum::Json(audience_book(caller.store(), &name).await?))
}

/// Sends everyone again who is in an audience.
#[utoipa::path(post, path = "/api/audiences/{audience}/refill", tag = "audiences",
    params(("audience" = String, Path)), security(("key" = ["operate"])), responses((status = 200, body = Queued)))]
pub(crate) async fn refill<S: Store>(
    caller: Caller<S, OPERATE>,
    At(name): At<String>,
) -> Result<axum::Json<Queued>, Refused> {
    let name = full_name(caller.store(), &name).await?;
    Ok(axum::Json(Queued { queued: caller.acting().refill(&name).await? }))
}

/// Leads an audience's name to another id; what waits moves along.
#[utoipa::path(post, path = "/api/audiences/{audience}/rebind", tag = "audiences",
    params(("audience" = String, Path)), request_body = Rebind, security(("key" = ["operate", "export-identities"])),
    responses((status = 200, body = ReboundView)))]
pub(crate) async fn rebind<S: Store>(
    caller: Caller<S, OPERATE, EXPORT_IDENTITIES>,
    At(name): At<String>,
    Json(wanted): Json<Rebind>,
) -> Result<axum::Json<ReboundView>, Refused> {
    let name = full_name(caller.store(), &name).await?;
    let rebound = caller.acting().rebind(&name, &wanted.id, wanted.refill).await?;
    let (from, to) = (rebound.from.map(|from| from.audience), rebound.to.audience);
    Ok(axum::Json(ReboundView { from, to, moved: rebound.moved, refilled: rebound.refilled }))
}

/// Makes an audience again that is gone at the partner.
#[utoipa::path(post, path = "/api/audiences/{audience}/recreate", tag = "audiences",
    params(("audience" = String, Path)), security(("key" = ["operate"])), responses((status = 200, body = ReboundView)))]
pub(crate) async fn recreate<S: Store>(
    caller: Caller<S, OPERATE>,
    At(name): At<String>,
) -> Result<axum::Json<ReboundView>, Refused> {
    let name = full_name(caller.store(), &name).await?;
    let made = caller.acting().recreate(&name).await?;
    let to = made.to.audience;
    Ok(axum::Json(ReboundView { from: None, to, moved: made.moved, refilled: made.refilled }))
}

/// Takes back what a step did: who is claimed by nothing else is removed.
#[utoipa::path(post, path = "/api/audiences/takeback", tag = "audiences", request_body = Takeback,
    security(("key" = ["operate"])), responses((status = 200, body = Queued)))]
pub(crate) async fn take_back<S: Store>(
    caller: Caller<S, OPERATE>,
    Json(wanted): Json<Takeback>,
) -> Result<axum::Json<Queued>, Refused> {
    Ok(axum::Json(Queued { queued: caller.acting().take_back(&wanted.canvas, &wanted.step).await? }))
}
