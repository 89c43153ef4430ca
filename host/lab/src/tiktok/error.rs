//! TikTok's envelope and codes: HTTP 200 nearly always, the code decides (contract, sections 1 and 6).

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::reply::{Class, Reply};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct TikTokError {
    code: u32,
    pub(super) message: String,
    class: Class,
}

impl TikTokError {
    /// The documented refusal of this code, with its text.
    pub(crate) fn of(code: u32) -> TikTokError {
        TikTokError { code, message: text(code).to_string(), class: class(code) }
    }

    /// A parameter that is missing or wrong.
    pub(crate) fn parameter(message: impl Into<String>) -> TikTokError {
        TikTokError { message: message.into(), ..TikTokError::of(40_002) }
    }

    /// An audience that does not take changes now.
    pub(crate) fn not_editable() -> TikTokError {
        let message = "Audience is not editable, please check audience status".into();
        TikTokError { message, class: Class::BadAudience, ..TikTokError::of(40_002) }
    }

    /// A customer-file change that would leave too few people.
    pub(crate) fn too_small() -> TikTokError {
        let message = "The audience size must be at least 1000 after the update".into();
        TikTokError { message, class: Class::BadAudience, ..TikTokError::of(40_002) }
    }

    /// The refusal as an answer.
    pub(crate) fn reply(self) -> Reply {
        envelope(200, self.class, self.code, &self.message, json!({}))
    }
}

/// The envelope that every answer has.
pub(super) fn envelope(status: u16, class: Class, code: u32, message: &str, data: Value) -> Reply {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = format!("20261122083000{:018X}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut reply =
        Reply::json(status, class, &json!({"code": code, "message": message, "request_id": id, "data": data}));
    reply.header("x-tt-logid", &id);
    reply
}

fn class(code: u32) -> Class {
    match code {
        0 => Class::Ok,
        20_001 => Class::Partial,
        40_100 | 40_016 | 40_132 | 40_133 => Class::Throttled,
        40_101 | 40_102 | 40_104..=40_106 | 40_110 => Class::Auth,
        40_001 | 40_113 | 40_118 | 40_119 | 40_125 | 40_300 | 40_301 | 41_000 => Class::Auth,
        40_007 => Class::BadAudience,
        40_050 => Class::Ok,
        40_201 | 40_202 | 40_700 | 50_000..=60_001 => Class::Server,
        _ => Class::BadRequest,
    }
}

fn text(code: u32) -> &'static str {
    match code {
        20_001 => "Partial success",
        40_001 => "No permission to operate on the advertiser.",
        40_002 => "Parameter error",
        40_006 => "Unknown parameter",
        40_007 => "The audience does not exist.",
        40_008 => "Unsupported API version",
        40_016 => "Too many requests at app level. Please retry in some time.",
        40_050 => "Duplicate request",
        40_051 => "Unsupported endpoint",
        40_100 => "Too many requests. Please retry in some time.",
        40_101 => "Invalid authorization code",
        40_102 => "Access token is expired.",
        40_104 => "Access token is null, you should set it in http header with key Access-Token.",
        40_105 => "Access token is incorrect or has been revoked.",
        40_106 => "The account of the authorizing user is invalid.",
        40_110 => "Auth_code is used or expired.",
        40_113 => "The app is blocked.",
        40_118 => "The app is not on the allowlist of this endpoint.",
        40_125 => "The developer has no permission for this endpoint.",
        40_132 | 40_133 => "Too many requests for this advertiser. Please retry in some time.",
        40_201 => "The task is not ready.",
        40_202 => "Entity conflict",
        40_300 | 40_301 => "The advertiser does not exist.",
        40_900 => "The file signature does not match.",
        40_905..=40_915 => "The file is invalid.",
        41_000 => "Requests from your country or IP address are not allowed.",
        50_000 => "System error",
        50_002 => "Service error",
        51_305 => "The service is temporarily unavailable.",
        60_001 => "The service is under maintenance.",
        _ => "The request failed",
    }
}
