//! Every vector of the partner files, section 4. A variant is what must not be sent by default.
use Row::{Refused, Sent, Variant};
use caravan_identity::{Alpha2, Hash, Place, Rule, Unusable, hash, identifier, normalise};

pub enum Row {
    /// Key, input, normalised, as sent.
    Sent(&'static str, &'static str, &'static str, &'static str),
    /// Key, input, why it is not sent.
    Refused(&'static str, &'static str, Unusable),
    /// Key, input, normalised by others, digest of theirs.
    Variant(&'static str, &'static str, &'static str, &'static str),
}

fn key(name: &str) -> (Rule, Hash) {
    match name {
        "EMAIL" => (Rule::Email, Hash::Sha256Hex),
        "PHONE" | "PHONE_SHA256" => (Rule::PhoneDigits, Hash::Sha256Hex),
        "FN" | "LN" => (Rule::Name, Hash::Sha256Hex),
        "FI" => (Rule::Initial, Hash::Sha256Hex),
        "GEN" => (Rule::GenderMf, Hash::Sha256Hex),
        "DOBY" => (Rule::BirthYear, Hash::Sha256Hex),
        "DOBM" => (Rule::BirthMonth, Hash::Sha256Hex),
        "DOBD" => (Rule::BirthDay, Hash::Sha256Hex),
        "CT" => (Rule::City, Hash::Sha256Hex),
        "ST" => (Rule::State, Hash::Sha256Hex),
        "ZIP" => (Rule::Zip, Hash::Sha256Hex),
        "COUNTRY" => (Rule::Country, Hash::Sha256Hex),
        "MADID" => (Rule::AdId, Hash::None),
        "EXTERN_ID" => (Rule::Trim, Hash::None),
        "LOOKALIKE_VALUE" => (Rule::Amount, Hash::None),
        "EMAIL_SHA256" => (Rule::EmailCompact, Hash::Sha256Hex),
        "EMAIL_SHA256 of 2025-08" => (Rule::EmailNoTag, Hash::Sha256Hex),
        "EMAIL_SHA256 of 2024-07" => (Rule::EmailNoTagNoDots, Hash::Sha256Hex),
        "PHONE_SHA256 with +" => (Rule::PhonePlus, Hash::Sha256Hex),
        "IDFA_SHA256" | "AAID_SHA256" => (Rule::AdId, Hash::Sha256Hex),
        "IDFA_MD5" | "AAID_MD5" => (Rule::AdId, Hash::Md5Hex),
        "emailAddress" => (Rule::EmailGmail, Hash::Sha256Hex),
        "emailAddress with +tag" => (Rule::EmailGmailTag, Hash::Sha256Hex),
        "phoneNumber" => (Rule::PhonePlus, Hash::Sha256Hex),
        "givenName" => (Rule::GivenName, Hash::Sha256Hex),
        "familyName" => (Rule::FamilyName, Hash::Sha256Hex),
        "FN or CT of a to z" => (Rule::NameLatin, Hash::Sha256Hex),
        "name with punctuation" => (Rule::NameSpaceless, Hash::Sha256Hex),
        "regionCode" => (Rule::CountryUpper, Hash::None),
        "postalCode" | "userId" => (Rule::Trim, Hash::None),
        "mobileIds of iOS" => (Rule::AdIdUpper, Hash::None),
        "mobileIds of Android" => (Rule::AdId, Hash::None),
        other => panic!("no rule for {other}"),
    }
}

/// The files say where a number needs a default country: the United States.
fn place(input: &str) -> Place {
    let default_country = input.starts_with('(').then(|| Alpha2::parse("US").unwrap());
    Place { country: None, default_country }
}

fn check(rows: &[Row]) {
    for row in rows {
        match *row {
            Sent(name, input, normalised, sent) => {
                let (rule, kind) = key(name);
                assert_eq!(identifier(rule, kind, input, place(input)).as_deref(), Ok(sent), "{name} {input}");
                if normalised != sent {
                    assert_eq!(normalise(rule, input, place(input)).as_deref(), Ok(normalised), "{name} {input}");
                    assert_eq!(hash(kind, normalised), sent, "{name} {input}");
                }
            }
            Refused(name, input, why) => {
                let (rule, kind) = key(name);
                assert_eq!(identifier(rule, kind, input, place(input)), Err(why), "{name} {input}");
            }
            Variant(name, input, normalised, digest) => {
                let (rule, kind) = key(name);
                assert_eq!(hash(kind, normalised), digest, "{name} {input}");
                assert_ne!(identifier(rule, kind, input, place(input)).as_deref(), Ok(digest), "{name} {input}");
            }
        }
    }
}

#[test]
fn every_vector_of_meta_holds() {
    check(META);
}

#[test]
fn every_vector_of_google_holds() {
    check(crate::vectors_google::GOOGLE);
}

#[test]
fn every_vector_of_tiktok_holds() {
    check(TIKTOK);
}

#[rustfmt::skip]
const META: &[Row] = &[
    Sent("EMAIL", "  John.Doe@Example.COM ", "john.doe@example.com", "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f"),
    Sent("EMAIL", "jane.doe+promo@gmail.com", "jane.doe+promo@gmail.com", "5f0d1df1fc49e30424381b57b1d4c73e067772a4267dde043a19b026935602c8"),
    Sent("EMAIL", "JÖRG@BÜCHER.example", "jörg@bücher.example", "ac740d2d12fbac869cdcb7b9d97a0abb131a2fcf19a3fdb98df2990082106bb6"),
    Sent("EMAIL", "\tinfo@example.com\n", "info@example.com", "fb1a4757f83b74e5a87c1554c8689bab12d09674f9e15db366c3636ab452004c"),
    Refused("EMAIL", "", Unusable::Empty),
    Sent("EMAIL", "836F82DB99121B3481011F16B49DFA5FBC714A0D1B1B9F784A1EBBBF5B39577F", "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f", "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f"),
    Sent("PHONE", "+1 (650) 561-5622", "16505615622", "c7e1a5948418c64b472abbe6a7b443ec83c4e31573874d600de828f89dd71339"),
    Sent("PHONE", "0044 20 7946 0958", "442079460958", "35e206e5dec4c89b9e8b71b8c32724a5bb518483ac5a20c6617d738375b3b823"),
    Sent("PHONE", "tel:+33 1 23 45 67 89", "33123456789", "c473fbda80d42b39ba327f6a8b30fc64390255128a1b9d411179454bb58e5ec7"),
    Variant("PHONE", "+49 (0)30 901820", "49030901820", "cc487122b20264cc80d204ae450bcc0ae6e95ee308f8fe5c3d1156f76865c900"),
    Sent("PHONE", "+49 (0)30 901820", "4930901820", "c03f76216358b07b09a300613908002987efc1ae9a2ef2a85d57d5a971bf821a"),
    Sent("PHONE", "(212) 736-3100", "12127363100", "85f5650994c58a9418d1c59f518ec1d6b15045f0c34018f9d04788a4f8025981"),
    Refused("PHONE", "+0000000000", Unusable::AllZero),
    Sent("FN", "Mary", "mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
    Sent("FN", " Valéry ", "valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    Sent("FN", "정", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
    Sent("FN", "D'Arcy-Jean", "darcyjean", "4f0a5ceace326ffb64e62241f97ea5bcd30a1034f787117ace2371ef2c4a01a3"),
    Sent("FN", "Anne Marie", "anne marie", "a47ef2055fbfa2d8389507ad217d3b76d2d16546f892e737d73019f630eabca7"),
    Variant("FN", "Anne Marie", "annemarie", "67495eb5715de43c26f7c18b25cc7f62a7540236516bd59d5162a6f743598083"),
    Sent("FN or CT of a to z", "Anne Marie", "annemarie", "67495eb5715de43c26f7c18b25cc7f62a7540236516bd59d5162a6f743598083"),
    Sent("LN", "O'Brien-Smith ", "obriensmith", "16765783f9c8c8a3accf27f1abb877688cb5904c21a4a7afb5f125bcfcb246ba"),
    Sent("LN", "Łukasiewicz", "łukasiewicz", "bb5e5c9a5c93775dfd579ad4d2423d6338c06c8f6139f6fa5488f869c7ec022c"),
    Sent("LN", "VAN DER BERG", "van der berg", "a6fe68a719fbd8e4466cb6992d9a64dd1f6837e26dfc5a024f1393f51d3737c0"),
    Sent("LN", "Müller", "müller", "2dbd218072117713f2d5996a726a9b216ed791ffd0783b6ba4ab6d61b8333192"),
    Refused("LN", "", Unusable::Empty),
    Sent("FI", "Mary", "m", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"),
    Sent("FI", " élodie", "é", "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"),
    Refused("FI", "  ", Unusable::Empty),
    Sent("FI", "O'Neil", "o", "65c74c15a686187bb6bbf9958f494fc6b80068034a659a9ad44991b08c58f2d2"),
    Sent("GEN", "Female", "f", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"),
    Sent("GEN", "M", "m", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"),
    Refused("GEN", "non-binary", Unusable::NotMOrF),
    Sent("GEN", " f ", "f", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"),
    Sent("DOBY", "1985", "1985", "78e370b587b145920213731b7c7c725e512b3b6577c51c800218a7c764c532ae"),
    Sent("DOBY", " 1972 ", "1972", "0a95adbf8581859ae0cc477127abeaf4ad89916405c41855af8fbc482e1634e8"),
    Sent("DOBY", "2001", "2001", "85d6385b945c0d602103db39b0b654b2af93b5127938e26a959c123f0789b948"),
    Refused("DOBY", "85", Unusable::OutOfRange),
    Refused("DOBY", "1899", Unusable::OutOfRange),
    Sent("DOBM", "7", "07", "19b100ab7725c612f3d80ff203ca53cea5cadaafae3bf0f88f0fb4089fe08815"),
    Sent("DOBM", "12", "12", "6b51d431df5d7f141cbececcf79edf3dd861c3b4069f0b11661a3eefacbba918"),
    Sent("DOBM", " 01", "01", "938db8c9f82c8cb58d3f3ef4fd250036a48d26a712753d2fde5abd03a85cabf4"),
    Refused("DOBM", "13", Unusable::OutOfRange),
    Sent("DOBD", "3", "03", "0b8efa5a3bf104413a725c6ff0459a6be12b1fd33314cbb138745baf39504ae5"),
    Sent("DOBD", "31", "31", "eb1e33e8a81b697b75855af6bfcdbcbf7cbbde9f94962ceaec1ed8af21f5a50f"),
    Sent("DOBD", "09", "09", "3514acf61732f662da19625f7fe781c3e483f2dce8506012f3bb393f5003e105"),
    Refused("DOBD", "32", Unusable::OutOfRange),
    Sent("CT", "Paris", "paris", "1670f2e42fefa5044d59a65349e47c566009488fc57d7b4376dd5787b59e3c57"),
    Sent("CT", " New York ", "newyork", "350c754ba4d38897693aa077ef43072a859d23f613443133fecbbd90a3512ca5"),
    Sent("CT", "St. John's", "stjohns", "2019e98e51ffecdc3bfa8879524f5c7b8553b94a8bbb0d5fad3649f627dc0dba"),
    Sent("CT", "São Paulo", "sãopaulo", "3eda1428ae1aece064071f8d40f08fe2bc59ffa66c171a163caf15122ec4d7f0"),
    Variant("CT", "São Paulo", "sopaulo", "4a287883aa51936209f313e4c62d9b38b41b7df896dfdff33b98dc1a86607668"),
    Sent("FN or CT of a to z", "São Paulo", "sopaulo", "4a287883aa51936209f313e4c62d9b38b41b7df896dfdff33b98dc1a86607668"),
    Refused("FN or CT of a to z", "東京", Unusable::NothingLeft),
    Sent("ST", "California", "ca", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
    Sent("ST", " AZ", "az", "9c0ada37bf74aeefae949fdfc90db0cf6eaf90192eff67d65887771f0585e055"),
    Sent("ST", "Île-de-France", "îledefrance", "7f2f97f2a36f4cae0d099b382c08f83ec00532733befa7a2831942ab70360a48"),
    Sent("ST", "New South Wales", "newsouthwales", "96236847af45f93f09c6ba2627cdb8da07e395f009d0e42f782cffb119cc24da"),
    Sent("ZIP", "94103-1234", "94103", "91dc2519ea98c5002cf2091e6a12b772eafdce9dca618e626d7d3b8275361789"),
    Sent("ZIP", "SW1A 1AA", "sw1a1aa", "830e1d4b9838bab1f5c2acdb23e0b502ff13a9832c4632e8d67a1d43d3b7f614"),
    Sent("ZIP", " 75001 ", "75001", "3f089dbdff98360a35193e7d401b76b21f5c0d5d6fb76a28660aaaed83a4c3e3"),
    Sent("ZIP", "90210-1234", "90210", "b83c588da0c6931625f42e0948054a3ade722bfd02c27816305742ed7390ac6c"),
    Sent("COUNTRY", "US", "us", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
    Sent("COUNTRY", " gb ", "gb", "0b407281768f0e833afef47ed464b6571d01ca4d53c12ce5c51d1462f4ad6677"),
    Sent("COUNTRY", "Germany", "de", "959a45d44e6fcf58361ed004681556fe50129f2109e817dec098c00c9e5d2578"),
    Sent("COUNTRY", "USA", "us", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
    Sent("MADID", "AECE52E7-03EE-455A-B3C4-E57283966239", "aece52e7-03ee-455a-b3c4-e57283966239", "aece52e7-03ee-455a-b3c4-e57283966239"),
    Sent("MADID", " 38400000-8cf0-11bd-b23e-10b96e40000d ", "38400000-8cf0-11bd-b23e-10b96e40000d", "38400000-8cf0-11bd-b23e-10b96e40000d"),
    Refused("MADID", "00000000-0000-0000-0000-000000000000", Unusable::AllZero),
    Sent("EXTERN_ID", "user-123", "user-123", "user-123"),
    Sent("EXTERN_ID", "  USER-123", "USER-123", "USER-123"),
    Sent("EXTERN_ID", "ключ-7", "ключ-7", "ключ-7"),
    Sent("LOOKALIKE_VALUE", "10.5", "10.5", "10.5"),
    Sent("LOOKALIKE_VALUE", "0", "0", "0"),
    Refused("LOOKALIKE_VALUE", "-3", Unusable::OutOfRange),
];

#[rustfmt::skip]
const TIKTOK: &[Row] = &[
    Sent("EMAIL_SHA256", " JaneDoe@Gmail.com ", "janedoe@gmail.com", "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"),
    Sent("EMAIL_SHA256", "Jane.Doe+ads@Gmail.com", "jane.doe+ads@gmail.com", "9b06cd4a9bbe4f3904f97ce967b42af140b94b7e11d380cad7b8140863692839"),
    Sent("EMAIL_SHA256", "jörg@BÜCHER.example", "jörg@bücher.example", "ac740d2d12fbac869cdcb7b9d97a0abb131a2fcf19a3fdb98df2990082106bb6"),
    Sent("EMAIL_SHA256", "a b@example.com", "ab@example.com", "41f5a3e1f3c7c23a4a53d19357e11101d68a8a0561f90efc7a0aca92eddca781"),
    Sent("EMAIL_SHA256 of 2025-08", "Jane.Doe+ads@Gmail.com", "jane.doe@gmail.com", "831f6494ad6be4fcb3a724c3d5fef22d3ceffa3c62ef3a7984e45a0ea177f982"),
    Sent("EMAIL_SHA256 of 2024-07", "Jane.Doe+ads@Gmail.com", "janedoe@gmail.com", "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"),
    Refused("EMAIL_SHA256", "", Unusable::Empty),
    Sent("EMAIL_SHA256", "836F82DB99121B3481011F16B49DFA5FBC714A0D1B1B9F784A1EBBBF5B39577F", "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f", "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f"),
    Sent("PHONE_SHA256", "+374 938 28222", "37493828222", "65b7e6dcf6f4310f8d7cbfbd78289a753062fb054d6664fb9aaac5df66a422d4"),
    Sent("PHONE_SHA256 with +", "+374 938 28222", "+37493828222", "241371e614f8650dfae0f111361c69de1bb4829a72b71bb8044daae8b2e7791d"),
    Sent("PHONE_SHA256", "+1 (650) 561-5622", "16505615622", "c7e1a5948418c64b472abbe6a7b443ec83c4e31573874d600de828f89dd71339"),
    Sent("PHONE_SHA256 with +", "+1 (650) 561-5622", "+16505615622", "2d7c5b8bbf1084ff3295e751ca42551fcd735012347a86dea2ba3793427c8eeb"),
    Sent("PHONE_SHA256", "0044 20 7946 0958", "442079460958", "35e206e5dec4c89b9e8b71b8c32724a5bb518483ac5a20c6617d738375b3b823"),
    Sent("PHONE_SHA256 with +", "0044 20 7946 0958", "+442079460958", "f0bf0228144d9fe2bdf1da2d8ca698f17bf1410ee688b075c27062e47b6f0b6d"),
    Sent("PHONE_SHA256", "(650) 561-5622", "16505615622", "c7e1a5948418c64b472abbe6a7b443ec83c4e31573874d600de828f89dd71339"),
    Refused("PHONE_SHA256", "n/a", Unusable::NotAPhone),
    Sent("IDFA_SHA256", "5F3A2B18-9C4D-4E7F-B8E2-17D3A1E69B25", "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25", "83dc3f5f32b9472613b0f038d36f22585a609d018af6f6067f50da318bf354bd"),
    Sent("IDFA_SHA256", " AECE52E7-03EE-455A-B3C4-E57283966239 ", "aece52e7-03ee-455a-b3c4-e57283966239", "e6a11334660bb4c2d68090399aaf9d80b433a569b993c5e32e6cad9bcf550e11"),
    Refused("IDFA_SHA256", "00000000-0000-0000-0000-000000000000", Unusable::AllZero),
    Sent("AAID_SHA256", "38400000-8cf0-11bd-b23e-10b96e40000d", "38400000-8cf0-11bd-b23e-10b96e40000d", "d4181bb455a74b3bc8b37c75ac9b2c702eb6b9930bd040b861403b31ca85634d"),
    Sent("AAID_SHA256", "38400000-8CF0-11BD-B23E-10B96E40000D", "38400000-8cf0-11bd-b23e-10b96e40000d", "d4181bb455a74b3bc8b37c75ac9b2c702eb6b9930bd040b861403b31ca85634d"),
    Sent("AAID_SHA256", "cdda802e-fb9c-47ad-9866-0794d394c912 ", "cdda802e-fb9c-47ad-9866-0794d394c912", "f23b554b2a8fb732a8b973733832e70f018da7bc294dfea289735a07d5dd2c9f"),
    Sent("IDFA_MD5", "AECE52E7-03EE-455A-B3C4-E57283966239", "aece52e7-03ee-455a-b3c4-e57283966239", "c570bb5e213b46ece6ff647adc07dfe0"),
    Sent("IDFA_MD5", "5F3A2B18-9C4D-4E7F-B8E2-17D3A1E69B25", "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25", "a1a71d7132ffc45541100d58092ac49e"),
    Sent("AAID_MD5", "38400000-8cf0-11bd-b23e-10b96e40000d", "38400000-8cf0-11bd-b23e-10b96e40000d", "5756ae9022b2ea1e47d84fead75220c8"),
    Sent("AAID_MD5", "CDDA802E-FB9C-47AD-9866-0794D394C912", "cdda802e-fb9c-47ad-9866-0794d394c912", "76770dbc2bcc93480130991dde661812"),
];
