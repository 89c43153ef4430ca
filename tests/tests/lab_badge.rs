//! A connection to the lab says so wherever it is named, and a policy that allows none refuses it.
use caravan_tests::{LAB_CONNECTIONS, Place};
use serde_json::Value;

const CANVAS: &str = r#"
format: 1
canvas: badge
audiences:
  all: { connection: lab-meta, account: main, name: "Badge", if_missing: create }
entry: { trigger: { event: e }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: all, action: add, match: [email] }, next: exit }
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    place.write("users.csv", "external_id,email\nu1,a@example.com\n");
    place
}

#[test]
fn whatever_names_a_lab_connection_says_that_it_is_one() {
    let place = place();
    let lab = place.lab();
    let run = ["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url];
    place.run(run).expect(0);
    let ask = |words: &[&str]| place.run(words.iter().copied().chain(["--store", "s.caravan"])).expect(0);
    let queue = ask(&["queue", "show", "badge/all", "--json"]).json();
    let batch = queue["batches"][0]["batch"].as_str().expect("a batch").to_owned();
    let commands: [&[&str]; 5] = [
        &["queue", "list"],
        &["queue", "show", "badge/all"],
        &["audience", "list"],
        &["audience", "show", "badge/all"],
        &["batch", "show", &batch],
    ];
    for words in commands {
        let text = ask(words).stdout;
        assert!(text.contains("lab-meta [lab]"), "{words:?}: {text}");
        let value = ask(&[words, &["--json"]].concat()).json();
        let one = match (&value, &value["stripes"]) {
            (Value::Array(all), _) => &all[0],
            (_, Value::Array(all)) => &all[0],
            _ => &value,
        };
        assert!(one["connection"] == "lab-meta" && one["lab"] == true, "{words:?}: {value}");
    }
}

#[test]
fn a_policy_that_allows_no_lab_refuses_its_connections_before_anything_is_done() {
    let place = place();
    let lab = place.lab();
    let run = ["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url];
    place.write("deny.yaml", "format: 1\nlab: deny\n");
    place.write("allow.yaml", "format: 1\nlab: allow\n");
    place.run(["key", "add", "first", "--rights", "viewer", "--store", "s.caravan"]).expect(0);
    place.run(["policy", "set", "deny.yaml", "--store", "s.caravan", "--yes"]).expect(0);
    let publish = ["canvas", "publish", "canvas.yaml", "--store", "s.caravan", "--lab", &lab.url];
    let check = ["connection", "check", "lab-meta", "--store", "s.caravan", "--lab", &lab.url];
    for command in [&run[..], &publish, &check] {
        let ran = place.run(command).expect(2);
        assert!(
            ran.stderr.contains("CV084") && ran.stderr.contains("connections.lab-meta.lab"),
            "{command:?}: {}",
            ran.stderr
        );
    }
    let called = lab.get("/_lab/calls").expect("calls");
    assert_eq!(called["requests"].as_array().map_or(0, Vec::len), 0, "{called}");
    place.run(["policy", "set", "allow.yaml", "--store", "s.caravan", "--yes"]).expect(0);
    place.run(run).expect(0);
}
