//! `caravan serve`: events stream in from Segment's own library, people reach the partner, and neither a SIGKILL nor a
//! SIGTERM in the middle loses or doubles anybody.
use caravan_tests::{KEY, LAB_CONNECTIONS, Lab, Place, Served, audience_named, keys_of, node, oracle, patient, python};
use std::collections::BTreeSet;

const CANVAS: &str = r#"
format: 1
canvas: win-back
audiences:
  lapsed: { connection: lab-meta, account: main, name: Lapsed, if_missing: create }
entry:
  trigger: { event: Lapsed, where: { n: { gte: 0 } } }
  who: { attr: plan, in: [pro] }
  start: sync
steps:
  sync: { audience_sync: { audience: lapsed, action: add, match: [email] }, next: pause }
  pause: { delay: { for: 30d }, next: exit }
exit: [ { event: Bought } ]
"#;

fn scene() -> (Place, Lab) {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let lab = place.lab();
    (place, lab)
}

fn there(lab: &Lab) -> BTreeSet<String> {
    let id = audience_named(lab, "Lapsed").expect("one audience");
    keys_of(lab, &id).expect("members").remove("EMAIL").unwrap_or_default()
}

#[test]
fn segments_own_library_streams_people_in_and_a_kill_and_a_restart_lose_and_double_nobody() {
    let (place, lab) = scene();
    let people: usize = 50_000;
    let mut served = Served::start(&place, &lab, "127.0.0.1:0");
    let (url, listen) = (served.url.clone(), served.address().to_owned());
    let count = people.to_string();
    let sender = std::thread::spawn(move || python::run("stream.py", &[&url, KEY, "0", &count], ""));
    // Killed in the middle, then stopped in good order: the library sends again what was not acknowledged.
    patient("the first people are at the partner", || there(&lab).len() > people / 20);
    served.child.kill().expect("a child to kill");
    drop(served);
    let served = Served::start(&place, &lab, &listen);
    patient("more people are at the partner", || there(&lab).len() > people / 3);
    assert_eq!(served.term(), Some(0), "asked to stop, it stops in good order");
    let served = Served::start(&place, &lab, &listen);
    sender.join().expect("everything was handed over");
    let expected: BTreeSet<String> =
        (0..people).filter(|n| n % 10 != 0).map(|n| oracle::sha256(&format!("p{n}@example.com"))).collect();
    patient("all are at the partner", || there(&lab).len() >= expected.len());
    assert!(there(&lab) == expected, "exactly those whom the canvas admits");
    let entered = || served.metric(&["caravan_entered{", "win-back"]);
    assert_eq!(entered(), Some(expected.len() as u64), "each once, whatever was sent again");
    assert_eq!(served.metric(&["caravan_visits{", "\"sync\"", "\"synced\""]), Some(expected.len() as u64));
    assert_eq!(served.metric(&["caravan_inbox_messages{"]), Some(0));
    // An event ends the stay of someone who waits; the others stay.
    let bought = r#"{"userId": "p1", "event": "Bought", "messageId": "b1"}"#;
    assert_eq!(served.send("/v1/track", bought).0, 200);
    let inside = expected.len() as u64 - 1;
    patient("one has left", || served.metric(&["caravan_inside{", "win-back"]) == Some(inside));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn segments_library_for_node_works_unchanged() {
    let (place, lab) = scene();
    let people: usize = 50_000;
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    node::run("stream.mjs", &[&served.url, KEY, "0", &people.to_string()]);
    let expected: BTreeSet<String> =
        (0..people).filter(|n| n % 10 != 0).map(|n| oracle::sha256(&format!("p{n}@example.com"))).collect();
    patient("all are at the partner", || there(&lab).len() >= expected.len());
    assert!(there(&lab) == expected, "exactly those whom the canvas admits");
    assert_eq!(served.metric(&["caravan_entered{", "win-back"]), Some(expected.len() as u64));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn what_cannot_be_taken_in_is_said_with_code_place_and_cure_and_the_rest_is_kept() {
    let (place, lab) = scene();
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    assert_eq!(served.ask("GET", "/healthz", "", "").0, 200);
    assert_eq!(served.ask("GET", "/readyz", "", "").0, 200);
    let (status, answer) = served.ask("POST", "/v1/track", "", r#"{"userId": "hunter2", "event": "Lapsed"}"#);
    assert_eq!(status, 401, "{answer}");
    assert!(answer.contains("application/problem+json") && !answer.contains("hunter2"), "{answer}");
    let (status, answer) = served.send("/v1/track", r#"{"event": "Lapsed"}"#);
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("\"place\":\"userId\"") && answer.contains("\"cure\":\"send a"), "{answer}");
    assert_eq!(served.send("/v1/track", "{").0, 400);
    assert_eq!(served.send("/v1/dance", "{}").0, 404);
    let long = format!(r#"{{"userId": "u", "event": "x", "properties": {{"a": "{}"}}}}"#, "a".repeat(33 * 1_024));
    assert_eq!(served.send("/v1/track", &long).0, 413);
    // One message of a batch is wrong; the other is kept.
    let batch = r#"{"batch": [
        {"type": "identify", "userId": "u1", "traits": {"email": "u1@example.com", "plan": "pro"}},
        {"type": "track", "userId": "u1", "event": "Lapsed", "properties": {"n": 1}, "messageId": "m1"},
        {"type": "track", "userId": "u1"}]}"#;
    let (status, answer) = served.send("/v1/batch", batch);
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"count\":1") && answer.contains("batch[2].event"), "{answer}");
    patient("the one is at the partner", || there(&lab) == [oracle::sha256("u1@example.com")].into());
    // Sent again, it counts once.
    assert_eq!(served.send("/v1/batch", batch).0, 200);
    patient("it is known", || served.metric(&["caravan_messages{", "known-already"]) == Some(1));
    assert_eq!(served.metric(&["caravan_entered{", "win-back"]), Some(1));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn a_store_whose_canvases_sync_no_audience_is_served_too() {
    let (place, lab) = scene();
    place.write(
        "pause.yaml",
        "format: 1\ncanvas: pause\nentry: { trigger: { event: Lapsed }, start: wait }\nexit: [ { event: Bought } ]\n\
         steps:\n  wait: { delay: { for: 30d }, next: exit }\n",
    );
    let served = Served::of(&place, &lab, "127.0.0.1:0", &["pause.yaml"]);
    assert_eq!(served.send("/v1/track", r#"{"userId": "p1", "event": "Lapsed"}"#).0, 200);
    patient("one waits", || served.metric(&["caravan_inside{", "pause"]) == Some(1));
    assert_eq!(served.term(), Some(0));
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    assert_eq!(served.metric(&["caravan_inside{", "pause"]), Some(1));
    assert_eq!(served.term(), Some(0));
}
