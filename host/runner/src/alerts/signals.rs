//! What only delivery and the checks of connections know, on its way to the alerts.
use caravan_model::port::{Answer, CallOutcome};
use caravan_model::{Fault, LaneId, Millis};
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
    endpoints: BTreeMap<String, (Millis, u64)>,
}

impl Signals {
    /// A connector trapped or broke one of its limits while it served this connection's queue. Once per call.
    pub fn trapped(&self, connection: &str, lane: LaneId) {
        *self.heard().traps.entry((connection.to_owned(), lane)).or_default() += 1;
    }

    /// A call ended like this: hears it where the connector trapped or broke one of its limits.
    pub fn called(&self, connection: &str, lane: LaneId, outcome: &CallOutcome) {
        let fault = match &outcome.answer {
            Ok(Answer::Report(report)) => report.fault.as_ref(),
            Ok(_) => None,
            Err(fault) => Some(fault),
        };
        if matches!(fault, Some(Fault::Bug { .. } | Fault::Stopped { .. })) {
            self.trapped(connection, lane);
        }
    }

    /// When the token of a connection ends, as far as it is known; `None` where it is known to have no end.
    pub fn token_ends(&self, connection: &str, at: Option<Millis>) {
        self.heard().tokens.insert(connection.to_owned(), at);
    }

    /// An endpoint rests for so many times in a row by now; 0 = it answers again.
    pub fn endpoint_rests(&self, endpoint: &str, rests: u32, now: Millis) {
        let mut heard = self.heard();
        if rests == 0 {
            heard.endpoints.remove(endpoint);
        } else {
            heard.endpoints.entry(endpoint.to_owned()).or_insert((now, 0)).1 = rests.into();
        }
    }

    /// Endpoints that rest: since when, and how often they did.
    pub(super) fn endpoints(&self) -> BTreeMap<String, (Millis, u64)> {
        self.heard().endpoints.clone()
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

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::{Cause, Effect, Report};

    #[test]
    fn only_calls_that_trapped_or_broke_a_limit_are_heard() {
        let signals = Signals::default();
        let cause = || Cause::new("", "words");
        let outcome = |answer: Result<Answer, Fault>| CallOutcome {
            answer,
            effect: Effect::None,
            requests: Vec::new(),
            usage: Vec::new(),
            log: Vec::new(),
        };
        for answer in [
            Ok(Answer::Report(Report::default())),
            Ok(Answer::Report(Report::fault(Fault::Unauthorized { cause: cause() }))),
            Ok(Answer::Later(5)),
            Ok(Answer::Report(Report::fault(Fault::Bug { cause: cause() }))),
            Err(Fault::Stopped { cause: cause() }),
        ] {
            signals.called("c", LaneId(1), &outcome(answer));
        }
        assert_eq!(signals.take_traps().into_iter().collect::<Vec<_>>(), [(("c".to_owned(), LaneId(1)), 2)]);
        assert!(signals.take_traps().is_empty());
    }
}
