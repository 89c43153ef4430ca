//! Webhook steps of the real program against a service on this machine: each answer has its outcome, and a kill in the
//! middle repeats calls with the key of the first.
use caravan_tests::{EndpointServer, Got, Lab, Place, Ran, Served, patient};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const TOKEN: &str = "hunter2";

const CANVAS: &str = r#"
format: 1
canvas: mails
entry: { trigger: { event: Lapsed }, start: mail }
exit: [ { event: Bought } ]
steps:
  mail:
    webhook:
      use: acme-mailer
      body: { to: "{{ email }}", seats: "{{ seats }}", hello: "Hi {{ first_name | default('you') }}", template: win-back }
    next: exit
    otherwise: log
  log: { webhook: { use: acme-log, body: { id: "{{ external_id }}" } }, next: exit }
"#;

fn scene(service: &EndpointServer) -> Place {
    let place = Place::new();
    let url = &service.url;
    place.write(
        "connections.yaml",
        format!(
            "format: 1\nwebhooks:\n\
             \x20 acme-mailer:\n\
             \x20   url: {url}/send\n\
             \x20   headers: {{ Authorization: {{ secret: {{ file: token }}, prefix: \"Bearer \" }}, X-Workspace: acme }}\n\
             \x20 acme-log: {{ url: {url}/log, method: PUT }}\n"
        ),
    );
    place.write("token", TOKEN);
    place.write("canvas.yaml", CANVAS);
    place
}

fn users(place: &Place, count: usize) {
    let rows: String = (0..count).map(|n| format!("u{n},u{n}@example.com,{n}\n")).collect();
    place.write("users.csv", format!("external_id,email,seats\n{rows}"));
}

fn run(place: &Place, wait: &str) -> Command {
    let mut command = place.caravan([
        "run",
        "canvas.yaml",
        "--users",
        "users.csv",
        "--store",
        "s.caravan",
        "--wait",
        wait,
        "--json",
        "--quiet",
    ]);
    command.env("CARAVAN_ALLOW_LOOPBACK", "1");
    command
}

/// The number behind `u`, of whom a request of either endpoint is about.
fn number(got: &Got) -> usize {
    let who = got.body["to"].as_str().or_else(|| got.body["id"].as_str()).expect("somebody");
    who.trim_start_matches('u').trim_end_matches("@example.com").parse().expect("a number")
}

/// Statuses of a step with their numbers, as a run says them.
fn statuses(said: &[u8], step: &str) -> BTreeMap<String, u64> {
    let shown: serde_json::Value = serde_json::from_slice(said).expect("JSON");
    let counts = shown["counts"].as_array().expect("counts").iter().filter(|count| count["step"] == step);
    let pair =
        |count: &serde_json::Value| (count["status"].as_str().expect("a status").to_owned(), count["n"].as_u64());
    counts.map(pair).map(|(status, n)| (status, n.unwrap_or_default())).collect()
}

#[test]
fn each_answer_has_its_outcome_and_nothing_secret_is_shown() {
    let service = EndpointServer::start(|got, before| match (got.line.as_str(), number(got) % 5, before) {
        ("POST /send", 1, _) => (422, String::new()),
        ("POST /send", 2, 0) => (500, String::new()),
        ("POST /send", 3, 0) => (429, "retry-after: 1\r\n".to_owned()),
        ("POST /send", 4, _) => (302, "location: http://127.0.0.1:9/elsewhere\r\n".to_owned()),
        _ => (204, String::new()),
    });
    let place = scene(&service);
    users(&place, 50);
    // Without the word of development, nothing on this machine is called, and that is said at once.
    let refused = place.run(["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan"]).expect(2);
    assert!(refused.stderr.contains("CV063") && refused.stderr.contains("CARAVAN_ALLOW_LOOPBACK"), "{refused:?}");
    let ran = run(&place, "60s").output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(1), "some were refused, which is for a person to look at: {said}");
    assert!(!said.contains(TOKEN) && !said.contains("@example.com"), "{said}");
    assert!(said.contains("webhook-refused"), "{said}");

    let keys = service.by_key();
    // 50 mails, and 20 that were refused or sent elsewhere went on to the log.
    assert_eq!(keys.len(), 70);
    for (key, all) in &keys {
        assert!(key.len() == 32 && all.iter().all(|got| got.body == all[0].body), "{key}: {all:?}");
        let wanted = if all[0].line == "POST /send" && [2, 3].contains(&(number(&all[0]) % 5)) { 2 } else { 1 };
        assert_eq!(all.len(), wanted, "{all:?}");
    }
    let got = service.got();
    let mail = got.iter().find(|got| got.line == "POST /send" && number(got) == 0).expect("a mail");
    assert_eq!(mail.body, json!({"to": "u0@example.com", "seats": 0, "hello": "Hi you", "template": "win-back"}));
    assert_eq!(mail.headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(
        (mail.headers["x-workspace"].as_str(), mail.headers["content-type"].as_str()),
        ("acme", "application/json")
    );
    let logged: BTreeSet<usize> = got.iter().filter(|got| got.line == "PUT /log").map(number).collect();
    assert_eq!(logged, (0..50).filter(|n| [1, 4].contains(&(n % 5))).collect());
    assert!(got.iter().all(|got| got.line == "POST /send" || got.line == "PUT /log"), "no redirect is followed");

    let trace = place.run(["profile", "trace", "u1", "--store", "s.caravan"]).expect(0).stdout;
    assert!(trace.contains("failed") && trace.contains("422"), "{trace}");
    let preview = place.run(["canvas", "preview", "canvas.yaml", "--profile", "u2", "--store", "s.caravan"]).expect(0);
    assert!(preview.stdout.contains("u***@example.com") && preview.stdout.contains("win-back"), "{preview:?}");
    assert!(!preview.stdout.contains("u2@example.com") && !preview.stdout.contains(TOKEN), "{preview:?}");
    let forecast = place.run(["canvas", "forecast", "canvas.yaml", "--store", "s.caravan"]).expect(0).stdout;
    assert!(forecast.contains("step mail (webhook acme-mailer): 50 people could be sent, in 50 calls"), "{forecast}");
    let before = service.got().len();
    let dry = place.run(["dry-run", "canvas.yaml", "--step", "mail", "--users", "users.csv"]).expect(0).json();
    let first = &dry["requests"][0];
    assert_eq!((&first["method"], &first["headers"]["authorization"]), (&json!("POST"), &json!("Bearer [secret]")));
    let body: serde_json::Value = serde_json::from_str(first["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!((&body, service.got().len()), (&mail.body, before), "the same bytes, and nothing leaves");
}

#[test]
fn a_run_that_is_killed_calls_again_with_the_same_key() {
    let service = EndpointServer::start(|got, before| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        match (number(got) % 3, before) {
            (0, 0) => (503, String::new()),
            _ => (200, String::new()),
        }
    });
    let place = scene(&service);
    let count = 600;
    users(&place, count);
    for share in [6, 3, 2] {
        let mut child = run(&place, "0s").stdout(std::process::Stdio::null()).spawn().expect("it runs");
        let mut ended = || child.try_wait().expect("its state").is_some();
        patient("a part was called for", || ended() || service.by_key().len() > count / share);
        // Gone already where the machine is fast.
        let _ = child.kill();
        child.wait().expect("its end");
    }
    let last = run(&place, "60s").output().expect("it runs");
    assert_eq!(last.status.code(), Some(0), "{}", String::from_utf8_lossy(&last.stderr));
    let keys = service.by_key();
    assert_eq!(keys.len(), count, "one key for each visit, however often it was called");
    let people: BTreeSet<usize> = keys.values().map(|all| number(&all[0])).collect();
    assert_eq!(people.len(), count);
    assert!(keys.values().all(|all| all.iter().all(|got| got.body == all[0].body)));
    assert_eq!(statuses(&last.stdout, "mail").into_iter().collect::<Vec<_>>(), [("passed".to_owned(), count as u64)]);
}

#[test]
fn a_host_that_serves_is_killed_goes_on_and_lets_out_whoever_waits() {
    let service = EndpointServer::start(|got, before| match (number(got), before) {
        (7, _) => (503, "retry-after: 3600\r\n".to_owned()),
        (_, 0) => (503, String::new()),
        _ => (200, String::new()),
    });
    let place = scene(&service);
    let lab: Lab = place.lab();
    let start = |listen: &str| Served::with(&place, &lab, listen, &["canvas.yaml"], &[("CARAVAN_ALLOW_LOOPBACK", "1")]);
    let served = start("127.0.0.1:0");
    let track = |served: &Served, user: &str, event: &str| {
        let id = format!("{user}-{event}");
        let identify =
            json!({"type": "identify", "userId": user, "traits": {"email": format!("{user}@example.com"), "seats": 1}});
        let track = json!({"type": "track", "userId": user, "event": event, "messageId": id});
        let (status, answer) = served.send("/v1/batch", &json!({"batch": [identify, track]}).to_string());
        assert_eq!(status, 200, "{answer}");
    };
    track(&served, "u1", "Lapsed");
    patient("the first call", || service.got().iter().any(|got| number(got) == 1));
    let listen = served.address().to_owned();
    drop(served);
    let served = start(&listen);
    patient("called again", || served.metric(&["caravan_visits{", "\"mail\"", "\"passed\""]) == Some(1));
    let of_1: BTreeSet<String> =
        service.got().iter().filter(|got| number(got) == 1).map(|got| got.key().to_owned()).collect();
    assert_eq!(of_1.len(), 1, "one key over the kill");
    track(&served, "u7", "Lapsed");
    patient("the call", || service.got().iter().any(|got| number(got) == 7));
    patient("waits", || served.metric(&["caravan_visits{", "\"mail\"", "\"waiting\""]) == Some(1));
    track(&served, "u7", "Bought");
    patient("has left", || served.metric(&["caravan_visits{", "\"mail\"", "\"exited\""]) == Some(1));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn calls_that_failed_are_made_again_by_command_over_the_host_and_on_its_store() {
    let down = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX));
    let service = EndpointServer::start({
        let down = down.clone();
        // The mailer refuses everybody at first, then the first person alone, then nobody.
        move |got, _| match got.line == "POST /send" && number(got) < down.load(std::sync::atomic::Ordering::SeqCst) {
            true => (404, String::new()),
            false => (204, String::new()),
        }
    });
    let place = scene(&service);
    users(&place, 6);
    let ran = run(&place, "0s").output().expect("it runs");
    assert_eq!(statuses(&ran.stdout, "mail"), [("failed".to_owned(), 6)].into());
    let first: BTreeSet<String> = service.by_key().into_keys().collect();
    let made = place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0).json();
    let key = made["key"].as_str().expect("a secret").to_owned();
    let resend = ["queue", "resend", "mails", "--status", "failed", "--step", "mail", "--yes"];
    let caravan = |words: &[&str]| {
        let mut command = place.caravan(words);
        Ran::of(command.env("CARAVAN_KEY", &key).env("CARAVAN_ALLOW_LOOPBACK", "1"))
    };

    down.store(1, std::sync::atomic::Ordering::SeqCst);
    let lab = place.lab();
    let served = Served::with(&place, &lab, "127.0.0.1:0", &[], &[("CARAVAN_ALLOW_LOOPBACK", "1")]);
    let told = caravan(&[&resend[..], &["--server", &served.url]].concat()).expect(0);
    assert_eq!(told.stdout, "6 people called for again\n");
    patient("all were called for again", || service.by_key().values().filter(|all| all.len() == 2).count() == 6);
    patient("one failed again", || served.metric(&["caravan_visits{", "\"mail\"", "\"failed\""]) == Some(1));
    assert_eq!(served.metric(&["caravan_visits{", "\"mail\"", "\"passed\""]), Some(5));
    let sync = caravan(&[
        "queue",
        "resend",
        "mails",
        "--status",
        "expired",
        "--step",
        "mail",
        "--yes",
        "--server",
        &served.url,
    ]);
    assert!(sync.expect(2).stderr.contains("syncs an audience"), "a webhook's visits are failed, not expired");
    assert_eq!(served.term(), Some(0));

    down.store(0, std::sync::atomic::Ordering::SeqCst);
    let told = caravan(&[&resend[..], &["--store", "s.caravan"]].concat()).expect(0);
    assert!(told.stdout.starts_with("1 person called for again\nWorked off: 1 wait or call"), "{told:?}");
    let told = caravan(&[&resend[..], &["--store", "s.caravan", "--json"]].concat()).expect(0).json();
    assert_eq!(told, json!({"queued": 0, "overtaken": 0, "delivery": null}));
    // Everybody has one key for each step, however often it was called, and nobody went on to the log a second time.
    assert_eq!(service.by_key().into_keys().collect::<BTreeSet<_>>(), first);
    let calls = |line: &str| service.got().iter().filter(|got| got.line == line).count();
    assert_eq!((calls("POST /send"), calls("PUT /log")), (13, 6));
    let notes = caravan(&["audit", "list", "--store", "s.caravan", "--json"]).expect(0).stdout;
    assert_eq!(notes.matches("\"queue.resend\"").count(), 3, "{notes}");
    caravan(&["store", "check", "--store", "s.caravan"]).expect(0);
}
