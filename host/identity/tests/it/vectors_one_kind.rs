//! Every vector of section 4 of the files about Criteo, Pinterest and Snapchat, which each take one kind of identifier per
//! call, and the trap that concerns their phone numbers.
use caravan_identity::{Alpha2, Hash, Place, Rule, Unusable, identifier};

const PERSON: &str = "b375b7bbddb3de3298fbc7641063d9f03a38e118aa4480c8ab9f58740982e8bd";
const GB: &str = "40b5c38342a9c584ec707e8679b003f8c779c6aaa138c976ef94e049cc05208f";
const FR: &str = "fda66831d0cb0eb4bffb21bc795308d69921c211c57be0ae15702071e3b9e988";

fn sent(rule: Rule, hash: Hash, input: &str, country: Option<&str>) -> Result<String, Unusable> {
    let default_country = country.map(|code| Alpha2::parse(code).unwrap());
    identifier(rule, hash, input, Place { country: None, default_country })
}

#[test]
fn every_e_mail_vector_holds() {
    for (input, sha256) in [
        ("person@email.com", PERSON),
        ("  Person@Email.COM ", PERSON),
        ("J\u{d6}RG@Example.com", "96949592d14b07f436cc55b814d947b0f00c805ee8c4c80fb8e1a1eff9a0fd12"),
        // Written in two characters, it is the same address.
        ("JO\u{308}RG@Example.com", "96949592d14b07f436cc55b814d947b0f00c805ee8c4c80fb8e1a1eff9a0fd12"),
        ("a+tag@example.com", "c90a36d09726ec838a2421602724c99d9880bfd2ef9291876cd7a7c193863838"),
        ("First.Last@gmail.com", "3fba33b305fe1c0eeaf728b3b7aa3c668ae460a9807da214c47185d5e2befb98"),
        ("john.doe@gmail.com", "375320dd9ae7ed408002f3768e16cb5f28c861062fd50dff9a3bff62e9dce4ef"),
        // Traps, row 14: a digest is not hashed again.
        ("B375B7BBDDB3DE3298FBC7641063D9F03A38E118AA4480C8AB9F58740982E8BD", PERSON),
    ] {
        assert_eq!(sent(Rule::Email, Hash::Sha256Hex, input, None).as_deref(), Ok(sha256), "{input}");
    }
    assert!(sent(Rule::Email, Hash::Sha256Hex, "", None).is_err());
}

#[test]
fn every_md5_vector_of_criteo_holds() {
    for (input, md5) in [
        ("person@email.com", "78c8a3f73229a443be28f56546500b97"),
        ("J\u{d6}RG@Example.com", "1020b8f7b35fa04503bbb1a6c0182ca9"),
        ("a+tag@example.com", "03c144c080bd3973056b6efaece1b2b3"),
        ("First.Last@gmail.com", "4ab6affd02c905b967c7464a07277684"),
        ("john.doe@gmail.com", "e13743a7f1db7f4246badd6fd6ff54ff"),
    ] {
        assert_eq!(sent(Rule::Email, Hash::Md5Hex, input, None).as_deref(), Ok(md5), "{input}");
    }
}

/// Traps, row 19: digits only, no 00, no trunk 0.
#[test]
fn trap_19_every_phone_vector_holds() {
    for (input, country, digest) in [
        ("+1(706)-767-5127", None, "2fd199db6d3fa9fe754886ff1822f2867fcb104a6639495eca25c2978efe4ed4"),
        ("001 706 767 5127", None, "2fd199db6d3fa9fe754886ff1822f2867fcb104a6639495eca25c2978efe4ed4"),
        ("+44 7911 123456", None, GB),
        ("+44 (0)7911 123456", None, GB),
        ("0044 07911 123456", None, GB),
        ("+\u{664}\u{664} 7911 123456", None, GB),
        ("07911 123456", Some("GB"), GB),
        ("+33 1 40 40 22 90", None, FR),
        ("+33 (0)1 40 40 22 90", None, FR),
        ("0033 1 40 40 22 90", None, FR),
    ] {
        assert_eq!(sent(Rule::PhoneDigits, Hash::Sha256Hex, input, country).as_deref(), Ok(digest), "{input}");
    }
    // Criteo's own sample without a country code contradicts its rule: it is not sent.
    for input in ["07911 123456", "02 1234 5678", "", "n/a"] {
        assert!(sent(Rule::PhoneDigits, Hash::Sha256Hex, input, None).is_err(), "{input}");
    }
}

#[test]
fn every_advertising_id_vector_holds() {
    for (input, plain, sha256) in [
        (
            "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "30a5154b77ab8b2ddbe19f5e7af72f33cc2a4a41f22940d965102650a1c72863",
        ),
        (
            " 38400000-8CF0-11BD-B23E-10B96E40000D ",
            "38400000-8cf0-11bd-b23e-10b96e40000d",
            "d4181bb455a74b3bc8b37c75ac9b2c702eb6b9930bd040b861403b31ca85634d",
        ),
    ] {
        assert_eq!(sent(Rule::AdId, Hash::None, input, None).as_deref(), Ok(plain));
        assert_eq!(sent(Rule::AdId, Hash::Sha256Hex, input, None).as_deref(), Ok(sha256));
    }
    // By a setting, the case of an Apple device.
    let upper = sent(Rule::AdIdUpper, Hash::Sha256Hex, " f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ", None);
    assert_eq!(upper.as_deref(), Ok("52f550005ee2ec666cbba396bfec43f4d28faa97a49ba4b8be85f09c553d8f18"));
    let zero = "00000000-0000-0000-0000-000000000000";
    assert_eq!(sent(Rule::AdId, Hash::Sha256Hex, zero, None), Err(Unusable::AllZero));
}
