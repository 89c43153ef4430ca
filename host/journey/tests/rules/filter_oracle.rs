//! Filters against a naive reading of the same JSON: a small world, any tree of conditions over it.
use caravan_journey::filter::evaluate;
use caravan_journey::{Groups, Person, Scene};
use caravan_model::{Duration, Event, Filter, Millis, Profile};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Millis = Millis(1_767_225_600_000);

/// A person of the small world.
#[derive(Clone, Debug)]
struct Small {
    n: Option<i64>,
    text: Option<String>,
    list: Vec<i64>,
    /// Name, days ago, property `k`.
    events: Vec<(String, u64, i64)>,
    in_segment: bool,
    in_list: bool,
    consent: Option<bool>,
}

impl Groups for Small {
    fn in_segment(&self, name: &str) -> bool {
        name == "s" && self.in_segment
    }

    fn in_list(&self, name: &str) -> bool {
        name == "l" && self.in_list
    }
}

fn small() -> impl Strategy<Value = Small> {
    let word = || proptest::sample::select(vec!["", "a", "ab", "b"]).prop_map(str::to_owned);
    let name = || proptest::sample::select(vec!["e", "f"]).prop_map(str::to_owned);
    (
        proptest::option::of(0i64..4),
        proptest::option::of(word()),
        proptest::collection::vec(0i64..4, 0..3),
        proptest::collection::vec((name(), 0u64..6, 0i64..4), 0..5),
        any::<(bool, bool, Option<bool>)>(),
    )
        .prop_map(|(n, text, list, events, (in_segment, in_list, consent))| Small {
            n,
            text,
            list,
            events,
            in_segment,
            in_list,
            consent,
        })
}

/// One comparison of a number.
fn number() -> impl Strategy<Value = Value> {
    let op = proptest::sample::select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]);
    prop_oneof![
        (op, 0i64..4).prop_map(|(op, n)| json!({ op: n })),
        proptest::collection::vec(0i64..4, 0..3).prop_map(|all| json!({ "in": all })),
        proptest::collection::vec(0i64..4, 0..3).prop_map(|all| json!({ "not_in": all })),
        any::<bool>().prop_map(|there| json!({ "exists": there })),
    ]
}

fn with(mut value: Value, more: Value) -> Value {
    if let (Some(one), Some(more)) = (value.as_object_mut(), more.as_object()) {
        one.extend(more.clone());
    }
    value
}

fn filter() -> impl Strategy<Value = Value> {
    let text = proptest::sample::select(vec!["", "a", "b", "ab"]);
    let leaf = prop_oneof![
        number().prop_map(|is| with(json!({ "attr": "n" }), is)),
        (0i64..4).prop_map(|n| json!({ "attr": "list", "contains": n })),
        (text, proptest::sample::select(vec!["eq", "ne", "starts_with", "ends_with", "contains"]))
            .prop_map(|(text, op)| json!({ "attr": "text", op: text })),
        (proptest::sample::select(vec!["e", "f"]), proptest::option::of(1u64..6), proptest::option::of(number()))
            .prop_map(|(name, days, k)| {
                let mut filter = json!({ "event": name });
                if let Some(days) = days {
                    filter["within"] = json!(format!("{days}d"));
                }
                if let Some(k) = k {
                    filter["where"] = json!({ "k": k });
                }
                filter
            }),
        (proptest::sample::select(vec!["e", "f"]), number())
            .prop_filter("a count is always there", |(_, is)| is.get("exists").is_none())
            .prop_map(|(name, is)| json!({ "event": name, "count": is })),
        proptest::sample::select(vec![json!({ "segment": "s" }), json!({ "segment": "t" }), json!({ "list": "l" })]),
        proptest::sample::select(vec!["granted", "denied", "unknown"])
            .prop_map(|is| json!({ "consent": "p", "is": is })),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| json!({ "all": all })),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|any| json!({ "any": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    })
}

/// Whether one number, or none, compares so.
fn compares(n: Option<i64>, is: &Value) -> bool {
    is.as_object().unwrap().iter().filter(|(op, _)| *op != "attr").all(|(op, wanted)| {
        let listed = || wanted.as_array().unwrap().iter().any(|one| one.as_i64() == n && n.is_some());
        match op.as_str() {
            "exists" => wanted.as_bool().unwrap() == n.is_some(),
            "ne" => n != wanted.as_i64(),
            "in" => listed(),
            "not_in" => !listed(),
            _ => n.zip(wanted.as_i64()).is_some_and(|(n, wanted)| match op.as_str() {
                "eq" => n == wanted,
                "gt" => n > wanted,
                "gte" => n >= wanted,
                "lt" => n < wanted,
                "lte" => n <= wanted,
                other => panic!("{other}"),
            }),
        }
    })
}

/// The naive reading.
fn naive(filter: &Value, who: &Small) -> bool {
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
    if let Some(segment) = filter.get("segment") {
        return segment == "s" && who.in_segment;
    }
    if filter.get("list").is_some() {
        return who.in_list;
    }
    if let Some(name) = filter.get("event") {
        let n = who
            .events
            .iter()
            .filter(|(own, _, _)| name == own)
            .filter(|(_, days, _)| {
                let within = filter.get("within").map(|span| span.as_str().unwrap().trim_end_matches('d'));
                within.is_none_or(|within| *days <= within.parse().unwrap())
            })
            .filter(|(_, _, k)| filter.get("where").is_none_or(|wanted| compares(Some(*k), &wanted["k"])))
            .count();
        return filter.get("count").map_or(n > 0, |is| compares(Some(n as i64), is));
    }
    if let Some(is) = filter.get("is") {
        let own = match who.consent {
            Some(true) => "granted",
            Some(false) => "denied",
            None => "unknown",
        };
        return is == own;
    }
    match filter["attr"].as_str().unwrap() {
        "n" => compares(who.n, filter),
        "list" => who.list.contains(&filter["contains"].as_i64().unwrap()),
        "text" => {
            let (op, wanted) = filter.as_object().unwrap().iter().find(|(op, _)| *op != "attr").unwrap();
            let wanted = wanted.as_str().unwrap();
            match op.as_str() {
                "ne" => who.text.as_deref() != Some(wanted),
                _ => who.text.as_deref().is_some_and(|text| match op.as_str() {
                    "eq" => text == wanted,
                    "starts_with" => text.starts_with(wanted),
                    "ends_with" => text.ends_with(wanted),
                    _ => text.contains(wanted),
                }),
            }
        }
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]
    #[test]
    fn a_filter_holds_of_whom_a_naive_reading_says(json in filter(), who in small()) {
        let filter: Filter = serde_json::from_value(json.clone()).unwrap();
        let mut profile = Profile::default();
        profile.attributes.extend(who.n.map(|n| ("n".to_owned(), n.into())));
        profile.attributes.extend(who.text.clone().map(|text| ("text".to_owned(), text.into())));
        profile.attributes.insert("list".into(), who.list.clone().into());
        profile.consents.extend(who.consent.map(|granted| {
            ("p".to_owned(), if granted { caravan_model::Consent::Granted } else { caravan_model::Consent::Denied })
        }));
        let events: Vec<Event> = who.events.iter().map(|(name, days, k)| Event {
            name: name.clone(),
            at: NOW.before(Duration::DAY.times(*days)),
            properties: [("k".to_owned(), (*k).into())].into_iter().collect(),
        }).collect();
        let person = Person { profile: &profile, events: &events };
        let found = evaluate(&filter, &person, &Scene::at(NOW).with_groups(&who));
        prop_assert_eq!(found, naive(&json, &who), "{}", json);
        // Only the events that it names are needed.
        let named = caravan_journey::filter::needs_events(&filter);
        let few: Vec<Event> = events.into_iter().filter(|event| named.contains(event.name.as_str())).collect();
        let person = Person { profile: &profile, events: &few };
        prop_assert_eq!(found, evaluate(&filter, &person, &Scene::at(NOW).with_groups(&who)));
    }
}
