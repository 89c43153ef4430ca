//! A notice: what one subscription is told at once, and what becomes of its sending.
use super::{AlertKey, AlertPolicy};
use caravan_model::alert::SendError;
use caravan_model::{AlertKind, Duration, Millis, Severity, SubscriptionId};
use serde::{Deserialize, Serialize};

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Opened,
    /// It was told before, and is critical now.
    Worse,
    /// It was told before, and is still there.
    Still,
    /// It is over.
    Mended,
}

impl Change {
    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Change::Opened => "new",
            Change::Worse => "worse",
            Change::Still => "still",
            Change::Mended => "mended",
        }
    }
}

/// One line of a notice: an alert, or several of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened.
    pub change: Change,
    /// What it is about.
    pub kind: AlertKind,
    /// How bad it is, or was.
    pub severity: Severity,
    /// The cause's code; may be empty.
    pub code: String,
    /// How many alerts.
    pub alerts: u64,
    /// What is wrong, or mended.
    pub words: String,
    /// What to do; nothing where it is mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    /// The page of the step, where there is a public URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The command that shows more.
    pub command: String,
}

/// An incident as PagerDuty keeps it: all alerts of one kind, severity and connection (or canvas) of one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its `dedup_key`, at most 255 characters.
    pub key: String,
    /// Whether any of its alerts is open still.
    pub open: bool,
    /// What it is about.
    pub kind: AlertKind,
    /// How bad.
    pub severity: Severity,
    /// The connection, else the canvas.
    pub group: String,
    /// The queue, step, connector or connection.
    pub component: String,
    /// One line.
    pub summary: String,
    /// The page of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What a subscription is told at once. One document per notice in the store, from its making until it is sent or
/// given up; a subscription never has two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Unique for ever; the same for every sending.
    pub id: String,
    /// To whom.
    pub subscription: SubscriptionId,
    /// The worst of its lines.
    pub severity: Severity,
    /// One line about all.
    pub subject: String,
    /// One line per cause, the worst first.
    pub lines: Vec<Line>,
    /// What else to know: alerts that came and went untold, notices held back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The page of the first step named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether it only says what is mended.
    pub recovery: bool,
    /// Incidents that it opens, keeps open or resolves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// Every alert it tells of.
    pub alerts: Vec<(Change, AlertKey)>,
    /// When it was made.
    pub made: Millis,
    /// When it is to be sent.
    pub due: Millis,
    /// How often sending has failed.
    pub tries: u32,
}

/// What follows a failed sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Again at its new `due`.
    Again(Box<Notice>),
    /// No more; the line says why.
    GivenUp(String),
}

impl Notice {
    /// What follows a failed sending. Waits grow; nobody else hears of it, so the line is for the log.
    pub(super) fn failed(mut self, now: Millis, wrong: &SendError, policy: &AlertPolicy) -> Failed {
        self.tries = self.tries.saturating_add(1);
        let doublings = self.tries.saturating_sub(1).min(32);
        let own = policy.retry_first.0.saturating_mul(1 << doublings).min(policy.retry_longest.0);
        let wait = wrong.after.map_or(own, |after| after.0.clamp(own, Duration::HOUR.0));
        self.due = now.after(Duration(wait));
        let end = self.made.after(policy.give_up);
        if wrong.again && self.due < end {
            return Failed::Again(Box::new(self));
        }
        Failed::GivenUp(format!(
            "the notice {} to subscription {} was given up after {} tries: {}",
            self.id, self.subscription, self.tries, wrong.words
        ))
    }
}
