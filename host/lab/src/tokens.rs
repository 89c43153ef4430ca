//! OAuth at a partner's token endpoint: what it gives out, and what became of it.
//!
//! A token that the lab never gave out is good: tests and lab connections bring one of their own. One that it gave out
//! ends, as at the partner; one of its form that it never gave out is dead.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};

use crate::form::Params;

/// How every token that the lab gives out begins.
const PREFIX: &str = "granted-";
/// The client secret that no app has.
const WRONG_SECRET: &str = "wrong";

/// Which grant a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `client_credentials`: the app itself.
    Client,
    /// `authorization_code`, or a refresh of such a token: a person, by the number of the consent that it goes back to.
    Code(u64),
}

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is taken.
    Live,
    /// Its time is over.
    Expired,
    /// It was revoked, or never given out.
    Dead,
}

/// Why a grant is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Client id or secret is missing or wrong.
    Client,
    /// The code or refresh token is used, ended, or was never given out.
    Grant,
    /// A parameter is missing.
    Missing(&'static str),
    /// No such grant type here.
    Type,
}

/// What a grant gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    /// The access token.
    pub(crate) access: String,
    /// Only a person's grant has one.
    pub(crate) refresh: Option<String>,
}

/// All tokens of one partner.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, (Instant, Flow)>,
    /// Refresh tokens that are good, of which consent, and when they end by themselves.
    refresh: HashMap<String, (u64, Option<Instant>)>,
    /// How long a refresh token lives that is not used; none means for ever.
    pub(crate) idle: Option<Duration>,
    revoked: HashSet<String>,
    used_codes: HashSet<String>,
    last: u64,
}

impl Tokens {
    /// Does a grant. `client` is what the app showed: id and secret; the secret `wrong` is no app's. An authorisation
    /// code is good for one use, and a refresh token too: each refresh gives a new one.
    pub(crate) fn grant(
        &mut self,
        params: &Params<'_>,
        client: Option<(String, String)>,
        life: Duration,
        now: Instant,
    ) -> Result<Granted, Refused> {
        if client.is_none_or(|(id, secret)| id.is_empty() || secret.is_empty() || secret == WRONG_SECRET) {
            return Err(Refused::Client);
        }
        let flow = match params.filled("grant_type") {
            None => return Err(Refused::Missing("grant_type")),
            Some("client_credentials") => Flow::Client,
            Some("authorization_code") => {
                let code = params.filled("code").ok_or(Refused::Missing("code"))?;
                params.filled("redirect_uri").ok_or(Refused::Missing("redirect_uri"))?;
                if !self.used_codes.insert(code.to_string()) {
                    return Err(Refused::Grant);
                }
                Flow::Code(self.last + 1)
            }
            // Meta's: a short token for a long one.
            Some("fb_exchange_token") => {
                let short = params.filled("fb_exchange_token").ok_or(Refused::Missing("fb_exchange_token"))?;
                if self.standing(short, now) != Standing::Live {
                    return Err(Refused::Grant);
                }
                Flow::Code(self.consent(short).unwrap_or(self.last + 1))
            }
            Some("refresh_token") => {
                let token = params.filled("refresh_token").ok_or(Refused::Missing("refresh_token"))?;
                match self.refresh.remove(token) {
                    Some((consent, end)) if end.is_none_or(|end| now < end) => Flow::Code(consent),
                    _ => return Err(Refused::Grant),
                }
            }
            Some(_) => return Err(Refused::Type),
        };
        self.last += 1;
        let access = format!("{PREFIX}{:08}", self.last);
        self.issued.insert(access.clone(), (now + life, flow));
        let consent = self.consent(&access);
        let refresh = consent.map(|_| format!("{PREFIX}refresh-{:08}", self.last));
        let ends = self.idle.map(|idle| now + idle);
        self.refresh.extend(refresh.clone().zip(consent).map(|(token, consent)| (token, (consent, ends))));
        Ok(Granted { access, refresh })
    }

    /// How a token stands.
    pub(crate) fn standing(&self, token: &str, now: Instant) -> Standing {
        match self.issued.get(token) {
            _ if self.revoked.contains(token) => Standing::Dead,
            Some((until, _)) if now >= *until => Standing::Expired,
            None if token.starts_with(PREFIX) => Standing::Dead,
            _ => Standing::Live,
        }
    }

    /// The consent of a person that it goes back to, however often it was refreshed; none of an app's. Tokens of one's own
    /// are an app's, too.
    pub(crate) fn consent(&self, token: &str) -> Option<u64> {
        match self.issued.get(token)?.1 {
            Flow::Code(consent) => Some(consent),
            Flow::Client => None,
        }
    }

    /// Whether an app got it for itself.
    pub(crate) fn is_apps(&self, token: &str) -> bool {
        self.issued.get(token).is_some_and(|(_, flow)| *flow == Flow::Client)
    }

    /// By whom calls with it count: a person's consent, or the token.
    pub(crate) fn whom(&self, token: &str) -> String {
        self.consent(token).map_or_else(|| token.to_string(), |consent| format!("consent {consent}"))
    }

    /// Ends all that was given out, of either kind.
    pub(crate) fn revoke_all(&mut self) {
        self.refresh.clear();
        self.revoked.extend(self.issued.keys().cloned());
    }

    /// Ends a token, of either kind.
    pub(crate) fn revoke(&mut self, token: &str) {
        self.refresh.remove(token);
        self.revoked.insert(token.to_string());
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(request: &Request<Bytes>) -> Option<&str> {
    let (scheme, token) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// Id and secret of an `Authorization: Basic` header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(base64(header.strip_prefix("Basic ")?.trim())?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_string(), secret.to_string()))
}

/// Standard base64, with or without padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    const LIFE: Duration = Duration::from_secs(900);

    fn grant(tokens: &mut Tokens, form: &str, secret: &str, now: Instant) -> Result<Granted, Refused> {
        let mut request = Request::new(Bytes::copy_from_slice(form.as_bytes()));
        let media = http::HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(http::header::CONTENT_TYPE, media);
        let params = Params::of(&request).expect("a form");
        tokens.grant(&params, Some(("app".into(), secret.into())), LIFE, now)
    }

    #[test]
    fn a_token_that_was_given_out_ends_and_one_of_ones_own_does_not() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        let given = grant(&mut tokens, "grant_type=client_credentials", "s", now).expect("granted");
        assert_eq!(given.refresh, None);
        assert_eq!(tokens.standing(&given.access, now), Standing::Live);
        assert_eq!(tokens.standing(&given.access, now + LIFE), Standing::Expired);
        tokens.revoke(&given.access);
        assert_eq!(tokens.standing(&given.access, now), Standing::Dead);
        assert_eq!(tokens.standing("granted-elsewhere", now), Standing::Dead);
        assert_eq!(tokens.standing("my-own", now + LIFE), Standing::Live);
        assert_eq!(grant(&mut tokens, "grant_type=client_credentials", "wrong", now), Err(Refused::Client));
    }

    #[test]
    fn codes_and_refresh_tokens_are_good_for_one_use() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        let form = "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fx";
        let first = grant(&mut tokens, form, "s", now).expect("granted");
        assert!(tokens.consent(&first.access).is_some() && !tokens.is_apps(&first.access));
        assert_eq!(grant(&mut tokens, form, "s", now), Err(Refused::Grant));
        let form = format!("grant_type=refresh_token&refresh_token={}", first.refresh.expect("a person's"));
        let second = grant(&mut tokens, &form, "s", now).expect("refreshed");
        assert_ne!(second.access, first.access);
        assert_eq!(tokens.whom(&second.access), tokens.whom(&first.access), "the same person's consent");
        assert_eq!(grant(&mut tokens, &form, "s", now), Err(Refused::Grant));
        let missing = grant(&mut tokens, "grant_type=authorization_code&code=d", "s", now);
        assert_eq!(missing, Err(Refused::Missing("redirect_uri")));
        assert_eq!(grant(&mut tokens, "grant_type=password", "s", now), Err(Refused::Type));
    }

    #[test]
    fn a_refresh_token_that_is_not_used_ends_and_each_use_begins_anew() {
        let (mut tokens, now) = (Tokens { idle: Some(LIFE), ..Tokens::default() }, Instant::now());
        let form = "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fx";
        let mut refresh = grant(&mut tokens, form, "s", now).expect("granted").refresh.expect("a person's");
        for used in 1..4 {
            let form = format!("grant_type=refresh_token&refresh_token={refresh}");
            let again = grant(&mut tokens, &form, "s", now + (LIFE - Duration::from_secs(1)) * used).expect("in time");
            refresh = again.refresh.expect("another");
        }
        let form = format!("grant_type=refresh_token&refresh_token={refresh}");
        assert_eq!(grant(&mut tokens, &form, "s", now + LIFE * 4), Err(Refused::Grant));
    }

    #[test]
    fn basic_credentials_are_read() {
        assert_eq!(basic("Basic YXBwOnMzY3JldA=="), Some(("app".into(), "s3cret".into())));
        assert_eq!(basic("Bearer YXBwOnMzY3JldA=="), None);
        assert_eq!(basic("Basic !"), None);
    }
}
