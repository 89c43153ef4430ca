//! People as columns, and what membership records of them.
use crate::manifest;
use caravan_identity::{ColumnBuilder, Hash, Person, Plan, PlanError, hash, recorded};
use caravan_model::status::reason;
use caravan_model::{Code, Column, Profile, Reason};
use serde_json::{Map, json};

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn plan(match_words: &str) -> Plan {
    Plan::new(&manifest(), &words(match_words), &Map::new(), Some("US")).unwrap()
}

fn profile(value: serde_json::Value) -> Profile {
    serde_json::from_value(value).unwrap()
}

fn sha(value: &str) -> String {
    hash(Hash::Sha256Hex, value)
}

/// The values, row by row.
fn rows(columns: &[Column]) -> Vec<Vec<&str>> {
    (0..columns.first().map_or(0, Column::rows)).map(|row| columns.iter().map(|c| c.value(row)).collect()).collect()
}

fn skipped(match_words: &str, value: serde_json::Value, tracking_denied: bool) -> Reason {
    let mut builder = ColumnBuilder::new(&plan(match_words), 1);
    let before = builder.columns().clone();
    let Person::Skip(why) = builder.push(&profile(value), tracking_denied) else { panic!("not skipped") };
    assert_eq!(*builder.columns(), before);
    why
}

#[test]
fn keys_come_in_the_manifests_order_with_their_effective_rules() {
    let settings = json!({"email_form": "no-tag"}).as_object().unwrap().clone();
    let plan = Plan::new(&manifest(), &words("phone gaid email"), &settings, None).unwrap();
    assert_eq!(plan.key_names(), ["EMAIL", "PHONE", "MADID"]);
    let mut builder = ColumnBuilder::new(&plan, 1);
    builder.push(&profile(json!({"emails": ["a+x@b.com"]})), false);
    assert_eq!(builder.columns().columns[0].value(0), sha("a@b.com"));
}

#[test]
fn wrong_choices_of_keys_are_refused_with_a_cure() {
    let refused = |match_words: &str| Plan::new(&manifest(), &words(match_words), &Map::new(), None).unwrap_err();
    let unknown = refused("email fax");
    assert!(matches!(&unknown, PlanError::UnknownKey { word, .. } if word == "fax"));
    assert_eq!(unknown.code(), Some(Code::UnknownMatchKey));
    assert!(unknown.to_string().contains("it takes: email, phone, first_name"), "{unknown}");
    let nobody = refused("first_name city");
    assert_eq!(nobody.code(), Some(Code::ImpossibleKeys));
    assert_eq!(
        nobody.to_string(),
        "first_name, city identify nobody at acme; add one of: email, phone, house, idfa, external_id"
    );
    assert_eq!(refused("house").to_string(), "acme takes `house` only together with: house_zip");
    assert!(matches!(refused(""), PlanError::Nothing { .. }));
    let country = Plan::new(&manifest(), &words("email"), &Map::new(), Some("Atlantis")).unwrap_err();
    assert_eq!(country, PlanError::DefaultCountry("Atlantis".into()));
    let settings = json!({"email_form": "upside-down"}).as_object().unwrap().clone();
    assert!(matches!(Plan::new(&manifest(), &words("email"), &settings, None), Err(PlanError::Setting(_))));
}

#[test]
fn several_emails_and_phones_give_several_rows_with_single_values_repeated() {
    let mut builder = ColumnBuilder::new(&plan("email phone first_name"), 2);
    let one = profile(json!({
        "emails": ["A@b.com", " a@B.com", "c@d.com", "", "nonsense", "e@f.com"],
        "phones": ["(650) 561-5622", "+1 650 561 5622", "+44 20 7946 0958"],
        "first_name": "Mary",
    }));
    let two = profile(json!({"emails": ["x@y.com", "z@y.com"], "phones": ["+1 650 561 5622"]}));
    assert_eq!(builder.push(&one, false), Person::Rows(3));
    assert_eq!(builder.push(&two, false), Person::Rows(2));
    let set = builder.finish();
    let (mary, us, uk) = (sha("mary"), sha("16505615622"), sha("442079460958"));
    assert_eq!(set.person_ends, [3, 5]);
    assert_eq!(
        rows(&set.columns),
        [
            [&*sha("a@b.com"), &us, &mary],
            [&*sha("c@d.com"), &uk, &mary],
            [&*sha("e@f.com"), "", &mary],
            [&*sha("x@y.com"), &us, ""],
            [&*sha("z@y.com"), &us, ""],
        ]
    );
}

#[test]
fn a_person_has_at_most_ten_rows() {
    let emails: Vec<String> = (0..25).map(|n| format!("a{n}@b.com")).collect();
    let mut builder = ColumnBuilder::new(&plan("email external_id"), 1);
    assert_eq!(builder.push(&profile(json!({"external_id": "u", "emails": emails})), false), Person::Rows(10));
    assert_eq!(builder.columns().columns[1].value(9), "u");
}

#[test]
fn the_first_usable_source_wins_for_a_single_valued_key() {
    let mut builder = ColumnBuilder::new(&plan("idfa gaid"), 2);
    let gaid = "38400000-8cf0-11bd-b23e-10b96e40000d";
    let zeros = "00000000-0000-0000-0000-000000000000";
    builder.push(&profile(json!({"idfa": zeros, "gaid": gaid})), false);
    builder.push(&profile(json!({"idfa": "AECE52E7-03EE-455A-B3C4-E57283966239", "gaid": gaid})), false);
    assert_eq!(rows(&builder.columns().columns), [[gaid], ["aece52e7-03ee-455a-b3c4-e57283966239"]]);
}

#[test]
fn a_person_without_an_identifier_is_skipped_with_reasons_and_no_values() {
    let why = skipped(
        "email phone first_name",
        json!({"emails": ["", "secret"], "phones": ["12", "n/a"], "first_name": "Mary"}),
        false,
    );
    assert_eq!(why.code, reason::NO_IDENTIFIER);
    assert_eq!(
        why.words,
        "e-mail is missing or empty; e-mail is not an e-mail address; phone is not a possible phone number"
    );
    assert_eq!(skipped("email", json!({}), false).words, "e-mail is missing or empty");
    assert_eq!(skipped("external_id", json!({"external_id": "  "}), false).words, "external id is missing or empty");
}

#[test]
fn device_ids_are_withheld_while_tracking_is_denied() {
    let device = json!({"gaid": "38400000-8cf0-11bd-b23e-10b96e40000d", "emails": ["nonsense"]});
    assert_eq!(skipped("email gaid", device.clone(), true).code, reason::TRACKING_OFF);
    let mut denied = device.clone();
    denied["ad_tracking_enabled"] = json!(false);
    assert_eq!(skipped("email gaid", denied, false).code, reason::TRACKING_OFF);
    assert_eq!(skipped("email gaid", json!({"emails": ["nonsense"]}), true).code, reason::NO_IDENTIFIER);
    let mut builder = ColumnBuilder::new(&plan("email gaid"), 2);
    let mut both = device;
    both["emails"] = json!(["a@b.com"]);
    assert_eq!(builder.push(&profile(both.clone()), true), Person::Rows(1));
    assert_eq!(builder.push(&profile(both), false), Person::Rows(1));
    assert_eq!(rows(&builder.columns().columns)[0][1], "");
    assert_ne!(rows(&builder.columns().columns)[1][1], "");
}

#[test]
fn keys_that_want_company_are_sent_with_all_of_it_or_not_at_all() {
    let plan = plan("email house house_zip");
    let mut builder = ColumnBuilder::new(&plan, 3);
    builder.push(&profile(json!({"emails": ["a@b.com"], "last_name": "Smith", "zip": "94103"})), false);
    builder.push(&profile(json!({"emails": ["a@b.com"], "last_name": "Smith"})), false);
    builder.push(&profile(json!({"last_name": "Smith", "zip": "94103"})), false);
    let email = sha("a@b.com");
    assert_eq!(
        rows(&builder.columns().columns),
        [[&*email, "smith", "94103"], [&*email, "", ""], ["", "smith", "94103"]]
    );
    let Person::Skip(why) = builder.push(&profile(json!({"last_name": "Smith"})), false) else { panic!() };
    assert_eq!(why.words, "e-mail is missing or empty; last name is not enough alone");
}

#[test]
fn popping_takes_the_last_person_away_again() {
    let mut builder = ColumnBuilder::new(&plan("email phone"), 2);
    builder.push(&profile(json!({"emails": ["a@b.com"]})), false);
    let before = builder.columns().clone();
    builder.push(&profile(json!({"emails": ["c@d.com", "e@f.com"], "phones": ["6505615622"]})), false);
    assert_eq!(builder.columns().rows_of(1), 1..3);
    builder.pop();
    assert_eq!(*builder.columns(), before);
    builder.pop();
    builder.pop();
    assert_eq!(builder.take().rows(), 0);
    assert_eq!(builder.columns().keys, ["EMAIL", "PHONE"]);
}

#[test]
fn a_part_carries_no_empty_columns() {
    let mut builder = ColumnBuilder::new(&plan("email phone city"), 1);
    builder.push(&profile(json!({"emails": ["a@b.com"], "city": "Paris"})), false);
    let (columns, person_ends) = builder.finish().into_part_columns();
    assert_eq!(columns.iter().map(|column| column.key.as_str()).collect::<Vec<_>>(), ["EMAIL", "CT"]);
    assert_eq!(person_ends, [1]);
}

#[test]
fn a_removal_is_built_from_what_was_recorded() {
    let mut builder = ColumnBuilder::new(&plan("email phone gaid external_id"), 1);
    let person = profile(json!({
        "external_id": "user-1", "emails": ["a@b.com", "c@d.com"], "gaid": "38400000-8cf0-11bd-b23e-10b96e40000d"
    }));
    builder.push(&person, false);
    let set = builder.finish();
    let sent = recorded::encode(&set.columns, set.rows_of(0));
    assert!(sent.len() < 170, "{} bytes", sent.len());

    // A later step sends other keys: those that it does not know are left out.
    let mut removal = ColumnBuilder::new(&plan("email phone first_name"), 1).finish();
    assert_eq!(recorded::append_to(&mut removal, &sent), Ok(2));
    assert_eq!(removal.person_ends, [2]);
    assert_eq!(rows(&removal.columns), [[&*sha("a@b.com"), "", ""], [&*sha("c@d.com"), "", ""]]);
    // Several sets of a person, rows once each.
    let mut other = ColumnBuilder::new(&plan("email"), 1);
    other.push(&profile(json!({"emails": ["c@d.com", "new@d.com"]})), false);
    let other = recorded::encode(&other.columns().columns, 0..2);
    assert_eq!(recorded::append_all_to(&mut removal, &[&sent, &other]), Ok(3));
    assert_eq!(removal.person_ends, [2, 5]);
    // Nothing of it fits.
    let mut city = ColumnBuilder::new(&plan("phone city"), 1).finish();
    assert_eq!((recorded::append_to(&mut city, &sent), city.people()), (Ok(0), 0));
}

#[test]
fn the_recorded_form_and_its_fingerprint_never_change() {
    let mut email = Column { key: "EMAIL".into(), ..Column::default() };
    let mut id = Column { key: "EXTERN_ID".into(), ..Column::default() };
    for row in 0..2 {
        email.push(&sha(&format!("person{row}@email.com")));
        id.push("ключ-7");
    }
    let sent = recorded::encode(&[email, id], 0..2);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(&sent),
        format!(
            "01020205{}02{}02{}09{}0f{}01",
            hex(b"EMAIL"),
            sha("person0@email.com"),
            sha("person1@email.com"),
            hex(b"EXTERN_ID"),
            hex("ключ-7".as_bytes())
        )
    );
    assert_eq!(hex(&recorded::fingerprint(&sent)), FINGERPRINT);
}

/// By another program, of the bytes above.
const FINGERPRINT: &str = "defb7f6eb2ab8218854a0ce801f947df";

#[test]
fn damaged_records_are_refused() {
    let mut builder = ColumnBuilder::new(&plan("email"), 1);
    builder.push(&profile(json!({"emails": ["a@b.com"]})), false);
    let sent = recorded::encode(&builder.columns().columns, 0..1);
    let mut set = builder.finish();
    let before = set.clone();
    for end in 0..sent.len() {
        assert!(recorded::append_to(&mut set, &sent[..end]).is_err());
    }
    assert!(recorded::append_to(&mut set, &[&sent[..], b"x"].concat()).is_err());
    assert_eq!(recorded::decode(&[2, 0, 0]), Err(recorded::RecordedError::Version(2)));
    assert!(recorded::decode(&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1]).is_err());
    assert_eq!(set, before);
}
