//! Limits: batches, quotas, audiences.
use crate::Duration;
use serde::{Deserialize, Serialize};

/// Rows and bytes per call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Most rows per part.
    pub rows: u32,
    /// The `number` setting of a connection that lowers `rows` for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_setting: Option<String>,
    /// Most bytes of packed columns per part.
    pub bytes: u64,
    /// How many calls one audience may have in flight; 1 where the partner forbids parallel calls.
    pub parallel_per_audience: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Batch { rows: 10_000, rows_setting: None, bytes: 32 << 20, parallel_per_audience: 1 }
    }
}

/// A quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Whom it is counted for.
    pub scope: QuotaScope,
    /// What is counted.
    pub unit: QuotaUnit,
    /// How many.
    pub amount: u64,
    /// The `number` setting of a connection that says how many instead: what the customer bought from the partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_setting: Option<String>,
    /// For connections that call by which kind of credential; absent: for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<QuotaCredential>,
    /// Per which span; absent for `in-flight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Duration>,
    /// `rolling` (default) or the wall-clock moment it starts anew, such as `00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets: Option<String>,
}

impl Quota {
    /// Whether it holds for a connection that calls by this kind of credential. Where nobody said which it is, every one holds,
    /// and so the lowest.
    pub fn holds_for(&self, by: Option<QuotaCredential>) -> bool {
        self.credential.is_none_or(|credential| by.is_none_or(|by| credential == by))
    }

    /// Whether it can be kept at all.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("a quota of {:?} per {:?} {what}", self.unit, self.scope));
        if self.amount == 0 {
            return wrong("has the amount 0");
        }
        match (self.unit, self.per, self.resets.as_deref()) {
            (QuotaUnit::InFlight, None, None) => Ok(()),
            (QuotaUnit::InFlight, ..) => wrong("is of calls at the same time and takes neither `per` nor `resets`"),
            (_, None, _) => wrong("needs `per`"),
            (_, Some(per), _) if per.0 == 0 => wrong("has an empty `per`"),
            (_, Some(_), None | Some("rolling")) => Ok(()),
            (_, Some(_), Some(_)) if self.resets_at().is_some() => Ok(()),
            _ => wrong("has a `resets` that is neither `rolling` nor a moment of the day in UTC such as `00:00Z`"),
        }
    }

    /// The moment of the day, as a span after 00:00 UTC, at which its count starts anew; none = it rolls.
    pub fn resets_at(&self) -> Option<Duration> {
        let (hours, minutes) = self.resets.as_deref()?.strip_suffix('Z')?.split_once(':')?;
        let two = |digits: &str, below: u64| {
            let is_two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|n: &u64| is_two && *n < below)
        };
        Some(Duration(Duration::HOUR.0 * two(hours, 24)? + Duration::MINUTE.0 * two(minutes, 60)?))
    }
}

/// By which kind of credential a connection calls, where a partner's quotas differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaCredential {
    /// The app's own, or a service account's.
    App,
    /// A person's consent.
    Consent,
}

/// Whom a quota is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaScope {
    /// The partner's app: all connections of this connector.
    App,
    /// One login: a connection.
    Login,
    /// One ad account.
    Account,
    /// One audience.
    Audience,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaUnit {
    /// Requests.
    Calls,
    /// Rows.
    Rows,
    /// Body bytes.
    Bytes,
    /// Requests at the same time.
    InFlight,
}

/// About audiences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudienceRules {
    /// Whether we can make one.
    pub create: bool,
    /// Whether it needs its first people to be made.
    pub create_needs_rows: bool,
    /// The kinds that we write; fixed when made. Empty: one kind only.
    pub kinds: Vec<AudienceKind>,
    /// The longest name, in characters; 0 = no limit known.
    pub name_max: u32,
    /// Most audiences per account; 0 = no limit known.
    pub per_account: u32,
    /// Below how many members the partner does not serve it; for words only.
    pub serves_from: u64,
    /// How long the partner keeps a member; absent = for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_life: Option<Duration>,
    /// The `number` setting of a connection that says it in days, where the audiences that we make are told how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_life_setting: Option<String>,
    /// From which age a repeat is sent again; absent = half of `member_life`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_after: Option<Duration>,
}

/// A kind of audience and the keys it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudienceKind {
    /// The partner's word.
    pub kind: String,
    /// Its keys.
    pub keys: Vec<String>,
}
