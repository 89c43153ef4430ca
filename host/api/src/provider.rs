//! Signing in by the word of an OpenID provider: the port to it, and who is on their way back from it.
use crate::problem::Refused;
use caravan_model::port::BoxFuture;
use caravan_model::{Duration, Millis};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long someone may take at the provider.
pub(crate) const PATIENCE: Duration = Duration::MINUTE.times(10);
/// How many may be there at once: beyond that, those who went first cannot come back.
const MOST: usize = 1_000;

/// An OpenID provider.
pub trait Provider: Send + Sync {
    /// Where a browser is sent, and what must come back.
    fn begin(&self) -> BoxFuture<'_, Result<Asked, Refused>>;
    /// The address that the provider vouches for, by the code that a browser brought.
    fn finish(&self, code: String, asked: Asked) -> BoxFuture<'_, Result<String, Refused>>;
    /// Whether browsers reach this host by https alone.
    fn is_secure(&self) -> bool;
}

/// What was asked of a provider. Everything but the URL is a secret.
#[derive(Clone)]
pub struct Asked {
    /// Where the browser goes.
    pub url: String,
    /// What it brings back: whoever has it may finish once.
    pub state: String,
    /// What the provider's token must carry.
    pub nonce: String,
    /// What proves that we asked (PKCE).
    pub verifier: String,
}

/// Those who are on their way.
#[derive(Default)]
pub(crate) struct Underway(Mutex<HashMap<String, (Asked, usize, Millis)>>);

impl Underway {
    /// Someone goes, to sign in to a workspace.
    pub(crate) fn goes(&self, asked: Asked, place: usize, now: Millis) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, _, until)| *until > now);
        if known.len() >= MOST
            && let Some(first) = known.iter().min_by_key(|(_, (_, _, until))| *until).map(|(state, _)| state.clone())
        {
            known.remove(&first);
        }
        known.insert(asked.state.clone(), (asked, place, now.after(PATIENCE)));
    }

    /// Someone comes back: once.
    pub(crate) fn comes_back(&self, state: &str, now: Millis) -> Option<(Asked, usize)> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        found.filter(|(_, _, until)| *until > now).map(|(asked, place, _)| (asked, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(state: usize) -> Asked {
        Asked { url: String::new(), state: state.to_string(), nonce: String::new(), verifier: String::new() }
    }

    #[test]
    fn who_goes_comes_back_once_and_in_time() {
        let (underway, now) = (Underway::default(), Millis(1_000_000));
        underway.goes(asked(1), 3, now);
        assert!(underway.comes_back("2", now).is_none());
        assert_eq!(underway.comes_back("1", now).map(|(_, place)| place), Some(3));
        assert!(underway.comes_back("1", now).is_none());
        underway.goes(asked(1), 3, now);
        assert!(underway.comes_back("1", now.after(PATIENCE)).is_none());
    }

    #[test]
    fn the_first_make_room_for_others() {
        let underway = Underway::default();
        for n in 0..=MOST {
            underway.goes(asked(n), 0, Millis(n as i64));
        }
        let now = Millis(MOST as i64);
        assert!(underway.comes_back("0", now).is_none() && underway.comes_back("1", now).is_some());
    }
}
