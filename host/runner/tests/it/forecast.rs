//! The check before a launch: what steps share, what the partner allows, and tokens that end.
use crate::common::*;
use caravan_journey::TimeZone;
use caravan_model::{Duration, Millis};
use caravan_runner::{Forecast, forecast};
use serde_json::json;

const PEOPLE: u32 = 1_000;

/// Two steps for two audiences of one account.
const TEXT: &str = "format: 1
canvas: launch
audiences:
  one: { connection: c, account: main, name: One, if_missing: create }
  two: { connection: c, account: main, name: Two, if_missing: create }
entry: { trigger: { api: true }, start: first }
steps:
  first: { audience_sync: { audience: one, action: add, match: [email] }, next: second }
  second: { audience_sync: { audience: two, action: add, match: [email] }, next: exit }
";

async fn stage(quota: serde_json::Value, per_account: u32) -> Stage {
    let mut manifest = manifest(100);
    manifest["quotas"] = json!([quota]);
    manifest["audience"]["per_account"] = json!(per_account);
    let stage = Stage::of(manifest);
    stage.runner().import_profiles(people(0..PEOPLE)).await.unwrap();
    stage
}

async fn look(stage: &Stage) -> Forecast {
    let fakes = Fakes(stage.fakes.clone());
    let beside = (&fakes as &dyn caravan_model::port::Connectors, &connections());
    forecast(&stage.store, &canvas(TEXT), beside, stage_now(stage), &TimeZone::UTC).await.unwrap()
}

#[tokio::test]
async fn steps_that_share_a_quota_drain_together_and_those_that_do_not_apart() {
    // Ten calls each: of the account's quota of one a minute, twenty are used.
    let quota = |scope: &str| json!({"scope": scope, "unit": "calls", "amount": 1, "per": "1m"});
    for shared in ["app", "login", "account"] {
        let found = look(&stage(quota(shared), 0).await).await;
        assert_eq!(found.drains_in, Some(Duration::MINUTE.times(19)), "{shared}");
        for (step, other) in [(0, "second"), (1, "first")] {
            assert_eq!(found.steps[step].drains_in, found.drains_in, "{shared}");
            assert_eq!(found.steps[step].shares_with, [other], "{shared}");
        }
    }
    let found = look(&stage(quota("audience"), 0).await).await;
    assert_eq!(found.drains_in, Some(Duration::MINUTE.times(9)));
    assert!(found.steps.iter().all(|step| step.calls == 10 && step.shares_with.is_empty()), "{found:?}");
    let rows = json!({"scope": "account", "unit": "rows", "amount": 500, "per": "1h"});
    assert_eq!(look(&stage(rows, 0).await).await.drains_in, Some(Duration::HOUR.times(3)));
}

#[tokio::test]
async fn an_account_that_would_have_more_audiences_than_the_partner_allows_is_warned_of() {
    let quota = || json!({"scope": "app", "unit": "calls", "amount": 1_000, "per": "1m"});
    assert!(!look(&stage(quota(), 2).await).await.warns());
    let one = stage(quota(), 1).await;
    let found = look(&one).await;
    let warnings: Vec<&String> = found.steps.iter().flat_map(|step| &step.warnings).collect();
    assert!(warnings.len() == 1 && found.warns(), "said once: {warnings:?}");
    assert!(warnings[0].contains("allows 1 audiences in an account: 0 are known in act_1, and 2 more"), "{warnings:?}");
    // Those that are there are not made again.
    one.publish(&one_step("other", "add", "email")).await;
    let found = look(&one).await;
    assert!(found.steps[0].warnings[0].contains("1 are known in act_1, and 2 more"), "{found:?}");
    let two = stage(quota(), 2).await;
    two.publish(TEXT).await;
    assert!(!look(&two).await.warns());
}

#[tokio::test]
async fn a_token_that_ends_within_thirty_days_is_warned_of() {
    let stage = stage(json!({"scope": "app", "unit": "calls", "amount": 1_000, "per": "1m"}), 0).await;
    let now = stage_now(&stage);
    for (ends, words) in [
        (Some(now.after(Duration::DAY.times(29))), Some("the token of c ends at ")),
        (Some(Millis(now.0 - 1)), Some("the token of c ended at ")),
        (Some(now.after(Duration::DAY.times(31))), None),
        (None, None),
    ] {
        *stage.fake().ends.lock().unwrap() = ends;
        let found = look(&stage).await;
        assert_eq!(found.warns(), words.is_some(), "{ends:?}");
        assert!(words.is_none_or(|words| found.steps[1].warnings[0].starts_with(words)), "{found:?}");
    }
}
