//! A runner with every connection that canvases and the store's queues need: what publishing takes.
use super::hands::actor;
use super::lab::{self, LabHome};
use super::{Host, connections_in_use};
use crate::args::Global;
use crate::check::{self, CheckedConnections, Secrets};
use crate::fail::{Problems, usage};
use crate::registry::Shelf;
use crate::verbs::tell_opposites;
use caravan_model::Canvas;
use caravan_model::port::SystemClock;
use caravan_runner::Runner;
use caravan_store::{Sqlite, Store, Version};
use std::path::Path;
use std::sync::Arc;

/// The runner, ready to publish.
pub struct Ready {
    /// The runner.
    pub runner: Arc<Runner<Sqlite>>,
    checked: CheckedConnections,
    // A lab of this process ends with it.
    _lab: Option<LabHome>,
}

impl Ready {
    /// Binds the connections of these canvases and of whatever waits in the store.
    ///
    /// # Errors
    /// There is no connection at all, or one cannot be used.
    pub async fn open(
        store: Sqlite,
        connections: &Path,
        canvases: &[Canvas],
        lab: Option<&str>,
    ) -> anyhow::Result<Ready> {
        let mut used = connections_in_use(&store).await?;
        used.extend(canvases.iter().flat_map(|canvas| canvas.audiences.values()).map(|spec| spec.connection.clone()));
        if canvases.is_empty() && store.versions().await?.is_empty() {
            let cure = "name a canvas: `caravan serve win-back.yaml`";
            return Err(usage("there is nothing to serve: no canvas, and a store without any", cure).into());
        }
        let checked = check::connections(connections, &used, Secrets::Ask, &Shelf::of(&store).await?)?;
        let versions = store.versions().await?;
        let all = canvases.iter().chain(versions.iter().map(|version| &*version.canvas));
        Problems::check(check::endpoints(&checked.connections, &check::endpoints_of(all)))?;
        let lab = lab::of_connections(&checked.connections.value, checked.components.keys(), lab).await?;
        let host = Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref())?;
        if let Some(lab) = &lab {
            lab.adopt_all(&store.audiences().await?);
        }
        let options = host.options(&store).await?;
        let runner = Arc::new(Runner::new(store, Arc::new(host), Arc::new(SystemClock), options));
        Ok(Ready { runner, checked, _lab: lab })
    }

    /// Publishes canvases, and says of each that it is live.
    ///
    /// # Errors
    /// What publishing says; those before it stay live.
    pub async fn publish(&self, global: &Global, canvases: Vec<Canvas>) -> anyhow::Result<Vec<Version>> {
        let mut versions = Vec::new();
        for canvas in canvases {
            let version = self.runner.acting(actor()).publish(canvas, &self.checked.connections.value).await?;
            tell_opposites(&self.runner, &version).await?;
            if !global.quiet {
                eprintln!("{} is live, version {}", version.canvas.canvas, version.number);
            }
            versions.push(version);
        }
        Ok(versions)
    }

    /// Gives the store back: the next owner need not wait for the lease to run out.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(self) -> anyhow::Result<()> {
        if let Ok(runner) = Arc::try_unwrap(self.runner) {
            runner.close().await?;
        }
        Ok(())
    }
}
