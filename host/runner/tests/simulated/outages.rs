//! Long outages: everyone is delivered afterwards, with no edit of the canvas.
use crate::common::{emails, one_step, people};
use crate::partner::Mood;
use crate::time::{BEGIN, DAY, HOUR, MINUTE, at};
use crate::world::{World, done, plain};
use caravan_model::{Millis, Status};
use caravan_runner::RunEnd;
use caravan_runner::control::Resends;
use std::time::Duration;

/// 40 people meet a partner whose weather is like this; a run that waits long enough brings them all there.
async fn delivered_after(weather: &[(Duration, Duration, Mood)]) -> World {
    let mut world = World::new(1, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    for (from, to, mood) in weather {
        world.partner.weather(at(*from), at(*to), mood.clone());
    }
    done(&world.run(version, "people", people(0..40), DAY * 20).await);
    assert_eq!(world.members(), emails(0..40));
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 40)].into());
    world.balanced().await;
    world
}

fn end_of(weather: Duration) -> Millis {
    at(weather)
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_partner_that_is_down_for_a_day_gets_everyone_afterwards() {
    let world = delivered_after(&[(Duration::ZERO, DAY, Mood::Down)]).await;
    let log = world.partner.log();
    let in_vain = log.iter().filter(|seen| seen.at < end_of(DAY)).count();
    // Doubling from a second to a quarter of an hour, of which chance takes up to a half.
    assert!((90..220).contains(&in_vain), "{in_vain} calls");
    assert!(world.now() < at(DAY + MINUTE * 16), "it went on by itself, and soon");
    let gaps = log.windows(2).map(|two| two[1].at.0 - two[0].at.0);
    assert!(gaps.clone().max().unwrap() <= 15 * 60_000 + 1_000, "{:?}", gaps.max());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_token_that_is_dead_for_ten_hours_holds_everyone_and_loses_nobody() {
    let world = delivered_after(&[(Duration::ZERO, HOUR * 10, Mood::DeadToken)]).await;
    let in_vain = world.partner.log().iter().filter(|seen| seen.at < end_of(HOUR * 10)).count();
    assert_eq!(in_vain, 2, "one call, and one with refreshed credentials");
    assert!(world.partner.inside.lock().unwrap().checks > 40);
    assert!(world.now() < at(HOUR * 10 + MINUTE * 16));
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn terms_that_are_unsigned_for_five_hours_hold_everyone_and_lose_nobody() {
    let world = delivered_after(&[(Duration::ZERO, HOUR * 5, Mood::Unsigned)]).await;
    let in_vain = world.partner.log().iter().filter(|seen| seen.at < end_of(HOUR * 5)).count();
    assert_eq!(in_vain, 1, "held at once");
    assert!(world.now() < at(HOUR * 5 + MINUTE * 16));
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_audience_that_was_gone_gets_everyone_once_it_is_back() {
    let world = delivered_after(&[(Duration::ZERO, HOUR * 3, Mood::Gone)]).await;
    assert!(world.now() < at(HOUR * 3 + MINUTE * 16));
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn all_outages_in_a_row_lose_nobody() {
    let hours = |from: u32, to: u32, mood: Mood| (HOUR * from, HOUR * to, mood);
    delivered_after(&[
        hours(0, 24, Mood::Down),
        hours(24, 34, Mood::DeadToken),
        hours(34, 39, Mood::Unsigned),
        hours(39, 40, Mood::Throttled(Some(120_000))),
        hours(40, 41, Mood::Throttled(None)),
        hours(41, 44, Mood::Gone),
        hours(44, 50, Mood::LostRequest),
    ])
    .await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_9_a_hold_stops_the_clock_of_retrying() {
    // 60 hours down, 100 held, 8 down again: 68 of flowing time, less than the 72 after which people expire.
    delivered_after(&[
        (Duration::ZERO, HOUR * 60, Mood::Down),
        (HOUR * 60, HOUR * 160, Mood::DeadToken),
        (HOUR * 160, HOUR * 168, Mood::LostRequest),
    ])
    .await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_9_who_waited_for_72_hours_of_flowing_time_expires() {
    let mut world = World::new(2, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.weather(BEGIN, at(HOUR * 80), Mood::Down);
    done(&world.run(version, "people", people(0..5), DAY * 20).await);
    let statuses = world.statuses(version, 0).await;
    assert_eq!(statuses, [((Status::Expired, "retries-exhausted".to_owned()), 5)].into());
    assert!((at(HOUR * 72)..at(HOUR * 73)).contains(&world.now()), "{:?}", world.now());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_outage_through_which_the_process_dies_every_hour_loses_nobody() {
    let mut world = World::new(3, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.weather(BEGIN, at(HOUR * 24), Mood::Down);
    let deaths = vec![HOUR; 23];
    done(&world.run_through(version, "people", people(0..40), DAY * 20, deaths).await);
    assert_eq!(world.lives, 24);
    assert_eq!(world.members(), emails(0..40));
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 40)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_run_that_may_not_wait_so_long_says_what_waits_and_the_next_one_delivers() {
    let mut world = World::new(4, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.weather(BEGIN, at(HOUR * 10), Mood::DeadToken);
    let end = world.run(version, "people", people(0..40), Duration::ZERO).await;
    let RunEnd::Waits(lines, _) = end else { panic!("{end:?}") };
    assert_eq!((lines.len(), lines[0].n, lines[0].until), (1, 40, None), "{lines:?}");
    assert_eq!(world.statuses(version, 0).await.values().sum::<u64>(), 40);
    tokio::time::sleep(HOUR * 10).await;
    done(&world.run(version, "people", people(0..40), Duration::ZERO).await);
    assert_eq!(world.members(), emails(0..40));
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn rule_11_9_what_was_never_sealed_expires_30_days_after_it_was_asked_for_and_can_be_sent_again() {
    let mut world = World::new(5, 16);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    world.partner.weather(BEGIN, at(DAY * 31), Mood::DeadToken);
    // Of 40 people the first part is sealed; the others wait behind it.
    let end = world.run(version, "people", people(0..40), Duration::ZERO).await;
    assert!(matches!(end, RunEnd::Waits(..)), "{end:?}");
    tokio::time::sleep(DAY * 31).await;
    done(&world.run(version, "", Vec::new(), HOUR).await);
    let statuses = world.statuses(version, 0).await;
    let unsent = (Status::Expired, "retries-exhausted".to_owned());
    assert_eq!(statuses.get(&unsent).copied().unwrap_or_default(), 24, "{statuses:?}");
    world.balanced().await;
    let what = Resends { canvas: "walk".into(), step: None, status: Status::Expired, reason: None };
    assert!(world.runner().resend(&what).await.unwrap().offered >= 24);
    done(&world.run(version, "", Vec::new(), HOUR).await);
    assert_eq!(world.members(), emails(0..40));
    world.balanced().await;
}
