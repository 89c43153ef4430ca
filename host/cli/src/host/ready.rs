//! A runner with every connection that canvases and the store's queues need: what publishing takes.
use super::hands::actor;
use super::lab::{self, LabHome};
use super::{Host, connections_in_use, safe};
use crate::args::Global;
use crate::check::{self, CheckedConnections, Secrets};
use crate::config;
use crate::fail::Problems;
use crate::registry::{Shelf, loads};
use crate::verbs::tell_opposites;
use caravan_model::Canvas;
use caravan_model::port::{Clock as _, Connectors, SystemClock};
use caravan_runner::{FOLDER, Forecast, Runner, Stores, forecast};
use caravan_store::{Sqlite, Store, Version};
use std::path::Path;
use std::sync::Arc;

/// The runner, ready to publish.
pub struct Ready {
    /// The runner.
    pub runner: Arc<Runner<Sqlite>>,
    /// What its connections are bound by.
    pub host: Arc<Host>,
    checked: CheckedConnections,
    /// A lab of this process ends with it.
    pub lab: Option<LabHome>,
}

impl Ready {
    /// Binds the connections of these canvases and of whatever waits in the store.
    ///
    /// # Errors
    /// A connection cannot be used.
    pub async fn open(
        store: Sqlite,
        connections: &Path,
        canvases: &[Canvas],
        lab: Option<&str>,
    ) -> anyhow::Result<Ready> {
        Ready::with(store, connections, canvases, None, lab).await
    }

    /// The same with one more connection.
    ///
    /// # Errors
    /// As [`Ready::open`].
    pub async fn with(
        store: Sqlite,
        connections: &Path,
        canvases: &[Canvas],
        also: Option<&str>,
        lab: Option<&str>,
    ) -> anyhow::Result<Ready> {
        let mut used = connections_in_use(&store).await?;
        used.extend(also.filter(|name| !name.starts_with(FOLDER)).map(str::to_owned));
        used.extend(canvases.iter().flat_map(|canvas| canvas.audiences.values()).map(|spec| spec.connection.clone()));
        let checked = check::connections(connections, &used, Secrets::Ask, &Shelf::of(&store).await?)?;
        let versions = store.versions().await?;
        let all = canvases.iter().chain(versions.iter().map(|version| &*version.canvas));
        Problems::check(check::endpoints(&checked.connections, &check::endpoints_of(all)))?;
        let lab = lab::of_connections(&checked.connections.value, checked.components.keys(), lab).await?;
        let sealed = Some(safe::of(&store));
        let mut host = Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref(), sealed)?;
        host.workspace = Some(store.workspace().to_owned());
        if let Some(lab) = &lab {
            lab.adopt_all(&store.audiences().await?);
        }
        let options = host.options(&store).await?;
        let host = Arc::new(host);
        let neighbours = neighbours(store.workspace())?;
        let runner = Arc::new(Runner::new(store, host.clone(), Arc::new(SystemClock), options));
        runner.meet(Arc::new(neighbours));
        loads::note(&runner.acting(actor()), &checked.components).await?;
        Ok(Ready { runner, host, checked, lab })
    }

    /// The check before a launch: changes nothing, and asks partners for nothing but their lists of audiences.
    ///
    /// # Errors
    /// The canvas cannot run, or what the store says.
    pub async fn forecast(&self, canvas: &Canvas) -> anyhow::Result<Forecast> {
        let beside = (&*self.host as &dyn Connectors, &self.checked.connections.value);
        let zone = self.runner.zone();
        Ok(forecast(self.runner.store(), canvas, beside, Ok(&*self.host), SystemClock.now(), zone).await?)
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

/// The stores of the configuration's other workspaces, as far as they are there, for looking.
///
/// # Errors
/// A store that cannot be opened.
pub fn neighbours(own: &str) -> anyhow::Result<Stores<Sqlite>> {
    let mut stores = Vec::new();
    for (name, other) in config::current().workspaces.iter().filter(|(name, _)| *name != own) {
        if let Some(store) = Sqlite::open_if_made(&other.store)? {
            stores.push((name.clone(), store));
        }
    }
    Ok(Stores(stores))
}
