//! After a run, the lab's member sets equal, hash by hash, an independent calculation from the users file, for add and
//! for remove; and the sum over statuses equals who entered.
use caravan_tests::{LAB_CONNECTIONS, Place, audience_named, keys_of, oracle, word};
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

/// The digits of a number in E.164, by a library that the host does not use. It is told beforehand what the design
/// (section 6) says: a leading `00` is a `+`, and without any country the digits count only if they are valid. And it is
/// told that national numbers of Italy and Norway may begin like the country's own code, which it takes for the code.
fn phone(value: &str, country: &str) -> Option<String> {
    let value = value.trim().trim_start_matches("tel:");
    let own_code = [("IT", "39"), ("NO", "47")].into_iter().find(|(name, _)| *name == country).map(|(_, code)| code);
    let written = match (value.strip_prefix("00"), own_code) {
        (Some(rest), _) => format!("+{rest}"),
        (None, Some(code)) if value.starts_with(code) => format!("+{code}{value}"),
        (None, _) => value.to_owned(),
    };
    let known = country.trim().to_uppercase().parse::<phonenumber::country::Id>().ok();
    let number = match known {
        None if !written.starts_with('+') => {
            phonenumber::parse(None, format!("+{written}")).ok().filter(phonenumber::PhoneNumber::is_valid)?
        }
        known => phonenumber::parse(known, written).ok()?,
    };
    let digits = number.format().mode(phonenumber::Mode::E164).to_string();
    Some(digits.trim_start_matches('+').to_owned())
}

/// One row at the partner: key → digest.
type Sent = BTreeMap<&'static str, String>;

/// The rows that a person becomes: several e-mails or phones fan out, single values repeat.
fn rows_of(row: &oracle::Row, meta: bool) -> Vec<Sent> {
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
    let phones =
        unique(oracle::several(cell("phone")).iter().filter_map(|value| phone(value, cell("country"))).collect());
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
    let meta: Vec<&oracle::Row> = people.iter().filter(|row| row["plan"] == "pro").collect();
    let tiktok: Vec<&oracle::Row> = people.iter().filter(|row| row["plan"] != "pro").collect();
    let sendable = |rows: &[&oracle::Row], is_meta: bool| -> Vec<Sent> {
        rows.iter().filter(|row| !oracle::blocked(row)).flat_map(|row| rows_of(row, is_meta)).collect()
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
