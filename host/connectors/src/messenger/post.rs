//! One JSON document to one URL, behind the same guard as partners.
use super::LocalMessenger;
use crate::egress::{OutBody, Prohibited, address::is_public, caused_by};
use bytes::Bytes;
use caravan_model::Duration as Span;
use caravan_model::alert::SendError;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use serde_json::Value;
use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

/// So much of an answer is read, so that its connection can serve again; nothing of it is used.
const ANSWER: usize = 64 << 10;

/// By which client a URL is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// TLS, to public addresses.
    Public,
    /// Plain, to this machine.
    Loopback,
}

impl LocalMessenger {
    /// Posts a document. `whom` is who it goes to, in words; the URL may be a secret and is never repeated.
    pub(super) async fn post(&self, whom: &str, url: &str, document: &Value) -> Result<(), SendError> {
        let (uri, way) = way(url, self.allow_loopback, whom)?;
        let body = Bytes::from(document.to_string());
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("caravan/", env!("CARGO_PKG_VERSION")))
            .body(OutBody::Whole(Some(body)))
            .map_err(|_| SendError::never(format!("the URL of {whom} is none")))?;
        let exchange = async {
            let answer = match way {
                Way::Public => self.clients.partner.request(request).await,
                Way::Loopback => self.clients.lab.request(request).await,
            };
            let (head, body) = answer.map_err(|wrong| explain(whom, &wrong))?.into_parts();
            drain(body).await;
            Ok(head)
        };
        let head = tokio::time::timeout(self.deadline, exchange)
            .await
            .map_err(|_| SendError::later(format!("{whom} did not answer within {:?}", self.deadline)))??;
        judge(whom, head.status, after(&head.headers, SystemTime::now()))
    }
}

/// Whether a URL may be called, as far as can be said without asking anybody where its host is. `whom` is who it goes to,
/// in words; the URL may be a secret and is never repeated.
pub(crate) fn way(url: &str, allow_loopback: bool, whom: &str) -> Result<(Uri, Way), SendError> {
    let uri: Uri = url.parse().map_err(|_| SendError::never(format!("the URL of {whom} is none")))?;
    let way = way_of(&uri, allow_loopback).map_err(|why| SendError::never(format!("{whom}: {why}")))?;
    Ok((uri, way))
}

/// How long an answer asks to wait: seconds, or until a time of day (RFC 9110).
pub(crate) fn after(headers: &HeaderMap, now: SystemTime) -> Option<Span> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Span::SECOND.times(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let wait = then.duration_since(now).unwrap_or_default();
    Some(Span(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
}

/// Reads the rest of an answer within bounds. A broken or endless one takes nothing from its status.
pub(crate) async fn drain(body: Incoming) {
    let _ = Limited::new(body, ANSWER).collect().await;
}

/// What may be dialled. A host that is written as an address is checked here, a name when it is resolved.
fn way_of(uri: &Uri, allow_loopback: bool) -> Result<Way, &'static str> {
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("its URL names no host, or a user");
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    match uri.scheme_str() {
        Some("https") if literal.is_some_and(|address| !is_public(address)) => {
            Err("its address is not public (loopback, private, link-local or reserved)")
        }
        Some("https") => Ok(Way::Public),
        Some("http") if host == "localhost" || literal.is_some_and(|address| address.is_loopback()) => {
            if allow_loopback {
                Ok(Way::Loopback)
            } else {
                Err("its address is on this machine, which only development allows (CARAVAN_ALLOW_LOOPBACK=1)")
            }
        }
        _ => Err("webhooks go by https only"),
    }
}

/// What a status means for the next try.
fn judge(whom: &str, status: StatusCode, after: Option<Span>) -> Result<(), SendError> {
    let words = format!("{whom} answered {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=399 => Err(SendError::never(format!("{words}: a redirect, which is not followed"))),
        408 | 425 | 429 | 500..=599 => Err(SendError { words, again: true, after }),
        _ => Err(SendError::never(words)),
    }
}

/// Puts a failure into fixed words: a library's own may hold the URL.
pub(crate) fn explain(whom: &str, wrong: &legacy::Error) -> SendError {
    if caused_by::<Prohibited>(wrong).is_some() {
        return SendError::never(format!(
            "{whom}: its name resolves to an address that is not public (loopback, private, link-local or reserved)"
        ));
    }
    if !wrong.is_connect() {
        return SendError::later(format!("the connection to {whom} broke before an answer"));
    }
    let what = match caused_by::<io::Error>(wrong).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "refused the connection",
        Some(io::ErrorKind::TimedOut) => "could not be reached in time",
        Some(io::ErrorKind::InvalidData) => "could not be reached: TLS failed",
        _ => "could not be reached",
    };
    SendError::later(format!("{whom} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_addresses_are_dialled_unless_development_allows_this_machine() {
        let way = |url: &str, near: bool| way_of(&url.parse().unwrap(), near);
        for url in ["https://hooks.acme.example/x", "https://8.8.8.8/x", "https://[2606:4700::1111]:8443/x"] {
            assert_eq!(way(url, false), Ok(Way::Public), "{url}");
        }
        for url in [
            "https://127.0.0.1/x",
            "https://10.0.0.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://user@acme.example/x",
            "http://acme.example/x",
            "http://10.0.0.1/x",
            "http://127.0.0.1.acme.example/x",
            "/x",
        ] {
            assert!(way(url, false).is_err() && way(url, true).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:9000/x", "http://localhost:9000/x", "http://[::1]:9000/x"] {
            assert!(way(url, false).is_err(), "{url}");
            assert_eq!(way(url, true), Ok(Way::Loopback), "{url}");
        }
    }

    #[test]
    fn an_answer_asks_to_wait_in_seconds_or_until_a_time() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            super::after(&headers, now)
        };
        assert_eq!(after("120"), Some(Span::SECOND.times(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Span::MINUTE));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Span(0)));
        assert_eq!((after("soon"), super::after(&HeaderMap::new(), now)), (None, None));
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let judge = |status: u16| judge("it", StatusCode::from_u16(status).unwrap(), None).map_err(|wrong| wrong.again);
        assert_eq!([judge(200), judge(202)], [Ok(()), Ok(())]);
        assert_eq!([judge(429), judge(500), judge(503)], [Err(true); 3]);
        assert_eq!([judge(301), judge(307), judge(400), judge(404), judge(410)], [Err(false); 5]);
    }
}
