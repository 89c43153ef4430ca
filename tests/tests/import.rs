//! An audience of Experience Platform in a list, as its keeper uses it: everyone whom we know, the others named with the
//! reason, joiners and those who become known by themselves, and a Marketo list in step with it all.
use caravan_tests::{Lab, Place, Served, audience_named, keys_of, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONNECTIONS: &str = r#"
format: 1
connections:
  platform:
    connector: experience-platform
    lab: true
    accounts: { prod: prod }
    settings: { organisation: 0123@AdobeOrg, api_key: key, dataset: d1, attributes: _lab.tier, overlap_seconds: 0 }
  lab-marketo:
    connector: marketo
    lab: true
    raw: [EMAIL]
    accounts: { main: "123-ABC-456" }
    settings: { munchkin: 123-ABC-456, folder: 13 }
"#;

/// Whoever is on the list with gold goes into a Marketo list; who leaves goes out of it.
const SEGMENT: &str = "
format: 1
segment: churned-gold
who: { all: [ { list: churned }, { attr: tier, eq: gold } ] }
";

fn ecid(n: usize) -> String {
    format!("8914927034266255964275{n:016}")
}

/// People of whom we know e-mail and ECID.
fn known(ids: impl Iterator<Item = usize>) -> String {
    let rows = ids.map(|n| format!("p{n},{},p{n}@example.com\n", ecid(n)));
    std::iter::once("external_id,aliases,email\n".to_owned()).chain(rows).collect()
}

/// An audience at the lab with these members, of whom every tenth has gold.
fn join(lab: &Lab, audience: &str, ids: impl Iterator<Item = usize>) {
    let tier = |n: usize| if n.is_multiple_of(10) { "gold" } else { "plain" };
    let member =
        |n: usize| json!({"id": n.to_string(), "identities": {"ECID": ecid(n)}, "attributes": {"tier": tier(n)}});
    let members: Vec<Value> = ids.map(member).collect();
    lab.post(&format!("/_lab/audiences/{audience}/members"), &json!({"join": members})).expect("members");
}

fn audience(lab: &Lab, name: &str) -> String {
    let spec = json!({"partner": "experience-platform", "account": "prod", "name": name});
    let made = lab.post("/_lab/audiences", &spec).expect("an audience");
    made["audience"].as_str().expect("an id").to_owned()
}

fn imports(place: &Place, list: &str) -> Value {
    let ran = place.run(["list", "imports", list, "--store", "s.caravan", "--json"]);
    ran.json()[0].clone()
}

fn size(place: &Place, list: &str) -> u64 {
    place.run(["list", "show", list, "--store", "s.caravan", "--json"]).json()["members"].as_u64().expect("a number")
}

fn import<'a>(audience: &'a str, lab: &'a Lab, more: &[&'a str]) -> Vec<&'a str> {
    let of =
        ["list", "import", "churned", "--create", "--from", "platform", "--folder", "prod", "--audience", audience];
    [&of[..], &["--lab", &lab.url, "--store", "s.caravan", "--yes"], more].concat()
}

#[test]
fn an_audience_of_50_000_is_a_list_of_47_000_and_who_becomes_known_joins() {
    let (members, strangers, joiners, found) = (50_000, 3_000, 200, 100);
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("users.csv", known((strangers..members).chain(members..members + joiners)));
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"time_scale": 20})).expect("a fast clock");
    let id = audience(&lab, "Churned");
    join(&lab, &id, 0..members);
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    place.run(import(&id, &lab, &["--every", "5s", "--leavers"])).expect(0);

    // Cut off in the middle of the first load, it goes on where it was.
    let mut served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("a page is read", || imports(&place, "churned")["state"]["rows"].as_u64() > Some(0));
    served.child.kill().expect("killed");
    served.child.wait().expect("its end");
    drop(served);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("everyone is read", || imports(&place, "churned")["state"]["filled"].is_i64());
    assert_eq!(size(&place, "churned"), (members - strangers) as u64);
    let line = imports(&place, "churned");
    assert_eq!(
        (&line["linked"], &line["unlinked"]),
        (&json!(members - strangers), &json!([["unknown", strangers]])),
        "{line}"
    );
    let named = place.run(["list", "unlinked", "churned", "--limit", "5000", "--store", "s.caravan", "--json"]).json();
    let names: BTreeSet<&str> =
        named.as_array().expect("rows").iter().filter_map(|row| row["identifiers"][0].as_str()).collect();
    let expected: BTreeSet<String> = (0..strangers).map(ecid).collect();
    assert_eq!(names, expected.iter().map(String::as_str).collect());
    assert!(named[0]["words"].as_str().is_some_and(|words| words.contains("nobody here")), "{}", named[0]);

    // Joiners come by themselves, within two periods: two exports at most are begun until they are all there.
    let exports = || {
        let calls = lab.get("/_lab/calls").expect("calls");
        calls["partners"]["experience-platform"]["routes"]["POST export/jobs"].as_u64().expect("a count")
    };
    join(&lab, &id, members..members + joiners);
    let before = exports();
    patient("200 have joined", || size(&place, "churned") == (members - strangers + joiners) as u64);
    assert!(exports() - before <= 2, "{} exports were begun", exports() - before);
    // Some whom nobody knew become known.
    let identify = |n: usize| {
        let context = json!({"externalIds": [{"id": ecid(n), "type": "ECID"}]});
        json!({"type": "identify", "userId": format!("p{n}"), "traits": {"email": format!("p{n}@example.com")},
            "context": context})
    };
    let batch: Vec<Value> = (0..found).map(identify).collect();
    let (status, answer) = served.send("/v1/batch", &json!({"batch": batch}).to_string());
    assert!(status == 200 && !answer.contains("problems"), "{answer}");
    let all = (members - strangers + joiners + found) as u64;
    patient("100 became known", || size(&place, "churned") == all);
    let shown = place.run(["list", "show", "churned", "--members", "60000", "--store", "s.caravan", "--json"]).json();
    let there: BTreeSet<&str> = shown["ids"].as_array().expect("ids").iter().filter_map(Value::as_str).collect();
    let expected: Vec<String> = (0..found).chain(strangers..members + joiners).map(|n| format!("p{n}")).collect();
    assert_eq!(there, expected.iter().map(String::as_str).collect());
    // Leavers were asked for.
    lab.post(&format!("/_lab/audiences/{id}/members"), &json!({"leave": ["40000", "40001"]})).expect("leavers");
    patient("two have left", || size(&place, "churned") == all - 2);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn an_audience_of_experience_platform_keeps_a_marketo_list_in_step() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("users.csv", known(0..120));
    place.write("gold.yaml", SEGMENT);
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"time_scale": 20})).expect("a fast clock");
    let id = audience(&lab, "Churned");
    join(&lab, &id, 0..100);
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    place.run(import(&id, &lab, &["--every", "2s", "--leavers"])).expect(0);
    place.run(["segment", "set", "gold.yaml", "--store", "s.caravan"]).expect(0);
    let to = ["--connection", "lab-marketo", "--account", "main", "--match", "email", "--audience", "Gold"];
    let activate = [&["segment", "activate", "churned-gold"][..], &to, &["--lab", &lab.url, "--store", "s.caravan"]];
    place.run(activate.concat()).expect(0);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    let there = || -> BTreeSet<String> {
        let Ok(list) = audience_named(&lab, "Gold") else { return BTreeSet::new() };
        keys_of(&lab, &list).expect("members").remove("EMAIL").unwrap_or_default()
    };
    let gold = |ids: &mut dyn Iterator<Item = usize>| -> BTreeSet<String> {
        ids.filter(|n| n.is_multiple_of(10)).map(|n| format!("p{n}@example.com")).collect()
    };
    patient("the list is filled", || there() == gold(&mut (0..100)));
    join(&lab, &id, 100..120);
    lab.post(&format!("/_lab/audiences/{id}/members"), &json!({"leave": ["10", "20"]})).expect("leavers");
    let expected = gold(&mut (0..120).filter(|n| ![10, 20].contains(n)));
    patient("the list is in step", || there() == expected);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn an_import_is_refused_with_the_cure_without_an_organisation_and_under_a_regulated_policy() {
    let place = Place::new();
    let lab = place.lab();
    let id = audience(&lab, "Churned");
    place.write("connections.yaml", CONNECTIONS.replace("organisation: 0123@AdobeOrg, ", ""));
    let refused = place.run(import(&id, &lab, &[])).expect(2).stderr;
    assert!(refused.contains("CV037") && refused.contains("`organisation`"), "{refused}");
    place.write("connections.yaml", CONNECTIONS);
    let missing = place.run(import("nobody", &lab, &[])).expect(2).stderr;
    assert!(missing.contains("CV037") && missing.contains("not there"), "{missing}");
    let other = import(&id, &lab, &[]).into_iter().map(|word| if word == "platform" { "lab-marketo" } else { word });
    let writes = place.run(other).expect(2).stderr;
    assert!(writes.contains("CV037") && writes.contains("writes into audiences"), "{writes}");
    place.write("policy.yaml", "format: 1\nregulated_health: true\n");
    place.run(["policy", "set", "policy.yaml", "--store", "s.caravan", "--yes"]).expect(0);
    let regulated = place.run(import(&id, &lab, &[])).expect(2).stderr;
    assert!(regulated.contains("CV036") && regulated.contains("regulated"), "{regulated}");
}

#[test]
fn a_running_host_is_asked_for_an_import_by_its_api() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("users.csv", known(0..30));
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"time_scale": 20})).expect("a fast clock");
    let id = audience(&lab, "Churned");
    join(&lab, &id, 0..40);
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    let made = place.run(["key", "add", "robot", "--rights", "admin", "--store", "s.caravan", "--json"]).json();
    let key = made["key"].as_str().expect("a secret").to_owned();
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    let head = format!("authorization: Bearer {key}\r\n");
    let body = |answer: &str| -> Value {
        let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let json = text.find(['{', '[']).map_or("null", |at| &text[at..]);
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
        values.next().and_then(Result::ok).unwrap_or_default()
    };
    assert_eq!(served.ask("PUT", "/api/lists/churned", &head, "").0, 204);
    let wish = json!({"connection": "platform", "folder": "prod", "audience": id, "every": "2s"});
    let (status, answer) = served.ask("POST", "/api/lists/churned/imports", &head, wish.to_string());
    assert_eq!(status, 200, "{answer}");
    let import = body(&answer)["import"].as_str().expect("an id").to_owned();
    let state = || body(&served.ask("GET", "/api/lists/churned/imports", &head, "").1)[0].clone();
    patient("everyone is read", || state()["filled"].is_i64());
    assert_eq!((&state()["linked"], &state()["unlinked"][0]["members"]), (&json!(30), &json!(10)));
    let named = body(&served.ask("GET", "/api/lists/churned/unlinked?limit=20", &head, "").1);
    assert_eq!((named.as_array().map(Vec::len), &named[0]["why"]), (Some(10), &json!("unknown")));
    let path = format!("/api/lists/churned/imports/{import}");
    assert_eq!(served.ask("DELETE", &path, &head, "").0, 204);
    assert_eq!(served.ask("DELETE", &path, &head, "").0, 404);
    assert_eq!(size(&place, "churned"), 30);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn an_audience_from_outside_is_read_by_its_namespace_or_refused_with_the_way_round() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS.replace("{ prod: prod }", "{ prod: prod, last: sb-6 }"));
    place.write("users.csv", known(0..5));
    let lab = place.lab();
    // More sandboxes than an answer names: the last page is seen, too.
    let many = json!({"time_scale": 20, "experience-platform": {"sandboxes": 7, "sandboxes_per_page": 2}});
    lab.post("/_lab/settings", &many).expect("settings");
    let of = |name: &str, namespace: &str| {
        let spec = json!({"partner": "experience-platform", "account": "sb-6", "name": name, "kind": namespace});
        lab.post("/_lab/audiences", &spec).expect("an audience")["audience"].as_str().expect("an id").to_owned()
    };
    let (manager, traits) = (of("Manager", "AAM"), of("Traits", "AAMTraits"));
    join(&lab, &manager, 0..5);
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    let asked = |id: &str| {
        let words =
            import(id, &lab, &["--every", "2s"]).into_iter().map(|word| if word == "prod" { "sb-6" } else { word });
        place.run(words.map(str::to_owned).collect::<Vec<_>>())
    };
    let refused = asked(&traits).expect(2).stderr;
    assert!(refused.contains("CV037") && refused.contains("namespace AAMTraits"), "{refused}");
    asked(&manager).expect(0);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("all five are there", || size(&place, "churned") == 5);
    assert_eq!(served.term(), Some(0));
}

#[test]
fn who_comes_under_other_identifiers_is_the_same_person_and_what_increments_do_not_tell_comes_right() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("users.csv", known(0..6));
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"time_scale": 20})).expect("a fast clock");
    let id = audience(&lab, "Churned");
    join(&lab, &id, 0..5);
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    place.run(import(&id, &lab, &["--every", "1s", "--leavers"])).expect(0);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("five are there", || size(&place, "churned") == 5);
    let members = |change: Value| lab.post(&format!("/_lab/audiences/{id}/members"), &change).expect("members");
    // A stranger's ECID first, ours second: linked by any of them.
    let both = json!({"ECID": [ecid(999), ecid(5)], "Email": ["other@example.com"]});
    members(json!({"join": [{"id": "5", "identities": both}]}));
    patient("the sixth is there", || size(&place, "churned") == 6);
    // It leaves under an ECID that we never had.
    members(json!({"join": [{"id": "5", "identities": {"ECID": ecid(999)}}]}));
    members(json!({"leave": ["5"]}));
    patient("the sixth has left", || size(&place, "churned") == 5);
    // One goes without a trace, another's attribute is emptied without a new qualification: everyone is read anew more often.
    assert_eq!(served.term(), Some(0));
    place.run(import(&id, &lab, &["--every", "1s", "--full-every", "2s", "--leavers"])).expect(0);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    place.write("gold.yaml", SEGMENT);
    let gold =
        || place.run(["segment", "count", "gold.yaml", "--store", "s.caravan", "--json"]).json()["fulfil"].clone();
    assert_eq!(gold(), 1);
    members(json!({"quietly": true, "leave": ["1"], "join": [{"id": "0", "identities": {"ECID": ecid(0)}}]}));
    patient("a full round tells of both", || size(&place, "churned") == 4 && gold() == 0);
    assert_eq!(imports(&place, "churned")["unlinked"], json!([]), "nobody is counted who is not there");
    assert_eq!(served.term(), Some(0));
}
