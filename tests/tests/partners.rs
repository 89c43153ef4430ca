//! For each partner that takes one kind of identifier per call: after an add and a remove, the lab's member set equals an
//! independent calculation from the users file.
use caravan_tests::{Lab, Place, audience_named, keys_of, oracle, python, word};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use xtask::totals;

const PEOPLE: u64 = 3_000;

const CONNECTIONS: &str = r#"
format: 1
connections:
  criteo: { connector: criteo, lab: true, accounts: { main: "1" } }
  pinterest: { connector: pinterest, lab: true, accounts: { main: "549755000000" } }
  snapchat: { connector: snapchat, lab: true, accounts: { main: 8adc3db7-8148-4fbf-999c-000000000001 } }
"#;

/// Key → values.
type Sets = BTreeMap<String, BTreeSet<String>>;

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

/// E.164 digits of the numbers of a file, in the order of its rows, by a library that the host does not use.
fn phones(people: &[oracle::Row]) -> Vec<Vec<String>> {
    let numbers = |row: &oracle::Row| oracle::several(row.get("phone").map(String::as_str).unwrap_or_default());
    let lines: String = people
        .iter()
        .flat_map(|row| numbers(row).into_iter().map(|number| format!("{}\t{number}\n", row["country"])))
        .collect();
    let said = python::run("phones.py", &[], &lines);
    let mut said = said.lines();
    let of = |row: &oracle::Row, said: &mut std::str::Lines<'_>| -> Vec<String> {
        let digits = numbers(row).into_iter().map(|_| said.next().expect("one answer for each number").to_owned());
        digits.filter(|digits| !digits.is_empty()).collect()
    };
    people.iter().map(|row| of(row, &mut said)).collect()
}

/// What should stand, under the partner's names of an e-mail and of a phone number, if it has one.
fn expected(people: &[oracle::Row], email: &str, phone: Option<&str>) -> Sets {
    let phones = phones(people);
    let mut sets = Sets::new();
    for (row, numbers) in people.iter().zip(phones).filter(|(row, _)| !oracle::blocked(row)) {
        for address in oracle::several(&row["email"]).iter().filter_map(|value| oracle::email(value)) {
            sets.entry(email.to_owned()).or_default().insert(oracle::sha256(&address));
        }
        for (number, key) in numbers.iter().filter_map(|number| Some((number, phone?))) {
            sets.entry(key.to_owned()).or_default().insert(oracle::sha256(number));
        }
    }
    sets
}

fn assert_same(found: &Sets, expected: &Sets) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, expected) in expected {
        let (missing, extra) = (expected.difference(&found[key]).count(), found[key].difference(expected).count());
        assert_eq!((missing, extra), (0, 0), "{key}: {missing} missing, {extra} too many of {}", expected.len());
    }
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
    let people = oracle::read(&file);
    let stand = expected(&people, case.email, case.phone);
    assert!(stand[case.email].len() > PEOPLE as usize / 2, "the people have addresses");
    assert_same(&keys_of(lab, &id()).expect("members"), &stand);

    let text = std::fs::read_to_string(&file).expect("people");
    let half: Vec<&str> = text.lines().take(1 + people.len() / 2).collect();
    let leavers = place.write("leavers.csv", half.join("\n") + "\n");
    let removed = run("remove.yaml", &word(&leavers)).expect(0).json();
    assert_eq!(totals::accounted(&removed), Some(PEOPLE / 2), "{removed}");
    let rest = expected(&people[people.len() / 2..], case.email, case.phone);
    assert_same(&keys_of(lab, &id()).expect("members"), &rest);
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
