//! What both open-source peers get wrong for Meta, Google and TikTok, one test per row of the list.
use crate::place;
use caravan_identity::{Hash, Place, Rule, Unusable, hash, identifier, normalise};

fn by(rule: Rule, value: &str) -> Result<String, Unusable> {
    normalise(rule, value, Place::default())
}

fn sent(rule: Rule, value: &str) -> Result<String, Unusable> {
    identifier(rule, Hash::Sha256Hex, value, Place::default())
}

#[test]
fn trap_01_utf8_bytes() {
    // Digests of the UTF-8 bytes, computed by another program.
    for (rule, value, digest) in [
        (Rule::Name, "josé", "d994e1d001886fe5b45b1267bd1fa2b752ac50742579bd3dad7b2a2aa0ed6866"),
        (Rule::Name, "Zoë", "2752b88686847fa5c86f47b94ce652b7b3f22a91c37617d451a4db9afa431450"),
        (Rule::Name, "张伟", "a3a0bafd0beed44d93517e3bc1458f5645571c3295fb8a9050e2ec7cb73e2819"),
        (Rule::Name, "müller", "2dbd218072117713f2d5996a726a9b216ed791ffd0783b6ba4ab6d61b8333192"),
        (Rule::Email, "jörg@bücher.example", "ac740d2d12fbac869cdcb7b9d97a0abb131a2fcf19a3fdb98df2990082106bb6"),
    ] {
        assert_eq!(sent(rule, value).as_deref(), Ok(digest), "{value}");
    }
}

#[test]
fn trap_02_google_names_are_trimmed_and_lower_case() {
    for rule in [Rule::GivenName, Rule::FamilyName, Rule::NameSpaceless] {
        assert_eq!(by(rule, " Jane ").unwrap(), "jane");
    }
    assert_eq!(by(Rule::GivenName, "Mrs. Jane").unwrap(), "jane");
    assert_eq!(by(Rule::FamilyName, "Doe, Jr.").unwrap(), "doe");
    // Nothing but a title may be the name.
    assert_eq!(
        (by(Rule::GivenName, "Miss").unwrap(), by(Rule::FamilyName, "MD").unwrap()),
        ("miss".into(), "md".into())
    );
    assert_eq!(by(Rule::NameSpaceless, "O'Brien Jr.").unwrap(), "o'brienjr.");
}

#[test]
fn trap_03_and_05_google_phones_are_e164_with_plus() {
    assert_eq!(by(Rule::PhonePlus, "+447700900123").unwrap(), "+447700900123");
    assert_eq!(by(Rule::PhonePlus, "0044 7700 900123").unwrap(), "+447700900123");
}

#[test]
fn trap_04_google_drops_all_dots_and_the_tag_at_gmail_only() {
    assert_eq!(by(Rule::EmailGmail, "J.o.h.n+promo@gmail.com").unwrap(), "john@gmail.com");
    assert_eq!(by(Rule::EmailGmail, "J.D+x@googlemail.com").unwrap(), "jd@googlemail.com");
    assert_eq!(by(Rule::EmailGmail, "J.D+x@gmail.example.com").unwrap(), "j.d+x@gmail.example.com");
    assert_eq!(by(Rule::EmailGmailTag, "J.D+x.y@gmail.com").unwrap(), "jd+x.y@gmail.com");
    for nothing in ["+tag@gmail.com", "...@gmail.com"] {
        assert_eq!(by(Rule::EmailGmail, nothing), Err(Unusable::NotAnEmail), "{nothing}");
    }
}

#[test]
fn trap_06_zip_us_first_five_others_whole() {
    assert_eq!(by(Rule::Zip, "94035-1234").unwrap(), "94035");
    assert_eq!(by(Rule::Zip, "00-950").unwrap(), "00950");
    assert_eq!(by(Rule::Zip, "100-0001").unwrap(), "1000001");
    assert_eq!(normalise(Rule::Zip, "940351234", place("US", "")).unwrap(), "94035");
    assert_eq!(normalise(Rule::Zip, "94035 1234", place("", "US")).unwrap(), "94035");
    assert_eq!(normalise(Rule::Zip, "12345-6789", place("SA", "US")).unwrap(), "123456789");
    assert_eq!(normalise(Rule::Zip, "K1A 0B1", place("CA", "")).unwrap(), "k1a0b1");
    assert_eq!(normalise(Rule::Zip, "K1A 0B1", place("US", "")), Err(Unusable::NotAPostalCode));
    assert_eq!(normalise(Rule::Zip, "〒１００-０００１", place("JP", "")).unwrap(), "1000001");
}

#[test]
fn trap_07_ad_id_lower_case_hyphens_kept() {
    assert_eq!(
        by(Rule::AdId, " AECE52E7-03EE-455A-B3C4-E57283966239\n").unwrap(),
        "aece52e7-03ee-455a-b3c4-e57283966239"
    );
    assert_eq!(by(Rule::AdId, "00000000-0000-0000-0000-000000000000"), Err(Unusable::AllZero));
    assert_eq!(by(Rule::AdId, "not-a-uuid"), Err(Unusable::NotADeviceId));
}

#[test]
fn trap_08_gender_m_or_f_only() {
    for (value, letter) in [("woman", "f"), ("FEMALE", "f"), ("Man", "m"), (" M ", "m")] {
        assert_eq!(by(Rule::GenderMf, value).as_deref(), Ok(letter));
    }
    for value in ["unknown", "non-binary", "x", "divers", "mf"] {
        assert_eq!(by(Rule::GenderMf, value), Err(Unusable::NotMOrF));
    }
}

#[test]
fn trap_09_state_names_to_codes() {
    assert_eq!(by(Rule::State, "California").unwrap(), "ca");
    assert_eq!(by(Rule::State, "New York").unwrap(), "ny");
    assert_eq!(by(Rule::State, "NY").unwrap(), "ny");
    assert_eq!(normalise(Rule::State, "Georgia", place("US", "")).unwrap(), "ga");
}

#[test]
fn trap_10_birth_month_two_digits() {
    for (value, month) in [("1", "01"), ("january", "01"), ("Jan.", "01"), ("1985-07-03", "07"), ("DEC", "12")] {
        assert_eq!(by(Rule::BirthMonth, value).as_deref(), Ok(month));
    }
    assert_eq!(by(Rule::BirthMonth, "smarch"), Err(Unusable::NotADate));
}

#[test]
fn a_date_gives_its_parts_and_a_wrong_one_gives_none() {
    for date in ["1985-07-03", "1985-7-3", "1985/07/03", "19850703", "1985-07-03T10:00:00Z", "1985-07-03 00:00"] {
        assert_eq!(by(Rule::BirthYear, date).unwrap(), "1985");
        assert_eq!(by(Rule::BirthMonth, date).unwrap(), "07");
        assert_eq!(by(Rule::BirthDay, date).unwrap(), "03");
    }
    for (date, why) in [
        ("1985-13-01", Unusable::OutOfRange),
        ("1985-02-29", Unusable::OutOfRange),
        ("1899-01-01", Unusable::OutOfRange),
        ("1985-00-10", Unusable::OutOfRange),
        ("03/07/1985", Unusable::NotADate),
        ("1985-07", Unusable::NotADate),
        ("1985-07-03-04", Unusable::NotADate),
        ("--", Unusable::NotADate),
        ("unknown", Unusable::NotADate),
    ] {
        for rule in [Rule::BirthYear, Rule::BirthMonth, Rule::BirthDay] {
            assert_eq!(by(rule, date), Err(why), "{date}");
        }
    }
    assert_eq!(by(Rule::BirthDay, "1984-02-29").unwrap(), "29");
}

#[test]
fn trap_11_country_alpha_3_and_names() {
    for value in ["USA", "usa", "United States", "U.S.", "US"] {
        assert_eq!(by(Rule::Country, value).as_deref(), Ok("us"));
    }
    assert_eq!(by(Rule::Country, "NO").unwrap(), "no");
    assert_eq!(by(Rule::Country, "false"), Err(Unusable::NotACountry));
}

#[test]
fn trap_12_city_keeps_letters_of_all_scripts() {
    assert_eq!(by(Rule::City, "São Paulo").unwrap(), "sãopaulo");
    assert_eq!(by(Rule::City, "東京").unwrap(), "東京");
    assert_eq!(by(Rule::City, "St. John's").unwrap(), "stjohns");
    assert_eq!(by(Rule::City, "दिल्ली").unwrap(), "दिल्ली");
    assert_eq!(by(Rule::City, "?!"), Err(Unusable::NothingLeft));
}

#[test]
fn trap_13_invalid_email_is_never_hashed() {
    for value in [
        "not an email",
        "a@b",
        "@example.com",
        "a@@example.com",
        "a@example..com",
        "a@example.com.",
        "a b@example.com",
        "a@exa mple.com",
        "<a@example.com>",
        "a@example.com,b@example.com",
        "a@b@example.com",
        "a@1.2.3.4",
        "a\0@b.com",
        "Jane <jane@example.com>",
        "jane;@example.com",
        "a\u{200B}@example.com",
    ] {
        assert_eq!(sent(Rule::Email, value), Err(Unusable::NotAnEmail), "{value}");
    }
}

#[test]
fn trap_14_digests_pass_through_once() {
    let digest = hash(Hash::Sha256Hex, "person@email.com");
    for rule in [Rule::Email, Rule::PhoneDigits, Rule::Name, Rule::Zip, Rule::Country, Rule::AdId, Rule::Trim] {
        assert_eq!(sent(rule, &format!(" {} ", digest.to_uppercase())).as_deref(), Ok(&*digest));
    }
    let md5 = hash(Hash::Md5Hex, "person@email.com");
    let to = |kind, value: &str| identifier(Rule::Email, kind, value, Place::default());
    assert_eq!(to(Hash::Md5Hex, &md5.to_uppercase()).as_deref(), Ok(&*md5));
    assert_eq!(to(Hash::Sha256OfMd5, &md5), to(Hash::Sha256OfMd5, "person@email.com"));
    let base64 = "s3W3u92z3jKY+8dkEGPZ8Do44RiqRIDIq59YdAmC6L0=";
    for value in ["person@email.com", &digest, base64] {
        assert_eq!(to(Hash::Sha256Base64, value).as_deref(), Ok(base64));
    }
    // Another kind of digest is no e-mail address, and no part can be had of a digest.
    assert_eq!(to(Hash::Sha256Hex, &md5), Err(Unusable::OtherDigest));
    assert_eq!(to(Hash::Md5Hex, &digest), Err(Unusable::OtherDigest));
    assert_eq!(sent(Rule::Initial, &digest), Err(Unusable::OtherDigest));
    assert_eq!(sent(Rule::BirthYear, &digest), Err(Unusable::OtherDigest));
    // Someone hashed an empty cell.
    let nothing = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
    assert_eq!(sent(Rule::Email, nothing), Err(Unusable::Empty));
    assert_eq!(sent(Rule::Email, &"0".repeat(64)), Err(Unusable::AllZero));
}

#[test]
fn trap_15_tiktok_dots_stay() {
    assert_eq!(by(Rule::EmailCompact, " John.Doe@company.com ").unwrap(), "john.doe@company.com");
}

#[test]
fn trap_16_tiktok_phone_e164() {
    assert_eq!(by(Rule::PhoneDigits, "+1 (555) 123-4567").unwrap(), "15551234567");
    assert_eq!(by(Rule::PhonePlus, "+1 (555) 123-4567").unwrap(), "+15551234567");
}

#[test]
fn trap_17_android_id_lower_case() {
    let sent = identifier(Rule::AdId, Hash::Sha256Hex, "38400000-8CF0-11BD-B23E-10B96E40000D", Place::default());
    assert_eq!(sent.unwrap(), "d4181bb455a74b3bc8b37c75ac9b2c702eb6b9930bd040b861403b31ca85634d");
}

#[test]
fn poison_a_phone_that_normalises_to_nothing_is_a_reason() {
    for value in ["+0000000000", "000", "+ 00 00"] {
        assert_eq!(by(Rule::PhoneDigits, value), Err(Unusable::AllZero), "{value}");
    }
    for value in ["+", "n/a", "()", "-", "+x", "ext. "] {
        assert_eq!(by(Rule::PhoneDigits, value), Err(Unusable::NotAPhone), "{value}");
    }
    for rule in [Rule::Email, Rule::PhoneDigits, Rule::Name, Rule::Trim, Rule::AdId] {
        for value in ["", " ", "\u{3000}", "\0", "\u{FEFF}"] {
            assert_eq!(by(rule, value), Err(Unusable::Empty));
        }
    }
}

#[test]
fn poison_a_huge_value_is_too_long_and_costs_nothing() {
    let huge = "x".repeat(200_000);
    for rule in [Rule::Name, Rule::Email, Rule::PhoneDigits, Rule::City, Rule::Trim, Rule::Country, Rule::Zip] {
        assert_eq!(by(rule, &huge), Err(Unusable::TooLong));
        assert_eq!(by(rule, &"é".repeat(1_001)), Err(Unusable::TooLong));
    }
    assert_eq!(by(Rule::Name, &"é".repeat(1_000)).unwrap().chars().count(), 1_000);
}

#[test]
fn names_in_all_scripts_and_forms() {
    for (value, name) in [
        ("Zoe\u{308}", "zoë"),
        ("ZOË", "zoë"),
        ("张伟", "张伟"),
        ("ΓΙΏΡΓΟΣ", "γιώργος"),
        ("Anne\u{A0}Marie", "anne marie"),
        ("Anne  -  Marie", "anne marie"),
        ("O’Neil", "oneil"),
        ("Smith, Jr.", "smith jr"),
        ("महेश्वर", "महेश्वर"),
        ("İbrahim", "i\u{307}brahim"),
    ] {
        assert_eq!(by(Rule::Name, value).as_deref(), Ok(name));
    }
    assert_eq!(by(Rule::Name, "---"), Err(Unusable::NothingLeft));
}
