//! The API of a host that serves: rights, what its document says, and the command line over it.
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, Ran, Served, audience_named, keys_of, oracle, patient, python, word};
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod generated;
mod leaving;

const CALLED: &str = r#"
format: 1
canvas: called
audiences:
  vip: { connection: lab-meta, account: main, name: VIP, if_missing: create }
entry: { trigger: { api: true }, re_entry: always, start: sync }
steps:
  sync: { audience_sync: { audience: vip, action: add, match: [email] }, next: exit }
"#;

const SEGMENT: &str = "format: 1\nsegment: pro\nwho: { attr: plan, in: [pro] }\n";

/// A host with a lab, and an admin's key.
struct World {
    place: Place,
    lab: Lab,
    host: Served,
    admin: String,
}

impl World {
    fn new() -> World {
        let place = Place::new();
        place.write("connections.yaml", LAB_CONNECTIONS);
        place.write("canvas.yaml", CALLED);
        place.write("segment.yaml", SEGMENT);
        let lab = place.lab();
        let admin = key(&place, "admin", "admin");
        let host = Served::start(&place, &lab, "127.0.0.1:0");
        World { place, lab, host, admin }
    }

    /// A call with a key.
    fn call(&self, key: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, answer) = self.host.ask(method, path, &format!("authorization: Bearer {key}\r\n"), body);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn made(&self, name: &str, rights: &[&str]) -> String {
        let wanted = json!({"name": name, "rights": rights}).to_string();
        let (status, made) = self.call(&self.admin, "POST", "/api/keys", &wanted);
        assert_eq!(status, 201, "{made}");
        made["key"].as_str().expect("a secret").to_owned()
    }

    /// The command line, over the host.
    fn caravan(&self, key: &str, arguments: &[&str]) -> Ran {
        let mut command = self.place.caravan([arguments, &["--server", &self.host.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", key))
    }
}

/// A key of a store that nobody serves yet.
fn key(place: &Place, name: &str, rights: &str) -> String {
    let made = place.run(["key", "add", name, "--rights", rights, "--store", "s.caravan", "--json"]).expect(0).json();
    made["key"].as_str().expect("a secret").to_owned()
}

/// Every call of the document: method, path with `x` in its places, and the rights that it asks for (`None`: anyone may).
fn calls(document: &Value) -> Vec<(String, String, Option<Vec<String>>)> {
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>();
        for (method, call) in item.as_object().expect("calls") {
            let asked = call["security"][0]["key"].as_array();
            let rights = asked.map(|scopes| scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            calls.push((method.to_uppercase(), path.join("/"), rights));
        }
    }
    calls
}

#[test]
fn each_call_asks_for_the_rights_that_its_document_names_and_says_nothing_without_one_of_them() {
    let world = World::new();
    let (status, document) = world.call("", "GET", "/api/openapi.json", "");
    assert_eq!(status, 200);
    let rights = world.call(&world.admin, "GET", "/api/me", "").1["rights"].clone();
    let all: Vec<&str> = rights.as_array().expect("rights").iter().filter_map(Value::as_str).collect();
    let without = |right: &&str| {
        let others: Vec<&str> = all.iter().copied().filter(|other| other != right).collect();
        ((*right).to_owned(), world.made(&format!("all but {right}"), &others))
    };
    let without: BTreeMap<String, String> = all.iter().map(without).collect();
    let mut only: BTreeMap<String, String> = BTreeMap::new();
    let calls = calls(&document);
    assert!(calls.len() > 50, "{calls:?}");
    for (method, path, rights) in &calls {
        let shown = format!("{method} {path}");
        let Some(rights) = rights else {
            assert_ne!(world.call("", method, path, "{}").0, 403, "{shown}");
            continue;
        };
        let (status, said) = world.call("ck_nobody", method, path, "{}");
        assert_eq!((status, said["code"].as_str()), (401, Some("CV092")), "{shown}");
        if rights.is_empty() {
            continue;
        }
        for right in rights {
            let (status, said) = world.call(&without[right], method, path, "{}");
            assert_eq!((status, said["code"].as_str()), (403, Some("CV093")), "{shown}: {said}");
            assert!(!said.to_string().contains("called"), "it sees nothing: {said}");
        }
        // The key that lists keys and members is the one that could remove them: its calls name what is not there.
        let words: Vec<&str> = rights.iter().map(String::as_str).collect();
        let own =
            only.entry(rights.join(" and ")).or_insert_with_key(|name| world.made(&format!("only {name}"), &words));
        let (status, said) = world.call(own, method, path, "{}");
        assert!(![401, 403, 405].contains(&status) && status < 500, "{shown}: {status} {said}");
    }
}

#[test]
fn identifiers_go_to_a_partner_only_by_whoever_may_export_them() {
    let world = World::new();
    let (_, me) = world.call(&world.admin, "GET", "/api/me", "");
    let most: Vec<&str> = me["rights"].as_array().expect("rights").iter().filter_map(Value::as_str).collect();
    let most: Vec<&str> = most.into_iter().filter(|right| *right != "export-identities").collect();
    let (without, designer) = (world.made("all but export", &most), world.made("a designer", &["designer"]));
    let refused = |(status, said): (u16, Value)| {
        assert_eq!((status, said["code"].as_str()), (403, Some("CV093")), "{said}");
        assert!(said["detail"].as_str().is_some_and(|words| words.contains("export-identities")), "{said}");
        assert!(said["cure"].is_string(), "{said}");
    };
    // A canvas with a sync, as a new version and as a draft that is made live, and a segment.
    let again = CALLED.replace("re_entry: always", "re_entry: never");
    refused(world.call(&without, "POST", "/api/canvases", &again));
    refused(world.call(&without, "POST", "/api/segments/pro/activations", "{}"));
    refused(world.call(&without, "POST", "/api/audiences/vip/rebind", r#"{"id":"1"}"#));
    assert_eq!(world.call(&without, "PUT", "/api/canvases/called/draft", &again).0, 200, "a draft sends nothing");
    let said = world.caravan(&without, &["canvas", "publish", "called", "--yes"]).expect(2).stderr;
    assert!(said.contains("CV093") && said.contains("export-identities"), "{said}");
    assert_eq!(world.call(&world.admin, "GET", "/api/canvases/called", "").1["version"], 1);
    // One that sends nobody anywhere needs it not.
    let quiet = "format: 1\ncanvas: quiet\nentry: { trigger: { api: true }, start: mark }\nsteps:\n  mark: { update: { \
                 tier: gold }, next: exit }\n";
    assert_eq!(world.call(&without, "POST", "/api/canvases", quiet).0, 200);
    // A designer has it.
    let (status, said) = world.call(&designer, "POST", "/api/canvases", &again);
    assert_eq!((status, &said["version"]), (200, &json!(2)), "{said}");
    world.call(&world.admin, "POST", "/api/segments", SEGMENT);
    let wanted = r#"{"connection":"lab-meta","account":"main","mode":"streaming","match":["email"]}"#;
    refused(world.call(&without, "POST", "/api/segments/pro/activations", wanted));
    let (status, said) = world.call(&designer, "POST", "/api/segments/pro/activations", wanted);
    assert_eq!(status, 200, "{said}");
    // Which fields leave by a connection is decided by the same right, and what leaves unhashed by whoever grants connectors.
    let made = |key: &str, name: &str, more: Value| {
        let mut connection = json!({"connector": "marketo", "lab": true, "accounts": {"main": "123-ABC-456"},
            "settings": {"munchkin": "123-ABC-456", "folder": 13}});
        connection.as_object_mut().expect("one").extend(more.as_object().expect("more").clone());
        world.call(key, "POST", "/api/connections", &json!({"name": name, "connection": connection}).to_string())
    };
    let operator = world.made("an operator", &["operator"]);
    refused(made(&without, "mapped", json!({"identities": {"external_id": "traits.lead"}})));
    assert_eq!(made(&operator, "mapped", json!({"identities": {"external_id": "traits.lead"}})).0, 201);
    let (status, said) = made(&operator, "plain", json!({"raw": ["EMAIL"]}));
    assert!(status == 403 && said["detail"].as_str().is_some_and(|words| words.contains("grant-connectors")), "{said}");
    let (status, said) = made(&world.admin, "plain", json!({"raw": ["EMAIL"]}));
    assert_eq!((status, &said["raw"]), (201, &json!(["EMAIL"])), "{said}");
}

#[test]
fn people_enter_by_a_call_once_for_a_key_and_are_seen_masked() {
    let world = World::new();
    let body = r#"{"people":[{"external_id":"u-1","emails":["ann.secret@example.com"]},{"external_id":"u-2"}]}"#;
    let header = format!("authorization: Bearer {}\r\nidempotency-key: order-7\r\n", world.admin);
    for known in [0, 2] {
        let (status, answer) = world.host.ask("POST", "/api/canvases/called/entries", &header, body);
        assert_eq!(status, 202, "{answer}");
        assert!(answer.contains(&format!("\"known\":{known}")), "{answer}");
    }
    let n = |status: &str| {
        let numbers = world.call(&world.admin, "GET", "/api/canvases/called/numbers", "").1;
        let statuses = numbers[0]["steps"][0]["statuses"].as_array().cloned().unwrap_or_default();
        let of = statuses.iter().filter(|one| one["status"] == status);
        of.map(|one| one["n"].as_u64().expect("a number")).sum::<u64>()
    };
    patient("both are through", || n("synced") + n("skipped") == 2);
    assert_eq!((n("synced"), n("skipped"), n("waiting")), (1, 1, 0));
    let viewer = world.made("viewer", &["viewer"]);
    let (status, found) = world.call(&viewer, "GET", "/api/profiles/u-1", "");
    assert_eq!(status, 200);
    assert!(!found.to_string().contains("ann.secret"), "{found}");
    assert_eq!(world.call(&viewer, "GET", "/api/profiles/u-1?reveal=true", "").0, 403);
    let (_, found) = world.call(&world.admin, "GET", "/api/profiles/u-1?reveal=true", "");
    assert!(found.to_string().contains("ann.secret@example.com"), "{found}");
    // Whoever looked is noted, without the person.
    let (_, notes) = world.call(&world.admin, "GET", "/api/audit?limit=1000", "");
    let revealed = notes.as_array().expect("notes").iter().filter(|note| note["verb"] == "profile.reveal").count();
    assert!(revealed == 1 && !notes.to_string().contains("u-1"), "{notes}");
    // Keys of the store send events, too, as far as they may.
    let (writer, event) = (world.made("writer", &["send-events"]), r#"{"userId":"u-9","event":"Seen"}"#);
    assert_eq!(world.call(&writer, "POST", "/v1/track", event).0, 200);
    assert_eq!(world.call(&viewer, "POST", "/v1/track", event).0, 401);
}

#[test]
fn members_sign_in_by_password_or_once_by_link_and_nobody_gives_what_they_do_not_have() {
    let world = World::new();
    let admin = world.admin.clone();
    let put = |key: &str, email: &str, change: Value| {
        world.call(key, "PUT", &format!("/api/members/{email}"), &change.to_string())
    };
    let boss = json!({"rights": ["admin"], "password": "correct horse battery"});
    assert_eq!(put(&admin, "Boss@Acme.example", boss).0, 200);
    assert_eq!(put(&admin, "not-an-address", json!({"rights": ["viewer"]})).0, 400);
    assert_eq!(put(&admin, "ann@acme.example", json!({"rights": ["viewer"], "password": "short"})).0, 400);
    assert_eq!(put(&admin, "ann@acme.example", json!({"rights": ["manage-members", "view-canvases"]})).0, 200);
    let sign = |body: Value| world.call("", "POST", "/api/sessions", &body.to_string());
    let (status, session) = sign(json!({"email": "boss@acme.example", "password": "correct horse battery"}));
    assert_eq!(status, 201, "{session}");
    let boss = session["token"].as_str().expect("a token").to_owned();
    assert_eq!(world.call(&boss, "GET", "/api/me", "").1["who"], "member:boss@acme.example");
    let (_, link) = world.call(&boss, "POST", "/api/members/ann@acme.example/links", "");
    let link = link["link"].as_str().expect("a link").to_owned();
    let (status, session) = sign(json!({"link": link}));
    assert_eq!(status, 201, "{session}");
    assert_eq!(sign(json!({"link": link})).0, 401, "a link is used up");
    let ann = session["token"].as_str().expect("a token").to_owned();
    // She manages members, and cannot make herself or others more than she is.
    let (status, said) = put(&ann, "ann@acme.example", json!({"rights": ["admin"]}));
    assert_eq!((status, said["place"].as_str()), (403, Some("rights")), "{said}");
    assert_eq!(put(&ann, "boss@acme.example", json!({"rights": ["viewer"]})).0, 403);
    assert_eq!(world.call(&ann, "DELETE", "/api/members/boss@acme.example", "").0, 403);
    let (status, _) = world.call(&ann, "POST", "/api/keys", r#"{"name":"k","rights":["audit"]}"#);
    assert_eq!(status, 403);
    // Five wrong passwords close the door for a while.
    let wrong = || sign(json!({"email": "boss@acme.example", "password": "not this one"})).0;
    let said: Vec<u16> = (0..6).map(|_| wrong()).collect();
    assert_eq!(said, [401, 401, 401, 401, 401, 429]);
    // Who is removed is signed out; the last one who manages members stays.
    assert_eq!(world.call(&boss, "DELETE", "/api/members/ann@acme.example", "").0, 204);
    assert_eq!(world.call(&ann, "GET", "/api/me", "").0, 401);
    assert_eq!(world.call(&admin, "DELETE", "/api/members/boss@acme.example", "").0, 400);
    assert_eq!(world.call(&boss, "DELETE", "/api/sessions", "").0, 204);
    assert_eq!(world.call(&boss, "GET", "/api/me", "").0, 401);
    let bytes = std::fs::read(world.place.path("s.caravan")).expect("the store");
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(&boss) && !text.contains(&link) && !text.contains("correct horse"), "secrets are not kept");
}

#[test]
fn the_command_line_does_on_a_serving_host_what_it_does_on_a_store() {
    let world = World::new();
    let caravan = |arguments: &[&str]| world.caravan(&world.admin, arguments);
    // The store is the host's: without --server a change is refused, and says how to go on.
    let refused = world.place.run(["canvas", "pause", "called", "--store", "s.caravan"]).expect(2);
    assert!(refused.stderr.contains("CV070") && refused.stderr.contains("--server"), "{}", refused.stderr);
    let second = CALLED.replace("canvas: called", "canvas: second").replace("{ api: true }", "{ event: Lapsed }");
    world.place.write("second.yaml", &second);
    caravan(&["canvas", "validate", "second.yaml"]).expect(0);
    caravan(&["canvas", "publish", "second.yaml"]).expect(0);
    world.place.write("wrong.yaml", second.replace("start: sync", "start: snyc"));
    let wrong = caravan(&["canvas", "publish", "wrong.yaml"]).expect(2).stderr;
    assert!(wrong.contains("CV010") && wrong.contains("wrong.yaml") && wrong.contains("cure"), "{wrong}");
    // A canvas that was published while the host serves lets people in.
    let (status, answer) = world.host.send("/v1/track", r#"{"userId":"p-1","event":"Lapsed"}"#);
    assert_eq!(status, 200, "{answer}");
    let numbers = || world.call(&world.admin, "GET", "/api/canvases/second/numbers", "").1;
    patient("they are through", || numbers()[0]["entered"] == 1 && numbers()[0]["inside"] == 0);
    caravan(&["segment", "set", "segment.yaml"]).expect(0);
    world.place.write("users.csv", "external_id,email,plan\np-1,one@example.com,pro\np-2,two@example.com,free\n");
    caravan(&["profile", "import", "users.csv"]).expect(0);
    let counted = caravan(&["segment", "count", "pro", "--json"]).expect(0).json();
    assert_eq!(counted, json!({"segment": "pro", "fulfil": 1, "people": 2}));
    caravan(&["list", "create", "vip"]).expect(0);
    caravan(&["list", "add", "vip", "users.csv"]).expect(0);
    let lists = caravan(&["list", "list", "--json"]).expect(0).json();
    assert_eq!(lists, json!([{"name": "vip", "members": 2}]));
    let activated = ["segment", "activate", "pro", "--connection", "lab-meta", "--account", "main", "--match", "email"];
    caravan(&activated).expect(0);
    caravan(&["queue", "hold", "--connection", "lab-meta", "--because", "an audit"]).expect(0);
    let queues = caravan(&["queue", "list"]).expect(1).stdout;
    assert!(queues.contains("an audit") && queues.contains("QUEUE"), "{queues}");
    caravan(&["queue", "resume", "--connection", "lab-meta"]).expect(0);
    caravan(&["canvas", "cap", "second", "--day", "5"]).expect(0);
    assert_eq!(caravan(&["canvas", "cap", "second", "--json"]).expect(0).json()["day"], 5);
    caravan(&["canvas", "pause", "second"]).expect(0);
    caravan(&["canvas", "stop", "second", "--now", "--yes"]).expect(0);
    world.place.write("policy.yaml", "format: 1\nconsent: { demand: [advertising] }\n");
    caravan(&["policy", "set", "policy.yaml"]).expect(0);
    assert!(caravan(&["policy", "show"]).expect(0).stdout.contains("demand"));
    let checked = caravan(&["connection", "check", "lab-meta", "--json"]).expect(0).json();
    assert_eq!(checked["good"], true, "{checked}");
    caravan(&["audit", "verify"]).expect(0);
    // The policy holds at once: who never consented is not sent any more.
    let body = r#"{"people":[{"external_id":"u-5","emails":["five@example.com"]}]}"#;
    assert_eq!(world.call(&world.admin, "POST", "/api/canvases/called/entries", body).0, 202);
    let numbers = || world.call(&world.admin, "GET", "/api/canvases/called/numbers", "").1;
    patient("they are skipped", || numbers()[0]["steps"][0]["statuses"][0]["reason"] == "consent-unknown");
    assert_eq!((&numbers()[0]["entered"], &numbers()[0]["inside"]), (&json!(1), &json!(0)), "{}", numbers());
    // Whoever may only look cannot do, and a key that nobody knows cannot look.
    let viewer = world.made("viewer", &["viewer"]);
    let refused = world.caravan(&viewer, &["canvas", "pause", "called"]).expect(2).stderr;
    assert!(refused.contains("CV093") && refused.contains("publish-canvases"), "{refused}");
    assert!(world.caravan("ck_nobody", &["queue", "list"]).expect(2).stderr.contains("CV092"));
    drop(world.lab);
}

#[test]
fn trials_and_files_of_events_go_over_a_serving_host_too() {
    let world = World::new();
    let caravan = |arguments: &[&str]| world.caravan(&world.admin, arguments);
    world.place.write("users.csv", "external_id,email\np-1,one@example.com\np-2,two@example.com\n");
    caravan(&["profile", "import", "users.csv"]).expect(0);
    // What would happen, and the very requests; nobody entered by that.
    let way = caravan(&["canvas", "preview", "canvas.yaml", "--profile", "p-1", "--json"]).expect(0).json();
    assert_eq!((&way["external_id"], &way["visits"][0]["step"]), (&json!("p-1"), &json!("sync")), "{way}");
    let request = &way["visits"][0]["sync"]["requests"][0];
    assert!(request["url"].as_str().is_some_and(|url| url.contains("facebook.com")), "{way}");
    assert!(request.get("body").is_none(), "bodies are for who asks for a dry run: {way}");
    let nobody = caravan(&["canvas", "preview", "canvas.yaml", "--profile", "p-9"]).expect(2).stderr;
    assert!(nobody.contains("CV020") || nobody.contains("nobody"), "{nobody}");
    let dry = ["dry-run", "canvas.yaml", "--step", "sync", "--users", "users.csv", "--json"];
    let here = world.place.run([&dry[..], &["--connections", "connections.yaml"]].concat()).expect(0).json();
    let there = caravan(&dry).expect(0).json();
    assert_eq!(there["requests"].as_array().map(Vec::len), here["requests"].as_array().map(Vec::len), "{there}");
    assert_eq!(there["results"], here["results"]);
    assert!(there["requests"][0]["body"].as_str().is_some_and(|body| body.contains("EMAIL")), "{there}");
    let accounts = caravan(&["connection", "accounts", "lab-meta", "--json"]).expect(0).json();
    assert!(accounts.as_array().is_some_and(|all| !all.is_empty()), "{accounts}");
    // Events of a file: once, however often it is sent, with what cannot be read told by its line.
    let second = CALLED.replace("canvas: called", "canvas: lapsed").replace("{ api: true }", "{ event: Lapsed }");
    world.place.write("lapsed.yaml", second);
    caravan(&["canvas", "publish", "lapsed.yaml"]).expect(0);
    let lines = "external_id,event,timestamp\np-1,Lapsed,2026-11-01T09:00:00Z\np-2,Lapsed,2026-11-01T09:00:00Z\n\
        p-2,Opened,someday\n";
    world.place.write("events.csv", lines);
    let sent = caravan(&["event", "import", "events.csv", "--json"]).expect(1);
    assert_eq!(sent.json(), json!({"new": 2, "known": 0, "bad": 1}));
    assert!(sent.stderr.contains("events.csv") && sent.stderr.contains(":4"), "{}", sent.stderr);
    let again = caravan(&["event", "import", "events.csv", "--json"]).expect(1).json();
    assert_eq!(again, json!({"new": 0, "known": 2, "bad": 1}));
    let numbers = || world.call(&world.admin, "GET", "/api/canvases/lapsed/numbers", "").1;
    patient("they are through", || numbers()[0]["entered"] == 2 && numbers()[0]["inside"] == 0);
    // A policy is looked at without being kept; a subscription is shown and tried.
    world.place.write("policy.yaml", "format: 1\nconsent: { demand: [advertising] }\n");
    let checked = caravan(&["policy", "check", "policy.yaml", "--json"]).expect(0).json();
    assert_eq!(checked["kept"], false);
    assert!(!caravan(&["policy", "show"]).expect(0).stdout.contains("demand"));
    caravan(&["alert", "add", "ops", "--to", "webhook:env:NOWHERE_TO_GO"]).expect(0);
    let shown = caravan(&["alert", "show", "ops", "--json"]).expect(0).json();
    assert_eq!(shown["notices"], 0, "{shown}");
    let tried = caravan(&["alert", "test", "ops", "--json"]).expect(1).json();
    assert_eq!(tried[0]["sent"], false, "{tried}");
    drop(world.lab);
}

#[test]
fn a_backup_is_fetched_from_a_serving_host_by_whoever_may_and_is_whole() {
    let world = World::new();
    world.place.write("users.csv", "external_id,email\np-1,one@example.com\n");
    world.caravan(&world.admin, &["profile", "import", "users.csv"]).expect(0);
    let operator = world.made("operator", &["operator"]);
    let refused = world.caravan(&operator, &["store", "backup", "copy.caravan"]).expect(2).stderr;
    assert!(refused.contains("CV093") && refused.contains("back-up"), "{refused}");
    assert!(!world.place.path("copy.caravan").exists(), "nothing is left of a refusal");
    let made = world.caravan(&world.admin, &["store", "backup", "copy.caravan", "--json"]).expect(0).json();
    let file = std::fs::metadata(world.place.path("copy.caravan")).expect("the copy");
    assert_eq!(made["bytes"], file.len());
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
    let again = world.caravan(&world.admin, &["store", "backup", "copy.caravan"]).expect(2).stderr;
    assert!(again.contains("CV001") && again.contains("copy.caravan"), "{again}");
    world.place.run(["store", "check", "--store", "copy.caravan"]).expect(0);
    let found = world.place.run(["profile", "trace", "p-1", "--store", "copy.caravan", "--json"]).expect(0);
    assert!(found.stdout.contains("p-1"), "{}", found.stdout);
    let chain = world.caravan(&world.admin, &["audit", "list", "--json"]).expect(0).stdout;
    assert!(chain.contains("store.backup"), "{chain}");
}
