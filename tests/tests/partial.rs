//! A batch that takes several requests: one of them fails, and what was taken before is not sent again.
use caravan_tests::{Lab, Place, keys_of, oracle};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use xtask::totals;

/// One partner's batch.
struct Case {
    partner: &'static str,
    account: &'static str,
    audience: &'static str,
    /// Words of `match`.
    keys: &'static str,
    people: u64,
    /// What fails the second request, in the partner's own form.
    dial: Value,
    /// The key under which the lab keeps e-mails.
    email: &'static str,
}

/// The bodies of the calls that add people, in order.
fn bodies(lab: &Lab) -> Vec<String> {
    let calls = lab.get("/_lab/calls?bodies=1").expect("calls");
    let requests = calls["requests"].as_array().expect("requests").iter();
    let adds = requests.filter(|request| request["route"] == "users-add");
    adds.map(|request| request["body"].as_str().expect("a body").to_owned()).collect()
}

impl Case {
    /// Runs it into the dial; everybody arrives, and only the request that failed was made twice.
    fn plays(&self) {
        let (place, lab) = (Place::new(), Place::new().lab());
        if self.partner == "pinterest" {
            let list =
                json!({"partner": "pinterest", "account": self.account, "id": "77", "name": "P", "kind": "EMAIL"});
            lab.post("/_lab/audiences", &list).expect("a list");
        }
        lab.post("/_lab/record", &json!({"on": true})).expect("recording");
        let mut dial = self.dial.clone();
        let more = json!({"partner": self.partner, "route": "users-add", "after_calls": 1, "count": 1});
        dial.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        lab.post("/_lab/faults", &dial).expect("a dial");
        place.write(
            "connections.yaml",
            format!(
                "format: 1\nconnections:\n  it: {{ connector: {}, lab: true, accounts: {{ main: {:?} }} }}\n",
                self.partner, self.account
            ),
        );
        place.write(
            "in.yaml",
            format!(
                "format: 1\ncanvas: in\naudiences:\n  people: {{ connection: it, account: main, {} }}\nentry: {{ trigger: \
                 {{ event: e }}, start: sync }}\nsteps:\n  sync: {{ audience_sync: {{ audience: people, action: add, \
                 match: [{}] }}, next: exit }}\n",
                self.audience, self.keys
            ),
        );
        let row = |n: u64| format!("u{n},u{n}@example.com,+1650561{:04}\n", n % 10_000);
        let rows: String = (0..self.people).map(row).collect();
        place.write("users.csv", format!("external_id,email,phone\n{rows}"));
        let url = lab.url.clone();
        let run = ["run", "in.yaml", "--users", "users.csv", "--store", "s", "--lab", &url, "--wait", "60s", "--json"];
        let ran = place.run(run).expect(0).json();
        assert_eq!(totals::of_status(&ran, "synced"), self.people, "{ran}");

        let sent = bodies(&lab);
        assert_eq!(sent.len(), 3, "{}: two requests, and the one that failed once more", self.partner);
        assert_ne!(sent[0], sent[1]);
        assert_eq!(sent[1], sent[2], "{}: the same bytes", self.partner);

        let list = lab.get("/_lab/audiences").expect("audiences")["audiences"][0]["audience"].clone();
        let found = keys_of(&lab, list.as_str().expect("an id")).expect("members");
        let expected: BTreeSet<String> =
            (0..self.people).map(|n| oracle::sha256(&format!("u{n}@example.com"))).collect();
        assert_eq!(found[self.email], expected, "{}", self.partner);
    }
}

const MADE: &str = r#"name: "People", if_missing: create"#;

#[test]
fn of_snapchats_requests_by_identifier_only_the_failed_one_is_repeated() {
    Case {
        partner: "snapchat",
        account: "8adc3db7-8148-4fbf-999c-000000000001",
        audience: MADE,
        keys: "email, phone",
        people: 10,
        dial: json!({"fault": "server-error"}),
        email: "EMAIL_SHA256",
    }
    .plays();
}

#[test]
fn of_criteos_requests_by_identifier_only_the_failed_one_is_repeated() {
    Case {
        partner: "criteo",
        account: "1",
        audience: MADE,
        keys: "email, phone",
        people: 10,
        dial: json!({"fault": "error", "reason": "service-unavailable"}),
        email: "email",
    }
    .plays();
}

#[test]
fn of_pinterests_requests_of_1900_only_the_failed_one_is_repeated() {
    Case {
        partner: "pinterest",
        account: "549755000000",
        audience: r#"id: "77", kind: EMAIL"#,
        keys: "email",
        people: 2_500,
        dial: json!({"fault": "server-error"}),
        email: "EMAIL",
    }
    .plays();
}

#[test]
fn of_googles_requests_of_10_000_only_the_failed_one_is_repeated() {
    Case {
        partner: "google",
        account: "1000000001",
        audience: r#"name: "People", kind: CONTACT_ID, if_missing: create"#,
        keys: "email",
        people: 12_000,
        dial: json!({"fault": "error", "reason": "UNAVAILABLE"}),
        email: "EMAIL",
    }
    .plays();
}

#[test]
fn of_tiktoks_requests_of_10_000_only_the_failed_one_is_repeated() {
    Case {
        partner: "tiktok",
        account: "7000000000000000001",
        audience: MADE,
        keys: "email",
        people: 12_000,
        dial: json!({"fault": "error", "code": 50_002}),
        email: "EMAIL_SHA256",
    }
    .plays();
}

#[test]
fn of_tiktoks_requests_the_one_that_was_taken_in_part_is_repeated_once() {
    Case {
        partner: "tiktok",
        account: "7000000000000000001",
        audience: MADE,
        keys: "email",
        people: 12_000,
        dial: json!({"fault": "partial", "rows": 5}),
        email: "EMAIL_SHA256",
    }
    .plays();
}

#[test]
fn of_metas_requests_of_10_000_only_the_failed_one_is_repeated() {
    Case {
        partner: "meta",
        account: "act_1",
        audience: MADE,
        keys: "email",
        people: 12_000,
        dial: json!({"fault": "error", "code": 2, "status": 500}),
        email: "EMAIL",
    }
    .plays();
}
