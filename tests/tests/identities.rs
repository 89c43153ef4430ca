//! Fields that a connection maps to match keys, through the binary: what arrives at the lab, what is refused with its line,
//! and that whoever may not see identities sees none.
use caravan_tests::{Lab, Place, Ran, Served, audience_named, keys_of, oracle, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONNECTIONS: &str = r#"
format: 1
connections:
  lab-meta:
    connector: meta
    lab: true
    accounts: { main: act_1 }
    identities:
      email: [ email, traits.loyalty_email ]
      phone: { from: traits.phone_hash, hashed: sha256 }
      external_id: traits.customer
"#;

const CANVAS: &str = r#"
format: 1
canvas: mapped
audiences:
  all: { connection: lab-meta, account: main, name: Mapped, if_missing: create }
entry: { trigger: { event: e }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: all, action: add, match: [email, phone] }, next: exit }
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let phone = oracle::sha256("33612345678").to_uppercase();
    let hashed = oracle::sha256("bob@example.com");
    place.write(
        "users.csv",
        format!(
            "external_id,email,phone,loyalty_email,phone_hash,customer\n\
             ann,ann@example.com,+33611111111, Ann.Club@Example.com ,{phone},7\n\
             bob,,,{hashed},not-a-digest,8\n"
        ),
    );
    place
}

fn run(place: &Place, lab: &Lab) -> Ran {
    let arguments = ["run", "canvas.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url, "--json"];
    place.run(arguments)
}

fn hashed(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| oracle::sha256(value)).collect()
}

#[test]
fn plain_and_hashed_attributes_arrive_as_the_keys_that_they_are_mapped_to() {
    let (place, lab) = (place(), Place::new().lab());
    run(&place, &lab).expect(0);
    let audience = audience_named(&lab, "Mapped").expect("one");
    let keys = keys_of(&lab, &audience).expect("members");
    assert_eq!(keys["EMAIL"], hashed(&["ann@example.com", "ann.club@example.com", "bob@example.com"]));
    assert_eq!(keys["PHONE"], hashed(&["33612345678"]), "the mapped field alone, and what is no digest never leaves");
    assert!(!keys.contains_key("EXTERN_ID"), "it is mapped, and the step did not pick it: {keys:?}");

    // The dry run of the step shows the same hashes.
    let dry = ["dry-run", "canvas.yaml", "--step", "sync", "--users", "users.csv", "--store", "s.caravan", "--json"];
    let dry = place.run(dry).expect(0).json();
    let bodies = dry["requests"].to_string();
    assert!(bodies.contains(&oracle::sha256("ann.club@example.com")), "{dry}");
    assert!(!bodies.contains(&oracle::sha256("33611111111")), "{dry}");

    // Another step picks another of the mapped fields.
    place.write(
        "canvas.yaml",
        CANVAS
            .replace("[email, phone]", "[external_id]")
            .replace("Mapped", "Picked")
            .replace("canvas: mapped", "canvas: picked"),
    );
    run(&place, &lab).expect(0);
    let keys = keys_of(&lab, &audience_named(&lab, "Picked").expect("one")).expect("members");
    assert_eq!(keys.keys().map(String::as_str).collect::<Vec<_>>(), ["EXTERN_ID"]);
    assert_eq!(keys["EXTERN_ID"].len(), 2, "{keys:?}");
}

#[test]
fn what_cannot_be_mapped_or_is_not_is_said_with_the_line_of_the_connections() {
    let place = place();
    let validate = || place.run(["canvas", "validate", "canvas.yaml"]);
    validate().expect(0);
    place.write("connections.yaml", CONNECTIONS.replace("external_id: traits", "extern: traits"));
    let wrong = validate().expect(2).stderr;
    assert!(wrong.contains("CV038") && wrong.contains("connections.yaml:11"), "{wrong}");
    assert!(wrong.contains("connections.lab-meta.identities.extern"), "{wrong}");
    place.write("connections.yaml", CONNECTIONS.replace("hashed: sha256", "hashed: md5"));
    let wrong = validate().expect(2).stderr;
    assert!(wrong.contains("CV038") && wrong.contains("connections.yaml:10"), "{wrong}");
    place.write("connections.yaml", CONNECTIONS);
    place.write("canvas.yaml", CANVAS.replace("phone]", "gaid]"));
    let wrong = validate().expect(2).stderr;
    assert!(wrong.contains("CV039") && wrong.contains("`gaid`") && wrong.contains("step `sync`"), "{wrong}");
    assert!(wrong.contains("connections.yaml:9") || wrong.contains("connections.yaml:8"), "{wrong}");
}

#[test]
fn a_policy_that_labels_a_mapped_field_names_the_live_canvas_that_uses_it() {
    let (place, lab) = (place(), Place::new().lab());
    run(&place, &lab).expect(0);
    let policy = |field: &str| {
        let text = format!(
            "format: 1\nlabels:\n  fields: {{ {field}: [sensitive] }}\n  \
             deny: [ {{ name: Club, labels: [sensitive], action: advertising }} ]\n"
        );
        place.write("policy.yaml", text);
        place.run(["policy", "set", "policy.yaml", "--store", "s.caravan"])
    };
    let refused = policy("attributes.loyalty_email").expect(1).stdout;
    assert!(refused.contains("CV027") && refused.contains("loyalty_email"), "{refused}");
    policy("phone").expect(0);
    let validated = place.run(["canvas", "validate", "canvas.yaml", "--policy", "policy.yaml"]);
    validated.expect(0);
}

/// A served workspace with two people whose identifiers are plain in the store.
struct World {
    place: Place,
    host: Served,
    _lab: Lab,
    admin: String,
}

impl World {
    fn new() -> World {
        let place = place();
        place.write("canvas.yaml", CANVAS.replace("{ event: e }", "{ api: true }"));
        let lab = place.lab();
        let made = place.run(["key", "add", "admin", "--rights", "admin", "--store", "s.caravan", "--json"]);
        let admin = made.expect(0).json()["key"].as_str().expect("a secret").to_owned();
        let host = Served::start(&place, &lab, "127.0.0.1:0");
        World { place, host, _lab: lab, admin }
    }

    fn call(&self, key: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, answer) = self.host.ask(method, path, &format!("authorization: Bearer {key}\r\n"), body);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn key(&self, name: &str, rights: &[&str]) -> String {
        let wanted = json!({"name": name, "rights": rights}).to_string();
        let (status, made) = self.call(&self.admin, "POST", "/api/keys", &wanted);
        assert_eq!(status, 201, "{made}");
        made["key"].as_str().expect("a secret").to_owned()
    }
}

/// What must not be seen: the store's identifiers of a person, plain or hashed.
const SECRETS: [&str; 5] =
    ["person.with.a.long.id", "ann.secret@example.com", "club.secret@example.com", "+33612345678", "deadbeefcafe"];

#[test]
fn whoever_may_not_see_identities_sees_none_wherever_people_are_shown() {
    let world = World::new();
    let hash = "deadbeefcafe".repeat(6)[..64].to_owned();
    let person = json!({"people": [{"external_id": SECRETS[0], "emails": [SECRETS[1]], "phones": [SECRETS[3]],
        "attributes": {"loyalty_email": SECRETS[2], "phone_hash": hash, "customer": "c-1", "deep": {"to": SECRETS[2]}}}]});
    assert_eq!(world.call(&world.admin, "POST", "/api/canvases/mapped/entries", &person.to_string()).0, 202);
    let ids = json!({"external_ids": [SECRETS[0]]}).to_string();
    assert!(world.call(&world.admin, "PUT", "/api/lists/vip", "").0 < 300);
    assert_eq!(world.call(&world.admin, "POST", "/api/lists/vip/members", &ids).0, 200);
    let segment = "format: 1\nsegment: everyone\nwho: { attr: customer, exists: true }\n";
    assert_eq!(world.call(&world.admin, "POST", "/api/segments", segment).0, 200);
    let synced = || world.call(&world.admin, "GET", "/api/canvases/mapped/numbers", "").1.to_string();
    patient("they are through", || synced().contains("\"synced\""));
    let members = || world.call(&world.admin, "GET", "/api/segments/everyone/members", "").1;
    patient("the segment is filled", || members().as_array().is_some_and(|all| all.len() == 1));

    let all = world.call(&world.admin, "GET", "/api/me", "").1["rights"].clone();
    let all: Vec<&str> = all.as_array().expect("rights").iter().filter_map(Value::as_str).collect();
    let others: Vec<&str> = all.iter().copied().filter(|right| *right != "see-identities").collect();
    let (masked, plain) = (world.key("masked", &others), world.key("plain", &["viewer", "see-identities"]));
    let canvas = std::fs::read_to_string(world.place.path("canvas.yaml")).expect("the canvas");
    let preview = json!({"canvas": canvas, "profile": SECRETS[0]}).to_string();
    let profile = format!("/api/profiles/{}", SECRETS[0]);
    let shows = [
        ("GET", profile.as_str(), "", false),
        ("GET", "/api/lists/vip/members", "", true),
        ("GET", "/api/segments/everyone/members", "", true),
        ("POST", "/api/canvases/preview", preview.as_str(), true),
    ];
    for (method, path, body, tells) in shows {
        let (status, shown) = world.call(&masked, method, path, body);
        assert_eq!(status, 200, "{path}: {shown}");
        let shown = shown.to_string();
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{path} shows {secret}: {shown}");
        }
        let (status, shown) = world.call(&plain, method, path, body);
        assert_eq!(status, 200, "{path}: {shown}");
        assert_eq!(shown.to_string().contains(SECRETS[0]), tells, "{path}: {shown}");
    }
    assert_eq!(world.call(&masked, "GET", &format!("{profile}?reveal=true"), "").0, 403);
    let revealed = world.call(&plain, "GET", &format!("{profile}?reveal=true"), "").1.to_string();
    assert!(SECRETS[..4].iter().all(|secret| revealed.contains(secret)), "{revealed}");

    // Everything else that can be read says nothing of anybody, whoever asks.
    let (_, document) = world.call("", "GET", "/api/openapi.json", "");
    let batch = world.call(&masked, "GET", "/api/batches", "").1[0]["batch"].as_str().expect("a batch").to_owned();
    let mut read = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item["get"].is_null() || path.contains("members") || path.contains("/profiles/") {
            continue;
        }
        let path = path.replace("{canvas}", "mapped").replace("{batch}", &batch).replace("{connector}", "meta");
        let path = path.replace("{segment}", "everyone").replace("{list}", "vip").replace("{version}", "1");
        let path =
            path.replace("{audience}", "all").replace("{queue}", "mapped%2Fall").replace("{connection}", "lab-meta");
        let (status, answer) = world.call(&masked, "GET", &path, "");
        read += u32::from(status == 200);
        for secret in SECRETS {
            assert!(!answer.to_string().contains(secret), "{path} shows {secret}: {answer}");
        }
    }
    assert!(read > 20, "{read}");
    let mut command = world.place.caravan(["batch", "show", &batch, "--server", &world.host.url, "--body", "b.json"]);
    let refused = Ran::of(command.env("CARAVAN_KEY", &world.admin)).expect(2).stderr;
    assert!(!world.place.path("b.json").exists() && refused.contains("the body of a batch"), "{refused}");
}
