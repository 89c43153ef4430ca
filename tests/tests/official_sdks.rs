//! The partners' own SDKs work against the lab for listing, creating, adding and removing.
use caravan_tests::{Place, keys_of, python};
use std::collections::BTreeSet;

fn speaks(partner: &str, script: &str, key: &str) {
    let lab = Place::new().lab();
    let addresses = lab.get("/").expect("addresses");
    let address = addresses["partners"][partner].as_str().expect("an address").to_owned();
    let said = python::run(script, &[&address], "");
    let said: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect("JSON");
    let audience = said["audience"].as_str().expect("an audience");
    let expected: BTreeSet<String> =
        said["hashes"].as_array().expect("hashes").iter().filter_map(|hash| hash.as_str().map(str::to_owned)).collect();
    let found = keys_of(&lab, audience).expect("members");
    assert_eq!(found.get(key), Some(&expected), "{partner}: {:?}", found.keys());
}

#[test]
fn official_sdks_work_against_the_lab() {
    speaks("criteo", "contact_lists.py", "email");
    speaks("google", "data_manager.py", "EMAIL");
    speaks("meta", "meta.py", "EMAIL");
    speaks("pinterest", "customer_lists.py", "EMAIL");
    speaks("tiktok", "tiktok.py", "EMAIL_SHA256");
}
