//! What a host that serves shows of secrets in its metrics, its logs and its traces of people: nothing.
use crate::SECRET;
use crate::consents::{Consenting, GIVEN};
use caravan_tests::{Lab, Place, Served, audience_named, keys_of, patient};
use serde_json::json;
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

#[test]
fn neither_metrics_nor_logs_of_a_serving_host_show_a_secret() {
    let account = "8adc3db7-8148-4fbf-999c-000000000001";
    let snapchat = Consenting { partner: "snapchat", account, kind: "", refreshed: true, ends_by_request: false };
    let (place, lab) = (snapchat.place(), Place::new().lab());
    let app = ["connector", "app", "set", "snapchat", "--client-id", "app-1", "--client-secret-env", "APP_SECRET"];
    place.run(["key", "add", "k", "--rights", "admin", "--store", "s.caravan"]).expect(0);
    snapchat.command(&place, &app).expect(0);
    // Its tokens end within seconds: refreshes are among what is logged.
    lab.post("/_lab/settings", &json!({"token_seconds": 3})).expect("settings");
    snapchat.connect(&place, &lab);

    let log = std::fs::File::create(place.path("host.log")).expect("a file");
    let words = ["serve", "in.yaml", "--store", "s.caravan", "--lab", &lab.url, "--listen", "127.0.0.1:0", "--json"];
    let mut command = place.caravan(words);
    command.env("CARAVAN_WRITE_KEYS", caravan_tests::KEY).stdout(Stdio::piped()).stderr(log);
    let served = Served::spawn(&mut command);
    let members = |lab: &Lab| {
        let list = audience_named(lab, "People").ok()?;
        Some(keys_of(lab, &list).ok()?.values().map(std::collections::BTreeSet::len).sum::<usize>())
    };
    enters(&served, "a");
    patient("one is in", || members(&lab) == Some(1));
    lab.post("/_lab/settings", &json!({"token_seconds": 3_000})).expect("settings");
    enters(&served, "b");
    patient("two are in", || members(&lab) == Some(2));
    // Revoked, and a call that is refused: the host says so.
    lab.post("/_lab/consents?partner=snapchat", &json!({"revoke": true})).expect("revoked");
    enters(&served, "c");
    patient("the queue is held", || {
        place.run(["queue", "list", "--store", "s.caravan"]).stdout.contains("unauthorized")
    });

    let (status, metrics) = served.ask("GET", "/metrics", "", "");
    assert!(status == 200 && metrics.contains("caravan_"), "{metrics}");
    let guest = place.run(["connector", "logs", "snapchat", "--store", "s.caravan"]);
    let traced = place.run(["profile", "trace", "c", "--store", "s.caravan", "--json"]);
    assert_eq!(served.term(), Some(0));
    let said = std::fs::read_to_string(place.path("host.log")).expect("its log");
    for text in [&metrics, &said, &guest.stdout, &guest.stderr, &traced.stdout, &traced.stderr] {
        for secret in GIVEN.iter().chain([&SECRET, &caravan_tests::KEY]) {
            assert!(!text.contains(secret), "{secret} is shown: {text}");
        }
    }
    snapchat.assert_unseen(&place, &[&metrics, &said]);
}
