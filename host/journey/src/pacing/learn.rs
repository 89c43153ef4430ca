//! What the partner's own figures change.
use super::gate::Gate;
use super::scope::WIDEST_FIRST;
use super::{Pacer, Policy, Scopes};
use caravan_model::manifest::{QuotaUnit, UsageKind, UsageReading};
use caravan_model::{Duration, Millis};

impl Pacer {
    /// Takes in the figures of one call's answers, in order. They count where they are stricter than our own count; a
    /// quota whose percentage or limit is told is as large as the partner says.
    pub fn learn(&mut self, now: Millis, scopes: &Scopes, told: &[UsageReading]) {
        let policy = self.policy;
        for reading in told.iter().filter(|reading| reading.scope.is_none()) {
            if let Some(gate) = self.concerned(scopes) {
                close(gate, now, reading, &policy);
            }
        }
        for scope in WIDEST_FIRST {
            let here: Vec<&UsageReading> = told.iter().filter(|reading| reading.scope == Some(scope)).collect();
            if let Some(gate) = self.gates.get_mut(scopes.key(scope)).filter(|_| !here.is_empty()) {
                take_in(gate, now, &here, &policy);
            }
        }
    }
}

fn take_in(gate: &mut Gate, now: Millis, here: &[&UsageReading], policy: &Policy) {
    gate.forget(now);
    let last = |kind: UsageKind| here.iter().rev().find(|reading| reading.kind == kind).map(|reading| reading.value);
    here.iter().for_each(|reading| close(gate, now, reading, policy));
    let of_nothing = here.iter().filter(|reading| reading.kind == UsageKind::Percent && reading.per.is_none());
    if let Some(percent) = of_nothing.map(|reading| reading.value).max() {
        gate.ease(now, percent, policy);
    }
    let unseen = gate.under_way;
    for window in gate.windows.iter_mut().filter(|window| window.unit == QuotaUnit::Calls) {
        let of_it = |kind| {
            let per = window.per;
            here.iter().filter(move |reading| reading.kind == kind && reading.per == Some(per)).map(|r| r.value)
        };
        let (limit, percent) = (of_it(UsageKind::Limit).next_back(), of_it(UsageKind::Percent).max());
        if let Some(limit) = limit {
            window.tell_limit(now, limit);
        }
        if let Some(percent) = percent {
            window.tell_percent(now, percent, unseen);
        }
    }
    if let Some(left) = last(UsageKind::Remaining) {
        let at = last(UsageKind::ResetAt).map(instant);
        let until = at.or_else(|| last(UsageKind::ResetIn).map(|seconds| now.after(Duration::SECOND.times(seconds))));
        gate.budget(now, left, until, policy);
    }
}

/// Figures that close a scope for a while.
fn close(gate: &mut Gate, now: Millis, reading: &UsageReading, policy: &Policy) {
    let until = match reading.kind {
        UsageKind::RegainIn => now.after(Duration::MINUTE.times(reading.value)),
        UsageKind::RetryIn => now.after(Duration::SECOND.times(reading.value)),
        UsageKind::RetryAt => instant(reading.value),
        _ => return,
    };
    gate.close(now, until, policy);
}

fn instant(seconds: u64) -> Millis {
    Millis(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
}
