//! Holds by people: nothing goes to what is held, and time held does not flow (design, promise 4 and 11.9).
use super::audience_book::stripes_of;
use super::order::Order;
use crate::runner::Runner;
use caravan_model::{Code, Problem};
use caravan_store::{Hold, HoldScope, LaneKey, LaneState, Store};

/// What letting a queue go on did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// How it stood, stripe by stripe.
    pub was: Vec<LaneState>,
    /// Whether a person's hold on this very audience was lifted.
    pub lifted: bool,
    /// Holds on more than this audience: they still hold it.
    pub still_held_by: Vec<Hold>,
    /// Operations that wait in it.
    pub waiting: u64,
}

impl<S: Store> Runner<S> {
    /// Holds what a scope names, from now on; calls under way may end. Holding it again changes the words.
    ///
    /// # Errors
    /// No words are given, or what the store says.
    pub async fn hold(&self, scope: HoldScope, words: &str, by: &str) -> crate::Result<()> {
        self.hold_under(&mut self.unordered().await?, scope, words, by).await
    }

    pub(super) async fn hold_under(
        &self,
        order: &mut Order,
        scope: HoldScope,
        words: &str,
        by: &str,
    ) -> crate::Result<()> {
        if words.trim().is_empty() {
            let problem = Problem::new(Code::Usage, "a hold needs words: others will read why nothing is sent");
            return Err(problem.cure("say why").into());
        }
        let hold = Hold { scope, words: words.trim().to_owned(), by: by.to_owned(), since: self.clock.now() };
        Ok(self.store.hold(order.warrant(), hold).await?)
    }

    /// Ends a hold by a person; false where there was none. A queue that is held for another reason stays held.
    ///
    /// # Errors
    /// What the store says.
    pub async fn lift(&self, scope: HoldScope) -> crate::Result<bool> {
        self.lift_under(&mut self.unordered().await?, scope).await
    }

    pub(super) async fn lift_under(&self, order: &mut Order, scope: HoldScope) -> crate::Result<bool> {
        Ok(self.store.lift(order.warrant(), scope, self.clock.now()).await?)
    }

    /// Lets a queue go on at once: it is opened where it waits or is held by itself, and a person's hold on it is lifted.
    ///
    /// # Errors
    /// There is no such queue, or what the store says.
    pub async fn resume(&self, key: &LaneKey) -> crate::Result<Resumed> {
        self.resume_under(&mut self.unordered().await?, key).await
    }

    pub(super) async fn resume_under(&self, order: &mut Order, key: &LaneKey) -> crate::Result<Resumed> {
        let lease = order.lease();
        let stripes = stripes_of(&self.store.lanes().await?, key);
        if stripes.is_empty() {
            let words = format!("there is no queue for the audience {} at {}", key.audience, key.connector);
            return Err(Problem::new(Code::NotFound, words).into());
        }
        // The time held counts until the newest instant that the store has heard of.
        self.store.renew(lease, self.clock.now()).await?;
        for lane in stripes.iter().filter(|lane| lane.state != LaneState::Open) {
            self.store.set_lane(order.warrant(), lane.id, LaneState::Open).await?;
        }
        let lifted = self.lift_under(order, HoldScope::Audience { key: key.clone() }).await?;
        let after = stripes_of(&self.store.lanes().await?, key);
        Ok(Resumed {
            waiting: after.iter().map(|lane| lane.waiting).sum(),
            still_held_by: after.into_iter().next().map(|lane| lane.held_by).unwrap_or_default(),
            was: stripes.into_iter().map(|lane| lane.state).collect(),
            lifted,
        })
    }
}
