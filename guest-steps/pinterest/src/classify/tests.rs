//! One case per row of the contract's error table.
use super::{About, classify};
use caravan_sdk::http::Response;
use caravan_sdk::{Fault, fault, testing};

fn error(status: u16, code: i64, message: &str) -> Response {
    testing::json(status, &format!(r#"{{"code":{code},"message":"{message}"}}"#))
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
fn row_401_is_unauthorized() {
    assert_eq!(class(&error(401, 2, "Authentication failed.")), "Unauthorized");
    assert_eq!(class(&testing::json(401, "")), "Unauthorized");
}

#[test]
fn row_403_is_forbidden_unless_it_speaks_of_rates() {
    assert_eq!(class(&error(403, 29, "You are not permitted to access that resource.")), "Forbidden");
    assert_eq!(class(&error(403, 29, "You have exceeded your rate limit.")), "Throttled");
}

#[test]
fn row_404_and_an_unknown_ad_account_are_a_missing_audience() {
    assert_eq!(class(&error(404, 50, "Customer list not found.")), "audience Missing");
    for about in [About::Audience, About::Account] {
        assert_eq!(class_about(&error(400, 2, "AdAccount not found."), about), "audience Missing");
        assert_eq!(class_about(&error(404, 2, "AdAccount not found."), about), "audience Missing");
    }
}

#[test]
fn row_429_is_throttled_until_the_reset_where_it_is_a_span() {
    let wait = |reset: &str| {
        let mut answer = error(429, 8, "x");
        answer.headers.push(("X-RateLimit-Reset".to_owned(), reset.as_bytes().to_vec()));
        match classify(&answer, About::Audience) {
            Err(Fault::Throttled(wait)) => wait.after_ms,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((wait("45"), wait("1795336199"), wait("soon")), (Some(45_000), None, None));
    assert_eq!(class(&testing::json(429, "")), "Throttled");
}

#[test]
fn row_5xx_is_unavailable() {
    for status in [500, 502, 503, 504] {
        assert_eq!(class(&testing::answer(status, "text/html", "<html>")), "Unavailable", "{status}");
    }
    for body in ["", "<html>", "[]", "{\"id\":\"6"] {
        assert_eq!(class(&testing::json(200, body)), "Unavailable", "{body}");
    }
}

#[test]
fn row_400_is_a_bug_that_the_host_bisects() {
    assert_eq!(class(&error(400, 1, "Invalid request.")), "Bug");
    assert_eq!(class(&error(413, 1, "x")), "TooLarge");
}

#[test]
fn row_too_small_is_no_error() {
    assert!(classify(&testing::json(200, r#"{"id":"1","status":"TOO_SMALL"}"#), About::Audience).is_ok());
}

#[test]
fn codes_have_the_status_first_and_messages_our_words() {
    let fault = classify(&error(404, 50, "Gone."), About::Audience).expect_err("a fault");
    let cause = fault::cause_of(&fault).expect("a cause");
    assert_eq!(cause.code, "404/50");
    assert_eq!(cause.message, "The customer list does not exist at Pinterest, or not for us. Pinterest says: Gone.");
}
