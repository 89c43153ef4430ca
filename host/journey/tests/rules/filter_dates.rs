//! Filters against a naive reading, where values have to be understood: dates in time zones, the first and last of events,
//! nested paths, texts and numbers in one another's place, device tracking.
use caravan_journey::filter::evaluate;
use caravan_journey::{Person, Scene, TimeZone};
use caravan_model::{Duration, Event, Filter, Millis, Profile};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// 2026-01-01T00:00:00Z; nobody's clocks change around it.
const NOW: Millis = Millis(1_767_225_600_000);

/// Zones, with their minutes before UTC that day; a name that there is not means the workspace's.
const ZONES: [(&str, Option<i64>); 4] =
    [("Europe/Paris", Some(60)), ("America/New_York", Some(-300)), ("Asia/Kolkata", Some(330)), ("Nowhere", None)];

/// What a text says, in minutes from [`NOW`].
#[derive(Clone, Copy, Debug)]
enum Says {
    /// An instant, the same everywhere.
    Instant(i64),
    /// A local time, as if it were in UTC.
    Local(i64),
    /// No date.
    Nothing,
}

const DATES: [(&str, Says); 9] = [
    ("2026-01-01", Says::Local(0)),
    ("2025-12-31T23:30:00", Says::Local(-30)),
    ("2026-01-01T09:00", Says::Local(540)),
    (" 2025-12-30 ", Says::Local(-2_880)),
    ("2026-01-01T00:30:00+02:00", Says::Instant(-90)),
    ("2025-12-31T18:00:00Z", Says::Instant(-360)),
    ("2025-13-01", Says::Nothing),
    ("soon", Says::Nothing),
    ("12", Says::Nothing),
];

/// A person of this world.
#[derive(Clone, Debug)]
struct Wide {
    when: Option<&'static str>,
    zone: Option<(&'static str, Option<i64>)>,
    /// The workspace's minutes before UTC.
    workspace: i64,
    /// `plan.tier`, nested.
    tier: Option<Value>,
    /// The same path as a name with a dot: it goes before.
    dotted: Option<Value>,
    country: Option<&'static str>,
    tracking: Option<bool>,
    /// Name, minutes ago.
    events: Vec<(&'static str, i64)>,
}

fn mixed() -> impl Strategy<Value = Value> {
    let values =
        [json!(3), json!("3"), json!("3.0"), json!(" 3"), json!(3.5), json!(true), json!("TRUE"), json!("pro")];
    select([&values[..], &[json!(["pro", 3]), json!({}), json!(-1), json!("")]].concat())
}

fn wide() -> impl Strategy<Value = Wide> {
    let option = proptest::option::of::<proptest::sample::Select<&'static str>>;
    let dates: Vec<&'static str> = DATES.iter().map(|(text, _)| *text).collect();
    let event = (select(vec!["e", "f"]), select(vec![0, 30, 89, 90, 91, 360, 1_440, 3_000]));
    (
        (option(select(dates)), proptest::option::of(select(ZONES.to_vec())), select(vec![0, 540])),
        (proptest::option::of(mixed()), proptest::option::weighted(0.2, mixed())),
        (option(select(vec!["FR", "fr", " De", "de"])), any::<Option<bool>>()),
        proptest::collection::vec(event, 0..4),
    )
        .prop_map(|((when, zone, workspace), (tier, dotted), (country, tracking), events)| Wide {
            when,
            zone,
            workspace,
            tier,
            dotted,
            country,
            tracking,
            events,
        })
}

/// A comparison of something with a date.
fn dated() -> impl Strategy<Value = Value> {
    let spans = select(vec!["30m", "90m", "6h", "1d"]);
    let dates: Vec<&'static str> = DATES.iter().map(|(text, _)| *text).collect();
    prop_oneof![
        (select(vec!["within", "before"]), spans).prop_map(|(op, span)| json!({ op: span })),
        (select(vec!["gt", "gte", "lt", "lte", "eq", "ne"]), select(dates)).prop_map(|(op, date)| json!({ op: date })),
        any::<bool>().prop_map(|there| json!({ "exists": there })),
    ]
}

fn compared() -> impl Strategy<Value = Value> {
    prop_oneof![
        (select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]), mixed()).prop_map(|(op, value)| json!({ op: value })),
        (select(vec!["in", "not_in"]), proptest::collection::vec(mixed(), 0..3))
            .prop_map(|(op, all)| json!({ op: all })),
    ]
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn filter() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        dated().prop_map(|is| with(json!({ "attr": "when" }), is)),
        compared().prop_map(|is| with(json!({ "attr": "plan.tier" }), is)),
        (select(vec!["in", "not_in"]), proptest::collection::vec(select(vec!["FR", "DE", "fr", "x"]), 0..3))
            .prop_map(|(op, all)| json!({ "attr": "country", op: all })),
        any::<bool>().prop_map(|on| json!({ "tracking": on })),
        (
            select(vec!["e", "f"]),
            proptest::option::of(select(vec!["90m", "6h"])),
            proptest::option::of(dated()),
            proptest::option::of(dated()),
            proptest::option::of(0u64..3),
        )
            .prop_map(|(name, within, first, last, count)| {
                let mut filter = json!({ "event": name });
                let mut say = |key: &str, value: Option<Value>| value.map(|value| filter[key] = value);
                say("within", within.map(Value::from));
                say("first", first);
                say("last", last);
                say("count", count.map(|n| json!({ "gte": n })));
                filter
            }),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({ "all": all })),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|any| json!({ "any": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    })
}

/// A value of this world, or the instant of an event in minutes from [`NOW`].
#[derive(Clone, Debug)]
enum Is {
    Json(Value),
    Instant(i64),
}

/// Minutes from [`NOW`], for a text that is a date.
fn minutes(is: &Is, who: &Wide) -> Option<i64> {
    let offset = who.zone.and_then(|(_, own)| own).unwrap_or(who.workspace);
    match is {
        Is::Instant(at) => Some(*at),
        Is::Json(value) => match DATES.iter().find(|(text, _)| value == text)?.1 {
            Says::Instant(at) => Some(at),
            Says::Local(at) => Some(at - offset),
            Says::Nothing => None,
        },
    }
}

fn number(is: &Is) -> Option<f64> {
    match is {
        Is::Json(Value::Number(number)) => number.as_f64(),
        Is::Json(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    }
}

fn text(is: &Is) -> Option<&str> {
    match is {
        Is::Json(value) => value.as_str(),
        Is::Instant(_) => None,
    }
}

fn order(one: &Is, wanted: &Is, who: &Wide) -> Option<Ordering> {
    if let (Some(one), Some(wanted)) = (number(one), number(wanted)) {
        return one.partial_cmp(&wanted);
    }
    if let (Some(one), Some(wanted)) = (minutes(one, who), minutes(wanted, who)) {
        return Some(one.cmp(&wanted));
    }
    Some(text(one)?.cmp(text(wanted)?))
}

fn same(one: &Is, wanted: &Value, who: &Wide, any_case: bool) -> bool {
    let wanted = Is::Json(wanted.clone());
    match (one, &wanted) {
        (Is::Instant(at), _) => minutes(&wanted, who) == Some(*at),
        (Is::Json(Value::String(one)), Is::Json(Value::String(wanted))) => {
            one == wanted || any_case && one.trim().to_lowercase() == wanted.to_lowercase()
        }
        (Is::Json(Value::Bool(one)), Is::Json(Value::Bool(wanted))) => one == wanted,
        (Is::Json(Value::Bool(truth)), Is::Json(Value::String(text)))
        | (Is::Json(Value::String(text)), Is::Json(Value::Bool(truth))) => text.to_lowercase() == truth.to_string(),
        (Is::Json(one @ (Value::Array(_) | Value::Object(_))), Is::Json(wanted)) => one == wanted,
        _ => number(one).zip(number(&wanted)).is_some_and(|(one, wanted)| one == wanted),
    }
}

fn span(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    let (n, unit) = text.split_at(text.len() - 1);
    n.parse::<i64>().unwrap() * [("m", 1), ("h", 60), ("d", 1_440)].iter().find(|(word, _)| *word == unit).unwrap().1
}

/// Whether a value, or none, compares so; a list fulfils what it or any of its elements does.
fn compares(found: Option<&Is>, is: &Value, who: &Wide, any_case: bool) -> bool {
    let mut each: Vec<Is> = found.cloned().into_iter().collect();
    if let Some(Is::Json(Value::Array(elements))) = found {
        each.extend(elements.iter().cloned().map(Is::Json));
    }
    let equals = |wanted: &Value| each.iter().any(|one| same(one, wanted, who, any_case));
    let ordered = |wanted: &Value, test: fn(Ordering) -> bool| {
        each.iter().any(|one| order(one, &Is::Json(wanted.clone()), who).is_some_and(test))
    };
    is.as_object().unwrap().iter().all(|(op, wanted)| match op.as_str() {
        "attr" => true,
        "exists" => wanted == &json!(found.is_some()),
        "eq" => equals(wanted),
        "ne" => !equals(wanted),
        "in" => wanted.as_array().unwrap().iter().any(equals),
        "not_in" => !wanted.as_array().unwrap().iter().any(equals),
        "gt" => ordered(wanted, Ordering::is_gt),
        "gte" => ordered(wanted, Ordering::is_ge),
        "lt" => ordered(wanted, Ordering::is_lt),
        "lte" => ordered(wanted, Ordering::is_le),
        "within" => each.iter().any(|one| minutes(one, who).is_some_and(|at| at >= -span(wanted))),
        "before" => each.iter().any(|one| minutes(one, who).is_some_and(|at| at < -span(wanted))),
        other => panic!("{other}"),
    })
}

fn naive(filter: &Value, who: &Wide) -> bool {
    let each = |key: &str| filter[key].as_array().unwrap().clone();
    if filter.get("all").is_some() {
        return each("all").iter().all(|one| naive(one, who));
    }
    if filter.get("any").is_some() {
        return each("any").iter().any(|one| naive(one, who));
    }
    if let Some(not) = filter.get("not") {
        return !naive(not, who);
    }
    if let Some(on) = filter.get("tracking") {
        return who.tracking.is_some_and(|tracking| *on == json!(tracking));
    }
    if let Some(name) = filter.get("event") {
        let of_name = who.events.iter().filter(|(own, _)| name == own).map(|(_, ago)| *ago);
        let mut ago: Vec<i64> =
            of_name.filter(|ago| filter.get("within").is_none_or(|wanted| *ago <= span(wanted))).collect();
        ago.sort_unstable();
        let counted = match filter.get("count") {
            Some(count) => ago.len() as u64 >= count["gte"].as_u64().unwrap(),
            None => !ago.is_empty(),
        };
        let at = |ago: Option<&i64>| ago.map(|ago| Is::Instant(-ago));
        let says = |key: &str, at: Option<Is>| filter.get(key).is_none_or(|is| compares(at.as_ref(), is, who, false));
        return counted && says("first", at(ago.last())) && says("last", at(ago.first()));
    }
    match filter["attr"].as_str().unwrap() {
        "when" => compares(who.when.map(|text| Is::Json(text.into())).as_ref(), filter, who, false),
        "plan.tier" => {
            let found = who.dotted.as_ref().or(who.tier.as_ref()).cloned().map(Is::Json);
            compares(found.as_ref(), filter, who, false)
        }
        "country" => compares(who.country.map(|text| Is::Json(text.into())).as_ref(), filter, who, true),
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn a_filter_understands_dates_zones_paths_and_types_as_a_naive_reading_does(json in filter(), who in wide()) {
        let filter: Filter = serde_json::from_value(json.clone()).unwrap();
        let mut profile = Profile {
            country: who.country.map(str::to_owned),
            time_zone: who.zone.map(|(name, _)| name.to_owned()),
            ad_tracking_enabled: who.tracking,
            ..Profile::default()
        };
        profile.attributes.extend(who.when.map(|text| ("when".to_owned(), text.into())));
        profile.attributes.extend(who.tier.clone().map(|tier| ("plan".to_owned(), json!({ "tier": tier, "n": 1 }))));
        profile.attributes.extend(who.dotted.clone().map(|tier| ("plan.tier".to_owned(), tier)));
        let events: Vec<Event> = who.events.iter().map(|(name, ago)| Event {
            name: (*name).to_owned(),
            at: NOW.before(Duration::MINUTE.times(*ago as u64)),
            properties: Default::default(),
        }).collect();
        let zone = TimeZone::get(if who.workspace == 0 { "UTC" } else { "Asia/Tokyo" }).unwrap();
        let scene = Scene::at(NOW).in_zone(&zone);
        let found = evaluate(&filter, &Person { profile: &profile, events: &events }, &scene);
        prop_assert_eq!(found, naive(&json, &who), "{}", json);
    }
}
