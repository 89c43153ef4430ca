//! What a partner's answers tell about its quotas: rules of the manifest, so that the host learns without the guest.
use super::{Quota, QuotaScope, QuotaUnit};
use crate::Duration;
use serde::{Deserialize, Serialize};

/// Most rules of a manifest.
const MOST_RULES: usize = 32;

/// How one figure is read from the head of an answer. `Retry-After` is always read and needs no rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageRule {
    /// The header's name, in any case.
    pub header: String,
    /// Whom the figure speaks of.
    pub scope: QuotaScope,
    /// What the figure is.
    pub tells: UsageKind,
    /// Where it stands: a JSON pointer with `*` for every element or member. Absent: the value is the number itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The span of the `calls` quota that it speaks of. `limit` needs it. A `percent` with it tells how large that
    /// quota really is, also where it is larger than the manifest says; without it, it only slows down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Duration>,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageKind {
    /// How much is used, in percent of what is allowed.
    Percent,
    /// How many calls are allowed.
    Limit,
    /// How many calls are left until the reset.
    Remaining,
    /// In how many seconds the count starts anew.
    ResetIn,
    /// At which second since 1970 the count starts anew, or the next call is free.
    ResetAt,
    /// In how many minutes calls are taken again; 0 = they are taken.
    RegainIn,
    /// In how many seconds calls are taken again.
    RetryIn,
    /// At which second since 1970 calls are taken again.
    RetryAt,
}

/// One figure of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UsageReading {
    /// Whom it speaks of; none = whom the refusal concerns (`Retry-After`).
    pub scope: Option<QuotaScope>,
    /// What it is, and so its unit.
    pub kind: UsageKind,
    /// The figure; fractions are rounded to the safe side.
    pub value: u64,
    /// The span of the quota that it speaks of, where the rule names one.
    pub per: Option<Duration>,
}

/// Holds quotas and usage rules to what they must be.
///
/// # Errors
/// Says which one is wrong, and what may stand there.
pub fn check_limits(quotas: &[Quota], rules: &[UsageRule]) -> Result<(), String> {
    quotas.iter().try_for_each(Quota::check)?;
    if rules.len() > MOST_RULES {
        return Err(format!("`usage` has {} rules, {MOST_RULES} are allowed", rules.len()));
    }
    rules.iter().try_for_each(|rule| rule.check(quotas))
}

impl UsageRule {
    fn check(&self, quotas: &[Quota]) -> Result<(), String> {
        let wrong = |what: String| Err(format!("the usage rule for `{}` {what}", self.header));
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if self.header.is_empty() || !self.header.chars().all(is_token) {
            return wrong("names no header".into());
        }
        if self.at.as_deref().is_some_and(|at| !at.starts_with('/')) {
            return wrong("has an `at` that is no JSON pointer: it begins with `/`".into());
        }
        let speaks_of_quota = matches!(self.tells, UsageKind::Percent | UsageKind::Limit);
        match self.per {
            None if self.tells == UsageKind::Limit => wrong("tells a limit and needs `per`".into()),
            Some(_) if !speaks_of_quota => wrong("has `per`, which only `percent` and `limit` take".into()),
            Some(per) => {
                let fits = |quota: &Quota| {
                    quota.scope == self.scope && quota.unit == QuotaUnit::Calls && quota.per == Some(per)
                };
                match quotas.iter().any(fits) {
                    true => Ok(()),
                    false => wrong(format!("speaks of a quota of calls per {per}, which `quotas` does not have")),
                }
            }
            None => Ok(()),
        }
    }
}
