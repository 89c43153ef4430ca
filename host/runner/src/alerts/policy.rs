//! When something is worth an alert, and how much a person hears of it.
use caravan_model::Duration;
use serde::{Deserialize, Serialize};

/// Thresholds and bounds. The defaults keep the promises: told within 60 s of the cause, and never a storm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertPolicy {
    /// Where people reach the web canvas, without a slash at its end; links to steps begin with it. Without it notices
    /// name commands instead.
    pub public_url: Option<String>,
    /// Who speaks: the installation's name.
    pub source: String,

    /// Per cent of a step's final visits that were rejected, expired or failed: a warning.
    pub error_warning: u32,
    /// The same: critical.
    pub error_critical: u32,
    /// Per cent of a step's final visits that were skipped: a warning.
    pub skip_warning: u32,
    /// Fewer final visits than this say nothing about a rate.
    pub rate_least: u64,
    /// The span over which rates are counted.
    pub window: Duration,
    /// How old a queue's oldest unsent operation is: a warning.
    pub late_warning: Duration,
    /// The same: critical.
    pub late_critical: Duration,
    /// How long before a token's end: a warning.
    pub token_warning: Duration,
    /// The same: critical.
    pub token_critical: Duration,
    /// How long a connector's last trap counts.
    pub trap_memory: Duration,
    /// So many traps within that are critical.
    pub traps_critical: u64,

    /// How long an endpoint rests and fails: critical, before that a warning.
    pub endpoint_critical: Duration,
    /// Bytes that the store's disk must have left: with less nothing is taken in any more, which is critical. Twice that
    /// is a warning.
    pub least_free: u64,
    /// Bytes that the store may take, the same; 0 = no bound. Four fifths of it are a warning.
    pub largest_store: u64,

    /// Causes that arise within this span become one notice.
    pub gather: Duration,
    /// How long a cause must be gone before it counts as mended.
    pub settle: Duration,
    /// An alert that comes back within this span of its recovery notice is not told again before the span is over.
    pub damp: Duration,
    /// At most so many notices per subscription within any hour.
    pub notices_per_hour: u32,
    /// Of these, kept back for what is newly critical.
    pub kept_for_critical: u32,
    /// When an alert that is still open is told again first; each further repeat waits four times as long.
    pub repeat_first: Duration,
    /// The longest wait between two repeats.
    pub repeat_longest: Duration,

    /// The first wait after a failed sending; it doubles.
    pub retry_first: Duration,
    /// The longest wait between two sendings.
    pub retry_longest: Duration,
    /// After so long a notice that cannot be sent is given up.
    pub give_up: Duration,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        AlertPolicy {
            public_url: None,
            source: "caravan".to_owned(),
            error_warning: 5,
            error_critical: 25,
            skip_warning: 50,
            rate_least: 100,
            window: Duration::MINUTE.times(10),
            late_warning: Duration::MINUTE.times(10),
            late_critical: Duration::HOUR,
            token_warning: Duration::DAY.times(7),
            token_critical: Duration::DAY,
            trap_memory: Duration::MINUTE.times(15),
            traps_critical: 10,
            endpoint_critical: Duration::MINUTE.times(15),
            least_free: 256 << 20,
            largest_store: 0,
            gather: Duration::SECOND.times(10),
            settle: Duration::SECOND.times(30),
            damp: Duration::MINUTE.times(10),
            notices_per_hour: 20,
            kept_for_critical: 8,
            repeat_first: Duration::HOUR,
            repeat_longest: Duration::DAY,
            retry_first: Duration::SECOND.times(10),
            retry_longest: Duration::MINUTE.times(5),
            give_up: Duration::DAY,
        }
    }
}

impl AlertPolicy {
    /// Whether the promises can be kept with these numbers.
    ///
    /// # Errors
    /// The first number that breaks one, in plain words.
    pub fn check(&self) -> Result<(), String> {
        let span = |name: &str, span: Duration, longest: Duration| {
            if span > longest { Err(format!("`{name}` is {span}, at most {longest} is possible")) } else { Ok(()) }
        };
        span("gather", self.gather, Duration::SECOND.times(20))?;
        span("settle", self.settle, Duration::MINUTE)?;
        if self.kept_for_critical >= self.notices_per_hour {
            return Err("`kept_for_critical` must be less than `notices_per_hour`".to_owned());
        }
        if self.retry_first.0 == 0 || self.repeat_first < Duration::MINUTE.times(10) {
            return Err("`retry_first` must not be 0s, nor `repeat_first` less than 10m".to_owned());
        }
        if self.public_url.as_deref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err("`public_url` begins with https:// or http://".to_owned());
        }
        Ok(())
    }

    /// How many notices a subscription may get within an hour.
    pub(super) fn budget(&self, urgent: bool) -> usize {
        let kept = if urgent { 0 } else { self.kept_for_critical };
        self.notices_per_hour.saturating_sub(kept) as usize
    }
}
