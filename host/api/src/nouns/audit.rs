//! `/api/audit`: who changed what.
use super::AUDIT;
use crate::caller::Caller;
use crate::input::Search;
use crate::problem::Refused;
use caravan_runner::control::{ChainState, verify_notes};
use caravan_store::{Noted, Store};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Only records behind this number.
    #[serde(default)]
    pub after: u64,
    /// How many, at most 1,000.
    #[serde(default = "hundred")]
    pub limit: usize,
}

fn hundred() -> usize {
    100
}

/// Records of the audit chain, oldest first: number, instant, who, what, to what, particulars, hashes.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(After), security(("key" = ["audit"])),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, AUDIT>,
    Search(page): Search<After>,
) -> Result<axum::Json<Vec<Noted>>, Refused> {
    Ok(axum::Json(caller.store().notes(page.after, page.limit.clamp(1, 1_000)).await?))
}

/// Computes the chain anew: how many records hold, the newest hash, and the first that does not hold.
#[utoipa::path(get, path = "/api/audit/verify", tag = "audit", security(("key" = ["audit"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn verify<S: Store>(caller: Caller<S, AUDIT>) -> Result<axum::Json<ChainState>, Refused> {
    Ok(axum::Json(verify_notes(caller.store()).await?))
}
