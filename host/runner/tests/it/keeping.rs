//! What is old is dropped or folded, and nothing that counts changes.
use crate::common::*;
use caravan_model::{Duration, Event, Millis};
use caravan_runner::{RunOptions, look_through};
use caravan_store::{DocumentKind, Store};

fn opened(at: Millis) -> Event {
    let properties = [("screen".to_owned(), serde_json::Value::from("home"))].into_iter().collect();
    Event { name: "open".to_owned(), at, properties }
}

#[tokio::test]
async fn what_is_older_than_the_policy_keeps_goes_and_counters_stay() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    stage.run_with(version, people(0..30), options).await;
    let runner = stage.runner();
    let now = stage_now(&stage);
    let events = vec![
        ("p1".to_owned(), None, opened(now.before(Duration::DAY.times(100)))),
        ("p1".to_owned(), None, opened(now.before(Duration::DAY.times(50)))),
        ("p1".to_owned(), None, opened(now.before(Duration::DAY))),
    ];
    let who = runner.record(events).await.unwrap();
    let before = stage.store.counters(version).await.unwrap();
    let kept = runner.prune().await.unwrap();
    assert_eq!((kept.events, kept.visits), (1, 0), "by default 90 and 400 days");
    let policy = "format: 1\nkeep: { events: 30d, statuses: 31d }\n".to_owned();
    let lease = stage.store.lease("again", caravan_store::Slots::ALL, now).await.unwrap();
    let document = (DocumentKind::Policy, caravan_runner::POLICY_ID.to_owned(), Some(policy));
    stage.store.put_documents(lease, vec![document]).await.unwrap();
    let runner = stage.runner();
    assert_eq!(runner.prune().await.unwrap().events, 1);
    let kept = stage.store.events(vec![who[0]], vec!["open".to_owned()]).await.unwrap().remove(0);
    assert_eq!(kept.len(), 3, "all are counted");
    assert_eq!(kept.iter().filter(|event| event.properties.is_empty()).count(), 2);
    assert_eq!(stage.store.counters(version).await.unwrap(), before);
    assert!(look_through(&stage.store).await.unwrap().is_whole());
}
