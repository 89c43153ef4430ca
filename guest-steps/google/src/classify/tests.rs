//! One case per row of the contract's error tables, and the traps that concern reading an answer.
use super::classify;
use caravan_sdk::{Fault, fault, testing};
use serde_json::{Value, json};

fn class(fault: &Fault) -> String {
    match fault {
        Fault::Audience(fault) => format!("audience {:?}", fault.state).replace("AudienceState::", ""),
        other => {
            let name = format!("{other:?}").replace("Fault::", "");
            name.split('(').next().unwrap_or_default().to_owned()
        }
    }
}

fn read(http: u16, error: Value) -> Fault {
    classify(&testing::json(http, &json!({"error": error}).to_string())).expect_err("a fault")
}

/// A refusal that names a field, under any status: which one belongs to a reason is not known.
fn field(http: u16, field: &str, reason: &str) -> Fault {
    read(
        http,
        json!({"code": http, "message": "There was a problem with the request.", "status": "INVALID_ARGUMENT", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_ARGUMENT", "metadata": {"requestId": "t-1"}},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "t-1"},
            {"fieldViolations": [{"field": field, "description": "words", "reason": reason}]},
        ]}),
    )
}

fn status(http: u16, status: &str) -> Fault {
    read(http, json!({"code": http, "message": "m", "status": status, "details": []}))
}

fn ads(http: u16, errors: Value) -> Fault {
    let details = json!([{"errors": errors, "requestId": "r"}]);
    read(http, json!({"code": http, "message": "m", "status": "INVALID_ARGUMENT", "details": details}))
}

fn ads_code(code: &str) -> Fault {
    let (category, code) = code.split_once('.').expect("two words");
    ads(400, json!([{"errorCode": {category: code}, "message": "m"}]))
}

fn all(expected: &str, reasons: &[&str], make: impl Fn(&str) -> Fault) {
    for reason in reasons {
        let fault = make(reason);
        assert_eq!(class(&fault), expected, "{reason}");
        assert_eq!(fault::cause_of(&fault).map(|cause| cause.code.as_str()), Some(*reason));
    }
}

#[test]
fn an_answer_without_an_error_is_the_answer() {
    assert_eq!(classify(&testing::json(200, r#"{"requestId":"t"}"#)), Ok(json!({"requestId": "t"})));
}

#[test]
fn row_retry_later() {
    for (http, name) in
        [(500, "INTERNAL"), (500, "INTERNAL_ERROR"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED"), (409, "ABORTED")]
    {
        assert_eq!(class(&status(http, name)), "Unavailable", "{name}");
        // The status alone does not decide.
        assert_eq!(class(&status(400, name)), "Unavailable", "{name}");
    }
}

#[test]
fn row_throttled_with_and_without_the_time_to_wait() {
    assert_eq!(class(&status(429, "RESOURCE_EXHAUSTED")), "Throttled");
    let with = read(429, json!({"status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "1.500s"}]}));
    let Fault::Throttled(wait) = with else { panic!("{with:?}") };
    assert_eq!(wait.after_ms, Some(1_500));
}

#[test]
fn row_auth_broken() {
    assert_eq!(class(&status(401, "UNAUTHENTICATED")), "Unauthorized");
    assert_eq!(class(&status(403, "PERMISSION_DENIED")), "Forbidden");
    for reason in ["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED", "PERMISSION_DENIED"] {
        let fault = read(403, json!({"status": "PERMISSION_DENIED", "details": [{"reason": reason}]}));
        assert_eq!(
            (class(&fault).as_str(), fault::cause_of(&fault).map(|cause| cause.code.as_str())),
            ("Forbidden", Some(reason))
        );
    }
}

#[test]
fn row_account_links_are_forbidden() {
    let reasons = [
        "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH",
        "DESTINATION_ACCOUNT_TYPE_MISMATCH",
        "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT",
    ];
    all("Forbidden", &reasons, |reason| field(400, "destinations[0]", reason));
}

#[test]
fn row_terms_and_eligibility() {
    let terms = [
        "TERMS_AND_CONDITIONS_NOT_SIGNED",
        "ADVERTISER_TOS_NOT_ACCEPTED",
        "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED",
    ];
    all("Terms", &terms, |reason| field(403, "destinations[0]", reason));
    let Fault::Terms(cause) = field(400, "", terms[0]) else { panic!("terms") };
    assert!(cause.link.is_some());
    let lists = ["NOT_ALLOWLISTED", "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA"];
    all("Forbidden", &lists, |reason| field(400, "destinations[0]", reason));
}

#[test]
fn row_bad_audience() {
    assert_eq!(class(&status(404, "NOT_FOUND")), "audience Missing");
    all("audience Missing", &["INVALID_USER_LIST_ID", "INVALID_DESTINATION"], |reason| {
        field(400, "destinations[0]", reason)
    });
    let not =
        ["INVALID_USER_LIST_TYPE", "USER_LIST_MUTATION_NOT_SUPPORTED", "DATA_PARTNER_USER_LIST_MUTATE_NOT_ALLOWED"];
    all("audience NotWritable", &not, |reason| field(400, "destinations[0]", reason));
    // The list is what is wrong, also where a member is named with it.
    assert_eq!(class(&field(400, "audience_members[0]", "INVALID_USER_LIST_TYPE")), "audience NotWritable");
}

#[test]
fn row_bad_rows_are_named() {
    for reason in [
        "INVALID_FORMAT",
        "INVALID_HEX_ENCODING",
        "INVALID_BASE64_ENCODING",
        "INVALID_SHA256_FORMAT",
        "INVALID_POSTAL_CODE",
        "INVALID_REGION_CODE",
        "INVALID_COUNTRY_CODE",
        "INVALID_MOBILE_ID_FORMAT",
        "INVALID_AUDIENCE_MEMBER",
        "NO_IDENTIFIERS_PROVIDED",
        "REQUIRED_FIELD_MISSING",
    ] {
        let fault = field(400, "audience_members[17].user_data.user_identifiers[0].email_address", reason);
        let Fault::Rows(rows) = fault else { panic!("{reason}: {fault:?}") };
        assert_eq!((rows.len(), rows[0].row, rows[0].code.as_str()), (1, 17, reason));
        assert_eq!(class(&field(400, "encoding", reason)), "Bug", "{reason} of the request itself");
    }
}

#[test]
fn rows_are_named_once_and_anything_else_beats_them() {
    let violation = |field: &str, reason: &str| json!({"field": field, "reason": reason, "description": "d"});
    let of = |violations: Value| {
        read(400, json!({"status": "INVALID_ARGUMENT", "details": [{"fieldViolations": violations}]}))
    };
    let rows = json!([
        violation("audience_members[3].a", "INVALID_FORMAT"),
        violation("audience_members[3].b", "INVALID_REGION_CODE"),
        violation("audience_members[0]", "REQUIRED_FIELD_MISSING"),
    ]);
    let Fault::Rows(named) = of(rows) else { panic!("rows") };
    assert_eq!(
        named.iter().map(|row| (row.row, row.code.as_str())).collect::<Vec<_>>(),
        [(3, "INVALID_FORMAT"), (0, "REQUIRED_FIELD_MISSING")]
    );
    let list = json!([
        violation("audience_members[3]", "INVALID_FORMAT"),
        violation("destinations[0]", "INVALID_USER_LIST_ID")
    ]);
    assert_eq!(class(&of(list)), "audience Missing");
    let bug = json!([
        violation("audience_members[3]", "INVALID_FORMAT"),
        violation("audience_members", "TOO_MANY_AUDIENCE_MEMBERS")
    ]);
    assert_eq!(class(&of(bug)), "Bug");
}

#[test]
fn row_bad_request_is_a_bug() {
    let reasons = [
        "TOO_MANY_AUDIENCE_MEMBERS",
        "TOO_MANY_USER_IDENTIFIERS",
        "TOO_MANY_DESTINATIONS",
        "MULTIPLE_DATA_TYPES_NOT_ALLOWED",
        "DUPLICATE_DESTINATION_REFERENCE",
        "INVALID_ENUM_VALUE",
        "INVALID_REMOVE_AS_OF_TIME",
        "INVALID_REQUEST_ID",
        "A_REASON_OF_TOMORROW",
    ];
    all("Bug", &reasons, |reason| field(400, "audience_members[0]", reason));
    assert_eq!(class(&status(400, "INVALID_ARGUMENT")), "Bug");
    // A name that the reader does not know comes without a reason, even where a member holds it.
    let unread = json!({"status": "INVALID_ARGUMENT", "details": [{"fieldViolations": [{"field": "audience_members[0]", "description": "Cannot find field."}]}]});
    assert_eq!(class(&read(400, unread)), "Bug");
}

#[test]
fn what_hinders_a_list_from_being_made_is_a_setting() {
    let reasons = [
        "DISPLAY_NAME_ALREADY_USED",
        "INVALID_DISPLAY_NAME",
        "USER_LIST_NAME_RESERVED",
        "MEMBERSHIP_DURATION_TOO_LONG",
    ];
    all("Misconfigured", &reasons, |reason| field(400, "user_list", reason));
    let owner = ["OWNERSHIP_REQUIRED_FOR_UPDATE", "SENSITIVE_USER_LIST_IMMUTABLE"];
    all("audience NotWritable", &owner, |reason| field(400, "user_list", reason));
    let bugs = ["IMMUTABLE_FIELD_FOR_UPDATE", "INVALID_UPDATE_MASK", "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES"];
    all("Bug", &bugs, |reason| field(400, "user_list", reason));
}

#[test]
fn rows_of_the_ads_api() {
    let dead = ["OAUTH_TOKEN_INVALID", "OAUTH_TOKEN_EXPIRED", "OAUTH_TOKEN_DISABLED", "OAUTH_TOKEN_REVOKED"];
    let dead: Vec<String> = dead.iter().map(|code| format!("authenticationError.{code}")).collect();
    all("Unauthorized", &dead.iter().map(String::as_str).collect::<Vec<_>>(), ads_code);
    let forbidden = [
        "authenticationError.NOT_ADS_USER",
        "authenticationError.CUSTOMER_NOT_FOUND",
        "authenticationError.TWO_STEP_VERIFICATION_NOT_ENROLLED",
        "authorizationError.USER_PERMISSION_DENIED",
        "authorizationError.CUSTOMER_NOT_ENABLED",
        "authorizationError.ACTION_NOT_PERMITTED",
        "authorizationError.PROJECT_DISABLED",
        "authorizationError.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
        "authorizationError.CLOUD_PROJECT_NOT_UNDER_ORGANIZATION",
        "authorizationError.ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT",
        "authorizationError.INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION",
        "notAllowlistedError.CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        "quotaError.ACCESS_PROHIBITED",
        "userDataError.OPERATIONS_FOR_CUSTOMER_MATCH_NOT_ALLOWED",
        "offlineUserDataJobError.NOT_ON_ALLOWLIST_FOR_USER_ID",
        "userListError.ADVERTISER_NOT_ON_ALLOWLIST_FOR_USING_UPLOADED_DATA",
    ];
    all("Forbidden", &forbidden, ads_code);
    let terms = ["authorizationError.MISSING_TOS", "offlineUserDataJobError.CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS"];
    all("Terms", &terms, ads_code);
    all("audience Missing", &["offlineUserDataJobError.INVALID_USER_LIST_ID"], ads_code);
    let kinds = ["INVALID_USER_LIST_TYPE", "INCOMPATIBLE_UPLOAD_KEY_TYPE", "USER_LIST_NOT_APPLICABLE"];
    let kinds: Vec<String> = kinds.iter().map(|code| format!("offlineUserDataJobError.{code}")).collect();
    all("audience NotWritable", &kinds.iter().map(String::as_str).collect::<Vec<_>>(), ads_code);
    let later =
        ["internalError.TRANSIENT_ERROR", "internalError.INTERNAL_ERROR", "databaseError.CONCURRENT_MODIFICATION"];
    all("Unavailable", &later, ads_code);
    let quota = [
        "quotaError.RESOURCE_EXHAUSTED",
        "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED",
        "quotaError.EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",
        "quotaError.EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION",
    ];
    all("Throttled", &quota, ads_code);
    all("Misconfigured", &["userListError.NAME_ALREADY_USED", "userListError.APP_ID_NOT_SET"], ads_code);
    let bugs = [
        "offlineUserDataJobError.CONFLICTING_OPERATION",
        "offlineUserDataJobError.JOB_ALREADY_STARTED",
        "offlineUserDataJobError.EXTERNAL_UPDATE_ID_ALREADY_EXISTS",
        "offlineUserDataJobError.OPERATION_LEVEL_CONSENT_PROVIDED",
        // Rows of a job: this connector makes none.
        "offlineUserDataJobError.INVALID_SHA256_FORMAT",
        "offlineUserDataJobError.MISSING_USER_IDENTIFIER",
        "userDataError.TOO_MANY_USER_IDENTIFIERS",
    ];
    all("Bug", &bugs, ads_code);
}

/// Traps, row 33: the code that matters is not the first of the list, and its HTTP status is 400.
#[test]
fn trap_33_a_concurrent_modification_anywhere_in_the_list_is_retried() {
    let errors = json!([
        {"errorCode": {"requestError": "UNKNOWN"}, "message": "m"},
        {"errorCode": {"databaseError": "CONCURRENT_MODIFICATION"}, "message": "m"},
    ]);
    assert_eq!(class(&ads(400, errors)), "Unavailable");
}

#[test]
fn the_ads_api_says_how_long_to_wait() {
    let details = json!({"quotaErrorDetails": {"rateScope": "ACCOUNT", "retryDelay": "30s"}});
    let fault = ads(429, json!([{"errorCode": {"quotaError": "RESOURCE_EXHAUSTED"}, "details": details}]));
    let Fault::Throttled(wait) = fault else { panic!("{fault:?}") };
    assert_eq!(wait.after_ms, Some(30_000));
}

/// Traps, row 34: a 503 without a JSON body.
#[test]
fn trap_34_bodies_that_are_no_json_are_read_by_status() {
    for (http, expected) in [
        (200, "Unavailable"),
        (400, "Unavailable"),
        (401, "Unauthorized"),
        (404, "Outdated"),
        (413, "TooLarge"),
        (429, "Throttled"),
        (502, "Unavailable"),
        (503, "Unavailable"),
    ] {
        let fault = classify(&testing::answer(http, "text/html", "<html>")).expect_err("a fault");
        assert_eq!(class(&fault), expected, "{http}");
    }
    for body in ["", "{\"requestId\":", "[]", "null", "7"] {
        assert_eq!(class(&classify(&testing::json(200, body)).expect_err("a fault")), "Unavailable", "{body}");
    }
}

#[test]
fn a_refusal_that_says_nothing_known_is_read_by_status() {
    for (http, expected) in [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "audience Missing"),
        (429, "Throttled"),
        (503, "Unavailable"),
        (400, "Bug"),
    ] {
        assert_eq!(class(&read(http, json!({"message": "m"}))), expected, "{http}");
    }
}
