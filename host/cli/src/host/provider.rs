//! The OpenID provider of the configuration: discovery, codes with PKCE, tokens that are checked. Who configures it trusts it:
//! it may stand in a private network, and is reached by https, or on this machine.
use crate::config;
use crate::https;
use caravan_api::{Asked, Provider, Refused};
use caravan_connectors::secret_of;
use caravan_model::port::BoxFuture;
use caravan_model::{Code, Problem};
use http_body_util::{BodyExt as _, Full, Limited};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _,
};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The path that leads back.
const BACK: &str = "/api/sessions/oidc/callback";
/// How long what the provider publishes of itself is believed: its keys change.
const FRESH: Duration = Duration::from_secs(600);
/// How long an answer may take, and how large it may be.
const DEADLINE: Duration = Duration::from_secs(10);
const LARGEST: usize = 1 << 20;

/// A provider.
pub struct OpenId {
    issuer: IssuerUrl,
    client: ClientId,
    secret: ClientSecret,
    back: RedirectUrl,
    wire: Wire,
    known: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

/// Why the provider was not understood. Nothing that it said is repeated.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Silent(String);

/// The way to it.
struct Wire(https::Client);

impl<'a> AsyncHttpClient<'a> for Wire {
    type Error = Silent;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Silent>> + Send + 'a>>;

    fn call(&'a self, request: HttpRequest) -> Self::Future {
        let silent = |error: &dyn std::fmt::Display| Silent(error.to_string());
        let answer = async move {
            let request = request.map(|body| Full::new(bytes::Bytes::from(body)));
            let answer = self.0.request(request).await.map_err(|error| silent(&error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(|error| silent(&error))?;
            Ok(http::Response::from_parts(parts, body.to_bytes().to_vec()))
        };
        Box::pin(async move {
            tokio::time::timeout(DEADLINE, answer).await.map_err(|_| Silent("no answer in time".to_owned()))?
        })
    }
}

/// The provider of the configuration, if there is one.
///
/// # Errors
/// Its addresses are none, its secret is not there, or the host has no public URL.
pub fn configured() -> Result<Option<OpenId>, Problem> {
    let config = config::current();
    let Some(sign_in) = &config.sign_in else { return Ok(None) };
    let wrong = |at: &str, words: String| Problem::new(Code::BadValue, words).at_path(at.to_owned());
    let issuer = IssuerUrl::new(sign_in.issuer.clone())
        .map_err(|_| wrong("sign_in.issuer", format!("`{}` is no address", sign_in.issuer)))?;
    let near = matches!(issuer.url().host_str(), Some("127.0.0.1" | "localhost"));
    if issuer.url().scheme() != "https" && !near {
        let problem = wrong("sign_in.issuer", "a provider is reached by https alone".to_owned());
        return Err(problem.cure("write https://…"));
    }
    let public = crate::host::alerts::policy()?.public_url.ok_or_else(|| {
        wrong("public_url", "the provider must know the way back".to_owned()).cure("set public_url beside sign_in")
    })?;
    let back = RedirectUrl::new(format!("{}{BACK}", public.trim_end_matches('/')))
        .map_err(|_| wrong("public_url", "the public URL is no address".to_owned()))?;
    let secret = secret_of(&sign_in.client_secret).map_err(|words| {
        Problem::new(Code::MissingSecret, format!("the provider's secret is not there: {words}"))
            .at_path("sign_in.client_secret")
    })?;
    Ok(Some(OpenId {
        issuer,
        client: ClientId::new(sign_in.client_id.clone()),
        secret: ClientSecret::new(secret.expose().to_owned()),
        back,
        wire: Wire(https::client()?),
        known: Mutex::new(None),
    }))
}

impl OpenId {
    /// Who vouches.
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Whether it answers as a provider.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn reachable(&self) -> Result<(), String> {
        self.metadata().await.map(|_| ()).map_err(|problem| problem.to_string())
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, Problem> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(metadata.clone());
        }
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.wire).await;
        let found = found.map_err(|error| self.silent(&error))?;
        *known = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    fn silent(&self, error: &dyn std::fmt::Display) -> Problem {
        tracing::warn!(issuer = self.issuer.as_str(), %error, "the OpenID provider is not understood");
        Problem::new(Code::Unreached, "the OpenID provider does not answer as one")
            .cure("`caravan config check` looks at it; the host's log says more")
    }

    async fn ask(&self) -> Result<Asked, Problem> {
        let client =
            CoreClient::from_provider_metadata(self.metadata().await?, self.client.clone(), Some(self.secret.clone()))
                .set_redirect_uri(self.back.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Asked {
            url: url.to_string(),
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        })
    }

    async fn vouched(&self, code: String, asked: Asked) -> Result<String, Problem> {
        let client =
            CoreClient::from_provider_metadata(self.metadata().await?, self.client.clone(), Some(self.secret.clone()))
                .set_redirect_uri(self.back.clone());
        let refused = |words: &str| {
            Problem::new(Code::NotSigned, words.to_owned()).cure("begin anew at /api/sessions/oidc, or ask an admin")
        };
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| self.silent(&error))?;
        let answer = request.set_pkce_verifier(PkceCodeVerifier::new(asked.verifier)).request_async(&self.wire).await;
        let answer = answer.map_err(|error| {
            tracing::warn!(issuer = self.issuer.as_str(), %error, "a sign-in was refused by the provider");
            refused("the provider does not take this code")
        })?;
        let token = answer.id_token().ok_or_else(|| refused("the provider says nothing of who this is"))?;
        let claims = token.claims(&client.id_token_verifier(), &Nonce::new(asked.nonce)).map_err(|error| {
            tracing::warn!(issuer = self.issuer.as_str(), %error, "a provider's token does not hold");
            refused("the provider's token does not hold")
        })?;
        match (claims.email(), claims.email_verified()) {
            (Some(email), Some(true)) => Ok(email.to_string()),
            _ => Err(refused("the provider vouches for no e-mail address")),
        }
    }
}

impl Provider for OpenId {
    fn begin(&self) -> BoxFuture<'_, Result<Asked, Refused>> {
        Box::pin(async move { self.ask().await.map_err(Refused::bad) })
    }

    fn finish(&self, code: String, asked: Asked) -> BoxFuture<'_, Result<String, Refused>> {
        Box::pin(async move { self.vouched(code, asked).await.map_err(Refused::bad) })
    }

    fn is_secure(&self) -> bool {
        self.back.url().scheme() == "https"
    }
}
