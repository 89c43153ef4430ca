//! What only delivery and the checks of connections know, on its way to the alerts.
use caravan_model::{LaneId, Millis};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a runner's tasks call out and its [`super::Watch`] hears. Calling is cheap, and harmless where nobody listens.
///
/// ```
/// use caravan_model::{LaneId, Millis};
/// let signals = caravan_runner::alerts::Signals::default();
/// signals.trapped("acme-meta", LaneId(7));
/// signals.token_ends("acme-meta", Some(Millis(1_800_000_000_000)));
/// ```
#[derive(Debug, Default)]
pub struct Signals(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    traps: BTreeMap<(String, LaneId), u64>,
    tokens: BTreeMap<String, Option<Millis>>,
}

impl Signals {
    /// A connector trapped or broke one of its limits while it served this connection's queue. Once per call.
    pub fn trapped(&self, connection: &str, lane: LaneId) {
        *self.heard().traps.entry((connection.to_owned(), lane)).or_default() += 1;
    }

    /// When the token of a connection ends, as far as it is known; `None` where it is known to have no end.
    pub fn token_ends(&self, connection: &str, at: Option<Millis>) {
        self.heard().tokens.insert(connection.to_owned(), at);
    }

    /// Traps since the last call.
    pub(super) fn take_traps(&self) -> BTreeMap<(String, LaneId), u64> {
        std::mem::take(&mut self.heard().traps)
    }

    /// All that is known of tokens' ends.
    pub(super) fn tokens(&self) -> BTreeMap<String, Option<Millis>> {
        self.heard().tokens.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
