//! What partners answer, and what becomes of the people.
use crate::common::{emails, one_step, people, person, split_manifest};
use crate::partner::Mood;
use crate::time::{HOUR, MINUTE, after};
use crate::walk::fresh;
use crate::world::{World, done, plain};
use caravan_model::{Action, Event, Profile, Status};
use caravan_store::{Standing, Store};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn ten_re_entries_of_10_000_people_make_one_request() {
    let mut world = World::new(1, 10_000);
    world.options.chunk = 10_000;
    let version = world.publish(&one_step("walk", "add", "email")).await;
    for round in 0..10 {
        done(&world.run(version, &format!("round {round}"), people(0..10_000), HOUR).await);
    }
    assert_eq!(world.partner.log().len(), 1);
    let statuses = world.statuses(version, 0).await;
    assert_eq!(statuses, [plain(Status::Synced, 10_000), plain(Status::Unchanged, 90_000)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn ten_re_entries_of_10_000_people_during_an_outage_make_one_request_afterwards() {
    let mut world = World::new(2, 10_000);
    world.options.chunk = 10_000;
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.weather(world.now(), after(world.now(), HOUR), Mood::Unsigned);
    for round in 0..10 {
        world.run(version, &format!("round {round}"), people(0..10_000), Duration::ZERO).await;
    }
    let in_vain = world.partner.log().len();
    assert_eq!(in_vain, 1, "held after the first");
    tokio::time::sleep(HOUR).await;
    done(&world.run(version, "", Vec::new(), HOUR).await);
    assert_eq!(world.partner.log().len(), in_vain + 1);
    assert_eq!(world.statuses(version, 0).await.values().sum::<u64>(), 100_000);
    assert_eq!(world.members().len(), 10_000);
    world.balanced().await;
}

/// 20 people are added to an audience and removed within one batch window; gives what became of each step.
async fn added_and_removed_at_once(world: &mut World, missing: &str) -> [BTreeMap<(Status, String), u64>; 2] {
    world.options.idle_flush = false;
    world.options.batch_window = MINUTE * 10;
    let text = one_step("walk", "add", "email").replace("if_missing: create", missing).replace(
        "next: exit",
        "next: undo }\n  undo: { audience_sync: { audience: list, action: remove, match: [email] }, next: exit",
    );
    let version = world.publish(&text).await;
    done(&world.run(version, "people", people(0..20), HOUR).await);
    world.balanced().await;
    [world.statuses(version, 0).await, world.statuses(version, 1).await]
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_5_add_and_remove_within_one_window_make_no_request_for_an_audience_of_ours() {
    let mut world = World::new(3, 100);
    let [add, remove] = added_and_removed_at_once(&mut world, "if_missing: create").await;
    assert_eq!(world.partner.log(), Vec::new());
    assert_eq!(add, [((Status::Skipped, "superseded".to_owned()), 20)].into());
    assert_eq!(remove, [plain(Status::Unchanged, 20)].into());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_5_add_and_remove_within_one_window_make_one_remove_for_a_foreign_audience() {
    let mut world = World::new(4, 100);
    world.partner.foreign("theirs", "List", emails(10..30));
    let [add, remove] = added_and_removed_at_once(&mut world, "if_missing: fail").await;
    let log = world.partner.log();
    assert_eq!((log.len(), log[0].action, log[0].rows.len()), (1, Action::Remove, 20));
    assert_eq!(world.partner.members("theirs"), emails(20..30));
    assert_eq!(add, [((Status::Skipped, "superseded".to_owned()), 20)].into());
    assert_eq!(remove, [plain(Status::Synced, 20)].into());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_8_refusals_that_nobody_names_stay_synced_and_the_part_says_how_many() {
    let mut world = World::new(5, 100);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.script(vec![Mood::Unnamed(7)]);
    done(&world.run(version, "people", people(0..50), HOUR).await);
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 50)].into());
    let parts = world.store().parts(None, 10).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.doubtful).collect::<Vec<_>>(), [7]);
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn part_two_of_two_that_is_throttled_comes_again_alone() {
    let mut world = World::of(6, split_manifest(100));
    let version = world.publish(&one_step("walk", "add", "email, phone")).await;
    world.partner.script(vec![Mood::Take, Mood::Throttled(Some(600_000)), Mood::Throttled(None)]);
    done(&world.run(version, "people", (0..10).map(fresh).collect(), HOUR).await);
    let log = world.partner.log();
    let kinds: Vec<(&str, usize)> = log.iter().map(|seen| (&seen.rows[0][..5], seen.rows.len())).collect();
    assert_eq!(kinds, [("EMAIL", 10), ("PHONE", 10), ("PHONE", 10), ("PHONE", 10)]);
    assert!(log[2].at.0 - log[1].at.0 >= 600_000, "as long as the partner said");
    assert_eq!(world.members().len(), 20);
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 10)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_was_struck_from_one_of_two_parts_before_a_restart_is_rejected_by_the_other() {
    let mut world = World::of(6, split_manifest(100));
    let version = world.publish(&one_step("walk", "add", "email, phone")).await;
    let refused = || Mood::BadRows(vec!["p3@".into(), "33612300003".into()]);
    world.partner.script(vec![refused(), Mood::Down, Mood::Take, refused()]);
    let everyone: Vec<Profile> = (0..10).map(fresh).collect();
    world.run(version, "people", everyone, Duration::ZERO).await;
    world.restart().await;
    done(&world.run(version, "", Vec::new(), HOUR).await);
    let statuses = world.statuses(version, 0).await;
    assert_eq!(statuses, [plain(Status::Synced, 9), ((Status::Rejected, "partner:bad".to_owned()), 1)].into());
    assert_eq!(world.members().len(), 18);
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_fault_with_4_000_of_10_000_settled_sends_the_other_6_000_once_more() {
    let mut world = World::new(7, 10_000);
    world.options.chunk = 10_000;
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.script(vec![Mood::TakeSome(4_000)]);
    done(&world.run(version, "people", people(0..10_000), HOUR).await);
    let log = world.partner.log();
    assert_eq!(log.iter().map(|seen| seen.rows.len()).collect::<Vec<_>>(), [10_000, 6_000]);
    assert_eq!(log[0].rows[4_000..], log[1].rows[..]);
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 10_000)].into());
    assert_eq!(world.members().len(), 10_000);
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_10_a_poison_row_is_found_and_everyone_else_gets_there() {
    let mut world = World::new(8, 128);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.inside.lock().unwrap().poison.insert("=p77@".into());
    done(&world.run(version, "people", people(0..128), HOUR).await);
    let mut others = emails(0..128);
    others.remove("EMAIL=p77@x.example");
    assert_eq!(world.members(), others);
    let statuses = world.statuses(version, 0).await;
    assert_eq!(statuses, [plain(Status::Synced, 127), ((Status::Rejected, "poison-row".to_owned()), 1)].into());
    // Twice the levels for the search, and the first call.
    assert!(world.partner.log().len() <= 1 + 2 * 7, "{} calls", world.partner.log().len());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_3_of_two_canvases_that_want_opposite_things_the_later_one_wins() {
    let mut world = World::new(9, 100);
    let add = world.publish(&one_step("come", "add", "email")).await;
    let remove = world.publish(&one_step("go", "remove", "email")).await;
    // The add of round 0 may have landed while nobody answered; the rest piles up behind it.
    world.partner.weather(world.now(), after(world.now(), HOUR * 10), Mood::LostAnswer);
    for (round, version) in [add, remove, add, remove, add].into_iter().enumerate() {
        let people = vec![person("a"), person("b")].into_iter().take(if round == 4 { 1 } else { 2 }).collect();
        world.run(version, &format!("round {round}"), people, Duration::ZERO).await;
    }
    tokio::time::sleep(HOUR * 10).await;
    for version in [add, remove] {
        done(&world.run(version, "", Vec::new(), HOUR).await);
    }
    assert_eq!(world.members(), ["EMAIL=a@x.example".to_owned()].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_leaves_between_the_removal_of_old_identifiers_and_the_add_of_new_ones_stays_a_member() {
    for words in ["phone", "email, phone"] {
        let mut world = World::of(10, split_manifest(100));
        let first = world.publish(&one_step("come", "add", words)).await;
        let leaves = one_step("leave", "add", "email").replace("steps:", "exit: [ { event: purchase } ]\nsteps:");
        let second = world.publish(&leaves.replace("] }, next", "], advance: when_synced }, next")).await;
        done(&world.run(first, "people", vec![fresh(1)], HOUR).await);
        let before = world.members();
        world.partner.script(vec![Mood::Take, Mood::Down]);
        world.run(second, "people", vec![fresh(1)], Duration::ZERO).await;
        assert_eq!(world.members().len(), before.len() - 1, "between the two");
        let event = Event { name: "purchase".into(), at: world.now(), properties: Default::default() };
        world.runner().record(vec![("p1".into(), None, event)]).await.unwrap();
        done(&world.run(second, "", Vec::new(), HOUR).await);
        assert_eq!(world.members(), ["EMAIL=p1@x.example".to_owned()].into());
        assert_eq!(world.statuses(second, 0).await, [plain(Status::Synced, 1)].into());
        assert_eq!(world.trace("p1").await.unwrap().memberships[0].1.standing, Standing::In);
        world.balanced().await;
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_add_of_identifiers_of_which_some_were_removed_is_no_repeat() {
    let mut world = World::of(11, split_manifest(100));
    let both = world.publish(&one_step("both", "add", "email, phone")).await;
    let by_email = world.publish(&one_step("one", "add", "email")).await;
    done(&world.run(both, "people", vec![fresh(1)], HOUR).await);
    world.partner.script(vec![Mood::Take, Mood::Refuse(vec!["p1@".into()])]);
    done(&world.run(by_email, "people", vec![fresh(1)], HOUR).await);
    assert_eq!(world.members(), ["EMAIL=p1@x.example".to_owned()].into(), "the phone went, the e-mail was refused");
    done(&world.run(both, "again", vec![fresh(1)], HOUR).await);
    assert_eq!(world.members(), ["EMAIL=p1@x.example".to_owned(), "PHONE=33612300001".to_owned()].into());
    world.balanced().await;
}
