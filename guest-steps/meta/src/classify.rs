//! What an answer of Meta's means (contract, sections 1, 5 and 6).
//!
//! The code in the body decides, never the HTTP status: throttling comes as 400, a dead token as 400 or 401, an error
//! may even come as 200. A code that is in no table is permanent (traps, row 26), unless the status says otherwise.
mod usage;

pub use usage::{busiest, regain_ms};

use crate::api;
use caravan_sdk::http::Response;
use caravan_sdk::{AudienceState, Cause, Fault, fault, log};
use serde_json::Value;

/// What a call was about, so that the answer's words can name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// The credentials themselves.
    Login,
    /// An ad account.
    Account(&'a str),
    /// An audience in an ad account.
    Audience {
        /// The ad account.
        account: &'a str,
        /// The audience.
        audience: &'a str,
    },
}

/// How long Meta's block for breaking a policy is left alone before the next try.
const POLICY_BLOCK_MS: u64 = 3_600_000;
/// At which share of a quota the log says so, in per cent.
const BUSY: u64 = 90;

/// The answer's JSON, or the fault that it stands for.
///
/// # Errors
/// What Meta refused, or that it gave no usable answer.
pub fn classify(answer: &Response, about: About<'_>) -> Result<Value, Fault> {
    let Some(body) = answer.json().filter(Value::is_object) else {
        return Err(garbled(answer));
    };
    if let Some(error) = GraphError::of(&body) {
        return Err(error.fault(answer, about));
    }
    if !answer.is_success() {
        return Err(unnamed(answer));
    }
    if let Some(percent) = busiest(answer).filter(|&percent| percent > BUSY) {
        log::warn(format!("Meta's quota for this ad account is used to {percent} %."));
    }
    Ok(body)
}

/// The error envelope of all endpoints.
struct GraphError<'a> {
    code: i64,
    subcode: i64,
    message: &'a str,
    title: &'a str,
    advice: &'a str,
    transient: bool,
}

impl<'a> GraphError<'a> {
    fn of(body: &'a Value) -> Option<GraphError<'a>> {
        let error = body.get("error").filter(|error| !error.is_null())?;
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        let number = |name: &str| {
            let value = &error[name];
            value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
        };
        Some(GraphError {
            code: number("code"),
            subcode: number("error_subcode"),
            message: error.as_str().unwrap_or_else(|| text("message")),
            title: text("error_user_title"),
            advice: text("error_user_msg"),
            transient: error["is_transient"].as_bool().unwrap_or_default(),
        })
    }

    /// `190/463`.
    fn code(&self) -> String {
        match (self.code, self.subcode) {
            (code, 0) => code.to_string(),
            (code, subcode) => format!("{code}/{subcode}"),
        }
    }

    /// Our words, then Meta's.
    fn cause(&self, ours: &str) -> Cause {
        let theirs = match (self.title, self.advice) {
            ("", "") => self.message.to_owned(),
            (title, "") => title.to_owned(),
            ("", advice) => advice.to_owned(),
            (title, advice) => format!("{title}: {advice}"),
        };
        fault::cause(
            self.code(),
            if theirs.is_empty() { ours.to_owned() } else { format!("{ours} Meta says: {theirs}") },
        )
    }

    fn linked(&self, ours: &str, link: String) -> Cause {
        Cause { link: Some(link), ..self.cause(ours) }
    }

    fn is_either(&self, known: &[i64]) -> bool {
        known.contains(&self.code) || known.contains(&self.subcode)
    }

    fn says(&self, words: &[&str]) -> bool {
        let all = format!("{} {} {}", self.message, self.title, self.advice).to_lowercase();
        words.iter().any(|word| all.contains(word))
    }

    fn fault(&self, answer: &Response, about: About<'_>) -> Fault {
        // Which of the two positions holds these is not certain (contract, section 2), so both are looked at.
        if self.is_either(&[2655, 2663, 1_870_090]) {
            let ours = "Meta's terms for custom audiences are not accepted: a person must accept them.";
            return Fault::Terms(self.linked(ours, terms_link(about)));
        }
        if let Some(fault) = self.audience_fault(about) {
            return fault;
        }
        match (self.code, self.subcode) {
            (4 | 17 | 32 | 341 | 613 | 80_000..=80_014, _) => {
                let ours = "Meta has had enough calls from this ad account for now.";
                fault::throttled(regain_ms(answer), self.cause(ours))
            }
            (1, 99) => Fault::TooLarge,
            (102 | 190, _) => Fault::Unauthorized(self.cause(dead_token(self.subcode))),
            (10 | 3 | 200..=299, _) => Fault::Forbidden(self.cause(forbidden(self.code))),
            (368, _) => {
                let ours =
                    "Meta has blocked this action for a while because of a policy: look at the account's notices.";
                fault::unavailable(Some(POLICY_BLOCK_MS), self.cause(ours))
            }
            (1 | 2 | 5000 | 21_009, _) => fault::unavailable(None, self.cause("Meta is out of order.")),
            _ if self.transient => fault::unavailable(None, self.cause("Meta says that this passes.")),
            // Not in the contract's table; the Marketing API's reference: "calling a deprecated version".
            (12 | 2635, _) => {
                let ours =
                    "Meta no longer serves this version of its API: change the connection's setting `api_version`.";
                Fault::Outdated(self.cause(ours))
            }
            (100, 33) => self.invisible(about),
            (100 | 105 | 2500, _) => Fault::Bug(self.cause("Meta does not understand this call.")),
            _ if answer.status == 429 => fault::throttled(regain_ms(answer), self.cause("Meta wants fewer calls.")),
            _ if answer.status >= 500 => fault::unavailable(None, self.cause("Meta is out of order.")),
            _ => Fault::Bug(self.cause("Meta refuses this call for a reason that this connector does not know.")),
        }
    }

    fn audience_fault(&self, about: About<'_>) -> Option<Fault> {
        let (state, ours) = if self.is_either(&[1_487_366]) {
            (AudienceState::Missing, "The audience was deleted at Meta.")
        } else if self.is_either(&[1_487_301]) {
            (AudienceState::NotWritable, "The audience is not shared with this ad account any more.")
        } else if self.is_either(&[2650]) {
            (AudienceState::NotWritable, "The audience was made from another kind of data and takes no customer lists.")
        } else if self.is_either(&[2654]) {
            (AudienceState::NotWritable, "The audience is of a kind that takes no customer lists.")
        } else if self.is_either(&[1_713_228, 1_713_230, 1_713_231]) {
            let ours =
                "Meta has flagged the audience and takes no people: a person must review it in Audience Manager.";
            return Some(fault::audience(AudienceState::Blocked, self.linked(ours, manager_link(about))));
        } else if self.says(&["lookalike_value"]) {
            (AudienceState::NotWritable, "The audience is value-based: every person needs a value, which is not sent.")
        } else if self.code == 100 && self.says(&["too small", "size too low"]) {
            // The contract knows no code for it (section 3).
            (AudienceState::TooSmall, "Meta takes nobody out of an audience that would become too small.")
        } else if self.code == 100 && self.says(&["500 customer list audiences", "maximum number of"]) {
            (AudienceState::Full, "The ad account has as many audiences as Meta allows: delete one first.")
        } else {
            return None;
        };
        Some(fault::audience(state, self.cause(ours)))
    }

    fn invisible(&self, about: About<'_>) -> Fault {
        match about {
            About::Audience { .. } => {
                let ours = "The audience was deleted at Meta, or the token has lost its access to it.";
                fault::audience(AudienceState::Missing, self.cause(ours))
            }
            About::Account(_) | About::Login => {
                Fault::Forbidden(self.cause("The ad account does not exist, or the token does not see it."))
            }
        }
    }
}

/// Where a person accepts the terms.
pub fn terms_link(about: About<'_>) -> String {
    let page = "https://business.facebook.com/ads/manage/customaudiences/tos/";
    match about {
        About::Login => page.to_owned(),
        About::Account(account) | About::Audience { account, .. } => {
            format!("{page}?act={}", api::account_digits(account))
        }
    }
}

/// Where a person reviews an audience.
pub fn manager_link(about: About<'_>) -> String {
    let page = "https://business.facebook.com/adsmanager/audiences";
    match about {
        About::Login => page.to_owned(),
        About::Account(account) | About::Audience { account, .. } => {
            format!("{page}?act={}", api::account_digits(account))
        }
    }
}

fn dead_token(subcode: i64) -> &'static str {
    match subcode {
        458 => "The app was removed by the person who connected it: connect again.",
        459 => "Meta has locked out the person who connected it until they log in to Facebook: then connect again.",
        460 => "The person who connected it has changed their password: connect again.",
        463 => "The token has expired: connect again, or use a system user's token, which does not expire.",
        464 => "The person who connected it is not confirmed at Meta: confirm, then connect again.",
        _ => "Meta no longer accepts the token: connect again.",
    }
}

fn forbidden(code: i64) -> &'static str {
    match code {
        270 => "The app is at development access for this ad account: ask Meta for advanced access.",
        294 => "The token lacks the permission ads_management, or the app is not allowed to use the Marketing API.",
        10 => "The token lacks a permission, or it was taken away: connect again and grant ads_management.",
        3 => "The app may not make this call: look at its permissions and features at Meta.",
        _ => "The token may not change this: give its user the right to manage campaigns in the ad account.",
    }
}

/// No JSON: a gateway's page, or a cut answer.
fn garbled(answer: &Response) -> Fault {
    let code = answer.status.to_string();
    match answer.status {
        413 => Fault::TooLarge,
        429 => fault::throttled(regain_ms(answer), fault::cause(code, "Meta wants fewer calls.")),
        _ => fault::unavailable(None, fault::cause(code, "Meta answered something that is not its API's.")),
    }
}

/// JSON that names no error under a status that is one.
fn unnamed(answer: &Response) -> Fault {
    let code = answer.status.to_string();
    match answer.status {
        400..=499 if !matches!(answer.status, 408 | 413 | 429) => {
            fault::bug(code, "Meta refuses this call without saying why.")
        }
        _ => garbled(answer),
    }
}

#[cfg(test)]
mod tests;
