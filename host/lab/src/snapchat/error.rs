//! Snapchat's error envelope (contract, sections 1 and 6).

use serde_json::{Value, json};

use crate::reply::{Class, Reply};
use crate::world::World;

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct SnapError {
    pub(super) status: u16,
    /// None: the answer is the plain word `unauthorized`, without an envelope.
    pub(super) code: Option<String>,
    pub(super) message: String,
    class: Class,
}

impl SnapError {
    /// The refusal of this status.
    pub(super) fn of(status: u16) -> SnapError {
        // Only E3002 is documented; the other codes are the lab's.
        let (code, message, class) = match status {
            401 => (None, "unauthorized", Class::Auth),
            403 => (Some("E3002"), "Caller does not have permission", Class::Auth),
            404 => (Some("E1004"), "Resource can not be found", Class::BadAudience),
            413 => (Some("E1013"), "Request entity too large", Class::BadRequest),
            429 => (Some("E2001"), "Too many requests", Class::Throttled),
            500.. => (Some("E5000"), "Internal server error", Class::Server),
            _ => (Some("E1001"), "Request validation failed", Class::BadRequest),
        };
        SnapError { status, code: code.map(str::to_string), message: message.to_string(), class }
    }

    /// A request that is not understood.
    pub(super) fn invalid(message: impl Into<String>) -> SnapError {
        SnapError { message: message.into(), ..SnapError::of(400) }
    }

    /// A segment that takes no users. The contract names no status.
    pub(super) fn not_writable(message: &str) -> SnapError {
        SnapError { class: Class::BadAudience, ..SnapError::invalid(message) }
    }

    /// As an answer.
    pub(super) fn reply(self, world: &World) -> Reply {
        let Some(code) = self.code else {
            return Reply::new(self.status, self.class, "text/plain; charset=utf-8", self.message);
        };
        let body = json!({
            "request_status": "ERROR",
            "request_id": world.trace_id(),
            "debug_message": self.message,
            "display_message": "We're sorry, but the requested resource is not available at this time",
            "error_code": code,
        });
        Reply::json(self.status, self.class, &body)
    }
}

/// A good answer: `{"request_status","request_id",…}`.
pub(super) fn good(world: &World, mut body: Value) -> Reply {
    body["request_status"] = json!("SUCCESS");
    body["request_id"] = json!(world.trace_id());
    Reply::json(200, Class::Ok, &body)
}
