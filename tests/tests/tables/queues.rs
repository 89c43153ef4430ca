//! One person meets a dial on the way into an audience: what becomes of the queue, or of the person.
use crate::dials::dial;
use crate::page::lines;
use caravan_tests::{Lab, Place, state_of, words_of};
use serde_json::{Value, json};

/// Connection, account, match keys' audience of each partner.
fn connection(partner: &str, name: &str) -> String {
    let (account, more) = match partner {
        "criteo" if name == "a version that ends" => ("\"1\"", ", settings: { api_version: \"2026-01\" }"),
        "criteo" => ("\"1\"", ""),
        "google" => ("\"1000000001\"", ""),
        "marketo" => ("123-ABC-456", ", raw: [EMAIL], settings: { munchkin: 123-ABC-456, folder: 13 }"),
        "meta" => ("act_1", ""),
        "pinterest" => ("\"549755000000\"", ""),
        "snapchat" => ("8adc3db7-8148-4fbf-999c-000000000001", ""),
        _ => ("\"7000000000000000001\"", ""),
    };
    let app = match name {
        "the token endpoint" => ", app: { id: app-1, secret: { file: app.secret } }",
        _ => "",
    };
    format!(
        "format: 1\nconnections:\n  it: {{ connector: {partner}, lab: true, accounts: {{ main: {account} }}{more}{app} }}\n"
    )
}

/// A canvas that adds people to a list of its own, to one that others have filled, or to one that was there before.
fn canvas(partner: &str, name: &str, dial: &Value, number: usize) -> String {
    let audience = match (partner, name) {
        // Pinterest makes none without people; an app that gets no token finds none by its name.
        ("pinterest", _) => "id: \"77\", kind: EMAIL".to_owned(),
        (_, "the token endpoint") => "id: \"77\"".to_owned(),
        ("google", _) => "name: \"People\", kind: CONTACT_ID, if_missing: create".to_owned(),
        _ if dial["route"] == "create" => format!("name: \"People {number}\", if_missing: create"),
        _ => "name: \"People\", if_missing: create".to_owned(),
    };
    format!(
        "format: 1\ncanvas: table\naudiences:\n  people: {{ connection: it, account: main, {audience} }}\n\
         entry: {{ trigger: {{ event: lapsed }}, start: sync }}\nsteps:\n  sync: {{ audience_sync: {{ audience: people, \
         action: add, match: [email] }}, next: exit }}\n"
    )
}

fn lab(partner: &str) -> Lab {
    let lab = Place::new().lab();
    let there = match partner {
        "pinterest" => Some(json!({"account": "549755000000", "kind": "EMAIL"})),
        "criteo" => Some(json!({"account": "1"})),
        "marketo" => Some(json!({"account": "123-ABC-456"})),
        _ => None,
    };
    if let Some(mut list) = there {
        (list["partner"], list["id"], list["name"]) = (json!(partner), json!("77"), json!("There before"));
        lab.post("/_lab/audiences", &list).expect("a list");
    }
    match partner {
        "google" => {
            lab.post("/_lab/settings", &json!({"google": {"per_minute": 100_000}})).expect("settings");
        }
        "marketo" => {
            lab.post("/_lab/settings", &json!({"marketo": {"per_20_seconds": 100_000}})).expect("settings");
        }
        _ => {}
    }
    lab
}

/// Raises all rows of a partner's table.
pub fn play(partner: &str) {
    let lab = lab(partner);
    let (mut text, mut wrong, mut number) = (String::new(), 0, 0);
    for line in lines(partner) {
        for name in line.dials() {
            number += 1;
            let place = Place::new();
            place.write("connections.yaml", connection(partner, name));
            place.write("app.secret", "a-secret");
            place.write("users.csv", "external_id,email\na,a@example.com\n");
            if !["google", "marketo"].contains(&partner) {
                // Each row finds quotas that nothing was taken of.
                lab.post("/_lab/quota", &json!({"partner": partner})).expect("a fresh quota");
            }
            lab.delete("/_lab/faults").expect("no dial");
            let mut dial = dial(partner, name);
            place.write("in.yaml", canvas(partner, name, &dial, number));
            dial["partner"] = json!(partner);
            if dial["route"].is_null() {
                dial["route"] = json!("users-add");
            }
            lab.post("/_lab/faults", &dial).unwrap_or_else(|error| panic!("no dial {dial}: {error}"));
            let url = lab.url.clone();
            let ran =
                place.run(["run", "in.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &url, "--json"]);
            let (state, words) = match ran.stdout.is_empty() {
                // Nobody enters a canvas whose audience cannot be made.
                true => {
                    let said = ran.expect(2).stderr;
                    (
                        format!("refused {}", said.split(' ').next().unwrap_or_default()),
                        said.lines().next().unwrap_or_default().to_owned(),
                    )
                }
                false => (state_of(&ran.json()), words_of(&ran.json())),
            };
            let expected = line.becomes.replace('*', name.trim_start_matches("lead "));
            let mark = if state == expected { "" } else { "   NOT " };
            let missed = if state == expected { "" } else { &expected };
            wrong += usize::from(state != expected || (words.is_empty() && !state.starts_with("synced")));
            text += &format!("{:>3}  {name:<42}{state:<28}{mark}{missed}  {words}\n", line.row);
        }
    }
    println!("{partner}:\n{text}");
    assert_eq!(wrong, 0, "{partner}:\n{text}");
    assert!(number > 10, "{partner} has a table");
}
