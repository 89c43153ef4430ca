//! What all tasks of a run share: the store and its lease, connectors, canvases with their lanes, and the lanes'
//! short memories.
use crate::chance::Chance;
use crate::control::CanvasStates;
use crate::ledger::Ledger;
use crate::neighbours::Neighbours;
use crate::options::RunnerOptions;
use crate::pacing::Paces;
use crate::papers::{Documents, Papers};
use crate::policy::policy_of;
use crate::route::Route;
use crate::steps::{StepFacts, Steps, group_plans, plan_problem};
use crate::webhooks::Endpoints;
use caravan_model::port::{Clock, Connector, Connectors};
use caravan_model::{Code, LaneId, Millis, PartId, Policy, Problem, StepIx, VersionId};
use caravan_store::{DocumentKind, Lease, Store};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Notify;

/// Shared by the tasks of a run.
pub(crate) struct Shared<S> {
    pub store: S,
    pub lease: Lease,
    pub options: RunnerOptions,
    pub chance: Chance,
    pub(crate) connectors: Arc<dyn Connectors>,
    clock: Arc<dyn Clock>,
    policy: RwLock<Arc<Policy>>,
    routes: RwLock<HashMap<VersionId, Arc<Route>>>,
    /// Turns true with each publishing by this host, and where settings changed.
    published: Arc<AtomicBool>,
    /// Held while what is new is read: whoever comes meanwhile waits for it.
    reading: tokio::sync::Mutex<()>,
    plugs: Mutex<HashMap<String, Result<Plug, Problem>>>,
    facts: Mutex<HashMap<(String, VersionId, StepIx), Arc<StepFacts>>>,
    memories: Mutex<HashMap<LaneId, LaneMemory>>,
    /// Documents that are looked at with every wake.
    pub papers: Papers,
    /// How canvases stood when nobody was left inside of a stopped one.
    swept: Mutex<Documents>,
    /// Held while a canvas is stopped, a stop is finished, or a stopped one is opened again.
    pub stops: Arc<tokio::sync::Mutex<()>>,
    /// The other workspaces of the installation, where there are some.
    pub neighbours: Option<Arc<dyn Neighbours>>,
    /// The endpoints of webhook steps.
    pub endpoints: Endpoints,
    /// How fast calls may go.
    pub paces: Paces,
    /// Read from the look at people until their slice is sealed; written while it is decided what consent owes: whoever
    /// withdrew is seen by one of the two (promise 7).
    pub sealing: tokio::sync::RwLock<()>,
    /// Read while a queue is looked at and held for want of a slot; written while all are gone through for a new policy.
    pub entitling: tokio::sync::RwLock<()>,
    /// When old exchanges were looked for.
    pruned: AtomicI64,
    /// When those were looked at who are still to be merged.
    merged: AtomicI64,
    wake: Arc<Notify>,
    stopping: AtomicBool,
}

/// A connection in use.
#[derive(Clone)]
pub(crate) struct Plug {
    pub connector: Arc<dyn Connector>,
    /// Its settings as they are sent.
    pub settings: Arc<str>,
    default_country: Option<String>,
    pub(crate) identities: Arc<caravan_model::Identities>,
    /// The partner's ids of accounts that are switched off.
    off: Arc<BTreeSet<String>>,
}

impl Plug {
    /// The same by the version that carries one slice: a new one, or one that was sealed under this digest.
    pub(crate) fn for_slice(&self, sealed: Option<caravan_model::Digest>) -> Plug {
        let connector = self.connector.version_for(sealed).unwrap_or_else(|| self.connector.clone());
        Plug { connector, ..self.clone() }
    }
}

/// What a lane remembers between two pieces of work; nothing here is needed to go on after a crash.
#[derive(Debug, Default)]
pub(crate) struct LaneMemory {
    /// Credentials were refreshed since a call last succeeded.
    pub refreshed: bool,
    /// How often the lane was looked at while held, since a call last succeeded.
    pub probes: u32,
    /// The books of its open slice.
    pub ledger: Option<Ledger>,
    /// Which parts were halved from one.
    pub families: Families,
}

/// Parts that were halved from one.
#[derive(Debug, Default)]
pub(crate) struct Families {
    of: HashMap<PartId, usize>,
    all: Vec<Family>,
}

/// A part before any halving, and what the search in it has cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub people: u32,
    pub halved_calls: u32,
    pub poison: u32,
}

impl Families {
    /// The family of a part; a part that was not halved from one founds its own.
    pub(crate) fn of(&mut self, part: PartId, people: u32, poison: u32) -> &mut Family {
        let next = self.all.len();
        let at = *self.of.entry(part).or_insert(next);
        if at == next {
            self.all.push(Family { people, halved_calls: 0, poison });
        }
        &mut self.all[at]
    }

    /// Parts that came from one that is being searched belong to its family.
    pub(crate) fn adopt(&mut self, parent: PartId, children: impl Iterator<Item = PartId>) {
        if let Some(&at) = self.of.get(&parent).filter(|at| self.all[**at].halved_calls > 0) {
            for child in children {
                self.of.entry(child).or_insert(at);
            }
        }
    }
}

impl<S: Store> Shared<S> {
    /// Reads all versions and binds them to their lanes.
    pub(crate) async fn open(
        store: S,
        lease: Lease,
        options: RunnerOptions,
        connectors: Arc<dyn Connectors>,
        clock: Arc<dyn Clock>,
        (published, wake): (Arc<AtomicBool>, Arc<Notify>),
        (stops, neighbours): (Arc<tokio::sync::Mutex<()>>, Option<Arc<dyn Neighbours>>),
    ) -> crate::Result<Shared<S>> {
        // What was published or set before is read now.
        published.store(false, Ordering::SeqCst);
        let policy = RwLock::new(Arc::new(policy_of(&store).await?));
        let charges = store.charges(clock.now()).await?;
        let shared = Shared {
            endpoints: Endpoints::new(&options.webhooks),
            paces: Paces::new(clock.now(), charges),
            sealing: tokio::sync::RwLock::default(),
            entitling: tokio::sync::RwLock::default(),
            store,
            lease,
            chance: Chance::new(options.seed),
            options,
            connectors,
            clock,
            policy,
            routes: RwLock::default(),
            published,
            reading: tokio::sync::Mutex::default(),
            plugs: Mutex::default(),
            facts: Mutex::default(),
            memories: Mutex::default(),
            papers: Papers::default(),
            swept: Mutex::default(),
            stops,
            neighbours,
            pruned: AtomicI64::new(0),
            merged: AtomicI64::new(0),
            wake,
            stopping: AtomicBool::new(false),
        };
        shared.read_versions().await?;
        Ok(shared)
    }

    /// All documents of a kind, read anew only where some were written since.
    pub(crate) async fn documents(&self, kind: DocumentKind) -> crate::Result<Documents> {
        self.papers.of(&self.store, kind).await
    }

    /// How all canvases stand.
    pub(crate) async fn canvases(&self) -> crate::Result<CanvasStates> {
        Ok(CanvasStates::read(&self.documents(DocumentKind::Canvas).await?)?)
    }

    /// Whether people inside a version move on, as canvases stand.
    pub(crate) fn moves_on(&self, version: VersionId, canvases: &CanvasStates) -> bool {
        self.route(version).is_some_and(|route| canvases.of(route.canvas.as_str()).advances())
    }

    /// Whether nobody is left inside of stopped canvases while these documents say which ones are.
    pub(crate) fn is_swept(&self, canvases: &Documents) -> bool {
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) == *canvases
    }

    /// Notes that nobody is.
    pub(crate) fn swept(&self, canvases: Documents) {
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = canvases;
    }

    /// Reads what was published or set since the last look.
    pub(crate) async fn read_new_versions(&self) -> crate::Result<()> {
        let _reading = self.reading.lock().await;
        if self.published.swap(false, Ordering::SeqCst) {
            let policy = Arc::new(policy_of(&self.store).await?);
            *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
            self.plug_anew().await?;
            self.facts.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.read_versions().await?;
            self.entitle().await?;
        }
        Ok(())
    }

    /// Asks for the connectors in use anew. Each stays known meanwhile: how many rows a batch of it has decides when one is
    /// full.
    async fn plug_anew(&self) -> crate::Result<()> {
        let known: Vec<String> = self.plugs.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for name in known {
            let (connectors, wanted) = (self.connectors.clone(), name.clone());
            let plug = self.chance.aside(move || plug_of(&*connectors, &wanted)).await?;
            self.plugs.lock().unwrap_or_else(PoisonError::into_inner).insert(name, plug);
        }
        Ok(())
    }

    async fn read_versions(&self) -> crate::Result<()> {
        for version in self.store.versions().await? {
            let known = self.routes.read().unwrap_or_else(PoisonError::into_inner).contains_key(&version.id);
            if !known {
                let route = Arc::new(Route::of(&self.store, self.lease, &version).await?);
                self.endpoints.add(version.id, &route.plan);
                self.routes.write().unwrap_or_else(PoisonError::into_inner).insert(version.id, route);
            }
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a connection may not be used under today's policy; `None` where it may.
    pub(crate) fn lab_denied(&self, connection: &str) -> Option<String> {
        let denied = !self.policy().lab.is_allowed() && self.connectors.is_lab(connection);
        denied.then(|| format!("`{connection}` leads to the lab, which the policy denies"))
    }

    /// Whether old exchanges are to be looked for now.
    pub(crate) fn is_time_to_prune(&self, now: Millis, every: caravan_model::Duration) -> bool {
        is_time(&self.pruned, now, every)
    }

    /// The same for looking at those who are still to be merged.
    pub(crate) fn is_time_to_merge(&self, now: Millis, every: caravan_model::Duration) -> bool {
        is_time(&self.merged, now, every)
    }

    /// Tells the supervisor that something may have changed.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for [`Shared::wake`] or for the store's own hint.
    pub(crate) async fn woken(&self) {
        tokio::select! {
            biased;
            () = self.wake.notified() => {}
            () = self.store.changed() => {}
        }
    }

    /// From now on no new call is made and no new position moved.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// All versions, also those whose audiences are not all bound.
    pub(crate) fn versions(&self) -> Vec<Arc<Route>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Route>> = routes.values().cloned().collect();
        all.sort_by_key(|route| route.version);
        all
    }

    /// Of each canvas its newest version.
    pub(crate) fn newest_versions(&self) -> Vec<Arc<Route>> {
        crate::inbox::newest(self.versions())
    }

    /// A version whose audiences are all bound.
    pub(crate) fn route(&self, version: VersionId) -> Option<Arc<Route>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(&version).filter(|route| route.is_complete()).cloned()
    }

    /// Whether moving on needs the people themselves, in any version.
    pub(crate) fn needs_people(&self) -> bool {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.values().any(|route| route.needs_people)
    }

    /// The connector of a connection. Loading it may take a while, so it happens on a thread of its own, once.
    pub(crate) async fn plug(&self, connection: &str) -> crate::Result<Result<Plug, Problem>> {
        if let Some(known) = self.plugs.lock().unwrap_or_else(PoisonError::into_inner).get(connection) {
            return Ok(known.clone());
        }
        let (connectors, name) = (self.connectors.clone(), connection.to_owned());
        let plug = self.chance.aside(move || plug_of(&*connectors, &name)).await?;
        self.plugs.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.to_owned(), plug.clone());
        Ok(plug)
    }

    /// A connector that is loaded already.
    pub(crate) fn loaded(&self, connection: &str) -> Option<Result<Plug, Problem>> {
        self.plugs.lock().unwrap_or_else(PoisonError::into_inner).get(connection).cloned()
    }

    /// The facts of the steps that operations come from. Steps of unknown versions are left out.
    pub(crate) async fn steps(
        &self,
        connection: &str,
        plug: &Plug,
        asked: BTreeSet<(VersionId, StepIx)>,
    ) -> crate::Result<Steps> {
        let mut steps = Steps::with_capacity(asked.len());
        for (version, step) in asked {
            let key = (connection.to_owned(), version, step);
            let known = self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
            if let Some(known) = known {
                steps.insert((version, step), known);
                continue;
            }
            if !self.routes.read().unwrap_or_else(PoisonError::into_inner).contains_key(&version) {
                self.read_versions().await?;
            }
            let route = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(&version).cloned();
            let Some(route) = route else { continue };
            let Some(sync) = route.plan.sync(step) else { continue };
            let groups = plug.group_plans(&sync.match_on)?;
            let facts = Arc::new(StepFacts::of(&route.plan, step, groups, &self.policy()));
            self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(key, facts.clone());
            steps.insert((version, step), facts);
        }
        Ok(steps)
    }

    /// Takes a lane's memory; given back by [`Shared::remember`].
    pub(crate) fn recall(&self, lane: LaneId) -> LaneMemory {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(&lane).unwrap_or_default()
    }

    pub(crate) fn remember(&self, lane: LaneId, memory: LaneMemory) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).insert(lane, memory);
    }
}

impl Plug {
    /// Whether an account, by the partner's id, is switched off.
    pub(crate) fn is_off(&self, account: &str) -> bool {
        self.off.contains(account)
    }

    /// The plans of match words at this connection.
    pub(crate) fn group_plans(&self, words: &[String]) -> Result<Vec<crate::steps::GroupPlan>, Problem> {
        let (manifest, settings) = (self.connector.manifest(), self.connector.settings());
        group_plans(manifest, words, settings, self.default_country.as_deref(), &self.identities)
            .map_err(|error| plan_problem(&error, ""))
    }
}

/// A connection's connector and what is sent of its settings.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn plug_of(connectors: &dyn Connectors, connection: &str) -> Result<Plug, Problem> {
    let connector = connectors.connector(connection)?;
    let settings = serde_json::to_string(connector.settings())
        .map_err(|error| Problem::new(Code::BadConnection, format!("settings of `{connection}`: {error}")))?;
    let default_country = connectors.default_country(connection);
    let identities = connectors.identities(connection).unwrap_or_default();
    let off = connectors.switched_off(connection).unwrap_or_default();
    Ok(Plug { connector, settings: settings.into(), default_country, identities, off })
}

/// Whether something was last done longer than `every` ago; then it counts as done now.
fn is_time(last: &AtomicI64, now: Millis, every: caravan_model::Duration) -> bool {
    let due = Millis(last.load(Ordering::Relaxed)).after(every) <= now;
    if due {
        last.store(now.0, Ordering::Relaxed);
    }
    due
}
