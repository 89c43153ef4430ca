//! Each verb does what its page says.
mod common;
use common::{Folder, Ran};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

/// The canvas of the design, section 5.
const DESIGN: &str = r#"format: 1
canvas: win-back                      # id: lower case, digits, hyphens; never changes
title: Win back lapsed buyers
owner: growth@acme.example
note: Agreed with legal on 12 Nov. FR and DE only.
audiences:
  lapsed: { connection: acme-meta, account: fr, name: "Lapsed buyers FR", if_missing: create }   # create | fail
entry:
  trigger: { event: subscription_lapsed, where: { plan: { in: [pro, team] } } }
  who: { all: [ { attr: country, in: [FR, DE] }, { consent: advertising } ] }
  re_entry: { after: 30d }            # never | always | after
  start: pause
exit: [ { event: purchase } ]         # at once: also from a delay, and from anything of this entry still unsent
steps:
  pause:  { delay: { for: 2d }, next: active }           # for | until | local time
  active: { branch: [ { if: { event: app_open, within: 7d }, next: exit } ], else: sync }   # `exit` is a reserved target
  sync:
    audience_sync:
      audience: lapsed
      action: add                     # add | remove
      match: [email, phone, first_name, last_name]
      keep_for: 60d                   # optional: removed again by itself
      advance: when_synced            # at_once (default) | when_synced
    next: exit
    otherwise: mail                   # skipped, rejected, expired; without it they go to `next`
  mail:   { webhook: { use: acme-mailer, body: { to: "{{ email }}", template: win-back } }, next: exit }
"#;

#[track_caller]
fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran
}

#[test]
fn explain_knows_every_code() {
    let folder = Folder::new();
    let list = good(folder.caravan(&["explain"])).out;
    let firsts = list.lines().filter_map(|line| line.split_whitespace().next());
    let codes: Vec<&str> = firsts.filter(|first| !matches!(*first, "ERROR" | "REASON")).collect();
    assert!(codes.len() > 60 && codes.contains(&"CV020") && codes.contains(&"no-identifier"), "{list}");
    for code in codes {
        let page = good(folder.caravan(&["explain", &code.to_lowercase()])).out;
        assert!(page.starts_with(&format!("# {code}: ")), "{page}");
    }
}

#[test]
fn the_examples_are_valid() {
    let folder = Folder::with_examples();
    let ran = good(folder.caravan(&["canvas", "validate", "win-back.yaml"]));
    assert!(ran.err.contains("valid, 4 steps (with connections.yaml)"), "{}", ran.err);
    assert_eq!(good(folder.caravan(&["canvas", "validate", "win-back.yaml", "--json"])).json()["valid"], true);
    let webhook = Folder::new();
    webhook.write("welcome.yaml", include_str!("../../../examples/webhook/welcome.yaml"));
    webhook.write("connections.yaml", include_str!("../../../examples/webhook/connections.yaml"));
    let ran = good(webhook.caravan(&["canvas", "validate", "welcome.yaml"]));
    assert!(ran.err.contains("valid, 3 steps (with connections.yaml)"), "{}", ran.err);
}

#[test]
fn the_canvas_of_the_design_is_read_and_formatted() {
    let folder = Folder::new();
    folder.write("design.yaml", DESIGN);
    good(folder.caravan(&["canvas", "fmt", "design.yaml"]));
    assert_eq!(good(folder.caravan(&["canvas", "validate", "design.yaml", "--json"])).json()["valid"], true);
}

#[test]
fn fmt_gives_a_form_that_it_leaves_alone() {
    let folder = Folder::with_examples();
    folder.write("design.yaml", DESIGN);
    for name in ["win-back.yaml", "design.yaml"] {
        let before = folder.read(name);
        assert_eq!(folder.caravan(&["canvas", "fmt", "--check", name]).code, 1);
        // Comments are lost by it, so it asks.
        assert_eq!(folder.caravan(&["canvas", "fmt", "--write", name]).code, 2);
        assert_eq!(folder.read(name), before);
        let printed = good(folder.caravan(&["canvas", "fmt", name])).out;
        good(folder.caravan(&["canvas", "fmt", "--write", "--yes", name]));
        assert_eq!(folder.read(name), printed);
        good(folder.caravan(&["canvas", "fmt", "--check", name]));
        good(folder.caravan(&["canvas", "fmt", "--write", name]));
        assert_eq!(folder.read(name), printed);
    }
}

#[test]
fn schemas_are_json_schemas() {
    let folder = Folder::new();
    for args in [["canvas", "schema"].as_slice(), &["canvas", "schema", "--connections"]] {
        let schema = good(folder.caravan(args)).json();
        assert!(schema["properties"].is_object() && schema["additionalProperties"] == false, "{schema:#}");
    }
}

/// A lab that goes with the test, also where the test fails.
struct Lab(Child);

impl Drop for Lab {
    fn drop(&mut self) {
        // One that has ended already needs no ending.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_lab_says_where_it_is_in_one_line() {
    let folder = Folder::new();
    let mut lab = Lab(folder.command(&["lab", "--quiet"]).stdout(Stdio::piped()).spawn().expect("starts"));
    let mut lines = BufReader::new(lab.0.stdout.take().expect("a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    let addresses: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    for url in [&addresses["lab"], &addresses["partners"]["meta"], &addresses["partners"]["tiktok"]] {
        assert!(url.as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{line}");
    }
    // A connection finds it there.
    let examples = Folder::with_examples();
    let url = addresses["lab"].as_str().expect("an address").to_owned();
    let ran = good(examples.caravan(&["connection", "check", "lab-meta", "--lab", &url]));
    assert!(
        ran.out.contains("lab-meta [lab]: Meta Custom Audiences") && ran.out.contains("account main (act_1001)"),
        "{}",
        ran.out
    );
    let accounts = good(examples.caravan(&["connection", "accounts", "lab-meta", "--lab", &url, "--json"])).json();
    assert!(accounts.is_array(), "{accounts:#}");
}

#[test]
fn people_are_the_same_for_the_same_seed() {
    let folder = Folder::new();
    let first = good(folder.caravan(&["lab", "people", "--count", "50"])).out;
    good(folder.caravan(&["lab", "people", "--count", "50", "--seed", "1", "--out", "people.csv"]));
    assert_eq!(folder.read("people.csv"), first);
    assert_eq!(first.lines().count(), 51);
}

#[test]
fn a_connector_is_inspected_without_running_it() {
    let folder = Folder::new();
    let words = good(folder.caravan(&["connector", "inspect", "meta"])).out;
    assert!(!words.contains("beyond the world"), "types that bindings name are no rights: {words}");
    assert!(words.contains("LDU: what they said about `data-sale`"), "{words}");
    for part in ["E-mail as EMAIL, hashed (SHA-256)", "https://graph.facebook.com", "never sees a credential"] {
        assert!(words.contains(part), "{words}");
    }
    let json = good(folder.caravan(&["connector", "inspect", "tiktok", "--json"])).json();
    assert_eq!(json["manifest"]["name"], "tiktok");
}

#[test]
fn a_dry_run_shows_requests_and_results() {
    let folder = Folder::with_examples();
    let args = [
        "dry-run",
        "--connector",
        "meta",
        "--account",
        "act_1",
        "--audience",
        "123",
        "--action",
        "add",
        "--match",
        "email,phone",
        "--users",
        "users-sample.csv",
        "--country",
        "FR",
        "--json",
    ];
    let ran = good(folder.caravan(&args));
    let dry = ran.json();
    let requests = dry["requests"].as_array().expect("requests");
    assert_eq!(requests.len(), 1, "{dry:#}");
    assert_eq!(
        (requests[0]["method"].as_str(), requests[0]["url"].as_str()),
        (Some("POST"), Some("https://graph.facebook.com/v26.0/123/users"))
    );
    assert_eq!(requests[0]["headers"]["authorization"], "***");
    let body: serde_json::Value = serde_json::from_str(requests[0]["body"].as_str().expect("text")).expect("JSON");
    assert_eq!(body["payload"]["schema"], serde_json::json!(["EMAIL", "PHONE"]));
    // Of anna.martin@example.com and 33199001234.
    assert_eq!(body["payload"]["data"][0][0], "60576711244064b28577222b30959d19bac60a4ecfe789fa8580bde1a07f3be0");
    let results = dry["results"].as_array().expect("results");
    assert_eq!(results.len(), 20);
    assert_eq!((results[0]["external_id"].as_str(), results[0]["status"].as_str()), (Some("demo-001"), Some("synced")));
    assert_eq!((results[4]["status"].as_str(), results[4]["code"].as_str()), (Some("skipped"), Some("consent-denied")));
    assert_eq!((results[7]["status"].as_str(), results[7]["code"].as_str()), (Some("skipped"), Some("no-identifier")));
    assert!(results[7]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert!(!ran.out.contains("lab-token") && !ran.out.contains("@example.com"), "{}", ran.out);
    // The same people again make the same bytes.
    assert_eq!(good(folder.caravan(&args)).out, ran.out);
}

#[test]
fn a_run_ends_with_everybody_accounted_for_and_can_be_looked_into() {
    let folder = Folder::with_examples();
    let run = ["run", "win-back.yaml", "--users", "users-sample.csv"];
    let ran = good(folder.caravan(&run));
    assert!(ran.out.contains("= 20 entered\nChecked against the lab: "), "{}", ran.out);
    assert!(ran.out.contains("lapsed-meta holds the same"), "{}", ran.out);
    assert_eq!(ran.out.matches("\n  caravan ").count(), 4, "{}", ran.out);
    assert_eq!(ran.err, "");

    let again = good(folder.caravan(&run));
    assert!(again.err.contains("The 20 people of users-sample.csv were here before"), "{}", again.err);
    assert!(again.err.contains("--again"), "{}", again.err);
    assert!(again.out.contains("= 20 entered"), "{}", again.out);

    let anew =
        good(folder.caravan(&["run", "win-back.yaml", "--users", "users-sample.csv", "--again", "--json"])).json();
    assert_eq!((anew["entered"].as_u64(), anew["end"].as_str()), (Some(40), Some("done")), "{anew:#}");
    let unchanged = anew["counts"].as_array().into_iter().flatten().filter(|count| count["status"] == "unchanged");
    assert!(unchanged.filter_map(|count| count["n"].as_u64()).sum::<u64>() > 0, "{anew:#}");

    let trace = good(folder.caravan(&["profile", "trace", "anna.martin@example.com"])).out;
    assert!(
        trace.starts_with("demo-001\n") && trace.contains("a***@example.com") && !trace.contains("anna.martin"),
        "{trace}"
    );
    assert!(trace.contains("win-back/lapsed-meta") && trace.contains("EMAIL"), "{trace}");
    let revealed = good(folder.caravan(&["profile", "trace", "demo-001", "--reveal"])).out;
    assert!(revealed.contains("anna.martin@example.com"), "{revealed}");
    let batch = trace
        .lines()
        .find(|line| line.contains("synced"))
        .and_then(|line| line.split_whitespace().last())
        .expect("a batch");
    let shown = good(folder.caravan(&["batch", "show", batch])).out;
    assert!(shown.contains("attempt 1") && shown.contains("EMAIL"), "{shown}");
    let queues = good(folder.caravan(&["queue", "list", "--json"])).json();
    assert_eq!(queues.as_array().map(Vec::len), Some(2), "{queues:#}");
    assert!(good(folder.caravan(&["queue", "resume", "win-back/lapsed-meta"])).out.contains("is open already"));
    assert_eq!(folder.caravan(&["profile", "trace", "nobody"]).code, 2);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = Folder::new();
    let mut child = folder
        .command(&["lab", "people", "--count", "200000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    let ran = Ran::of(child.wait_with_output().expect("ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

/// Commands that make the named store where it is not there write to it, or leave nothing of it.
#[test]
fn what_writes_nothing_leaves_no_store_behind() {
    let folder = Folder::with_examples();
    folder.write("rule.yaml", "format: 1\nsegment: far\nwho: { event: a, within: 900d }\n");
    let left = || {
        let names = std::fs::read_dir(folder.path("")).expect("a folder").map(|file| file.expect("a file").file_name());
        names.filter(|name| name.to_string_lossy().starts_with("new.caravan")).collect::<Vec<_>>()
    };
    let looked: [(&[&str], i32); 13] = [
        (&["connector", "install", "nothing.wasm"], 2),
        (&["connector", "grant", "nobody", "--as-asked", "--yes"], 2),
        (&["connector", "app", "show", "meta"], 2),
        (&["connector", "hold", "nobody", "--reason", "words"], 2),
        (&["connection", "show", "nobody"], 2),
        (&["connection", "create", "shop", "--connector", "nobody", "--account", "a=b"], 2),
        (&["segment", "set", "nothing.yaml"], 2),
        (&["segment", "set", "rule.yaml"], 2),
        (&["canvas", "publish", "nothing.yaml"], 2),
        (&["canvas", "save", "nothing.yaml"], 2),
        (&["profile", "import", "nothing.csv"], 2),
        (&["event", "import", "nothing.csv"], 2),
        (
            &[
                "list",
                "import",
                "vip",
                "--create",
                "--from",
                "nobody",
                "--folder",
                "f",
                "--audience",
                "a",
                "--every",
                "5m",
            ],
            2,
        ),
    ];
    for (verb, code) in looked {
        let ran = folder.caravan(&[verb, &["--store", "new.caravan"]].concat());
        assert_eq!((ran.code, left().len()), (code, 0), "{verb:?}: {}\n{:?}", ran.err, left());
    }
    good(folder.caravan(&["list", "create", "vip", "--store", "new.caravan"]));
    assert!(left().iter().any(|name| name == "new.caravan"), "{:?}", left());
    // One that is there stays, whatever a command says of it.
    assert_eq!(folder.caravan(&["connector", "install", "nothing.wasm", "--store", "new.caravan"]).code, 2);
    assert!(good(folder.caravan(&["list", "list", "--store", "new.caravan"])).out.contains("vip"));
}
