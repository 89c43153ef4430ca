//! Experience Platform's tokens in a host that serves: an import goes on while they end, are revoked, and come back.
use crate::SECRET;
use caravan_tests::{Lab, Place, Served, patient};
use serde_json::{Value, json};
use std::process::Stdio;

const CONNECTIONS: &str = r#"
format: 1
connections:
  platform:
    connector: experience-platform
    lab: true
    accounts: { prod: prod }
    app: { id: app-1, secret: { file: app.secret } }
    settings: { organisation: 0123@AdobeOrg, api_key: key, dataset: d1, overlap_seconds: 0 }
"#;

fn join(lab: &Lab, audience: &str, n: usize) {
    let member = json!({"id": n.to_string(), "identities": {"Email": format!("p{n}@example.com")}});
    lab.post(&format!("/_lab/audiences/{audience}/members"), &json!({"join": [member]})).expect("a member");
}

#[test]
fn an_import_goes_on_while_its_tokens_end_are_revoked_and_come_back() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("connections.yaml", CONNECTIONS);
    place.write("app.secret", SECRET);
    let rows: String = (0..9).map(|n| format!("p{n},p{n}@example.com\n")).collect();
    place.write("users.csv", format!("external_id,email\n{rows}"));
    lab.post("/_lab/settings", &json!({"time_scale": 20, "token_seconds": 3})).expect("settings");
    let spec = json!({"partner": "experience-platform", "account": "prod", "name": "Churned"});
    let audience =
        lab.post("/_lab/audiences", &spec).expect("an audience")["audience"].as_str().expect("an id").to_owned();
    join(&lab, &audience, 0);
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    let import = ["list", "import", "churned", "--create", "--from", "platform", "--folder", "prod", "--audience"];
    let more = [&audience[..], "--every", "2s", "--lab", &lab.url, "--store", "s.caravan", "--yes"];
    place.run([&import[..], &more].concat()).expect(0);

    let log = std::fs::File::create(place.path("host.log")).expect("a file");
    let words = ["serve", "--store", "s.caravan", "--lab", &lab.url, "--listen", "127.0.0.1:0", "--json"];
    let mut command = place.caravan(words);
    command.env("CARAVAN_WRITE_KEYS", caravan_tests::KEY).stdout(Stdio::piped()).stderr(log);
    let served = Served::spawn(&mut command);
    let size = || {
        let shown = place.run(["list", "show", "churned", "--store", "s.caravan", "--json"]).json();
        shown["members"].as_u64().unwrap_or_default()
    };
    let tokens = || {
        let calls = lab.get("/_lab/calls").expect("calls");
        calls["partners"]["experience-platform"]["routes"]["POST ims/token/v3"].as_u64().unwrap_or_default()
    };
    // Connected.
    patient("the first is in", || size() == 1);
    // Ended by the clock: another one is asked for before a call goes out.
    let before = tokens();
    patient("a token was renewed", || tokens() > before);
    join(&lab, &audience, 1);
    patient("the second is in", || size() == 2);
    // Revoked: the next call gets one of its own.
    lab.post("/_lab/settings", &json!({"token_seconds": 3_000})).expect("settings");
    lab.post("/_lab/consents?partner=experience-platform", &json!({"revoke": true})).expect("revoked");
    join(&lab, &audience, 2);
    patient("the third is in", || size() == 3);
    // The app is refused: the import says so, and keeps its place.
    place.write("app.secret", "wrong");
    lab.post("/_lab/consents?partner=experience-platform", &json!({"revoke": true})).expect("revoked");
    join(&lab, &audience, 3);
    let trouble = || -> Value {
        place.run(["list", "imports", "churned", "--store", "s.caravan", "--json"]).json()[0]["state"]["trouble"]
            .clone()
    };
    patient("it is told", || trouble()["code"] == "CV081");
    assert_eq!(size(), 3);
    // Reconnected: it goes on by itself.
    place.write("app.secret", SECRET);
    patient("the fourth is in", || size() == 4);
    assert_eq!(trouble(), Value::Null);
    let (_, metrics) = served.ask("GET", "/metrics", "", "");
    let guest = place.run(["connector", "logs", "experience-platform", "--store", "s.caravan"]);
    assert_eq!(served.term(), Some(0));
    let said = std::fs::read_to_string(place.path("host.log")).expect("its log");
    let hidden =
        |text: &str| !text.contains(SECRET) && !text.contains("granted-0") && !text.contains(caravan_tests::KEY);
    assert!([&metrics, &said, &guest.stdout, &guest.stderr].into_iter().all(|text| hidden(text)), "{said}");
    for file in std::fs::read_dir(place.path(".")).expect("the folder").map(|file| file.expect("a file").path()) {
        if file.is_file() && !file.ends_with("app.secret") {
            let bytes = std::fs::read(&file).expect("read");
            assert!(hidden(&String::from_utf8_lossy(&bytes)), "{} holds a secret", file.display());
        }
    }
}
