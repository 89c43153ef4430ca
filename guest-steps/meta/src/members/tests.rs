//! The bytes that leave for a part, and the report of what came back.
use super::sync;
use caravan_sdk::http::{HttpError, Response};
use caravan_sdk::{Action, Fault, FlagColumn, Part, Report, Settings, testing};

const A: &str = "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f";
const B: &str = "5f0d1df1fc49e30424381b57b1d4c73e067772a4267dde043a19b026935602c8";
const TAKEN: &str =
    r#"{"audience_id":"23850","session_id":"5","num_received":2,"num_invalid_entries":0,"invalid_entry_samples":{}}"#;

fn played(part: &Part, answer: Response) -> (Report, Vec<testing::Call>) {
    let settings = Settings::parse(r#"{"api_version":"v26.0"}"#).expect("settings");
    let target = testing::target("act_1", "23850", "");
    testing::with_partner(move |_| answer.clone(), || sync(&settings, &target, part))
}

fn two_people() -> Part {
    testing::part("people", &[("EXTERN_ID", &["user-1", "say \"hi\""]), ("EMAIL", &[A, ""]), ("FN", &["", B])])
}

#[test]
fn people_are_added_with_one_post_of_rows_in_the_order_of_the_columns() {
    let (report, calls) = played(&two_people(), testing::json(200, TAKEN));
    assert_eq!((report.settled.as_slice(), report.unnamed_refused, &report.fault), (&[(0, 2)][..], 0, &None));
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.host.as_str()), ("POST", "graph.facebook.com"));
    assert_eq!(call.path, "/v26.0/23850/users");
    let data = format!(r#"["user-1","{A}",""],["say \"hi\"","","{B}"]"#);
    assert_eq!(call.body, format!(r#"{{"payload":{{"schema":["EXTERN_ID","EMAIL","FN"],"data":[{data}]}}}}"#));
    let headers = [("content-type", "application/json".to_owned()), ("content-length", call.body.len().to_string())];
    assert_eq!(call.headers, headers.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn people_are_removed_with_a_delete_of_the_same_body() {
    let part = Part { action: Action::Remove, ..two_people() };
    let (_, calls) = played(&part, testing::json(200, TAKEN));
    assert_eq!((calls[0].method.as_str(), calls[0].path.as_str()), ("DELETE", "/v26.0/23850/users"));
    assert_eq!(calls[0].body, played(&two_people(), testing::json(200, TAKEN)).1[0].body);
}

fn flagged(values: [u8; 2]) -> Part {
    Part { flags: vec![FlagColumn { key: "LDU".to_owned(), values: values.to_vec() }], ..two_people() }
}

#[test]
fn who_denied_the_sale_of_their_data_is_sent_for_limited_use_and_the_others_are_not() {
    let (report, calls) = played(&flagged([1, 2]), testing::json(200, TAKEN));
    assert_eq!(report.settled, [(0, 2)]);
    let data = format!(r#"["user-1","{A}","",[],0,0],["say \"hi\"","","{B}",["LDU"],0,0]"#);
    let options = r#""DATA_PROCESSING_OPTIONS","DATA_PROCESSING_OPTIONS_COUNTRY","DATA_PROCESSING_OPTIONS_STATE""#;
    let schema = format!(r#"["EXTERN_ID","EMAIL","FN",{options}]"#);
    assert_eq!(calls[0].body, format!(r#"{{"payload":{{"schema":{schema},"data":[{data}]}}}}"#));
    assert_eq!(calls[0].headers[1].1, calls[0].body.len().to_string());
}

#[test]
fn nothing_is_said_of_limits_where_nobody_denied_and_in_removals() {
    let plain = played(&two_people(), testing::json(200, TAKEN)).1;
    assert_eq!(played(&flagged([0, 1]), testing::json(200, TAKEN)).1, plain, "not a byte differs");
    let removal = Part { action: Action::Remove, ..flagged([2, 2]) };
    assert_eq!(played(&removal, testing::json(200, TAKEN)).1[0].body, plain[0].body);
}

/// Traps, row 21: the token stays out of addresses and bodies; the guest has none at all.
#[test]
fn trap_21_no_token_in_address_or_body() {
    let (_, calls) = played(&two_people(), testing::json(200, TAKEN));
    assert!(!format!("{calls:?}").contains("access_token") && !format!("{calls:?}").to_lowercase().contains("bearer"));
}

#[test]
fn the_same_part_gives_the_same_bytes() {
    let first = played(&two_people(), testing::json(200, TAKEN)).1;
    let again = played(&two_people(), testing::json(400, r#"{"error":{"code":2}}"#)).1;
    assert_eq!(first, again);
}

#[test]
fn a_full_batch_has_exactly_the_announced_length() {
    let values: Vec<&str> = (0..10_000).map(|row| if row % 3 == 0 { "" } else { A }).collect();
    let ids: Vec<String> = (0..10_000).map(|row| format!("ключ-{row}\t")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let part = testing::part("people", &[("EXTERN_ID", &ids), ("EMAIL", &values), ("PHONE", &values)]);
    let (report, calls) = played(&part, testing::json(200, TAKEN));
    assert_eq!(report.settled, [(0, 10_000)]);
    assert_eq!(calls[0].headers[1].1, calls[0].body.len().to_string());
    let body: serde_json::Value = serde_json::from_str(&calls[0].body).expect("JSON");
    let data = body["payload"]["data"].as_array().expect("rows");
    assert_eq!(data.len(), 10_000);
    assert_eq!(data[9_999], serde_json::json!(["ключ-9999\t", "", ""]));
}

/// Traps, row 22: refused rows are counted, not silently taken for good; Meta does not name them by number.
#[test]
fn trap_22_invalid_entries_are_counted_but_not_named() {
    for count in ["1", "\"1\""] {
        let body = format!(
            r#"{{"audience_id":"23850","num_received":2,"num_invalid_entries":{count},"invalid_entry_samples":{{"0":"x"}}}}"#
        );
        let (report, _) = played(&two_people(), testing::json(200, &body));
        assert_eq!((report.settled.as_slice(), report.unnamed_refused), (&[(0, 2)][..], 1));
        assert!(report.refused.is_empty() && report.fault.is_none());
    }
}

#[test]
fn more_refusals_than_rows_are_all_of_them() {
    let body = r#"{"audience_id":"1","num_received":2,"num_invalid_entries":9}"#;
    assert_eq!(played(&two_people(), testing::json(200, body)).0.unnamed_refused, 2);
}

#[test]
fn a_200_that_says_nothing_about_people_is_not_taken_for_success() {
    let (report, _) = played(&two_people(), testing::json(200, "{}"));
    assert!(report.settled.is_empty() && matches!(report.fault, Some(Fault::Unavailable(_))));
}

#[test]
fn an_error_settles_nobody() {
    let body = r#"{"error":{"message":"x","type":"OAuthException","code":190,"error_subcode":463}}"#;
    let (report, _) = played(&two_people(), testing::json(400, body));
    assert!(report.settled.is_empty() && matches!(report.fault, Some(Fault::Unauthorized(_))));
}

#[test]
fn without_an_answer_the_call_is_unavailable() {
    let settings = Settings::parse(r#"{"api_version":"v26.0"}"#).expect("settings");
    let target = testing::target("act_1", "23850", "");
    let fail = |_: &testing::Call| Err(HttpError::failed("cut"));
    let (report, _) = testing::with_transport(fail, || sync(&settings, &target, &two_people()));
    assert!(matches!(report.fault, Some(Fault::Unavailable(_))));
}

#[test]
fn a_part_without_rows_needs_no_call_and_one_without_keys_is_a_bug() {
    let (report, calls) = played(&testing::part("people", &[]), testing::json(200, TAKEN));
    assert!(calls.is_empty() && report.fault.is_none());
    let part = Part { columns: Vec::new(), ..two_people() };
    let (report, calls) = played(&part, testing::json(200, TAKEN));
    assert!(calls.is_empty() && matches!(report.fault, Some(Fault::Bug(_))));
}
