//! What a host that serves shows of secrets in its metrics, its logs and its traces of people: nothing.
use crate::SECRET;
use crate::consents::{Consenting, GIVEN};
use caravan_tests::{Lab, Place, Served, keys_of, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;

/// Somebody who has an address does what the canvas waits for.
fn enters(served: &Served, name: &str) {
    let batch = json!({"batch": [
        {"type": "identify", "userId": name, "traits": {"email": format!("{name}@example.com")}},
        {"type": "track", "userId": name, "event": "e"},
    ]});
    let (status, answer) = served.send("/v1/batch", &batch.to_string());
    assert_eq!(status, 200, "{answer}");
}

/// How many people stand in the audience: Pinterest's name of it has our marker behind ours.
fn members(lab: &Lab) -> Option<usize> {
    let all = lab.get("/_lab/audiences").ok()?;
    let ours = |audience: &&Value| audience["name"].as_str().is_some_and(|name| name.starts_with("People"));
    let found = all["audiences"].as_array()?.iter().find(ours)?;
    let id = found["audience"].as_str().or_else(|| found["id"].as_str())?;
    keys_of(lab, id).ok()?.values().map(BTreeSet::len).max()
}

/// A host that serves and logs into a file.
fn serve(place: &Place, lab: &Lab) -> Served {
    let log = std::fs::File::create(place.path("host.log")).expect("a file");
    let words = ["serve", "in.yaml", "--store", "s.caravan", "--lab", &lab.url, "--listen", "127.0.0.1:0", "--json"];
    let mut command = place.caravan(words);
    command.env("CARAVAN_WRITE_KEYS", caravan_tests::KEY).stdout(Stdio::piped()).stderr(log);
    Served::spawn(&mut command)
}

fn held(place: &Place) -> bool {
    place.run(["queue", "list", "--store", "s.caravan"]).stdout.contains("held")
}

/// Ends a host, and looks through what it showed.
fn assert_silent(partner: &str, place: &Place, served: Served) -> String {
    let (status, metrics) = served.ask("GET", "/metrics", "", "");
    assert!(status == 200 && metrics.contains("caravan_"), "{metrics}");
    let guest = place.run(["connector", "logs", partner, "--store", "s.caravan"]);
    let traced = place.run(["profile", "trace", "c", "--store", "s.caravan", "--json"]);
    assert_eq!(served.term(), Some(0));
    let said = std::fs::read_to_string(place.path("host.log")).expect("its log");
    for text in [&metrics, &said, &guest.stdout, &guest.stderr, &traced.stdout, &traced.stderr] {
        for secret in GIVEN.iter().chain([&SECRET, &caravan_tests::KEY, &":int"]) {
            assert!(!text.contains(secret), "{partner}: {secret} is shown: {text}");
        }
    }
    metrics + &said
}

/// By a person's consent: tokens are refreshed where the partner has that, the consent is taken back, people wait.
fn by_consent(partner: &'static str, account: &'static str, kind: &'static str, refreshed: bool) {
    let of = Consenting { partner, account, kind, refreshed, ends_by_request: false };
    let (place, lab) = (of.place(), Place::new().lab());
    let app = ["connector", "app", "set", partner, "--client-id", "app-1", "--client-secret-env", "APP_SECRET"];
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    of.command(&place, &app).expect(0);
    // Tokens end within seconds: refreshes are among what is logged.
    lab.post("/_lab/settings", &json!({"token_seconds": if refreshed { 3 } else { 3_000 }})).expect("settings");
    of.connect(&place, &lab);
    let served = serve(&place, &lab);
    enters(&served, "a");
    patient("one is in", || members(&lab) == Some(1));
    lab.post("/_lab/settings", &json!({"token_seconds": 3_000})).expect("settings");
    enters(&served, "b");
    patient("two are in", || members(&lab) == Some(2));
    // Revoked, and a call that is refused: the host says so.
    lab.post(&format!("/_lab/consents?partner={partner}"), &json!({"revoke": true})).expect("revoked");
    enters(&served, "c");
    patient("the queue is held", || held(&place));
    let shown = assert_silent(partner, &place, served);
    of.assert_unseen(&place, &[&shown]);
}

/// By an app's own tokens: one that is revoked is changed for another; an app that is refused holds, and is mended.
fn by_app(partner: &str, account: &str, settings: &str) {
    let (place, lab) = (crate::place(partner, account, settings), Place::new().lab());
    let known = json!({"token_seconds": 3, "marketo": {"unknown_of_256": 0, "duplicates_of_256": 0}});
    lab.post("/_lab/settings", &known).expect("settings");
    let made = place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0).json();
    let head = format!("authorization: Bearer {}\r\n", made["key"].as_str().expect("a key"));
    let served = serve(&place, &lab);
    enters(&served, "a");
    patient("one is in", || members(&lab) == Some(1));
    let revoke = || lab.post(&format!("/_lab/consents?partner={partner}"), &json!({"revoke": true})).expect("revoked");
    revoke();
    enters(&served, "b");
    patient("two are in", || members(&lab) == Some(2));
    place.write("app.secret", "wrong");
    revoke();
    enters(&served, "c");
    patient("the queue is held", || held(&place));
    // Connected again: who waits goes on at the next look, which somebody need not wait for.
    place.write("app.secret", SECRET);
    let queues = served.ask("GET", "/api/queues", &head, "").1;
    let queue = queues.split("\"queue\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a queue");
    let (status, said) = served.ask("POST", "/api/queues/resume", &head, json!({"queue": queue}).to_string());
    assert_eq!(status, 200, "{said}");
    patient("three are in", || members(&lab) == Some(3));
    assert_silent(partner, &place, served);
}

#[test]
fn criteos_secrets_are_seen_nowhere() {
    by_consent("criteo", "1", "", true);
    by_app("criteo", "1", "");
}

#[test]
fn googles_secrets_are_seen_nowhere() {
    by_consent("google", "1000000001", " kind: CONTACT_ID,", true);
}

#[test]
fn marketos_secrets_are_seen_nowhere() {
    by_app("marketo", "123-ABC-456", "    raw: [EMAIL]\n    settings: { munchkin: 123-ABC-456, folder: 13 }\n");
}

#[test]
fn metas_secrets_are_seen_nowhere() {
    by_consent("meta", "act_1", "", false);
}

#[test]
fn pinterests_secrets_are_seen_nowhere() {
    by_consent("pinterest", "549755000000", " kind: EMAIL,", true);
}

#[test]
fn snapchats_secrets_are_seen_nowhere() {
    by_consent("snapchat", "8adc3db7-8148-4fbf-999c-000000000001", "", true);
}

#[test]
fn tiktoks_secrets_are_seen_nowhere() {
    by_consent("tiktok", "7000000000000000001", "", false);
}
