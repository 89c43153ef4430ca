//! Links that sign members in, as mails bring them.
use caravan_tests::sinks::MailServer;
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, Ran, Served, patient};
use serde_json::{Value, json};
use std::process::Command;

struct World {
    place: Place,
    lab: Lab,
    mails: MailServer,
}

impl World {
    fn new() -> World {
        let place = Place::new();
        place.write("connections.yaml", LAB_CONNECTIONS);
        let lab = place.lab();
        World { place, lab, mails: MailServer::start() }
    }

    fn mailing<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("CARAVAN_SMTP_URL", format!("smtp://{}", self.mails.address))
            .env("CARAVAN_MAIL_FROM", "c@acme.example")
    }

    fn serve(&self, mails: bool) -> Served {
        let url = format!("smtp://{}", self.mails.address);
        let variables = [("CARAVAN_SMTP_URL", url.as_str()), ("CARAVAN_MAIL_FROM", "c@acme.example")];
        Served::with(&self.place, &self.lab, "127.0.0.1:0", &[], if mails { &variables } else { &[] })
    }

    /// The link's secret in the next mail to this address.
    fn mailed(&self, to: &str) -> String {
        let mut told = String::new();
        patient("a mail", || {
            told.push_str(&self.mails.take().concat());
            told.contains("cl_")
        });
        assert!(told.contains(&format!("To: {to}")) && told.matches("cl_").count() == 1, "{told}");
        let secret = told.split("cl_").nth(1).expect("a secret");
        format!("cl_{}", secret.split_whitespace().next().unwrap_or_default())
    }
}

fn call(served: &Served, path: &str, body: &Value) -> (u16, Value) {
    let (status, answer) = served.ask("POST", path, "", body.to_string());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn a_link_is_mailed_to_a_member_who_is_added_or_asks_and_it_signs_in_once() {
    let world = World::new();
    let place = &world.place;
    let boss =
        place.run(["key", "add", "boss", "--rights", "admin", "--store", "s.caravan", "--json"]).expect(0).json();
    let add = ["member", "add", "ann@acme.example", "--rights", "viewer", "--mail", "--store", "s.caravan"];
    assert!(place.run(add).expect(2).stderr.contains("no mail server"));
    assert!(
        !place.run(["member", "list", "--store", "s.caravan"]).expect(0).stdout.contains("ann@"),
        "nothing was done"
    );
    Ran::of(world.mailing(&mut place.caravan(add))).expect(0);
    let first = world.mailed("ann@acme.example");
    let served = world.serve(true);
    let sign = |link: &str| call(&served, "/api/sessions", &json!({"link": link}));
    assert_eq!((sign(&first).0, sign(&first).0), (201, 401));
    let mut command =
        place.caravan(["member", "link", "ann@acme.example", "--mail", "--json", "--server", &served.url]);
    let told = Ran::of(command.env("CARAVAN_KEY", boss["key"].as_str().expect("a secret"))).expect(0).json();
    assert!(told["link"].is_null() && told["until"].is_i64(), "whoever asks for another does not see it: {told}");
    assert_eq!(sign(&world.mailed("ann@acme.example")).0, 201);
    assert_eq!(call(&served, "/api/sessions/link", &json!({"email": " Ann@ACME.example"})).0, 202);
    assert_eq!(sign(&world.mailed("ann@acme.example")).0, 201);
    assert_eq!(served.term(), Some(0));
    let notes = place.run(["audit", "list", "--json", "--store", "s.caravan"]).expect(0).stdout;
    assert!(notes.contains("\"sign-in\"") && !notes.contains("cl_"), "{notes}");
}

#[test]
fn whoever_asks_for_links_learns_nothing_of_who_is_a_member_and_gets_five_an_hour() {
    let world = World::new();
    let add = ["member", "add", "ann@acme.example", "--rights", "admin", "--store", "s.caravan"];
    world.place.run(add).expect(0);
    let served = world.serve(true);
    let ask = |email: &str| call(&served, "/api/sessions/link", &json!({"email": email}));
    for round in 1..=7 {
        let (known, unknown) = (ask("ann@acme.example"), ask("eve@acme.example"));
        assert_eq!(known, unknown, "round {round}");
        assert_eq!(known.0, if round <= 5 { 202 } else { 429 }, "{known:?}");
    }
    assert_eq!(ask("nobody").0, 400);
    let mut told = Vec::new();
    patient("five mails", || {
        told.extend(world.mails.take());
        told.len() >= 5
    });
    assert!(told.len() == 5 && told.iter().all(|mail| mail.contains("To: ann@acme.example")), "{told:?}");
    assert_eq!(served.term(), Some(0));
    // Without a mail server nobody gets one, known or not, and is told so.
    let served = world.serve(false);
    let ask = |email: &str| call(&served, "/api/sessions/link", &json!({"email": email}));
    assert_eq!(ask("ann@acme.example"), ask("eve@acme.example"));
    assert_eq!(ask("ann@acme.example").0, 422);
    assert_eq!(served.term(), Some(0));
}
