//! The bytes that leave for a part, and the report of what came back.
use super::sync;
use caravan_sdk::http::{HttpError, Response};
use caravan_sdk::{Action, AudienceState, Fault, Part, Report, testing};

const A: &str = "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f";
const B: &str = "c7e1a5948418c64b472abbe6a7b443ec83c4e31573874d600de828f89dd71339";
const OK: &str = r#"{"code":0,"message":"OK","request_id":"2026","data":{}}"#;
const NOT_EDITABLE: &str = r#"{"code":40002,"message":"Audience is not editable, please check audience status"}"#;

fn played(part: &Part, answer: impl Fn(&testing::Call) -> Response + 'static) -> (Report, Vec<testing::Call>) {
    let target = testing::target("7000000000000000001", "1730000000000000001", "");
    testing::with_partner(answer, || sync(&target, part))
}

fn ok(_: &testing::Call) -> Response {
    testing::json(200, OK)
}

fn two_people() -> Part {
    testing::part(
        "people",
        &[("EMAIL_SHA256", &[A, ""]), ("PHONE_SHA256", &[B, B]), ("IDFA_SHA256", &["", ""]), ("AAID_SHA256", &["", A])],
    )
}

/// Traps, row 18: every row has one slot per entry of the schema, in its order.
#[test]
fn trap_18_a_missing_id_leaves_its_slot_empty() {
    let (report, calls) = played(&two_people(), ok);
    assert_eq!((report.settled.as_slice(), report.unnamed_refused, &report.fault), (&[(0, 2)][..], 0, &None));
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.host.as_str()), ("POST", "business-api.tiktok.com"));
    assert_eq!(call.path, "/open_api/v1.3/segment/mapping/");
    let slot = |id: &str| format!(r#"{{"id":"{id}","audience_ids":["1730000000000000001"]}}"#);
    let rows = format!("[{},{},{{}},{{}}],[{{}},{},{{}},{}]", slot(A), slot(B), slot(B), slot(A));
    assert_eq!(
        call.body,
        format!(
            r#"{{"advertiser_ids":["7000000000000000001"],"action":"add","id_schema":["EMAIL_SHA256","PHONE_SHA256","IDFA_SHA256","AAID_SHA256"],"batch_data":[{rows}]}}"#
        )
    );
    assert_eq!(call.headers[1], ("content-length".to_owned(), call.body.len().to_string()));
}

/// Traps, row 17: an Android id stands under its own kind.
#[test]
fn trap_17_android_ids_are_not_sent_as_apple_ids() {
    let (_, calls) = played(&testing::part("people", &[("AAID_SHA256", &[A])]), ok);
    assert!(calls[0].body.contains(r#""id_schema":["AAID_SHA256"]"#));
}

#[test]
fn people_are_removed_with_the_action_delete() {
    let (_, calls) = played(&Part { action: Action::Remove, ..two_people() }, ok);
    let added = played(&two_people(), ok).1[0].body.replace(r#""action":"add""#, r#""action":"delete""#);
    assert_eq!(calls[0].body, added);
}

#[test]
fn the_same_part_gives_the_same_bytes() {
    let again = |_: &testing::Call| testing::json(200, r#"{"code":50000,"message":"x"}"#);
    assert_eq!(played(&two_people(), ok).1, played(&two_people(), again).1);
}

#[test]
fn a_full_batch_has_exactly_the_announced_length() {
    let values: Vec<&str> = (0..10_000).map(|row| if row % 3 == 0 { "" } else { A }).collect();
    let others: Vec<&str> = (0..10_000).map(|row| if row % 7 == 0 { B } else { "" }).collect();
    let (report, calls) = played(&testing::part("people", &[("EMAIL_SHA256", &values), ("PHONE_SHA256", &others)]), ok);
    assert_eq!(report.settled, [(0, 10_000)]);
    assert_eq!(calls[0].headers[1].1, calls[0].body.len().to_string());
    let body: serde_json::Value = serde_json::from_str(&calls[0].body).expect("JSON");
    let rows = body["batch_data"].as_array().expect("rows");
    assert_eq!(rows.len(), 10_000);
    assert!(rows.iter().all(|row| row.as_array().is_some_and(|slots| slots.len() == 2)));
}

#[test]
fn a_partial_success_is_sent_once_more_and_a_doubt_stays_unless_all_are_taken() {
    const PARTLY: &str = r#"{"code":20001,"message":"Partial success","data":{}}"#;
    const GOOD: &str = r#"{"code":0,"message":"OK","data":{}}"#;
    const DUPLICATE: &str = r#"{"code":40050,"message":"Duplicate","data":{}}"#;
    for (second, doubt) in [(GOOD, 0), (PARTLY, 1), (DUPLICATE, 1)] {
        let first = std::cell::Cell::new(true);
        let (report, calls) =
            played(&two_people(), move |_| testing::json(200, if first.replace(false) { PARTLY } else { second }));
        assert_eq!((report.settled.as_slice(), report.unnamed_refused), (&[(0, 2)][..], doubt), "{second}");
        assert!(report.fault.is_none());
        assert_eq!((calls.len(), &calls[0].body), (2, &calls[1].body), "once more, with the same bytes");
    }
}

#[test]
fn a_duplicate_request_is_done() {
    let (report, _) = played(&two_people(), |_| testing::json(200, r#"{"code":40050,"message":"Duplicate"}"#));
    assert_eq!(report.settled, [(0, 2)]);
    assert!(report.fault.is_none());
}

#[test]
fn an_audience_that_is_not_editable_is_looked_at() {
    let played_with = |details: &'static str| {
        let (report, calls) = played(&two_people(), move |call| match call.method.as_str() {
            "POST" => testing::json(200, NOT_EDITABLE),
            _ => testing::json(200, details),
        });
        assert_eq!(calls.len(), 2);
        assert_eq!(
            calls[1].path,
            "/open_api/v1.3/dmp/custom_audience/get/?advertiser_id=7000000000000000001\
             &custom_audience_ids=%5B%221730000000000000001%22%5D"
        );
        report.fault.expect("a fault")
    };
    let processing = r#"{"code":0,"data":{"list":[{"audience_details":{"audience_id":"1730000000000000001","type":"Partner","is_valid":false,"cover_num":0}}]}}"#;
    assert!(matches!(played_with(processing), Fault::Preparing(_)));
    let valid = r#"{"code":0,"data":{"list":[{"audience_details":{"audience_id":"1730000000000000001","type":"Partner","is_valid":true,"cover_num":5}}]}}"#;
    let other = r#"{"code":0,"data":{"list":[{"audience_details":{"audience_id":"1730000000000000001","type":"Customer File","is_valid":false,"cover_num":0}}]}}"#;
    for details in [valid, other, r#"{"code":0,"data":{"list":[]}}"#, r#"{"code":50000}"#] {
        match played_with(details) {
            Fault::Audience(fault) => assert_eq!(fault.state, AudienceState::NotWritable),
            fault => panic!("{fault:?}"),
        }
    }
}

#[test]
fn a_refusal_settles_nobody() {
    let (report, calls) = played(&two_people(), |_| testing::json(200, r#"{"code":40105,"message":"x"}"#));
    assert!(report.settled.is_empty() && matches!(report.fault, Some(Fault::Unauthorized(_))));
    assert_eq!(calls.len(), 1);
}

#[test]
fn without_an_answer_the_call_is_unavailable() {
    let target = testing::target("7", "173", "");
    let (report, _) = testing::with_transport(|_| Err(HttpError::failed("cut")), || sync(&target, &two_people()));
    assert!(matches!(report.fault, Some(Fault::Unavailable(_))));
}

#[test]
fn a_part_without_rows_needs_no_call_and_one_without_keys_is_a_bug() {
    let (report, calls) = played(&testing::part("people", &[]), ok);
    assert!(calls.is_empty() && report.fault.is_none());
    let (report, calls) = played(&Part { columns: Vec::new(), ..two_people() }, ok);
    assert!(calls.is_empty() && matches!(report.fault, Some(Fault::Bug(_))));
}
