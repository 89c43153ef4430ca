//! Audiences get the partner's id, once.
use crate::common::*;
use caravan_model::{Code, Status};
use caravan_runner::{RunEnd, RunOptions, Stores};
use caravan_store::Store;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn an_audience_is_made_once_although_the_process_died_after_making_it() {
    let stage = Stage::new(10);
    let text = one_step("one", "add", "email");
    stage.fake().partner.lock().unwrap().dies_after_making = true;
    assert!(stage.runner().publish(canvas(&text), &connections()).await.is_err());
    assert_eq!(stage.fake().partner.lock().unwrap().made, 1);
    stage.fake().partner.lock().unwrap().dies_after_making = false;
    // Its name is changed at the partner meanwhile: the marker finds it all the same.
    stage.fake().partner.lock().unwrap().audiences.get_mut("new-1").unwrap().0 = "Renamed".into();
    let version = stage.publish(&text).await;
    assert_eq!(stage.fake().partner.lock().unwrap().made, 1);
    let again = stage.publish(&text).await;
    assert_eq!(version, again);
    let bound = stage.store.audience("one/list").await.unwrap().unwrap();
    assert_eq!((bound.partner_id.as_deref(), bound.made_by_us), (Some("new-1"), true));
}

#[tokio::test]
async fn an_audience_that_needs_people_is_made_with_the_first_once_although_the_answer_was_lost() {
    let mut needs_rows = manifest(10);
    needs_rows["audience"] = serde_json::json!({"create": true, "create_needs_rows": true});
    let stage = Stage::of(needs_rows);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    assert_eq!(stage.fake().partner.lock().unwrap().made, 0, "nobody is there yet");
    assert_eq!(version, stage.publish(&one_step("one", "add", "email")).await);
    let runner = stage.runner();
    let first = stage.lane().await.key;
    assert!(first.marker_to_be_made().is_some(), "{first:?}");
    let words = runner.recreate("one/list").await.unwrap_err().to_string();
    assert!(words.contains("first people"), "{words}");

    stage.fake().partner.lock().unwrap().dies_after_making = true;
    let options = RunOptions { source: "f".into(), wait: Duration::from_millis(100), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, people(0..25), options).await else { panic!("it is held") };
    assert_eq!(stage.lane().await.key, first);
    stage.fake().partner.lock().unwrap().dies_after_making = false;
    let end = stage.run(version, "", Vec::new()).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.fake().partner.lock().unwrap().made, 1);
    assert_eq!(stage.fake().members("new-1"), emails(0..25));
    assert_eq!(stage.count(version, 0, Status::Synced).await, 25);
    let bound = stage.store.audience("one/list").await.unwrap().unwrap();
    assert_eq!((bound.partner_id.as_deref(), bound.made_by_us), (Some("new-1"), true));
    assert_eq!(stage.lane().await.key.audience, "new-1");

    // What was made is an audience like any other.
    let out = one_step("out", "remove", "email").replace("name: List, if_missing: create", "id: new-1");
    let out = stage.publish(&out).await;
    let end = stage.run(out, "g", people(0..5)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.fake().members("new-1"), emails(5..25));
}

#[tokio::test]
async fn a_connector_that_answers_with_anothers_audience_when_it_is_to_make_one_gets_none() {
    let stage = Stage::new(10);
    stage.publish(&one_step("one", "add", "email")).await;
    // The partner forgets all, so that the connector's next answer is the same id.
    let forget = |partner: &mut Partner| (partner.made, partner.audiences) = (0, Default::default());
    forget(&mut stage.fake().partner.lock().unwrap());
    let two = one_step("two", "add", "email");
    let error = stage.runner().publish(canvas(&two), &connections()).await.unwrap_err();
    assert_eq!(error.code(), Code::UnknownAudience);
    assert!(error.to_string().contains("one/list"), "{error}");
    assert_eq!(stage.store.audience("two/list").await.unwrap().unwrap().partner_id, None);
    assert_eq!(stage.store.lanes().await.unwrap().len(), 1, "and nobody waits for it");
}

#[tokio::test]
async fn an_audience_of_another_workspace_becomes_nobodys_also_when_it_is_made_with_its_first_people() {
    let other = Stage::new(10);
    other.publish(&one_step("theirs", "add", "email")).await;
    let mut needs_rows = manifest(10);
    needs_rows["audience"] = serde_json::json!({"create": true, "create_needs_rows": true});
    let stage = Stage::of(needs_rows);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let first = stage.lane().await.key;
    let runner = || {
        let runner = stage.runner();
        runner.meet(Arc::new(Stores(vec![("emea".to_owned(), other.store.clone())])));
        runner
    };
    let (progress, _) = tokio::sync::watch::channel(Default::default());
    let (_cancel, cancelled) = tokio::sync::watch::channel(false);
    let options = RunOptions { source: "f".into(), wait: Duration::from_millis(100), ..RunOptions::default() };
    let end = runner().run(version, rows(people(0..5)), options, progress, cancelled).await.unwrap();
    assert!(matches!(end, RunEnd::Waits(..)), "{end:?}");
    // The connector answers with `new-1`, which is another workspace's.
    let state = format!("{:?}", stage.lane().await.state);
    assert!(state.contains("the workspace `emea` writes to the audience new-1"), "{state}");
    assert_eq!(stage.lane().await.key, first, "the queue has no audience");
    assert_eq!(stage.count(version, 0, Status::Waiting).await, 5);
    let refused = runner().rebind("one/list", "new-1", false).await.unwrap_err();
    assert!(refused.code() == Code::UnknownAudience && refused.to_string().contains("`emea`"), "{refused}");
    assert_eq!(stage.lane().await.key, first);
    runner().rebind("one/list", "mine", false).await.unwrap();
    assert_eq!(stage.store.audience("one/list").await.unwrap().unwrap().partner_id.as_deref(), Some("mine"));
}

#[tokio::test]
async fn removals_make_no_audience() {
    let mut needs_rows = manifest(10);
    needs_rows["audience"] = serde_json::json!({"create": true, "create_needs_rows": true});
    let stage = Stage::of(needs_rows);
    let version = stage.publish(&one_step("out", "remove", "email")).await;
    let end = stage.run(version, "f", people(0..5)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.fake().partner.lock().unwrap().made, 0);
    assert_eq!(stage.count(version, 0, Status::Unchanged).await, 5);
}

#[tokio::test]
async fn an_earlier_step_creates_what_a_later_one_removes_from() {
    let stage = Stage::new(10);
    let text = "
format: 1
canvas: both
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, start: add }
steps:
  add: { audience_sync: { audience: list, action: add, match: [email], advance: when_synced }, next: remove }
  remove: { audience_sync: { audience: list, action: remove, match: [email] }, next: exit }
";
    let version = stage.publish(text).await;
    let end = stage.run(version, "f", people(0..25)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.fake().partner.lock().unwrap().made, 1);
    assert_eq!(stage.fake().members("new-1"), BTreeSet::new());
    assert_eq!(
        (stage.count(version, 0, Status::Synced).await, stage.count(version, 1, Status::Synced).await),
        (25, 25)
    );
}

#[tokio::test]
async fn one_audience_of_that_name_is_adopted_none_or_several_are_a_problem() {
    let stage = Stage::new(10);
    let fail = one_step("one", "add", "email").replace("create", "fail");
    let code = |result: caravan_runner::Result<caravan_store::Version>| result.unwrap_err().code();
    assert_eq!(code(stage.runner().publish(canvas(&fail), &connections()).await), Code::AudienceMissing);
    let named = |name: &str| (name.to_owned(), String::new(), BTreeSet::new());
    stage.fake().partner.lock().unwrap().audiences.insert("1".into(), named("List of lists"));
    assert_eq!(code(stage.runner().publish(canvas(&fail), &connections()).await), Code::AudienceMissing);
    stage.fake().partner.lock().unwrap().audiences.insert("2".into(), named("List"));
    stage.publish(&fail).await;
    let bound = stage.store.audience("one/list").await.unwrap().unwrap();
    assert_eq!((bound.partner_id.as_deref(), bound.made_by_us), (Some("2"), false));
    stage.fake().partner.lock().unwrap().audiences.insert("3".into(), named("List"));
    let other = fail.replace("canvas: one", "canvas: other");
    assert_eq!(code(stage.runner().publish(canvas(&other), &connections()).await), Code::AudienceMissing);
    let by_id = other.replace("name: List", "id: \"3\"");
    stage.publish(&by_id).await;
    assert_eq!(stage.store.audience("other/list").await.unwrap().unwrap().partner_id.as_deref(), Some("3"));
}

#[tokio::test]
async fn what_a_person_mistyped_has_a_code() {
    let stage = Stage::new(10);
    let text = one_step("one", "add", "email");
    for (from, to, code) in [
        ("connection: c,", "connection: nobody,", Code::UnknownConnection),
        ("account: main", "account: other", Code::UnknownAccount),
        ("match: [email]", "match: [mail]", Code::UnknownMatchKey),
        ("match: [email]", "match: [first_name]", Code::ImpossibleKeys),
    ] {
        let wrong = canvas(&text.replace(from, to));
        assert_eq!(stage.runner().publish(wrong, &connections()).await.unwrap_err().code(), code, "{to}");
    }
}

#[tokio::test]
async fn new_audiences_are_made_all_or_none_within_what_the_partner_allows() {
    let mut three = manifest(10);
    three["audience"] = serde_json::json!({"create": true, "per_account": 3});
    let stage = Stage::of(three);
    let made = || stage.fake().partner.lock().unwrap().made;
    let text = |id: &str, names: [&str; 2]| {
        let spec = |name: &str| format!("{{ connection: c, account: main, name: {name}, if_missing: new }}");
        format!(
            "format: 1\ncanvas: {id}\naudiences:\n  a: {}\n  b: {}\nentry: {{ trigger: {{ event: any }}, start: one }}\n\
             steps:\n  one: {{ audience_sync: {{ audience: a, action: add, match: [email] }}, next: two }}\n  \
             two: {{ audience_sync: {{ audience: b, action: add, match: [email] }}, next: exit }}\n",
            spec(names[0]),
            spec(names[1])
        )
    };
    let version = stage.publish(&text("first", ["A", "B"])).await;
    assert_eq!(made(), 2);
    assert_eq!(version, stage.publish(&text("first", ["A", "B"])).await, "what it made itself is no other's");
    let refused = stage.runner().publish(canvas(&text("second", ["C", "D"])), &connections()).await.unwrap_err();
    assert!(refused.code() == Code::AudienceMissing && refused.to_string().contains("beyond the 3"), "{refused}");
    let refused = stage.runner().publish(canvas(&text("third", ["C", "B"])), &connections()).await.unwrap_err();
    assert!(refused.to_string().contains("`B` is there already"), "{refused}");
    assert_eq!(made(), 2, "nothing is half made");
}
