//! Criteo's error body and codes (contract, sections 1 and 6).

use serde_json::{Value, json};

use crate::reply::{Class, Reply};
use crate::world::World;

/// A refusal: HTTP status, `type`, `code` and words.
#[derive(Debug, Clone)]
pub(crate) struct CriteoError {
    pub(super) status: u16,
    kind: &'static str,
    code: String,
    pub(super) title: String,
    class: Class,
}

impl CriteoError {
    /// The refusal of this code. What the contract gives no status for is a refused request.
    pub(super) fn of(code: &str) -> CriteoError {
        let (status, kind, title, class) = match code {
            "authorization-token-expired" => (401, "authorization", "The authorization token has expired", Class::Auth),
            "authorization-token-invalid" => (401, "authorization", "The authorization token is invalid", Class::Auth),
            // The contract leaves this code open.
            "authorization-forbidden" => (403, "authorization", "Access to the resource is not allowed", Class::Auth),
            "audience-invalid" => (404, "authorization", "Audience not found", Class::BadAudience),
            "segment-not-found" => (404, "validation", "Segment not found", Class::BadAudience),
            "contact-list-read-only" => (400, "validation", "The contact list is read-only", Class::BadAudience),
            "segment-type-invalid" => (400, "validation", "The segment is not a contact list", Class::BadAudience),
            "segments-limit-reached" => {
                (400, "validation", "The maximum number of segments for this advertiser is reached", Class::BadRequest)
            }
            "too-many-requests" => (429, "quota", "Too many requests", Class::Throttled),
            "internal-error" => (500, "unknown", "An internal error occurred", Class::Server),
            "service-unavailable" => (503, "availability", "The service is unavailable", Class::Server),
            "endpoint-deprecated" => (410, "deprecation", "This version is no longer served", Class::BadRequest),
            "request-too-large" => (413, "validation", "The request is too large", Class::BadRequest),
            "unsupported-media-type" => (415, "validation", "The media type is not supported", Class::BadRequest),
            "name-must-be-unique" => (400, "validation", "Segment name must be unique", Class::BadRequest),
            "name-must-not-be-empty" => (400, "validation", "Segment name must not be empty", Class::BadRequest),
            "not-found" => (404, "unknown", "There is no such endpoint", Class::BadRequest),
            _ => (400, "validation", "The request is invalid", Class::BadRequest),
        };
        CriteoError { status, kind, code: code.to_string(), title: title.to_string(), class }
    }

    /// A field that is missing or wrong: `required-field`, `invalid` or `invalid-ranged`.
    pub(super) fn field(code: &str, field: &str) -> CriteoError {
        CriteoError { title: format!("{field}: {code}"), ..CriteoError::of(code) }
    }

    /// As one entry of `errors` or `warnings`.
    pub(super) fn entry(&self, world: &World) -> Value {
        json!({
            "traceId": world.trace_id(),
            "type": self.kind,
            "code": self.code,
            "instance": "/marketing-solutions",
            "title": self.title,
            "detail": self.title,
            "source": {},
        })
    }

    /// As an answer.
    pub(super) fn reply(&self, world: &World) -> Reply {
        Reply::json(self.status, self.class, &json!({"errors": [self.entry(world)], "warnings": []}))
    }
}
