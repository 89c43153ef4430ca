//! Alerts: what can be wrong, how badly, who wants to hear of it and by which way.
mod channel;
mod message;

pub use channel::{Channel, MailAddress, PAGERDUTY, WebPlace, WebUrl};
pub use message::{Message, Messenger, SendError};

use crate::{CanvasId, SubscriptionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// A queue is held: people wait until something is mended.
    QueueHeld,
    /// Too many of a step's people were rejected or expired.
    ErrorRate,
    /// The oldest person of a queue has waited too long.
    Lateness,
    /// Too many of a step's people were skipped.
    SkipRate,
    /// A connector trapped, or broke one of its limits.
    ConnectorTrapped,
    /// The token of a connection is about to end.
    TokenEnds,
    /// A partner refuses a removal that is owed to consent or erasure.
    OwedRemovalRefused,
    /// A webhook step's endpoint rests: it fails, and people wait for it.
    EndpointRests,
    /// The store's disk is nearly full: soon, or already, nothing is taken in any more.
    DiskFull,
}

impl AlertKind {
    /// All kinds, in the order in which people read them.
    pub const ALL: [AlertKind; 9] = [
        AlertKind::QueueHeld,
        AlertKind::ErrorRate,
        AlertKind::Lateness,
        AlertKind::SkipRate,
        AlertKind::ConnectorTrapped,
        AlertKind::TokenEnds,
        AlertKind::OwedRemovalRefused,
        AlertKind::EndpointRests,
        AlertKind::DiskFull,
    ];

    /// The word in files, on the command line and in messages.
    pub fn word(self) -> &'static str {
        match self {
            AlertKind::QueueHeld => "queue-held",
            AlertKind::ErrorRate => "error-rate",
            AlertKind::Lateness => "lateness",
            AlertKind::SkipRate => "skip-rate",
            AlertKind::ConnectorTrapped => "connector-trapped",
            AlertKind::TokenEnds => "token-ends",
            AlertKind::OwedRemovalRefused => "owed-removal-refused",
            AlertKind::EndpointRests => "endpoint-rests",
            AlertKind::DiskFull => "disk-full",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for AlertKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        AlertKind::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| {
            let words: Vec<&str> = AlertKind::ALL.into_iter().map(AlertKind::word).collect();
            format!("`{text}` is no kind of alert: write one of {}", words.join(", "))
        })
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A person should look soon.
    #[default]
    Warning,
    /// People wait, are lost to the partner, or a promise is at stake: look now.
    Critical,
}

impl Severity {
    /// The word in files, on the command line and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "warning" => Ok(Severity::Warning),
            "critical" => Ok(Severity::Critical),
            _ => Err(format!("`{text}` is no severity: write warning or critical")),
        }
    }
}

/// Who wants to hear of what.
///
/// ```
/// use caravan_model::{AlertKind, Severity, Subscription};
/// let text = r#"{"id": "night-shift", "connection": "acme-meta", "kinds": ["queue-held"],
///     "at_least": "critical", "to": {"slack": {"url": {"env": "SLACK_HOOK"}}}}"#;
/// let wanted: Subscription = serde_json::from_str(text).unwrap();
/// assert!(wanted.wants(AlertKind::QueueHeld, Severity::Critical));
/// assert!(!wanted.wants(AlertKind::QueueHeld, Severity::Warning));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Its name.
    pub id: SubscriptionId,
    /// Only alerts that concern this canvas. Without a canvas and a connection: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canvas: Option<CanvasId>,
    /// Only alerts that concern this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Only alerts of these kinds; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<AlertKind>,
    /// Only alerts at least as bad.
    #[serde(default)]
    pub at_least: Severity,
    /// By which way.
    pub to: Channel,
}

impl Subscription {
    /// Whether alerts of this kind and severity are wanted, wherever they arise.
    pub fn wants(&self, kind: AlertKind, severity: Severity) -> bool {
        severity >= self.at_least && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_severity_reads_back_from_its_word() {
        for kind in AlertKind::ALL {
            assert_eq!(kind.word().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        for severity in [Severity::Warning, Severity::Critical] {
            assert_eq!(severity.word().parse(), Ok(severity));
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.word());
        }
        assert!("queue".parse::<AlertKind>().unwrap_err().contains("token-ends"));
        assert!("fatal".parse::<Severity>().is_err());
    }

    #[test]
    fn a_subscription_refuses_unknown_fields_and_defaults_to_everything() {
        let plain: Subscription =
            serde_json::from_str(r#"{"id": "all", "to": {"mail": {"address": "ops@acme.example"}}}"#).unwrap();
        assert!(AlertKind::ALL.into_iter().all(|kind| plain.wants(kind, Severity::Warning)));
        let back: Subscription = serde_json::from_value(serde_json::to_value(&plain).unwrap()).unwrap();
        assert_eq!(back, plain);
        let wrong = r#"{"id": "all", "severity": "critical", "to": {"mail": {"address": "ops@acme.example"}}}"#;
        assert!(serde_json::from_str::<Subscription>(wrong).unwrap_err().to_string().contains("severity"));
    }
}
