//! What a run that ended early tells a person: what waits, how many, until when.
use crate::delivery::due_of;
use crate::progress::WaitLine;
use crate::route::Route;
use crate::shared::Shared;
use caravan_journey::plan::StepKind;
use caravan_model::{LaneId, Millis, Problem, Status};
use caravan_store::{Counters, Lane, LaneState, Store};

/// One line per queue that waits, one per step where people wait for the clock.
pub(crate) fn lines(
    route: Option<&Route>,
    lanes: &[&Lane],
    unusable: impl Fn(LaneId) -> Option<Problem>,
    counters: &Counters,
    timer: Option<Millis>,
) -> Vec<WaitLine> {
    let mut lines: Vec<WaitLine> = lanes
        .iter()
        .map(|lane| {
            let until = Some(due_of(&lane.state)).filter(|until| *until != Millis::NEVER && until.0 > 0);
            let (state, until) = match (unusable(lane.id), &lane.state) {
                _ if !lane.held_by.is_empty() => (held_words(lane), None),
                (Some(problem), _) => (problem.message, None),
                (None, LaneState::Open) => ("filling".to_owned(), None),
                (None, LaneState::Waiting { why, reason, .. }) => (format!("{why}: {}", reason.words), until),
                (None, LaneState::Held { reason, .. }) => (format!("{}: {}", reason.code, reason.words), None),
            };
            let what = format!("queue of audience {} at {}: {state}", lane.key.audience, lane.key.connector);
            WaitLine { what, n: lane.waiting, until }
        })
        .collect();
    for (at, step) in route.iter().flat_map(|route| route.plan.steps.iter().enumerate()) {
        let what = match &step.kind {
            StepKind::Delay(_) => "delay".to_owned(),
            StepKind::WaitFor { what, .. } => format!("wait for {}", what.name()),
            _ => continue,
        };
        let n = waiting_at(counters, at);
        if n > 0 {
            lines.push(WaitLine { what: format!("step `{}`: {what}", step.id), n, until: timer });
        }
    }
    lines
}

/// The steps of a version, or of all, at which visits wait for an endpoint: a line each, without a time.
pub(crate) async fn for_endpoints<S: Store>(shared: &Shared<S>, route: Option<&Route>) -> crate::Result<Vec<WaitLine>> {
    let mut lines = Vec::new();
    for known in shared.versions() {
        if route.is_some_and(|route| route.version != known.version) || known.plan.webhooks().next().is_none() {
            continue;
        }
        let counters = shared.store.counters(known.version).await?;
        for (at, webhook) in known.plan.webhooks() {
            let n = waiting_at(&counters, usize::from(at.0));
            if let Some(step) = known.plan.step(at).filter(|_| n > 0) {
                lines.push(WaitLine {
                    what: format!("step `{}`: webhook {}", step.id, webhook.endpoint),
                    n,
                    until: None,
                });
            }
        }
    }
    Ok(lines)
}

/// How many wait at a step, by its place in the plan.
fn waiting_at(counters: &Counters, step: usize) -> u64 {
    let here =
        counters.counts.iter().filter(|count| usize::from(count.step.0) == step && count.status == Status::Waiting);
    here.map(|count| count.n).sum()
}

/// Who holds a lane, and why.
fn held_words(lane: &Lane) -> String {
    let holds = lane.held_by.iter().map(|hold| format!("held by {}: {}", hold.by, hold.words));
    holds.collect::<Vec<_>>().join("; ")
}
