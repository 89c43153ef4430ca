//! What an answer of Marketo's means (contract, sections 1 and 6).
//!
//! Nearly everything comes under HTTP 200: `success` and the quoted code decide. A code that is in no table is tried again,
//! as is a failure that names none.
use caravan_sdk::http::Response;
use caravan_sdk::{AudienceState, Cause, Fault, fault};
use serde_json::{Value, json};

/// What a call was about, so that a missing object can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The instance, its lists, its leads.
    Login,
    /// The folder that lists are made in.
    Folder,
    /// One list.
    List,
}

/// How long a spent day is left alone where the answer does not tell the time.
const HOUR_MS: u64 = 3_600_000;
/// Midnight in US Central time, as a span after 00:00 UTC: an hour late in summer rather than early.
const RESET_MS: u64 = 6 * HOUR_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The answer's JSON, or the fault that it stands for.
///
/// # Errors
/// What Marketo refused, or that it gave no usable answer.
pub fn classify(answer: &Response, about: About) -> Result<Value, Fault> {
    let body = answer.json().filter(|body| body["success"].is_boolean());
    let Some(body) = body.filter(|_| !matches!(answer.status, 413 | 414)) else {
        return Err(garbled(answer));
    };
    if body["success"] == true {
        return Ok(body);
    }
    let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = errors
        .iter()
        .map(|error| Refused { code: code_of(error), message: error["message"].as_str().unwrap_or_default() });
    // Of several the worst counts; of equals the first.
    let Some(worst) = known.rev().max_by_key(|refused| rank(&refused.fault(answer, about))) else {
        let cause = fault::cause("unnamed", "Marketo refuses this call without saying why.");
        return Err(fault::unavailable(None, cause));
    };
    match worst.code.as_str() {
        // Nobody matched.
        "702" => Ok(json!({"success": true, "result": []})),
        _ => Err(worst.fault(answer, about)),
    }
}

/// A code as text: Marketo quotes them.
pub fn code_of(error: &Value) -> String {
    crate::api::text(&error["code"])
}

/// Whether a call was refused because the filter hit too many leads.
pub fn is_too_many(fault: &Fault) -> bool {
    fault::cause_of(fault).is_some_and(|cause| cause.code == "1003")
}

struct Refused<'a> {
    code: String,
    message: &'a str,
}

impl Refused<'_> {
    /// Our words, then Marketo's.
    fn cause(&self, ours: &str) -> Cause {
        let message =
            if self.message.is_empty() { ours.to_owned() } else { format!("{ours} Marketo says: {}", self.message) };
        fault::cause(self.code.as_str(), message)
    }

    fn fault(&self, answer: &Response, about: About) -> Fault {
        let missing = || {
            let cause = self.cause("The list was deleted at Marketo, or its API user does not see it.");
            fault::audience(AudienceState::Missing, cause)
        };
        match self.code.parse().unwrap_or(0) {
            600..=602 => Fault::Unauthorized(self.cause("Marketo does not accept the token: connect again.")),
            603 => Fault::Forbidden(self.cause(
                "The API user's role lacks a permission (Read-Write Lead, and Read-Write Assets to make lists), or \
                 Marketo's list of allowed addresses does not have this host.",
            )),
            606 | 615 => fault::throttled(None, self.cause("Marketo has had enough calls for now.")),
            607 => {
                let ours = "The instance's calls of today are spent; they begin anew at midnight US Central time.";
                fault::throttled(Some(until_reset(answer)), self.cause(ours))
            }
            604 | 608 | 611 | 614 | 713 | 719 => fault::unavailable(None, self.cause("Marketo is out of order.")),
            1016 | 1019 | 1029 => fault::unavailable(None, self.cause("Marketo is busy with other jobs.")),
            610 | 1013 if about == About::List => missing(),
            1013 => missing(),
            709..=711 | 1022 => Fault::Misconfigured(self.cause("Marketo cannot make or change the list like this.")),
            605 | 609 | 610 | 612 | 613 | 616 | 701 | 703 | 704 | 1001..=1011 | 1015 | 1035 => {
                Fault::Bug(self.cause("Marketo does not understand this call."))
            }
            _ => fault::unavailable(None, self.cause("Marketo refuses this call for a reason that is not known.")),
        }
    }
}

/// Which of several faults is told: those that a person must mend before those that pass.
fn rank(fault: &Fault) -> u8 {
    match fault {
        Fault::Unauthorized(_) => 6,
        Fault::Forbidden(_) | Fault::Terms(_) => 5,
        Fault::Audience(_) | Fault::Misconfigured(_) => 4,
        Fault::Throttled(_) => 3,
        Fault::Bug(_) => 2,
        _ => 1,
    }
}

/// Until midnight US Central time, by the answer's own clock.
fn until_reset(answer: &Response) -> u64 {
    let time = answer.header("date").and_then(time_of_day_ms);
    time.map_or(HOUR_MS, |now| match (RESET_MS + DAY_MS - now) % DAY_MS {
        0 => DAY_MS,
        wait => wait,
    })
}

/// The time of `Thu, 26 Nov 2026 12:41:00 GMT` as a span after 00:00 UTC.
fn time_of_day_ms(date: &str) -> Option<u64> {
    let time = date.strip_suffix(" GMT")?.rsplit(' ').next()?;
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    (hours < 24 && minutes < 60 && seconds <= 60).then(|| ((hours * 60 + minutes) * 60 + seconds) * 1_000)
}

/// No envelope: a gateway's page, a cut answer, or a size that the web server refuses.
fn garbled(answer: &Response) -> Fault {
    let code = answer.status.to_string();
    match answer.status {
        413 | 414 => Fault::TooLarge,
        401 => Fault::Unauthorized(fault::cause(code, "Marketo does not accept the credentials: connect again.")),
        429 => fault::throttled(None, fault::cause(code, "Marketo has had enough calls for now.")),
        _ => fault::unavailable(None, fault::cause(code, "Marketo answered something that is not its API's.")),
    }
}

#[cfg(test)]
mod tests;
