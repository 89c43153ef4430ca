//! Files that Experience Platform hands over in a folder, as their keeper uses them: joiners and leavers by themselves, strangers
//! who become known, rows that cannot be read named by their line, and files that are not whole left alone.
use caravan_tests::{Lab, Place, Served, patient};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

const CONFIG: &str = r#"
[workspaces.default]
store = "s.caravan"

[workspaces.default.hand_overs.adobe]
folder = "in"
settle = "1s"
columns = { "CRM number" = "external_id" }

[workspaces.default.hand_overs.whole]
folder = "whole"
settle = "1s"
everyone = true
"#;

fn ecid(n: usize) -> String {
    format!("8914927034266255964275{n:016}")
}

/// A place with a configuration, people of whom we know e-mail and ECID, and a lab with an audience.
fn begin(known: impl Iterator<Item = usize>) -> (Place, Lab, String) {
    let place = Place::new();
    place.write("caravan.toml", CONFIG);
    std::fs::create_dir(place.path("in")).expect("a folder");
    std::fs::create_dir(place.path("whole")).expect("a folder");
    place.write("connections.yaml", "format: 1\nconnections: {}\n");
    let rows = known.map(|n| format!("p{n},{},p{n}@example.com\n", ecid(n)));
    place.write("users.csv", std::iter::once("external_id,aliases,email\n".to_owned()).chain(rows).collect::<String>());
    place.run(["profile", "import", "users.csv", "--store", "s.caravan", "--yes"]).expect(0);
    let lab = place.lab();
    let spec = json!({"partner": "experience-platform", "account": "prod", "name": "Churned"});
    let made = lab.post("/_lab/audiences", &spec).expect("an audience");
    let id = made["audience"].as_str().expect("an id").to_owned();
    (place, lab, id)
}

fn change(lab: &Lab, audience: &str, change: &Value) {
    lab.post(&format!("/_lab/audiences/{audience}/members"), change).expect("members");
}

fn join(lab: &Lab, audience: &str, ids: impl Iterator<Item = usize>) {
    let member =
        |n: usize| json!({"id": n.to_string(), "identities": {"ECID": ecid(n)}, "attributes": {"tier": "gold"}});
    change(lab, audience, &json!({"join": ids.map(member).collect::<Vec<Value>>()}));
}

/// Has the lab hand the audience over; gives the file's name.
fn hand_over(lab: &Lab, audience: &str, folder: &PathBuf, more: &Value) -> String {
    let mut wish = json!({"folder": folder});
    wish.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let handed = lab.post(&format!("/_lab/audiences/{audience}/hand-over"), &wish).expect("a file");
    handed["file"].as_str().expect("a name").to_owned()
}

fn import(place: &Place, list: &str, name: &str, more: &[&str]) -> caravan_tests::Ran {
    let of =
        ["list", "import", list, "--create", "--from-files", name, "--every", "1s", "--store", "s.caravan", "--yes"];
    place.run([&of[..], more].concat())
}

fn imports(place: &Place, list: &str) -> Value {
    place.run(["list", "imports", list, "--store", "s.caravan", "--json"]).json()[0].clone()
}

fn state(place: &Place, list: &str, what: &str) -> Value {
    imports(place, list)["state"][what].clone()
}

fn there(place: &Place, list: &str) -> BTreeSet<String> {
    let shown = place.run(["list", "show", list, "--members", "60000", "--store", "s.caravan", "--json"]).json();
    let ids = shown["ids"].as_array().into_iter().flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn people(ids: impl Iterator<Item = usize>) -> BTreeSet<String> {
    ids.map(|n| format!("p{n}")).collect()
}

#[test]
fn files_that_are_handed_over_put_people_on_a_list_and_take_leavers_off_also_when_it_is_cut_short() {
    let (members, strangers) = (30_000, 2_000);
    let (place, lab, id) = begin(strangers..members + 200);
    join(&lab, &id, 0..members);
    let first = hand_over(&lab, &id, &place.path("in"), &json!({}));
    import(&place, "churned", "adobe", &["--leavers"]).expect(0);

    let mut served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("a page is read", || state(&place, "churned", "rows").as_u64() > Some(0));
    served.child.kill().expect("killed");
    served.child.wait().expect("its end");
    drop(served);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("the file is read to its end", || state(&place, "churned", "files") == 1);
    assert_eq!(there(&place, "churned"), people(strangers..members));
    let line = imports(&place, "churned");
    assert_eq!(
        (&line["linked"], &line["unlinked"], &line["state"]["broken"]),
        (&json!(members - strangers), &json!([["unknown", strangers]]), &json!(0)),
        "nobody is made, nobody is counted twice: {line}"
    );

    // The next file tells of joiners and leavers alone, by tab; a stranger becomes known meanwhile.
    join(&lab, &id, members..members + 200);
    change(&lab, &id, &json!({"leave": (strangers..strangers + 50).map(|n| n.to_string()).collect::<Vec<_>>()}));
    hand_over(&lab, &id, &place.path("in"), &json!({"tabs": true}));
    let identify = json!({"type": "identify", "userId": "p7", "traits": {"email": "p7@example.com"},
        "context": {"externalIds": [{"id": ecid(7), "type": "ECID"}]}});
    let (status, answer) = served.send("/v1/batch", &json!({"batch": [identify]}).to_string());
    assert!(status == 200 && !answer.contains("problems"), "{answer}");
    let expected: BTreeSet<String> = people((strangers + 50..members + 200).chain([7]));
    patient("joiners came, leavers left, a stranger is known", || there(&place, "churned") == expected);
    assert_eq!(served.term(), Some(0));
    // Both files stand in the audit chain, each once.
    let noted = place.run(["audit", "list", "--store", "s.caravan", "--json", "--limit", "1000"]).json();
    let notes: Vec<&Value> =
        noted.as_array().into_iter().flatten().filter(|note| note["verb"] == "list.import.file").collect();
    assert_eq!(notes.len(), 2, "{noted}");
    assert!(notes.iter().any(|note| note["details"]["file"] == first && note["details"]["rows"] == members), "{noted}");
}

#[test]
fn rows_that_cannot_be_read_are_named_by_line_and_a_file_that_is_not_whole_waits() {
    let (place, lab, _) = begin(0..10);
    let head = "CRM number,Email,segmentMembershipStatus\n";
    place.write(
        "in/a.csv",
        format!("{head}p1,,realized\n,p2@example.com,existing\np3,,perhaps\np4,realized\n,,realized\n"),
    );
    place.write("in/b.csv.part", format!("{head}p5,,realized\n"));
    place.write("in/.c.csv", format!("{head}p6,,realized\n"));
    import(&place, "vip", "adobe", &[]).expect(0);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("the file is read", || state(&place, "vip", "files") == 1);
    let line = imports(&place, "vip");
    assert_eq!((&line["state"]["broken"], &line["linked"]), (&json!(2), &json!(2)), "{line}");
    assert_eq!(line["unlinked"], json!([["no_identifier", 1]]));
    let wrong: Vec<(&str, u64)> = line["state"]["wrong"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| (row["file"].as_str().unwrap_or_default(), row["line"].as_u64().unwrap_or_default()))
        .collect();
    assert_eq!(wrong, [("a.csv", 4), ("a.csv", 5)]);
    let words = place.run(["list", "imports", "vip", "--store", "s.caravan"]).stdout;
    assert!(
        words.contains("a.csv line 4: segmentMembershipStatus is none of") && !words.contains("perhaps"),
        "{words}"
    );
    // Cut off in its last line, a file is not read; the words say so. Whole, under the same name, it is.
    place.write("in/d.csv", format!("{head}p5,,realized\np8,,real"));
    let trouble = || state(&place, "vip", "trouble");
    patient("it is told", || trouble()["words"].as_str().is_some_and(|words| words.contains("d.csv")));
    assert!(trouble()["words"].as_str().is_some_and(|words| words.contains("only half there")), "{}", trouble());
    assert_eq!(there(&place, "vip"), people([1, 2].into_iter()));
    place.write("in/d.csv", format!("{head}p5,,realized\np8,,realized\n"));
    patient("it is read", || there(&place, "vip") == people([1, 2, 5, 8].into_iter()));
    // The upload that was under way gets its name.
    std::fs::rename(place.path("in/b.csv.part"), place.path("in/b.csv")).expect("renamed");
    place.write("in/d.csv", format!("{head}p5,,exited\n"));
    patient("a new file under a known name is read", || state(&place, "vip", "files") == 4);
    assert_eq!(there(&place, "vip"), people([1, 2, 5, 8].into_iter()), "leavers were not asked for");
    // Parquet is refused with the cure.
    place.write("in/e.parquet", "PAR1");
    patient("it is told", || trouble()["words"].as_str().is_some_and(|words| words.contains("Parquet")));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn where_each_file_holds_everyone_who_is_in_none_has_left_unless_a_row_cannot_be_read() {
    let (place, lab, id) = begin(0..40);
    join(&lab, &id, 0..30);
    let whole = place.path("whole");
    hand_over(&lab, &id, &whole, &json!({"everyone": true}));
    // By the audience's id in the name of its files; a file of another is none of this list's.
    place.write("whole/Other_1.csv", "Email\np39@example.com\n");
    import(&place, "churned", "whole", &["--leavers", "--audience", &id]).expect(0);
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("everyone is there", || there(&place, "churned") == people(0..30));
    // Two have left in silence; a broken row keeps them, since it may be one of them.
    let rows: String = (2..30).map(|n| format!("{}\n", ecid(n))).collect();
    place.write(&format!("whole/Churned_{id}_2.csv"), format!("ECID\n{rows}8.9E+37\n"));
    patient("the broken one is read", || state(&place, "churned", "files") == 2);
    assert_eq!(there(&place, "churned"), people(0..30));
    place.write(&format!("whole/Churned_{id}_3.csv"), format!("ECID\n{rows}"));
    patient("two have left", || there(&place, "churned") == people(2..30));
    place.write(&format!("whole/Churned_{id}_4.csv"), "ECID\n");
    let trouble = || state(&place, "churned", "trouble")["words"].as_str().unwrap_or_default().to_owned();
    patient("a file that names nobody is told", || trouble().contains("names nobody"));
    assert_eq!(there(&place, "churned"), people(2..30));
    assert_eq!(served.term(), Some(0));
}

#[test]
fn only_folders_that_the_configuration_allows_are_read_and_a_head_without_the_status_is_refused() {
    let (place, lab, _) = begin(0..10);
    let unknown = import(&place, "vip", "etc", &[]).expect(2).stderr;
    assert!(unknown.contains("CV037") && unknown.contains("allows adobe, whole"), "{unknown}");
    place.write("in/a.csv", "Email\np1@example.com\n");
    let settle = std::time::Duration::from_millis(1_100);
    std::thread::sleep(settle);
    let without = import(&place, "vip", "adobe", &[]).expect(2).stderr;
    assert!(without.contains("no column segmentMembershipStatus"), "{without}");
    place.write(
        "in/a.csv",
        "segmentId,Email,segmentMembershipStatus\nA,p1@example.com,realized\nB,p2@example.com,realized\n",
    );
    std::thread::sleep(settle);
    let several = import(&place, "vip", "adobe", &[]).expect(2).stderr;
    assert!(several.contains("--audience"), "{several}");
    // A running host is asked for it by its API, and reads the rows of that audience alone.
    place.run(["list", "create", "vip", "--store", "s.caravan"]).expect(0);
    let made = place.run(["key", "add", "robot", "--rights", "admin", "--store", "s.caravan", "--json"]).json();
    let key = made["key"].as_str().expect("a secret").to_owned();
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    let mut asked =
        place.caravan(["list", "import", "vip", "--from-files", "adobe", "--audience", "A", "--every", "1s"]);
    let asked = caravan_tests::Ran::of(asked.args(["--server", &served.url]).env("CARAVAN_KEY", &key));
    asked.expect(0);
    let head = format!("authorization: Bearer {key}\r\n");
    let wish = json!({"connection": "files:/etc"}).to_string();
    let (status, answer) = served.ask("POST", "/api/lists/vip/imports", &head, &wish);
    assert!(status == 422 && answer.contains("CV037"), "{status} {answer}");
    patient("the row is read", || there(&place, "vip") == people([1].into_iter()));
    let view = served.ask("GET", "/api/lists/vip/imports", &head, "").1;
    assert!(view.contains(r#""connection":"files:adobe""#) && view.contains(r#""full_every_ms":null"#), "{view}");
    assert_eq!(served.term(), Some(0));
}
