//! Delivery: one piece of work on one lane. A slice is sealed, or an open one is taken up, and its parts are called
//! one after the other until they have ended or the lane has to wait.
use crate::holds::{next_probe, probe, target_of};
use crate::ledger::Ledger;
use crate::prepare::{LaneFacts, prepare, slice_length};
use crate::settlement::{Attempted, Books, Circumstances, Next, remaining, settle};
use crate::shared::{LaneMemory, Plug, Shared};
use crate::steps::Steps;
use crate::strikes::{removal_and_rest, strikes_of};
use caravan_journey::retry::History;
use caravan_model::port::{Answer, Ask, CallContext, CallOutcome};
use caravan_model::{Action, Cause, Effect, Fault, Millis, Part, Problem, Report};
use caravan_store::{Lane, LaneState, Queued, Settlement, Slice, Store};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How much longer than its deadline a call may take before it is given up.
const GRACE: Duration = Duration::from_secs(5);

/// What a piece of work did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worked {
    /// Operations that got their final status.
    pub settled: u64,
    /// Calls made.
    pub calls: u64,
    /// A slice of the lane is still open.
    pub open: bool,
    /// Why nothing could be done: the connection is not there.
    pub problem: Option<Problem>,
}

/// Works on a lane: looks at it if it is held, takes up its open slice, or seals the next.
pub(crate) async fn work<S: Store>(shared: Arc<Shared<S>>, lane: Lane) -> crate::Result<Worked> {
    let mut memory = shared.recall(lane.id);
    let worked = work_on(&shared, &lane, &mut memory).await;
    shared.remember(lane.id, memory);
    shared.wake();
    worked
}

async fn work_on<S: Store>(shared: &Arc<Shared<S>>, lane: &Lane, memory: &mut LaneMemory) -> crate::Result<Worked> {
    let mut worked = Worked::default();
    let mut open = shared.store.open_slice(lane.id).await?;
    let queued = match &open {
        Some(_) => Vec::new(),
        None => shared.store.peek(lane.id, peek_limit(shared, lane)).await?,
    };
    let connection: Arc<str> = match (&open, queued.first()) {
        (Some(slice), _) => slice.connection.clone(),
        (None, Some(first)) => first.connection.clone(),
        (None, None) => return Ok(worked),
    };
    let plug = match shared.plug(&connection).await? {
        Ok(plug) => plug,
        Err(problem) => {
            worked.problem = Some(problem);
            return Ok(worked);
        }
    };
    if matches!(lane.state, LaneState::Held { .. }) {
        worked.open = open.is_some();
        if !probe(shared, lane, &plug, memory).await? {
            return Ok(worked);
        }
        // The hold stopped the clock of its parts.
        open = shared.store.open_slice(lane.id).await?;
    }
    let steps = match &open {
        Some(slice) => shared.steps(&connection, &plug, steps_of(slice)).await?,
        None => shared.steps(&connection, &plug, queued.iter().map(|op| op.step).collect()).await?,
    };
    let (slice, fresh) = match open {
        Some(slice) => (take_up(shared, lane, slice, memory).await?, false),
        None => match seal(shared, lane, queued, &plug, &steps, memory, &mut worked).await? {
            Some(slice) => (slice, true),
            None => return Ok(worked),
        },
    };
    let mut delivery = Delivery { shared, lane, plug: &plug, steps: &steps, memory, slice, fresh, worked: &mut worked };
    delivery.all_parts().await?;
    Ok(worked)
}

fn peek_limit<S: Store>(shared: &Shared<S>, lane: &Lane) -> usize {
    match shared.loaded(&lane.connection) {
        Some(Ok(plug)) => plug.connector.manifest().batch.rows.max(1) as usize,
        Some(Err(_)) | None => shared.options.chunk,
    }
}

fn steps_of(slice: &Slice) -> BTreeSet<(caravan_model::VersionId, caravan_model::StepIx)> {
    let riders = slice.parts.iter().flat_map(|part| part.riders.iter());
    riders.flat_map(|rider| rider.operations.iter().map(|op| (op.2, op.3))).collect()
}

/// Seals the next slice of a lane; `None` where nothing of it needs a call.
async fn seal<S: Store>(
    shared: &Arc<Shared<S>>,
    lane: &Lane,
    mut queued: Vec<Queued>,
    plug: &Plug,
    steps: &Steps,
    memory: &mut LaneMemory,
    worked: &mut Worked,
) -> crate::Result<Option<Slice>> {
    let now = shared.now();
    let deadline = now.after(span(shared.options.call_deadline));
    let (lane_id, made_by_us) = (lane.id, lane.made_by_us);
    let (plug, steps) = (plug.clone(), steps.clone());
    let prepared = shared.chance.aside(move || {
        queued.truncate(slice_length(&queued, plug.connector.manifest()));
        let facts = LaneFacts {
            manifest: plug.connector.manifest(),
            steps: &steps,
            digest: plug.connector.digest(),
            settings: &plug.settings,
            made_by_us,
            now,
            first_attempt: Some(deadline),
        };
        let sealing = prepare(lane_id, &queued, &facts);
        (sealing, Ledger::at_sealing(&queued))
    });
    let (sealing, ledger) = prepared.await?;
    worked.settled += sealing.outcomes.len() as u64;
    let slice = shared.store.seal(shared.lease, sealing).await?;
    memory.ledger = Some(ledger);
    memory.families = Default::default();
    Ok(slice)
}

/// Takes up a slice that an earlier piece of work, or a process that died, left open. Its calls are not under way any
/// more: the store's lock is ours, so whoever made them is gone, and the same part may be repeated at once.
async fn take_up<S: Store>(
    shared: &Shared<S>,
    lane: &Lane,
    mut slice: Slice,
    memory: &mut LaneMemory,
) -> crate::Result<Slice> {
    for part in &mut slice.parts {
        part.may_have_landed |= part.open_until.is_some();
    }
    if memory.ledger.is_some() {
        return Ok(slice);
    }
    let mut ledger = Ledger::default();
    let mut heard = HashSet::new();
    for part in &slice.parts {
        let waiting = shared.store.recheck(part.id).await?;
        for op in &waiting {
            heard.insert(op.profile);
            if let Some(membership) = &op.membership {
                ledger.knows(op.profile, membership);
            }
        }
        let waiting: HashSet<i64> = waiting.iter().map(|op| op.seq).collect();
        // Who was struck is not asked about; another part may still carry their operation.
        let here = part.riders.iter().zip(0..).filter(|(_, place)| !part.struck.contains(place));
        let riding = here.flat_map(|(rider, _)| rider.operations.iter().map(|op| op.0));
        riding.filter(|seq| !waiting.contains(seq)).for_each(|seq| ledger.is_final(seq));
    }
    // Few: people whose operation is final, of whom rows of another key group or an old set are still to be sent.
    for rider in slice.parts.iter().flat_map(|part| part.riders.iter()) {
        if !heard.insert(rider.profile) {
            continue;
        }
        let Some(trace) = shared.store.trace(rider.profile).await? else { continue };
        if let Some((_, membership)) = trace.memberships.iter().find(|(key, _)| *key == lane.key) {
            ledger.knows(rider.profile, membership);
        }
    }
    memory.ledger = Some(ledger);
    Ok(slice)
}

/// The parts of one open slice, worked off.
struct Delivery<'a, S> {
    shared: &'a Arc<Shared<S>>,
    lane: &'a Lane,
    plug: &'a Plug,
    steps: &'a Steps,
    memory: &'a mut LaneMemory,
    slice: Slice,
    /// The first part's first attempt was recorded along with the slice.
    fresh: bool,
    worked: &'a mut Worked,
}

impl<S: Store> Delivery<'_, S> {
    async fn all_parts(&mut self) -> crate::Result<()> {
        self.worked.open = true;
        self.in_order();
        while let Some(part) = self.slice.parts.first() {
            if self.shared.is_stopping() && !self.fresh {
                return Ok(());
            }
            let number = if std::mem::take(&mut self.fresh) {
                part.attempts.max(1)
            } else {
                let now = self.shared.now();
                let deadline = now.after(span(self.shared.options.call_deadline));
                let number = self.shared.store.attempt(self.shared.lease, part.id, deadline, Vec::new(), now).await?;
                if self.strike(number).await? {
                    continue;
                }
                number
            };
            if self.one_attempt(number).await? == Next::Blocked {
                return Ok(());
            }
        }
        self.worked.open = false;
        self.memory.ledger = None;
        Ok(())
    }

    /// Removals before adds, also among parts that were made from others; and the books count anew.
    fn in_order(&mut self) {
        self.slice.parts.sort_by_key(|part| part.part.action == Action::Add);
        let ledger = self.memory.ledger.get_or_insert_default();
        ledger.count(&self.slice.parts);
    }

    async fn one_attempt(&mut self, number: u32) -> crate::Result<Next> {
        let part = self.slice.parts[0].clone();
        let (places, sent) = remaining(&part);
        let family = self.memory.families.of(part.id, part.part.people() as u32, part.poison);
        let family = *family;
        let outcome = self.call(sent.clone()).await;
        self.worked.calls += 1;
        let now = self.shared.now();
        let history = History {
            attempt: number,
            rows: sent.rows,
            people: places.len() as u32,
            people_at_first: family.people,
            halved_calls: family.halved_calls + u32::from(family.halved),
            poison_found: family.poison.max(part.poison),
            refreshed: self.memory.refreshed,
            flowing: now.since(part.flowing_since),
            age: now.since(self.slice.at),
            owed: false,
        };
        let options = &self.shared.options;
        let ledger = self.memory.ledger.get_or_insert_default();
        let (settlement, next) = settle(
            Attempted { part: &part, sent: &sent, places: &places, number, outcome },
            Circumstances {
                steps: self.steps,
                ledger,
                history,
                policy: &options.retry,
                draw: self.shared.chance.draw(),
                now,
                probe: (next_probe(options, self.memory.probes, now), self.memory.probes),
            },
        );
        let poison = settlement.poison.saturating_sub(part.poison);
        let family = self.memory.families.of(part.id, part.part.people() as u32, part.poison);
        family.poison += poison;
        // Repeats that a busy partner asked for are not the search's.
        family.halved_calls += u32::from(family.halved && matches!(next, Next::Flows | Next::Halved));
        family.halved |= next == Next::Halved;
        self.memory.refreshed = next == Next::Refreshed;
        if settlement.ends && settlement.replaced_by.is_empty() {
            self.memory.probes = 0;
        }
        self.record(settlement).await?;
        Ok(next)
    }

    /// Makes a settlement durable and follows it in memory.
    async fn record(&mut self, settlement: Settlement) -> crate::Result<()> {
        let part = settlement.part;
        let (ends, replaced) = (settlement.ends, !settlement.replaced_by.is_empty());
        let struck = settlement.struck.clone();
        let (effect, attempt) = (settlement.effect, settlement.attempt);
        self.worked.settled += settlement.outcomes.len() as u64;
        self.shared.store.settle(self.shared.lease, settlement).await?;
        if replaced {
            let known: HashSet<_> = self.slice.parts.iter().map(|part| part.id).collect();
            self.slice.parts = match self.shared.store.open_slice(self.lane.id).await? {
                Some(slice) => slice.parts,
                None => Vec::new(),
            };
            let children = self.slice.parts.iter().map(|part| part.id).filter(|id| !known.contains(id));
            self.memory.families.adopt(part, children);
            self.in_order();
        } else if ends {
            self.slice.parts.retain(|open| open.id != part);
        } else if let Some(open) = self.slice.parts.iter_mut().find(|open| open.id == part) {
            open.struck.extend(struck);
            open.struck.sort_unstable();
            open.attempts = attempt;
            open.open_until = None;
            open.may_have_landed |= effect == Effect::MayHaveLanded;
        }
        Ok(())
    }

    async fn call(&self, sent: Arc<Part>) -> CallOutcome {
        let deadline = self.shared.options.call_deadline;
        let context = CallContext { at: self.slice.at, seed: sent.id.clone(), deadline, record_bodies: false };
        let target = target_of(self.lane, self.plug);
        let call = self.plug.connector.call(context, Ask::Sync { target, part: sent });
        tokio::time::timeout(deadline + GRACE, call).await.unwrap_or_else(|_| CallOutcome {
            answer: Ok(Answer::Report(Report::fault(Fault::Unavailable {
                after_ms: None,
                cause: Cause::new("deadline", "the call did not end by its deadline"),
            }))),
            effect: Effect::MayHaveLanded,
            requests: Vec::new(),
            usage: Vec::new(),
            log: Vec::new(),
        })
    }

    /// Takes people out of the first part before it is sent again: consent withdrawn or erased always, exited only
    /// where nothing may have landed (design, 11.6). The recorded attempt ends with that, without a call. Gives whether
    /// it did.
    async fn strike(&mut self, number: u32) -> crate::Result<bool> {
        let part = self.slice.parts[0].clone();
        let changed = self.shared.store.recheck(part.id).await?;
        let landed = if part.may_have_landed { Effect::MayHaveLanded } else { Effect::None };
        let (places, sent) = remaining(&part);
        let strikes = strikes_of(&part, &places, &changed, self.steps, landed);
        if strikes.is_empty() {
            return Ok(false);
        }
        let now = self.shared.now();
        let ledger = self.memory.ledger.get_or_insert_default();
        let mut books = Books { steps: self.steps, ledger, now, outcomes: Vec::new(), membership: Vec::new() };
        let (mut struck, mut follow) = (vec![false; places.len()], vec![false; places.len()]);
        for (at, strike) in &strikes {
            let Some(rider) = part.riders.get(places[*at] as usize) else { continue };
            books.not_taken(rider, strike.status, &strike.reason, part.may_have_landed);
            struck[*at] = true;
            follow[*at] = strike.removal_follows;
        }
        let Books { outcomes, membership, ledger, .. } = books;
        let everyone = struck.iter().all(|struck| *struck);
        let removes = follow.contains(&true);
        let mut replaced_by = Vec::new();
        if removes {
            replaced_by = removal_and_rest(&part, &places, &sent, &struck, &follow);
            ledger.release(&mut replaced_by);
        }
        let settlement = Settlement {
            part: part.id,
            attempt: number,
            effect: Effect::None,
            outcomes,
            membership,
            struck: strikes.iter().map(|(at, _)| places[*at]).collect(),
            ends: everyone || removes,
            replaced_by,
            poison: part.poison,
            doubtful: 0,
            pending: None,
            lane: LaneState::Open,
            note: format!("no call: {} people were taken out first", strikes.len()),
            exchange: String::new(),
            now,
        };
        self.record(settlement).await?;
        Ok(true)
    }
}

fn span(duration: Duration) -> caravan_model::Duration {
    caravan_model::Duration(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// When a lane's next piece of work is due, as far as its state says: at once, at an instant, or when someone acts.
pub(crate) fn due_of(state: &LaneState) -> Millis {
    match state {
        LaneState::Open => Millis(0),
        LaneState::Waiting { until, .. } => *until,
        LaneState::Held { probe, .. } => *probe,
    }
}
