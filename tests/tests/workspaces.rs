//! A host with a configuration: several workspaces, each with its own people, keys and store.
use caravan_tests::{LAB_CONNECTIONS, Place, Ran, Served, audience_named, patient};
use serde_json::Value;
use std::process::Stdio;

const CONFIG: &str = r#"
listen = "127.0.0.1:0"
public_url = "https://caravan.acme.example"

[mail]
url = { env = "TEST_SMTP_URL" }
from = "alerts@acme.example"

[workspaces.default]
store = "default.caravan"
canvases = ["canvas.yaml"]
write_keys = "default.keys"

[workspaces.emea]
store = "emea.caravan"
zone = "Europe/Paris"
"#;

fn canvas(id: &str, audience: &str) -> String {
    format!(
        "format: 1\ncanvas: {id}\naudiences:\n  vip: {{ connection: lab-meta, account: main, {audience} }}\n\
         entry: {{ trigger: {{ event: Lapsed }}, start: sync }}\nsteps:\n  \
         sync: {{ audience_sync: {{ audience: vip, action: add, match: [email] }}, next: exit }}\n"
    )
}

fn key(place: &Place, workspace: &str, rights: &str) -> String {
    let arguments = ["key", "add", rights, "--rights", rights, "--workspace", workspace, "--json"];
    place.run(arguments).expect(0).json()["key"].as_str().expect("a secret").to_owned()
}

#[test]
fn each_workspace_of_a_configuration_has_its_own_people_keys_and_audiences() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", canvas("win-back", "name: VIP, if_missing: create"));
    place.write("caravan.toml", CONFIG);
    place.write("default.keys", "k-default\n");
    let lab = place.lab();
    for workspace in ["default", "emea"] {
        // A store is made by the first command that writes; the configuration says which.
        let made = place.run(["list", "create", "first", "--workspace", workspace]);
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let (admin, emea) = (key(&place, "default", "admin"), key(&place, "emea", "admin"));
    let writer = key(&place, "emea", "send-events");
    let unknown = place.run(["list", "list", "--workspace", "apac"]).expect(2).stderr;
    assert!(unknown.contains("default, emea"), "{unknown}");
    let listed = place.run(["workspace", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[1]["workspace"], &listed[1]["zone"]), (&"emea".into(), &"Europe/Paris".into()), "{listed}");
    // What is missing is said before anything is served.
    let checked = place.run(["config", "check"]).expect(1).stdout;
    assert!(checked.contains("FAIL  mail") && checked.contains("TEST_SMTP_URL"), "{checked}");
    let with = |mut command: std::process::Command| {
        command.env("TEST_SMTP_URL", "smtp://127.0.0.1:2525");
        command
    };
    let checked = Ran::of(&mut with(place.caravan(["config", "check"]))).expect(0).stdout;
    assert!(checked.contains("emea: connections") && !checked.contains("FAIL"), "{checked}");
    let mut command = with(place.caravan(["serve", "--lab", &lab.url, "--json"]));
    let served = Served::spawn(command.stdout(Stdio::piped()));
    let call = |key: &str, method: &str, path: &str, body: &str| -> (u16, Value) {
        let (status, answer) = served.ask(method, path, &format!("authorization: Bearer {key}\r\n"), body);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    };
    for (key, workspace) in [(&admin, "default"), (&emea, "emea")] {
        assert_eq!(call(key, "GET", "/api/me", "").1["workspace"], workspace);
    }
    // An event goes where its key belongs; nothing of one workspace is seen from the other.
    for (key, who) in [("k-default", "d-1"), (writer.as_str(), "e-1")] {
        let event =
            format!(r#"{{"userId":"{who}","event":"Lapsed","context":{{"traits":{{"email":"{who}@example.com"}}}}}}"#);
        assert_eq!(call(key, "POST", "/v1/track", &event).0, 200);
    }
    patient("both are known", || {
        [(&admin, "d-1"), (&emea, "e-1")]
            .iter()
            .all(|(key, who)| call(key, "GET", &format!("/api/profiles/{who}"), "").0 == 200)
    });
    assert_eq!(call(&emea, "GET", "/api/profiles/d-1", "").0, 404);
    assert_eq!(call(&admin, "GET", "/api/profiles/e-1", "").0, 404);
    assert_eq!(call(&emea, "GET", "/api/canvases", "").1, serde_json::json!([]));
    // An audience belongs to one workspace, also where its name would find it.
    let id = audience_named(&lab, "VIP").expect("made at publishing");
    for audience in ["name: VIP, if_missing: create".to_owned(), format!("id: \"{id}\"")] {
        let (status, said) = call(&emea, "POST", "/api/canvases", &canvas("theirs", &audience));
        assert!(status == 422 && said["detail"].to_string().contains("default"), "{status} {said}");
    }
    assert_eq!(call(&emea, "POST", "/api/canvases", &canvas("theirs", "name: Ours, if_missing: create")).0, 200);
    let (_, metrics) = served.ask("GET", "/metrics", "", "");
    assert!(metrics.contains(r#"workspace="emea""#), "{metrics}");
    drop(served);
    // A store stays its workspace's.
    let wrong =
        place.run(["list", "create", "x", "--workspace", "emea", "--store", "default.caravan"]).expect(2).stderr;
    assert!(wrong.contains("workspace `default`"), "{wrong}");
}
