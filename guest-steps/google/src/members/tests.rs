//! The bytes that leave for a part, and the report of what came back.
use super::sync;
use caravan_sdk::http::{HttpError, Response};
use caravan_sdk::{Action, Fault, FlagColumn, Part, Report, Settings, testing};

const A: &str = "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a";
const B: &str = "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30";
const TAKEN: &str = r#"{"requestId":"t-7"}"#;
const HEAD: &str = r#"{"destinations":[{"operatingAccount":{"accountType":"GOOGLE_ADS","accountId":"1234567890"},"productDestinationId":"77"}],"audienceMembers":["#;
const TAIL: &str = r#"],"encoding":"HEX","termsOfService":{"customerMatchTermsOfServiceStatus":"ACCEPTED"}}"#;

fn played_with(more: &str, part: &Part, answer: Response) -> (Report, Vec<testing::Call>) {
    let settings = Settings::parse(&format!(r#"{{"terms_accepted":true{more}}}"#)).expect("settings");
    let target = testing::target("1234567890", "77", "");
    testing::with_partner(move |_| answer.clone(), || sync(&settings, &target, part))
}

fn played(part: &Part) -> (Report, Vec<testing::Call>) {
    played_with("", part, testing::json(200, TAKEN))
}

fn two_people() -> Part {
    testing::part(
        "contact",
        &[
            ("EMAIL", &[A, ""]),
            ("PHONE", &["", B]),
            ("GIVEN_NAME", &[A, ""]),
            ("FAMILY_NAME", &[B, ""]),
            ("REGION", &["US", ""]),
            ("POSTAL", &["94\"045", ""]),
        ],
    )
}

fn flagged(data: [u8; 2], ads: [u8; 2]) -> Part {
    let flag = |key: &str, values: [u8; 2]| FlagColumn { key: key.to_owned(), values: values.to_vec() };
    Part { flags: vec![flag("AD_USER_DATA", data), flag("AD_PERSONALIZATION", ads)], ..two_people() }
}

#[test]
fn people_are_added_with_one_post_one_member_per_row_and_google_judges_later() {
    let (report, calls) = played(&two_people());
    assert_eq!((report.settled.as_slice(), &report.fault), (&[(0, 2)][..], &None));
    assert!(report.pending.as_deref().is_some_and(|reference| reference.starts_with("2/t-7/")), "{report:?}");
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.host.as_str()), ("POST", "datamanager.googleapis.com"));
    assert_eq!(call.path, "/v1/audienceMembers:ingest");
    let address =
        format!(r#"{{"address":{{"givenName":"{A}","familyName":"{B}","regionCode":"US","postalCode":"94\"045"}}}}"#);
    let first = format!(r#"{{"userData":{{"userIdentifiers":[{{"emailAddress":"{A}"}},{address}]}}}}"#);
    let second = format!(r#"{{"userData":{{"userIdentifiers":[{{"phoneNumber":"{B}"}}]}}}}"#);
    assert_eq!(call.body, format!("{HEAD}{first},{second}{TAIL}"));
    assert_eq!(call.headers[1], ("content-length".to_owned(), call.body.len().to_string()));
}

#[test]
fn removals_name_the_same_people_without_consent_and_terms() {
    let part = Part { action: Action::Remove, ..flagged([2, 2], [2, 2]) };
    let (report, calls) = played_with(r#","default_ad_user_data":"granted""#, &part, testing::json(200, TAKEN));
    assert_eq!(calls[0].path, "/v1/audienceMembers:remove");
    assert!(report.pending.as_deref().is_some_and(|reference| reference.starts_with("2/t-7/")), "{report:?}");
    let added = played(&two_people()).1[0].body.replace(TAIL, r#"],"encoding":"HEX"}"#);
    assert_eq!(calls[0].body, added);
}

#[test]
fn what_people_said_travels_with_them_and_the_setting_speaks_for_the_others() {
    let (_, calls) =
        played_with(r#","default_ad_user_data":"granted""#, &flagged([2, 0], [1, 0]), testing::json(200, TAKEN));
    let body = &calls[0].body;
    let own = r#"]},"consent":{"adUserData":"CONSENT_DENIED","adPersonalization":"CONSENT_GRANTED"}},{"userData""#;
    assert!(body.contains(own), "{body}");
    let all =
        r#"}],"consent":{"adUserData":"CONSENT_GRANTED","adPersonalization":"CONSENT_STATUS_UNSPECIFIED"},"encoding""#;
    assert!(body.contains(all), "{body}");
    // Half an answer is completed by the setting.
    let (_, calls) =
        played_with(r#","default_ad_personalization":"granted""#, &flagged([1, 0], [0, 0]), testing::json(200, TAKEN));
    assert!(
        calls[0].body.contains(r#""consent":{"adUserData":"CONSENT_GRANTED","adPersonalization":"CONSENT_GRANTED"}}"#)
    );
    // Where nobody said anything, nothing is said.
    assert_eq!(played(&flagged([0, 0], [0, 0])).1, played(&two_people()).1);
}

#[test]
fn an_account_below_a_manager_is_reached_through_it() {
    let (_, calls) = played_with(r#","login_account":"9876543210""#, &two_people(), testing::json(200, TAKEN));
    let login =
        r#"},"loginAccount":{"accountType":"GOOGLE_ADS","accountId":"9876543210"},"productDestinationId":"77"}"#;
    assert!(calls[0].body.contains(login), "{}", calls[0].body);
    let (report, calls) = played_with(r#","login_account":"987-654-3210""#, &two_people(), testing::json(200, TAKEN));
    assert!(matches!(report.fault, Some(Fault::Misconfigured(_))) && calls.is_empty());
}

#[test]
fn advertising_ids_and_own_ids_have_members_of_their_own_kind() {
    let (_, calls) = played(&testing::part("ios", &[("IDFA", &["AE-1", "AE-2"])]));
    let members = r#"{"mobileData":{"mobileIds":["AE-1"]}},{"mobileData":{"mobileIds":["AE-2"]}}"#;
    let terms = r#"],"termsOfService":{"customerMatchTermsOfServiceStatus":"ACCEPTED"}}"#;
    assert_eq!(calls[0].body, format!("{HEAD}{members}{terms}"));
    let (_, calls) = played(&testing::part("user", &[("USER_ID", &["say \"hi\""])]));
    assert_eq!(calls[0].body, format!("{HEAD}{{\"userIdData\":{{\"userId\":\"say \\\"hi\\\"\"}}}}{terms}"));
}

#[test]
fn named_rows_fail_the_whole_call_and_are_handed_to_the_host() {
    let refused = |rows: &[u32]| {
        let violation =
            |row: &u32| format!(r#"{{"field":"audience_members[{row}].user_data","reason":"INVALID_FORMAT"}}"#);
        let list: Vec<String> = rows.iter().map(violation).collect();
        let body = format!(
            r#"{{"error":{{"status":"INVALID_ARGUMENT","details":[{{"fieldViolations":[{}]}}]}}}}"#,
            list.join(",")
        );
        played_with("", &two_people(), testing::json(400, &body)).0
    };
    let report = refused(&[1, 7]);
    assert!(report.settled.is_empty() && report.pending.is_none());
    let Some(Fault::Rows(rows)) = report.fault else { panic!("{report:?}") };
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [1]);
    assert!(matches!(refused(&[7]).fault, Some(Fault::Bug(_))));
}

#[test]
fn warnings_are_counted_and_a_nameless_answer_is_no_success() {
    let warned = r#"{"requestId":"t","fieldWarnings":[{"reason":"WARNING_REASON_X","field":"audience_members[1].a"},
        {"reason":"WARNING_REASON_X","field":"audience_members[1].b"}]}"#;
    let (report, _) = played_with("", &two_people(), testing::json(200, warned));
    assert_eq!((report.unnamed_refused, report.settled.as_slice()), (1, &[(0, 2)][..]));
    let (report, _) = played_with("", &two_people(), testing::json(200, "{}"));
    assert!(matches!(report.fault, Some(Fault::Unavailable(_))) && report.settled.is_empty());
}

#[test]
fn nobody_is_sent_unless_the_terms_are_accepted() {
    let target = testing::target("1", "77", "");
    let (report, calls) =
        testing::with_partner(|_| testing::json(200, TAKEN), || sync(&Settings::default(), &target, &two_people()));
    assert!(matches!(report.fault, Some(Fault::Terms(_))) && calls.is_empty());
    let removal = Part { action: Action::Remove, ..two_people() };
    let (report, _) =
        testing::with_partner(|_| testing::json(200, TAKEN), || sync(&Settings::default(), &target, &removal));
    assert_eq!(report.fault, None, "a removal needs none");
}

#[test]
fn a_part_that_is_empty_or_broken_makes_no_call() {
    let empty = testing::part("contact", &[]);
    assert_eq!(played(&empty).1.len(), 0);
    let strange = testing::part("contact", &[("GIVEN_NAME", &[A])]);
    let (report, calls) = played(&strange);
    assert!(matches!(report.fault, Some(Fault::Bug(_))) && calls.is_empty());
}

#[test]
fn a_cut_connection_is_unavailable() {
    let settings = Settings::parse(r#"{"terms_accepted":true}"#).expect("settings");
    let target = testing::target("1", "77", "");
    let (report, _) =
        testing::with_transport(|_| Err(HttpError::failed("cut")), || sync(&settings, &target, &two_people()));
    assert!(matches!(report.fault, Some(Fault::Unavailable(_))));
}

#[test]
fn the_same_part_gives_the_same_bytes() {
    let again = played_with("", &two_people(), testing::json(503, "{}")).1;
    assert_eq!(played(&two_people()).1, again);
}

#[test]
fn a_full_batch_is_read_as_json_of_all_rows() {
    let digests: Vec<String> = (0..10_000).map(|n| format!("{n:064x}")).collect();
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    let (report, calls) = played(&testing::part("contact", &[("EMAIL", &digests)]));
    assert_eq!(report.settled, [(0, 10_000)]);
    let body: serde_json::Value = serde_json::from_str(&calls[0].body).expect("JSON");
    assert_eq!(body["audienceMembers"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(body["audienceMembers"][9_999]["userData"]["userIdentifiers"][0]["emailAddress"], digests[9_999]);
}
