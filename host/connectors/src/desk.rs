//! Tokens that the host gets by itself: for an app (RFC 6749, 4.4), from a person's sealed consent, or for a service
//! account. A token is asked for once however many calls need it, renewed before it ends, and asked for anew once a call was
//! not let in. Neither secrets nor the endpoint's words come near a guest, a log or an error.
use crate::egress::{Clients, reach::Reach};
use crate::grant::Grant;
use crate::oauth::answer::{self, Granted};
use crate::oauth::place::{self, Endpoint, Gives};
use crate::oauth::send::{self, Asked, unavailable};
use crate::oauth::{assertion, consent};
use caravan_model::manifest::{Body, OAuth};
use caravan_model::port::{Clock as _, Secret, SystemClock, Vault};
use caravan_model::{Cause, Code, Credential, Fault, Manifest, Millis};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// So long before its end a token is renewed, or a tenth of its life, whichever is shorter.
const EARLY: Duration = Duration::from_secs(60);
/// What is taken for a token's life where the partner names none.
const LIFE: Duration = Duration::from_secs(300);
/// So long another host may take between its partner's answer and its seal.
const ANOTHERS: Duration = Duration::from_secs(2);
/// The words for an app that is refused.
const NO_APP: &str = "the partner gives the app no token";
/// The words for a consent that is refused.
const NO_CONSENT: &str = "the partner no longer takes the consent";

/// Whose tokens a desk gets.
pub(crate) struct Owner<'a> {
    pub(crate) connection: &'a str,
    pub(crate) connector: &'a str,
    pub(crate) vault: &'a dyn Vault,
}

/// One connection's tokens.
pub(crate) struct TokenDesk {
    /// Where an app gets tokens of its own.
    app: Option<AppDesk>,
    oauth: Option<(OAuth, Endpoint)>,
    state: Mutex<State>,
}

/// Where an app gets tokens, and for what.
struct AppDesk {
    at: Endpoint,
    scope: Option<String>,
}

#[derive(Default)]
struct State {
    /// A token that is in memory alone.
    kept: Option<Kept>,
    /// The token with which a call was not let in.
    refused: Option<Secret>,
    /// The token that went out last.
    last: Option<Secret>,
    /// A credential that was renewed and could not be sealed: it counts until it can.
    unsealed: Option<(Credential, Credential)>,
}

struct Kept {
    token: Secret,
    /// Whose it is: an app or key that was changed gets a token of its own.
    of: Secret,
    renew: Instant,
}

impl TokenDesk {
    /// The desk of a manifest under a connection's settings and grant.
    ///
    /// # Errors
    /// What is wrong with an endpoint.
    pub(crate) fn new(manifest: &Manifest, grant: &Grant, settings: &Map<String, Value>) -> Result<TokenDesk, String> {
        place::check(manifest)?;
        let scope = manifest.auth.token.as_ref().and_then(|token| token.scope_setting.as_ref());
        let scope = scope.and_then(|name| settings.get(name)).and_then(Value::as_str);
        let scope = scope.map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned);
        let app = Endpoint::of(manifest, Gives::App, grant, settings)?.map(|at| AppDesk { at, scope });
        let token = Endpoint::of(manifest, Gives::Token, grant, settings)?;
        let oauth = manifest.auth.oauth.clone().zip(token);
        Ok(TokenDesk { app, oauth, state: Mutex::default() })
    }

    /// A token that lives; `None` where the connection's file brings one. All who ask at the same time wait for one request.
    pub(crate) async fn token(
        &self,
        owner: Owner<'_>,
        reach: &Reach,
        clients: &Clients,
        deadline: Instant,
    ) -> Result<Option<Secret>, Fault> {
        let late = || unavailable("the partner's token endpoint did not answer in time");
        let mut state = tokio::time::timeout_at(deadline, self.state.lock()).await.map_err(|_| late())?;
        let found = self.find(&mut state, owner, reach, clients);
        let token = tokio::time::timeout_at(deadline, found).await.map_err(|_| late())??;
        state.last.clone_from(&token);
        Ok(token)
    }

    /// The partner did not let a call in: the next one asks anew.
    pub(crate) async fn forget(&self) {
        let mut state = self.state.lock().await;
        state.kept = None;
        state.refused = state.last.clone();
    }

    async fn find(
        &self,
        state: &mut State,
        owner: Owner<'_>,
        reach: &Reach,
        clients: &Clients,
    ) -> Result<Option<Secret>, Fault> {
        if let Some(credential) = owner.vault.credential(owner.connection).await.map_err(missing)? {
            return self.of_credential(state, credential, &owner, reach, clients).await.map(Some);
        }
        let Some(AppDesk { at, scope }) = &self.app else { return Ok(None) };
        let app = match owner.vault.app(owner.connection).map_err(missing)? {
            Some(app) => app,
            None if owner.vault.brings_token(owner.connection) => return Ok(None),
            None => match owner.vault.sealed_app(owner.connector).await.map_err(missing)? {
                Some(app) => app,
                None => return Ok(None),
            },
        };
        let of = Secret::new(app.to_plain());
        if let Some(token) = live(state, &of) {
            return Ok(Some(token));
        }
        let (host, path) = at.open_for_call()?;
        let (id, secret) = (app.id.clone(), app.secret.expose().to_owned());
        let mut parameters = vec![
            ("grant_type".to_owned(), "client_credentials".to_owned()),
            ("client_id".to_owned(), id),
            ("client_secret".to_owned(), secret),
        ];
        parameters.extend(scope.clone().map(|scope| ("scope".to_owned(), scope)));
        let asked = Asked { parameters, body: Body::Form, headers: Vec::new() };
        let (status, bytes) = send::post(host, path, &asked, reach, clients).await?;
        let granted = answer::read(status, &bytes, "", NO_APP, "look at its id and secret")?;
        Ok(Some(keep(state, granted, of)))
    }

    async fn of_credential(
        &self,
        state: &mut State,
        mut credential: Credential,
        owner: &Owner<'_>,
        reach: &Reach,
        clients: &Clients,
    ) -> Result<Secret, Fault> {
        let lacking = credential.missing();
        if !lacking.is_empty() {
            let words = format!("the consent lacks {}: connect again and leave all boxes ticked", lacking.join(", "));
            return Err(Fault::Forbidden { cause: Cause::new(Code::ScopeMissing.as_str(), words) });
        }
        if let Some(key) = credential.service_account.clone() {
            return self.of_service_account(state, key, reach, clients).await;
        }
        // One that was renewed and not sealed yet is the newer one, as long as nobody connected anew.
        if let Some((was, newer)) = state.unsealed.take()
            && was == credential
        {
            if !owner.vault.renew(owner.connection, &was, &newer).await.unwrap_or(false) {
                state.unsealed = Some((was, newer.clone()));
            }
            credential = newer;
        }
        let access = credential.access.clone();
        let refused = access.is_some() && access == state.refused;
        let due = credential.ends.is_some_and(|ends| SystemClock.now() >= early(credential.given, ends));
        match (access, &self.oauth) {
            (Some(access), _) if credential.refresh.is_none() || !(refused || due) => Ok(access),
            (_, Some((spec, at))) if credential.refresh.is_some() => {
                self.refresh(state, (spec, at), credential, owner, reach, clients).await
            }
            (Some(access), _) => Ok(access),
            (None, _) => Err(missing(format!("what is sealed for `{}` holds no token", owner.connection))),
        }
    }

    async fn refresh(
        &self,
        state: &mut State,
        (spec, at): (&OAuth, &Endpoint),
        credential: Credential,
        owner: &Owner<'_>,
        reach: &Reach,
        clients: &Clients,
    ) -> Result<Secret, Fault> {
        let (host, path) = at.open_for_call()?;
        let app = owner.vault.sealed_app(owner.connector).await.map_err(missing)?;
        let app = app.ok_or_else(|| {
            missing(format!("no app is sealed for {0}: `caravan connector app set {0}`", owner.connector))
        })?;
        // A refresh token may be good once: what comes must have a place before the old one is spent.
        if !owner.vault.renew(owner.connection, &credential, &credential).await.map_err(|words| unavailable(&words))? {
            return Err(unavailable("another host renews this token now"));
        }
        let refresh = credential.refresh.as_ref().map(Secret::expose).unwrap_or_default();
        let asked = Asked::of(spec, &app, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]);
        let (status, bytes) = send::post(host, path, &asked, reach, clients).await?;
        let cure = format!("connect again: `caravan connection connect {}`", owner.connection);
        let granted = match answer::read(status, &bytes, &spec.at, NO_CONSENT, &cure) {
            Ok(granted) => granted,
            Err(fault @ Fault::Unauthorized { .. }) => return anothers(owner, &credential).await.ok_or(fault),
            Err(fault) => return Err(fault),
        };
        let now = SystemClock.now();
        let newer = Credential {
            access: Some(granted.access.clone()),
            refresh: granted.refresh.or_else(|| credential.refresh.clone()),
            service_account: None,
            ends: granted.life.map(|life| consent::end(now, life)),
            given: now,
            requested: credential.requested.clone(),
            granted: granted.scopes.or_else(|| credential.granted.clone()),
            called_as: credential.called_as,
        };
        match owner.vault.renew(owner.connection, &credential, &newer).await {
            Ok(true) => {}
            // Somebody connected anew meanwhile: theirs counts from the next call on.
            Ok(false) => {}
            Err(_) => state.unsealed = Some((credential, newer)),
        }
        state.refused = None;
        Ok(granted.access)
    }

    async fn of_service_account(
        &self,
        state: &mut State,
        key: Secret,
        reach: &Reach,
        clients: &Clients,
    ) -> Result<Secret, Fault> {
        if let Some(token) = live(state, &key) {
            return Ok(token);
        }
        let Some((spec, at)) = self.oauth.as_ref().filter(|(spec, _)| spec.service_account) else {
            return Err(missing("the partner takes no service accounts".to_owned()));
        };
        let (host, path) = at.open_for_call()?;
        let audience = format!("https://{host}{path}");
        let scopes = spec.scopes.join(&spec.separator);
        let signed = assertion::sign(&key, &scopes, &audience, SystemClock.now()).map_err(missing)?;
        let parameters = vec![
            ("grant_type".to_owned(), assertion::GRANT.to_owned()),
            ("assertion".to_owned(), signed.expose().to_owned()),
        ];
        let asked = Asked { parameters, body: Body::Form, headers: Vec::new() };
        let (status, bytes) = send::post(host, path, &asked, reach, clients).await?;
        let cure = "look at its key and at its rights in the partner's account";
        let granted = answer::read(status, &bytes, &spec.at, "the partner gives the service account no token", cure)?;
        Ok(keep(state, granted, key))
    }

    /// Refreshes a consent of which half of its idle time has passed.
    pub(crate) async fn tend(&self, owner: Owner<'_>, reach: &Reach, clients: &Clients, deadline: Instant) {
        let Some((OAuth { idle_days: Some(days), .. }, _)) = &self.oauth else { return };
        let Ok(Some(known)) = owner.vault.credential(owner.connection).await else { return };
        let half = i64::from(*days) * 86_400_000 / 2;
        if known.refresh.is_none() || SystemClock.now().0 < known.given.0.saturating_add(half) {
            return;
        }
        self.state.lock().await.refused = known.access;
        // What goes wrong is told by the next call that needs the token.
        let _ = self.token(owner, reach, clients, deadline).await;
    }
}

/// The token of another host that was faster with a refresh token that is good once, as soon as it is sealed.
async fn anothers(owner: &Owner<'_>, credential: &Credential) -> Option<Secret> {
    let until = Instant::now() + ANOTHERS;
    loop {
        let now = owner.vault.credential(owner.connection).await.ok().flatten();
        if let Some(access) = now.filter(|now| now != credential).and_then(|now| now.access) {
            return Some(access);
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::sleep(ANOTHERS / 20).await;
    }
}

/// The token in memory, if it is of this owner and lives.
fn live(state: &State, of: &Secret) -> Option<Secret> {
    let kept = state.kept.as_ref().filter(|kept| kept.of == *of && Instant::now() < kept.renew)?;
    Some(kept.token.clone())
}

fn keep(state: &mut State, granted: Granted, of: Secret) -> Secret {
    let life = granted.life.unwrap_or(LIFE);
    let renew = Instant::now() + (life - EARLY.min(life / 10));
    state.kept = Some(Kept { token: granted.access.clone(), of, renew });
    granted.access
}

/// From when on a token is renewed that was given and ends then.
fn early(given: Millis, ends: Millis) -> Millis {
    let life = ends.0.saturating_sub(given.0).max(0);
    Millis(ends.0 - (life / 10).min(60_000))
}

fn missing(words: String) -> Fault {
    Fault::Unauthorized { cause: Cause::new(Code::MissingSecret.as_str(), words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_a_minute_early_or_a_tenth_of_its_life() {
        assert_eq!(early(Millis(0), Millis(3_600_000)), Millis(3_540_000));
        assert_eq!(early(Millis(0), Millis(2_000)), Millis(1_800));
        assert_eq!(early(Millis(5), Millis(0)), Millis(0));
    }
}
