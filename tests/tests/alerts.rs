//! A dead token is told by mail, to Slack and to PagerDuty, and so is its mending: by the binary, over real sockets.
use caravan_tests::sinks::{MailServer, WebSink};
use caravan_tests::{Lab, Place, Ran, word};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CONNECTIONS: &str = "
format: 1
connections:
  acme-meta: { connector: meta, lab: true, accounts: { main: act_1 } }
";

const CANVAS: &str = "
format: 1
canvas: win-back
audiences:
  lapsed: { connection: acme-meta, account: main, name: Lapsed, if_missing: create }
entry: { trigger: { event: lapsed }, start: sync }
steps:
  sync: { audience_sync: { audience: lapsed, action: add, match: [email, phone] }, next: exit }
";

/// A lab, a mail server, a web server, and the variables that lead to them.
struct Scene {
    place: Place,
    people: String,
    lab: Lab,
    mail: MailServer,
    web: WebSink,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        place.write("connections.yaml", CONNECTIONS);
        place.write("canvas.yaml", CANVAS);
        let people = word(&place.people("people.csv", 300, 5));
        Scene { people, lab: place.lab(), mail: MailServer::start(), web: WebSink::start(), place }
    }

    /// A command with all that telling needs.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.caravan(arguments.iter().copied().chain(["--store", "s.caravan"]));
        command
            .env("CARAVAN_SMTP_URL", format!("smtp://{}", self.mail.address))
            .env("CARAVAN_MAIL_FROM", "Caravan <alerts@acme.example>")
            .env("CARAVAN_PUBLIC_URL", "https://caravan.acme.example/")
            .env("CARAVAN_ALLOW_LOOPBACK", "1")
            .env("TEST_SLACK_HOOK", format!("{}/services/T0/B0/hunter2", self.web.url))
            .env("TEST_PAGER_KEY", "R0UT1NG");
        command
    }

    fn caravan(&self, arguments: &[&str]) -> Ran {
        ended(self.command(arguments))
    }

    fn run(&self) -> Ran {
        self.caravan(&["run", "canvas.yaml", "--users", &self.people, "--lab", &self.lab.url, "--json"])
    }

    /// Makes the audience before anything is wrong.
    fn publish(&self) {
        self.place.write("nobody.csv", "external_id,email\n");
        self.caravan(&["run", "canvas.yaml", "--users", "nobody.csv", "--lab", &self.lab.url]).expect(0);
    }

    fn subscribe(&self) {
        let pager = format!("pagerduty:env:TEST_PAGER_KEY;url={}/v2/enqueue", self.web.url);
        for (name, to) in [("ops", "mailto:ops@acme.example"), ("chat", "slack:env:TEST_SLACK_HOOK"), ("duty", &pager)]
        {
            let added = self.caravan(&["alert", "add", name, "--to", to]).expect(0);
            assert!(!added.stderr.contains("CV064"), "{added:?}");
        }
    }

    fn dead_token(&self) {
        self.lab.post("/_lab/faults", &json!({"partner": "meta", "fault": "dead-token"})).expect("the dial");
    }

    fn pager(&self) -> Vec<Value> {
        self.web.take("/v2/enqueue")
    }

    fn slack(&self) -> Vec<Value> {
        self.web.take("/services/T0/B0/hunter2")
    }
}

fn ended(mut command: Command) -> Ran {
    let output = command.output().expect("caravan starts");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A day that begins so many days from now, in UTC.
fn day_in(days: u32) -> String {
    let date = Command::new("date").args(["-u", "-d", &format!("+{days} days"), "+%F"]).output().expect("date");
    String::from_utf8_lossy(&date.stdout).trim().to_owned()
}

/// Nothing that was said or sent holds a secret.
#[track_caller]
fn discreet(text: &str) {
    for secret in ["hunter2", "R0UT1NG"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_dead_token_and_its_mending_are_told_by_mail_slack_and_pagerduty() {
    let scene = Scene::new();
    scene.subscribe();
    scene.publish();
    assert!(scene.mail.take().is_empty() && scene.slack().is_empty() && scene.pager().is_empty());

    scene.dead_token();
    let ran = scene.run().expect(1);
    discreet(&ran.stderr);
    let mails = scene.mail.take();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let queue = "queue win-back/lapsed of connection acme-meta";
    assert!(mails[0].contains(&format!("Subject: caravan: [critical] {queue} is held")), "{}", mails[0]);
    let said = ["the partner refuses the credentials", "people wait", "renew the connection's secret", "CV081"];
    assert!(said.iter().all(|words| mails[0].contains(words)), "{}", mails[0]);
    assert!(mails[0].contains("https://caravan.acme.example/canvas/win-back?step"), "{}", mails[0]);
    let slack = scene.slack();
    assert_eq!(slack.len(), 1, "{slack:?}");
    assert!(slack[0]["text"].as_str().is_some_and(|text| text.starts_with("[critical]") && text.contains(queue)));
    assert!(slack[0]["blocks"][0]["text"]["type"] == "mrkdwn", "{slack:?}");
    let events = scene.pager();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["event_action"], &events[0]["routing_key"]), (&json!("trigger"), &json!("R0UT1NG")));
    assert_eq!(events[0]["payload"]["severity"], "critical");
    let incident = events[0]["dedup_key"].clone();

    let listed = scene.caravan(&["alert", "list", "--json"]).expect(1);
    discreet(&listed.stdout);
    let listed = listed.json();
    assert_eq!(listed["subscriptions"].as_array().map(Vec::len), Some(3), "{listed}");
    assert_eq!((&listed["alerts"][0]["kind"], listed["alerts"][0]["since"].is_i64()), (&json!("queue-held"), true));
    let shown = scene.caravan(&["alert", "show", "ops"]).expect(0).stdout;
    assert!(shown.contains("1 notice so far") && shown.contains(queue), "{shown}");

    // The same again is no news.
    scene.run().expect(1);
    assert!(scene.mail.take().is_empty() && scene.slack().is_empty() && scene.pager().is_empty());

    scene.lab.delete("/_lab/faults").expect("the dial");
    scene.run().expect(0);
    let mails = scene.mail.take();
    assert!(mails.len() == 1 && mails[0].contains(&format!("[mended] {queue} is no longer held")), "{mails:?}");
    let slack = scene.slack();
    assert!(slack.len() == 1 && slack[0]["text"].as_str().is_some_and(|text| text.starts_with("[mended]")));
    let events = scene.pager();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["event_action"], &events[0]["dedup_key"]), (&json!("resolve"), &incident));
    assert_eq!(scene.caravan(&["alert", "list", "--json"]).expect(0).json()["alerts"], json!([]));
}

#[test]
fn a_subscription_that_cannot_be_served_is_said_and_its_notice_waits() {
    let scene = Scene::new();
    scene.subscribe();
    let without_mail = |arguments: &[&str]| {
        let mut command = scene.command(arguments);
        command.env_remove("CARAVAN_SMTP_URL").env_remove("CARAVAN_MAIL_FROM");
        ended(command)
    };
    scene.publish();
    scene.dead_token();
    let ran = without_mail(&["run", "canvas.yaml", "--users", &scene.people, "--lab", &scene.lab.url]).expect(1);
    assert!(ran.stderr.contains("CV064: subscription `ops`") && ran.stderr.contains("CARAVAN_SMTP_URL"), "{ran:?}");
    assert!(!ran.stderr.contains("`chat`"), "{ran:?}");
    assert_eq!((scene.mail.take().len(), scene.slack().len(), scene.pager().len()), (0, 1, 1));
    let listed = scene.caravan(&["alert", "list"]).expect(1).stdout;
    assert!(listed.contains("unsent: [critical]"), "{listed}");
    // It goes with the first run that has a mail server once its next try is due.
    let shown = scene.caravan(&["alert", "show", "ops", "--json"]).expect(0).json();
    let due = shown["unsent"]["due"].as_u64().expect("when it is tried again");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time of day");
    std::thread::sleep(Duration::from_millis(due + 1).saturating_sub(now));
    scene.run().expect(1);
    let mails = scene.mail.take();
    assert!(mails.len() == 1 && mails[0].contains("is held"), "{mails:?}");
}

#[test]
fn subscriptions_are_tested_changed_and_ended_by_command() {
    let scene = Scene::new();
    let none = scene.place.run(["alert", "list", "--store", "s.caravan"]).expect(2);
    assert!(none.stderr.starts_with("CV001"), "{none:?}");
    scene.subscribe();
    scene.caravan(&["alert", "test"]).expect(0);
    let mails = scene.mail.take();
    assert!(mails.len() == 1 && mails[0].contains("[test]") && mails[0].contains("To: ops@acme.example"), "{mails:?}");
    assert_eq!(scene.slack().len(), 1);
    let events = scene.pager();
    assert_eq!(events.iter().map(|event| &event["event_action"]).collect::<Vec<_>>(), ["trigger", "resolve"]);
    assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);

    // A secret on the command line is refused without being said again.
    let typed = scene.caravan(&["alert", "add", "bad", "--to", "https://hooks.slack.com/services/hunter2"]).expect(2);
    assert!(typed.stderr.starts_with("CV004") && typed.stderr.contains("slack:env:NAME"), "{typed:?}");
    discreet(&typed.stderr);

    let changed = scene.caravan(&["alert", "add", "chat", "--to", "slack:env:TEST_NEVER_SET", "--json"]).expect(0);
    assert!(changed.stderr.contains("CV064") && changed.json()["changed"] == true, "{changed:?}");
    let failed = scene.caravan(&["alert", "test", "chat"]).expect(1);
    assert!(failed.stderr.contains("CV064") && failed.stderr.contains("TEST_NEVER_SET"), "{failed:?}");

    scene.caravan(&["alert", "remove", "chat"]).expect(2);
    scene.caravan(&["alert", "remove", "chat", "--yes"]).expect(0);
    let gone = scene.caravan(&["alert", "show", "chat"]).expect(2);
    assert!(gone.stderr.starts_with("CV091") && gone.stderr.contains("duty, ops"), "{gone:?}");
}

#[test]
fn a_token_that_ends_soon_is_told_and_one_that_was_renewed_too() {
    let scene = Scene::new();
    let ends = |line: &str| {
        let text = CONNECTIONS.replace("{ connector: meta,", &format!("{{ connector: meta, token_ends: {line},"));
        scene.place.write("connections.yaml", text);
    };
    ends(&day_in(3));
    scene.run().expect(0);
    scene.subscribe();
    scene.run().expect(0);
    let told = scene.slack();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_string().contains("the token of connection acme-meta ends in 2d"), "{told:?}");
    ends(&day_in(60));
    scene.run().expect(0);
    let told = scene.slack();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_string().contains("the token of connection acme-meta no longer ends soon"), "{told:?}");
    ends("soon");
    let refused = scene.run().expect(2).stderr;
    assert!(refused.contains("CV024") || refused.contains("token_ends"), "{refused}");
}
