//! The connector's only way out: one request, one answer, through the host's egress (WASI HTTP 0.2 underneath).
//!
//! The host injects credentials and refuses whatever the manifest's routes do not allow. Requests always go by https;
//! redirects are answers and are not followed.
mod path;
#[cfg(target_family = "wasm")]
mod wasi;

pub use path::Path;

use crate::{Fault, Sink, fault};
use std::fmt;

/// How many bytes of an answer are read unless a request says otherwise.
pub const ANSWER_LIMIT: usize = 4 << 20;

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Method {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// The body of a request.
pub(crate) enum Body<'a> {
    /// No body.
    None,
    /// A body at hand.
    Bytes(Vec<u8>),
    /// A body of known length that is built while it is being sent.
    Stream(u64, &'a dyn Fn(&mut Sink<'_>)),
}

/// One request.
pub struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) host: &'a str,
    pub(crate) path: Path,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: Body<'a>,
    pub(crate) answer_limit: usize,
}

impl<'a> Request<'a> {
    /// A request without a body to a host of the manifest.
    pub fn new(method: Method, host: &'a str, path: Path) -> Request<'a> {
        Request { method, host, path, headers: Vec::new(), body: Body::None, answer_limit: ANSWER_LIMIT }
    }

    /// GET.
    pub fn get(host: &'a str, path: Path) -> Request<'a> {
        Request::new(Method::Get, host, path)
    }

    /// POST.
    pub fn post(host: &'a str, path: Path) -> Request<'a> {
        Request::new(Method::Post, host, path)
    }

    /// DELETE.
    pub fn delete(host: &'a str, path: Path) -> Request<'a> {
        Request::new(Method::Delete, host, path)
    }

    /// Adds a header. `content-type` and `content-length` are set by the bodies below; beside these and `accept` and the like
    /// a header leaves only where the manifest's route names it under `headers`.
    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Request<'a> {
        self.headers.push((name, value.into()));
        self
    }

    /// A JSON body at hand.
    pub fn json(self, body: impl Into<Vec<u8>>) -> Request<'a> {
        let body = body.into();
        let mut request = self.json_head(body.len() as u64);
        request.body = Body::Bytes(body);
        request
    }

    /// A JSON body of exactly `length` bytes that `write` builds while the first of it is already on its way. `write`
    /// must write the same bytes whenever it is called.
    pub fn json_stream(self, length: u64, write: &'a dyn Fn(&mut Sink<'_>)) -> Request<'a> {
        let mut request = self.json_head(length);
        request.body = Body::Stream(length, write);
        request
    }

    /// A form at hand, already percent-encoded.
    pub fn form(self, body: impl Into<Vec<u8>>) -> Request<'a> {
        let body = body.into();
        let length = body.len().to_string();
        let request = self.header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.header("content-length", length);
        request.body = Body::Bytes(body);
        request
    }

    /// Reads at most so many bytes of the answer; more is an error.
    pub fn answer_limit(mut self, bytes: usize) -> Request<'a> {
        self.answer_limit = bytes;
        self
    }

    fn json_head(self, length: u64) -> Request<'a> {
        self.header("content-type", "application/json").header("content-length", length.to_string())
    }
}

/// One answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, as the host passed them on.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in any case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(&found.1).ok()
    }

    /// The body as JSON; `None` where it is none.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The host's egress refused the request: no route of the manifest, no grant, another account or audience.
    Denied,
    /// The request is larger than the host or the partner lets through.
    TooLarge,
    /// The answer is larger than the limit of the request.
    AnswerTooLarge,
    /// A body came out longer or shorter than announced: the connector's own mistake.
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes written.
        written: u64,
    },
    /// The request cannot be written: the connector's own mistake.
    Malformed(&'static str),
    /// Not connected, cut, or too slow.
    Failed(String),
}

impl HttpError {
    /// Not connected, cut, or too slow.
    pub fn failed(why: impl Into<String>) -> HttpError {
        HttpError::Failed(why.into())
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Denied => {
                f.write_str("the host refused the request: the manifest or the grant has no such route")
            }
            HttpError::TooLarge => f.write_str("the request is too large"),
            HttpError::AnswerTooLarge => f.write_str("the answer is too large"),
            HttpError::Length { announced, written } => {
                write!(f, "the body has {written} bytes, {announced} were announced")
            }
            HttpError::Malformed(what) => write!(f, "the request has an invalid {what}"),
            HttpError::Failed(why) => write!(f, "the request failed: {why}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Fault {
        let message = format!("No answer: {error}.");
        match error {
            HttpError::TooLarge => Fault::TooLarge,
            HttpError::Denied => fault::bug("denied", message),
            HttpError::Length { .. } | HttpError::Malformed(_) => fault::bug("request", message),
            HttpError::AnswerTooLarge | HttpError::Failed(_) => fault::unavailable(None, fault::cause("http", message)),
        }
    }
}

/// Sends one request and reads the whole answer. An answer of any status is `Ok`: partners lie in theirs.
///
/// # Errors
/// Why there is no whole answer.
pub fn send(request: Request<'_>) -> Result<Response, HttpError> {
    #[cfg(target_family = "wasm")]
    return wasi::send(request);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::send(request)
}

/// Writes the body of a request to `out`, in chunks.
pub(crate) fn write_body(
    body: &Body<'_>,
    out: &mut dyn FnMut(&[u8]) -> Result<(), HttpError>,
) -> Result<(), HttpError> {
    match body {
        Body::None => Ok(()),
        Body::Bytes(bytes) => bytes.chunks(crate::sink::CHUNK).try_for_each(out),
        Body::Stream(announced, write) => {
            let mut sink = Sink::new(out);
            write(&mut sink);
            match sink.finish()? {
                written if written == *announced => Ok(()),
                written => Err(HttpError::Length { announced: *announced, written }),
            }
        }
    }
}
