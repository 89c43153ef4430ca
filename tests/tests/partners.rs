//! For each partner that takes one kind of identifier per call: after an add and a remove, the lab's member set equals an
//! independent calculation from the users file.
use caravan_tests::people::{People, assert_same};
use caravan_tests::served::ask;
use caravan_tests::{Lab, Place, audience_named, keys_of, oracle, word};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use xtask::totals;

const PEOPLE: u64 = 3_000;

const CONNECTIONS: &str = r#"
format: 1
connections:
  criteo: { connector: criteo, lab: true, accounts: { main: "1" } }
  pinterest: { connector: pinterest, lab: true, accounts: { main: "549755000000" } }
  snapchat: { connector: snapchat, lab: true, accounts: { main: 8adc3db7-8148-4fbf-999c-000000000001 } }
"#;

fn canvas(id: &str, partner: &str, audience: &str, action: &str, keys: &str) -> String {
    format!(
        r#"
format: 1
canvas: {id}
audiences:
  people: {{ connection: {partner}, account: main, {audience} }}
entry:
  trigger: {{ event: lapsed }}
  start: sync
steps:
  sync: {{ audience_sync: {{ audience: people, action: {action}, match: [{keys}] }}, next: exit }}
"#
    )
}

/// One partner, its words, and its names.
struct Case<'a> {
    partner: &'a str,
    /// How the canvas names the audience.
    audience: &'a str,
    keys: &'a str,
    email: &'a str,
    phone: Option<&'a str>,
}

/// Everybody is added, then the first half removed; the sets are compared after each.
fn plays(place: &Place, lab: &Lab, case: &Case<'_>, id: impl Fn() -> String) {
    place.write("connections.yaml", CONNECTIONS);
    for action in ["add", "remove"] {
        let text = canvas(&format!("people-{action}"), case.partner, case.audience, action, case.keys);
        place.write(&format!("{action}.yaml"), text);
    }
    let file = place.people("people.csv", PEOPLE, 11);
    let run = |canvas: &str, users: &str| {
        place.run(["run", canvas, "--users", users, "--store", "all.caravan", "--lab", &lab.url, "--json"])
    };
    let added = run("add.yaml", &word(&file)).expect(0).json();
    assert_eq!((totals::accounted(&added), added["open"].as_u64()), (Some(PEOPLE), Some(0)), "{added}");
    let people = People::read(&file);
    let phone = case.phone.map(|key| (key, str::to_owned as fn(&str) -> String));
    let stand = people.sets(0, (case.email, oracle::email), phone);
    assert!(stand[case.email].len() > PEOPLE as usize / 2, "the people have addresses");
    assert_same(case.partner, &keys_of(lab, &id()).expect("members"), &stand);

    let text = std::fs::read_to_string(&file).expect("people");
    let half: Vec<&str> = text.lines().take(1 + people.rows.len() / 2).collect();
    let leavers = place.write("leavers.csv", half.join("\n") + "\n");
    let removed = run("remove.yaml", &word(&leavers)).expect(0).json();
    assert_eq!(totals::accounted(&removed), Some(PEOPLE / 2), "{removed}");
    let rest = people.sets(people.rows.len() / 2, (case.email, oracle::email), phone);
    assert_same(case.partner, &keys_of(lab, &id()).expect("members"), &rest);
}

fn made(partner: &str, email: &str, phone: &str) {
    let place = Place::new();
    let lab = place.lab();
    let case = Case {
        partner,
        audience: r#"name: "Lapsed people", if_missing: create"#,
        keys: "email, phone",
        email,
        phone: Some(phone),
    };
    plays(&place, &lab, &case, || audience_named(&lab, "Lapsed people").expect("one"));
}

#[test]
fn criteos_contact_list_equals_an_independent_calculation() {
    made("criteo", "email", "phoneNumber");
}

#[test]
fn snapchats_segment_equals_an_independent_calculation() {
    made("snapchat", "EMAIL_SHA256", "PHONE_SHA256");
}

/// The only list at the lab whose name begins so: its marker follows.
fn list_like(lab: &Lab, name: &str) -> String {
    let all = lab.get("/_lab/audiences").expect("audiences");
    let of_name = |audience: &&Value| audience["name"].as_str().is_some_and(|found| found.starts_with(name));
    let found: Vec<&Value> = all["audiences"].as_array().expect("a list").iter().filter(of_name).collect();
    assert_eq!(found.len(), 1, "{all}");
    found[0]["audience"].as_str().or_else(|| found[0]["id"].as_str()).expect("an id").to_owned()
}

#[test]
fn pinterests_list_equals_an_independent_calculation() {
    let place = Place::new();
    let lab = place.lab();
    let list =
        json!({"partner": "pinterest", "account": "549755000000", "id": "77", "name": "People", "kind": "EMAIL"});
    lab.post("/_lab/audiences", &list).expect("a list");
    let case =
        Case { partner: "pinterest", audience: r#"id: "77", kind: EMAIL"#, keys: "email", email: "EMAIL", phone: None };
    plays(&place, &lab, &case, || "77".to_owned());
}

const NEW: &str = r#"name: "Lapsed people", kind: EMAIL, if_missing: create"#;

#[test]
fn pinterests_list_is_made_with_its_first_people() {
    let place = Place::new();
    let lab = place.lab();
    let case = Case { partner: "pinterest", audience: NEW, keys: "email", email: "EMAIL", phone: None };
    plays(&place, &lab, &case, || list_like(&lab, "Lapsed people"));
    let calls = lab.get("/_lab/calls").expect("calls");
    let routes = &calls["partners"]["pinterest"]["routes"];
    assert_eq!(routes["POST ad_accounts/{account}/customer_lists"], 1, "{routes}");
    assert_eq!(routes["POST ad_accounts/{account}/audiences"], 1, "{routes}");
}

#[test]
fn a_host_that_is_killed_while_pinterests_list_is_made_makes_no_second() {
    let place = Place::new();
    let lab = place.lab();
    place.write("connections.yaml", CONNECTIONS);
    place.write("add.yaml", canvas("people-add", "pinterest", NEW, "add", "email"));
    let rows: String = (0..50).map(|n| format!("u{n},u{n}@example.com\n")).collect();
    place.write("users.csv", format!("external_id,email\n{rows}"));
    // The list is made, and its answer never comes.
    let dial = json!({"partner": "pinterest", "route": "create", "fault": "hang-after", "ms": 600_000, "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let words = ["run", "add.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &lab.url, "--json"];
    let mut host = place.caravan(words).spawn().expect("caravan starts");
    let began = Instant::now();
    let made = || lab.get("/_lab/audiences").expect("audiences")["audiences"].as_array().map_or(0, Vec::len);
    while made() == 0 {
        assert!(began.elapsed() < Duration::from_secs(100), "the list is made");
        std::thread::sleep(Duration::from_millis(20));
    }
    host.kill().expect("killed");
    host.wait().expect("it ended");
    let ran = place.run(words).expect(0).json();
    assert_eq!(totals::of_status(&ran, "synced"), 50, "{ran}");
    let list = list_like(&lab, "Lapsed people");
    let expected: BTreeSet<String> = (0..50).map(|n| oracle::sha256(&format!("u{n}@example.com"))).collect();
    assert_eq!(keys_of(&lab, &list).expect("members")["EMAIL"], expected);
    // The name leads to what Pinterest made, as any other audience's does.
    let shown = place.run(["audience", "list", "--store", "s.caravan", "--json"]).expect(0);
    assert!(shown.stdout.contains(&format!("\"{list}\"")), "{shown:?}");
}

#[test]
fn pinterests_list_is_filled_although_its_audience_was_removed() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("in", "pinterest", NEW, "add", "email"));
    let add = |name: &str| {
        place.write("users.csv", format!("external_id,email\n{name},{name}@example.com\n"));
        place.run(["run", "in.yaml", "--users", "users.csv", "--store", "s", "--lab", &lab.url, "--json"]).expect(0)
    };
    add("a");
    // Somebody removes the audience over the list, by hand.
    let addresses = lab.get("/").expect("addresses");
    let address = addresses["partners"]["pinterest"].as_str().expect("an address").replace("http://", "");
    let head = "authorization: Bearer by-hand\r\n";
    let path = "/v5/ad_accounts/549755000000/audiences";
    let (status, answer) = ask(&address, "GET", path, head, "");
    let listed: Value = serde_json::from_str(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)).expect("JSON");
    let target = listed["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{status}: {answer}"));
    let (status, answer) = ask(&address, "PATCH", &format!("{path}/{target}"), head, r#"{"operation_type":"REMOVE"}"#);
    assert_eq!(status, 200, "{answer}");
    add("b");
    let all = ["a", "b"].map(|name| oracle::sha256(&format!("{name}@example.com")));
    assert_eq!(keys_of(&lab, &list_like(&lab, "Lapsed people")).expect("members")["EMAIL"], BTreeSet::from(all));
}
