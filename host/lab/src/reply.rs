//! An answer before it becomes HTTP: status, headers, body, and how the connection ends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// What kind of answer it was, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Ok,
    Partial,
    Throttled,
    Auth,
    BadAudience,
    BadRequest,
    Server,
    Broken,
}

impl Class {
    /// Name in the counts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::Partial => "partial",
            Class::Throttled => "throttled",
            Class::Auth => "auth",
            Class::BadAudience => "bad-audience",
            Class::BadRequest => "bad-request",
            Class::Server => "server-error",
            Class::Broken => "broken",
        }
    }
}

/// How the answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Sent whole.
    Whole,
    /// Half of the body is sent under the full `Content-Length`, then the connection closes.
    Cut,
    /// The connection closes without a byte of answer.
    Drop,
    /// Nothing is answered for this long, then the connection closes.
    Hang(Duration),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    pub(crate) ending: Ending,
    pub(crate) class: Class,
}

impl Reply {
    /// An answer with a body of this media type.
    pub(crate) fn new(status: u16, class: Class, media: &'static str, body: impl Into<Bytes>) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: vec![(http::header::CONTENT_TYPE, HeaderValue::from_static(media))],
            body: body.into(),
            ending: Ending::Whole,
            class,
        }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, class: Class, body: &impl Serialize) -> Reply {
        match serde_json::to_vec(body) {
            Ok(body) => Reply::new(status, class, "application/json", body),
            Err(error) => Reply::new(500, Class::Server, "text/plain; charset=utf-8", error.to_string()),
        }
    }

    /// Adds a header; a value that HTTP does not allow is left out.
    pub(crate) fn header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
    }

    /// The answer in one piece, for use without a connection. A cut answer is its first half; one that never comes
    /// is a 502 without a body.
    pub(crate) fn whole(self) -> Response<Bytes> {
        let (status, body) = match self.ending {
            Ending::Whole => (self.status, self.body),
            Ending::Cut => (self.status, self.body.slice(..self.body.len() / 2)),
            Ending::Drop | Ending::Hang(_) => (StatusCode::BAD_GATEWAY, Bytes::new()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}
