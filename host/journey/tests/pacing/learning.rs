//! What partners say changes the pace.
use crate::partner::{Counting, Limit, Partner, World, quota};
use caravan_journey::pacing::{Admission, Ask, Flow, Pacer, Policy, Scopes, Spent, Why};
use caravan_model::manifest::{QuotaScope, UsageKind, UsageReading, UsageRule};
use caravan_model::{Duration, LaneId, Millis};
use proptest::prelude::*;

fn told(scope: QuotaScope, kind: UsageKind, value: u64) -> UsageReading {
    UsageReading { scope: Some(scope), kind, value, per: None }
}

fn percent_rule() -> UsageRule {
    UsageRule {
        header: "x-business-use-case-usage".into(),
        scope: QuotaScope::Account,
        tells: UsageKind::Percent,
        at: Some("/*/*/call_count".into()),
        per: Some(Duration::HOUR),
    }
}

/// A partner whose true hourly limit per account is `truth`, while the manifest says 5,000.
fn hourly(truth: u64, lanes: i64) -> (World, Partner) {
    let mut world = World::alike(Millis(77_000), lanes, vec![quota(QuotaScope::Account, 5_000, Duration::HOUR)]);
    world.rules = vec![percent_rule()];
    let mut partner = Partner::new(vec![Limit::new(truth, Duration::HOUR, Counting::Rolling)]);
    partner.speaks = Box::new(|limits, now, fits| {
        let percent = if fits { limits[0].percent(now) } else { 100 };
        let per = Some(Duration::HOUR);
        vec![UsageReading { per, ..told(QuotaScope::Account, UsageKind::Percent, percent) }]
    });
    (world, partner)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_told_percentage_keeps_calls_below_the_true_limit_and_uses_nine_tenths_of_it(
        truth in 150..12_000u64, lanes in 1..5i64,
    ) {
        let (mut world, mut partner) = hourly(truth, lanes);
        let hour = |n: u64| Millis(77_000).after(Duration::HOUR.times(n));
        world.run(&mut partner, hour(6));
        prop_assert_eq!(partner.refused, 0);
        let taken = partner.taken_between(hour(3), hour(6));
        prop_assert!(taken * 10 >= truth * 3 * 9, "{} of {}", taken, truth * 3);
    }
}

#[test]
fn a_limit_that_was_learned_to_be_higher_survives_a_restart() {
    let (mut world, mut partner) = hourly(12_000, 3);
    let start = world.now;
    world.run(&mut partner, start.after(Duration::HOUR.times(3)));
    let before = partner.taken.len();
    world.restart(Duration::SECOND);
    world.run(&mut partner, start.after(Duration::HOUR.times(5)));
    assert_eq!(partner.refused, 0);
    assert!(partner.taken.len() - before >= 20_000, "{}", partner.taken.len() - before);
}

struct Desk {
    pacer: Pacer,
    scopes: Scopes,
}

impl Desk {
    fn new() -> Desk {
        let mut pacer = Pacer::new(Policy::default());
        let scopes = Scopes::of("p", "l", "a", "b");
        let rule = |scope| UsageRule { scope, per: None, ..percent_rule() };
        let rules = [rule(QuotaScope::App), rule(QuotaScope::Account)];
        pacer.declare(Millis(0), &scopes, &[quota(QuotaScope::Account, 100, Duration::HOUR)], &rules);
        Desk { pacer, scopes }
    }

    fn admit(&mut self, now: Millis, lane: i64) -> Admission {
        self.pacer.admit(now, &Ask { lane: LaneId(lane), scopes: &self.scopes, cost: Spent::call(1) })
    }

    fn call(&mut self, now: Millis, flow: Flow, told: &[UsageReading]) {
        let Admission::Go(ticket) = self.admit(now, 1) else { panic!("it is free at {now:?}") };
        assert_eq!(self.pacer.ended(now.after(Duration(9)), ticket, flow, Spent::call(1), told), []);
    }

    fn waits(&mut self, now: Millis) -> (Millis, Why) {
        match self.admit(now, 1) {
            Admission::Wait { until, why } => (until, why),
            Admission::Go(ticket) => panic!("it goes: {ticket:?}"),
        }
    }
}

#[test]
fn retry_after_is_obeyed_to_the_millisecond_for_all_of_the_scope() {
    let at = |kind, value| [UsageReading { scope: None, kind, value, per: None }];
    let ways: [(Flow, Vec<UsageReading>); 5] = [
        (Flow::Throttled { after: Some(Duration::SECOND.times(30)) }, Vec::new()),
        (Flow::Throttled { after: None }, at(UsageKind::RetryIn, 30).to_vec()),
        (Flow::Unavailable { after: None }, at(UsageKind::RetryIn, 30).to_vec()),
        (Flow::Throttled { after: Some(Duration::SECOND) }, at(UsageKind::RetryAt, 31).to_vec()),
        (Flow::Fine, vec![told(QuotaScope::App, UsageKind::RegainIn, 1)]),
    ];
    for (flow, told) in ways {
        let mut desk = Desk::new();
        desk.call(Millis(1_000), flow, &told);
        let (until, why) = desk.waits(Millis(1_010));
        let wait = if told.iter().any(|reading| reading.kind == UsageKind::RetryAt) { 31_000 } else { 31_009 };
        let wait = if flow == Flow::Fine { 61_009 } else { wait };
        assert_eq!((until, why), (Millis(wait), Why::Closed), "{flow:?} {told:?}");
        assert_eq!(desk.waits(Millis(wait - 1)).0, Millis(wait));
        assert!(matches!(desk.admit(Millis(wait), 2), Admission::Wait { why: Why::Turn, .. } | Admission::Go(_)));
    }
}

#[test]
fn a_refusal_without_a_wait_closes_the_scope_for_longer_each_time_until_a_call_is_taken() {
    let mut desk = Desk::new();
    let mut now = Millis(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        desk.call(now, Flow::Throttled { after: None }, &[]);
        let (until, _) = desk.waits(now.after(Duration(9)));
        waits.push(until.since(now.after(Duration(9))).0 / 1_000);
        now = until;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    desk.call(now, Flow::Fine, &[]);
    desk.call(now.after(Duration(10)), Flow::Throttled { after: None }, &[]);
    let ended = now.after(Duration(19));
    assert_eq!(desk.waits(ended).0.since(ended), Duration::SECOND);
}

#[test]
fn a_nonsensical_wait_is_bounded() {
    let mut desk = Desk::new();
    let forever = UsageReading { scope: None, kind: UsageKind::RetryAt, value: u64::MAX, per: None };
    desk.call(Millis(0), Flow::Throttled { after: Some(Duration(u64::MAX)) }, &[forever]);
    assert_eq!(desk.waits(Millis(10)).0, Millis(9).after(Policy::default().longest_closed));
}

#[test]
fn the_partners_count_is_believed_where_it_is_stricter() {
    let mut desk = Desk::new();
    let figures =
        [told(QuotaScope::Account, UsageKind::Remaining, 2), told(QuotaScope::Account, UsageKind::ResetAt, 20)];
    desk.call(Millis(0), Flow::Fine, &figures);
    desk.call(Millis(1_000), Flow::Fine, &[]);
    desk.call(Millis(1_100), Flow::Fine, &[]);
    assert_eq!(desk.waits(Millis(1_200)), (Millis(20_000), Why::Quota));
    desk.call(Millis(20_000), Flow::Fine, &[]);
}

#[test]
fn calls_under_way_are_taken_off_what_the_partner_says_is_left() {
    let mut desk = Desk::new();
    let Admission::Go(other) = desk.admit(Millis(0), 2) else { panic!("it is free") };
    let figures =
        [told(QuotaScope::Account, UsageKind::Remaining, 1), told(QuotaScope::Account, UsageKind::ResetIn, 9)];
    desk.call(Millis(1), Flow::Fine, &figures);
    assert_eq!(desk.waits(Millis(20)), (Millis(9_010), Why::Quota));
    assert_eq!(desk.pacer.ended(Millis(30), other, Flow::Fine, Spent::call(1), &[]), []);
}

#[test]
fn calls_are_spaced_more_and_more_as_a_foreign_percentage_nears_its_end() {
    let mut spaces = Vec::new();
    for percent in [89, 90, 94, 97, 99, 100] {
        let mut desk = Desk::new();
        desk.call(Millis(0), Flow::Fine, &[told(QuotaScope::App, UsageKind::Percent, percent)]);
        spaces.push(match desk.admit(Millis(9), 1) {
            Admission::Go(_) => 0,
            Admission::Wait { until, .. } => until.0,
        });
    }
    assert_eq!(spaces, [0, 250, 4_000, 32_000, 128_000, 256_000]);
}

#[test]
fn without_figures_calls_at_the_same_time_halve_in_trouble_and_grow_again() {
    let mut pacer = Pacer::new(Policy { calls_at_first: 8, ..Policy::default() });
    let scopes = Scopes::of("p", "l", "a", "b");
    pacer.declare(Millis(0), &scopes, &[], &[]);
    let fill = |pacer: &mut Pacer, now: i64, flow: Flow| {
        let mut tickets = Vec::new();
        for lane in 0..200 {
            match pacer.admit(Millis(now), &Ask { lane: LaneId(lane), scopes: &scopes, cost: Spent::call(1) }) {
                Admission::Go(ticket) => tickets.push(ticket),
                Admission::Wait { why, .. } => assert_eq!(why, Why::InFlight),
            }
        }
        let count = tickets.len();
        for ticket in tickets {
            assert_eq!(pacer.ended(Millis(now + 50), ticket, flow, Spent::call(1), &[]), []);
        }
        (0..200).for_each(|lane| pacer.withdraw(LaneId(lane)));
        count
    };
    let down = Flow::Unavailable { after: None };
    let counts = [down, down, down, down, Flow::Fine, Flow::Fine, Flow::Fine, Flow::Fine];
    let mut now = 0;
    let counts = counts.map(|flow| {
        now += 100;
        fill(&mut pacer, now, flow)
    });
    assert_eq!(counts[..5], [8, 4, 2, 1, 1]);
    assert!(counts[7] > counts[5] && counts[7] <= 4, "{counts:?}");
}

#[test]
fn a_true_limit_below_the_manifests_is_found_by_refusals_and_regained_when_it_is_lifted() {
    let mut world = World::alike(Millis(0), 6, vec![quota(QuotaScope::App, 40, Duration::SECOND)]);
    let mut partner = Partner::new(vec![Limit::new(10, Duration::SECOND, Counting::Rolling)]);
    world.run(&mut partner, Millis(600_000));
    let all = partner.taken.len() as u64 + partner.refused;
    assert!(partner.refused * 20 < all, "{} of {all} refused", partner.refused);
    assert!(partner.taken.len() >= 2_000, "{} taken", partner.taken.len());
    partner.limits[0].amount = 40;
    let lifted = world.now.after(Duration::MINUTE.times(2));
    world.run(&mut partner, lifted.after(Duration::SECOND.times(10)));
    let taken = partner.taken_between(lifted, world.now);
    assert!(taken >= 360, "{taken} of 400");
}
