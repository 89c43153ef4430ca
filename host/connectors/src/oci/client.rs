//! Speaking with a registry: bounded in time and bytes, and held to where it may lead.
use super::reference::OciReference;
use super::{OciLogin, Visit, bad};
use crate::egress::trust::Trust;
use crate::egress::{Clients, OutBody};
use crate::scrub::percent;
use bytes::Bytes;
use caravan_model::Problem;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::time::Duration;

/// How long dialling may take.
const DIAL: Duration = Duration::from_secs(15);
/// The longest answer about tokens or mistakes that is read.
const SHORT: usize = 64 << 10;
/// Redirects that are followed for one blob.
const REDIRECTS: usize = 3;

/// A registry that is spoken with.
pub(super) struct Registry<'a> {
    reference: &'a OciReference,
    visit: &'a Visit,
    /// `Authorization`, once the registry asked for one.
    credentials: Option<String>,
    /// To the registry itself, which a person named: by TLS wherever it is, or in plain on this machine.
    own: Client<HttpsConnector<HttpConnector>, OutBody>,
    /// To wherever it leads: by TLS, at public addresses only.
    guarded: Clients,
}

/// A question to the registry.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: &'a [(header::HeaderName, &'a str)],
    pub(super) body: Bytes,
}

impl<'a> Registry<'a> {
    pub(super) fn new(reference: &'a OciReference, visit: &'a Visit) -> Result<Registry<'a>, Problem> {
        let trust = Trust::default().with_proxy(visit.proxy.clone());
        let builder = HttpsConnectorBuilder::new().with_tls_config(trust.tls()?);
        let builder = if reference.is_near() { builder.https_or_http() } else { builder.https_only() };
        let mut dial = HttpConnector::new();
        dial.enforce_http(false);
        dial.set_connect_timeout(Some(DIAL));
        let own = Client::builder(TokioExecutor::new()).build(builder.enable_http1().wrap_connector(dial));
        Ok(Registry { reference, visit, credentials: None, own, guarded: Clients::new(DIAL, trust)? })
    }

    /// Asks the registry itself, saying who we are where it wants to know.
    pub(super) async fn ask(&mut self, ask: &Ask<'_>) -> Result<Response<Incoming>, Problem> {
        let url: Uri = ask.url.parse().map_err(|_| bad(self.reference, "leads to what is no address"))?;
        let answer = self.once(ask, &url).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || self.credentials.is_some() {
            return Ok(answer);
        }
        self.credentials = Some(self.sign_in(answer.headers()).await?);
        self.once(ask, &url).await
    }

    async fn once(&self, ask: &Ask<'_>, url: &Uri) -> Result<Response<Incoming>, Problem> {
        let mut request = Request::builder().method(&ask.method).uri(url).header(header::USER_AGENT, AGENT);
        for (name, value) in ask.headers {
            request = request.header(name, *value);
        }
        let is_own = self.is_own(url);
        if let Some(credentials) = self.credentials.as_ref().filter(|_| is_own) {
            request = request.header(header::AUTHORIZATION, credentials);
        }
        let body = if ask.body.is_empty() { OutBody::Empty } else { OutBody::Whole(Some(ask.body.clone())) };
        let request = request.body(body).map_err(|_| bad(self.reference, "cannot be asked that"))?;
        let answer = if is_own { self.own.request(request).await } else { self.guarded.partner.request(request).await };
        answer.map_err(|_| match is_own {
            true => bad(self.reference, "cannot be reached"),
            false => bad(self.reference, "leads to a place that cannot be reached, or may not be"),
        })
    }

    /// Whether an address is the registry's own.
    fn is_own(&self, url: &Uri) -> bool {
        let scheme = if self.reference.is_near() { "http" } else { "https" };
        let authority = url.authority().map(|authority| authority.as_str().to_ascii_lowercase());
        url.scheme_str() == Some(scheme) && authority.as_deref() == Some(self.reference.registry.as_str())
    }

    /// Where an answer leads: the registry itself, or a public place by TLS.
    pub(super) fn led(&self, from: &str, answer: &HeaderMap) -> Result<String, Problem> {
        let to = answer.get(header::LOCATION).and_then(|to| to.to_str().ok());
        let to = to.ok_or_else(|| bad(self.reference, "leads nowhere"))?;
        let to = match to.strip_prefix('/') {
            Some(path) if !path.starts_with('/') => {
                let origin = from.match_indices('/').nth(2).map_or(from, |(at, _)| &from[..at]);
                format!("{origin}{to}")
            }
            _ => to.to_owned(),
        };
        let url: Uri = to.parse().map_err(|_| bad(self.reference, "leads to what is no address"))?;
        self.may_ask(&url)?;
        Ok(to)
    }

    fn may_ask(&self, url: &Uri) -> Result<(), Problem> {
        let host = url.host().unwrap_or_default();
        // Names are looked up by the guard; a plain address would go past it.
        let is_name = host.parse::<std::net::IpAddr>().is_err() && !host.starts_with('[') && host.contains('.');
        let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        match self.is_own(url) || (url.scheme_str() == Some("https") && is_name && plain) {
            true => Ok(()),
            false => Err(bad(
                self.reference,
                "leads to a place that is not followed: only itself and public hosts by https are",
            )),
        }
    }

    /// Gets something of the registry, wherever it leads, up to a size.
    pub(super) async fn get(&mut self, url: String, accept: &str, most: usize) -> Result<(HeaderMap, Bytes), Problem> {
        let mut url = url;
        for _ in 0..=REDIRECTS {
            let headers = [(header::ACCEPT, accept)];
            let ask = Ask { method: Method::GET, url: url.clone(), headers: &headers, body: Bytes::new() };
            let answer = self.ask(&ask).await?;
            if answer.status().is_redirection() {
                url = self.led(&url, answer.headers())?;
                continue;
            }
            if answer.status() != StatusCode::OK {
                return Err(self.refused(answer.status()));
            }
            let (head, body) = answer.into_parts();
            return match Limited::new(body, most).collect().await {
                Ok(bytes) => Ok((head.headers, bytes.to_bytes())),
                Err(_) => Err(bad(self.reference, "gave more than it announced, or broke off")),
            };
        }
        Err(bad(self.reference, "leads in circles"))
    }

    /// What a status means.
    pub(super) fn refused(&self, status: StatusCode) -> Problem {
        let words = match status {
            StatusCode::NOT_FOUND => "has nothing of this name".to_owned(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "does not let you in".to_owned(),
            status => format!("answered {}", status.as_u16()),
        };
        let problem = bad(self.reference, &words);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                problem.cure("set CARAVAN_OCI_USER and CARAVAN_OCI_PASSWORD to somebody who may")
            }
            _ => problem,
        }
    }

    /// What the registry wants to see: a name and password, or a token that its desk gives for them.
    async fn sign_in(&self, asked: &HeaderMap) -> Result<String, Problem> {
        let challenge = asked.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (kind, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        let basic = self.visit.login.as_ref().map(OciLogin::basic);
        if kind.eq_ignore_ascii_case("basic") {
            return basic.ok_or_else(|| self.refused(StatusCode::UNAUTHORIZED));
        }
        let value = |name: &str| -> Option<&str> {
            let (_, rest) = rest.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let (Some(realm), true) = (value("realm"), kind.eq_ignore_ascii_case("bearer")) else {
            return Err(self.refused(StatusCode::UNAUTHORIZED));
        };
        let mut url = realm.to_owned();
        for name in ["service", "scope"] {
            if let Some(value) = value(name) {
                url.push_str(&format!("{}{name}={}", if url.contains('?') { '&' } else { '?' }, percent(value, false)));
            }
        }
        let uri: Uri = url.parse().map_err(|_| bad(self.reference, "names a token's desk that is no address"))?;
        self.may_ask(&uri)?;
        // The password goes to the desk that the registry named, over TLS: that is how these desks work.
        let headers: Vec<(header::HeaderName, &str)> =
            basic.iter().map(|basic| (header::AUTHORIZATION, basic.as_str())).collect();
        let ask = Ask { method: Method::GET, url, headers: &headers, body: Bytes::new() };
        let answer = self.once(&ask, &uri).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.refused(StatusCode::UNAUTHORIZED));
        }
        #[derive(Deserialize)]
        struct Given {
            token: Option<String>,
            access_token: Option<String>,
        }
        let bytes = Limited::new(answer.into_body(), SHORT).collect().await.map(|body| body.to_bytes());
        let given: Option<Given> = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let token = given.and_then(|given| given.token.or(given.access_token));
        let token = token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| self.refused(StatusCode::UNAUTHORIZED))
    }
}

const AGENT: &str = concat!("caravan/", env!("CARGO_PKG_VERSION"));
