//! How Experience Platform refuses: the gateway in one form, its services in two others.

use serde_json::{Value, json};

use crate::reply::{Class, Reply};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct PlatformError {
    status: u16,
    code: &'static str,
    pub(super) message: String,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Gateway,
    Service,
    Refused,
}

impl PlatformError {
    /// The gateway's: `error_code` and `message`.
    pub(super) fn gateway(status: u16, code: &'static str, message: &str) -> PlatformError {
        PlatformError { status, code, message: message.to_string(), form: Form::Gateway }
    }

    /// A service's: `type`, `status`, `title`, `detail`.
    pub(super) fn service(status: u16, title: &'static str, detail: impl Into<String>) -> PlatformError {
        PlatformError { status, code: title, message: detail.into(), form: Form::Service }
    }

    /// A service's that names a code within `errors`.
    pub(super) fn refused(code: &'static str, message: &str) -> PlatformError {
        PlatformError { status: 403, code, message: message.to_string(), form: Form::Refused }
    }

    /// The documented refusal of this code, of the gateway (a number) or of a service (a word).
    pub(super) fn of(word: &str, number: Option<u32>) -> PlatformError {
        match (number, word) {
            (Some(401_013), _) => PlatformError::gateway(401, "401013", "Oauth token is not valid"),
            (Some(403_010), _) => PlatformError::gateway(403, "403010", "Oauth token is missing."),
            (Some(403_000), _) => PlatformError::gateway(403, "403000", "Api Key is required"),
            (Some(403_003), _) => PlatformError::gateway(403, "403003", "Api Key is invalid"),
            (Some(403_025), _) => PlatformError::gateway(403, "403025", "Profile is not valid"),
            (Some(400_003), _) => PlatformError::gateway(400, "400003", "Missing header"),
            (_, "UPAPI-113752-403") => {
                PlatformError::refused("UPAPI-113752-403", "Permission denied on some resources")
            }
            (_, "UPAPI-113740-403") => {
                PlatformError::refused("UPAPI-113740-403", "The organisation is not enabled for external segments")
            }
            (_, "BadRequestError") => {
                PlatformError::service(400, "BadRequestError", "A valid content-type must be specified")
            }
            _ => PlatformError::service(500, "InternalServerError", "The service failed"),
        }
    }

    pub(super) fn reply(self) -> Reply {
        let class = match self.status {
            401 | 403 => Class::Auth,
            404 => Class::BadAudience,
            429 => Class::Throttled,
            500.. => Class::Server,
            _ => Class::BadRequest,
        };
        let body: Value = match self.form {
            Form::Gateway => json!({"error_code": self.code, "message": self.message}),
            Form::Service => json!({
                "type": format!("https://ns.adobe.com/aep/errors/{}", self.code), "status": self.status,
                "title": self.code, "detail": self.message,
            }),
            Form::Refused => json!({
                "requestId": "lab", "errors": {"403": [{"code": self.code, "message": self.message}]},
                "type": format!("https://ns.adobe.com/aep/errors/{}", self.code), "status": self.status,
            }),
        };
        Reply::json(self.status, class, &body)
    }
}
