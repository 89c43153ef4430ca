//! Wrong passwords, and links that were asked for: how many of an address lately.
use caravan_model::{Duration, Millis};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Tries that are allowed within a span.
const MOST: usize = 5;
/// Addresses that are remembered: beyond that, old ones are forgotten first, and further ones wait.
const REMEMBERED: usize = 10_000;

/// What is remembered of tries.
#[derive(Debug)]
pub(crate) struct Doors {
    within: Duration,
    known: Mutex<HashMap<String, Vec<Millis>>>,
}

impl Doors {
    /// Doors that close for so long after five tries.
    pub(crate) fn within(within: Duration) -> Doors {
        Doors { within, known: Mutex::default() }
    }

    /// Whether an address may be tried now.
    pub(crate) fn may_try(&self, email: &str, now: Millis) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(email) {
            Some(tries) => tries.iter().filter(|at| at.after(self.within) > now).count() < MOST,
            None => {
                let over = |tries: &Vec<Millis>| tries.last().is_none_or(|at| at.after(self.within) <= now);
                known.len() < REMEMBERED || known.values().any(over)
            }
        }
    }

    /// It was tried: a password of it was wrong, or a link was asked for.
    pub(crate) fn tried(&self, email: &str, now: Millis) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, tries| tries.last().is_some_and(|at| at.after(self.within) > now));
        }
        let tries = known.entry(email.to_owned()).or_default();
        tries.retain(|at| at.after(self.within) > now);
        tries.push(now);
    }

    /// It was right.
    pub(crate) fn opened(&self, email: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(email);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tries_close_the_door_for_a_while() {
        let (doors, now) = (Doors::within(Duration::MINUTE), Millis(1_000_000));
        for _ in 0..MOST {
            assert!(doors.may_try("ann", now));
            doors.tried("ann", now);
        }
        assert!(!doors.may_try("ann", now) && doors.may_try("bob", now));
        assert!(doors.may_try("ann", now.after(Duration::MINUTE)));
        doors.opened("ann");
        assert!(doors.may_try("ann", now));
    }

    #[test]
    fn whoever_tries_many_addresses_fills_no_memory() {
        let (doors, now) = (Doors::within(Duration::HOUR), Millis(1_000_000));
        (0..REMEMBERED).for_each(|n| doors.tried(&format!("p{n}"), now));
        assert!(!doors.may_try("another", now) && doors.may_try("p1", now));
        let later = now.after(Duration::HOUR);
        assert!(doors.may_try("another", later));
        doors.tried("another", later);
        assert_eq!(doors.known.lock().expect("memory").len(), 1, "those that are over are forgotten");
    }
}
