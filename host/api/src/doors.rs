//! Wrong passwords: how many of an address lately.
use caravan_model::{Duration, Millis};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Wrong passwords that are allowed within [`WITHIN`].
const MOST: usize = 5;
const WITHIN: Duration = Duration::MINUTE;
/// Addresses that are remembered: beyond that, old ones are forgotten first.
const REMEMBERED: usize = 10_000;

/// What is remembered of wrong passwords.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<HashMap<String, Vec<Millis>>>);

impl Doors {
    /// Whether an address may be tried now.
    pub(crate) fn may_try(&self, email: &str, now: Millis) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(email).is_none_or(|tries| tries.iter().filter(|at| at.after(WITHIN) > now).count() < MOST)
    }

    /// A password of it was wrong.
    pub(crate) fn failed(&self, email: &str, now: Millis) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, tries| tries.last().is_some_and(|at| at.after(WITHIN) > now));
        }
        let tries = known.entry(email.to_owned()).or_default();
        tries.retain(|at| at.after(WITHIN) > now);
        tries.push(now);
    }

    /// It was right.
    pub(crate) fn opened(&self, email: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(email);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wrong_passwords_close_the_door_for_a_minute() {
        let (doors, now) = (Doors::default(), Millis(1_000_000));
        for _ in 0..MOST {
            assert!(doors.may_try("ann", now));
            doors.failed("ann", now);
        }
        assert!(!doors.may_try("ann", now) && doors.may_try("bob", now));
        assert!(doors.may_try("ann", now.after(WITHIN)));
        doors.opened("ann");
        assert!(doors.may_try("ann", now));
    }
}
