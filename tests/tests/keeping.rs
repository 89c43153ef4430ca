//! What a store that runs for months needs: backups beside its host, files of events, a catalogue, and an end to old data.
use caravan_tests::{LAB_CONNECTIONS, Place, Served, audience_named, keys_of, oracle, patient};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const CANVAS: &str = r#"
format: 1
canvas: win-back
audiences:
  lapsed: { connection: lab-meta, account: main, name: Lapsed, if_missing: create }
entry:
  trigger: { event: Lapsed, where: { n: { gte: 1 } } }
  who: { attr: plan, in: [pro] }
  start: sync
steps:
  sync: { audience_sync: { audience: lapsed, action: add, match: [email] }, next: pause }
  pause: { delay: { for: 30d }, next: exit }
exit: [ { event: Bought } ]
"#;

const STORE: [&str; 2] = ["--store", "s.caravan"];

/// Messages of `n` people in Segment's form: who they are, and that they lapsed. Every tenth is on another plan.
fn messages(n: usize) -> String {
    let mut text = String::new();
    for n in 0..n {
        let plan = if n.is_multiple_of(10) { "free" } else { "pro" };
        writeln!(
            text,
            r#"{{"type": "identify", "userId": "p{n}", "traits": {{"email": "p{n}@example.com", "plan": "{plan}"}}}}"#
        )
        .expect("memory");
        writeln!(
            text,
            r#"{{"type": "track", "userId": "p{n}", "event": "Lapsed", "timestamp": "2026-01-02T03:04:05Z", "properties": {{"n": {}}}}}"#,
            n % 7
        )
        .expect("memory");
    }
    text
}

fn expected(n: usize) -> BTreeSet<String> {
    let admitted = (0..n).filter(|n| !n.is_multiple_of(10) && n % 7 >= 1);
    admitted.map(|n| oracle::sha256(&format!("p{n}@example.com"))).collect()
}

#[test]
fn a_backup_beside_a_serving_host_is_whole_and_events_of_a_file_go_the_way_of_a_stream() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let lab = place.lab();
    let there = || {
        let id = audience_named(&lab, "Lapsed").expect("one audience");
        keys_of(&lab, &id).expect("members").remove("EMAIL").unwrap_or_default()
    };
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let batch: Vec<&str> = Vec::from(["{\"userId\": \"x1\", \"event\": \"Opened\"}"]);
    assert_eq!(served.send("/v1/track", batch[0]).0, 200);
    patient("the event is worked off", || served.metric(&["caravan_inbox_messages{"]) == Some(0));
    // While the host owns the store.
    let made = place.run([&["store", "backup", "copy.caravan", "--json"], &STORE[..]].concat()).expect(0).json();
    assert!(made["bytes"].as_u64() > Some(0), "{made}");
    let again = place.run([&["store", "backup", "copy.caravan"], &STORE[..]].concat()).expect(2);
    assert!(again.stderr.contains("CV090"), "{}", again.stderr);
    let checked = place.run(["store", "check", "--store", "copy.caravan", "--json"]).expect(0).json();
    assert_eq!(checked, serde_json::json!({"integrity": [], "books": []}));
    place.run([&["store", "check"], &STORE[..]].concat()).expect(0);
    let traced = place.run(["profile", "trace", "x1", "--store", "copy.caravan", "--json"]).expect(0);
    assert!(traced.stdout.contains("Opened"), "{}", traced.stdout);
    assert_eq!(served.term(), Some(0));

    place.write("policy.yaml", "format: 1\nkeep: { events: 4000d }\n");
    place.run([&["policy", "set", "policy.yaml"], &STORE[..]].concat()).expect(0);
    // Events of a file enter the live canvas and are sent; bad lines cost themselves alone.
    let people = 2_000;
    let lines = format!("{}{{\"type\": \"track\"}}\nno json\n", messages(people));
    place.write("events.jsonl", lines);
    let import = ["event", "import", "events.jsonl", "--lab", &lab.url, "--json"];
    let ran = place.run([&import, &STORE[..]].concat()).expect(1);
    let said = ran.json();
    assert_eq!((said["new"].as_u64(), said["bad"].as_u64()), (Some(people as u64 * 2), Some(2)), "{said}");
    assert!(ran.stderr.contains("events.jsonl:4001") && ran.stderr.contains("events.jsonl:4002"), "{}", ran.stderr);
    assert!(there() == expected(people), "exactly those whom the canvas admits");
    let said = place.run([&import, &STORE[..]].concat()).expect(1).json();
    assert_eq!((said["new"].as_u64(), said["known"].as_u64()), (Some(0), Some(people as u64 * 2)), "{said}");
    assert!(there() == expected(people), "a repetition changes nothing");

    // The catalogue names and counts, and shows nobody.
    let shown = place.run([&["catalogue", "show", "--json"], &STORE[..]].concat()).expect(0);
    assert!(!shown.stdout.contains("example.com") && !shown.stdout.contains("p1\""), "{}", shown.stdout);
    let catalogue = shown.json();
    let named = |list: &serde_json::Value, name: &str| {
        let list = list.as_array().expect("a list").clone();
        list.into_iter()
            .find(|seen| seen["name"] == name)
            .unwrap_or_else(|| panic!("no {name}: {list:?}", list = catalogue))
    };
    assert_eq!(named(&catalogue["attributes"], "plan")["count"], people);
    let lapsed = named(&catalogue["events"], "Lapsed");
    assert_eq!((&lapsed["count"], &lapsed["people"]), (&people.into(), &people.into()));
    assert_eq!(named(&lapsed["properties"], "n")["types"]["number"], people);
    let table = place.run([&["catalogue", "show", "--attributes"], &STORE[..]].concat()).expect(0).stdout;
    assert!(table.contains("ATTRIBUTE") && table.contains("plan") && !table.contains("Lapsed"), "{table}");

    // Old events go; that they happened is still known.
    place.write("policy.yaml", "format: 1\nkeep: { events: 1d, statuses: 31d }\n");
    place.run([&["policy", "set", "policy.yaml"], &STORE[..]].concat()).expect(0);
    let pruned = place.run([&["store", "prune", "--json"], &STORE[..]].concat()).expect(0).json();
    assert_eq!(pruned["events"].as_u64(), Some(people as u64), "{pruned}");
    let traced = place.run([&["profile", "trace", "p1", "--json"], &STORE[..]].concat()).expect(0);
    assert!(traced.stdout.contains("Lapsed"), "{}", traced.stdout);
    place.run([&["store", "check"], &STORE[..]].concat()).expect(0);
}

#[test]
fn an_import_that_is_killed_goes_on_and_ends_as_if_nothing_had_been() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let lab = place.lab();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    assert_eq!(served.term(), Some(0));
    place.write("policy.yaml", "format: 1\nkeep: { events: 4000d }\n");
    place.run([&["policy", "set", "policy.yaml"], &STORE[..]].concat()).expect(0);
    let people = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 50_000 } else { 15_000 };
    let lines = messages(people);
    place.write("events.jsonl", &lines);
    let import = ["event", "import", "events.jsonl", "--lab", &lab.url, "--json"];
    let kept = || {
        let shown =
            place.run([&["catalogue", "show", "--events", "--json", "--sample", "1000000"], &STORE[..]].concat());
        let shown = shown.expect(0).json();
        shown["events"].as_array().expect("events").iter().filter_map(|event| event["count"].as_u64()).sum::<u64>()
    };
    let mut child = place.caravan([&import, &STORE[..]].concat()).spawn().expect("it starts");
    patient("some are taken in", || kept() > 0);
    child.kill().expect("a child to kill");
    child.wait().expect("it is dead");
    let ran = place.run([&import, &STORE[..]].concat()).expect(0).json();
    let (new, known) = (ran["new"].as_u64().expect("a number"), ran["known"].as_u64().expect("a number"));
    assert_eq!(new + known, people as u64 * 2, "{ran}");
    assert_eq!(kept(), people as u64);
    place.run([&["store", "check"], &STORE[..]].concat()).expect(0);
    let id = audience_named(&lab, "Lapsed").expect("one audience");
    let there = keys_of(&lab, &id).expect("members").remove("EMAIL").unwrap_or_default();
    assert!(there == expected(people), "exactly those whom the canvas admits");
}

#[test]
fn rule_11_16_a_where_that_looks_back_further_than_events_are_kept_is_refused_with_the_number() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    let who = "who: { event: Opened, within: 120d, where: { n: { gte: 1 } } }";
    place.write("canvas.yaml", CANVAS.replace("who: { attr: plan, in: [pro] }", who));
    let refused = place.run(["canvas", "validate", "canvas.yaml"]).expect(2).stderr;
    assert!(refused.contains("CV004") && refused.contains("kept for 90d"), "{refused}");
    place.write("policy.yaml", "format: 1\nkeep: { events: 200d }\n");
    place.run(["canvas", "validate", "canvas.yaml", "--policy", "policy.yaml"]).expect(0);
    place.write("short.yaml", "format: 1\nkeep: { statuses: 7d }\n");
    let refused = place.run(["policy", "check", "short.yaml"]).expect(2).stderr;
    assert!(refused.contains("the least is 31d"), "{refused}");
}

#[test]
fn a_disk_that_fills_puts_senders_off_while_those_inside_go_on() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    // They come, wait, and are sent; the disk fills meanwhile.
    place.write(
        "canvas.yaml",
        CANVAS
            .replace("start: sync", "start: first")
            .replace("steps:", "steps:\n  first: { delay: { for: 5s }, next: sync }"),
    );
    let lab = place.lab();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let event = |who: &str| {
        format!(
            r#"{{"userId": "{who}", "event": "Lapsed", "properties": {{"n": 1}}, "context": {{"traits": {{"email": "{who}@example.com", "plan": "pro"}}}}}}"#
        )
    };
    assert_eq!(served.send("/v1/track", &event("p1")).0, 200);
    patient("they are inside", || served.metric(&["caravan_inside{"]) == Some(1));
    assert_eq!(served.term(), Some(0));

    place.write("caravan.toml", "[intake]\nleast_free_disk = \"8000 PiB\"\n");
    let full = Served::start(&place, &lab, "127.0.0.1:0");
    let (status, answer) = full.send("/v1/track", &event("p2"));
    assert_eq!(status, 429, "{answer}");
    assert!(answer.contains("CV073") && answer.to_lowercase().contains("retry-after: 60"), "{answer}");
    assert!(full.metric(&["caravan_store_free_bytes{"]) > Some(0) && full.metric(&["caravan_store_bytes{"]) > Some(0));
    let there = || {
        let id = audience_named(&lab, "Lapsed").ok()?;
        keys_of(&lab, &id).expect("members").remove("EMAIL")
    };
    let of =
        |who: &[&str]| who.iter().map(|who| oracle::sha256(&format!("{who}@example.com"))).collect::<BTreeSet<_>>();
    patient("who was inside arrives", || there() == Some(of(&["p1"])));
    assert_eq!(full.term(), Some(0));

    place.write("caravan.toml", "[intake]\nlargest_store = \"1 TiB\"\n");
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    assert_eq!(served.send("/v1/track", &event("p2")).0, 200);
    patient("who was put off arrives", || there() == Some(of(&["p1", "p2"])));
    place.write("caravan.toml", "[intake]\nlargest_store = \"much\"\n");
    let wrong = place.run([&["store", "check"], &STORE[..]].concat()).expect(2).stderr;
    assert!(wrong.contains("CV002") && wrong.contains("caravan.toml:2"), "{wrong}");
}
