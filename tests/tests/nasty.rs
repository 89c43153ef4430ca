//! A nasty users file ends with one status per person, and a reason for each that was skipped.
use caravan_tests::{Place, audience_named, keys_of, oracle, word};
use std::collections::BTreeSet;
use xtask::totals;

const CONNECTIONS: &str = r#"
format: 1
connections:
  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 }, default_country: NO }
"#;

/// `NO` is Norway, and `on` an attribute, not booleans.
const CANVAS: &str = r#"
format: 1
canvas: nasty
audiences:
  all: { connection: lab-meta, account: main, name: "Nasty", if_missing: create }
entry:
  trigger: { event: lapsed }
  who: { any: [ { attr: country, in: [NO, FR, JP] }, { attr: country, exists: false } ] }
  start: sync
steps:
  sync: { audience_sync: { audience: all, action: add, match: [email, phone, first_name, city] }, next: exit, otherwise: exit }
"#;

/// Forty ways to write one French number.
fn spellings() -> Vec<String> {
    let mut all: Vec<String> = [
        "+33612345678",
        "+33 6 12 34 56 78",
        "+33-6-12-34-56-78",
        "+33.6.12.34.56.78",
        "+33 (0)6 12 34 56 78",
        "+33(0)612345678",
        "0033612345678",
        "0033 6 12 34 56 78",
        "00 33 6 12 34 56 78",
        "tel:+33612345678",
        "tel:+33-6-12-34-56-78",
        "TEL:+33612345678",
        "0612345678",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "06-12-34-56-78",
        "06/12/34/56/78",
        "(06) 12 34 56 78",
        "0 6 12 34 56 78",
        " 0612345678 ",
        "\u{ff0b}33612345678",
        "＋３３６１２３４５６７８",
        "٠٦١٢٣٤٥٦٧٨",
        "۰۶۱۲۳۴۵۶۷۸",
        "०६१२३४५६७८",
        "06\u{a0}12\u{a0}34\u{a0}56\u{a0}78",
        "06\u{202f}12\u{202f}34\u{202f}56\u{202f}78",
        "06\u{2009}12 34 56 78",
        "+33 612 345 678",
        "+33 612-345-678",
        "+33 6 1234 5678",
        "06 1234 5678",
        "0612 345 678",
        "06 12 34 56 78 ext. 9",
        "+33612345678 ext 12",
        "+33612345678;ext=3",
        "(+33) 6 12 34 56 78",
        "+33 6\u{2011}12\u{2011}34\u{2011}56\u{2011}78",
        "+33 6–12–34–56–78",
        "+33\t612345678",
    ]
    .map(str::to_owned)
    .to_vec();
    all.dedup();
    all
}

#[test]
fn a_nasty_users_file_ends_with_one_status_per_person() {
    let place = Place::new();
    place.write("connections.yaml", CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    let mut rows = Vec::new();
    let mut row = |id: &str, email: &str, phone: &str, name: &str, city: &str, country: &str, birth: &str| {
        let quote = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        rows.push([id, email, phone, name, city, country, birth].map(quote).join(","));
    };
    let spellings = spellings();
    assert_eq!(spellings.len(), 40);
    for (n, phone) in spellings.iter().enumerate() {
        // `;` separates values, so a spelling that contains one stands in a JSON array.
        let cell = if phone.contains(';') { format!("[\"{phone}\"]") } else { phone.clone() };
        row(&format!("phone-{n}"), "", &cell, "", "", "FR", "");
    }
    row("accents", "JÖRG@BÜCHER.example", "", "Zoë", "São Paulo", "FR", "1985-07-03");
    row("cjk", "cjk@example.com", "", "张伟", "東京", "JP", "");
    row("norway", "", "412 34 567", "Kari", "Oslo", "NO", "");
    row("hashed", "836F82DB99121B3481011F16B49DFA5FBC714A0D1B1B9F784A1EBBBF5B39577F", "", "", "", "", "");
    row("huge", "huge@example.com", "", &"x".repeat(200_000), "Paris", "FR", "");
    row("several", "one@example.com;two@example.com", "", "", "", "FR", "");
    row("empty", "", "", "", "", "FR", "");
    row("blank", "   ", " \t ", "  ", "", "FR", "");
    row("wrong", "not an address", "n/a", "Nobody", "Nowhere", "FR", "");
    row("name-only", "", "", "Marie", "Lyon", "FR", "");
    row("elsewhere", "us@example.com", "", "", "", "US", "");
    row("twice", "twice@example.com", "", "", "", "FR", "");
    row("twice", "twice@example.com", "", "", "", "FR", "");
    row("bad-date", "date@example.com", "", "", "", "FR", "1985-13-45");
    row("", "nobody@example.com", "", "", "", "FR", "");
    let text = format!(
        "\u{feff}external_id,email,phone,first_name,city,country,birth_date\r\n{}\r\nbroken,\"unclosed\r\n",
        rows.join("\r\n")
    );
    let users = word(&place.write("users.csv", text));

    let lab = place.lab();
    let ran = place.run(["run", "canvas.yaml", "--users", &users, "--store", "s.caravan", "--lab", &lab.url, "--json"]);
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
    let said = ran.json();
    // 40 phones, accents, cjk, norway, hashed, huge, several, twice (once) are sent; four have nothing usable.
    assert_eq!(totals::accounted(&said), Some(51), "{said}");
    assert_eq!(totals::of_status(&said, "synced"), 47, "{said}");
    assert_eq!(totals::of_status(&said, "skipped"), 4, "{said}");
    let bad = said["files"][0]["bad_rows"].as_array().expect("bad rows are listed");
    assert_eq!(bad.len(), 3, "a bad date, a missing id and a broken line: {said}");
    assert!(bad.iter().all(|row| row["line"].as_u64().is_some() && row["reason"].is_string()), "{said}");

    let keys = keys_of(&lab, &audience_named(&lab, "Nasty").expect("one")).expect("members");
    let phones: BTreeSet<String> = ["33612345678", "4741234567"].map(oracle::sha256).into();
    assert_eq!(keys["PHONE"], phones, "forty spellings are one number");
    for email in ["jörg@bücher.example", "cjk@example.com", "huge@example.com", "one@example.com", "two@example.com"]
    {
        assert!(keys["EMAIL"].contains(&oracle::sha256(email)), "{email}");
    }
    assert!(keys["EMAIL"].contains("836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f"));
    assert!(keys["FN"].contains(&oracle::sha256("zoë")) && keys["FN"].contains(&oracle::sha256("张伟")));
    assert!(keys["CT"].contains(&oracle::sha256("sãopaulo")) && keys["CT"].contains(&oracle::sha256("東京")));

    // Each that was skipped has a reason of its own, and a person can be found by any identifier.
    for id in ["empty", "blank", "wrong", "name-only"] {
        let trace = place.run(["profile", "trace", id, "--store", "s.caravan", "--json"]).expect(0).json().to_string();
        assert!(trace.contains("skipped") && trace.contains("no-identifier"), "{id}: {trace}");
    }
    let trace = place.run(["profile", "trace", "two@example.com", "--store", "s.caravan", "--json"]).expect(0).json();
    assert!(trace.to_string().contains("several"), "{trace}");
}
