//! Simulated time: tokio's paused clock, which jumps to the next timer whenever nothing else is to be done.
use caravan_model::Millis;
use caravan_model::port::Clock;
use std::time::Duration;
use tokio::time::Instant;

/// When every simulation begins: midnight UTC, so that simulated days are easy to count.
pub const BEGIN: Millis = Millis(1_767_225_600_000);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// The host's and the partner's clock.
pub struct SimClock(Instant);

impl SimClock {
    pub fn new() -> SimClock {
        SimClock(Instant::now())
    }
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        Millis(BEGIN.0 + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// An instant of a simulation.
pub fn at(since_begin: Duration) -> Millis {
    Millis(BEGIN.0 + i64::try_from(since_begin.as_millis()).unwrap())
}

/// So long after an instant.
pub fn after(instant: Millis, so_long: Duration) -> Millis {
    Millis(instant.0 + i64::try_from(so_long.as_millis()).unwrap())
}

/// Which simulated day an instant is in, from 0.
pub fn day_of(instant: Millis) -> i64 {
    (instant.0 - BEGIN.0).div_euclid(86_400_000)
}
