//! Which partners an installation may use: slots that are bought, given and taken away while a host serves, for all of its
//! workspaces.
use caravan_tests::{Lab, Place, Ran, Served, audience_named, keys_of, oracle, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;

const CONNECTIONS: &str = r#"
format: 1
connections:
  shop: { connector: criteo, lab: true, accounts: { main: "1" } }
  snap: { connector: snapchat, lab: true, accounts: { main: 8adc3db7-8148-4fbf-999c-000000000001 } }
"#;

fn canvas(id: &str, connection: &str) -> String {
    format!(
        "format: 1\ncanvas: {id}\naudiences:\n  vip: {{ connection: {connection}, account: main, name: People, if_missing: create }}\n\
         entry: {{ trigger: {{ event: Lapsed }}, start: sync }}\nsteps:\n  \
         sync: {{ audience_sync: {{ audience: vip, action: add, match: [email] }}, next: exit }}\n"
    )
}

/// A place with connections, a canvas, a store and keys of these rights.
fn place_with<const N: usize>(rights: [&str; N]) -> (Place, [String; N]) {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("in", "shop"));
    let key = |rights: &str| {
        let made = place.run(["key", "add", rights, "--rights", rights, "--store", "s.caravan", "--json"]);
        made.expect(0).json()["key"].as_str().expect("a secret").to_owned()
    };
    let keys = rights.map(key);
    (place, keys)
}

fn on(place: &Place, served: &Served, key: &str, words: &[&str]) -> Ran {
    let mut command = place.caravan([words, &["--server", &served.url]].concat());
    Ran::of(command.env("CARAVAN_KEY", key))
}

fn lapses(served: &Served, who: &str) {
    let event =
        json!({"userId": who, "event": "Lapsed", "context": {"traits": {"email": format!("{who}@example.com")}}});
    let (status, answer) = served.send("/v1/track", &event.to_string());
    assert_eq!(status, 200, "{answer}");
}

fn there(lab: &Lab) -> BTreeSet<String> {
    let Ok(list) = audience_named(lab, "People") else { return BTreeSet::new() };
    keys_of(lab, &list).expect("members").remove("email").unwrap_or_default()
}

fn hashed(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| oracle::sha256(&format!("{name}@example.com"))).collect()
}

#[test]
fn a_slot_that_is_taken_away_holds_its_queues_at_once_and_given_back_lets_everybody_go_on() {
    let (place, [admin, viewer]) = place_with(["admin", "viewer"]);
    let lab = place.lab();
    let served = Served::of(&place, &lab, "127.0.0.1:0", &["in.yaml"]);
    let boss = |words: &[&str]| on(&place, &served, &admin, words);
    let queue = || boss(&["queue", "list", "--json"]).json()[0].clone();
    let is_held = || queue()["state"]["state"] == "held" && queue().to_string().contains("not_entitled");
    let list = boss(&["entitlement", "list", "--json"]).expect(0).json();
    assert_eq!((&list["limited"], &list["partners"][0]["state"]), (&json!(false), &json!("allowed")), "{list}");
    lapses(&served, "a");
    patient("a is there", || there(&lab) == hashed(&["a"]));

    // Whoever limits partners is told which live canvases that refuses.
    let warned = boss(&["entitlement", "purchases", "1", "--json"]).expect(1).json();
    assert_eq!((&warned["kept"], &warned["refuses"][0]["canvas"]), (&json!(false), &json!("in")), "{warned}");
    assert_eq!(boss(&["entitlement", "list", "--json"]).expect(0).json()["limited"], false);
    boss(&["entitlement", "purchases", "1", "--yes"]).expect(1);
    lapses(&served, "b");
    patient("the queue is held", is_held);
    assert!(queue().to_string().contains("none of 3 slots is used"), "{}", queue());
    let checked = boss(&["connection", "check", "shop"]).expect(2).stderr;
    assert!(checked.contains("CV029") && checked.contains("caravan entitlement add criteo"), "{checked}");
    assert_eq!(there(&lab), hashed(&["a"]));

    // A slot: they go on by themselves.
    boss(&["entitlement", "add", "criteo"]).expect(0);
    patient("b is there", || there(&lab) == hashed(&["a", "b"]));
    boss(&["connection", "check", "shop"]).expect(0);
    boss(&["entitlement", "add", "tiktok"]).expect(0);
    boss(&["entitlement", "add", "pinterest"]).expect(0);
    let full = boss(&["entitlement", "add", "snapchat"]).expect(2).stderr;
    assert!(
        full.contains("CV058") && full.contains("3 of 3 slots are used: by criteo, tiktok and pinterest"),
        "{full}"
    );
    // No canvas with a fourth partner is published, and the words say who has the slots and what to do.
    place.write("snap.yaml", canvas("snap", "snap"));
    let refused = boss(&["canvas", "publish", "snap.yaml", "--yes"]).expect(2).stderr;
    assert!(refused.contains("CV029") && refused.contains("by criteo, tiktok and pinterest"), "{refused}");
    assert!(refused.contains("entitlement remove") && refused.contains("purchases 2"), "{refused}");

    // Swapped away and back, nobody is lost.
    let swap = boss(&["entitlement", "remove", "criteo", "--json"]).expect(1).json();
    assert_eq!(swap["kept"], false, "{swap}");
    boss(&["entitlement", "remove", "criteo", "--yes"]).expect(1);
    lapses(&served, "c");
    lapses(&served, "d");
    patient("the queue is held again", is_held);
    let shown = boss(&["entitlement", "list"]).expect(0).stdout;
    let row = shown.lines().find(|line| line.starts_with("criteo")).unwrap_or_default().to_owned();
    assert!(row.contains("not entitled"), "{shown}");
    assert_eq!(there(&lab), hashed(&["a", "b"]));
    boss(&["entitlement", "add", "criteo"]).expect(0);
    patient("all are there", || there(&lab) == hashed(&["a", "b", "c", "d"]));

    // Looking is everybody's, changing is not; what was changed is in the chain.
    on(&place, &served, &viewer, &["entitlement", "list"]).expect(0);
    let denied = on(&place, &served, &viewer, &["entitlement", "remove", "tiktok", "--yes"]).expect(2).stderr;
    assert!(denied.contains("CV093"), "{denied}");
    let notes = boss(&["audit", "list", "--limit", "1000", "--json"]).json().to_string();
    for verb in ["entitlement.add", "entitlement.remove", "entitlement.purchases"] {
        assert!(notes.contains(verb), "{verb}: {notes}");
    }
    assert_eq!(served.term(), Some(0));
    let books = place.run(["store", "check", "--store", "s.caravan"]);
    assert_eq!(books.code, Some(0), "{books:?}");
}

const CONFIG: &str = "listen = \"127.0.0.1:0\"\n[workspaces.default]\nstore = \"default.caravan\"\n\
    [workspaces.emea]\nstore = \"emea.caravan\"\n";

#[test]
fn slots_count_for_the_installation_and_one_workspace_keeps_them_for_all() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("caravan.toml", CONFIG);
    let key = |workspace: &str| {
        let made = place.run(["key", "add", "k", "--rights", "admin", "--workspace", workspace, "--json"]).expect(0);
        made.json()["key"].as_str().expect("a secret").to_owned()
    };
    let (first, emea) = (key("default"), key("emea"));
    // Without a host: one command, both stores.
    place.run(["entitlement", "purchases", "1"]).expect(0);
    place.run(["entitlement", "add", "criteo"]).expect(0);
    let slots = |workspace: &str| -> Value {
        place.run(["policy", "show", "--workspace", workspace, "--json"]).expect(0).json()["entitlements"]["slots"]
            .clone()
    };
    assert_eq!((slots("default"), slots("emea")), (json!(["criteo"]), json!(["criteo"])));
    let other = place.run(["entitlement", "add", "tiktok", "--workspace", "emea"]).expect(2).stderr;
    assert!(other.contains("CV058") && other.contains("`default`"), "{other}");
    // A file that says it only for one of them is made good by the next start.
    place.write("policy.yaml", "# Ours.\nformat: 1\nentitlements: { purchases: 1, slots: [tiktok] }\n");
    place.run(["policy", "set", "policy.yaml"]).expect(0);
    let lab = place.lab();
    let serve = || Served::spawn(place.caravan(["serve", "--lab", &lab.url, "--json"]).stdout(Stdio::piped()));
    let served = serve();
    assert_eq!((slots("default"), slots("emea")), (json!(["tiktok"]), json!(["tiktok"])));
    on(&place, &served, &first, &["entitlement", "add", "criteo"]).expect(0);
    assert_eq!(slots("emea"), json!(["tiktok", "criteo"]));
    let other = on(&place, &served, &emea, &["entitlement", "remove", "tiktok", "--yes"]).expect(2).stderr;
    assert!(other.contains("CV058") && other.contains("`default`"), "{other}");
    place.write("own.yaml", "format: 1\nregulated_health: true\n");
    let other = on(&place, &served, &emea, &["policy", "set", "own.yaml", "--yes"]).expect(2).stderr;
    assert!(other.contains("CV058"), "a policy of another workspace says the same of slots: {other}");
    // A canvas of the other workspace counts where its partner would lose its slot.
    place.write("in.yaml", canvas("in", "shop"));
    on(&place, &served, &emea, &["canvas", "publish", "in.yaml", "--yes"]).expect(0);
    let warned = on(&place, &served, &first, &["entitlement", "remove", "criteo", "--json"]).expect(1).json();
    assert_eq!((&warned["refuses"][0]["workspace"], &warned["kept"]), (&json!("emea"), &json!(false)), "{warned}");
    // Nothing is limited any more, anywhere, once the one that keeps them says so.
    place.write("free.yaml", "format: 1\n");
    on(&place, &served, &first, &["policy", "set", "free.yaml", "--yes"]).expect(0);
    assert_eq!((slots("default"), slots("emea")), (Value::Null, Value::Null));
    assert_eq!(served.term(), Some(0));
}
