use super::*;
use caravan_journey::document::read_canvas;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Canvas, Reason, Status, StepIx, VersionId};
use caravan_store::{Count, Counters};

const CANVAS: &str = "
format: 1
canvas: demo
audiences:
  a: { connection: m, account: main }
  b: { connection: t, account: main }
entry: { trigger: { api: true }, start: split }
steps:
  split:
    branch: [ { if: { attr: plan, eq: free }, next: exit } ]
    else: first
  first:
    audience_sync: { audience: a, action: add, match: [email], advance: when_synced }
    next: pause
    otherwise: second
  pause: { delay: { for: 2d }, next: second }
  second:
    audience_sync: { audience: b, action: remove, match: [email], advance: at_once }
    next: exit
";

fn canvas() -> (Canvas, CompiledCanvas) {
    let canvas = read_canvas("demo.yaml", CANVAS).expect("reads").value;
    let plan = CompiledCanvas::new(&canvas).expect("compiles");
    (canvas, plan)
}

fn count(step: u16, status: Status, reason: Reason, n: u64) -> Count {
    Count { version: VersionId(1), step: StepIx(step), status, reason, n }
}

fn branch(words: &str) -> Reason {
    Reason::new("branch", words)
}

/// 1,500 came in: 500 by the first arm out, 1,000 to the first audience, 900 of them on to the pause.
fn counters() -> Counters {
    Counters {
        entered: 1_500,
        open: 300,
        counts: vec![
            count(0, Status::Passed, branch("arm 1"), 500),
            count(0, Status::Passed, branch("else"), 1_000),
            count(1, Status::Synced, Reason::none(), 880),
            count(1, Status::Unchanged, Reason::none(), 20),
            count(1, Status::Skipped, Reason::new("consent-denied", ""), 60),
            count(1, Status::Rejected, Reason::new("partner:2650", "no such audience"), 40),
            count(2, Status::Passed, Reason::none(), 600),
            count(2, Status::Waiting, Reason::none(), 300),
            count(3, Status::Synced, Reason::none(), 690),
            count(3, Status::Waiting, Reason::new("batching", ""), 10),
        ],
        refused: Vec::new(),
    }
}

#[test]
fn the_tree_shows_each_step_once_with_all_its_numbers() {
    let (canvas, plan) = canvas();
    let expected = "\
entered .......................................... 1,500
└─ start → split: branch ......................... 1,500
   ├─ if plan = free → exit ......................   500
   └─ else → first: add to a ..................... 1,000
      │    synced ................................   880
      │    unchanged .............................    20
      │    skipped – consent denied ..............    60
      │    rejected – no such audience ...........    40
      ├─ next → pause: wait for 2d ...............   900
      │  │    passed .............................   600
      │  │    waiting ............................   300
      │  └─ next → second: remove from b .........   600
      │     │    synced ..........................   690
      │     │    waiting – the batch is filling ..    10
      │     └─ next → exit .......................   700
      └─ otherwise → second (see above) ..........   100
";
    assert_eq!(render(&canvas, &plan, &counters()), expected);
}

#[test]
fn everybody_is_accounted_for() {
    let (_, plan) = canvas();
    let books = Books::close(&plan, &counters());
    assert_eq!(books.faults, Vec::<String>::new());
    assert_eq!(
        books.sentence(),
        "Every person accounted for: 690 synced at second + 500 passed at split + 300 waiting at pause + \
         10 waiting at second = 1,500 entered"
    );
    assert_eq!(books.terms.iter().map(|term| term.n).sum::<u64>() + books.between, books.entered);
}

#[test]
fn people_between_two_steps_are_counted() {
    let (_, plan) = canvas();
    let mut counters = counters();
    counters.counts.retain(|count| count.step != StepIx(3));
    counters.open = 1_000;
    let books = Books::close(&plan, &counters);
    assert_eq!((books.faults.len(), books.between), (0, 700));
    assert!(books.sentence().ends_with("+ 700 between two steps = 1,500 entered"), "{}", books.sentence());
}

#[test]
fn a_lost_person_is_noticed() {
    let (_, plan) = canvas();
    let mut lost = counters();
    lost.open = 299;
    let mut doubled = counters();
    doubled.counts[2].n += 1;
    for wrong in [lost, doubled] {
        let books = Books::close(&plan, &wrong);
        assert!(!books.faults.is_empty());
        assert!(books.sentence().starts_with("The numbers do NOT add up: "), "{}", books.sentence());
    }
}

#[test]
fn an_empty_run_adds_up() {
    let (canvas, plan) = canvas();
    let books = Books::close(&plan, &Counters::default());
    assert_eq!(books.sentence(), "Every person accounted for: 0 = 0 entered");
    assert!(render(&canvas, &plan, &Counters::default()).starts_with("entered"));
}
