//! Whose turn it is: of lanes that share a scope, the one that was served longest ago.
use super::charge::Spent;
use super::gate::Reserved;
use super::{Policy, Scopes};
use caravan_model::{LaneId, Millis};
use std::collections::{BTreeMap, HashMap};

/// Who was served when, and who waits.
#[derive(Debug, Default)]
pub(super) struct Turns {
    count: u64,
    served: HashMap<LaneId, u64>,
    waiting: BTreeMap<LaneId, Waiting>,
}

/// A lane that was told to wait.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub scopes: Scopes,
    pub cost: Spent,
    /// When its turn is over, unless it asks again.
    lapses: Millis,
}

impl Turns {
    /// A lane goes.
    pub fn serve(&mut self, lane: LaneId) {
        self.count += 1;
        self.served.insert(lane, self.count);
        self.waiting.remove(&lane);
    }

    /// A lane has to wait until `until`.
    pub fn wait(&mut self, lane: LaneId, scopes: &Scopes, cost: Spent, until: Millis, policy: &Policy) {
        let lapses = until.after(policy.patience);
        self.waiting.insert(lane, Waiting { scopes: scopes.clone(), cost, lapses });
    }

    /// A lane wants nothing any more.
    pub fn withdraw(&mut self, lane: LaneId) {
        self.waiting.remove(&lane);
    }

    /// Drops turns that nobody took.
    pub fn forget(&mut self, now: Millis) {
        self.waiting.retain(|_, waiting| now < waiting.lapses);
    }

    /// What is kept free, in each scope of a lane, for those whose turn comes before it. `is_blocked` says whether one
    /// of them cannot go for a reason that lies in a scope which this lane does not share: then it keeps nobody up.
    pub fn reserved(
        &self,
        lane: LaneId,
        scopes: &Scopes,
        is_blocked: impl Fn(&Waiting, &[bool; 4]) -> bool,
    ) -> [Reserved; 4] {
        let mut reserved = [Reserved::default(); 4];
        let mine = self.turn(lane);
        for (other, waiting) in &self.waiting {
            if *other == lane || self.turn(*other) > mine {
                continue;
            }
            let mut shared = [false; 4];
            for (at, shared) in shared.iter_mut().enumerate() {
                *shared = waiting.scopes.keys()[at] == scopes.keys()[at];
            }
            if !shared.contains(&true) || is_blocked(waiting, &shared) {
                continue;
            }
            for (reserved, _) in reserved.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
                reserved.add(&waiting.cost);
            }
        }
        reserved
    }

    fn turn(&self, lane: LaneId) -> (u64, LaneId) {
        (self.served.get(&lane).copied().unwrap_or(0), lane)
    }
}
