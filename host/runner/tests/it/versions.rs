//! A canvas is published anew while people are inside.
use crate::common::*;
use caravan_model::Status;
use caravan_runner::RunOptions;
use caravan_store::Store;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PEOPLE: u32 = 100_000;

fn text(title: &str, second: &str) -> String {
    format!(
        "format: 1\ncanvas: one\ntitle: {title}\nentry: {{ trigger: {{ event: any }}, start: split }}\nsteps:\n  \
         split: {{ experiment: [ {{ name: a, weight: 1, next: first }}, {{ name: b, weight: 1, next: {second} }} ] }}\n  \
         first: {{ delay: {{ for: 2d }}, next: mark }}\n  {second}: {{ delay: {{ for: 3d }}, next: mark }}\n  \
         mark: {{ update: {{ seen: true }}, next: exit }}\n"
    )
}

#[tokio::test]
async fn rule_11_12_a_hundred_thousand_inside_move_or_finish_where_they_are_and_nobody_is_lost() {
    let mut stage = Stage::new(10);
    stage.options.chunk = 10_000;
    let day = 86_400_000;
    let old = stage.publish(&text("One", "second")).await;
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    stage.run_with(old, people(0..PEOPLE), options).await;
    let counters = async |version| stage.store.counters(version).await.unwrap();
    assert_eq!((counters(old).await.entered, counters(old).await.open), (PEOPLE.into(), PEOPLE.into()));
    let (first, second) = (stage.count(old, 1, Status::Waiting).await, stage.count(old, 2, Status::Waiting).await);
    assert!(first > 40_000 && second > 40_000, "{first} {second}");
    // The second delay has another name in the new version: who waits there stays.
    let runner = stage.runner();
    let new = runner.publish(canvas(&text("Two", "other")), &connections()).await.unwrap();
    let plan = caravan_runner::move_plan(&stage.store, &new.canvas).await.unwrap();
    assert_eq!((plan.inside, plan.could_move, plan.stay), (PEOPLE.into(), first, second));
    let acting = runner.acting("cli:ann");
    acting.move_inside("one").await.unwrap();
    assert_eq!(runner.carry_moves_out().await.unwrap(), first);
    assert_eq!(runner.carry_moves_out().await.unwrap(), 0, "a repeat moves nobody");
    stage.balanced().await;
    assert_eq!((counters(old).await.open, counters(new.id).await.open), (second, first));
    assert_eq!(stage.count(new.id, 1, Status::Waiting).await, first);
    // A wish that nobody carried out is carried out by the next run.
    let newest = runner.publish(canvas(&text("Three", "other")), &connections()).await.unwrap();
    acting.move_inside("one").await.unwrap();
    let options = || RunOptions { wait: Duration::ZERO, ..RunOptions::default() };
    stage.run_with(newest.id, Vec::new(), options()).await;
    assert_eq!((counters(new.id).await.open, counters(newest.id).await.open), (0, first));
    // Each keeps its time: after two days those of the first delay have left, after three all.
    stage.clock.0.store(2 * day + 60_000, Ordering::SeqCst);
    stage.run_with(newest.id, Vec::new(), options()).await;
    assert_eq!((counters(old).await.open, counters(newest.id).await.open), (second, 0));
    assert_eq!(stage.count(newest.id, 3, Status::Passed).await, first);
    stage.clock.0.store(3 * day + 60_000, Ordering::SeqCst);
    stage.run_with(newest.id, Vec::new(), options()).await;
    assert_eq!((counters(old).await.open, stage.count(old, 3, Status::Passed).await), (0, second));
    // Nobody may be inside twice, whatever version they are in.
    assert_eq!(counters(old).await.entered, u64::from(PEOPLE));
}

#[tokio::test]
async fn a_canvas_of_five_hundred_steps_is_published_and_walked_without_trouble() {
    let stage = Stage::new(1_000);
    let mut text = String::from("format: 1\ncanvas: long\nentry: { trigger: { event: any }, start: s000 }\nsteps:\n");
    for n in 0..499 {
        let step = match n % 3 {
            0 => format!("{{ update: {{ at: {n} }}, next: s{:03} }}", n + 1),
            1 => format!("{{ delay: {{ for: 1m }}, next: s{:03} }}", n + 1),
            _ => format!("{{ branch: [ {{ if: {{ attr: at, eq: -1 }}, next: exit }} ], else: s{:03} }}", n + 1),
        };
        text.push_str(&format!("  s{n:03}: {step}\n"));
    }
    text.push_str("  s499: { update: { at: end }, next: exit }\n");
    let version = stage.publish(&text).await;
    let wait = Duration::from_secs(20);
    let options = RunOptions { skip_delays: true, source: "f".into(), wait, ..RunOptions::default() };
    let end = stage.run_with(version, people(0..20), options).await;
    assert!(matches!(end, caravan_runner::RunEnd::Done(_)), "{end:?}");
    let counters = stage.store.counters(version).await.unwrap();
    assert_eq!((counters.entered, counters.open), (20, 0));
    for step in 0..500 {
        assert_eq!(stage.count(version, step, Status::Passed).await, 20, "step {step}");
    }
}
