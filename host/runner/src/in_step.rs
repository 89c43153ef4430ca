//! Canvases whose audiences are kept in step with a segment: who leaves it is taken back, who changes is sent anew.
use crate::route::Route;
use caravan_model::canvas::Trigger;
use caravan_model::status::reason;
use caravan_model::{Action, Group, LaneId, Millis, ProfileId, Reason};
use caravan_store::{Lease, Offer, Origin, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// Whether a version is kept in step with this group.
pub(crate) fn in_step_with(route: &Route, group: &Group) -> bool {
    matches!(&route.plan.entry.trigger, Trigger::Segment(trigger) if trigger.in_step && *group == Group::segment(&trigger.segment))
}

/// Ends the open entries of people in a version, and the claims that its steps gave them (design, 11.17).
pub(crate) async fn let_go<S: Store>(
    store: &S,
    lease: Lease,
    route: &Arc<Route>,
    people: Vec<ProfileId>,
    now: Millis,
) -> crate::Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    let why = Reason::new(reason::EXITED, "left the segment");
    store.signal_exit(lease, route.version, people.clone(), why, now).await?;
    let offers = offers(store, route, &people, Origin::TakeBack, Action::Remove).await?;
    store.offer(lease, offers, Vec::new(), now).await?;
    Ok(())
}

/// Has people looked at again by the audiences of a version: who is in one with other identifiers is replaced there.
pub(crate) async fn send_anew<S: Store>(
    store: &S,
    lease: Lease,
    route: &Arc<Route>,
    people: &[ProfileId],
    now: Millis,
) -> crate::Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    let offers = offers(store, route, people, Origin::Renewal, Action::Add).await?;
    store.offer(lease, offers, Vec::new(), now).await?;
    Ok(())
}

/// One operation for each person and each step that adds.
async fn offers<S: Store>(
    store: &S,
    route: &Route,
    people: &[ProfileId],
    origin: Origin,
    action: Action,
) -> crate::Result<Vec<Offer>> {
    let mut stripes: HashMap<LaneId, i64> = HashMap::new();
    let lanes = store.lanes().await?;
    for lane in route.lanes.iter().flatten() {
        stripes.insert(lane.lane, lanes.iter().filter(|one| lane.is_of(one)).count().max(1) as i64);
    }
    let mut offers = Vec::new();
    for (step, sync) in route.plan.syncs().filter(|(_, sync)| sync.action == Action::Add) {
        let Some(Some(lane)) = route.lanes.get(usize::from(sync.audience.0)) else { continue };
        let of = stripes.get(&lane.lane).copied().unwrap_or(1);
        offers.extend(people.iter().map(|&profile| Offer {
            lane: LaneId(lane.lane.0 + profile.0 % of),
            profile,
            action,
            origin,
            step: (route.version, step),
        }));
    }
    Ok(offers)
}
