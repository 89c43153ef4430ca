//! The status and reason of a visit. Every visit has exactly one of each at any moment.
use serde::{Deserialize, Serialize};

/// The status of one entry at one step. The numbers are the store's format: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Status {
    /// Not final: in a delay, or in a queue.
    Waiting = 0,
    /// Accepted by the partner; never a claim of a match.
    Synced = 1,
    /// Membership already held it: no call was needed.
    Unchanged = 2,
    /// Not sent, for a reason of the person's.
    Skipped = 3,
    /// The partner refused this person.
    Rejected = 4,
    /// Left the canvas while waiting here.
    Exited = 5,
    /// Could not be sent in time; can be re-sent.
    Expired = 6,
    /// Went through a step other than a sync.
    Passed = 7,
    /// A webhook that failed.
    Failed = 8,
    /// In the control group: the entry ended at once.
    Control = 9,
}

impl Status {
    /// All, in the order in which people read them.
    pub const ALL: [Status; 10] = [
        Status::Synced,
        Status::Unchanged,
        Status::Passed,
        Status::Waiting,
        Status::Skipped,
        Status::Rejected,
        Status::Failed,
        Status::Expired,
        Status::Exited,
        Status::Control,
    ];

    /// The store's number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// From the store's number.
    pub fn from_number(number: u8) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.number() == number)
    }

    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Synced => "synced",
            Status::Unchanged => "unchanged",
            Status::Skipped => "skipped",
            Status::Rejected => "rejected",
            Status::Exited => "exited",
            Status::Expired => "expired",
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::Control => "control",
        }
    }

    /// Whether a `when_synced` entry goes on by `next` (else by `otherwise`).
    pub fn is_success(self) -> bool {
        matches!(self, Status::Synced | Status::Unchanged | Status::Passed)
    }
}

/// Why a visit has its status: a stable code that people can filter by, and words of the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, lower-case, hyphenated: `no-identifier`, `consent-denied`, `superseded`, or `partner:<code>` for a
    /// partner's refusal. Empty where the status says it all.
    pub code: String,
    /// Plain words, without identifiers; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

impl Reason {
    /// A reason with a code and words.
    pub fn new(code: impl Into<String>, words: impl Into<String>) -> Reason {
        Reason { code: code.into(), words: words.into() }
    }

    /// No reason needed.
    pub fn none() -> Reason {
        Reason::default()
    }
}

/// The codes of reasons that Caravan itself gives; [`reasons`](crate::reasons) has their words and cures.
pub mod reason {
    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $code;)*

            /// All of them.
            pub const ALL: &[&str] = &[$($code),*];
        };
    }

    codes! {
        /// No match key of the step has a usable value for this person.
        NO_IDENTIFIER = "no-identifier";
        /// Consent for the purpose was denied.
        CONSENT_DENIED = "consent-denied";
        /// Consent for the purpose is unknown, and a policy demands it.
        CONSENT_UNKNOWN = "consent-unknown";
        /// *Do not sell or share* is set.
        DO_NOT_SELL = "do-not-sell-or-share";
        /// Only device ids were usable, and tracking is off.
        TRACKING_OFF = "tracking-off";
        /// A newer operation of the same person took its place before sending.
        SUPERSEDED = "superseded";
        /// The profile was erased.
        ERASED = "erased";
        /// The entry ended before this was sent.
        EXITED = "exited";
        /// The person's other profile, with which this one was merged, is in the canvas.
        MERGED = "merged";
        /// The row alone made the connector fail.
        POISON = "poison-row";
        /// The partner refuses a removal that consent or erasure owes, because the audience would become too small.
        AUDIENCE_TOO_SMALL = "audience-too-small";
        /// A branch's arm was taken.
        BRANCH = "branch";
        /// An experiment's variant was drawn.
        VARIANT = "variant";
        /// The date that a delay waits for is not known of the person.
        NO_DATE = "no-date";
        /// The date that a delay waits for has passed.
        DATE_PASSED = "date-passed";
        /// What a step waited for happened.
        HAPPENED = "happened";
        /// What a step waited for did not happen in time.
        TIMED_OUT = "timed-out";
        /// In the canvas's control group.
        CONTROL = "control-group";
        /// The canvas had let in as many as it may.
        CAPPED = "cap";
        /// A webhook's body names something that is not known of the person.
        TEMPLATE_MISSING = "template-missing";
        /// A webhook's body cannot be made from this person's values.
        TEMPLATE_FAILED = "template-failed";
        /// A webhook's endpoint refused the request.
        WEBHOOK_REFUSED = "webhook-refused";
        /// A webhook was retried for as long as allowed.
        WEBHOOK_EXPIRED = "webhook-expired";
        /// A call is made again later.
        RETRYING = "retrying";
        /// Retried for as long as allowed.
        RETRIES_EXHAUSTED = "retries-exhausted";
        /// The batch is filling.
        BATCHING = "batching";
    }
}
