//! What an answer of Google's means (contract, sections 1 and 6).
//!
//! The reason in a detail decides, never the HTTP status alone. An answer may give several reasons, and the one that
//! matters need not come first (traps, row 33): what is wrong with the login or the list beats what is wrong with a row.
mod reasons;

pub use reasons::{ads_kind, kind};

use caravan_sdk::http::Response;
use caravan_sdk::{AudienceState, Cause, Fault, Refusal, fault};
use reasons::Kind;
use serde_json::Value;

/// Where a person signs the customer-data terms.
const TERMS_LINK: &str = "https://ads.google.com/aw/audiences/management";

/// The answer's JSON, or the fault that it stands for.
///
/// # Errors
/// What Google refused, or that it gave no usable answer.
pub fn classify(answer: &Response) -> Result<Value, Fault> {
    let Some(body) = answer.json().filter(Value::is_object) else {
        return Err(garbled(answer));
    };
    if body["error"].is_object() {
        return Err(Refused::of(&body["error"], answer.status).fault());
    }
    match answer.is_success() {
        true => Ok(body),
        false => Err(garbled(answer)),
    }
}

/// One reason of a refusal.
struct Reason<'a> {
    kind: Kind,
    code: String,
    field: &'a str,
    words: &'a str,
}

/// Everything that a refusal says.
struct Refused<'a> {
    reasons: Vec<Reason<'a>>,
    message: &'a str,
    after_ms: Option<u64>,
}

impl<'a> Refused<'a> {
    fn of(error: &'a Value, http: u16) -> Refused<'a> {
        let message = error["message"].as_str().unwrap_or_default();
        let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut reasons = Vec::new();
        let mut after_ms = None;
        for detail in details {
            for violation in list(&detail["fieldViolations"]) {
                let field = violation["field"].as_str().unwrap_or_default();
                let code = violation["reason"].as_str().unwrap_or("INVALID_ARGUMENT");
                let words = violation["description"].as_str().unwrap_or_default();
                reasons.push(Reason { kind: kind(code, field), code: code.to_owned(), field, words });
            }
            for error in list(&detail["errors"]) {
                let words = error["message"].as_str().unwrap_or_default();
                for (category, code) in error["errorCode"].as_object().into_iter().flatten() {
                    let code = code.as_str().unwrap_or_default();
                    let kind = ads_kind(category, code);
                    reasons.push(Reason { kind, code: format!("{category}.{code}"), field: "", words });
                }
                let delay = &error["details"]["quotaErrorDetails"]["retryDelay"];
                after_ms = after_ms.or_else(|| delay.as_str().and_then(milliseconds));
            }
            after_ms = after_ms.or_else(|| detail["retryDelay"].as_str().and_then(milliseconds));
        }
        // An `ErrorInfo` and the status say the same in general words: they count where nothing better does.
        if reasons.is_empty() {
            let general = details.iter().find_map(|detail| detail["reason"].as_str());
            let status = error["status"].as_str();
            let known = |code: &&str| kind(code, "") != Kind::Unknown;
            let code = general.filter(known).or(status.filter(known)).or(general).or(status).unwrap_or_default();
            let kind = match kind(code, "") {
                Kind::Unknown => by_http(http),
                kind => kind,
            };
            let code = if code.is_empty() { http.to_string() } else { code.to_owned() };
            reasons.push(Reason { kind, code, field: "", words: "" });
        }
        Refused { reasons, message, after_ms }
    }

    fn fault(self) -> Fault {
        // Of several equals the first is told.
        let worst = self.reasons.iter().rev().max_by_key(|reason| reason.kind);
        let Some(worst) = worst else {
            return Fault::Bug(fault::cause("unnamed", "Google refuses this call without saying why."));
        };
        let cause = |ours: &str| self.cause(worst, ours);
        match worst.kind {
            Kind::Rows => Fault::Rows(self.rows()),
            Kind::Bug | Kind::Unknown => Fault::Bug(cause("Google does not understand this call.")),
            Kind::Later => fault::unavailable(self.after_ms, cause("Google is not ready for this call.")),
            Kind::Throttled => fault::throttled(self.after_ms, cause("Google has had enough calls for now.")),
            Kind::Missing => fault::audience(
                AudienceState::Missing,
                cause("The list does not exist in this account, or is not visible."),
            ),
            Kind::NotWritable => {
                let ours = match worst.code.as_str() {
                    "INVALID_USER_LIST_TYPE" => {
                        "The list takes another kind of identifier: use a list of the right kind."
                    }
                    _ => "The list takes nobody from this account.",
                };
                fault::audience(AudienceState::NotWritable, cause(ours))
            }
            Kind::Setting => Fault::Misconfigured(cause("Google cannot make the list like this.")),
            Kind::Terms => {
                let ours = "A person must accept Google's terms for customer data in the ad account.";
                Fault::Terms(Cause { link: Some(TERMS_LINK.to_owned()), ..cause(ours) })
            }
            Kind::Forbidden => Fault::Forbidden(cause(forbidden(&worst.code))),
            Kind::Unauthorized => Fault::Unauthorized(cause("Google no longer accepts the token: connect again.")),
        }
    }

    /// Our words, then Google's. A reader's complaint about a field carries no value of it.
    fn cause(&self, reason: &Reason<'_>, ours: &str) -> Cause {
        let theirs = match (reason.words, self.message) {
            ("", message) => message,
            (words, _) => words,
        };
        let at = if reason.field.is_empty() { String::new() } else { format!(" ({})", reason.field) };
        let message = match theirs {
            "" => format!("{ours}{at}"),
            theirs => format!("{ours} Google says{at}: {theirs}"),
        };
        fault::cause(reason.code.as_str(), message)
    }

    /// The rows that are named, each once, with the first reason.
    fn rows(&self) -> Vec<Refusal> {
        let mut rows: Vec<Refusal> = Vec::new();
        for reason in self.reasons.iter().filter(|reason| reason.kind == Kind::Rows) {
            let Some(row) = row_of(reason.field).filter(|row| !rows.iter().any(|known| known.row == *row)) else {
                continue;
            };
            let message = format!("Google does not take this person's data: {}.", reasons::row_words(&reason.code));
            rows.push(Refusal { row, code: reason.code.clone(), message });
        }
        rows
    }
}

/// The row in `audience_members[17].user_data…`.
pub fn row_of(field: &str) -> Option<u32> {
    field.strip_prefix("audience_members[")?.split(']').next()?.parse().ok()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `1.500s` in milliseconds, rounded up.
fn milliseconds(delay: &str) -> Option<u64> {
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    (0.0..1e9).contains(&seconds).then(|| (seconds * 1_000.0).ceil() as u64)
}

fn forbidden(code: &str) -> &'static str {
    match code {
        "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH" => {
            "The ad account is not reached like this: name its manager in the setting `login_account`."
        }
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => "The token lacks a scope: connect again and grant all that is asked for.",
        "SERVICE_DISABLED" => "The Data Manager API is not switched on in the Google Cloud project.",
        "NOT_ALLOWLISTED" | "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA" => {
            "Google does not allow Customer Match in this account: it needs a good record of policy and payment."
        }
        "notAllowlistedError.CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE" => {
            "The Google Ads API takes no new Customer Match uploads: this connector uses the Data Manager API."
        }
        _ => "The login may not do this in the ad account.",
    }
}

fn by_http(status: u16) -> Kind {
    match status {
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::Missing,
        429 => Kind::Throttled,
        408 | 409 | 500.. => Kind::Later,
        _ => Kind::Bug,
    }
}

/// No error in Google's form: a gateway's page, or a cut answer.
fn garbled(answer: &Response) -> Fault {
    let code = answer.status.to_string();
    match answer.status {
        401 => Fault::Unauthorized(fault::cause(code, "Google no longer accepts the token: connect again.")),
        413 => Fault::TooLarge,
        429 => fault::throttled(None, fault::cause(code, "Google has had enough calls for now.")),
        404 => Fault::Outdated(fault::cause(code, "Google has no such call: the version of its API may have ended.")),
        _ => fault::unavailable(None, fault::cause(code, "Google answered something that is not its API's.")),
    }
}

#[cfg(test)]
mod tests;
