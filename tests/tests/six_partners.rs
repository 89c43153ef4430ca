//! One canvas over all six partners, with a tenth of its people in a Marketo list besides: every lab's member set equals an
//! independent calculation.
use caravan_tests::people::{People, Sets, assert_same};
use caravan_tests::{Lab, Place, keys_of, oracle, word};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use xtask::totals;

const CONNECTIONS: &str = r#"
format: 1
connections:
  criteo: { connector: criteo, lab: true, accounts: { main: "1" } }
  google: { connector: google, lab: true, accounts: { main: "1000000001" } }
  marketo:
    connector: marketo
    lab: true
    raw: [EMAIL]
    accounts: { main: "123-ABC-456" }
    settings: { munchkin: 123-ABC-456, folder: 13 }
  meta: { connector: meta, lab: true, accounts: { main: act_1 } }
  pinterest: { connector: pinterest, lab: true, accounts: { main: "549755000000" } }
  snapchat: { connector: snapchat, lab: true, accounts: { main: 8adc3db7-8148-4fbf-999c-000000000001 } }
  tiktok: { connector: tiktok, lab: true, accounts: { main: "7000000000000000001" } }
"#;

const CANVAS: &str = r#"
format: 1
canvas: everywhere
audiences:
  criteo: { connection: criteo, account: main, name: "Everywhere C", if_missing: create }
  google: { connection: google, account: main, name: "Everywhere G", kind: CONTACT_ID, if_missing: create }
  marketo: { connection: marketo, account: main, name: "Everywhere K", if_missing: create }
  meta: { connection: meta, account: main, name: "Everywhere M", if_missing: create }
  pinterest: { connection: pinterest, account: main, name: "Everywhere P", kind: EMAIL, if_missing: create }
  snapchat: { connection: snapchat, account: main, name: "Everywhere S", if_missing: create }
  tiktok: { connection: tiktok, account: main, name: "Everywhere T", if_missing: create }
entry: { trigger: { event: lapsed }, start: meta }
steps:
  meta: { audience_sync: { audience: meta, action: add, match: [email, phone] }, next: google }
  google: { audience_sync: { audience: google, action: add, match: [email, phone] }, next: tiktok }
  tiktok: { audience_sync: { audience: tiktok, action: add, match: [email, phone] }, next: pinterest }
  pinterest: { audience_sync: { audience: pinterest, action: add, match: [email] }, next: snapchat }
  snapchat: { audience_sync: { audience: snapchat, action: add, match: [email, phone] }, next: criteo }
  criteo: { audience_sync: { audience: criteo, action: add, match: [email, phone] }, next: vip }
  vip: { branch: [ { if: { attr: vip, in: ["yes"] }, next: marketo } ], else: exit }
  marketo: { audience_sync: { audience: marketo, action: add, match: [email] }, next: exit }
"#;

/// Every tenth person is one.
fn is_vip(number: usize) -> bool {
    number.is_multiple_of(10)
}

/// The members of the only audience whose name begins so.
fn members(lab: &Lab, name: &str) -> Sets {
    let all = lab.get("/_lab/audiences").expect("audiences");
    let of_name = |audience: &&Value| audience["name"].as_str().is_some_and(|found| found.starts_with(name));
    let found: Vec<&Value> = all["audiences"].as_array().expect("a list").iter().filter(of_name).collect();
    assert_eq!(found.len(), 1, "audiences named {name}: {all}");
    let id = found[0]["audience"].as_str().or_else(|| found[0]["id"].as_str()).expect("an id");
    keys_of(lab, id).expect("members")
}

#[test]
fn one_canvas_keeps_all_six_partners_and_a_marketo_list() {
    let place = Place::new();
    let lab = place.lab();
    lab.post("/_lab/settings", &json!({"time_scale": 60, "marketo": {"unknown_of_256": 0, "duplicates_of_256": 0}}))
        .expect("settings");
    place.write("connections.yaml", CONNECTIONS);
    place.write("all.yaml", CANVAS);
    let count = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 100_000 } else { 20_000 };
    let text = std::fs::read_to_string(place.people("plain.csv", count, 23)).expect("people");
    let mut lines = text.lines();
    let head = format!("{},vip\n", lines.next().expect("a header"));
    let rows = lines.enumerate().map(|(at, line)| format!("{line},{}\n", if is_vip(at) { "yes" } else { "no" }));
    let file = place.write("people.csv", head + &rows.collect::<String>());

    let users = word(&file);
    let ran =
        place.run(["run", "all.yaml", "--users", &users, "--store", "s", "--lab", &lab.url, "--wait", "25s", "--json"]);
    let ran = ran.json();
    assert_eq!((totals::accounted(&ran), ran["open"].as_u64()), (Some(count), Some(0)), "{ran}");

    let people = People::read(&file);
    let plain = |number: &str| number.to_owned();
    let plus = |number: &str| format!("+{number}");
    for (name, email, phone) in [
        ("Everywhere M", "EMAIL", Some("PHONE")),
        ("Everywhere T", "EMAIL_SHA256", Some("PHONE_SHA256")),
        ("Everywhere P", "EMAIL", None),
        ("Everywhere S", "EMAIL_SHA256", Some("PHONE_SHA256")),
        ("Everywhere C", "email", Some("phoneNumber")),
    ] {
        let phone = phone.map(|key| (key, plain as fn(&str) -> String));
        let expected = people.sets(0, (email, oracle::email), phone);
        assert!(expected[email].len() > people.rows.len() / 2, "the people have addresses");
        assert_same(name, &members(&lab, name), &expected);
    }
    let google = people.sets(0, ("EMAIL", oracle::google_email), Some(("PHONE", plus)));
    assert_same("Everywhere G", &members(&lab, "Everywhere G"), &google);

    // Marketo holds no address beyond ASCII, and shows it as it is.
    let vips = people.rows.iter().enumerate().filter(|(at, row)| is_vip(*at) && !oracle::blocked(row));
    let addresses = vips.flat_map(|(_, row)| oracle::several(&row["email"]));
    let addresses: BTreeSet<String> =
        addresses.filter_map(|value| oracle::email(&value)).filter(|address| address.is_ascii()).collect();
    assert!(addresses.len() > people.rows.len() / 50, "there are enough of them");
    let mut found = members(&lab, "Everywhere K");
    found.remove("EXTERNAL_ID"); // Marketo's own ids of leads.
    assert_same("Everywhere K", &found, &Sets::from([("EMAIL".to_owned(), addresses)]));
}
