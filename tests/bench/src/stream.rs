//! `stream`: events over HTTP into a serving host, and how soon an event that lets someone in is at the partner.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::{Result, ensure};
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, Served, audience_named, keys_of};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CANVAS: &str = r#"
format: 1
canvas: stream
audiences: { all: { connection: lab-meta, account: main, name: Stream, if_missing: create } }
entry: { trigger: { event: lapsed }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: all, action: add, match: [email] }, next: exit }
"#;

/// What is looked for while the other canvas is under load: an audience of its own, so that looking is cheap.
const PROBE: &str = r#"
format: 1
canvas: probe
audiences: { few: { connection: lab-meta, account: main, name: Probe, if_missing: create } }
entry: { trigger: { event: probed }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: few, action: add, match: [email] }, next: exit }
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
    place.write("probe.yaml", PROBE);
    let served = |window: &str| {
        place.write("caravan.toml", format!("[delivery]\nbatch_window = \"{window}\"\n"));
        Served::of(&place, &lab, "127.0.0.1:0", &["canvas.yaml", "probe.yaml"])
    };
    let rounds = if effort.quick { 20 } else { 200 };
    // Nobody waits for others here; under load below, a batch fills for as long as it does where nothing is said.
    let waits_for_nobody = served("0s");
    let idle = probes(&waits_for_nobody, &lab, 0, rounds)?;
    ensure!(waits_for_nobody.term() == Some(0), "the host did not stop in good order");
    let served = served("1s");
    let events = if effort.quick { 10_000 } else { 100_000 };
    let began = Instant::now();
    for first in (0..events).step_by(BATCH) {
        send(&served, ("load", "lapsed"), first..events.min(first + BATCH))?;
    }
    let taken = began.elapsed().as_secs_f64();
    arrived(&lab, "Stream", events, began)?;
    let through = began.elapsed().as_secs_f64();
    // The same again, while half of what just went through comes in.
    let pause = Duration::from_secs_f64(BATCH as f64 * 2.0 * through / events as f64);
    let is_over = AtomicBool::new(false);
    let (busy, sent) = std::thread::scope(|scope| {
        let load = scope.spawn(|| -> Result<usize> {
            let mut sent = 0;
            let mut next = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                send(&served, ("half", "lapsed"), sent..sent + BATCH)?;
                sent += BATCH;
                next += pause;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(sent)
        });
        let busy = probes(&served, &lab, rounds, rounds);
        is_over.store(true, Ordering::Relaxed);
        (busy, load.join().map_err(|_| anyhow::anyhow!("the load broke")).and_then(|sent| sent))
    });
    let (busy, sent) = (busy?, sent?);
    arrived(&lab, "Stream", events + sent, Instant::now())?;
    ensure!(served.term() == Some(0), "the host did not stop in good order");
    Ok(vec![
        Figure::of(
            "stream",
            "one event, idle, window 0: sent to received by the partner, p50",
            "ms",
            Goal::None,
            vec![at(&idle, 0.5)],
        ),
        Figure::of("stream", "the same, p95", "ms", Goal::AtMost(20.0), vec![at(&idle, 0.95)])
            .because("three durable commits before the call: the message, the entry, the slice"),
        Figure::of("stream", "the same, p99", "ms", Goal::None, vec![at(&idle, 0.99)]),
        Figure::of("stream", "one event at half load, p50", "ms", Goal::None, vec![at(&busy, 0.5)]),
        Figure::of("stream", "the same, p95", "ms", Goal::None, vec![at(&busy, 0.95)]),
        Figure::of("stream", "the same, p99", "ms", Goal::None, vec![at(&busy, 0.99)]),
        Figure::of("stream", "events taken in per second", "", Goal::None, vec![events as f64 / taken]),
        Figure::of("stream", "events per second, sent to received", "", Goal::None, vec![events as f64 / through]),
    ])
}

/// How long single events take to the partner, in milliseconds, ascending; one after the other.
fn probes(served: &Served, lab: &Lab, first: usize, count: usize) -> Result<Vec<f64>> {
    let mut took = Vec::with_capacity(count);
    for n in first..first + count {
        let began = Instant::now();
        send(served, ("probe", "probed"), n..n + 1)?;
        arrived(lab, "Probe", n + 1, began)?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn send(served: &Served, (kind, event): (&str, &str), people: std::ops::Range<usize>) -> Result<()> {
    let messages: Vec<String> = people
        .flat_map(|n| {
            let id = format!("{kind}{n}");
            [
                format!(r#"{{"type":"identify","userId":"{id}","traits":{{"email":"{id}@example.com"}}}}"#),
                format!(r#"{{"type":"track","userId":"{id}","event":"{event}","messageId":"m-{id}"}}"#),
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

fn arrived(lab: &Lab, audience: &str, people: usize, began: Instant) -> Result<()> {
    let id = audience_named(lab, audience)?;
    loop {
        let there = keys_of(lab, &id)?.remove("EMAIL").map_or(0, |set| set.len());
        if there >= people {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "{there} of {people} arrived");
        std::thread::sleep(Duration::from_millis(if people > 1_000 { 50 } else { 1 }));
    }
}
