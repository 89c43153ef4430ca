//! Treatments of faults: rules 11.6, 11.9 and 11.10.
use caravan_journey::retry::{History, Policy, Reach, Treatment, Waiting, backoff, halving_calls, treat};
use caravan_model::status::reason;
use caravan_model::{AudienceState, Cause, Code, Duration, Effect, Fault, Refusal};
use proptest::prelude::*;

fn first() -> History {
    History { attempt: 1, rows: 100, people: 100, people_at_first: 100, ..History::default() }
}

fn cause() -> Cause {
    Cause { code: "7".into(), message: "words".into(), link: Some("https://partner.example/terms".into()) }
}

fn follows(fault: &Fault, history: &History) -> Treatment {
    treat(fault, Effect::MayHaveLanded, history, &Policy::default(), 0)
}

#[test]
fn a_wait_that_the_partner_names_wins_and_else_it_doubles() {
    let throttled = |after_ms| Fault::Throttled { after_ms, cause: cause() };
    let named = follows(&throttled(Some(60_000)), &first());
    assert_eq!(named, Treatment::RetryAt { after: Duration::MINUTE, state: Waiting::Throttled });
    let unavailable = Fault::Unavailable { after_ms: None, cause: cause() };
    let preparing = Fault::Preparing { after_ms: None, cause: cause() };
    assert!(matches!(follows(&unavailable, &first()), Treatment::RetryAt { state: Waiting::Retrying, .. }));
    assert!(matches!(follows(&preparing, &first()), Treatment::RetryAt { state: Waiting::Preparing, .. }));
    let wait = |attempt| backoff(attempt, &Policy::default(), u64::MAX / 2).0;
    assert!(
        (500..=1_000).contains(&wait(1)) && (1_000..=2_000).contains(&wait(2)) && (2_000..=4_000).contains(&wait(3))
    );
    assert!((450_000..=900_000).contains(&wait(40)), "at most a quarter of an hour");
}

#[test]
fn dead_credentials_are_refreshed_once_and_then_held_for_the_connection() {
    let fault = Fault::Unauthorized { cause: cause() };
    assert_eq!(follows(&fault, &first()), Treatment::RefreshThenRepeat);
    let refreshed = History { refreshed: true, ..first() };
    let Treatment::Hold { reach, code, reason, link } = follows(&fault, &refreshed) else { panic!() };
    assert_eq!((reach, code, reason.code.as_str()), (Reach::Connection, Code::Unauthorized, "held-unauthorized"));
    assert!(link.is_some() && reason.words.contains("words"));
}

#[test]
fn a_removal_that_is_owed_and_would_make_the_audience_too_small_holds_nobody_else() {
    let fault = Fault::Audience { state: AudienceState::TooSmall, cause: cause() };
    let Treatment::Reject { reason } = follows(&fault, &History { owed: true, ..first() }) else { panic!() };
    assert_eq!(reason.code, caravan_model::status::reason::AUDIENCE_TOO_SMALL);
    assert!(matches!(follows(&fault, &first()), Treatment::Hold { .. }));
}

#[test]
fn every_reason_to_wait_or_hold_has_words_and_a_cure() {
    use AudienceState::{Blocked, Full, Missing, NotWritable, TooSmall};
    let audience = |state| Fault::Audience { state, cause: cause() };
    let mut faults: Vec<Fault> = [Missing, NotWritable, Blocked, TooSmall, Full].map(audience).into();
    faults.extend([
        Fault::Unauthorized { cause: cause() },
        Fault::Forbidden { cause: cause() },
        Fault::Terms { cause: cause() },
        Fault::Misconfigured { cause: cause() },
        Fault::Outdated { cause: cause() },
        Fault::Stopped { cause: cause() },
        Fault::Bug { cause: cause() },
    ]);
    // Refreshed already, and with more poison than a part may have.
    let history = History { refreshed: true, people: 1, poison_found: 3, ..first() };
    let mut codes: Vec<String> =
        [Waiting::Throttled, Waiting::Retrying, Waiting::Preparing].map(|waiting| waiting.word().to_owned()).into();
    for fault in &faults {
        let Treatment::Hold { code, reason, .. } = follows(fault, &history) else { panic!("{fault:?}") };
        let page = caravan_model::reasons::of_code(&reason.code).and_then(|meaning| meaning.page);
        assert_eq!(page, Some(code), "{}", reason.code);
        codes.push(reason.code);
    }
    for code in codes {
        let meaning = caravan_model::reasons::of_code(&code).unwrap_or_else(|| panic!("`{code}` has no entry"));
        assert_eq!(meaning.code, code);
    }
}

#[test]
fn what_a_person_must_mend_is_held_at_once() {
    let audience = |state| Fault::Audience { state, cause: cause() };
    for (fault, code, word) in [
        (Fault::Forbidden { cause: cause() }, Code::Forbidden, "held-forbidden"),
        (Fault::Terms { cause: cause() }, Code::TermsUnsigned, "held-terms"),
        (audience(AudienceState::Missing), Code::AudienceMissing, "held-audience-missing"),
        (audience(AudienceState::Full), Code::AudienceMissing, "held-audience-full"),
        (Fault::Misconfigured { cause: cause() }, Code::BadConnection, "held-misconfigured"),
        (Fault::Outdated { cause: cause() }, Code::UnknownConnector, "held-outdated"),
        (Fault::Stopped { cause: cause() }, Code::LimitBreached, "held-stopped"),
    ] {
        // However old: a hold stops the clock, it never expires.
        let old = History { flowing: Duration::DAY.times(90), age: Duration::DAY.times(90), ..first() };
        let Treatment::Hold { code: found, reason, .. } = follows(&fault, &old) else { panic!("{fault:?}") };
        assert_eq!((found, reason.code.as_str()), (code, word));
    }
}

#[test]
fn rule_11_6_named_rows_are_struck() {
    let refused = vec![Refusal { row: 3, code: "bad".into(), message: "no".into() }];
    assert_eq!(follows(&Fault::Rows { refused: refused.clone() }, &first()), Treatment::Strike { rows: refused });
    let beyond = vec![Refusal { row: 100, code: "bad".into(), message: "no".into() }];
    assert_eq!(follows(&Fault::Rows { refused: beyond }, &first()), Treatment::Halve, "a row that was not sent: a bug");
}

#[test]
fn a_call_that_was_too_large_is_halved_down_to_one_person() {
    assert_eq!(follows(&Fault::TooLarge, &first()), Treatment::Halve);
    let alone = History { people: 1, ..first() };
    assert!(matches!(follows(&Fault::TooLarge, &alone), Treatment::Reject { .. }));
}

#[test]
fn rule_11_9_after_72_hours_of_flowing_or_30_days_in_all_it_expires_but_not_what_consent_owes() {
    let fault = Fault::Unavailable { after_ms: None, cause: cause() };
    let almost = History { flowing: Duration(Duration::HOUR.times(72).0 - 1), ..first() };
    assert!(matches!(follows(&fault, &almost), Treatment::RetryAt { .. }));
    for over in
        [History { flowing: Duration::HOUR.times(72), ..first() }, History { age: Duration::DAY.times(30), ..first() }]
    {
        let Treatment::Expire { reason } = follows(&fault, &over) else { panic!() };
        assert_eq!(reason.code, reason::RETRIES_EXHAUSTED);
        let owed = History { owed: true, ..over };
        assert!(matches!(follows(&fault, &owed), Treatment::RetryAt { .. }));
    }
}

/// Runs the search for poison rows as the runner does, with a connector that traps on these people.
fn search(people: u32, poison: &[u32]) -> (u32, Vec<u32>, bool) {
    let fault = Fault::Bug { cause: cause() };
    let (mut made, mut extra, mut found) = (0, 0, Vec::new());
    let mut open = Vec::from([(0u32, people)]);
    while let Some((from, to)) = open.pop() {
        let range = from..to;
        made += u32::from(range.len() < people as usize);
        if !poison.iter().any(|row| range.contains(row)) {
            continue;
        }
        let history = History {
            people: range.end - range.start,
            people_at_first: people,
            halved_calls: extra,
            poison_found: u32::try_from(found.len()).unwrap(),
            ..first()
        };
        match follows(&fault, &history) {
            Treatment::Halve => {
                extra += 2;
                let middle = range.start + (range.end - range.start) / 2;
                open.push((middle, range.end));
                open.push((range.start, middle));
            }
            Treatment::Reject { reason } => {
                assert_eq!(reason.code, reason::POISON);
                found.push(range.start);
            }
            Treatment::Hold { reason, .. } => {
                assert_eq!(reason.code, "held-poison");
                return (made, found, true);
            }
            other => panic!("{other:?}"),
        }
    }
    (made, found, false)
}

#[test]
fn rule_11_10_a_poison_row_is_found_within_two_log_n_extra_calls() {
    for people in [1, 2, 3, 5, 100, 1_000, 10_000] {
        for row in [0, people / 2, people - 1] {
            let (calls, found, held) = search(people, &[row]);
            assert!(!held && found == [row], "{people} {row}");
            assert!(calls <= halving_calls(people, 0), "{people} {row}: {calls}");
        }
    }
}

#[test]
fn rule_11_10_more_than_three_poison_rows_hold_the_lane() {
    let (_, found, held) = search(10_000, &[1, 4_000, 9_000]);
    assert!(!held && found == [1, 4_000, 9_000]);
    let (_, found, held) = search(10_000, &[1, 2, 4_000, 9_000]);
    assert!(held && found.len() == 3);
    let all: Vec<u32> = (0..1_000).collect();
    let (calls, _, held) = search(1_000, &all);
    assert!(held && calls <= 16, "a connector that fails on everyone is held soon: {calls}");
}

proptest! {
    #[test]
    fn rule_11_10_up_to_three_poison_rows_are_always_found(
        people in 1u32..600,
        rows in proptest::collection::btree_set(0u32..600, 0..=3),
    ) {
        let rows: Vec<u32> = rows.into_iter().filter(|row| *row < people).collect();
        let (calls, found, held) = search(people, &rows);
        prop_assert!(!held);
        prop_assert_eq!(&found, &rows);
        prop_assert!(calls <= halving_calls(people, 2));
    }

    #[test]
    fn a_wait_is_never_nothing_and_never_beyond_the_longest(attempt in 1u32..1_000, draw: u64) {
        let wait = backoff(attempt, &Policy::default(), draw);
        prop_assert!(wait >= Duration(500) && wait <= Duration::MINUTE.times(15));
    }
}
