//! What people wait for happens: they go on at once from a `wait_for`.
//!
//! Waking follows arrival (design, 11.13): an event wakes whoever waits for it when it is worked off, unless it is dated
//! before their entry. Events are heard in order, so that one wait after the other may end within one chunk.
use crate::control::CanvasStates;
use crate::crowds::Crowds;
use crate::exits::began_it;
use crate::moves::{Pace, moves_from};
use crate::papers::Papers;
use crate::route::Route;
use caravan_journey::plan::{Awaited, Target};
use caravan_journey::{Person, Scene, entry::is_the_event};
use caravan_model::status::reason;
use caravan_model::{Called, EntryId, Event, Group, GroupKind, Profile, ProfileId, Reason, Status};
use caravan_store::{Advance, DocumentKind, Due, Error, Lease, Move, NewestEntry, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Something that happened with a person, in the order of arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened<'a> {
    /// Who.
    pub profile: ProfileId,
    /// What.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    /// They did something.
    Event(&'a Event),
    /// They joined a segment or list.
    Joined(&'a Group),
    /// A call of our API lets them into a canvas.
    Called(&'a Called),
}

impl<'a> What<'a> {
    /// The event, if it was one.
    pub fn event(self) -> Option<&'a Event> {
        match self {
            What::Event(event) => Some(event),
            What::Joined(_) | What::Called(_) => None,
        }
    }

    /// Whether a version waits for something of this name anywhere.
    pub fn is_awaited(self, route: &Route) -> bool {
        match self {
            What::Event(event) => route.plan.awaits_event(&event.name),
            What::Joined(group) => group.kind == GroupKind::Segment && route.plan.awaits_segment(&group.name),
            What::Called(_) => false,
        }
    }
}

/// What happened, and whether the store keeps it already among the people's events.
pub(crate) struct News<'a> {
    /// In the order of arrival.
    pub happened: Vec<Happened<'a>>,
    /// Whether they are kept.
    pub kept: bool,
}

/// Someone who waits, and the place of what wakes them.
struct Woken {
    due: Due,
    person: Arc<Profile>,
    at: usize,
}

/// Lets everyone go on who waits for something of this. Gives how many went on.
pub(crate) async fn wake<S: Store>(
    (store, papers): (&S, &Papers),
    lease: Lease,
    routes: &[Arc<Route>],
    news: &News<'_>,
    scene: &Scene<'_>,
) -> crate::Result<u64> {
    let routes: HashMap<_, _> =
        routes.iter().filter(|route| route.is_complete()).map(|route| (route.version, route)).collect();
    let awaited = |one: &&Happened<'_>| routes.values().any(|route| one.what.is_awaited(route));
    let mut who: BTreeSet<ProfileId> = news.happened.iter().filter(awaited).map(|one| one.profile).collect();
    if who.is_empty() {
        return Ok(0);
    }
    let mut places: HashMap<ProfileId, Vec<usize>> = HashMap::new();
    for (at, one) in news.happened.iter().enumerate() {
        places.entry(one.profile).or_default().push(at);
    }
    // Up to which place an entry has heard what happened.
    let mut heard: HashMap<EntryId, usize> = HashMap::new();
    let mut woken_in_all = 0;
    while !who.is_empty() {
        let canvases = CanvasStates::read(&papers.of(store, DocumentKind::Canvas).await?)?;
        let resting = store.resting(who.iter().copied().collect()).await?;
        let waits = resting.into_iter().filter(|due| !due.arrives).filter_map(|due| {
            let route = *routes.get(&due.version)?;
            route.plan.awaited(due.step).is_some().then_some((due, route))
        });
        let mut by_version: BTreeMap<_, (&Arc<Route>, Vec<Due>)> = BTreeMap::new();
        for (due, route) in waits {
            by_version.entry(due.version).or_insert_with(|| (route, Vec::new())).1.push(due);
        }
        let (mut next, mut hear) = (BTreeSet::new(), Vec::new());
        let mut moves = Vec::new();
        for (version, (route, waits)) in by_version {
            let mut woken = Vec::new();
            let ids = waits.iter().map(|due| due.profile).collect();
            let newest = store.newest_entries(version, ids).await?;
            let newest: HashMap<ProfileId, NewestEntry> =
                newest.into_iter().filter(|entry| entry.open).map(|entry| (entry.profile, entry)).collect();
            for due in waits {
                let Some(entry) = newest.get(&due.profile) else { continue };
                let Some(person) = entry.person.clone() else { continue };
                let own = places.get(&due.profile).map_or(&[][..], Vec::as_slice);
                let behind = heard.get(&due.visit.entry).map_or(0, |at| at + 1);
                let awaited = route.plan.awaited(due.step);
                let wakes = |at: &&usize| {
                    **at >= behind
                        && match (news.happened[**at].what, awaited) {
                            (What::Event(event), Some(Awaited::Event(wanted))) => {
                                let view = Person { profile: &person, events: std::slice::from_ref(event) };
                                event.at >= entry.began
                                    && !began_it(&route.plan, entry, event, scene)
                                    && is_the_event(wanted, event, &view, scene)
                            }
                            (What::Joined(group), Some(Awaited::Segment(wanted))) => {
                                group.kind == GroupKind::Segment && group.name == *wanted
                            }
                            _ => false,
                        }
                };
                if let Some(&at) = own.iter().find(wakes) {
                    hear.push((due.visit.entry, at));
                    woken.push(Woken { due, person, at });
                }
            }
            next.extend(woken.iter().map(|one| one.due.profile));
            let is_still = !canvases.of(route.canvas.as_str()).advances();
            moves.extend(go_on(store, route, woken, news, is_still, scene).await?);
        }
        match store.advance(lease, moves, canvases.seen(), scene.now).await {
            Err(Error::Overtaken) => continue,
            done => woken_in_all += done?,
        }
        heard.extend(hear);
        who = next;
    }
    Ok(woken_in_all)
}

/// What follows for people of a version, who are read together.
async fn go_on<S: Store>(
    store: &S,
    route: &Route,
    woken: Vec<Woken>,
    news: &News<'_>,
    is_still: bool,
    scene: &Scene<'_>,
) -> crate::Result<Vec<Advance>> {
    let ids = woken.iter().map(|one| one.due.profile).collect();
    let (crowds, mut kept) = Crowds::with_events(store, route, ids).await?;
    let names = crowds.events(route);
    let mut scratch = Vec::new();
    let mut all = Vec::with_capacity(woken.len());
    for (place, Woken { due, person, at }) in woken.into_iter().enumerate() {
        let next = route.plan.after_event(due.step);
        let moves = match next {
            // Where the canvas is paused, the person goes as far as the door of the next step.
            Target::Step(step) if is_still => vec![Move::Arrive { step }],
            next => {
                let mut events = kept.get_mut(place).map(std::mem::take).unwrap_or_default();
                if !news.kept {
                    events.extend(seen(due.profile, &names, news, at));
                }
                let view = Person { profile: &person, events: &events };
                let crowd = crowds.crowd(due.profile, view, *scene);
                let scene = &scene.with_groups(&crowd);
                let pace = Pace { now: scene.now, skip_delays: false };
                moves_from(route, next, &view, scene, pace, &mut scratch)?
            }
        };
        let ends_as = (Status::Passed, Reason::new(reason::HAPPENED, ""));
        let Due { visit, version, step, arrives, profile, due, .. } = due;
        all.push(Advance { visit, version, step, arrives, due, profile, ends_as, moves });
    }
    Ok(all)
}

/// What a person did of these events by the news, up to a place.
fn seen<'a>(who: ProfileId, names: &'a [String], news: &'a News<'_>, upto: usize) -> impl Iterator<Item = Event> + 'a {
    let own = news.happened.iter().take(upto + 1).filter(move |one| one.profile == who);
    own.filter_map(|one| one.what.event()).filter(|event| names.contains(&event.name)).cloned()
}
