//! A person lets an app in: the address that is shown, the code that comes back, and the end of a consent.
use super::answer::{self, Granted};
use super::place::{self, Endpoint, Gives};
use super::send::{self, Asked, form};
use crate::component::LoadedComponent;
use crate::egress::{Clients, reach::Reach};
use crate::grant::Grant;
use crate::seal::random;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use caravan_model::manifest::{Body, OAuth, QuotaCredential};
use caravan_model::port::{App, Clock as _, Secret, SystemClock};
use caravan_model::{Code, Credential, Fault, Millis, Problem};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::timeout;

/// How long a request of this desk may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a person does where the partner refuses.
const AGAIN: &str = "ask for the consent again";

/// The desk of one connection.
pub struct ConsentDesk {
    spec: OAuth,
    token: Endpoint,
    page: Endpoint,
    revoke: Option<Endpoint>,
    reach: Reach,
    clients: Clients,
}

/// A question that a person answers at the partner. Its debug form shows no proof.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The address that a browser opens.
    pub url: String,
    /// What the answer must repeat.
    pub state: String,
    /// Where the answer goes.
    pub redirect: String,
    /// The proof key (PKCE).
    pub proof: Secret,
}

impl ConsentDesk {
    /// The desk of a component under a connection's grant and settings; `None` where its partner asks nobody.
    ///
    /// # Errors
    /// CV026 where a setting cannot stand, CV052 where the manifest's endpoint is none.
    pub fn new(
        component: &LoadedComponent,
        grant: &Grant,
        settings: &Map<String, Value>,
        reach: Reach,
    ) -> Result<Option<ConsentDesk>, Problem> {
        let manifest = component.manifest();
        let Some(spec) = manifest.auth.oauth.clone() else { return Ok(None) };
        let settings = manifest.settings_with(settings);
        let settings = settings.map_err(|wrong| Problem::new(Code::BadConnection, wrong))?;
        let bad = |wrong: String| crate::section::bad(&wrong);
        place::check(manifest).map_err(bad)?;
        let place = |gives| Endpoint::of(manifest, gives, grant, &settings).map_err(bad);
        let (Some(token), Some(page)) = (place(Gives::Token)?, place(Gives::Person)?) else { return Ok(None) };
        let clients = component.sandbox().clients.clone();
        Ok(Some(ConsentDesk { spec, token, page, revoke: place(Gives::Revoked)?, reach, clients }))
    }

    /// What the manifest says.
    pub fn spec(&self) -> &OAuth {
        &self.spec
    }

    /// Whether a program on this machine may take the code at a loopback address; a lab always lets it.
    pub fn takes_loopback(&self) -> bool {
        self.spec.loopback || matches!(self.reach, Reach::Lab(_))
    }

    /// A new question. `redirect` is where the partner sends the browser afterwards.
    ///
    /// # Errors
    /// CV065 where this machine has no randomness; CV062 where the lab has no such partner; CV060 where the grant names the
    /// partner's page or the endpoint of its tokens not.
    pub fn begin(&self, app: &App, redirect: &str) -> Result<Begun, Problem> {
        let (host, path) = self.page.open()?;
        self.token.open()?;
        let fresh = || -> Result<String, Problem> {
            let bytes: [u8; 32] =
                random().ok_or_else(|| Problem::new(Code::NoSealKey, "this machine has no randomness"))?;
            Ok(URL_SAFE_NO_PAD.encode(bytes))
        };
        let (state, proof) = (fresh()?, fresh()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, proof.as_bytes()));
        let scopes = self.scopes();
        let mut all = vec![
            ("response_type", "code"),
            ("client_id", app.id.as_str()),
            ("redirect_uri", redirect),
            ("state", state.as_str()),
        ];
        if !scopes.is_empty() {
            all.push(("scope", scopes.as_str()));
        }
        if self.spec.pkce {
            all.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        let asks = |name: &str| name == "redirect_uri" || !self.spec.omit.iter().any(|omitted| omitted == name);
        let named = all.into_iter().filter(|(name, _)| asks(name));
        let named = named.map(|(name, value)| (self.spec.name(name).to_owned(), value.to_owned()));
        let extra = self.spec.extra.iter().map(|(name, value)| (name.clone(), value.clone()));
        let parameters: Vec<(String, String)> = named.chain(extra).collect();
        let origin = send::origin(&self.reach, host).map_err(|fault| problem(Code::Unreached, &fault))?;
        let url = format!("{origin}{path}?{}", form(&parameters));
        Ok(Begun { url, state, redirect: redirect.to_owned(), proof: Secret::new(proof) })
    }

    fn scopes(&self) -> String {
        let first = |scope: &String| scope.split('|').next().unwrap_or_default().to_owned();
        self.spec.scopes.iter().map(first).collect::<Vec<_>>().join(&self.spec.separator)
    }

    /// Whether what came back answers this question.
    pub fn answers(&self, begun: &Begun, query: &str) -> bool {
        let name = self.spec.name("state");
        pairs(query).iter().any(|(known, value)| known == name && *value == begun.state)
    }

    /// What came back at the redirect address: the code, if it is the answer to this question.
    ///
    /// # Errors
    /// CV034 where the person said no, or this answers another question.
    pub fn code(&self, begun: &Begun, query: &str) -> Result<Secret, Problem> {
        let pairs = pairs(query);
        let get = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let no = |words: &str| Problem::new(Code::ConsentRefused, words).cure("ask again");
        if !self.answers(begun, query) {
            return Err(no("this answers another question, or one that was answered already"));
        }
        let code = get(self.spec.name("code")).filter(|code| !code.is_empty());
        code.map(Secret::new).ok_or_else(|| no("the person did not consent at the partner"))
    }

    /// Changes a code for a credential; a short-lived token for a long one where the partner has that.
    ///
    /// # Errors
    /// CV034 where the partner refuses, CV062 where it cannot be reached, CV060 where the grant does not name it.
    pub async fn finish(&self, app: &App, begun: &Begun, code: &Secret) -> Result<Credential, Problem> {
        let mut standard = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", begun.redirect.as_str()),
        ];
        if self.spec.pkce {
            standard.push(("code_verifier", begun.proof.expose()));
        }
        let mut granted = self.ask(app, &standard).await?;
        if let Some(grant) = self.spec.exchange.as_deref() {
            let short = granted.access.clone();
            granted = self.ask(app, &[("grant_type", grant), (grant, short.expose())]).await?;
        }
        let now = SystemClock.now();
        Ok(Credential {
            access: Some(granted.access),
            refresh: granted.refresh,
            service_account: None,
            ends: granted.life.map(|life| end(now, life)),
            given: now,
            requested: self.spec.scopes.clone(),
            granted: granted.scopes,
            called_as: Some(QuotaCredential::Consent),
        })
    }

    async fn ask(&self, app: &App, standard: &[(&str, &str)]) -> Result<Granted, Problem> {
        let (host, path) = self.token.open()?;
        let asked = Asked::of(&self.spec, app, standard);
        let sent = send::post(host, path, &asked, &self.reach, &self.clients);
        let sent = timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err(send::unavailable("the partner is too slow")));
        let (status, bytes) = sent.map_err(|fault| problem(Code::Unreached, &fault))?;
        answer::read(status, &bytes, &self.spec.at, "the partner gives no token for this consent", AGAIN).map_err(
            |fault| match fault {
                Fault::Unauthorized { .. } => problem(Code::ConsentRefused, &fault),
                _ => problem(Code::Unreached, &fault),
            },
        )
    }

    /// Ends a consent at the partner. True where it said so; false where it has no such way, or nothing that ends.
    ///
    /// # Errors
    /// CV062 where it cannot be reached, or refuses; CV060 where the grant does not name it.
    pub async fn revoke(&self, app: Option<&App>, credential: &Credential) -> Result<bool, Problem> {
        let (Some(way), Some(at)) = (&self.spec.revoke, &self.revoke) else { return Ok(false) };
        let Some(token) = credential.refresh.as_ref().or(credential.access.as_ref()) else { return Ok(false) };
        let (host, path) = at.open()?;
        let mut parameters = vec![(way.parameter.clone(), token.expose().to_owned())];
        if let (Some(app), Body::Json) = (app, self.spec.body) {
            parameters.push((self.spec.name("client_id").to_owned(), app.id.clone()));
            parameters.push((self.spec.name("client_secret").to_owned(), app.secret.expose().to_owned()));
        }
        let headers = way.header.iter().map(|name| (name.clone(), token.expose().to_owned())).collect();
        let asked = Asked { parameters, body: self.spec.body, headers };
        let sent = send::post(host, path, &asked, &self.reach, &self.clients);
        let sent = timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err(send::unavailable("the partner is too slow")));
        match sent {
            Ok((200..300, _)) => Ok(true),
            Ok((status, _)) => Err(Problem::new(Code::Unreached, format!("the partner answered {status} to the end"))),
            Err(fault) => Err(problem(Code::Unreached, &fault)),
        }
    }
}

/// When something ends that lives so long from now on.
pub(crate) fn end(now: Millis, life: Duration) -> Millis {
    Millis(now.0.saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)))
}

fn problem(code: Code, fault: &Fault) -> Problem {
    let words = fault.cause().map_or_else(|| fault.class().to_owned(), |cause| cause.message.clone());
    Problem::new(code, words)
}

/// The pairs of a query, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex =
            (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(value) => {
                out.push(value);
                at += 2;
            }
            None => out.push(if byte == b'+' { b' ' } else { byte }),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let found = pairs("code=a%2Fb%3D&state=x+y&z");
        let text: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(text, [("code", "a/b="), ("state", "x y"), ("z", "")]);
        assert_eq!(decode("%é%2"), "%é%2");
    }
}
