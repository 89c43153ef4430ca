//! What a person reads when they check a connection.
use super::findings;
use caravan_sdk::http::Response;
use caravan_sdk::{Finding, FindingState, Settings, testing};

const GRANTED: &str = r#"{"data":[{"permission":"ads_management","status":"granted"}]}"#;
const ACCOUNT: &str = r#"{"id":"act_1","name":"Acme","account_status":1,"tos_accepted":{"custom_audience_tos":1}}"#;
const AUDIENCE: &str = r#"{"id":"23850","name":"Lapsed","subtype":"CUSTOM","operation_status":{"code":200}}"#;
const EXPIRED: &str = r#"{"error":{"message":"x","type":"OAuthException","code":190,"error_subcode":463}}"#;

fn found(permissions: &'static str, account: &'static str, audience: &'static str) -> (Vec<Finding>, usize) {
    let settings = Settings::parse(r#"{"api_version":"v26.0"}"#).expect("settings");
    let target = testing::target("1", "23850", "");
    let answer = move |call: &testing::Call| -> Response {
        let body = match call.path.split('?').next().unwrap_or_default() {
            "/v26.0/me/permissions" => permissions,
            "/v26.0/act_1" => account,
            "/v26.0/23850" => audience,
            other => panic!("{other}"),
        };
        testing::json(if body.contains("\"error\"") { 400 } else { 200 }, body)
    };
    let (list, calls) = testing::with_partner(answer, || findings(&settings, &target));
    (list, calls.len())
}

fn state(list: &[Finding], subject: &str) -> FindingState {
    list.iter().find(|finding| finding.subject.starts_with(subject)).map(|finding| finding.state).expect("a finding")
}

#[test]
fn a_sound_connection_is_good_throughout() {
    let (list, _) = found(GRANTED, ACCOUNT, AUDIENCE);
    assert_eq!(list.len(), 5);
    assert!(list.iter().all(|finding| finding.state == FindingState::Good), "{list:?}");
}

#[test]
fn a_dead_token_ends_the_list() {
    let (list, calls) = found(EXPIRED, ACCOUNT, AUDIENCE);
    assert_eq!((list.len(), calls, state(&list, "token")), (1, 1, FindingState::Failed));
}

#[test]
fn a_missing_permission_fails_with_a_cure() {
    let (list, _) = found(r#"{"data":[{"permission":"ads_management","status":"declined"}]}"#, ACCOUNT, AUDIENCE);
    assert_eq!(state(&list, "permission"), FindingState::Failed);
    assert!(list.iter().any(|finding| finding.cure.is_some()));
}

#[test]
fn unsigned_terms_fail_with_the_link_and_unknown_ones_warn() {
    let (list, _) = found(GRANTED, r#"{"id":"act_1","tos_accepted":{"web_custom_audience_tos":1}}"#, AUDIENCE);
    let terms = list.iter().find(|finding| finding.subject == "terms").expect("terms");
    assert_eq!(terms.state, FindingState::Failed);
    assert_eq!(terms.link.as_deref(), Some("https://business.facebook.com/ads/manage/customaudiences/tos/?act=1"));
    let (list, _) = found(GRANTED, r#"{"id":"act_1"}"#, AUDIENCE);
    assert_eq!(state(&list, "terms"), FindingState::Warning);
}

#[test]
fn accounts_and_audiences_say_why_they_fail() {
    let gone = r#"{"error":{"message":"x","type":"GraphMethodException","code":100,"error_subcode":33}}"#;
    let (list, _) = found(GRANTED, gone, gone);
    assert_eq!(state(&list, "ad account act_1"), FindingState::Failed);
    assert_eq!(state(&list, "audience 23850"), FindingState::Failed);
    let (list, _) = found(GRANTED, r#"{"id":"act_1","account_status":2}"#, r#"{"id":"23850","subtype":"WEBSITE"}"#);
    assert_eq!(state(&list, "ad account act_1"), FindingState::Failed);
    assert_eq!(state(&list, "audience 23850"), FindingState::Failed);
}
