//! Traps that only a whole run can fall into: who is blamed, and who is lost along with them.
use caravan_tests::{Lab, Place, Ran, audience_named, keys_of, oracle};
use serde_json::json;
use std::collections::BTreeSet;
use xtask::totals;

const CONNECTIONS: &str = r#"
format: 1
connections:
  criteo: { connector: criteo, lab: true, accounts: { main: "1" } }
  google: { connector: google, lab: true, accounts: { main: "1000000001" } }
  meta: { connector: meta, lab: true, accounts: { main: act_1 } }
  marketo:
    connector: marketo
    lab: true
    raw: [EMAIL]
    accounts: { main: "123-ABC-456" }
    settings: { munchkin: 123-ABC-456, folder: 13 }
"#;

/// A canvas that adds whoever `lapsed`, and takes out whoever has `left`.
fn canvas(connection: &str, more: &str, keys: &str) -> String {
    let sync = |action: &str| {
        format!("{{ audience_sync: {{ audience: people, action: {action}, match: [{keys}] }}, next: exit }}")
    };
    format!(
        "format: 1\ncanvas: in\naudiences:\n  people: {{ connection: {connection}, account: main, name: People,{more} \
         if_missing: create }}\nentry: {{ trigger: {{ event: e }}, start: which }}\nsteps:\n  which: {{ branch: [ {{ if: {{ \
         attr: goes, in: [\"yes\"] }}, next: out }} ], else: in }}\n  in: {}\n  out: {}\n",
        sync("add"),
        sync("remove")
    )
}

fn run(place: &Place, lab: &Lab, canvas: &str, users: &str) -> Ran {
    let url = lab.url.clone();
    place.run(["run", canvas, "--users", users, "--store", "s", "--lab", &url, "--wait", "30s", "--json"])
}

fn emails(lab: &Lab, key: &str) -> BTreeSet<String> {
    let list = audience_named(lab, "People").expect("one");
    keys_of(lab, &list).expect("members").remove(key).unwrap_or_default()
}

fn digests(numbers: impl Iterator<Item = u32>) -> BTreeSet<String> {
    numbers.map(|n| oracle::sha256(&format!("u{n}@example.com"))).collect()
}

/// A folder with the canvas twice, under two names.
fn place(connection: &str, more: &str, keys: &str) -> Place {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas(connection, more, keys));
    place.write("first.yaml", canvas(connection, more, keys).replace("canvas: in", "canvas: first"));
    place
}

#[test]
fn trap_31_one_row_that_google_refuses_costs_nobody_else() {
    let (place, lab) = (place("google", " kind: CONTACT_ID,", "email"), Place::new().lab());
    let rows: String = (0..20).map(|n| format!("u{n},u{n}@example.com,no\n")).collect();
    place.write("users.csv", format!("external_id,email,goes\n{rows}"));
    let dial =
        json!({"partner": "google", "route": "users-add", "fault": "error", "reason": "INVALID_FORMAT", "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let ran = run(&place, &lab, "in.yaml", "users.csv").expect(1).json();
    assert_eq!((totals::of_status(&ran, "synced"), totals::of_status(&ran, "rejected")), (19, 1), "{ran}");
    assert_eq!(emails(&lab, "EMAIL"), digests(1..20));
}

#[test]
fn trap_32_among_adds_and_removals_the_refused_row_is_the_right_persons() {
    let (place, lab) = (place("google", " kind: CONTACT_ID,", "email"), Place::new().lab());
    let row = |n: u32, goes: &str| format!("u{n},u{n}@example.com,{goes}\n");
    let head = "external_id,email,goes\n";
    place.write("users.csv", (0..10).fold(head.to_owned(), |text, n| text + &row(n, "no")));
    run(&place, &lab, "first.yaml", "users.csv").expect(0);
    assert_eq!(emails(&lab, "EMAIL"), digests(0..10));
    // Removals and adds lie between one another; of the adds the first is refused.
    let mixed = (0..5).fold(head.to_owned(), |text, n| text + &row(n, "yes") + &row(n + 10, "no"));
    place.write("users.csv", mixed);
    let dial =
        json!({"partner": "google", "route": "users-add", "fault": "error", "reason": "INVALID_FORMAT", "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let ran = run(&place, &lab, "in.yaml", "users.csv").expect(1).json();
    assert_eq!((totals::of_status(&ran, "synced"), totals::of_status(&ran, "rejected")), (9, 1), "{ran}");
    let blamed = ran["counts"].as_array().expect("counts").iter().find(|count| count["status"] == "rejected");
    assert_eq!(blamed.expect("one")["step"], "in", "{ran}");
    assert_eq!(emails(&lab, "EMAIL"), digests((5..10).chain(11..15)));
}

#[test]
fn trap_google_names_its_bad_rows_one_by_one() {
    let (place, lab) = (place("google", " kind: CONTACT_ID,", "email"), Place::new().lab());
    let rows: String = (0..20).map(|n| format!("u{n},u{n}@example.com,no\n")).collect();
    place.write("users.csv", format!("external_id,email,goes\n{rows}"));
    lab.post("/_lab/settings", &json!({"google": {"named_rows": 1}})).expect("settings");
    let dial = json!({"partner": "google", "route": "users-add", "fault": "bad-rows", "rows": 3, "count": 3});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let ran = run(&place, &lab, "in.yaml", "users.csv").expect(1).json();
    assert_eq!((totals::of_status(&ran, "synced"), totals::of_status(&ran, "rejected")), (17, 3), "{ran}");
    assert_eq!(emails(&lab, "EMAIL"), digests(3..20));
}

#[test]
fn trap_38_an_address_with_a_comma_is_one_address() {
    let (place, lab) = (place("marketo", "", "email"), Place::new().lab());
    // Taken apart, the first one's address would be the second half, which Marketo knows.
    place.write("users.csv", "external_id,email,goes\na,\"a,b@example.com\",no\nc,c@example.com,no\n");
    let ran = run(&place, &lab, "in.yaml", "users.csv").json();
    assert_eq!(totals::of_status(&ran, "synced"), 1, "{ran}");
    assert_eq!(emails(&lab, "EMAIL"), BTreeSet::from(["c@example.com".to_owned()]));
}

#[test]
fn trap_a_phone_of_zeros_costs_nobody() {
    let (place, lab) = (place("meta", "", "email, phone"), Place::new().lab());
    let rows: String = (0..20).map(|n| format!("u{n},u{n}@example.com,+0000000000,no\n")).collect();
    place.write("users.csv", format!("external_id,email,phone,goes\n{rows}"));
    let ran = run(&place, &lab, "in.yaml", "users.csv").expect(0).json();
    assert_eq!(totals::of_status(&ran, "synced"), 20, "{ran}");
    assert_eq!(emails(&lab, "EMAIL"), digests(0..20));
}

#[test]
fn trap_no_error_repeats_what_was_sent() {
    let (place, lab) = (place("criteo", "", "email"), Place::new().lab());
    place.write("users.csv", "external_id,email,goes\nu0,u0@example.com,no\n");
    // Criteo's answer carries a sample of what it did not take.
    lab.post("/_lab/faults", &json!({"partner": "criteo", "fault": "bad-rows", "rows": 1})).expect("a dial");
    let ran = run(&place, &lab, "in.yaml", "users.csv");
    let shown = place.run(["batch", "show", "1-1", "--store", "s", "--json"]);
    let said = [&ran.stdout, &ran.stderr, &shown.stdout, &shown.stderr].map(String::as_str).concat();
    assert_eq!(shown.json()["doubtful"], 1, "the count is told");
    assert!(!said.contains(&oracle::sha256("u0@example.com")) && !said.contains("u0@"), "{said}");
}
