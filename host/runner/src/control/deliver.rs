//! Interim.
use crate::options::RunOptions;
use crate::progress::{Progress, RunEnd};
use crate::runner::Runner;
use caravan_store::Store;
use std::time::Duration;
use tokio::sync::watch;

/// What one delivery is asked to do.
#[derive(Clone, Debug, Default)]
pub struct DeliverOptions {
    /// How long it stays while everything waits.
    pub wait: Duration,
}

impl<S: Store> Runner<S> {
    /// Interim.
    pub async fn deliver(
        &self,
        options: DeliverOptions,
        progress: watch::Sender<Progress>,
        cancel: watch::Receiver<bool>,
    ) -> crate::Result<RunEnd> {
        let version = self.store.versions().await?.last().map(|version| version.id).unwrap_or_default();
        let options = RunOptions { wait: options.wait, ..RunOptions::default() };
        let nobody = std::iter::empty::<(u64, caravan_model::Profile)>();
        self.run(version, nobody, options, progress, cancel).await
    }
}
