//! A workspace as this room sees it.
use crate::keys::WriteKeys;
use crate::{Bench, Refused};
use caravan_runner::Runner;
use caravan_store::{Space, Store};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look at the disk counts: a host that is sent much looks once a second.
const FRESH: Duration = Duration::from_secs(1);

/// One of the workspaces that a host serves. Each has a store of its own: nothing of one is seen from another.
pub struct Workspace<S: Store> {
    /// Its name.
    pub name: String,
    /// The runner over its store.
    pub runner: Arc<Runner<S>>,
    /// Its connections.
    pub bench: Arc<dyn Bench>,
    /// Keys that may send events, beside those of its store with the right to.
    pub write_keys: WriteKeys,
    looked: Mutex<Option<(Instant, Space)>>,
}

impl<S: Store> Workspace<S> {
    /// A workspace over a runner and its connections.
    pub fn new(name: String, runner: Arc<Runner<S>>, bench: Arc<dyn Bench>, write_keys: WriteKeys) -> Workspace<S> {
        Workspace { name, runner, bench, write_keys, looked: Mutex::default() }
    }

    /// How much room its store takes and has, as it was a moment ago.
    pub(crate) async fn space(&self) -> Result<Space, Refused> {
        let now = Instant::now();
        // Nobody waits for a look under this lock: two looks at once do no harm.
        let known = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, space)) = known
            && now.duration_since(at) < FRESH
        {
            return Ok(space);
        }
        let space = self.runner.store().space().await?;
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, space));
        Ok(space)
    }

    /// How much waits in its inbox.
    pub(crate) async fn backlog(&self) -> Result<caravan_store::Backlog, Refused> {
        Ok(self.runner.store().backlog().await?)
    }
}
