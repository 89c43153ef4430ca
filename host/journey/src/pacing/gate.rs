//! One scope: its windows, what is under way in it, and what the partner said about it.
use super::charge::{Spent, Why};
use super::crowd::{Crowd, Share, is_of_a_new_round};
use super::window::Window;
use super::{Charge, Policy, ScopeKey};
use caravan_model::manifest::{Quota, QuotaUnit};
use caravan_model::{Duration, Millis};

/// From which percentage on calls are spaced, where no quota belongs to the figure.
const EASE_FROM: u64 = 90;
/// The space at that percentage; doubles with each further one.
const FIRST_SPACE: Duration = Duration(250);
/// How long calls stop at 100 percent.
const FULL_WAIT: Duration = Duration::MINUTE;

/// A scope.
#[derive(Debug)]
pub(super) struct Gate {
    pub windows: Vec<Window>,
    pub under_way: u64,
    pub share: Share,
    pub crowd: Crowd,
    /// The manifest's quota of calls at the same time.
    at_once: Option<u64>,
    closed_until: Millis,
    refusals: u32,
    refused_at: Option<Millis>,
    space: Duration,
    last: Option<Millis>,
    budget: Option<Budget>,
}

/// How many calls the partner said are left, and until when that holds.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u64,
    until: Millis,
}

impl Gate {
    pub fn new(policy: &Policy) -> Gate {
        Gate {
            windows: Vec::new(),
            under_way: 0,
            share: Share::default(),
            crowd: Crowd::new(policy),
            at_once: None,
            closed_until: Millis(i64::MIN),
            refusals: 0,
            refused_at: None,
            space: Duration(0),
            last: None,
            budget: None,
        }
    }

    /// Whether the manifest bounds calls at the same time here.
    pub fn bounds_at_once(&self) -> bool {
        self.at_once.is_some()
    }

    /// Takes a quota over; gives its window where it is new. One that holds for a kind of credential alone goes once nobody
    /// has called by that kind for as long as it counts.
    pub fn declare(&mut self, now: Millis, key: &ScopeKey, quota: &Quota) -> Option<&mut Window> {
        if quota.unit == QuotaUnit::InFlight {
            self.at_once = Some(quota.amount.max(1));
            return None;
        }
        let mut window = Window::new(key, quota)?;
        window.ends = quota.credential.map(|_| now.after(window.per));
        if let Some(known) = self.windows.iter_mut().find(|known| known.key() == window.key()) {
            (known.declared, known.ends) = (quota.amount, window.ends);
            return None;
        }
        self.windows.push(window);
        self.windows.last_mut()
    }

    /// Drops what is over.
    pub fn forget(&mut self, now: Millis) {
        self.windows.retain(|window| window.ends.is_none_or(|ends| now <= ends));
        self.windows.iter_mut().for_each(|window| window.forget(now));
        self.budget = self.budget.filter(|budget| now < budget.until);
    }

    /// When a call fits, with `reserved` calls for others before it, and what stands in its way until then.
    /// `adapts`: the bound of calls at the same time is ours to find.
    pub fn opens(
        &self,
        now: Millis,
        cost: &Spent,
        reserved: &Reserved,
        adapts: bool,
        policy: &Policy,
    ) -> (Millis, Why) {
        let mut found = (self.closed_until, Why::Closed);
        let mut also = |until: Millis, why: Why| {
            if until > found.0 {
                found = (until, why);
            }
        };
        let at_once = if adapts { Some(self.crowd.bound()) } else { self.at_once };
        if at_once.is_some_and(|most| self.under_way + reserved.calls_at_once >= most) {
            also(now.after(policy.look_again), Why::InFlight);
        }
        if let Some(last) = self.last.filter(|_| self.space.0 > 0) {
            also(last.after(self.space), Why::Easing);
        }
        if let Some(budget) = self.budget.filter(|budget| now < budget.until)
            && budget.left < cost.calls + reserved.cost.calls
        {
            also(budget.until, Why::Quota);
        }
        for window in &self.windows {
            let (want, reserved) = (cost.in_unit(window.unit), reserved.cost.in_unit(window.unit));
            let quiet = self.under_way == 0;
            also(window.opens(now, want, reserved, self.share.get(), quiet, policy.look_again), Why::Quota);
        }
        found
    }

    /// Takes a call's cost; gives what is to be stored.
    pub fn charge<'g>(&'g mut self, now: Millis, cost: &'g Spent) -> impl Iterator<Item = Charge> + 'g {
        self.last = Some(now);
        if let Some(budget) = &mut self.budget {
            budget.left = budget.left.saturating_sub(cost.calls);
        }
        self.windows.iter_mut().filter_map(move |window| window.charge(now, cost.in_unit(window.unit)))
    }

    /// Takes a charge back that was made at `at` and not stored.
    pub fn uncharge(&mut self, at: Millis, cost: &Spent) {
        if let Some(budget) = &mut self.budget {
            budget.left = budget.left.saturating_add(cost.calls);
        }
        self.windows.iter_mut().for_each(|window| window.uncharge(at, cost.in_unit(window.unit)));
    }

    /// No calls before `until`.
    pub fn close(&mut self, now: Millis, until: Millis, policy: &Policy) {
        self.closed_until = self.closed_until.max(until.min(now.after(policy.longest_closed)));
    }

    /// A call that began at `began` was taken.
    pub fn was_taken(&mut self, began: Millis) {
        if is_of_a_new_round(self.refused_at, began) {
            self.refusals = 0;
        }
        let calls = self.windows.iter().filter(|window| window.unit == QuotaUnit::Calls);
        if let Some(shortest) = calls.min_by_key(|window| window.per) {
            self.share.grow(shortest.declared);
        }
    }

    /// A call that began at `began` was refused; `after`: the wait that the partner names. Where it names none, and
    /// nothing else closes the scope, the wait is ours and grows.
    pub fn was_refused(&mut self, began: Millis, now: Millis, after: Option<Duration>, policy: &Policy) {
        self.share.cut(began, now);
        let new_round = is_of_a_new_round(self.refused_at, began);
        if let Some(after) = after {
            self.close(now, now.after(after), policy);
        } else if new_round && self.closed_until <= now {
            let wait = policy.first_wait.0.saturating_mul(1 << self.refusals.min(40)).min(policy.longest_wait.0);
            self.close(now, now.after(Duration(wait)), policy);
        }
        if new_round {
            self.refusals += 1;
            self.refused_at = Some(now);
        }
    }

    /// The partner's own percentage, of something that no quota of ours counts: near its end calls are spaced.
    pub fn ease(&mut self, now: Millis, percent: u64, policy: &Policy) {
        self.space = match percent {
            0..EASE_FROM => Duration(0),
            EASE_FROM..100 => FIRST_SPACE.times(1 << (percent - EASE_FROM)),
            _ => {
                self.close(now, now.after(FULL_WAIT), policy);
                FIRST_SPACE.times(1 << (100 - EASE_FROM))
            }
        };
    }

    /// So many calls are left until `until`, or until the shortest quota's span is over. Calls under way may not be
    /// counted in it yet.
    pub fn budget(&mut self, now: Millis, left: u64, until: Option<Millis>, policy: &Policy) {
        let spans = self.windows.iter().filter(|window| window.unit == QuotaUnit::Calls).map(|window| window.per);
        let until = until.unwrap_or_else(|| now.after(spans.min().unwrap_or(Duration::MINUTE)));
        let until = until.min(now.after(policy.longest_closed));
        let left = left.saturating_sub(self.under_way);
        let left = match self.budget {
            // Answers overtake each other: of one period the smaller figure is the newer one.
            Some(known) if now < known.until && until.since(known.until) < Duration::SECOND => left.min(known.left),
            _ => left,
        };
        self.budget = (now < until).then_some(Budget { left, until });
    }
}

/// What is kept free for lanes whose turn is earlier.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    pub cost: Spent,
    pub calls_at_once: u64,
}

impl Reserved {
    pub fn add(&mut self, cost: &Spent) {
        self.cost.calls += cost.calls;
        self.cost.rows += cost.rows;
        self.cost.bytes += cost.bytes;
        self.calls_at_once += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.calls_at_once == 0
    }
}
