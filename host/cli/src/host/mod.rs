//! Joins the rooms: connections, components, secrets and the lab become the connectors that the runner calls.
pub mod alerts;
pub mod hands;
pub mod lab;
pub mod ready;
pub mod workshop;

use caravan_connectors::{
    Binding, BoundConnector, Grant, LoadedComponent, LocalVault, LocalWebhooks, MessengerSettings, Reach,
};
use caravan_journey::document::{Document, token_end};
use caravan_model::port::{Connector, Connectors};
use caravan_model::webhook::{NoWebhooks, WebhookSender};
use caravan_model::{Code, Connections, Millis, Problem};
use caravan_runner::{RunnerOptions, WebhookOptions};
use caravan_store::Store;
use lab::{DryTransport, LabHome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The connections that the audiences and queues of a store name.
///
/// # Errors
/// What the store says.
pub async fn connections_in_use(store: &impl Store) -> anyhow::Result<BTreeSet<String>> {
    let of_audiences = store.audiences().await?.into_iter().map(|audience| audience.connection);
    Ok(of_audiences.chain(store.lanes().await?.into_iter().map(|lane| lane.connection)).collect())
}

/// The endpoints of webhook steps, called from this host.
///
/// # Errors
/// The machine's certificates cannot be read.
pub fn webhooks(connections: &Connections) -> Result<LocalWebhooks, Problem> {
    LocalWebhooks::new(connections.webhooks.clone(), MessengerSettings::from_env().allow_loopback)
}

/// The connections that a command uses, bound and ready.
pub struct Host {
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    default_countries: BTreeMap<String, String>,
    /// When the token of each connection ends, as the file says.
    pub token_ends: BTreeMap<String, Option<Millis>>,
    /// The endpoints of webhook steps.
    webhooks: Arc<dyn WebhookSender>,
}

impl Host {
    /// No connections: for verbs that send nothing.
    pub fn none() -> Host {
        Host {
            connectors: BTreeMap::new(),
            default_countries: BTreeMap::new(),
            token_ends: BTreeMap::new(),
            webhooks: Arc::new(NoWebhooks),
        }
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
        let host = Host::with(connections, components, grants, vault, |is_lab, component| match lab {
            _ if !is_lab => Ok(Reach::Partner),
            Some(lab) => Ok(Reach::Lab(lab.map(component.manifest())?)),
            None => Err(Problem::new(Code::Internal, "a lab connection was bound without a lab")),
        })?;
        Ok(Host { webhooks: Arc::new(webhooks(&connections.value)?), ..host })
    }

    /// What a runner that uses these connections is given.
    ///
    /// # Errors
    /// Where there are subscriptions to alerts: a setting that cannot be understood.
    pub async fn options(&self, store: &impl Store) -> anyhow::Result<RunnerOptions> {
        let webhooks = WebhookOptions { sender: self.webhooks.clone(), ..WebhookOptions::default() };
        Ok(RunnerOptions { alerts: alerts::of_run(store, self).await?, webhooks, ..RunnerOptions::default() })
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
        let mut host = Host::none();
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
            host.connectors.insert(name.clone(), Arc::new(BoundConnector::new(component.clone(), binding)?));
            let ends = connection.token_ends.as_deref().and_then(token_end);
            host.token_ends.insert(name.clone(), ends);
            if let Some(country) = &connection.default_country {
                host.default_countries.insert(name.clone(), country.clone());
            }
        }
        Ok(host)
    }
}

impl Connectors for Host {
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
        self.connectors.get(connection).cloned().ok_or_else(|| {
            Problem::new(Code::UnknownConnection, format!("the connection `{connection}` is not there any more"))
                .cure("put it back into the connections file: people wait in its queue")
        })
    }

    fn default_country(&self, connection: &str) -> Option<String> {
        self.default_countries.get(connection).cloned()
    }
}
