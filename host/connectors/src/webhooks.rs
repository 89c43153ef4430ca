//! Webhook steps' requests leave: through the guard that partners are reached by, to endpoints of the customer's own.
use crate::egress::{Clients, OutBody, proxy::Proxy, trust::Trust};
use crate::messenger::post::{Way, after, drain, explain, way};
use crate::vault;
use bytes::Bytes;
use caravan_model::alert::WebPlace;
use caravan_model::port::{BoxFuture, RequestRecord, Secret};
use caravan_model::webhook::{Endpoint, Header, LONGEST_TIMEOUT, WebhookAnswer, WebhookCall, WebhookSender};
use caravan_model::{Duration, Problem};
use http::{HeaderValue, Request, StatusCode};
use std::{collections::BTreeMap, fmt, time::SystemTime};

/// The header that tells a repeat from another call.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What stands for a secret where a request is shown.
const MASKED: &str = "[secret]";

/// Calls the endpoints of a connections file from this host. URLs and secrets that are kept elsewhere are read at each
/// call, so that a mended one is found.
///
/// Requests go by https, to public addresses only (checked on the very addresses that are dialled), and follow no
/// redirect; an answer's body is read within bounds and thrown away.
#[derive(Clone)]
pub struct LocalWebhooks {
    endpoints: BTreeMap<String, Endpoint>,
    clients: Clients,
    allow_loopback: bool,
}

impl fmt::Debug for LocalWebhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalWebhooks").field("endpoints", &self.endpoints.keys()).finish_non_exhaustive()
    }
}

impl LocalWebhooks {
    /// These endpoints. `allow_loopback`, for development only: requests may go to this machine, also by plain HTTP.
    /// Nothing is dialled yet.
    ///
    /// # Errors
    /// The machine's certificates cannot be read.
    pub fn new(endpoints: BTreeMap<String, Endpoint>, allow_loopback: bool) -> Result<LocalWebhooks, Problem> {
        LocalWebhooks::through(endpoints, allow_loopback, None)
    }

    /// The same, reached through the network's proxy where there is one.
    ///
    /// # Errors
    /// As [`LocalWebhooks::new`].
    pub fn through(
        endpoints: BTreeMap<String, Endpoint>,
        allow_loopback: bool,
        proxy: Option<Proxy>,
    ) -> Result<LocalWebhooks, Problem> {
        let clients = Clients::new(LONGEST_TIMEOUT.into(), Trust::default().with_proxy(proxy))?;
        Ok(LocalWebhooks { endpoints, clients, allow_loopback })
    }

    /// Whether an endpoint can be called, as far as can be said without calling it: it is there, its secrets are, and its
    /// URL may be dialled.
    ///
    /// # Errors
    /// What is missing, never a secret.
    pub fn ready(&self, endpoint: &str) -> Result<(), String> {
        let known = self.endpoint(endpoint)?;
        way(place(&known.url)?.expose(), self.allow_loopback, &named(endpoint)).map_err(|wrong| wrong.words)?;
        known.headers.values().try_for_each(|value| header_value(value).map(drop))
    }

    fn endpoint(&self, name: &str) -> Result<&Endpoint, String> {
        self.endpoints.get(name).ok_or_else(|| format!("the connections file has no endpoint `{name}`"))
    }

    fn request(&self, call: &WebhookCall, endpoint: &Endpoint) -> Result<(Request<OutBody>, Way), String> {
        let whom = named(&call.endpoint);
        let (uri, way) =
            way(place(&endpoint.url)?.expose(), self.allow_loopback, &whom).map_err(|wrong| wrong.words)?;
        let mut request = Request::builder().method(endpoint.method.word()).uri(uri);
        for (name, value) in own_headers(call) {
            request = request.header(name, value);
        }
        for (name, value) in &endpoint.headers {
            request = request.header(name, header_value(value)?);
        }
        let body = OutBody::Whole(Some(Bytes::copy_from_slice(call.body.as_bytes())));
        Ok((request.body(body).map_err(|_| format!("the request of {whom} cannot be written"))?, way))
    }

    /// The request that a call would make; what is secret in it is masked, and nothing is read for it.
    ///
    /// # Errors
    /// There is no such endpoint.
    pub fn shown(&self, call: &WebhookCall) -> Result<RequestRecord, String> {
        let endpoint = self.endpoint(&call.endpoint)?;
        let url = match &endpoint.url {
            WebPlace::Plain(url) => url.as_str().to_owned(),
            WebPlace::Secret(_) => MASKED.to_owned(),
        };
        let mut record = RequestRecord::unsent(endpoint.method.word(), url);
        record.headers.extend(own_headers(call).map(|(name, value)| (name.to_owned(), value.to_owned())));
        record.headers.extend(endpoint.headers.iter().map(|(name, value)| {
            let value = match value {
                Header::Text(text) => text.clone(),
                Header::Kept(kept) => format!("{}{MASKED}", kept.prefix),
            };
            (name.to_ascii_lowercase(), value)
        }));
        record.body_bytes = call.body.len() as u64;
        record.body = Some(call.body.as_bytes().to_vec());
        Ok(record)
    }

    async fn call(&self, call: &WebhookCall) -> Result<WebhookAnswer, String> {
        let endpoint = self.endpoint(&call.endpoint)?;
        let (request, way) = self.request(call, endpoint)?;
        let exchange = async {
            let answer = match way {
                Way::Public => self.clients.partner.request(request).await,
                Way::Loopback => self.clients.lab.request(request).await,
            };
            let (head, body) = answer.map_err(|wrong| explain("the endpoint", &wrong).words)?.into_parts();
            drain(body).await;
            Ok::<_, String>(head)
        };
        let head = tokio::time::timeout(endpoint.timeout.into(), exchange)
            .await
            .map_err(|_| format!("the endpoint did not answer within {}", endpoint.timeout))??;
        Ok(judge(head.status, after(&head.headers, SystemTime::now())))
    }
}

impl WebhookSender for LocalWebhooks {
    fn send<'a>(&'a self, call: &'a WebhookCall) -> BoxFuture<'a, WebhookAnswer> {
        Box::pin(
            async move { self.call(call).await.unwrap_or_else(|words| WebhookAnswer::Later { words, after: None }) },
        )
    }
}

/// The headers that every request has.
fn own_headers(call: &WebhookCall) -> [(&'static str, &str); 3] {
    let agent = concat!("caravan/", env!("CARGO_PKG_VERSION"));
    [("content-type", "application/json"), ("user-agent", agent), (IDEMPOTENCY_KEY, &call.key)]
}

fn named(endpoint: &str) -> String {
    format!("the endpoint `{endpoint}`")
}

fn place(url: &WebPlace) -> Result<Secret, String> {
    match url {
        WebPlace::Plain(url) => Ok(Secret::new(url.as_str())),
        WebPlace::Secret(kept) => vault::read(kept),
    }
}

/// A header's value; where a secret is in it, logs of ours never show it.
fn header_value(header: &Header) -> Result<HeaderValue, String> {
    let unfit = || "the value of a header is no ASCII text".to_owned();
    match header {
        Header::Text(text) => HeaderValue::from_str(text).map_err(|_| unfit()),
        Header::Kept(kept) => {
            let text = format!("{}{}", kept.prefix, vault::read(&kept.secret)?.expose());
            let mut value = HeaderValue::from_str(&text).map_err(|_| unfit())?;
            value.set_sensitive(true);
            Ok(value)
        }
    }
}

/// What a status means for the visit.
fn judge(status: StatusCode, after: Option<Duration>) -> WebhookAnswer {
    match status.as_u16() {
        200..=299 => WebhookAnswer::Taken,
        status @ (408 | 425 | 429 | 500..=599) => {
            WebhookAnswer::Later { words: format!("the endpoint answered {status}"), after }
        }
        status => WebhookAnswer::Refused { status },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_becomes_of_the_visit() {
        let judge = |status: u16| judge(StatusCode::from_u16(status).unwrap(), Some(Duration::SECOND));
        assert_eq!([judge(200), judge(202), judge(204)], [const { WebhookAnswer::Taken }; 3]);
        for status in [408, 425, 429, 500, 502, 503, 504] {
            let WebhookAnswer::Later { words, after } = judge(status) else { panic!("{status}") };
            assert!(words.contains(&status.to_string()) && after == Some(Duration::SECOND), "{words}");
        }
        for status in [301, 302, 308, 400, 401, 404, 409, 410, 422] {
            assert_eq!(judge(status), WebhookAnswer::Refused { status });
        }
    }
}
