//! Rule 11.14: UTC milliseconds; `2d` is 48 h; local times in the person's zone, else the workspace's.
use caravan_journey::delay::DelayRule;
use caravan_journey::walk::Way;
use caravan_journey::{Person, TimeZone};
use caravan_model::canvas::{DateOf, Delay, LocalTime, Until};
use caravan_model::{Millis, Profile};

fn instant(text: &str) -> Millis {
    Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn due(rule: &DelayRule, now: &str, zone: Option<&str>) -> String {
    let profile = Profile { time_zone: zone.map(str::to_owned), ..Profile::default() };
    let workspace = TimeZone::get("Europe/Paris").unwrap();
    let due = rule.due(instant(now), &Person { profile: &profile, events: &[] }, &workspace);
    jiff::Timestamp::from_millisecond(due.0).unwrap().to_string()
}

fn span(text: &str) -> DelayRule {
    DelayRule::new(&Delay { span: Some(text.parse().unwrap()), ..Delay::default() }).unwrap()
}

fn until(text: &str) -> DelayRule {
    DelayRule::new(&Delay { until: Some(Until::Written(text.to_owned())), ..Delay::default() }).unwrap()
}

fn local(at: &str, on: &[&str]) -> DelayRule {
    let local_time = LocalTime { at: at.to_owned(), on: on.iter().map(|day| (*day).to_owned()).collect() };
    DelayRule::new(&Delay { local_time: Some(local_time), ..Delay::default() }).unwrap()
}

#[test]
fn rule_11_14_two_days_are_48_hours_whatever_the_calendar_does() {
    assert_eq!(due(&span("2d"), "2026-03-28T12:00:00Z", None), "2026-03-30T12:00:00Z");
}

#[test]
fn rule_11_14_in_a_gap_the_first_moment_after() {
    // On 29 March 2026 the clocks of Paris jump from 02:00 to 03:00, which is 01:00 UTC.
    for within in ["02:00", "02:01", "02:30", "02:59"] {
        assert_eq!(due(&local(within, &[]), "2026-03-28T12:00:00Z", None), "2026-03-29T01:00:00Z", "{within}");
        assert_eq!(due(&until(&format!("2026-03-29T{within}")), "2026-03-01T00:00:00Z", None), "2026-03-29T01:00:00Z");
    }
    assert_eq!(due(&local("03:00", &[]), "2026-03-28T12:00:00Z", None), "2026-03-29T01:00:00Z");
    assert_eq!(due(&local("01:59", &[]), "2026-03-28T12:00:00Z", None), "2026-03-29T00:59:00Z");
    // Lord Howe's clocks jump by half an hour only: 02:00 to 02:30.
    assert_eq!(
        due(&until("2026-10-04T02:10"), "2026-01-01T00:00:00Z", Some("Australia/Lord_Howe")),
        "2026-10-03T15:30:00Z"
    );
    // Samoa left out the whole of 30 December 2011.
    assert_eq!(due(&until("2011-12-30T12:00"), "2011-01-01T00:00:00Z", Some("Pacific/Apia")), "2011-12-30T10:00:00Z");
}

#[test]
fn rule_11_14_in_an_overlap_the_first() {
    // On 25 October 2026 Paris has 02:00 to 03:00 twice; the first is summer time, two hours ahead of UTC.
    assert_eq!(due(&local("02:30", &[]), "2026-10-24T12:00:00Z", None), "2026-10-25T00:30:00Z");
    assert_eq!(due(&until("2026-10-25T02:30"), "2026-10-01T00:00:00Z", None), "2026-10-25T00:30:00Z");
    // Between the two, the next is tomorrow's.
    assert_eq!(due(&local("02:30", &[]), "2026-10-25T00:45:00Z", None), "2026-10-26T01:30:00Z");
}

#[test]
fn rule_11_14_the_persons_zone_comes_before_the_workspaces() {
    let now = "2026-11-12T00:00:00Z";
    assert_eq!(due(&local("09:00", &[]), now, None), "2026-11-12T08:00:00Z");
    assert_eq!(due(&local("09:00", &[]), now, Some("America/New_York")), "2026-11-12T14:00:00Z");
    assert_eq!(due(&local("09:00", &[]), now, Some("Not/AZone")), "2026-11-12T08:00:00Z");
    assert_eq!(due(&until("2026-12-24T18:00"), now, Some("Asia/Tokyo")), "2026-12-24T09:00:00Z");
    assert_eq!(due(&until("2026-12-24"), now, Some("Asia/Tokyo")), "2026-12-23T15:00:00Z");
    assert_eq!(due(&until("2026-12-24T18:00:00+01:00"), now, Some("Asia/Tokyo")), "2026-12-24T17:00:00Z");
}

#[test]
fn a_local_time_is_the_next_one_on_an_allowed_weekday() {
    // 12 November 2026 is a Thursday.
    assert_eq!(due(&local("09:00", &["thu"]), "2026-11-12T07:59:59Z", None), "2026-11-12T08:00:00Z");
    assert_eq!(due(&local("09:00", &["thu"]), "2026-11-12T08:00:00Z", None), "2026-11-19T08:00:00Z");
    assert_eq!(due(&local("09:00", &["Mon", "sun"]), "2026-11-12T08:00:00Z", None), "2026-11-15T08:00:00Z");
    assert_eq!(due(&local("00:00", &[]), "2026-11-12T22:59:59Z", None), "2026-11-12T23:00:00Z");
}

#[test]
fn wrong_times_are_refused_in_plain_words() {
    for at in ["9", "24:00", "09:60", "", "nine", "-1:00", "009:00", "09:00:00"] {
        let local_time = Some(LocalTime { at: at.to_owned(), on: Vec::new() });
        let error = DelayRule::new(&Delay { local_time, ..Delay::default() }).unwrap_err();
        assert!(error.contains("HH:MM"), "{at}: {error}");
    }
}

/// When a delay until a date of the person's is over, begun at noon (UTC) of 1 March 2026, or why there is no wait.
fn until_date(value: serde_json::Value, offset: &str, at: Option<&str>, zone: Option<&str>) -> Result<String, Way> {
    let date = DateOf { attr: "plan.renewal".into(), offset: offset.parse().unwrap(), at: at.map(str::to_owned) };
    let rule = DelayRule::new(&Delay { until: Some(Until::Attribute(date)), ..Delay::default() }).unwrap();
    let mut profile = Profile { time_zone: zone.map(str::to_owned), ..Profile::default() };
    profile.attributes.insert("plan".into(), serde_json::json!({ "renewal": value }));
    let (person, workspace) = (Person { profile: &profile, events: &[] }, TimeZone::get("Europe/Paris").unwrap());
    let now = instant("2026-03-01T12:00:00Z");
    let due = rule.due(now, &person, &workspace);
    if due > now {
        Ok(jiff::Timestamp::from_millisecond(due.0).unwrap().to_string())
    } else {
        Err(rule.way_at_once(&person, &workspace))
    }
}

#[test]
fn rule_11_14_a_date_of_the_persons_is_local_and_its_days_are_of_the_calendar() {
    let date = |value: &str, offset, at, zone| until_date(value.into(), offset, at, zone).unwrap();
    assert_eq!(date("2026-06-15", "0", None, None), "2026-06-14T22:00:00Z");
    assert_eq!(date("2026-06-15", "0", Some("09:00"), Some("Asia/Tokyo")), "2026-06-15T00:00:00Z");
    // The clocks change on the 29th between: nine o'clock stays nine o'clock.
    assert_eq!(date("2026-03-30", "-3d", Some("09:00"), None), "2026-03-27T08:00:00Z");
    assert_eq!(date("2026-03-30T18:30", "-3d", None, None), "2026-03-27T17:30:00Z");
    assert_eq!(date("2026-03-28T10:00", "1d12h", None, None), "2026-03-29T20:00:00Z");
    // An instant falls on the day that the person has then.
    assert_eq!(date("2026-06-14T23:30:00Z", "-1d", Some("09:00"), None), "2026-06-14T07:00:00Z");
    assert_eq!(date("2026-06-14T23:30:00Z", "-1h", None, None), "2026-06-14T22:30:00Z");
}

#[test]
fn whoever_has_no_date_to_wait_for_goes_on_at_once_and_it_is_told_why() {
    for none in
        [serde_json::json!(null), 7.into(), "soon".into(), "2026-13-01".into(), serde_json::json!(["2026-06-01"])]
    {
        assert_eq!(until_date(none.clone(), "-3d", None, None), Err(Way::NoDate), "{none}");
    }
    assert_eq!(until_date("2026-03-03".into(), "-3d", None, None), Err(Way::DatePassed));
    assert_eq!(until_date("1999-01-01".into(), "0", Some("09:00"), None), Err(Way::DatePassed));
}
