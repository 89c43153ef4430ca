//! Works the inbox off: people are merged in, events let them into canvases and out of them, and are kept.
//!
//! Everything before the last write is harmless when repeated: entries are keyed by the message's number, which is the
//! row of the intake source [`SOURCE`]. The last write keeps the events and forgets the messages.
use crate::control::caps_of;
use crate::crowds::Crowds;
use crate::doors;
use crate::exits;
use crate::in_step::{in_step_with, let_go};
use crate::moves::{Pace, entry_moves};
use crate::occasions;
use crate::route::Route;
use crate::shared::Shared;
use crate::wakes::{self, Happened, News, What};
use caravan_journey::entry::{Occasion, admits};
use caravan_journey::plan::Awaited;
use caravan_journey::{Person, Scene, day_start};
use caravan_model::canvas::{Existing, ExitRule, Trigger};
use caravan_model::{CanvasId, Event, Group, GroupKind, Message, Profile, ProfileId};
use caravan_store::{Candidate, CanvasesSeen, EnterBatch, Inbound, Known, SamePerson, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tracing::Instrument as _;

/// The name of the intake source whose rows are messages.
const SOURCE: &str = "inbox";

/// How often those are looked at who could not be merged at once, and how many of them in one transaction.
const MERGE_EVERY: caravan_model::Duration = caravan_model::Duration::SECOND;
const MERGED_AGAIN: usize = 500;

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
    go_on_merging(&shared).await?;
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
        let span = tracing::info_span!("inbox.chunk", messages = messages.len());
        work_off(&shared, last, messages).instrument(span).await?;
    }
    Ok(done)
}

/// One chunk, from who it is about to where its events are kept.
async fn work_off<S: Store>(shared: &Arc<Shared<S>>, last: u64, messages: Vec<(u64, Message)>) -> crate::Result<()> {
    let chunk = merge_in(shared, last, messages).await?;
    for route in shared.newest_versions() {
        if shared.canvases().await?.of(route.canvas.as_str()).admits() {
            let_in(shared, &route, &chunk).await?;
        }
    }
    wake(shared, &chunk).await?;
    call_out(shared, &chunk).await?;
    for route in shared.versions() {
        let_out(shared, &route, &chunk).await?;
        out_of_step(shared, &route, &chunk).await?;
    }
    let kept =
        chunk.messages.into_iter().filter_map(|(_, message)| Some((message.who.external_id, None, message.event?)));
    shared.store.work_off(shared.lease, last, kept.collect(), shared.now()).await?;
    shared.wake();
    Ok(())
}

/// Merges the people of messages in. Messages of ours about someone who is erased meanwhile are left out, and calls that let
/// someone out whom nobody knows: nobody is made anew by them.
async fn merge_in<S: Store>(shared: &Shared<S>, last: u64, messages: Vec<(u64, Message)>) -> crate::Result<Chunk> {
    let messages = without_erased(shared, messages).await?;
    let people: Vec<Profile> =
        messages.iter().filter(|(_, message)| is_told(message)).map(|(_, message)| message.who.clone()).collect();
    let mut merged = match people.is_empty() {
        true => Vec::new(),
        false => shared.store.upsert(shared.lease, people, shared.now()).await?,
    }
    .into_iter();
    // Now that all are known of whom the chunk tells.
    let leaving: Vec<String> = messages
        .iter()
        .filter(|(_, message)| message.let_out.is_some())
        .map(|(_, message)| message.who.external_id.clone())
        .collect();
    let leaving: HashMap<String, ProfileId> = match leaving.is_empty() {
        true => HashMap::new(),
        false => {
            let found = shared.store.named(leaving.clone()).await?;
            leaving.into_iter().zip(found).filter_map(|(name, found)| Some((name, found?))).collect()
        }
    };
    let of_ours = |message: &Message| match (&message.group, &message.let_out) {
        (Some(change), _) => Some(change.profile),
        (None, Some(_)) => leaving.get(&message.who.external_id).copied(),
        (None, None) => None,
    };
    let ours: Vec<ProfileId> = messages.iter().filter_map(|(_, message)| of_ours(message)).collect();
    let ours: HashMap<ProfileId, Known> = match ours.is_empty() {
        true => HashMap::new(),
        false => shared.store.people(ours).await?.into_iter().map(|known| (known.id, known)).collect(),
    };
    let mut chunk = Chunk { last, messages: Vec::new(), known: Vec::new() };
    let pairs: BTreeSet<SamePerson> = messages.iter().flat_map(|(_, message)| same_people(message)).collect();
    for (seq, message) in messages {
        let known = match is_told(&message) {
            false => of_ours(&message).and_then(|profile| ours.get(&profile).cloned()),
            true => merged.next(),
        };
        if let Some(known) = known {
            chunk.messages.push((seq, message));
            chunk.known.push(known);
        }
    }
    merge_people(shared, &mut chunk, pairs).await?;
    Ok(chunk)
}

/// Whether a message tells of a person, who is made where nobody knows them.
fn is_told(message: &Message) -> bool {
    message.group.is_none() && message.let_out.is_none()
}

/// Merges whom earlier messages called one person, where nothing of theirs is at a partner any more. It is done between
/// chunks: nobody of a chunk goes on in another meanwhile.
async fn go_on_merging<S: Store>(shared: &Shared<S>) -> crate::Result<()> {
    if shared.is_time_to_merge(shared.now(), MERGE_EVERY) && shared.store.merges().await?.waiting > 0 {
        let _alone = shared.sealing.write().await;
        let merged = shared.store.merge(shared.lease, Vec::new(), MERGED_AGAIN, shared.now()).await?;
        if !merged.is_empty() {
            shared.wake();
        }
    }
    Ok(())
}

/// Names that a message gives to one person.
fn same_people(message: &Message) -> impl Iterator<Item = SamePerson> + '_ {
    let of = |other: &String, is_certain| SamePerson {
        name: message.who.external_id.clone(),
        other: other.clone(),
        is_certain,
    };
    let uncertain = message.who.aliases.iter().filter(|alias| !message.merges.contains(alias));
    message.merges.iter().map(move |other| of(other, true)).chain(uncertain.map(move |other| of(other, false)))
}

/// Makes profiles of one person one; what the chunk says of either is the survivor's.
async fn merge_people<S: Store>(
    shared: &Shared<S>,
    chunk: &mut Chunk,
    pairs: BTreeSet<SamePerson>,
) -> crate::Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let two = shared.store.strangers(pairs.into_iter().collect()).await?;
    if two.is_empty() {
        return Ok(());
    }
    let merged = {
        // No slice is sealed meanwhile: operations change their persons, and their lanes.
        let _alone = shared.sealing.write().await;
        shared.store.merge(shared.lease, two, 0, shared.now()).await?
    };
    if merged.is_empty() {
        return Ok(());
    }
    let mut survivors: HashMap<ProfileId, ProfileId> = HashMap::new();
    for one in &merged {
        // Who survived one merge may have been left by the next.
        survivors.values_mut().filter(|survivor| **survivor == one.other).for_each(|survivor| *survivor = one.survivor);
        survivors.insert(one.other, one.survivor);
    }
    let anew = shared.store.people(survivors.values().copied().collect()).await?;
    let anew: HashMap<ProfileId, Known> = anew.into_iter().map(|known| (known.id, known)).collect();
    for known in &mut chunk.known {
        let id = survivors.get(&known.id).copied().unwrap_or(known.id);
        if let Some(survivor) = anew.get(&id) {
            known.clone_from(survivor);
        }
    }
    Ok(())
}

/// Leaves out what erased people did before they were erased: nobody is made anew by it (design, 11.13).
async fn without_erased<S: Store>(
    shared: &Shared<S>,
    mut messages: Vec<(u64, Message)>,
) -> crate::Result<Vec<(u64, Message)>> {
    let names = messages.iter().map(|(_, message)| message.who.external_id.clone()).collect();
    let mut erased = shared.store.erased(names).await?.into_iter();
    messages.retain(|(_, message)| {
        let erased = erased.next().flatten();
        message.event.as_ref().is_none_or(|event| erased.is_none_or(|erased| event.at > erased))
    });
    Ok(messages)
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
    let mut may = |what: String, effect| effects.entry(what).or_default().insert(effect);
    for route in shared.versions() {
        match &route.plan.entry.trigger {
            Trigger::Event(trigger) => may(event_key(&trigger.event), Effect::LetsIn),
            Trigger::Segment(trigger) => {
                let group = Group::segment(&trigger.segment);
                may(left_key(&group), Effect::LetsOut);
                may(group_key(&group), Effect::LetsIn)
            }
            Trigger::List(trigger) => may(group_key(&Group::list(&trigger.list)), Effect::LetsIn),
            Trigger::Api(_) => may(called_key(&route.canvas), Effect::LetsIn),
            Trigger::Schedule(_) => false,
        };
        may(let_out_key(&route.canvas), Effect::LetsOut);
        for what in route.plan.all_awaited() {
            let key = match what {
                Awaited::Event(event) => event_key(&event.event),
                Awaited::Segment(segment) => group_key(&Group::segment(segment)),
            };
            may(key, Effect::Wakes);
        }
        for rule in &route.plan.exits {
            let key = match rule {
                ExitRule::Event(wanted) => event_key(&wanted.event),
                ExitRule::Segment(wanted) => group_key(&Group::segment(&wanted.segment)),
            };
            may(key, Effect::LetsOut);
        }
    }
    let mut met: HashMap<&str, Effect> = HashMap::new();
    messages.iter().position(|(_, message)| {
        let key = match (&message.event, &message.group, &message.called, &message.let_out) {
            (Some(event), ..) => event_key(&event.name),
            (None, Some(change), ..) if change.joined => group_key(&change.group),
            (None, Some(change), ..) => left_key(&change.group),
            (None, None, Some(called), _) => called_key(&called.canvas),
            (None, None, None, Some(called)) => let_out_key(&called.canvas),
            (None, None, None, None) => return false,
        };
        let Some(own) = effects.get(&key) else { return false };
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return false };
        let before = met.entry(message.who.external_id.as_str()).or_insert(*first);
        let is_return = first < before;
        *before = (*before).max(*last);
        is_return
    })
}

fn event_key(name: &str) -> String {
    format!("event {name}")
}

fn called_key(canvas: &CanvasId) -> String {
    format!("called {canvas}")
}

fn let_out_key(canvas: &CanvasId) -> String {
    format!("let out {canvas}")
}

fn left_key(group: &Group) -> String {
    format!("left {}", group_key(group))
}

fn group_key(group: &Group) -> String {
    format!("{} {}", group.kind.word(), group.name)
}

/// What happened by a chunk, with the places of its messages.
fn whats(chunk: &Chunk) -> impl Iterator<Item = (usize, What<'_>)> {
    chunk.messages.iter().enumerate().filter_map(|(at, (_, message))| {
        match (&message.event, &message.group, &message.called) {
            (Some(event), ..) => Some((at, What::Event(event))),
            (None, Some(change), _) if change.joined => Some((at, What::Joined(&change.group))),
            (None, None, Some(called)) => Some((at, What::Called(called))),
            _ => None,
        }
    })
}

/// Whether something may let people in.
fn lets_in(route: &Route, what: What<'_>) -> bool {
    match (&route.plan.entry.trigger, what) {
        (Trigger::Event(wanted), What::Event(event)) => wanted.event == event.name,
        (Trigger::Segment(wanted), What::Joined(group)) => *group == Group::segment(&wanted.segment),
        (Trigger::List(wanted), What::Joined(group)) => *group == Group::list(&wanted.list),
        (Trigger::Api(_), What::Called(called)) => called.canvas == route.canvas,
        _ => false,
    }
}

/// Lets people into a version by what triggers it.
async fn let_in<S: Store>(shared: &Arc<Shared<S>>, route: &Arc<Route>, chunk: &Chunk) -> crate::Result<()> {
    let coming: Vec<_> = whats(chunk).filter(|(_, what)| lets_in(route, *what)).collect();
    if coming.is_empty() || shared.route(route.version).is_none() {
        return Ok(());
    }
    let only_existing =
        matches!(&route.plan.entry.trigger, Trigger::Segment(trigger) if trigger.existing == Existing::Only);
    let still_to_come = occasions::still_to_come(&shared.store, route).await?;
    let ids: Vec<ProfileId> = coming.iter().filter_map(|(at, _)| chunk.known.get(*at).map(|known| known.id)).collect();
    let (crowds, found) = Crowds::with_events(&shared.store, route, ids.clone()).await?;
    let names = crowds.events(route);
    let before: HashMap<ProfileId, Vec<Event>> = ids.into_iter().zip(found).collect();
    let now = shared.now();
    let scene = Scene::at(now).in_zone(&shared.options.workspace_zone);
    let pace = Pace { now, skip_delays: false };
    let (mut candidates, mut refused, mut scratch) = (Vec::new(), 0u64, Vec::new());
    for (at, what) in coming {
        let (Some(known), Some((seq, _))) = (chunk.known.get(at), chunk.messages.get(at)) else { continue };
        let (occasion, began) = match what {
            What::Event(event) => (Occasion::Event(event), event.at),
            What::Called(called) => (Occasion::Api, called.at.min(now)),
            // Those who are in the group at publishing are let in one after the other, this one among them.
            What::Joined(_) if only_existing => continue,
            What::Joined(_) if still_to_come.is_some_and(|after| known.id > after) => continue,
            What::Joined(group) if group.kind == GroupKind::Segment => (Occasion::Segment(&group.name), now),
            What::Joined(group) => (Occasion::List(&group.name), now),
        };
        let events = seen(&before, chunk, at, known.id, &names);
        let person = Person { profile: &known.profile, events: &events };
        let crowd = crowds.crowd(known.id, person, scene);
        let scene = scene.with_groups(&crowd);
        if admits(&route.plan.entry, &person, occasion, &scene) {
            let moves = entry_moves(route, &person, &scene, pace, &mut scratch)?;
            candidates.push(Candidate { profile: known.id, row: *seq, began, moves });
        } else {
            refused += 1;
        }
    }
    let refused = if refused > 0 { vec![("who".to_owned(), refused)] } else { Vec::new() };
    let (re_entry, source, next_row) = (route.plan.entry.re_entry, SOURCE.to_owned(), chunk.last + 1);
    let caps = caps_of(&shared.store, route.canvas.as_str()).await?;
    let day = day_start(now, &shared.options.workspace_zone);
    let version = route.version;
    let seen = CanvasesSeen::default();
    let batch = EnterBatch { version, re_entry, source, next_row, candidates, day, caps, refused, seen, now };
    // Where the canvas was closed meanwhile, they came too late.
    doors::enter(shared, &route.canvas, batch).await?;
    Ok(())
}

/// What a person has done of these events, up to a message of the chunk.
fn seen(
    before: &HashMap<ProfileId, Vec<Event>>,
    chunk: &Chunk,
    upto: usize,
    who: ProfileId,
    names: &[String],
) -> Vec<Event> {
    if names.is_empty() {
        return Vec::new();
    }
    let mut events = before.get(&who).cloned().unwrap_or_default();
    let own = chunk.messages.iter().zip(&chunk.known).take(upto + 1).filter(|(_, known)| known.id == who);
    let looked_at = |event: &Event| names.contains(&event.name);
    events.extend(own.filter_map(|((_, message), _)| message.event.clone().filter(looked_at)));
    events
}

/// Ends entries into a version by what ends them.
async fn let_out<S: Store>(shared: &Arc<Shared<S>>, route: &Arc<Route>, chunk: &Chunk) -> crate::Result<()> {
    let endings = happened(chunk, |what| exits::ends(&route.plan, what));
    let scene = Scene::at(shared.now()).in_zone(&shared.options.workspace_zone);
    exits::let_out(&shared.store, shared.lease, (route.version, &route.plan), endings, &scene).await
}

/// Lets people out of canvases because calls say so.
async fn call_out<S: Store>(shared: &Arc<Shared<S>>, chunk: &Chunk) -> crate::Result<()> {
    let mut leaving: BTreeMap<&CanvasId, BTreeSet<ProfileId>> = BTreeMap::new();
    for ((_, message), known) in chunk.messages.iter().zip(&chunk.known) {
        if let Some(called) = &message.let_out {
            leaving.entry(&called.canvas).or_default().insert(known.id);
        }
    }
    for (canvas, people) in leaving {
        // An entry is the canvas's, whatever version it is in.
        let Some(route) = shared.versions().into_iter().find(|route| route.canvas == *canvas) else { continue };
        let people = people.into_iter().collect();
        exits::call_out(&shared.store, shared.lease, route.version, people, shared.now()).await?;
    }
    Ok(())
}

/// Lets people go who left the segment with which a version is in step.
async fn out_of_step<S: Store>(shared: &Arc<Shared<S>>, route: &Arc<Route>, chunk: &Chunk) -> crate::Result<()> {
    let left = chunk.messages.iter().filter_map(|(_, message)| message.group.as_ref()).filter(|change| !change.joined);
    let left = left.filter(|change| in_step_with(route, &change.group)).map(|change| change.profile).collect();
    let_go(&shared.store, shared.lease, route, left, shared.now()).await
}

/// Lets everyone go on who waits for something of the chunk.
async fn wake<S: Store>(shared: &Arc<Shared<S>>, chunk: &Chunk) -> crate::Result<()> {
    let news = News { happened: happened(chunk, |_| true), kept: false };
    let scene = Scene::at(shared.now()).in_zone(&shared.options.workspace_zone);
    wakes::wake((&shared.store, &shared.papers), shared.lease, &shared.versions(), &news, &scene).await?;
    Ok(())
}

fn happened<'a>(chunk: &'a Chunk, counts: impl Fn(What<'a>) -> bool) -> Vec<Happened<'a>> {
    let one = |(at, what): (usize, What<'a>)| Some(Happened { profile: chunk.known.get(at)?.id, what });
    whats(chunk).filter(|(_, what)| counts(*what)).filter_map(one).collect()
}

/// Of each canvas its newest version; it alone lets people in.
pub(crate) fn newest(versions: Vec<Arc<Route>>) -> Vec<Arc<Route>> {
    let mut newest: BTreeMap<CanvasId, Arc<Route>> = BTreeMap::new();
    for route in versions {
        newest.insert(route.canvas.clone(), route);
    }
    newest.into_values().collect()
}
