//! `/api/batches`: what one call carried, and what became of it. Identifiers are not shown.
use super::VIEW_CANVASES;
use crate::caller::Caller;
use crate::input::{At, Search};
use crate::problem::Refused;
use caravan_model::{Action, Exchange, Millis};
use caravan_runner::control::Labs;
use caravan_store::{PartRecord, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A batch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchView {
    /// Its name.
    pub batch: String,
    /// The connector.
    pub connector: String,
    /// The digest of the connector's bytes.
    pub digest: String,
    /// The partner's account.
    pub account: String,
    /// The partner's audience id.
    pub audience: String,
    /// The connection.
    pub connection: String,
    /// Whether it leads to the lab, and not to the partner.
    pub lab: bool,
    /// When it was sealed, in milliseconds of UTC.
    #[schema(value_type = i64)]
    pub sealed_at: Millis,
    /// When it ended; nothing while it is open.
    #[schema(value_type = Option<i64>)]
    pub ended_at: Option<Millis>,
    /// `add` or `remove`.
    #[schema(value_type = String)]
    pub action: Action,
    /// People in it; 0 where its rows are no longer kept.
    pub people: u64,
    /// Rows of it.
    pub rows: u32,
    /// How many rows have a value under each of the partner's keys.
    #[schema(value_type = Object)]
    pub keys: BTreeMap<String, u64>,
    /// One line per attempt.
    pub attempts: Vec<String>,
    /// Refused by the partner without being named.
    pub doubtful: u32,
    /// What a later judgement said, by the partner's reason.
    #[schema(value_type = Object)]
    pub judged: BTreeMap<String, u32>,
    /// What was sent and heard, attempt by attempt, redacted.
    #[schema(value_type = Object)]
    pub exchanges: BTreeMap<u32, Vec<Exchange>>,
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Newest {
    /// How many, at most 200.
    #[serde(default = "twenty")]
    pub limit: usize,
}

fn twenty() -> usize {
    20
}

/// A batch as people see it.
pub fn view(part: PartRecord, labs: &Labs) -> BatchView {
    let columns = part.part.columns.iter();
    let keys = columns
        .map(|column| {
            let filled = (0..column.rows()).filter(|row| !column.value(*row).is_empty());
            (column.key.clone(), filled.count() as u64)
        })
        .collect();
    let read = |text: &str| serde_json::from_str::<Vec<Exchange>>(text).ok();
    BatchView {
        exchanges: part.exchanges.iter().filter_map(|(attempt, text)| Some((*attempt, read(text)?))).collect(),
        batch: part.name,
        connector: part.lane.connector,
        digest: part.digest.to_string(),
        account: part.lane.account,
        audience: part.lane.audience,
        lab: labs.has(&part.connection),
        connection: part.connection,
        sealed_at: part.at,
        ended_at: part.ended,
        keys,
        action: part.part.action,
        people: part.part.people() as u64,
        rows: part.part.rows,
        attempts: part.attempts,
        doubtful: part.doubtful,
        judged: part.judged.into_iter().collect(),
    }
}

/// The newest batches of all queues.
#[utoipa::path(get, path = "/api/batches", tag = "queues", params(Newest), security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<BatchView>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    Search(newest): Search<Newest>,
) -> Result<axum::Json<Vec<BatchView>>, Refused> {
    let parts = caller.store().parts(None, newest.limit.clamp(1, 200)).await?;
    let labs = Labs::of(caller.store()).await?;
    Ok(axum::Json(parts.into_iter().map(|part| view(part, &labs)).collect()))
}

/// One batch.
#[utoipa::path(get, path = "/api/batches/{batch}", tag = "queues", params(("batch" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = BatchView)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(batch): At<String>,
) -> Result<axum::Json<BatchView>, Refused> {
    let part = caller.store().part(&batch).await?;
    let labs = Labs::of(caller.store()).await?;
    let part = part.ok_or_else(|| Refused::missing(format!("there is no batch `{batch}`")))?;
    Ok(axum::Json(view(part, &labs)))
}
