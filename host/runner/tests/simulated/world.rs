//! A simulated world: one store file, one partner, and a process that dies and starts again.
use crate::common::{canvas, connections, manifest, rows};
use crate::partner::{Seen, SimPartner, Wires};
use crate::store::{Doom, SimStore, Watch};
use crate::time::{HOUR, MINUTE, SimClock};
use caravan_model::port::{Clock, Connector};
use caravan_model::{Event, Millis, Profile, Status, VersionId};
use caravan_runner::{DeliverOptions, RunEnd, RunOptions, Runner, RunnerOptions};
use caravan_store::{HoldScope, OpenOptions, Sqlite, Store, Trace};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// How often a process may die in one go; more would be a loop.
const MOST_LIVES: u32 = 500;

pub struct World {
    pub seed: u64,
    pub clock: Arc<SimClock>,
    pub partner: Arc<SimPartner>,
    pub watch: Arc<Watch>,
    pub options: RunnerOptions,
    folder: tempfile::TempDir,
    store: Option<SimStore>,
    /// How many processes there were.
    pub lives: u64,
    /// What people do by themselves, and when: events that come in beside whatever runs.
    errands: Mutex<VecDeque<(Millis, Events)>>,
}

/// Events as they come in: (external id, message id, event).
pub type Events = Vec<(String, Option<String>, Event)>;

impl World {
    /// A world with a part size.
    pub fn new(seed: u64, rows: u32) -> World {
        World::of(seed, manifest(rows))
    }

    pub fn of(seed: u64, manifest: serde_json::Value) -> World {
        println!("CARAVAN_SEED={seed}");
        let clock = Arc::new(SimClock::new());
        let options =
            RunnerOptions { chunk: 64, lease_renewal: MINUTE * 10, longest_nap: HOUR, ..RunnerOptions::default() };
        let partner = SimPartner::new(manifest, clock.clone(), seed ^ 0x5eed);
        let folder = tempfile::tempdir().unwrap();
        let mut world = World {
            seed,
            clock,
            partner,
            watch: Arc::default(),
            options,
            folder,
            store: None,
            lives: 0,
            errands: Mutex::default(),
        };
        world.store = world.open();
        world
    }

    fn open(&mut self) -> Option<SimStore> {
        let file = self.folder.path().join("caravan.db");
        let store = Sqlite::open(file, OpenOptions::default()).ok()?;
        self.lives += 1;
        Some(SimStore::new(store, self.watch.clone()))
    }

    pub fn store(&self) -> &SimStore {
        self.store.as_ref().unwrap()
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    pub fn runner(&self) -> Runner<SimStore> {
        self.runner_with(self.seed ^ (self.lives << 32))
    }

    fn runner_with(&self, seed: u64) -> Runner<SimStore> {
        let options = RunnerOptions { seed: Some(seed), ..self.options.clone() };
        Runner::new(self.store().clone(), Arc::new(Wires(self.partner.clone())), self.clock.clone(), options)
    }

    /// The process is gone; a new one opens the file.
    pub async fn restart(&mut self) {
        if let Some(store) = self.store.take() {
            store.kill();
        }
        for _ in 0..1_000 {
            // What the dead process left on the scheduler ends first.
            tokio::task::yield_now().await;
            self.store = self.open();
            if self.store.is_some() {
                return;
            }
        }
        panic!("seed {}: the store of a dead process is not let go", self.seed);
    }

    pub async fn publish(&self, text: &str) -> VersionId {
        // Chance of its own for each text: no two audiences get the same marker.
        let chance = text.bytes().fold(self.seed, |chance, byte| chance.rotate_left(7) ^ u64::from(byte));
        self.runner_with(chance).publish(canvas(text), &connections()).await.unwrap().id
    }

    /// One process: a run that may end with an error, or be cut off after a while.
    async fn one_life(
        &self,
        version: VersionId,
        people: Vec<Profile>,
        options: RunOptions,
        dies_after: Option<Duration>,
    ) -> Option<RunEnd> {
        let (progress, _) = watch::channel(Default::default());
        let (_cancel, cancelled) = watch::channel(false);
        let runner = self.runner();
        let run = runner.run(version, rows(people), options, progress, cancelled);
        let life = async {
            tokio::select! {
                biased;
                end = run => end,
                never = self.run_errands(&runner) => match never {},
            }
        };
        let end = match dies_after {
            None => life.await,
            Some(after) => tokio::time::timeout(after, life).await.ok()?,
        };
        end.map_err(|error| println!("{:?}: the process died: {error}", self.now())).ok()
    }

    /// Events come in when their time has come, while a process lives.
    async fn run_errands(&self, runner: &Runner<SimStore>) -> Infallible {
        loop {
            let next = self.errands.lock().unwrap().front().cloned();
            let Some((at, events)) = next else { return std::future::pending().await };
            tokio::time::sleep(at.since(self.now()).into()).await;
            if runner.record(events).await.is_err() {
                // The process has died; the next one hears of it again.
                return std::future::pending().await;
            }
            self.errands.lock().unwrap().pop_front();
        }
    }

    /// Events that come in at an instant, or as soon as a process lives after it. Later calls name later instants.
    pub fn happens(&self, at: Millis, events: Events) {
        self.errands.lock().unwrap().push_back((at, events));
    }

    /// Whether all events have come in.
    pub fn all_happened(&self) -> bool {
        self.errands.lock().unwrap().is_empty()
    }

    /// Runs until a run has ended by itself, with a new process after each death. `deaths` are instants of sudden
    /// death, each counted from the start of its process.
    pub async fn run_through(
        &mut self,
        version: VersionId,
        source: &str,
        people: Vec<Profile>,
        wait: Duration,
        deaths: Vec<Duration>,
    ) -> RunEnd {
        let mut deaths = deaths.into_iter();
        for _ in 0..MOST_LIVES {
            let options = RunOptions { wait, source: source.into(), ..RunOptions::default() };
            if let Some(end) = self.one_life(version, people.clone(), options, deaths.next()).await {
                return end;
            }
            self.restart().await;
        }
        panic!("seed {}: {MOST_LIVES} lives were not enough", self.seed);
    }

    /// A run that nothing kills by the clock.
    pub async fn run(&mut self, version: VersionId, source: &str, people: Vec<Profile>, wait: Duration) -> RunEnd {
        self.run_through(version, source, people, wait, Vec::new()).await
    }

    /// Delivers the queues, with a new process after each death.
    pub async fn deliver(&mut self, wait: Duration) -> RunEnd {
        for _ in 0..MOST_LIVES {
            let (progress, _) = watch::channel(Default::default());
            let (_cancel, cancelled) = watch::channel(false);
            if let Ok(end) = self.runner().deliver(DeliverOptions { wait }, progress, cancelled).await {
                return end;
            }
            self.restart().await;
        }
        panic!("seed {}: {MOST_LIVES} lives were not enough", self.seed);
    }

    /// Someone holds what this names, while no run is under way.
    pub async fn hold(&mut self, scope: HoldScope) {
        while self.runner().hold(scope.clone(), "wait a moment", "someone").await.is_err() {
            self.restart().await;
        }
    }

    /// And lets go of it.
    pub async fn lift(&mut self, scope: HoldScope) {
        while self.runner().lift(scope.clone()).await.is_err() {
            self.restart().await;
        }
    }

    /// The process dies at a write.
    pub fn dies(&self, doom: Doom) {
        *self.watch.doom.lock().unwrap() = Some(doom);
    }

    /// The books balance, and did at every instant.
    pub async fn balanced(&self) {
        let off = self.watch.off.lock().unwrap().clone();
        assert!(off.is_empty(), "seed {}: {off:#?}", self.seed);
        assert!(*self.watch.samples.lock().unwrap() > 0, "seed {}: nobody looked", self.seed);
        assert_eq!(self.store().audit().await.unwrap(), Vec::<String>::new(), "seed {}", self.seed);
        self.retries_are_the_same();
    }

    /// Whenever a part comes again, it has the same rows or fewer, in the same order (design, 11.6).
    fn retries_are_the_same(&self) {
        let mut first: BTreeMap<String, Seen> = BTreeMap::new();
        for seen in self.partner.log() {
            let Some(known) = first.insert(seen.part.clone(), seen.clone()) else { continue };
            let mut rows = known.rows.iter();
            let is_part_of = seen.rows.iter().all(|row| rows.any(|known| known == row));
            let same = known.audience == seen.audience && known.action == seen.action;
            assert!(is_part_of && same, "seed {}: {known:?} came again as {seen:?}", self.seed);
        }
    }

    /// How many visits of a step have each status and reason.
    pub async fn statuses(&self, version: VersionId, step: u16) -> BTreeMap<(Status, String), u64> {
        let counters = self.store().counters(version).await.unwrap();
        let mut statuses = BTreeMap::new();
        for count in counters.counts.iter().filter(|count| count.step.0 == step && count.n > 0) {
            *statuses.entry((count.status, count.reason.code.clone())).or_default() += count.n;
        }
        statuses
    }

    /// All that is known of a person.
    pub async fn trace(&self, id: &str) -> Option<Trace> {
        let profile = *self.store().find(id).await.unwrap().first()?;
        self.store().trace(profile).await.unwrap()
    }

    /// Whether the partner keeps e-mails and phones apart.
    pub fn splits(&self) -> bool {
        self.partner.manifest().groups.len() > 1
    }

    pub fn members(&self) -> BTreeSet<String> {
        self.partner.members("new-1")
    }
}

/// A status without a reason, as [`World::statuses`] has it.
pub fn plain(status: Status, n: u64) -> ((Status, String), u64) {
    ((status, String::new()), n)
}

/// The run is through.
pub fn done(end: &RunEnd) {
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
}
