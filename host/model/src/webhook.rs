//! Endpoints of the customer's own that webhook steps call, and the port through which calls leave.
use crate::Duration;
use crate::alert::WebPlace;
use crate::connection::SecretRef;
use crate::port::BoxFuture;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// How long one request may take, where the endpoint does not say.
pub const TIMEOUT: Duration = Duration::SECOND.times(10);
/// The longest `timeout`.
pub const LONGEST_TIMEOUT: Duration = Duration::MINUTE;

/// An endpoint that webhook steps name by `use`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its URL, or where that is kept if whoever has it can call. `https`; `http` on this machine for development, where
    /// `CARAVAN_ALLOW_LOOPBACK=1` is set.
    pub url: WebPlace,
    /// By which method it is called.
    #[serde(default, skip_serializing_if = "Method::is_post")]
    pub method: Method,
    /// What every request carries beside its JSON body and its `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Header>,
    /// How long one request may take: 1s to 1m, 10s by itself.
    #[serde(default = "timeout", skip_serializing_if = "is_timeout")]
    pub timeout: Duration,
}

fn timeout() -> Duration {
    TIMEOUT
}

fn is_timeout(span: &Duration) -> bool {
    *span == TIMEOUT
}

/// The methods that carry a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
}

impl Method {
    /// As requests say it.
    pub fn word(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        }
    }

    fn is_post(&self) -> bool {
        *self == Method::Post
    }
}

/// A header's value: a text, or where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Header {
    /// Written out.
    Text(String),
    /// Kept elsewhere.
    Kept(KeptHeader),
}

/// `{ secret: { env: MAILER_TOKEN }, prefix: "Bearer " }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptHeader {
    /// Where the secret is kept.
    pub secret: SecretRef,
    /// What stands before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// By hand, so that an error says what is wrong without repeating what stands here.
impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or where a secret is kept, `{ secret: { env: NAME } }`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Header, E> {
                Ok(Header::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Header, A::Error> {
                KeptHeader::deserialize(MapAccessDeserializer::new(map)).map(Header::Kept)
            }
        }
        from.deserialize_any(Either)
    }
}

/// One request that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookCall {
    /// The endpoint's name.
    pub endpoint: String,
    /// The `Idempotency-Key`: the same for every repeat of one visit's call, and for nothing else.
    pub key: String,
    /// The body: one JSON object.
    pub body: Arc<str>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// Answered 2xx.
    Taken,
    /// Answered with a status that a repeat would not change.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It may work later: 408, 425, 429, 5xx, no answer in time, no connection, no secret.
    Later {
        /// What happened, in plain words; never a secret, a URL that may be one, or anything of a person.
        words: String,
        /// How long to wait at least, where the endpoint says so.
        after: Option<Duration>,
    },
}

/// Makes requests of webhook steps. Every call ends within the endpoint's timeout; nothing is repeated inside.
pub trait WebhookSender: Send + Sync {
    /// Makes one request.
    fn send<'a>(&'a self, call: &'a WebhookCall) -> BoxFuture<'a, WebhookAnswer>;
}

/// A host without endpoints: whoever reaches a webhook step waits until there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWebhooks;

impl WebhookSender for NoWebhooks {
    fn send<'a>(&'a self, call: &'a WebhookCall) -> BoxFuture<'a, WebhookAnswer> {
        let words = format!("this host has no endpoint `{}`", call.endpoint);
        Box::pin(std::future::ready(WebhookAnswer::Later { words, after: None }))
    }
}
