//! What `caravan run --json` says, added up.
use serde_json::Value;
use std::collections::BTreeMap;

/// Visits by `step: status (reason)`.
pub fn by_step(ran: &Value) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for count in ran["counts"].as_array().into_iter().flatten() {
        let word = |name: &str| count[name].as_str().unwrap_or_default().to_owned();
        let name = format!("{}: {} ({})", word("step"), word("status"), word("reason"));
        *sums.entry(name).or_default() += count["n"].as_u64().unwrap_or(0);
    }
    sums
}

/// Visits with a status, over all steps.
pub fn of_status(ran: &Value, status: &str) -> u64 {
    let counts = ran["counts"].as_array().into_iter().flatten();
    counts.filter(|count| count["status"] == status).filter_map(|count| count["n"].as_u64()).sum()
}

/// How many entered, provided that the books balance: for every step, and over all ends of entries.
pub fn accounted(ran: &Value) -> Option<u64> {
    let sums = &ran["sums"];
    (sums["accounted_for"] == true && sums["entered"] == ran["entered"]).then(|| ran["entered"].as_u64()).flatten()
}
