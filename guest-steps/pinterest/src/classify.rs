//! What an answer of Pinterest's means (contract, sections 1 and 6). The HTTP status decides: the code in the body is
//! used again for other things.
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
    /// A customer list.
    Audience,
}

/// The answer's JSON, or the fault that it stands for.
///
/// # Errors
/// What Pinterest refused, or that it gave no usable answer.
pub fn classify(answer: &Response, about: About) -> Result<Value, Fault> {
    let body = answer.json().filter(Value::is_object);
    match (answer.is_success(), body) {
        (true, Some(body)) => Ok(body),
        (true, None) => {
            let cause = fault::cause(answer.status.to_string(), "Pinterest answered something that is not its API's.");
            Err(fault::unavailable(None, cause))
        }
        (false, body) => Err(Refusal::of(answer, &body.unwrap_or_default()).fault(answer, about)),
    }
}

struct Refusal {
    status: u16,
    code: Option<i64>,
    message: String,
}

impl Refusal {
    fn of(answer: &Response, body: &Value) -> Refusal {
        let message = body["message"].as_str().unwrap_or_default().to_owned();
        Refusal { status: answer.status, code: body["code"].as_i64(), message }
    }

    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| message.contains(word))
    }

    /// Our words, then Pinterest's; the code is the status with the inner one after a slash.
    fn cause(&self, ours: &str) -> Cause {
        let code = self.code.map_or(self.status.to_string(), |code| format!("{}/{code}", self.status));
        let message =
            if self.message.is_empty() { ours.to_owned() } else { format!("{ours} Pinterest says: {}", self.message) };
        fault::cause(code, message)
    }

    fn fault(&self, answer: &Response, about: About) -> Fault {
        match self.status {
            401 => Fault::Unauthorized(self.cause("Pinterest no longer accepts the token: connect again.")),
            429 => self.throttled(answer),
            // One source shows code 29 for rate limiting, another for a missing right: the words tell.
            403 if self.says(&["rate limit", "too many requests"]) => self.throttled(answer),
            403 => Fault::Forbidden(self.cause(
                "The token may not do this: the user needs a role that manages audiences in the ad account and must grant `ads:write`; an app on trial access may lack it too.",
            )),
            400 if self.says(&["adaccount not found", "ad account not found"]) => self.no_account(),
            404 if about == About::Audience => {
                let ours = "The customer list does not exist at Pinterest, or not for us.";
                fault::audience(AudienceState::Missing, self.cause(ours))
            }
            404 => self.no_account(),
            413 => Fault::TooLarge,
            500.. => fault::unavailable(None, self.cause("Pinterest is out of order.")),
            _ => Fault::Bug(self.cause("Pinterest does not understand this call.")),
        }
    }

    fn no_account(&self) -> Fault {
        let ours = "The ad account does not exist at Pinterest, or the token does not see it.";
        fault::audience(AudienceState::Missing, self.cause(ours))
    }

    fn throttled(&self, answer: &Response) -> Fault {
        fault::throttled(reset_ms(answer), self.cause("Pinterest has had enough calls for now."))
    }
}

/// A moment in seconds since 1970 is larger than this, a span in seconds smaller.
const LONGEST_SPAN: u64 = 10_000_000;

/// When calls are taken again. Whether `x-ratelimit-reset` is a span or a moment is not certain: a span is read here, a
/// moment by the host, which knows what time it is.
fn reset_ms(answer: &Response) -> Option<u64> {
    let seconds: u64 = answer.header("x-ratelimit-reset")?.trim().parse().ok()?;
    (seconds < LONGEST_SPAN).then_some(seconds * 1_000)
}

#[cfg(test)]
mod tests;
