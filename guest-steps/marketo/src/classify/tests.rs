//! One case per row of the contract's error table, and the traps that concern reading an answer.
use super::{About, classify, time_of_day_ms};
use caravan_sdk::{Fault, fault, testing};
use serde_json::json;

fn class(fault: &Fault) -> String {
    match fault {
        Fault::Audience(fault) => format!("audience {:?}", fault.state).replace("AudienceState::", ""),
        other => {
            let name = format!("{other:?}").replace("Fault::", "");
            name.split('(').next().unwrap_or_default().to_owned()
        }
    }
}

fn fault_of(code: u32, about: About) -> Fault {
    let body = json!({"requestId": "a#b", "success": false, "errors": [{"code": code.to_string(), "message": "m"}]});
    classify(&testing::json(200, &body.to_string()), about).expect_err("a fault")
}

fn all(codes: &[u32], expected: &str) {
    for code in codes {
        let fault = fault_of(*code, About::Login);
        assert_eq!(class(&fault), expected, "{code}");
        assert_eq!(fault::cause_of(&fault).map(|cause| cause.code.clone()), Some(code.to_string()));
    }
}

fn wait(fault: &Fault) -> Option<u64> {
    match fault {
        Fault::Throttled(wait) => wait.after_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_success_is_the_answer_with_warnings_or_without() {
    let body = r#"{"requestId":"a#b","success":true,"warnings":["No assets found"]}"#;
    assert_eq!(classify(&testing::json(200, body), About::Login).map(|answer| answer["success"] == true), Ok(true));
}

#[test]
fn row_identity_401_is_unauthorized() {
    let body = r#"{"error":"invalid_client","error_description":"Bad client credentials"}"#;
    assert_eq!(class(&classify(&testing::json(401, body), About::Login).expect_err("a fault")), "Unauthorized");
}

#[test]
fn row_600_to_602_are_unauthorized() {
    all(&[600, 601, 602], "Unauthorized");
}

#[test]
fn row_603_is_forbidden() {
    all(&[603], "Forbidden");
}

/// Traps, row 36: 713 and 1016 pass.
#[test]
fn trap_36_row_temporary_codes_are_unavailable() {
    all(&[604, 608, 611, 713, 719, 614], "Unavailable");
    all(&[1016, 1019, 1029], "Unavailable");
    for status in [500, 502, 503, 504] {
        let fault = classify(&testing::answer(status, "text/html", "<h1>Bad gateway</h1>"), About::Login);
        assert_eq!(class(&fault.expect_err("a fault")), "Unavailable", "{status}");
    }
}

#[test]
fn row_606_and_615_are_throttled_with_our_own_back_off() {
    all(&[606, 615], "Throttled");
    assert_eq!((wait(&fault_of(606, About::Login)), wait(&fault_of(615, About::Login))), (None, None));
}

#[test]
fn row_607_waits_for_midnight_us_central() {
    all(&[607], "Throttled");
    assert_eq!(wait(&fault_of(607, About::Login)), Some(3_600_000), "the answer tells no time");
    let at = |date: &str| {
        let body = r#"{"success":false,"errors":[{"code":"607","message":"Daily quota '50000' reached"}]}"#;
        let mut answer = testing::json(200, body);
        answer.headers.push(("date".to_owned(), date.as_bytes().to_vec()));
        wait(&classify(&answer, About::Login).expect_err("a fault"))
    };
    assert_eq!(at("Thu, 26 Nov 2026 05:59:00 GMT"), Some(60_000));
    assert_eq!(at("Thu, 26 Nov 2026 06:00:01 GMT"), Some(86_399_000));
    assert_eq!(at("Thu, 26 Nov 2026 18:00:00 GMT"), Some(12 * 3_600_000));
    assert_eq!(at("Thu, 26 Nov 2026 06:00:00 GMT"), Some(86_400_000));
    assert_eq!(time_of_day_ms("26/11/2026"), None);
}

#[test]
fn row_610_and_1013_speak_of_the_list_where_the_call_does() {
    for code in [610, 1013] {
        assert_eq!(class(&fault_of(code, About::List)), "audience Missing", "{code}");
    }
    all(&[610], "Bug");
    all(&[1013], "audience Missing");
}

#[test]
fn row_709_to_711_and_1022_are_settings_to_be_mended() {
    all(&[709, 710, 711, 1022], "Misconfigured");
}

#[test]
fn row_bad_requests_are_bugs() {
    all(&[605, 609, 612, 613, 701, 703, 704, 616, 1001, 1002, 1006, 1011, 1035], "Bug");
    // Codes of rows, where they stand for the whole call.
    all(&[1003, 1004, 1005, 1007, 1008, 1009, 1010, 1015], "Bug");
}

#[test]
fn row_413_and_414_are_too_large_whatever_the_body_says() {
    for status in [413, 414] {
        for body in ["<h1>Too long</h1>", r#"{"success":false,"errors":[]}"#] {
            let fault = classify(&testing::json(status, body), About::Login).expect_err("a fault");
            assert_eq!(class(&fault), "TooLarge", "{status}");
        }
    }
}

#[test]
fn row_702_is_nobody_and_no_error() {
    let body = r#"{"success":false,"errors":[{"code":"702","message":"No data found for a given search scenario"}]}"#;
    assert_eq!(classify(&testing::json(200, body), About::Login).map(|answer| answer["result"].clone()), Ok(json!([])));
}

#[test]
fn row_unknown_codes_and_failures_without_errors_are_tried_again() {
    all(&[699, 1099, 5], "Unavailable");
    for body in [r#"{"success":false}"#, r#"{"success":false,"errors":[]}"#, "{}", "[]", "", "{\"success\":tr"] {
        assert_eq!(
            class(&classify(&testing::json(200, body), About::Login).expect_err("a fault")),
            "Unavailable",
            "{body}"
        );
    }
}

#[test]
fn of_several_errors_the_one_that_a_person_must_mend_is_told() {
    let errors =
        json!([{"code": "713", "message": "a"}, {"code": "603", "message": "b"}, {"code": "606", "message": "c"}]);
    let body = json!({"success": false, "errors": errors}).to_string();
    assert_eq!(class(&classify(&testing::json(200, &body), About::Login).expect_err("a fault")), "Forbidden");
    let number = r#"{"success":false,"errors":[{"code":601,"message":"a code without quotes"}]}"#;
    assert_eq!(class(&classify(&testing::json(200, number), About::Login).expect_err("a fault")), "Unauthorized");
}
