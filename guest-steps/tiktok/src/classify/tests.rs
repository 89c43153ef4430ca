//! One case per row of the contract's error table, and the traps that concern reading an answer.
use super::classify;
use caravan_sdk::{Fault, fault, testing};

fn fault_of(code: i64, message: &str) -> Fault {
    let body = format!(r#"{{"code":{code},"message":"{message}","request_id":"2026","data":{{}}}}"#);
    classify(&testing::json(200, &body)).expect_err("a fault")
}

fn class(fault: &Fault) -> String {
    match fault {
        Fault::Audience(fault) => format!("audience {:?}", fault.state).replace("AudienceState::", ""),
        other => {
            let name = format!("{other:?}").replace("Fault::", "");
            name.split('(').next().unwrap_or_default().to_owned()
        }
    }
}

fn all(codes: impl IntoIterator<Item = i64>, expected: &str) {
    for code in codes {
        let fault = fault_of(code, "x");
        assert_eq!(class(&fault), expected, "{code}");
        assert_eq!(fault::cause_of(&fault).map(|cause| cause.code.clone()), Some(code.to_string()));
    }
}

fn wait(fault: &Fault) -> Option<u64> {
    match fault {
        Fault::Throttled(wait) | Fault::Unavailable(wait) => wait.after_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_0_is_good() {
    let taken =
        classify(&testing::json(200, r#"{"code":0,"message":"OK","data":{"audience_id":"1"}}"#)).expect("taken");
    assert!(!taken.partly);
    assert_eq!(taken.data["audience_id"], "1");
}

#[test]
fn row_20001_is_taken_in_part() {
    assert!(classify(&testing::json(200, r#"{"code":20001,"message":"Partial","data":{}}"#)).expect("taken").partly);
}

#[test]
fn row_rate_limits_are_throttled() {
    all([40_100, 40_016, 40_132, 40_133], "Throttled");
    assert_eq!(wait(&fault_of(40_100, "Too many requests")), Some(1_000));
    assert_eq!(wait(&fault_of(40_100, "QPM limit reached")), Some(300_000));
    assert_eq!(wait(&fault_of(40_100, "Requests per day used up")), Some(3_600_000));
    assert_eq!(wait(&fault_of(40_132, "x")), None);
}

#[test]
fn row_temporary_codes_are_unavailable() {
    all([50_000, 50_002, 51_305, 55_555, 60_001, 40_700, 40_201, 40_202], "Unavailable");
}

#[test]
fn row_http_5xx_and_bodies_without_an_envelope_are_unavailable() {
    let page = "<html><body>Bad gateway</body></html>";
    for status in [200, 400, 500, 502, 503, 504] {
        let fault = classify(&testing::answer(status, "text/html", page)).expect_err("a fault");
        assert_eq!(class(&fault), "Unavailable", "{status}");
    }
    for body in ["", "{\"code\":0,\"mess", "{}", "[]", "null"] {
        assert_eq!(class(&classify(&testing::json(200, body)).expect_err("a fault")), "Unavailable", "{body}");
    }
}

#[test]
fn row_tokens_are_unauthorized() {
    all([40_102, 40_104, 40_105, 40_106, 40_110, 40_101], "Unauthorized");
}

#[test]
fn row_permissions_apps_and_advertisers_are_forbidden() {
    all([40_001, 40_113, 40_118, 40_119, 40_125, 40_300, 40_301], "Forbidden");
}

#[test]
fn row_41000_is_forbidden() {
    all([41_000], "Forbidden");
}

#[test]
fn row_40007_is_a_missing_audience() {
    all([40_007], "audience Missing");
}

#[test]
fn row_40002_not_editable_is_the_audiences_and_any_other_a_bug() {
    let fault = fault_of(40_002, "Audience is not editable, please check audience status");
    assert_eq!(class(&fault), "audience NotWritable");
    assert_eq!(fault::cause_of(&fault).map(|cause| cause.code.as_str()), Some(super::NOT_EDITABLE));
    all([40_002], "Bug");
}

#[test]
fn row_unknown_parameters_and_endpoints_are_bugs() {
    all([40_008, 40_006, 40_051], "Bug");
}

#[test]
fn row_40050_a_duplicate_request_is_done() {
    let taken = classify(&testing::json(200, r#"{"code":40050,"message":"Duplicate request"}"#)).expect("taken");
    assert!(!taken.partly);
}

#[test]
fn row_files_are_bugs() {
    all([40_900].into_iter().chain(40_905..=40_915), "Bug");
}

#[test]
fn row_http_404_is_a_missing_slash() {
    for body in ["404 page not found", "{}"] {
        assert_eq!(class(&classify(&testing::answer(404, "text/plain", body)).expect_err("a fault")), "Bug");
    }
}

/// Traps, row 27: HTTP 200 with a code other than 0 is what the code says; both peers get it wrong.
#[test]
fn trap_27_the_code_in_the_body_is_the_result() {
    all([40_105], "Unauthorized");
    all([40_100], "Throttled");
    all([40_002], "Bug");
    all([50_000], "Unavailable");
}

#[test]
fn the_code_decides_under_any_status() {
    for status in [400, 401, 429, 500] {
        let body = r#"{"code":40105,"message":"Access token is incorrect or has been revoked."}"#;
        assert_eq!(class(&classify(&testing::json(status, body)).expect_err("a fault")), "Unauthorized");
    }
}

#[test]
fn statuses_without_an_envelope_still_mean_something() {
    let class_of = |status| class(&classify(&testing::answer(status, "text/plain", "x")).expect_err("a fault"));
    assert_eq!((class_of(413), class_of(429)), ("TooLarge".to_owned(), "Throttled".to_owned()));
}

#[test]
fn codes_in_no_table_are_permanent() {
    all([40_999, 49_999, 7], "Bug");
}

#[test]
fn messages_have_our_words_and_tiktoks() {
    let fault = fault_of(40_300, "Advertiser does not exist");
    let message = fault::cause_of(&fault).map(|cause| cause.message.clone());
    assert_eq!(
        message.as_deref(),
        Some("The ad account does not exist: correct its id. TikTok says: Advertiser does not exist")
    );
}
