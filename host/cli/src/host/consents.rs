//! Apps, tokens and consents of a serving host: sealed by requests, and a partner's browser that comes back to the public URL.
use super::lab::LabHome;
use super::{alerts, safe};
use crate::check::{self, CheckedConnections};
use crate::registry::Shelf;
use crate::verbs::consent::{no_app, sealed_as_json};
use caravan_api::bench::Sealing;
use caravan_connectors::{Begun, ConsentDesk, Reach, Safe};
use caravan_model::manifest::QuotaCredential;
use caravan_model::port::{App, Clock as _, Secret, SystemClock};
use caravan_model::{Code, Connection, Credential, Problem};
use caravan_runner::Runner;
use caravan_store::Sqlite;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a question waits for its answer.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many questions may be open.
const MOST: usize = 1_000;
/// Where partners send browsers back, behind the public URL.
const CALLBACK: &str = "/oauth/callback";

/// Questions that people were sent away with, by their state. One that is answered, or too old, is gone.
#[derive(Default)]
pub struct Consents {
    open: Mutex<HashMap<String, Open>>,
}

struct Open {
    who: String,
    connection: String,
    desk: ConsentDesk,
    app: App,
    begun: Begun,
    since: Instant,
}

/// What sealing needs of its host.
pub struct Office<'a> {
    /// The runner over the store.
    pub runner: &'a Arc<Runner<Sqlite>>,
    /// The connections file.
    pub connections: &'a Path,
    /// Questions that are open.
    pub consents: &'a Consents,
}

/// A connection of the file with its component, and where its requests go.
pub struct Subject {
    name: String,
    connection: Connection,
    checked: CheckedConnections,
}

impl Subject {
    /// What its file says, and its component.
    pub fn checked(&self) -> &CheckedConnections {
        &self.checked
    }

    fn desk(&self, lab: Option<&LabHome>) -> Result<Option<ConsentDesk>, Problem> {
        let Some(component) = self.checked.components.get(&self.name) else { return Ok(None) };
        let reach = match lab.filter(|_| self.connection.lab) {
            None => Reach::Partner,
            Some(lab) => Reach::Lab(lab.map(component.manifest())?),
        };
        let grant = self.checked.grants.get(&self.name).cloned().unwrap_or_default();
        ConsentDesk::new(component, &grant, &self.connection.settings, reach)
    }

    /// A token, or a service account's key file, that somebody brings.
    fn brought(
        &self,
        token: Secret,
        service_account: bool,
        called_as: Option<QuotaCredential>,
    ) -> Result<Credential, Problem> {
        let now = SystemClock.now();
        if service_account {
            let manifest = self.checked.components.get(&self.name).map(|component| component.manifest());
            let takes = manifest.and_then(|known| known.auth.oauth.as_ref()).is_some_and(|spec| spec.service_account);
            return match takes {
                true => Ok(Credential { service_account: Some(token), given: now, ..Credential::default() }),
                false => Err(Problem::new(Code::NoConsent, format!("{} takes no service accounts", self.connector()))),
            };
        }
        if token.expose().trim().is_empty() || token.expose().chars().any(char::is_control) {
            return Err(Problem::new(Code::BadValue, "the token is empty, or holds a line break"));
        }
        Ok(Credential::by_hand(token, called_as, now))
    }

    fn connector(&self) -> String {
        self.checked.components.get(&self.name).map(|component| component.manifest().name.clone()).unwrap_or_default()
    }

    /// Whoever replaces what works says so.
    async fn may_replace(&self, safe: &Safe, replace: bool) -> Result<(), Problem> {
        if self.connection.app.is_some() {
            return Err(Problem::new(
                Code::NoConsent,
                format!("`{}` gets its tokens by `app:` of its file", self.name),
            )
            .cure("take `app:` out of the connection first"));
        }
        let sealed = safe.credential(&self.name).await.ok().flatten();
        if replace || (sealed.is_none() && self.connection.secret.is_none()) {
            return Ok(());
        }
        let now = sealed.as_ref().map_or("the token that the connections file names", Credential::kind);
        Err(Problem::new(Code::Usage, format!("`{}` has {now}, which this would replace", self.name))
            .cure("say `replace: true` (--yes); name, audiences and waiting people stay"))
    }
}

impl Office<'_> {
    /// The connection, as its file has it now.
    ///
    /// # Errors
    /// It is not there, or cannot work.
    pub async fn subject(&self, name: &str) -> anyhow::Result<Subject> {
        let shelf = Shelf::of(self.runner.store()).await?;
        let (path, wanted): (PathBuf, String) = (self.connections.to_owned(), name.to_owned());
        let checked = tokio::task::spawn_blocking(move || check::connection(&path, &wanted, &shelf)).await??;
        let connection = checked.connections.value.connections.get(name).cloned().unwrap_or_default();
        Ok(Subject { name: name.to_owned(), connection, checked })
    }

    /// Seals, or unseals, in somebody's name.
    ///
    /// # Errors
    /// What keeps it from being done, with a cure.
    pub async fn act(
        &self,
        who: String,
        act: Sealing,
        subject: Option<&Subject>,
        lab: Option<&LabHome>,
    ) -> anyhow::Result<Value> {
        let safe = safe::of(self.runner.store());
        let missing = || Problem::new(Code::UnknownConnection, "no connection is named");
        let acting = self.runner.acting(who.clone());
        let ordered = |verb, object: &str, details: &Value| {
            safe::ordered(self.runner.store(), acting.noted(verb, object, details.clone()))
        };
        let (verb, details) = match act {
            Sealing::App { connector, client_id, client_secret } => {
                let (verb, details) = ("connector.app.set", json!({"client_id": client_id}));
                let safe = ordered(verb, &format!("connector {connector}"), &details);
                safe.set_app(&connector, Some((&client_id, &client_secret))).await?;
                (verb, details)
            }
            Sealing::ShowApp { connector } => {
                let app = safe.app(&connector).await?.ok_or_else(|| no_app(&connector))?;
                return Ok(json!({"connector": connector, "client_id": app.id, "secret": "sealed"}));
            }
            Sealing::RemoveApp { connector } => {
                // One whose key is lost is forgotten all the same.
                if let Ok(None) = safe.app(&connector).await {
                    return Err(no_app(&connector).into());
                }
                let (verb, details) = ("connector.app.remove", Value::Null);
                ordered(verb, &format!("connector {connector}"), &details).set_app(&connector, None).await?;
                (verb, details)
            }
            Sealing::Show { connection } => {
                let sealed = safe.credential(&connection).await?;
                return Ok(sealed.map_or(Value::Null, |sealed| sealed_as_json(&connection, &sealed)));
            }
            Sealing::Token { connection, token, service_account, called_as, replace } => {
                let subject = subject.ok_or_else(missing)?;
                let credential = subject.brought(token, service_account, called_as)?;
                subject.may_replace(&safe, replace).await?;
                let details = json!({"kind": credential.kind(), "as": credential.called_as});
                let verb = "connection.token";
                let safe = ordered(verb, &format!("connection {connection}"), &details);
                safe.set_credential(&connection, Some(&credential)).await?;
                (verb, details)
            }
            Sealing::Connect { connection, replace } => {
                let subject = subject.ok_or_else(missing)?;
                subject.may_replace(&safe, replace).await?;
                return Ok(self.ask(who, connection, subject, &safe, lab).await?);
            }
            Sealing::Disconnect { connection } => {
                let subject = subject.ok_or_else(missing)?;
                let known = safe.credential(&connection).await.ok().flatten();
                let app = safe.app(&subject.connector()).await.ok().flatten();
                let ended = match (known, subject.desk(lab)?) {
                    (Some(known), Some(desk)) => desk.revoke(app.as_ref(), &known).await.unwrap_or(false),
                    _ => false,
                };
                let (verb, details) = ("connection.disconnect", json!({"ended_at_partner": ended}));
                let safe = ordered(verb, &format!("connection {connection}"), &details);
                safe.set_credential(&connection, None).await?;
                (verb, details)
            }
        };
        self.runner.refresh();
        Ok(json!({"done": verb, "details": details}))
    }

    async fn ask(
        &self,
        who: String,
        connection: String,
        subject: &Subject,
        safe: &Safe,
        lab: Option<&LabHome>,
    ) -> Result<Value, Problem> {
        let connector = subject.connector();
        let desk = subject.desk(lab)?;
        let desk =
            desk.ok_or_else(|| Problem::new(Code::NoConsent, format!("{connector} asks no person for consent")))?;
        let app = safe.app(&connector).await?.ok_or_else(|| {
            Problem::new(Code::AppMissing, format!("no app is sealed for {connector}"))
                .cure(format!("PUT /api/connectors/{connector}/app with the app's id and secret"))
        })?;
        let public = alerts::policy()?.public_url.ok_or_else(|| {
            Problem::new(Code::NoConsent, "nothing says how partners reach this host")
                .cure("set `public_url` in caravan.toml, and register it with the app: …/oauth/callback")
        })?;
        if !alerts::is_sheltered(&public) {
            let words = format!("people would come back from the partner by {public}, which others can listen to");
            return Err(Problem::new(Code::NoConsent, words).at_path("public_url").cure(
                "set `public_url` to an https:// address, whose certificate a proxy before the host has; plain HTTP leads to \
                 this machine alone",
            ));
        }
        let begun = desk.begin(&app, &format!("{}{CALLBACK}", public.trim_end_matches('/')))?;
        let answer = json!({"open": begun.url, "within_seconds": PATIENCE.as_secs()});
        let mut open = self.consents.open();
        if open.len() >= MOST {
            return Err(Problem::new(Code::Usage, "too many consents are asked for at once").cure("try again later"));
        }
        let state = begun.state.clone();
        open.insert(state, Open { who, connection, desk, app, begun, since: Instant::now() });
        Ok(answer)
    }

    /// A browser that came back. `None` where this host asked nothing of the kind; else the connection, in words.
    ///
    /// # Errors
    /// The person said no, or the partner takes its code back.
    pub async fn came_back(&self, query: &str) -> anyhow::Result<Option<String>> {
        // The state is good once, whatever comes of it.
        let Some(asked) = self.consents.take(query) else { return Ok(None) };
        let code: Secret = asked.desk.code(&asked.begun, query)?;
        let credential = asked.desk.finish(&asked.app, &asked.begun, &code).await?;
        let missing: Vec<String> = credential.missing().into_iter().map(str::to_owned).collect();
        let details = json!({"kind": credential.kind(), "scopes": credential.granted, "missing": missing});
        let object = format!("connection {}", asked.connection);
        let note = self.runner.acting(asked.who).noted("connection.connect", &object, details);
        safe::ordered(self.runner.store(), note).set_credential(&asked.connection, Some(&credential)).await?;
        self.runner.refresh();
        if !missing.is_empty() {
            let words = format!("the consent lacks {}: nothing is sent until it is there", missing.join(", "));
            return Err(Problem::new(Code::ScopeMissing, words)
                .cure("connect again and leave all boxes ticked")
                .into());
        }
        Ok(Some(format!("{} is connected: this window can be closed", asked.connection)))
    }
}

impl Consents {
    /// The open questions; those that are too old are dropped.
    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, asked| asked.since.elapsed() < PATIENCE);
        open
    }

    fn take(&self, query: &str) -> Option<Open> {
        let mut open = self.open();
        let state =
            open.iter().find(|(_, asked)| asked.desk.answers(&asked.begun, query)).map(|(state, _)| state.clone())?;
        open.remove(&state)
    }
}
