//! A process that dies in the middle neither bursts nor forgets.
use crate::partner::{Counting, Limit, Partner, World, quota};
use caravan_journey::pacing::{Admission, Ask, Charge, Flow, Pacer, Policy, Scopes, Spent};
use caravan_model::manifest::QuotaScope;
use caravan_model::{Duration, LaneId, Millis};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn restarts_at_any_moment_break_no_quota(
        pauses in prop::collection::vec((1..40_000u64, 0..5_000u64), 1..12), phase in 0..60_000i64, rolling: bool,
    ) {
        let counting = if rolling { Counting::Rolling } else { Counting::Fixed(phase) };
        let quotas = [(5, Duration::SECOND), (60, Duration::MINUTE), (700, Duration::DAY)];
        let mut world = World::alike(Millis(1_000_000), 4, Vec::new());
        world.quotas = quotas.iter().map(|(amount, per)| quota(QuotaScope::App, *amount, *per)).collect();
        let limits = quotas.iter().map(|(amount, per)| Limit::new(*amount, *per, counting));
        let mut partner = Partner::new(limits.collect());
        for (works, pauses) in pauses {
            let until = world.now.after(Duration(works));
            world.run(&mut partner, until);
            world.restart(Duration(pauses));
        }
        let until = world.now.after(Duration::HOUR);
        world.run(&mut partner, until);
        prop_assert_eq!(partner.refused, 0);
        prop_assert!(partner.taken.len() >= 630, "{} of 700 a day", partner.taken.len());
    }
}

#[test]
fn a_daily_quota_is_remembered_over_a_restart() {
    let mut day = quota(QuotaScope::App, 100, Duration::DAY);
    day.resets = Some("00:00Z".into());
    let mut world = World::alike(Millis(0).after(Duration::DAY), 2, vec![day]);
    let mut partner = Partner::new(vec![Limit::new(100, Duration::DAY, Counting::Fixed(0))]);
    let noon = world.now.after(Duration::HOUR.times(12));
    world.run(&mut partner, noon);
    assert_eq!(partner.taken.len(), 99);
    world.restart(Duration::HOUR);
    let evening = world.now.after(Duration::HOUR.times(10));
    world.run(&mut partner, evening);
    assert_eq!((partner.taken.len(), partner.refused), (99, 0));
    let tomorrow = world.now.after(Duration::HOUR.times(3));
    world.run(&mut partner, tomorrow);
    assert_eq!((partner.taken.len(), partner.refused), (198, 0));
}

#[test]
fn charges_are_few_and_outdated_ones_are_not_taken_back() {
    let mut world = World::alike(Millis(0), 3, vec![quota(QuotaScope::App, 5_000, Duration::HOUR)]);
    let mut partner = Partner::new(Vec::new());
    world.run(&mut partner, Millis(0).after(Duration::HOUR.times(4)));
    assert!(world.stored.len() <= 4 * 62, "{}", world.stored.len());
    let (now, scopes) = (world.now, Scopes::of("p", "login", "account", "audience 1"));
    let mut pacer = Pacer::new(Policy::default());
    let alive = world.stored.values().filter(|charge| charge.keep_until > now);
    let amount: u64 = alive.map(|charge| charge.amount).sum();
    pacer.load(now, world.stored.values().cloned());
    pacer.declare(now, &scopes, &world.quotas, &[]);
    assert_eq!(pacer.used(scopes.key(QuotaScope::App))[0].0, amount);
    let late = now.after(Duration::HOUR.times(2));
    let mut pacer = Pacer::new(Policy::default());
    pacer.load(late, world.stored.values().cloned().collect::<Vec<Charge>>());
    pacer.declare(late, &scopes, &world.quotas, &[]);
    assert_eq!(pacer.used(scopes.key(QuotaScope::App))[0].0, 0);
}

#[test]
fn what_was_used_of_twenty_seconds_is_remembered_at_any_moment_of_the_day() {
    // Marketo's: 24 minutes of the day are counted together, so that they do not tell when a call was made.
    let mut day = quota(QuotaScope::Login, 50_000, Duration::DAY);
    day.resets = Some("06:00Z".into());
    let quotas = [quota(QuotaScope::Login, 50, Duration(20_000)), day];
    let scopes = Scopes::of("p", "login", "account", "audience 1");
    for minute in [0, 1, 3, 12, 23] {
        let mut now = Millis(0).after(Duration::HOUR.times(6)).after(Duration::MINUTE.times(minute));
        let mut stored = Vec::new();
        for process in 0..4 {
            let mut pacer = Pacer::new(Policy::default());
            pacer.load(now, stored.clone());
            pacer.declare(now, &scopes, &quotas, &[]);
            for call in 0..3 {
                let ask = Ask { lane: LaneId(1), scopes: &scopes, cost: Spent::call(1) };
                let Admission::Go(ticket) = pacer.admit(now, &ask) else { panic!("call {call} of {process} waits") };
                stored.extend(ticket.charges.clone());
                stored.extend(pacer.ended(now, ticket, Flow::Fine, Spent::call(1), &[]));
                now = now.after(Duration::SECOND);
            }
            let used: Vec<u64> = pacer.used(scopes.key(QuotaScope::Login)).iter().map(|(used, ..)| *used).collect();
            assert_eq!(used, [3 * (process + 1), 3 * (process + 1)], "minute {minute}");
        }
    }
}
