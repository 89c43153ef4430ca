//! One case per row of the contract's error table, and the traps that concern reading an answer.
use super::{About, MAYBE_AUDIENCE, classify};
use caravan_sdk::http::Response;
use caravan_sdk::{Fault, fault, testing};

fn error(status: u16, code: &str, words: &str) -> Response {
    let body = format!(
        r#"{{"request_status":"ERROR","request_id":"r","debug_message":"{words}","display_message":"Sorry","error_code":"{code}"}}"#
    );
    testing::json(status, &body)
}

fn class_about(answer: &Response, about: About) -> String {
    match classify(answer, about).expect_err("a fault") {
        Fault::Audience(fault) => format!("audience {:?}", fault.state).replace("AudienceState::", ""),
        other => {
            let name = format!("{other:?}").replace("Fault::", "");
            name.split('(').next().unwrap_or_default().to_owned()
        }
    }
}

fn class(answer: &Response) -> String {
    class_about(answer, About::Audience)
}

#[test]
fn row_401_is_unauthorized_with_any_body() {
    assert_eq!(class(&testing::answer(401, "text/plain", "unauthorized")), "Unauthorized");
    assert_eq!(class(&testing::json(401, "")), "Unauthorized");
    // Two sources disagree about what E3002 means: the status decides.
    assert_eq!(class(&error(401, "E3002", "x")), "Unauthorized");
}

#[test]
fn row_403_is_forbidden_whichever_code() {
    for code in ["E3002", "E3003"] {
        assert_eq!(class(&error(403, code, "Caller does not have permission")), "Forbidden", "{code}");
    }
    let fault = classify(&error(403, "E3002", "x"), About::Create).expect_err("a fault");
    assert!(fault::cause_of(&fault).is_some_and(|cause| cause.message.contains("terms")));
}

#[test]
fn row_404_is_a_missing_audience() {
    assert_eq!(class(&error(404, "E1004", "x")), "audience Missing");
    assert_eq!(class(&testing::answer(404, "text/html", "<html>")), "audience Missing");
    assert_eq!(class_about(&error(404, "E1004", "x"), About::Account), "Forbidden");
}

#[test]
fn row_a_segment_of_another_source_is_not_writable() {
    assert_eq!(class(&error(400, "E1001", "the segment's source_type does not accept users")), "audience NotWritable");
}

#[test]
fn row_429_is_throttled() {
    assert_eq!(class(&error(429, "E2001", "x")), "Throttled");
    assert_eq!(class(&testing::json(429, "")), "Throttled");
}

#[test]
fn row_5xx_is_unavailable_with_any_body() {
    for status in [500, 502, 503, 504] {
        for body in ["", "<html>", "{}"] {
            assert_eq!(class(&testing::answer(status, "text/html", body)), "Unavailable", "{status}");
        }
    }
    for body in ["", "<html>", "[]", "{\"request_status\":\"SUC"] {
        assert_eq!(class(&testing::json(200, body)), "Unavailable", "{body}");
    }
}

#[test]
fn row_405_406_410_418_are_bugs() {
    for status in [405, 406, 410, 418] {
        assert_eq!(class(&error(status, "E1001", "x")), "Bug", "{status}");
    }
}

#[test]
fn row_400_is_a_bug_that_the_host_bisects() {
    let fault = classify(&error(400, "E1001", "data: not a SHA-256 hash"), About::Audience).expect_err("a fault");
    assert!(matches!(&fault, Fault::Bug(cause) if cause.code == MAYBE_AUDIENCE));
    assert_eq!(class_about(&error(400, "E1001", "x"), About::Account), "Bug");
    assert_eq!(class(&error(413, "E1013", "x")), "TooLarge");
}

/// Traps, row 28: an error under a good status is no success.
#[test]
fn trap_28_row_200_with_an_error_is_what_it_names() {
    for (words, expected) in [
        ("Caller does not have permission", "Forbidden"),
        ("Segment does not exist", "audience Missing"),
        ("Too many requests", "Throttled"),
        ("Invalid access token", "Unauthorized"),
        ("Something else", "Unavailable"),
        ("", "Unavailable"),
    ] {
        assert_eq!(class(&error(200, "E1", words)), expected, "{words}");
        let sub = format!(
            r#"{{"request_status":"SUCCESS","users":[{{"sub_request_status":"SUCCESS"}},{{"sub_request_status":"ERROR","sub_request_error_reason":"{words}"}}]}}"#
        );
        assert_eq!(class(&testing::json(200, &sub)), expected, "{words}");
    }
    assert_eq!(class(&error(200, "E3003", "x")), "Forbidden");
    assert_eq!(class(&testing::json(200, r#"{"request_status":"PARTIAL"}"#)), "Unavailable");
    for word in ["success", "SUCCESS", "Success"] {
        assert!(classify(&testing::json(200, &format!(r#"{{"request_status":"{word}"}}"#)), About::Login).is_ok());
    }
}

#[test]
fn messages_have_our_words_and_snapchats() {
    let fault = classify(&error(404, "E1004", "Gone"), About::Audience).expect_err("a fault");
    let cause = fault::cause_of(&fault).expect("a cause");
    assert_eq!(cause.message, "The segment does not exist at Snapchat any more. Snapchat says: Gone");
    assert_eq!(cause.code, "E1004");
}
