//! The supervisor of a run: sets tasks to intake, advancing, chores, follow-ups and lanes, and sees when it is over.
use crate::alerts::Watch;
use crate::delivery::{self, Worked, due_of};
use crate::progress::{LaneProgress, Meter, Progress, RunEnd, Totals, WaitLine};
use crate::route::Route;
use crate::shared::Shared;
use crate::{advance, chores, groups, imports, inbox, judged, occasions, waits, webhooks};
use caravan_model::{LaneId, Millis};
use caravan_store::{Lane, LaneState, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// What a task of a run did.
pub(crate) enum Done {
    Intake,
    Advanced { moved: u64, by: Millis },
    Chores { done: u64, by: Millis },
    FollowedUp { asked: u64, by: Millis },
    WorkedOff { messages: u64, by: Millis },
    Grouped { changed: u64, next: Millis, by: Millis },
    Imported { changed: u64, next: Millis, by: Millis },
    Called { endpoint: String, moved: u64, by: Millis },
    Lane(LaneId, Worked),
}

/// The supervisor of a run.
pub(crate) struct Supervisor<S: Store> {
    shared: Arc<Shared<S>>,
    /// The version whose people are waited for; `None` = the queues alone.
    route: Option<Arc<Route>>,
    /// How long to stay while everything waits.
    wait: Duration,
    /// Delays of the version are over at once.
    pub skip_delays: bool,
    /// Stays until it is cancelled, and works the inbox off.
    pub stays: bool,
    totals: Totals,
    progress: watch::Sender<Progress>,
    pub meter: Arc<Meter>,
    started: Millis,
    /// When anything last moved.
    quiet_since: Millis,
    pub tasks: JoinSet<crate::Result<Done>>,
    pub intake: Option<AbortHandle>,
    advancing: Errand,
    chores: Errand,
    follow_ups: Errand,
    inbox: Errand,
    groups: Errand,
    imports: Errand,
    /// One for each endpoint of webhook steps.
    calls: BTreeMap<String, Errand>,
    /// When segments are swept or a schedule runs next.
    groups_due: Millis,
    /// When the next import is due.
    imports_due: Millis,
    /// Lanes that are being worked on.
    busy: BTreeSet<LaneId>,
    /// Lanes that may have an open slice.
    pub open: BTreeSet<LaneId>,
    /// Held lanes that this run has looked at.
    looked: BTreeSet<LaneId>,
    /// Lanes that may not call before.
    paced: BTreeMap<LaneId, Millis>,
    tallies: BTreeMap<LaneId, Worked>,
    /// Tells people what is wrong.
    pub alerts: Watch,
}

/// One kind of work beside the lanes, done by one task at a time.
#[derive(Clone, Copy, Debug)]
struct Errand {
    under_way: bool,
    wanted: bool,
    /// Up to when all that was due is known to have been done.
    done_at: Millis,
}

impl Errand {
    const WANTED: Errand = Errand { under_way: false, wanted: true, done_at: Millis(i64::MIN) };

    /// Whether it is to begin now; then it has begun.
    fn begins(&mut self) -> bool {
        let begins = self.wanted && !self.under_way;
        if begins {
            (self.wanted, self.under_way) = (false, true);
        }
        begins
    }

    fn ended(&mut self, by: Millis) {
        (self.under_way, self.done_at) = (false, by);
    }
}

impl<S: Store> Supervisor<S> {
    /// A supervisor that has not begun.
    pub(crate) fn new(
        shared: Arc<Shared<S>>,
        route: Option<Arc<Route>>,
        totals: Totals,
        wait: Duration,
        progress: watch::Sender<Progress>,
    ) -> Supervisor<S> {
        Supervisor {
            route,
            wait,
            skip_delays: false,
            stays: false,
            totals,
            progress,
            meter: Arc::default(),
            started: shared.now(),
            quiet_since: shared.now(),
            tasks: JoinSet::new(),
            intake: None,
            advancing: Errand::WANTED,
            chores: Errand::WANTED,
            follow_ups: Errand::WANTED,
            inbox: Errand::WANTED,
            groups: Errand::WANTED,
            imports: Errand::WANTED,
            calls: BTreeMap::new(),
            groups_due: Millis::NEVER,
            imports_due: Millis::NEVER,
            busy: BTreeSet::new(),
            open: BTreeSet::new(),
            looked: BTreeSet::new(),
            paced: BTreeMap::new(),
            tallies: BTreeMap::new(),
            alerts: Watch::new(shared.options.alerts.clone()),
            shared,
        }
    }

    /// Works until the end, or until it is interrupted.
    pub(crate) async fn supervise(&mut self, mut cancel: watch::Receiver<bool>) -> crate::Result<RunEnd> {
        loop {
            if self.shared.is_stopping() {
                // Only a lost lease stops a run from within; this says so.
                self.shared.store.renew(self.shared.lease, self.shared.now()).await?;
            }
            if *cancel.borrow() || self.shared.is_stopping() {
                return self.interrupted().await;
            }
            self.shared.read_new_versions().await?;
            self.send_out();
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
            if self.errands().iter().any(|errand| errand.wanted && !errand.under_way) {
                continue;
            }
            let nap = self.nap(nap_until.min(self.groups_due).min(self.imports_due));
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => self.finished(done)?,
                () = self.shared.woken() => self.want_all(),
                () = cancelled(&mut cancel) => {}
                () = tokio::time::sleep(nap) => self.want_all(),
            }
            // All that has ended meanwhile, before the lanes are read anew.
            while let Some(done) = self.tasks.try_join_next() {
                self.finished(done)?;
            }
        }
    }

    fn nap(&self, until: Millis) -> Duration {
        Duration::from(until.since(self.shared.now())).min(self.shared.options.longest_nap)
    }

    fn want_all(&mut self) {
        let [advancing, chores] = [&mut self.advancing, &mut self.chores];
        let own = [advancing, chores, &mut self.follow_ups, &mut self.inbox, &mut self.groups, &mut self.imports];
        own.into_iter().chain(self.calls.values_mut()).for_each(|errand| errand.wanted = true);
    }

    /// All kinds of work beside the lanes; those that timers ask for come first, as many as [`Self::timed`] says.
    fn errands(&self) -> Vec<Errand> {
        let inbox = Errand { wanted: self.inbox.wanted && self.stays, ..self.inbox };
        let groups = Errand { wanted: self.groups.wanted && self.stays, ..self.groups };
        let timed = [self.advancing, self.chores, self.follow_ups].into_iter().chain(self.calls.values().copied());
        let imports = Errand { wanted: self.imports.wanted && self.stays, ..self.imports };
        timed.chain([inbox, groups, imports]).collect()
    }

    fn timed(&self) -> usize {
        3 + self.calls.len()
    }

    /// Sets a task to each errand that is wanted.
    fn send_out(&mut self) {
        let by = self.shared.now();
        if self.advancing.begins() {
            let (shared, meter) = (self.shared.clone(), self.meter.clone());
            let skipped = self.route.as_ref().filter(|_| self.skip_delays).map(|route| route.version);
            self.tasks.spawn(async move {
                let moved = advance::run(shared, skipped, meter).await?;
                Ok(Done::Advanced { moved, by })
            });
        }
        if self.chores.begins() {
            let shared = self.shared.clone();
            self.tasks.spawn(async move { Ok(Done::Chores { done: chores::run(shared).await?, by }) });
        }
        if self.follow_ups.begins() {
            let shared = self.shared.clone();
            self.tasks.spawn(async move { Ok(Done::FollowedUp { asked: judged::run(shared).await?, by }) });
        }
        for endpoint in self.shared.endpoints.names() {
            if !self.calls.entry(endpoint.clone()).or_insert(Errand::WANTED).begins() {
                continue;
            }
            let (shared, meter) = (self.shared.clone(), self.meter.clone());
            let skipped = self.route.as_ref().filter(|_| self.skip_delays).map(|route| route.version);
            self.tasks.spawn(async move {
                let moved = webhooks::run(shared, endpoint.clone(), skipped, meter).await?;
                Ok(Done::Called { endpoint, moved, by })
            });
        }
        if self.stays && self.inbox.begins() {
            let shared = self.shared.clone();
            self.tasks.spawn(async move { Ok(Done::WorkedOff { messages: inbox::run(shared).await?, by }) });
        }
        if self.stays && self.imports.begins() {
            let shared = self.shared.clone();
            self.tasks.spawn(async move {
                let (changed, next) = imports::run(shared).await?;
                Ok(Done::Imported { changed, next, by })
            });
        }
        if self.stays && self.groups.begins() {
            let shared = self.shared.clone();
            self.tasks.spawn(async move {
                let (changed, sweep) = groups::run(shared.clone()).await?;
                let (entered, run) = occasions::run(shared).await?;
                Ok(Done::Grouped { changed: changed + entered, next: sweep.min(run), by })
            });
        }
    }

    /// Sets tasks to all lanes that can be worked on; gives when the next one can.
    fn dispatch(&mut self, lanes: &[Lane]) -> Millis {
        let now = self.shared.now();
        let upstream =
            self.intake.is_some() || self.advancing.under_way || self.advancing.wanted || self.inbox.under_way;
        let idle = self.shared.options.idle_flush && !upstream;
        let mut next = Millis::NEVER;
        for lane in lanes {
            let is_held = !lane.held_by.is_empty();
            if is_held || self.busy.contains(&lane.id) || !self.has_work(lane) || self.is_unusable(lane.id) {
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
        let state = state.max(self.paced.get(&lane.id).copied().unwrap_or(Millis(0)));
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
                    self.want_all();
                    self.quiet_since = now;
                }
                Done::Advanced { moved, by } => {
                    self.advancing.ended(by);
                    if moved > 0 {
                        self.quiet_since = now;
                    }
                }
                Done::Chores { done, by } => {
                    self.chores.ended(by);
                    if done > 0 {
                        self.quiet_since = now;
                    }
                }
                Done::FollowedUp { asked, by } => {
                    self.follow_ups.ended(by);
                    if asked > 0 {
                        self.quiet_since = now;
                        self.want_all();
                    }
                }
                Done::WorkedOff { messages, by } => {
                    self.inbox.ended(by);
                    if messages > 0 {
                        self.quiet_since = now;
                        self.want_all();
                    }
                }
                Done::Grouped { changed, next, by } => {
                    self.groups.ended(by);
                    self.groups_due = next;
                    if changed > 0 {
                        self.quiet_since = now;
                        self.want_all();
                    }
                }
                Done::Imported { changed, next, by } => {
                    self.imports.ended(by);
                    self.imports_due = next;
                    if changed > 0 {
                        self.quiet_since = now;
                        self.want_all();
                    }
                }
                Done::Called { endpoint, moved, by } => {
                    self.calls.entry(endpoint).or_insert(Errand::WANTED).ended(by);
                    if moved > 0 {
                        self.quiet_since = now;
                        self.want_all();
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
                        self.want_all();
                    }
                    match worked.paced {
                        Some(paced) => self.paced.insert(lane, paced.until),
                        None => self.paced.remove(&lane),
                    };
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
        let errands = self.errands();
        if self.intake.is_some() || errands.iter().any(|errand| errand.wanted) {
            return Ok(None);
        }
        let waiting: Vec<&Lane> =
            lanes.iter().filter(|lane| self.is_of_interest(lane) && self.has_work(lane)).collect();
        if let Some(route) = &self.route {
            self.totals.counters = self.shared.store.counters(route.version).await?;
        }
        let calls = match self.stays {
            true => Vec::new(),
            false => waits::for_endpoints(&self.shared, self.route.as_deref()).await?,
        };
        if waiting.is_empty() && calls.is_empty() && self.totals.counters.open == 0 && !self.stays {
            return Ok(Some(RunEnd::Done(self.final_totals(lanes))));
        }
        let now = self.shared.now();
        let timer = self.shared.store.next_timer().await?;
        let all_done_at = errands.iter().take(self.timed()).map(|errand| errand.done_at).min().unwrap_or(now);
        if timer.is_some_and(|timer| timer <= now && timer > all_done_at) {
            self.want_all();
            return Ok(None);
        }
        let timer = timer.filter(|timer| *timer > now);
        *nap_until = due.min(timer.unwrap_or(Millis::NEVER));
        let wait = caravan_model::Duration(u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX));
        if self.stays || (*nap_until <= self.quiet_since.after(wait) && *nap_until != Millis::NEVER) {
            return Ok(None);
        }
        let unusable = |lane: LaneId| self.tallies.get(&lane).and_then(|tally| tally.problem.clone());
        let mut lines = waits::lines(self.route.as_deref(), &waiting, unusable, &self.totals.counters, timer);
        lines.extend(calls.into_iter().map(|line| WaitLine { until: timer, ..line }));
        Ok(Some(RunEnd::Waits(lines, self.final_totals(lanes))))
    }

    /// Whether the run waits for a lane: the version's own, and whatever owes people a removal.
    fn is_of_interest(&self, lane: &Lane) -> bool {
        let Some(route) = &self.route else { return true };
        lane.owed > 0 || route.lanes.iter().flatten().any(|own| own.is_of(lane))
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
        if let Some(route) = &self.route {
            self.totals.counters = self.shared.store.counters(route.version).await?;
        }
        let lanes = self.shared.store.lanes().await?;
        Ok(RunEnd::Interrupted(self.final_totals(&lanes)))
    }

    fn final_totals(&mut self, lanes: &[Lane]) -> Totals {
        self.totals.progress = self.snapshot(lanes);
        self.totals.clone()
    }

    fn snapshot(&self, lanes: &[Lane]) -> Progress {
        let of_interest =
            |lane: &&Lane| lane.waiting > 0 || self.tallies.contains_key(&lane.id) || self.is_of_interest(lane);
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
