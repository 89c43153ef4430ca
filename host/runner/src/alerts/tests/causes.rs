//! Which snapshots are worth an alert, and how bad.
use super::*;
use crate::alerts::causes::causes;
use caravan_model::{AlertKind, Severity, Status};
use caravan_store::Space;

const NOW: Millis = Millis(1_700_000_000_000);

fn found(seen: &Observation) -> Vec<(AlertKind, Severity, String)> {
    let all = causes(seen, NOW, &AlertPolicy::default(), |_| false);
    all.into_values().map(|cause| (cause.key.kind, cause.severity, cause.key.code)).collect()
}

fn lanes(lanes: Vec<LaneSeen>) -> Observation {
    Observation { lanes, ..Observation::default() }
}

fn step(counts: &[(Status, &str, u64)]) -> Observation {
    let counts = counts.iter().map(|(status, code, n)| (*status, (*code).to_owned(), *n)).collect();
    let place = place("win-back", "sync");
    let step = StepSeen { canvas: place.canvas, step: place.step.unwrap(), connection: None, counts };
    Observation { steps: vec![step], ..Observation::default() }
}

#[test]
fn a_held_queue_is_a_warning_or_critical_by_its_reason() {
    for (code, severity) in [
        ("held-terms", Severity::Warning),
        ("held-audience-missing", Severity::Warning),
        ("held-audience-too-small", Severity::Warning),
        ("held-something-new", Severity::Warning),
        ("held-unauthorized", Severity::Critical),
        ("held-forbidden", Severity::Critical),
        ("held-misconfigured", Severity::Critical),
        ("held-stopped", Severity::Critical),
        ("held-poison", Severity::Critical),
        ("held-outdated", Severity::Critical),
    ] {
        let seen = lanes(vec![held(1, code, NOW)]);
        assert_eq!(found(&seen), [(AlertKind::QueueHeld, severity, code.to_owned())]);
    }
    assert!(found(&lanes(vec![lane(1)])).is_empty());
}

#[test]
fn a_queue_that_a_person_holds_is_told_once_and_is_not_late() {
    let mut queue = held(1, "whatever they wrote", NOW);
    queue.oldest = Some(NOW.before(Duration::DAY));
    let QueueState::Held { by_person, .. } = &mut queue.state else { panic!("it is held") };
    *by_person = true;
    let wanted = [(AlertKind::QueueHeld, Severity::Warning, "held-by-person".to_owned())];
    assert_eq!(found(&lanes(vec![queue])), wanted);
}

#[test]
fn a_lane_of_the_store_is_held_by_the_partner_before_it_is_held_by_a_person() {
    use caravan_store::{Hold, HoldScope, Lane, LaneKey, LaneState};
    let key = LaneKey { connector: "meta".into(), account: "act_1".into(), audience: "77".into() };
    let mut stored = Lane {
        id: LaneId(7),
        key,
        state: LaneState::Open,
        connection: "acme-meta".into(),
        waiting: 3,
        sealed: 0,
        oldest: Some(NOW),
        owed: 0,
        made_by_us: true,
        audience_parts: vec![],
        stripe: 0,
        held_by: vec![],
        next_renewal: None,
    };
    let state = |lane: &Lane| LaneSeen::of(lane, "vip", vec![]).state;
    assert_eq!(state(&stored), QueueState::Flowing);
    stored.held_by = vec![Hold { scope: HoldScope::Everything, words: "audit".into(), by: "jo".into(), since: NOW }];
    assert!(matches!(state(&stored), QueueState::Held { by_person: true, since: NOW, .. }));
    let reason = caravan_model::Reason::new("held-terms", "sign them");
    stored.state = LaneState::Held { reason, since: NOW, probe: NOW.after(TICK), probes: 0 };
    assert_eq!(state(&stored), QueueState::Held { code: "held-terms".into(), since: NOW, by_person: false });
}

#[test]
fn a_queue_is_late_by_the_age_of_its_oldest() {
    let late = |minutes: u64| {
        let oldest = Some(NOW.before(Duration::MINUTE.times(minutes)));
        found(&lanes(vec![LaneSeen { oldest, waiting: 3, ..lane(1) }])).first().map(|found| found.1)
    };
    assert_eq!([late(9), late(10), late(59)], [None, Some(Severity::Warning), Some(Severity::Warning)]);
    assert_eq!(late(60), Some(Severity::Critical));
}

#[test]
fn errors_are_an_alert_by_their_share_of_enough_visits() {
    let rate = |bad: u64, of: u64| {
        let seen = step(&[
            (Status::Synced, "", of - bad),
            (Status::Rejected, "partner:190", bad.div_ceil(2)),
            (Status::Expired, "retries-exhausted", bad / 2),
            (Status::Waiting, "", 1_000_000),
        ]);
        found(&seen).first().map(|found| (found.0, found.1))
    };
    assert_eq!([rate(4, 100), rate(99, 99)], [None; 2]);
    assert_eq!([rate(5, 100), rate(24, 100)], [Some((AlertKind::ErrorRate, Severity::Warning)); 2]);
    assert_eq!([rate(25, 100), rate(100, 100)], [Some((AlertKind::ErrorRate, Severity::Critical)); 2]);
}

#[test]
fn skips_are_an_alert_but_superseded_people_are_no_skips() {
    let seen = |code: &str| step(&[(Status::Skipped, code, 60), (Status::Synced, "", 60)]);
    assert_eq!(found(&seen("no-identifier")), [(AlertKind::SkipRate, Severity::Warning, String::new())]);
    assert!(found(&seen("superseded")).is_empty());
}

#[test]
fn an_open_rate_ends_only_clearly_below_its_threshold() {
    let seen = |bad: u64| step(&[(Status::Rejected, "partner:1", bad), (Status::Synced, "", 1_000 - bad)]);
    let stands = |bad: u64, open: bool| !causes(&seen(bad), NOW, &AlertPolicy::default(), |_| open).is_empty();
    assert_eq!([stands(50, false), stands(49, false)], [true, false]);
    assert_eq!([stands(40, true), stands(39, true)], [true, false]);
}

#[test]
fn a_token_that_ends_is_told_a_week_and_a_day_before() {
    let token = |ends: Millis| {
        let tokens = vec![TokenSeen { connection: "acme-meta".into(), places: vec![], ends }];
        found(&Observation { tokens, ..Observation::default() }).first().map(|found| found.1)
    };
    assert_eq!(token(NOW.after(Duration::DAY.times(8))), None);
    assert_eq!(token(NOW.after(Duration::DAY.times(7))), Some(Severity::Warning));
    assert_eq!(token(NOW.after(Duration::HOUR)), Some(Severity::Critical));
    assert_eq!(token(NOW.before(Duration::HOUR)), Some(Severity::Critical));
}

#[test]
fn traps_count_for_a_while_and_many_are_critical() {
    let trap = |times: u64, ago: Duration| {
        let (connector, connection, last) = ("meta".into(), "acme-meta".into(), NOW.before(ago));
        let traps = vec![TrapSeen { connector, connection, places: vec![], times, last }];
        found(&Observation { traps, ..Observation::default() }).first().map(|found| found.1)
    };
    assert_eq!(trap(1, Duration::MINUTE), Some(Severity::Warning));
    assert_eq!(trap(10, Duration::MINUTE), Some(Severity::Critical));
    assert_eq!(trap(10, Duration::HOUR), None);
}

#[test]
fn rule_2_4_an_owed_removal_that_the_partner_refuses_is_critical_beside_the_held_queue() {
    let mut seen = lanes(vec![held(1, "held-audience-too-small", NOW)]);
    let (queue, connection, code) = ("vip".into(), "acme-meta".into(), "held-audience-too-small".to_owned());
    seen.owed_refused =
        vec![OwedSeen { lane: LaneId(1), queue, connection, places: vec![], code: code.clone(), count: 3, since: NOW }];
    assert_eq!(
        found(&seen),
        [
            (AlertKind::QueueHeld, Severity::Warning, code.clone()),
            (AlertKind::OwedRemovalRefused, Severity::Critical, code)
        ]
    );
}

#[test]
fn what_is_no_code_is_not_repeated() {
    let seen = step(&[(Status::Rejected, "partner:jane@acme.example refused", 500)]);
    let cause = causes(&seen, NOW, &AlertPolicy::default(), |_| false).into_values().next().unwrap();
    assert_eq!(cause.facts.reasons, [("other".to_owned(), 500)]);
}

#[test]
fn an_endpoint_that_rests_is_a_warning_and_after_a_while_critical() {
    let at = |since: Millis| {
        let places = vec![place("win-back", "tell")];
        let endpoint = EndpointSeen { endpoint: "crm".to_owned(), places, since, rests: 3 };
        found(&Observation { endpoints: vec![endpoint], ..Observation::default() })
    };
    let wanted = |severity| [(AlertKind::EndpointRests, severity, String::new())];
    assert_eq!(at(NOW), wanted(Severity::Warning));
    assert_eq!(at(NOW.before(Duration::HOUR)), wanted(Severity::Critical));
}

#[test]
fn a_disk_is_told_of_before_intake_stops_and_when_it_has() {
    let policy = AlertPolicy { least_free: 100, largest_store: 1_000, ..AlertPolicy::default() };
    let of = |bytes, free| {
        let seen = Observation { space: Some(Space { bytes, free }), ..Observation::default() };
        let all = causes(&seen, NOW, &policy, |_| false);
        all.into_values().map(|cause| (cause.severity, cause.key.code)).collect::<Vec<_>>()
    };
    assert_eq!(of(10, Some(200)), []);
    assert_eq!(of(10, Some(199)), [(Severity::Warning, String::new())]);
    assert_eq!(of(10, Some(99)), [(Severity::Critical, String::new())]);
    assert_eq!(of(799, None), []);
    assert_eq!(of(800, None), [(Severity::Warning, "bound".to_owned())]);
    assert_eq!(of(1_000, Some(5_000)), [(Severity::Critical, "bound".to_owned())]);
    assert_eq!(found(&Observation::default()), [], "an engine that cannot tell is no alert");
}
