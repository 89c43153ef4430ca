//! The workspace's policy and a step's own demand, from publish to the part: rule 11.15.
use crate::common::*;
use caravan_model::{Action, Code, Consent, Event, Message, Millis, Profile, Status};
use caravan_runner::{RunEnd, RunOptions};
use caravan_store::{DocumentKind, LaneState, Slots, Store};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Keeps a policy in the store, as `caravan policy set` does.
async fn set(stage: &Stage, text: &str) {
    let lease = stage.store.lease("test", Slots::ALL, Millis(0)).await.unwrap();
    let document = (DocumentKind::Policy, caravan_runner::POLICY_ID.to_owned(), Some(text.to_owned()));
    stage.store.put_documents(lease, vec![document]).await.unwrap();
    stage.store.release(lease).await.unwrap();
}

fn said(id: &str, consents: &[(&str, Consent)]) -> Profile {
    let consents = consents.iter().map(|(purpose, consent)| ((*purpose).to_owned(), *consent)).collect();
    Profile { consents, ..person(id) }
}

/// One person of each answer to advertising, and one who must not be sold though they granted it.
fn everyone() -> Vec<Profile> {
    let sold = Profile { do_not_sell_or_share: Some(true), ..said("sold", &[("advertising", Consent::Granted)]) };
    let denied = said("denied", &[("advertising", Consent::Denied)]);
    vec![said("granted", &[("advertising", Consent::Granted)]), said("unknown", &[]), denied, sold]
}

fn skipped(reasons: &BTreeMap<(Status, String), u64>) -> Vec<&str> {
    reasons.keys().filter(|(status, _)| *status == Status::Skipped).map(|(_, code)| code.as_str()).collect()
}

const DEMAND: &str = "format: 1\nconsent: { demand: [advertising] }\n";

#[tokio::test]
async fn rule_11_15_unknown_blocks_an_add_only_where_policy_or_step_demands_a_yes_and_denial_always() {
    let step = one_step("one", "add", "email");
    let required = step.replace("match: [email]", "match: [email], consent: required");
    let other = step.replace("match: [email]", "match: [email], purpose: research");
    for (text, policy, unknown_blocks) in [
        (&step, None, false),
        (&step, Some("format: 1\nconsent: { demand: [email] }\n"), false),
        (&step, Some(DEMAND), true),
        (&required, None, true),
        (&other, Some(DEMAND), false),
    ] {
        let stage = Stage::new(10);
        if let Some(policy) = policy {
            set(&stage, policy).await;
        }
        let version = stage.publish(text).await;
        stage.run(version, "f", everyone()).await;
        let reasons = stage.reasons(version, 0).await;
        let members = stage.fake().members("new-1");
        assert_eq!(members.contains("EMAIL=unknown@x.example"), !unknown_blocks, "{policy:?} {text}");
        assert!(members.contains("EMAIL=granted@x.example") || text == &other);
        assert!(!members.contains("EMAIL=sold@x.example"));
        if text == &other {
            assert_eq!(skipped(&reasons), ["do-not-sell-or-share"], "another purpose was asked for");
            continue;
        }
        assert!(!members.contains("EMAIL=denied@x.example"));
        let mut expected = vec!["consent-denied", "do-not-sell-or-share"];
        expected.extend(unknown_blocks.then_some("consent-unknown"));
        expected.sort_unstable();
        assert_eq!(skipped(&reasons), expected, "{policy:?} {text}");
    }
}

#[tokio::test]
async fn rule_11_15_a_removal_needs_no_consent_under_any_policy() {
    let stage = Stage::new(10);
    set(&stage, DEMAND).await;
    let version = stage.publish(&one_step("one", "remove", "email")).await;
    stage.run(version, "f", everyone()).await;
    assert_eq!(skipped(&stage.reasons(version, 0).await), Vec::<&str>::new());
}

#[tokio::test]
async fn rule_11_15_the_policy_is_read_again_before_a_repeat() {
    for (reaction, removals) in [(Reaction::Down, 0), (Reaction::LostAnswer, 1)] {
        let stage = Stage::new(10);
        let version = stage.publish(&one_step("one", "add", "email")).await;
        stage.fake().dial(move |_| reaction.clone());
        let people = vec![said("granted", &[("advertising", Consent::Granted)]), said("unknown", &[])];
        let options = RunOptions { source: "f".into(), ..RunOptions::default() };
        let RunEnd::Waits(..) = stage.run_with(version, people.clone(), options).await else { panic!("it waits") };
        stage.fake().calm();
        set(&stage, DEMAND).await;
        stage.run(version, "f", people).await;
        let reasons = stage.reasons(version, 0).await;
        assert_eq!(skipped(&reasons), ["consent-unknown"]);
        assert_eq!(stage.count(version, 0, Status::Synced).await, 1);
        assert_eq!(stage.fake().members("new-1").into_iter().collect::<Vec<_>>(), ["EMAIL=granted@x.example"]);
        let removed = stage.fake().calls().iter().filter(|call| call.1.action == Action::Remove).count();
        assert_eq!(removed, removals, "only what may have landed is taken back");
    }
}

fn with_device(rows: u32) -> serde_json::Value {
    let mut manifest = manifest(rows);
    let key = json!({"key": "GAID", "title": "GAID", "sources": [{"name": "gaid", "field": "gaid"}], "rule": "ad-id",
        "hash": "none", "device": true});
    manifest["keys"].as_array_mut().unwrap().push(key);
    manifest["groups"][0]["keys"].as_array_mut().unwrap().push(json!("GAID"));
    manifest
}

#[tokio::test]
async fn rule_11_15_device_ids_leave_unless_tracking_is_denied_and_only_if_granted_where_policy_demands_it() {
    let device = |id: &str, enabled: Option<bool>, with_email: bool| {
        let mut person = Profile { ad_tracking_enabled: enabled, ..person(id) };
        person.gaid = Some(format!("3840000{}-8cf0-11bd-b23e-10b96e40000d", id.len() % 10));
        if !with_email {
            person.emails.clear();
        }
        person
    };
    let people = || {
        vec![
            device("g", Some(true), false),
            device("un", None, false),
            device("den", Some(false), false),
            device("mail", None, true),
        ]
    };
    for (policy, devices, off) in [("format: 1\n", 3, 1), ("format: 1\ntracking: { demand: true }\n", 1, 2)] {
        let stage = Stage::of(with_device(10));
        set(&stage, policy).await;
        let version = stage.publish(&one_step("one", "add", "email, gaid")).await;
        stage.run(version, "f", people()).await;
        let members = stage.fake().members("new-1");
        assert_eq!(members.iter().filter(|row| row.contains("GAID=")).count(), devices, "{policy}: {members:?}");
        assert!(members.iter().any(|row| row.contains("EMAIL=mail@x.example")), "who has more is sent without it");
        assert_eq!(stage.reasons(version, 0).await[&(Status::Skipped, "tracking-off".into())], off, "{policy}");
    }
}

#[tokio::test]
async fn rule_11_15_a_dry_run_demands_what_the_run_demands() {
    let stage = Stage::new(10);
    let text = format!("{DEMAND}tracking: {{ demand: true }}\n");
    set(&stage, &text).await;
    let policy = caravan_runner::policy_of(&stage.store).await.unwrap();
    let dry = caravan_runner::DryRun {
        connection: "c".into(),
        account: "act_1".into(),
        audience: "new-1".into(),
        audience_parts: Vec::new(),
        action: Action::Add,
        match_on: vec!["email".into()],
        purpose: None,
        demands: caravan_runner::Demands::of(&policy, "advertising", false),
        at: Millis(0),
        deadline: std::time::Duration::from_secs(1),
    };
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(version, "f", everyone()).await;
    let result = caravan_runner::dry_run(&Fakes(stage.fakes.clone()), &dry, everyone()).await.unwrap();
    let real: Vec<_> = stage.fake().calls().iter().map(|(audience, part)| request_of(audience, part)).collect();
    assert_eq!(result.requests[0], real[0]);
    let codes: Vec<&str> = result.results.iter().map(|person| person.reason.code.as_str()).collect();
    assert_eq!(codes, ["", "consent-unknown", "consent-denied", "do-not-sell-or-share"]);
}

#[tokio::test]
async fn rule_11_15_publish_refuses_what_the_policy_denies_naming_field_and_policy() {
    let stage = Stage::new(10);
    let text = one_step("one", "add", "email, phone");
    let live = stage.publish(&text).await;
    set(
        &stage,
        "format: 1\nlabels:\n  fields: { phone: [direct], attributes.health: [sensitive] }\n  deny:\n    \
         - { name: No calls, labels: [direct], action: advertising }\n    \
         - { name: No health, labels: [sensitive], action: advertising }\n",
    )
    .await;
    let refused = |text: String| {
        let runner = stage.runner();
        async move { runner.publish(canvas(&text), &connections()).await.unwrap_err() }
    };
    let error = refused(text.clone()).await;
    assert_eq!(error.code(), Code::DeniedUse);
    let words = error.to_string();
    assert!(words.contains("`phone`") && words.contains("`No calls`"), "{words}");
    assert!(words.contains("steps.sync.audience_sync.match[1]"), "{words}");
    let who = one_step("two", "add", "email").replace("re_entry", "who: { attr: health.ill, eq: true }, re_entry");
    let words = refused(who).await.to_string();
    assert!(words.contains("`attributes.health`") && words.contains("`No health`"), "{words}");
    assert_eq!(stage.fake().partner.lock().unwrap().made, 1, "nothing was made at the partner for what was refused");
    stage.publish(&one_step("three", "add", "email")).await;
    stage.run(live, "f", people(0..2)).await;
    assert_eq!(stage.count(live, 0, Status::Synced).await, 2, "a live version goes on as it was published");
}

#[tokio::test]
async fn nothing_is_sent_under_a_policy_that_cannot_be_read() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    set(&stage, "format: 1\nconsents: {}\n").await;
    let (progress, _) = tokio::sync::watch::channel(Default::default());
    let (_cancel, cancelled) = tokio::sync::watch::channel(false);
    let runner = stage.runner();
    let error = runner.run(version, rows(people(0..2)), RunOptions::default(), progress, cancelled).await.unwrap_err();
    assert_eq!(error.code(), Code::UnknownField);
    assert!(stage.fake().calls().is_empty());
}

fn with_flags(rows: u32) -> serde_json::Value {
    let mut manifest = manifest(rows);
    manifest["flags"] =
        json!([{"key": "user-data", "purpose": "ad-user-data"}, {"key": "personal", "purpose": "ad-personalization"}]);
    manifest
}

#[tokio::test]
async fn rule_11_15_what_people_said_travels_with_the_rows_of_an_add_and_of_no_removal() {
    let stage = Stage::of(with_flags(10));
    let said = |id, user, personal| said(id, &[("ad-user-data", user), ("ad-personalization", personal)]);
    let mut twice = said("b", Consent::Granted, Consent::Denied);
    twice.emails.push("second@x.example".into());
    let people = vec![person("a"), twice, said("c", Consent::Denied, Consent::Unknown)];
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(version, "f", people.clone()).await;
    let part = stage.fake().calls()[0].1.clone();
    let flags: Vec<(&str, &[u8])> = part.flags.iter().map(|flag| (flag.key.as_str(), &flag.values[..])).collect();
    assert_eq!(flags, [("user-data", &[0, 1, 1, 2][..]), ("personal", &[0, 2, 2, 0][..])]);
    let removal = stage.publish(&one_step("one", "remove", "email")).await;
    stage.run(removal, "g", people).await;
    let (_, part) = stage.fake().calls().pop().unwrap();
    assert_eq!((part.action, part.flags.len()), (Action::Remove, 0));
}

#[tokio::test]
async fn rule_11_15_a_part_of_people_who_said_nothing_has_no_flags_and_new_words_are_sent_again() {
    let stage = Stage::of(with_flags(10));
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.run(version, "f", vec![person("a")]).await;
    assert!(stage.fake().calls()[0].1.flags.is_empty());
    stage.run(version, "g", vec![person("a")]).await;
    assert_eq!(stage.count(version, 0, Status::Unchanged).await, 1, "membership holds them as they are");
    stage.run(version, "h", vec![said("a", &[("ad-user-data", Consent::Denied)])]).await;
    let calls = stage.fake().calls();
    assert_eq!(calls.len(), 2, "the same identifiers, but they said something new");
    assert_eq!((calls[1].1.action, &calls[1].1.flags[0].values), (Action::Add, &vec![2]));
    stage.run(version, "i", vec![person("a")]).await;
    assert_eq!(stage.count(version, 0, Status::Unchanged).await, 2);
}

#[tokio::test]
async fn an_account_that_is_switched_off_holds_its_queue_without_a_call_and_people_go_on_once_it_is_on() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().off.lock().unwrap().insert("act_1".to_owned());
    let options = RunOptions { wait: Duration::from_millis(50), source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, people(0..10), options).await else { panic!("it is held") };
    let LaneState::Held { reason, .. } = stage.lane().await.state else { panic!("it is held") };
    assert_eq!(reason.code, "account_off");
    assert_eq!((stage.fake().calls().len(), stage.fake().partner.lock().unwrap().checks), (0, 0));
    let mut switched = connections();
    switched.connections.get_mut("c").unwrap().off.insert("main".to_owned());
    let refused = stage.runner().publish(canvas(&one_step("two", "add", "email")), &switched).await.unwrap_err();
    assert_eq!(refused.code(), Code::AccountOff);
    let uses = caravan_runner::control::uses_of_connection(&stage.store, "c").await.unwrap();
    let words: Vec<&str> = uses.iter().map(|used| used.words.as_str()).collect();
    assert_eq!(words, ["canvas one", "queue one/list"]);

    stage.fake().off.lock().unwrap().clear();
    let end = stage.run(version, "", Vec::new()).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.count(version, 0, Status::Synced).await, 10);
    let uses = caravan_runner::control::uses_of_connection(&stage.store, "c").await.unwrap();
    assert_eq!((uses.len(), uses[0].account.as_deref()), (1, Some("main")));
    stage.runner().stop_now("one", "test").await.unwrap();
    assert_eq!(caravan_runner::control::uses_of_connection(&stage.store, "c").await.unwrap(), []);
}

#[tokio::test]
async fn a_slot_that_is_taken_away_holds_the_queue_and_given_again_lets_people_go_on() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    waiting_after(&stage, Reaction::Throttle(60_000), version).await;
    set(&stage, "format: 1\nentitlements: { free: [meta] }\n").await;
    stage.clock.0.fetch_add(120_000, std::sync::atomic::Ordering::SeqCst);
    let calls = stage.fake().calls().len();
    let options = RunOptions { wait: Duration::from_millis(50), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, Vec::new(), options).await else { panic!("it is held") };
    let LaneState::Held { reason, .. } = stage.lane().await.state else { panic!("it is held") };
    assert_eq!(reason.code, "not_entitled");
    assert_eq!((stage.count(version, 0, Status::Waiting).await, stage.fake().calls().len()), (10, calls));
    // No call looks whether it may go on: the policy does.
    assert_eq!(stage.fake().partner.lock().unwrap().checks, 0);
    let problem = stage.runner().publish(canvas(&one_step("two", "add", "email")), &connections()).await.unwrap_err();
    assert_eq!(problem.code(), Code::NotEntitled);

    set(&stage, "format: 1\nentitlements: { free: [], purchases: 1, slots: [fake] }\n").await;
    let end = stage.run(version, "", Vec::new()).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.count(version, 0, Status::Synced).await, 10);
    assert_eq!(stage.fake().partner.lock().unwrap().checks, 0, "the policy lets it go on, and no call");
}

#[tokio::test]
async fn a_serving_host_holds_a_queue_when_its_slot_goes_and_lets_it_go_on_when_it_comes_back() {
    let stage = Stage::new(10);
    let text = one_step("one", "add", "email").replace("{ api: true }", "{ event: e }");
    let version = stage.publish(&text).await;
    // The partner asks for an hour of patience, so that nothing but the policy looks at the queue.
    stage.fake().dial(|_| Reaction::Throttle(3_600_000));
    let runner = Arc::new(stage.runner());
    let (stop, stopped) = watch::channel(false);
    let (tell, _) = watch::channel(Default::default());
    let serving = tokio::spawn({
        let runner = runner.clone();
        async move { runner.serve(tell, stopped).await.map(drop) }
    });
    let event = |id: &str| Message {
        who: person(id),
        event: Some(Event { name: "e".to_owned(), at: stage_now(&stage), properties: Default::default() }),
        ..Message::default()
    };
    runner.receive(vec![(None, event("a")), (None, event("b"))]).await.unwrap();
    let state = async |wanted: fn(&LaneState) -> bool| {
        for _ in 0..15_000 {
            if wanted(&stage.lane().await.state) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?}", stage.lane().await.state);
    };
    state(|state| matches!(state, LaneState::Waiting { .. })).await;
    stage.fake().calm();
    let calls = stage.fake().calls().len();
    let set = async |text: &str| {
        let document = (DocumentKind::Policy, caravan_runner::POLICY_ID.to_owned(), Some(text.to_owned()));
        runner.acting("test").put(vec![document], "policy.set", "policy", json!({})).await.unwrap();
        runner.refresh();
    };
    set("format: 1\nentitlements: { free: [meta] }\n").await;
    state(|state| matches!(state, LaneState::Held { reason, .. } if reason.code == "not_entitled")).await;
    let LaneState::Held { reason, .. } = stage.lane().await.state else { panic!("it is held") };
    assert!(reason.words.contains("no slots were bought"), "{reason:?}");
    // Whoever comes meanwhile waits too.
    runner.receive(vec![(None, event("c"))]).await.unwrap();
    while stage.count(version, 0, Status::Waiting).await < 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.fake().calls().len(), calls, "nothing was sent meanwhile");
    // What the partner asked for is over; the queue would be looked at again by itself only later.
    stage.clock.0.fetch_add(3_600_001, std::sync::atomic::Ordering::SeqCst);
    set("format: 1\nentitlements: { free: [], purchases: 1, slots: [fake] }\n").await;
    while stage.count(version, 0, Status::Synced).await < 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.fake().partner.lock().unwrap().checks, 0, "the policy lets it go on, and no call");
    assert_eq!(stage.fake().members("new-1"), ["a", "b", "c"].map(|id| format!("EMAIL={id}@x.example")).into());
    stop.send_replace(true);
    serving.await.unwrap().unwrap();
    stage.balanced().await;
}
