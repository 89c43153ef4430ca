//! Queues of partners that nobody is entitled to: held at once when the policy says so, and let go by the policy alone.
use crate::holds::{hold, next_probe};
use crate::shared::{LaneMemory, Shared};
use caravan_model::Reason;
use caravan_store::{Lane, LaneState, Store};

/// Why such a queue is held.
const NOT_ENTITLED: &str = "not_entitled";

impl<S: Store> Shared<S> {
    /// Why a connector may not be used under today's policy; `None` where it may.
    pub(crate) fn not_entitled(&self, connector: &str) -> Option<String> {
        self.policy().refuses(connector).map(|refused| refused.words)
    }

    /// Holds a queue whose partner has no slot; false where it has one. Whoever looks and holds does so before or after a
    /// change of policy is carried out over all queues, so that none is held by the policy of before.
    pub(crate) async fn holds_unentitled(
        &self,
        connector: &str,
        lane: &Lane,
        memory: &mut LaneMemory,
    ) -> crate::Result<bool> {
        let _settled = self.entitling.read().await;
        let Some(words) = self.not_entitled(connector) else { return Ok(false) };
        hold(self, lane, memory, Reason::new(NOT_ENTITLED, words)).await?;
        Ok(true)
    }

    /// Holds the queues with people in them whose partner has no slot (any more), and opens those that were held for it and
    /// whose partner has one (again): without a call, whatever they waited for.
    pub(crate) async fn entitle(&self) -> crate::Result<()> {
        let _alone = self.entitling.write().await;
        for lane in self.store.lanes().await? {
            let is_held = is_for_a_slot(&lane.state);
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

/// Whether a queue is held for want of a slot: the policy alone lets it go on, and no look at the partner.
pub(crate) fn is_for_a_slot(state: &LaneState) -> bool {
    matches!(state, LaneState::Held { reason, .. } if reason.code == NOT_ENTITLED)
}

/// Also an empty queue is held, with the first person who comes ([`crate::delivery`]).
fn has_people(lane: &Lane) -> bool {
    lane.waiting > 0 || lane.sealed > 0
}
