//! From an observation to causes: which thresholds are crossed, and how badly.
use super::alert::Cause;
use super::words::hold_of;
use super::{AlertKey, AlertPolicy, Facts, LaneSeen, Observation, Place, QueueState, StepSeen};
use caravan_model::{AlertKind, Millis, Severity, Status, status::reason};
use std::collections::BTreeMap;

/// Reasons that are told behind a rate.
const REASONS: usize = 3;

/// Every cause in an observation, the worse one where two are the same. `is_open` says whether an alert stands: a rate
/// must fall to four fifths of its threshold before it counts as good again.
pub(super) fn causes(
    seen: &Observation,
    now: Millis,
    policy: &AlertPolicy,
    is_open: impl Fn(&AlertKey) -> bool,
) -> BTreeMap<AlertKey, Cause> {
    let mut all: BTreeMap<AlertKey, Cause> = BTreeMap::new();
    let lanes = seen.lanes.iter().flat_map(|lane| [held(lane), late(lane, now, policy)]);
    let steps = seen.steps.iter().flat_map(|step| [errors(step, policy, &is_open), skips(step, policy, &is_open)]);
    let found = lanes.chain(steps).chain(traps(seen, now, policy)).chain(tokens(seen, now, policy)).chain(owed(seen));
    let found = found.chain(endpoints(seen, now, policy)).chain([disk(seen, policy)]);
    for cause in found.flatten() {
        let known = all.entry(cause.key.clone()).or_insert_with(|| cause.clone());
        if known.severity < cause.severity {
            *known = cause;
        }
    }
    all
}

/// Whether an alert's absence from an observation proves nothing: a rate, while visits have not been counted for a
/// whole window.
pub(super) fn is_unproven(key: &AlertKey, seen: &Observation, now: Millis, policy: &AlertPolicy) -> bool {
    matches!(key.kind, AlertKind::ErrorRate | AlertKind::SkipRate) && now.since(seen.counting_since) < policy.window
}

/// A code as it may leave: what is not like a code is not repeated, for it may be anything.
fn code_of(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if text.len() <= 64 && text.bytes().all(plain) { text.to_owned() } else { "other".to_owned() }
}

fn queue(lane: &LaneSeen) -> Facts {
    Facts {
        name: lane.queue.clone(),
        connection: Some(lane.connection.clone()),
        places: lane.places.clone(),
        count: lane.waiting,
        ..Facts::default()
    }
}

fn held(lane: &LaneSeen) -> Option<Cause> {
    let QueueState::Held { code, since, by_person } = &lane.state else { return None };
    let code = if *by_person { "held-by-person".to_owned() } else { code_of(code) };
    let severity = hold_of(&code).severity;
    let key = AlertKey { kind: AlertKind::QueueHeld, subject: format!("queue-{}", lane.lane), code };
    Some(Cause { key, severity, facts: Facts { at: *since, ..queue(lane) } })
}

fn late(lane: &LaneSeen, now: Millis, policy: &AlertPolicy) -> Option<Cause> {
    if matches!(lane.state, QueueState::Held { by_person: true, .. }) {
        return None;
    }
    let oldest = lane.oldest?;
    let age = now.since(oldest);
    if age < policy.late_warning {
        return None;
    }
    let severity = if age >= policy.late_critical { Severity::Critical } else { Severity::Warning };
    let subject = format!("queue-{}", lane.lane);
    let key = AlertKey { kind: AlertKind::Lateness, subject, code: String::new() };
    Some(Cause { key, severity, facts: Facts { at: oldest, ..queue(lane) } })
}

/// Visits of a step with these statuses, out of all that became final.
fn rate(
    step: &StepSeen,
    kind: AlertKind,
    counts: impl Fn(Status, &str) -> bool,
    thresholds: [(u32, Severity); 2],
    policy: &AlertPolicy,
    is_open: &impl Fn(&AlertKey) -> bool,
) -> Option<Cause> {
    let subject = format!("{}/{}", step.canvas, step.step);
    let key = AlertKey { kind, subject, code: String::new() };
    let is_final = |status: Status, code: &str| {
        // Whoever was superseded or taken as control was not this step's to send.
        status != Status::Waiting && status != Status::Control && code != reason::SUPERSEDED
    };
    let (mut bad, mut of, mut reasons) = (0_u64, 0_u64, BTreeMap::<String, u64>::new());
    for (status, code, n) in step.counts.iter().filter(|(status, code, _)| is_final(*status, code)) {
        of = of.saturating_add(*n);
        if counts(*status, code) {
            bad = bad.saturating_add(*n);
            let code = if code.is_empty() { status.word() } else { code };
            *reasons.entry(code_of(code)).or_default() += n;
        }
    }
    // Fewer than that say nothing; an open alert may live on fewer.
    let least = if is_open(&key) { 1 } else { policy.rate_least.max(1) };
    let eased = if is_open(&key) { 4 } else { 5 };
    let crossed = |percent: u32, fifths: u128| {
        of >= least && u128::from(bad) * 500 >= u128::from(percent) * fifths * u128::from(of) && bad > 0
    };
    // Worse only at the whole threshold, and with enough visits.
    let [(mild, mild_is), (grave, grave_is)] = thresholds;
    let severity = if of >= policy.rate_least && crossed(grave, 5) {
        grave_is
    } else if crossed(mild, eased) {
        mild_is
    } else {
        return None;
    };
    let mut reasons: Vec<(String, u64)> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    reasons.truncate(REASONS);
    let facts = Facts {
        name: step.step.to_string(),
        connection: step.connection.clone(),
        places: vec![Place { canvas: step.canvas.clone(), step: Some(step.step.clone()) }],
        count: bad,
        of,
        reasons,
        at: Millis(0),
    };
    Some(Cause { key, severity, facts })
}

fn errors(step: &StepSeen, policy: &AlertPolicy, is_open: &impl Fn(&AlertKey) -> bool) -> Option<Cause> {
    let bad = |status: Status, _: &str| matches!(status, Status::Rejected | Status::Expired | Status::Failed);
    let thresholds = [(policy.error_warning, Severity::Warning), (policy.error_critical, Severity::Critical)];
    rate(step, AlertKind::ErrorRate, bad, thresholds, policy, is_open)
}

fn skips(step: &StepSeen, policy: &AlertPolicy, is_open: &impl Fn(&AlertKey) -> bool) -> Option<Cause> {
    let thresholds = [(policy.skip_warning, Severity::Warning), (policy.skip_warning, Severity::Warning)];
    rate(step, AlertKind::SkipRate, |status, _| status == Status::Skipped, thresholds, policy, is_open)
}

fn traps(seen: &Observation, now: Millis, policy: &AlertPolicy) -> impl Iterator<Item = Option<Cause>> {
    seen.traps.iter().map(move |trap| {
        if trap.times == 0 || now.since(trap.last) >= policy.trap_memory {
            return None;
        }
        let severity = if trap.times >= policy.traps_critical { Severity::Critical } else { Severity::Warning };
        let subject = format!("{}@{}", trap.connector, trap.connection);
        let key = AlertKey { kind: AlertKind::ConnectorTrapped, subject, code: String::new() };
        let facts = Facts {
            name: trap.connector.clone(),
            connection: Some(trap.connection.clone()),
            places: trap.places.clone(),
            count: trap.times,
            at: trap.last,
            ..Facts::default()
        };
        Some(Cause { key, severity, facts })
    })
}

fn tokens(seen: &Observation, now: Millis, policy: &AlertPolicy) -> impl Iterator<Item = Option<Cause>> {
    seen.tokens.iter().map(move |token| {
        let left = token.ends.since(now);
        if left > policy.token_warning {
            return None;
        }
        let severity = if left <= policy.token_critical { Severity::Critical } else { Severity::Warning };
        let key = AlertKey { kind: AlertKind::TokenEnds, subject: token.connection.clone(), code: String::new() };
        let facts = Facts {
            name: token.connection.clone(),
            connection: Some(token.connection.clone()),
            places: token.places.clone(),
            at: token.ends,
            ..Facts::default()
        };
        Some(Cause { key, severity, facts })
    })
}

fn endpoints(seen: &Observation, now: Millis, policy: &AlertPolicy) -> impl Iterator<Item = Option<Cause>> {
    seen.endpoints.iter().map(move |endpoint| {
        let critical = now.since(endpoint.since) >= policy.endpoint_critical;
        let severity = if critical { Severity::Critical } else { Severity::Warning };
        let (kind, subject) = (AlertKind::EndpointRests, endpoint.endpoint.clone());
        let facts = Facts {
            name: endpoint.endpoint.clone(),
            places: endpoint.places.clone(),
            count: endpoint.rests,
            at: endpoint.since,
            ..Facts::default()
        };
        Some(Cause { key: AlertKey { kind, subject, code: String::new() }, severity, facts })
    })
}

/// `count` is what is left, `of` what must be; of a bound for the store what it takes and may take.
fn disk(seen: &Observation, policy: &AlertPolicy) -> Option<Cause> {
    let space = seen.space?;
    let cause = |code: &str, severity, count, of| {
        let key = AlertKey { kind: AlertKind::DiskFull, subject: "store".to_owned(), code: code.to_owned() };
        Cause { key, severity, facts: Facts { name: "store".to_owned(), count, of, ..Facts::default() } }
    };
    let (least, largest) = (policy.least_free, policy.largest_store);
    match space.free {
        Some(free) if free < least => return Some(cause("", Severity::Critical, free, least)),
        Some(free) if free < least.saturating_mul(2) => return Some(cause("", Severity::Warning, free, least)),
        _ => {}
    }
    match space.bytes {
        _ if largest == 0 => None,
        bytes if bytes >= largest => Some(cause("bound", Severity::Critical, bytes, largest)),
        bytes if bytes >= largest / 5 * 4 => Some(cause("bound", Severity::Warning, bytes, largest)),
        _ => None,
    }
}

fn owed(seen: &Observation) -> impl Iterator<Item = Option<Cause>> {
    seen.owed_refused.iter().map(|owed| {
        let subject = format!("queue-{}", owed.lane);
        let key = AlertKey { kind: AlertKind::OwedRemovalRefused, subject, code: code_of(&owed.code) };
        let facts = Facts {
            name: owed.queue.clone(),
            connection: Some(owed.connection.clone()),
            places: owed.places.clone(),
            count: owed.count,
            at: owed.since,
            ..Facts::default()
        };
        (owed.count > 0).then_some(Cause { key, severity: Severity::Critical, facts })
    })
}
