//! Google: every row of the error table, raised by a dial.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, hex};
use crate::google::refusal;

fn ingest(list: &str) -> Value {
    json!({
        "destinations": [{"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1"}, "productDestinationId": list}],
        "audienceMembers": [{"userData": {"userIdentifiers": [{"emailAddress": hex(1)}]}}],
        "encoding": "HEX", "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
    })
}

#[tokio::test]
async fn every_reason_of_the_table_can_be_raised() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    for (reason, status) in [
        ("INTERNAL", 500),
        ("INTERNAL_ERROR", 500),
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("ABORTED", 409),
        ("RESOURCE_EXHAUSTED", 429),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", 403),
        ("SERVICE_DISABLED", 403),
        ("NOT_FOUND", 404),
        ("OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH", 400),
        ("DESTINATION_ACCOUNT_TYPE_MISMATCH", 400),
        ("LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT", 400),
        ("TERMS_AND_CONDITIONS_NOT_SIGNED", 400),
        ("ADVERTISER_TOS_NOT_ACCEPTED", 400),
        ("NOT_ALLOWLISTED", 400),
        ("ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA", 400),
        ("EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED", 400),
        ("INVALID_USER_LIST_ID", 400),
        ("INVALID_USER_LIST_TYPE", 400),
        ("INVALID_DESTINATION", 400),
        ("USER_LIST_MUTATION_NOT_SUPPORTED", 400),
        ("DATA_PARTNER_USER_LIST_MUTATE_NOT_ALLOWED", 400),
        ("INVALID_AUDIENCE_MEMBER", 400),
        ("TOO_MANY_AUDIENCE_MEMBERS", 400),
        ("INVALID_ENUM_VALUE", 400),
    ] {
        bench.fault(json!({"partner": "google", "fault": "error", "reason": reason, "count": 1})).await;
        let answer = bench.google(Method::POST, "/v1/audienceMembers:ingest", ingest(&list)).await;
        assert_eq!((answer.status, refusal(&answer.json()).1.as_str()), (status, reason));
    }
    assert_eq!(bench.members(&list).await["size"], 0);
}

#[tokio::test]
async fn rows_are_named_and_the_status_can_be_another_one() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    bench.fault(json!({"partner": "google", "fault": "error", "reason": "INVALID_FORMAT", "rows": 3, "status": 422, "count": 1})).await;
    let answer = bench.google(Method::POST, "/v1/audienceMembers:ingest", ingest(&list)).await;
    let violations = answer.json()["error"]["details"][2]["fieldViolations"].clone();
    assert_eq!((answer.status, violations.as_array().map(Vec::len)), (422, Some(3)));
    assert_eq!(violations[2]["field"], "audience_members[2]");
    bench.fault(json!({"partner": "google", "fault": "throttle", "ms": 1_500, "count": 1})).await;
    let answer = bench.google(Method::POST, "/v1/audienceMembers:ingest", ingest(&list)).await.json();
    assert_eq!(answer["error"]["details"][2]["retryDelay"], "1.500s");
    bench
        .fault(json!({"partner": "google", "fault": "partial", "rows": 1, "reason": "WARNING_REASON_X", "count": 1}))
        .await;
    let answer = bench.google(Method::POST, "/v1/audienceMembers:ingest", ingest(&list)).await.json();
    assert_eq!(answer["fieldWarnings"][0]["field"], "audience_members[0]");
    assert_eq!(bench.members(&list).await["size"], 1, "a warning takes nobody away");
}

#[tokio::test]
async fn a_dial_makes_a_request_fail_after_it_was_accepted() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    bench.control(Method::POST, "/_lab/settings", json!({"google": {"processing_seconds": 0}})).await;
    let reason = "PROCESSING_ERROR_REASON_INTERNAL_ERROR";
    bench.fault(json!({"partner": "google", "fault": "partial", "rows": 9, "reason": reason, "count": 1})).await;
    let answer = bench.google(Method::POST, "/v1/audienceMembers:ingest", ingest(&list)).await.json();
    let id = answer["requestId"].as_str().expect("accepted");
    let status =
        bench.google(Method::GET, &format!("/v1/requestStatus:retrieve?requestId={id}"), Value::Null).await.json();
    let status = &status["requestStatusPerDestination"][0];
    assert_eq!(
        (&status["requestStatus"], &status["errorInfo"]["errorCounts"][0]["reason"]),
        (&json!("FAILED"), &json!(reason))
    );
    assert_eq!(bench.members(&list).await["size"], 0);
}

#[tokio::test]
async fn the_ads_api_fails_in_its_own_form_and_not_always_with_the_cause_first() {
    let bench = Bench::start().await;
    let ask = || bench.google(Method::GET, "/v26/customers:listAccessibleCustomers", Value::Null);
    for (reason, status) in [
        ("authenticationError.OAUTH_TOKEN_REVOKED", 401),
        ("authorizationError.MISSING_TOS", 403),
        ("quotaError.EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", 429),
        ("internalError.TRANSIENT_ERROR", 500),
        ("databaseError.CONCURRENT_MODIFICATION", 400),
    ] {
        bench
            .fault(json!({"partner": "google", "route": "accounts", "fault": "error", "reason": reason, "count": 1}))
            .await;
        let answer = ask().await;
        let errors = answer.json()["error"]["details"][0]["errors"].clone();
        let (category, code) = reason.split_once('.').expect("two words");
        let named = |error: &Value| error["errorCode"][category] == code;
        assert!(
            answer.status == status && errors.as_array().is_some_and(|errors| errors.iter().any(named)),
            "{reason}: {errors}"
        );
        assert_eq!(named(&errors[0]), category != "databaseError");
    }
}
