//! A component that misbehaves is stopped, its queue tells why, and the other partner's queue finishes.
use caravan_tests::{Place, audience_named, guest, keys_of, oracle, word};
use serde_json::json;
use std::collections::BTreeSet;
use xtask::totals;

const CANVAS: &str = r#"
format: 1
canvas: two-partners
audiences:
  bad: { connection: stranger, account: main, name: "Stranger", id: "990000000000001" }
  good: { connection: lab-tiktok, account: main, name: "Good", if_missing: create }
entry: { trigger: { event: lapsed }, start: split }
steps:
  split: { branch: [ { if: { attr: plan, in: [pro] }, next: stranger } ], else: tiktok }
  stranger: { audience_sync: { audience: bad, action: add, match: [email] }, next: exit }
  tiktok: { audience_sync: { audience: good, action: add, match: [email] }, next: exit }
"#;

/// Runs two partners, one of them hostile, and gives what `queue list` says of the hostile one.
fn stopped(component: &str) -> String {
    stopped_within(component, "0s")
}

/// As [`stopped`], staying for retries that are due within `wait`.
fn stopped_within(component: &str, wait: &str) -> String {
    let place = Place::new();
    place.write("canvas.yaml", CANVAS);
    let connections = format!(
        "format: 1\nconnections:\n  stranger: {{ connector: {:?}, lab: true, accounts: {{ main: act_1 }} }}\n  \
         lab-tiktok: {{ connector: tiktok, lab: true, accounts: {{ main: \"7000000000000000001\" }} }}\n",
        word(&guest(component))
    );
    place.write("connections.yaml", connections);
    let people = place.people("people.csv", 2_000, 5);
    let rows = oracle::read(&people);
    let theirs = rows.iter().filter(|row| row["plan"] != "pro" && !oracle::blocked(row));
    let addresses = theirs.flat_map(|row| oracle::several(&row["email"])).filter_map(|address| oracle::email(&address));
    let wanted: BTreeSet<String> = addresses.map(|address| oracle::sha256(&address)).collect();
    assert!(wanted.len() > 100, "the other partner has people to send");
    let people = word(&people);
    let lab = place.lab();
    let audience = json!({"partner": "meta", "account": "act_1", "name": "Stranger", "id": "990000000000001"});
    lab.post("/_lab/audiences", &audience).expect("an audience at the partner");
    let ran = place.run([
        "run",
        "canvas.yaml",
        "--users",
        &people,
        "--store",
        "s.caravan",
        "--lab",
        &lab.url,
        "--wait",
        wait,
        "--json",
    ]);
    let said = ran.expect(1).json();
    assert_eq!(totals::accounted(&said), Some(2_000), "{said}");
    assert!(totals::of_status(&said, "waiting") > 0, "{component}: its people wait: {said}");
    // The other partner has exactly those who went its way, once.
    let good = keys_of(&lab, &audience_named(&lab, "Good").expect("one")).expect("members");
    assert_eq!(good["EMAIL_SHA256"], wanted, "{component}: the other partner's members");
    let queues = place.run(["queue", "list", "--store", "s.caravan", "--json"]).expect(1);
    let list = queues.json();
    let lanes = list.as_array().or_else(|| list["queues"].as_array()).expect("queues").clone();
    let held: Vec<_> = lanes.iter().filter(|lane| lane["state"].to_string().contains("held")).collect();
    assert_eq!(held.len(), 1, "{component}: one queue is held: {list}");
    held[0].to_string()
}

#[test]
fn another_host_is_denied() {
    let why = stopped("hostile_other_host");
    assert!(why.contains("not granted") || why.contains("CV060"), "{why}");
}

#[test]
fn another_audience_is_denied() {
    let why = stopped("hostile_other_audience");
    assert!(why.contains("CV060"), "{why}");
}

#[test]
fn another_account_is_denied() {
    let why = stopped("hostile_other_account");
    assert!(why.contains("CV060"), "{why}");
}

#[test]
fn a_loopback_address_is_denied() {
    let why = stopped("hostile_loopback");
    assert!(why.contains("CV060"), "{why}");
}

#[test]
fn an_endless_loop_is_stopped() {
    let why = stopped("hostile_spin");
    assert!(why.contains("CPU") || why.contains("cpu"), "{why}");
}

#[test]
fn endless_allocation_is_stopped() {
    let why = stopped("hostile_hoard");
    assert!(why.contains("memory"), "{why}");
}

#[test]
fn a_flood_of_requests_is_stopped() {
    let why = stopped("hostile_flood");
    assert!(why.contains("requests"), "{why}");
}

#[test]
fn a_panic_hurts_nobody_else() {
    let why = stopped("hostile_panic");
    assert!(why.contains("trap") || why.contains("panic"), "{why}");
}

#[test]
fn a_report_that_leaves_rows_out_is_not_believed() {
    let why = stopped_within("hostile_liar", "5s");
    assert!(why.contains("report") || why.contains("rows"), "{why}");
}
