//! The step machine as a property: any canvas, any sequence of messages. The books balance after every write, every entry ends
//! or waits with a reason, and the same inputs give the same outputs. What fails is made as small as possible.
//! `PROPTEST_CASES=N` makes more cases, `CARAVAN_TEST_FULL` many.
use crate::common::person;
use crate::common::sender::{FakeSender, later};
use crate::partner::Seen;
use crate::stream::served;
use crate::time::{DAY, HOUR};
use crate::world::World;
use caravan_journey::document::{read_canvas, read_segment};
use caravan_journey::plan::{CompiledCanvas, StepKind};
use caravan_journey::validate::{Facts, validate};
use caravan_model::canvas::Advance;
use caravan_model::webhook::{WebhookAnswer, WebhookCall};
use caravan_model::{Called, CanvasId, Code, Consent, Duration, Event, Message, Millis, Profile, Status, Told};
use caravan_store::{Counters, Store, TraceVisit};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

const STEPS: usize = 6;
const PEOPLE: u32 = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Op {
    /// Someone did something, so many hours ago; below 0, by their clock, it is still to come.
    Track {
        who: u32,
        event: &'static str,
        hours_ago: i64,
        n: u32,
    },
    /// Someone is told of: a number, and perhaps a consent or another address.
    Identify {
        who: u32,
        n: u32,
        consent: Option<bool>,
        moved: bool,
    },
    /// What a group says of its member.
    Group {
        who: u32,
        n: u32,
    },
    /// Two are one.
    Alias {
        who: u32,
        other: u32,
    },
    /// A call lets someone out.
    LetOut {
        who: u32,
    },
    /// The message before comes once more.
    Again,
    /// Time goes by.
    Jump {
        hours: u64,
    },
    /// Somebody pauses the canvas, and opens it again.
    Pause,
    Resume,
}

/// A canvas and what happens to it.
#[derive(Clone, Debug)]
struct Story {
    text: String,
    ops: Vec<Op>,
    /// What the endpoint answers at first: taken, refused, later.
    answers: u8,
}

/// The text of a step; it leads on to later ones, and a wait may lead anywhere.
fn step(at: usize) -> impl Strategy<Value = String> {
    let name = |to: usize| if to >= STEPS { "exit".to_owned() } else { format!("s{to}") };
    let on = move || (at + 1..STEPS + 2).prop_map(name);
    let any = move || (0..STEPS + 2).prop_map(name);
    prop_oneof![
        (select(vec!["1h", "5h", "2d"]), any()).prop_map(|(span, to)| format!("{{ delay: {{ for: {span} }}, next: {to} }}")),
        on().prop_map(|to| format!("{{ delay: {{ local_time: {{ at: \"09:00\" }} }}, next: {to} }}")),
        on().prop_map(|to| format!("{{ delay: {{ until: 2026-01-02T00:00:00Z }}, next: {to} }}")),
        on().prop_map(|to| format!("{{ delay: {{ until: {{ attr: renewal, offset: \"-1d\" }} }}, next: {to} }}")),
        (on(), on()).prop_map(|(one, two)| {
            format!("{{ branch: [ {{ if: {{ any: [ {{ attr: n, gt: 3 }}, {{ event: e, within: 1d }} ] }}, next: {one} }} ], else: {two} }}")
        }),
        (on(), on(), select(vec!["add", "remove"]), select(vec!["at_once", "when_synced"])).prop_map(
            |(next, otherwise, action, advance)| format!(
                "{{ audience_sync: {{ audience: list, action: {action}, match: [email], advance: {advance} }}, next: {next}, otherwise: {otherwise} }}"
            )
        ),
        (on(), on(), 0u32..3).prop_map(|(one, two, weight)| {
            format!("{{ experiment: [ {{ weight: 1, next: {one} }}, {{ weight: {weight}, next: {two} }} ] }}")
        }),
        (on(), 0u32..7).prop_map(|(to, n)| format!("{{ update: {{ n: {n} }}, next: {to} }}")),
        (on(), on(), select(vec!["event: e, where: { n: { gte: 2 } }", "event: in", "segment: high"])).prop_map(
            |(next, vain, what)| format!("{{ wait_for: {{ {what}, timeout: 1d, on_timeout: {vain} }}, next: {next} }}")
        ),
        (on(), on()).prop_map(|(next, otherwise)| {
            format!("{{ webhook: {{ use: mailer, body: {{ n: '{{{{ n }}}}' }} }}, next: {next}, otherwise: {otherwise} }}")
        }),
        Just("{ exit: true }".to_owned()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let steps = (step(0), step(1), step(2), step(3), step(4), step(5));
    let again = select(vec!["never", "always", "{ after: 1d }"]);
    let control = select(vec!["", ", control: 20%"]);
    let exits = select(vec![
        "",
        "exit: [ { event: gone } ]\n",
        "exit: [ { segment: top }, { event: gone, where: { n: { gte: 1 } } } ]\n",
    ]);
    let trigger = select(vec!["{ event: in }", "{ event: in }", "{ segment: high, existing: enter }"]);
    (steps, trigger, again, control, exits).prop_map(|(steps, trigger, again, control, exits)| {
        let steps: [String; STEPS] = steps.into();
        let mut text = format!(
            "format: 1\ncanvas: any\naudiences:\n  list: {{ connection: c, account: main, name: Ours, if_missing: create }}\n\
             entry: {{ trigger: {trigger}, re_entry: {again}{control}, start: s0 }}\n{exits}steps:\n"
        );
        steps.iter().enumerate().for_each(|(at, step)| text.push_str(&format!("  s{at}: {step}\n")));
        text
    })
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..PEOPLE;
    prop_oneof![
        6 => (who(), select(vec!["in", "in", "in", "e", "gone", "other"]), select(vec![0, 0, 0, 2, 100, -3]), 0u32..4)
            .prop_map(|(who, event, hours_ago, n)| Op::Track { who, event, hours_ago, n }),
        2 => (who(), 0u32..8, proptest::option::of(any::<bool>()), any::<bool>())
            .prop_map(|(who, n, consent, moved)| Op::Identify { who, n, consent, moved }),
        1 => (who(), 0u32..8).prop_map(|(who, n)| Op::Group { who, n }),
        1 => (who(), who()).prop_map(|(who, other)| Op::Alias { who, other }),
        1 => who().prop_map(|who| Op::LetOut { who }),
        1 => Just(Op::Again),
        4 => select(vec![0, 1, 1, 6, 30]).prop_map(|hours| Op::Jump { hours }),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    (text(), proptest::collection::vec(op(), 1..24), 0u8..3).prop_map(|(text, ops, answers)| Story {
        text,
        ops,
        answers,
    })
}

/// All that came of a story.
#[derive(Debug, PartialEq)]
struct Outcome {
    calls: Vec<Seen>,
    bodies: Vec<(String, String)>,
    counters: Counters,
    /// By the name of each person.
    ways: BTreeMap<String, Vec<TraceVisit>>,
    members: BTreeSet<String>,
}

impl Op {
    /// The message that it is, if it is one.
    fn message(&self, at: usize, now: Millis) -> Option<(Option<String>, Message)> {
        let of = |who: u32| Profile { told: Told::at(now), ..person(format!("p{who}")) };
        let message = match *self {
            Op::Track { who, event, hours_ago, n } => {
                let at = Millis(now.0 - hours_ago * 3_600_000);
                let properties = [("n".to_owned(), n.into())].into_iter().collect();
                Message {
                    who: of(who),
                    event: Some(Event { name: event.to_owned(), at, properties }),
                    ..Message::default()
                }
            }
            Op::Identify { who, n, consent, moved } => {
                let mut who = of(who);
                who.attributes.insert("n".into(), n.into());
                who.attributes.insert("renewal".into(), format!("2026-01-0{}", n + 1).into());
                let granted = |granted| if granted { Consent::Granted } else { Consent::Denied };
                who.consents.extend(consent.map(|consent| ("advertising".to_owned(), granted(consent))));
                if moved {
                    who.emails.push(format!("moved{n}@x.example"));
                }
                Message { who, ..Message::default() }
            }
            Op::Group { who, n } => {
                let mut who = of(who);
                who.attributes.insert("company".into(), n.into());
                Message { who, ..Message::default() }
            }
            Op::Alias { who, other } => {
                Message { who: of(who), merges: vec![format!("p{other}")], ..Message::default() }
            }
            Op::LetOut { who } => {
                let let_out = Some(Called { canvas: CanvasId::new("any").unwrap(), at: now });
                Message {
                    who: Profile { external_id: format!("p{who}"), ..Profile::default() },
                    let_out,
                    ..Message::default()
                }
            }
            Op::Again | Op::Jump { .. } | Op::Pause | Op::Resume => return None,
        };
        Some((Some(format!("m{at}")), message))
    }
}

/// Plays a story to its end; `None` where the canvas cannot be published.
async fn played(story: &Story) -> Option<Outcome> {
    let document = read_canvas("any", &story.text).unwrap();
    let problems = validate(&document, &Facts::default());
    if problems.iter().any(|problem| problem.code != Code::Unreachable) {
        return None;
    }
    let sender = FakeSender::new();
    let answers = story.answers;
    sender.answer(move |_: &WebhookCall, before| match (answers, before) {
        (1, _) => WebhookAnswer::Refused { status: 400 },
        (2, 0) => later(Some(Duration::HOUR)),
        _ => WebhookAnswer::Taken,
    });
    let mut world = World::new(1, 16);
    world.options.webhooks.sender = sender.clone();
    world.options.chunk = 8;
    *world.watch.audit_every.lock().unwrap() = 5;
    // Ways part and meet again in these canvases.
    *world.watch.any_canvas.lock().unwrap() = true;
    for (name, who) in [("high", "{ attr: n, gte: 4 }"), ("top", "{ attr: n, eq: 7 }")] {
        let text = format!("format: 1\nsegment: {name}\nwho: {who}\n");
        world.runner().set_segment(&read_segment("s", &text).unwrap().value).await.unwrap();
    }
    let version = world.publish(&story.text).await;
    let mut last = None;
    // Who was let out with nothing after it that could let anybody in. Who has joined a segment is told of once they are
    // looked at, which may be behind the call: by segments that counts alone with nothing told since the last look.
    let (mut left, mut settled) = (None, true);
    let by_segment = story.text.contains("trigger: { segment:");
    for (at, op) in story.ops.iter().enumerate() {
        match op {
            Op::Jump { hours } => {
                served(&world, HOUR * u32::try_from(*hours).unwrap() + HOUR / 60).await;
                settled = true;
                if let Some(who) = left.take()
                    && let Some(profile) = world.store().named(vec![format!("p{who}")]).await.unwrap()[0]
                {
                    let newest = world.store().newest_entries(version, vec![profile]).await.unwrap();
                    assert!(newest.iter().all(|entry| !entry.open), "p{who} was let out and is inside: {story:?}");
                }
            }
            Op::Pause => drop(world.runner().pause_canvas("any", "test").await.unwrap()),
            Op::Resume => drop(world.runner().resume_canvas("any").await.unwrap()),
            op => {
                left = match op {
                    Op::LetOut { who } if settled || !by_segment => Some(*who),
                    _ => None,
                };
                settled &= matches!(op, Op::LetOut { .. });
                let message = op.message(at, world.now()).or(last.clone());
                world.runner().receive(message.clone().into_iter().collect()).await.unwrap();
                last = message;
            }
        }
    }
    world.runner().resume_canvas("any").await.unwrap();
    // Ends between two minutes, since all else of a story is in minutes: nobody is due at that very instant.
    served(&world, DAY * 6 + HOUR / 90).await;
    let counters = world.store().counters(version).await.unwrap();
    let plan = CompiledCanvas::new(&document.value).unwrap();
    all_end_or_wait(&world, &plan, &counters, story).await;
    let mut ways = BTreeMap::new();
    for who in 0..PEOPLE {
        if let Some(trace) = world.trace(&format!("p{who}")).await {
            ways.insert(trace.profile.external_id.clone(), trace.visits);
        }
    }
    let bodies = sender.got().into_iter().map(|call| (call.key, call.body.to_string())).collect();
    Some(Outcome { calls: world.partner.log(), bodies, counters, ways, members: world.members() })
}

/// Every entry has ended, or waits at a step for an instant that is to come.
async fn all_end_or_wait(world: &World, plan: &CompiledCanvas, counters: &Counters, story: &Story) {
    world.balanced().await;
    let rests = |count: &&caravan_store::Count| {
        count.status == Status::Waiting
            && match plan.step(count.step).map(|step| &step.kind) {
                Some(StepKind::Sync(sync)) => sync.advance == Advance::WhenSynced,
                _ => true,
            }
    };
    let waiting: u64 = counters.counts.iter().filter(rests).map(|count| count.n).sum();
    assert_eq!(counters.open, waiting, "who is inside waits somewhere: {counters:?} {story:?}");
    let now = world.now();
    let due = world.store().due(now, 1_000, false).await.unwrap();
    assert!(due.is_empty(), "nobody is forgotten: {due:?} {story:?}");
    let people: Vec<_> = world.store().everyone(caravan_model::ProfileId(0), 100).await.unwrap();
    let ids: Vec<_> = people.iter().map(|known| known.id).collect();
    for rest in world.store().resting(ids).await.unwrap() {
        let waits = match plan.step(rest.step).map(|step| &step.kind) {
            Some(StepKind::Delay(_) | StepKind::WaitFor { .. }) => rest.due > now && rest.due < Millis::NEVER,
            // They wait for the endpoint, at the time that the table of calls says.
            Some(StepKind::Webhook(_)) => true,
            _ => false,
        };
        assert!(waits, "{rest:?} {story:?}");
    }
    let queued: u64 = world.store().lanes().await.unwrap().iter().map(|lane| lane.waiting).sum();
    assert_eq!(queued, 0, "a partner that is well has everything: {story:?}");
    assert_eq!(world.store().backlog().await.unwrap().messages, 0, "{story:?}");
}

fn twice(story: &Story) -> bool {
    let play = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(played(story))
    };
    let first = play();
    assert_eq!(first, play(), "the same inputs twice: {story:?}");
    first.is_some_and(|outcome| outcome.counters.entered > 0)
}

#[test]
fn any_canvas_over_any_messages_keeps_its_books_ends_or_waits_and_does_the_same_twice() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let cases = cases.unwrap_or(if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 2_000 } else { 20 });
    let config = Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let entered = std::cell::Cell::new(0);
    let told = TestRunner::new(config).run(&story(), |story| {
        entered.set(entered.get() + u32::from(twice(&story)));
        Ok(())
    });
    if let Err(why) = told {
        panic!("{why}");
    }
    // Else the stories would be about nobody.
    assert!(entered.get() > cases / 4, "somebody entered in {} of {cases}", entered.get());
}
