//! Connections that say which fields are sent as which identifiers.
use crate::manifest;
use caravan_identity::{ColumnBuilder, Hash, Person, Plan, PlanError, check_mapping, hash};
use caravan_model::{Code, Identities, Profile};
use serde_json::{Map, Value, json};

fn identities(value: Value) -> Identities {
    serde_json::from_value(value).unwrap()
}

fn plan(match_words: &str, mapping: Value) -> Result<Plan, PlanError> {
    let words: Vec<String> = match_words.split_whitespace().map(str::to_owned).collect();
    Plan::mapped(&manifest(), &words, &Map::new(), Some("US"), &identities(mapping))
}

fn profile(value: Value) -> Profile {
    serde_json::from_value(value).unwrap()
}

/// The values of the plan's keys for one person, row by row; the words of the reason where there is none.
fn sent(match_words: &str, mapping: Value, person: Value) -> Result<Vec<Vec<String>>, String> {
    let mut builder = ColumnBuilder::new(&plan(match_words, mapping).unwrap(), 1);
    match builder.push(&profile(person), false) {
        Person::Skip(why) => Err(why.words),
        Person::Rows(rows) => {
            let columns = &builder.columns().columns;
            let row = |row| columns.iter().map(|column| column.value(row).to_owned()).collect();
            Ok((0..rows as usize).map(row).collect())
        }
    }
}

fn sha(value: &str) -> String {
    hash(Hash::Sha256Hex, value)
}

#[test]
fn several_sources_of_a_key_give_a_row_each_in_their_order_and_repeat_none() {
    let mapping = json!({ "email": ["traits.loyalty.email", "email", "attributes.others"] });
    let person = json!({
        "emails": ["Ada@Example.com"],
        "attributes": { "loyalty": { "email": " loyal@example.com" }, "others": ["ada@example.com", "third@example.com"] },
    });
    let rows = sent("email", mapping, person).unwrap();
    let expected = ["loyal@example.com", "ada@example.com", "third@example.com"];
    assert_eq!(rows, expected.map(|address| vec![sha(address)]));
}

#[test]
fn a_mapped_attribute_is_normalised_as_the_key_wants_it_and_may_be_a_number() {
    let mapping = json!({ "phone": "mobile", "FN": "called" });
    let person = json!({ "attributes": { "mobile": 2025550143_u64, "called": "Zoë!" } });
    assert_eq!(sent("phone first_name", mapping, person).unwrap(), [[sha("12025550143"), sha("zoë")]]);
}

#[test]
fn digests_pass_in_lower_case_whether_declared_or_seen() {
    let digest = sha("ada@example.com");
    let person = json!({ "attributes": { "hash": digest.to_uppercase() } });
    for mapping in [json!({ "email": "hash" }), json!({ "email": { "from": "hash", "hashed": "sha256" } })] {
        assert_eq!(sent("email", mapping, person.clone()).unwrap(), [[digest.clone()]]);
    }
}

#[test]
fn what_is_declared_hashed_and_is_not_is_never_sent() {
    let mapping = json!({ "email": { "from": "traits.hash", "hashed": "sha256" } });
    for value in ["ada@example.com", "d41d8cd98f00b204e9800998ecf8427f", "zz"] {
        let why = sent("email", mapping.clone(), json!({ "attributes": { "hash": value } })).unwrap_err();
        assert_eq!(why, "`traits.hash` is declared to be hashed already, and is no such digest");
    }
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let why = sent("email", mapping.clone(), json!({ "attributes": { "hash": of_nothing } })).unwrap_err();
    assert_eq!(why, "`traits.hash` is missing or empty");
    assert_eq!(sent("email", mapping, json!({ "emails": ["a@b.com"] })).unwrap_err(), why);
}

#[test]
fn a_step_picks_among_the_mapped_keys_alone() {
    let error = plan("email phone", json!({ "email": "loyal" })).unwrap_err();
    assert_eq!(error.code(), Some(Code::UnmappedKey));
    assert_eq!(error.to_string(), "the connection's `identities` have nothing for `phone`; they have: email");
    let both = json!({ "idfa": "traits.apple", "gaid": "traits.google" });
    let apple = "6d92078a-8246-4ba4-ae5b-76104861e7dc";
    let person = json!({ "attributes": { "apple": apple, "google": "97987bca-ae59-4c7d-94ba-ee4f19ab8c21" } });
    assert_eq!(sent("idfa", both.clone(), person.clone()).unwrap(), [[apple]]);
    // The partner's own name takes the first that can be used, as it does without a mapping.
    assert_eq!(sent("MADID", both, person).unwrap().len(), 1);
}

#[test]
fn without_a_mapping_the_partners_defaults_hold() {
    let words = ["email".to_owned(), "phone".to_owned()];
    let plain = Plan::new(&manifest(), &words, &Map::new(), Some("US")).unwrap();
    assert_eq!(plan("email phone", json!({})).unwrap(), plain);
    assert_eq!(plan("email phone", json!({ "email": "email", "phone": ["phones"] })).unwrap(), plain);
}

#[test]
fn a_mapping_that_the_partner_cannot_take_is_refused_with_its_place() {
    let refused = |mapping: Value| {
        let error = check_mapping(&manifest(), &identities(mapping)).unwrap_err();
        assert_eq!(error.code(), Some(Code::BadMapping));
        error.to_string()
    };
    assert!(
        refused(json!({ "emial": "email" })).starts_with("identities.emial: Acme has no such match key; it takes: ")
    );
    assert_eq!(
        refused(json!({ "external_id": { "from": "traits.id", "hashed": "sha256" } })),
        "identities.external_id: `traits.id` is declared sha256, and Acme takes `EXTERN_ID` unhashed"
    );
    assert_eq!(
        refused(json!({ "email": ["email", { "from": "old", "hashed": "md5" }] })),
        "identities.email: `old` is declared md5, and Acme takes `EMAIL` as SHA-256"
    );
    assert_eq!(refused(json!({ "email": [] })), "identities.email: no field is named");
    check_mapping(&manifest(), &identities(json!({ "EMAIL": "email", "gaid": "traits.device" }))).unwrap();
}
