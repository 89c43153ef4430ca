//! Reading and writing canvases and connections.
use caravan_journey::document::{
    Path, canvas_schema, connections_schema, format_canvas, read_canvas, read_connections,
};
use caravan_model::canvas::{
    Advance, Arm, AudienceSpec, AudienceSync, ConsentNeed, Delay, EntryRule, EventTrigger, Existing, ExitRule,
    IfMissing, LocalTime, ReEntry, ScheduleTrigger, SegmentTrigger, Share, Step, Steps, Trigger, WaitFor,
};
use caravan_model::connection::SecretRef;
use caravan_model::filter::{
    AllOf, AnyOf, AttrFilter, Compare, ConsentFilter, EventFilter, ListFilter, NotOf, TrackingFilter,
};
use caravan_model::{Action, Canvas, CanvasId, Consent, Duration, Filter, StepId};
use proptest::prelude::*;
use serde_json::{Value, json};

const WIN_BACK: &str = include_str!("data/win-back.yaml");

#[test]
fn the_designs_sample_files_read() {
    let canvas = read_canvas("win-back.yaml", WIN_BACK).unwrap();
    let steps = &canvas.value.steps;
    assert_eq!(steps.0.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["pause", "active", "sync", "mail"]);
    let sync = steps.get("sync").and_then(|step| step.audience_sync.as_ref()).unwrap();
    assert_eq!(
        (sync.action, sync.advance, sync.keep_for),
        (Action::Add, Advance::WhenSynced, Some(Duration::DAY.times(60)))
    );
    assert_eq!(canvas.value.entry.re_entry, ReEntry::After(Duration::DAY.times(30)));
    assert_eq!(canvas.line(&Path::root().key("steps").key("sync").key("audience_sync").key("match")), Some(22));
    assert!(canvas.comments > 5);

    let connections = read_connections("connections.yaml", include_str!("data/connections.yaml")).unwrap().value;
    let meta = &connections.connections["acme-meta"];
    assert_eq!(meta.secret, Some(SecretRef::Env("META_TOKEN".into())));
    assert_eq!(meta.default_country.as_deref(), Some("FR"));
    assert!(connections.connections["lab-meta"].lab);
}

#[test]
fn steps_of_all_kinds_survive_formatting() {
    for step in [
        "delay: { until: { attr: renewal_date, offset: \"-3d\", at: \"09:00\" } }",
        "delay: { until: { attr: plan.renewal } }",
        "delay: { until: \"2026-11-12T09:00\" }",
        "update: { country: DE, plan.tier: gold, seats: 3, trial: null }",
    ] {
        let canvas = read_canvas("f", &WIN_BACK.replace("delay: { for: 2d }", step)).unwrap().value;
        let text = format_canvas(&canvas).unwrap();
        assert!(text.contains(&format!("pause: {{ {step}, next: active }}")), "{text}");
        assert_eq!(read_canvas("f", &text).unwrap().value, canvas);
    }
}

#[test]
fn all_triggers_of_the_designs_sample_read() {
    let sample = "{ event: subscription_lapsed, where: { plan: { in: [pro, team] } } }";
    for trigger in [
        "{ segment: lapsed, existing: enter }",
        "{ schedule: \"0 9 * * MON\", tz: Europe/Paris, segment: s }",
        "{ api: true }",
        "{ list: vip }",
    ] {
        let canvas = read_canvas("f", &WIN_BACK.replace(sample, trigger)).unwrap().value;
        let again = read_canvas("f", &format_canvas(&canvas).unwrap()).unwrap().value;
        assert_eq!(canvas.entry.trigger, again.entry.trigger);
    }
}

#[test]
fn no_and_on_and_numbers_stay_text_where_text_is_asked_for() {
    let text = "
format: 1
canvas: no
title: on
owner: 0123
audiences: { on: { connection: yes, account: 0042, id: 120210000000000000001 } }
entry: { trigger: { event: NO }, who: { attr: country, in: [NO, 7, 7.5, true, null, \"7\", 007] }, start: off }
steps: { off: { delay: { local_time: { at: 09:30, on: [mon] } }, next: exit } }
";
    let canvas = read_canvas("f", text).unwrap().value;
    assert_eq!(canvas.title.as_deref(), Some("on"));
    assert_eq!(canvas.owner.as_deref(), Some("0123"));
    let audience = &canvas.audiences["on"];
    assert_eq!((audience.connection.as_str(), audience.account.as_str()), ("yes", "0042"));
    assert_eq!(audience.id.as_deref(), Some("120210000000000000001"));
    let Some(Filter::Attr(attr)) = &canvas.entry.who else { panic!() };
    assert_eq!(
        attr.is.one_of,
        Some(vec![json!("NO"), json!(7), json!(7.5), json!(true), Value::Null, json!("7"), json!("007")])
    );
    assert_eq!(read_canvas("f", &format_canvas(&canvas).unwrap()).unwrap().value, canvas);
}

#[test]
fn json_reads_like_yaml_with_escapes_and_positions() {
    let canvas = read_canvas("win-back.yaml", WIN_BACK).unwrap().value;
    let json = serde_json::to_string_pretty(&canvas).unwrap();
    assert_eq!(read_canvas("win-back.json", &json).unwrap().value, canvas);
    let text =
        "{\n\t\"format\": 1,\n\t\"canvas\": \"c\", \"title\": \"\\ud83d\\ude00 \\/ \\u00e9\",\n\t\"entri\": {}\n}";
    let problem = read_canvas("c.json", text).unwrap_err();
    assert_eq!((problem.line, problem.path.as_deref()), (Some(4), Some("entri")));
    let text =
        text.replace("\"entri\": {}", "\"entry\": {\"trigger\": {\"api\": true}, \"start\": \"exit\"}, \"steps\": {}");
    assert_eq!(read_canvas("c.json", &text).unwrap().value.title.as_deref(), Some("😀 / é"));
}

#[test]
fn the_models_own_json_reads_back_without_this_reader() {
    // The store keeps canvases as JSON and reads them with serde_json.
    let canvas = read_canvas("win-back.yaml", WIN_BACK).unwrap().value;
    let json = serde_json::to_string(&canvas).unwrap();
    assert_eq!(serde_json::from_str::<Canvas>(&json).unwrap(), canvas);
}

#[test]
fn anchors_are_copied() {
    let text = "
format: 1
canvas: c
entry: { trigger: { api: true }, start: a }
steps:
  a: { branch: [ { if: &opened { event: app_open }, next: b } ], else: exit }
  b: { branch: [ { if: *opened, next: exit } ], else: exit }
";
    let canvas = read_canvas("f", text).unwrap().value;
    let condition = |step: &str| canvas.steps.get(step).unwrap().branch.as_ref().unwrap()[0].condition.clone();
    assert_eq!(condition("a"), condition("b"));
}

#[test]
fn the_canonical_form_stands_still() {
    let canvas = read_canvas("win-back.yaml", WIN_BACK).unwrap().value;
    let text = format_canvas(&canvas).unwrap();
    assert_eq!(text, include_str!("data/win-back.fmt.yaml"));
}

#[test]
fn the_schemas_name_what_may_stand() {
    let canvas = canvas_schema();
    assert_eq!(canvas["additionalProperties"], json!(false));
    assert!(canvas["$defs"]["AudienceSync"]["properties"]["match"].is_object());
    assert!(canvas["$defs"]["Filter"]["anyOf"].as_array().unwrap().len() == 9);
    assert!(connections_schema()["$defs"]["Connection"]["properties"]["accounts"].is_object());
}

fn id() -> impl Strategy<Value = StepId> {
    "[a-z0-9][a-z0-9_-]{0,8}".prop_map(|text| StepId::new(text).unwrap())
}

/// Texts that YAML could mistake for something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        "\\PC{0,12}",
        any::<String>().prop_map(|text| text.chars().filter(|c| *c != '\0').take(12).collect()),
        proptest::sample::select(vec![
            "NO",
            "on",
            "null",
            "~",
            "true",
            "1",
            "0x1F",
            "1e3",
            ".5",
            "-",
            "- a",
            "a: b",
            "a #b",
            " a",
            "a ",
            "'",
            "\"",
            "\\",
            "2026-01-01",
            "09:00",
            "!t",
            "&a",
            "*a",
            "%",
            "@x",
            "`",
            "{",
            "]",
            ",",
            "?",
            ":",
            "\n",
            "a\nb",
            "\t",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "=",
            "<<",
            "0o7",
            "+1",
            "1_000",
            "30d",
            "é",
            "漢字",
            "😀",
            "---",
            "...",
            "0123",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    let span = proptest::option::of((0u64..10_000_000_000).prop_map(Duration));
    let values = || proptest::option::of(proptest::collection::vec(value(), 0..3));
    (proptest::option::of(value()), values(), proptest::option::of(text()), span, proptest::option::of(any::<bool>()))
        .prop_map(|(eq, one_of, starts_with, within, exists)| Compare {
            eq,
            one_of,
            starts_with,
            within,
            exists,
            ..Compare::default()
        })
}

fn filter() -> impl Strategy<Value = Filter> {
    let event = (text(), proptest::option::of(compare()), proptest::collection::btree_map(text(), compare(), 0..3));
    let leaf = prop_oneof![
        (text(), compare()).prop_map(|(attr, is)| {
            let is = if is == Compare::default() { Compare { exists: Some(true), ..is } } else { is };
            Filter::Attr(AttrFilter { attr, is })
        }),
        event.prop_map(|(event, count, properties)| {
            Filter::Event(EventFilter { event, within: None, properties, first: count.clone(), last: None, count })
        }),
        (text(), any::<bool>()).prop_map(|(consent, denied)| {
            Filter::Consent(ConsentFilter { consent, is: denied.then_some(Consent::Denied) })
        }),
        any::<bool>().prop_map(|tracking| Filter::Tracking(TrackingFilter { tracking })),
        text().prop_map(|list| Filter::List(ListFilter { list })),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| Filter::All(AllOf { all })),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|any| Filter::Any(AnyOf { any })),
            inner.prop_map(|not| Filter::Not(NotOf { not: Box::new(not) })),
        ]
    })
}

fn no_step() -> Step {
    serde_json::from_value(json!({})).unwrap()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<u32>(), id()).prop_map(|(ms, next)| Step {
            delay: Some(Delay { span: Some(Duration(ms.into())), ..Delay::default() }),
            next: Some(next),
            ..no_step()
        }),
        (text(), proptest::collection::vec(text(), 0..3)).prop_map(|(at, on)| Step {
            delay: Some(Delay { local_time: Some(LocalTime { at, on }), ..Delay::default() }),
            ..no_step()
        }),
        (proptest::collection::vec((filter(), id()), 0..3), proptest::option::of(id())).prop_map(|(arms, other)| {
            Step {
                branch: Some(arms.into_iter().map(|(condition, next)| Arm { condition, next }).collect()),
                otherwise_branch: other,
                ..no_step()
            }
        }),
        (text(), proptest::collection::vec(text(), 0..4), any::<bool>()).prop_map(|(audience, match_on, add)| Step {
            audience_sync: Some(AudienceSync {
                audience,
                action: if add { Action::Add } else { Action::Remove },
                match_on,
                keep_for: None,
                advance: if add { Advance::WhenSynced } else { Advance::AtOnce },
                purpose: None,
                consent: if add { ConsentNeed::Required } else { ConsentNeed::AsPolicy },
            }),
            ..no_step()
        }),
        (text(), proptest::collection::btree_map(text(), compare(), 0..2), any::<u32>(), proptest::option::of(id()))
            .prop_map(|(event, properties, ms, on_timeout)| Step {
                wait_for: Some(WaitFor {
                    event: Some(event),
                    properties,
                    segment: None,
                    timeout: Duration(ms.into()),
                    on_timeout
                }),
                ..no_step()
            }),
        proptest::collection::btree_map(text(), value(), 0..3)
            .prop_map(|update| Step { update: Some(update.into_iter().collect()), ..no_step() }),
    ]
}

fn share(hundredths: u32) -> Share {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100).parse().unwrap()
}

fn trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        (text(), proptest::collection::btree_map(text(), compare(), 0..2))
            .prop_map(|(event, properties)| Trigger::Event(EventTrigger { event, properties })),
        (text(), any::<bool>()).prop_map(|(segment, in_step)| {
            Trigger::Segment(SegmentTrigger { segment, existing: Existing::Skip, in_step })
        }),
        (text(), text(), text()).prop_map(|(schedule, tz, segment)| Trigger::Schedule(ScheduleTrigger {
            schedule,
            tz,
            segment
        })),
    ]
}

prop_compose! {
    fn canvas()(
        title in proptest::option::of(text()),
        note in proptest::option::of(text()),
        audiences in proptest::collection::btree_map(text(), (text(), text(), proptest::option::of(text())), 0..3),
        trigger in trigger(),
        who in proptest::option::of(filter()),
        start in id(),
        control in proptest::option::of(1u32..10_000),
        exit in proptest::collection::vec(text(), 0..3),
        steps in proptest::collection::btree_map(id(), step(), 0..4),
    ) -> Canvas {
        Canvas {
            format: 1,
            canvas: CanvasId::new("c").unwrap(),
            title,
            owner: None,
            note,
            audiences: audiences.into_iter().map(|(name, (connection, account, at_partner))| (name, AudienceSpec {
                connection, account, name: at_partner, id: None, kind: None, if_missing: IfMissing::Create,
            })).collect(),
            entry: EntryRule { trigger, who, re_entry: ReEntry::After(Duration::DAY), control: control.map(share), start },
            exit: exit.into_iter()
                .map(|event| ExitRule::Event(EventTrigger { event, properties: Default::default() })).collect(),
            steps: Steps(steps.into_iter().collect()),
        }
    }
}

proptest! {
    #[test]
    fn what_is_formatted_reads_back_the_same_and_formatting_stands_still(canvas in canvas()) {
        let text = format_canvas(&canvas).unwrap();
        let again = read_canvas("f", &text).map_err(|problem| TestCaseError::fail(format!("{problem}\n{text}")))?;
        prop_assert_eq!(&again.value, &canvas, "{}", text);
        prop_assert_eq!(format_canvas(&again.value).unwrap(), text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\\n]{0,200}") {
        let _ = read_canvas("f", &text);
        let _ = read_connections("f", &text);
    }

    #[test]
    fn no_damage_to_a_sound_file_makes_the_reader_panic(at in 0usize..1_600, with in "[ -~\\n]{0,3}") {
        let mut damaged: Vec<char> = WIN_BACK.chars().collect();
        let at = at.min(damaged.len() - 1);
        damaged.splice(at..=at, with.chars());
        let damaged: String = damaged.into_iter().collect();
        if let Err(problem) = read_canvas("f", &damaged) {
            prop_assert!(problem.line.is_some(), "{}", problem);
        }
    }
}
