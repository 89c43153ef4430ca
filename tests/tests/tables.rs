//! The error tables of Criteo, Meta, Pinterest, Snapchat and TikTok: each row is raised by the lab's fault dial, and the
//! queue's state and the words that a designer reads stand in a table (`--nocapture` prints it). Google's and Marketo's
//! stand with their other tests.
use caravan_tests::{Lab, Place, state_of, words_of};
use serde_json::{Value, json};

const CONNECTIONS: &str = r#"
format: 1
connections:
  criteo: { connector: criteo, lab: true, accounts: { main: "1" } }
  meta: { connector: meta, lab: true, accounts: { main: act_1 } }
  pinterest: { connector: pinterest, lab: true, accounts: { main: "549755000000" } }
  snapchat: { connector: snapchat, lab: true, accounts: { main: 8adc3db7-8148-4fbf-999c-000000000001 } }
  tiktok: { connector: tiktok, lab: true, accounts: { main: "7000000000000000001" } }
"#;

/// A list that is there already, since Pinterest makes none without people.
const LIST: &str = r#"id: "77", kind: EMAIL"#;
const MADE: &str = r#"name: "People", if_missing: create"#;

/// A partner's table as it grows.
struct Table {
    partner: &'static str,
    lab: Lab,
    text: String,
}

impl Table {
    fn of(partner: &'static str) -> Table {
        let lab = Place::new().lab();
        if partner == "pinterest" {
            let list =
                json!({"partner": partner, "account": "549755000000", "id": "77", "name": "People", "kind": "EMAIL"});
            lab.post("/_lab/audiences", &list).expect("a list");
        }
        Table { partner, lab, text: String::new() }
    }

    /// One person meets a dial on the call that adds people; `expected` is what becomes of the queue, or of the person.
    fn row(&mut self, label: &str, dial: Value, expected: &str) {
        let place = Place::new();
        place.write("connections.yaml", CONNECTIONS);
        let audience = if self.partner == "pinterest" { LIST } else { MADE };
        let canvas = format!(
            "format: 1\ncanvas: table\naudiences:\n  people: {{ connection: {}, account: main, {audience} }}\n\
             entry: {{ trigger: {{ event: lapsed }}, start: sync }}\nsteps:\n  sync: {{ audience_sync: {{ audience: people, \
             action: add, match: [email] }}, next: exit }}\n",
            self.partner
        );
        place.write("in.yaml", canvas);
        place.write("users.csv", "external_id,email\na,a@example.com\n");
        // Each row finds quotas that nothing was taken of.
        self.lab.post("/_lab/quota", &json!({"partner": self.partner})).expect("a fresh quota");
        self.lab.delete("/_lab/faults").expect("no dial");
        let mut dial = dial;
        dial["partner"] = json!(self.partner);
        dial["route"] = json!("users-add");
        self.lab.post("/_lab/faults", &dial).unwrap_or_else(|error| panic!("no dial {dial}: {error}"));
        let url = self.lab.url.clone();
        let ran =
            place.run(["run", "in.yaml", "--users", "users.csv", "--store", "s.caravan", "--lab", &url, "--json"]);
        let ran = ran.json();
        let (state, words) = (state_of(&ran), words_of(&ran));
        self.text += &format!("{label:<42}{state:<28}{words}\n");
        assert_eq!(state, expected, "{label}:\n{}", self.text);
        assert!(!words.is_empty() || state.starts_with("synced"), "{label} has no words:\n{}", self.text);
    }

    fn print(&self) {
        println!("{}:\n{}", self.partner, self.text);
    }
}

#[test]
fn criteos_error_table_has_its_states_and_words() {
    let mut table = Table::of("criteo");
    for (code, expected) in [
        ("authorization-token-expired", "held-unauthorized"),
        ("authorization-token-invalid", "held-unauthorized"),
        ("authorization-forbidden", "held-forbidden"),
        ("audience-invalid", "held-audience-missing"),
        ("segment-not-found", "held-audience-missing"),
        ("contact-list-read-only", "held-audience-not-writable"),
        ("segment-type-invalid", "held-audience-not-writable"),
        ("too-many-requests", "throttled"),
        ("internal-error", "retrying"),
        ("service-unavailable", "retrying"),
        ("endpoint-deprecated", "held-outdated"),
        ("required-field", "rejected poison-row"),
        ("invalid", "rejected poison-row"),
        ("invalid-ranged", "rejected poison-row"),
        ("unsupported-media-type", "rejected poison-row"),
        ("request-too-large", "rejected partner:too-large"),
    ] {
        table.row(code, json!({"fault": "error", "reason": code}), expected);
    }
    // The status wins over the code.
    table.row(
        "503 audience-invalid",
        json!({"fault": "error", "reason": "audience-invalid", "status": 503}),
        "retrying",
    );
    // So many were not valid, and which is not said: they stay synced, and the batch carries the count.
    table.row("200 nbInvalidIdentifiers", json!({"fault": "bad-rows", "rows": 1}), "synced");
    table.print();
}

#[test]
fn pinterests_error_table_has_its_states_and_words() {
    let mut table = Table::of("pinterest");
    for (status, expected) in [
        (401, "held-unauthorized"),
        (403, "held-forbidden"),
        (404, "held-audience-missing"),
        (429, "throttled"),
        (500, "retrying"),
        (502, "retrying"),
        (503, "retrying"),
        (504, "retrying"),
        (400, "rejected poison-row"),
        (413, "rejected partner:too-large"),
    ] {
        table.row(&status.to_string(), json!({"fault": "error", "code": 1, "status": status}), expected);
    }
    let dial = json!({"fault": "error", "code": 2, "status": 400, "message": "AdAccount not found."});
    table.row("400 AdAccount not found.", dial, "held-audience-missing");
    let dial = json!({"fault": "error", "code": 29, "status": 403, "message": "Rate limit exceeded."});
    table.row("403 with the words of a rate limit", dial, "throttled");
    table.row("an answer that is cut", json!({"fault": "cut"}), "retrying");
    table.row("200 + exceptions", json!({"fault": "bad-rows", "rows": 1}), "synced");
    table.print();
}

#[test]
fn snapchats_error_table_has_its_states_and_words() {
    let mut table = Table::of("snapchat");
    for (status, expected) in [
        (401, "held-unauthorized"),
        (403, "held-forbidden"),
        (404, "held-audience-missing"),
        (429, "throttled"),
        (500, "retrying"),
        (502, "retrying"),
        (503, "retrying"),
        (504, "retrying"),
        (400, "rejected poison-row"),
        (405, "rejected poison-row"),
        (406, "rejected poison-row"),
        (410, "rejected poison-row"),
        (418, "rejected poison-row"),
        (413, "rejected partner:too-large"),
    ] {
        table.row(&status.to_string(), json!({"fault": "error", "code": 1, "status": status}), expected);
    }
    for code in ["E3002", "E3003"] {
        let dial = json!({"fault": "error", "reason": code, "status": 403});
        table.row(&format!("403 {code}"), dial, "held-forbidden");
    }
    table.row("segment not active", json!({"fault": "not-editable"}), "held-audience-not-writable");
    let dial = |words: &str| json!({"fault": "error", "code": 1, "status": 200, "message": words});
    table.row("200 ERROR, permission", dial("Caller does not have permission"), "held-forbidden");
    table.row("200 ERROR, not found", dial("Resource can not be found"), "held-audience-missing");
    table.row("200 ERROR, unknown words", dial("Something else"), "retrying");
    table.row("an empty answer", json!({"fault": "drop"}), "retrying");
    table.row("fewer users than were sent", json!({"fault": "bad-rows", "rows": 1}), "synced");
    table.print();
}

#[test]
fn metas_error_table_has_its_states_and_words() {
    let mut table = Table::of("meta");
    for (code, subcode, expected) in [
        (2, 0, "retrying"),
        (5000, 0, "retrying"),
        (21_009, 0, "retrying"),
        (4, 0, "throttled"),
        (17, 2_446_079, "throttled"),
        (32, 0, "throttled"),
        (341, 0, "throttled"),
        (613, 1_487_742, "throttled"),
        (80_000, 0, "throttled"),
        (80_003, 0, "throttled"),
        (80_004, 0, "throttled"),
        (368, 0, "retrying"),
        (102, 0, "held-unauthorized"),
        (190, 458, "held-unauthorized"),
        (190, 459, "held-unauthorized"),
        (190, 460, "held-unauthorized"),
        (190, 463, "held-unauthorized"),
        (190, 464, "held-unauthorized"),
        (190, 467, "held-unauthorized"),
        (190, 492, "held-unauthorized"),
        (3, 0, "held-forbidden"),
        (10, 0, "held-forbidden"),
        (200, 0, "held-forbidden"),
        (270, 0, "held-forbidden"),
        (294, 0, "held-forbidden"),
        (299, 0, "held-forbidden"),
        (100, 33, "held-audience-missing"),
        (100, 1_487_366, "held-audience-missing"),
        (100, 1_487_301, "held-audience-not-writable"),
        (2650, 0, "held-audience-not-writable"),
        (2654, 0, "held-audience-not-writable"),
        (100, 1_713_230, "held-audience-blocked"),
        (100, 1_713_228, "held-audience-blocked"),
        (100, 1_713_231, "held-audience-blocked"),
        (2655, 0, "held-terms"),
        (2663, 0, "held-terms"),
        (100, 1_870_090, "held-terms"),
        (100, 0, "rejected poison-row"),
        (105, 0, "rejected poison-row"),
        (2500, 0, "rejected poison-row"),
        (1, 99, "rejected partner:too-large"),
    ] {
        let dial = json!({"fault": "error", "code": code, "subcode": subcode, "status": 400});
        table.row(&format!("{code} / {subcode}"), dial, expected);
    }
    let dial =
        json!({"fault": "error", "code": 100, "status": 400, "message": "The audience requires LOOKALIKE_VALUE"});
    table.row("100 requires LOOKALIKE_VALUE", dial, "held-audience-not-writable");
    table.row("a page instead of JSON", json!({"fault": "html"}), "retrying");
    table.row("num_invalid_entries", json!({"fault": "bad-rows", "rows": 1}), "synced");
    table.print();
}

#[test]
fn tiktoks_error_table_has_its_states_and_words() {
    let mut table = Table::of("tiktok");
    for (codes, expected) in [
        (&[40_100, 40_016, 40_132, 40_133][..], "throttled"),
        (&[50_000, 50_002, 51_305, 60_001, 40_700, 40_201, 40_202], "retrying"),
        (&[40_101, 40_102, 40_104, 40_105, 40_106, 40_110], "held-unauthorized"),
        (&[40_001, 40_113, 40_118, 40_119, 40_125, 40_300, 40_301, 41_000], "held-forbidden"),
        (&[40_007], "held-audience-missing"),
        (&[40_002, 40_006, 40_008, 40_051, 40_900, 40_905, 40_915], "rejected poison-row"),
        (&[40_050], "synced"),
    ] {
        for code in codes {
            table.row(&code.to_string(), json!({"fault": "error", "code": code}), expected);
        }
    }
    let dial = json!({"fault": "error", "code": 40_002, "message": "The audience is not editable."});
    table.row("40002 not editable", dial, "held-audience-not-writable");
    table.row("a page instead of JSON", json!({"fault": "html"}), "retrying");
    table.print();
}
