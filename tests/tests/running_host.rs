//! A platform team brings, allows, takes up and takes back versions of a connector while a host serves.
use caravan_tests::served::ask;
use caravan_tests::{Place, Ran, Served, guest, patient};
use serde_json::Value;

const CONNECTIONS: &str =
    "format: 1\nconnections:\n  shop: { connector: meta, lab: true, accounts: { main: act_1 } }\n";
const CANVAS: &str = r#"
format: 1
canvas: called
audiences:
  vip: { connection: shop, account: main, name: VIP, if_missing: create }
entry: { trigger: { api: true }, start: sync }
steps:
  sync: { audience_sync: { audience: vip, action: add, match: [email] }, next: exit }
"#;

/// Meta's component under another version number.
fn version(place: &Place, number: u8) -> String {
    let mut bytes = std::fs::read(guest("meta")).expect("the guest");
    let (from, to) = ("\"version\": \"0.1.0\"", format!("\"version\": \"0.1.{number}\""));
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "the manifest has no version");
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    let name = format!("meta-{number}.wasm");
    place.write(&name, bytes);
    name
}

struct World {
    place: Place,
    url: String,
    keys: [String; 2],
}

impl World {
    fn as_whom(&self, key: &str, arguments: &[&str]) -> Ran {
        let mut command = self.place.caravan([arguments, &["--server", &self.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", key))
    }

    /// As whoever brings components.
    fn ann(&self, arguments: &[&str]) -> Ran {
        self.as_whom(&self.keys[0], arguments)
    }

    /// As whoever allows them.
    fn boss(&self, arguments: &[&str]) -> Ran {
        self.as_whom(&self.keys[1], arguments)
    }

    fn installed(&self, number: u8) -> String {
        let file = version(&self.place, number);
        let installed = self.ann(&["connector", "install", &file, "--json"]).expect(0).json();
        installed["digest"].as_str().expect("a digest").to_owned()
    }

    /// Lets someone enter, and gives the version that carried them.
    fn carried(&self, who: &str) -> String {
        let header = format!("authorization: Bearer {}\r\n", self.keys[1]);
        let body = format!(r#"{{"people":[{{"external_id":"{who}","emails":["{who}@example.com"]}}]}}"#);
        let (status, answer) =
            ask(self.url.trim_start_matches("http://"), "POST", "/api/canvases/called/entries", &header, &body);
        assert_eq!(status, 202, "{answer}");
        let mut batch = Value::Null;
        patient("they are sent", || {
            let seen = self.boss(&["profile", "trace", who, "--json"]);
            let visit = seen.code.filter(|code| *code == 0).map(|_| seen.json()["people"][0]["visits"][0].clone());
            let visit = visit.filter(|visit| visit["status"] == "synced");
            batch = visit.map(|visit| visit["batch"].clone()).unwrap_or_default();
            !batch.is_null()
        });
        let shown = self.boss(&["batch", "show", batch.as_str().expect("a name"), "--json"]).expect(0).json();
        shown["digest"].as_str().expect("a digest").to_owned()
    }

    fn in_use(&self) -> String {
        let all = self.ann(&["connector", "list", "--json"]).expect(0).json();
        let rows = all.as_array().expect("a list");
        let row = rows.iter().find(|row| row["state"].as_str().is_some_and(|state| state == "in use"));
        row.and_then(|row| row["digest"].as_str()).unwrap_or_default().to_owned()
    }
}

#[test]
fn a_version_is_brought_allowed_tried_and_taken_up_while_a_host_serves_and_a_bad_one_goes_back_by_itself() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let lab = place.lab();
    let key = |name: &str, rights: &str| {
        let made = place.run(["key", "add", name, "--rights", rights, "--store", "s.caravan", "--json"]).expect(0);
        made.json()["key"].as_str().expect("a secret").to_owned()
    };
    let keys = [key("ann", "operator"), key("boss", "admin")];
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let mut world = World { url: served.url.clone(), keys, place };
    let bundled = world.carried("p-1");
    // Brought, and not used before somebody else allows it.
    let first = world.installed(1);
    assert_ne!(first, bundled);
    assert!(world.ann(&["connector", "list"]).expect(0).stdout.contains("waits for approval"));
    let refused = world.ann(&["connector", "grant", "meta", "--as-asked"]).expect(2).stderr;
    assert!(refused.contains("CV093") && refused.contains("grant-connectors"), "{refused}");
    assert_eq!(world.carried("p-2"), bundled);
    let granted = world.boss(&["connector", "grant", "meta", "--as-asked"]).expect(0).stdout;
    assert!(granted.contains("tries it with its next batch"), "{granted}");
    assert!(std::fs::read_to_string(world.place.path("grants/meta.yaml")).expect("the grant").contains("sha256:"));
    assert_eq!(world.carried("p-3"), first);
    // A newer one that asks for the same goes through.
    let second = world.installed(2);
    let upgraded = world.boss(&["connector", "upgrade", "meta", "--json"]).expect(0).json();
    assert_eq!(upgraded["state"], "is in use", "{upgraded}");
    assert_eq!(world.carried("p-4"), second);
    // One that breaks a limit carries nobody: it goes back by itself, and stays back.
    let third = world.installed(3);
    let grant = std::fs::read_to_string(world.place.path("grants/meta.yaml")).expect("the grant");
    let requests = grant.lines().find(|line| line.contains("requests:")).expect("a limit");
    let grant = grant.replace(&first, &third).replace(&second, &third).replace(requests, "  requests: 0");
    world.place.write("bad.yaml", grant);
    world.boss(&["connector", "grant", "meta", "--file", "bad.yaml"]).expect(0);
    world.boss(&["connector", "upgrade", "meta"]).expect(0);
    assert_eq!(world.in_use(), third);
    world.carried("p-5");
    patient("the store says so, too", || world.in_use() == second);
    assert_eq!(world.carried("p-6"), second);
    let notes = world.boss(&["audit", "list", "--json"]).expect(0).json();
    let by_host = |note: &&Value| note["who"] == "host" && note["verb"] == "connector.rollback";
    let back = notes.as_array().expect("notes").iter().find(by_host).cloned().unwrap_or_default();
    assert!(back["details"].to_string().contains(&third[..12]), "{notes}");
    // What was loaded and what was denied stand in the chain too; what a connector logged is there to be read.
    for version in [&first, &second, &third] {
        let load =
            |note: &Value| note["verb"] == "connector.load" && note["details"].to_string().contains(version.as_str());
        assert!(notes.as_array().expect("notes").iter().any(load), "{version}: {notes}");
    }
    patient("the denial is noted", || {
        let notes = world.boss(&["audit", "list", "--json"]).expect(0).json();
        let denied =
            |note: &&Value| note["verb"] == "egress.deny" && note["details"].to_string().contains(third.as_str());
        notes.as_array().expect("notes").iter().any(|note| denied(&note))
    });
    let logs = world.ann(&["connector", "logs", "meta", "--json"]).expect(0).json();
    assert!(logs["lines"].is_array(), "{logs}");
    let held = world.ann(&["connector", "hold", "meta", "--reason", "we look at it"]);
    assert_eq!(held.code, Some(0), "{}", held.stderr);
    assert_eq!(world.ann(&["connector", "release", "meta"]).code, Some(0));
    // By hand, and over a restart.
    world.boss(&["connector", "rollback", "meta"]).expect(2);
    assert_eq!(served.term(), Some(0));
    let served = Served::start(&world.place, &lab, "127.0.0.1:0");
    world.url = served.url.clone();
    assert_eq!(world.carried("p-7"), second);
    // Everybody is there, once.
    let numbers = world.boss(&["queue", "list", "--json"]).expect(0).json();
    assert_eq!(numbers[0]["waiting"], 0, "{numbers}");
    let id = caravan_tests::audience_named(&lab, "VIP").expect("the audience");
    let members = caravan_tests::keys_of(&lab, &id).expect("members");
    assert_eq!(members.values().map(std::collections::BTreeSet::len).max(), Some(7), "{members:?}");
}
