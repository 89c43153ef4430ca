//! Fields of people that a connection maps to match keys, from publish to the part.
use crate::common::*;
use caravan_identity::hash;
use caravan_model::manifest::Hash;
use caravan_model::{Code, Millis, Profile};
use caravan_store::{DocumentKind, Slots, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// E-mails leave as SHA-256.
fn hashing() -> Value {
    let mut manifest = manifest(10);
    manifest["keys"][1]["hash"] = json!("sha256-hex");
    manifest
}

fn with(id: &str, attributes: Value) -> Profile {
    Profile { attributes: attributes.as_object().cloned().unwrap_or_default(), ..person(id) }
}

fn set_of(rows: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[tokio::test]
async fn mapped_attributes_are_sent_and_a_steps_match_picks_among_them() {
    let stage = Stage::new(10);
    stage
        .fake()
        .map(json!({"email": ["email", "traits.club.mail"], "phone": "traits.mobile", "ID": "traits.customer"}));
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let people = vec![
        with("a", json!({"club": {"mail": " Ann@Club.example "}, "mobile": "0612345678", "customer": 7})),
        with("b", json!({"mobile": "0612345679"})),
    ];
    stage.run(version, "f", people.clone()).await;
    let expected = set_of(&["EMAIL=a@x.example", "EMAIL=ann@club.example", "EMAIL=b@x.example"]);
    assert_eq!(stage.fake().members("new-1"), expected, "phone and id are mapped, and nobody asked for them");
    let version = stage.publish(&one_step("two", "add", "external_id").replace("name: List", "name: Other")).await;
    stage.run(version, "f", people).await;
    assert_eq!(stage.fake().members("new-2"), set_of(&["ID=7"]), "who has nothing there is not sent");
}

#[tokio::test]
async fn a_digest_passes_as_it_is_and_a_field_declared_hashed_holds_nothing_else() {
    let stage = Stage::of(hashing());
    stage.fake().map(json!({"email": ["traits.plain", {"from": "traits.digest", "hashed": "sha256"}]}));
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let digest = |value: &str| hash(Hash::Sha256Hex, value);
    let (ann, bob) = (digest("ann@x.example"), digest("bob@x.example"));
    let people = vec![
        with("plain", json!({"plain": "Ann@x.example"})),
        with("detected", json!({"plain": bob.to_uppercase()})),
        with("declared", json!({"digest": digest("eve@x.example")})),
        with("wrong", json!({"digest": "not-a-digest@x.example"})),
    ];
    stage.run(version, "f", people).await;
    let expected = [ann, bob, digest("eve@x.example")].map(|digest| format!("EMAIL={digest}"));
    assert_eq!(stage.fake().members("new-1"), BTreeSet::from(expected));
    assert_eq!(stage.count(version, 0, caravan_model::Status::Skipped).await, 1, "no identifier is left");
}

#[tokio::test]
async fn who_is_mapped_anew_leaves_with_the_old_value_and_comes_with_the_new_one() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let ann = || vec![with("a", json!({"club": "ann@club.example"}))];
    stage.run(version, "f", ann()).await;
    assert_eq!(stage.fake().members("new-1"), set_of(&["EMAIL=a@x.example"]));
    stage.fake().map(json!({"email": "traits.club"}));
    stage.run(version, "g", ann()).await;
    assert_eq!(stage.fake().members("new-1"), set_of(&["EMAIL=ann@club.example"]));
}

#[tokio::test]
async fn publishing_refuses_what_is_not_mapped_cannot_be_mapped_or_may_not_be_used() {
    let stage = Stage::of(hashing());
    let code = async |mapping: Value, words: &str| {
        stage.fake().map(mapping);
        let refused = stage.runner().publish(canvas(&one_step("one", "add", words)), &connections()).await;
        refused.map(drop).map_err(|error| error.code())
    };
    assert_eq!(code(json!({"email": "email"}), "email, phone").await, Err(Code::UnmappedKey));
    assert_eq!(code(json!({"emial": "email"}), "email").await, Err(Code::BadMapping));
    let md5 = json!({"email": {"from": "traits.md5", "hashed": "md5"}});
    assert_eq!(code(md5, "email").await, Err(Code::BadMapping));

    let policy = "format: 1\nlabels:\n  fields: { attributes.club: [sensitive], email: [contact] }\n  \
                  deny: [ { name: None, labels: [sensitive, contact], action: advertising } ]\n";
    let lease = stage.store.lease("test", Slots::ALL, Millis(0)).await.unwrap();
    let document = (DocumentKind::Policy, caravan_runner::POLICY_ID.to_owned(), Some(policy.to_owned()));
    stage.store.put_documents(lease, vec![document]).await.unwrap();
    stage.store.release(lease).await.unwrap();
    assert_eq!(code(json!({"email": "traits.club"}), "email").await, Err(Code::DeniedUse));
    assert_eq!(code(json!({}), "email").await, Err(Code::DeniedUse), "the default field is labelled, too");
    assert_eq!(code(json!({"email": "traits.work"}), "email").await, Ok(()), "what is not used may be labelled");
}
