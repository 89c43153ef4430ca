//! People who enter together: members of a segment or list at publishing, and at each run of a schedule.
use crate::control::caps_of;
use crate::crowds::Crowds;
use crate::doors;
use crate::groups::sweeps;
use crate::moves::{Pace, entry_moves};
use crate::route::Route;
use crate::shared::Shared;
use caravan_journey::entry::admits_whoever;
use caravan_journey::schedule::Schedule;
use caravan_journey::{Person, Scene, day_start};
use caravan_model::canvas::{Existing, Trigger};
use caravan_model::{Code, Group, Millis, Problem, ProfileId};
use caravan_store::{Candidate, CanvasesSeen, DocumentKind, EnterBatch, Store};
use std::sync::Arc;

/// The intake source of those who are in a group when the version is published; a row is a profile.
const EXISTING: &str = "members at publishing";
/// The row behind all profiles: the source is through.
const THROUGH: u64 = 1 << 62;

/// Does what is to be done; gives how many people entered, and when the next run of a schedule comes.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<(u64, Millis)> {
    let (mut entered, mut next) = (0, Millis::NEVER);
    for route in shared.newest_versions() {
        if !shared.canvases().await?.of(route.canvas.as_str()).admits() || shared.route(route.version).is_none() {
            continue;
        }
        entered += match &route.plan.entry.trigger {
            Trigger::Segment(trigger) if trigger.existing != Existing::Skip => {
                let filled = sweeps(&shared.store).await?.get(&trigger.segment).is_some_and(|sweep| sweep.is_filled());
                if !filled {
                    continue;
                }
                members(&shared, &route, &Group::segment(&trigger.segment), EXISTING).await?.entered
            }
            Trigger::List(trigger) => members(&shared, &route, &Group::list(&trigger.list), EXISTING).await?.entered,
            Trigger::Schedule(trigger) => {
                let schedule = Schedule::new(trigger).map_err(|why| Problem::new(Code::BadValue, why.to_string()))?;
                let came = scheduled(&shared, &route, &schedule, &Group::segment(&trigger.segment)).await?;
                next = next.min(schedule.next(shared.now()).unwrap_or(Millis::NEVER));
                came
            }
            Trigger::Segment(_) | Trigger::Event(_) | Trigger::Api(_) => 0,
        };
    }
    if entered > 0 {
        shared.wake();
    }
    Ok((entered, next))
}

/// The person up to whom those are let in who are members at publishing, while that is under way.
pub(crate) async fn still_to_come<S: Store>(store: &S, route: &Route) -> crate::Result<Option<ProfileId>> {
    let all_enter = match &route.plan.entry.trigger {
        Trigger::Segment(trigger) => trigger.existing != Existing::Skip,
        Trigger::List(_) => true,
        _ => false,
    };
    if !all_enter {
        return Ok(None);
    }
    let (row, _) = store.intake(route.version, EXISTING).await?;
    Ok((row < THROUGH).then(|| ProfileId(i64::try_from(row.saturating_sub(1)).unwrap_or(i64::MAX))))
}

/// Lets the members in whose run has come. Missed runs collapse into the latest (design, 11.14).
async fn scheduled<S: Store>(
    shared: &Arc<Shared<S>>,
    route: &Arc<Route>,
    schedule: &Schedule,
    group: &Group,
) -> crate::Result<u64> {
    let now = shared.now();
    let runs = shared.store.documents(DocumentKind::Schedule).await?;
    let known = runs.iter().find(|(canvas, _)| canvas == route.canvas.as_str());
    let last = known.and_then(|(_, at)| at.parse().ok().map(Millis));
    let note = async |at: Millis| {
        let document = (DocumentKind::Schedule, route.canvas.to_string(), Some(at.0.to_string()));
        shared.store.put_documents(shared.lease, vec![document]).await
    };
    let Some(last) = last else {
        // It counts from when it is first looked at: nobody enters for a run before that.
        note(now).await?;
        return Ok(0);
    };
    let Some(at) = schedule.latest(last, now) else { return Ok(0) };
    let came = members(shared, route, group, &format!("schedule {}", at.0)).await?;
    // A run that was cut short, by a pause too, goes on where it was.
    if came.is_through {
        note(at).await?;
    }
    Ok(came.entered)
}

/// What became of the members of a group.
#[derive(Default)]
struct Came {
    /// How many entered.
    entered: u64,
    /// Whether all were looked at.
    is_through: bool,
}

/// Lets the members of a group in, by ascending id, going on where this source was, as long as the canvas admits them.
async fn members<S: Store>(
    shared: &Arc<Shared<S>>,
    route: &Arc<Route>,
    group: &Group,
    source: &str,
) -> crate::Result<Came> {
    let mut came = Came::default();
    while !shared.is_stopping() {
        let (row, _) = shared.store.intake(route.version, source).await?;
        if row >= THROUGH {
            came.is_through = true;
            break;
        }
        let after = ProfileId(i64::try_from(row.saturating_sub(1)).unwrap_or(i64::MAX));
        let page = shared.store.group_members(group.clone(), after, shared.options.chunk.max(1)).await?;
        let ids: Vec<ProfileId> = page.iter().map(|(id, _)| *id).collect();
        let next_row = ids.last().map_or(THROUGH, |last| last.0 as u64 + 1);
        let batch = enter_batch(shared, route, ids, source, next_row).await?;
        let Some(page) = doors::enter(shared, &route.canvas, batch).await? else { break };
        came.entered += page.entered;
    }
    Ok(came)
}

async fn enter_batch<S: Store>(
    shared: &Arc<Shared<S>>,
    route: &Arc<Route>,
    ids: Vec<ProfileId>,
    source: &str,
    next_row: u64,
) -> crate::Result<EnterBatch> {
    let known = shared.store.people(ids).await?;
    let ids: Vec<ProfileId> = known.iter().map(|known| known.id).collect();
    let (crowds, events) = Crowds::with_events(&shared.store, route, ids).await?;
    let now = shared.now();
    let scene = Scene::at(now).in_zone(&shared.options.workspace_zone);
    let pace = Pace { now, skip_delays: false };
    let (mut candidates, mut refused, mut scratch) = (Vec::with_capacity(known.len()), 0u64, Vec::new());
    for (at, known) in known.iter().enumerate() {
        let person = Person { profile: &known.profile, events: events.get(at).map_or(&[][..], Vec::as_slice) };
        let crowd = crowds.crowd(known.id, person, scene);
        let scene = scene.with_groups(&crowd);
        if admits_whoever(&route.plan.entry, &person, &scene) {
            let moves = entry_moves(route, &person, &scene, pace, &mut scratch)?;
            candidates.push(Candidate { profile: known.id, row: known.id.0 as u64, began: now, moves });
        } else {
            refused += 1;
        }
    }
    Ok(EnterBatch {
        version: route.version,
        re_entry: route.plan.entry.re_entry,
        source: source.to_owned(),
        next_row,
        candidates,
        day: day_start(now, &shared.options.workspace_zone),
        caps: caps_of(&shared.store, route.canvas.as_str()).await?,
        refused: if refused > 0 { vec![("who".to_owned(), refused)] } else { Vec::new() },
        seen: CanvasesSeen::default(),
        now,
    })
}
