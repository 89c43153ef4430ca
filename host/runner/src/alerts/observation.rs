//! What alerts are made of: a plain snapshot of how everything stands, taken every few seconds.
use caravan_model::{CanvasId, LaneId, Millis, Status, StepId};
use caravan_store::{Lane, LaneState, Space};
use serde::{Deserialize, Serialize};

/// How everything stands at one moment. What is missing counts as mended, so a snapshot is whole or not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// All queues.
    pub lanes: Vec<LaneSeen>,
    /// Sync and webhook steps with the visits that became final within the policy's window.
    pub steps: Vec<StepSeen>,
    /// Since when visits have been counted for `steps`. Until a whole window has passed, few visits prove nothing: a
    /// rate that was bad before a restart stays bad.
    pub counting_since: Millis,
    /// Connectors that trapped or broke a limit lately.
    pub traps: Vec<TrapSeen>,
    /// Tokens whose end is known.
    pub tokens: Vec<TokenSeen>,
    /// Removals owed to consent or erasure that a partner refuses at present.
    pub owed_refused: Vec<OwedSeen>,
    /// Endpoints of webhook steps that rest.
    pub endpoints: Vec<EndpointSeen>,
    /// How much room the store takes and has, where that is known.
    pub space: Option<Space>,
}

/// A place in a canvas, for links and for subscriptions to a canvas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The canvas.
    pub canvas: CanvasId,
    /// The step, where one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneSeen {
    /// The store's id: what the alert is about, also when its name changes.
    pub lane: LaneId,
    /// The name under which people know it: its audience's.
    pub queue: String,
    /// Its connection.
    pub connection: String,
    /// Steps that ask it for something.
    pub places: Vec<Place>,
    /// How it stands.
    pub state: QueueState,
    /// Operations that wait in it.
    pub waiting: u64,
    /// When its oldest operation that has not been sent came.
    pub oldest: Option<Millis>,
}

impl LaneSeen {
    /// A lane of the store under the name that people know, with the steps that ask it for something. What the partner
    /// holds counts before what a person holds: it is there either way.
    pub fn of(lane: &Lane, queue: impl Into<String>, places: Vec<Place>) -> LaneSeen {
        let pressed = lane.held_by.iter().map(|hold| hold.since).min();
        let state = match (&lane.state, pressed) {
            (LaneState::Held { reason, since, probe, .. }, _) if *probe != Millis::NEVER => {
                QueueState::Held { code: reason.code.clone(), since: *since, by_person: false }
            }
            (LaneState::Held { reason, since, .. }, _) => {
                QueueState::Held { code: reason.code.clone(), since: *since, by_person: true }
            }
            (_, Some(since)) => QueueState::Held { code: String::new(), since, by_person: true },
            (LaneState::Open | LaneState::Waiting { .. }, None) => QueueState::Flowing,
        };
        LaneSeen {
            lane: lane.id,
            queue: queue.into(),
            connection: lane.connection.clone(),
            places,
            state,
            waiting: lane.waiting,
            oldest: lane.oldest,
        }
    }
}

/// How a queue stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Filling, flowing, or waiting by itself.
    Flowing,
    /// Held until something is mended.
    Held {
        /// The reason's code, `held-…`.
        code: String,
        /// Since when.
        since: Millis,
        /// Whether a person pressed hold.
        by_person: bool,
    },
}

/// A step and what became of its people lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSeen {
    /// Its canvas.
    pub canvas: CanvasId,
    /// Its id.
    pub step: StepId,
    /// The connection it uses.
    pub connection: Option<String>,
    /// How many visits became so within the window, by status and reason code.
    pub counts: Vec<(Status, String, u64)>,
}

/// A connector that trapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapSeen {
    /// Its name.
    pub connector: String,
    /// The connection whose calls it served.
    pub connection: String,
    /// Steps that use it.
    pub places: Vec<Place>,
    /// How often within the window.
    pub times: u64,
    /// When last.
    pub last: Millis,
}

/// A token whose end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSeen {
    /// The connection.
    pub connection: String,
    /// Steps that use it.
    pub places: Vec<Place>,
    /// When it ends.
    pub ends: Millis,
}

/// An endpoint of webhook steps that fails, and rests between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSeen {
    /// Its name.
    pub endpoint: String,
    /// Steps that call it.
    pub places: Vec<Place>,
    /// Since when it has answered nobody.
    pub since: Millis,
    /// How often it had to rest.
    pub rests: u64,
}

/// Removals owed to consent or erasure that a partner refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedSeen {
    /// The queue they wait in.
    pub lane: LaneId,
    /// Its name.
    pub queue: String,
    /// Its connection.
    pub connection: String,
    /// Steps of that audience.
    pub places: Vec<Place>,
    /// The refusal's code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// Since when.
    pub since: Millis,
}
