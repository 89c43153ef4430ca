//! What an answer of Criteo's means (contract, sections 1 and 6). The HTTP status wins over the code, and the code over
//! the type; a good status may still carry errors, or warnings that are failures.
use caravan_sdk::http::Response;
use caravan_sdk::{AudienceState, Cause, Fault, fault, log};
use serde_json::Value;

/// What a call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The credentials themselves.
    Login,
    /// An advertiser.
    Account,
    /// A segment.
    Audience,
}

/// The code of a refusal for which the segment itself may be the reason; `members` looks it up.
pub const MAYBE_AUDIENCE: &str = "validation";

/// The answer's JSON, or the fault that it stands for.
///
/// # Errors
/// What Criteo refused, or that it gave no usable answer.
pub fn classify(answer: &Response, about: About) -> Result<Value, Fault> {
    let body = answer.json().filter(Value::is_object);
    if answer.is_success() {
        let Some(body) = body else { return Err(garbled(answer.status)) };
        if let Some(refusal) = Refusal::of(&body, false) {
            return Err(refusal.fault(answer.status, about));
        }
        warned(&body, about)?;
        return Ok(body);
    }
    let refusal = body.and_then(|body| Refusal::of(&body, false)).unwrap_or_else(|| Refusal::unnamed(answer.status));
    Err(refusal.fault(answer.status, about))
}

/// Warnings of a good answer: a segment that is not there is a failure, a version that ends is logged.
fn warned(body: &Value, about: About) -> Result<(), Fault> {
    for warning in body["warnings"].as_array().into_iter().flatten() {
        let warning = Refusal::read(warning);
        if warning.code == "segment-not-found" && about == About::Audience {
            return Err(warning.fault(404, about));
        }
        if warning.is("deprecation") {
            log::warn("Criteo says that this version of its API will end: change the setting `api_version`.");
        }
    }
    Ok(())
}

/// One entry of `errors` or `warnings`.
#[derive(Debug)]
pub struct Refusal {
    kind: String,
    /// Criteo's code.
    pub code: String,
    title: String,
}

impl Refusal {
    /// The first error of a body, or, where asked, the first warning that is no deprecation.
    pub fn of(body: &Value, warnings: bool) -> Option<Refusal> {
        let list = |name: &str| body[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let error = list("errors").first().map(Refusal::read);
        let warning = || list("warnings").iter().map(Refusal::read).find(|warning| !warning.is("deprecation"));
        error.or_else(|| warnings.then(warning).flatten())
    }

    fn read(entry: &Value) -> Refusal {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let title = Some(text("detail")).filter(|detail| !detail.is_empty()).unwrap_or_else(|| text("title"));
        Refusal { kind: text("type").replace('_', "-"), code: text("code"), title }
    }

    /// An answer without a reason.
    fn unnamed(status: u16) -> Refusal {
        Refusal { kind: String::new(), code: status.to_string(), title: String::new() }
    }

    fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    fn says(&self, words: &[&str]) -> bool {
        let all = format!("{} {}", self.code, self.title).to_lowercase();
        words.iter().any(|word| all.contains(word))
    }

    /// Our words, then Criteo's.
    pub fn cause(&self, ours: &str) -> Cause {
        let message =
            if self.title.is_empty() { ours.to_owned() } else { format!("{ours} Criteo says: {}", self.title) };
        fault::cause(self.code.clone(), message)
    }

    /// What it means.
    pub fn fault(&self, status: u16, about: About) -> Fault {
        let outdated =
            "Criteo no longer serves this version of its API: change the connection's setting `api_version`.";
        let busy = "Criteo has had enough calls for now.";
        let down = "Criteo is out of order.";
        match status {
            401 if self.says(&["authorization-token-expired", "authorization-token-invalid"]) => {
                Fault::Unauthorized(self.cause("Criteo no longer accepts the token: connect again."))
            }
            401 | 403 => Fault::Forbidden(self.cause(
                "The app may not do this: an admin of the advertiser must consent to it again at Criteo, with the right to manage audiences.",
            )),
            // When calls are taken again stands in a header, which the host reads.
            429 => fault::throttled(None, self.cause(busy)),
            413 => Fault::TooLarge,
            500.. => fault::unavailable(None, self.cause(down)),
            410 => Fault::Outdated(self.cause(outdated)),
            _ if self.is("quota") => fault::throttled(None, self.cause(busy)),
            _ if self.is("availability") || self.code == "internal-error" => {
                fault::unavailable(None, self.cause(down))
            }
            _ if self.is("deprecation") || self.code == "endpoint-deprecated" => Fault::Outdated(self.cause(outdated)),
            _ if self.says(&["audience-invalid", "segment-not-found"]) => self.missing(),
            404 if about == About::Audience => self.missing(),
            404 => Fault::Misconfigured(
                self.cause("Criteo has no such call: look at the connection's setting `api_version`."),
            ),
            _ if self.says(&["read-only", "readonly", "read only", "not a contact list", "segment-type"]) => {
                let ours = "Criteo takes nobody into this segment: it is read-only, or no contact list.";
                fault::audience(AudienceState::NotWritable, self.cause(ours))
            }
            _ if about == About::Account && self.says(&["maximum number", "limit-reached", "limit reached"]) => {
                let ours = "The advertiser has as many segments as Criteo allows: delete one first.";
                fault::audience(AudienceState::Full, self.cause(ours))
            }
            _ if self.is("authorization") || self.is("access-control") || self.is("authentication") => {
                Fault::Forbidden(self.cause("Criteo refuses the app here: an admin of the advertiser must consent."))
            }
            _ => {
                let known = ["required-field", "invalid", "invalid-ranged"].contains(&self.code.as_str());
                let cause = self.cause("Criteo does not understand this call.");
                match self.is("validation") && !known && about == About::Audience {
                    true => Fault::Bug(Cause { code: MAYBE_AUDIENCE.to_owned(), ..cause }),
                    false => Fault::Bug(cause),
                }
            }
        }
    }

    fn missing(&self) -> Fault {
        fault::audience(AudienceState::Missing, self.cause("The contact list does not exist at Criteo, or not for us."))
    }
}

/// A good status with something that is not the API's answer.
fn garbled(status: u16) -> Fault {
    fault::unavailable(None, fault::cause(status.to_string(), "Criteo answered something that is not its API's."))
}

#[cfg(test)]
mod tests;
