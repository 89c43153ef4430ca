//! Filling an audience again from what membership says: all of it is sent anew.
use super::PAGES;
use super::audience_book::stripes_of;
use super::order::Order;
use crate::runner::Runner;
use caravan_model::{LaneId, ProfileId};
use caravan_store::{LaneKey, Refill, Store};

impl<S: Store> Runner<S> {
    /// Queues an add for everyone whom we hold to be in a registered audience, under today's consent. Gives how many.
    ///
    /// # Errors
    /// The audience is not there, or what the store says.
    pub async fn refill(&self, audience: &str) -> crate::Result<u64> {
        self.refill_under(&mut self.unordered().await?, audience).await
    }

    pub(super) async fn refill_under(&self, order: &mut Order, audience: &str) -> crate::Result<u64> {
        let (_, key) = self.bound(audience).await?;
        let stripes = stripes_of(&self.store.lanes().await?, &key);
        match stripes.first().map(|lane| lane.id) {
            Some(to) => self.refill_from(order, &key, to, false).await,
            None => Ok(0),
        }
    }

    /// Queues an add at a lane for everyone whom an audience's membership holds; with `forget`, that is dropped.
    pub(super) async fn refill_from(
        &self,
        order: &mut Order,
        from: &LaneKey,
        to: LaneId,
        forget: bool,
    ) -> crate::Result<u64> {
        let mut queued = 0;
        for lane in stripes_of(&self.store.lanes().await?, from) {
            let mut after = Some(ProfileId(0));
            while let Some(start) = after {
                let limit = self.options.chunk.saturating_mul(PAGES);
                let refill = Refill { from: lane.id, to, forget, after: start, limit, now: self.clock.now() };
                let walked = self.store.refill(order.warrant(), refill).await?;
                queued += walked.offered;
                after = walked.next;
            }
        }
        Ok(queued)
    }
}
