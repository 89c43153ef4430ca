//! Days and years: quotas that start anew at midnight, members whom the partner would forget.
use crate::common::{emails, manifest, one_step, people};
use crate::partner::Mood;
use crate::store::{Death, Doom};
use crate::time::{DAY, HOUR, MINUTE};
use crate::walk::fresh;
use crate::world::{World, done, plain};
use caravan_model::manifest::QuotaCredential;
use caravan_model::{Action, Consent, Status};
use std::time::Duration;

/// A partner that takes ten calls of four people a day.
fn ten_calls_a_day(resets: Option<&str>) -> serde_json::Value {
    let mut manifest = manifest(4);
    manifest["quotas"] = serde_json::json!([{ "scope": "account", "unit": "calls", "amount": 10, "per": "1d" }]);
    if let Some(resets) = resets {
        manifest["quotas"][0]["resets"] = resets.into();
    }
    manifest
}

/// The most calls within any span of 24 hours.
fn most_in_a_day(world: &World) -> usize {
    let log = world.partner.log();
    let within = |from: i64| log.iter().filter(|seen| (from..from + 86_400_000).contains(&seen.at.0)).count();
    log.iter().map(|seen| within(seen.at.0)).max().unwrap_or(0)
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_daily_quota_is_kept_although_the_process_dies_in_the_middle_of_it() {
    for resets in [Some("00:00Z"), None] {
        let mut world = World::of(1, ten_calls_a_day(resets));
        let version = world.publish(&one_step("walk", "add", "email")).await;
        // A retry counts as well.
        world.partner.script(vec![Mood::Take, Mood::Down, Mood::LostAnswer]);
        world.dies(Doom { call: Some("settle"), after: 4, how: Death::After });
        let deaths = vec![Duration::from_millis(700), Duration::from_millis(1_300), HOUR * 7, HOUR * 9];
        done(&world.run_through(version, "people", people(0..100), DAY * 9, deaths).await);
        assert!(world.lives > 4, "{} lives", world.lives);
        assert_eq!(world.members(), emails(0..100));
        assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 100)].into());
        let days = world.partner.calls_by_day();
        match resets {
            Some(_) => assert!(days.values().all(|calls| *calls <= 10), "{days:?}"),
            None => assert!(most_in_a_day(&world) <= 10, "{} within 24 hours", most_in_a_day(&world)),
        }
        assert!(days.values().sum::<u64>() >= 27, "all calls, and two in vain: {days:?}");
        assert!(world.now() < crate::time::at(DAY * 4), "no slower than the quota asks for");
        world.balanced().await;
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_connection_by_consent_keeps_to_its_own_quota_from_the_first_call_on() {
    let (app, consent) = (Some(QuotaCredential::App), Some(QuotaCredential::Consent));
    // Where nobody said what a token is, the lower one holds.
    for (called_by, at_most) in [(consent, 10), (app, 250), (None, 10)] {
        let mut manifest = manifest(4);
        manifest["quotas"] = serde_json::json!([
            { "scope": "app", "unit": "calls", "amount": 250, "credential": "app", "per": "1m" },
            { "scope": "account", "unit": "calls", "amount": 10, "credential": "consent", "per": "1m" },
        ]);
        let mut world = World::of(1, manifest);
        world.partner.inside.lock().unwrap().called_by = called_by;
        let version = world.publish(&one_step("walk", "add", "email")).await;
        done(&world.run_through(version, "people", people(0..200), HOUR, Vec::new()).await);
        let log = world.partner.log();
        let within = |from: i64| log.iter().filter(|seen| (from..from + 60_000).contains(&seen.at.0)).count();
        let most = log.iter().map(|seen| within(seen.at.0)).max().unwrap_or(0);
        assert!(most <= at_most, "{most} calls within a minute");
        assert_eq!((log.len(), world.members()), (50, emails(0..200)), "all are called for, and none twice");
        assert_eq!(world.now() > crate::time::at(MINUTE * 3), called_by != app, "no slower than the quota asks for");
        world.balanced().await;
    }
}

/// A partner that forgets members after 540 days.
fn forgets_after_540_days(seed: u64) -> World {
    let mut manifest = manifest(16);
    manifest["audience"]["member_life"] = "540d".into();
    let mut world = World::of(seed, manifest);
    world.options.lease_renewal = DAY;
    world.options.longest_nap = DAY;
    world.partner.inside.lock().unwrap().life = Some(caravan_model::Duration::DAY.times(540));
    world
}

/// Every so often the host looks at its queues.
async fn pass(world: &mut World, days: u32) {
    for _ in 0..days / 5 {
        tokio::time::sleep(DAY * 5).await;
        done(&world.deliver(HOUR).await);
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn after_540_days_and_after_1_080_a_member_is_still_one() {
    let mut world = forgets_after_540_days(2);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    done(&world.run(version, "people", people(0..40), HOUR).await);
    let first = world.partner.log().len();
    for _ in 0..9 {
        pass(&mut world, 120).await;
        assert_eq!(world.members(), emails(0..40), "{:?}", world.now());
    }
    // 1080 days, renewed at half of the 540: three or four times, three parts each.
    let renewals = world.partner.log().len() - first;
    assert!((9..=12).contains(&renewals), "{renewals} calls for renewal");
    assert_eq!(world.statuses(version, 0).await, [plain(Status::Synced, 40)].into());
    world.balanced().await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_renewal_asks_for_todays_consent_and_goes_on_after_an_outage() {
    let mut world = forgets_after_540_days(3);
    let version = world.publish(&one_step("walk", "add", "email")).await;
    done(&world.run(version, "people", people(0..10), HOUR).await);
    pass(&mut world, 250).await;
    let mut denies = fresh(3);
    denies.consents.insert("advertising".into(), Consent::Denied);
    done(&world.run(version, "withdrawals", vec![denies], HOUR).await);
    // Down while all of them are to be renewed, and for a month after.
    let now = world.now();
    world.partner.weather(now, crate::time::after(now, DAY * 50), Mood::Unsigned);
    for _ in 0..10 {
        tokio::time::sleep(DAY * 5).await;
        world.deliver(MINUTE).await;
    }
    pass(&mut world, 300).await;
    let mut expected = emails(0..10);
    expected.remove("EMAIL=p3@x.example");
    assert_eq!(world.members(), expected);
    let log = world.partner.log();
    let added = log.iter().filter(|seen| seen.action == Action::Add && seen.at > now);
    assert!(
        added.clone().next().is_some_and(|seen| seen.rows.len() == 9),
        "{added:?}",
        added = added.collect::<Vec<_>>()
    );
    world.balanced().await;
}
