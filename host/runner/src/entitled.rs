//! Queues of partners that nobody is entitled to: held at once when the policy says so, and let go by the policy alone.
use crate::holds::next_probe;
use crate::shared::Shared;
use caravan_model::Reason;
use caravan_store::{Lane, LaneState, Store};

/// Why such a queue is held.
pub(crate) const NOT_ENTITLED: &str = "not_entitled";

impl<S: Store> Shared<S> {
    /// Why a connector may not be used under today's policy; `None` where it may.
    pub(crate) fn not_entitled(&self, connector: &str) -> Option<String> {
        self.policy().refuses(connector).map(|refused| refused.words)
    }

    /// Holds the queues with people in them whose partner has no slot (any more), and opens those that were held for it and
    /// whose partner has one (again): without a call, whatever they waited for.
    pub(crate) async fn entitle(&self) -> crate::Result<()> {
        for lane in self.store.lanes().await? {
            let is_held = matches!(&lane.state, LaneState::Held { reason, .. } if reason.code == NOT_ENTITLED);
            let state = match self.not_entitled(&lane.key.connector) {
                None if is_held => LaneState::Open,
                Some(words) if !is_held && has_people(&lane) => {
                    let now = self.now();
                    let since = match &lane.state {
                        LaneState::Held { since, .. } => *since,
                        LaneState::Open | LaneState::Waiting { .. } => now,
                    };
                    let probe = next_probe(&self.options, 1, now);
                    LaneState::Held { reason: Reason::new(NOT_ENTITLED, words), since, probe, probes: 1 }
                }
                _ => continue,
            };
            self.store.set_lane(self.lease, lane.id, state).await?;
        }
        Ok(())
    }
}

/// Also an empty queue is held, with the first person who comes ([`crate::delivery`]).
fn has_people(lane: &Lane) -> bool {
    lane.waiting > 0 || lane.sealed > 0
}
