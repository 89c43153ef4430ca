//! Who shares what, and whose turn it is.
use crate::partner::{Counting, Limit, Partner, World, at_once, quota};
use caravan_journey::pacing::{Admission, Ask, Flow, Pacer, Policy, Scopes, Spent, Why};
use caravan_model::manifest::{Quota, QuotaCredential, QuotaScope, QuotaUnit};
use caravan_model::{Duration, LaneId, Millis};
use proptest::prelude::*;

fn ask<'a>(lane: i64, scopes: &'a Scopes, rows: u64) -> Ask<'a> {
    Ask { lane: LaneId(lane), scopes, cost: Spent::call(rows) }
}

#[test]
fn two_connections_of_one_app_share_its_quota_and_not_their_own() {
    let lanes = vec![
        (LaneId(1), Scopes::of("p", "one", "7", "a")),
        (LaneId(2), Scopes::of("p", "two", "8", "b")),
        (LaneId(3), Scopes::of("other", "three", "9", "c")),
    ];
    let quotas = vec![quota(QuotaScope::App, 60, Duration::MINUTE), quota(QuotaScope::Login, 50, Duration::MINUTE)];
    let mut world = World::new(Millis(0), lanes, quotas);
    let mut partner = Partner::new(Vec::new());
    world.run(&mut partner, Millis(50_000));
    let taken = [1, 2, 3].map(|lane| partner.taken_of(LaneId(lane)));
    assert_eq!((taken[0] + taken[1], taken[2]), (60, 50));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn hungry_lanes_of_a_scope_are_served_in_turn_to_within_one_call(
        lanes in 2..12usize, amount in 3..40u64, ticks in prop::collection::vec((1..900i64, 0..12usize), 100..400),
    ) {
        let mut pacer = Pacer::new(Policy::default());
        let scopes: Vec<Scopes> = (0..lanes).map(|n| Scopes::of("p", &n.to_string(), "a", &n.to_string())).collect();
        let quotas = [quota(QuotaScope::Account, amount, Duration::SECOND.times(5))];
        scopes.iter().for_each(|scopes| pacer.declare(Millis(0), scopes, &quotas, &[]));
        let (mut now, mut served) = (Millis(0), vec![0u64; lanes]);
        for (span, first) in ticks {
            now = Millis(now.0 + span);
            // They ask in any order.
            for lane in (0..lanes).map(|n| (n + first) % lanes) {
                if let Admission::Go(ticket) = pacer.admit(now, &ask(lane as i64, &scopes[lane], 1)) {
                    served[lane] += 1;
                    pacer.ended(now, ticket, Flow::Fine, Spent::call(1), &[]);
                }
            }
            let (least, most) = (served.iter().min().copied(), served.iter().max().copied());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{:?}", served);
        }
    }

    #[test]
    fn lanes_whose_calls_take_long_still_get_their_share(
        lanes in 2..9i64, at_once_too in prop::option::of(1..4u64), latency in 0..400u64,
    ) {
        let mut quotas = vec![quota(QuotaScope::Account, 10, Duration::SECOND.times(5))];
        quotas.extend(at_once_too.map(|most| at_once(QuotaScope::Account, most)));
        let mut world = World::alike(Millis(0), lanes, quotas);
        world.jitter = latency;
        let mut partner = Partner::new(Vec::new());
        world.run(&mut partner, Millis(0).after(Duration::MINUTE.times(10)));
        let fair = partner.taken.len() as u64 / lanes as u64;
        for lane in 1..=lanes {
            let taken = partner.taken_of(LaneId(lane));
            prop_assert!(taken * 10 >= fair * 9, "lane {} got {} of {}", lane, taken, fair);
        }
    }
}

#[test]
fn a_lane_that_came_late_is_not_overtaken_by_those_that_were_just_served() {
    let mut pacer = Pacer::new(Policy::default());
    let scopes = [1, 2].map(|n| Scopes::of("p", "l", "a", &n.to_string()));
    let quotas = [quota(QuotaScope::Login, 4, Duration::MINUTE)];
    scopes.iter().for_each(|scopes| pacer.declare(Millis(0), scopes, &quotas, &[]));
    for now in 0..4 {
        let Admission::Go(ticket) = pacer.admit(Millis(now), &ask(1, &scopes[0], 1)) else { panic!("it is free") };
        assert_eq!(pacer.ended(Millis(now), ticket, Flow::Fine, Spent::call(1), &[]), []);
    }
    let Admission::Wait { until, why } = pacer.admit(Millis(9), &ask(2, &scopes[1], 1)) else { panic!("it is spent") };
    assert_eq!(why, Why::Quota);
    // All four come back in one bucket, but the first is kept for the lane that waited.
    let opens = until.0;
    for _ in 0..3 {
        let Admission::Go(ticket) = pacer.admit(Millis(opens), &ask(1, &scopes[0], 1)) else { panic!("it is free") };
        assert_eq!(pacer.ended(Millis(opens), ticket, Flow::Fine, Spent::call(1), &[]), []);
    }
    let kept = pacer.admit(Millis(opens), &ask(1, &scopes[0], 1));
    assert!(matches!(kept, Admission::Wait { why: Why::Turn, .. }), "{kept:?}");
    let turn = pacer.admit(Millis(opens), &ask(2, &scopes[1], 1));
    assert!(matches!(turn, Admission::Go(_)), "{turn:?}");
}

#[test]
fn a_turn_that_nobody_takes_lapses_and_one_that_is_given_up_is_free_at_once() {
    for gives_up in [false, true] {
        let mut pacer = Pacer::new(Policy::default());
        let scopes = [1, 2].map(|n| Scopes::of("p", "l", "a", &n.to_string()));
        let quotas = [quota(QuotaScope::Login, 1, Duration::MINUTE)];
        scopes.iter().for_each(|scopes| pacer.declare(Millis(0), scopes, &quotas, &[]));
        let first = pacer.admit(Millis(0), &ask(1, &scopes[0], 1));
        assert!(matches!(first, Admission::Go(_)), "{first:?}");
        let Admission::Wait { until, .. } = pacer.admit(Millis(0), &ask(2, &scopes[1], 1)) else { panic!("spent") };
        if gives_up {
            pacer.withdraw(LaneId(2));
        }
        let early = pacer.admit(until, &ask(1, &scopes[0], 1));
        assert_eq!(matches!(early, Admission::Go(_)), gives_up, "{early:?}");
        if !gives_up {
            let late = pacer.admit(until.after(Policy::default().patience), &ask(1, &scopes[0], 1));
            assert!(matches!(late, Admission::Go(_)), "{late:?}");
        }
    }
}

#[test]
fn who_waits_for_something_of_its_own_keeps_nobody_up() {
    let mut pacer = Pacer::new(Policy::default());
    let scopes = [1, 2].map(|n| Scopes::of("p", "l", &n.to_string(), "a"));
    let quotas = [quota(QuotaScope::App, 3, Duration::MINUTE), quota(QuotaScope::Account, 1, Duration::HOUR)];
    scopes.iter().for_each(|scopes| pacer.declare(Millis(0), scopes, &quotas, &[]));
    let first = pacer.admit(Millis(0), &ask(1, &scopes[0], 1));
    assert!(matches!(first, Admission::Go(_)), "{first:?}");
    let own = pacer.admit(Millis(1), &ask(1, &scopes[0], 1));
    assert!(matches!(own, Admission::Wait { why: Why::Quota, .. }), "{own:?}");
    let other = pacer.admit(Millis(1), &ask(2, &scopes[1], 1));
    assert!(matches!(other, Admission::Go(_)), "{other:?}");
}

#[test]
fn rows_and_bytes_are_counted_and_a_cost_beyond_what_was_asked_is_added() {
    let rows = |unit| Quota {
        scope: QuotaScope::Account,
        unit,
        amount: 1_000,
        amount_setting: None,
        credential: None,
        per: Some(Duration::MINUTE),
        resets: None,
    };
    let mut pacer = Pacer::new(Policy::default());
    let scopes = Scopes::of("p", "l", "a", "b");
    pacer.declare(Millis(0), &scopes, &[rows(QuotaUnit::Rows), rows(QuotaUnit::Bytes)], &[]);
    let Admission::Go(ticket) = pacer.admit(Millis(0), &ask(1, &scopes, 600)) else { panic!("it is free") };
    assert_eq!(ticket.charges.iter().map(|charge| charge.amount).collect::<Vec<_>>(), [600]);
    let too_many = pacer.admit(Millis(1), &ask(2, &scopes, 500));
    assert!(matches!(too_many, Admission::Wait { why: Why::Quota, .. }), "{too_many:?}");
    let spent = Spent { calls: 1, rows: 600, bytes: 900 };
    let more = pacer.ended(Millis(2), ticket, Flow::Fine, spent, &[]);
    assert_eq!(more.iter().map(|charge| charge.amount).collect::<Vec<_>>(), [900]);
    pacer.withdraw(LaneId(2));
    let cost = Spent { calls: 1, rows: 10, bytes: 200 };
    let bytes = pacer.admit(Millis(3), &Ask { lane: LaneId(1), scopes: &scopes, cost });
    assert!(matches!(bytes, Admission::Wait { why: Why::Quota, .. }), "{bytes:?}");
}

#[test]
fn a_shared_second_is_kept_by_many_lanes_of_several_connections() {
    let lanes = (1..=30).map(|n| (LaneId(n), Scopes::of("p", &format!("login {}", n % 3), &n.to_string(), "a")));
    let mut world = World::new(Millis(0), lanes.collect(), vec![quota(QuotaScope::App, 20, Duration::SECOND)]);
    let mut partner = Partner::new(vec![Limit::new(20, Duration::SECOND, Counting::Rolling)]);
    world.run(&mut partner, Millis(60_000));
    assert_eq!(partner.refused, 0);
    assert!(partner.taken.len() >= 1_080, "{}", partner.taken.len());
}

#[test]
fn a_quota_of_a_kind_of_credential_goes_once_nobody_calls_by_it_any_more() {
    let by =
        |credential, scope, amount| Quota { credential: Some(credential), ..quota(scope, amount, Duration::MINUTE) };
    let all = [by(QuotaCredential::App, QuotaScope::App, 250), by(QuotaCredential::Consent, QuotaScope::Account, 2)];
    let of = |by| all.iter().filter(|quota| quota.holds_for(by)).cloned().collect::<Vec<_>>();
    let (consent, app) = (of(Some(QuotaCredential::Consent)), of(Some(QuotaCredential::App)));
    assert_eq!((consent.len(), app.len(), of(None).len()), (1, 1, 2));
    let mut pacer = Pacer::new(Policy::default());
    let scopes = Scopes::of("p", "l", "a", "b");
    let mut goes = |at: i64, quotas: &[Quota]| {
        pacer.declare(Millis(at), &scopes, quotas, &[]);
        let Admission::Go(ticket) = pacer.admit(Millis(at), &ask(1, &scopes, 1)) else { return false };
        pacer.ended(Millis(at), ticket, Flow::Fine, Spent::call(1), &[]);
        true
    };
    // By consent, then, connected anew, by the app itself: what a minute of consent allowed is no matter any more.
    assert_eq!([0, 1_000, 2_000, 3_000].map(|at| goes(at, &consent)), [true, true, false, false]);
    assert!(!goes(20_000, &app), "not before its minute is over");
    let later = (70_000..80_000).step_by(1_000).filter(|at| goes(*at, &app)).count();
    assert_eq!(later, 10, "ten calls within ten seconds");
}
