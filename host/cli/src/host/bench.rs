//! What a serving host's API asks for beyond the store: connections from the file that the host was started with, read anew
//! at each call, and their components.
use super::Host;
use super::consents::{Consents, Office};
use super::lab::{self, LabHome};
use super::safe;
use crate::args::{ActivateArgs, ActivationMode};
use crate::bundle::is_path;
use crate::check::{self, Checked, Secrets};
use crate::fail::{Problems, problem_in};
use crate::installation::Installation;
use crate::out;
use crate::registry::approval::{self, Allowed};
use crate::registry::desk::Desk;
use crate::registry::removal::{self, Removal};
use crate::registry::{self, Shelf, loads, overview, takeover};
use crate::verbs::alert::{self, Tried};
use crate::verbs::{activate, connection};
use caravan_api::bench::{
    Activation, ConnectionView, DryRun, Forgotten, Mode, PolicyKept, Preview, Registry, Sealing, SlotsView,
};
use caravan_api::{Bench, Refused};
use caravan_connectors::{Change, LoadedComponent, Safe};
use caravan_journey::document::{Document, read_canvas};
use caravan_model::policy::SlotChange;
use caravan_model::port::{BoxFuture, Clock as _, Connector, Connectors, SystemClock};
use caravan_model::{Canvas, Code, Connection, Connections, Manifest, Problem};
use caravan_runner::{Forecast, Runner, forecast, policy_of};
use caravan_store::{Sqlite, Version};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// What documents of a request are called where they are wrong.
pub(super) const BODY: &str = "the body";

/// The bench of a serving host.
pub struct Workbench {
    runner: Arc<Runner<Sqlite>>,
    host: Arc<Host>,
    connections: PathBuf,
    lab_url: Option<String>,
    /// The lab that connections of this process reach, once one does.
    lab: Mutex<Option<LabHome>>,
    consents: Consents,
    installation: Arc<Installation>,
}

impl Workbench {
    /// A bench over the runner and connections of a host.
    pub fn new(
        runner: Arc<Runner<Sqlite>>,
        host: Arc<Host>,
        connections: PathBuf,
        lab_url: Option<String>,
        lab: Option<LabHome>,
        installation: Arc<Installation>,
    ) -> Workbench {
        let (lab, consents) = (Mutex::new(lab), Consents::default());
        Workbench { runner, host, connections, lab_url, lab, consents, installation }
    }

    pub(super) fn installation(&self) -> &Installation {
        &self.installation
    }

    fn office(&self) -> Office<'_> {
        Office { runner: &self.runner, connections: &self.connections, consents: &self.consents }
    }

    pub(super) async fn sealing(&self, who: String, act: Sealing) -> anyhow::Result<Value> {
        let name = match &act {
            Sealing::App { .. } | Sealing::ShowApp { .. } | Sealing::RemoveApp { .. } | Sealing::Show { .. } => {
                return self.office().act(who, act, None, None).await;
            }
            Sealing::Token { connection, .. }
            | Sealing::Connect { connection, .. }
            | Sealing::Disconnect { connection } => connection.clone(),
        };
        let subject = self.office().subject(&name).await?;
        if !matches!(act, Sealing::Disconnect { .. })
            && let Some(component) = subject.checked().components.get(&name)
        {
            self.entitled(&name, component.manifest()).await?;
        }
        let lab = self.lab_for(&subject.checked().connections.value, std::iter::once(&name)).await?;
        self.office().act(who, act, Some(&subject), lab.as_ref()).await
    }

    fn sealed(&self) -> Option<Safe> {
        Some(safe::of(self.runner.store()))
    }

    /// Refreshes consents that would end because nobody uses them.
    pub async fn tend(&self) {
        self.host.tend().await;
    }

    /// The runner that it belongs to.
    pub(super) fn runner(&self) -> &Runner<Sqlite> {
        &self.runner
    }

    /// Its connections.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// The file of those that the store does not keep.
    pub(super) fn connections_file(&self) -> &Path {
        &self.connections
    }

    /// A canvas against its connections and the policy. Components may have to be compiled: on a thread of its own.
    pub(super) async fn checked(
        &self,
        canvas: Result<Document<Canvas>, Problem>,
        secrets: Secrets,
    ) -> anyhow::Result<Result<Checked, Problems>> {
        let store = self.runner.store();
        let (policy, shelf) = (policy_of(store).await?, Shelf::of(store).await?);
        let connections = self.connections.clone();
        let check = move || check::document_with_connections(canvas, &connections, &policy, secrets, &shelf);
        let checked = tokio::task::spawn_blocking(check).await?;
        if let Ok(checked) = &checked {
            self.note_loads(&checked.components).await?;
        }
        Ok(checked)
    }

    /// The lab, once a connection that is used reaches one.
    async fn lab_for<'a>(
        &self,
        connections: &Connections,
        used: impl Iterator<Item = &'a String>,
    ) -> Result<MutexGuard<'_, Option<LabHome>>, Problem> {
        let mut lab = self.lab.lock().await;
        if lab.is_none() {
            *lab = lab::of_connections(connections, used, self.lab_url.as_deref()).await?;
        }
        Ok(lab)
    }

    /// Publishes a canvas that was read; its connections are bound as the file has them now.
    async fn make_live(&self, who: String, canvas: Document<Canvas>) -> anyhow::Result<Version> {
        let checked = self.checked(Ok(canvas), Secrets::Ask).await??;
        let connections = &checked.connections.value;
        let lab = self.lab_for(connections, checked.components.keys()).await?;
        self.host.take_over(Host::bind(
            &checked.connections,
            &checked.components,
            &checked.grants,
            lab.as_ref(),
            self.sealed(),
        )?);
        drop(lab);
        self.runner.refresh();
        Ok(self.runner.acting(who).publish(checked.canvas.value, connections).await?)
    }

    async fn forecast_of(&self, text: String) -> anyhow::Result<Forecast> {
        let checked = self.checked(read_canvas(BODY, &text), Secrets::Overlook).await??;
        let host = Host::unconnected(&checked.connections, &checked.components, &checked.grants, self.sealed())?;
        let (zone, canvas, connections) = (self.runner.zone(), &checked.canvas.value, &checked.connections.value);
        // None is started for this: who leads to a lab is asked where it runs already.
        let bound = {
            let lab = self.lab.lock().await;
            Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref(), self.sealed())
        };
        let partners = bound.as_ref().map(|host| host as &dyn Connectors);
        let beside = (&host as &dyn Connectors, connections);
        Ok(forecast(self.runner.store(), canvas, beside, partners, SystemClock.now(), zone).await?)
    }

    /// A connection as the file has it now, bound.
    async fn hosted(&self, name: &str) -> anyhow::Result<(Connection, Host)> {
        let shelf = Shelf::of(self.runner.store()).await?;
        let (path, wanted) = (self.connections.clone(), name.to_owned());
        let checked = tokio::task::spawn_blocking(move || check::connection(&path, &wanted, &shelf)).await??;
        self.note_loads(&checked.components).await?;
        let known = checked.connections.value.connections.get(name).cloned().unwrap_or_default();
        let lab = self.lab_for(&checked.connections.value, std::iter::once(&name.to_owned())).await?;
        let host = Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref(), self.sealed())?;
        drop(lab);
        Ok((known, host))
    }

    /// The same with its connector.
    async fn bound(&self, name: &str) -> anyhow::Result<(Connection, Arc<dyn Connector>)> {
        let (known, host) = self.hosted(name).await?;
        Ok((known, host.connector(name)?))
    }

    async fn report(&self, name: String) -> anyhow::Result<Value> {
        let (known, connector) = self.bound(&name).await?;
        self.entitled(&name, connector.manifest()).await?;
        Ok(connection::report(&name, &known, connector.as_ref()).await.1)
    }

    pub(super) async fn bind(&self, name: String) -> anyhow::Result<()> {
        let (_, host) = self.hosted(&name).await?;
        self.host.take_over(host);
        self.runner.refresh();
        Ok(())
    }

    /// A partner without a slot is not connected.
    async fn entitled(&self, name: &str, manifest: &Manifest) -> anyhow::Result<()> {
        Ok(connection::allowed(&policy_of(self.runner.store()).await?, name, manifest)?)
    }

    async fn accounts_of(&self, name: String) -> anyhow::Result<Value> {
        let (known, connector) = self.bound(&name).await?;
        self.entitled(&name, connector.manifest()).await?;
        Ok(connection::accounts_as_json(&known, connector.as_ref()).await?)
    }

    async fn audiences_of(&self, name: String, account: &str, named: &str) -> anyhow::Result<Value> {
        let (known, connector) = self.bound(&name).await?;
        self.entitled(&name, connector.manifest()).await?;
        Ok(connection::audiences_as_json(&known, connector.as_ref(), account, named).await?)
    }

    async fn registry(&self, who: String, act: Registry) -> anyhow::Result<Value> {
        let desk = Desk::new(&self.runner, who);
        Ok(match act {
            Registry::List => json!(overview::rows(Some(desk.store())).await?),
            Registry::Inspect(name) if is_path(&name) => {
                return Err(
                    Problem::new(Code::UnknownConnector, "a connector is named, not a file of this host").into()
                );
            }
            Registry::Inspect(name) => {
                let outline = overview::outline(Some(desk.store()), &name).await?;
                let takeover = takeover::by(Some(desk.store()), &outline, &self.connections).await?;
                let granted = overview::granted(Some(desk.store()), outline.digest).await?;
                overview::as_json(&outline, takeover.as_ref(), granted.as_ref())
            }
            Registry::Logs(name, lines) => json!({"lines": self.host.journal.lines(&name, lines)}),
            Registry::Compare(name) => json!(registry::behaviour::compare(&desk, &name, &self.connections).await?),
            Registry::Install(bytes) => json!(registry::install::install(&desk, bytes).await?),
            Registry::Grant(name, text) => {
                let allowed = text.map_or(Allowed::AsAsked, |text| Allowed::Grant(BODY.to_owned(), text));
                let granted = approval::grant(&desk, &name, allowed, &self.connections).await?;
                self.with_changes(json!(granted), false).await?
            }
            Registry::Upgrade(name, only) => {
                let upgraded = approval::upgrade(&desk, &name, only.as_deref(), &self.connections).await?;
                self.with_changes(json!(upgraded), false).await?
            }
            Registry::RollBack(name) => {
                let back = approval::roll_back(&desk, &name).await?;
                self.with_changes(json!(back), true).await?
            }
            Registry::Pin(connection, version) => {
                let digest = removal::pin(&desk, &connection, version.as_deref(), &self.connections).await?;
                self.with_changes(json!({"connection": connection, "digest": digest}), false).await?
            }
            Registry::Uninstall(name) => {
                Removal::of(&desk, &name).await?.carry_out(&desk).await?;
                json!({"removed": name})
            }
        })
    }

    /// Uses the versions that the store says now, and adds what becomes of connections to an answer.
    async fn with_changes(&self, mut answer: Value, back: bool) -> anyhow::Result<Value> {
        let (names, shelf) = (self.host.names(), Shelf::of(self.runner.store()).await?);
        if names.is_empty() {
            return Ok(answer);
        }
        let path = self.connections.clone();
        let check = move || check::connections(&path, &names, Secrets::Overlook, &shelf);
        let checked = tokio::task::spawn_blocking(check).await??;
        self.note_loads(&checked.components).await?;
        let lab = self.lab.lock().await;
        let wanted =
            Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref(), self.sealed())?;
        drop(lab);
        answer["connections"] = json!(self.host.switch_to(wanted, back));
        Ok(answer)
    }

    /// Notes versions that connections did not use until now.
    async fn note_loads(&self, components: &BTreeMap<String, Arc<LoadedComponent>>) -> anyhow::Result<()> {
        let mut fresh = components.clone();
        fresh.retain(|connection, component| self.host.in_use(connection) != Some(component.digest()));
        loads::note(&self.runner.acting("host"), &fresh).await
    }

    /// Notes what connections did with versions by themselves, and what was denied to them; one that broke is no longer in use, so that the next start
    /// begins with the one before.
    ///
    /// # Errors
    /// What the store says.
    pub async fn note_changes(&self) -> anyhow::Result<()> {
        self.host.note_denials(&self.runner).await?;
        for (connection, connector, change) in self.host.changes() {
            let desk = Desk::new(&self.runner, "host".to_owned());
            match change {
                Change::OnTrial(_) => {}
                Change::Promoted(digest) => {
                    let details = json!({"connection": connection, "digest": digest.to_string()});
                    desk.keep(Vec::new(), "connector.promote", &connector, details).await?;
                }
                Change::RolledBack { from, to, because } => {
                    tracing::warn!(connection, connector, %from, %to, because, "a version was taken back");
                    approval::taken_back(&desk, &connector, from, to, &because).await?;
                    self.with_changes(Value::Null, true).await?;
                }
            }
        }
        Ok(())
    }
}

/// An error as the API answers it: what a person can mend is said, the rest is logged.
fn refused(error: anyhow::Error) -> Refused {
    match error.downcast::<Problems>() {
        Ok(problems) => Refused::several(problems.0)
            .unwrap_or_else(|| Refused::bad(Problem::new(Code::Internal, "something was wrong, and nothing was"))),
        Err(error) => match problem_in(&error) {
            Some(problem) => Refused::bad(problem.clone()),
            None => Refused::from(caravan_runner::Error::Broken(format!("{error:#}"))),
        },
    }
}

/// The same where a connection or account is the very thing that is asked for.
fn unless_missing(error: anyhow::Error) -> Refused {
    let refused = refused(error);
    match refused.problem.code {
        Code::UnknownConnection | Code::UnknownAccount => refused.with(StatusCode::NOT_FOUND),
        _ => refused,
    }
}

impl Bench for Workbench {
    fn check(&self, canvas: String) -> BoxFuture<'_, Result<Vec<Problem>, Refused>> {
        Box::pin(async move {
            match self.checked(read_canvas(BODY, &canvas), Secrets::Overlook).await.map_err(refused)? {
                Ok(_) => Ok(Vec::new()),
                Err(problems) => Ok(problems.0),
            }
        })
    }

    fn publish(&self, who: String, canvas: String) -> BoxFuture<'_, Result<Version, Refused>> {
        Box::pin(async move {
            let document = read_canvas(BODY, &canvas).map_err(Refused::bad)?;
            self.make_live(who, document).await.map_err(refused)
        })
    }

    fn forecast(&self, canvas: String) -> BoxFuture<'_, Result<Forecast, Refused>> {
        Box::pin(async move { self.forecast_of(canvas).await.map_err(refused) })
    }

    fn activate(&self, who: String, wanted: Activation) -> BoxFuture<'_, Result<Canvas, Refused>> {
        Box::pin(async move {
            let args = ActivateArgs {
                segment: wanted.segment,
                connection: wanted.connection,
                account: wanted.account,
                audience: wanted.audience,
                id: wanted.id,
                kind: wanted.kind,
                match_on: wanted.match_on,
                mode: match wanted.mode {
                    Mode::Streaming => ActivationMode::Streaming,
                    Mode::Once => ActivationMode::Once,
                },
                canvas: wanted.canvas,
                mail: None,
                connections: self.connections.clone(),
                lab: self.lab_url.clone(),
            };
            let canvas = activate::canvas(&args, &out::instant(SystemClock.now())).map_err(refused)?;
            self.make_live(who, Document::without_file(canvas.clone())).await.map_err(refused)?;
            if let Some(mail) = &wanted.mail {
                self.runner.mail_when_done(canvas.canvas.as_str(), mail).await?;
            }
            Ok(canvas)
        })
    }

    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionView>, Refused>> {
        Box::pin(async move { self.all_connections().await.map_err(refused) })
    }

    fn connection(&self, name: String) -> BoxFuture<'_, Result<ConnectionView, Refused>> {
        Box::pin(async move { self.one_connection(&name).await.map_err(unless_missing) })
    }

    fn keep_connection(
        &self,
        who: String,
        name: String,
        connection: Connection,
        is_new: bool,
    ) -> BoxFuture<'_, Result<ConnectionView, Refused>> {
        Box::pin(async move { self.keep(who, name, connection, is_new).await.map_err(unless_missing) })
    }

    fn forget_connection(&self, who: String, name: String) -> BoxFuture<'_, Result<Forgotten, Refused>> {
        Box::pin(async move { self.forget(who, name).await.map_err(unless_missing) })
    }

    fn switch_account(
        &self,
        who: String,
        name: String,
        account: String,
        on: bool,
    ) -> BoxFuture<'_, Result<ConnectionView, Refused>> {
        Box::pin(async move { self.switch(who, name, account, on).await.map_err(unless_missing) })
    }

    fn bind_connection(&self, name: String) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move { self.bind(name).await.map_err(refused) })
    }

    fn check_connection(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move { self.report(name).await.map_err(refused) })
    }

    fn connectors(&self, who: String, act: Registry) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move { self.registry(who, act).await.map_err(refused) })
    }

    fn accounts(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>> {
        // What a partner refuses is no fault of this host's.
        let of_partner = |error| refused(error).with(StatusCode::UNPROCESSABLE_ENTITY);
        Box::pin(async move { self.accounts_of(name).await.map_err(of_partner) })
    }

    fn audiences(&self, name: String, account: String, named: String) -> BoxFuture<'_, Result<Value, Refused>> {
        let of_partner = |error| refused(error).with(StatusCode::UNPROCESSABLE_ENTITY);
        Box::pin(async move { self.audiences_of(name, &account, &named).await.map_err(of_partner) })
    }

    fn preview(&self, wanted: Preview) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move { self.way_of(wanted).await.map_err(refused) })
    }

    fn dry_run(&self, wanted: DryRun) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move { self.trial_of(wanted).await.map_err(refused) })
    }

    fn try_subscription(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move {
            let tried = alert::try_out(self.runner.store(), Some(&name)).await.map_err(refused)?;
            Ok(tried.first().map(Tried::as_json).unwrap_or_default())
        })
    }

    fn subscription(&self, name: String) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move { alert::show_as_json(self.runner.store(), &name).await.map_err(refused) })
    }

    fn check_policy(&self, text: String) -> BoxFuture<'_, Result<PolicyKept, Refused>> {
        Box::pin(async move { self.policy_against_live(text).await.map(|(told, _)| told).map_err(refused) })
    }

    fn slots(
        &self,
        who: String,
        change: Option<SlotChange>,
        anyway: bool,
    ) -> BoxFuture<'_, Result<SlotsView, Refused>> {
        Box::pin(async move {
            let at = self.runner.store().workspace();
            let view = match change {
                None => self.installation.view().await,
                Some(change) => self.installation.change(at, &who, &change, anyway).await,
            };
            view.map_err(refused)
        })
    }

    fn seal(&self, who: String, act: Sealing) -> BoxFuture<'_, Result<Value, Refused>> {
        Box::pin(async move { self.sealing(who, act).await.map_err(refused) })
    }

    fn came_back(&self, query: String) -> BoxFuture<'_, Result<Option<String>, Refused>> {
        Box::pin(async move { self.office().came_back(&query).await.map_err(refused) })
    }

    fn set_policy(&self, who: String, text: String, anyway: bool) -> BoxFuture<'_, Result<PolicyKept, Refused>> {
        Box::pin(async move { self.keep_policy(who, text, anyway).await.map_err(refused) })
    }
}
