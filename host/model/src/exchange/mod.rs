//! The redacted exchange: heads of a request and its answer, kept with the attempt so that a person can show the partner
//! what was asked and what was said. Never bodies, never secrets.
mod curl;
#[cfg(test)]
mod tests;

use crate::port::{Placed, RequestRecord};
use serde::{Deserialize, Serialize};

/// Most exchanges kept of an attempt: the last ones, since what changes membership comes last.
pub const MOST_EXCHANGES: usize = 16;
/// Most headers kept of a head.
pub const MOST_HEADERS: usize = 40;
/// Most bytes kept of a head, names and values together.
pub const MOST_HEADER_BYTES: usize = 4096;
/// Most bytes kept of a URL, or of the words for a failure.
const MOST_TEXT: usize = 4096;

/// One request and the head of its answer. As JSON it is what the store keeps for each attempt; fields are only ever
/// added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The URL as the connector asked for it: the partner's own host, also at a lab; without injected parameters.
    pub url: String,
    /// The request's headers; injected ones say `***`.
    pub headers: Vec<(String, String)>,
    /// What the egress put in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<Placed>,
    /// The content type of the request's body, where it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// The route of the manifest that allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Whether there was an answer.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The answer's headers, scrubbed and bounded, without cookies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_headers: Vec<(String, String)>,
    /// Bytes of the answer's body that were read.
    #[serde(default)]
    pub answer_bytes: u64,
    /// The partner's own id of the answer: what its support asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Milliseconds from dialling to the end of the answer, or to the failure.
    #[serde(default)]
    pub elapsed_ms: u64,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Answered with this HTTP status.
    Status(u16),
    /// Not answered, and why.
    Failure(String),
}

/// What is kept of an attempt's requests: the last [`MOST_EXCHANGES`], each within the bounds of this module.
pub fn exchanges_of(requests: &[RequestRecord]) -> Vec<Exchange> {
    requests[requests.len().saturating_sub(MOST_EXCHANGES)..].iter().map(exchange_of).collect()
}

fn exchange_of(request: &RequestRecord) -> Exchange {
    let content_type = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    Exchange {
        method: request.method.clone(),
        url: cut(&request.url).to_owned(),
        headers: bounded(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        placed: request.placed.clone(),
        content_type: content_type.map(|(_, value)| cut(value).to_owned()),
        body_bytes: request.body_bytes,
        route: request.route.clone(),
        outcome: match &request.outcome {
            Ok(status) => Outcome::Status(*status),
            Err(why) => Outcome::Failure(cut(why).to_owned()),
        },
        answer_headers: request.answer_headers.clone(),
        answer_bytes: request.answer_bytes,
        trace_id: request.trace_id.clone(),
        elapsed_ms: request.elapsed_ms,
    }
}

/// Headers up to the first that would go beyond [`MOST_HEADERS`] or [`MOST_HEADER_BYTES`]. Control characters become
/// spaces: what a partner sends must not steer a terminal.
pub fn bounded<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut left = MOST_HEADER_BYTES;
    let mut kept = Vec::new();
    for (name, value) in headers.into_iter().take(MOST_HEADERS) {
        let Some(rest) = left.checked_sub(name.len() + value.len()) else { break };
        left = rest;
        let value = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        kept.push((name.to_owned(), value));
    }
    kept
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_TEXT)]
}
