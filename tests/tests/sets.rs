//! After a run, the lab's member sets equal, hash by hash, an independent calculation from the users file, for add and
//! for remove; and the sum over statuses equals who entered.
use caravan_tests::{LAB_CONNECTIONS, Place, audience_named, keys_of, oracle, python, word};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use xtask::totals;

fn canvas(id: &str, action: &str) -> String {
    format!(
        r#"
format: 1
canvas: {id}
audiences:
  buyers: {{ connection: lab-meta, account: main, name: "Lapsed buyers", if_missing: create }}
  viewers: {{ connection: lab-tiktok, account: main, name: "Lapsed viewers", if_missing: create }}
entry:
  trigger: {{ event: lapsed }}
  start: split
steps:
  split: {{ branch: [ {{ if: {{ attr: plan, in: [pro] }}, next: meta }} ], else: tiktok }}
  meta:
    audience_sync: {{ audience: buyers, action: {action}, match: [email, phone, first_name, last_name] }}
    next: exit
  tiktok:
    audience_sync: {{ audience: viewers, action: {action}, match: [email, phone] }}
    next: exit
"#
    )
}

/// E.164 digits by (country, number as written), by a library that the host does not use.
type Phones = BTreeMap<(String, String), String>;

/// Asks the other library for all numbers of a file at once.
fn phones(people: &[oracle::Row]) -> Phones {
    let written = people
        .iter()
        .flat_map(|row| oracle::several(&row["phone"]).into_iter().map(|number| (row["country"].clone(), number)));
    let written: Vec<(String, String)> = written.collect::<BTreeSet<_>>().into_iter().collect();
    let lines: String = written.iter().map(|(country, number)| format!("{country}\t{number}\n")).collect();
    let said = python::run("phones.py", &[], &lines);
    assert_eq!(said.lines().count(), written.len(), "one answer for each number");
    written.into_iter().zip(said.lines().map(str::to_owned)).filter(|(_, digits)| !digits.is_empty()).collect()
}

/// One row at the partner: key → digest.
type Sent = BTreeMap<&'static str, String>;

/// The rows that a person becomes: several e-mails or phones fan out, single values repeat.
fn rows_of(row: &oracle::Row, meta: bool, known: &Phones) -> Vec<Sent> {
    let unique = |values: Vec<String>| {
        let mut seen = Vec::new();
        for value in values {
            if !seen.contains(&value) {
                seen.push(value);
            }
        }
        seen
    };
    let cell = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
    let emails = unique(oracle::several(cell("email")).iter().filter_map(|value| oracle::email(value)).collect());
    let phones = oracle::several(cell("phone")).into_iter();
    let phones = unique(phones.filter_map(|value| known.get(&(cell("country").to_owned(), value)).cloned()).collect());
    let mut rows = Vec::new();
    for at in 0..emails.len().max(phones.len()) {
        let of = |list: &[String]| if list.len() == 1 { list.first() } else { list.get(at) }.map(|v| oracle::sha256(v));
        let mut sent = Sent::new();
        let (email, phone) = if meta { ("EMAIL", "PHONE") } else { ("EMAIL_SHA256", "PHONE_SHA256") };
        sent.extend(of(&emails).map(|value| (email, value)));
        sent.extend(of(&phones).map(|value| (phone, value)));
        if meta {
            sent.extend(oracle::name(cell("first_name")).map(|value| ("FN", oracle::sha256(&value))));
            sent.extend(oracle::name(cell("last_name")).map(|value| ("LN", oracle::sha256(&value))));
        }
        rows.push(sent);
    }
    rows
}

fn keys(rows: &[Sent]) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, value) in rows.iter().flatten() {
        keys.entry((*key).to_owned()).or_default().insert(value.clone());
    }
    keys
}

/// Says where two key sets differ, without printing a million hashes.
fn assert_same(found: &BTreeMap<String, BTreeSet<String>>, expected: &BTreeMap<String, BTreeSet<String>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, expected) in expected {
        let found = &found[key];
        let missing = expected.difference(found).count();
        let extra = found.difference(expected).count();
        assert_eq!((missing, extra), (0, 0), "{key}: {missing} missing, {extra} too many of {}", expected.len());
    }
}

/// For every step, the statuses sum to those who came; the ends of the entries sum to `entered`; nobody waits.
fn assert_sums(ran: &Value, entered: u64) {
    assert_eq!(totals::accounted(ran), Some(entered), "{ran}");
    assert_eq!(ran["open"].as_u64(), Some(0), "{ran}");
    assert_eq!(totals::of_status(ran, "waiting"), 0, "{ran}");
}

#[test]
fn member_sets_equal_an_independent_calculation_for_add_and_remove() {
    let place = Place::new();
    let lab = place.lab();
    let count = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 100_000 } else { 20_000 };
    let file = place.people("people.csv", count, 7);
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("in.yaml", canvas("lapsed-in", "add"));
    place.write("out.yaml", canvas("lapsed-out", "remove"));

    let added =
        place.run(["run", "in.yaml", "--users", &word(&file), "--store", "all.caravan", "--lab", &lab.url, "--json"]);
    assert_sums(&added.expect(0).json(), count);

    let people = oracle::read(&file);
    let known = phones(&people);
    let meta: Vec<&oracle::Row> = people.iter().filter(|row| row["plan"] == "pro").collect();
    let tiktok: Vec<&oracle::Row> = people.iter().filter(|row| row["plan"] != "pro").collect();
    let sendable = |rows: &[&oracle::Row], is_meta: bool| -> Vec<Sent> {
        rows.iter().filter(|row| !oracle::blocked(row)).flat_map(|row| rows_of(row, is_meta, &known)).collect()
    };
    let (buyers, viewers) =
        (audience_named(&lab, "Lapsed buyers").expect("one"), audience_named(&lab, "Lapsed viewers").expect("one"));
    assert_same(&keys_of(&lab, &buyers).expect("members"), &keys(&sendable(&meta, true)));
    assert_same(&keys_of(&lab, &viewers).expect("members"), &keys(&sendable(&tiktok, false)));

    // The first half leaves again, in another canvas that reaches the same audiences.
    let text = std::fs::read_to_string(&file).expect("people");
    let half: Vec<&str> = text.lines().take(1 + people.len() / 2).collect();
    let leavers = place.write("leavers.csv", half.join("\n") + "\n");
    let removed = place.run([
        "run",
        "out.yaml",
        "--users",
        &word(&leavers),
        "--store",
        "all.caravan",
        "--lab",
        &lab.url,
        "--json",
    ]);
    assert_sums(&removed.expect(0).json(), count / 2);

    let stay = |rows: &[oracle::Row], pro: bool| -> Vec<Sent> {
        let rest: Vec<&oracle::Row> = rows.iter().filter(|row| (row["plan"] == "pro") == pro).collect();
        sendable(&rest, pro)
    };
    let rest = &people[people.len() / 2..];
    assert_same(&keys_of(&lab, &buyers).expect("members"), &keys(&stay(rest, true)));
    assert_same(&keys_of(&lab, &viewers).expect("members"), &keys(&stay(rest, false)));
}
