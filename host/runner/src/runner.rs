//! The runner: one host's hands on one store.
use crate::chance::Chance;
use crate::neighbours::Neighbours;
use crate::options::RunnerOptions;
use caravan_model::port::{Clock, Connectors};
use caravan_store::{Lease, Slots, Store};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Notify, OnceCell};

/// The only actor on a store: publishes, lets people in, advances them, delivers.
///
/// Cheap to make; the store is taken over with the first call that writes.
pub struct Runner<S: Store> {
    pub(crate) store: S,
    pub(crate) connectors: Arc<dyn Connectors>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: RunnerOptions,
    pub(crate) chance: Chance,
    lease: OnceCell<Lease>,
    pub(crate) neighbours: std::sync::OnceLock<Arc<dyn Neighbours>>,
    /// Tells a server that there are new versions, or that settings changed.
    pub(crate) published: Arc<AtomicBool>,
    /// Wakes it.
    pub(crate) wake: Arc<Notify>,
    /// Held while a canvas is stopped, a stop is finished, or a stopped one is opened again.
    pub(crate) stops: Arc<tokio::sync::Mutex<()>>,
}

impl<S: Store> Runner<S> {
    /// A runner over a store and the connections that this host can use.
    pub fn new(store: S, connectors: Arc<dyn Connectors>, clock: Arc<dyn Clock>, options: RunnerOptions) -> Runner<S> {
        let chance = Chance::new(options.seed);
        Runner {
            store,
            connectors,
            clock,
            options,
            chance,
            lease: OnceCell::new(),
            neighbours: std::sync::OnceLock::new(),
            published: Arc::default(),
            wake: Arc::default(),
            stops: Arc::default(),
        }
    }

    /// Tells it, once, of the other workspaces of the installation.
    pub fn meet(&self, neighbours: Arc<dyn Neighbours>) {
        // The first ones stay.
        let _ = self.neighbours.set(neighbours);
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The time zone in which days, schedules and local times are meant where people have none.
    pub fn zone(&self) -> &caravan_journey::TimeZone {
        &self.options.workspace_zone
    }

    /// Tells a serving runner that settings changed: the policy, connections, or what is live. It looks at them anew before
    /// it does anything else.
    pub fn refresh(&self) {
        self.published.store(true, std::sync::atomic::Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Takes the store over, once.
    pub(crate) async fn lease(&self) -> crate::Result<Lease> {
        let lease =
            self.lease.get_or_try_init(|| self.store.lease(&self.options.host, Slots::ALL, self.clock.now())).await?;
        Ok(*lease)
    }

    /// Gives the store back. Whatever is under way goes on with the next owner.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(self) -> crate::Result<()> {
        if let Some(lease) = self.lease.get() {
            self.store.release(*lease).await?;
        }
        Ok(())
    }
}
