//! Webhook steps: endpoints are called for whoever waits there, and people go on by the answer.
//!
//! *At least once*: the answer is stored after the call, so a crash in between repeats it, with the same
//! `Idempotency-Key`. A call that fails for now waits for its next attempt in the store. An endpoint that fails many in a
//! row rests: meanwhile everyone who is due there is put off without a call, and after that one call tries it again.
mod options;
mod round;
mod verdict;

pub use options::WebhookOptions;

use crate::progress::Meter;
use crate::shared::Shared;
use caravan_model::{Millis, StepIx, VersionId};
use caravan_store::Store;
use round::Round;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// How many people are looked at in one go.
const ROUND: usize = 1_000;

/// The endpoints that versions call, and what is known of how they are. Nothing here is needed to go on after a crash.
#[derive(Debug)]
pub(crate) struct Endpoints {
    steps: RwLock<BTreeMap<String, Vec<(VersionId, StepIx)>>>,
    health: Mutex<HashMap<String, Health>>,
    /// Requests that may be under way, over all endpoints.
    room: Arc<Semaphore>,
}

/// How an endpoint is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// How often in a row it had to rest.
    pub rests: u32,
    /// Until when it rests.
    pub until: Millis,
    /// What its last answer was.
    pub words: String,
}

impl Endpoints {
    pub(crate) fn new(options: &WebhookOptions) -> Endpoints {
        Endpoints {
            steps: RwLock::default(),
            health: Mutex::default(),
            room: Arc::new(Semaphore::new(options.in_all.max(1))),
        }
    }

    /// Notes the steps of a version.
    pub(crate) fn add(&self, version: VersionId, plan: &caravan_journey::plan::CompiledCanvas) {
        let mut steps = self.steps.write().unwrap_or_else(PoisonError::into_inner);
        for (at, webhook) in plan.webhooks() {
            steps.entry(webhook.endpoint.clone()).or_default().push((version, at));
        }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.steps.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn steps_of(&self, endpoint: &str) -> Vec<(VersionId, StepIx)> {
        self.steps.read().unwrap_or_else(PoisonError::into_inner).get(endpoint).cloned().unwrap_or_default()
    }

    fn health_of(&self, endpoint: &str) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).get(endpoint).cloned().unwrap_or_default()
    }

    fn is_now(&self, endpoint: &str, health: Health) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.to_owned(), health);
    }
}

/// Calls an endpoint for everyone who is due at its steps. Gives how many went on.
pub(crate) async fn run<S: Store>(
    shared: Arc<Shared<S>>,
    endpoint: String,
    skip_delays_of: Option<VersionId>,
    meter: Arc<Meter>,
) -> crate::Result<u64> {
    let mut moved = 0;
    while !shared.is_stopping() {
        let canvases = shared.canvases().await?;
        let mut steps = shared.endpoints.steps_of(&endpoint);
        steps.retain(|(version, _)| shared.moves_on(*version, &canvases));
        if steps.is_empty() {
            break;
        }
        let calls = shared.store.calls(steps, shared.now(), ROUND).await?;
        if calls.is_empty() {
            break;
        }
        let mut round = Round::new(&shared, &endpoint, skip_delays_of);
        let went = round.work(calls).await?;
        moved += went;
        meter.advanced(went);
        shared.wake();
    }
    Ok(moved)
}
