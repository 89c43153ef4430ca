//! Advancing: positions whose time has come walk on until they rest again.
use crate::crowds::Crowds;
use crate::moves::{Pace, moves_from};
use crate::progress::Meter;
use crate::route::Route;
use crate::shared::Shared;
use caravan_journey::{Person, Scene, plan::Target};
use caravan_model::status::reason;
use caravan_model::{Event, Millis, Profile, ProfileId, Reason, Status, VersionId};
use caravan_store::{Advance, Due, Error, Move, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// After so many visits of an entry its delays are real again, so that a loop does not spin where delays are skipped; a canvas
/// of 500 steps is walked whole.
pub(crate) const MOST_SKIPPED: u32 = 600;

/// Moves all due positions on, until none is due. Gives how many moved.
pub(crate) async fn run<S: Store>(
    shared: Arc<Shared<S>>,
    skip_delays_of: Option<VersionId>,
    meter: Arc<Meter>,
) -> crate::Result<u64> {
    let chunk = shared.options.chunk.max(1);
    let mut limit = chunk;
    let mut moved = 0;
    while !shared.is_stopping() {
        let now = shared.now();
        // Where delays are skipped, their timers have fired already, whatever they say.
        let horizon = if skip_delays_of.is_some() { Millis(Millis::NEVER.0 - 1) } else { now };
        let due = shared.store.due(horizon, limit, shared.needs_people()).await?;
        let found = due.len();
        let is_due = |due: &Due| {
            due.arrives || due.due <= now || (skip_delays_of == Some(due.version) && due.visit.ordinal < MOST_SKIPPED)
        };
        let canvases = shared.canvases().await?;
        let moves_on = |due: &Due| shared.moves_on(due.version, &canvases);
        let due: Vec<Due> = due.into_iter().filter(|due| is_due(due) && moves_on(due)).collect();
        if due.is_empty() {
            if found < limit {
                return Ok(moved);
            }
            limit = limit.saturating_mul(2);
            continue;
        }
        limit = chunk;
        let moves = walk_due(&shared, due, now, skip_delays_of).await?;
        let count = moves.len() as u64;
        match shared.store.advance(shared.lease, moves, canvases.seen(), now).await {
            Err(Error::Overtaken) => continue,
            done => moved += done?,
        }
        meter.advanced(count);
        shared.wake();
    }
    Ok(moved)
}

async fn walk_due<S: Store>(
    shared: &Arc<Shared<S>>,
    due: Vec<Due>,
    now: Millis,
    skip_delays_of: Option<VersionId>,
) -> crate::Result<Vec<Advance>> {
    let mut by_version: BTreeMap<VersionId, Vec<Due>> = BTreeMap::new();
    for due in due {
        by_version.entry(due.version).or_default().push(due);
    }
    let mut all = Vec::new();
    for (version, due) in by_version {
        let Some(route) = shared.route(version) else { continue };
        let people: Vec<ProfileId> = due.iter().map(|due| due.profile).collect();
        let (crowds, events) = Crowds::with_events(&shared.store, &route, people).await?;
        let zone = shared.options.workspace_zone.clone();
        let pace = Pace { now, skip_delays: skip_delays_of == Some(version) };
        let walked = shared.chance.aside(move || walk_version(&route, due, &events, &crowds, pace, &zone));
        all.extend(walked.await??);
    }
    Ok(all)
}

fn walk_version(
    route: &Route,
    due: Vec<Due>,
    events: &[Vec<Event>],
    crowds: &Crowds,
    pace: Pace,
    zone: &caravan_journey::TimeZone,
) -> crate::Result<Vec<Advance>> {
    let nobody = Profile::default();
    let scene = Scene::at(pace.now).in_zone(zone);
    let mut scratch = Vec::new();
    let mut advances = Vec::with_capacity(due.len());
    for (at, due) in due.into_iter().enumerate() {
        let erased = route.needs_people && due.person.is_none();
        let (ends_as, moves) = if erased {
            ((Status::Exited, Reason::new(reason::ERASED, "the profile was erased")), vec![Move::End])
        } else {
            let person = Person {
                profile: due.person.as_deref().unwrap_or(&nobody),
                events: events.get(at).map_or(&[][..], Vec::as_slice),
            };
            let crowd = crowds.crowd(due.profile, person, scene);
            let scene = scene.with_groups(&crowd);
            let (from, why) = match due.arrives {
                true => (Target::Step(due.step), Reason::none()),
                false => route.plan.after_delay(due.step),
            };
            let pace = Pace { skip_delays: pace.skip_delays && due.visit.ordinal < MOST_SKIPPED, ..pace };
            let moves = moves_from(route, from, &person, &scene, pace, &mut scratch)?;
            ((Status::Passed, why), moves)
        };
        advances.push(Advance {
            visit: due.visit,
            version: due.version,
            step: due.step,
            arrives: due.arrives,
            due: due.due,
            profile: due.profile,
            ends_as,
            moves,
        });
    }
    Ok(advances)
}
