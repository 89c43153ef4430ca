//! A partner that counts as real ones do, lanes that are always hungry, and the time between them.
use caravan_journey::pacing::{Admission, Ask, Charge, Flow, Pacer, Policy, Scopes, Spent, Ticket, Why};
use caravan_model::manifest::{Quota, QuotaScope, QuotaUnit, UsageReading, UsageRule};
use caravan_model::{Duration, LaneId, Millis};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// How a partner counts.
#[derive(Clone, Copy, Debug)]
pub enum Counting {
    /// Over the last span, to the millisecond.
    Rolling,
    /// In spans that begin at this phase.
    Fixed(i64),
}

/// A limit at the partner.
#[derive(Debug)]
pub struct Limit {
    pub amount: u64,
    pub per: Duration,
    counting: Counting,
    times: VecDeque<i64>,
}

impl Limit {
    pub fn new(amount: u64, per: Duration, counting: Counting) -> Limit {
        Limit { amount, per, counting, times: VecDeque::new() }
    }

    fn used(&mut self, now: Millis) -> u64 {
        let per = self.per.0 as i64;
        let since = match self.counting {
            Counting::Rolling => now.0 - per + 1,
            Counting::Fixed(phase) => now.0 - (now.0 - phase).rem_euclid(per),
        };
        while self.times.front().is_some_and(|time| *time < since) {
            self.times.pop_front();
        }
        self.times.len() as u64
    }

    pub fn percent(&mut self, now: Millis) -> u64 {
        self.used(now) * 100 / self.amount
    }
}

/// What the partner answers beside yes or no.
pub type Speaks = Box<dyn FnMut(&mut [Limit], Millis, bool) -> Vec<UsageReading>>;

pub struct Partner {
    pub limits: Vec<Limit>,
    pub speaks: Speaks,
    pub taken: Vec<(Millis, LaneId)>,
    pub refused: u64,
}

impl Partner {
    pub fn new(limits: Vec<Limit>) -> Partner {
        Partner { limits, speaks: Box::new(|_, _, _| Vec::new()), taken: Vec::new(), refused: 0 }
    }

    fn call(&mut self, now: Millis, lane: LaneId) -> (Flow, Vec<UsageReading>) {
        let fits = self.limits.iter_mut().all(|limit| limit.used(now) < limit.amount);
        if fits {
            self.limits.iter_mut().for_each(|limit| limit.times.push_back(now.0));
            self.taken.push((now, lane));
        } else {
            self.refused += 1;
        }
        let flow = if fits { Flow::Fine } else { Flow::Throttled { after: None } };
        (flow, (self.speaks)(&mut self.limits, now, fits))
    }

    pub fn taken_between(&self, from: Millis, to: Millis) -> u64 {
        self.taken.iter().filter(|(at, _)| *at >= from && *at < to).count() as u64
    }

    pub fn taken_of(&self, lane: LaneId) -> u64 {
        self.taken.iter().filter(|(_, by)| *by == lane).count() as u64
    }
}

pub fn quota(scope: QuotaScope, amount: u64, per: Duration) -> Quota {
    Quota {
        scope,
        unit: QuotaUnit::Calls,
        amount,
        amount_setting: None,
        credential: None,
        per: Some(per),
        resets: None,
    }
}

pub fn at_once(scope: QuotaScope, amount: u64) -> Quota {
    Quota { scope, unit: QuotaUnit::InFlight, amount, amount_setting: None, credential: None, per: None, resets: None }
}

/// What a run of lanes against a partner needs.
pub struct World {
    pub now: Millis,
    pub pacer: Pacer,
    pub lanes: Vec<(LaneId, Scopes)>,
    pub quotas: Vec<Quota>,
    pub rules: Vec<UsageRule>,
    /// A call arrives so many milliseconds after its admission, at most.
    pub jitter: u64,
    /// What is stored along with attempts.
    pub stored: HashMap<(String, Millis), Charge>,
    pub most_at_once: u64,
    pub waits: Vec<Why>,
    draw: u64,
}

enum Happening {
    Arrives(usize, Ticket),
    Ends(usize, Ticket, Flow, Vec<UsageReading>),
}

impl World {
    pub fn new(now: Millis, lanes: Vec<(LaneId, Scopes)>, quotas: Vec<Quota>) -> World {
        World {
            now,
            pacer: Pacer::new(Policy::default()),
            lanes,
            quotas,
            rules: Vec::new(),
            jitter: 20,
            stored: HashMap::new(),
            most_at_once: 0,
            waits: Vec::new(),
            draw: 0x9E37_79B9_7F4A_7C15 ^ now.0 as u64,
        }
    }

    /// So many lanes of one account and app.
    pub fn alike(now: Millis, lanes: i64, quotas: Vec<Quota>) -> World {
        let lane = |id: i64| (LaneId(id), Scopes::of("p", "login", "account", &format!("audience {id}")));
        World::new(now, (1..=lanes).map(lane).collect(), quotas)
    }

    fn random(&mut self, below: u64) -> u64 {
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        self.draw % below.max(1)
    }

    /// The process dies and another one begins with what was stored.
    pub fn restart(&mut self, pause: Duration) {
        self.now = self.now.after(pause);
        self.pacer = Pacer::new(Policy::default());
        self.pacer.load(self.now, self.stored.values().cloned());
    }

    fn store(&mut self, charges: Vec<Charge>) {
        for charge in charges {
            let amount = charge.amount;
            let key = (charge.key.clone(), charge.bucket);
            self.stored.entry(key).and_modify(|known| known.amount += amount).or_insert(charge);
        }
    }

    /// All lanes ask as often as they may, until `until`; what is under way then ends.
    pub fn run(&mut self, partner: &mut Partner, until: Millis) {
        for (_, scopes) in &self.lanes {
            self.pacer.declare(self.now, scopes, &self.quotas, &self.rules);
        }
        let mut asks_at = vec![self.now; self.lanes.len()];
        let mut asks_early = vec![false; self.lanes.len()];
        let mut coming: BinaryHeap<Reverse<(Millis, u64)>> = BinaryHeap::new();
        let mut happenings: HashMap<u64, Happening> = HashMap::new();
        let mut count = 0;
        loop {
            if self.now < until {
                for lane in 0..self.lanes.len() {
                    if asks_at[lane] > self.now {
                        continue;
                    }
                    let (id, scopes) = self.lanes[lane].clone();
                    let ask = Ask { lane: id, scopes: &scopes, cost: Spent::call(1) };
                    match self.pacer.admit(self.now, &ask) {
                        Admission::Go(mut ticket) => {
                            self.store(std::mem::take(&mut ticket.charges));
                            let arrives = self.now.after(Duration(self.random(self.jitter + 1)));
                            count += 1;
                            coming.push(Reverse((arrives, count)));
                            happenings.insert(count, Happening::Arrives(lane, ticket));
                            (asks_at[lane], asks_early[lane]) = (Millis::NEVER, false);
                        }
                        Admission::Wait { until, why } => {
                            assert!(until > self.now, "a wait lies ahead: {why:?}");
                            (asks_at[lane], asks_early[lane]) = (until, why <= Why::InFlight);
                            self.waits.push(why);
                        }
                    }
                }
                self.most_at_once = self.most_at_once.max(happenings.len() as u64);
            }
            let next_ask = asks_at.iter().copied().min().filter(|at| *at < until);
            let next = match (next_ask, coming.peek().map(|Reverse((at, _))| *at)) {
                (None, None) => break,
                (ask, event) => ask.unwrap_or(Millis::NEVER).min(event.unwrap_or(Millis::NEVER)),
            };
            self.now = self.now.max(next);
            while coming.peek().is_some_and(|Reverse((at, _))| *at <= self.now) {
                let Some(Reverse((_, number))) = coming.pop() else { break };
                match happenings.remove(&number) {
                    Some(Happening::Arrives(lane, ticket)) => {
                        let (flow, told) = partner.call(self.now, self.lanes[lane].0);
                        let ends = self.now.after(Duration(1 + self.random(5)));
                        count += 1;
                        coming.push(Reverse((ends, count)));
                        happenings.insert(count, Happening::Ends(lane, ticket, flow, told));
                    }
                    Some(Happening::Ends(lane, ticket, flow, told)) => {
                        let more = self.pacer.ended(self.now, ticket, flow, Spent::call(1), &told);
                        self.store(more);
                        asks_at[lane] = self.now;
                        // Whoever waits for others asks as soon as one of them has ended.
                        for other in (0..asks_at.len()).filter(|other| asks_early[*other]) {
                            asks_at[other] = self.now;
                        }
                    }
                    None => {}
                }
            }
        }
        self.now = self.now.max(until);
    }
}
