//! An alert: one cause that lasts, from its first sight until it is mended.
use super::{AlertPolicy, Place};
use caravan_model::{AlertKind, Millis, Severity};
use serde::{Deserialize, Serialize};

/// What makes an alert the same alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// What it is about.
    pub kind: AlertKind,
    /// A queue (`queue-7`), a step (`win-back/sync`), a connection, or a connector and connection.
    pub subject: String,
    /// The cause's code; empty where the kind says it all. Another code is another alert.
    pub code: String,
}

/// What people read about a cause: names of ours, codes and counts, and nothing of any person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The queue's, step's, connector's or connection's name.
    pub name: String,
    /// The connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Steps that feel it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// How many: operations that wait, visits that failed, traps.
    pub count: u64,
    /// Out of how many, for rates.
    #[serde(default)]
    pub of: u64,
    /// The commonest reason codes behind a rate, with counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<(String, u64)>,
    /// The instant that matters: since when held, of the oldest operation, of the last trap, when a token ends.
    pub at: Millis,
}

/// A cause as one observation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) key: AlertKey,
    pub(super) severity: Severity,
    pub(super) facts: Facts,
}

/// An alert that is open, or was until a moment ago. One document per alert in the store, by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAlert {
    /// What it is.
    pub key: AlertKey,
    /// How bad. It rises at once, and falls after it has been less bad for a while.
    pub severity: Severity,
    /// Since when it has been less bad than `severity` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eased: Option<Millis>,
    /// When its cause was first seen.
    pub opened: Millis,
    /// Since when its cause has been gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<Millis>,
    /// How often its cause went and came back.
    #[serde(default)]
    pub flaps: u32,
    /// What people read.
    pub facts: Facts,
}

impl OpenAlert {
    pub(super) fn new(cause: Cause, now: Millis) -> OpenAlert {
        let Cause { key, severity, facts } = cause;
        OpenAlert { key, severity, eased: None, opened: now, clear: None, flaps: 0, facts }
    }

    /// Takes what an observation shows. Gives whether something changed that a restart must know.
    pub(super) fn see(&mut self, cause: Cause, now: Millis, policy: &AlertPolicy) -> bool {
        let before = (self.severity, self.eased, self.clear, self.flaps);
        let moved = self.facts.places != cause.facts.places || self.facts.name != cause.facts.name;
        self.facts = cause.facts;
        if self.clear.take().is_some() {
            self.flaps = self.flaps.saturating_add(1);
        }
        if cause.severity >= self.severity {
            (self.severity, self.eased) = (cause.severity, None);
        } else {
            let since = *self.eased.get_or_insert(now);
            if now.since(since) >= policy.damp {
                (self.severity, self.eased) = (cause.severity, None);
            }
        }
        moved || before != (self.severity, self.eased, self.clear, self.flaps)
    }

    /// What is wrong, in one line: names of ours, codes and counts, and nothing of any person.
    pub fn words(&self, now: Millis) -> String {
        super::words::what(self, now)
    }

    /// What a person does about it.
    pub fn cure(&self) -> String {
        super::words::cure(&self.key)
    }

    /// Whether its cause is there at this moment.
    pub fn is_active(&self) -> bool {
        self.clear.is_none()
    }

    /// Whether its cause has been gone for long enough to call it mended.
    pub(super) fn is_over(&self, now: Millis, policy: &AlertPolicy) -> bool {
        self.clear.is_some_and(|clear| now.since(clear) >= policy.settle)
    }

    /// Whether there is something to tell: the cause is there, or comes and goes.
    pub(super) fn is_felt(&self, now: Millis, policy: &AlertPolicy) -> bool {
        self.is_active() || (self.flaps > 0 && !self.is_over(now, policy))
    }
}
