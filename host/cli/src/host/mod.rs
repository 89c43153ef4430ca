//! Joins the rooms: connections, components, secrets and the lab become the connectors that the runner calls.
pub mod alerts;
pub mod bench;
pub mod hands;
pub mod lab;
pub mod ready;
pub mod workshop;

use caravan_connectors::{Binding, BoundConnector, Grant, LoadedComponent, LocalVault, Reach};
use caravan_journey::document::{Document, token_end};
use caravan_model::port::{Connector, Connectors};
use caravan_model::{Code, Connections, Millis, Problem};
use caravan_store::Store;
use lab::{DryTransport, LabHome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// The connections that the audiences and queues of a store name.
///
/// # Errors
/// What the store says.
pub async fn connections_in_use(store: &impl Store) -> anyhow::Result<BTreeSet<String>> {
    let of_audiences = store.audiences().await?.into_iter().map(|audience| audience.connection);
    Ok(of_audiences.chain(store.lanes().await?.into_iter().map(|lane| lane.connection)).collect())
}

/// The connections that a command uses, bound and ready.
pub struct Host {
    /// By the connection's name; a serving host gets more with each publishing.
    bound: RwLock<BTreeMap<String, Bound>>,
    /// When the token of each connection ends, as the file says.
    pub token_ends: BTreeMap<String, Option<Millis>>,
}

/// A connection's connector, ready to be called.
#[derive(Clone)]
struct Bound {
    connector: Arc<dyn Connector>,
    default_country: Option<String>,
}

impl Host {
    /// No connections: for verbs that send nothing.
    pub fn none() -> Host {
        Host { bound: RwLock::default(), token_ends: BTreeMap::new() }
    }

    /// Binds all checked connections. Those with `lab: true` reach the lab, which must be there for them.
    ///
    /// # Errors
    /// A setting that cannot stand, or a lab that is not on this machine.
    pub fn bind(
        connections: &Document<Connections>,
        components: &BTreeMap<String, Arc<LoadedComponent>>,
        grants: &BTreeMap<String, Grant>,
        lab: Option<&LabHome>,
    ) -> Result<Host, Problem> {
        let vault = LocalVault::new(connections.value.connections.clone());
        Host::with(connections, components, grants, vault, |is_lab, component| match lab {
            _ if !is_lab => Ok(Reach::Partner),
            Some(lab) => Ok(Reach::Lab(lab.map(component.manifest())?)),
            None => Err(Problem::new(Code::Internal, "a lab connection was bound without a lab")),
        })
    }

    /// Binds all checked connections to nothing: their manifests and settings are there, no secret is asked for, and a call
    /// reaches nobody.
    ///
    /// # Errors
    /// A setting that cannot stand.
    pub fn unconnected(
        connections: &Document<Connections>,
        components: &BTreeMap<String, Arc<LoadedComponent>>,
        grants: &BTreeMap<String, Grant>,
    ) -> Result<Host, Problem> {
        Host::with(connections, components, grants, LocalVault::default(), |_, component| {
            Ok(Reach::InProcess(Arc::new(DryTransport::new(component.manifest()))))
        })
    }

    fn with(
        connections: &Document<Connections>,
        components: &BTreeMap<String, Arc<LoadedComponent>>,
        grants: &BTreeMap<String, Grant>,
        vault: LocalVault,
        reach: impl Fn(bool, &LoadedComponent) -> Result<Reach, Problem>,
    ) -> Result<Host, Problem> {
        let connections = &connections.value.connections;
        let vault = Arc::new(vault);
        let (mut host, mut bound) = (Host::none(), BTreeMap::new());
        for (name, component) in components {
            let Some(connection) = connections.get(name) else { continue };
            let reach = reach(connection.lab, component)?;
            let binding = Binding {
                connection: name.clone(),
                grant: grants.get(name).cloned().unwrap_or_default(),
                settings: connection.settings.clone(),
                accounts: Some(connection.accounts.values().cloned().collect()),
                vault: vault.clone(),
                reach,
            };
            let connector: Arc<dyn Connector> = Arc::new(BoundConnector::new(component.clone(), binding)?);
            let default_country = connection.default_country.clone();
            bound.insert(name.clone(), Bound { connector, default_country });
            let ends = connection.token_ends.as_deref().and_then(token_end);
            host.token_ends.insert(name.clone(), ends);
        }
        host.bound = RwLock::new(bound);
        Ok(host)
    }

    /// Takes another's connections over; those of the same name are replaced, as they stand in the file now.
    pub fn take_over(&self, other: Host) {
        let bound = other.bound.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.bound.write().unwrap_or_else(PoisonError::into_inner).extend(bound);
    }

    fn bound(&self, connection: &str) -> Option<Bound> {
        self.bound.read().unwrap_or_else(PoisonError::into_inner).get(connection).cloned()
    }
}

impl Connectors for Host {
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
        self.bound(connection).map(|bound| bound.connector).ok_or_else(|| {
            Problem::new(Code::UnknownConnection, format!("the connection `{connection}` is not there any more"))
                .cure("put it back into the connections file: people wait in its queue")
        })
    }

    fn default_country(&self, connection: &str) -> Option<String> {
        self.bound(connection)?.default_country
    }
}
