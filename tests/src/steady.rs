//! Many queues under one quota: how much of it is used, and whether the partner ever had to refuse.
use crate::{LAB_CONNECTIONS, Place, word};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// TikTok's quota of the tier that its connector keeps to: calls of an app per second (contract, section 5).
pub const PER_SECOND: u64 = 10;

/// What a steady run did.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Calls that the partner saw.
    pub calls: u64,
    /// Of these, those that it refused as too many.
    pub throttled: u64,
    /// Calls per second between the first and the last tenth of them.
    pub rate: f64,
}

impl Steady {
    /// The share of the quota that was used in steady state.
    pub fn share(&self) -> f64 {
        self.rate / PER_SECOND as f64
    }
}

/// How fast a count grew between its first and its last tenth.
fn rate(seen: &[(Duration, u64)]) -> f64 {
    let last = seen.last().map_or(0, |(_, count)| *count);
    let at = |wanted: u64| seen.iter().find(|(_, count)| *count >= wanted).copied();
    match (at(last / 10), at(last - last / 10)) {
        (Some(from), Some(to)) if to.0 > from.0 => (to.1 - from.1) as f64 / (to.0 - from.0).as_secs_f64(),
        _ => 0.0,
    }
}

/// One person goes through as many sync steps as there are audiences, each a queue and a call of its own, at an app of
/// TikTok's true limits.
///
/// # Errors
/// The lab or a run failed.
pub fn tiktok(audiences: usize) -> Result<Steady> {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    let names: String = (0..audiences)
        .map(|n| format!("  a{n}: {{ connection: lab-tiktok, account: main, name: A{n}, if_missing: create }}\n"))
        .collect();
    let steps: String = (0..audiences)
        .map(|n| {
            let next = if n + 1 == audiences { "exit".to_owned() } else { format!("s{}", n + 1) };
            format!("  s{n}: {{ audience_sync: {{ audience: a{n}, action: add, match: [email] }}, next: {next} }}\n")
        })
        .collect();
    let text = format!(
        "format: 1\ncanvas: many\naudiences:\n{names}entry: {{ trigger: {{ event: x }}, start: s0 }}\nsteps:\n{steps}"
    );
    place.write("canvas.yaml", text);
    let lab = place.lab();
    let command = |who: &str| {
        let users = word(&place.write(&format!("{who}.csv"), format!("external_id,email\n{who},{who}@example.com\n")));
        let arguments = ["run", "canvas.yaml", "--users", &users, "--store", "s.caravan", "--lab", &lab.url, "--wait"];
        place.caravan(arguments.into_iter().chain(["2m", "--no-lab-check", "--json"]))
    };
    // The audiences are made without a limit, for making them is no steady state.
    lab.post("/_lab/quota", &json!({"partner": "tiktok", "per_second": 100_000, "per_minute": 100_000}))?;
    ensure!(command("first").output()?.status.success(), "the first run failed");
    lab.post("/_lab/quota", &json!({"partner": "tiktok", "per_second": PER_SECOND, "per_minute": PER_SECOND * 60}))?;
    // The host remembers what it used within the last minute.
    std::thread::sleep(Duration::from_secs(61));
    let count = |name: &str| -> Result<u64> {
        let counts: Value = lab.get("/_lab/calls")?["partners"]["tiktok"].clone();
        counts[name].as_u64().with_context(|| format!("no {name} in {counts}"))
    };
    let (calls, throttled) = (count("total")?, count("rate_limit_hits")?);
    let mut child = command("second").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (began, mut seen) = (Instant::now(), Vec::new());
    let ended = loop {
        seen.push((began.elapsed(), count("total")? - calls));
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    ensure!(ended.success(), "the second run ended with {ended}");
    Ok(Steady { calls: count("total")? - calls, throttled: count("rate_limit_hits")? - throttled, rate: rate(&seen) })
}
