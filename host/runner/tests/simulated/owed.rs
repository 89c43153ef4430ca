//! Removals that consent owes: first in line, never expired, however long the partner is down.
use crate::common::{emails, one_step, people};
use crate::partner::Mood;
use crate::time::{DAY, HOUR, after};
use crate::walk::fresh;
use crate::world::{World, done};
use caravan_model::{Action, Consent, Profile, Status, VersionId};
use caravan_store::Store;
use std::collections::BTreeSet;
use std::time::Duration;

fn denies(n: u32) -> Profile {
    let mut person = fresh(n);
    person.consents.insert("advertising".into(), Consent::Denied);
    person
}

/// 40 members.
async fn members(seed: u64) -> (World, VersionId) {
    let mut world = World::new(seed, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    done(&world.run(version, "people", people(0..40), HOUR).await);
    (world, version)
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_withdrawal_is_kept_within_a_minute_while_the_queue_flows() {
    let (mut world, version) = members(1).await;
    let asked = world.now();
    done(&world.run(version, "withdrawals", vec![denies(3), denies(30)], HOUR).await);
    let removal = world.partner.log().into_iter().find(|seen| seen.action == Action::Remove).unwrap();
    assert_eq!(removal.rows, ["EMAIL=p3@x.example", "EMAIL=p30@x.example"]);
    assert!(removal.at < after(asked, Duration::from_secs(60)));
    assert_eq!(world.members().len(), 38);
    assert_eq!(world.store().receipts(None, 10).await.unwrap(), Vec::new(), "none is open");
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_withdrawal_during_an_outage_of_40_days_goes_first_and_never_expires() {
    let (mut world, version) = members(2).await;
    let until = after(world.now(), DAY * 40);
    world.partner.weather(world.now(), until, Mood::Down);
    world.run(version, "more", people(40..60), Duration::ZERO).await;
    world.run(version, "withdrawals", (0..5).map(denies).collect(), Duration::ZERO).await;
    assert_eq!(world.store().receipts(None, 10).await.unwrap().len(), 5);
    world.deliver(DAY * 60).await;
    assert!(world.now() < after(until, HOUR));
    let log = world.partner.log();
    let first = log.iter().find(|seen| seen.at >= until).unwrap();
    assert_eq!((first.action, first.rows.len()), (Action::Remove, 5), "{first:?}");
    // Of those who came during the outage some expired; of the members, who withdrew is gone, and nobody else.
    let members = world.members();
    assert_eq!(members.intersection(&emails(0..40)).cloned().collect::<BTreeSet<_>>(), emails(5..40));
    assert_eq!(world.store().receipts(None, 10).await.unwrap(), Vec::new(), "none is open");
    let receipts = world.store().receipts_of("p3").await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.status).collect::<Vec<_>>(), [Status::Synced]);
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_withdraws_while_an_add_may_have_landed_is_removed() {
    let mut world = World::new(3, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.script(vec![Mood::LostAnswer, Mood::Unsigned]);
    world.run(version, "people", people(0..10), Duration::ZERO).await;
    assert_eq!(world.members(), emails(0..10), "nobody knows that they are there");
    world.run(version, "withdrawals", vec![denies(3)], HOUR).await;
    let mut expected = emails(0..10);
    expected.remove("EMAIL=p3@x.example");
    assert_eq!(world.members(), expected);
    world.balanced().await;
}
