//! A preview says what would keep someone out, and what ends their way.
use crate::common::{Stage, canvas, person, stage_now};
use caravan_model::{Duration, Event, VersionId};
use caravan_runner::{Assumed, Happens, Preview, preview};
use caravan_store::{Caps, Store};
use serde_json::json;

const TEXT: &str = "
format: 1
canvas: seen
entry: { trigger: { event: lapsed, where: { plan: { in: [pro] } } }, re_entry: never, start: first }
exit: [ { event: bought } ]
steps:
  first: { wait_for: { event: opened, timeout: 2d }, next: second }
  second: { wait_for: { event: clicked, timeout: 2d, on_timeout: exit }, next: mark }
  mark: { update: { seen: true }, next: exit }
";

async fn way(stage: &Stage, happens: &[&str]) -> Preview {
    let who = stage.store.find("p0").await.unwrap()[0];
    let assumed = Assumed { happens: Happens::of(happens.iter().map(|name| (*name).to_owned())), synced: true };
    let zone = caravan_journey::TimeZone::UTC;
    preview(&stage.store, &canvas(TEXT), who, stage_now(stage), &zone, assumed).await.unwrap()
}

fn lapsed(stage: &Stage, plan: &str) -> (String, Option<String>, Event) {
    let properties = json!({ "plan": plan }).as_object().cloned().unwrap();
    ("p0".to_owned(), None, Event { name: "lapsed".into(), at: stage_now(stage), properties })
}

async fn enters(stage: &Stage, version: VersionId) {
    stage.run(version, "people", vec![person("p0")]).await;
    assert_eq!(stage.store.counters(version).await.unwrap().entered, 1);
}

#[tokio::test]
async fn a_preview_says_what_would_keep_someone_out_beside_who() {
    let stage = Stage::new(16);
    let runner = stage.runner();
    runner.import_profiles(vec![person("p0")]).await.unwrap();
    assert!(way(&stage, &[]).await.would_not_enter.is_empty(), "nothing is known that would");
    runner.record(vec![lapsed(&stage, "free")]).await.unwrap();
    let why = way(&stage, &[]).await.would_not_enter;
    assert!(why.len() == 1 && why[0].contains("none has what the trigger asks for: `lapsed`"), "{why:?}");
    runner.record(vec![lapsed(&stage, "pro")]).await.unwrap();
    assert!(way(&stage, &[]).await.would_not_enter.is_empty());
    drop(runner);
    let version = stage.publish(TEXT).await;
    enters(&stage, version).await;
    assert_eq!(way(&stage, &[]).await.would_not_enter, ["they are inside already"]);
    let runner = stage.runner();
    let who = stage.store.find("p0").await.unwrap();
    assert_eq!(runner.let_out("seen", &who).await.unwrap(), 1);
    runner.cap_canvas("seen", Caps { in_all: Some(1), ..Caps::default() }).await.unwrap();
    runner.pause_canvas("seen", "test").await.unwrap();
    let why = way(&stage, &[]).await.would_not_enter.join("; ");
    for words in ["the canvas is paused", "`re_entry` does not let them in again", "the cap of 1 people in all"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    runner.stop_now("seen", "test").await.unwrap();
    assert!(way(&stage, &[]).await.would_not_enter[0].contains("the canvas is stopped"));
}

#[tokio::test]
async fn a_preview_says_that_the_days_cap_or_a_runs_is_reached() {
    let stage = Stage::new(16);
    let version = stage.publish(TEXT).await;
    enters(&stage, version).await;
    let runner = stage.runner();
    let who = stage.store.find("p0").await.unwrap();
    assert_eq!(runner.let_out("seen", &who).await.unwrap(), 1);
    let says = async |caps: Caps, words: &str| {
        runner.cap_canvas("seen", caps).await.unwrap();
        way(&stage, &[]).await.would_not_enter.iter().any(|why| why == words)
    };
    let day = |n| Caps { a_day: Some(n), ..Caps::default() };
    assert!(says(day(1), "the cap of 1 people a day is reached (`cap`)").await);
    assert!(!says(day(2), "the cap of 2 people a day is reached (`cap`)").await);
    // A run that is to come has let nobody in yet.
    let run = |n| Caps { a_run: Some(n), ..Caps::default() };
    assert!(says(run(0), "the cap of 0 people a run is reached (`cap`)").await);
    assert!(!says(run(1), "the cap of 1 people a run is reached (`cap`)").await);
    // The next day has room again.
    runner.cap_canvas("seen", day(1)).await.unwrap();
    let assumed = Assumed { happens: Happens::of([]), synced: true };
    let (tomorrow, zone) = (stage_now(&stage).after(Duration::DAY), caravan_journey::TimeZone::UTC);
    let later = preview(&stage.store, &canvas(TEXT), who[0], tomorrow, &zone, assumed).await.unwrap();
    assert!(later.would_not_enter.iter().all(|why| !why.contains("a day")), "{later:?}");
}

#[tokio::test]
async fn a_preview_takes_for_granted_only_what_is_named() {
    let stage = Stage::new(16);
    stage.runner().import_profiles(vec![person("p0")]).await.unwrap();
    let steps = async |happens: &[&str]| -> Vec<(String, String)> {
        let way = way(&stage, happens).await;
        way.visits.into_iter().map(|visit| (visit.step, visit.reason.code)).collect()
    };
    let is = |step: &str, why: &str| (step.to_owned(), why.to_owned());
    assert_eq!(steps(&[]).await, [is("first", "timed-out"), is("second", "timed-out")]);
    assert_eq!(steps(&["opened"]).await, [is("first", "happened"), is("second", "timed-out")]);
    let all = [is("first", "happened"), is("second", "happened"), is("mark", "")];
    assert_eq!(steps(&["opened", "clicked"]).await, all);
    assert_eq!(steps(&["*"]).await, all);
    // An exit takes them out of the first wait.
    assert_eq!(steps(&["opened", "bought"]).await, [is("first", "exited")]);
}
