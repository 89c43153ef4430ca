//! What stands in the way of a launch beside its people: quotas that steps share, room for audiences, tokens that end.
use super::Counting;
use crate::pacing::quotas_of;
use crate::route::registered_name;
use caravan_journey::document::end_in_words;
use caravan_model::canvas::IfMissing;
use caravan_model::manifest::{Quota, QuotaScope, QuotaUnit};
use caravan_model::port::Connectors;
use caravan_model::{Canvas, Duration, Millis};
use caravan_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// How long before its end a token is worth a warning.
const SOON: Duration = Duration::DAY.times(30);

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

/// Warns where an account would have more audiences than the partner allows, by those that the store knows: others may be
/// there, which only publishing sees.
pub(super) async fn look_at_room<S: Store>(store: &S, canvas: &Canvas, steps: &mut [Counting]) -> crate::Result<()> {
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
    for ((connector, account), new) in new {
        let ours = known.iter().filter(|one| one.connector == connector && one.account == account);
        let ours = ours.filter_map(|one| one.partner_id.as_deref()).collect::<BTreeSet<_>>().len() as u64;
        let here = steps.iter_mut().find(|step| step.connector == connector && step.account == account);
        let Some(step) = here.filter(|step| step.per_account > 0 && ours + new.len() as u64 > step.per_account) else {
            continue;
        };
        step.of.warnings.push(format!(
            "{} allows {} audiences in an account: {ours} are known in {account}, and {} more would be made",
            step.of.partner,
            step.per_account,
            new.len()
        ));
    }
    Ok(())
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
