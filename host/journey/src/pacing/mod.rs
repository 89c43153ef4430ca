//! Pacing: how fast calls may go. A [`Pacer`] keeps what was used of every quota, in the scope that the manifest names,
//! and decides who goes next. It knows no clock: instants are parameters; waiting is the caller's.
//!
//! * [`Pacer::admit`] is asked before each attempt and takes its charge at once: attempts are counted, not successes.
//!   Charges of windows of ten seconds and more come along, to be stored with the attempt, and [`Pacer::load`] takes them
//!   back at the next start.
//! * [`Pacer::ended`] is told how the attempt ended and what its answers said: `Retry-After` and usage headers count
//!   where they are stricter than our own count.
//! * Whoever counts at the partner may use rolling windows or fixed ones of any phase: no span of a window's length ever
//!   holds more charges than the quota, which is safe under both. Calls may arrive late by a sixteenth of the window (at
//!   most two seconds), which is added to it.
//! * Lanes of one scope take turns: who was served longest ago goes first.
mod charge;
mod crowd;
mod gate;
mod learn;
mod pacer;
mod scope;
mod turns;
mod window;

pub use caravan_model::Charge;
pub use charge::{Admission, Ask, Flow, Spent, Ticket, Why};
pub use pacer::Pacer;
pub use scope::{ScopeKey, Scopes};

use caravan_model::Duration;

/// The bounds of pacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// With how many calls at the same time a connection begins, where its manifest names no bound.
    pub calls_at_first: u32,
    /// How many it may reach.
    pub calls_at_most: u32,
    /// A call that takes longer than this is no sign that more would go.
    pub slow_call: Duration,
    /// The first wait after a refusal for which the partner names none; doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait that we choose ourselves.
    pub longest_wait: Duration,
    /// The longest wait that we believe a partner.
    pub longest_closed: Duration,
    /// How long a lane that may go keeps its turn without asking again.
    pub patience: Duration,
    /// When to ask again where only another call's end can help.
    pub look_again: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            calls_at_first: 4,
            calls_at_most: 64,
            slow_call: Duration::SECOND.times(10),
            first_wait: Duration::SECOND,
            longest_wait: Duration::MINUTE.times(15),
            longest_closed: Duration::HOUR.times(25),
            patience: Duration::SECOND.times(2),
            look_again: Duration(20),
        }
    }
}
