//! A connector bound to one connection: the port that `runner` calls.
use crate::{
    call,
    component::LoadedComponent,
    desk::{Owner, TokenDesk},
    egress::{
        Policy,
        book::RouteBook,
        credentials::{Credentials, Placement},
        reach::Reach,
        route::CompiledRoute,
    },
    grant::{Grant, Word},
    section::bad,
    vault::LAB_TOKEN,
};
use caravan_model::manifest::AppPart;
use caravan_model::port::{Ask, BoxFuture, CallContext, CallOutcome, Connector, Secret, Vault};
use caravan_model::{Cause, Code, Digest, Fault, Manifest, Part, Problem};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::Semaphore, time::Instant};

/// How long a refresh may take that nobody waits for.
const TENDING: std::time::Duration = std::time::Duration::from_secs(60);

/// Which connection a connector is bound to, and within which bounds.
#[derive(Clone)]
pub struct Binding {
    /// The connection's name, as the vault knows it.
    pub connection: String,
    /// What the connector may do.
    pub grant: Grant,
    /// The connection's settings as written; defaults are filled in.
    pub settings: Map<String, Value>,
    /// The ad accounts that a person switched on; none = any (a dry run of a component without a connection).
    pub accounts: Option<Vec<String>>,
    /// Where its secrets are.
    pub vault: Arc<dyn Vault>,
    /// Where its requests go.
    pub reach: Reach,
}

/// A component, its grant, settings, credentials and egress.
pub struct BoundConnector {
    pub(crate) component: Arc<LoadedComponent>,
    /// The component's manifest under the connection's settings.
    manifest: Manifest,
    pub(crate) policy: Arc<Policy>,
    connection: String,
    pub(crate) settings: Map<String, Value>,
    accounts: Option<Vec<String>>,
    vault: Arc<dyn Vault>,
    /// What the manifest asks for, as far as it is granted.
    grant: Grant,
    desk: TokenDesk,
    /// Its own share of the host's sandboxes.
    pub(crate) permits: Semaphore,
}

impl std::fmt::Debug for BoundConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundConnector")
            .field("connection", &self.connection)
            .field("component", &self.component)
            .finish()
    }
}

/// The manifest's routes under these settings.
pub(crate) fn compile_routes(
    manifest: &Manifest,
    settings: &Map<String, Value>,
) -> Result<Vec<CompiledRoute>, Problem> {
    manifest
        .routes
        .iter()
        .map(|route| CompiledRoute::new(route, manifest, settings).map_err(|wrong| bad(&wrong)))
        .collect()
}

impl BoundConnector {
    /// Binds a component.
    ///
    /// # Errors
    /// CV026 where a setting cannot stand, CV052 where a route cannot be read under these settings.
    pub fn new(component: Arc<LoadedComponent>, binding: Binding) -> Result<BoundConnector, Problem> {
        let manifest = component.manifest();
        let settings = manifest.settings_with(&binding.settings).map_err(|wrong| {
            Problem::new(Code::BadConnection, wrong).at_path(format!("connections.{}.settings", binding.connection))
        })?;
        let routes = RouteBook::new(manifest, &binding.grant, &settings)?.routes;
        let placement = Placement::new(manifest).map_err(|wrong| bad(&wrong))?;
        let desk = TokenDesk::new(manifest, &binding.grant, &settings).map_err(|wrong| bad(&wrong))?;
        let policy = Policy {
            routes,
            placement,
            limits: binding.grant.limits.clone(),
            usage: manifest.usage.clone(),
            reach: binding.reach,
            trace: manifest.trace.clone(),
        };
        let permits = Semaphore::new(binding.grant.limits.calls.clamp(1, 1_000) as usize);
        Ok(BoundConnector {
            grant: binding.grant.narrowed(manifest),
            manifest: manifest.under(&settings),
            component,
            policy: Arc::new(policy),
            connection: binding.connection,
            settings,
            accounts: binding.accounts,
            vault: binding.vault,
            desk,
            permits,
        })
    }

    /// Reads the secrets that calls need, now: a mended one is found at the next call. Where the connection keeps an app,
    /// the token is the one that the partner gave it.
    pub(crate) async fn credentials(&self, deadline: Instant) -> Result<Credentials, Fault> {
        let unauthorized =
            |words: String| Fault::Unauthorized { cause: Cause::new(Code::MissingSecret.as_str(), words) };
        let mut secrets = BTreeMap::new();
        if !matches!(self.policy.reach, Reach::InProcess(_)) {
            let clients = &self.component.sandbox().clients;
            let token = self.desk.token(self.owner(), &self.policy.reach, clients, deadline).await?;
            secrets.extend(token.map(|token| ("token".to_owned(), token)));
        }
        for (name, required) in &self.policy.placement.wanted {
            if secrets.contains_key(name) {
                continue;
            }
            if name != "token" && !self.grant.names(Word::Secrets, name) {
                match required {
                    true => return Err(denied(&format!("the secret `{name}`"), Word::Secrets, name)),
                    false => continue,
                }
            }
            let secret = match self.policy.reach {
                Reach::InProcess(_) => Ok(Secret::new(LAB_TOKEN)),
                _ => self.vault.secret(&self.connection, name),
            };
            match secret {
                Ok(secret) => {
                    secrets.insert(name.clone(), secret);
                }
                Err(words) => match self.of_app(name).await {
                    Some(secret) => drop(secrets.insert(name.clone(), secret)),
                    None if *required => return Err(unauthorized(words)),
                    None => {}
                },
            }
        }
        Credentials::new(&self.policy.placement, &secrets).map_err(unauthorized)
    }

    /// What of the connector's sealed app stands in for a secret that the connection does not have.
    async fn of_app(&self, name: &str) -> Option<Secret> {
        let manifest = self.component.manifest();
        let part = manifest.auth.secrets.iter().find(|spec| spec.name == name)?.app?;
        let app = self.vault.sealed_app(&manifest.name).await.ok().flatten()?;
        Some(match part {
            AppPart::Id => Secret::new(app.id),
            AppPart::Secret => app.secret,
        })
    }

    /// Whether a part's people may be shown to the component at all, and for this.
    pub(crate) fn check_part(&self, part: &Part) -> Result<(), Fault> {
        let action = part.action.word();
        if !self.grant.names(Word::Actions, action) {
            return Err(denied(&format!("the action `{action}`"), Word::Actions, action));
        }
        if let Some(column) = part.columns.iter().find(|column| !self.grant.sends(&column.key)) {
            return Err(denied_key(&column.key));
        }
        // What people said of a purpose is not left out: without it their no would be told as nothing said.
        match part.flags.iter().find(|flag| !self.grant.names(Word::Flags, &flag.key)) {
            Some(flag) => Err(denied(&format!("the flag `{}`", flag.key), Word::Flags, &flag.key)),
            None => Ok(()),
        }
    }

    /// The partner did not let a call in: the next one gets a token of its own.
    pub(crate) async fn not_let_in(&self) {
        self.desk.forget().await;
    }

    fn owner(&self) -> Owner<'_> {
        let connector = self.component.manifest().name.as_str();
        Owner { connection: &self.connection, connector, vault: self.vault.as_ref() }
    }

    /// Whether the connection has this account.
    pub(crate) fn check_account(&self, account: &str) -> Result<(), Fault> {
        match &self.accounts {
            Some(accounts) if !accounts.iter().any(|known| known == account) => Err(Fault::Stopped {
                cause: Cause::new(
                    Code::UnknownAccount.as_str(),
                    format!(
                        "connection `{}` has no account `{account}`; it has: {}",
                        self.connection,
                        accounts.join(", ")
                    ),
                ),
            }),
            _ => Ok(()),
        }
    }
}

/// The same for a match key, which a connection may allow by itself where it is raw and its connector has no grant.
fn denied_key(key: &str) -> Fault {
    match denied(&format!("the match key `{key}`"), Word::Send, key) {
        Fault::Stopped { mut cause } => {
            cause.message.push_str(&format!("\nWithout a grant, this line of the connection does: raw: [{key}]"));
            Fault::Stopped { cause }
        }
        other => other,
    }
}

/// A call stops at something that the grant withholds.
fn denied(what: &str, word: Word, name: &str) -> Fault {
    let words = format!("the grant does not cover {what}. This line of the grant would allow it:\n{}", word.line(name));
    Fault::Stopped { cause: Cause::new(Code::Denied.as_str(), words) }
}

impl Connector for BoundConnector {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        self.component.digest()
    }

    fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(call::run(self, context, ask))
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if !matches!(self.policy.reach, Reach::InProcess(_)) {
                let deadline = Instant::now() + TENDING;
                self.desk.tend(self.owner(), &self.policy.reach, &self.component.sandbox().clients, deadline).await;
            }
        })
    }
}
