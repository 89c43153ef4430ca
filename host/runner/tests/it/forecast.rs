//! The check before a launch: what steps share, what the partner allows, and tokens that end.
use crate::common::*;
use caravan_journey::TimeZone;
use caravan_model::port::{Answer, Ask, BoxFuture, CallContext, CallOutcome, Connector, Connectors};
use caravan_model::{Digest, Duration, Manifest, Millis, Problem};
use caravan_runner::{Forecast, forecast};
use serde_json::json;
use std::sync::Arc;

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
    look_with(stage, &Fakes(stage.fakes.clone())).await
}

/// The same, by connectors that can ask partners.
async fn look_with(stage: &Stage, partners: &dyn Connectors) -> Forecast {
    let fakes = Fakes(stage.fakes.clone());
    let beside = (&fakes as &dyn Connectors, &connections());
    forecast(&stage.store, &canvas(TEXT), beside, Ok(partners), stage_now(stage), &TimeZone::UTC).await.unwrap()
}

/// A partner whose calls never end, or that lists pages without an end.
struct Strange(Arc<Fake>, bool);

impl Connector for Strange {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn digest(&self) -> Digest {
        self.0.digest()
    }

    fn settings(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.0.settings()
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            if !self.1 {
                return std::future::pending().await;
            }
            let mut outcome = self.0.call(context, ask).await;
            if let Ok(Answer::Audiences(_, next)) = &mut outcome.answer {
                *next = Some("more".into());
            }
            outcome
        })
    }
}

struct OnlyStrange(Arc<Strange>);

impl Connectors for OnlyStrange {
    fn connector(&self, _: &str) -> Result<Arc<dyn Connector>, Problem> {
        Ok(self.0.clone())
    }

    fn default_country(&self, _: &str) -> Option<String> {
        None
    }
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
    assert!(found.steps[0].warnings[0].contains("1 are in act_1, and 2 more"), "{found:?}");
    let two = stage(quota(), 2).await;
    two.publish(TEXT).await;
    assert!(!look(&two).await.warns());
}

#[tokio::test(start_paused = true)]
async fn what_the_partner_lists_counts_and_where_it_lists_nothing_that_is_said() {
    let quota = || json!({"scope": "app", "unit": "calls", "amount": 1_000, "per": "1m"});
    let stage = stage(quota(), 3).await;
    let by_others = |id: &str| (id.to_owned(), (format!("By hand {id}"), String::new(), Default::default()));
    stage.fake().partner.lock().unwrap().audiences.extend([by_others("7")]);
    assert!(!look(&stage).await.warns());
    // The store knows nothing of what people made there themselves.
    stage.fake().partner.lock().unwrap().audiences.extend([by_others("8")]);
    let found = look(&stage).await;
    assert!(found.steps[0].warnings[0].ends_with("2 are in act_1, and 2 more would be made"), "{found:?}");

    for (lists, why) in [(false, "it did not answer within 10 s"), (true, "it has more than 100 pages")] {
        let strange = OnlyStrange(Arc::new(Strange(stage.fake(), lists)));
        let began = tokio::time::Instant::now();
        let found = look_with(&stage, &strange).await;
        assert!(began.elapsed().as_secs() <= 11, "{:?}", began.elapsed());
        let notes: Vec<&String> = found.steps.iter().flat_map(|step| &step.notes).collect();
        assert!(notes.len() == 1 && !found.warns(), "{found:?}");
        assert!(notes[0].contains("0 are known in act_1, and 2 more would be made; others may be"), "{notes:?}");
        assert!(notes[0].ends_with(why), "{notes:?}");
    }
    let nobody = Fakes(Default::default());
    let found = look_with(&stage, &nobody).await;
    assert!(found.steps[0].notes[0].contains("its list cannot be read: no `c`") && !found.warns(), "{found:?}");
    // Where nothing is to be made, nobody is asked.
    stage.publish(TEXT).await;
    assert!(look_with(&stage, &nobody).await.steps.iter().all(|step| step.notes.is_empty()));
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
