//! Write keys: who may send events. Only their digests are kept in memory.
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The write keys of this host.
#[derive(Clone, Debug, Default)]
pub struct WriteKeys(BTreeSet<[u8; 32]>);

impl WriteKeys {
    /// From the keys themselves; empty ones are left out.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> WriteKeys {
        let keys = keys.into_iter().map(str::trim).filter(|key| !key.is_empty());
        WriteKeys(keys.map(digest).collect())
    }

    /// Whether there is none: then nobody may send.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is one of them.
    pub fn know(&self, key: &str) -> bool {
        // Digests are compared, so that the time this takes tells nothing about a key.
        self.0.contains(&digest(key))
    }
}

/// Kept keys that may send, remembered for a moment: senders come many times a second.
#[derive(Debug, Default)]
pub(crate) struct Senders(Mutex<HashMap<[u8; 32], (Instant, usize)>>);

/// For how long: a key that was removed is refused at the latest then.
const REMEMBERED: Duration = Duration::from_secs(5);

impl Senders {
    /// The workspace, by its place, for which a key was good a moment ago.
    pub(crate) fn know(&self, key: &str) -> Option<usize> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&digest(key)).filter(|(since, _)| since.elapsed() < REMEMBERED).map(|(_, place)| *place)
    }

    /// It is good now, for a workspace.
    pub(crate) fn learn(&self, key: &str, place: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        known.insert(digest(key), (Instant::now(), place));
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The write key of a request: the user name of basic authentication, as the libraries send it, or a bearer token.
pub(crate) fn key_of(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = given.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => {
            let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            Some(pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned())
        }
        "bearer" => Some(rest.trim().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_key_is_the_user_name_of_basic_authentication_or_a_bearer_token() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            key_of(&headers)
        };
        assert_eq!(of("Basic a2V5Og==").as_deref(), Some("key"));
        assert_eq!(of("basic a2V5OnNlY3JldA==").as_deref(), Some("key"));
        assert_eq!(of("Bearer key").as_deref(), Some("key"));
        assert_eq!((of("Basic %%%"), of("Digest x"), of("Basic")), (None, None, None));
        assert_eq!(key_of(&HeaderMap::new()), None);
    }

    #[test]
    fn keys_are_known_by_their_digest_alone() {
        let keys = WriteKeys::new(["one", " two ", ""]);
        assert!(keys.know("one") && keys.know("two") && !keys.know("") && !keys.know("three"));
        assert!(!format!("{keys:?}").contains("one"));
        assert!(WriteKeys::new([" "]).is_empty());
    }
}
