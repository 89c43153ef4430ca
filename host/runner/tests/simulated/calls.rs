//! Webhook steps over deaths and outages: everyone is called for at least once, with one key, and nobody stays for ever.
use crate::common::sender::{FakeSender, later};
use crate::common::{emails, people};
use crate::store::{Death, Doom};
use crate::time::{DAY, HOUR};
use crate::world::{World, done, plain};
use caravan_model::webhook::WebhookAnswer;
use caravan_model::{Duration, Status};
use caravan_runner::control::Resends;
use std::sync::Arc;

const TEXT: &str = "
format: 1
canvas: walk
audiences: { list: { connection: c, account: main, name: List, if_missing: create } }
entry: { trigger: { api: true }, re_entry: always, start: pause }
steps:
  pause: { delay: { for: 1h }, next: mail }
  mail: { webhook: { use: mailer, body: { to: \"{{ email }}\" } }, next: sync, otherwise: exit }
  sync: { audience_sync: { audience: list, action: add, match: [email], advance: when_synced }, next: exit }
";

fn world(seed: u64, sender: &Arc<FakeSender>) -> World {
    let mut world = World::new(seed, 16);
    world.options.chunk = 25;
    world.options.webhooks.sender = sender.clone();
    world.options.webhooks.at_once = 8;
    world
}

/// A run whose endpoint fails at first; the process dies at a write. Gives whether it did.
async fn dies_and_goes_on(doom: Doom) -> bool {
    let sender = FakeSender::new();
    sender.answer(|call, before| match (call.body.contains("p7@"), before) {
        (true, _) => WebhookAnswer::Refused { status: 400 },
        (false, 0) => later(Some(Duration::MINUTE)),
        (false, _) => WebhookAnswer::Taken,
    });
    let mut world = world(1, &sender);
    *world.watch.audit_every.lock().unwrap() = 1;
    let version = world.publish(TEXT).await;
    *world.watch.doom.lock().unwrap() = Some(doom);
    let end = world.run_through(version, "people", people(0..40), HOUR * 4, Vec::new()).await;
    done(&end);
    let mails = world.statuses(version, 1).await;
    let passed: u64 = mails.iter().filter(|((status, _), _)| *status == Status::Passed).map(|(_, n)| *n).sum();
    let failed: u64 = mails.iter().filter(|((status, _), _)| *status == Status::Failed).map(|(_, n)| *n).sum();
    assert_eq!((passed, failed), (39, 1), "{doom:?}: {mails:?}");
    let refused = emails(7..8);
    assert_eq!(world.members(), emails(0..40).difference(&refused).cloned().collect(), "{doom:?}");
    assert_eq!(world.statuses(version, 2).await, [plain(Status::Synced, 39)].into(), "{doom:?}");
    world.balanced().await;
    let keys = sender.by_key();
    assert_eq!(keys.len(), 40, "{doom:?}: a repeat has the key of the first");
    assert!(keys.values().all(|bodies| bodies.iter().all(|body| *body == bodies[0])), "{doom:?}: {keys:?}");
    world.lives > 1
}

async fn dies_at_every_write(how: Death) {
    let mut after = 0;
    while dies_and_goes_on(Doom { call: None, after, how }).await {
        after += 1;
    }
    assert!(after > 15, "only {after} writes");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_process_that_dies_before_any_commit_calls_again_with_the_same_key() {
    dies_at_every_write(Death::Before).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_process_that_dies_after_any_commit_calls_again_with_the_same_key() {
    dies_at_every_write(Death::After).await;
}

/// Everybody failed and went on; they are sent again, and the process dies at a write of that. Gives whether it did.
async fn dies_while_sent_again(doom: Doom) -> bool {
    let sender = FakeSender::new();
    sender.answer(|_, _| WebhookAnswer::Refused { status: 400 });
    let mut world = world(3, &sender);
    *world.watch.audit_every.lock().unwrap() = 1;
    let version = world.publish(TEXT).await;
    done(&world.run(version, "people", people(0..30), HOUR * 4).await);
    assert_eq!(world.statuses(version, 1).await.values().sum::<u64>(), 30);
    let first = sender.by_key();
    sender.answer(|call, before| match (call.body.contains("p7@"), before) {
        (true, _) => WebhookAnswer::Refused { status: 400 },
        (false, 1) => later(Some(Duration::MINUTE)),
        (false, _) => WebhookAnswer::Taken,
    });
    // Somebody mends the endpoint, which takes a while.
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let lives = world.lives;
    world.dies(doom);
    let failed = || Resends {
        canvas: "walk".into(),
        step: None,
        status: Status::Failed,
        reason: Some("webhook-refused".into()),
    };
    while world.runner().resend(&failed()).await.is_err() {
        world.restart().await;
    }
    done(&world.deliver(HOUR * 4).await);
    let mails = world.statuses(version, 1).await;
    let passed: u64 = mails.iter().filter(|((status, _), _)| *status == Status::Passed).map(|(_, n)| *n).sum();
    assert_eq!((passed, mails.values().sum::<u64>()), (29, 30), "{doom:?}: {mails:?}");
    assert!(world.members().is_empty(), "{doom:?}: nobody goes on where they went `otherwise` before");
    let keys = sender.by_key();
    assert!(keys.keys().eq(first.keys()), "{doom:?}: each visit keeps its key");
    assert!(keys.values().all(|bodies| bodies.len() >= 2), "{doom:?}: everybody was called for again");
    world.balanced().await;
    world.lives > lives
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_process_that_dies_while_failed_calls_are_made_again_loses_none_and_moves_nobody() {
    for how in [Death::Before, Death::After] {
        let mut after = 0;
        while dies_while_sent_again(Doom { call: None, after, how }).await {
            after += 1;
        }
        assert!(after > 4, "only {after} writes");
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_endpoint_that_is_away_for_days_lets_people_go_after_72_hours() {
    let sender = FakeSender::new();
    sender.answer(|_, _| later(None));
    let mut world = world(2, &sender);
    let version = world.publish(TEXT).await;
    let end = world.run_through(version, "people", people(0..60), DAY * 6, Vec::new()).await;
    done(&end);
    let mails = world.statuses(version, 1).await;
    let expired: u64 = mails.iter().filter(|((_, code), _)| code == "webhook-expired").map(|(_, n)| *n).sum();
    assert_eq!((expired, mails.len()), (60, 1), "{mails:?}");
    // One call tries the endpoint again each quarter of an hour at most, whoever waits.
    let calls = sender.got().len();
    assert!((288..700).contains(&calls), "{calls} calls in 72 hours");
    world.balanced().await;
}
