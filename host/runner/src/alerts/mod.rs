//! Alerts: from snapshots of how everything stands to notices for people.
//!
//! An [`Observation`] is taken every few seconds. [`AlertBook::observe`] compares it with the [`AlertPolicy`]'s
//! thresholds, keeps alerts open while their cause lasts, and makes at most one [`Notice`] per subscription at a time:
//!
//! * causes that arise within `gather` become one notice, within 60 s of the first;
//! * within an hour a subscription gets `notices_per_hour` at most, some kept for what is newly critical; what is held
//!   back is told together, later;
//! * a cause that goes and comes back within `settle` stays one alert, and one that comes back within `damp` of its
//!   recovery notice is not told again before;
//! * what was told as open is told once as mended;
//! * what stays open is told again at growing intervals.
//!
//! All of that is pure: no clock, no store. [`Changes`] says what to store, one document per alert, subscription and
//! notice ([`Changes::documents`]); [`render`] makes the message of a channel; a `Messenger` (port in `model`) sends it.
//! The [`Watch`] joins it with a store: the run ticks it, it surveys, stores what changes, and lets notices leave.
//!
//! ```
//! use caravan_model::{Duration, LaneId, Millis, Subscription};
//! use caravan_runner::alerts::{AlertBook, AlertPolicy, LaneSeen, Observation, QueueState};
//! let all = r#"{"id": "ops", "to": {"mail": {"address": "ops@acme.example"}}}"#;
//! let subscriptions: Vec<Subscription> = vec![serde_json::from_str(all).unwrap()];
//! let (policy, mut book) = (AlertPolicy::default(), AlertBook::default());
//! let held = QueueState::Held { code: "held-terms".into(), since: Millis(0), by_person: false };
//! let lane = LaneSeen { lane: LaneId(1), queue: "vip".into(), connection: "acme-meta".into(), places: vec![],
//!     state: held, waiting: 12, oldest: None };
//! let seen = Observation { lanes: vec![lane], ..Observation::default() };
//! assert!(book.observe(Millis(0), &seen, &subscriptions, &policy).notices.is_empty(), "gathering");
//! let notices = book.observe(Millis(10_000), &seen, &subscriptions, &policy).notices;
//! assert!(notices[0].subject.starts_with("[warning] queue vip of connection acme-meta is held: terms"));
//! ```
mod alert;
mod atlas;
mod book;
mod causes;
mod compose;
mod documents;
mod notice;
mod observation;
mod options;
mod policy;
mod rates;
mod render;
mod signals;
mod stuck;
mod subscriber;
mod survey;
#[cfg(test)]
mod tests;
mod trial;
mod watch;
mod window;
mod words;

pub use alert::{AlertKey, Facts, OpenAlert};
pub use book::{AlertBook, Changes};
pub use notice::{Change, Incident, Line, Notice};
pub use observation::{
    EndpointSeen, LaneSeen, Observation, OwedSeen, Place, QueueState, StepSeen, TokenSeen, TrapSeen,
};
pub use options::AlertOptions;
pub use policy::AlertPolicy;
pub use render::render;
pub use signals::Signals;
pub use subscriber::{SubscriptionState, Told};
pub use trial::trial;
pub use watch::Watch;
pub use window::CountWindow;
