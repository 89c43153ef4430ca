//! Partners that judge later.
use crate::common::{emails, one_step, people};
use crate::partner::Mood;
use crate::store::{Death, Doom};
use crate::time::{DAY, HOUR};
use crate::walk::fresh;
use crate::world::{World, done, plain};
use caravan_model::{Action, Consent, Profile, Status};
use caravan_store::{Standing, Store};
use std::time::Duration;

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_8_a_later_judgement_that_names_people_moves_both_counters() {
    for doom in [None, Some(Death::Before), Some(Death::After)] {
        let mut world = World::new(1, 100);
        let version = world.publish(&one_step("walk", "add", "email")).await;
        world.partner.script(vec![Mood::Later(vec!["=p3@".into(), "=p7@".into()])]);
        done(&world.run(version, "people", people(0..20), HOUR).await);
        if let Some(how) = doom {
            world.dies(Doom { call: Some("correct"), after: 0, how });
        }
        tokio::time::sleep(HOUR).await;
        done(&world.deliver(HOUR).await);
        let statuses = world.statuses(version, 0).await;
        let rejected = ((Status::Rejected, "partner:bad".to_owned()), 2);
        assert_eq!(statuses, [plain(Status::Synced, 18), rejected].into(), "{doom:?}");
        let mut taken = emails(0..20);
        taken.retain(|row| row != "EMAIL=p3@x.example" && row != "EMAIL=p7@x.example");
        assert_eq!(world.members(), taken);
        let judged = world.trace("p3").await.unwrap();
        assert!(judged.memberships.iter().all(|(_, known)| known.standing != Standing::In), "{judged:?}");
        assert_eq!(world.store().follow_ups(world.now(), 10).await.unwrap().len(), 0);
        world.balanced().await;
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_a_partner_turns_out_not_to_have_processed_is_sent_again_and_nobody_is_rejected() {
    for doom in [None, Some(Death::Before), Some(Death::After)] {
        let mut world = World::new(1, 100);
        let version = world.publish(&one_step("walk", "add", "email")).await;
        world.partner.script(vec![Mood::Lost]);
        done(&world.run(version, "people", people(0..20), HOUR).await);
        assert_eq!((world.statuses(version, 0).await, world.members().len()), ([plain(Status::Synced, 20)].into(), 0));
        if let Some(how) = doom {
            world.dies(Doom { call: Some("correct"), after: 0, how });
        }
        tokio::time::sleep(HOUR).await;
        done(&world.deliver(HOUR).await);
        assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 20)].into(), "{doom:?}");
        assert_eq!(world.members(), emails(0..20));
        let adds: Vec<_> = world.partner.log().into_iter().filter(|seen| seen.action == Action::Add).collect();
        assert_eq!(adds.len(), 2, "sent again once, {doom:?}");
        assert_eq!(world.store().follow_ups(world.now(), 10).await.unwrap().len(), 0);
        world.balanced().await;
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_is_not_processed_again_and_again_is_rejected_after_five_more_times_within_days() {
    let mut world = World::new(2, 100);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.script((0..9).map(|_| Mood::Lost).collect());
    done(&world.run(version, "people", people(0..3), HOUR).await);
    let mut calls = Vec::new();
    for _ in 0..9 {
        tokio::time::sleep(DAY + HOUR).await;
        world.deliver(HOUR).await;
        calls.push(world.partner.log().iter().filter(|seen| seen.action == Action::Add).count());
    }
    assert_eq!(calls[4..], [6; 5], "{calls:?}");
    assert_eq!(world.statuses(version, 0).await, [((Status::Rejected, "partner:INTERNAL".to_owned()), 3)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_partner_that_never_comes_to_an_end_is_asked_no_more_after_a_month() {
    let mut world = World::new(5, 100);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.script(vec![Mood::Undecided]);
    done(&world.run(version, "people", people(0..3), HOUR).await);
    for day in 0..33 {
        let open = world.store().follow_ups(world.now().after(caravan_model::Duration::DAY), 10).await.unwrap().len();
        assert!(day == 30 || open == usize::from(day < 30), "{open} on day {day}");
        tokio::time::sleep(DAY).await;
        world.deliver(HOUR).await;
    }
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 3)].into(), "as they were accepted");
    assert_eq!(world.members(), emails(0..3));
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_removal_that_consent_owes_and_that_was_not_processed_is_owed_again_until_it_is() {
    let mut world = World::new(3, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    done(&world.run(version, "people", people(0..10), HOUR).await);
    let denies = |n: u32| -> Profile {
        let mut person = fresh(n);
        person.consents.insert("advertising".into(), Consent::Denied);
        person
    };
    world.partner.script(vec![Mood::Lost, Mood::Lost]);
    done(&world.run(version, "withdrawals", vec![denies(3)], HOUR).await);
    assert_eq!(world.members(), emails(0..10), "nobody knows yet that it was lost");
    for _ in 0..3 {
        tokio::time::sleep(HOUR * 4).await;
        world.deliver(HOUR).await;
    }
    let mut expected = emails(0..10);
    expected.remove("EMAIL=p3@x.example");
    assert_eq!(world.members(), expected);
    let receipts = world.store().receipts_of("p3").await.unwrap();
    let statuses: Vec<Status> = receipts.iter().map(|receipt| receipt.status).collect();
    assert_eq!(statuses, [Status::Rejected, Status::Rejected, Status::Synced]);
    assert_eq!(world.store().receipts(None, 10).await.unwrap(), Vec::new(), "none is open");
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn whoever_left_meanwhile_is_not_added_again_by_a_batch_that_was_not_processed() {
    let mut world = World::new(4, 100);
    let adds = world.publish(&one_step("in", "add", "email")).await;
    let removes = world.publish(&one_step("out", "remove", "email")).await;
    world.partner.script(vec![Mood::Lost]);
    done(&world.run(adds, "people", people(0..6), Duration::ZERO).await);
    done(&world.run(removes, "leavers", people(0..2), Duration::ZERO).await);
    tokio::time::sleep(HOUR).await;
    world.deliver(HOUR).await;
    assert_eq!(world.members(), emails(2..6));
    let rejected = ((Status::Rejected, "partner:INTERNAL".to_owned()), 2);
    assert_eq!(world.statuses(adds, 0).await, [plain(Status::Synced, 4), rejected].into());
    world.balanced().await;
}
