//! A workspace's policy through the binary: what it demands of people, what labels refuse, and what travels to Meta.
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, audience_named, keys_of, oracle, word};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use xtask::totals;

const CANVAS: &str = r#"
format: 1
canvas: policy
audiences:
  all: { connection: lab-meta, account: main, name: "Policy", if_missing: create }
entry: { trigger: { event: e }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: all, action: add, match: [email, phone, gaid] }, next: exit }
"#;

const PEOPLE: &str = "external_id,email,gaid,consents,ad_tracking_enabled,do_not_sell_or_share\n\
    granted,granted@example.com,,advertising=granted,,\n\
    unknown,unknown@example.com,,,,\n\
    denied,denied@example.com,,advertising=denied,,\n\
    sold,sold@example.com,,advertising=granted,,true\n\
    limited,limited@example.com,,advertising=granted;data-sale=denied,,\n\
    device,,38400000-8cf0-11bd-b23e-10b96e40000d,advertising=granted,,\n\
    tracked,,38400001-8cf0-11bd-b23e-10b96e40000d,advertising=granted,true,\n";

const DEMANDS: &str =
    "# Agreed with legal.\nformat: 1\nconsent: { demand: [advertising] }\ntracking: { demand: true }\n";

const DENIES: &str = "format: 1\nlabels:\n  fields: { phone: [direct] }\n  deny:\n    \
    - { name: No calls, labels: [direct], action: advertising }\n";

/// A folder with the canvas, its connections and people.
fn place(people: &str) -> Place {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    place.write("users.csv", people);
    place
}

fn run(place: &Place, lab: &Lab, more: &[&str]) -> caravan_tests::Ran {
    let fixed = ["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url, "--json"];
    place.run(fixed.iter().chain(more))
}

fn emails(lab: &Lab) -> BTreeSet<String> {
    let keys = keys_of(lab, &audience_named(lab, "Policy").expect("one")).expect("members");
    keys.get("EMAIL").cloned().unwrap_or_default()
}

fn hashed(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| oracle::sha256(&format!("{name}@example.com"))).collect()
}

/// The bodies of the calls that changed members.
fn bodies(lab: &Lab) -> Vec<Value> {
    let calls = lab.get("/_lab/calls?bodies=1").expect("calls");
    let requests = calls["requests"].as_array().expect("requests");
    let members = requests.iter().filter(|request| request["path"].as_str().unwrap_or_default().contains("/users"));
    members.map(|request| request["body"].clone()).collect()
}

#[test]
fn without_a_policy_only_what_people_denied_stays_and_limited_use_travels_with_the_rows() {
    let (place, lab) = (place(PEOPLE), Place::new().lab());
    lab.post("/_lab/record", &json!({"on": true})).expect("recording");
    let said = run(&place, &lab, &[]).expect(0).json();
    assert_eq!((totals::of_status(&said, "synced"), totals::of_status(&said, "skipped")), (5, 2), "{said}");
    assert_eq!(emails(&lab), hashed(&["granted", "unknown", "limited"]));
    let audience = audience_named(&lab, "Policy").expect("one");
    let standing = lab.get(&format!("/_lab/audiences/{audience}/members?rows=1")).expect("members");
    assert_eq!((&standing["limited"], &standing["refused"]), (&json!(1), &json!(0)), "{standing}");
    let rows = standing["rows"].as_array().expect("rows");
    let limited: Vec<_> = rows.iter().filter(|row| row["DATA_PROCESSING_OPTIONS"] == r#"["LDU"]"#).collect();
    assert_eq!(limited.len(), 1);
    assert_eq!(limited[0]["EMAIL"], json!(oracle::sha256("limited@example.com")));
    assert_eq!(limited[0]["DATA_PROCESSING_OPTIONS_STATE"], "0");

    // What a dry run shows is what left, options included.
    let dry = ["dry-run", "canvas.yaml", "--step", "sync", "--users", "users.csv", "--store", "s.caravan", "--json"];
    let dry = place.run(dry).expect(0).json();
    let shown: Vec<Value> = dry["requests"].as_array().expect("requests").iter().map(|r| r["body"].clone()).collect();
    assert_eq!(shown, bodies(&lab));

    // Removing them says nothing of limits.
    place.write("canvas.yaml", CANVAS.replace("action: add", "action: remove"));
    run(&place, &lab, &["--again"]).expect(0);
    assert!(emails(&lab).is_empty());
    let removal = bodies(&lab).pop().expect("a removal").to_string();
    assert!(!removal.contains("DATA_PROCESSING"), "{removal}");
}

#[test]
fn bytes_are_the_same_for_people_who_said_nothing_of_the_sale_of_their_data() {
    let (place, lab) = (place("external_id,email\na,a@example.com\n"), Place::new().lab());
    lab.post("/_lab/record", &json!({"on": true})).expect("recording");
    run(&place, &lab, &[]).expect(0);
    let body = format!(r#"{{"payload":{{"schema":["EMAIL"],"data":[["{}"]]}}}}"#, oracle::sha256("a@example.com"));
    assert_eq!(bodies(&lab), [json!(body)]);
}

#[test]
fn a_policy_demands_a_yes_of_every_run_and_dry_run_until_it_is_changed() {
    let (place, lab) = (place(PEOPLE), Place::new().lab());
    let policy = word(&place.write("policy.yaml", DEMANDS));
    let said = run(&place, &lab, &["--policy", &policy]).expect(0).json();
    assert_eq!(totals::of_status(&said, "synced"), 3, "granted, limited and tracked: {said}");
    assert_eq!(emails(&lab), hashed(&["granted", "limited"]));
    let code = |id: &str, code: &str| {
        let trace = place.run(["profile", "trace", id, "--store", "s.caravan", "--json"]).expect(0).json().to_string();
        assert!(trace.contains(code), "{id}: {trace}");
    };
    code("unknown", "consent-unknown");
    code("denied", "consent-denied");
    code("sold", "do-not-sell-or-share");
    code("device", "tracking-off");
    let shown = place.run(["policy", "show", "--store", "s.caravan"]).expect(0);
    assert_eq!(shown.stdout, DEMANDS, "as it was written, comments included");
    let dry = ["dry-run", "canvas.yaml", "--step", "sync", "--users", "users.csv", "--store", "s.caravan", "--json"];
    let dry = place.run(dry).expect(0).json();
    let results = dry["results"].as_array().expect("results");
    assert_eq!(results.iter().filter(|person| person["status"] == "synced").count(), 3, "{dry}");

    place.write("policy.yaml", "format: 1\n");
    place.run(["policy", "set", "policy.yaml", "--store", "s.caravan"]).expect(0);
    run(&place, &lab, &["--again"]).expect(0);
    assert_eq!(emails(&lab), hashed(&["granted", "unknown", "limited"]));
}

#[test]
fn labels_refuse_a_canvas_at_validate_run_and_set_naming_field_and_policy() {
    let (place, lab) = (place(PEOPLE), Place::new().lab());
    place.write("denies.yaml", DENIES);
    let names = |text: &str| {
        assert!(text.contains("CV027") && text.contains("`phone`") && text.contains("`No calls`"), "{text}");
        assert!(text.contains("steps.sync.audience_sync.match[1]"), "{text}");
    };
    let validated = place.run(["canvas", "validate", "canvas.yaml", "--policy", "denies.yaml"]).expect(2);
    names(&validated.stderr);
    assert!(validated.stderr.contains("canvas.yaml:8"), "{}", validated.stderr);
    names(&run(&place, &lab, &["--policy", "denies.yaml"]).expect(2).stderr);
    assert!(!place.path("s.caravan").exists(), "nothing was done");

    run(&place, &lab, &[]).expect(0);
    let checked = place.run(["policy", "check", "denies.yaml", "--store", "s.caravan"]).expect(1);
    names(&checked.stdout);
    assert!(checked.stdout.contains("policy is live"), "{}", checked.stdout);
    names(&place.run(["policy", "set", "denies.yaml", "--store", "s.caravan"]).expect(1).stdout);
    let none = place.run(["policy", "show", "--store", "s.caravan", "--json"]).expect(0).json();
    assert_eq!(none, json!({"format": 1}), "not kept without --yes");
    let set = place.run(["policy", "set", "denies.yaml", "--store", "s.caravan", "--yes", "--json"]).expect(1).json();
    assert_eq!((&set["kept"], &set["refuses"][0]["canvas"]), (&json!(true), &json!("policy")), "{set}");
    names(&run(&place, &lab, &[]).expect(2).stderr);
    place.write("canvas.yaml", CANVAS.replace("email, phone, gaid", "email"));
    run(&place, &lab, &[]).expect(0);
    place.run(["policy", "set", "denies.yaml", "--store", "s.caravan"]).expect(0);
}

#[test]
fn a_policy_with_a_mistake_is_refused_with_its_line_and_changes_nothing() {
    let (place, lab) = (place(PEOPLE), Place::new().lab());
    place.write("bad.yaml", DENIES.replace("phone:", "phnoe:"));
    run(&place, &lab, &[]).expect(0);
    for arguments in [&["policy", "check", "bad.yaml"][..], &["policy", "set", "bad.yaml", "--yes"]] {
        let ran = place.run(arguments.iter().chain(&["--store", "s.caravan"])).expect(2);
        assert!(ran.stderr.contains("bad.yaml:3") && ran.stderr.contains("did you mean `phone`"), "{}", ran.stderr);
    }
    assert_eq!(place.run(["policy", "show", "--store", "s.caravan", "--json"]).expect(0).json(), json!({"format": 1}));
}

#[test]
fn a_partner_without_a_slot_is_neither_published_nor_connected() {
    let (place, lab) = (place("external_id,email\na,a@example.com\n"), Place::new().lab());
    let slots = |name: &str, slots: &str| {
        let text = format!("format: 1\nentitlements: {{ free: [google], purchases: 1, slots: [{slots}] }}\n");
        word(&place.write(name, text))
    };
    let (with, without) = (slots("with.yaml", "meta"), slots("without.yaml", "pinterest, snapchat"));
    let refused = run(&place, &lab, &["--policy", &without]).expect(2);
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("CV029"), "{refused:?}");
    assert_eq!(lab.get("/_lab/audiences").expect("audiences")["audiences"], json!([]), "nothing was made");
    run(&place, &lab, &["--policy", &with]).expect(0);

    // Taking the slot away names the live canvas, and needs a yes.
    let set = |words: &[&str]| place.run([&["policy", "set"], words, &["--store", "s.caravan"]].concat());
    let said = set(&[&without]).expect(1);
    assert!(said.stdout.contains("policy is live") && said.stdout.contains("no slot"), "{said:?}");
    set(&[&without, "--yes"]).expect(1);
    let check = || place.run(["connection", "check", "lab-meta", "--store", "s.caravan", "--lab", &lab.url]);
    let checked = check().expect(2);
    assert!(format!("{}{}", checked.stdout, checked.stderr).contains("CV029"), "{checked:?}");
    set(&[&with]).expect(0);
    check().expect(0);
}
