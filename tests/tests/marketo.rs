//! Marketo end to end: who stands in the lab's list equals an independent calculation from the users file, for add and for
//! remove, with people whom Marketo does not know, or knows twice.
use caravan_tests::{Lab, Place, audience_named, keys_of, oracle, word};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use xtask::totals;

const CONNECTIONS: &str = r#"
format: 1
connections:
  lab-marketo:
    connector: marketo
    lab: true
    raw: [EMAIL]
    accounts: { main: "123-ABC-456" }
    settings: { munchkin: 123-ABC-456, folder: 13 }
"#;

/// Of 256 addresses so many are nobody's, and so many two people's, by the bytes of their SHA-256.
const UNKNOWN: u8 = 16;
const TWICE: u8 = 26;

fn canvas(id: &str, action: &str) -> String {
    format!(
        r#"
format: 1
canvas: {id}
audiences:
  churned: {{ connection: lab-marketo, account: main, name: "Churned", if_missing: create }}
entry: {{ trigger: {{ event: churned }}, start: sync }}
steps:
  sync: {{ audience_sync: {{ audience: churned, action: {action}, match: [email] }}, next: exit }}
"#
    )
}

/// Waits for quotas that begin anew every 20 seconds, and not for a held queue to be tried again.
fn run(place: &Place, lab: &Lab, canvas: &str, file: &std::path::Path) -> caravan_tests::Ran {
    place.run([
        "run",
        canvas,
        "--users",
        &word(file),
        "--store",
        "s.caravan",
        "--lab",
        &lab.url,
        "--wait",
        "25s",
        "--json",
    ])
}

/// How many leads the lab has for an address: none where Marketo could not hold it.
fn leads(email: &str) -> usize {
    let byte = |at: usize| u8::from_str_radix(&oracle::sha256(email)[2 * at..2 * at + 2], 16).expect("a digest");
    match (email.is_ascii(), byte(0) < UNKNOWN, byte(1) < TWICE) {
        (false, ..) | (_, true, _) => 0,
        (.., true) => 2,
        _ => 1,
    }
}

/// The addresses of people who may be sent, each person's together.
fn sendable(people: &[oracle::Row]) -> Vec<BTreeSet<String>> {
    let emails = |row: &oracle::Row| {
        oracle::several(&row["email"]).iter().filter_map(|value| oracle::email(value)).collect::<BTreeSet<_>>()
    };
    people.iter().filter(|row| !oracle::blocked(row)).map(emails).filter(|emails| !emails.is_empty()).collect()
}

/// Who should stand in the list, and how many leads they are.
fn expected(people: &[oracle::Row]) -> (BTreeSet<String>, usize) {
    let all: BTreeSet<String> = sendable(people).into_iter().flatten().filter(|email| leads(email) > 0).collect();
    let count = all.iter().map(|email| leads(email)).sum();
    (all, count)
}

fn assert_stands(lab: &Lab, people: &[oracle::Row]) {
    let list = audience_named(lab, "Churned").expect("one");
    let (emails, count) = expected(people);
    let mut keys: BTreeMap<String, BTreeSet<String>> = keys_of(lab, &list).expect("members");
    let found = keys.remove("EMAIL").unwrap_or_default();
    assert_eq!((found.difference(&emails).count(), emails.difference(&found).count()), (0, 0), "of {}", emails.len());
    let standing = lab.get(&format!("/_lab/audiences/{list}/members")).expect("members");
    assert_eq!(standing["size"], json!(count), "leads that stand there twice are all added, and all removed");
}

#[test]
fn lists_equal_an_independent_calculation_for_add_and_remove() {
    let place = Place::new();
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"marketo": {"unknown_of_256": UNKNOWN, "duplicates_of_256": TWICE}}))
        .expect("settings");
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("churned-in", "add"));
    place.write("out.yaml", canvas("churned-out", "remove"));
    let file = place.people("people.csv", 3_000, 7);
    let people = oracle::read(&file);

    // Whom Marketo does not know is rejected, and so needs somebody.
    let added = run(&place, &lab, "in.yaml", &file).expect(1).json();
    assert_eq!(totals::accounted(&added), Some(3_000), "{added}");
    let taken = |emails: &&BTreeSet<String>| emails.iter().any(|email| leads(email) > 0);
    let all = sendable(&people);
    let synced = all.iter().filter(taken).count() as u64;
    assert_eq!(totals::of_status(&added, "synced"), synced);
    assert_eq!(totals::of_status(&added, "rejected"), all.len() as u64 - synced);
    assert!(synced < all.len() as u64, "some are rejected");
    assert_stands(&lab, &people);

    // The first half leaves again.
    let text = std::fs::read_to_string(&file).expect("people");
    let half: Vec<&str> = text.lines().take(1 + people.len() / 2).collect();
    let leavers = place.write("leavers.csv", half.join("\n") + "\n");
    let removed = run(&place, &lab, "out.yaml", &leavers).json();
    assert_eq!(totals::accounted(&removed), Some(1_500), "{removed}");
    assert_eq!(totals::of_status(&removed, "waiting"), 0, "{removed}");
    assert_stands(&lab, &people[people.len() / 2..]);

    // Every address was looked up before it was written, with 300 people a call at most, and the lab never had too much.
    let calls = lab.get("/_lab/calls").expect("calls");
    let routes = &calls["partners"]["marketo"]["routes"];
    let count = |route: &str| routes[route].as_u64().unwrap_or_default();
    assert!(count("POST leads.json?_method=GET") >= count("POST lists/{audience}/leads.json"), "{routes}");
    assert!(count("POST lists/{audience}/leads.json") >= synced.div_ceil(300), "{routes}");
    assert_eq!(calls["partners"]["marketo"]["rate_limit_hits"], json!(0), "{calls}");
}

/// A folder with twenty people and a canvas that adds them.
fn twenty() -> Place {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("churned-in", "add"));
    let rows: String = (0..20).map(|n| format!("u{n},u{n}@example.com\n")).collect();
    place.write("users.csv", format!("external_id,email\n{rows}"));
    place
}

#[test]
fn one_lead_that_is_skipped_takes_nobody_along() {
    let place = twenty();
    let lab = place.lab();
    lab.post("/_lab/faults", &json!({"partner": "marketo", "fault": "bad-rows", "rows": 3, "code": 1004, "count": 1}))
        .expect("a dial");
    let ran = run(&place, &lab, "in.yaml", &place.path("users.csv")).expect(1).json();
    assert_eq!((totals::of_status(&ran, "synced"), totals::of_status(&ran, "rejected")), (17, 3), "{ran}");
    let list = audience_named(&lab, "Churned").expect("one");
    let expected: BTreeSet<String> = (3..20).map(|n| format!("u{n}@example.com")).collect();
    assert_eq!(keys_of(&lab, &list).expect("members")["EMAIL"], expected);
}

#[test]
fn errors_inside_a_200_are_waited_out_or_held_and_nobody_is_lost() {
    let place = twenty();
    let lab = place.lab();
    let dial = |code: u32, more: Value| {
        let mut dial = json!({"partner": "marketo", "route": "users-add", "fault": "error", "code": code});
        dial.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        lab.post("/_lab/faults", &dial).expect("a dial")
    };
    // Throttled: the host tries again by itself. The right that is missing needs somebody.
    dial(606, json!({"count": 1}));
    dial(603, json!({"after_calls": 1}));
    let held = run(&place, &lab, "in.yaml", &place.path("users.csv")).expect(1).json();
    assert_eq!((totals::of_status(&held, "waiting"), totals::of_status(&held, "synced")), (20, 0), "{held}");
    lab.delete("/_lab/faults").expect("mended");
    let ran = run(&place, &lab, "in.yaml", &place.path("users.csv")).expect(0).json();
    assert_eq!(totals::of_status(&ran, "synced"), 20, "{ran}");
}

#[test]
fn the_raw_address_is_a_right_that_is_named_and_each_instance_is_reached_by_its_own_host() {
    let place = twenty();
    let words = place.run(["connector", "inspect", "marketo"]).expect(0).stdout;
    assert!(
        words.contains("E-mail as EMAIL, UNHASHED") && words.contains("https://{settings.munchkin}.mktorest.com"),
        "{words}"
    );
    let dry = ["dry-run", "in.yaml", "--step", "sync", "--users", "users.csv", "--json"];
    let dry = place.run(dry).expect(0).json();
    let requests = dry["requests"].as_array().expect("requests");
    let urls: Vec<&str> = requests.iter().filter_map(|request| request["url"].as_str()).collect();
    assert!(
        !urls.is_empty() && urls.iter().all(|url| url.starts_with("https://123-abc-456.mktorest.com/rest/v1/")),
        "{dry}"
    );
    assert!(!urls.concat().contains("example.com"), "no address stands in a URL, which is kept: {dry}");
    place.write("connections.yaml", CONNECTIONS.replace("munchkin: 123-ABC-456", "munchkin: evil.example"));
    let lab = place.lab();
    let ran = run(&place, &lab, "in.yaml", &place.path("users.csv")).expect(2);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("munchkin"), "{ran:?}");
}

#[test]
fn no_plain_address_leaves_by_a_connection_that_does_not_say_so() {
    let (place, lab) = (twenty(), Place::new().lab());
    let allowed = CONNECTIONS.to_owned();
    place.write("connections.yaml", allowed.replace("    raw: [EMAIL]\n", ""));
    let told = |arguments: &[&str]| {
        let ran = place.run(arguments).expect(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("CV046") && said.contains("raw: [EMAIL]") && !said.contains("@example.com"), "{said}");
        said
    };
    let line = told(&["canvas", "validate", "in.yaml", "--connections", "connections.yaml"]);
    assert!(line.contains("connections.yaml:"), "{line}");
    told(&["run", "in.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url]);
    told(&["canvas", "publish", "in.yaml", "--store", "s.caravan", "--lab", &lab.url, "--yes"]);
    told(&["dry-run", "in.yaml", "--step", "sync", "--users", "users.csv"]);
    let alone = [
        "dry-run",
        "--connector",
        "marketo",
        "--account",
        "123-ABC-456",
        "--audience",
        "1021",
        "--action",
        "add",
        "--setting",
        "munchkin=123-ABC-456",
        "--users",
        "users.csv",
        "--match",
    ];
    let ran = place.run([&alone[..], &["email"]].concat()).expect(2);
    assert!(ran.stderr.contains("CV046") && ran.stderr.contains("--raw"), "{ran:?}");
    place.run([&alone[..], &["email", "--raw", "EMAIL"]].concat()).expect(0);
    place.run([&alone[..], &["external_id"]].concat()).expect(0);
    assert_eq!(lab.get("/_lab/calls").expect("calls")["partners"]["marketo"]["calls"].as_u64().unwrap_or(0), 0);

    // What the connection makes of a key counts as well, and what would allow nothing is refused.
    let meta =
        "format: 1\nconnections:\n  lab-marketo:\n    connector: meta\n    lab: true\n    accounts: { main: act_1 }\n";
    place.write("in.yaml", canvas("churned-in", "add").replace("[email]", "[external_id]"));
    let validate = || place.run(["canvas", "validate", "in.yaml", "--connections", "connections.yaml"]);
    place.write("connections.yaml", meta);
    validate().expect(0);
    place.write("connections.yaml", format!("{meta}    identities: {{ external_id: email }}\n"));
    assert!(validate().expect(2).stderr.contains("raw: [EXTERN_ID]"));
    place.write("connections.yaml", format!("{meta}    identities: {{ external_id: email }}\n    raw: [EXTERN_ID]\n"));
    validate().expect(0);
    place.write("connections.yaml", format!("{meta}    raw: [EMAIL]\n"));
    let strange = validate().expect(2).stderr;
    assert!(strange.contains("CV026") && strange.contains("unhashed"), "{strange}");

    // Allowed, they go.
    place.write("connections.yaml", allowed);
    place.write("in.yaml", canvas("churned-in", "add"));
    lab.post("/_lab/settings", &json!({"marketo": {"unknown_of_256": 0}})).expect("settings");
    let ran = run(&place, &lab, "in.yaml", &place.path("users.csv")).expect(0).json();
    assert_eq!(totals::of_status(&ran, "synced"), 20, "{ran}");
}
