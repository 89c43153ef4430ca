//! The audit chain as an auditor uses it: everything that people change stands in it, and a change by hand is found.
use caravan_tests::{LAB_CONNECTIONS, Place};
use std::process::Command;

const CANVAS: &str = r#"
format: 1
canvas: win-back
audiences:
  lapsed: { connection: lab-meta, account: main, name: Lapsed, if_missing: create }
entry: { trigger: { event: Lapsed }, start: sync }
steps:
  sync: { audience_sync: { audience: lapsed, action: add, match: [email] }, next: exit }
"#;

#[test]
fn what_people_change_stands_in_the_chain_and_a_change_by_hand_is_found() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    place.write("users.csv", "external_id,email\np1,secret-person@example.com\n");
    place.write("policy.yaml", "format: 1\n");
    let lab = place.lab();
    let caravan = |arguments: &[&str]| place.run([arguments, &["--store", "s.caravan"]].concat());
    caravan(&["canvas", "publish", "canvas.yaml", "--lab", &lab.url]).expect(0);
    caravan(&["canvas", "publish", "canvas.yaml", "--lab", &lab.url]).expect(0);
    caravan(&["canvas", "pause", "win-back"]).expect(0);
    caravan(&["canvas", "resume", "win-back"]).expect(0);
    caravan(&["canvas", "cap", "win-back", "--day", "100"]).expect(0);
    caravan(&["policy", "set", "policy.yaml"]).expect(0);
    caravan(&["profile", "import", "users.csv", "--yes"]).expect(0);
    caravan(&["list", "create", "vip"]).expect(0);
    caravan(&["list", "add", "vip", "users.csv"]).expect(0);
    caravan(&["profile", "erase", "p1", "--yes"]).expect(0);
    let listed = caravan(&["audit", "list", "--json"]).expect(0);
    let notes = listed.json();
    let verbs: Vec<&str> = notes.as_array().expect("a list").iter().filter_map(|note| note["verb"].as_str()).collect();
    let expected = [
        "canvas.publish",
        "canvas.pause",
        "canvas.resume",
        "canvas.cap",
        "policy.set",
        "profile.import",
        "list.create",
        "list.change",
        "profile.erase",
    ];
    assert_eq!(verbs, expected, "{}", listed.stdout);
    assert!(!listed.stdout.contains("secret-person") && !listed.stdout.contains("\"p1\""), "{}", listed.stdout);
    assert!(notes[0]["who"].as_str().is_some_and(|who| who.starts_with("cli:")), "{}", listed.stdout);
    let held = caravan(&["audit", "verify"]).expect(0).stdout;
    assert!(held.contains("the chain holds: 9 records"), "{held}");
    // By hand, as somebody with the file can.
    let edit = |sql: &str| {
        let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2])";
        let file = place.path("s.caravan");
        assert!(Command::new("python3").args(["-c", script]).arg(file).arg(sql).status().expect("python").success());
    };
    edit("DROP TRIGGER note_stays; UPDATE note SET who = 'cli:eve' WHERE n = 5;");
    let broken = caravan(&["audit", "verify"]).expect(1).stdout;
    assert!(broken.contains("record 5 is broken"), "{broken}");
    edit("DROP TRIGGER note_remains; DELETE FROM note WHERE n >= 5;");
    let short = caravan(&["audit", "verify", "--json"]).expect(1).json();
    assert_eq!((short["records"].as_u64(), short["broken"]["n"].as_u64()), (Some(4), Some(5)), "{short}");
}
