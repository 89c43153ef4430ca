//! Segments as their keeper uses them: set, counted, activated, and followed by a serving host.
use caravan_tests::sinks::MailServer;
use caravan_tests::{KEY, LAB_CONNECTIONS, Place, Ran, Served, audience_named, keys_of, oracle, patient};
use std::collections::BTreeSet;
use std::process::Stdio;

const SEGMENT: &str = "
format: 1
segment: lapsed
title: Bought nothing for long
who: { all: [ { attr: plan, in: [pro, team] }, { not: { list: staff } } ] }
";

fn identify(id: usize, plan: &str, email: &str) -> String {
    format!(r#"{{"type":"identify","userId":"p{id}","traits":{{"email":"{email}","plan":"{plan}"}}}}"#)
}

fn mail(id: usize) -> String {
    format!("p{id}@example.com")
}

fn send(served: &Served, messages: Vec<String>) {
    for batch in messages.chunks(500) {
        let (status, answer) = served.send("/v1/batch", &format!(r#"{{"batch":[{}]}}"#, batch.join(",")));
        assert!(status == 200 && !answer.contains("problems"), "{answer}");
    }
}

#[test]
fn a_streaming_activation_keeps_the_partners_audience_in_step_with_the_segment() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("lapsed.yaml", SEGMENT);
    let lab = place.lab();
    let mut users = String::from("external_id,email,plan\n");
    (0..500).for_each(|id| users.push_str(&format!("p{id},{},{}\n", mail(id), if id < 100 { "pro" } else { "free" })));
    place.write("users.csv", &users);
    let caravan = |arguments: &[&str]| {
        let ran = place.run([arguments, &["--store", "s.caravan"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    caravan(&["profile", "import", "users.csv", "--yes"]);
    caravan(&["list", "create", "staff"]);
    place.write("staff.csv", "external_id\np0\np1\n");
    caravan(&["list", "add", "staff", "staff.csv"]);
    let counted = caravan(&["segment", "count", "lapsed.yaml"]);
    assert!(counted.contains("98 of 500"), "{counted}");
    caravan(&["segment", "set", "lapsed.yaml"]);
    let activate =
        ["segment", "activate", "lapsed", "--connection", "lab-meta", "--account", "main", "--match", "email"];
    let canvas = caravan(&[&activate[..], &["--audience", "Lapsed", "--lab", &lab.url]].concat());
    assert!(canvas.contains("in_step: true") && canvas.contains("canvas: lapsed-to-lab-meta"), "{canvas}");

    let there = || -> BTreeSet<String> {
        let id = audience_named(&lab, "Lapsed").expect("one audience");
        keys_of(&lab, &id).expect("members").remove("EMAIL").unwrap_or_default()
    };
    let hashes =
        |mails: &mut dyn Iterator<Item = String>| mails.map(|mail| oracle::sha256(&mail)).collect::<BTreeSet<_>>();
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    patient("the members are at the partner", || there() == hashes(&mut (2..100).map(mail)));
    // 1,000 join, then 200 leave and 50 change their address.
    send(&served, (1_000..2_000).map(|id| identify(id, "team", &mail(id))).collect());
    patient("1,000 have joined", || there().len() == 1_098);
    let leaving = (1_000..1_200).map(|id| identify(id, "free", &mail(id)));
    let moving = (1_200..1_250).map(|id| identify(id, "team", &format!("new{id}@example.com")));
    send(&served, leaving.chain(moving).collect());
    let new = (1_200..1_250).map(|id| format!("new{id}@example.com"));
    let expected = hashes(&mut (2..100).chain(1_250..2_000).map(mail).chain(new));
    patient("the audience is in step", || there() == expected);
    assert_eq!(served.term(), Some(0));
    let shown = caravan(&["segment", "show", "lapsed", "--members", "2"]);
    assert!(shown.contains("898 people") && shown.contains("p2\n"), "{shown}");
    let used = place.run(["segment", "remove", "lapsed", "--yes", "--store", "s.caravan"]);
    assert!(used.code == Some(2) && used.stderr.contains("canvas lapsed-to-lab-meta"), "{}", used.stderr);
}

#[test]
fn a_static_export_makes_one_audience_for_each_field_and_never_changes_it() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("lapsed.yaml", SEGMENT);
    let lab = place.lab();
    let served_store = ["--store", "s.caravan"];
    let caravan = |arguments: &[&str]| {
        let ran = place.run([arguments, &served_store].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let mut users = String::from("external_id,email,phone,plan\n");
    (0..40).for_each(|id| users.push_str(&format!("p{id},{},+336123{id:05},pro\n", mail(id))));
    place.write("users.csv", &users);
    caravan(&["list", "create", "staff"]);
    caravan(&["profile", "import", "users.csv", "--yes"]);
    caravan(&["segment", "set", "lapsed.yaml"]);
    let of = ["segment", "activate", "lapsed", "--mode", "once", "--connection", "lab-meta", "--account", "main"];
    let fields = ["--match", "email,phone,external_id", "--lab", &lab.url, "--json"];
    let made = place.run([&of[..], &fields, &["--mail", "ann@acme.example"], &served_store].concat()).expect(0);
    assert!(made.stderr.contains("warning: no mail server is configured"), "{}", made.stderr);
    let document = made.json();
    let state = || {
        let shown = place.run(["segment", "show", "lapsed", "--json", "--store", "s.caravan"]).expect(0).json();
        shown["activations"][0].clone()
    };
    assert_eq!((&state()["mode"], &state()["mail"]), (&"once".into(), &"no-server".into()), "{}", state());
    let name = |field: &str| document["document"]["audiences"][field]["name"].as_str().expect("a name").to_owned();
    let there = |field: &str| -> usize {
        let id = audience_named(&lab, &name(field)).expect("one audience");
        keys_of(&lab, &id).expect("members").values().map(BTreeSet::len).sum()
    };
    assert!(name("email").starts_with("lapsed – email – 20"), "{}", name("email"));
    // The same again would find audiences of these names: nothing is made, and nothing half made.
    let again =
        [&of[..], &["--match", "email", "--canvas", "again", "--lab", &lab.url, "--store", "s.caravan"]].concat();
    let refused = place.run(again).expect(2).stderr;
    assert!(refused.contains("CV080") && refused.contains("is there already"), "{refused}");
    let mails = MailServer::start();
    let serve = ["serve", "--store", "s.caravan", "--lab", &lab.url, "--listen", "127.0.0.1:0", "--json"];
    let mut command = place.caravan(serve);
    command.env("CARAVAN_SMTP_URL", format!("smtp://{}", mails.address)).env("CARAVAN_WRITE_KEYS", KEY);
    command.env("CARAVAN_MAIL_FROM", "Caravan <alerts@acme.example>").stdout(Stdio::piped());
    let served = Served::spawn(&mut command);
    let full = || ["email", "phone", "external_id"].map(there) == [40, 40, 40];
    patient("all three audiences are full", full);
    let mut told = String::new();
    patient("whoever asked is mailed", || {
        told.push_str(&mails.take().concat());
        !told.is_empty()
    });
    assert!(told.contains("ann@acme.example") && told.contains("40 people were exported"), "{told}");
    assert!(told.contains("audience external_id") && told.contains("40 synced") && !told.contains("p1@"), "{told}");
    send(&served, (100..110).map(|id| identify(id, "pro", &mail(id))).collect());
    patient("they have joined the segment", || {
        let shown = place.run(["segment", "show", "lapsed", "--json", "--store", "s.caravan"]);
        shown.stdout.contains("\"members\": 50") || shown.stdout.contains("\"members\":50")
    });
    patient("the inbox is worked off", || served.metric(&["caravan_inbox_messages{"]) == Some(0));
    assert_eq!(served.term(), Some(0));
    assert!(full(), "nothing is changed later");
    assert_eq!(state()["mail"], "nobody", "whoever waited was told");
    assert!(mails.take().is_empty(), "and nobody is mailed twice");
}

#[test]
fn a_preview_shows_one_persons_way_with_every_decision_and_changes_nothing() {
    let place = Place::new();
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("lapsed.yaml", SEGMENT);
    place.write("users.csv", "external_id,email,plan\np0,p0@example.com,pro\np1,,free\n");
    place.write(
        "canvas.yaml",
        r#"
format: 1
canvas: win-back
audiences:
  lapsed: { connection: lab-meta, account: main, name: Lapsed, if_missing: create }
entry: { trigger: { event: Lapsed }, who: { all: [ { segment: lapsed } ] }, start: pause }
steps:
  pause: { delay: { local_time: { at: "09:00", on: [mon] } }, next: wait }
  wait: { wait_for: { event: opened, timeout: 3d, on_timeout: exit }, next: mark }
  mark: { update: { tier: gold }, next: split }
  split: { branch: [ { if: { attr: tier, eq: gold }, next: sync } ], else: exit }
  sync: { audience_sync: { audience: lapsed, action: add, match: [email] }, next: exit }
"#,
    );
    let caravan = |arguments: &[&str]| {
        let ran = place.run([arguments, &["--store", "s.caravan", "--quiet"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    caravan(&["list", "create", "staff"]);
    caravan(&["profile", "import", "users.csv", "--yes"]);
    caravan(&["segment", "set", "lapsed.yaml"]);
    let preview = |who: &str, more: &[&str]| {
        let of = ["canvas", "preview", "canvas.yaml", "--profile", who, "--at", "2026-12-24T10:00:00Z"];
        caravan(&[&of[..], more].concat())
    };
    let way = preview("p0", &["--happens"]);
    for words in
        ["p0 would enter", "waits until 2026-12-28 09:00:00Z", "happened", "arm 1", "synced: sends POST https://"]
    {
        assert!(way.contains(words), "{words}: {way}");
    }
    assert!(!preview("p0", &[]).contains("sync "), "what is waited for in vain leads out");
    assert!(preview("p0", &["--happens=opened"]).contains("synced: sends POST https://"));
    assert!(!preview("p0", &["--happens=other"]).contains("synced"), "another event is not waited for");
    let way = preview("p1", &["--happens"]);
    assert!(way.contains("p1 would not enter: this does not hold: {\"segment\":\"lapsed\"}"), "{way}");
    assert!(way.contains("skipped (e-mail is missing or empty): sends nothing"), "{way}");
    let ran = place.run(["canvas", "preview", "canvas.yaml", "--profile", "nobody", "--store", "s.caravan"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("nobody in the store"), "{}", ran.stderr);
    assert_eq!(caravan(&["profile", "trace", "p0"]).matches("visit").count(), 0);
}

#[test]
fn a_forecast_counts_who_may_come_whom_a_sync_could_send_and_what_is_lost() {
    let place = Place::new();
    place.write(
        "connections.yaml",
        "format: 1\nconnections:\n  lab-meta: { connector: meta, lab: true, accounts: { main: act_1 }, token_ends: 2026-01-31 }\n",
    );
    place.write("lapsed.yaml", SEGMENT);
    place.write(
        "canvas.yaml",
        r#"
format: 1
canvas: win-back
audiences:
  lapsed: { connection: lab-meta, account: main, name: Lapsed, if_missing: create }
entry: { trigger: { segment: lapsed, existing: enter }, who: { attr: country, eq: FR }, start: sync }
steps:
  sync: { audience_sync: { audience: lapsed, action: add, match: [email, phone, first_name] }, next: exit }
"#,
    );
    // Of 100: 80 in the segment, 60 of them in France; of these 20 with a phone, 10 without any e-mail or phone, 5 denied.
    let mut users = String::from("external_id,email,phone,country,plan,consents\n");
    for id in 0..100 {
        let plan = if id < 80 { "pro" } else { "free" };
        let country = if id < 60 { "FR" } else { "DE" };
        let email = if (50..60).contains(&id) { String::new() } else { mail(id) };
        let phone = if id < 20 { format!("+336123{id:05}") } else { String::new() };
        let consent = if (20..25).contains(&id) { "advertising=denied" } else { "" };
        users.push_str(&format!("p{id},{email},{phone},{country},{plan},{consent}\n"));
    }
    place.write("users.csv", &users);
    let store = ["--store", "s.caravan", "--quiet"];
    for arguments in [
        &["list", "create", "staff"][..],
        &["profile", "import", "users.csv", "--yes"],
        &["segment", "set", "lapsed.yaml"],
    ] {
        let ran = place.run([arguments, &store].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    }
    let ran = place.run([&["canvas", "forecast", "canvas.yaml", "--json"][..], &store].concat());
    assert_eq!(ran.code, Some(1), "the token has ended: {}{}", ran.stdout, ran.stderr);
    let found = ran.json();
    assert_eq!((found["people"].as_u64(), found["eligible"].as_u64()), (Some(100), Some(60)));
    let step = &found["steps"][0];
    assert_eq!(step["sendable"].as_u64(), Some(45), "{step}");
    assert_eq!(step["lost"]["consent-denied"].as_u64(), Some(5), "{step}");
    let lost: u64 = step["lost"].as_object().expect("reasons").values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(lost, 15, "{step}");
    assert_eq!((step["fields"]["email"].as_u64(), step["fields"]["phone"].as_u64()), (Some(45), Some(20)));
    assert_eq!((step["rows"].as_u64(), step["calls"].as_u64()), (Some(45), Some(1)));
    let words = place.run([&["canvas", "forecast", "canvas.yaml"][..], &store].concat()).stdout;
    let ended = "the token of lab-meta ended at 2026-01-31";
    assert!(words.contains("60 of 100 people may enter now") && words.contains(ended), "{words}");
    // A serving host says the same, ends the same way, and both say it in short before they publish.
    let key = place.run([&["key", "add", "boss", "--rights", "admin", "--json"][..], &store].concat()).expect(0).json();
    let lab = place.lab();
    let served = Served::of(&place, &lab, "127.0.0.1:0", &[]);
    let remote = |arguments: &[&str]| {
        let mut command = place.caravan([arguments, &["--server", &served.url]].concat());
        Ran::of(command.env("CARAVAN_KEY", key["key"].as_str().expect("a secret")))
    };
    // But for the partner's list of audiences, which only it may be able to read.
    let but_for_notes =
        |words: &str| words.lines().filter(|line| !line.contains("note: ")).collect::<Vec<_>>().join("\n");
    let told = remote(&["canvas", "forecast", "canvas.yaml"]).expect(1).stdout;
    assert_eq!(but_for_notes(&told), but_for_notes(&words));
    let (mut told, mut found) = (remote(&["canvas", "forecast", "canvas.yaml", "--json"]).expect(1).json(), found);
    for one in [&mut told, &mut found] {
        one["steps"][0].as_object_mut().expect("a step").remove("notes");
    }
    assert_eq!(told, found);
    let short = remote(&["canvas", "publish", "canvas.yaml"]).expect(0).stderr;
    assert!(short.contains("win-back: 60 of 100 people may enter now; 45 could be sent at sync"), "{short}");
    assert!(short.contains(&format!("warning: sync: {ended}")), "{short}");
    assert_eq!(served.term(), Some(0));
    let again = place.run(["canvas", "publish", "canvas.yaml", "--store", "s.caravan", "--lab", &lab.url]);
    let short = again.expect(0).stderr;
    assert!(short.contains("60 of 100 people may enter now") && short.contains(ended), "{short}");
}
