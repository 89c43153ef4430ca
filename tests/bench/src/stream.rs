//! `stream`: events over HTTP into a serving host, and how soon an event that lets someone in is at the partner.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::{Result, ensure};
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, Served, audience_named, keys_of};
use std::time::{Duration, Instant};

const CANVAS: &str = r#"
format: 1
canvas: stream
audiences: { all: { connection: lab-meta, account: main, name: Stream, if_missing: create } }
entry: { trigger: { event: lapsed }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: all, action: add, match: [email] }, next: exit }
"#;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Messages per batch: within the API's 500 kB.
const BATCH: usize = 1_000;

/// Measures.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let lab = place.lab();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let mut idle = Vec::new();
    for n in 0..if effort.quick { 20 } else { 200 } {
        let began = Instant::now();
        send(&served, "idle", n..n + 1)?;
        arrived(&lab, n + 1, began)?;
        idle.push(began.elapsed().as_secs_f64() * 1e3);
    }
    idle.sort_by(f64::total_cmp);
    let at = |share: f64| idle.get(((idle.len() - 1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN);
    let before = idle.len();
    let events = if effort.quick { 10_000 } else { 100_000 };
    let began = Instant::now();
    for first in (0..events).step_by(BATCH) {
        send(&served, "load", first..events.min(first + BATCH))?;
    }
    let taken = began.elapsed().as_secs_f64();
    arrived(&lab, before + events, began)?;
    let through = began.elapsed().as_secs_f64();
    ensure!(served.term() == Some(0), "the host did not stop in good order");
    Ok(vec![
        Figure::of("stream", "one event, idle: sent to received by the partner, p50", "ms", Goal::None, vec![at(0.5)]),
        Figure::of("stream", "the same, p95", "ms", Goal::AtMost(20.0), vec![at(0.95)])
            .because("three durable commits before the call: the message, the entry, the slice"),
        Figure::of("stream", "the same, p99", "ms", Goal::None, vec![at(0.99)]),
        Figure::of("stream", "events taken in per second", "", Goal::None, vec![events as f64 / taken]),
        Figure::of("stream", "events per second, sent to received", "", Goal::None, vec![events as f64 / through]),
    ])
}

fn send(served: &Served, kind: &str, people: std::ops::Range<usize>) -> Result<()> {
    let messages: Vec<String> = people
        .flat_map(|n| {
            let id = format!("{kind}{n}");
            [
                format!(r#"{{"type":"identify","userId":"{id}","traits":{{"email":"{id}@example.com"}}}}"#),
                format!(r#"{{"type":"track","userId":"{id}","event":"lapsed","messageId":"m-{id}"}}"#),
            ]
        })
        .collect();
    for messages in messages.chunks(BATCH) {
        loop {
            let (status, answer) = served.send("/v1/batch", &format!(r#"{{"batch":[{}]}}"#, messages.join(",")));
            match status {
                200 => break,
                // It says that it has no room; nothing was taken in.
                429 | 503 => std::thread::sleep(Duration::from_millis(100)),
                _ => anyhow::bail!("{answer}"),
            }
        }
    }
    Ok(())
}

fn arrived(lab: &Lab, people: usize, began: Instant) -> Result<()> {
    let id = audience_named(lab, "Stream")?;
    loop {
        let there = keys_of(lab, &id)?.remove("EMAIL").map_or(0, |set| set.len());
        if there >= people {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "{there} of {people} arrived");
        std::thread::sleep(Duration::from_millis(if people > 1_000 { 50 } else { 1 }));
    }
}
