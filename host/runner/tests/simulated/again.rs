//! What is sent again: visits that expired, members whom the partner would forget.
use crate::common::{one_step, people, person};
use crate::partner::Mood;
use crate::time::{DAY, HOUR, after};
use crate::world::{World, done, plain};
use caravan_model::{Action, Status, StepIx, VersionId};
use caravan_store::{LaneSpec, Resend, Slots, Store};
use std::time::Duration;

/// Sends the expired visits of a one-step canvas again; gives how many.
async fn sent_again(world: &World, version: VersionId) -> u64 {
    let store = world.store();
    let lease = store.lease("a person", Slots::ALL, world.now()).await.unwrap();
    let known = store.lanes().await.unwrap().remove(0);
    let spec = LaneSpec {
        key: known.key,
        connection: "c".into(),
        made_by_us: known.made_by_us,
        parts: known.audience_parts,
        stripes: 1,
    };
    let (lane, connection) = store.lane(lease, spec).await.unwrap();
    let (step, action, status) = (StepIx(0), Action::Add, Status::Expired);
    let resend = Resend { version, step, lane, connection, action, status, reason: None, limit: 100, now: world.now() };
    store.resend(lease, resend).await.unwrap()
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
    assert_eq!(sent_again(&world, version).await, 5);
    world.restart().await;
    done(&world.run(version, "", Vec::new(), HOUR).await);
    assert_eq!(world.members(), crate::common::emails(0..5));
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 5)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_remove_that_comes_behind_a_resend_wins() {
    let (mut world, version) = five_expired(3).await;
    let remove = world.publish(&one_step("go", "remove", "email")).await;
    // Still down for a while: both wait in the queue.
    world.partner.weather(world.now(), after(world.now(), HOUR), Mood::LostAnswer);
    assert_eq!(sent_again(&world, version).await, 5);
    world.restart().await;
    world.run(remove, "leavers", vec![person("p0"), person("p1")], Duration::ZERO).await;
    tokio::time::sleep(HOUR).await;
    for version in [remove, version] {
        done(&world.run(version, "", Vec::new(), HOUR).await);
    }
    assert_eq!(world.members(), crate::common::emails(2..5));
    world.balanced().await;
}
