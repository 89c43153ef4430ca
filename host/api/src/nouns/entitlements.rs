//! `/api/entitlements`: which partners the installation may use. Slots count for all workspaces; one keeps them.
use super::policy::Anyway;
use super::{GRANT_CONNECTORS, VIEW_CANVASES};
use crate::bench::SlotsView;
use crate::caller::Caller;
use crate::input::{At, Json, Search};
use crate::problem::Refused;
use caravan_model::policy::SlotChange;
use caravan_store::Store;
use serde::Deserialize;
use utoipa::ToSchema;

type Seen = Result<axum::Json<SlotsView>, Refused>;

/// How often three slots were bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchasesInput {
    /// How often.
    pub purchases: u32,
}

/// Which partners may be used, how many slots were bought, and how many are left.
#[utoipa::path(get, path = "/api/entitlements", tag = "policy", security(("key" = ["view-canvases"])),
    responses((status = 200, body = SlotsView)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Seen {
    Ok(axum::Json(caller.place.bench.slots(caller.signed.who.clone(), None, false).await?))
}

async fn change<S: Store>(caller: Caller<S, GRANT_CONNECTORS>, change: SlotChange, anyway: bool) -> Seen {
    Ok(axum::Json(caller.place.bench.slots(caller.signed.who.clone(), Some(change), anyway).await?))
}

/// Gives a partner a slot, by the name of its connector. Its queues go on at once.
#[utoipa::path(put, path = "/api/entitlements/slots/{partner}", tag = "policy",
    params(("partner" = String, Path), Anyway), security(("key" = ["grant-connectors"])),
    responses((status = 200, body = SlotsView)))]
pub(crate) async fn add<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    At(partner): At<String>,
    Search(how): Search<Anyway>,
) -> Seen {
    change(caller, SlotChange::Add(partner), how.anyway).await
}

/// Takes a partner's slot away: its queues wait with `not_entitled` at once, and nobody is lost.
#[utoipa::path(delete, path = "/api/entitlements/slots/{partner}", tag = "policy",
    params(("partner" = String, Path), Anyway), security(("key" = ["grant-connectors"])),
    responses((status = 200, body = SlotsView)))]
pub(crate) async fn remove<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    At(partner): At<String>,
    Search(how): Search<Anyway>,
) -> Seen {
    change(caller, SlotChange::Remove(partner), how.anyway).await
}

/// Writes down how often three slots were bought. From the first time on only free partners and those with a slot may be used.
#[utoipa::path(put, path = "/api/entitlements/purchases", tag = "policy", params(Anyway),
    request_body = PurchasesInput, security(("key" = ["grant-connectors"])),
    responses((status = 200, body = SlotsView)))]
pub(crate) async fn purchases<S: Store>(
    caller: Caller<S, GRANT_CONNECTORS>,
    Search(how): Search<Anyway>,
    Json(input): Json<PurchasesInput>,
) -> Seen {
    change(caller, SlotChange::Purchases(input.purchases), how.anyway).await
}
