//! `/api/catalogue` and `/api/store`: what is observed, whether the store is whole, and forgetting what is old.
use super::{AUDIT, OPERATE, VIEW_PROFILES};
use crate::caller::Caller;
use crate::input::Search;
use crate::problem::Refused;
use caravan_runner::{Kept, StoreState, look_through};
use caravan_store::{Catalogue, Store};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// The most people, and the most events, that a catalogue looks at.
const MOST: usize = 1_000_000;

/// How much is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// How many people, and how many events, at most 1,000,000; more are sampled evenly over the times of their coming.
    #[serde(default = "hundred_thousand")]
    pub sample: usize,
}

fn hundred_thousand() -> usize {
    100_000
}

/// Observed events, properties and attributes with types and how often they are filled; no value of anybody.
#[utoipa::path(get, path = "/api/catalogue", tag = "profiles", params(Sample), security(("key" = ["view-profiles"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn catalogue<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    Search(how): Search<Sample>,
) -> Result<axum::Json<Catalogue>, Refused> {
    Ok(axum::Json(caller.store().catalogue(how.sample.clamp(1, MOST)).await?))
}

/// Looks the store through: whether the file is whole, and whether the books balance. Reads all of it.
#[utoipa::path(post, path = "/api/store/check", tag = "host", security(("key" = ["audit"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn check<S: Store>(caller: Caller<S, AUDIT>) -> Result<axum::Json<StoreState>, Refused> {
    Ok(axum::Json(look_through(caller.store()).await?))
}

/// Drops, folds and forgets at once what the policy no longer keeps; a serving host does the same by itself.
#[utoipa::path(post, path = "/api/store/prune", tag = "host", security(("key" = ["operate"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn prune<S: Store>(caller: Caller<S, OPERATE>) -> Result<axum::Json<Kept>, Refused> {
    let kept = caller.runner().prune().await?;
    caller.acting().note("store.prune", "store", json!(kept)).await?;
    Ok(axum::Json(kept))
}
