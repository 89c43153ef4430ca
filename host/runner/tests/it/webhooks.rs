//! Webhook steps through the whole runner: called, retried, given up, left in between.
use crate::common::sender::{FakeSender, later};
use crate::common::*;
use caravan_model::webhook::WebhookAnswer;
use caravan_model::{Code, Duration, Event, Profile, Status};
use caravan_runner::control::{Resends, SentAgain};
use caravan_runner::{RunEnd, RunOptions, preview};
use caravan_store::Store;
use std::collections::BTreeSet;
use std::sync::Arc;

const TEXT: &str = "
format: 1
canvas: mails
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, re_entry: always, start: mail }
exit: [ { event: bought } ]
steps:
  mail: { webhook: { use: mailer, body: { to: \"{{ email }}\", n: 1 } }, next: exit, otherwise: sync }
  sync: { audience_sync: { audience: list, action: add, match: [email] }, next: exit }
";

fn stage(sender: &Arc<FakeSender>) -> Stage {
    let mut stage = Stage::new(50);
    stage.options.webhooks.sender = sender.clone();
    stage
}

fn at_once() -> RunOptions {
    RunOptions { source: "f".into(), ..RunOptions::default() }
}

#[tokio::test]
async fn everyone_is_called_for_once_and_goes_on_by_the_answer() {
    let sender = FakeSender::new();
    sender.answer(|call, _| match call.body.contains("p1@") {
        true => WebhookAnswer::Refused { status: 422 },
        false => WebhookAnswer::Taken,
    });
    let mut stage = stage(&sender);
    stage.options.webhooks.at_once = 7;
    let version = stage.publish(TEXT).await;
    let mut people = people(0..500);
    people.push(Profile { external_id: "nobody".into(), ..Profile::default() });
    assert!(matches!(stage.run(version, "f", people).await, RunEnd::Done(_)));
    assert_eq!(sender.by_key().len(), 500, "each visit has a key of its own");
    assert_eq!(sender.got().len(), 500);
    assert!((2..=7).contains(&sender.most_at_once()), "{}", sender.most_at_once());
    let bodies: BTreeSet<String> = sender.got().iter().map(|call| call.body.to_string()).collect();
    assert!(bodies.contains(r#"{"n":1,"to":"p0@x.example"}"#) && bodies.len() == 500);
    let reasons = stage.reasons(version, 0).await;
    let reason = |status, code: &str| reasons.get(&(status, code.to_owned())).copied();
    assert_eq!(reason(Status::Passed, ""), Some(499));
    assert_eq!(reason(Status::Failed, "webhook-refused"), Some(1));
    assert_eq!(reason(Status::Failed, "template-missing"), Some(1));
    assert_eq!(stage.count(version, 1, Status::Synced).await, 1, "whom the endpoint refused went `otherwise`");
    let failed = stage.store.visits(version, caravan_model::StepIx(0), Status::Failed, None, 9).await.unwrap();
    let words: BTreeSet<&str> = failed.iter().map(|(_, _, reason)| reason.words.as_str()).collect();
    let expected =
        ["body.to: `email` is not known of the person", "the endpoint answered 422: it does not accept the values"];
    assert_eq!(words, expected.into());
}

#[tokio::test]
async fn a_call_that_fails_for_now_is_made_again_with_the_same_key_and_body() {
    let sender = FakeSender::new();
    sender.answer(|_, before| if before < 2 { later(None) } else { WebhookAnswer::Taken });
    let stage = stage(&sender);
    let version = stage.publish(TEXT).await;
    assert!(matches!(stage.run(version, "f", people(0..30)).await, RunEnd::Done(_)));
    assert_eq!(stage.count(version, 0, Status::Passed).await, 30);
    let keys = sender.by_key();
    assert_eq!(keys.len(), 30);
    for bodies in keys.values() {
        assert!(bodies.len() == 3 && bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_retry_is_shown_and_leaves_by_an_exit_event() {
    let sender = FakeSender::new();
    sender.answer(|_, _| later(Some(Duration::HOUR)));
    let stage = stage(&sender);
    let version = stage.publish(TEXT).await;
    let RunEnd::Waits(lines, _) = stage.run_with(version, people(0..20), at_once()).await else { panic!("it waits") };
    assert!(lines.iter().any(|line| line.what == "step `mail`: webhook mailer" && line.n == 20), "{lines:?}");
    let until = lines.iter().find_map(|line| line.until).expect("a time");
    assert!(until > stage_now(&stage), "{lines:?}");
    let p0 = stage.store.find("p0").await.unwrap()[0];
    let trace = stage.store.trace(p0).await.unwrap().unwrap();
    let visit = &trace.visits[0];
    assert_eq!((visit.status, visit.reason.code.as_str()), (Status::Waiting, "retrying"), "{visit:?}");
    assert!(visit.reason.words.contains("503") && visit.until.is_some(), "{visit:?}");
    let bought = |id: &str| {
        let event = Event { name: "bought".into(), at: stage_now(&stage), properties: Default::default() };
        (id.to_owned(), None, event)
    };
    stage.runner().record(vec![bought("p0"), bought("p1")]).await.unwrap();
    assert_eq!(stage.count(version, 0, Status::Exited).await, 2);
    stage.runner().erase(&[stage.store.find("p2").await.unwrap()[0]]).await.unwrap();
    // Once the hour is over, the others are called for; the endpoint is well again.
    sender.answer(|_, _| WebhookAnswer::Taken);
    let before = sender.got().len();
    stage.clock.0.fetch_add(3_700_000, std::sync::atomic::Ordering::SeqCst);
    stage.run(version, "f", people(0..20)).await;
    assert_eq!(stage.count(version, 0, Status::Passed).await, 17);
    assert_eq!(stage.count(version, 0, Status::Exited).await, 3);
    assert_eq!(sender.got().len() - before, 17, "nobody who left was called for");
}

#[tokio::test]
async fn an_endpoint_that_fails_many_in_a_row_rests_and_is_tried_by_one() {
    let sender = FakeSender::new();
    sender.answer(|_, _| later(None));
    let mut stage = stage(&sender);
    stage.options.retry.first_wait = Duration::MINUTE;
    stage.options.retry.longest_wait = Duration::HOUR;
    stage.options.webhooks.at_once = 4;
    let version = stage.publish(TEXT).await;
    let RunEnd::Waits(..) = stage.run_with(version, people(0..300), at_once()).await else { panic!("it waits") };
    let tried = sender.got().len();
    assert!((8..=12).contains(&tried), "{tried} of 300 were tried");
    let someone = stage.store.find("p299").await.unwrap()[0];
    let trace = stage.store.trace(someone).await.unwrap().unwrap();
    assert_eq!(trace.visits[0].reason.code, "retrying", "who was not tried knows why they wait");
}

#[tokio::test]
async fn after_72_hours_people_expire_and_go_on_otherwise() {
    let sender = FakeSender::new();
    sender.answer(|_, _| later(None));
    let mut stage = stage(&sender);
    stage.options.retry.longest_wait = Duration::HOUR;
    stage.options.retry.first_wait = Duration::HOUR;
    let version = stage.publish(TEXT).await;
    let RunEnd::Waits(..) = stage.run_with(version, people(0..12), at_once()).await else { panic!("it waits") };
    stage.clock.0.fetch_add(71 * 3_600_000, std::sync::atomic::Ordering::SeqCst);
    let RunEnd::Waits(..) = stage.run_with(version, Vec::new(), at_once()).await else { panic!("it waits") };
    assert_eq!(stage.count(version, 0, Status::Waiting).await, 12);
    stage.clock.0.fetch_add(2 * 3_600_000, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(stage.run(version, "f", Vec::new()).await, RunEnd::Done(_)));
    let reasons = stage.reasons(version, 0).await;
    assert_eq!(reasons, [((Status::Failed, "webhook-expired".to_owned()), 12)].into());
    assert_eq!(stage.count(version, 1, Status::Synced).await, 12);
}

#[tokio::test]
async fn a_paused_canvas_calls_nobody_and_stopping_lets_out_whoever_waits() {
    let sender = FakeSender::new();
    sender.answer(|_, _| later(Some(Duration::HOUR)));
    let stage = stage(&sender);
    let version = stage.publish(TEXT).await;
    stage.run_with(version, people(0..10), at_once()).await;
    stage.runner().pause_canvas("mails", "test").await.unwrap();
    stage.clock.0.fetch_add(3_700_000, std::sync::atomic::Ordering::SeqCst);
    let before = sender.got().len();
    let deliver = async || {
        let (progress, _) = tokio::sync::watch::channel(Default::default());
        let (_cancel, cancelled) = tokio::sync::watch::channel(false);
        stage.runner().deliver(Default::default(), progress, cancelled).await.unwrap();
    };
    deliver().await;
    assert_eq!(sender.got().len(), before, "paused");
    stage.runner().stop_now("mails", "test").await.unwrap();
    deliver().await;
    assert_eq!(sender.got().len(), before, "stopped");
    assert_eq!(stage.count(version, 0, Status::Exited).await, 10);
    stage.balanced().await;
}

#[tokio::test]
async fn calls_that_failed_are_made_again_under_their_keys_and_nobody_moves() {
    let sender = FakeSender::new();
    sender.answer(|_, _| WebhookAnswer::Refused { status: 500 });
    let stage = stage(&sender);
    let version = stage.publish(TEXT).await;
    assert!(matches!(stage.run(version, "f", people(0..20)).await, RunEnd::Done(_)));
    assert_eq!(stage.count(version, 0, Status::Failed).await, 20);
    let deliver = async || {
        let (progress, _) = tokio::sync::watch::channel(Default::default());
        let (_cancel, cancelled) = tokio::sync::watch::channel(false);
        stage.runner().deliver(Default::default(), progress, cancelled).await.unwrap()
    };
    let failed = |step: Option<&str>| Resends {
        canvas: "mails".into(),
        step: step.map(str::to_owned),
        status: Status::Failed,
        reason: Some("webhook-refused".into()),
    };
    // Whoever has left by an exit since is not called for; a step that syncs calls nobody.
    let event = Event { name: "bought".into(), at: stage_now(&stage), properties: Default::default() };
    stage.runner().record(vec![("p0".to_owned(), None, event)]).await.unwrap();
    assert_eq!(stage.runner().resend(&failed(Some("sync"))).await.unwrap_err().code(), Code::NotFound);
    let nobody = Resends { reason: Some("webhook-expired".into()), ..failed(None) };
    assert_eq!(stage.runner().resend(&nobody).await.unwrap(), SentAgain::default());
    let again = stage.runner().resend(&failed(Some("mail"))).await.unwrap();
    assert_eq!((again.offered, again.overtaken), (19, 1));
    assert_eq!(stage.runner().resend(&failed(None)).await.unwrap().offered, 0, "who waits is not asked for twice");
    stage.balanced().await;

    // The endpoint is down at first: they wait for it, and are told of.
    sender.answer(|_, _| later(Some(Duration::HOUR)));
    let RunEnd::Waits(lines, _) = deliver().await else { panic!("they wait for the endpoint") };
    let line = lines.iter().find(|line| line.what == "step `mail`: webhook mailer").expect("a line");
    assert!(line.n == 19 && line.until.is_some_and(|until| until > stage_now(&stage)), "{lines:?}");
    assert_eq!(stage.count(version, 0, Status::Waiting).await, 19);
    stage.runner().erase(&[stage.store.find("p1").await.unwrap()[0]]).await.unwrap();
    sender.answer(|call, _| match call.body.contains("p2@") {
        true => WebhookAnswer::Refused { status: 422 },
        false => WebhookAnswer::Taken,
    });
    stage.clock.0.fetch_add(3_700_000, std::sync::atomic::Ordering::SeqCst);
    let synced = stage.count(version, 1, Status::Synced).await;
    assert!(matches!(deliver().await, RunEnd::Done(_)));
    let mut counts = Vec::new();
    for status in [Status::Passed, Status::Failed, Status::Exited, Status::Waiting] {
        counts.push(stage.count(version, 0, status).await);
    }
    assert_eq!(counts, [17, 2, 1, 0]);
    assert_eq!(stage.count(version, 1, Status::Synced).await, synced, "nobody went on a second time");
    let keys = sender.by_key();
    assert_eq!(keys.len(), 20, "no visit has a second key");
    stage.balanced().await;

    // What a stop finds unsent is withdrawn, also of those who had gone on; then nothing is sent again.
    assert_eq!(stage.runner().resend(&failed(Some("mail"))).await.unwrap().offered, 1);
    stage.runner().stop_now("mails", "test").await.unwrap();
    assert_eq!((stage.count(version, 0, Status::Waiting).await, stage.count(version, 0, Status::Exited).await), (0, 2));
    assert_eq!(stage.runner().resend(&failed(None)).await.unwrap_err().code(), Code::Usage);
    stage.balanced().await;
}

#[tokio::test]
async fn an_unknown_endpoint_is_not_published_and_a_preview_shows_how_people_go_on() {
    let stage = stage(&FakeSender::new());
    let unknown = canvas(&TEXT.replace("use: mailer", "use: mialer"));
    let Err(caravan_runner::Error::Problem(problem)) = stage.runner().publish(unknown, &connections()).await else {
        panic!("it cannot be published")
    };
    assert_eq!((problem.code, problem.path.as_deref()), (Code::UnknownEndpoint, Some("steps.mail.webhook.use")));
    stage.runner().import_profiles(people(0..1)).await.unwrap();
    let known = stage.store.find("p0").await.unwrap();
    let assumed = |synced| caravan_runner::Assumed { happens: caravan_runner::Happens::Anything, synced };
    let (zone, text) = (caravan_journey::TimeZone::UTC, canvas(TEXT));
    for (synced, way) in [(true, vec!["mail"]), (false, vec!["mail", "sync"])] {
        let shown = preview(&stage.store, &text, known[0], stage_now(&stage), &zone, assumed(synced)).await.unwrap();
        let steps: Vec<&str> = shown.visits.iter().map(|visit| visit.step.as_str()).collect();
        assert_eq!((steps, shown.visits[0].kind), (way, "webhook"));
    }
}

#[tokio::test]
async fn a_body_tells_of_what_people_did_last() {
    let sender = FakeSender::new();
    let stage = stage(&sender);
    let text = TEXT.replace("n: 1", "total: \"{{ events['Order Completed'].total }}\"");
    let version = stage.publish(&text).await;
    let runner = stage.runner();
    runner.import_profiles(people(0..3)).await.unwrap();
    // Of today: what is older than events are kept may be swept away before the call is made.
    let began = stage_now(&stage);
    let event = |who: u32, id: &str, after: i64, total: u64| {
        let properties = [("total".to_owned(), total.into())].into_iter().collect();
        let at = caravan_model::Millis(began.0 - 1_000 + after);
        let event = Event { name: "Order Completed".into(), at, properties };
        (format!("p{who}"), Some(id.to_owned()), event)
    };
    runner.record(vec![event(0, "a", 5, 50), event(0, "b", 3, 30), event(1, "c", 4, 40)]).await.unwrap();
    drop(runner);
    assert!(matches!(stage.run(version, "f", people(0..3)).await, RunEnd::Done(_)));
    let bodies: BTreeSet<String> = sender.got().iter().map(|call| call.body.to_string()).collect();
    let expected = [r#"{"to":"p0@x.example","total":50}"#, r#"{"to":"p1@x.example","total":40}"#];
    assert_eq!(bodies, expected.map(str::to_owned).into());
    let failed = stage.store.visits(version, caravan_model::StepIx(0), Status::Failed, None, 9).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].2.words, "body.total: `events.Order Completed` is not known of the person");
}
