//! One case per row of the contract's error table, and the traps that concern reading an answer.
use super::{About, classify};
use caravan_sdk::http::Response;
use caravan_sdk::{Fault, fault, testing};

const AUDIENCE: About<'_> = About::Audience { account: "act_77", audience: "23850" };

fn error(status: u16, code: i64, subcode: i64, message: &str) -> Response {
    let sub = if subcode == 0 { String::new() } else { format!(",\"error_subcode\":{subcode}") };
    let body =
        format!(r#"{{"error":{{"message":"{message}","type":"OAuthException","code":{code}{sub},"fbtrace_id":"A"}}}}"#);
    testing::json(status, &body)
}

fn fault_of(answer: &Response) -> Fault {
    classify(answer, AUDIENCE).expect_err("a fault")
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

fn all(status: u16, codes: &[(i64, i64)], expected: &str) {
    for &(code, subcode) in codes {
        let fault = fault_of(&error(status, code, subcode, "x"));
        assert_eq!(class(&fault), expected, "{code}/{subcode} under {status}");
        if let Some(cause) = fault::cause_of(&fault) {
            let written = if subcode == 0 { code.to_string() } else { format!("{code}/{subcode}") };
            assert_eq!(cause.code, written);
        }
    }
}

#[test]
fn row_temporary_codes_are_unavailable_under_any_status() {
    for status in [200, 400, 500] {
        all(status, &[(1, 0), (2, 0), (5000, 0), (21_009, 0)], "Unavailable");
    }
}

#[test]
fn row_1_99_is_too_many_rows() {
    all(400, &[(1, 99)], "TooLarge");
    all(500, &[(1, 99)], "TooLarge");
}

#[test]
fn row_http_5xx_and_bodies_without_json_are_unavailable() {
    let page = "<!DOCTYPE html><html><body>Sorry, something went wrong.</body></html>";
    for status in [200, 400, 404, 500, 502, 503, 504] {
        assert_eq!(class(&fault_of(&testing::answer(status, "text/html", page))), "Unavailable", "{status}");
    }
    for body in ["", "{\"audience_id\":\"2", "[]", "null", "\"ok\""] {
        assert_eq!(class(&fault_of(&testing::json(200, body))), "Unavailable", "{body}");
    }
    assert_eq!(class(&fault_of(&testing::json(503, "{}"))), "Unavailable");
    assert_eq!(class(&fault_of(&error(503, 999, 0, "x"))), "Unavailable");
}

#[test]
fn row_is_transient_is_unavailable_where_no_other_row_names_the_code() {
    let body = r#"{"error":{"message":"x","type":"OAuthException","code":999,"is_transient":true}}"#;
    assert_eq!(class(&fault_of(&testing::json(400, body))), "Unavailable");
    let body = r#"{"error":{"message":"x","type":"OAuthException","code":80003,"is_transient":true}}"#;
    assert_eq!(class(&fault_of(&testing::json(400, body))), "Throttled");
}

#[test]
fn row_quota_codes_are_throttled_although_the_status_is_400() {
    let codes = [
        (4, 0),
        (4, 1_504_022),
        (4, 1_504_039),
        (17, 0),
        (17, 2_446_079),
        (32, 0),
        (341, 0),
        (613, 0),
        (613, 1_487_742),
        (80_000, 0),
        (80_003, 0),
        (80_004, 0),
    ];
    all(400, &codes, "Throttled");
    all(429, &codes, "Throttled");
}

#[test]
fn the_usage_header_says_how_many_minutes_to_wait() {
    let usage = |minutes: u64| {
        let mut answer = error(400, 80_003, 0, "x");
        let header = format!(
            r#"{{"77":[{{"type":"ads_management","estimated_time_to_regain_access":90}},
                {{"type":"custom_audience","call_count":100,"estimated_time_to_regain_access":{minutes}}}]}}"#
        );
        answer.headers.push(("X-Business-Use-Case-Usage".to_owned(), header.into_bytes()));
        fault_of(&answer)
    };
    let wait = |fault: Fault| match fault {
        Fault::Throttled(wait) => wait.after_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(usage(7)), Some(7 * 60_000));
    assert_eq!(wait(usage(0)), Some(90 * 60_000), "another quota of the same account is in the way");
    assert_eq!(wait(fault_of(&error(400, 80_003, 0, "x"))), None);
    let mut broken = error(400, 4, 0, "x");
    broken.headers.push(("x-business-use-case-usage".to_owned(), b"{\"77\":7}".to_vec()));
    assert_eq!(wait(fault_of(&broken)), None);
}

#[test]
fn a_quota_that_is_nearly_used_up_is_logged() {
    let ((), _) = testing::with_partner(
        |_| Response::default(),
        || {
            let mut answer = testing::json(200, r#"{"audience_id":"1","num_received":1}"#);
            let header = br#"{"77":[{"type":"custom_audience","call_count":95,"total_time":3}]}"#.to_vec();
            answer.headers.push(("x-business-use-case-usage".to_owned(), header));
            assert!(classify(&answer, AUDIENCE).is_ok());
            assert!(testing::lines().iter().any(|line| line.contains("95 %")));
        },
    );
}

#[test]
fn row_368_waits_long() {
    match fault_of(&error(400, 368, 0, "x")) {
        Fault::Unavailable(wait) => assert!(wait.after_ms >= Some(900_000)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_dead_tokens_are_unauthorized_under_400_and_401() {
    let codes = [
        (102, 0),
        (102, 463),
        (190, 0),
        (190, 458),
        (190, 459),
        (190, 460),
        (190, 463),
        (190, 464),
        (190, 467),
        (190, 492),
    ];
    all(400, &codes, "Unauthorized");
    all(401, &codes, "Unauthorized");
}

#[test]
fn row_missing_rights_are_forbidden() {
    let codes = [(10, 0), (200, 0), (250, 0), (299, 0), (294, 0), (270, 0), (3, 0)];
    all(400, &codes, "Forbidden");
    all(403, &codes, "Forbidden");
}

#[test]
fn row_100_33_is_a_missing_audience_and_for_an_account_a_missing_right() {
    all(400, &[(100, 33)], "audience Missing");
    let account = classify(&error(400, 100, 33, "x"), About::Account("act_77")).expect_err("a fault");
    assert_eq!(class(&account), "Forbidden");
}

#[test]
fn row_audiences_that_are_deleted_unshared_or_of_another_kind() {
    all(400, &[(1_487_366, 0), (100, 1_487_366)], "audience Missing");
    all(400, &[(1_487_301, 0), (100, 1_487_301), (2650, 0), (2654, 0)], "audience NotWritable");
}

#[test]
fn row_flagged_audiences_are_blocked_until_a_person_acts() {
    all(400, &[(100, 1_713_230), (100, 1_713_228), (100, 1_713_231)], "audience Blocked");
    let fault = fault_of(&error(400, 100, 1_713_230, "x"));
    let link = fault::cause_of(&fault).and_then(|cause| cause.link.clone());
    assert_eq!(link.as_deref(), Some("https://business.facebook.com/adsmanager/audiences?act=77"));
}

#[test]
fn row_terms_are_told_with_their_link_in_either_position() {
    all(400, &[(2655, 0), (2663, 0), (1_870_090, 0), (100, 1_870_090), (200, 1_870_090)], "Terms");
    let fault = fault_of(&error(400, 2655, 0, "x"));
    let link = fault::cause_of(&fault).and_then(|cause| cause.link.clone());
    assert_eq!(link.as_deref(), Some("https://business.facebook.com/ads/manage/customaudiences/tos/?act=77"));
}

#[test]
fn row_value_based_audiences_need_values() {
    let words = "(#100) Value-Based Custom Audience requires LOOKALIKE_VALUE attribute.";
    assert_eq!(class(&fault_of(&error(400, 100, 0, words))), "audience NotWritable");
}

#[test]
fn row_malformed_calls_are_bugs() {
    all(400, &[(100, 0), (100, 7), (105, 0), (2500, 0)], "Bug");
    let words = "(#100) Missing parameter(s): customer_file_source";
    assert_eq!(class(&fault_of(&error(400, 100, 0, words))), "Bug");
}

#[test]
fn an_audience_too_small_to_remove_from_says_so() {
    let body = r#"{"error":{"message":"(#100) Invalid parameter","type":"OAuthException","code":100,
        "error_user_title":"Audience Size Too Low","error_user_msg":"It could single people out."}}"#;
    let fault = fault_of(&testing::json(400, body));
    assert_eq!(class(&fault), "audience TooSmall");
    let message = fault::cause_of(&fault).map(|cause| cause.message.clone()).unwrap_or_default();
    assert!(message.ends_with("Meta says: Audience Size Too Low: It could single people out."), "{message}");
}

#[test]
fn an_old_version_is_outdated() {
    all(400, &[(2635, 0), (12, 0)], "Outdated");
}

#[test]
fn row_200_with_an_error_inside_is_that_error() {
    all(200, &[(190, 463)], "Unauthorized");
    all(200, &[(80_003, 0)], "Throttled");
    assert_eq!(class(&fault_of(&testing::json(200, r#"{"error":"gone"}"#))), "Bug");
}

/// Traps, rows 23 and 24: both peers drop what was only throttled.
#[test]
fn trap_23_24_http_400_that_means_throttled() {
    all(400, &[(4, 0), (17, 0), (80_003, 0), (32, 0), (613, 0), (80_004, 0)], "Throttled");
}

/// Traps, row 25: both peers drop the people of an expired token instead of holding them.
#[test]
fn trap_25_an_expired_token_is_held_not_dropped() {
    all(400, &[(190, 0)], "Unauthorized");
}

/// Traps, row 26: one peer repeats permanent refusals for ever.
#[test]
fn trap_26_permanent_codes_are_not_retried() {
    all(400, &[(10, 0)], "Forbidden");
    all(400, &[(2654, 0)], "audience NotWritable");
    all(400, &[(999, 0)], "Bug");
}

#[test]
fn plain_statuses_without_an_error_still_mean_something() {
    let class_of = |status, body| class(&fault_of(&testing::answer(status, "text/plain", body)));
    assert_eq!(class_of(413, "too large"), "TooLarge");
    assert_eq!(class_of(413, "{}"), "TooLarge");
    assert_eq!(class_of(429, "slow down"), "Throttled");
    assert_eq!(class_of(302, "{}"), "Unavailable");
    assert_eq!(class_of(400, "{}"), "Bug");
}

#[test]
fn messages_have_our_words_and_metas() {
    let fault = fault_of(&error(400, 190, 463, "Session has expired"));
    let cause = fault::cause_of(&fault).expect("a cause");
    assert_eq!(
        cause.message,
        "The token has expired: connect again, or use a system user's token, which does not expire. Meta says: Session has expired"
    );
}
