//! A clock for tests.
use caravan_model::Millis;
use caravan_model::port::{Clock, SystemClock};
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that can be moved.
pub struct MovedClock(pub AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Millis {
        Millis(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}
