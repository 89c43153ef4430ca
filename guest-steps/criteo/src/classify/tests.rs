//! One case per row of the contract's error table, and the traps that concern reading an answer.
use super::{About, classify};
use caravan_sdk::http::Response;
use caravan_sdk::{Fault, fault, testing};

fn error(status: u16, kind: &str, code: &str, title: &str) -> Response {
    let entry = format!(r#"{{"traceId":"t","type":"{kind}","code":"{code}","title":"{title}"}}"#);
    testing::json(status, &format!(r#"{{"errors":[{entry}],"warnings":[]}}"#))
}

fn class(answer: &Response) -> String {
    class_about(answer, About::Audience)
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

#[test]
fn row_401_with_a_dead_token_is_unauthorized() {
    for code in ["authorization-token-expired", "authorization-token-invalid"] {
        assert_eq!(class(&error(401, "authorization", code, "x")), "Unauthorized", "{code}");
    }
}

#[test]
fn row_401_otherwise_and_403_are_forbidden() {
    assert_eq!(class(&error(401, "authorization", "other", "x")), "Forbidden");
    assert_eq!(class(&testing::json(401, "{}")), "Forbidden");
    for kind in ["authorization", "access-control", "access_control"] {
        assert_eq!(class(&error(403, kind, "x", "x")), "Forbidden");
    }
}

#[test]
fn row_404_is_a_missing_audience_and_so_is_the_warning() {
    assert_eq!(class(&error(404, "authorization", "audience-invalid", "x")), "audience Missing");
    assert_eq!(class(&testing::json(404, "{}")), "audience Missing");
    let warning = r#"{"data":null,"errors":[],"warnings":[{"type":"validation","code":"segment-not-found"}]}"#;
    assert_eq!(class(&testing::json(200, warning)), "audience Missing");
    assert_eq!(class_about(&testing::json(404, "{}"), About::Login), "Misconfigured");
}

#[test]
fn row_read_only_lists_and_other_segments_are_not_writable() {
    assert_eq!(class(&error(400, "validation", "contact-list-read-only", "x")), "audience NotWritable");
    assert_eq!(class(&error(400, "validation", "x", "The list is readonly")), "audience NotWritable");
    assert_eq!(class(&error(400, "validation", "segment-type-invalid", "x")), "audience NotWritable");
    // A code in no table: `members` looks at the segment.
    let fault = classify(&error(400, "validation", "surprise", "x"), About::Audience).expect_err("a fault");
    assert_eq!(fault::cause_of(&fault).map(|cause| cause.code.as_str()), Some(super::MAYBE_AUDIENCE));
}

#[test]
fn row_429_and_quota_are_throttled() {
    assert_eq!(class(&testing::json(429, "{}")), "Throttled");
    assert_eq!(class(&testing::json(429, "")), "Throttled");
    assert_eq!(class(&error(400, "quota", "x", "x")), "Throttled");
}

/// Traps, row 30: 502 and 504 are repeated too.
#[test]
fn trap_30_row_5xx_and_availability_are_unavailable() {
    for status in [500, 502, 503, 504] {
        assert_eq!(class(&testing::answer(status, "text/html", "<html>")), "Unavailable", "{status}");
    }
    assert_eq!(class(&error(503, "authorization", "audience-invalid", "x")), "Unavailable", "the status wins");
    assert_eq!(class(&error(400, "availability", "x", "x")), "Unavailable");
    assert_eq!(class(&error(400, "unknown", "internal-error", "x")), "Unavailable");
    assert_eq!(class(&testing::answer(200, "text/html", "<html>")), "Unavailable");
}

#[test]
fn row_bad_requests_are_bugs_and_413_is_halved() {
    for code in ["required-field", "invalid", "invalid-ranged"] {
        assert_eq!(class(&error(400, "validation", code, "x")), "Bug", "{code}");
    }
    assert_eq!(class(&testing::json(415, "{}")), "Bug");
    assert_eq!(class(&testing::json(413, "{}")), "TooLarge");
}

#[test]
fn row_410_and_deprecation_are_outdated() {
    assert_eq!(class(&testing::json(410, "{}")), "Outdated");
    assert_eq!(class(&error(400, "validation", "endpoint-deprecated", "x")), "Outdated");
    assert_eq!(class(&error(400, "deprecation", "x", "x")), "Outdated");
}

#[test]
fn row_a_deprecation_warning_is_logged_once() {
    let body = r#"{"data":{},"errors":null,"warnings":[{"type":"deprecation","code":"endpoint-deprecated"}]}"#;
    testing::with_partner(
        |_| Response::default(),
        || {
            assert!(classify(&testing::json(200, body), About::Audience).is_ok());
            assert_eq!(testing::lines().len(), 1, "{:?}", testing::lines());
        },
    );
}

#[test]
fn an_error_under_a_good_status_is_one() {
    assert_eq!(class(&error(200, "quota", "x", "x")), "Throttled");
    assert_eq!(class(&error(200, "authorization", "x", "x")), "Forbidden");
}
