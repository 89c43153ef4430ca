//! What an answer of Snapchat's means (contract, sections 1 and 6). The HTTP status decides, not the code, of which two
//! sources say opposite things; a good status may carry an error, for the whole call or for a part of it.
use caravan_sdk::http::Response;
use caravan_sdk::{AudienceState, Cause, Fault, fault};
use serde_json::Value;

/// What a call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The credentials themselves.
    Login,
    /// An ad account.
    Account,
    /// The making of a segment.
    Create,
    /// A segment.
    Audience,
}

/// The code of a refusal for which the segment itself may be the reason; `members` looks it up.
pub const MAYBE_AUDIENCE: &str = "400";

/// The answer's JSON, or the fault that it stands for.
///
/// # Errors
/// What Snapchat refused, or that it gave no usable answer.
pub fn classify(answer: &Response, about: About) -> Result<Value, Fault> {
    // A dead token may be answered in plain text.
    let body = answer.json().filter(Value::is_object);
    if !answer.is_success() {
        return Err(Refusal::of(answer.status, &body.unwrap_or_default()).fault(about));
    }
    let Some(body) = body else {
        let cause = fault::cause(answer.status.to_string(), "Snapchat answered something that is not its API's.");
        return Err(fault::unavailable(None, cause));
    };
    if failed(&body["request_status"]) {
        return Err(Refusal::of(answer.status, &body).fault(about));
    }
    for list in ["segments", "users", "organizations", "adaccounts"] {
        let elements = body[list].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(element) = elements.iter().find(|element| failed(&element["sub_request_status"])) {
            return Err(Refusal::of(answer.status, element).fault(about));
        }
    }
    Ok(body)
}

/// Traps, row 28. Samples write both `success` and `SUCCESS`; where there is no status, there is no failure.
fn failed(status: &Value) -> bool {
    status.as_str().is_some_and(|status| !status.eq_ignore_ascii_case("success"))
}

/// A refusal, of a call or of a part of it.
struct Refusal {
    status: u16,
    code: String,
    words: String,
}

impl Refusal {
    fn of(status: u16, body: &Value) -> Refusal {
        let code = body["error_code"].as_str().unwrap_or_default();
        // The name of a sub-request's reason is not certain.
        let named = ["sub_request_error_reason", "debug_message", "message", "error", "display_message"];
        let mut words = named.into_iter().filter_map(|name| body[name].as_str()).filter(|text| !text.is_empty());
        Refusal {
            status,
            code: if code.is_empty() { status.to_string() } else { code.to_owned() },
            words: words.next().unwrap_or_default().to_owned(),
        }
    }

    fn says(&self, words: &[&str]) -> bool {
        let all = self.words.to_lowercase();
        words.iter().any(|word| all.contains(word))
    }

    /// Our words, then Snapchat's.
    fn cause(&self, ours: &str) -> Cause {
        let message =
            if self.words.is_empty() { ours.to_owned() } else { format!("{ours} Snapchat says: {}", self.words) };
        fault::cause(self.code.clone(), message)
    }

    fn fault(&self, about: About) -> Fault {
        match self.status {
            401 => self.unauthorized(),
            403 => self.forbidden(about),
            404 if about == About::Audience => self.missing(),
            404 => Fault::Forbidden(self.cause("The ad account does not exist, or the token does not see it.")),
            413 => Fault::TooLarge,
            // `Retry-After` is read by the host, if there is one.
            429 => self.throttled(),
            500.. => self.unavailable(),
            200..=299 => self.named(about),
            400 if self.says(&["does not accept users", "source_type", "not active", "is paused"])
                && about == About::Audience =>
            {
                let ours = "Snapchat takes nobody into this segment.";
                fault::audience(AudienceState::NotWritable, self.cause(ours))
            }
            400 => match about {
                About::Audience => {
                    let cause = self.cause("Snapchat does not understand this call.");
                    Fault::Bug(Cause { code: MAYBE_AUDIENCE.to_owned(), ..cause })
                }
                About::Create if self.says(&["maximum number", "limit"]) => self.full(),
                _ => Fault::Bug(self.cause("Snapchat does not understand this call.")),
            },
            _ => Fault::Bug(self.cause("Snapchat does not understand this call.")),
        }
    }

    /// An error under a good status is the one that it names; an unknown one may pass.
    fn named(&self, about: About) -> Fault {
        if self.says(&["permission", "not authorized"]) || ["E3002", "E3003"].contains(&self.code.as_str()) {
            self.forbidden(about)
        } else if self.says(&["unauthorized", "token"]) {
            self.unauthorized()
        } else if self.says(&["too many requests", "rate limit"]) {
            self.throttled()
        } else if about == About::Audience && self.says(&["not found", "can not be found", "does not exist", "deleted"])
        {
            self.missing()
        } else if about == About::Create && self.says(&["maximum number", "limit"]) {
            self.full()
        } else if about == About::Create {
            Fault::Bug(self.cause("Snapchat does not make this segment."))
        } else {
            self.unavailable()
        }
    }

    fn unauthorized(&self) -> Fault {
        Fault::Unauthorized(self.cause("Snapchat no longer accepts the token: connect again."))
    }

    fn forbidden(&self, about: About) -> Fault {
        Fault::Forbidden(self.cause(match about {
            About::Create => {
                "The token may not make segments in this ad account: give its person a role that manages audiences, and accept Snapchat's terms for customer lists."
            }
            _ => "The token may not do this: give its person a role that manages audiences in the ad account, then connect again.",
        }))
    }

    fn missing(&self) -> Fault {
        fault::audience(AudienceState::Missing, self.cause("The segment does not exist at Snapchat any more."))
    }

    fn full(&self) -> Fault {
        let ours = "The ad account has as many segments as Snapchat allows: delete one first.";
        fault::audience(AudienceState::Full, self.cause(ours))
    }

    fn throttled(&self) -> Fault {
        fault::throttled(None, self.cause("Snapchat has had enough calls for now."))
    }

    fn unavailable(&self) -> Fault {
        fault::unavailable(None, self.cause("Snapchat is out of order."))
    }
}

#[cfg(test)]
mod tests;
