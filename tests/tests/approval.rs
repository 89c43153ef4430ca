//! Where the policy wants somebody else, one member brings a connector and another one allows it, at a serving host.
use caravan_tests::{Place, Ran, Served, guest};

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
const NUMBER: (&str, &str) = ("\"version\": \"0.1.0\"", "\"version\": \"0.1.1\"");
const WIDER: (&str, &str) = (
    "\"path\": \"/{settings.api_version}/{audience}/users\"",
    "\"path\": \"/{settings.api_version}/{any}/users\"     ",
);

/// Meta's component with texts of its manifest changed.
fn component(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = std::fs::read(guest("meta")).expect("the guest");
    for (from, to) in changes {
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "{from}");
        places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    }
    bytes
}

#[test]
fn whoever_brought_a_version_never_allows_it_and_another_member_does() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    place.write("policy.yaml", "format: 1\nconnectors: { approval: other }\n");
    place.write("1.wasm", component(&[NUMBER]));
    place.write("2.wasm", component(&[("\"version\": \"0.1.0\"", "\"version\": \"0.1.2\""), WIDER]));
    let lab = place.lab();
    let key = |name: &str| {
        let made = place.run(["key", "add", name, "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0);
        made.json()["key"].as_str().expect("a secret").to_owned()
    };
    let (ann, boss) = (key("ann"), key("boss"));
    place.run(["policy", "set", "policy.yaml", "--store", "s.caravan"]).expect(0);
    let served = Served::start(&place, &lab, "127.0.0.1:0");
    let say = |key: &str, arguments: &[&str]| {
        let mut command = place.caravan([arguments, &["--server", &served.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", key))
    };
    let grant = ["connector", "grant", "meta", "--as-asked"];
    let refused = |ran: Ran| {
        assert!(ran.stderr.contains("CV054") && ran.stderr.contains("key:ann installed"), "{}", ran.stderr);
        ran.expect(2);
    };
    say(&ann, &["connector", "install", "1.wasm"]).expect(0);
    refused(say(&ann, &grant));
    let taken = say(&boss, &[&grant[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(taken["takes_over"]["connections"], serde_json::json!(["shop"]), "{taken}");
    // Less than it asks for; whoever brought it does not widen that, although nothing waits any more.
    let text = std::fs::read_to_string(place.path("grants/meta.yaml")).expect("the grant");
    let less = text.lines().map(|line| if line.starts_with("send:") { "send: [EMAIL]" } else { line });
    place.write("less.yaml", less.collect::<Vec<_>>().join("\n"));
    say(&boss, &["connector", "grant", "meta", "--file", "less.yaml"]).expect(0);
    refused(say(&ann, &grant));
    // A version that widens waits for the other member too, and is theirs also once it was gone back from.
    say(&ann, &["connector", "install", "2.wasm"]).expect(0);
    assert_eq!(say(&ann, &["connector", "upgrade", "meta", "--json"]).expect(1).json()["state"], "waits");
    refused(say(&ann, &grant));
    say(&boss, &grant).expect(0);
    assert_eq!(say(&ann, &["connector", "upgrade", "meta", "--json"]).expect(0).json()["state"], "is in use");
    refused(say(&ann, &grant));
    say(&ann, &["connector", "rollback", "meta"]).expect(0);
    refused(say(&ann, &grant));
    say(&boss, &grant).expect(0);
}
