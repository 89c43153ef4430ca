//! Joins the rooms: connections, components, secrets and the lab become the connectors that the runner calls.
pub mod alerts;
pub mod bench;
mod connections;
pub mod consents;
pub mod hand_over;
pub mod hands;
pub mod journal;
pub mod lab;
pub mod provider;
pub mod ready;
mod rules;
pub mod safe;
mod trials;
pub mod workshop;

use crate::config;
use caravan_connectors::{
    Binding, BoundConnector, Change, Grant, LoadedComponent, LocalVault, LocalWebhooks, MessengerSettings, Reach, Safe,
    Switch,
};
use caravan_journey::document::{Document, token_end};
use caravan_model::manifest::QuotaCredential;
use caravan_model::port::{BoxFuture, Clock as _, Connector, Connectors, SystemClock, Vault as _};
use caravan_model::webhook::{NoWebhooks, WebhookAnswer, WebhookCall, WebhookSender};
use caravan_model::{Code, Connections, Millis, Problem};
use caravan_runner::{FOLDER, Runner, RunnerOptions, WebhookOptions, imports_of};
use caravan_store::{Sqlite, Store};
use journal::{Journal, Watched};
use lab::{DryTransport, LabHome};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// The connections that the audiences, queues and imports of a store name.
///
/// # Errors
/// What the store says.
pub async fn connections_in_use(store: &impl Store) -> anyhow::Result<BTreeSet<String>> {
    let of_audiences = store.audiences().await?.into_iter().map(|audience| audience.connection);
    let imports = imports_of(store).await?.into_iter().filter(|(_, import)| !import.is_of_files());
    let of_imports = imports.map(|(_, import)| import.connection);
    let of_lanes = store.lanes().await?.into_iter().map(|lane| lane.connection);
    Ok(of_audiences.chain(of_lanes).chain(of_imports).collect())
}

/// The endpoints of webhook steps, called from this host.
///
/// # Errors
/// The machine's certificates, or the configuration's proxy, cannot be read.
pub fn webhooks(connections: &Connections) -> Result<LocalWebhooks, Problem> {
    let allow_loopback = MessengerSettings::from_env().allow_loopback;
    LocalWebhooks::through(connections.webhooks.clone(), allow_loopback, config::proxy()?)
}

/// The connections that a command uses, bound and ready.
pub struct Host {
    /// By the connection's name; a serving host gets more with each publishing.
    bound: RwLock<BTreeMap<String, Bound>>,
    /// When the token of each connection ends, as the file says.
    pub token_ends: BTreeMap<String, Option<Millis>>,
    /// The endpoints of webhook steps.
    webhooks: Arc<Exchanged>,
    /// What its connectors say, and what was denied to them.
    pub journal: Arc<Journal>,
    /// The workspace whose folders of files it reads; none are read where it is not said.
    pub workspace: Option<String>,
}

/// Endpoints that a serving host takes anew with each publishing.
struct Exchanged(RwLock<Arc<dyn WebhookSender>>);

impl Default for Exchanged {
    fn default() -> Self {
        Exchanged(RwLock::new(Arc::new(NoWebhooks)))
    }
}

impl Exchanged {
    fn now(&self) -> Arc<dyn WebhookSender> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn becomes(&self, sender: Arc<dyn WebhookSender>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = sender;
    }
}

impl WebhookSender for Exchanged {
    fn send<'a>(&'a self, call: &'a WebhookCall) -> BoxFuture<'a, WebhookAnswer> {
        let sender = self.now();
        Box::pin(async move { sender.send(call).await })
    }
}

/// A connection's connector, ready to be called.
#[derive(Clone)]
struct Bound {
    /// Its version may change while it is used.
    switch: Arc<Switch>,
    /// The version that it was made with.
    watched: Arc<Watched>,
    default_country: Option<String>,
    /// It leads to the lab.
    lab: bool,
    identities: Arc<caravan_model::Identities>,
    /// The partner's ids of accounts that are switched off.
    off: Arc<BTreeSet<String>>,
    /// What is sealed for it, and when the file's token ends.
    vault: Arc<LocalVault>,
    ends: Option<Millis>,
    /// By which kind of credential it calls where nothing is sealed.
    called_by: Option<QuotaCredential>,
}

/// What became of a connection when versions of connectors changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The connection.
    pub connection: String,
    /// What becomes of it, in words.
    pub words: String,
}

impl Host {
    /// No connections: for verbs that send nothing.
    pub fn none() -> Host {
        Host {
            bound: RwLock::default(),
            token_ends: BTreeMap::new(),
            webhooks: Arc::default(),
            journal: Arc::default(),
            workspace: None,
        }
    }

    /// Binds all checked connections, with what is sealed for them. Those with `lab: true` reach the lab, which must be there for them.
    ///
    /// # Errors
    /// A setting that cannot stand, or a lab that is not on this machine.
    pub fn bind(
        connections: &Document<Connections>,
        components: &BTreeMap<String, Arc<LoadedComponent>>,
        grants: &BTreeMap<String, Grant>,
        lab: Option<&LabHome>,
        safe: Option<Safe>,
    ) -> Result<Host, Problem> {
        let vault = LocalVault::new(connections.value.connections.clone()).with_safe(safe);
        let host = Host::with(connections, components, grants, vault, |is_lab, component| match lab {
            _ if !is_lab => Ok(Reach::Partner),
            Some(lab) => Ok(Reach::Lab(lab.map(component.manifest())?)),
            None => Err(Problem::new(Code::Internal, "a lab connection was bound without a lab")),
        })?;
        host.webhooks.becomes(Arc::new(webhooks(&connections.value)?));
        Ok(host)
    }

    /// What a runner that uses these connections is given.
    ///
    /// # Errors
    /// Where there are subscriptions to alerts: a setting that cannot be understood.
    pub async fn options(&self, store: &Sqlite) -> anyhow::Result<RunnerOptions> {
        let zone = config::zone_of(store.workspace());
        let webhooks = WebhookOptions { sender: self.webhooks.clone(), ..WebhookOptions::default() };
        let usual = RunnerOptions::default();
        Ok(RunnerOptions {
            batch_window: config::current().delivery.batch_window.map_or(usual.batch_window, Into::into),
            alerts: alerts::of_run(store, self).await?,
            webhooks,
            workspace_zone: zone,
            ..usual
        })
    }

    /// Binds all checked connections to nothing: their manifests and settings are there, and when what is sealed for them
    /// ends; no other secret is asked for, and a call reaches nobody.
    ///
    /// # Errors
    /// A setting that cannot stand.
    pub fn unconnected(
        connections: &Document<Connections>,
        components: &BTreeMap<String, Arc<LoadedComponent>>,
        grants: &BTreeMap<String, Grant>,
        safe: Option<Safe>,
    ) -> Result<Host, Problem> {
        Host::with(connections, components, grants, LocalVault::default().with_safe(safe), |_, component| {
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
                accounts: Some(connection.switched_on().map(|(_, id)| id.clone()).collect()),
                vault: vault.clone(),
                reach,
            };
            let connector = Arc::new(BoundConnector::new(component.clone(), binding)?);
            let watched = Arc::new(Watched::new(name, connector, host.journal.clone()));
            let default_country = connection.default_country.clone();
            let identities = Arc::new(connection.identities.clone());
            let off = Arc::new(connection.switched_off());
            let ends = connection.token_ends.as_deref().and_then(token_end);
            // The lab takes a token that it did not give out for an app's; of others nobody knows.
            let called_by = (connection.app.is_some() || connection.lab).then_some(QuotaCredential::App);
            bound.insert(
                name.clone(),
                Bound {
                    switch: Arc::new(Switch::new(watched.clone())),
                    watched,
                    default_country,
                    lab: connection.lab,
                    identities,
                    off,
                    vault: vault.clone(),
                    ends,
                    called_by,
                },
            );
            host.token_ends.insert(name.clone(), ends);
        }
        host.bound = RwLock::new(bound);
        Ok(host)
    }

    /// Takes another's connections over; those of the same name are replaced, as they stand in the file now. Endpoints of
    /// webhooks are all as the file has them now.
    pub fn take_over(&self, other: Host) {
        self.webhooks.becomes(other.webhooks.now());
        let bound = other.bound.into_inner().unwrap_or_else(PoisonError::into_inner);
        bound.values().for_each(|bound| bound.watched.belongs_to(self.journal.clone()));
        self.bound.write().unwrap_or_else(PoisonError::into_inner).extend(bound);
    }

    /// No longer has a connection.
    pub fn let_go(&self, connection: &str) {
        self.bound.write().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }

    /// Refreshes consents that would end because nobody uses them.
    pub async fn tend(&self) {
        let all: Vec<Bound> = {
            let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner);
            bound.values().cloned().collect()
        };
        for one in all {
            one.switch.tend().await;
        }
    }

    /// The names of all connections.
    pub fn names(&self) -> BTreeSet<String> {
        self.bound.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Uses the versions of another's connections from the next batch on: a newer one is tried with one batch first, the one
    /// before comes back at once. Gives what becomes of each that changes.
    pub fn switch_to(&self, other: Host, back: bool) -> Vec<Changed> {
        let wanted = other.bound.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        for (connection, wanted) in wanted {
            let Some(own) = self.bound(&connection) else { continue };
            wanted.watched.belongs_to(self.journal.clone());
            let (from, to) = (own.switch.in_use(), wanted.switch.in_use());
            if from == to {
                own.switch.keep();
                continue;
            }
            let words = if back && own.switch.roll_back("somebody went back") && own.switch.in_use() == to {
                "goes on with the version before from the next batch on".to_owned()
            } else {
                match own.switch.try_version(wanted.switch) {
                    Ok(()) => "tries it with its next batch, and goes on with it once that went well".to_owned(),
                    Err(problem) => format!("begins with it at the host's next start: {}", problem.message),
                }
            };
            changed.push(Changed { connection, words });
        }
        changed
    }

    /// What happened to versions since this was asked last: connection, connector, change.
    pub fn changes(&self) -> Vec<(String, String, Change)> {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner);
        let of = |(name, bound): (&String, &Bound)| {
            let connector = bound.switch.manifest().name.clone();
            bound.switch.changes().into_iter().map(move |change| (name.clone(), connector.clone(), change)).collect()
        };
        bound.iter().flat_map(|one| -> Vec<_> { of(one) }).collect()
    }

    /// Notes in the audit chain what the egress denied to connectors since this was asked last, each kind once an hour.
    ///
    /// # Errors
    /// What the store says.
    pub async fn note_denials(&self, runner: &Runner<Sqlite>) -> anyhow::Result<()> {
        for denied in self.journal.to_note(SystemClock.now()) {
            let details = json!({"digest": denied.digest.to_string(), "connection": denied.connection,
                "because": denied.reason, "times": denied.times});
            runner.acting("host").note("egress.deny", &format!("connector {}", denied.connector), details).await?;
        }
        Ok(())
    }

    /// The digest of the version that a connection uses.
    pub fn in_use(&self, connection: &str) -> Option<caravan_model::Digest> {
        self.bound(connection).map(|bound| bound.switch.in_use())
    }

    fn bound(&self, connection: &str) -> Option<Bound> {
        self.bound.read().unwrap_or_else(PoisonError::into_inner).get(connection).cloned()
    }
}

impl Connectors for Host {
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
        if connection.starts_with(FOLDER) {
            return hand_over::named(self.workspace.as_deref().unwrap_or_default(), connection);
        }
        self.bound(connection).map(|bound| bound.switch as Arc<dyn Connector>).ok_or_else(|| {
            Problem::new(Code::UnknownConnection, format!("the connection `{connection}` is not there any more"))
                .cure("put it back into the connections file: people wait in its queue")
        })
    }

    fn default_country(&self, connection: &str) -> Option<String> {
        self.bound(connection)?.default_country
    }

    fn is_lab(&self, connection: &str) -> bool {
        self.bound(connection).is_some_and(|bound| bound.lab)
    }

    fn identities(&self, connection: &str) -> Option<Arc<caravan_model::Identities>> {
        Some(self.bound(connection)?.identities)
    }

    /// As what is sealed says, else as the file does, which it goes before.
    fn token_ends<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Option<Millis>> {
        Box::pin(async move {
            let bound = self.bound(connection)?;
            match bound.vault.credential(connection).await {
                Ok(Some(sealed)) => sealed.over(),
                Ok(None) | Err(_) => bound.ends,
            }
        })
    }

    fn called_by<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Option<QuotaCredential>> {
        Box::pin(async move {
            let bound = self.bound(connection)?;
            match bound.vault.credential(connection).await {
                Ok(Some(sealed)) => sealed.calls_by(),
                Ok(None) | Err(_) => bound.called_by,
            }
        })
    }

    fn switched_off(&self, connection: &str) -> Option<Arc<BTreeSet<String>>> {
        Some(self.bound(connection)?.off)
    }
}
