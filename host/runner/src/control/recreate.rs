//! An audience that was deleted at the partner is made again, and everything goes on there.
use super::audience_book::{Former, is_former, steps_to, stripes_of};
use super::order::Order;
use crate::publish::{Wanted, can_create, fresh_marker};
use crate::route::{lane_key, lane_spec};
use crate::runner::Runner;
use crate::shared::Plug;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::canvas::AudienceSpec;
use caravan_model::port::{Answer, Ask, CallContext, FindingState};
use caravan_model::{Code, Fault, Problem, Target};
use caravan_store::{Audience, LaneKey, LaneSpec, LaneState, Store};
use std::collections::{BTreeSet, HashMap};

/// The reason code of a queue whose audience is not at the partner.
const MISSING: &str = "held-audience-missing";

/// What making an audience again did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recreated {
    /// Where the new one is.
    pub to: LaneKey,
    /// Operations that moved there, those of an open batch included.
    pub moved: u64,
    /// People who were in the deleted one and are added again.
    pub refilled: u64,
}

impl<S: Store> Runner<S> {
    /// Makes a registered audience again that was deleted at the partner: a new marker is stored before the partner is
    /// asked, all names that led to the old one lead to the new one, what waits moves there, everyone who was in the old
    /// one is added again under today's consent, and the old queue is opened, so that removals that it owed end as
    /// unchanged. No canvas is edited. Cut short, it is said again and goes on.
    ///
    /// # Errors
    /// The audience is not there, is still at the partner, or cannot be made; what the partner or the store says.
    pub async fn recreate(&self, audience: &str) -> crate::Result<Recreated> {
        self.recreate_under(&mut self.unordered().await?, audience).await
    }

    pub(super) async fn recreate_under(&self, order: &mut Order, audience: &str) -> crate::Result<Recreated> {
        let mut known = self.audience_named(audience).await?;
        if is_former(audience) {
            let problem = Problem::new(Code::Usage, format!("no step leads to `{audience}` any more"));
            return Err(problem.cure("name the audience itself").into());
        }
        if let Some(to) = lane_key(&known) {
            // An earlier call may have made the new one and got no further.
            let left = self.leave_deleted(order, &known, &to).await?;
            if left.moved + left.refilled > 0 {
                return Ok(left);
            }
        }
        if lane_key(&known).is_some_and(|key| key.marker_to_be_made().is_some()) {
            let problem = Problem::new(Code::Usage, format!("`{audience}` is still to be made with its first people"));
            return Err(problem.cure("send somebody there: `caravan run` or `caravan queue flush`").into());
        }
        let (spec, name, group_words) = self.spec_of(audience).await?;
        let plug = self.plug_for(&mut HashMap::new(), &known.connection).await?;
        let group = plug.group_plans(&group_words)?.first().map(|plan| plan.group.clone()).unwrap_or_default();
        let wanted = Wanted {
            name: &name,
            registered: known.name.clone(),
            spec: &spec,
            account: known.account.clone(),
            plug,
            group,
        };
        // All that can be known before the name is taken off the old one.
        can_create(&wanted)?;
        if let Some(old) = lane_key(&known) {
            self.must_be_gone(&wanted.plug, &known, &old).await?;
            let mut former = known.clone();
            former.name = Former::Deleted.name_of(&known);
            self.store.bind(order.warrant(), former).await?;
            known.partner_id = None;
            known.parts = Vec::new();
            known.marker = fresh_marker(&self.chance);
            known.made_by_us = false;
            self.store.bind(order.warrant(), known.clone()).await?;
        }
        let made = self.create(order.lease(), &wanted, known).await?;
        let Some(to) = lane_key(&made) else {
            return Err(Problem::new(Code::Internal, "an audience was made without an id").into());
        };
        self.leave_deleted(order, &made, &to).await
    }

    /// Moves everything from the deleted audiences of a name to where it leads now.
    pub(super) async fn leave_deleted(
        &self,
        order: &mut Order,
        audience: &Audience,
        to: &LaneKey,
    ) -> crate::Result<Recreated> {
        let lease = order.lease();
        let mut done = Recreated { to: to.clone(), moved: 0, refilled: 0 };
        let all = self.store.audiences().await?;
        let versions = self.store.versions().await?;
        let deleted = || all.iter().filter(|other| Former::Deleted.is_of(&other.name, &audience.name));
        let lanes = self.store.lanes().await?;
        let stripes = deleted().filter_map(lane_key).map(|old| stripes_of(&lanes, &old).len()).max().unwrap_or(1);
        let (lane, _) = self.store.lane(lease, lane_spec(audience, to.clone(), stripes as u32)).await?;
        for deleted in deleted() {
            let Some(old) = lane_key(deleted).filter(|old| old != to) else { continue };
            let follow: Vec<&Audience> =
                all.iter().filter(|other| lane_key(other).as_ref() == Some(&old) && !is_former(&other.name)).collect();
            let mut names: BTreeSet<String> = follow.iter().map(|other| other.name.clone()).collect();
            names.insert(audience.name.clone());
            let steps = steps_to(&versions, &names)?;
            // Nobody stands in an audience that is gone: whoever we know nothing of is out of it.
            let gone = LaneSpec {
                key: old.clone(),
                connection: deleted.connection.clone(),
                made_by_us: true,
                parts: deleted.parts.clone(),
                stripes: 1,
            };
            self.store.lane(lease, gone).await?;
            self.store.renew(lease, self.clock.now()).await?;
            for stripe in stripes_of(&self.store.lanes().await?, &old) {
                self.store.give_up(order.warrant(), stripe.id, self.clock.now()).await?;
                let now = self.clock.now();
                done.moved += self.store.move_operations(order.warrant(), stripe.id, lane, steps.clone(), now).await?;
            }
            done.refilled += self.refill_from(order, &old, lane, true).await?;
            for stripe in stripes_of(&self.store.lanes().await?, &old) {
                self.store.set_lane(order.warrant(), stripe.id, LaneState::Open).await?;
            }
            for other in follow {
                let bound = Audience {
                    partner_id: audience.partner_id.clone(),
                    parts: audience.parts.clone(),
                    marker: audience.marker.clone(),
                    made_by_us: audience.made_by_us,
                    ..other.clone()
                };
                self.store.bind(order.warrant(), bound).await?;
            }
        }
        Ok(done)
    }

    /// What the newest canvas that has the audience says of it: its part of the document, its name there, and the match
    /// words of the first step that uses it.
    async fn spec_of(&self, registered: &str) -> crate::Result<(AudienceSpec, String, Vec<String>)> {
        for version in self.store.versions().await?.iter().rev() {
            let own = |name: &&String| crate::route::registered_name(&version.canvas.canvas, name) == registered;
            let Some(name) = version.canvas.audiences.keys().find(own) else { continue };
            let Some(spec) = version.canvas.audiences.get(name) else { continue };
            let plan = CompiledCanvas::new(&version.canvas)?;
            let first = plan.syncs().find(|(_, sync)| plan.audience(sync.audience) == Some(name.as_str()));
            let words = first.map(|(_, sync)| sync.match_on.clone()).unwrap_or_default();
            return Ok((spec.clone(), name.clone(), words));
        }
        Err(Problem::new(Code::NotFound, format!("no canvas in this store has the audience `{registered}`"))
            .cure("make it at the partner and bind its id")
            .into())
    }

    /// Refuses where the partner still has the audience: a second one would be made, and nobody could be removed from the
    /// first any more.
    async fn must_be_gone(&self, plug: &Plug, audience: &Audience, key: &LaneKey) -> crate::Result<()> {
        let target = Target {
            account: key.account.clone(),
            audience: key.audience.clone(),
            audience_parts: audience.parts.clone(),
            settings: plug.settings.to_string(),
        };
        let context = CallContext {
            at: self.clock.now(),
            seed: audience.name.clone(),
            deadline: self.options.call_deadline,
            record_bodies: false,
        };
        let gone = match plug.connector.call(context, Ask::Check { target }).await.answer {
            Ok(Answer::Findings(findings)) => findings
                .iter()
                .find(|finding| finding.subject.starts_with("audience"))
                .map(|finding| finding.state == FindingState::Failed),
            Ok(_) => None,
            Err(Fault::Audience { .. }) => Some(true),
            Err(fault) => {
                let doing = "look whether the audience is gone";
                return Err(crate::error::problem_of(&fault, &audience.connection, doing).into());
            }
        };
        let held = || async {
            let lanes = stripes_of(&self.store.lanes().await?, key);
            let missing = |state: &LaneState| matches!(state, LaneState::Held { reason, .. } if reason.code == MISSING);
            crate::Result::Ok(lanes.iter().any(|lane| missing(&lane.state)))
        };
        let gone = match gone {
            Some(gone) => gone,
            None => held().await?,
        };
        if gone {
            return Ok(());
        }
        let words = format!("the audience {} of `{}` is still at the partner", key.audience, audience.name);
        Err(Problem::new(Code::Usage, words)
            .cure("bind the name to another audience instead, or delete this one at the partner first")
            .into())
    }
}
