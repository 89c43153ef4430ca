//! Google's error bodies: `google.rpc.Status` with details, in the Data Manager API's form and in that of the Ads API
//! (contract, sections 1 and 6).

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::reply::{Class, Reply};

const TYPES: &str = "type.googleapis.com/google.rpc.";
const ADS_FAILURE: &str = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure";

/// Reasons that are about one member of a call.
pub(super) const ROW_REASONS: [&str; 11] = [
    "INVALID_FORMAT",
    "INVALID_HEX_ENCODING",
    "INVALID_BASE64_ENCODING",
    "INVALID_SHA256_FORMAT",
    "INVALID_POSTAL_CODE",
    "INVALID_REGION_CODE",
    "INVALID_COUNTRY_CODE",
    "INVALID_MOBILE_ID_FORMAT",
    "INVALID_AUDIENCE_MEMBER",
    "NO_IDENTIFIERS_PROVIDED",
    "REQUIRED_FIELD_MISSING",
];

/// What is wrong with one field.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    /// Its path in the request, in snake case and counted from 0.
    pub(super) field: String,
    /// The reason, as `ErrorReason` of the API names it; empty where the JSON itself could not be read.
    pub(super) reason: String,
    /// Words.
    pub(super) description: String,
}

impl Violation {
    pub(super) fn new(field: impl Into<String>, reason: &str, description: impl Into<String>) -> Violation {
        Violation { field: field.into(), reason: reason.into(), description: description.into() }
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct GoogleError {
    /// The HTTP status.
    pub(super) http: u16,
    status: &'static str,
    /// The reason of the `ErrorInfo`; for the Ads API `category.CODE`.
    reason: String,
    pub(super) message: String,
    violations: Vec<Violation>,
    retry_ms: Option<u64>,
    ads: bool,
}

impl GoogleError {
    /// The refusal of this reason. Reasons that a status has for itself come under it; all others are a 400 that names
    /// a field: which status belongs to them is not known (contract, section 6).
    pub(super) fn of(reason: &str) -> GoogleError {
        let (http, status, message) = match reason {
            "INTERNAL" | "INTERNAL_ERROR" => (500, "INTERNAL", "Internal error encountered."),
            "UNAVAILABLE" => (503, "UNAVAILABLE", "The service is currently unavailable."),
            "DEADLINE_EXCEEDED" => (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
            "ABORTED" => (409, "ABORTED", "The operation was aborted."),
            "RESOURCE_EXHAUSTED" => (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
            "UNAUTHENTICATED" => (
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                 valid authentication credential.",
            ),
            "PERMISSION_DENIED" => (403, "PERMISSION_DENIED", "The caller does not have permission"),
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => {
                (403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")
            }
            "SERVICE_DISABLED" => (403, "PERMISSION_DENIED", "Data Manager API has not been used in project 1 before."),
            "NOT_FOUND" => (404, "NOT_FOUND", "Requested entity was not found."),
            _ => (400, "INVALID_ARGUMENT", "There was a problem with the request."),
        };
        GoogleError {
            http,
            status,
            reason: reason.into(),
            message: message.into(),
            violations: Vec::new(),
            retry_ms: None,
            ads: false,
        }
    }

    /// A 400 that names fields.
    pub(super) fn fields(violations: Vec<Violation>) -> GoogleError {
        GoogleError { violations, ..GoogleError::of("INVALID_ARGUMENT") }
    }

    /// A 400 that names one field.
    pub(super) fn field(field: impl Into<String>, reason: &str, description: &str) -> GoogleError {
        GoogleError::fields(vec![Violation::new(field, reason, description)])
    }

    /// A body that is not of the request's shape: the field's name is told, no reason.
    pub(super) fn payload(error: &serde_json::Error) -> GoogleError {
        let words = error.to_string();
        let unknown = words.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        match unknown {
            Some(name) => GoogleError::unknown(name),
            None => GoogleError::unreadable(format!("Invalid JSON payload received. {words}")),
        }
    }

    /// A field that this request does not have.
    pub(super) fn unknown(name: &str) -> GoogleError {
        GoogleError::unreadable(format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."))
    }

    fn unreadable(message: String) -> GoogleError {
        let violation = Violation::new("", "", message.clone());
        GoogleError { message, ..GoogleError::fields(vec![violation]) }
    }

    /// A refusal in the Ads API's form: `authenticationError.OAUTH_TOKEN_INVALID`.
    pub(super) fn ads(code: &str) -> GoogleError {
        let (http, status) = match code.split_once('.').unwrap_or((code, "")) {
            ("authenticationError", _) => (401, "UNAUTHENTICATED"),
            ("authorizationError", _) => (403, "PERMISSION_DENIED"),
            ("quotaError", _) => (429, "RESOURCE_EXHAUSTED"),
            ("internalError", _) => (500, "INTERNAL"),
            _ => (400, "INVALID_ARGUMENT"),
        };
        let message = "Request contains an invalid argument.".to_string();
        GoogleError { http, status, message, reason: code.into(), ads: true, ..GoogleError::of("INVALID_ARGUMENT") }
    }

    /// The same with the time after which to try again, as `google.rpc.RetryInfo`.
    pub(super) fn after(mut self, ms: Option<u64>) -> GoogleError {
        self.retry_ms = ms.or(self.retry_ms);
        self
    }

    fn class(&self) -> Class {
        match self.http {
            401 | 403 => Class::Auth,
            404 => Class::BadAudience,
            429 => Class::Throttled,
            409 | 500.. => Class::Server,
            _ => Class::BadRequest,
        }
    }

    /// The refusal as an answer.
    pub(super) fn reply(self) -> Reply {
        let id = request_id();
        let mut details = match self.ads {
            true => self.ads_details(&id),
            false => self.details(&id),
        };
        if let Some(ms) = self.retry_ms {
            let delay = format!("{}.{:03}s", ms / 1_000, ms % 1_000);
            details.push(json!({"@type": format!("{TYPES}RetryInfo"), "retryDelay": delay}));
        }
        let body = json!({"error": {
            "code": self.http, "message": self.message, "status": self.status, "details": details,
        }});
        Reply::json(self.http, self.class(), &body)
    }

    fn details(&self, id: &str) -> Vec<Value> {
        let violations: Vec<Value> = self
            .violations
            .iter()
            .map(|violation| match violation.reason.as_str() {
                "" => json!({"field": violation.field, "description": violation.description}),
                reason => {
                    json!({"field": violation.field, "description": violation.description, "reason": reason})
                }
            })
            .collect();
        let bad = json!({"@type": format!("{TYPES}BadRequest"), "fieldViolations": violations});
        // What the JSON reader refuses never reaches the API, and carries nothing of its own.
        if self.violations.iter().any(|violation| violation.reason.is_empty()) {
            return vec![bad];
        }
        let mut details = vec![
            json!({
                "@type": format!("{TYPES}ErrorInfo"), "reason": self.reason, "domain": "datamanager.googleapis.com",
                "metadata": {"requestId": id},
            }),
            json!({"@type": format!("{TYPES}RequestInfo"), "requestId": id}),
        ];
        if !violations.is_empty() {
            details.push(bad);
        }
        details
    }

    fn ads_details(&self, id: &str) -> Vec<Value> {
        let (category, code) = self.reason.split_once('.').unwrap_or(("requestError", self.reason.as_str()));
        let mut error = json!({"errorCode": {category: code}, "message": "The request was refused."});
        if category == "quotaError" {
            let seconds = self.retry_ms.unwrap_or(5_000) / 1_000;
            error["details"] = json!({"quotaErrorDetails": {
                "rateScope": "DEVELOPER", "rateName": "Number of operations for explorer access",
                "retryDelay": format!("{seconds}s"),
            }});
        }
        // As at Google, an error that matters less may come first.
        let other = json!({"errorCode": {"requestError": "UNKNOWN"}, "message": "Another error."});
        let errors = match category {
            "databaseError" => vec![other, error],
            _ => vec![error],
        };
        vec![json!({"@type": ADS_FAILURE, "errors": errors, "requestId": id})]
    }
}

/// A request id as Google writes one.
pub(super) fn request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("t-{:022}", COUNT.fetch_add(1, Ordering::Relaxed))
}
