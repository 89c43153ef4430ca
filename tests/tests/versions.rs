//! Drafts and versions as designers use them: kept, compared, restored, put away, and changed while people are inside.
use caravan_tests::{LAB_CONNECTIONS, Place, Ran, Served, patient};
use std::fmt::Write as _;

fn canvas(title: &str, steps: &str) -> String {
    format!(
        "format: 1\ncanvas: win-back\ntitle: {title}\naudiences:\n  vip: {{ connection: lab-meta, account: main, name: VIP, \
         if_missing: create }}\nentry: {{ trigger: {{ event: Lapsed }}, start: pause }}\nexit: [ {{ event: Bought }} ]\n\
         steps:\n{steps}  sync: {{ audience_sync: {{ audience: vip, action: add, match: [email] }}, next: exit }}\n"
    )
}

const FIRST: &str = "  pause: { delay: { for: 2d }, next: hold }\n  hold: { delay: { for: 3d }, next: sync }\n";
const SECOND: &str = "  pause: { delay: { for: 2d }, next: split }\n  \
                      split: { branch: [ { if: { attr: plan, in: [pro] }, next: sync } ], else: exit }\n";

struct World {
    place: Place,
}

impl World {
    fn caravan(&self, arguments: &[&str]) -> Ran {
        self.place.run([arguments, &["--store", "s.caravan"]].concat())
    }
}

#[test]
fn a_draft_is_kept_compared_published_restored_and_a_canvas_put_away() {
    let world = World { place: Place::new() };
    let place = &world.place;
    place.write("connections.yaml", LAB_CONNECTIONS);
    let lab = place.lab();
    place.write("canvas.yaml", canvas("One", FIRST));
    // A draft may be wrong: it is kept, and cannot be published.
    place.write("draft.yaml", canvas("One", FIRST).replace("start: pause", "start: nowhere"));
    world.caravan(&["canvas", "save", "draft.yaml"]).expect(0);
    let listed = world.caravan(&["canvas", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[0]["state"], &listed[0]["draft"]), (&"draft".into(), &true.into()), "{listed}");
    let wrong = world.caravan(&["canvas", "publish", "win-back", "--lab", &lab.url]).expect(2).stderr;
    assert!(wrong.contains("CV010") && wrong.contains("the draft of win-back"), "{wrong}");
    world.caravan(&["canvas", "publish", "canvas.yaml", "--lab", &lab.url]).expect(0);
    let listed = world.caravan(&["canvas", "list", "--json"]).expect(0).json();
    assert_eq!(listed[0]["draft"], true, "another draft than what was published stays");
    place.write("second.yaml", canvas("Two", SECOND));
    world.caravan(&["canvas", "save", "second.yaml"]).expect(0);
    let diff = world.caravan(&["canvas", "diff", "win-back"]).expect(0).stdout;
    for words in
        ["step split is new", "step hold is gone", "step pause changes", "--- version 1", "+++ draft", "+title: Two"]
    {
        assert!(diff.contains(words), "{words}: {diff}");
    }
    world.caravan(&["canvas", "publish", "win-back", "--lab", &lab.url]).expect(0);
    let history = world.caravan(&["canvas", "history", "win-back", "--json"]).expect(0).json();
    let by = history[1]["by"].as_str().unwrap_or_default();
    assert!(history[1]["version"] == 2 && by.starts_with("cli:"), "{history}");
    assert_eq!(world.caravan(&["canvas", "list", "--json"]).expect(0).json()[0]["draft"], false);
    world.caravan(&["canvas", "restore", "win-back", "--version", "1"]).expect(0);
    let text = world.caravan(&["canvas", "show", "win-back", "--draft"]).expect(0).stdout;
    assert!(text.contains("title: One") && text.contains("hold:"), "{text}");
    world.caravan(&["canvas", "show", "win-back", "--version", "7"]).expect(2);
    // Only what lets nobody in, and holds nobody, is put away; published again, it is back.
    let refused = world.caravan(&["canvas", "archive", "win-back"]).expect(2).stderr;
    assert!(refused.contains("still lets people in"), "{refused}");
    world.caravan(&["canvas", "stop", "win-back"]).expect(0);
    world.caravan(&["canvas", "archive", "win-back"]).expect(0);
    assert_eq!(world.caravan(&["canvas", "list", "--json"]).expect(0).json(), serde_json::json!([]));
    assert!(world.caravan(&["canvas", "resume", "win-back"]).expect(2).stderr.contains("is archived"));
    world.caravan(&["canvas", "publish", "win-back", "--lab", &lab.url]).expect(0);
    let listed = world.caravan(&["canvas", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[0]["state"], &listed[0]["version"]), (&"live".into(), &3.into()), "{listed}");
}

#[test]
fn people_inside_go_on_in_the_new_version_of_a_serving_host_and_the_books_of_both_balance() {
    let world = World { place: Place::new() };
    let place = &world.place;
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", canvas("One", FIRST));
    place.write("second.yaml", canvas("Two", SECOND));
    let lab = place.lab();
    let key = world.caravan(&["key", "add", "boss", "--rights", "admin", "--json"]).expect(0).json();
    let key = key["key"].as_str().expect("a secret").to_owned();
    let served = Served::start(place, &lab, "127.0.0.1:0");
    let mut batch = String::new();
    for id in 0..300 {
        let comma = if id > 0 { "," } else { "" };
        let _ = write!(batch, r#"{comma}{{"type":"track","userId":"p{id}","event":"Lapsed"}}"#);
    }
    assert_eq!(served.send("/v1/batch", &format!("{{\"batch\":[{batch}]}}")).0, 200);
    let caravan = |arguments: &[&str]| {
        let mut command = place.caravan([arguments, &["--server", &served.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", &key))
    };
    let inside = || -> Vec<u64> {
        let history = caravan(&["canvas", "history", "win-back", "--json"]).expect(0).json();
        let lines = history.as_array().expect("versions").iter();
        lines.map(|line| line["inside"].as_u64().expect("a number")).collect()
    };
    patient("all are inside", || inside() == [300]);
    // Where nobody can be asked, nothing is published before it is said what becomes of them; the question has the numbers.
    for flags in [&[][..], &["--move"]] {
        let asked = caravan(&[&["canvas", "publish", "second.yaml"], flags].concat()).expect(2).stderr;
        assert!(asked.contains("of 300 people inside earlier versions of win-back, "), "{asked}");
        assert!(asked.contains("nobody can be asked here") && asked.contains("--yes"), "{asked}");
    }
    assert_eq!(inside(), [300]);
    let published = caravan(&["canvas", "publish", "second.yaml", "--finish", "--json"]).expect(0).json();
    assert_eq!((&published["inside"], &published["moves"]), (&300.into(), &0.into()), "{published}");
    assert_eq!(inside(), [300, 0]);
    place.write("third.yaml", canvas("Three", SECOND));
    let third = std::fs::read_to_string(place.path("third.yaml")).expect("a text");
    let plan = served.ask("POST", "/api/canvases/move-plan", &format!("authorization: Bearer {key}\r\n"), &third);
    assert!(
        plan.0 == 200 && plan.1.contains(r#""inside":300,"could_move":300,"stay":0,"steps":{"pause":300}"#),
        "{plan:?}"
    );
    let published = caravan(&["canvas", "publish", "third.yaml", "--move", "--yes", "--json"]).expect(0).json();
    assert_eq!((&published["version"], &published["moves"]), (&3.into(), &300.into()), "{published}");
    patient("they have moved", || inside() == [0, 0, 300]);
    assert_eq!(served.send("/v1/track", r#"{"userId":"p1","event":"Bought"}"#).0, 200);
    patient("one has left", || inside() == [0, 0, 299]);
    assert_eq!(served.term(), Some(0));
    let history = world.caravan(&["canvas", "history", "win-back", "--json"]).expect(0).json();
    assert_eq!((&history[0]["entered"], &history[2]["entered"]), (&300.into(), &0.into()), "{history}");
}

#[test]
fn a_replay_counts_who_would_have_come_to_each_step() {
    let world = World { place: Place::new() };
    world.place.write("connections.yaml", LAB_CONNECTIONS);
    world.place.write(
        "first.yaml",
        "format: 1\ncanvas: first\nentry: { trigger: { event: lapsed }, start: pause }\nsteps:\n  pause: { delay: { for: 30d }, next: exit }\n",
    );
    world.place.write("users.csv", "external_id,country\np0,FR\np1,FR\np2,DE\n");
    let now = jiff::Timestamp::now();
    let ago = |days: i64| (now - jiff::SignedDuration::from_hours(24 * days)).to_string();
    let event = |id: usize, name: &str, days: i64| {
        format!(r#"{{"external_id":"p{id}","event":"{name}","at":"{}"}}"#, ago(days)) + "\n"
    };
    let events = [event(0, "lapsed", 10), event(0, "opened", 7), event(1, "lapsed", 9), event(2, "lapsed", 8)].concat();
    world.place.write("events.jsonl", &events);
    let run = ["run", "first.yaml", "--users", "users.csv", "--events", "events.jsonl"];
    let ran = world.caravan(&[&run[..], &["--connections", "connections.yaml"]].concat());
    assert!(ran.code == Some(0) || ran.code == Some(1), "{}{}", ran.stdout, ran.stderr);
    world.place.write(
        "draft.yaml",
        "format: 1\ncanvas: draft\nentry: { trigger: { event: lapsed }, who: { attr: country, eq: FR }, start: pause }\nsteps:\n  \
         pause: { delay: { for: 2d }, next: wait }\n  wait: { wait_for: { event: opened, timeout: 20d, on_timeout: exit }, \
         next: mark }\n  mark: { update: { tier: gold }, next: exit }\n",
    );
    world.caravan(&["canvas", "save", "draft.yaml"]).expect(0);
    let replay = world.caravan(&["canvas", "replay", "draft", "--json"]).expect(0).json();
    let reached = |at: usize| (replay["steps"][at]["reached"].as_u64(), replay["steps"][at]["waiting"].as_u64());
    assert_eq!((replay["entered"].as_u64(), replay["kept_out"].as_u64()), (Some(2), Some(1)), "{replay}");
    assert_eq!(
        (reached(0), reached(1), reached(2)),
        ((Some(2), Some(0)), (Some(2), Some(1)), (Some(1), Some(0))),
        "{replay}"
    );
    let words = world.caravan(&["canvas", "replay", "draft.yaml", "--days", "5"]).expect(0).stdout;
    let same = world.caravan(&["canvas", "diff", "first", "--to", "first.yaml"]).expect(0).stdout;
    assert!(same.contains("are the same"), "{same}");
    let other = world.caravan(&["canvas", "diff", "first", "--to", "draft.yaml"]).expect(0).stdout;
    assert!(other.contains("step mark is new") && other.contains("+++ draft.yaml"), "{other}");
    let nowhere = world.caravan(&["canvas", "diff", "first", "--to", "nowhere.yaml"]).expect(2).stderr;
    assert!(nowhere.contains("no such file"), "{nowhere}");
    assert!(words.contains("0 people would have entered") && words.contains("taken for granted"), "{words}");
}
