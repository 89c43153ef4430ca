//! Experiments: weighted, and the same for a person for ever.
use caravan_journey::document::{format_canvas, read_canvas};
use caravan_journey::plan::{CompiledCanvas, Target};
use caravan_journey::walk::{Move, Way};
use caravan_journey::{Person, Scene};
use caravan_model::{Millis, Profile, Reason, StepIx};

const SPLIT: &str = "
format: 1
canvas: split
entry: { trigger: { api: true }, start: test }
steps:
  test:
    experiment: [{ name: short, weight: 70, next: pause }, { name: long, weight: 20, next: exit }, { weight: 10, next: exit }]
  pause: { delay: { for: 1d }, next: again }
  again: { experiment: [{ weight: 1, next: exit }, { weight: 1, next: exit }] }
";

fn plan(text: &str) -> CompiledCanvas {
    CompiledCanvas::new(&read_canvas("f", text).unwrap().value).unwrap()
}

/// The variant that a person draws at a step.
fn drawn(plan: &CompiledCanvas, step: u16, external_id: &str) -> u16 {
    let profile = Profile { external_id: external_id.to_owned(), ..Profile::default() };
    let person = Person { profile: &profile, events: &[] };
    let walk = plan.walk(Target::Step(StepIx(step)), &person, &Scene::at(Millis(0))).unwrap();
    match walk.moves.first() {
        Some(Move::Passed { way: Way::Variant(variant), step: at }) if at.0 == step => *variant,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_control_group_is_a_fixed_share_of_people_whatever_the_experiments_draw() {
    let held = SPLIT.replace("trigger: { api: true }, ", "trigger: { api: true }, control: 20%, ");
    let (with, without) = (plan(&held), plan(SPLIT));
    let ids: Vec<String> = (0..10_000).map(|id| format!("u-{id}")).collect();
    let control: Vec<&String> = ids.iter().filter(|id| with.in_control(id)).collect();
    // Five standard deviations: 40 is one.
    assert!((1_800..=2_200).contains(&control.len()), "{}", control.len());
    assert!(ids.iter().all(|id| !without.in_control(id)));
    // A new version holds out the same people, and more if it asks for more.
    let more = plan(&held.replace("20%", "30%").replace("canvas: split", "canvas: split\ntitle: Two"));
    assert!(control.iter().all(|id| more.in_control(id)));
    // Whom the experiment sends where says nothing of who is held out.
    let short = control.iter().filter(|id| drawn(&with, 0, id) == 0).count();
    assert!((70 * control.len()).abs_diff(100 * short) <= 11 * control.len(), "{short} of {}", control.len());
}

#[test]
fn variants_get_people_by_their_weights() {
    let plan = plan(SPLIT);
    let mut n = [0; 3];
    (0..10_000).for_each(|id| n[usize::from(drawn(&plan, 0, &format!("u-{id}")))] += 1);
    // Five standard deviations: 46, 40 and 30 are one.
    assert!(
        (6_770..=7_230).contains(&n[0]) && (1_800..=2_200).contains(&n[1]) && (850..=1_150).contains(&n[2]),
        "{n:?}"
    );
}

#[test]
fn a_person_always_gets_the_same_variant_in_every_version() {
    let plan_1 = plan(SPLIT);
    let plan_2 = plan(&SPLIT.replace("steps:\n", "steps:\n  first: { delay: { for: 1h }, next: test }\n"));
    let mut differs = 0;
    for id in (0..500).map(|id| format!("u-{id}")) {
        assert_eq!(drawn(&plan_1, 0, &id), drawn(&plan_1, 0, &id));
        assert_eq!(drawn(&plan_1, 0, &id), drawn(&plan_2, 1, &id), "a step's place does not matter, its id does");
        differs += u32::from((drawn(&plan_1, 0, &id) == 0) != (drawn(&plan_1, 2, &id) == 0));
    }
    assert!((150..350).contains(&differs), "two experiments are independent of each other: {differs}");
}

#[test]
fn the_variant_stands_in_the_reason_and_names_survive_formatting() {
    let plan = plan(SPLIT);
    let words = [0, 1, 2].map(|variant| plan.reason(StepIx(0), Way::Variant(variant)));
    assert_eq!(words, ["short", "long", "variant 3"].map(|words| Reason::new("variant", words)));
    let canvas = read_canvas("f", SPLIT).unwrap().value;
    let text = format_canvas(&canvas).unwrap();
    assert!(text.contains("{ name: short, weight: 70, next: pause }"), "{text}");
    assert_eq!(read_canvas("f", &text).unwrap().value, canvas);
}
