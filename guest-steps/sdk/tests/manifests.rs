//! Every connector's `manifest.json` in this workspace is one that the host reads, and is consistent in itself.
use caravan_model::Manifest;
use std::path::{Path, PathBuf};

fn manifests() -> Vec<(PathBuf, Manifest)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let folders = [root.to_path_buf(), root.join("hostile")];
    let entries = folders.iter().flat_map(|folder| folder.read_dir().expect("a folder").flatten());
    let files = entries.map(|entry| entry.path().join("manifest.json")).filter(|file| file.is_file());
    let mut all: Vec<_> = files
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("readable");
            let manifest = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file, manifest)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn every_connector_has_a_manifest_that_the_host_reads() {
    let names: Vec<String> = manifests().into_iter().map(|(_, manifest)| manifest.name).collect();
    for name in [
        "criteo",
        "experience-platform",
        "google",
        "marketo",
        "meta",
        "pinterest",
        "snapchat",
        "tiktok",
        "template",
        "hostile-other-host",
    ] {
        assert!(names.iter().any(|given| given == name), "{name} is not among {names:?}");
    }
}

#[test]
fn what_a_manifest_names_it_also_has() {
    for (file, manifest) in manifests() {
        let at = file.display();
        let keys: Vec<&str> = manifest.keys.iter().map(|key| key.key.as_str()).collect();
        let settings: Vec<&str> = manifest.settings.iter().map(|setting| setting.name.as_str()).collect();
        assert_eq!((manifest.manifest, manifest.wit.as_str()), (1, "0.1.0"), "{at}");
        for route in &manifest.routes {
            assert!(manifest.hosts.contains(&route.host), "{at}: route {}", route.name);
            assert!(route.locks.is_empty() || route.body.is_some(), "{at}: route {}", route.name);
        }
        for route in manifest.auth.query.keys() {
            assert!(manifest.routes.iter().any(|given| &given.name == route), "{at}: auth on {route}");
        }
        for key in &manifest.keys {
            assert!(
                manifest.groups.iter().any(|group| group.keys.contains(&key.key)),
                "{at}: {} has no group",
                key.key
            );
            assert!(key.with.iter().all(|with| keys.contains(&with.as_str())), "{at}: {}", key.key);
            let mut variants = key.variants.iter().map(|variant| variant.setting.as_str());
            assert!(variants.all(|setting| settings.contains(&setting)), "{at}: {}", key.key);
        }
        for group in &manifest.groups {
            assert!(group.keys.iter().all(|key| keys.contains(&key.as_str())), "{at}: group {}", group.name);
        }
        let writes = manifest.world == caravan_model::manifest::World::Destination;
        assert_eq!(manifest.routes.iter().any(|route| route.writes), writes, "{at}: what changes membership");
    }
}

#[test]
fn settings_have_defaults_that_stand() {
    for (file, manifest) in manifests() {
        let given = serde_json::Map::new();
        let settings = manifest.settings_with(&given).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(settings.len(), manifest.settings.len());
        // Sent back as given, defaults must still be allowed values.
        manifest.settings_with(&settings).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn the_match_words_are_the_fields_of_a_profile() {
    let words = |name: &str| -> Vec<String> {
        let found = manifests().into_iter().find(|(_, manifest)| manifest.name == name).expect("a manifest");
        found.1.match_words().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(
        words("meta"),
        [
            "external_id",
            "email",
            "phone",
            "first_name",
            "last_name",
            "first_initial",
            "gender",
            "birth_date",
            "city",
            "state",
            "zip",
            "country",
            "idfa",
            "gaid"
        ]
    );
    assert_eq!(
        words("google"),
        ["email", "phone", "first_name", "last_name", "country", "zip", "idfa", "gaid", "external_id"]
    );
    assert_eq!(words("marketo"), ["email", "external_id"]);
    assert_eq!(words("tiktok"), ["email", "phone", "idfa", "gaid", "idfa_md5", "gaid_md5"]);
    // Ids that no profile has a field for: connections map them.
    assert_eq!(words("criteo"), ["email", "email_md5", "phone", "idfa", "gaid", "identityLink", "gum"]);
    assert_eq!(words("pinterest"), ["email", "gaid", "idfa", "LR_ID", "DLX_ID", "HASHED_PINNER_ID"]);
    assert_eq!(words("snapchat"), ["email", "phone", "idfa", "gaid"]);
}

/// Traps, rows 6 to 16: what both JavaScript peers get wrong before a request is built is decided by a key's rule and
/// hash, which the host's `identity` carries out.
#[test]
fn trap_6_to_16_keys_name_the_rules_that_the_partners_documents_ask_for() {
    use caravan_model::manifest::{Hash, Rule};
    let all = manifests();
    let rule = |connector: &str, name: &str| {
        let found = all.iter().find(|(_, manifest)| manifest.name == connector).expect("a manifest");
        let key = found.1.keys.iter().find(|key| key.key == name).expect("a key");
        (key.rule, key.hash)
    };
    for (key, expected) in [
        ("ZIP", Rule::Zip),
        ("GEN", Rule::GenderMf),
        ("ST", Rule::State),
        ("DOBM", Rule::BirthMonth),
        ("COUNTRY", Rule::Country),
        ("CT", Rule::City),
        ("EMAIL", Rule::Email),
        ("PHONE", Rule::PhoneDigits),
    ] {
        assert_eq!(rule("meta", key), (expected, Hash::Sha256Hex), "{key}");
    }
    assert_eq!(rule("meta", "MADID"), (Rule::AdId, Hash::None));
    assert_eq!(rule("meta", "EXTERN_ID"), (Rule::Trim, Hash::None));
    assert_eq!(rule("tiktok", "EMAIL_SHA256"), (Rule::EmailCompact, Hash::Sha256Hex));
    assert_eq!(rule("tiktok", "PHONE_SHA256"), (Rule::PhoneDigits, Hash::Sha256Hex));
    for (key, expected) in [
        ("EMAIL", Rule::EmailGmail),
        ("PHONE", Rule::PhonePlus),
        ("GIVEN_NAME", Rule::GivenName),
        ("FAMILY_NAME", Rule::FamilyName),
    ] {
        assert_eq!(rule("google", key), (expected, Hash::Sha256Hex), "{key}");
    }
    for (key, expected) in [("REGION", Rule::CountryUpper), ("POSTAL", Rule::Trim), ("IDFA", Rule::AdIdUpper)] {
        assert_eq!(rule("google", key), (expected, Hash::None), "{key}");
    }
    // Marketo hashes nothing: its raw e-mail is a right that the manifest names.
    assert_eq!(rule("marketo", "EMAIL"), (Rule::Email, Hash::None));
    for key in ["IDFA_SHA256", "AAID_SHA256"] {
        assert_eq!(rule("tiktok", key), (Rule::AdId, Hash::Sha256Hex));
    }
    for key in ["IDFA_MD5", "AAID_MD5"] {
        assert_eq!(rule("tiktok", key), (Rule::AdId, Hash::Md5Hex));
    }
}

/// Traps, rows 14 and 19: a digest passes through, and a phone number is parsed before it is hashed; both are the rules'
/// doing. Each of these partners takes one kind of identifier per call.
#[test]
fn trap_14_and_19_partners_with_one_identifier_per_call_have_a_group_for_each() {
    use caravan_model::manifest::{Hash, Rule};
    let all = manifests();
    for (connector, expected) in [
        (
            "criteo",
            &[
                ("email", Rule::Email, Hash::Sha256Hex),
                ("email_md5", Rule::Email, Hash::Md5Hex),
                ("phoneNumber", Rule::PhoneDigits, Hash::Sha256Hex),
                ("madid", Rule::AdId, Hash::None),
                ("identityLink", Rule::Trim, Hash::None),
                ("gum", Rule::Trim, Hash::None),
            ][..],
        ),
        (
            "pinterest",
            &[
                ("EMAIL", Rule::Email, Hash::Sha256Hex),
                ("MAID", Rule::AdId, Hash::Sha256Hex),
                ("IDFA", Rule::AdId, Hash::Sha256Hex),
                ("LR_ID", Rule::Trim, Hash::None),
                ("DLX_ID", Rule::Trim, Hash::None),
                ("HASHED_PINNER_ID", Rule::Trim, Hash::None),
            ],
        ),
        (
            "snapchat",
            &[
                ("EMAIL_SHA256", Rule::Email, Hash::Sha256Hex),
                ("PHONE_SHA256", Rule::PhoneDigits, Hash::Sha256Hex),
                ("MOBILE_AD_ID_SHA256", Rule::AdId, Hash::Sha256Hex),
            ],
        ),
    ] {
        let manifest = &all.iter().find(|(_, manifest)| manifest.name == connector).expect("a manifest").1;
        let keys: Vec<_> = manifest.keys.iter().map(|key| (key.key.as_str(), key.rule, key.hash)).collect();
        assert_eq!(keys, expected, "{connector}");
        assert!(manifest.groups.iter().all(|group| group.keys.len() == 1), "{connector}");
        assert_eq!(manifest.groups.len(), manifest.keys.len(), "{connector}");
    }
}

/// A person is skipped who has none of the keys that identify; device ids are withheld while tracking is denied.
#[test]
fn only_these_keys_identify_a_person_and_only_these_are_device_ids() {
    let keys = |connector: &str, wanted: fn(&caravan_model::manifest::MatchKey) -> bool| -> Vec<String> {
        let found = manifests().into_iter().find(|(_, manifest)| manifest.name == connector).expect("a manifest");
        found.1.keys.into_iter().filter(wanted).map(|key| key.key).collect()
    };
    assert_eq!(keys("meta", |key| key.identifies), ["EXTERN_ID", "EMAIL", "PHONE", "MADID"]);
    assert_eq!(keys("meta", |key| key.device), ["MADID"]);
    assert_eq!(keys("google", |key| key.identifies), ["EMAIL", "PHONE", "IDFA", "GAID", "USER_ID"]);
    assert_eq!(keys("google", |key| key.device), ["IDFA", "GAID"]);
    assert_eq!(keys("marketo", |key| key.identifies), ["EMAIL", "EXTERNAL_ID"]);
    assert_eq!(keys("tiktok", |key| key.identifies).len(), 6);
    assert_eq!(keys("tiktok", |key| key.device), ["IDFA_SHA256", "AAID_SHA256", "IDFA_MD5", "AAID_MD5"]);
    assert_eq!(keys("criteo", |key| key.device), ["madid", "identityLink", "gum"]);
    assert_eq!(keys("pinterest", |key| key.device), ["MAID", "IDFA", "LR_ID", "DLX_ID"]);
}

#[test]
fn what_partners_leave_open_about_identifiers_is_a_setting() {
    use caravan_model::manifest::Rule;
    let all = manifests();
    for (connector, key, setting, value, usual, chosen) in [
        ("meta", "FN", "letters", "a_to_z", Rule::Name, Rule::NameLatin),
        ("meta", "LN", "letters", "a_to_z", Rule::Name, Rule::NameLatin),
        ("meta", "CT", "letters", "a_to_z", Rule::City, Rule::NameLatin),
        ("google", "EMAIL", "gmail_tag", "keep", Rule::EmailGmail, Rule::EmailGmailTag),
        ("google", "GIVEN_NAME", "name_punctuation", "keep", Rule::GivenName, Rule::NameSpaceless),
        ("google", "FAMILY_NAME", "name_punctuation", "keep", Rule::FamilyName, Rule::NameSpaceless),
        ("google", "IDFA", "idfa_case", "lower", Rule::AdIdUpper, Rule::AdId),
        ("tiktok", "EMAIL_SHA256", "email_form", "no_tag", Rule::EmailCompact, Rule::EmailNoTag),
        ("tiktok", "EMAIL_SHA256", "email_form", "no_tag_no_dots", Rule::EmailCompact, Rule::EmailNoTagNoDots),
        ("tiktok", "PHONE_SHA256", "phone_form", "plus", Rule::PhoneDigits, Rule::PhonePlus),
        ("pinterest", "IDFA", "idfa_case", "upper", Rule::AdId, Rule::AdIdUpper),
        ("criteo", "madid", "madid_case", "upper", Rule::AdId, Rule::AdIdUpper),
    ] {
        let manifest = all.iter().find(|(_, manifest)| manifest.name == connector).map(|(_, manifest)| manifest);
        let manifest = manifest.expect("a manifest");
        let found = manifest.keys.iter().find(|known| known.key == key).expect("a key");
        let under = |text: &str| {
            let mut given = serde_json::Map::new();
            if !text.is_empty() {
                given.insert(setting.to_owned(), text.into());
            }
            found.rule_under(&manifest.settings_with(&given).expect("settings"))
        };
        assert_eq!((under(""), under(value)), (usual, chosen), "{connector} {key} {setting}");
    }
}

#[test]
fn settings_bound_batches_quotas_and_how_long_members_stay() {
    let all = manifests();
    let under = |connector: &str, setting: &str, value: i64| {
        let manifest = &all.iter().find(|(_, manifest)| manifest.name == connector).expect("a manifest").1;
        let given = [(setting.to_owned(), value.into())].into_iter().filter(|_| value != 0).collect();
        assert_eq!(manifest.check_bounds(), Ok(()), "{connector}");
        manifest.under(&manifest.settings_with(&given).expect("settings"))
    };
    let rows = |value| under("pinterest", "rows_per_call", value).batch.rows;
    assert_eq!([0, 500, 10_000, 99_999, -1].map(rows), [1_900, 500, 10_000, 10_000, 10_000]);
    let day = |value| {
        let quotas = under("marketo", "daily_calls", value).quotas;
        quotas.iter().map(|quota| quota.amount).collect::<Vec<_>>()
    };
    assert_eq!([0, 10_000].map(day), [vec![50, 50_000, 5], vec![50, 10_000, 5]]);
    let first = |connector, setting, value| under(connector, setting, value).quotas[0].amount;
    assert_eq!([0, 50].map(|value| first("tiktok", "calls_per_second", value)), [10, 50]);
    // Without a setting a quota is as the manifest has it.
    for (_, manifest) in &all {
        let plain = manifest.under(&manifest.settings_with(&Default::default()).expect("settings"));
        assert_eq!(plain.quotas, manifest.quotas, "{}", manifest.name);
    }
    // Whom a partner forgets after a month is sent again after half of one, whatever the longest time is.
    let age = |connector, setting, days| {
        let age = under(connector, setting, days).renewal_age().expect("an age");
        age.0 / caravan_model::Duration::DAY.0
    };
    assert_eq!([0, 540, 30].map(|days| age("google", "membership_days", days)), [270, 270, 15]);
    assert_eq!([0, 9_999, 180].map(|days| age("snapchat", "retention_in_days", days)), [4_999, 4_999, 90]);
}
