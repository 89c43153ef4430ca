//! An import meets a dial on the way to its members: what it says while it stands still.
use crate::page::lines;
use caravan_tests::{Lab, Place, Served, patient};
use serde_json::{Value, json};

const PARTNER: &str = "experience-platform";

/// What the lab is told before the import begins to read.
fn arm(lab: &Lab, name: &str, audience: &str) {
    let dial = match name {
        "FAILED" => {
            lab.post("/_lab/settings", &json!({PARTNER: {"exports_fail": true, "export_seconds": 0}}))
                .expect("settings");
            return;
        }
        "Parquet" => {
            lab.post("/_lab/settings", &json!({PARTNER: {"parquet": true, "export_seconds": 0}})).expect("settings");
            return;
        }
        "archived" => {
            lab.post(&format!("/_lab/audiences/{audience}/members"), &json!({"archive": true})).expect("archived");
            return;
        }
        "the token endpoint" => json!({"route": "token", "fault": "error", "code": 401_013}),
        "TooManyRequests" => json!({"route": "upload", "fault": "throttle"}),
        "NotFoundError" => json!({"route": "upload", "fault": "audience-gone"}),
        "500" => json!({"route": "upload", "fault": "server-error"}),
        "503" => json!({"route": "upload", "fault": "server-error", "status": 503}),
        name => match name.parse::<u32>() {
            Ok(code) => json!({"route": "upload", "fault": "error", "code": code}),
            Err(_) => json!({"route": "upload", "fault": "error", "reason": name}),
        },
    };
    let mut dial = dial;
    dial["partner"] = json!(PARTNER);
    lab.post("/_lab/faults", &dial).unwrap_or_else(|error| panic!("no dial {dial}: {error}"));
}

/// What the import of a fresh place says once it stands still.
fn meets(name: &str) -> (String, String) {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write(
        "connections.yaml",
        "format: 1\nconnections:\n  it:\n    connector: experience-platform\n    lab: true\n    accounts: { prod: prod }\n    \
         app: { id: app-1, secret: { file: app.secret } }\n    \
         settings: { organisation: 0123@AdobeOrg, api_key: key, dataset: d1 }\n",
    );
    place.write("app.secret", "a-secret");
    let spec = json!({"partner": PARTNER, "account": "prod", "name": "Churned"});
    let made = lab.post("/_lab/audiences", &spec).expect("an audience");
    let id = made["audience"].as_str().expect("an id").to_owned();
    let member = json!({"join": [{"id": "1", "identities": {"Email": "a@example.com"}}]});
    lab.post(&format!("/_lab/audiences/{id}/members"), &member).expect("a member");
    let import = ["list", "import", "churned", "--create", "--from", "it", "--folder", "prod", "--audience", &id];
    place.run([&import[..], &["--lab", &lab.url, "--store", "s.caravan", "--yes"]].concat()).expect(0);
    arm(&lab, name, &id);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    let mut trouble = Value::Null;
    patient(name, || {
        let shown = place.run(["list", "imports", "churned", "--store", "s.caravan", "--json"]).json();
        trouble = shown[0]["state"]["trouble"].clone();
        trouble.is_object()
    });
    assert_eq!(served.term(), Some(0));
    let word = |name: &str| trouble[name].as_str().unwrap_or_default().to_owned();
    (format!("stands still {}", word("code")), word("words"))
}

/// Raises all rows of the table.
pub fn play() {
    let (mut text, mut wrong) = (String::new(), 0);
    for line in lines(PARTNER) {
        for name in line.dials() {
            let (state, words) = meets(name);
            let expected = line.becomes.replace('*', name);
            let missed = if state == expected { String::new() } else { format!("   NOT {expected}") };
            wrong += usize::from(state != expected || words.is_empty());
            text += &format!("{:>3}  {name:<22}{state:<34}{missed}  {words}\n", line.row);
        }
    }
    println!("{PARTNER}:\n{text}");
    assert_eq!(wrong, 0, "{text}");
}
