//! What a connector answers: the host's mirror of `wit/`'s `report` and `fault`, and what the host itself adds.
use serde::{Deserialize, Serialize};

/// A row that the partner did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The row, from 0.
    pub row: u32,
    /// The partner's code.
    pub code: String,
    /// Plain words.
    pub message: String,
}

/// A partner's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The partner's code, sub-code after a slash.
    pub code: String,
    /// Plain words: what happened and what to do next.
    pub message: String,
    /// Where a person can mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Cause {
    /// A cause without a link.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Cause {
        Cause { code: code.into(), message: message.into(), link: None }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.code.is_empty() { f.write_str(&self.message) } else { write!(f, "{} ({})", self.message, self.code) }
    }
}

/// What is wrong with an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudienceState {
    /// Gone or invisible.
    Missing,
    /// Takes no members from us.
    NotWritable,
    /// Blocked until a person acts.
    Blocked,
    /// Would become too small.
    TooSmall,
    /// At the partner's limit.
    Full,
}

/// Why a call could not be done. Each class has one treatment, see `journey::retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// Over a quota; `after_ms` where the partner says how long.
    Throttled {
        /// Milliseconds, where the partner says.
        after_ms: Option<u64>,
        /// The partner's words.
        cause: Cause,
    },
    /// Down, slow or garbled.
    Unavailable {
        /// Milliseconds, where the partner says.
        after_ms: Option<u64>,
        /// The partner's words.
        cause: Cause,
    },
    /// The audience is still being prepared.
    Preparing {
        /// Milliseconds, where the partner says.
        after_ms: Option<u64>,
        /// The partner's words.
        cause: Cause,
    },
    /// Credentials dead: refresh once, then hold.
    Unauthorized {
        /// The partner's words.
        cause: Cause,
    },
    /// Credentials may not do this: hold.
    Forbidden {
        /// The partner's words.
        cause: Cause,
    },
    /// Terms unsigned: hold.
    Terms {
        /// The partner's words.
        cause: Cause,
    },
    /// The audience cannot take it: hold.
    Audience {
        /// What is wrong with it.
        state: AudienceState,
        /// The partner's words.
        cause: Cause,
    },
    /// Nothing was processed because of these rows: strike them, send the rest.
    Rows {
        /// The rows.
        refused: Vec<Refusal>,
    },
    /// Nothing was processed because the call was too large: halve it.
    TooLarge,
    /// A setting is wrong: hold.
    Misconfigured {
        /// What is wrong.
        cause: Cause,
    },
    /// The partner no longer serves this version: hold.
    Outdated {
        /// The partner's words.
        cause: Cause,
    },
    /// The connector's own mistake, also a trap: halve to find the poison row, then hold.
    Bug {
        /// What happened.
        cause: Cause,
    },
    /// Stopped by the host: a denied request, a breached limit, a wrong answer. Holds this lane at once: a
    /// repeat would breach again.
    Stopped {
        /// Which limit or rule, and what would allow it.
        cause: Cause,
    },
}

impl Fault {
    /// The class as people read it and metrics label it.
    pub fn class(&self) -> &'static str {
        match self {
            Fault::Throttled { .. } => "throttled",
            Fault::Unavailable { .. } => "unavailable",
            Fault::Preparing { .. } => "preparing",
            Fault::Unauthorized { .. } => "unauthorized",
            Fault::Forbidden { .. } => "forbidden",
            Fault::Terms { .. } => "terms",
            Fault::Audience { .. } => "audience",
            Fault::Rows { .. } => "rows",
            Fault::TooLarge => "too-large",
            Fault::Misconfigured { .. } => "misconfigured",
            Fault::Outdated { .. } => "outdated",
            Fault::Bug { .. } => "bug",
            Fault::Stopped { .. } => "stopped",
        }
    }

    /// The partner's words, where the class carries any.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Fault::Throttled { cause, .. }
            | Fault::Unavailable { cause, .. }
            | Fault::Preparing { cause, .. }
            | Fault::Unauthorized { cause }
            | Fault::Forbidden { cause }
            | Fault::Terms { cause }
            | Fault::Audience { cause, .. }
            | Fault::Misconfigured { cause }
            | Fault::Outdated { cause }
            | Fault::Bug { cause }
            | Fault::Stopped { cause } => Some(cause),
            Fault::Rows { .. } | Fault::TooLarge => None,
        }
    }
}

/// What became of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Half-open ranges of rows that the partner took, ascending.
    pub settled: Vec<(u32, u32)>,
    /// Rows named as not taken.
    pub refused: Vec<Refusal>,
    /// Refused without being named; these stay among the settled.
    pub unnamed_refused: u32,
    /// A reference for `follow-up`.
    pub pending: Option<String>,
    /// Why not everything was done.
    pub fault: Option<Fault>,
}

impl Report {
    /// A report that only carries a fault.
    pub fn fault(fault: Fault) -> Report {
        Report { fault: Some(fault), ..Report::default() }
    }
}

/// What a call may have done at the partner (design, 11.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Egress never connected, or the partner's answer proves that nothing happened.
    None,
    /// Anything else.
    #[default]
    MayHaveLanded,
}
