//! Fault dials: what shall go wrong, for which calls, from when on and how often.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Partner, Route, bare_account};
use crate::reply::Reply;

/// What a dial does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The token is dead.
    DeadToken,
    /// The token lacks a right.
    Permission,
    /// The partner's own refusal for too many calls.
    Throttle,
    /// A temporary failure in the partner's own form.
    ServerError,
    /// No answer for `ms` (default an hour), then the connection closes.
    Hang,
    /// The connection closes in the middle of the answer.
    Cut,
    /// The connection closes without an answer.
    Drop,
    /// Half a JSON document under status 200.
    Malformed,
    /// A gateway's HTML page under status 502.
    Html,
    /// A redirection to another address, which no caller should follow.
    Redirect,
    /// An answer of many megabytes.
    Flood,
    /// Terms of service not accepted.
    Terms,
    /// The first `rows` rows of the call are taken as invalid.
    BadRows,
    /// The partner's word for a partial success; the first `rows` rows are not taken.
    Partial,
    /// The audience is not visible any more.
    AudienceGone,
    /// The audience cannot be edited.
    NotEditable,
    /// Meta's integrity flag; elsewhere like `not-editable`.
    Integrity,
    /// The call is too large for the partner.
    TooLarge,
    /// The audience is too small to take members out.
    TooSmall,
    /// An immediate repetition was noticed.
    Duplicate,
    /// The answer comes `ms` later (default a second), and is the right one.
    Slow,
    /// The error named by `code`, `subcode` and `status`.
    Error,
}

impl Kind {
    /// Whether the dial concerns this route when it names none.
    fn concerns(self, route: Route) -> bool {
        match self {
            Kind::Terms => route.on_members() || matches!(route, Route::Create | Route::FileCreate),
            Kind::BadRows | Kind::Partial | Kind::NotEditable | Kind::Integrity | Kind::TooLarge | Kind::Duplicate => {
                route.on_members()
            }
            Kind::TooSmall => matches!(route, Route::Remove | Route::FileUpdate),
            Kind::AudienceGone => route.on_audience(),
            Kind::DeadToken | Kind::Permission => !matches!(route, Route::Token),
            _ => true,
        }
    }

    /// Whether `…-after`, the effect before the failure, has a meaning.
    fn may_apply(self) -> bool {
        matches!(
            self,
            Kind::Hang | Kind::Cut | Kind::Drop | Kind::Malformed | Kind::Html | Kind::ServerError | Kind::Flood
        )
    }
}

/// A dial as a person writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultSpec {
    /// The partner's name; none means all.
    #[serde(default)]
    partner: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    audience: Option<String>,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    token: Option<String>,
    fault: String,
    #[serde(default)]
    code: Option<u32>,
    /// The code of partners whose codes are words.
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    subcode: Option<u32>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    message: Option<String>,
    /// Matching calls that pass before it starts.
    #[serde(default)]
    after_calls: u64,
    /// Matching calls that it hits; none means until it is deleted.
    #[serde(default)]
    count: Option<u64>,
    /// It hits each so-manieth matching call.
    #[serde(default = "one")]
    every: u64,
    #[serde(default)]
    ms: Option<u64>,
    #[serde(default)]
    rows: Option<usize>,
    #[serde(default)]
    minutes: Option<u64>,
    /// Meta says of the error that it passes.
    #[serde(default)]
    transient: bool,
    /// The effect comes before the failure.
    #[serde(default)]
    after_effect: bool,
}

impl FaultSpec {
    /// The same for this partner, if it names none.
    pub(crate) fn or_partner(mut self, partner: Option<Partner>) -> FaultSpec {
        self.partner = self.partner.or_else(|| partner.map(|partner| partner.name().to_string()));
        self
    }
}

fn one() -> u64 {
    1
}

/// A dial that is set, as it is listed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    id: u64,
    #[serde(flatten)]
    spec: FaultSpec,
    #[serde(skip)]
    kind: Kind,
    /// Matching calls so far, and those that it hit.
    seen: u64,
    hits: u64,
}

/// A dial's effect on one call.
#[derive(Debug, Clone)]
pub(crate) struct Strike {
    pub(crate) kind: Kind,
    pub(crate) applied: bool,
    pub(crate) code: Option<u32>,
    pub(crate) reason: Option<String>,
    pub(crate) subcode: Option<u32>,
    pub(crate) status: Option<u16>,
    pub(crate) message: Option<String>,
    pub(crate) ms: Option<u64>,
    pub(crate) rows: usize,
    pub(crate) minutes: Option<u64>,
    pub(crate) transient: bool,
}

impl Strike {
    /// Gives an answer the status that the dial asks for, where it asks for one.
    pub(crate) fn with_status(&self, mut reply: Reply) -> Reply {
        if let Some(status) = self.status.and_then(|status| http::StatusCode::from_u16(status).ok()) {
            reply.status = status;
        }
        reply
    }
}

/// All dials that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    last_id: u64,
}

impl Faults {
    /// Sets a dial and gives its id, or says what is wrong with it.
    pub(crate) fn set(&mut self, mut spec: FaultSpec) -> Result<u64, String> {
        let (name, applied) = match spec.fault.strip_suffix("-after") {
            Some(name) => (name, true),
            None => (spec.fault.as_str(), spec.after_effect),
        };
        let kind = serde_json::from_value::<Kind>(name.into()).map_err(|_| {
            format!(
                "no fault `{}`; there are dead-token, permission, throttle, server-error, hang, cut, drop, malformed, \
                 html, redirect, flood, terms, bad-rows, partial, audience-gone, not-editable, integrity, too-large, \
                 too-small, duplicate, slow and error; hang, cut, drop, malformed, html, flood and server-error also \
                 with -after",
                spec.fault
            )
        })?;
        if applied && !kind.may_apply() {
            return Err(format!("`{name}` cannot come after the effect"));
        }
        if kind == Kind::Error && spec.code.is_none() && spec.reason.is_none() {
            return Err("the fault `error` needs a code, or a reason where codes are words".into());
        }
        if let Some(partner) = &spec.partner
            && Partner::parse(partner).is_none()
        {
            return Err(format!("no partner `{partner}`; the lab knows {}", Partner::names()));
        }
        if let Some(route) = &spec.route
            && !Route::is_filter(route)
        {
            return Err(format!("no route `{route}`; the counts of /_lab/calls name the routes"));
        }
        if spec.every == 0 || spec.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("`every` starts at 1, `status` lies between 200 and 599".into());
        }
        spec.after_effect = applied;
        self.last_id += 1;
        self.list.push(Fault { id: self.last_id, spec, kind, seen: 0, hits: 0 });
        Ok(self.last_id)
    }

    /// The dials that are set.
    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Takes away one dial, or all; says how many went.
    pub(crate) fn delete(&mut self, id: Option<u64>) -> usize {
        let before = self.list.len();
        self.list.retain(|fault| id.is_some_and(|id| fault.id != id));
        before - self.list.len()
    }

    /// What the dials do to this call: any number of delays, then at most one other fault, the first that is due.
    pub(crate) fn strike(&mut self, call: &Call) -> Vec<Strike> {
        let mut strikes = Vec::new();
        for fault in &mut self.list {
            if !fault.matches(call) {
                continue;
            }
            fault.seen += 1;
            let due =
                fault.seen.checked_sub(fault.spec.after_calls + 1).is_some_and(|place| place % fault.spec.every == 0);
            let free = fault.kind == Kind::Slow || strikes.iter().all(|strike: &Strike| strike.kind == Kind::Slow);
            if due && free && fault.spec.count.is_none_or(|count| fault.hits < count) {
                fault.hits += 1;
                strikes.push(fault.strike());
            }
        }
        strikes
    }

    /// Whether a dial of this kind stands over an account or audience now, so that reading shows it too.
    pub(crate) fn stands(&self, kind: Kind, partner: Partner, account: Option<&str>, audience: Option<&str>) -> bool {
        self.list.iter().any(|fault| {
            fault.kind == kind
                && fault.spec.partner.as_deref().is_none_or(|name| name == partner.name())
                && fault.spec.account.as_deref().is_none_or(|id| account == Some(bare_account(id)))
                && fault.spec.audience.as_deref().is_none_or(|id| audience == Some(id))
                && fault.seen >= fault.spec.after_calls
                && fault.spec.count.is_none_or(|count| fault.hits < count)
        })
    }
}

impl Fault {
    fn matches(&self, call: &Call) -> bool {
        let spec = &self.spec;
        spec.partner.as_deref().is_none_or(|name| name == call.partner.name())
            && spec.account.as_deref().is_none_or(|id| call.account.as_deref() == Some(bare_account(id)))
            && spec.audience.as_deref().is_none_or(|id| call.audiences.iter().any(|named| named == id))
            && spec.token.as_deref().is_none_or(|token| token == call.token)
            && match spec.route.as_deref() {
                Some(route) => call.route.matches(route),
                None => self.kind.concerns(call.route),
            }
    }

    fn strike(&self) -> Strike {
        Strike {
            kind: self.kind,
            applied: self.spec.after_effect,
            code: self.spec.code,
            reason: self.spec.reason.clone(),
            subcode: self.spec.subcode,
            status: self.spec.status,
            message: self.spec.message.clone(),
            ms: self.spec.ms,
            rows: self.spec.rows.unwrap_or(1),
            minutes: self.spec.minutes,
            transient: self.spec.transient,
        }
    }
}
