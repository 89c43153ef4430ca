//! Steps that do more than wait and sync, through the whole runner.
mod common;
use caravan_model::{Profile, Status};
use caravan_store::Store;
use common::*;

fn some(ids: std::ops::Range<usize>) -> Vec<Profile> {
    ids.map(|id| person(format!("p{id}"))).collect()
}

/// Counts of a step by status and the words of the reason.
async fn words(stage: &Stage, version: caravan_model::VersionId, step: u16) -> Vec<(Status, String, u64)> {
    let counters = stage.store.counters(version).await.unwrap();
    let here = counters.counts.into_iter().filter(|count| count.step.0 == step && count.n > 0);
    let mut words: Vec<_> = here.map(|count| (count.status, count.reason.words, count.n)).collect();
    words.sort();
    words
}

#[tokio::test]
async fn an_experiment_splits_people_and_an_update_leads_them() {
    let stage = Stage::new(50);
    let text = "
format: 1
canvas: split
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, re_entry: always, start: test }
steps:
  test: { experiment: [ { name: sent, weight: 3, next: mark }, { name: kept, weight: 1, next: exit } ] }
  mark: { update: { test.group: sent, country: DE }, next: split }
  split: { branch: [ { if: { attr: test.group, eq: sent }, next: sync } ], else: exit }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";
    let version = stage.publish(text).await;
    stage.run(version, "f", some(0..400)).await;
    let first = words(&stage, version, 0).await;
    let [(Status::Passed, kept, k), (Status::Passed, sent, s)] = &first[..] else { panic!("{first:?}") };
    assert_eq!((kept.as_str(), sent.as_str(), k + s), ("kept", "sent", 400));
    // Five standard deviations around 300.
    assert!((257..=343).contains(s), "{first:?}");
    assert_eq!(stage.fake().members("new-1").len() as u64, *s);
    assert_eq!(words(&stage, version, 2).await, [(Status::Passed, "arm 1".to_owned(), *s)]);
    let marked = stage.store.find("p0").await.unwrap()[0];
    let trace = stage.store.trace(marked).await.unwrap().unwrap();
    assert_eq!(trace.profile.country.is_some(), trace.visits[0].reason.words == "sent");
    // The same people again, in a new version: each goes the same way.
    let version = stage.publish(&text.replace("canvas: split", "canvas: split\ntitle: Two")).await;
    stage.run(version, "g", some(0..400)).await;
    assert_eq!(words(&stage, version, 0).await, first);
    assert_eq!(stage.fake().members("new-1").len() as u64, *s, "nobody else was added");
}
