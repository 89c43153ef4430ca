//! What holds for every value.
use crate::{manifest, place};
use caravan_identity::{
    ColumnBuilder, ColumnSet, Hash, Person, Plan, Rule, Unusable, hash, identifier, normalise, recorded,
};
use caravan_model::{Column, Profile};
use proptest::prelude::*;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

const RULES: [Rule; 26] = [
    Rule::Trim,
    Rule::Email,
    Rule::EmailCompact,
    Rule::EmailNoTag,
    Rule::EmailNoTagNoDots,
    Rule::EmailGmail,
    Rule::EmailGmailTag,
    Rule::PhoneDigits,
    Rule::PhonePlus,
    Rule::Name,
    Rule::GivenName,
    Rule::FamilyName,
    Rule::NameSpaceless,
    Rule::NameLatin,
    Rule::Initial,
    Rule::GenderMf,
    Rule::BirthYear,
    Rule::BirthMonth,
    Rule::BirthDay,
    Rule::City,
    Rule::State,
    Rule::Zip,
    Rule::Country,
    Rule::AdId,
    Rule::AdIdUpper,
    Rule::CountryUpper,
];
const HASHES: [Hash; 5] = [Hash::None, Hash::Sha256Hex, Hash::Sha256Base64, Hash::Md5Hex, Hash::Sha256OfMd5];

fn rule() -> impl Strategy<Value = Rule> {
    prop::sample::select(RULES.to_vec())
}

/// Any text, and text that looks like something.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,40}",
        "[ +0-9()./x-]{0,24}",
        "\\+?[0-9]{5,15}",
        "[a-zA-Z.+üÉßİΣ\u{308}\u{301} ]{1,12}@[a-zA-Z.ü]{1,12}\\.[a-z]{2,4}",
        "[0-9a-fA-F]{64}|[0-9a-f]{32}|[A-Za-z0-9+/]{43}=",
        "[0-9A-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "(19|20|18)[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}",
        "[A-Za-z \u{300}-\u{36F}ÀÉŁøĐ'’.-]{1,20}",
        prop::sample::select(vec!["US", "DEU", "Norway", "female", "New York", "94103-1234", ";", "\u{37E}", "ǅ"])
            .prop_map(str::to_owned),
    ]
}

fn country() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "US", "GB", "DE", "IT", "BR", "SA", "AQ"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normalising_twice_is_normalising_once(rule in rule(), value in text(), country in country()) {
        let at = place(country, "");
        if let Ok(once) = normalise(rule, &value, at) {
            prop_assert!(!once.is_empty());
            // Numbers with two trunk prefixes lose the second when read anew: the library's way.
            let rereads = !matches!(rule, Rule::PhoneDigits | Rule::PhonePlus);
            if rereads {
                let twice = normalise(rule, &once, at);
                prop_assert!(twice == Err(Unusable::OtherDigest) || twice.as_ref() == Ok(&once), "{:?} of {:?}", twice, once);
            }
        }
    }

    #[test]
    fn an_international_number_is_written_as_the_library_writes_it(digits in "[1-9][0-9]{4,15}") {
        let value = format!("+{digits}");
        if let Ok(number) = normalise(Rule::PhonePlus, &value, place("", "")) {
            let read = PHONE_NUMBER_UTIL.parse(&value, None).unwrap();
            prop_assert_eq!(number, read.format_as(PhoneNumberFormat::E164));
        }
    }

    #[test]
    fn nothing_unusable_is_hashed_and_nothing_empty(rule in rule(), value in text(), country in country()) {
        let at = place(country, "US");
        for kind in HASHES {
            if let Ok(sent) = identifier(rule, kind, &value, at) {
                prop_assert!(!sent.is_empty());
                prop_assert_ne!(&sent, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
                let length = match kind {
                    Hash::None => sent.len(),
                    Hash::Sha256Hex | Hash::Sha256OfMd5 => 64,
                    Hash::Sha256Base64 => 44,
                    Hash::Md5Hex => 32,
                };
                prop_assert_eq!(sent.len(), length);
                let digest = matches!(value.trim().len(), 32 | 44 | 64);
                if let Ok(plain) = normalise(rule, &value, at) {
                    prop_assert!(digest || sent == hash(kind, &plain));
                }
            }
        }
    }

    #[test]
    fn digests_pass_through(rule in rule(), value in "\\PC{1,20}", upper in any::<bool>()) {
        let part = [Rule::Initial, Rule::BirthYear, Rule::BirthMonth, Rule::BirthDay].contains(&rule);
        for kind in [Hash::Sha256Hex, Hash::Md5Hex, Hash::Sha256OfMd5, Hash::Sha256Base64] {
            let digest = hash(kind, &value);
            let given = if upper && kind != Hash::Sha256Base64 { digest.to_uppercase() } else { digest.clone() };
            let sent = identifier(rule, kind, &given, place("", ""));
            // A part can be had of no digest.
            prop_assert_eq!(sent, if part { Err(Unusable::OtherDigest) } else { Ok(digest) });
        }
    }

    #[test]
    fn columns_agree_and_records_come_back(people in prop::collection::vec(profile(), 1..8), denied in any::<bool>()) {
        let words = ["email", "phone", "first_name", "initial", "city", "country", "house", "house_zip", "gaid"];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        let plan = Plan::new(&manifest(), &words, &serde_json::Map::new(), Some("US")).unwrap();
        let mut builder = ColumnBuilder::new(&plan, people.len());
        let mut expected = 0;
        for person in &people {
            match builder.push(person, denied) {
                Person::Rows(rows) => {
                    prop_assert!((1..=10).contains(&rows));
                    expected += rows;
                }
                Person::Skip(why) => prop_assert!(!why.code.is_empty() && !why.words.is_empty()),
            }
        }
        let set = builder.finish();
        consistent(&set, expected)?;
        let mut rebuilt = ColumnSet::new(set.keys.clone(), 0);
        for person in 0..set.people() {
            let rows = set.rows_of(person);
            let record = recorded::encode(&set.columns, rows.clone());
            let columns = recorded::decode(&record).unwrap();
            for column in &columns {
                let original = set.columns.iter().find(|original| original.key == column.key).unwrap();
                for row in rows.clone() {
                    prop_assert_eq!(column.value((row - rows.start) as usize), original.value(row as usize));
                }
            }
            let all: Vec<Column> = columns;
            prop_assert_eq!(recorded::encode(&all, 0..rows.len() as u32), record.clone());
            prop_assert_eq!(recorded::append_to(&mut rebuilt, &record), Ok(rows.len() as u32));
        }
        prop_assert_eq!(rebuilt, set);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut record = bytes;
        record.insert(0, recorded::VERSION);
        if let Ok(columns) = recorded::decode(&record) {
            let rows = columns.first().map_or(0, Column::rows);
            prop_assert!(columns.iter().all(|column| column.rows() == rows));
        }
    }
}

fn consistent(set: &ColumnSet, rows: u32) -> Result<(), TestCaseError> {
    prop_assert_eq!(set.rows(), rows);
    prop_assert!(set.person_ends.windows(2).all(|pair| pair[0] < pair[1]));
    for column in &set.columns {
        prop_assert_eq!(column.rows(), rows as usize);
        prop_assert!(column.ends.is_sorted());
        prop_assert_eq!(column.ends.last().copied().unwrap_or(0) as usize, column.text.len());
        prop_assert!(std::str::from_utf8(&column.text).is_ok());
    }
    let identifying = ["EMAIL", "PHONE", "HOUSE", "MADID"];
    for row in 0..rows as usize {
        let has = |key: &str| set.columns.iter().any(|column| column.key == key && !column.value(row).is_empty());
        prop_assert!(identifying.iter().any(|key| has(key)));
        prop_assert_eq!(has("HOUSE"), has("HOUSE_ZIP"));
    }
    Ok(())
}

fn profile() -> impl Strategy<Value = Profile> {
    let few = || prop::option::of(text());
    let emails = prop::collection::vec(prop_oneof!["[a-c]@[a-c]\\.com", text()], 0..13);
    let phones = prop::collection::vec(prop_oneof!["650561562[0-4]", text()], 0..4);
    let gaid = prop::option::of("[0-9a-f]{8}-0000-0000-0000-[0-9]{12}");
    let zip = prop::option::of("9[0-9]{4}");
    (emails, phones, few(), few(), few(), zip, gaid, country()).prop_map(
        |(emails, phones, first_name, last_name, city, zip, gaid, country)| Profile {
            external_id: "u".into(),
            emails,
            phones,
            first_name,
            last_name,
            city,
            zip,
            gaid,
            country: (!country.is_empty()).then(|| country.to_owned()),
            ..Profile::default()
        },
    )
}
