//! Binding an audience's name to another audience at the partner (design, 11.2): no canvas is edited.
use super::audience_book::{Former, steps_to, stripes_of};
use super::order::Order;
use crate::publish::fresh_marker;
use crate::route::{lane_key, lane_spec};
use crate::runner::Runner;
use caravan_store::{Audience, LaneKey, Store};
use std::collections::BTreeSet;

/// What binding a name anew did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebound {
    /// Where it led before; the same as `to` where nothing changed, `None` where it was being made.
    pub from: Option<LaneKey>,
    /// Where it leads now.
    pub to: LaneKey,
    /// Operations that moved along: those that nobody had sealed yet.
    pub moved: u64,
    /// People who are added to the new audience because they are in the old one.
    pub refilled: u64,
}

impl<S: Store> Runner<S> {
    /// Binds a registered audience to another partner id of the same account: what nobody has sealed yet moves there, in
    /// order; an open batch and what membership says of the old audience stay with the old one, whose removals are still
    /// owed. With `refill`, everyone in the old audience is queued for the new one. The old one stays registered as
    /// `NAME (was ID)`. Versions ask for the name when a run opens; none is edited.
    ///
    /// # Errors
    /// The audience is not there, another workspace writes to the one it is to lead to, or what the store says.
    pub async fn rebind(&self, audience: &str, partner_id: &str, refill: bool) -> crate::Result<Rebound> {
        self.rebind_under(&mut self.unordered().await?, audience, partner_id, refill).await
    }

    pub(super) async fn rebind_under(
        &self,
        order: &mut Order,
        audience: &str,
        partner_id: &str,
        refill: bool,
    ) -> crate::Result<Rebound> {
        let old = self.audience_named(audience).await?;
        let from = lane_key(&old);
        let mut new = old.clone();
        new.partner_id = Some(partner_id.to_owned());
        let to =
            LaneKey { connector: old.connector.clone(), account: old.account.clone(), audience: partner_id.to_owned() };
        if from.as_ref() == Some(&to) {
            return Ok(Rebound { from, to, moved: 0, refilled: 0 });
        }
        self.only_ours(&new, &old.name).await?;
        new.parts = Vec::new();
        new.marker = fresh_marker(&self.chance);
        new.made_by_us = self.made_by_us(&new).await?;
        let Some(from) = from else {
            // It was to be made again, and a person has one: what waits for the deleted one goes there.
            self.store.bind(order.warrant(), new.clone()).await?;
            let left = self.leave_deleted(order, &new, &to).await?;
            return Ok(Rebound { from: None, to, moved: left.moved, refilled: left.refilled });
        };
        let stripes = stripes_of(&self.store.lanes().await?, &from).len() as u32;
        let (lane, _) = self.store.lane(order.lease(), lane_spec(&new, to.clone(), stripes)).await?;
        let steps = steps_to(&self.store.versions().await?, &BTreeSet::from([old.name.clone()]))?;
        let mut moved = 0;
        for stripe in stripes_of(&self.store.lanes().await?, &from) {
            moved +=
                self.store.move_operations(order.warrant(), stripe.id, lane, steps.clone(), self.clock.now()).await?;
        }
        let refilled = if refill { self.refill_from(order, &from, lane, false).await? } else { 0 };
        let former = Audience { name: Former::Rebound.name_of(&old), ..old };
        self.store.bind(order.warrant(), former).await?;
        // Last: a call that was cut short is repeated whole.
        self.store.bind(order.warrant(), new).await?;
        Ok(Rebound { from: Some(from), to, moved, refilled })
    }
}
