//! What comes due beside people's ways: removals that consent owes, claims that end, members that are renewed, and
//! what is old enough to forget.
use crate::keeping;
use crate::route::Route;
use crate::shared::Shared;
use crate::{doors, exports, movers};
use caravan_journey::sealing::consent_verdict;
use caravan_model::status::reason;
use caravan_model::{Action, Duration, LaneId, ProfileId, Reason, StepIx, VersionId};
use caravan_store::{DocumentKind, Membership, Offer, Origin, Owing, Slice, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many people whom something is owed are looked at in one transaction.
const OWING: usize = 1_000;
/// How often what is old is looked for.
const PRUNE_EVERY: Duration = Duration::HOUR;

/// Does what is due; gives how much that was.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<u64> {
    let mut done = owed(&shared).await?;
    done += end_claims(&shared).await?;
    done += renew_members(&shared).await?;
    done += doors::sweep(&shared).await?;
    done += exports::run(&shared).await?;
    if !shared.documents(DocumentKind::Moving).await?.is_empty() {
        done += movers::run(&shared.store, shared.lease, shared.options.chunk, || shared.now()).await?;
    }
    let now = shared.now();
    if shared.is_time_to_prune(now, PRUNE_EVERY) {
        keeping::chore(&shared).await?;
    }
    Ok(done)
}

/// Queues the end of claims whose time has come (`keep_for`).
async fn end_claims<S: Store>(shared: &Shared<S>) -> crate::Result<u64> {
    let mut done = 0;
    while !shared.is_stopping() {
        let fired = shared.store.end_claims(shared.lease, shared.now(), shared.options.chunk).await?;
        done += fired;
        if fired < shared.options.chunk as u64 {
            break;
        }
    }
    Ok(done)
}

/// Queues renewals of members whom the partner would forget otherwise.
async fn renew_members<S: Store>(shared: &Shared<S>) -> crate::Result<u64> {
    let mut done = 0;
    for lane in shared.store.lanes().await? {
        let now = shared.now();
        // Nobody loads a connector only to learn that it has no renewal age; a timer that is due says that it has one.
        let plug = match lane.next_renewal {
            Some(next) if next <= now => Some(shared.plug(&lane.connection).await?),
            _ => shared.loaded(&lane.connection),
        };
        // A timer further ahead than the age was set under a longer one, before a setting shortened it.
        let due = |age| lane.next_renewal.is_none_or(|next| next <= now || next > now.after(age));
        if let Some(Ok(plug)) = plug
            && let Some(age) = plug.connector.manifest().renewal_age().filter(|age| due(*age))
        {
            done += shared.store.renew_members(shared.lease, lane.id, age, now).await?;
        }
    }
    Ok(done)
}

/// Queues the removals that withdrawn consent and erasure owe, first in line (promise 7).
async fn owed<S: Store>(shared: &Shared<S>) -> crate::Result<u64> {
    if shared.store.owing(shared.now(), 1).await?.is_empty() {
        return Ok(0);
    }
    // No slice is being sealed meanwhile: who is not in membership yet stands in an open slice, or will not be sent.
    let _alone = shared.sealing.write().await;
    let mut done = 0;
    while !shared.is_stopping() {
        let now = shared.now();
        let owing = shared.store.owing(now, OWING).await?;
        if owing.is_empty() {
            break;
        }
        let erased: Vec<ProfileId> =
            owing.iter().filter(|one| one.cause == Origin::Erasure).map(|one| one.profile).collect();
        let routes = shared.versions();
        if !erased.is_empty() {
            for route in &routes {
                let why = Reason::new(reason::ERASED, "the profile was erased");
                shared.store.signal_exit(shared.lease, route.version, erased.clone(), why, now).await?;
            }
        }
        let calls = Calls::read(shared, &owing).await?;
        let mut offers = Vec::new();
        for one in &owing {
            for (lane, membership) in &one.lanes {
                offers.extend(removals(one, *lane, membership.as_deref(), &calls, &routes));
            }
        }
        done += owing.len() as u64;
        let settles = owing.iter().map(|one| one.profile).collect();
        shared.store.offer(shared.lease, offers, settles, now).await?;
    }
    Ok(done)
}

/// The steps whose adds of these people are under way, by lane and person.
struct Calls(BTreeMap<LaneId, BTreeMap<ProfileId, BTreeSet<(VersionId, StepIx)>>>);

impl Calls {
    async fn read<S: Store>(shared: &Shared<S>, owing: &[Owing]) -> crate::Result<Calls> {
        let people: BTreeSet<ProfileId> = owing.iter().map(|one| one.profile).collect();
        let lanes: BTreeSet<LaneId> = owing.iter().flat_map(|one| one.lanes.iter().map(|(lane, _)| *lane)).collect();
        let mut calls = BTreeMap::new();
        for lane in lanes {
            if let Some(slice) = shared.store.open_slice(lane).await? {
                calls.insert(lane, under_way(&slice, &people));
            }
        }
        Ok(Calls(calls))
    }

    fn of(&self, lane: LaneId, profile: ProfileId) -> impl Iterator<Item = (VersionId, StepIx)> + '_ {
        self.0.get(&lane).and_then(|people| people.get(&profile)).into_iter().flatten().copied()
    }
}

fn under_way(slice: &Slice, people: &BTreeSet<ProfileId>) -> BTreeMap<ProfileId, BTreeSet<(VersionId, StepIx)>> {
    let mut found: BTreeMap<ProfileId, BTreeSet<(VersionId, StepIx)>> = BTreeMap::new();
    for part in slice.parts.iter().filter(|part| part.part.action == Action::Add) {
        for rider in part.riders.iter().filter(|rider| people.contains(&rider.profile)) {
            let steps = rider.operations.iter().filter(|operation| operation.1.entry.0 != 0);
            found.entry(rider.profile).or_default().extend(steps.map(|operation| (operation.2, operation.3)));
        }
    }
    found
}

/// What one lane owes one person: a removal; where other steps still may, only the end of those claims that may not.
fn removals(
    owing: &Owing,
    lane: LaneId,
    membership: Option<&Membership>,
    calls: &Calls,
    routes: &[Arc<Route>],
) -> Vec<Offer> {
    let offer = |origin, step| Offer { lane, profile: owing.profile, action: Action::Remove, origin, step };
    let claims = membership.iter().flat_map(|known| known.claims.iter().map(|claim| claim.of()));
    let asked: BTreeSet<(VersionId, StepIx)> = claims.chain(calls.of(lane, owing.profile)).collect();
    let stands = membership.is_some_and(|known| !known.recorded.is_empty());
    let is_called = calls.of(lane, owing.profile).next().is_some();
    if !stands && !is_called {
        return Vec::new();
    }
    let (Some(person), Origin::Consent) = (&owing.person, owing.cause) else {
        return vec![offer(Origin::Erasure, Default::default())];
    };
    let may = |step: &(VersionId, StepIx)| {
        let route = routes.iter().find(|route| route.version == step.0);
        let sync = route.and_then(|route| route.plan.sync(step.1));
        sync.is_some_and(|sync| consent_verdict(person, &sync.purpose, false).is_ok())
    };
    if !asked.iter().any(may) {
        return vec![offer(Origin::Consent, Default::default())];
    }
    asked.into_iter().filter(|step| !may(step)).map(|step| offer(Origin::TakeBack, step)).collect()
}
