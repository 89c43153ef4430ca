//! Works the inbox off: people are merged in, events let them into canvases and out of them, and are kept.
//!
//! Everything before the last write is harmless when repeated: entries are keyed by the message's number, which is the
//! row of the intake source [`SOURCE`]. The last write keeps the events and forgets the messages.
use crate::control::caps_of;
use crate::control::states;
use crate::exits;
use crate::moves::{Pace, entry_moves};
use crate::route::Route;
use crate::shared::Shared;
use crate::wakes::{self, Happened, News};
use caravan_journey::entry::{Occasion, admits};
use caravan_journey::plan::StepKind;
use caravan_journey::{Person, Scene, day_start};
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
        wake(&shared, &chunk).await?;
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

/// What an event may do to people, in the order in which a chunk does it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    LetsIn,
    Wakes,
    LetsOut,
}

/// The first message that may do to someone what comes before that which an earlier one may do to them: the two do not
/// belong into one chunk.
fn returns<S: Store>(shared: &Shared<S>, messages: &[(u64, Message)]) -> Option<usize> {
    let mut effects: HashMap<String, BTreeSet<Effect>> = HashMap::new();
    let mut may = |event: &str, effect| effects.entry(event.to_owned()).or_default().insert(effect);
    for route in shared.versions() {
        if let Trigger::Event(trigger) = &route.plan.entry.trigger {
            may(&trigger.event, Effect::LetsIn);
        }
        for step in &route.plan.steps {
            if let StepKind::WaitFor { event, .. } = &step.kind {
                may(&event.event, Effect::Wakes);
            }
        }
        for rule in &route.plan.exits {
            if let ExitRule::Event(wanted) = rule {
                may(&wanted.event, Effect::LetsOut);
            }
        }
    }
    let mut met: HashMap<&str, Effect> = HashMap::new();
    messages.iter().position(|(_, message)| {
        let Some(own) = message.event.as_ref().and_then(|event| effects.get(&event.name)) else { return false };
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return false };
        let before = met.entry(message.who.external_id.as_str()).or_insert(*first);
        let is_return = first < before;
        *before = (*before).max(*last);
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
            let moves = entry_moves(route, &person, &scene, pace, &mut scratch)?;
            candidates.push(Candidate { profile: known.id, row: *seq, began: event.at, moves });
        } else {
            refused += 1;
        }
    }
    let refused = if refused > 0 { vec![("who".to_owned(), refused)] } else { Vec::new() };
    let (re_entry, source, next_row) = (route.plan.entry.re_entry, SOURCE.to_owned(), chunk.last + 1);
    let caps = caps_of(&shared.store, route.canvas.as_str()).await?;
    let day = day_start(now, &shared.options.workspace_zone);
    let version = route.version;
    let batch = EnterBatch { version, re_entry, source, next_row, candidates, day, caps, refused, now };
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
    let endings = happened(chunk, ending);
    let scene = Scene::at(shared.now()).in_zone(&shared.options.workspace_zone);
    exits::let_out(&shared.store, shared.lease, (route.version, &route.plan), endings, &scene).await
}

/// Lets everyone go on who waits for something of the chunk.
async fn wake<S: Store>(shared: &Arc<Shared<S>>, chunk: &Chunk) -> crate::Result<()> {
    let news = News { happened: happened(chunk, events_named(chunk, |_| true)), kept: false };
    let scene = Scene::at(shared.now()).in_zone(&shared.options.workspace_zone);
    wakes::wake(&shared.store, shared.lease, &shared.versions(), &news, &scene).await?;
    Ok(())
}

fn happened<'a>(chunk: &Chunk, events: Vec<(usize, &'a Event)>) -> Vec<Happened<'a>> {
    let one = |(at, event): (usize, &'a Event)| Some(Happened { profile: chunk.known.get(at)?.id, event });
    events.into_iter().filter_map(one).collect()
}

/// Of each canvas its newest version; it alone lets people in.
pub(crate) fn newest(versions: Vec<Arc<Route>>) -> Vec<Arc<Route>> {
    let mut newest: BTreeMap<CanvasId, Arc<Route>> = BTreeMap::new();
    for route in versions {
        newest.insert(route.canvas.clone(), route);
    }
    newest.into_values().collect()
}
