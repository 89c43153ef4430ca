//! What becomes of people at the partners when they change, withdraw, or were added by mistake.
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, audience_named, keys_of, oracle, word};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const STORE: &str = "s.caravan";

/// A folder with a lab.
struct Scene {
    place: Place,
    lab: Lab,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        place.write("connections.yaml", LAB_CONNECTIONS);
        Scene { lab: place.lab(), place }
    }

    /// A canvas of sync steps, one behind the other: (audience, partner, action).
    fn canvas(&self, id: &str, steps: &[(&str, &str, &str)]) {
        let (mut audiences, mut text) = (String::new(), String::new());
        for (at, (audience, partner, action)) in steps.iter().enumerate() {
            let next = if at + 1 == steps.len() { "exit".to_owned() } else { format!("s{}", at + 1) };
            let name = audience.to_lowercase();
            writeln!(
                audiences,
                "  {name}: {{ connection: lab-{partner}, account: main, name: {audience}, if_missing: create }}"
            )
            .expect("memory");
            writeln!(
                text,
                "  s{at}: {{ audience_sync: {{ audience: {name}, action: {action}, match: [email] }}, next: {next} }}"
            )
            .expect("memory");
        }
        let entry = "entry: { trigger: { event: x }, re_entry: always, start: s0 }";
        let text = format!("format: 1\ncanvas: {id}\naudiences:\n{audiences}{entry}\nsteps:\n{text}");
        self.place.write(&format!("{id}.yaml"), text);
    }

    /// A users file of people by number, with addresses of their `version`.
    fn users(&self, name: &str, numbers: std::ops::Range<u32>, version: u32) -> String {
        let rows: String = numbers.map(|n| format!("p{n},{}\n", email(n, version))).collect();
        word(&self.place.write(name, format!("external_id,email\n{rows}")))
    }

    /// A command on the store; its data, and its words.
    fn said(&self, code: i32, arguments: &[&str]) -> (Value, String) {
        let mut all = arguments.to_vec();
        all.extend(["--store", STORE, "--json"]);
        let ran = self.place.run(&all).expect(code);
        (ran.json(), ran.stderr)
    }

    /// A command that delivers.
    fn send(&self, code: i32, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--yes", "--lab", &self.lab.url]);
        self.said(code, &all).0
    }

    fn run(&self, canvas: &str, users: &str) -> String {
        self.said(0, &["run", canvas, "--users", users, "--lab", &self.lab.url]).1
    }

    /// The digests that stand in an audience at the lab.
    fn there(&self, name: &str) -> BTreeSet<String> {
        let id = audience_named(&self.lab, name).expect("one audience");
        keys_of(&self.lab, &id).expect("members").pop_first().map(|(_, set)| set).unwrap_or_default()
    }
}

fn email(n: u32, version: u32) -> String {
    format!("p{n}.{version}@example.com")
}

fn digests(numbers: impl IntoIterator<Item = u32>, version: u32) -> BTreeSet<String> {
    numbers.into_iter().map(|n| oracle::sha256(&email(n, version))).collect()
}

#[test]
fn who_changes_their_address_and_withdraws_leaves_three_audiences_with_receipts_and_without_the_old_hash() {
    let scene = Scene::new();
    let audiences = [("Red", "meta", "add"), ("Green", "meta", "add"), ("Blue", "tiktok", "add")];
    scene.canvas("three", &audiences);
    let users = scene.users("a.csv", 0..6, 0);
    scene.run("three.yaml", &users);
    // Two change their address; one of them comes by again, so that the partners learn the new one.
    let moved = scene.users("b.csv", 1..3, 1);
    scene.send(0, &["profile", "import", &moved]);
    let again = scene.users("c.csv", 1..2, 1);
    scene.run("three.yaml", &again);
    for (name, ..) in audiences {
        let expected: BTreeSet<String> = digests([0, 2, 3, 4, 5], 0).union(&digests([1], 1)).cloned().collect();
        assert_eq!(scene.there(name), expected, "{name}: the old hash has gone, and nobody else's");
    }
    let consents = scene.place.write("no.csv", "external_id,consents\np1,advertising=denied\np2,advertising=denied\n");
    let imported = scene.send(0, &["profile", "import", &word(&consents)]);
    assert_eq!(imported["delivery"]["end"], "done", "{imported:#}");
    for (name, ..) in audiences {
        assert_eq!(scene.there(name), digests([0, 3, 4, 5], 0), "{name}");
    }
    for person in ["p1", "p2"] {
        let trace = scene.said(0, &["profile", "trace", person]).0;
        let receipts = trace[0]["receipts"].as_array().expect("receipts");
        assert_eq!(receipts.len(), 3, "{trace:#}");
        for receipt in receipts {
            assert_eq!((&receipt["cause"], &receipt["status"]), (&json!("consent"), &json!("synced")), "{receipt:#}");
        }
    }
}

#[test]
fn fifty_thousand_wrong_adds_are_taken_back_by_one_command_and_whom_another_step_asked_for_stay() {
    let scene = Scene::new();
    scene.canvas("wrong", &[("Buyers", "meta", "add")]);
    scene.canvas("right", &[("Buyers", "meta", "add")]);
    let (all, some) = (scene.users("all.csv", 0..50_000, 0), scene.users("some.csv", 20_000..25_000, 0));
    scene.run("wrong.yaml", &all);
    scene.run("right.yaml", &some);
    assert_eq!(scene.there("Buyers").len(), 50_000);
    let taken = scene.send(0, &["audience", "takeback", "wrong", "s0"]);
    assert_eq!((&taken["queued"], &taken["delivery"]["end"]), (&json!(50_000), &json!("done")), "{taken:#}");
    assert!(scene.there("Buyers") == digests(20_000..25_000, 0), "exactly the others' stay");
}

#[test]
fn a_canvas_that_undoes_what_another_does_is_told_so_at_publish_and_the_later_one_wins() {
    let scene = Scene::new();
    scene.canvas("in", &[("Buyers", "meta", "add")]);
    scene.canvas("out", &[("Buyers", "meta", "remove")]);
    let users = scene.users("a.csv", 0..3, 0);
    let words = scene.run("in.yaml", &users);
    assert!(!words.contains("the later one wins"), "{words}");
    let some = scene.users("b.csv", 1..2, 0);
    let words = scene.run("out.yaml", &some);
    let told =
        "step `s0` removes people from the audience out/buyers, and step `s0` of the canvas `in` adds people to it";
    assert!(words.contains(told), "{words}");
    assert_eq!(scene.there("Buyers"), digests([0, 2], 0));
}
