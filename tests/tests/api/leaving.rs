//! People leave by a call.
use super::*;

#[test]
fn people_leave_by_a_call_or_an_event_out_of_a_delay_and_a_queue_and_nothing_is_sent_of_them() {
    let world = World::new();
    let waits = CALLED
        .replace("canvas: called", "canvas: waits")
        .replace("name: VIP", "name: waits")
        .replace("next: exit", "next: pause")
        .replace("\nsteps:", "\nexit: [ { event: Bought } ]\nsteps:\n  pause: { delay: { for: 30d }, next: exit }");
    let ended = CALLED
        .replace("canvas: called", "canvas: ended")
        .replace("name: VIP", "name: ended")
        .replace("steps:", "exit: [ { event: Bought } ]\nsteps:");
    for (name, text) in [("waits.yaml", waits), ("ended.yaml", ended)] {
        world.place.write(name, text);
        world.caravan(&world.admin, &["canvas", "publish", name]).expect(0);
    }
    let hold = ["queue", "hold", "--connection", "lab-meta", "--because", "an audit"];
    world.caravan(&world.admin, &hold).expect(0);
    let person = |n: u32| json!({"external_id": format!("x-{n}"), "emails": [format!("x{n}@example.com")]});
    let people: Vec<Value> = (0..6).map(person).collect();
    let queued = |canvas: &str| {
        let numbers = world.call(&world.admin, "GET", &format!("/api/canvases/{canvas}/numbers"), "").1;
        let statuses = numbers[0]["steps"].as_array().cloned().unwrap_or_default();
        let sync = statuses.iter().find(|step| step["step"] == "sync").cloned().unwrap_or_default();
        let of = |status: &str| -> u64 {
            let all = sync["statuses"].as_array().cloned().unwrap_or_default();
            all.iter().filter(|one| one["status"] == status).filter_map(|one| one["n"].as_u64()).sum()
        };
        (numbers[0]["inside"].as_u64().unwrap_or_default(), of("waiting"), of("exited"), of("synced"))
    };
    for canvas in ["waits", "ended"] {
        let body = json!({"people": people}).to_string();
        let path = format!("/api/canvases/{canvas}/entries");
        assert_eq!(world.call(&world.admin, "POST", &path, &body).0, 202);
    }
    patient("all wait in the queue", || queued("waits") == (6, 6, 0, 0) && queued("ended") == (0, 6, 0, 0));
    // Two by the call (with a key: once), one by the command line; one is not known, and is not made.
    let header = format!("authorization: Bearer {}\r\nidempotency-key: gone-1\r\n", world.admin);
    for known in [0, 3] {
        let body = r#"{"external_ids":["x-0","x-1","nobody"]}"#;
        for canvas in ["waits", "ended"] {
            let (status, answer) = world.host.ask("POST", &format!("/api/canvases/{canvas}/exits"), &header, body);
            assert_eq!(status, 202, "{answer}");
            assert!(answer.contains(&format!("\"taken_in\":{},\"known\":{known}", 3 - known)), "{answer}");
        }
    }
    for canvas in ["waits", "ended"] {
        world.caravan(&world.admin, &["canvas", "let-out", canvas, "--profile", "x-2"]).expect(0);
    }
    // And two by the event that ends entries.
    for id in ["x-3", "x-4"] {
        let event = json!({"userId": id, "event": "Bought"}).to_string();
        assert_eq!(world.host.send("/v1/track", &event).0, 200);
    }
    patient("they are out", || queued("waits").0 == 1);
    assert_eq!(world.call(&world.admin, "GET", "/api/profiles/nobody", "").0, 404);
    let (status, said) = world.call(&world.admin, "POST", "/api/canvases/nope/exits", r#"{"external_ids":["x-0"]}"#);
    assert_eq!(status, 404, "{said}");
    let (status, said) = world.call(&world.admin, "POST", "/api/canvases/waits/exits", r#"{"external_ids":[""]}"#);
    assert_eq!((status, said["place"].as_str()), (400, Some("external_ids[0]")), "{said}");
    world.caravan(&world.admin, &["queue", "resume", "--connection", "lab-meta"]).expect(0);
    patient("the queue is through", || {
        queued("waits") == (1, 0, 5, 1) && queued("ended").1 == 0 && queued("ended").2 == 5
    });
    // The lab never saw those who left.
    let stayed = std::collections::BTreeSet::from([oracle::sha256("x5@example.com")]);
    for audience in ["waits", "ended"] {
        let id = audience_named(&world.lab, audience).expect("an audience");
        let keys = keys_of(&world.lab, &id).expect("members");
        assert!(keys.values().all(|values| *values == stayed) && !keys.is_empty(), "{audience}: {keys:?}");
    }
    let (_, notes) = world.call(&world.admin, "GET", "/api/audit?limit=1000", "");
    let noted: Vec<&Value> =
        notes.as_array().expect("notes").iter().filter(|note| note["verb"] == "canvas.let-out").collect();
    assert_eq!(noted.len(), 4, "a repeat is not noted: {notes}");
    assert!(!notes.to_string().contains("x-0"), "numbers only: {notes}");
}
