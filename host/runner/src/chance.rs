//! Chance and threads: what makes two runs of the same people differ. A seed takes both away, so that a simulation can
//! be repeated call by call.
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinError;

/// Where random numbers come from, and where pure work is done.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    seeded: Option<Mutex<fastrand::Rng>>,
}

impl Chance {
    /// The machine's own, or what a seed gives.
    pub(crate) fn new(seed: Option<u64>) -> Chance {
        Chance { seeded: seed.map(|seed| Mutex::new(fastrand::Rng::with_seed(seed))) }
    }

    /// Whether a seed makes the run repeatable.
    pub(crate) fn is_seeded(&self) -> bool {
        self.seeded.is_some()
    }

    /// A random number.
    pub(crate) fn draw(&self) -> u64 {
        match &self.seeded {
            Some(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).u64(..),
            None => fastrand::u64(..),
        }
    }

    /// Does work that keeps a processor busy: on a thread of its own, or at once where the run is to be repeatable.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if self.is_seeded() { Ok(work()) } else { tokio::task::spawn_blocking(work).await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let drawn = |seed| {
            let chance = Chance::new(seed);
            [chance.draw(), chance.draw(), chance.draw()]
        };
        assert_eq!(drawn(Some(7)), drawn(Some(7)));
        assert_ne!(drawn(Some(7)), drawn(Some(8)));
        assert_ne!(drawn(None), drawn(None));
    }
}
