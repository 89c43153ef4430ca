//! What the pacer is asked and what it answers.
use super::Scopes;
use caravan_model::manifest::QuotaUnit;
use caravan_model::port::{Answer, CallOutcome};
use caravan_model::{Charge, Duration, Fault, LaneId, Millis};

/// A lane asks whether it may make an attempt.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Who asks; takes turns with others of the same scope.
    pub lane: LaneId,
    /// Where.
    pub scopes: &'a Scopes,
    /// What the attempt will cost, as far as is known.
    pub cost: Spent,
}

/// What an attempt costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests.
    pub calls: u64,
    /// Rows.
    pub rows: u64,
    /// Body bytes.
    pub bytes: u64,
}

impl Spent {
    /// One request with so many rows, of unknown size.
    pub fn call(rows: u64) -> Spent {
        Spent { calls: 1, rows, bytes: 0 }
    }

    /// What a call did cost: its requests, also those that never connected, and their bodies.
    pub fn of(outcome: &CallOutcome, rows: u64) -> Spent {
        let bytes = outcome.requests.iter().map(|request| request.body_bytes).sum();
        Spent { calls: outcome.requests.len() as u64, rows, bytes }
    }

    pub(super) fn in_unit(&self, unit: QuotaUnit) -> u64 {
        match unit {
            QuotaUnit::Calls => self.calls,
            QuotaUnit::Rows => self.rows,
            QuotaUnit::Bytes => self.bytes,
            QuotaUnit::InFlight => 1,
        }
    }

    pub(super) fn beyond(&self, asked: &Spent) -> Spent {
        Spent {
            calls: self.calls.saturating_sub(asked.calls),
            rows: self.rows.saturating_sub(asked.rows),
            bytes: self.bytes.saturating_sub(asked.bytes),
        }
    }
}

/// Whether an attempt may go.
#[derive(Debug)]
pub enum Admission {
    /// Now; its charge is taken.
    Go(Ticket),
    /// Not before.
    Wait {
        /// When to ask again; an earlier question is welcome, for instance after another call has ended.
        until: Millis,
        /// What stands in the way, for people.
        why: Why,
    },
}

/// What stands in a call's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Another lane has the turn.
    Turn,
    /// Enough calls are under way.
    InFlight,
    /// The partner says that its quota is nearly spent.
    Easing,
    /// A quota is spent.
    Quota,
    /// The partner wants no calls until then.
    Closed,
}

impl Why {
    /// The words that people read behind `waiting`.
    pub fn words(self) -> &'static str {
        match self {
            Why::Turn => "another queue has the turn",
            Why::InFlight => "enough calls are under way",
            Why::Easing => "the partner's quota is nearly spent",
            Why::Quota => "the quota is spent for now",
            Why::Closed => "the partner asked to wait",
        }
    }
}

/// An attempt that may go. Given back to [`super::Pacer::ended`], whatever becomes of it.
#[derive(Debug)]
#[must_use = "an attempt that never ends counts as under way for ever"]
pub struct Ticket {
    /// What to store along with the attempt.
    pub charges: Vec<Charge>,
    pub(super) at: Millis,
    pub(super) scopes: Scopes,
    pub(super) cost: Spent,
}

/// What an attempt's end says about the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The partner took the call.
    Fine,
    /// The partner wants fewer calls, and names a wait or not.
    Throttled {
        /// The wait.
        after: Option<Duration>,
    },
    /// The partner was down, slow or garbled.
    Unavailable {
        /// The wait that it names.
        after: Option<Duration>,
    },
    /// Nothing: the call failed for its own reasons, or never left.
    Silent,
}

impl Flow {
    /// Reads it from a call's outcome.
    pub fn of(outcome: &CallOutcome) -> Flow {
        let fault = match &outcome.answer {
            Ok(Answer::Report(report)) => report.fault.as_ref(),
            Ok(_) => None,
            Err(fault) => Some(fault),
        };
        match fault {
            None | Some(Fault::Rows { .. }) => Flow::Fine,
            Some(Fault::Throttled { after_ms, .. }) => Flow::Throttled { after: after_ms.map(Duration) },
            Some(Fault::Unavailable { after_ms, .. }) => Flow::Unavailable { after: after_ms.map(Duration) },
            Some(_) => Flow::Silent,
        }
    }
}
