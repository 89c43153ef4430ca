//! What people do to queues, audiences, people and canvases, through the binary.
use caravan_tests::{Lab, Place, Ran, audience_named, keys_of, oracle, word};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONNECTIONS: &str = r#"
format: 1
connections:
  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 }, default_country: FR }
"#;

const STORE: &str = "s.caravan";

/// A canvas that adds to an audience.
fn canvas(id: &str, step: &str) -> String {
    format!(
        "format: 1\ncanvas: {id}\naudiences:\n  list: {{ connection: lab-meta, account: main, name: Queues, if_missing: create }}\n\
         entry: {{ trigger: {{ event: x }}, re_entry: always, start: {step} }}\n\
         steps:\n  {step}: {{ audience_sync: {{ audience: list, action: add, match: [email] }}, next: exit }}\n"
    )
}

/// A folder with a lab and two canvases on one audience.
struct Scene {
    place: Place,
    lab: Lab,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        place.write("connections.yaml", CONNECTIONS);
        place.write("one.yaml", canvas("one", "sync"));
        place.write("two.yaml", canvas("two", "also"));
        Scene { lab: place.lab(), place }
    }

    /// A users file of people by number.
    fn users(&self, name: &str, numbers: std::ops::Range<u32>) -> String {
        let rows: String = numbers.map(|n| format!("p{n},{}\n", email(n))).collect();
        word(&self.place.write(name, format!("external_id,email\n{rows}")))
    }

    /// A verb on the store.
    fn verb(&self, arguments: &[&str]) -> Ran {
        let mut all = arguments.to_vec();
        all.extend(["--store", STORE]);
        self.place.run(all)
    }

    /// The same, with JSON as its data; the lab is found by its address where the verb delivers.
    fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        self.verb(&all).expect(code).json()
    }

    /// A verb that delivers, said with --yes.
    fn send(&self, code: i32, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--yes", "--lab", &self.lab.url]);
        self.json(code, &all)
    }

    fn run(&self, code: i32, canvas: &str, users: &str) -> Value {
        self.json(code, &["run", canvas, "--users", users, "--lab", &self.lab.url, "--no-lab-check"])
    }

    /// The e-mails that stand in the audience at the lab.
    fn there(&self) -> BTreeSet<String> {
        let id = audience_named(&self.lab, "Queues").expect("one audience");
        keys_of(&self.lab, &id).expect("members").remove("EMAIL").unwrap_or_default()
    }
}

fn email(n: u32) -> String {
    format!("p{n}@example.com")
}

fn emails(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
    numbers.into_iter().map(|n| oracle::sha256(&email(n))).collect()
}

#[test]
fn what_a_person_holds_waits_and_goes_once_it_is_resumed() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..20);
    scene.run(0, "one.yaml", &users);
    assert_eq!(scene.there(), emails(0..20));
    // Held: a run queues and waits, and every page says who holds it and why.
    scene.json(0, &["queue", "hold", "one/list", "--because", "legal looks at it"]);
    let more = scene.users("b.csv", 20..50);
    let ran = scene.run(1, "one.yaml", &more);
    assert_eq!(ran["end"], "waits", "{ran:#}");
    assert_eq!(scene.there(), emails(0..20));
    let list = scene.json(1, &["queue", "list"]);
    assert_eq!((&list[0]["waiting"], &list[0]["held_by"][0]["words"]), (&json!(30), &json!("legal looks at it")));
    let shown = scene.verb(&["queue", "show", "list"]).expect(1).stdout;
    assert!(shown.contains("legal looks at it") && shown.contains("queue resume one/list"), "{shown}");
    let sent = scene.send(1, &["queue", "deliver"]);
    assert_eq!((&sent["end"], &sent["settled"]), (&json!("waits"), &json!(0)), "{sent:#}");
    // Resumed: delivered without the users file.
    let resumed = scene.json(0, &["queue", "resume", "one/list"]);
    assert_eq!((&resumed["lifted"], &resumed["waiting"]), (&json!(true), &json!(30)));
    let sent = scene.send(0, &["queue", "deliver"]);
    assert_eq!((&sent["end"], &sent["settled"]), (&json!("done"), &json!(30)), "{sent:#}");
    assert_eq!(scene.there(), emails(0..50));
    scene.json(0, &["queue", "list"]);
    // The batch tells what went over the wire, and its body can be made anew.
    let shown = scene.json(0, &["queue", "show", "one/list"]);
    let batch = shown["stripes"][0].is_object().then(|| shown["batches"][0]["batch"].clone()).expect("a queue");
    let batch = batch.as_str().expect("a batch").to_owned();
    let told = scene.json(0, &["batch", "show", &batch, "--body", "body.json"]);
    assert_eq!(told["lab"], true);
    let body = std::fs::read_to_string(scene.place.path("body.json")).expect("a body");
    assert!(body.contains(&oracle::sha256(&email(20))), "{body}");
}

#[test]
fn a_wider_hold_is_lifted_by_its_own_scope_alone() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..3);
    scene.run(0, "one.yaml", &users);
    scene.json(0, &["queue", "hold", "--connection", "lab-meta", "--because", "moving house"]);
    let still = scene.json(1, &["queue", "resume", "one/list"]);
    assert_eq!(still["still_held_by"][0]["words"], "moving house", "{still:#}");
    assert_eq!(scene.json(0, &["queue", "resume", "--connection", "lab-meta"])["lifted"], true);
    assert_eq!(scene.json(0, &["queue", "resume", "--everything"])["lifted"], false);
    // One scope, no more and no less, and words for it.
    for wrong in [
        &["queue", "hold", "--because", "x"][..],
        &["queue", "hold", "one/list", "--everything", "--because", "x"],
        &["queue", "hold", "--everything"],
        &["queue", "hold", "--everything", "--because", " "],
        &["queue", "hold", "nobody", "--because", "x"],
    ] {
        scene.verb(wrong).expect(2);
    }
}

#[test]
fn an_erased_person_is_removed_at_the_partner_with_a_receipt() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..5);
    scene.run(0, "one.yaml", &users);
    // Nobody is erased without a yes, or by a name that nobody has.
    let asked = scene.verb(&["profile", "erase", "p3"]).expect(2);
    assert!(asked.stderr.contains("--yes"), "{asked:?}");
    scene.verb(&["profile", "erase", "p3", "nobody", "--yes"]).expect(2);
    assert_eq!(scene.json(0, &["profile", "trace", "p3"])[0]["external_id"], "p3");
    let erased = scene.send(0, &["profile", "erase", &email(3)]);
    assert_eq!((&erased["erased"], &erased["owed"]), (&json!(1), &json!(1)), "{erased:#}");
    assert_eq!(
        (&erased["receipts"][0]["status"], &erased["receipts"][0]["cause"]),
        (&json!("synced"), &json!("erasure"))
    );
    assert_eq!(scene.there(), emails([0, 1, 2, 4]));
    // What remains is the proof, for whoever knows the id; a repeat does nothing.
    let trace = scene.json(0, &["profile", "trace", "p3"]);
    assert_eq!(
        (&trace[0]["erased"], &trace[0]["receipts"][0]["audience"]),
        (&json!(true), &json!("one/list")),
        "{trace:#}"
    );
    let again = scene.send(0, &["profile", "erase", "p3"]);
    assert_eq!((&again["erased"], &again["receipts"][0]["status"]), (&json!(0), &json!("synced")));
    let shown = scene.json(0, &["audience", "show", "one/list"]);
    assert_eq!((&shown["members"]["in"], &shown["receipts"]), (&json!(4), &json!([])), "{shown:#}");
}

#[test]
fn without_connections_an_erasure_is_queued_and_says_what_sends_it() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..4);
    scene.run(0, "one.yaml", &users);
    std::fs::rename(scene.place.path("connections.yaml"), scene.place.path("elsewhere.yaml")).expect("moved");
    let erased = scene.verb(&["profile", "erase", "p0", "--yes"]).expect(1).stdout;
    assert!(erased.contains("Queued, not sent") && erased.contains("queue deliver --store s.caravan"), "{erased}");
    assert_eq!(scene.there(), emails(0..4));
    scene.send(0, &["queue", "deliver", "--connections", "elsewhere.yaml"]);
    assert_eq!(scene.there(), emails(1..4));
}

#[test]
fn a_withdrawal_in_an_import_removes_at_the_partner() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..4);
    scene.run(0, "one.yaml", &users);
    let consents = scene.place.write("c.csv", "external_id,consents\np1,advertising=denied\np9,advertising=granted\n");
    let imported = scene.send(0, &["profile", "import", &word(&consents)]);
    assert_eq!((&imported["people"], &imported["owing"]), (&json!(2), &json!(1)), "{imported:#}");
    assert_eq!(scene.there(), emails([0, 2, 3]));
    let trace = scene.json(0, &["profile", "trace", "p1"]);
    assert_eq!(
        (&trace[0]["memberships"][0]["standing"], &trace[0]["receipts"][0]["cause"]),
        (&json!("Out"), &json!("consent")),
        "{trace:#}"
    );
}

#[test]
fn a_takeback_removes_whom_nothing_else_claims() {
    let scene = Scene::new();
    let (all, some) = (scene.users("a.csv", 0..6), scene.users("b.csv", 4..8));
    scene.run(0, "one.yaml", &all);
    scene.run(0, "two.yaml", &some);
    assert_eq!(scene.there(), emails(0..8));
    let shown = scene.json(0, &["audience", "show", "one/list"]);
    let claims: Vec<(&Value, &Value)> =
        shown["claims"].as_array().expect("claims").iter().map(|claim| (&claim["step"], &claim["n"])).collect();
    assert_eq!(claims, [(&json!("sync"), &json!(6)), (&json!("also"), &json!(4))], "{shown:#}");
    let taken = scene.send(0, &["audience", "takeback", "one", "sync"]);
    assert_eq!(taken["queued"], 6, "{taken:#}");
    assert_eq!(scene.there(), emails(4..8));
    let trace = scene.verb(&["profile", "trace", "p4"]).expect(0).stdout;
    assert!(trace.contains("two v1 also") && !trace.contains("one v1 sync,"), "{trace}");
}

#[test]
fn a_refill_and_a_rebinding_send_everyone_again() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..5);
    scene.run(0, "one.yaml", &users);
    let refilled = scene.send(0, &["audience", "refill", "list"]);
    assert_eq!((&refilled["queued"], &refilled["delivery"]["settled"]), (&json!(5), &json!(5)), "{refilled:#}");
    let other = json!({"partner": "meta", "account": "1", "id": "777", "name": "Other"});
    scene.lab.post("/_lab/audiences", &other).expect("made");
    let bound = scene.send(0, &["audience", "rebind", "one/list", "777", "--refill"]);
    assert_eq!((&bound["to"]["audience"], &bound["refilled"]), (&json!("777"), &json!(5)), "{bound:#}");
    let there = keys_of(&scene.lab, "777").expect("members")["EMAIL"].clone();
    assert_eq!(there, emails(0..5));
    // The canvas is not edited, and its next run goes there.
    let more = scene.users("b.csv", 5..7);
    scene.run(0, "one.yaml", &more);
    assert_eq!(keys_of(&scene.lab, "777").expect("members")["EMAIL"], emails(0..7));
    let list = scene.json(0, &["audience", "list"]);
    let names: Vec<(&Value, &Value)> =
        list.as_array().expect("a list").iter().map(|audience| (&audience["former"], &audience["id"])).collect();
    assert_eq!(names[0], (&json!(false), &json!("777")));
    assert_eq!(names[1].0, &json!(true));
}

#[test]
fn a_deleted_audience_is_made_again_and_filled() {
    let scene = Scene::new();
    let users = scene.users("a.csv", 0..8);
    scene.run(0, "one.yaml", &users);
    let old = audience_named(&scene.lab, "Queues").expect("one");
    scene.verb(&["audience", "recreate", "one/list", "--yes", "--lab", &scene.lab.url]).expect(2);
    scene.lab.delete(&format!("/_lab/audiences/{old}")).expect("deleted");
    let more = scene.users("b.csv", 8..12);
    let ran = scene.run(1, "one.yaml", &more);
    assert_eq!(ran["end"], "waits", "{ran:#}");
    let shown = scene.verb(&["queue", "show", "one/list"]).expect(1).stdout;
    assert!(shown.contains("audience recreate one/list"), "{shown}");
    // Who is erased meanwhile is owed a removal; it waits, and ends once it is known that nobody stands there any more.
    let erased = scene.send(1, &["profile", "erase", "p0"]);
    assert_eq!(erased["receipts"][0]["status"], "waiting", "{erased:#}");
    assert_eq!(scene.json(1, &["queue", "list"])[0]["owed"], 1);
    let made = scene.send(0, &["audience", "recreate", "one/list"]);
    assert_eq!(made["delivery"]["end"], "done", "{made:#}");
    assert_eq!(made["moved"], 4, "{made:#}");
    assert_ne!(made["to"]["audience"].as_str(), Some(old.as_str()));
    assert_eq!(scene.there(), emails(1..12));
    let trace = scene.json(0, &["profile", "trace", "p0"]);
    assert_eq!(trace[0]["receipts"][0]["status"], "unchanged", "{trace:#}");
    assert!(trace[0]["receipts"][0]["done"].is_number(), "{trace:#}");
    scene.json(0, &["queue", "list"]);
}

#[test]
fn people_who_were_skipped_are_sent_again_once_they_can_be() {
    let scene = Scene::new();
    let users = word(&scene.place.write("a.csv", "external_id,email\np0,\np1,\np2,p2@example.com\n"));
    scene.run(0, "one.yaml", &users);
    let shown = scene.json(0, &["queue", "show", "one/list"]);
    let skipped = shown["numbers"].as_array().expect("numbers").iter().find(|number| number["status"] == "skipped");
    assert!(skipped.is_some_and(|number| number["n"] == 2 && number["reason"] == "no-identifier"), "{shown:#}");
    let mended = scene.users("b.csv", 0..1);
    assert_eq!(scene.send(0, &["profile", "import", &mended])["people"], 1);
    let resend = ["queue", "resend", "one", "--status", "skipped", "--reason", "no-identifier"];
    scene.verb(&resend).expect(2);
    let again = scene.send(0, &resend);
    assert_eq!((&again["queued"], &again["delivery"]["settled"]), (&json!(2), &json!(2)), "{again:#}");
    assert_eq!(scene.there(), emails([0, 2]));
    let trace = scene.json(0, &["profile", "trace", "p0"]);
    assert_eq!(trace[0]["visits"][0]["status"], "synced", "{trace:#}");
}

#[test]
fn a_paused_canvas_lets_nobody_in_and_a_stopped_one_lets_everyone_out() {
    let scene = Scene::new();
    let slow = canvas("one", "sync")
        .replace("start: sync", "start: pause")
        .replace("steps:\n", "steps:\n  pause: { delay: { for: 1d }, next: sync }\n");
    scene.place.write("one.yaml", slow);
    let users = scene.users("a.csv", 0..5);
    assert_eq!(scene.run(1, "one.yaml", &users)["end"], "waits");
    let paused = scene.json(0, &["canvas", "pause", "one"]);
    assert_eq!((&paused["was"], &paused["state"], &paused["resting"]), (&json!("live"), &json!("paused"), &json!(5)));
    let more = scene.users("b.csv", 5..9);
    let refused = scene.verb(&["run", "one.yaml", "--users", &more, "--lab", &scene.lab.url]).expect(2);
    assert!(refused.stderr.contains("one is paused") && refused.stderr.contains("canvas resume one"), "{refused:?}");
    let words = scene.verb(&["canvas", "stop", "one"]).expect(0).stdout;
    assert!(words.contains("5 people wait at steps and go on to their end"), "{words}");
    let asked = scene.verb(&["canvas", "stop", "one", "--now"]).expect(2);
    assert!(asked.stderr.contains("stop --now: nobody enters; everyone inside leaves"), "{asked:?}");
    let stopped = scene.json(0, &["canvas", "stop", "one", "--now", "--yes"]);
    assert_eq!((&stopped["let_out"], &stopped["state"]), (&json!(5), &json!("stopped")), "{stopped:#}");
    assert_eq!(scene.json(0, &["canvas", "resume", "one"])["was"], "stopped");
    let trace = scene.json(0, &["profile", "trace", "p2"]);
    assert_eq!(trace[0]["visits"][0]["status"], "exited", "{trace:#}");
}
