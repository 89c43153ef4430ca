//! All about one queue: its stripes, what became of people at the steps that lead there, and its newest batches.
use super::queues::{QueueView, view};
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Action, Millis, Status, reasons};
use caravan_runner::control::Labs;
use caravan_runner::control::names::{self, find_queue};
use caravan_runner::registered_name;
use caravan_store::{Audience, Lane, LaneKey, PartRecord, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How many batches of each stripe are told.
const BATCHES: usize = 5;

/// A queue and what stands behind its numbers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueBook {
    /// Its name: its audience's.
    pub queue: String,
    /// The connector.
    pub connector: String,
    /// The partner's account.
    pub account: String,
    /// The partner's audience id.
    pub audience: String,
    /// Stripe by stripe.
    pub stripes: Vec<QueueView>,
    /// What became of people at the steps that lead there, over all versions.
    pub numbers: Vec<QueueNumber>,
    /// Its newest batches, the newest of each stripe first.
    pub batches: Vec<QueueBatch>,
}

/// How many visits of the steps that lead to a queue have a status and reason.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueNumber {
    /// The status.
    #[schema(value_type = String)]
    pub status: Status,
    /// The reason's code; empty where the status says it all.
    pub reason: String,
    /// The reason in words.
    pub words: String,
    /// How many.
    pub n: u64,
}

/// A batch in one line.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueBatch {
    /// Its name.
    pub batch: String,
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
    /// Rows of it; 0 where they are no longer kept.
    pub rows: u32,
    /// One line per attempt.
    pub attempts: Vec<String>,
}

/// The book of a queue, by its name or its audience's id.
///
/// # Errors
/// No queue or more than one is called so, or the store cannot be read.
pub async fn queue_book<S: Store>(store: &S, queue: &str) -> caravan_runner::Result<QueueBook> {
    let (lanes, audiences) = (store.lanes().await?, store.audiences().await?);
    let key = find_queue(&lanes, &audiences, queue)?;
    let own: Vec<Lane> = lanes.into_iter().filter(|lane| lane.key == key).collect();
    let mut batches = Vec::new();
    for lane in &own {
        batches.extend(store.parts(Some(lane.id), BATCHES).await?.iter().map(batch));
    }
    let numbers = numbers(store, &key, &audiences).await?;
    let labs = Labs::of(store).await?;
    Ok(QueueBook {
        queue: names::of_queue(&key, &audiences),
        stripes: own.into_iter().map(|lane| view(lane, &audiences, &labs)).collect(),
        connector: key.connector,
        account: key.account,
        audience: key.audience,
        numbers,
        batches,
    })
}

fn batch(part: &PartRecord) -> QueueBatch {
    QueueBatch {
        batch: part.name.clone(),
        sealed_at: part.at,
        ended_at: part.ended,
        action: part.part.action,
        people: part.part.people() as u64,
        rows: part.part.rows,
        attempts: part.attempts.clone(),
    }
}

/// The visits of all steps that lead to a queue.
async fn numbers<S: Store>(
    store: &S,
    key: &LaneKey,
    audiences: &[Audience],
) -> caravan_runner::Result<Vec<QueueNumber>> {
    let mut sums: BTreeMap<(Status, String), u64> = BTreeMap::new();
    for version in store.versions().await? {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let own = plan.syncs().filter(|(_, sync)| {
            let name = plan.audience(sync.audience).map(|name| registered_name(&version.canvas.canvas, name));
            let bound = audiences.iter().find(|audience| Some(&audience.name) == name.as_ref());
            bound.is_some_and(|audience| names::leads_to(audience, key))
        });
        let steps: Vec<_> = own.map(|(step, _)| step).collect();
        if steps.is_empty() {
            continue;
        }
        for count in store.counters(version.id).await?.counts {
            if count.n > 0 && steps.contains(&count.step) {
                *sums.entry((count.status, count.reason.code)).or_default() += count.n;
            }
        }
    }
    let number = |((status, reason), n): ((Status, String), u64)| {
        let words = if reason.is_empty() { String::new() } else { reasons::words_of_code(&reason).into_owned() };
        QueueNumber { status, words, reason, n }
    };
    Ok(sums.into_iter().map(number).collect())
}
