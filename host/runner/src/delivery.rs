//! Delivery: one piece of work on one lane. A slice is sealed, or an open one is taken up, and its parts are called
//! one after the other until they have ended or the lane has to wait ([`crate::attempts`]).
use crate::attempts::Delivery;
use crate::doors;
use crate::entitled::is_for_a_slot;
use crate::holds::{hold, probe, target_of};
use crate::ledger::Ledger;
use crate::making::Making;
use crate::pacing::{Paced, Pass};
use crate::prepare::{LaneFacts, prepare, slice_length};
use crate::shared::{LaneMemory, Plug, Shared};
use crate::steps::Steps;
use caravan_model::{Millis, Problem, Reason};
use caravan_store::{Lane, LaneState, Slice, Store};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

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
    /// A quota is spent, or others have the turn.
    pub paced: Option<Paced>,
}

/// Works on a lane: looks at it if it is held, takes up its open slice, or seals the next.
pub(crate) async fn work<S: Store>(shared: Arc<Shared<S>>, lane: Lane) -> crate::Result<Worked> {
    let mut memory = shared.recall(lane.id);
    let worked = work_on(&shared, &lane, &mut memory).await;
    shared.remember(lane.id, memory);
    if worked.as_ref().is_ok_and(|worked| worked.paced.is_none()) {
        shared.paces.withdraw(lane.id);
    }
    shared.wake();
    worked
}

async fn work_on<S: Store>(shared: &Arc<Shared<S>>, lane: &Lane, memory: &mut LaneMemory) -> crate::Result<Worked> {
    let mut worked = Worked::default();
    let mut open = shared.store.open_slice(lane.id).await?;
    let connection: Arc<str> = match &open {
        Some(slice) => slice.connection.clone(),
        None => match shared.store.peek(lane.id, 1).await?.first() {
            Some(first) => first.connection.clone(),
            None => return Ok(worked),
        },
    };
    let plug = match shared.plug(&connection).await? {
        Ok(plug) => plug,
        Err(problem) => {
            worked.problem = Some(problem);
            return Ok(worked);
        }
    };
    if shared.holds_unentitled(&plug.connector.manifest().name, lane, memory).await? {
        worked.open = open.is_some();
        return Ok(worked);
    }
    if let Some(words) = shared.lab_denied(&connection) {
        worked.open = open.is_some();
        hold(shared, lane, memory, Reason::new("lab_denied", words)).await?;
        return Ok(worked);
    }
    if plug.is_off(&lane.key.account) {
        worked.open = open.is_some();
        let words = format!("the account {} of {connection} is switched off", lane.key.account);
        hold(shared, lane, memory, Reason::new("account_off", words)).await?;
        return Ok(worked);
    }
    if matches!(lane.state, LaneState::Held { .. }) {
        worked.open = open.is_some();
        if is_for_a_slot(&lane.state) {
            shared.store.set_lane(shared.lease, lane.id, LaneState::Open).await?;
        } else if !probe(shared, lane, &plug, memory).await? {
            return Ok(worked);
        }
        // The hold stopped the clock of its parts.
        open = shared.store.open_slice(lane.id).await?;
    }
    let most = u64::from(plug.connector.manifest().batch.rows.max(1));
    let rows = match &open {
        Some(slice) => slice.parts.first().map_or(0, |part| u64::from(part.part.rows)),
        None => lane.waiting.saturating_sub(lane.sealed).clamp(1, most),
    };
    let mut pass = match shared.pass(lane, &plug, &connection, rows).await {
        Ok(pass) => Some(pass),
        Err(paced) => {
            worked.open = open.is_some();
            worked.paced = Some(paced);
            shared.tell_paced(lane, paced).await?;
            return Ok(worked);
        }
    };
    // Which version carries the slice is settled before it is sealed: of two that are sealed at once, one may be a trial.
    let plug = plug.for_slice(open.as_ref().map(|slice| slice.digest));
    let (slice, steps, fresh) = match open {
        Some(slice) => {
            let steps = shared.steps(&connection, &plug, steps_of(&slice)).await?;
            (take_up(shared, lane, slice, memory).await?, steps, false)
        }
        None => match seal(shared, lane, (&plug, &connection), &mut pass, memory, &mut worked).await? {
            (Some(slice), steps) => {
                // Where an exit or a stop came between, there is no attempt yet, and who left is taken out before there is one.
                let fresh = slice.parts.first().is_some_and(|part| part.attempts > 0);
                (slice, steps, fresh)
            }
            (None, _) => {
                if let Some(pass) = pass {
                    pass.give_back();
                }
                return Ok(worked);
            }
        },
    };
    let mut riding = slice.parts.iter().flat_map(|part| part.riders.iter()).flat_map(|rider| &rider.operations);
    let owed = riding.any(|operation| operation.0 < 0);
    let (plug, steps) = (&plug, &steps);
    let making = Making::of(lane);
    let target = target_of(lane, plug);
    let delivery = Delivery { shared, lane, target, making, plug, steps, memory, slice, owed, fresh, pass, worked };
    delivery.all_parts().await
}

fn steps_of(slice: &Slice) -> BTreeSet<(caravan_model::VersionId, caravan_model::StepIx)> {
    let riders = slice.parts.iter().flat_map(|part| part.riders.iter());
    riders.flat_map(|rider| rider.operations.iter().map(|op| (op.2, op.3))).collect()
}

/// Seals the next slice of a lane for the connection that has a pass; `None` where nothing of it needs its call.
async fn seal<S: Store>(
    shared: &Arc<Shared<S>>,
    lane: &Lane,
    (plug, connection): (&Plug, &Arc<str>),
    pass: &mut Option<Pass<'_>>,
    memory: &mut LaneMemory,
    worked: &mut Worked,
) -> crate::Result<(Option<Slice>, Steps)> {
    let _seen = shared.sealing.read().await;
    let most = plug.connector.manifest().batch.rows.max(1) as usize;
    let canvases = shared.canvases().await?;
    let mut queued = shared.store.peek(lane.id, most).await?;
    // As the store says: it compares when it keeps the slice.
    let left: HashSet<i64> = queued.iter().filter(|op| op.exited).map(|op| op.seq).collect();
    doors::withdraw(shared, &canvases, &mut queued);
    // What came first in line while the lane waited for its turn may be another connection's: the next piece of work's.
    if queued.first().is_none_or(|first| first.connection != *connection) {
        return Ok((None, Steps::default()));
    }
    let steps = shared.steps(connection, plug, queued.iter().map(|op| op.step).collect()).await?;
    let now = shared.now();
    let deadline = now.after(span(shared.options.call_deadline));
    let (lane_id, made_by_us) = (lane.id, lane.made_by_us);
    let (plug, known) = (plug.clone(), steps.clone());
    let lasts = shared.options.retry.in_all;
    let prepared = shared.chance.aside(move || {
        queued.truncate(slice_length(&queued, plug.connector.manifest()));
        let facts = LaneFacts {
            manifest: plug.connector.manifest(),
            steps: &known,
            digest: plug.connector.digest(),
            settings: &plug.settings,
            made_by_us,
            now,
            lasts,
            first_attempt: Some(deadline),
        };
        let sealing = prepare(lane_id, &queued, &facts);
        (sealing, Ledger::at_sealing(&queued))
    });
    let (mut sealing, ledger) = prepared.await?;
    sealing.exited = left.iter().filter(|seq| **seq <= sealing.upto).count();
    sealing.seen = canvases.seen();
    if !sealing.parts.is_empty()
        && let Some(pass) = pass
    {
        sealing.charges = pass.charges();
    }
    worked.settled += sealing.outcomes.len() as u64;
    let slice = shared.store.seal(shared.lease, sealing).await?;
    memory.ledger = Some(ledger);
    memory.families = Default::default();
    Ok((slice, steps))
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

pub(crate) fn span(duration: Duration) -> caravan_model::Duration {
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
