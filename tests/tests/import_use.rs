//! What an imported audience is for, and what becomes of it when the source cannot: a list lets people into a canvas, what came
//! along is in filters and in bodies, exports that fail are told and go on by themselves.
use caravan_tests::{EndpointServer, Lab, Place, Ran, Served, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn connections(service: &str) -> String {
    format!(
        "format: 1\nconnections:\n  platform:\n    connector: experience-platform\n    lab: true\n    accounts: {{ prod: prod }}\n    \
         settings: {{ organisation: 0123@AdobeOrg, api_key: key, dataset: d1, attributes: \"_lab.tier,_lab.seats\", \
         overlap_seconds: 0 }}\nwebhooks:\n  mailer: {{ url: \"{service}/send\" }}\n"
    )
}

/// Who comes onto the list enters; those with gold are mailed, with what came along.
const CANVAS: &str = r#"
format: 1
canvas: churned
entry: { trigger: { list: churned }, start: gold }
steps:
  gold: { branch: [ { if: { all: [ { attr: tier, eq: gold }, { attr: seats, gte: 3 } ] }, next: mail } ], else: exit }
  mail: { webhook: { use: mailer, body: { to: "{{ email }}", tier: "{{ tier }}", seats: "{{ seats }}" } }, next: exit }
"#;

fn audience(lab: &Lab, members: impl Iterator<Item = Value>) -> String {
    let spec = json!({"partner": "experience-platform", "account": "prod", "name": "Churned"});
    let made = lab.post("/_lab/audiences", &spec).expect("an audience");
    let id = made["audience"].as_str().expect("an id").to_owned();
    let members: Vec<Value> = members.collect();
    lab.post(&format!("/_lab/audiences/{id}/members"), &json!({"join": members})).expect("members");
    id
}

/// A member whom we know by their address; every second has gold, and as many seats as their number.
fn member(n: usize) -> Value {
    let tier = if n.is_multiple_of(2) { "gold" } else { "plain" };
    json!({"id": n.to_string(), "identities": {"Email": format!("p{n}@example.com")},
        "attributes": {"tier": tier, "seats": n}})
}

fn scene(count: usize) -> (Place, Lab, EndpointServer) {
    let service = EndpointServer::start(|_, _| (200, String::new()));
    let place = Place::new();
    place.write("connections.yaml", connections(&service.url));
    place.write("canvas.yaml", CANVAS);
    let rows: String = (0..count).map(|n| format!("p{n},p{n}@example.com\n")).collect();
    place.write("users.csv", format!("external_id,email\n{rows}"));
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"time_scale": 20})).expect("a fast clock");
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    place.run(["list", "create", "churned", "--store", "s.caravan"]).expect(0);
    (place, lab, service)
}

fn key(place: &Place, rights: &str) -> String {
    let made = place.run(["key", "add", rights, "--rights", rights, "--store", "s.caravan", "--json"]).expect(0);
    made.json()["key"].as_str().expect("a secret").to_owned()
}

fn on(place: &Place, served: &Served, key: &str, words: &[&str]) -> Ran {
    let mut command = place.caravan([words, &["--server", &served.url]].concat());
    Ran::of(command.env("CARAVAN_KEY", key))
}

fn serve(place: &Place, lab: &Lab, canvases: &[&str]) -> Served {
    Served::with(place, lab, "127.0.0.1:0", canvases, &[("CARAVAN_ALLOW_LOOPBACK", "1")])
}

#[test]
fn an_imported_list_lets_people_in_and_what_came_along_is_in_filters_and_bodies() {
    let (place, lab, service) = scene(20);
    let id = audience(&lab, (0..25).map(member));
    let (admin, viewer) = (key(&place, "admin"), key(&place, "viewer"));
    let served = serve(&place, &lab, &["canvas.yaml"]);
    let boss = |words: &[&str]| on(&place, &served, &admin, words);
    // All of it by the command line on the running host: which audiences there are, too.
    let there = on(&place, &served, &viewer, &["connection", "audiences", "platform", "--folder", "prod", "--json"]);
    let there = there.expect(0).json();
    assert_eq!(
        (&there[0]["id"], &there[0]["name"], &there[0]["at_least"]),
        (&json!(id), &json!("Churned"), &json!(25))
    );
    let none =
        boss(&["connection", "audiences", "platform", "--folder", "prod", "--named", "gold", "--json"]).expect(0);
    assert_eq!(none.json(), json!([]));
    let words = [
        "list",
        "import",
        "churned",
        "--create",
        "--from",
        "platform",
        "--folder",
        "prod",
        "--audience",
        &id,
        "--every",
        "2s",
    ];
    let denied = on(&place, &served, &viewer, &words).expect(2).stderr;
    assert!(denied.contains("CV093"), "{denied}");
    let import =
        boss(&[&words[..], &["--json"]].concat()).expect(0).json()["import"].as_str().expect("an id").to_owned();
    let line = || boss(&["list", "imports", "churned", "--json"]).json()[0].clone();
    patient("everyone is read", || line()["filled"].is_i64());
    assert_eq!((&line()["linked"], &line()["unlinked"][0]["members"]), (&json!(20), &json!(5)), "{}", line());
    let named = boss(&["list", "unlinked", "churned", "--json"]).expect(0).json();
    assert!(named.to_string().contains("p20@example.com"), "{named}");
    let masked = on(&place, &served, &viewer, &["list", "unlinked", "churned", "--json"]).expect(0).json();
    assert!(masked.as_array().is_some_and(|rows| rows.len() == 5) && !masked.to_string().contains("p20@"), "{masked}");

    // Those with gold and three seats or more.
    let expected: BTreeSet<usize> = (3..20).filter(|n: &usize| n.is_multiple_of(2)).collect();
    let told = || -> BTreeSet<usize> {
        let got = service.got().into_iter();
        got.map(|got| usize::try_from(got.body["seats"].as_u64().expect("a number")).expect("small")).collect()
    };
    patient("they are mailed", || told() == expected);
    for got in service.got() {
        let n = got.body["seats"].as_u64().expect("a number");
        assert_eq!(got.body, json!({"to": format!("p{n}@example.com"), "tier": "gold", "seats": n}));
    }
    let signed = format!("authorization: Bearer {admin}\r\n");
    let numbers = served.ask("GET", "/api/canvases/churned/numbers", &signed, "").1;
    assert!(numbers.contains("\"entered\":20,"), "all who are on the list entered: {numbers}");
    boss(&["list", "end-import", "churned", &import, "--yes"]).expect(0);
    assert_eq!(boss(&["list", "imports", "churned", "--json"]).expect(0).json(), json!([]));
    let notes = boss(&["audit", "list", "--limit", "1000", "--json"]).json().to_string();
    assert!(notes.contains("\"list.import\"") && notes.contains("\"list.end-import\""), "{notes}");
    assert_eq!(served.term(), Some(0));
}

#[test]
fn exports_that_fail_or_are_parquet_are_told_with_the_cure_and_go_on_once_they_are_mended() {
    let (place, lab, _service) = scene(10);
    let id = audience(&lab, (0..10).map(member));
    lab.post("/_lab/settings", &json!({"experience-platform": {"exports_fail": true}})).expect("a dial");
    let of =
        ["list", "import", "churned", "--from", "platform", "--folder", "prod", "--audience", &id, "--every", "1s"];
    place.run([&of[..], &["--lab", &lab.url, "--store", "s.caravan", "--yes"]].concat()).expect(0);
    let served = serve(&place, &lab, &[]);
    let trouble = || {
        let ran = place.run(["list", "imports", "churned", "--store", "s.caravan"]);
        (ran.code, ran.stdout)
    };
    patient("it is told", || trouble().1.contains("export-failed"));
    let (code, words) = trouble();
    assert!(code == Some(1) && words.contains("failed twice") && words.contains("data set"), "{words}");
    let jobs = || {
        let calls = lab.get("/_lab/calls").expect("calls");
        calls["partners"]["experience-platform"]["routes"]["POST export/jobs"].as_u64().expect("a count")
    };
    let before = jobs();
    patient("it is tried with new jobs", || jobs() > before);
    // What the real service writes today is refused with the way that works.
    lab.post("/_lab/settings", &json!({"experience-platform": {"exports_fail": false, "parquet": true}}))
        .expect("a dial");
    patient("Parquet is told", || trouble().1.contains("(parquet)"));
    let (code, words) = trouble();
    assert!(
        code == Some(1) && words.contains("CSV") && words.contains("caravan list import LIST --from-files"),
        "{words}"
    );
    assert_eq!(words.matches("(parquet)").count(), 1, "{words}");
    lab.post("/_lab/settings", &json!({"experience-platform": {"parquet": false}})).expect("a dial");
    patient("everyone is there", || {
        place.run(["list", "show", "churned", "--store", "s.caravan", "--json"]).json()["members"] == 10
    });
    assert_eq!(trouble().0, Some(0));
    assert_eq!(served.term(), Some(0));
}
