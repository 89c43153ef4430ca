//! Marketo's envelope: HTTP 200 nearly always, `success` and a quoted code decide (contract, sections 1 and 6).

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::reply::{Class, Reply};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct MarketoError {
    pub(super) code: u32,
    pub(super) message: String,
}

impl MarketoError {
    /// The refusal of this code, with its text.
    pub(super) fn of(code: u32) -> MarketoError {
        MarketoError { code, message: text(code).to_string() }
    }

    /// The refusal of this code in other words.
    pub(super) fn saying(code: u32, message: impl Into<String>) -> MarketoError {
        MarketoError { code, message: message.into() }
    }

    /// The refusal as an answer.
    pub(super) fn reply(self) -> Reply {
        let errors = json!([{"code": self.code.to_string(), "message": self.message}]);
        let body = json!({"requestId": request_id(), "success": false, "errors": errors});
        Reply::json(200, class(self.code), &body)
    }
}

/// A good answer with its result.
pub(super) fn ok(result: Vec<Value>) -> Reply {
    let refused = |row: &Value| row["status"] == "skipped";
    let class = if result.iter().any(refused) { Class::Partial } else { Class::Ok };
    Reply::json(200, class, &json!({"requestId": request_id(), "success": true, "result": result}))
}

/// The same with a token for the next page, where there is one.
pub(super) fn page(result: Vec<Value>, next: Option<String>) -> Reply {
    let mut body = json!({"requestId": request_id(), "success": true, "result": result});
    if let Some(next) = next {
        body["nextPageToken"] = next.into();
        body["moreResult"] = true.into();
    }
    Reply::json(200, Class::Ok, &body)
}

/// A good answer of the asset API that found nothing: a warning and no result.
pub(super) fn nothing() -> Reply {
    let warnings = json!(["No assets found for the given search criteria."]);
    let body = json!({"requestId": request_id(), "success": true, "errors": [], "warnings": warnings});
    Reply::json(200, Class::Ok, &body)
}

/// A failure that names no error.
pub(super) fn untold() -> Reply {
    Reply::json(200, Class::Server, &json!({"requestId": request_id(), "success": false, "errors": []}))
}

fn request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}#{:x}", 0x1000 + number % 0xF000, 0x170_6170_ba29 + number)
}

fn class(code: u32) -> Class {
    match code {
        600..=603 => Class::Auth,
        606 | 607 | 615 => Class::Throttled,
        1013 | 709 | 1022 => Class::BadAudience,
        604 | 608 | 611 | 614 | 713 | 719 | 1016 | 1019 | 1029 => Class::Server,
        702 => Class::Ok,
        _ => Class::BadRequest,
    }
}

/// The words of a code, also of those that stand in rows.
pub(super) fn text(code: u32) -> &'static str {
    match code {
        600 => "Access token not specified",
        601 => "Access token invalid",
        602 => "Access token expired",
        603 => "Access denied",
        604 => "Request time-out",
        605 => "HTTP Method not supported",
        606 => "Max rate limit '100' exceeded with in '20' secs",
        607 => "Daily quota reached",
        608 => "API Temporarily Unavailable",
        609 => "Invalid JSON",
        610 => "Requested resource not found",
        611 => "System error",
        612 => "Invalid Content Type",
        613 => "Invalid Multipart Request",
        614 => "Invalid Subscription",
        615 => "Concurrent access limit reached",
        616 => "Invalid subscription type",
        701 => "cannot be blank",
        702 => "No data found for a given search scenario",
        703 => "The feature is not enabled for the subscription",
        704 => "Invalid date format",
        709 => "Business Rule Violation",
        710 => "Parent Folder Not Found",
        711 => "Incompatible Folder Type",
        713 => "Transient Error",
        719 => "Lock wait timeout exception",
        1001 => "Invalid value. Required of type 'Integer'",
        1002 => "Missing value for required parameter",
        1003 => "Invalid data",
        1004 => "Lead not found",
        1005 => "Lead already exists",
        1006 => "Field not found",
        1007 => "Multiple leads match the lookup criteria",
        1008 => "Access to partition is denied",
        1009 => "Partition name must be specified",
        1010 => "Partition update not allowed",
        1011 => "Field not supported",
        1013 => "Object not found",
        1015 => "Lead not in list",
        1016 => "Too many imports",
        1019 => "Import in progress",
        1022 => "Object in use",
        1029 => "Too many jobs in queue",
        1035 => "Unsupported filter type for target subscription",
        _ => "The call failed",
    }
}
