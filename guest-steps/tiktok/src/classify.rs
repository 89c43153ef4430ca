//! What an answer of TikTok's means (contract, sections 1, 5 and 6).
//!
//! TikTok answers 200 to almost everything; the envelope's `code` is the result (traps, row 27): 0 is good, 20001
//! partly, 4xxxx the caller's fault, 5xxxx TikTok's.
use caravan_sdk::http::Response;
use caravan_sdk::{AudienceState, Cause, Fault, fault};
use serde_json::Value;

/// A call that TikTok took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// The envelope's `data`.
    pub data: Value,
    /// Whether it was taken only in part (20001), without saying which part.
    pub partly: bool,
    /// Whether TikTok has had this very request already (40050), and did nothing now.
    pub repeated: bool,
}

/// The code of an audience that cannot be changed now; `members` looks up why.
pub const NOT_EDITABLE: &str = "40002/not-editable";

const SECOND_MS: u64 = 1_000;
const MINUTES_MS: u64 = 5 * 60_000;
const HOUR_MS: u64 = 3_600_000;

/// What TikTok took, or the fault that its answer stands for.
///
/// # Errors
/// What TikTok refused, or that it gave no usable answer.
pub fn classify(answer: &Response) -> Result<Taken, Fault> {
    if answer.status == 404 {
        return Err(fault::bug("404", "TikTok has no such call: its paths end with a slash."));
    }
    let body = answer.json().unwrap_or_default();
    let Some(code) = body["code"].as_i64() else {
        return Err(garbled(answer));
    };
    let message = body["message"].as_str().unwrap_or_default();
    match code {
        0 | 20_001 | 40_050 => {
            Ok(Taken { data: body["data"].clone(), partly: code == 20_001, repeated: code == 40_050 })
        }
        _ => Err(Refused { code, message }.fault()),
    }
}

struct Refused<'a> {
    code: i64,
    message: &'a str,
}

impl Refused<'_> {
    /// Our words, then TikTok's.
    fn cause(&self, ours: &str) -> Cause {
        let message =
            if self.message.is_empty() { ours.to_owned() } else { format!("{ours} TikTok says: {}", self.message) };
        fault::cause(self.code.to_string(), message)
    }

    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| message.contains(word))
    }

    fn fault(&self) -> Fault {
        match self.code {
            40_100 | 40_016 | 40_132 | 40_133 => {
                fault::throttled(self.pause_ms(), self.cause("TikTok has had enough calls for now."))
            }
            40_101 | 40_102 | 40_104 | 40_105 | 40_106 | 40_110 => Fault::Unauthorized(self.cause(self.dead_token())),
            40_001 | 40_113 | 40_118 | 40_119 | 40_125 | 40_300 | 40_301 | 41_000 => {
                Fault::Forbidden(self.cause(self.forbidden()))
            }
            40_007 => fault::audience(AudienceState::Missing, self.cause("The audience was deleted at TikTok.")),
            40_002 if self.says(&["not editable"]) => {
                let cause = self.cause("TikTok takes nobody into this audience now.");
                fault::audience(AudienceState::NotWritable, Cause { code: NOT_EDITABLE.to_owned(), ..cause })
            }
            40_002 | 40_006 | 40_008 | 40_051 | 40_900 | 40_905..=40_915 => {
                Fault::Bug(self.cause("TikTok does not understand this call."))
            }
            40_201 | 40_202 | 40_700 => fault::unavailable(None, self.cause("TikTok is not ready for this call.")),
            60_001 => fault::unavailable(None, self.cause("TikTok is under maintenance.")),
            50_000..=59_999 => fault::unavailable(None, self.cause("TikTok is out of order.")),
            _ => Fault::Bug(self.cause("TikTok refuses this call for a reason that this connector does not know.")),
        }
    }

    /// TikTok gives no `Retry-After`; its documentation says how long each limit lasts, and the message may say which
    /// limit it was. The limit per second is the one of 40100 itself; of the others nothing is known.
    fn pause_ms(&self) -> Option<u64> {
        if self.says(&["qpd", "per day", "daily"]) {
            Some(HOUR_MS)
        } else if self.says(&["qpm", "per minute"]) {
            Some(MINUTES_MS)
        } else {
            (self.code == 40_100).then_some(SECOND_MS)
        }
    }

    fn dead_token(&self) -> &'static str {
        match self.code {
            40_104 => "No token reached TikTok: connect again.",
            40_102 => "The token has expired: connect again.",
            40_106 => "The account of the person who connected it is no longer valid: connect again as another.",
            _ => "TikTok no longer accepts the token, or access was withdrawn: connect again.",
        }
    }

    fn forbidden(&self) -> &'static str {
        match self.code {
            40_001 => {
                "The token may not do this in the ad account: connect again with Audience Management, as an Admin or Operator."
            }
            40_113 => "TikTok has blocked the app: ask TikTok.",
            40_118 | 40_119 => "TikTok has not allowed the app to stream audiences yet: ask a TikTok representative.",
            40_125 => "The app lacks the permission for Audience Management: ask for it at TikTok.",
            40_300 | 40_301 => "The ad account does not exist: correct its id.",
            _ => "TikTok refuses calls from this host's country or address.",
        }
    }
}

/// No envelope: a gateway's page, or a cut answer.
fn garbled(answer: &Response) -> Fault {
    let code = answer.status.to_string();
    match answer.status {
        413 => Fault::TooLarge,
        429 => fault::throttled(None, fault::cause(code, "TikTok has had enough calls for now.")),
        _ => fault::unavailable(None, fault::cause(code, "TikTok answered something that is not its API's.")),
    }
}

#[cfg(test)]
mod tests;
