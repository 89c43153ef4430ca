//! What is sent again: visits that expired, members whom the partner would forget.
use crate::common::{one_step, people, person};
use crate::partner::Mood;
use crate::time::{DAY, HOUR, after};
use crate::world::{World, done, plain};
use caravan_model::{Status, VersionId};
use caravan_runner::control::Resends;
use std::time::Duration;

/// Someone has the expired visits of the canvas sent again; gives how many are, and how many something newer overtook.
async fn sent_again(world: &World) -> (u64, u64) {
    let what = Resends { canvas: "walk".into(), step: None, status: Status::Expired, reason: None };
    let sent = world.runner().resend(&what).await.unwrap();
    (sent.offered, sent.overtaken)
}

/// Five people expire while the partner is down.
async fn five_expired(seed: u64) -> (World, VersionId) {
    let mut world = World::new(seed, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.weather(world.now(), after(world.now(), HOUR * 80), Mood::Down);
    done(&world.run(version, "people", people(0..5), DAY * 20).await);
    let expired = || ((Status::Expired, "retries-exhausted".to_owned()), 5);
    assert_eq!(world.statuses(version, 0).await, [expired()].into());
    tokio::time::sleep(HOUR * 8).await;
    (world, version)
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_expired_is_sent_again_on_demand() {
    let (mut world, version) = five_expired(1).await;
    assert_eq!(sent_again(&world).await, (5, 0));
    done(&world.run(version, "", Vec::new(), HOUR).await);
    assert_eq!(world.members(), crate::common::emails(0..5));
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 5)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_9_who_was_removed_meanwhile_is_not_sent_again() {
    let (mut world, version) = five_expired(2).await;
    let remove = world.publish(&one_step("go", "remove", "email")).await;
    done(&world.run(remove, "leavers", vec![person("p0"), person("p1")], HOUR).await);
    assert_eq!(sent_again(&world).await, (3, 2));
    done(&world.run(version, "", Vec::new(), HOUR).await);
    assert_eq!(world.members(), crate::common::emails(2..5));
    let expired = ((Status::Expired, "retries-exhausted".to_owned()), 2);
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 3), expired].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_remove_that_comes_behind_a_resend_wins() {
    let (mut world, version) = five_expired(3).await;
    let remove = world.publish(&one_step("go", "remove", "email")).await;
    // Still down for a while: both wait in the queue.
    world.partner.weather(world.now(), after(world.now(), HOUR), Mood::LostAnswer);
    assert_eq!(sent_again(&world).await, (5, 0));
    world.run(remove, "leavers", vec![person("p0"), person("p1")], Duration::ZERO).await;
    tokio::time::sleep(HOUR).await;
    for version in [remove, version] {
        done(&world.run(version, "", Vec::new(), HOUR).await);
    }
    assert_eq!(world.members(), crate::common::emails(2..5));
    world.balanced().await;
}
