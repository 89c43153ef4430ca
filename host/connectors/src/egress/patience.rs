//! How long a call waits for the partner: what its lateness is blamed on.
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};
use tokio::time::Instant;

/// The time during which at least one request of a call waits for the partner: for the head of an answer, or for more of
/// its body. It ends when something comes, also where the guest does not look at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience(Arc<Mutex<Waits>>);

#[derive(Debug, Default)]
struct Waits {
    /// The requests that wait.
    now: BTreeSet<usize>,
    since: Option<Instant>,
    before: Duration,
}

impl Patience {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins to wait.
    pub(crate) fn begin(&self, index: usize) {
        let mut waits = self.lock();
        waits.now.insert(index);
        waits.since.get_or_insert_with(Instant::now);
    }

    /// A request does not wait any more.
    pub(crate) fn end(&self, index: usize) {
        let mut waits = self.lock();
        waits.now.remove(&index);
        if waits.now.is_empty()
            && let Some(since) = waits.since.take()
        {
            waits.before += since.elapsed();
        }
    }

    /// Whether a request waits.
    pub(crate) fn is_waiting(&self, index: usize) -> bool {
        self.lock().now.contains(&index)
    }

    /// How long the partner was waited for in all.
    pub(crate) fn total(&self) -> Duration {
        let waits = self.lock();
        waits.before + waits.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// A waker that ends a request's waiting before it wakes whoever waits.
    pub(crate) fn waker(&self, index: usize, waker: &Waker) -> Waker {
        Arc::new(Bell { patience: self.clone(), index, waker: waker.clone() }).into()
    }
}

struct Bell {
    patience: Patience,
    index: usize,
    waker: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.patience.end(self.index);
        self.waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_is_counted_once_however_many_wait_and_ends_with_what_comes() {
        let patience = Patience::default();
        let second = Duration::from_secs(1);
        patience.begin(0);
        tokio::time::advance(second).await;
        patience.begin(1);
        patience.begin(0);
        tokio::time::advance(second).await;
        patience.end(0);
        tokio::time::advance(second).await;
        assert_eq!((patience.total(), patience.is_waiting(0), patience.is_waiting(1)), (3 * second, false, true));
        // Something comes; that the guest sleeps instead of reading it is no waiting.
        patience.waker(1, Waker::noop()).wake();
        tokio::time::advance(10 * second).await;
        assert_eq!(patience.total(), 3 * second);
    }
}
