//! A workspace as this room sees it.
use crate::keys::WriteKeys;
use crate::{Bench, Refused};
use caravan_runner::Runner;
use caravan_store::Store;
use std::sync::Arc;

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
}

impl<S: Store> Workspace<S> {
    /// How much waits in its inbox.
    pub(crate) async fn backlog(&self) -> Result<caravan_store::Backlog, Refused> {
        Ok(self.runner.store().backlog().await?)
    }
}
