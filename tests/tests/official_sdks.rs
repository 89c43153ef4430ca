//! The partners' own SDKs work against the lab for listing, creating, adding and removing, over HTTP and over HTTPS.
use caravan_tests::{Lab, Place, binary, keys_of, python};
use std::collections::BTreeSet;

/// Partner, script, and the key under which the lab keeps what it sends.
const DRIVES: [(&str, &str, &str); 5] = [
    ("criteo", "contact_lists.py", "email"),
    ("google", "data_manager.py", "EMAIL"),
    ("meta", "meta.py", "EMAIL"),
    ("pinterest", "customer_lists.py", "EMAIL"),
    ("tiktok", "tiktok.py", "EMAIL_SHA256"),
];

/// What the SDK says that it did stands in the lab.
fn assert_stands(lab: &Lab, partner: &str, key: &str, said: &str) {
    let said: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect("JSON");
    let audience = said["audience"].as_str().expect("an audience");
    let expected: BTreeSet<String> =
        said["hashes"].as_array().expect("hashes").iter().filter_map(|hash| hash.as_str().map(str::to_owned)).collect();
    let found = keys_of(lab, audience).expect("members");
    assert_eq!(found.get(key), Some(&expected), "{partner}: {:?}", found.keys());
    assert!(!expected.is_empty());
}

#[test]
fn official_sdks_work_against_the_lab() {
    for (partner, script, key) in DRIVES {
        let lab = Place::new().lab();
        let addresses = lab.get("/").expect("addresses");
        let address = addresses["partners"][partner].as_str().expect("an address").to_owned();
        assert_stands(&lab, partner, key, &python::run(script, &[&address], ""));
    }
}

#[test]
fn official_sdks_work_against_the_lab_over_https_with_its_certificate() {
    let place = Place::new();
    let ca = place.path("ca.pem");
    let lab = Lab::start(&binary(), &["--quiet", &format!("--tls={}", ca.display())]).expect("the lab starts");
    let tls = lab.get("/").expect("addresses")["tls"].clone();
    let authority = tls["ca"].as_str().expect("a file");
    assert_eq!(authority, ca.to_string_lossy());
    for (partner, script, key) in DRIVES {
        let address = tls["partners"][partner].as_str().expect("an address");
        assert!(address.starts_with("https://localhost:"), "{address}");
        assert_stands(&lab, partner, key, &python::run_trusting(authority, script, &[address]));
    }
}
