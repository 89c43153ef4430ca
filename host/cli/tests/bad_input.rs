//! Whatever is wrong with the input is said with code, file, line, path and cure; exit code 2; nothing is written.
mod common;
use common::{Folder, Ran};

const CONNECTIONS: &str = "format: 1
connections:
  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 } }
  real-meta: { connector: meta, secret: { env: CARAVAN_TEST_NEVER_SET }, accounts: { main: act_1 } }
";

const CANVAS: &str = "format: 1
canvas: c
audiences:
  a: { connection: lab-meta, account: main, name: A, if_missing: create }
entry: { trigger: { api: true }, start: sync }
steps:
  sync:
    audience_sync: { audience: a, action: add, match: [email] }
    next: exit
";

/// Runs a canvas with one thing changed; nothing may be written.
fn run(change: &[(&str, &str)], connections: &str) -> Ran {
    let mut canvas = CANVAS.to_owned();
    for (from, to) in change {
        assert!(canvas.contains(from), "{from}");
        canvas = canvas.replace(from, to);
    }
    let folder = Folder::new();
    folder
        .write("c.yaml", canvas)
        .write("connections.yaml", connections)
        .write("people.csv", "external_id,email\na,a@example.com\n");
    let before = folder.names();
    let ran = folder.caravan(&["run", "c.yaml", "--users", "people.csv"]);
    assert_eq!(folder.names(), before, "something was written\n{}", ran.err);
    ran
}

/// The first problem's line, up to its message, and that there is a cure.
#[track_caller]
fn says(ran: &Ran, place: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.lines().any(|line| line.starts_with(place)), "no `{place}` in:\n{}", ran.err);
    assert!(ran.err.contains("\n  cure: "), "no cure in:\n{}", ran.err);
}

#[test]
fn an_unknown_field() {
    says(&run(&[("    next: exit", "    nxet: exit")], CONNECTIONS), "CV003 c.yaml:9 at steps.sync.nxet: ");
}

#[test]
fn a_file_that_is_no_yaml() {
    says(&run(&[("format: 1", "format: [1")], CONNECTIONS), "CV002 c.yaml:");
}

#[test]
fn a_missing_step() {
    says(&run(&[("next: exit", "next: thanks")], CONNECTIONS), "CV010 c.yaml:9 at steps.sync.next: ");
}

#[test]
fn a_loop_without_a_delay() {
    says(&run(&[("next: exit", "next: sync")], CONNECTIONS), "CV011 c.yaml:");
}

#[test]
fn a_dead_end() {
    says(&run(&[("    next: exit\n", "")], CONNECTIONS), "CV012 c.yaml:7 at steps.sync");
}

#[test]
fn an_unknown_match_key() {
    let ran = run(&[("match: [email]", "match: [email, shoe_size]")], CONNECTIONS);
    says(&ran, "CV020 c.yaml:8 at steps.sync.audience_sync.match[1]: ");
    assert!(ran.err.contains("first_name"), "the cure names what there is:\n{}", ran.err);
}

#[test]
fn an_impossible_choice_of_keys() {
    says(
        &run(&[("match: [email]", "match: [first_name]")], CONNECTIONS),
        "CV021 c.yaml:8 at steps.sync.audience_sync.match: ",
    );
}

#[test]
fn unknown_audiences_connections_and_accounts() {
    says(
        &run(&[("audience: a,", "audience: b,")], CONNECTIONS),
        "CV023 c.yaml:8 at steps.sync.audience_sync.audience: ",
    );
    says(
        &run(&[("connection: lab-meta", "connection: lab-mta")], CONNECTIONS),
        "CV024 c.yaml:4 at audiences.a.connection: ",
    );
    says(&run(&[("account: main", "account: fr")], CONNECTIONS), "CV025 c.yaml:4 at audiences.a.account: ");
}

#[test]
fn a_secret_that_is_not_there() {
    let ran = run(&[("connection: lab-meta", "connection: real-meta")], CONNECTIONS);
    says(&ran, "CV063 connections.yaml:4 at connections.real-meta.secret: ");
}

#[test]
fn a_secret_that_is_written_out_is_refused_and_not_repeated() {
    let ran = run(&[], &CONNECTIONS.replace("secret: { env: CARAVAN_TEST_NEVER_SET }", "secret: EAAB-very-secret"));
    says(&ran, "CV026 connections.yaml:4 at connections.real-meta.secret: ");
    assert!(!ran.err.contains("very-secret"), "{}", ran.err);
}

#[test]
fn a_setting_that_does_not_exist() {
    let ran = run(&[], &CONNECTIONS.replace("lab: true", "lab: true, settings: { colour: red }"));
    says(&ran, "CV026 connections.yaml:3 at connections.lab-meta.settings: ");
}

#[test]
fn no_connections_at_all() {
    let folder = Folder::new();
    folder.write("c.yaml", CANVAS).write("people.csv", "external_id\na\n");
    says(&folder.caravan(&["run", "c.yaml", "--users", "people.csv"]), "CV001 connections.yaml: ");
}

#[test]
fn a_connector_that_is_not_there_or_no_component() {
    let named = |connector: &str| CONNECTIONS.replacen("connector: meta", &format!("connector: {connector}"), 1);
    says(&run(&[], &named("mtea")), "CV053 connections.yaml:3 at connections.lab-meta.connector: ");
    says(&run(&[], &named("./gone.wasm")), "CV001 connections.yaml:3 at connections.lab-meta.connector: ");
    says(&run(&[], &named("./people.csv")), "CV050 connections.yaml:3 at connections.lab-meta.connector: ");
    let other = format!("meta@sha256:{}", "0".repeat(64));
    says(&run(&[], &named(&other)), "CV053 connections.yaml:3 at connections.lab-meta.connector: ");
}

#[test]
fn a_component_of_another_world() {
    // The smallest component: it exports nothing, and says nothing of itself.
    let folder = Folder::new();
    folder.write("empty.wasm", [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]);
    let ran = folder.caravan(&["connector", "inspect", "empty.wasm"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.starts_with("CV052 empty.wasm: ") || ran.err.starts_with("CV051 empty.wasm: "), "{}", ran.err);
    // A core module is no component.
    folder.write("core.wasm", [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    let ran = folder.caravan(&["connector", "inspect", "core.wasm"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("CV050 core.wasm: "), "{}", ran.err);
}

#[test]
fn all_problems_are_told_at_once() {
    let folder = Folder::new();
    folder
        .write("c.yaml", CANVAS.replace("match: [email]", "match: [shoe_size]").replace("next: exit", "next: thanks"))
        .write("connections.yaml", CONNECTIONS)
        .write("noid.csv", "email\na@example.com\n");
    let ran = folder.caravan(&["run", "c.yaml", "--users", "noid.csv", "gone.csv"]);
    for place in ["CV010 c.yaml:9", "CV020 c.yaml:8", "CV040 noid.csv:1: ", "CV001 gone.csv: "] {
        says(&ran, place);
    }
    assert!(ran.err.ends_with("4 problems; nothing was done\n"), "{}", ran.err);
}

#[test]
fn bad_rows_are_listed_and_the_rest_goes_on() {
    let folder = Folder::new();
    let mut people = "external_id,email,birth_date\n".to_owned();
    people.push_str("good-1,one@example.com,1985-07-03\nbad-date,two@example.com,03.07.1985\n");
    people.push_str("broken,\"three@example.com,\ngood-2,four@example.com,\n");
    (0..30).for_each(|_| people.push_str(",nobody@example.com,\n"));
    folder.write("c.yaml", CANVAS).write("connections.yaml", CONNECTIONS).write("people.csv", people);
    let ran = folder.caravan(&["run", "c.yaml", "--users", "people.csv", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.starts_with("CV040 people.csv:3: birth_date is no date as YYYY-MM-DD\nCV040 people.csv:4: "),
        "{}",
        ran.err
    );
    let listed = ran.err.lines().filter_map(|line| line.strip_prefix("CV040 people.csv:"));
    assert_eq!(listed.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).count(), 20);
    assert!(ran.err.contains("12 more rows cannot be read"), "{}", ran.err);
    assert!(
        !ran.err.contains("two@example.com") && !ran.err.contains("1985\n"),
        "values are not repeated:\n{}",
        ran.err
    );
    let summary = ran.json();
    assert_eq!(
        (summary["entered"].as_u64(), summary["refused"]["bad-row"].as_u64()),
        (Some(2), Some(32)),
        "{summary:#}"
    );
    assert_eq!(summary["files"][0]["bad_rows"].as_array().map(Vec::len), Some(32));
    assert_eq!(summary["sums"]["accounted_for"], true);
}

#[test]
fn usage_that_cannot_be() {
    let folder = Folder::with_examples();
    for args in [
        ["dry-run", "--users", "users-sample.csv"].as_slice(),
        &["dry-run", "win-back.yaml", "--users", "users-sample.csv"],
        &["run", "win-back.yaml"],
        &["run", "win-back.yaml", "--users", "users-sample.csv", "--wait", "soon"],
        &["explain", "CV999"],
        &["profile", "trace", "x"],
        &["--workspace", "other", "queue", "list"],
        &["queue", "list", "--store", "postgres://x"],
        &["queue", "list", "--store", "gone.caravan"],
        &["connection", "check", "nobody"],
        &["dry-run", "win-back.yaml", "--step", "channel", "--users", "users-sample.csv"],
    ] {
        let ran = folder.caravan(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}\n{}", ran.err);
        assert!(!ran.err.is_empty(), "{args:?}");
    }
}
