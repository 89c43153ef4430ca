//! A run: intake, advancing and all lanes at once, until everyone is through or what is left has to wait.
use crate::alerts::Watch;
use crate::delivery::{self, Worked, due_of};
use crate::intake::{self, IntakeRow};
use crate::options::RunOptions;
use crate::progress::{LaneProgress, Meter, Progress, RunEnd, Totals};
use crate::route::Route;
use crate::runner::Runner;
use crate::shared::Shared;
use crate::{advance, waits};
use caravan_model::{Code, LaneId, Millis, Problem, VersionId};
use caravan_store::{Lane, LaneState, Store};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(3);
/// How long the supervisor sleeps at most; hints of the store wake it earlier.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// What a task of a run did.
enum Done {
    Intake,
    Advanced { moved: u64, by: Millis },
    Lane(LaneId, Worked),
}

impl<S: Store> Runner<S> {
    /// Lets the people of a source enter a version, moves everyone on and delivers, until every entry has ended or
    /// what is left waits for longer than `options.wait`, or for a person. A run that was interrupted or killed goes
    /// on where it was: by source and row, by position, by part.
    ///
    /// `people` is pulled on a thread of its own. `progress` is told about changes; `cancel` set to true interrupts.
    ///
    /// # Errors
    /// The version, or one of its connections, is not there; the store failed or another host took it over.
    pub async fn run<I, R>(
        &self,
        version: VersionId,
        people: I,
        options: RunOptions,
        progress: watch::Sender<Progress>,
        cancel: watch::Receiver<bool>,
    ) -> crate::Result<RunEnd>
    where
        I: Iterator<Item = R> + Send + 'static,
        R: Into<IntakeRow> + 'static,
    {
        let lease = self.lease().await?;
        let (connectors, clock) = (self.connectors.clone(), self.clock.clone());
        let shared = Arc::new(Shared::open(self.store.clone(), lease, self.options.clone(), connectors, clock).await?);
        let route = shared.route(version).ok_or_else(|| {
            let words = format!("version {version} is not in the store, or not all its audiences are bound");
            Problem::new(Code::NotFound, words).cure("publish the canvas")
        })?;
        for lane in route.lanes.iter().flatten() {
            shared.plug(&lane.connection_name).await??;
        }
        let (source, first_row) = self.source_of(version, &options).await?;
        let meter = Arc::new(Meter::default());
        meter.read(first_row);
        let mut run = Run {
            lanes_of_version: route.lanes.iter().flatten().map(|lane| lane.lane).collect(),
            totals: Totals { version, source: source.clone(), resumed_from: first_row, ..Totals::default() },
            started: shared.now(),
            quiet_since: shared.now(),
            shared: shared.clone(),
            route: route.clone(),
            meter: meter.clone(),
            tasks: JoinSet::new(),
            intake: None,
            advancing: false,
            advance_wanted: true,
            advanced_at: Millis(i64::MIN),
            busy: HashSet::new(),
            open: HashSet::new(),
            looked: HashSet::new(),
            tallies: HashMap::new(),
            options,
            progress,
            alerts: Watch::new(self.options.alerts.clone()),
        };
        run.open = shared.store.lanes().await?.into_iter().map(|lane| lane.id).collect();
        if !source.is_empty() {
            let skip_delays = run.options.skip_delays;
            let task = intake::Task { route, source, first_row, skip_delays };
            let (shared, meter) = (shared.clone(), meter.clone());
            run.intake = Some(
                run.tasks.spawn(async move { intake::run(shared, task, people, meter).await.map(|()| Done::Intake) }),
            );
        }
        // Ends with this call, however that ends.
        let mut renewal = JoinSet::new();
        renewal.spawn(renew(shared.clone()));
        let end = run.supervise(cancel).await;
        if matches!(end, Ok(RunEnd::Done(_) | RunEnd::Waits(..))) {
            run.alerts.close(&shared.store, shared.lease, shared.now()).await?;
        }
        shared.stop();
        end
    }

    /// The source with its generation, and the first row that is not done.
    async fn source_of(&self, version: VersionId, options: &RunOptions) -> crate::Result<(String, u64)> {
        if options.source.is_empty() {
            return Ok((String::new(), 0));
        }
        let name = |generation: u32| format!("{}#{generation}", options.source);
        let mut generation = 1;
        let mut rows = self.store.intake(version, &name(1)).await?.0;
        while rows > 0 {
            let next = self.store.intake(version, &name(generation + 1)).await?.0;
            if next == 0 {
                break;
            }
            (generation, rows) = (generation + 1, next);
        }
        if options.again && rows > 0 {
            (generation, rows) = (generation + 1, 0);
        }
        Ok((name(generation), rows))
    }
}

async fn renew<S: Store>(shared: Arc<Shared<S>>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        // Whoever lost the lease learns it from the next write as well.
        if shared.store.renew(shared.lease, shared.now()).await.is_err() {
            shared.stop();
            shared.wake();
            return;
        }
    }
}

/// A run under way.
struct Run<S: Store> {
    shared: Arc<Shared<S>>,
    route: Arc<Route>,
    lanes_of_version: HashSet<LaneId>,
    options: RunOptions,
    totals: Totals,
    progress: watch::Sender<Progress>,
    meter: Arc<Meter>,
    started: Millis,
    /// When anything last moved.
    quiet_since: Millis,
    tasks: JoinSet<crate::Result<Done>>,
    intake: Option<AbortHandle>,
    advancing: bool,
    /// Positions may be due.
    advance_wanted: bool,
    /// Up to when all due positions are known to have been moved.
    advanced_at: Millis,
    /// Lanes that are being worked on.
    busy: HashSet<LaneId>,
    /// Lanes that may have an open slice.
    open: HashSet<LaneId>,
    /// Held lanes that this run has looked at.
    looked: HashSet<LaneId>,
    tallies: HashMap<LaneId, Worked>,
    alerts: Watch,
}

impl<S: Store> Run<S> {
    async fn supervise(&mut self, mut cancel: watch::Receiver<bool>) -> crate::Result<RunEnd> {
        loop {
            if self.shared.is_stopping() {
                // Only a lost lease stops a run from within; this says so.
                self.shared.store.renew(self.shared.lease, self.shared.now()).await?;
            }
            if *cancel.borrow() || self.shared.is_stopping() {
                return self.interrupted().await;
            }
            if self.advance_wanted && !self.advancing {
                self.spawn_advance();
            }
            let lanes = self.shared.store.lanes().await?;
            self.alerts.tick(&self.shared.store, self.shared.lease, &lanes, self.shared.now()).await?;
            let due = self.dispatch(&lanes);
            self.tell(&lanes);
            let mut nap_until = due;
            if self.tasks.is_empty()
                && let Some(end) = self.end(&lanes, due, &mut nap_until).await?
            {
                self.tell(&lanes);
                return Ok(end);
            }
            if self.advance_wanted && !self.advancing {
                continue;
            }
            let nap = self.nap(nap_until);
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => self.finished(done)?,
                () = self.shared.woken() => self.advance_wanted = true,
                () = cancelled(&mut cancel) => {}
                () = tokio::time::sleep(nap) => self.advance_wanted = true,
            }
            // All that has ended meanwhile, before the lanes are read anew.
            while let Some(done) = self.tasks.try_join_next() {
                self.finished(done)?;
            }
        }
    }

    fn nap(&self, until: Millis) -> Duration {
        Duration::from(until.since(self.shared.now())).min(LONGEST_NAP)
    }

    fn spawn_advance(&mut self) {
        (self.advance_wanted, self.advancing) = (false, true);
        let (shared, meter) = (self.shared.clone(), self.meter.clone());
        let skip_delays_of = self.options.skip_delays.then_some(self.route.version);
        self.tasks.spawn(async move {
            let by = shared.now();
            let moved = advance::run(shared, skip_delays_of, meter).await?;
            Ok(Done::Advanced { moved, by })
        });
    }

    /// Sets tasks to all lanes that can be worked on; gives when the next one can.
    fn dispatch(&mut self, lanes: &[Lane]) -> Millis {
        let now = self.shared.now();
        let upstream = self.intake.is_some() || self.advancing || self.advance_wanted;
        let idle = self.shared.options.idle_flush && !upstream;
        let mut next = Millis::NEVER;
        for lane in lanes {
            if self.busy.contains(&lane.id) || !self.has_work(lane) || self.is_unusable(lane.id) {
                continue;
            }
            let due = self.lane_due(lane, idle);
            if due > now {
                next = next.min(due);
                continue;
            }
            if matches!(lane.state, LaneState::Held { .. }) {
                self.looked.insert(lane.id);
            }
            self.busy.insert(lane.id);
            let (shared, lane) = (self.shared.clone(), lane.clone());
            self.tasks.spawn(async move {
                let id = lane.id;
                delivery::work(shared, lane).await.map(|worked| Done::Lane(id, worked))
            });
        }
        next
    }

    fn has_work(&self, lane: &Lane) -> bool {
        lane.waiting > 0 || lane.sealed > 0 || self.open.contains(&lane.id)
    }

    fn is_unusable(&self, lane: LaneId) -> bool {
        self.tallies.get(&lane).is_some_and(|tally| tally.problem.is_some())
    }

    /// When a lane can be worked on: its state, then whether its next part is full, old, or the last for now.
    fn lane_due(&self, lane: &Lane, idle: bool) -> Millis {
        let state = match &lane.state {
            // A run begins with a look at what is held, unless a person holds it.
            LaneState::Held { probe, .. } if *probe != Millis::NEVER && !self.looked.contains(&lane.id) => Millis(0),
            state => due_of(state),
        };
        if state > self.shared.now() || idle || lane.sealed > 0 || self.open.contains(&lane.id) {
            return state;
        }
        let rows = match self.shared.loaded(&lane.connection) {
            Some(Ok(plug)) => u64::from(plug.connector.manifest().batch.rows),
            Some(Err(_)) | None => self.shared.options.chunk as u64,
        };
        if lane.waiting >= rows {
            return state;
        }
        let window = i64::try_from(self.shared.options.batch_window.as_millis()).unwrap_or(i64::MAX);
        lane.oldest.map_or(state, |oldest| Millis(oldest.0.saturating_add(window)).max(state))
    }

    fn finished(&mut self, done: Result<crate::Result<Done>, tokio::task::JoinError>) -> crate::Result<()> {
        let now = self.shared.now();
        match done {
            Err(gone) if gone.is_cancelled() => return Ok(()),
            done => match done?? {
                Done::Intake => {
                    self.intake = None;
                    self.advance_wanted = true;
                    self.quiet_since = now;
                }
                Done::Advanced { moved, by } => {
                    self.advancing = false;
                    self.advanced_at = by;
                    if moved > 0 {
                        self.quiet_since = now;
                    }
                }
                Done::Lane(lane, worked) => {
                    self.busy.remove(&lane);
                    if worked.open {
                        self.open.insert(lane)
                    } else {
                        self.open.remove(&lane)
                    };
                    if worked.settled > 0 {
                        self.quiet_since = now;
                        self.advance_wanted = true;
                    }
                    let tally = self.tallies.entry(lane).or_default();
                    tally.settled += worked.settled;
                    tally.calls += worked.calls;
                    tally.problem = worked.problem;
                }
            },
        }
        Ok(())
    }

    /// With no task under way: whether the run is at its end, or until when it may sleep.
    async fn end(&mut self, lanes: &[Lane], due: Millis, nap_until: &mut Millis) -> crate::Result<Option<RunEnd>> {
        if self.intake.is_some() || self.advance_wanted {
            return Ok(None);
        }
        let waiting: Vec<&Lane> =
            lanes.iter().filter(|lane| self.lanes_of_version.contains(&lane.id) && self.has_work(lane)).collect();
        self.totals.counters = self.shared.store.counters(self.route.version).await?;
        if waiting.is_empty() && self.totals.counters.open == 0 {
            return Ok(Some(RunEnd::Done(self.final_totals(lanes))));
        }
        let now = self.shared.now();
        let timer = self.shared.store.next_timer().await?;
        if timer.is_some_and(|timer| timer <= now && timer > self.advanced_at) {
            self.advance_wanted = true;
            return Ok(None);
        }
        let timer = timer.filter(|timer| *timer > now);
        *nap_until = due.min(timer.unwrap_or(Millis::NEVER));
        let wait = caravan_model::Duration(u64::try_from(self.options.wait.as_millis()).unwrap_or(u64::MAX));
        if *nap_until <= self.quiet_since.after(wait) && *nap_until != Millis::NEVER {
            return Ok(None);
        }
        let unusable = |lane: LaneId| self.tallies.get(&lane).and_then(|tally| tally.problem.clone());
        let lines = waits::lines(&self.route, &waiting, unusable, &self.totals.counters, timer);
        Ok(Some(RunEnd::Waits(lines, self.final_totals(lanes))))
    }

    async fn interrupted(&mut self) -> crate::Result<RunEnd> {
        self.shared.stop();
        if let Some(intake) = self.intake.take() {
            intake.abort();
        }
        let grace = self.shared.options.interrupt_grace;
        let ended = tokio::time::timeout(grace, async {
            while let Some(done) = self.tasks.join_next().await {
                self.finished(done)?;
            }
            crate::Result::Ok(())
        });
        // Calls that take longer are left open: the next run repeats them.
        if let Ok(ended) = ended.await {
            ended?;
        }
        self.totals.counters = self.shared.store.counters(self.route.version).await?;
        let lanes = self.shared.store.lanes().await?;
        Ok(RunEnd::Interrupted(self.final_totals(&lanes)))
    }

    fn final_totals(&mut self, lanes: &[Lane]) -> Totals {
        self.totals.progress = self.snapshot(lanes);
        self.totals.clone()
    }

    fn snapshot(&self, lanes: &[Lane]) -> Progress {
        let of_interest = |lane: &&Lane| {
            lane.waiting > 0 || self.tallies.contains_key(&lane.id) || self.lanes_of_version.contains(&lane.id)
        };
        let lanes = lanes.iter().filter(of_interest).map(|lane| {
            let tally = self.tallies.get(&lane.id);
            LaneProgress {
                key: lane.key.clone(),
                connection: lane.connection.clone(),
                settled: tally.map_or(0, |tally| tally.settled),
                calls: tally.map_or(0, |tally| tally.calls),
                waiting: lane.waiting,
                state: lane.state.clone(),
                unusable: tally.and_then(|tally| tally.problem.as_ref()).map(ToString::to_string),
            }
        });
        let lanes = lanes.collect();
        let elapsed = self.shared.now().since(self.started).into();
        Progress { lanes, elapsed, intake_done: self.intake.is_none(), ..self.meter.snapshot() }
    }

    fn tell(&self, lanes: &[Lane]) {
        // Where nobody listens, nobody needs to know.
        self.progress.send_replace(self.snapshot(lanes));
    }
}

/// Ends when the run is cancelled; never where nobody can cancel it any more.
async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}
