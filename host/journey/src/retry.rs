//! What follows when a call fails: pure classification of a fault into one treatment (design, 11.6, 11.9, 11.10).
//! The waiting itself is a stored timer, never a sleep.
use caravan_model::{AudienceState, Cause, Code, Duration, Effect, Fault, Reason, Refusal, status::reason};

/// The bounds of retrying; the defaults are the design's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The first wait.
    pub first_wait: Duration,
    /// The longest wait that we choose ourselves.
    pub longest_wait: Duration,
    /// How long an operation may flow; holds stop this clock.
    pub flowing: Duration,
    /// How old an operation may become in all.
    pub in_all: Duration,
    /// How many poison rows a part may have before the lane is held.
    pub poison_rows: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            first_wait: Duration::SECOND,
            longest_wait: Duration::MINUTE.times(15),
            flowing: Duration::HOUR.times(72),
            in_all: Duration::DAY.times(30),
            poison_rows: 3,
        }
    }
}

/// What has happened to a part so far, this attempt included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// How many attempts failed in a row, this one included: 1 for the first. Halving starts anew.
    pub attempt: u32,
    /// Rows of the part as this attempt sent it.
    pub rows: u32,
    /// People of the part as this attempt sent it; halving never splits a person.
    pub people: u32,
    /// People of the part before any halving.
    pub people_at_first: u32,
    /// Extra calls that halving has made so far in search of poison: two each time.
    pub halved_calls: u32,
    /// Poison rows found so far in the part before any halving.
    pub poison_found: u32,
    /// Whether credentials were refreshed since a call last succeeded.
    pub refreshed: bool,
    /// How long its oldest operation has been flowing (age without holds).
    pub flowing: Duration,
    /// How old its oldest operation is.
    pub age: Duration,
    /// Removals owed to consent or erasure: never expire.
    pub owed: bool,
}

/// Why a part waits for its next attempt; people read it behind `waiting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiting {
    /// Over a quota.
    Throttled,
    /// The partner was down, slow or garbled.
    Retrying,
    /// The audience is still being prepared.
    Preparing,
}

impl Waiting {
    /// The word that people read, also the reason's code.
    pub fn word(self) -> &'static str {
        match self {
            Waiting::Throttled => "throttled",
            Waiting::Retrying => "retrying",
            Waiting::Preparing => "preparing",
        }
    }
}

/// How far a hold reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// This queue.
    Lane,
    /// All queues of the connection: its credentials or settings are at fault.
    Connection,
    /// All queues of the connector's version.
    Connector,
}

/// What follows. Each class of fault has exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// People wait until a person, or a mended cause, lets them on (promise 4).
    Hold {
        /// How far.
        reach: Reach,
        /// The code whose page explains it.
        code: Code,
        /// Stable code and the partner's words: `held-…`.
        reason: Reason,
        /// Where a person can mend it.
        link: Option<String>,
    },
    /// The same rows again after this wait.
    RetryAt {
        /// How long from now.
        after: Duration,
        /// Why.
        state: Waiting,
    },
    /// These rows are `rejected`, the rest is sent again at once in the same form.
    Strike {
        /// The rows, with the partner's code and words.
        rows: Vec<Refusal>,
    },
    /// The part is cut in two by people; both are sent.
    Halve,
    /// Credentials are fetched again once, then the same call is repeated at once.
    RefreshThenRepeat,
    /// Whoever is left in the part is `rejected`; the part is done. One person, or removals owed that the partner refuses.
    Reject {
        /// `poison-row`, `audience-too-small`, or the partner's.
        reason: Reason,
    },
    /// Retried for as long as allowed: everyone of the part is `expired`, findable and re-sendable.
    Expire {
        /// `retries-exhausted` and the last fault's words.
        reason: Reason,
    },
}

/// Classifies a fault. `effect` only matters for the words: a repeat has the same rows or fewer either way.
/// `draw` is a random number; it spreads our own waits between a half and the whole of the step.
pub fn treat(fault: &Fault, effect: Effect, history: &History, policy: &Policy, draw: u64) -> Treatment {
    let again = |after_ms: Option<u64>, state: Waiting, cause: &Cause| {
        if !history.owed && (history.flowing >= policy.flowing || history.age >= policy.in_all) {
            let words = format!("the last of {} attempts: {}: {cause}", history.attempt, state.word());
            return Treatment::Expire { reason: Reason::new(reason::RETRIES_EXHAUSTED, words) };
        }
        let after = after_ms.map_or_else(|| backoff(history.attempt, policy, draw), Duration);
        Treatment::RetryAt { after, state }
    };
    match fault {
        Fault::Throttled { after_ms, cause } => again(*after_ms, Waiting::Throttled, cause),
        Fault::Unavailable { after_ms, cause } => again(*after_ms, Waiting::Retrying, cause),
        Fault::Preparing { after_ms, cause } => again(*after_ms, Waiting::Preparing, cause),
        Fault::Unauthorized { .. } if !history.refreshed => Treatment::RefreshThenRepeat,
        Fault::Unauthorized { cause } => hold(Reach::Connection, Code::Unauthorized, "held-unauthorized", cause),
        Fault::Forbidden { cause } => hold(Reach::Lane, Code::Forbidden, "held-forbidden", cause),
        Fault::Terms { cause } => hold(Reach::Lane, Code::TermsUnsigned, "held-terms", cause),
        // Holding the queue would keep those out who could make the audience large enough. It is owed again later.
        Fault::Audience { state: AudienceState::TooSmall, cause } if history.owed => {
            Treatment::Reject { reason: Reason::new(reason::AUDIENCE_TOO_SMALL, cause.to_string()) }
        }
        Fault::Audience { state, cause } => {
            let code = match state {
                AudienceState::Missing => "held-audience-missing",
                AudienceState::NotWritable => "held-audience-not-writable",
                AudienceState::Blocked => "held-audience-blocked",
                AudienceState::TooSmall => "held-audience-too-small",
                AudienceState::Full => "held-audience-full",
            };
            hold(Reach::Lane, Code::AudienceMissing, code, cause)
        }
        Fault::Misconfigured { cause } => hold(Reach::Connection, Code::BadConnection, "held-misconfigured", cause),
        Fault::Outdated { cause } => hold(Reach::Connector, Code::UnknownConnector, "held-outdated", cause),
        Fault::Stopped { cause } => hold(Reach::Lane, Code::LimitBreached, "held-stopped", cause),
        Fault::Rows { refused } if !refused.is_empty() && refused.iter().all(|refusal| refusal.row < history.rows) => {
            Treatment::Strike { rows: refused.clone() }
        }
        Fault::Rows { .. } => {
            poison(&Cause::new("", "all rows were refused, and none was named"), effect, history, policy)
        }
        Fault::TooLarge if history.people > 1 => Treatment::Halve,
        Fault::TooLarge => {
            Treatment::Reject { reason: Reason::new("partner:too-large", "this person alone is too large for a call") }
        }
        Fault::Bug { cause } => poison(cause, effect, history, policy),
    }
}

/// Halves until the row stands alone that makes the connector fail (11.10). A part with too many such rows, or that
/// needed more calls than the search may cost, holds the lane: then it is not the rows.
fn poison(cause: &Cause, effect: Effect, history: &History, policy: &Policy) -> Treatment {
    let too_many = history.poison_found >= policy.poison_rows && history.people <= 1;
    let too_long =
        history.people > 1 && history.halved_calls >= halving_calls(history.people_at_first, history.poison_found);
    if too_many || too_long {
        return hold(Reach::Lane, Code::LimitBreached, "held-poison", cause);
    }
    if history.people > 1 {
        return Treatment::Halve;
    }
    let landed = if effect == Effect::MayHaveLanded { "; it may have reached the partner" } else { "" };
    Treatment::Reject {
        reason: Reason::new(reason::POISON, format!("this row alone makes the connector fail: {cause}{landed}")),
    }
}

/// How many extra calls the search for poison rows may cost: 2·log₂ n for each row found and the one sought.
pub fn halving_calls(people: u32, poison_found: u32) -> u32 {
    let levels = people.max(1).next_power_of_two().trailing_zeros();
    2 * levels * (poison_found + 1)
}

fn hold(reach: Reach, code: Code, reason_code: &str, cause: &Cause) -> Treatment {
    Treatment::Hold { reach, code, reason: Reason::new(reason_code, cause.to_string()), link: cause.link.clone() }
}

/// The wait before the next attempt where the partner names none: doubling from the first wait to the longest, of which
/// `draw` takes between a half and the whole.
pub fn backoff(attempt: u32, policy: &Policy, draw: u64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(40);
    let whole = policy.first_wait.0.saturating_mul(1 << doublings).min(policy.longest_wait.0);
    let half = whole / 2;
    Duration(half + if half == 0 { 0 } else { draw % (whole - half + 1) })
}
