//! Held lanes: looked at on a growing timer, and at once when a run begins, until they can go on (promise 4).
use crate::options::RunnerOptions;
use crate::shared::{LaneMemory, Plug, Shared};
use caravan_model::port::{Answer, Ask, CallContext, FindingState};
use caravan_model::{Fault, Millis, Reason, Target};
use caravan_store::{Lane, LaneState, Store};

/// When a lane that was looked at so often is looked at next.
pub(crate) fn next_probe(options: &RunnerOptions, probes: u32, now: Millis) -> Millis {
    let first = u64::try_from(options.probe_first.as_millis()).unwrap_or(u64::MAX);
    let longest = u64::try_from(options.probe_longest.as_millis()).unwrap_or(u64::MAX);
    let wait = first.saturating_mul(1 << probes.min(32)).min(longest);
    now.after(caravan_model::Duration(wait))
}

/// Where a lane's calls go; without an audience where it is still to be made.
pub(crate) fn target_of(lane: &Lane, plug: &Plug) -> Target {
    if lane.key.marker_to_be_made().is_some() {
        return Target {
            account: lane.key.account.clone(),
            audience: String::new(),
            audience_parts: Vec::new(),
            settings: plug.settings.to_string(),
        };
    }
    Target {
        account: lane.key.account.clone(),
        audience: lane.key.audience.clone(),
        audience_parts: lane.audience_parts.clone(),
        settings: plug.settings.to_string(),
    }
}

/// Holds a lane for a reason of ours, or goes on holding it.
pub(crate) async fn hold<S: Store>(
    shared: &Shared<S>,
    lane: &Lane,
    memory: &mut LaneMemory,
    reason: Reason,
) -> crate::Result<()> {
    let now = shared.now();
    let (since, probes) = match &lane.state {
        LaneState::Held { since, probes, .. } => (*since, *probes),
        LaneState::Open | LaneState::Waiting { .. } => (now, 0),
    };
    memory.probes = memory.probes.max(probes).saturating_add(1);
    let probe = next_probe(&shared.options, memory.probes, now);
    let state = LaneState::Held { reason, since, probe, probes: memory.probes };
    Ok(shared.store.set_lane(shared.lease, lane.id, state).await?)
}

/// Looks at a held lane by `check`. Gives whether it may be tried again; where the check cannot tell, it may.
pub(crate) async fn probe<S: Store>(
    shared: &Shared<S>,
    lane: &Lane,
    plug: &Plug,
    memory: &mut LaneMemory,
) -> crate::Result<bool> {
    let LaneState::Held { reason, since, probes, .. } = &lane.state else { return Ok(true) };
    let context = CallContext {
        at: shared.now(),
        seed: format!("check-{}", lane.id),
        deadline: shared.options.call_deadline,
        record_bodies: false,
    };
    let outcome = plug.connector.call(context, Ask::Check { target: target_of(lane, plug) }).await;
    let still = match outcome.answer {
        Ok(Answer::Findings(findings)) => findings
            .into_iter()
            .find(|finding| finding.state == FindingState::Failed)
            .map(|finding| Reason::new(reason.code.clone(), format!("{}: {}", finding.subject, finding.message))),
        Ok(_) | Err(Fault::Bug { .. } | Fault::Stopped { .. }) => None,
        Err(fault) => {
            let words = fault.cause().map(ToString::to_string).unwrap_or_default();
            Some(Reason::new(reason.code.clone(), format!("{}: {words}", fault.class())))
        }
    };
    memory.probes = memory.probes.max(*probes).saturating_add(1);
    let state = match &still {
        None => LaneState::Open,
        Some(why) => LaneState::Held {
            reason: why.clone(),
            since: *since,
            probe: next_probe(&shared.options, memory.probes, shared.now()),
            probes: memory.probes,
        },
    };
    shared.store.set_lane(shared.lease, lane.id, state).await?;
    Ok(still.is_none())
}
