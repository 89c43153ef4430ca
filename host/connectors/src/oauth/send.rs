//! One request of the host itself to a partner's token endpoint. No guest is near.
use crate::egress::{Clients, OutBody, reach::Reach};
use crate::scrub::percent;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use caravan_model::manifest::{Body, ClientAuth, OAuth};
use caravan_model::port::App;
use caravan_model::{Cause, Code, Fault};
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value};

/// The longest answer that is read.
const ANSWER: usize = 64 << 10;

/// What goes to an endpoint.
pub(crate) struct Asked {
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) body: Body,
    /// Headers with values that nobody sees.
    pub(crate) headers: Vec<(String, String)>,
}

impl Asked {
    /// Parameters of the standard in a partner's words, and the app as the partner wants it shown.
    pub(crate) fn of(spec: &OAuth, app: &App, standard: &[(&str, &str)]) -> Asked {
        let mut headers = Vec::new();
        let (id, secret) = (app.id.as_str(), app.secret.expose());
        let mut all: Vec<(&str, &str)> = standard.to_vec();
        match spec.client {
            ClientAuth::Body => all.extend([("client_id", id), ("client_secret", secret)]),
            ClientAuth::Basic => {
                headers
                    .push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))));
            }
        }
        let known = all.into_iter().filter(|(name, _)| !spec.omit.iter().any(|omitted| omitted == name));
        let named = known.map(|(name, value)| (spec.name(name).to_owned(), value.to_owned()));
        let extra = spec.token_extra.iter().map(|(name, value)| (name.clone(), value.clone()));
        Asked { parameters: named.chain(extra).collect(), body: spec.body, headers }
    }

    fn text(&self) -> String {
        match self.body {
            Body::Form => form(&self.parameters),
            Body::Json => {
                let fields: Map<String, Value> =
                    self.parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
                Value::Object(fields).to_string()
            }
        }
    }
}

/// `a=1&b=2`, encoded.
pub(crate) fn form(parameters: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| format!("{}={}", percent(name, false), percent(value, false));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Where a host of the partner's is reached: `https://HOST`, or the lab.
pub(crate) fn origin(reach: &Reach, host: &str) -> Result<String, Fault> {
    match reach {
        Reach::Partner => Ok(format!("https://{host}")),
        Reach::Lab(lab) => match lab.authority(host) {
            Some(authority) => Ok(format!("http://{authority}")),
            None => Err(unavailable("the lab has no emulator of the token endpoint")),
        },
        Reach::InProcess(_) => Err(unavailable("a dry run gets no token")),
    }
}

/// Sends, and gives status and body.
pub(crate) async fn post(
    host: &str,
    path: &str,
    asked: &Asked,
    reach: &Reach,
    clients: &Clients,
) -> Result<(u16, Bytes), Fault> {
    let no_address = || unavailable("the endpoint is no address");
    let uri: Uri = format!("{}{path}", origin(reach, host)?).parse().map_err(|_| no_address())?;
    let media = match asked.body {
        Body::Form => "application/x-www-form-urlencoded",
        Body::Json => "application/json",
    };
    let mut request = Request::post(uri)
        .header(header::CONTENT_TYPE, media)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("caravan/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &asked.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    let request = request.body(OutBody::Whole(Some(Bytes::from(asked.text())))).map_err(|_| no_address())?;
    let answer = match reach {
        Reach::Lab(_) => clients.lab.request(request).await,
        _ => clients.partner.request(request).await,
    };
    // A library's own words may hold what was sent.
    let answer = answer.map_err(|_| unavailable("the partner's token endpoint cannot be reached"))?;
    let status = answer.status().as_u16();
    let bytes = Limited::new(answer.into_body(), ANSWER).collect().await;
    let bytes = bytes.map_err(|_| unavailable("the token endpoint's answer broke off, or has no end"))?.to_bytes();
    Ok((status, bytes))
}

/// The partner's endpoint cannot be used now.
pub(crate) fn unavailable(words: &str) -> Fault {
    Fault::Unavailable { after_ms: None, cause: Cause::new(Code::Unreached.as_str(), words) }
}
