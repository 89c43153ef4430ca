//! How fast calls may go: one pacer for the whole host, and the passes that it gives out (design, 4).
use crate::imports::ListImport;
use crate::shared::{Plug, Shared};
use caravan_journey::pacing::{Admission, Ask, Flow, Pacer, Policy, Scopes, Spent, Ticket, Why};
use caravan_model::manifest::{Quota, UsageRule};
use caravan_model::port::{CallOutcome, Connectors};
use caravan_model::{Digest, LaneId, Millis, Reason};
use caravan_store::{Charge, Lane, LaneState, Store};
use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A piece of work stays on its lane for so long while it may not call; longer waits are the supervisor's.
const PATIENCE: caravan_model::Duration = caravan_model::Duration(2_000);
/// From this wait on people read of it in the lane's state.
const WORTH_TELLING: caravan_model::Duration = caravan_model::Duration(10_000);

/// The host's pacer.
#[derive(Debug)]
pub(crate) struct Paces {
    pacer: Mutex<Pacer>,
    /// What calls cost beyond what was asked for: stored with the next attempt, whosever it is.
    beyond: Mutex<Vec<Charge>>,
}

/// Why a lane may not call now, and when to ask again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    pub until: Millis,
    pub why: Why,
}

/// One attempt that may go. Ends with [`Pass::ended`]; dropped before, the call counts as one that said nothing.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    paces: &'a Paces,
    ticket: Option<Ticket>,
    charges: Vec<Charge>,
}

impl Paces {
    /// A pacer that knows what earlier processes used.
    pub(crate) fn new(now: Millis, charges: Vec<Charge>) -> Paces {
        let mut pacer = Pacer::new(Policy::default());
        pacer.load(now, charges);
        Paces { pacer: Mutex::new(pacer), beyond: Mutex::default() }
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane has no work any more, or is held: it keeps nobody waiting.
    pub(crate) fn withdraw(&self, lane: LaneId) {
        self.pacer().withdraw(lane);
    }

    fn ask(
        &self,
        now: Millis,
        lane: LaneId,
        scopes: &Scopes,
        (quotas, rules): (&[Quota], &[UsageRule]),
        rows: u64,
    ) -> Result<Pass<'_>, Paced> {
        let mut pacer = self.pacer();
        pacer.declare(now, scopes, quotas, rules);
        let ask = Ask { lane, scopes, cost: Spent::call(rows) };
        match pacer.admit(now, &ask) {
            Admission::Wait { until, why } => Err(Paced { until, why }),
            Admission::Go(mut ticket) => {
                let charges = std::mem::take(&mut ticket.charges);
                Ok(Pass { paces: self, ticket: Some(ticket), charges })
            }
        }
    }
}

impl Pass<'_> {
    /// What is to be stored along with the attempt; once.
    pub(crate) fn charges(&mut self) -> Vec<Charge> {
        let mut charges = std::mem::take(&mut self.charges);
        charges.append(&mut self.paces.beyond.lock().unwrap_or_else(PoisonError::into_inner));
        charges
    }

    /// The attempt is not made after all: nothing was stored, nothing has left.
    pub(crate) fn give_back(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.paces.pacer().give_back(ticket);
        }
    }

    /// How the attempt ended, with so many rows.
    pub(crate) fn ended(mut self, now: Millis, outcome: &CallOutcome, rows: u64) {
        if let Some(ticket) = self.ticket.take() {
            let spent = Spent::of(outcome, rows);
            let beyond = self.paces.pacer().ended(now, ticket, Flow::of(outcome), spent, &outcome.usage);
            let mut kept = self.paces.beyond.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(beyond);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let at = Millis(i64::MIN);
            self.paces.pacer().ended(at, ticket, Flow::Silent, Spent::default(), &[]);
        }
    }
}

/// The quotas that hold for a connection by what it calls with now.
pub(crate) async fn quotas_of<'a>(
    connectors: &dyn Connectors,
    connection: &str,
    quotas: &'a [Quota],
) -> Cow<'a, [Quota]> {
    if quotas.iter().all(|quota| quota.credential.is_none()) {
        return Cow::Borrowed(quotas);
    }
    let by = connectors.called_by(connection).await;
    quotas.iter().filter(|quota| quota.holds_for(by)).cloned().collect()
}

/// An import's place among lanes: below zero, where no lane is.
fn turn_of(id: &str) -> LaneId {
    let digest = Digest::of(id.as_bytes());
    let number = digest.0.iter().take(7).fold(0, |number, byte| (number << 8) | i64::from(*byte));
    LaneId(-1 - number)
}

impl<S: Store> Shared<S> {
    /// A pass for one call of a lane with so many rows; waits a little for it.
    pub(crate) async fn pass(&self, lane: &Lane, plug: &Plug, connection: &str, rows: u64) -> Result<Pass<'_>, Paced> {
        let scopes = Scopes::of(&lane.key.connector, connection, &lane.key.account, &lane.key.audience);
        self.pass_of(lane.id, scopes, (connection, plug), rows).await
    }

    /// A pass for one call of an import, which takes its turn like a lane.
    pub(crate) async fn pass_of_import(&self, id: &str, import: &ListImport, plug: &Plug) -> Result<Pass<'_>, Paced> {
        let connector = &plug.connector.manifest().name;
        let scopes = Scopes::of(connector, &import.connection, &import.folder, &import.audience);
        self.pass_of(turn_of(id), scopes, (&import.connection, plug), 0).await
    }

    /// An import waits for no call any more: it keeps nobody waiting.
    pub(crate) fn withdraw_import(&self, id: &str) {
        self.paces.withdraw(turn_of(id));
    }

    async fn pass_of(
        &self,
        lane: LaneId,
        scopes: Scopes,
        (connection, plug): (&str, &Plug),
        rows: u64,
    ) -> Result<Pass<'_>, Paced> {
        let patience = self.now().after(PATIENCE);
        let manifest = plug.connector.manifest();
        let quotas = quotas_of(&*self.connectors, connection, &manifest.quotas).await;
        loop {
            let now = self.now();
            match self.paces.ask(now, lane, &scopes, (&quotas, &manifest.usage), rows) {
                Ok(pass) => return Ok(pass),
                Err(paced) if paced.until > patience || self.is_stopping() => return Err(paced),
                Err(paced) => tokio::time::sleep(Duration::from(paced.until.since(now))).await,
            }
        }
    }

    /// A long wait for a quota becomes the lane's state, so that people read of it.
    pub(crate) async fn tell_paced(&self, lane: &Lane, paced: Paced) -> crate::Result<()> {
        if paced.until.since(self.now()) < WORTH_TELLING {
            return Ok(());
        }
        let why = "throttled".to_owned();
        let reason = Reason::new(why.clone(), paced.why.words());
        let state = LaneState::Waiting { why, until: paced.until, reason };
        Ok(self.store.set_lane(self.lease, lane.id, state).await?)
    }
}
