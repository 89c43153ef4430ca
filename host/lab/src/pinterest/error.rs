//! Pinterest's error body: a code and a message; the HTTP status is what counts (contract, sections 1 and 6).

use serde_json::json;

use crate::reply::{Class, Reply};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct PinterestError {
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) message: String,
    class: Class,
}

impl PinterestError {
    /// The refusal of this status, with the code and the words of the documentation's samples where it has any.
    pub(super) fn of(status: u16) -> PinterestError {
        let (code, message, class) = match status {
            400 => (1, "Invalid request.", Class::BadRequest),
            401 => (2, "Authentication failed.", Class::Auth),
            403 => (29, "You are not permitted to access that resource.", Class::Auth),
            404 => (50, "Customer list not found.", Class::BadAudience),
            405 => (12, "Method not allowed.", Class::BadRequest),
            413 => (1, "The request is too large.", Class::BadRequest),
            429 => (8, "You have exceeded your rate limit. Try again later.", Class::Throttled),
            _ => (11, "Something went wrong on our end. Sorry about that.", Class::Server),
        };
        PinterestError { status, code, message: message.to_string(), class }
    }

    /// An ad account that is not there, or that the token does not see: as 400 in one sample, as 404 elsewhere.
    pub(super) fn no_account() -> PinterestError {
        let class = Class::BadAudience;
        PinterestError { code: 2, message: "AdAccount not found.".to_string(), class, ..PinterestError::of(400) }
    }

    /// A path that is none of the API's.
    pub(super) fn no_path() -> PinterestError {
        PinterestError { message: "Not found.".to_string(), class: Class::BadRequest, ..PinterestError::of(404) }
    }

    /// A parameter that is missing or wrong.
    pub(super) fn parameter(message: impl Into<String>) -> PinterestError {
        PinterestError { message: message.into(), ..PinterestError::of(400) }
    }

    /// As an answer.
    pub(super) fn reply(self) -> Reply {
        Reply::json(self.status, self.class, &json!({"code": self.code, "message": self.message}))
    }
}
