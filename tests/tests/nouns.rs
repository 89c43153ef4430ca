//! Workspaces, hosts and stores as whoever runs an installation handles them: by the command line, and over the API.
use caravan_tests::{LAB_CONNECTIONS, Place, Ran, Served};
use std::process::Stdio;

const TREE: &str = r"
format: 1
canvas: tree
audiences:
  vip: { connection: lab-meta, account: main, name: VIP, if_missing: create }
entry: { trigger: { api: true }, start: sync }
steps:
  sync: { audience_sync: { audience: vip, action: add, match: [email] }, next: exit }
";

fn key(place: &Place, workspace: &str, rights: &str) -> String {
    let made = place.run(["key", "add", rights, "--rights", rights, "--workspace", workspace, "--json"]).expect(0);
    made.json()["key"].as_str().expect("a secret").to_owned()
}

fn served(place: &Place, lab: &str) -> Served {
    let mut command = place.caravan(["serve", "--lab", lab, "--listen", "127.0.0.1:0", "--json"]);
    Served::spawn(command.stdout(Stdio::piped()))
}

#[test]
fn a_workspace_is_made_served_looked_at_and_its_host_asked_to_go() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    let lab = place.lab();
    place.run(["workspace", "create", "default"]).expect(0);
    let text = std::fs::read_to_string(place.path("caravan.toml")).expect("a configuration");
    // What cannot stand there leaves the file as it is.
    for (name, zone) in [("emea", "Mars/Olympus"), ("E M", "UTC"), ("default", "UTC")] {
        place.run(["workspace", "create", name, "--zone", zone]).expect(2);
    }
    assert_eq!(std::fs::read_to_string(place.path("caravan.toml")).expect("a configuration"), text);
    place.run(["workspace", "create", "emea", "--file", "stores-emea.caravan", "--zone", "Europe/Paris"]).expect(0);
    let listed = place.run(["workspace", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[0]["workspace"], &listed[1]["workspace"]), (&"default".into(), &"emea".into()), "{listed}");
    assert!(listed[1]["zone"] == "Europe/Paris" && listed[1]["served_by"].is_null(), "{listed}");
    assert!(place.path("stores-emea.caravan").exists());
    let (boss, other) = (key(&place, "default", "operator"), key(&place, "emea", "operator"));
    let healthy = place.run(["doctor"]).expect(0).stdout;
    assert!(healthy.contains("ok    sandbox") && healthy.contains("emea: store"), "{healthy}");
    let served = served(&place, &lab.url);
    let owner = format!("pid {} on ", served.child.id());
    let hosts = place.run(["host", "list", "--json"]).expect(0).json();
    assert!(hosts[0]["host"].as_str().is_some_and(|host| host.starts_with(&owner)), "{hosts}");
    let drained = place.run(["host", "drain"]).expect(2).stderr;
    assert!(drained.contains("--server") && drained.contains(&owner), "{drained}");
    let remote = |key: &str, arguments: &[&str]| {
        let mut command = place.caravan([arguments, &["--server", &served.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", key))
    };
    // Nothing of one workspace is seen from another.
    let own = remote(&other, &["workspace", "list", "--json"]).expect(0).json();
    assert!(own[0]["workspace"] == "emea" && own[0]["zone"] == "Europe/Paris" && own[1].is_null(), "{own}");
    assert_eq!(remote(&boss, &["host", "list", "--json"]).expect(0).json()["state"], "serving");
    let healthy = remote(&boss, &["doctor"]).expect(0).stdout;
    assert!(healthy.contains("serving") && healthy.contains("ok    audit chain"), "{healthy}");
    // It serves both, so whoever belongs to the other may not end it; nor does a call that names no workspace.
    assert!(remote(&other, &["host", "drain", "--yes"]).expect(2).stderr.contains("CV093"));
    let bearer = format!("authorization: Bearer {boss}\r\n");
    assert_eq!(served.ask("POST", "/api/host/drain", &bearer, "{}").0, 400);
    assert_eq!(served.ask("POST", "/api/host/drain", &bearer, r#"{"workspace": "emea"}"#).0, 400);
    remote(&boss, &["host", "drain", "--yes"]).expect(0);
    let mut served = served;
    assert_eq!(served.child.wait().expect("its end").code(), Some(0), "it went in good order");
    let hosts = place.run(["host", "list", "--json"]).expect(0).json();
    assert!(hosts[0]["host"].is_null() && hosts[1]["host"].is_null(), "{hosts}");
    let notes = place.run(["audit", "list", "--json"]).expect(0).stdout;
    assert!(notes.contains("workspace.create") && notes.contains("host.drain"), "{notes}");
}

#[test]
fn a_store_is_copied_while_nobody_writes_to_it_and_upgraded_once() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    let lab = place.lab();
    let caravan = |arguments: &[&str]| place.run([arguments, &["--store", "s.caravan"]].concat());
    caravan(&["list", "create", "vip"]).expect(0);
    let same = caravan(&["store", "upgrade", "--json"]).expect(0).json();
    assert!(same["from"] == same["to"] && same["to"].is_u64(), "{same}");
    // One that an older version left is not looked at before; `store/tests` shows the upgrade itself.
    let edit = |format: u64| {
        let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2])";
        let sql = format!("UPDATE meta SET value = {format} WHERE key IN ('format', 'min_reader')");
        let mut python = std::process::Command::new("python3");
        let edited = python.args(["-c", script]).arg(place.path("s.caravan")).arg(sql).status();
        assert!(edited.expect("python").success());
    };
    edit(1);
    assert!(caravan(&["list", "list"]).expect(2).stderr.contains("caravan store upgrade"));
    edit(2);
    caravan(&["store", "copy", "sqlite:copy.caravan"]).expect(0);
    let listed = place.run(["list", "list", "--store", "copy.caravan"]).expect(0).stdout;
    assert!(listed.contains("vip"), "{listed}");
    assert!(caravan(&["store", "copy", "copy.caravan"]).expect(2).stderr.contains("copy.caravan"), "none is replaced");
    assert!(caravan(&["store", "copy", "postgres://db/people"]).expect(2).stderr.contains("SQLite"));
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    for verb in [&["store", "copy", "late.caravan"][..], &["store", "upgrade"]] {
        assert!(caravan(verb).expect(2).stderr.contains("CV070"), "{verb:?}");
    }
    assert!(!place.path("late.caravan").exists());
    assert_eq!(served.term(), Some(0));
}

#[test]
fn a_canvas_to_begin_with_can_be_published_as_it_is_and_replaces_no_file() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.run(["canvas", "new", "win-back"]).expect(0);
    place.run(["canvas", "validate", "win-back.yaml"]).expect(0);
    let text = std::fs::read_to_string(place.path("win-back.yaml")).expect("a canvas");
    assert!(text.contains("connection: \"lab-meta\", account: \"main\""), "{text}");
    place.run(["canvas", "new", "win-back", "--connection", "other"]).expect(2);
    assert_eq!(std::fs::read_to_string(place.path("win-back.yaml")).expect("a canvas"), text);
    place.run(["canvas", "new", "Win Back"]).expect(2);
    let lab = place.lab();
    place.run(["canvas", "publish", "win-back.yaml", "--store", "s.caravan", "--lab", &lab.url]).expect(0);
}

#[test]
fn a_doctor_says_what_is_missing_to_work() {
    let place = Place::new();
    let missing = LAB_CONNECTIONS.replace("connector: meta", "connector: nobody");
    assert_ne!(missing, LAB_CONNECTIONS);
    place.write("connections.yaml", missing);
    let said = place.run(["doctor"]).expect(1).stdout;
    assert!(said.contains("FAIL  connections.yaml") && said.contains("CV053"), "{said}");
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.run(["doctor", "--json"]).expect(0);
}

#[test]
fn a_serving_host_tells_of_people_queues_and_audiences_in_the_words_of_its_store() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", TREE);
    place.write("u.csv", "external_id,emails,country\nu1,u1@acme.example,FR\nu2,,FR\nu3,u3@acme.example,FR\n");
    let lab = place.lab();
    let of_store = ["--store", "s.caravan"];
    place.run(["run", "canvas.yaml", "--users", "u.csv", "--lab", &lab.url, "--store", "s.caravan"]).expect(0);
    let key = place.run(["key", "add", "boss", "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0).json();
    let key = key["key"].as_str().expect("a secret").to_owned();
    place.run([&["queue", "hold", "--connector", "tiktok", "--because", "a look"], &of_store[..]].concat()).expect(0);
    place.write("far.yaml", "format: 1\nsegment: far\ntitle: Far away\nwho: { attr: country, eq: XX }\n");
    for verb in [
        &["list", "create", "vip"][..],
        &["list", "add", "vip", "u.csv"],
        &["segment", "set", "far.yaml"],
        &["member", "add", "ann@acme.example", "--rights", "designer", "--name", "Ann"],
        &["alert", "add", "ops", "--to", "mailto:ops@acme.example", "--canvas", "tree"],
    ] {
        place.run([verb, &of_store].concat()).expect(0);
    }
    let asked: [(&[&str], i32); 23] = [
        (&["canvas", "numbers", "tree"], 0),
        (&["profile", "trace", "u1", "--reveal"], 0),
        (&["queue", "list"], 1),
        (&["queue", "show", "vip"], 0),
        (&["audience", "list"], 0),
        (&["audience", "show", "vip"], 0),
        (&["batch", "show", "1-1"], 0),
        (&["catalogue", "show"], 0),
        (&["canvas", "preview", "canvas.yaml", "--profile", "u1", "--at", "2026-12-24T10:00:00Z"], 0),
        (&["canvas", "preview", "canvas.yaml", "--profile", "u2", "--at", "2026-12-24T10:00:00Z"], 0),
        (&["canvas", "list"], 0),
        (&["canvas", "history", "tree"], 0),
        (&["canvas", "cap", "tree"], 0),
        (&["segment", "list"], 0),
        (&["segment", "count", "far"], 0),
        (&["list", "list"], 0),
        (&["list", "show", "vip"], 0),
        (&["list", "show", "vip", "--members", "2"], 0),
        (&["member", "list"], 0),
        (&["key", "list"], 0),
        (&["audit", "list", "--limit", "8"], 0),
        (&["store", "check"], 0),
        (&["alert", "list"], 0),
    ];
    let before: Vec<Ran> =
        asked.iter().map(|(verb, code)| place.run([*verb, &of_store].concat()).expect(*code)).collect();
    let (tree, person, queues) = (&before[0].stdout, &before[1].stdout, &before[2].stdout);
    assert!(tree.contains("no usable identifier") && tree.contains("= 3 entered"), "{tree}");
    assert!(person.contains("tree v1") && person.contains("u1@acme.example"), "{person}");
    assert!(queues.contains("also held: connector tiktok"), "{queues}");
    assert!(before[8].stdout.contains("synced: sends POST"), "{}", before[8].stdout);
    assert!(before[9].stdout.contains("(e-mail is missing or empty): sends nothing"), "{}", before[9].stdout);
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    for ((verb, code), before) in asked.iter().zip(&before) {
        let mut command = place.caravan([*verb, &["--server", &served.url]].concat());
        let now = Ran::of(command.env("CARAVAN_KEY", &key)).expect(*code);
        assert_eq!(now.stdout, before.stdout, "{verb:?}");
    }
    // What changes something, and checklists, too.
    let remote = |words: &[&str], code: i32| {
        let mut command = place.caravan([words, &["--server", &served.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", &key)).expect(code)
    };
    let made = remote(&["key", "add", "other", "--rights", "viewer", "--quiet"], 0);
    assert!(made.stdout.starts_with("ck_") && made.stdout.lines().count() == 1, "a script can take it");
    let link = remote(&["member", "link", "ann@acme.example"], 0).stdout;
    assert!(link.starts_with("cl_") && link.lines().count() == 1);
    let saved = remote(&["canvas", "save", "canvas.yaml"], 0).stdout;
    assert!(saved.starts_with("the draft of tree is kept"), "{saved}");
    let live = remote(&["canvas", "publish", "canvas.yaml", "--yes", "--no-check"], 0);
    assert!(live.stdout.is_empty() && live.stderr.contains("tree is live, version 1"), "{live:?}");
    let check = ["connection", "check", "lab-meta", "--lab", &lab.url, "--store"];
    let there = place.run([&check[..], &["s.caravan"]].concat()).expect(0);
    assert_eq!(remote(&check[..3], 0).stdout, there.stdout);
    let paused = remote(&["canvas", "pause", "tree"], 0).stdout;
    assert!(paused.starts_with("tree is paused: nobody enters; 0 people wait at steps"), "{paused}");
    assert!(remote(&["canvas", "pause", "tree"], 0).stdout.starts_with("tree is paused already: "), "{paused}");
    assert!(remote(&["canvas", "resume", "tree"], 0).stdout.starts_with("tree is live: people enter; "));
    assert_eq!(remote(&["canvas", "cap", "tree", "--day", "5"], 0).stdout, "tree lets in at most 5 people a day\n");
    assert!(remote(&["segment", "show", "far"], 0).stdout.starts_with("segment far: 0 people"));
    place.write("bad.yaml", TREE.replace("match: [email]", "match: [e-mail]"));
    let wrong = remote(&["canvas", "validate", "bad.yaml"], 2);
    assert!(wrong.stdout.is_empty() && wrong.stderr.contains("bad.yaml:"), "{wrong:?}");
    assert!(remote(&["canvas", "validate", "canvas.yaml"], 0).stderr.contains("canvas.yaml: valid"));
    assert_eq!(served.term(), Some(0));
    assert!(!place.path("s.caravan-wal").exists(), "a store that is given back is one file");
}
