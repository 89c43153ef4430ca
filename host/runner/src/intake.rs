//! Intake: people of a source enter a version, in chunks. Reading them, storing them and walking them overlap.
use crate::control::caps_of;
use crate::crowds::Crowds;
use crate::doors;
use crate::moves::{Pace, entry_moves};
use crate::progress::Meter;
use crate::route::Route;
use crate::shared::Shared;
use caravan_journey::entry::{Occasion, admits};
use caravan_journey::{Person, Scene, day_start};
use caravan_model::{Event, Filter, Millis, Profile, ProfileId};
use caravan_store::{Candidate, CanvasesSeen, Caps, EnterBatch, Known, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A row of an intake source.
#[derive(Clone, Debug, PartialEq)]
pub struct IntakeRow {
    /// Its number; rows ascend. A resumed run goes on behind the last one done.
    pub row: u64,
    /// The person, or why the row cannot be read (a stable code for the counts).
    pub person: Result<Profile, String>,
}

impl From<(u64, Profile)> for IntakeRow {
    fn from((row, person): (u64, Profile)) -> IntakeRow {
        IntakeRow { row, person: Ok(person) }
    }
}

impl From<(u64, Result<Profile, String>)> for IntakeRow {
    fn from((row, person): (u64, Result<Profile, String>)) -> IntakeRow {
        IntakeRow { row, person }
    }
}

/// What one intake does.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub route: Arc<Route>,
    pub source: String,
    pub first_row: u64,
    pub skip_delays: bool,
}

/// Rows read and not yet stored.
struct Chunk {
    rows: Vec<u64>,
    people: Vec<Profile>,
    refused: BTreeMap<String, u64>,
    next_row: u64,
}

/// Rows stored and not yet entered.
struct Stored {
    rows: Vec<u64>,
    known: Vec<Known>,
    events: Vec<Vec<Event>>,
    crowds: Crowds,
    refused: BTreeMap<String, u64>,
    next_row: u64,
}

/// Lets all people of a source in.
pub(crate) async fn run<S, I, R>(shared: Arc<Shared<S>>, task: Task, people: I, meter: Arc<Meter>) -> crate::Result<()>
where
    S: Store,
    I: Iterator<Item = R> + Send + 'static,
    R: Into<IntakeRow> + 'static,
{
    let (to_store, from_reader) = mpsc::channel::<Chunk>(1);
    let (to_enter, mut stored) = mpsc::channel::<Stored>(1);
    let size = shared.options.chunk.max(1);
    let chunks = Chunks { people, next_row: task.first_row, size, meter: meter.clone() };
    let mut reader = JoinSet::new();
    if shared.chance.is_seeded() {
        reader.spawn(hand_over(chunks, to_store));
    } else {
        reader.spawn_blocking(move || {
            for chunk in chunks {
                // Where nobody listens any more, the intake was stopped.
                if to_store.blocking_send(chunk).is_err() {
                    return;
                }
            }
        });
    }
    let storing = tokio::spawn(store_chunks(shared.clone(), task.route.clone(), from_reader, to_enter));
    let entered = async {
        while let Some(chunk) = stored.recv().await {
            enter(&shared, &task, chunk, &meter).await?;
        }
        Ok::<(), crate::Error>(())
    }
    .await;
    drop(stored);
    let kept = storing.await?;
    entered?;
    kept?;
    while let Some(read) = reader.join_next().await {
        read?;
    }
    Ok(())
}

/// Rows of a source, read chunk by chunk.
struct Chunks<I> {
    people: I,
    /// The first row that is not read yet.
    next_row: u64,
    size: usize,
    meter: Arc<Meter>,
}

impl<R: Into<IntakeRow>, I: Iterator<Item = R>> Iterator for Chunks<I> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk {
            rows: Vec::with_capacity(self.size),
            people: Vec::with_capacity(self.size),
            refused: BTreeMap::new(),
            next_row: self.next_row,
        };
        let mut unreadable = 0;
        while chunk.people.len() + unreadable < self.size {
            let Some(row) = self.people.next() else { break };
            let IntakeRow { row, person } = row.into();
            if row < self.next_row {
                continue;
            }
            chunk.next_row = row + 1;
            match person {
                Ok(person) => {
                    chunk.rows.push(row);
                    chunk.people.push(person);
                }
                Err(why) => {
                    *chunk.refused.entry(why).or_default() += 1;
                    unreadable += 1;
                }
            }
            self.next_row = chunk.next_row;
        }
        let any = !chunk.people.is_empty() || !chunk.refused.is_empty();
        if any {
            self.meter.read(chunk.next_row);
        }
        any.then_some(chunk)
    }
}

async fn hand_over<R: Into<IntakeRow>>(chunks: Chunks<impl Iterator<Item = R>>, to: mpsc::Sender<Chunk>) {
    for chunk in chunks {
        if to.send(chunk).await.is_err() {
            return;
        }
    }
}

async fn store_chunks<S: Store>(
    shared: Arc<Shared<S>>,
    route: Arc<Route>,
    mut from: mpsc::Receiver<Chunk>,
    to: mpsc::Sender<Stored>,
) -> crate::Result<()> {
    while let Some(chunk) = from.recv().await {
        let known = shared.store.upsert(shared.lease, chunk.people, shared.now()).await?;
        let ids: Vec<ProfileId> = known.iter().map(|known| known.id).collect();
        let (crowds, events) = Crowds::with_events(&shared.store, &route, ids).await?;
        let stored =
            Stored { rows: chunk.rows, known, events, crowds, refused: chunk.refused, next_row: chunk.next_row };
        if to.send(stored).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn enter<S: Store>(shared: &Arc<Shared<S>>, task: &Task, chunk: Stored, meter: &Meter) -> crate::Result<()> {
    let now = shared.now();
    let zone = shared.options.workspace_zone.clone();
    let moving = task.clone();
    let walked = shared.chance.aside(move || walk(&moving, chunk, now, &zone));
    let mut batch = walked.await??;
    batch.caps = caps_of(&shared.store, task.route.canvas.as_str()).await?;
    let refused: u64 = batch.refused.iter().map(|(_, n)| n).sum();
    let canvas = &task.route.canvas;
    let Some(entered) = doors::enter(shared, canvas, batch).await? else {
        shared.canvases().await?.admit(canvas)?;
        return Ok(());
    };
    meter.entered(entered.entered, entered.kept_out, refused + entered.capped);
    shared.wake();
    Ok(())
}

fn walk(task: &Task, chunk: Stored, now: Millis, zone: &caravan_journey::TimeZone) -> crate::Result<EnterBatch> {
    let Stored { rows, known, events, crowds, mut refused, next_row } = chunk;
    let route = &task.route;
    let pace = Pace { now, skip_delays: task.skip_delays };
    let scene = Scene::at(now).in_zone(zone);
    let mut candidates = Vec::with_capacity(known.len());
    let mut scratch = Vec::new();
    for (at, (row, known)) in rows.into_iter().zip(known).enumerate() {
        let person = Person { profile: &known.profile, events: events.get(at).map_or(&[][..], Vec::as_slice) };
        let crowd = crowds.crowd(known.id, person, scene);
        let scene = scene.with_groups(&crowd);
        if !admits(&route.plan.entry, &person, Occasion::Row { event: None }, &scene) {
            *refused.entry(why_refused(route, &person, &scene).to_owned()).or_default() += 1;
            continue;
        }
        let moves = entry_moves(route, &person, &scene, pace, &mut scratch)?;
        candidates.push(Candidate { profile: known.id, row, began: now, moves });
    }
    Ok(EnterBatch {
        version: route.version,
        re_entry: route.plan.entry.re_entry,
        source: task.source.clone(),
        next_row,
        candidates,
        day: day_start(now, zone),
        caps: Caps::default(),
        refused: refused.into_iter().collect(),
        seen: CanvasesSeen::default(),
        now,
    })
}

/// Which condition of `who` kept someone out: consent if that is the first that fails, else the rule as a whole.
fn why_refused(route: &Route, person: &Person<'_>, scene: &Scene<'_>) -> &'static str {
    let fails = |filter: &&Filter| !caravan_journey::filter::evaluate(filter, person, scene);
    let failing = match &route.plan.entry.who {
        Some(Filter::All(all)) => all.all.iter().find(fails),
        other => other.as_ref(),
    };
    if matches!(failing, Some(Filter::Consent(_))) { "consent" } else { "who" }
}
