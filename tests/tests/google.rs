//! Google end to end: what stands in the lab's list equals an independent calculation from the users file, for add and for
//! remove; consent travels with the people, and what Google says later corrects the counts.
use caravan_tests::{Lab, Place, audience_named, keys_of, oracle, patient, word};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use xtask::totals;

const CONNECTIONS: &str = r#"
format: 1
connections:
  lab-google:
    connector: google
    lab: true
    accounts: { main: "1000000001" }
    settings: { status_seconds: 1 }
"#;

/// When the host first asks what became of a batch: a minute after it was taken.
const ASKED_AFTER: Duration = Duration::from_secs(62);

const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

fn canvas(id: &str, action: &str) -> String {
    format!(
        r#"
format: 1
canvas: {id}
audiences:
  churned: {{ connection: lab-google, account: main, name: "Churned", kind: CONTACT_ID, if_missing: create }}
entry: {{ trigger: {{ event: churned }}, start: sync }}
steps:
  sync:
    audience_sync:
      audience: churned
      action: {action}
      match: [email, first_name, last_name, country, zip]
    next: exit
"#
    )
}

/// What somebody answered to Google's two questions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Granted,
    Denied,
}

/// Gives people answers: by their number, so that the oracle needs no second look at the file.
fn said(number: usize) -> Said {
    match number % 10 {
        0..6 => Said::Granted,
        6 => Said::Denied,
        _ => Said::Nothing,
    }
}

/// Writes the people again, with their answers among the consents.
fn with_answers(people: &[oracle::Row], place: &Place, name: &str) -> std::path::PathBuf {
    let path = place.path(name);
    let mut writer = csv::Writer::from_path(&path).expect("a file");
    let columns: Vec<&String> = people[0].keys().collect();
    writer.write_record(&columns).expect("a header");
    for (number, row) in people.iter().enumerate() {
        let answer = match said(number) {
            Said::Nothing => "",
            Said::Granted => ";ad-user-data=granted;ad-personalization=granted",
            Said::Denied => ";ad-user-data=granted;ad-personalization=denied",
        };
        let cell = |column: &String| match column.as_str() {
            "consents" => format!("{}{answer}", row[column]).trim_start_matches(';').to_owned(),
            _ => row[column].clone(),
        };
        writer.write_record(columns.iter().map(|column| cell(column))).expect("a row");
    }
    writer.flush().expect("written");
    path
}

/// Given and family names: lower case, neither punctuation nor white space.
fn name(value: &str) -> Option<String> {
    oracle::name(value).map(|name| name.replace(' ', ""))
}

/// One member at Google: key → value as it stands there.
type Member = BTreeMap<&'static str, String>;

/// The members that a person becomes: one for each e-mail, the address with each.
fn members(row: &oracle::Row) -> Vec<Member> {
    let cell = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
    let emails: BTreeSet<String> =
        oracle::several(cell("email")).iter().filter_map(|value| oracle::google_email(value)).collect();
    let (zip, country) = (cell("zip").trim(), cell("country").trim().to_uppercase());
    let address = match (name(cell("first_name")), name(cell("last_name"))) {
        (Some(first), Some(last)) if !zip.is_empty() && country.len() == 2 => Some((first, last)),
        _ => None,
    };
    let member = |email: String| {
        let mut member = Member::from([("EMAIL", oracle::sha256(&email))]);
        if let Some((first, last)) = &address {
            member.insert("GIVEN_NAME", oracle::sha256(first));
            member.insert("FAMILY_NAME", oracle::sha256(last));
            member.insert("REGION", country.clone());
            member.insert("POSTAL", zip.to_owned());
        }
        member
    };
    emails.into_iter().map(member).collect()
}

/// Why Google drops a member while it is processed.
fn dropped(member: &Member, said: Said) -> Option<&'static str> {
    let eea = member.get("REGION").is_some_and(|region| EEA.contains(&region.as_str()));
    match said {
        Said::Denied => Some("DENIED_CONSENT"),
        Said::Nothing if eea => Some("NO_CONSENT"),
        _ => None,
    }
}

fn keys(members: &[Member]) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, value) in members.iter().flatten() {
        keys.entry((*key).to_owned()).or_default().insert(value.clone());
    }
    keys
}

fn run(place: &Place, lab: &Lab, canvas: &str, file: &std::path::Path) -> Value {
    let users = word(file);
    place.run(["run", canvas, "--users", &users, "--store", "s.caravan", "--lab", &lab.url, "--json"]).expect(0).json()
}

/// All that Google said later, over all batches: reason → count.
fn judged(place: &Place) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for slice in 1..100 {
        for part in 1..10 {
            let shown = place.run(["batch", "show", &format!("{slice}-{part}"), "--store", "s.caravan", "--json"]);
            if shown.code != Some(0) {
                match part {
                    1 => return counts,
                    _ => break,
                }
            }
            for (reason, n) in shown.json()["judged"].as_object().into_iter().flatten() {
                *counts.entry(reason.clone()).or_default() += n.as_u64().unwrap_or_default();
            }
        }
    }
    counts
}

#[test]
fn lists_equal_an_independent_calculation_consent_travels_and_a_later_judgement_is_counted() {
    let place = Place::new();
    let lab = place.lab();
    // A request is processed in half a minute instead of half an hour.
    lab.post("/_lab/settings", &json!({"time_scale": 60})).expect("settings");
    lab.post("/_lab/record", &json!({"on": true})).expect("recording");
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("churned-in", "add"));
    place.write("out.yaml", canvas("churned-out", "remove"));
    let people = oracle::read(&place.people("all.csv", 3_000, 7));
    let file = with_answers(&people, &place, "people.csv");

    let began = Instant::now();
    let added = run(&place, &lab, "in.yaml", &file);
    assert_eq!(totals::accounted(&added), Some(3_000), "{added}");

    let sent: Vec<(Member, Said)> = people
        .iter()
        .enumerate()
        .filter(|(_, row)| !oracle::blocked(row))
        .flat_map(|(number, row)| members(row).into_iter().map(move |member| (member, said(number))))
        .collect();
    let kept = |all: &[(Member, Said)]| -> Vec<Member> {
        all.iter().filter(|(member, said)| dropped(member, *said).is_none()).map(|(member, _)| member.clone()).collect()
    };
    let list = audience_named(&lab, "Churned").expect("one");
    assert_eq!(keys_of(&lab, &list).expect("members"), keys(&kept(&sent)));

    // What people said stands with them in the bodies; who said nothing has no word.
    let calls = lab.get("/_lab/calls?bodies=1").expect("calls");
    let bodies =
        calls["requests"].as_array().expect("requests").iter().filter(|request| request["route"] == "users-add");
    let bodies: Vec<Value> =
        bodies.map(|request| serde_json::from_str(request["body"].as_str().expect("a body")).expect("JSON")).collect();
    let consents: Vec<&Value> = bodies
        .iter()
        .flat_map(|body| body["audienceMembers"].as_array().expect("members"))
        .map(|m| &m["consent"])
        .collect();
    let with = |wanted: Said| sent.iter().filter(|(_, said)| *said == wanted).count();
    let granted = json!({"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"});
    let denied = json!({"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED"});
    let count = |wanted: &Value| consents.iter().filter(|consent| **consent == wanted).count();
    assert_eq!(
        (count(&granted), count(&denied), count(&Value::Null)),
        (with(Said::Granted), with(Said::Denied), with(Said::Nothing))
    );

    // The first half leaves again.
    let half = place.path("half.csv");
    let text = std::fs::read_to_string(&file).expect("people");
    let lines: Vec<&str> = text.lines().take(1 + people.len() / 2).collect();
    std::fs::write(&half, lines.join("\n") + "\n").expect("written");
    let removed = run(&place, &lab, "out.yaml", &half);
    assert_eq!(totals::accounted(&removed), Some(1_500), "{removed}");
    let stay: Vec<(Member, Said)> = people
        .iter()
        .enumerate()
        .skip(people.len() / 2)
        .filter(|(_, row)| !oracle::blocked(row))
        .flat_map(|(number, row)| members(row).into_iter().map(move |member| (member, said(number))))
        .collect();
    assert_eq!(keys_of(&lab, &list).expect("members"), keys(&kept(&stay)));

    // A minute later Google is asked, and says how many it dropped, and why.
    assert_eq!(judged(&place), BTreeMap::new());
    std::thread::sleep(ASKED_AFTER.saturating_sub(began.elapsed()));
    run(&place, &lab, "in.yaml", &file);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for reason in sent.iter().filter_map(|(member, said)| dropped(member, *said)) {
        *expected.entry(reason.to_owned()).or_default() += 1;
    }
    assert_eq!(expected.len(), 2, "both reasons occur");
    assert_eq!(judged(&place), expected);
}

#[test]
fn a_named_bad_row_is_dropped_and_the_others_are_sent_again() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("churned-in", "add"));
    let rows: String = (0..20).map(|n| format!("u{n},u{n}@example.com\n")).collect();
    let file = place.write("users.csv", format!("external_id,email\n{rows}"));
    let dial = json!({"partner": "google", "route": "users-add", "fault": "error", "reason": "INVALID_SHA256_FORMAT", "rows": 2, "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let users = word(&file);
    let ran = place.run(["run", "in.yaml", "--users", &users, "--store", "s.caravan", "--lab", &lab.url, "--json"]);
    let ran = ran.expect(1).json();
    assert_eq!((totals::of_status(&ran, "synced"), totals::of_status(&ran, "rejected")), (18, 2), "{ran}");
    let list = audience_named(&lab, "Churned").expect("one");
    let expected: BTreeSet<String> = (2..20).map(|n| oracle::sha256(&format!("u{n}@example.com"))).collect();
    assert_eq!(keys_of(&lab, &list).expect("members")["EMAIL"], expected);
    let calls = lab.get("/_lab/calls").expect("calls");
    assert_eq!(calls["partners"]["google"]["routes"]["POST audienceMembers:ingest"], 2, "refused once, then taken");
}

/// Two people come; the request that a dial strikes fails later as a whole, for this reason. What the run says that asks.
fn failed_later(reason: &str, code: i32) -> (Place, Lab, Value) {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("connections.yaml", CONNECTIONS);
    place.write("in.yaml", canvas("churned-in", "add"));
    lab.post("/_lab/settings", &json!({"time_scale": 60})).expect("settings");
    let reason = format!("PROCESSING_ERROR_REASON_{reason}");
    let dial = json!({"partner": "google", "fault": "partial", "rows": 9, "reason": reason, "count": 1});
    lab.post("/_lab/faults", &dial).expect("a dial");
    let file = place.write("users.csv", "external_id,email\na,a@example.com\nb,b@example.com\n");
    let began = Instant::now();
    let first = run(&place, &lab, "in.yaml", &file);
    assert_eq!(totals::of_status(&first, "synced"), 2, "{first}");
    let list = audience_named(&lab, "Churned").expect("one");
    assert_eq!(keys_of(&lab, &list).expect("members").values().map(BTreeSet::len).sum::<usize>(), 0);
    std::thread::sleep(ASKED_AFTER.saturating_sub(began.elapsed()));
    let users = word(&file);
    let run = || place.run(["run", "in.yaml", "--users", &users, "--store", "s.caravan", "--lab", &lab.url, "--json"]);
    // The minute began when the batch had been taken, which a busy machine does later.
    let is_judged = || !place.run(["batch", "show", "1-1", "--store", "s.caravan"]).stdout.contains("followed up");
    let mut again = run();
    patient("Google has judged it", || {
        let judged = is_judged();
        if !judged {
            std::thread::sleep(Duration::from_secs(1));
            again = run();
        }
        judged
    });
    (place, lab, again.expect(code).json())
}

#[test]
fn a_request_that_fails_within_google_is_sent_again_and_its_people_stand_there_then() {
    let (place, lab, again) = failed_later("INTERNAL_ERROR", 0);
    assert_eq!((totals::of_status(&again, "synced"), totals::of_status(&again, "rejected")), (2, 0), "{again}");
    let list = audience_named(&lab, "Churned").expect("one");
    let expected = BTreeSet::from(["a", "b"].map(|name| oracle::sha256(&format!("{name}@example.com"))));
    assert_eq!(keys_of(&lab, &list).expect("members")["EMAIL"], expected);
    assert_eq!(judged(&place), BTreeMap::from([("INTERNAL_ERROR".to_owned(), 2)]), "the batch shows what happened");
}

#[test]
fn a_request_that_fails_as_a_whole_for_its_people_rejects_them_after_all() {
    let (_, _, again) = failed_later("INVALID_FORMAT", 1);
    assert_eq!((totals::of_status(&again, "synced"), totals::of_status(&again, "rejected")), (0, 2), "{again}");
}

#[test]
fn keys_that_no_one_list_takes_are_refused_before_anything_is_made() {
    let (place, lab) = (Place::new(), Place::new().lab());
    place.write("connections.yaml", CONNECTIONS);
    place.write(
        "in.yaml",
        canvas("mixed", "add").replace("[email, first_name, last_name, country, zip]", "[email, gaid]"),
    );
    let file = word(&place.write("users.csv", "external_id,email\na,a@example.com\n"));
    let ran =
        place.run(["run", "in.yaml", "--users", &file, "--store", "s.caravan", "--lab", &lab.url, "--json"]).expect(2);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("CONTACT_ID"), "{ran:?}");
    assert_eq!(lab.get("/_lab/audiences").expect("audiences")["audiences"], json!([]));
}
