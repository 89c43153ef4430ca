//! Alerts under simulated time: a world that ticks, stores what it is told to store, and sends.
mod causes;
mod forms;
mod storms;
mod told;

use super::*;
use caravan_model::alert::SendError;
use caravan_model::{CanvasId, Duration, LaneId, Millis, StepId, Subscription, SubscriptionId};
use caravan_store::DocumentKind;
use std::collections::{BTreeMap, BTreeSet};

/// How often the world is looked at, unless a test says otherwise.
pub(super) const TICK: Duration = Duration::SECOND.times(5);

pub(super) fn subscription(json: &str) -> Subscription {
    serde_json::from_str(json).unwrap()
}

pub(super) fn everything() -> Subscription {
    subscription(r#"{"id": "ops", "to": {"mail": {"address": "ops@acme.example"}}}"#)
}

pub(super) fn place(canvas: &str, step: &str) -> Place {
    Place { canvas: CanvasId::new(canvas).unwrap(), step: Some(StepId::new(step).unwrap()) }
}

pub(super) fn lane(id: i64) -> LaneSeen {
    LaneSeen {
        lane: LaneId(id),
        queue: format!("audience {id}"),
        connection: "acme-meta".to_owned(),
        places: vec![place("win-back", "sync")],
        state: QueueState::Flowing,
        waiting: 0,
        oldest: None,
    }
}

pub(super) fn held(id: i64, code: &str, since: Millis) -> LaneSeen {
    let state = QueueState::Held { code: code.to_owned(), since, by_person: false };
    LaneSeen { state, waiting: 12, ..lane(id) }
}

/// The store's documents.
#[derive(Default)]
struct Shelf(BTreeMap<(DocumentKind, String), String>);

impl Shelf {
    fn apply(&mut self, changes: &Changes) {
        for (kind, id, document) in changes.documents().unwrap() {
            match document {
                Some(document) => self.0.insert((kind, id), document),
                None => self.0.remove(&(kind, id)),
            };
        }
    }

    fn of(&self, wanted: DocumentKind) -> Vec<(String, String)> {
        let all = self.0.iter().filter(|((kind, _), _)| *kind == wanted);
        all.map(|((_, id), document)| (id.clone(), document.clone())).collect()
    }

    fn book(&self) -> AlertBook {
        AlertBook::from_documents(&self.of(DocumentKind::Alert), &self.of(DocumentKind::Notice)).unwrap()
    }
}

/// Observations, a book, a shelf and a mailbox.
pub(super) struct World {
    pub(super) now: Millis,
    pub(super) policy: AlertPolicy,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) seen: Observation,
    pub(super) book: AlertBook,
    shelf: Shelf,
    /// Whether the process restarts at every tick.
    pub(super) restarts: bool,
    /// What sending comes to.
    pub(super) outcome: Result<(), SendError>,
    /// What was sent, and when.
    pub(super) sent: Vec<(Millis, Notice)>,
    /// What was given up.
    pub(super) lines: Vec<String>,
}

impl World {
    pub(super) fn new(subscriptions: Vec<Subscription>) -> World {
        World {
            // A time of day, long after any counting began.
            now: Millis(1_700_000_000_000),
            policy: AlertPolicy::default(),
            subscriptions,
            seen: Observation::default(),
            book: AlertBook::default(),
            shelf: Shelf::default(),
            restarts: false,
            outcome: Ok(()),
            sent: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// One look at the world, and the sending that follows.
    pub(super) fn tick(&mut self) {
        let changes = self.book.observe(self.now, &self.seen, &self.subscriptions, &self.policy);
        self.shelf.apply(&changes);
        let due: Vec<Notice> = self.book.due(self.now).cloned().collect();
        for notice in due {
            if self.outcome.is_ok() {
                self.sent.push((self.now, notice.clone()));
            }
            let outcome = self.outcome.as_ref().copied();
            let changes = self.book.sent(self.now, &notice.id, outcome, &self.policy);
            self.lines.extend(changes.lines.iter().cloned());
            self.shelf.apply(&changes);
        }
        if self.restarts {
            self.book = self.shelf.book();
        }
        self.now = self.now.after(TICK);
    }

    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now < end {
            self.tick();
        }
    }

    /// What was sent since the last call.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, notice)| notice).collect()
    }

    /// How many alerts, states of subscriptions and notices are stored.
    pub(super) fn documents(&self) -> (usize, usize, usize) {
        let notices = self.shelf.of(DocumentKind::Notice);
        let states = notices.iter().filter(|(id, _)| id.starts_with("told/")).count();
        (self.shelf.of(DocumentKind::Alert).len(), states, notices.len() - states)
    }
}

/// No subscription gets more notices within any hour than the policy says.
pub(super) fn assert_no_storm(world: &World) {
    for wanted in &world.subscriptions {
        let times: Vec<Millis> =
            world.sent.iter().filter(|(_, notice)| notice.subscription == wanted.id).map(|(at, _)| *at).collect();
        for (place, first) in times.iter().enumerate() {
            let within = times[place..].iter().take_while(|at| at.since(*first) < Duration::HOUR).count();
            assert!(within <= world.policy.notices_per_hour as usize, "{within} notices from {first:?} on");
        }
    }
}

/// What was told as open is told as mended once, before it is told as open again; gives what is still open.
pub(super) fn assert_told_in_turns(world: &World) -> BTreeSet<(SubscriptionId, AlertKey)> {
    let mut open = BTreeSet::new();
    for (_, notice) in &world.sent {
        for (change, key) in &notice.alerts {
            let which = (notice.subscription.clone(), key.clone());
            match change {
                Change::Opened => assert!(open.insert(which), "opened twice: {key:?}"),
                Change::Worse | Change::Still => assert!(open.contains(&which), "never opened: {key:?}"),
                Change::Mended => assert!(open.remove(&which), "mended, but not open: {key:?}"),
            }
        }
    }
    open
}
