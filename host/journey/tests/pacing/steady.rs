//! In steady state: no refusal, and at least nine tenths of what is allowed.
use crate::partner::{Counting, Limit, Partner, World, at_once, quota};
use caravan_model::manifest::QuotaScope;
use caravan_model::{Duration, Millis};
use proptest::prelude::*;

/// Runs hungry lanes over `spans` of the limit's length after a first one, and gives the used share of the quota.
fn used_share(amount: u64, per: Duration, counting: Counting, lanes: i64, start: Millis, spans: u64) -> (f64, u64) {
    let mut world = World::alike(start, lanes, vec![quota(QuotaScope::App, amount, per)]);
    let mut partner = Partner::new(vec![Limit::new(amount, per, counting)]);
    let (from, to) = (start.after(per), start.after(per.times(1 + spans)));
    world.run(&mut partner, to);
    (partner.taken_between(from, to) as f64 / (amount * spans) as f64, partner.refused)
}

fn counting() -> impl Strategy<Value = Counting> {
    prop_oneof![Just(Counting::Rolling), (0..86_400_000i64).prop_map(Counting::Fixed)]
}

/// Spans with amounts that keep a simulation short.
fn limits() -> impl Strategy<Value = (Duration, u64)> {
    prop_oneof![
        (Just(Duration::SECOND), 2..50u64),
        (Just(Duration::SECOND.times(10)), 5..200u64),
        (Just(Duration::MINUTE), 10..600u64),
        (Just(Duration::HOUR), 30..600u64),
        (Just(Duration::DAY), 30..600u64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nine_tenths_of_a_quota_are_used_without_a_refusal_however_the_partner_counts(
        (per, amount) in limits(), counting in counting(), lanes in 1..9i64, start in 0..1_000_000_000i64,
    ) {
        let (share, refused) = used_share(amount, per, counting, lanes, Millis(start), 20);
        prop_assert_eq!(refused, 0);
        prop_assert!(share >= 0.9, "only {} of {} per {} used", share, amount, per);
    }

    #[test]
    fn several_windows_of_one_scope_are_kept_together(
        second in 2..12u64, phase in 0..60_000i64, start in 0..1_000_000_000i64, rolling: bool,
    ) {
        let minute = second * 30;
        let counting = if rolling { Counting::Rolling } else { Counting::Fixed(phase) };
        let quotas = [(second, Duration::SECOND), (minute, Duration::MINUTE), (minute * 20, Duration::HOUR)];
        let mut world = World::alike(Millis(start), 5, Vec::new());
        world.quotas = quotas.iter().map(|(amount, per)| quota(QuotaScope::App, *amount, *per)).collect();
        let limits = quotas.iter().map(|(amount, per)| Limit::new(*amount, *per, counting));
        let mut partner = Partner::new(limits.collect());
        let end = Millis(start).after(Duration::HOUR.times(3));
        world.run(&mut partner, end);
        prop_assert_eq!(partner.refused, 0);
        let taken = partner.taken_between(Millis(start).after(Duration::HOUR), end);
        prop_assert!(taken * 10 >= minute * 20 * 2 * 9, "{} of {}", taken, minute * 20 * 2);
    }
}

#[test]
fn a_daily_quota_that_resets_is_used_up_each_day_and_never_passed() {
    let day = |n: u64| Millis(0).after(Duration::DAY.times(n));
    let mut fixed = quota(QuotaScope::App, 2_000, Duration::DAY);
    fixed.resets = Some("00:00Z".into());
    let mut world = World::alike(day(3).after(Duration::HOUR.times(5)), 3, vec![fixed]);
    // The partner's clock is two seconds behind ours.
    let mut partner = Partner::new(vec![Limit::new(2_000, Duration::DAY, Counting::Fixed(2_000))]);
    world.run(&mut partner, day(8));
    assert_eq!(partner.refused, 0);
    for n in 4..8 {
        let taken = partner.taken_between(day(n), day(n + 1));
        assert!((1_900..=2_000).contains(&taken), "day {n}: {taken}");
    }
}

#[test]
fn calls_of_a_short_window_are_spread_over_it() {
    let mut world = World::alike(Millis(7), 20, vec![quota(QuotaScope::App, 10, Duration::SECOND)]);
    world.jitter = 0;
    let mut partner = Partner::new(vec![Limit::new(10, Duration::SECOND, Counting::Rolling)]);
    world.run(&mut partner, Millis(10_007));
    for pair in partner.taken.windows(2) {
        assert!(pair[1].0.since(pair[0].0) >= Duration(50), "{pair:?}");
    }
    assert!(partner.taken.len() >= 90, "{}", partner.taken.len());
}

#[test]
fn a_quota_of_calls_at_the_same_time_is_never_passed_and_always_reached() {
    let mut world = World::alike(Millis(0), 9, vec![at_once(QuotaScope::Account, 3)]);
    let mut partner = Partner::new(Vec::new());
    world.run(&mut partner, Millis(60_000));
    assert_eq!(world.most_at_once, 3);
    let mut alone = World::alike(Millis(0), 1, vec![at_once(QuotaScope::Account, 3)]);
    let mut partner_of_one = Partner::new(Vec::new());
    alone.run(&mut partner_of_one, Millis(60_000));
    assert!(partner.taken.len() as f64 > 2.0 * partner_of_one.taken.len() as f64);
}
