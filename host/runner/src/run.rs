//! A run: people of a source enter a version, everyone moves on and all lanes deliver, until everyone is through or what
//! is left has to wait. The work itself is the [`crate::supervisor`]'s.
use crate::control::{Order, states};
use crate::intake::{self, IntakeRow};
use crate::options::{DeliverOptions, RunOptions};
use crate::progress::{Meter, Progress, RunEnd, Totals};
use crate::runner::Runner;
use crate::shared::Shared;
use crate::supervisor::{Done, Supervisor};
use caravan_model::{Code, Message, Problem, VersionId};
use caravan_store::Store;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

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
        let shared = self.share().await?;
        let route = shared.route(version).ok_or_else(|| {
            let words = format!("version {version} is not in the store, or not all its audiences are bound");
            Problem::new(Code::NotFound, words).cure("publish the canvas")
        })?;
        if !options.source.is_empty() {
            states(&self.store).await?.admit(&route.canvas)?;
        }
        for lane in route.lanes.iter().flatten() {
            shared.plug(&lane.connection_name).await??;
        }
        let (source, first_row) = self.source_of(version, &options).await?;
        let meter = Arc::new(Meter::default());
        meter.read(first_row);
        let totals = Totals { version, source: source.clone(), resumed_from: first_row, ..Totals::default() };
        let mut run = Supervisor::new(shared.clone(), Some(route.clone()), totals, options.wait, progress);
        run.meter = meter.clone();
        run.skip_delays = options.skip_delays;
        if !source.is_empty() {
            let task = intake::Task { route, source, first_row, skip_delays: options.skip_delays };
            let shared = shared.clone();
            run.intake = Some(
                run.tasks.spawn(async move { intake::run(shared, task, people, meter).await.map(|()| Done::Intake) }),
            );
        }
        supervise(run, shared, cancel).await
    }

    /// Moves everyone on and delivers all queues, whatever canvas they belong to, until nothing waits in any or what is
    /// left waits for longer than `options.wait`, or for a person. People who rest in a step are not waited for.
    ///
    /// # Errors
    /// The store failed, or another host took it over.
    pub async fn deliver(
        &self,
        options: DeliverOptions,
        progress: watch::Sender<Progress>,
        cancel: watch::Receiver<bool>,
    ) -> crate::Result<RunEnd> {
        let shared = self.share().await?;
        let run = Supervisor::new(shared.clone(), None, Totals::default(), options.wait, progress);
        supervise(run, shared, cancel).await
    }

    /// Serves: works the inbox off, moves everyone on and delivers all queues, until it is cancelled; then calls under way
    /// may end, and everything is kept.
    ///
    /// # Errors
    /// The store failed, or another host took it over.
    pub async fn serve(
        &self,
        progress: watch::Sender<Progress>,
        cancel: watch::Receiver<bool>,
    ) -> crate::Result<RunEnd> {
        let shared = self.share().await?;
        let mut run = Supervisor::new(shared.clone(), None, Totals::default(), std::time::Duration::ZERO, progress);
        run.stays = true;
        supervise(run, shared, cancel).await
    }

    /// Takes messages in, each with its id where it has one: an id heard within seven days does nothing. Gives how many
    /// were new; once it has answered, none is lost. [`Runner::serve`] works them off.
    ///
    /// # Errors
    /// What the store says: then nothing was taken in.
    pub async fn receive(&self, messages: Vec<(Option<String>, Message)>) -> crate::Result<u64> {
        self.receive_under(&mut self.unordered().await?, messages).await
    }

    /// The same by somebody's order, which is noted where anything was new.
    ///
    /// # Errors
    /// As [`Runner::receive`].
    pub async fn receive_under(
        &self,
        order: &mut Order,
        messages: Vec<(Option<String>, Message)>,
    ) -> crate::Result<u64> {
        let mut bodies = Vec::with_capacity(messages.len());
        for (id, message) in messages {
            let body = serde_json::to_string(&message)
                .map_err(|error| Problem::new(Code::Internal, format!("a message cannot be written: {error}")))?;
            bodies.push((id, body));
        }
        let warrant = order.warrant();
        let note = warrant.note.clone();
        let new = self.store.receive(warrant, bodies, self.clock.now()).await?;
        if new == 0 {
            order.keep(note);
        }
        Ok(new)
    }

    pub(crate) async fn share(&self) -> crate::Result<Arc<Shared<S>>> {
        let lease = self.lease().await?;
        let (connectors, clock) = (self.connectors.clone(), self.clock.clone());
        let told = (self.published.clone(), self.wake.clone());
        let with_others = (self.stops.clone(), self.neighbours.get().cloned());
        Ok(Arc::new(
            Shared::open(self.store.clone(), lease, self.options.clone(), connectors, clock, told, with_others).await?,
        ))
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

async fn supervise<S: Store>(
    mut run: Supervisor<S>,
    shared: Arc<Shared<S>>,
    cancel: watch::Receiver<bool>,
) -> crate::Result<RunEnd> {
    run.open = shared.store.lanes().await?.into_iter().map(|lane| lane.id).collect();
    shared.entitle().await?;
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

async fn renew<S: Store>(shared: Arc<Shared<S>>) {
    loop {
        tokio::time::sleep(shared.options.lease_renewal).await;
        // Whoever lost the lease learns it from the next write as well.
        if shared.store.renew(shared.lease, shared.now()).await.is_err() {
            shared.stop();
            shared.wake();
            return;
        }
    }
}
