//! Bad input: each mistake is one clear problem with code, line, path and cure.
use caravan_journey::document::{read_canvas, read_connections};
use caravan_journey::validate::{Facts, validate};
use caravan_model::manifest::{
    AudienceKind, AudienceRules, Auth, Batch, Field, Hash, MatchKey, Publisher, Rule, Source, World,
};
use caravan_model::{Action, Code, Manifest, Problem};

/// A sound canvas; each case changes one thing in it.
pub(crate) const SOUND: &str = "\
format: 1
canvas: c
audiences:
  vip: { connection: acme, account: fr, if_missing: create }
entry:
  trigger: { event: e, where: { plan: { in: [pro] } } }
  who: { all: [ { attr: country, in: [FR] }, { consent: advertising } ] }
  start: pause
steps:
  pause: { delay: { for: 2d }, next: active }
  active:
    branch: [ { if: { event: app_open, within: 7d }, next: exit } ]
    else: sync
  sync:
    audience_sync: { audience: vip, action: add, match: [email, phone] }
    next: exit
";

pub(crate) const CONNECTIONS: &str = "\
format: 1
connections:
  acme: { connector: p, secret: { env: TOKEN }, accounts: { fr: act_1 } }
";

pub(crate) fn key(name: &str, word: &str, field: Field, identifies: bool, with: &[&str]) -> MatchKey {
    MatchKey {
        key: name.into(),
        title: name.into(),
        sources: vec![Source { name: word.into(), field }],
        rule: Rule::Trim,
        variants: Vec::new(),
        hash: Hash::Sha256Hex,
        identifies,
        device: false,
        with: with.iter().map(|key| (*key).to_owned()).collect(),
    }
}

pub(crate) fn manifest() -> Manifest {
    let kind = |kind: &str, keys: &[&str]| AudienceKind {
        kind: kind.into(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    Manifest {
        manifest: 1,
        name: "p".into(),
        title: "Partner".into(),
        version: "1.0.0".into(),
        wit: "0.1.0".into(),
        world: World::Destination,
        publisher: Publisher::default(),
        hosts: Vec::new(),
        routes: Vec::new(),
        auth: Auth::default(),
        actions: vec![Action::Add],
        keys: vec![
            key("EMAIL", "email", Field::Email, true, &[]),
            key("PHONE", "phone", Field::Phone, true, &[]),
            key("FN", "first_name", Field::FirstName, false, &[]),
            key("CITY", "city", Field::City, false, &["ZIP"]),
            key("ZIP", "zip", Field::Zip, false, &[]),
            key("IDFA", "idfa", Field::Idfa, true, &[]),
        ],
        groups: Vec::new(),
        flags: Vec::new(),
        batch: Batch::default(),
        quotas: Vec::new(),
        usage: Vec::new(),
        audience: AudienceRules {
            create: true,
            name_max: 10,
            kinds: vec![kind("people", &["EMAIL", "PHONE", "FN", "CITY", "ZIP"])],
            ..AudienceRules::default()
        },
        settings: Vec::new(),
        open_url: None,
        trace: Default::default(),
    }
}

/// All problems of a canvas, read and checked against the connections and the manifest.
pub(crate) fn problems_of(text: &str) -> Vec<Problem> {
    let connections = read_connections("connections.yaml", CONNECTIONS).unwrap().value;
    let manifest = manifest();
    let look_up = |name: &str| (name == "acme").then_some(&manifest);
    let facts = Facts { connections: Some(&connections), manifest: Some(&look_up), ..Facts::default() };
    match read_canvas("canvas.yaml", text) {
        Ok(canvas) => validate(&canvas, &facts),
        Err(problem) => vec![problem],
    }
}

/// Code, line, path, and a part of message and cure of the one problem that replacing `old` by `new` makes.
#[track_caller]
pub(crate) fn case(old: &str, new: &str, code: Code, line: u32, path: &str, message: &str, cure: &str) {
    assert!(SOUND.contains(old), "{old}");
    let problems = problems_of(&SOUND.replacen(old, new, 1));
    let [problem] = problems.as_slice() else { panic!("{new}: {problems:#?}") };
    assert_eq!((problem.code, problem.line, problem.path.as_deref()), (code, Some(line), Some(path)), "{problem}");
    assert_eq!(problem.file.as_deref(), Some("canvas.yaml"));
    assert!(problem.message.contains(message), "{problem}");
    assert!(problem.cure.as_deref().unwrap_or_default().contains(cure), "{problem}");
}

#[test]
fn a_sound_canvas_has_no_problems() {
    assert_eq!(problems_of(SOUND), []);
}

#[test]
fn cv002_bad_syntax_names_the_line() {
    case("{ delay: { for: 2d }, next", "{ delay: { for: 2d, next", Code::BadSyntax, 11, "steps.pause", "", "brackets");
    case(
        "start: pause",
        "start: pause\n  start: sync",
        Code::BadSyntax,
        9,
        "entry.start",
        "twice, first in line 8",
        "remove",
    );
    case("fr, if", "!secret fr, if", Code::BadSyntax, 4, "audiences.vip.account", "tags", "remove the tag");
    for (text, words) in [("", "empty"), ("# nothing\n", "empty"), ("a: 1\n---\nb: 2\n", "second document")] {
        let problem = read_canvas("f", text).unwrap_err();
        assert_eq!(problem.code, Code::BadSyntax);
        assert!(problem.message.contains(words) && problem.line.is_some() && problem.cure.is_some(), "{problem}");
    }
}

#[test]
fn cv002_bombs_and_giants_are_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        let before = format!("*a{},", i - 1).repeat(10);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", before.trim_end_matches(',')));
    }
    assert!(read_canvas("f", &bomb).unwrap_err().message.contains("too large"));
    let deep = format!("a: {}{}", "[".repeat(2_000), "]".repeat(2_000));
    assert_eq!(read_canvas("f", &deep).unwrap_err().code, Code::BadSyntax);
    let long = format!("title: {}", "x".repeat(5 << 20));
    assert!(read_canvas("f", &long).unwrap_err().message.contains("4 MiB"));
}

#[test]
fn cv003_an_unknown_field_is_named_with_what_was_meant_and_what_may_stand() {
    case(
        "next: active",
        "nxt: active",
        Code::UnknownField,
        10,
        "steps.pause.nxt",
        "`nxt`",
        "did you mean `next`? what may stand here: delay, branch",
    );
    case("who:", "whom:", Code::UnknownField, 7, "entry.whom", "`whom`", "did you mean `who`?");
    case("canvas: c", "canvas: c\nfoo: 1", Code::UnknownField, 3, "foo", "`foo`", "format, canvas, title");
    case("in: [FR]", "im: [FR]", Code::UnknownField, 7, "entry.who.all[0].im", "`im`", "did you mean `in`?");
    case(
        "{ in: [pro] }",
        "{ is_in: [pro] }",
        Code::UnknownField,
        6,
        "entry.trigger.where.plan.is_in",
        "",
        "eq, ne, in",
    );
    case(
        "within: 7d }",
        "witin: 7d }",
        Code::UnknownField,
        12,
        "steps.active.branch[0].if.witin",
        "",
        "did you mean `within`?",
    );
    case(
        "consent: advertising",
        "consent: advertising, within: 7d",
        Code::UnknownField,
        7,
        "entry.who.all[1].within",
        "",
        "consent, is",
    );
    case(
        "trigger: { event: e",
        "trigger: { evnt: e",
        Code::UnknownField,
        6,
        "entry.trigger.evnt",
        "",
        "did you mean `event`?",
    );
    case(
        "next: exit\n",
        "next: exit\n    else: sync\n",
        Code::UnknownField,
        17,
        "steps.sync.else",
        "no meaning",
        "remove `else`",
    );
    case(
        "else: sync",
        "else: sync\n    next: exit",
        Code::UnknownField,
        14,
        "steps.active.next",
        "nobody",
        "remove `next`",
    );
}

#[test]
fn cv004_a_bad_value_is_named_where_it_is() {
    case("for: 2d", "for: 2 days", Code::BadValue, 10, "steps.pause.delay.for", "`2 days`", "30s, 5m, 2h, 7d");
    case("in: [FR]", "in: FR", Code::BadValue, 7, "entry.who.all[0].in", "a list is expected here, not `FR`", "[FR]");
    case(
        "match: [email, phone]",
        "match: email",
        Code::BadValue,
        15,
        "steps.sync.audience_sync.match",
        "a list",
        "[email]",
    );
    case("start: pause", "begin: pause", Code::UnknownField, 8, "entry.begin", "", "start");
    case("\n  start: pause", "", Code::BadValue, 5, "entry.start", "`start` is missing", "add `start`");
    case(
        "if_missing: create",
        "if_missing: creat",
        Code::BadValue,
        4,
        "audiences.vip.if_missing",
        "`creat`",
        "did you mean `create`?",
    );
    case("action: add", "action: ad", Code::BadValue, 15, "steps.sync.audience_sync.action", "`ad`", "add, remove");
    case("format: 1", "format: 2", Code::BadValue, 1, "format", "format 1, not 2", "format: 1");
    case("canvas: c", "canvas: Win Back", Code::BadValue, 2, "canvas", "`Win Back`", "lower-case");
    case(
        "event: app_open, within: 7d",
        "within: 7d",
        Code::UnknownField,
        12,
        "steps.active.branch[0].if.within",
        "",
        "all, any, not",
    );
    case(
        "event: app_open, within: 7d",
        "event: a, attr: b",
        Code::BadValue,
        12,
        "steps.active.branch[0].if",
        "`event` and `attr`",
        "all: [",
    );
    case(
        "event: app_open, within: 7d",
        "attr: age",
        Code::BadValue,
        12,
        "steps.active.branch[0].if",
        "needs a comparison",
        "eq, ne",
    );
    case("{ for: 2d }", "{}", Code::BadValue, 10, "steps.pause.delay", "exactly one of", "for: 2d");
    let until = |date: &str, at: &str, message: &str, cure: &str| {
        case("for: 2d", &format!("until: {{ {date} }}"), Code::BadValue, 10, at, message, cure);
    };
    until("attr: d, at: noon", "steps.pause.delay.until.at", "`noon`", "");
    until("attr: d, offset: -3", "steps.pause.delay.until.offset", "`-3` is no offset", "-3d");
    until("attr: a..b", "steps.pause.delay.until.attr", "no attribute", "");
    until("offset: -3d", "steps.pause.delay.until.attr", "`attr` is missing", "");
    case("for: 2d", "until: tomorrow", Code::BadValue, 10, "steps.pause.delay.until", "`tomorrow`", "");
    case(
        "for: 2d",
        "local_time: { at: \"25:00\" }",
        Code::BadValue,
        10,
        "steps.pause.delay.local_time.at",
        "`25:00`",
        "09:00",
    );
    case(
        "for: 2d",
        "local_time: { at: \"09:00\", on: [monday] }",
        Code::BadValue,
        10,
        "steps.pause.delay.local_time.on",
        "`monday`",
        "",
    );
    case(
        "trigger: { event: e",
        "re_entry: { after: 30 }\n  trigger: { event: e",
        Code::BadValue,
        6,
        "entry.re_entry.after",
        "`30`",
        "30s",
    );
}

#[test]
fn cv010_a_missing_step_is_named_with_the_nearest() {
    case("next: active", "next: actve", Code::MissingStep, 10, "steps.pause.next", "`actve`", "did you mean `active`?");
    case(
        "else: sync",
        "else: snyc",
        Code::MissingStep,
        13,
        "steps.active.else",
        "`snyc`",
        "did you mean `sync`? steps: pause",
    );
    case(
        "start: pause",
        "start: begin",
        Code::MissingStep,
        8,
        "entry.start",
        "`begin`",
        "steps: pause, active, sync, exit",
    );
    case(
        "7d }, next: exit",
        "7d }, next: exti",
        Code::MissingStep,
        12,
        "steps.active.branch[0].next",
        "`exti`",
        "did you mean `exit`?",
    );
}

#[test]
fn cv011_a_loop_without_delay_is_named_in_full() {
    case(
        "next: exit\n",
        "next: active\n",
        Code::LoopWithoutDelay,
        11,
        "steps.active",
        "active → sync → active",
        "delay",
    );
    let waiting = SOUND.replace("    next: exit\n", "    next: pause\n");
    assert_eq!(problems_of(&waiting), [], "a loop through a delay is allowed");
    let zero = waiting.replace("for: 2d", "for: 0s");
    assert_eq!(problems_of(&zero)[0].code, Code::LoopWithoutDelay, "a delay of nothing is none");
    let past = waiting.replace("for: 2d", "until: 2020-01-01T00:00:00Z");
    assert_eq!(problems_of(&past)[0].code, Code::LoopWithoutDelay, "an instant passes once");
}

#[test]
fn cv012_a_dead_end_is_named() {
    case("    next: exit\n", "", Code::DeadEnd, 14, "steps.sync", "`sync` has no `next`", "next: exit");
    case("    else: sync\n", "", Code::DeadEnd, 11, "steps.active", "no `else`", "else: exit");
    let circle = SOUND.replace("next: exit } ]", "next: pause } ]").replace("    next: exit\n", "    next: pause\n");
    let problems = problems_of(&circle);
    assert_eq!((problems.len(), problems[0].code, problems[0].line), (1, Code::DeadEnd, Some(10)), "{problems:?}");
    let with_exit = circle.replace("steps:", "exit: [ { event: bought } ]\nsteps:");
    assert_eq!(problems_of(&with_exit), [], "an exit rule leads out of the circle");
}

#[test]
fn cv013_an_unreachable_step_is_named() {
    let problems = problems_of(&SOUND.replace("next: active", "next: exit"));
    let found: Vec<_> = problems.iter().map(|p| (p.code, p.line, p.path.as_deref())).collect();
    let unreachable = |line, path| (Code::Unreachable, Some(line), Some(path));
    assert_eq!(found, [unreachable(11, "steps.active"), unreachable(14, "steps.sync")]);
    assert!(problems[0].cure.as_deref().unwrap_or_default().contains("lead an arrow to it"));
}

#[test]
fn cv014_a_step_has_exactly_one_kind() {
    case("delay: { for: 2d }, next", "next", Code::StepKind, 10, "steps.pause", "no kind", "delay, branch");
    case(
        "delay: { for: 2d }, next",
        "delay: { for: 2d }, exit: true, next",
        Code::StepKind,
        10,
        "steps.pause",
        "delay, exit",
        "a step of each",
    );
}

#[test]
fn a_step_that_removes_people_keeps_nobody() {
    let at = "steps.sync.audience_sync.keep_for";
    let text = SOUND.replacen("action: add, match: [email, phone]", "action: remove, match: [email], keep_for: 60d", 1);
    let problems = problems_of(&text);
    let found = problems.iter().find(|problem| problem.code == Code::BadValue).expect("a problem");
    assert_eq!((found.line, found.path.as_deref()), (Some(15), Some(at)), "{found}");
    assert!(found.message.contains("removes people"), "{found}");
    case("match: [email, phone]", "match: [email], keep_for: 0s", Code::BadValue, 15, at, "no time", "60d");
}

#[test]
fn cv028_segments_and_lists_that_are_not_there_are_named_with_their_place() {
    let (segments, lists) = (["lapsed".to_owned()].into(), ["vip".to_owned()].into());
    let missing = |old: &str, new: &str, line: u32, path: &str| {
        assert!(SOUND.contains(old), "{old}");
        let canvas = read_canvas("canvas.yaml", &SOUND.replacen(old, new, 1)).unwrap();
        let problems = validate(&canvas, &Facts { groups: Some((&segments, &lists)), ..Facts::default() });
        let [problem] = problems.as_slice() else { panic!("{new}: {problems:#?}") };
        let found = (problem.code, problem.line, problem.path.as_deref());
        assert_eq!(found, (Code::UnknownGroup, Some(line), Some(path)), "{problem}");
    };
    let trigger = "{ event: e, where: { plan: { in: [pro] } } }";
    missing(trigger, "{ segment: lapse, existing: enter }", 6, "entry.trigger.segment");
    missing(trigger, "{ schedule: '0 9 * * *', tz: UTC, segment: s }", 6, "entry.trigger.segment");
    missing(trigger, "{ list: lapsed }", 6, "entry.trigger.list");
    missing("consent: advertising", "not: { list: gold }", 7, "entry.who.all[1].not.list");
    missing("event: app_open, within: 7d", "segment: s", 12, "steps.active.branch[0].if.segment");
    missing("steps:", "exit: [ { segment: s } ]\nsteps:", 9, "exit[0].segment");
    missing("delay: { for: 2d }", "wait_for: { segment: x, timeout: 1d }", 10, "steps.pause.wait_for.segment");
    let sound = SOUND.replacen(trigger, "{ segment: lapsed, existing: skip }", 1);
    let canvas = read_canvas("canvas.yaml", &sound.replacen("consent: advertising", "list: vip", 1)).unwrap();
    assert_eq!(validate(&canvas, &Facts { groups: Some((&segments, &lists)), ..Facts::default() }), []);
}

#[test]
fn cv004_a_schedule_is_cron_in_a_zone() {
    let trigger = "{ event: e, where: { plan: { in: [pro] } } }";
    let bad = |schedule: &str, at: &str, message: &str| {
        let new = format!("{{ {schedule}, segment: s }}");
        case(trigger, &new, Code::BadValue, 6, &format!("entry.trigger.{at}"), message, "");
    };
    bad("schedule: often, tz: UTC", "schedule", "no schedule");
    bad("schedule: '0 0 31 2 *', tz: UTC", "schedule", "never comes");
    bad("schedule: '0 9 * * MON', tz: Mars/Base", "tz", "no time zone");
}

#[test]
fn cv004_a_wait_says_what_for_and_how_long() {
    let bad = |wait: &str, code: Code, at: &str, message: &str| {
        case("delay: { for: 2d }", &format!("wait_for: {wait}"), code, 10, at, message, "");
    };
    let at = "steps.pause.wait_for";
    bad("{ timeout: 1d }", Code::BadValue, at, "what it waits for");
    bad("{ event: a, segment: b, timeout: 1d }", Code::BadValue, at, "two things");
    bad("{ event: ' ', timeout: 1d }", Code::BadValue, &format!("{at}.event"), "has a name");
    bad("{ event: a, timeout: 0s }", Code::BadValue, &format!("{at}.timeout"), "no time at all");
    bad("{ event: a, timeout: 1d, on_timeout: nowhere }", Code::MissingStep, &format!("{at}.on_timeout"), "nowhere");
    case("start: pause", "control: 120%\n  start: pause", Code::BadValue, 8, "entry.control", "no share of people", "");
}

#[test]
fn cv004_an_update_changes_attributes_and_neither_who_someone_is_nor_what_they_allow() {
    let bad = |changes: &str, at: &str, message: &str, cure: &str| {
        case("delay: { for: 2d }", &format!("update: {changes}"), Code::BadValue, 10, at, message, cure);
    };
    let at = "steps.pause.update";
    bad("{}", at, "changes nothing", "`null` removes");
    bad("{ email: x }", "steps.pause.update.email", "who a person is", "`attributes.email`");
    bad("{ external_id: null }", "steps.pause.update.external_id", "who a person is", "");
    bad("{ consents.advertising: granted }", "steps.pause.update.consents.advertising", "allows", "remove it");
    bad("{ do_not_sell_or_share: false }", "steps.pause.update.do_not_sell_or_share", "allows", "remove it");
    bad("{ a..b: 1 }", "steps.pause.update.a..b", "no attribute", "address.city");
    bad("{ country: 7 }", "steps.pause.update.country", "is a text", "country: null");
    bad("{ country.name: x }", "steps.pause.update.country.name", "nothing below", "set `country`");
    bad("{ birth_date: soon }", "steps.pause.update.birth_date", "no date", "1985-07-03");
    bad("{ time_zone: Paris }", "steps.pause.update.time_zone", "no time zone", "Europe/Paris");
    bad("{ a: 1, a.b: 2 }", "steps.pause.update.a.b", "as a whole", "one of the two");
}

#[test]
fn cv004_an_experiment_has_weights_and_names_that_are_told_apart() {
    let pause = "{ delay: { for: 2d }, next: active }";
    let at = "steps.pause.experiment";
    let bad = |variants: &str, at: &str, message: &str, cure: &str| {
        case(pause, &format!("{{ experiment: [{variants}] }}"), Code::BadValue, 10, at, message, cure);
    };
    bad("{ weight: 0, next: active }", at, "nobody", "above 0");
    let two = "{ name: a, weight: 1, next: active }, { name: a, weight: 1, next: exit }";
    bad(two, "steps.pause.experiment[1].name", "called `a`", "another name");
    let two = "{ weight: 1, next: active }, { name: variant 1, weight: 1, next: exit }";
    bad(two, "steps.pause.experiment[1].name", "called `variant 1`", "another name");
    bad("{ name: \"\", weight: 1, next: active }", "steps.pause.experiment[0].name", "1 to 40", "remove");
}
