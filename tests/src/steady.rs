//! Many queues under one quota: how much of it is used, and whether the partner ever had to refuse.
use crate::{LAB_CONNECTIONS, Place, word};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
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
    /// From the start of the process to its end.
    pub took: Duration,
}

impl Steady {
    /// The share of the quota that was used while the run lasted. The calls of the first second come at once, so that
    /// one second less than the calls' worth is the least that a run can take.
    pub fn share(&self) -> f64 {
        let least = (self.calls.saturating_sub(PER_SECOND)) as f64 / PER_SECOND as f64;
        least / self.took.as_secs_f64()
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
    let run = |who: &str| {
        let users = word(&place.write(&format!("{who}.csv"), format!("external_id,email\n{who},{who}@example.com\n")));
        let arguments = ["run", "canvas.yaml", "--users", &users, "--store", "s.caravan", "--lab", &lab.url, "--wait"];
        place.run(arguments.into_iter().chain(["2m", "--no-lab-check", "--json"])).expect(0)
    };
    // The audiences are made without a limit, for making them is no steady state.
    lab.post("/_lab/quota", &json!({"partner": "tiktok", "per_second": 100_000, "per_minute": 100_000}))?;
    run("first");
    lab.post("/_lab/quota", &json!({"partner": "tiktok", "per_second": PER_SECOND, "per_minute": PER_SECOND * 60}))?;
    // What the first run used is over for the host, which remembers it, as well.
    std::thread::sleep(Duration::from_secs(61));
    let calls = || -> Result<Value> { Ok(lab.get("/_lab/calls")?["partners"]["tiktok"].clone()) };
    let before = calls()?;
    let began = Instant::now();
    run("second");
    let took = began.elapsed();
    let after = calls()?;
    let grown = |name: &str| -> Result<u64> {
        let of = |counts: &Value| counts[name].as_u64().with_context(|| format!("no {name} in {counts}"));
        Ok(of(&after)? - of(&before)?)
    };
    Ok(Steady { calls: grown("total")?, throttled: grown("rate_limit_hits")?, took })
}
