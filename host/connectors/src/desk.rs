//! Tokens that the host gets by itself (RFC 6749, 4.4): an app's id and secret are changed for a token at the partner's
//! token endpoint. It is kept in memory alone, renewed before it ends, and asked for once however many calls need it; a
//! call that the partner does not let in makes the next one ask anew. Neither the secret nor the endpoint's words come
//! near a guest, a log or an error.
use crate::egress::{Clients, OutBody, reach::Reach, route::host_under};
use crate::scrub::percent;
use bytes::Bytes;
use caravan_model::manifest::TokenGrant;
use caravan_model::port::{App, Secret};
use caravan_model::{Cause, Code, Fault, Manifest};
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The longest answer that is read.
const ANSWER: usize = 64 << 10;
/// So long before its end a token is renewed, or a tenth of its life, whichever is shorter.
const EARLY: Duration = Duration::from_secs(60);
/// What is taken for a token's life where the partner names none.
const LIFE: Duration = Duration::from_secs(300);
/// The longest life that is believed.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// One connection's tokens.
pub(crate) struct TokenDesk {
    host: String,
    path: String,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: Secret,
    /// Whose it is: an app that was changed gets a token of its own.
    app: App,
    renew: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    /// Seconds; some partners write them as text.
    expires_in: Option<Value>,
    error: Option<String>,
}

impl TokenDesk {
    /// The desk of a manifest under a connection's settings; `None` where the partner has none.
    ///
    /// # Errors
    /// What is wrong with the endpoint.
    pub(crate) fn new(manifest: &Manifest, settings: &Map<String, Value>) -> Result<Option<TokenDesk>, String> {
        let Some(TokenGrant { host, path }) = &manifest.auth.token else { return Ok(None) };
        if !manifest.hosts.contains(host) {
            return Err(format!("the token endpoint's host `{host}` is not among the manifest's hosts"));
        }
        if !path.starts_with('/') || path.contains(['?', '#', '{', '}']) {
            return Err(format!("the token endpoint's path `{path}` is none: it begins with `/` and has no query"));
        }
        Ok(Some(TokenDesk { host: host_under(host, settings)?, path: path.clone(), kept: Mutex::default() }))
    }

    /// A token that lives. All who ask at the same time wait for one request.
    pub(crate) async fn token(
        &self,
        app: App,
        reach: &Reach,
        clients: &Clients,
        deadline: Instant,
    ) -> Result<Secret, Fault> {
        let late = || unavailable("the partner's token endpoint did not answer in time");
        let mut kept = tokio::time::timeout_at(deadline, self.kept.lock()).await.map_err(|_| late())?;
        if let Some(known) = kept.as_ref().filter(|known| known.app == app && Instant::now() < known.renew) {
            return Ok(known.token.clone());
        }
        *kept = None;
        let asked = Instant::now();
        let (token, life) =
            tokio::time::timeout_at(deadline, self.ask(&app, reach, clients)).await.map_err(|_| late())??;
        *kept = Some(Kept { token: token.clone(), app, renew: asked + (life - EARLY.min(life / 10)) });
        Ok(token)
    }

    /// The partner did not let a call in: the next one asks anew.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn ask(&self, app: &App, reach: &Reach, clients: &Clients) -> Result<(Secret, Duration), Fault> {
        let (origin, client) = match reach {
            Reach::Lab(lab) => match lab.authority(&self.host) {
                Some(authority) => (format!("http://{authority}"), Some(&clients.lab)),
                None => return Err(unavailable("the lab has no emulator of the token endpoint")),
            },
            Reach::Partner => (format!("https://{}", self.host), None),
            Reach::InProcess(_) => return Err(unavailable("a dry run gets no token")),
        };
        let uri: Uri =
            format!("{origin}{}", self.path).parse().map_err(|_| unavailable("the endpoint is no address"))?;
        let (id, secret) = (percent(&app.id, false), percent(app.secret.expose(), false));
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("caravan/", env!("CARGO_PKG_VERSION")))
            .body(OutBody::Whole(Some(Bytes::from(body))))
            .map_err(|_| unavailable("the endpoint is no address"))?;
        let answer = match client {
            Some(lab) => lab.request(request).await,
            None => clients.partner.request(request).await,
        };
        // A library's own words may hold what was sent.
        let answer = answer.map_err(|_| unavailable("the partner's token endpoint cannot be reached"))?;
        let status = answer.status().as_u16();
        let bytes = Limited::new(answer.into_body(), ANSWER).collect().await;
        let bytes = bytes.map_err(|_| unavailable("the token endpoint's answer broke off, or has no end"))?.to_bytes();
        read(status, &bytes)
    }
}

/// What an answer of the endpoint means.
fn read(status: u16, bytes: &[u8]) -> Result<(Secret, Duration), Fault> {
    let answer: Option<Answer> = serde_json::from_slice(bytes).ok();
    if matches!(status, 400 | 401 | 403) {
        let plain = |code: &String| code.len() <= 40 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let code = answer.and_then(|answer| answer.error).filter(plain).unwrap_or_else(|| status.to_string());
        let words = format!("the partner gives the app no token ({code}): look at its id and secret");
        return Err(Fault::Unauthorized { cause: Cause::new(Code::Unauthorized.as_str(), words) });
    }
    if !(200..300).contains(&status) {
        return Err(unavailable(&format!("the partner's token endpoint answered {status}")));
    }
    let garbled = || unavailable("the partner's token endpoint answered without a token");
    let answer = answer.ok_or_else(garbled)?;
    let good = |token: &String| !token.is_empty() && token.len() <= 16 << 10 && !token.chars().any(char::is_control);
    let token = answer.access_token.filter(good).ok_or_else(garbled)?;
    let seconds = answer.expires_in.and_then(|life| life.as_u64().or_else(|| life.as_str()?.trim().parse().ok()));
    Ok((Secret::new(token), seconds.map_or(LIFE, Duration::from_secs).min(LONGEST)))
}

fn unavailable(words: &str) -> Fault {
    Fault::Unavailable { after_ms: None, cause: Cause::new(Code::Unreached.as_str(), words) }
}

#[cfg(test)]
mod tests {
    use super::{Fault, read};
    use std::time::Duration;

    #[test]
    fn an_answer_is_a_token_with_its_life_or_says_whether_asking_again_helps() {
        let (token, life) = read(200, br#"{"access_token":"abc","expires_in":900}"#).unwrap();
        assert_eq!((token.expose(), life), ("abc", Duration::from_secs(900)));
        assert_eq!(read(200, br#"{"access_token":"abc","expires_in":"60"}"#).unwrap().1, Duration::from_secs(60));
        for body in [&br#"{"access_token":"a\r\nb"}"#[..], b"{}", b"<html>"] {
            assert!(matches!(read(200, body), Err(Fault::Unavailable { .. })));
        }
        let refused =
            read(401, br#"{"error":"invalid_client","error_description":"secret shh is wrong"}"#).unwrap_err();
        let words = refused.cause().unwrap().to_string();
        assert!(matches!(refused, Fault::Unauthorized { .. }) && words.contains("invalid_client"));
        assert!(!words.contains("shh"), "{words}");
        assert!(!read(400, br#"{"error":"Shh Shh"}"#).unwrap_err().cause().unwrap().to_string().contains("Shh"));
        assert!(matches!(read(503, b""), Err(Fault::Unavailable { .. })));
    }
}
