//! Conditions on one person, entry and exit.
use caravan_journey::entry::{LastEntry, Occasion, admits, event_exits, may_enter_again};
use caravan_journey::filter::{evaluate, needs_events};
use caravan_journey::{Groups, Person, Scene};
use caravan_model::canvas::{EntryRule, ExitRule, ReEntry};
use caravan_model::{Consent, Duration, Event, Filter, Millis, Profile};
use serde_json::{Value, json};

fn day(text: &str) -> Millis {
    Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn now() -> Millis {
    day("2026-11-12T12:00:00Z")
}

fn event(name: &str, days_ago: u64, properties: Value) -> Event {
    let at = now().before(Duration::DAY.times(days_ago));
    Event { name: name.into(), at, properties: properties.as_object().cloned().unwrap_or_default() }
}

fn profile() -> Profile {
    let mut profile = Profile {
        external_id: "u1".into(),
        emails: vec!["ann@x.example".into(), "ann@work.example".into()],
        country: Some("fr".into()),
        birth_date: Some("1985-07-03".into()),
        ad_tracking_enabled: Some(false),
        time_zone: Some("America/New_York".into()),
        ..Profile::default()
    };
    profile.consents.insert("advertising".into(), Consent::Granted);
    profile.consents.insert("email".into(), Consent::Denied);
    let attributes = json!({
        "age": 41, "score": "7.5", "vip": true, "signed_up": "2026-11-01", "tags": ["a", "b"],
        "plan": { "tier": "pro", "seats": [1, 12] }, "dotted.name": "x", "nothing": null, "flag": "TRUE",
        "big": 9_007_199_254_740_993_u64,
    });
    profile.attributes = attributes.as_object().cloned().unwrap();
    profile
}

struct InBoth;
impl Groups for InBoth {
    fn in_segment(&self, name: &str) -> bool {
        name == "lapsed"
    }
    fn in_list(&self, name: &str) -> bool {
        name == "vip"
    }
}

fn holds(filter: Value) -> bool {
    let filter: Filter = serde_json::from_value(filter).unwrap();
    let profile = profile();
    let events = [
        event("app_open", 3, json!({ "screen": "home" })),
        event("app_open", 10, json!({ "screen": "cart", "items": 3 })),
        event("purchase", 40, json!({ "total": 99.5 })),
    ];
    evaluate(&filter, &Person { profile: &profile, events: &events }, &Scene::at(now()).with_groups(&InBoth))
}

#[test]
fn comparisons_of_profile_fields_and_attributes() {
    let cases = [
        (json!({ "attr": "country", "in": ["FR", "DE"] }), true), // countries whatever their case
        (json!({ "attr": "country", "eq": "DE" }), false),
        (json!({ "attr": "external_id", "eq": "U1" }), false), // all else as written
        (json!({ "attr": "email", "ends_with": "@work.example" }), true),
        (json!({ "attr": "email", "eq": "ann@x.example" }), true),
        (json!({ "attr": "emails", "not_in": ["ann@work.example"] }), false),
        (json!({ "attr": "phone", "exists": false }), true),
        (json!({ "attr": "phone", "ne": "1" }), true),
        (json!({ "attr": "phone", "eq": "1" }), false),
        (json!({ "attr": "phone", "gt": 0 }), false),
        (json!({ "attr": "nothing", "exists": true }), false),
        (json!({ "attr": "age", "gte": 41, "lt": 42 }), true),
        (json!({ "attr": "age", "gt": 41 }), false),
        (json!({ "attr": "age", "eq": "41" }), true), // cells have no types
        (json!({ "attr": "age", "eq": 41.0 }), true),
        (json!({ "attr": "score", "gt": 7 }), true),
        (json!({ "attr": "score", "gt": "10" }), false), // numbers, not texts
        (json!({ "attr": "big", "eq": 9_007_199_254_740_992_u64 }), false), // exact
        (json!({ "attr": "vip", "eq": true }), true),
        (json!({ "attr": "flag", "eq": true }), true),
        (json!({ "attr": "vip", "eq": 1 }), false),
        (json!({ "attr": "tags", "contains": "a" }), true),
        (json!({ "attr": "tags", "eq": "b" }), true),
        (json!({ "attr": "tags", "eq": ["a", "b"] }), true),
        (json!({ "attr": "tags", "contains": "c" }), false),
        (json!({ "attr": "plan.tier", "contains": "r" }), true),
        (json!({ "attr": "plan.tier", "starts_with": "pr" }), true),
        (json!({ "attr": "plan.seats", "gt": 10 }), true),
        (json!({ "attr": "plan.none", "exists": false }), true),
        (json!({ "attr": "dotted.name", "eq": "x" }), true),
        (json!({ "attr": "attributes.age", "eq": 41 }), true),
        (json!({ "attr": "signed_up", "within": "12d" }), true),
        (json!({ "attr": "signed_up", "within": "10d" }), false),
        (json!({ "attr": "signed_up", "before": "10d" }), true),
        (json!({ "attr": "signed_up", "gt": "2026-10-31T23:00:00-04:00" }), true),
        (json!({ "attr": "signed_up", "eq": "2026-11-01" }), true),
        (json!({ "attr": "birth_date", "lt": "1990-01-01" }), true),
        (json!({ "attr": "age", "within": "1d" }), false),
        (json!({ "attr": "plan.tier", "gt": "a" }), true),
        (json!({ "attr": "ad_tracking_enabled", "eq": false }), true),
    ];
    for (filter, expected) in cases {
        assert_eq!(holds(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn a_date_without_offset_is_read_in_the_persons_zone() {
    // Midnight of 1 November in New York is 04:00 UTC.
    assert!(holds(json!({ "attr": "signed_up", "lte": "2026-11-01T04:00:00Z", "gte": "2026-11-01T04:00:00Z" })));
}

#[test]
fn events_by_where_count_within_first_and_last() {
    let cases = [
        (json!({ "event": "app_open" }), true),
        (json!({ "event": "app_open", "within": "2d" }), false),
        (json!({ "event": "app_open", "count": { "eq": 2 } }), true),
        (json!({ "event": "app_open", "within": "5d", "count": { "eq": 1 } }), true),
        (json!({ "event": "app_open", "where": { "screen": { "eq": "cart" }, "items": { "gte": 3 } } }), true),
        (json!({ "event": "app_open", "where": { "screen": { "eq": "cart" } }, "within": "5d" }), false),
        (json!({ "event": "refund", "count": { "eq": 0 } }), true),
        (json!({ "event": "refund", "first": { "exists": false }, "count": { "lt": 1 } }), true),
        (json!({ "event": "app_open", "last": { "within": "4d" } }), true),
        (json!({ "event": "app_open", "first": { "within": "4d" } }), false),
        (json!({ "event": "app_open", "first": { "before": "9d" } }), true),
        (json!({ "event": "purchase", "last": { "lt": "2026-10-15" } }), true),
    ];
    for (filter, expected) in cases {
        assert_eq!(holds(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn shapes_join_and_look_up() {
    let yes = json!({ "attr": "age", "eq": 41 });
    let no = json!({ "attr": "age", "eq": 0 });
    let cases = [
        (json!({ "all": [] }), true),
        (json!({ "any": [] }), false),
        (json!({ "all": [yes, no] }), false),
        (json!({ "any": [no, yes] }), true),
        (json!({ "not": no }), true),
        (json!({ "segment": "lapsed" }), true),
        (json!({ "segment": "other" }), false),
        (json!({ "list": "vip" }), true),
        (json!({ "consent": "advertising" }), true),
        (json!({ "consent": "email" }), false),
        (json!({ "consent": "email", "is": "denied" }), true),
        (json!({ "consent": "sms", "is": "unknown" }), true),
        (json!({ "tracking": false }), true),
        (json!({ "tracking": true }), false),
    ];
    for (filter, expected) in cases {
        assert_eq!(holds(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn only_the_events_that_a_filter_names_need_loading() {
    let filter: Filter = serde_json::from_value(json!({
        "all": [{ "event": "b" }, { "not": { "any": [{ "event": "a" }, { "attr": "x", "eq": 1 }] } }]
    }))
    .unwrap();
    assert_eq!(needs_events(&filter).into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

fn rule(rule: Value) -> EntryRule {
    serde_json::from_value(rule).unwrap()
}

#[test]
fn a_row_of_the_users_file_counts_as_the_trigger() {
    let rule = rule(json!({
        "trigger": { "event": "lapsed", "where": { "plan": { "in": ["pro"] } } },
        "who": { "attr": "country", "in": ["FR"] }, "start": "exit"
    }));
    let profile = profile();
    let person = Person { profile: &profile, events: &[] };
    let scene = Scene::at(now());
    let (pro, free) = (event("lapsed", 0, json!({ "plan": "pro" })), event("lapsed", 0, json!({ "plan": "free" })));
    assert!(admits(&rule, &person, Occasion::Row { event: None }, &scene));
    assert!(admits(&rule, &person, Occasion::Row { event: Some(&pro) }, &scene));
    assert!(!admits(&rule, &person, Occasion::Row { event: Some(&free) }, &scene));
    assert!(admits(&rule, &person, Occasion::Event(&pro), &scene));
    assert!(!admits(&rule, &person, Occasion::Event(&event("other", 0, json!({}))), &scene));
    assert!(!admits(&rule, &person, Occasion::Api, &scene));
    let elsewhere = Profile { country: Some("US".into()), ..profile.clone() };
    let person = Person { profile: &elsewhere, events: &[] };
    assert!(!admits(&rule, &person, Occasion::Row { event: None }, &scene), "`who` still asks");
}

#[test]
fn rule_11_11_one_open_entry_and_re_entry_as_the_rule_says() {
    let (began, later) = (Millis(0), Millis(0).after(Duration::DAY.times(30)));
    let open = Some(LastEntry { began, open: true });
    let ended = Some(LastEntry { began, open: false });
    let month = ReEntry::After(Duration::DAY.times(30));
    for rule in [ReEntry::Never, ReEntry::Always, month] {
        assert!(may_enter_again(rule, None, began));
        assert!(!may_enter_again(rule, open, later), "{rule:?}");
    }
    assert!(!may_enter_again(ReEntry::Never, ended, later));
    assert!(may_enter_again(ReEntry::Always, ended, began));
    assert!(may_enter_again(month, ended, later));
    assert!(!may_enter_again(month, ended, Millis(later.0 - 1)));
}

#[test]
fn rule_11_13_an_event_dated_before_the_entry_does_not_exit_it() {
    let rules: Vec<ExitRule> = serde_json::from_value(json!([{ "event": "purchase" }])).unwrap();
    let profile = profile();
    let person = Person { profile: &profile, events: &[] };
    let bought = event("purchase", 1, json!({}));
    assert!(event_exits(&rules, &bought, bought.at, &person, &Scene::at(now())));
    assert!(!event_exits(&rules, &bought, Millis(bought.at.0 + 1), &person, &Scene::at(now())));
    assert!(!event_exits(&rules, &event("other", 0, json!({})), Millis(0), &person, &Scene::at(now())));
}
