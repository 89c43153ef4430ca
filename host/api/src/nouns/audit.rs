//! `/api/audit`: who changed what.
use super::{AUDIT, Page};
use crate::caller::Caller;
use crate::input::Search;
use crate::problem::Refused;
use caravan_runner::control::{ChainState, verify_notes};
use caravan_store::{Noted, Store};

/// Records of the audit chain, oldest first: number, instant, who, what, to what, particulars, hashes.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(Page), security(("key" = ["audit"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, AUDIT>,
    Search(page): Search<Page>,
) -> Result<axum::Json<Vec<Noted>>, Refused> {
    Ok(axum::Json(caller.store().notes(page.after, page.limit.clamp(1, 1_000)).await?))
}

/// Computes the chain anew: how many records hold, the newest hash, and the first that does not hold.
#[utoipa::path(get, path = "/api/audit/verify", tag = "audit", security(("key" = ["audit"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn verify<S: Store>(caller: Caller<S, AUDIT>) -> Result<axum::Json<ChainState>, Refused> {
    Ok(axum::Json(verify_notes(caller.store()).await?))
}
