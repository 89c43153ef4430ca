//! What stands in the way of a launch beside its people: quotas that steps share, room for audiences, tokens that end.
use super::Counting;
use crate::error::problem_of;
use crate::pacing::quotas_of;
use crate::route::{lane_key, registered_name};
use caravan_journey::document::end_in_words;
use caravan_model::canvas::IfMissing;
use caravan_model::manifest::{Quota, QuotaScope, QuotaUnit};
use caravan_model::port::{Answer, Ask, CallContext, Connectors};
use caravan_model::{Canvas, Duration, Millis, Problem};
use caravan_store::{Audience, Store};
use std::collections::{BTreeMap, BTreeSet};

/// How long before its end a token is worth a warning.
const SOON: Duration = Duration::DAY.times(30);
/// How long all partners together may take to list their audiences.
const LISTING: std::time::Duration = std::time::Duration::from_secs(10);
/// Most pages of a partner's list that are read for a warning.
const MOST_PAGES: usize = 100;

impl Counting {
    /// Whose use counts against the same quota as this step's.
    fn bucket(&self, scope: QuotaScope) -> [&str; 4] {
        let (connector, connection) = (self.connector.as_str(), self.connection.as_str());
        match scope {
            QuotaScope::App => [connector, "", "", ""],
            QuotaScope::Login => [connector, connection, "", ""],
            QuotaScope::Account => [connector, "", &self.account, ""],
            QuotaScope::Audience => [connector, "", &self.account, &self.audience],
        }
    }
}

/// Leaves each step the quotas that hold for its connection.
pub(super) async fn look_at_credentials(connectors: &dyn Connectors, steps: &mut [Counting]) {
    for step in steps {
        step.quotas = quotas_of(connectors, &step.connection, &step.quotas).await.into_owned();
    }
}

/// How long each step lasts where all that share a quota send at once: the quota is used by their sum.
pub(super) fn share_quotas(steps: &mut [Counting]) {
    let lasting: Vec<_> = steps.iter().map(|step| longest(step, steps)).collect();
    for (step, lasts) in steps.iter_mut().zip(lasting) {
        if let Some((span, with)) = lasts {
            (step.of.drains_in, step.of.shares_with) = (Some(span), with);
        }
    }
}

/// What the quota that takes longest makes of a step, and with which others.
fn longest(step: &Counting, all: &[Counting]) -> Option<(Duration, Vec<String>)> {
    if step.of.calls == 0 {
        return None;
    }
    let of_quota = |quota: &Quota| {
        let bucket = step.bucket(quota.scope);
        let sharing: Vec<&Counting> = all.iter().filter(|other| other.bucket(quota.scope) == bucket).collect();
        let (calls, rows) =
            sharing.iter().fold((0, 0), |(calls, rows), one| (calls + one.of.calls, rows + one.of.rows));
        let others = sharing.iter().filter(|other| other.of.step != step.of.step && other.of.calls > 0);
        Some((lasts(quota, calls, rows)?, others.map(|other| other.of.step.clone()).collect()))
    };
    step.quotas.iter().filter_map(of_quota).max_by_key(|(span, _)| *span)
}

/// How long a quota makes so many calls and rows last, beyond its first window.
fn lasts(quota: &Quota, calls: u64, rows: u64) -> Option<Duration> {
    let used = match quota.unit {
        QuotaUnit::Calls => calls,
        QuotaUnit::Rows => rows,
        QuotaUnit::Bytes | QuotaUnit::InFlight => return None,
    };
    let windows = used.div_ceil(quota.amount.max(1)).saturating_sub(1);
    (windows > 0).then(|| quota.per.map(|per| Duration(per.0.saturating_mul(windows)))).flatten()
}

/// Warns where an account would have more audiences than the partner allows: those that the partner lists, and those of ours
/// that it makes with their first people. Where it does not list them within [`LISTING`], those that the store knows are
/// counted, and that is said.
pub(super) async fn look_at_room<S: Store>(
    store: &S,
    canvas: &Canvas,
    (partners, now): (Result<&dyn Connectors, &Problem>, Millis),
    steps: &mut [Counting],
) -> crate::Result<()> {
    if steps.iter().all(|step| step.per_account == 0) {
        return Ok(());
    }
    let known = store.audiences().await?;
    // Audiences to be made, by connector and account.
    let mut new: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for step in steps.iter() {
        let Some(spec) = canvas.audiences.get(&step.audience) else { continue };
        let name = registered_name(&canvas.canvas, &step.audience);
        let there = known.iter().any(|one| one.name == name && one.account == step.account && one.partner_id.is_some());
        if spec.id.is_none() && spec.if_missing != IfMissing::Fail && !there {
            new.entry((step.connector.clone(), step.account.clone())).or_default().insert(name);
        }
    }
    let until = tokio::time::Instant::now() + LISTING;
    for ((connector, account), new) in new {
        let here = steps.iter_mut().find(|step| step.connector == connector && step.account == account);
        let Some(step) = here.filter(|step| step.per_account > 0) else { continue };
        let ours = known.iter().filter(|one| one.connector == connector && one.account == account);
        let ours: Vec<&Audience> = ours.filter(|one| one.partner_id.is_some()).collect();
        let listed = listed(partners, &step.connection, &account, now);
        let listed = match tokio::time::timeout_at(until, listed).await {
            Ok(listed) => listed,
            Err(_) => Err(format!("it did not answer within {} s", LISTING.as_secs())),
        };
        let (there, seen) = match &listed {
            // A connector that lists nothing need not have a list.
            Ok(ids) if !ids.is_empty() => (ids.len() + ours.iter().filter(|one| is_to_come(one)).count(), "are"),
            Ok(_) | Err(_) => (ours.iter().map(|one| &one.partner_id).collect::<BTreeSet<_>>().len(), "are known"),
        };
        let is_full = there as u64 + new.len() as u64 > step.per_account;
        let partner = &step.of.partner;
        let mut words = format!(
            "{partner} allows {} audiences in an account: {there} {seen} in {account}, and {} more would be made",
            step.per_account,
            new.len()
        );
        if let Err(why) = &listed {
            words.push_str(&format!("; others may be there, for its list cannot be read: {why}"));
        }
        match listed {
            _ if is_full => step.of.warnings.push(words),
            Ok(_) => {}
            Err(_) => step.of.notes.push(words),
        }
    }
    Ok(())
}

/// Whether an audience waits for the first people with whom its partner makes it.
fn is_to_come(audience: &Audience) -> bool {
    lane_key(audience).is_some_and(|key| key.marker_to_be_made().is_some())
}

/// The ids of all audiences that a partner lists of an account, or why it does not.
async fn listed(
    partners: Result<&dyn Connectors, &Problem>,
    connection: &str,
    account: &str,
    now: Millis,
) -> Result<BTreeSet<String>, String> {
    let partners = partners.map_err(|problem| problem.message.clone())?;
    let connector = partners.connector(connection).map_err(|problem| problem.message)?;
    let mut ids = BTreeSet::new();
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let context =
            CallContext { at: now, seed: format!("forecast/{account}"), deadline: LISTING, record_bodies: false };
        let ask = Ask::Audiences { account: account.to_owned(), query: String::new(), cursor };
        let (page, next) = match connector.call(context, ask).await.answer {
            Ok(Answer::Audiences(page, next)) => (page, next),
            Ok(_) => return Err(format!("the connector of `{connection}` answered another question")),
            Err(fault) => return Err(problem_of(&fault, connection, "list audiences").message),
        };
        ids.extend(page.into_iter().map(|info| info.id));
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(ids),
        }
    }
    Err(format!("it has more than {MOST_PAGES} pages"))
}

/// Warns where a connection's token has ended or ends soon, and no other one comes by itself.
pub(super) async fn look_at_tokens(connectors: &dyn Connectors, steps: &mut [Counting], now: Millis) {
    for step in steps {
        if let Some(ends) = connectors.token_ends(&step.connection).await.filter(|ends| *ends < now.after(SOON)) {
            let tense = if ends <= now { "ended" } else { "ends" };
            step.of.warnings.push(format!("the token of {} {tense} at {}", step.connection, end_in_words(ends)));
        }
    }
}
