//! Tokens of an app's own.
use crate::{SECRET, place, run};
use caravan_tests::{Lab, Place, Ran, audience_named, keys_of, oracle, state_of};
use serde_json::json;
use std::collections::BTreeSet;
use xtask::totals;

/// Neither the app's secret nor a token stands in what was printed, or in any file but the secret's own.
fn assert_discreet(place: &Place, ran: &Ran) {
    let hidden = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        // As the lab gives tokens out: for all, and Marketo's.
        !text.contains(SECRET) && !text.contains("granted-0") && !text.contains(":int")
    };
    assert!(hidden(ran.stdout.as_bytes()) && hidden(ran.stderr.as_bytes()), "{ran:?}");
    let folder = place.path(".");
    for file in std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path()) {
        if file.is_file() && !file.ends_with("app.secret") {
            assert!(hidden(&std::fs::read(&file).expect("read")), "{} holds a secret", file.display());
        }
    }
}

fn flows(partner: &str, account: &str, settings: &str, token_call: &str, members: impl Fn(&Lab) -> BTreeSet<String>) {
    let (place, lab) = (place(partner, account, settings), Place::new().lab());
    if partner == "marketo" {
        let known = json!({"marketo": {"unknown_of_256": 0, "duplicates_of_256": 0}});
        lab.post("/_lab/settings", &known).expect("settings");
    }
    let tokens = || {
        let calls = lab.get("/_lab/calls").expect("calls");
        calls["partners"][partner]["routes"][token_call].as_u64().unwrap_or_default()
    };
    // Connected: one token serves all calls of a run.
    let ran = run(&place, &lab, "a.csv").expect(0);
    assert_eq!((totals::of_status(&ran.json(), "synced"), tokens()), (1, 1), "{ran:?}");
    assert_discreet(&place, &ran);

    // Refused in the middle: the next attempt has a token of its own, and nobody waits for a person.
    let dial = json!({"partner": partner, "route": "users-add", "fault": "dead-token", "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let ran = run(&place, &lab, "b.csv").expect(0);
    assert_eq!((totals::of_status(&ran.json(), "synced"), tokens()), (2, 3), "a run began with one: {ran:?}");
    assert_discreet(&place, &ran);

    // The app is refused: people wait, and the words do not repeat the secret.
    place.write("app.secret", "wrong");
    let ran = run(&place, &lab, "c.csv");
    assert_ne!(ran.code, Some(0), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("gives the app no token"), "{said}");
    assert!(state_of(&ran.json()).starts_with("held-unauthorized"), "{said}");
    assert_discreet(&place, &ran);

    // Mended: they go on by themselves.
    place.write("app.secret", SECRET);
    let ran = run(&place, &lab, "c.csv").expect(0);
    assert_discreet(&place, &ran);
    assert_eq!(members(&lab).len(), 3);
}

#[test]
fn criteos_tokens_are_the_hosts_own_and_leave_no_trace() {
    flows("criteo", "1", "", "POST oauth2/token", |lab| {
        let list = audience_named(lab, "People").expect("one");
        let found = keys_of(lab, &list).expect("members")["email"].clone();
        let all = ["a", "b", "c"].map(|name| oracle::sha256(&format!("{name}@example.com")));
        assert_eq!(found, BTreeSet::from(all));
        found
    });
}

#[test]
fn marketos_tokens_are_the_hosts_own_and_leave_no_trace() {
    let settings = "    raw: [EMAIL]\n    settings: { munchkin: 123-ABC-456, folder: 13 }\n";
    flows("marketo", "123-ABC-456", settings, "POST identity/oauth/token", |lab| {
        let list = audience_named(lab, "People").expect("one");
        keys_of(lab, &list).expect("members")["EMAIL"].clone()
    });
}

#[test]
fn an_app_stands_only_where_the_partner_gives_it_tokens_and_not_beside_a_token() {
    let place = place("criteo", "1", "    secret: { env: ANY }\n");
    let both = place.run(["connection", "check", "by-app"]).expect(2);
    assert!(both.stderr.contains("CV026") && both.stderr.contains("both"), "{both:?}");
    let text = std::fs::read_to_string(place.path("connections.yaml")).expect("written");
    place.write(
        "connections.yaml",
        text.replace("connector: criteo", "connector: meta").replace("    secret: { env: ANY }\n", ""),
    );
    let none = place.run(["connection", "check", "by-app"]).expect(2);
    assert!(none.stderr.contains("CV026") && none.stderr.contains("no tokens"), "{none:?}");
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let (place, lab) = (place("criteo", "1", ""), Place::new().lab());
    lab.post("/_lab/settings", &json!({"token_seconds": 2})).expect("settings");
    place.write(
        "in.yaml",
        "format: 1\ncanvas: in\naudiences:\n  one: { connection: by-app, account: main, name: One, if_missing: create }\n  \
         two: { connection: by-app, account: main, name: Two, if_missing: create }\nentry: { trigger: { event: e }, start: \
         one }\nsteps:\n  one: { audience_sync: { audience: one, action: add, match: [email], advance: when_synced }, next: \
         two }\n  two: { audience_sync: { audience: two, action: add, match: [email] }, next: exit }\n",
    );
    // The first call lasts longer than its token lives.
    let dial = json!({"partner": "criteo", "route": "users-add", "fault": "slow", "ms": 3_000, "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let ran = run(&place, &lab, "a.csv").expect(0);
    assert_eq!(totals::of_status(&ran.json(), "synced"), 2, "{ran:?}");
    let criteo = lab.get("/_lab/calls").expect("calls")["partners"]["criteo"].clone();
    assert!(criteo["routes"]["POST oauth2/token"].as_u64() >= Some(2), "{criteo}");
    assert_eq!(criteo["refused"], 0, "nothing went with a token that had ended: {criteo}");
}

#[test]
fn marketos_token_that_ends_in_the_middle_of_a_call_is_changed_for_another() {
    let settings = "    raw: [EMAIL]\n    settings: { munchkin: 123-ABC-456, folder: 13 }\n";
    let (place, lab) = (place("marketo", "123-ABC-456", settings), Place::new().lab());
    let known = json!({"marketo": {"unknown_of_256": 0, "duplicates_of_256": 0}, "token_seconds": 2});
    lab.post("/_lab/settings", &known).expect("settings");
    // The look-up lasts longer than the token lives with which the call began: the write is answered with 602.
    let dial = json!({"partner": "marketo", "route": "lookup", "fault": "slow", "ms": 3_000, "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let ran = run(&place, &lab, "a.csv").expect(0);
    assert_eq!(totals::of_status(&ran.json(), "synced"), 1, "{ran:?}");
    let routes = lab.get("/_lab/calls").expect("calls")["partners"]["marketo"]["routes"].clone();
    assert!(routes["POST lists/{audience}/leads.json"].as_u64() >= Some(2), "refused once, then taken: {routes}");
    assert!(routes["POST identity/oauth/token"].as_u64() >= Some(2), "{routes}");
    assert_discreet(&place, &ran);
}

#[test]
fn experience_platforms_tokens_are_asked_for_with_the_scopes_of_the_setting() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("app.secret", SECRET);
    let connection = |scopes: &str| {
        format!(
            "format: 1\nconnections:\n  it:\n    connector: experience-platform\n    lab: true\n    accounts: {{ prod: prod }}\n    \
             app: {{ id: app-1, secret: {{ file: app.secret }} }}\n    settings: {{ organisation: 0123@AdobeOrg, api_key: key, \
             dataset: d1{scopes} }}\n"
        )
    };
    let words = ["connection", "check", "it", "--lab", &lab.url];
    place.write("connections.yaml", connection(""));
    place.run(words).expect(0);
    // Adobe gives no token for nothing.
    place.write("connections.yaml", connection(", scopes: \"\""));
    let refused = place.run(words);
    assert!(refused.code != Some(0), "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("invalid_scope") && !said.contains(SECRET), "{said}");
}
