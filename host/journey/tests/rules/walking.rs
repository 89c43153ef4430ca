//! Walks through a compiled canvas.
use caravan_journey::document::read_canvas;
use caravan_journey::plan::{AudienceIx, CompiledCanvas, Target};
use caravan_journey::validate::{Facts, validate};
use caravan_journey::walk::{Endless, Move, Rest, Way};
use caravan_journey::{Person, Scene};
use caravan_model::{Action, Code, Duration, Event, Millis, Profile, Reason, Status, StepIx};
use proptest::prelude::*;

fn plan(steps: &str) -> CompiledCanvas {
    let text = format!(
        "format: 1\ncanvas: c\naudiences:\n  a: {{ connection: x, account: y }}\n  b: {{ connection: x, account: y }}\n\
         entry: {{ trigger: {{ api: true }}, start: one }}\nsteps:\n{steps}"
    );
    CompiledCanvas::new(&read_canvas("f", &text).unwrap().value).unwrap()
}

fn person(profile: &Profile) -> Person<'_> {
    Person { profile, events: &[] }
}

const NOW: Millis = Millis(1_000_000);

#[test]
fn a_delay_rests_until_its_time_and_leads_on() {
    let plan = plan("  one: { delay: { for: 2d }, next: two }\n  two: { exit: true }\n");
    let profile = Profile::default();
    let walk = plan.walk(plan.start, &person(&profile), &Scene::at(NOW)).unwrap();
    assert_eq!(
        (walk.moves.len(), walk.rest),
        (0, Rest::Delay { step: StepIx(0), due: NOW.after(Duration::DAY.times(2)) })
    );
    assert_eq!(plan.after_delay(StepIx(0)).0, Target::Step(StepIx(1)));
    let walk = plan.walk(plan.after_delay(StepIx(0)).0, &person(&profile), &Scene::at(NOW)).unwrap();
    assert_eq!((walk.moves, walk.rest), (vec![Move::Passed { step: StepIx(1), way: Way::Next }], Rest::Exit));
}

#[test]
fn a_delay_until_an_instant_that_has_passed_is_passed() {
    let plan = plan("  one: { delay: { until: 1970-01-01T00:00:01Z }, next: exit }\n");
    let walk = plan.walk(plan.start, &person(&Profile::default()), &Scene::at(NOW)).unwrap();
    assert_eq!((walk.moves, walk.rest), (vec![Move::Passed { step: StepIx(0), way: Way::Next }], Rest::Exit));
}

#[test]
fn a_delay_until_a_persons_date_waits_or_says_why_not() {
    let plan = plan("  one: { delay: { until: { attr: renewal, offset: \"-1d\", at: \"09:00\" } }, next: exit }\n");
    let mut profile = Profile::default();
    let rest = |profile: &Profile| plan.walk(plan.start, &person(profile), &Scene::at(NOW)).unwrap();
    let passed = |way| vec![Move::Passed { step: StepIx(0), way }];
    assert_eq!((rest(&profile).moves, rest(&profile).rest), (passed(Way::NoDate), Rest::Exit));
    profile.attributes.insert("renewal".into(), "1970-01-01".into());
    assert_eq!((rest(&profile).moves, rest(&profile).rest), (passed(Way::DatePassed), Rest::Exit));
    profile.attributes.insert("renewal".into(), "1970-02-02".into());
    let due = Millis(31 * 86_400_000 + 9 * 3_600_000);
    assert_eq!((rest(&profile).moves, rest(&profile).rest), (Vec::new(), Rest::Delay { step: StepIx(0), due }));
    assert_eq!(plan.reason(StepIx(0), Way::NoDate), Reason::new("no-date", ""));
}

#[test]
fn a_branch_takes_the_first_arm_that_holds_and_says_which() {
    let plan = plan(
        "  one: { branch: [ { if: { attr: n, gt: 5 }, next: two }, { if: { event: e }, next: exit } ], else: three }\n\
         \x20 two: { exit: true }\n  three: { exit: true }\n",
    );
    let events = [Event { name: "e".into(), at: NOW, properties: Default::default() }];
    let mut profile = Profile::default();
    let first = |profile: &Profile, events: &[Event]| {
        let walk = plan.walk(plan.start, &Person { profile, events }, &Scene::at(NOW)).unwrap();
        (walk.moves[0], walk.moves.len())
    };
    let passed = |way| Move::Passed { step: StepIx(0), way };
    assert_eq!(first(&profile, &[]), (passed(Way::Else), 2));
    assert_eq!(first(&profile, &events), (passed(Way::Arm(1)), 1));
    profile.attributes.insert("n".into(), 6.into());
    assert_eq!(first(&profile, &events), (passed(Way::Arm(0)), 2));
    assert_eq!(plan.reason(StepIx(0), Way::Arm(0)), Reason::new("branch", "arm 1"));
    assert_eq!(plan.needs_events().into_iter().collect::<Vec<_>>(), ["e"]);
}

#[test]
fn rule_11_1_at_once_goes_on_and_when_synced_waits() {
    let plan = plan(
        "  one: { audience_sync: { audience: b, action: add, match: [email] }, next: two }\n\
         \x20 two: { audience_sync: { audience: a, action: remove, match: [email], advance: when_synced }, next: exit, otherwise: three }\n\
         \x20 three: { delay: { for: 1h }, next: exit }\n",
    );
    let walk = plan.walk(plan.start, &person(&Profile::default()), &Scene::at(NOW)).unwrap();
    assert_eq!(walk.moves, [Move::Offered { step: StepIx(0), audience: AudienceIx(1), action: Action::Add }]);
    assert_eq!(walk.rest, Rest::Sync { step: StepIx(1), audience: AudienceIx(0), action: Action::Remove });
    assert_eq!(plan.audience(AudienceIx(1)), Some("b"));
    assert_eq!(
        plan.syncs().map(|(step, sync)| (step.0, sync.purpose.as_str())).collect::<Vec<_>>(),
        [(0, "advertising"), (1, "advertising")]
    );
}

#[test]
fn rule_11_1_success_takes_next_and_all_else_otherwise() {
    let plan = plan(
        "  one: { audience_sync: { audience: a, action: add, match: [email], advance: when_synced }, next: two, otherwise: exit }\n\
         \x20 two: { audience_sync: { audience: a, action: add, match: [email], advance: when_synced }, next: three }\n\
         \x20 three: { exit: true }\n",
    );
    for status in [Status::Synced, Status::Unchanged] {
        assert_eq!(plan.after_sync(StepIx(0), status), Target::Step(StepIx(1)));
    }
    for status in [Status::Skipped, Status::Rejected, Status::Expired] {
        assert_eq!(plan.after_sync(StepIx(0), status), Target::Exit);
        assert_eq!(plan.after_sync(StepIx(1), status), Target::Step(StepIx(2)), "without `otherwise`: `next`");
    }
    assert_eq!(plan.after_sync(StepIx(1), Status::Exited), Target::Exit);
}

#[test]
fn an_update_is_seen_by_the_branches_behind_it() {
    let plan = plan(
        "  one: { branch: [ { if: { attr: plan.tier, eq: gold }, next: exit } ], else: two }\n\
         \x20 two: { update: { plan.tier: gold, country: DE, old: null }, next: three }\n\
         \x20 three: { branch: [ { if: { all: [ { attr: plan.tier, eq: gold }, { attr: country, eq: DE }, { attr: old, exists: false } ] }, next: exit } ], else: one }\n",
    );
    let mut profile = Profile { country: Some("FR".into()), ..Profile::default() };
    profile.attributes.insert("old".into(), 1.into());
    let walk = plan.walk(plan.start, &person(&profile), &Scene::at(NOW)).unwrap();
    let passed = |step, way| Move::Passed { step: StepIx(step), way };
    assert_eq!(walk.moves, [passed(0, Way::Else), Move::Updated { step: StepIx(1) }, passed(2, Way::Arm(0))]);
    assert_eq!(plan.changes(StepIx(1)).map(|changes| changes.0.len()), Some(3));
    assert_eq!(profile.country.as_deref(), Some("FR"), "a walk decides; the store keeps");
}

#[test]
fn a_loop_that_was_not_validated_ends_in_an_error_and_not_for_ever() {
    let plan = plan(
        "  one: { audience_sync: { audience: a, action: add, match: [email] }, next: two }\n\
         \x20 two: { audience_sync: { audience: a, action: remove, match: [email] }, next: one }\n",
    );
    let walk = plan.walk(plan.start, &person(&Profile::default()), &Scene::at(NOW));
    assert!(matches!(walk, Err(Endless { .. })));
}

#[test]
fn every_kind_of_step_of_the_design_compiles() {
    let canvas = read_canvas("f", include_str!("data/win-back.yaml")).unwrap().value;
    let plan = CompiledCanvas::new(&canvas).unwrap();
    assert_eq!(plan.webhooks().map(|(_, webhook)| webhook.endpoint.as_str()).collect::<Vec<_>>(), ["acme-mailer"]);
}

/// The text of a step of some kind that leads to these steps.
fn step() -> impl Strategy<Value = String> {
    let target = || prop_oneof![3 => (0usize..6).prop_map(|step| format!("s{step}")), 2 => Just("exit".to_owned())];
    prop_oneof![
        (prop_oneof![Just("1h"), Just("0s")], target()).prop_map(|(span, to)| format!("{{ delay: {{ for: {span} }}, next: {to} }}")),
        target().prop_map(|to| format!("{{ delay: {{ local_time: {{ at: \"09:00\" }} }}, next: {to} }}")),
        target().prop_map(|to| format!("{{ delay: {{ until: 1970-01-02T00:00:00Z }}, next: {to} }}")),
        target().prop_map(|to| format!("{{ delay: {{ until: {{ attr: n }} }}, next: {to} }}")),
        (target(), target()).prop_map(|(one, two)| {
            format!("{{ branch: [ {{ if: {{ attr: n, gt: 3 }}, next: {one} }} ], else: {two} }}")
        }),
        (target(), target(), prop_oneof![Just("at_once"), Just("when_synced")]).prop_map(|(next, otherwise, advance)| {
            format!(
                "{{ audience_sync: {{ audience: a, action: add, match: [email], advance: {advance} }}, next: {next}, otherwise: {otherwise} }}"
            )
        }),
        (target(), target(), 0u32..3).prop_map(|(one, two, weight)| {
            format!("{{ experiment: [ {{ weight: 1, next: {one} }}, {{ weight: {weight}, next: {two} }} ] }}")
        }),
        (target(), 0u32..7).prop_map(|(to, n)| format!("{{ update: {{ n: {n} }}, next: {to} }}")),
        (target(), target(), prop_oneof![Just("event: e"), Just("segment: s")]).prop_map(|(next, vain, what)| {
            format!("{{ wait_for: {{ {what}, timeout: 1d, on_timeout: {vain} }}, next: {next} }}")
        }),
        (target(), target()).prop_map(|(next, otherwise)| {
            format!("{{ webhook: {{ use: e, body: {{ to: '{{{{ n }}}}' }} }}, next: {next}, otherwise: {otherwise} }}")
        }),
        Just("{ exit: true }".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn a_canvas_without_problems_compiles_and_all_its_walks_end(
        steps in proptest::collection::vec(step(), 6), n in 0u32..7, synced: bool, happens: bool,
    ) {
        let mut text = String::from(
            "format: 1\ncanvas: c\naudiences: { a: { connection: x, account: y } }\n\
             entry: { trigger: { api: true }, start: s0 }\nexit: [ { event: gone } ]\nsteps:\n",
        );
        steps.iter().enumerate().for_each(|(at, step)| text.push_str(&format!("  s{at}: {step}\n")));
        let canvas = read_canvas("f", &text).unwrap();
        let problems = validate(&canvas, &Facts::default());
        // Steps that nobody reaches do not keep the others from walking.
        if problems.iter().all(|problem| problem.code == Code::Unreachable) {
            let plan = CompiledCanvas::new(&canvas.value).unwrap();
            let mut profile = Profile::default();
            profile.attributes.insert("n".into(), n.into());
            let mut at = plan.start;
            for _ in 0..20 {
                let walk = plan.walk(at, &person(&profile), &Scene::at(NOW));
                prop_assert_eq!(&walk, &plan.walk(at, &person(&profile), &Scene::at(NOW)), "the same again");
                prop_assert!(walk.is_ok(), "{}", text);
                at = match walk.unwrap().rest {
                    Rest::Exit => break,
                    Rest::Delay { step, due } => {
                        prop_assert!(due > NOW);
                        if happens && plan.awaited(step).is_some() {
                            plan.after_event(step)
                        } else {
                            plan.after_delay(step).0
                        }
                    }
                    Rest::Webhook { step } => {
                        plan.after_sync(step, if synced { Status::Passed } else { Status::Failed })
                    }
                    Rest::Sync { step, .. } => plan.after_sync(step, if synced { Status::Synced } else { Status::Rejected }),
                };
            }
        }
    }
}
