//! The pacer: all scopes, and the decision who goes.
use super::charge::{Admission, Ask, Flow, Spent, Ticket, Why};
use super::gate::{Gate, Reserved};
use super::scope::WIDEST_FIRST;
use super::turns::Turns;
use super::window::Window;
use super::{Charge, Policy, ScopeKey, Scopes};
use caravan_model::manifest::{Quota, QuotaScope, QuotaUnit, UsageKind, UsageReading, UsageRule};
use caravan_model::{Duration, LaneId, Millis};
use std::collections::HashMap;

/// Keeps quotas. One for a whole host; it is not shared between hosts.
#[derive(Debug)]
pub struct Pacer {
    pub(super) policy: Policy,
    pub(super) gates: HashMap<ScopeKey, Gate>,
    turns: Turns,
    /// Stored use of windows that nobody has declared yet.
    stored: HashMap<String, Vec<(Millis, u64)>>,
    /// When this process began, if an earlier one made calls within the minute before.
    resumed_at: Option<Millis>,
}

impl Pacer {
    /// A pacer that knows of no use.
    pub fn new(policy: Policy) -> Pacer {
        let (gates, stored) = (HashMap::new(), HashMap::new());
        Pacer { policy, gates, turns: Turns::default(), stored, resumed_at: None }
    }

    /// Takes stored charges back, before anything is declared. Charges of equal key and bucket add up.
    pub fn load(&mut self, now: Millis, charges: impl IntoIterator<Item = Charge>) {
        for charge in charges.into_iter().filter(|charge| charge.keep_until > now) {
            if charge.bucket > now.before(Duration::MINUTE.times(2)) {
                self.resumed_at = Some(now);
            }
            self.stored.entry(charge.key).or_default().push((charge.bucket, charge.amount));
        }
    }

    /// Makes the quotas of a connector known in these scopes. Repeating it changes nothing; new amounts take the place
    /// of old ones.
    pub fn declare(&mut self, now: Millis, scopes: &Scopes, quotas: &[Quota], rules: &[UsageRule]) {
        for scope in WIDEST_FIRST {
            let here = || quotas.iter().filter(move |quota| quota.scope == scope);
            let told = || rules.iter().filter(move |rule| rule.scope == scope);
            // The login also keeps what we find out ourselves.
            if here().next().is_none() && told().next().is_none() && scope != QuotaScope::Login {
                continue;
            }
            let key = scopes.key(scope);
            let gate = self.gates.entry(key.clone()).or_insert_with(|| Gate::new(&self.policy));
            for quota in here() {
                let Some(window) = gate.declare(now, key, quota) else { continue };
                let is_told = |rule: &UsageRule| rule.tells == UsageKind::Percent && rule.per == Some(window.per);
                window.is_told = window.unit == QuotaUnit::Calls && told().any(is_told);
                match (self.stored.remove(window.key()), self.resumed_at) {
                    (Some(buckets), _) => window.restore(now, buckets),
                    (None, Some(at)) if !window.is_stored() => window.fill(at),
                    (None, _) => {}
                }
            }
        }
    }

    /// Whether a lane may make an attempt now. If it may, its cost is taken.
    pub fn admit(&mut self, now: Millis, ask: &Ask<'_>) -> Admission {
        self.turns.forget(now);
        self.gates.values_mut().for_each(|gate| gate.forget(now));
        let reserved = self.turns.reserved(ask.lane, ask.scopes, |waiting, shared| {
            let elsewhere = shared.map(|shared| !shared);
            self.opens(now, &waiting.scopes, &waiting.cost, &Default::default(), &elsewhere).0 > now
        });
        let (until, why) = self.opens(now, ask.scopes, &ask.cost, &reserved, &[true; 4]);
        if until <= now {
            return Admission::Go(self.go(now, ask));
        }
        let has_turn = reserved.iter().all(Reserved::is_empty);
        let (until, why) = match has_turn {
            true => (until, why),
            false => match self.opens(now, ask.scopes, &ask.cost, &Default::default(), &[true; 4]) {
                (alone, _) if alone <= now => (now.after(self.policy.look_again), Why::Turn),
                alone => alone,
            },
        };
        self.turns.wait(ask.lane, ask.scopes, ask.cost, until, &self.policy);
        Admission::Wait { until, why }
    }

    fn go(&mut self, now: Millis, ask: &Ask<'_>) -> Ticket {
        self.turns.serve(ask.lane);
        for key in ask.scopes.keys() {
            if let Some(gate) = self.gates.get_mut(key) {
                gate.under_way += 1;
            }
        }
        let charges = self.charge(now, ask.scopes, &ask.cost);
        Ticket { charges, at: now, scopes: ask.scopes.clone(), cost: ask.cost }
    }

    fn charge(&mut self, now: Millis, scopes: &Scopes, cost: &Spent) -> Vec<Charge> {
        let mut charges = Vec::new();
        for key in scopes.keys() {
            if let Some(gate) = self.gates.get_mut(key) {
                charges.extend(gate.charge(now, cost));
            }
        }
        charges
    }

    /// When a call fits into those of its scopes that are `asked`.
    fn opens(
        &self,
        now: Millis,
        scopes: &Scopes,
        cost: &Spent,
        reserved: &[Reserved; 4],
        asked: &[bool; 4],
    ) -> (Millis, Why) {
        let gates = || scopes.keys().iter().map(|key| self.gates.get(key));
        let is_bounded = gates().flatten().any(Gate::bounds_at_once);
        let mut found = (Millis(i64::MIN), Why::Quota);
        for (at, gate) in gates().enumerate().filter(|(at, _)| asked[*at]) {
            let adapts = WIDEST_FIRST[at] == QuotaScope::Login && !is_bounded;
            let Some(gate) = gate else { continue };
            let opens = gate.opens(now, cost, &reserved[at], adapts, &self.policy);
            found = if opens.0 > found.0 { opens } else { found };
        }
        found
    }

    /// An attempt has ended: how, what it really cost, and what its answers told. Gives what is to be stored of a cost
    /// beyond the one that was asked for; less is not given back, since the partner may have counted it.
    pub fn ended(
        &mut self,
        now: Millis,
        ticket: Ticket,
        flow: Flow,
        spent: Spent,
        told: &[UsageReading],
    ) -> Vec<Charge> {
        let Ticket { at, scopes, cost, .. } = ticket;
        for key in scopes.keys() {
            if let Some(gate) = self.gates.get_mut(key) {
                gate.under_way = gate.under_way.saturating_sub(1);
            }
        }
        let beyond = spent.beyond(&cost);
        let more = if beyond == Spent::default() { Vec::new() } else { self.charge(now, &scopes, &beyond) };
        self.learn(now, &scopes, told);
        let policy = self.policy;
        let is_quick = now.since(at) <= policy.slow_call;
        if let Some(login) = self.gates.get_mut(scopes.key(QuotaScope::Login)) {
            match flow {
                Flow::Fine if is_quick => login.crowd.went_well(login.under_way, &policy),
                Flow::Throttled { .. } | Flow::Unavailable { .. } => login.crowd.cut(at, now),
                Flow::Fine | Flow::Silent => {}
            }
        }
        match flow {
            Flow::Fine => {
                for key in scopes.keys() {
                    if let Some(gate) = self.gates.get_mut(key) {
                        gate.was_taken(at);
                    }
                }
            }
            Flow::Throttled { after } => {
                if let Some(gate) = self.concerned(&scopes) {
                    gate.was_refused(at, now, after, &policy);
                }
            }
            Flow::Unavailable { after: Some(after) } => {
                if let Some(gate) = self.concerned(&scopes) {
                    gate.close(now, now.after(after), &policy);
                }
            }
            Flow::Unavailable { after: None } | Flow::Silent => {}
        }
        more
    }

    /// An attempt that may go is not made after all: nothing was stored, nothing has left.
    pub fn give_back(&mut self, ticket: Ticket) {
        let Ticket { at, scopes, cost, .. } = ticket;
        for key in scopes.keys() {
            if let Some(gate) = self.gates.get_mut(key) {
                gate.under_way = gate.under_way.saturating_sub(1);
                gate.uncharge(at, &cost);
            }
        }
    }

    /// A lane has no work any more, or is held: it keeps nobody waiting.
    pub fn withdraw(&mut self, lane: LaneId) {
        self.turns.withdraw(lane);
    }

    /// How much of a scope's quotas is used: amount, unit and span of each, for people.
    pub fn used(&self, key: &ScopeKey) -> Vec<(u64, QuotaUnit, Duration)> {
        let windows = self.gates.get(key).map(|gate| gate.windows.iter()).into_iter().flatten();
        windows.map(|window: &Window| (window.used(), window.unit, window.per)).collect()
    }

    /// The scope that a refusal without one concerns: the narrowest that has quotas, else the login.
    pub(super) fn concerned(&mut self, scopes: &Scopes) -> Option<&mut Gate> {
        let has_quota =
            |scope: &&QuotaScope| self.gates.get(scopes.key(**scope)).is_some_and(|gate| !gate.windows.is_empty());
        let scope = WIDEST_FIRST.iter().rev().find(has_quota).unwrap_or(&QuotaScope::Login);
        self.gates.get_mut(scopes.key(*scope))
    }
}
