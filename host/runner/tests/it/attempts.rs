//! Rules of the design's section 11 that concern attempts, strikes, outcomes and poison (11.6 to 11.10).
use crate::common::*;
use caravan_model::{Action, Consent, Millis, Status};
use caravan_runner::{RunEnd, RunOptions};
use caravan_store::{LaneState, Slots, Store};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn rule_11_6_a_retry_sends_the_same_rows_in_the_same_order() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().script(vec![Reaction::Down, Reaction::LostAnswer, Reaction::Throttle(3), Reaction::LostRequest]);
    let end = stage.run(version, "f", people(0..10)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    let calls = stage.fake().calls();
    assert_eq!(calls.len(), 5);
    assert!(calls.iter().all(|call| call.1 == calls[0].1), "same part, same bytes (11.7)");
    assert_eq!(stage.count(version, 0, Status::Synced).await, 10);
}

#[tokio::test]
async fn rule_11_6_withdrawn_consent_is_struck_before_a_repeat_and_removed_if_it_may_have_landed() {
    for (reaction, removals) in [(Reaction::Down, 0), (Reaction::LostAnswer, 1)] {
        let stage = Stage::new(10);
        let version = stage.publish(&one_step("one", "add", "email")).await;
        waiting_after(&stage, reaction, version).await;
        let mut denied = person("p3");
        denied.consents.insert("advertising".into(), Consent::Denied);
        // The withdrawal comes with a row that the canvas does not let in twice.
        let lease = stage.store.lease("test", Slots::ALL, Millis(0)).await.unwrap();
        stage.store.upsert(lease, vec![denied], Millis(0)).await.unwrap();
        let end = stage.run(version, "f", people(0..10)).await;
        assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
        assert_eq!(stage.reasons(version, 0).await[&(Status::Skipped, "consent-denied".into())], 1);
        assert_eq!(stage.count(version, 0, Status::Synced).await, 9);
        assert!(!stage.fake().members("new-1").contains("EMAIL=p3@x.example"));
        assert_eq!(stage.fake().members("new-1").len(), 9);
        let removed = stage.fake().calls().iter().filter(|call| call.1.action == Action::Remove).count();
        assert_eq!(removed, removals);
    }
}

#[tokio::test]
async fn rule_11_6_an_exit_is_struck_only_where_nothing_may_have_landed() {
    for (reaction, exited) in [(Reaction::Down, 1), (Reaction::LostAnswer, 0)] {
        let stage = Stage::new(10);
        let version = stage.publish(&one_step("one", "add", "email")).await;
        waiting_after(&stage, reaction, version).await;
        let lease = stage.store.lease("test", Slots::ALL, Millis(0)).await.unwrap();
        let profile = stage.store.find("p3").await.unwrap();
        let reason = caravan_model::Reason::new("exited", "bought something");
        stage.store.signal_exit(lease, version, profile, reason, stage_now(&stage)).await.unwrap();
        stage.run(version, "f", people(0..10)).await;
        assert_eq!(stage.count(version, 0, Status::Exited).await, exited);
        assert_eq!(stage.count(version, 0, Status::Synced).await, 10 - exited);
        assert_eq!(stage.store.counters(version).await.unwrap().open, 0);
    }
}

#[tokio::test]
async fn rule_11_6_an_open_attempt_of_a_dead_process_is_repeated() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().dial(|_| Reaction::Slow(60_000));
    let (progress, _) = tokio::sync::watch::channel(Default::default());
    let (_cancel, cancelled) = tokio::sync::watch::channel(false);
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let runner = stage.runner();
    let run = runner.run(version, rows(people(0..10)), options, progress, cancelled);
    // The process dies in mid-call.
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), run).await.is_err());
    assert_eq!(stage.fake().calls().len(), 1);
    stage.fake().calm();
    let end = stage.run(version, "f", people(0..10)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    let calls = stage.fake().calls();
    assert_eq!((calls.len(), &calls[0].1), (2, &calls[1].1));
    assert_eq!(stage.count(version, 0, Status::Synced).await, 10);
}

#[tokio::test]
async fn rule_11_7_a_dry_run_makes_the_same_bytes() {
    let mut stage = Stage::new(8);
    stage.options.chunk = 1000;
    let mut all = people(0..50);
    for (n, person) in all.iter_mut().enumerate() {
        match n % 5 {
            0 => person.emails.push(format!("second-{n}@x.example")),
            1 => person.phones = vec![format!("06 12 34 56 {n:02}")],
            2 => person.emails.clear(),
            3 => drop(person.consents.insert("advertising".into(), Consent::Denied)),
            _ => {}
        }
    }
    let version = stage.publish(&one_step("one", "add", "email, phone")).await;
    stage.run(version, "f", all.clone()).await;
    let real: Vec<_> = stage.fake().calls().iter().map(|(audience, part)| request_of(audience, part)).collect();
    let dry = caravan_runner::DryRun {
        connection: "c".into(),
        account: "act_1".into(),
        audience: "new-1".into(),
        audience_parts: Vec::new(),
        action: Action::Add,
        match_on: vec!["email".into(), "phone".into()],
        purpose: None,
        demands: Default::default(),
        at: Millis(0),
        deadline: std::time::Duration::from_secs(1),
    };
    let result = caravan_runner::dry_run(&Fakes(stage.fakes.clone()), &dry, all).await.unwrap();
    assert_eq!(result.requests, real);
    let count = |status| result.results.iter().filter(|person| person.status == status).count() as u64;
    assert_eq!(count(Status::Synced), stage.count(version, 0, Status::Synced).await);
    assert_eq!(count(Status::Skipped), stage.count(version, 0, Status::Skipped).await);
}

#[tokio::test]
async fn rule_11_8_synced_if_one_row_was_taken_else_rejected() {
    let stage = Stage::new(100);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let mut all = people(0..10);
    all[0].emails.push("second@x.example".into());
    all[1].emails.push("third@x.example".into());
    stage.fake().dial(|_| Reaction::Refuse(vec!["second@".into(), "p1@".into(), "third@".into(), "p7@".into()]));
    stage.run(version, "f", all).await;
    assert_eq!(stage.count(version, 0, Status::Synced).await, 8);
    assert_eq!(stage.reasons(version, 0).await[&(Status::Rejected, "partner:bad".into())], 2);
    // The same with the whole call refused because of the rows.
    let stage = Stage::new(100);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let mut all = people(0..10);
    all[0].emails.push("second@x.example".into());
    stage.fake().dial(|_| Reaction::BadRows(vec!["second@".into(), "p7@".into()]));
    stage.run(version, "f", all).await;
    assert_eq!(stage.count(version, 0, Status::Synced).await, 9);
    assert_eq!(stage.reasons(version, 0).await[&(Status::Rejected, "partner:bad".into())], 1);
    assert_eq!(stage.fake().members("new-1").len(), 9);
}

#[tokio::test]
async fn rule_11_8_a_person_of_several_parts_is_synced_if_one_took_them() {
    let stage = Stage::of(split_manifest(10));
    let version = stage.publish(&one_step("one", "add", "email, phone")).await;
    let mut all = people(0..10);
    for (n, person) in all.iter_mut().enumerate() {
        person.phones = vec![format!("+33 6 12 34 56 {n:02}")];
    }
    stage.fake().dial(|part| match part.group.as_str() {
        "emails" => Reaction::Refuse(vec!["p3@".into(), "p4@".into()]),
        _ => Reaction::Refuse(vec!["33612345603".into(), "33612345605".into()]),
    });
    stage.run(version, "f", all.clone()).await;
    assert_eq!(stage.count(version, 0, Status::Synced).await, 9);
    assert_eq!(stage.count(version, 0, Status::Rejected).await, 1);
    assert_eq!(stage.fake().members("new-1").len(), 16);
    // And a removal takes both away.
    stage.fake().calm();
    let remove = stage.publish(&one_step("two", "remove", "email")).await;
    stage.run(remove, "f", all).await;
    assert_eq!(stage.fake().members("new-1"), BTreeSet::new());
}

#[tokio::test]
async fn rule_11_8_a_part_that_was_taken_in_part_goes_on_with_the_rest() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().script(vec![Reaction::TakeSome(4), Reaction::Throttle(1), Reaction::TakeSome(3)]);
    let end = stage.run(version, "f", people(0..10)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.fake().members("new-1"), emails(0..10));
    let sent: Vec<u32> = stage.fake().calls().iter().map(|call| call.1.rows).collect();
    assert_eq!(sent, [10, 6, 6, 3]);
}

#[tokio::test]
async fn rule_11_9_after_72_hours_of_flowing_time_they_expire_and_holds_stop_that_clock() {
    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    waiting_after(&stage, Reaction::Down, version).await;
    stage.clock.0.store(73 * 3_600_000, Ordering::SeqCst);
    stage.fake().dial(|_| Reaction::Down);
    let end = stage.run(version, "f", people(0..10)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.reasons(version, 0).await[&(Status::Expired, "retries-exhausted".into())], 10);

    let stage = Stage::new(10);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    waiting_after(&stage, Reaction::DeadToken, version).await;
    stage.clock.0.store(73 * 3_600_000, Ordering::SeqCst);
    stage.fake().script(vec![Reaction::Down]);
    stage.run(version, "f", people(0..10)).await;
    assert_eq!(stage.count(version, 0, Status::Synced).await, 10);
}

#[tokio::test]
async fn rule_11_10_poison_is_found_by_halving_within_its_calls() {
    let stage = Stage::new(64);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().partner.lock().unwrap().poison.insert("p13@".into());
    let end = stage.run(version, "f", people(0..64)).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(stage.reasons(version, 0).await[&(Status::Rejected, "poison-row".into())], 1);
    assert_eq!(stage.count(version, 0, Status::Synced).await, 63);
    assert!(stage.fake().calls().len() <= 1 + 12, "{}", stage.fake().calls().len());
}

#[tokio::test]
async fn rule_11_10_more_than_three_poison_rows_hold_the_lane() {
    let stage = Stage::new(64);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    let poison = ["p3@", "p13@", "p33@", "p43@", "p53@"].map(str::to_owned);
    stage.fake().partner.lock().unwrap().poison.extend(poison);
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(lines, _) = stage.run_with(version, people(0..64), options).await else { panic!("it waits") };
    assert!(lines[0].what.contains("held-poison"), "{lines:?}");
    assert!(matches!(stage.lane().await.state, LaneState::Held { .. }));
    assert!(stage.count(version, 0, Status::Rejected).await <= 3);
}

#[tokio::test]
async fn rule_11_10_a_call_too_large_is_halved() {
    let stage = Stage::new(64);
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().dial(|part| if part.people() > 10 { Reaction::TooLarge } else { Reaction::Take });
    stage.run(version, "f", people(0..64)).await;
    assert_eq!(stage.count(version, 0, Status::Synced).await, 64);
    assert_eq!(stage.fake().members("new-1"), emails(0..64));
}
