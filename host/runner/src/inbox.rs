//! Works the inbox off: people are merged in, events let them into canvases and out of them, and are kept.
//!
//! Everything before the last write is harmless when repeated: entries are keyed by the message's number, which is the
//! row of the intake source [`SOURCE`]. The last write keeps the events and forgets the messages.
use crate::control::states;
use crate::exits::{self, Ending};
use crate::moves::{Pace, moves_from};
use crate::route::Route;
use crate::shared::Shared;
use caravan_journey::entry::{Occasion, admits};
use caravan_journey::{Person, Scene};
use caravan_model::canvas::{ExitRule, Trigger};
use caravan_model::{CanvasId, Event, Message, ProfileId};
use caravan_store::{Candidate, EnterBatch, Inbound, Known, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The name of the intake source whose rows are messages.
const SOURCE: &str = "inbox";

/// Messages that are worked off together.
struct Chunk {
    /// The number of the last one.
    last: u64,
    /// Their numbers and contents, by number.
    messages: Vec<(u64, Message)>,
    /// Whom they are about, as known with all of them merged in.
    known: Vec<Known>,
}

/// Works off all that waits; gives how many messages that was.
pub(crate) async fn run<S: Store>(shared: Arc<Shared<S>>) -> crate::Result<u64> {
    let mut done = 0;
    while !shared.is_stopping() {
        let inbound = shared.store.inbox(shared.options.chunk.max(1)).await?;
        let Some(mut last) = inbound.last().map(|message| message.seq) else { break };
        shared.read_new_versions().await?;
        let mut messages = read(inbound);
        if let Some(cut) = returns(&shared, &messages) {
            // What comes from there on is the next chunk's.
            last = messages[cut].0 - 1;
            messages.truncate(cut);
        }
        done += messages.len() as u64;
        let people = messages.iter().map(|(_, message)| message.who.clone()).collect();
        let known = shared.store.upsert(shared.lease, people, shared.now()).await?;
        let chunk = Chunk { last, messages, known };
        let canvases = states(&shared.store).await?;
        for route in shared.newest_versions() {
            if canvases.of(route.canvas.as_str()).admits() {
                let_in(&shared, &route, &chunk).await?;
            }
        }
        for route in shared.versions() {
            let_out(&shared, &route, &chunk).await?;
        }
        let kept =
            chunk.messages.into_iter().filter_map(|(_, message)| Some((message.who.external_id, None, message.event?)));
        shared.store.work_off(shared.lease, last, kept.collect(), shared.now()).await?;
        shared.wake();
    }
    Ok(done)
}

/// What cannot be read was written by another version of this program: it is left out with a warning.
fn read(inbound: Vec<Inbound>) -> Vec<(u64, Message)> {
    let read = |Inbound { seq, body, .. }| match serde_json::from_str(&body) {
        Ok(message) => Some((seq, message)),
        Err(_) => {
            tracing::warn!(seq, "a message in the inbox cannot be read, and is left out");
            None
        }
    };
    inbound.into_iter().filter_map(read).collect()
}

/// The first message that may let someone in whom an earlier one may let out: people are let in before others are let out,
/// so that the two do not belong into one chunk.
fn returns<S: Store>(shared: &Shared<S>, messages: &[(u64, Message)]) -> Option<usize> {
    let (mut ends, mut triggers) = (BTreeSet::new(), BTreeSet::new());
    for route in shared.versions() {
        ends.extend(route.plan.exits.iter().filter_map(|rule| match rule {
            ExitRule::Event(wanted) => Some(wanted.event.clone()),
            ExitRule::Segment(_) => None,
        }));
        if let Trigger::Event(trigger) = &route.plan.entry.trigger {
            triggers.insert(trigger.event.clone());
        }
    }
    let mut left: BTreeSet<&str> = BTreeSet::new();
    messages.iter().position(|(_, message)| {
        let Some(event) = &message.event else { return false };
        let who = message.who.external_id.as_str();
        let is_return = triggers.contains(&event.name) && left.contains(who);
        if ends.contains(&event.name) {
            left.insert(who);
        }
        is_return
    })
}

/// The events of a chunk with a name that counts, with the places of their messages.
fn events_named(chunk: &Chunk, counts: impl Fn(&str) -> bool) -> Vec<(usize, &Event)> {
    let all = chunk.messages.iter().enumerate();
    all.filter_map(|(at, (_, message))| Some((at, message.event.as_ref().filter(|event| counts(&event.name))?)))
        .collect()
}

/// Lets people into a version by the events that trigger it.
async fn let_in<S: Store>(shared: &Arc<Shared<S>>, route: &Arc<Route>, chunk: &Chunk) -> crate::Result<()> {
    let Trigger::Event(trigger) = &route.plan.entry.trigger else { return Ok(()) };
    let coming = events_named(chunk, |name| name == trigger.event);
    if coming.is_empty() || shared.route(route.version).is_none() {
        return Ok(());
    }
    let ids: Vec<ProfileId> = coming.iter().filter_map(|(at, _)| chunk.known.get(*at).map(|known| known.id)).collect();
    let before = match route.events.is_empty() {
        true => HashMap::new(),
        false => {
            let found = shared.store.events(ids.clone(), route.events.clone()).await?;
            ids.iter().copied().zip(found).collect::<HashMap<_, _>>()
        }
    };
    let now = shared.now();
    let scene = Scene::at(now).in_zone(&shared.options.workspace_zone);
    let pace = Pace { now, skip_delays: false };
    let (mut candidates, mut refused, mut scratch) = (Vec::new(), 0u64, Vec::new());
    for (at, event) in coming {
        let (Some(known), Some((seq, _))) = (chunk.known.get(at), chunk.messages.get(at)) else { continue };
        let events = seen(&before, chunk, at, known.id, route);
        let person = Person { profile: &known.profile, events: &events };
        if admits(&route.plan.entry, &person, Occasion::Event(event), &scene) {
            let moves = moves_from(route, route.plan.start, &person, &scene, pace, &mut scratch)?;
            candidates.push(Candidate { profile: known.id, row: *seq, moves });
        } else {
            refused += 1;
        }
    }
    let refused = if refused > 0 { vec![("who".to_owned(), refused)] } else { Vec::new() };
    let (re_entry, source, next_row) = (route.plan.entry.re_entry, SOURCE.to_owned(), chunk.last + 1);
    let batch = EnterBatch { version: route.version, re_entry, source, next_row, candidates, refused, now };
    shared.store.enter(shared.lease, batch).await?;
    Ok(())
}

/// What a person has done as far as a version looks at it, up to a message of the chunk.
fn seen(
    before: &HashMap<ProfileId, Vec<Event>>,
    chunk: &Chunk,
    upto: usize,
    who: ProfileId,
    route: &Route,
) -> Vec<Event> {
    if route.events.is_empty() {
        return Vec::new();
    }
    let mut events = before.get(&who).cloned().unwrap_or_default();
    let own = chunk.messages.iter().zip(&chunk.known).take(upto + 1).filter(|(_, known)| known.id == who);
    let looked_at = |event: &Event| route.events.contains(&event.name);
    events.extend(own.filter_map(|((_, message), _)| message.event.clone().filter(looked_at)));
    events
}

/// Ends entries into a version by the events that end them.
async fn let_out<S: Store>(shared: &Arc<Shared<S>>, route: &Arc<Route>, chunk: &Chunk) -> crate::Result<()> {
    let ending = events_named(chunk, |name| exits::ends(&route.plan, name));
    if ending.is_empty() {
        return Ok(());
    }
    let came = first_chances(route, chunk);
    let endings = ending.into_iter().filter_map(|(at, event)| {
        let known = chunk.known.get(at)?;
        let came_before = came.get(&known.id).filter(|first| **first < at).map(|_| &known.profile);
        Some(Ending { profile: known.id, event, came_before })
    });
    let scene = Scene::at(shared.now()).in_zone(&shared.options.workspace_zone);
    exits::let_out(&shared.store, shared.lease, (route.version, &route.plan), endings.collect(), &scene).await
}

/// The first message of each person that could have let them in.
fn first_chances(route: &Route, chunk: &Chunk) -> BTreeMap<ProfileId, usize> {
    let Trigger::Event(trigger) = &route.plan.entry.trigger else { return BTreeMap::new() };
    let mut first = BTreeMap::new();
    for (at, _) in events_named(chunk, |name| name == trigger.event) {
        if let Some(known) = chunk.known.get(at) {
            first.entry(known.id).or_insert(at);
        }
    }
    first
}

/// Of each canvas its newest version; it alone lets people in.
pub(crate) fn newest(versions: Vec<Arc<Route>>) -> Vec<Arc<Route>> {
    let mut newest: BTreeMap<CanvasId, Arc<Route>> = BTreeMap::new();
    for route in versions {
        newest.insert(route.canvas.clone(), route);
    }
    newest.into_values().collect()
}
