//! What the checklist says.
use super::findings;
use caravan_sdk::http::Response;
use caravan_sdk::{FindingState, Settings, testing};

const DEAD: &str =
    r#"{"error":{"code":401,"status":"UNAUTHENTICATED","message":"Request had invalid authentication credentials"}}"#;
const UNSIGNED: &str = r#"{"error":{"status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"parent","reason":"ADVERTISER_TOS_NOT_ACCEPTED"}]}]}}"#;

fn checked(
    account: &str,
    audience: &str,
    partner: impl FnMut(&testing::Call) -> Response + 'static,
) -> Vec<(String, FindingState)> {
    let settings = r#"{"membership_days":540,"ads_version":"v26","default_ad_user_data":"granted","default_ad_personalization":"granted"}"#;
    let settings = Settings::parse(settings).expect("settings");
    let target = testing::target(account, audience, "");
    let (list, _) = testing::with_partner(partner, || findings(&settings, &target));
    list.into_iter().map(|finding| (finding.subject, finding.state)).collect()
}

#[test]
fn a_sound_connection_has_only_good_findings() {
    let list = checked("1", "77", |call| match call.path.as_str() {
        path if path.ends_with("/userLists/77") => testing::json(
            200,
            r#"{"id":"77","displayName":"A","ingestedUserListInfo":{"uploadKeyTypes":["CONTACT_ID"]}}"#,
        ),
        path if path.contains("validateOnly=true") => testing::json(200, "{}"),
        _ => testing::json(200, r#"{"userLists":[]}"#),
    });
    let subjects: Vec<&str> = list.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["token", "ad account 1", "terms", "consent", "audience 77"]);
    assert!(list.iter().all(|(_, state)| *state == FindingState::Good), "{list:?}");
}

#[test]
fn a_list_that_forgets_people_sooner_than_the_setting_says_is_warned_of() {
    for (seconds, expected) in [("2592000", Some(FindingState::Warning)), ("46656000", None)] {
        let list = checked("1", "77", move |call| match call.path.ends_with("/userLists/77") {
            true => testing::json(
                200,
                &format!(
                    r#"{{"id":"77","displayName":"A","membershipDuration":"{seconds}s",
                        "ingestedUserListInfo":{{"uploadKeyTypes":["CONTACT_ID"]}}}}"#
                ),
            ),
            false => testing::json(200, "{}"),
        });
        let told = list.iter().find(|(subject, _)| subject == "membership").map(|(_, state)| *state);
        assert_eq!(told, expected, "{list:?}");
    }
}

#[test]
fn a_dead_token_ends_the_list() {
    assert_eq!(checked("1", "77", |_| testing::json(401, DEAD)), [("token".to_owned(), FindingState::Failed)]);
}

#[test]
fn unsigned_terms_and_an_unwritable_list_are_failures_of_their_own() {
    let list = checked("1", "77", |call| match call.method.as_str() {
        "POST" => testing::json(400, UNSIGNED),
        _ => testing::json(200, r#"{"id":"77","displayName":"A"}"#),
    });
    let failed: Vec<&str> =
        list.iter().filter(|(_, state)| *state == FindingState::Failed).map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(failed, ["terms", "audience 77"]);
}

#[test]
fn without_an_account_the_token_is_tried_and_a_missing_scope_is_only_a_warning() {
    let list = checked("", "", |_| testing::json(200, r#"{"resourceNames":[]}"#));
    assert_eq!(list, [("token".to_owned(), FindingState::Good)]);
    let scope = r#"{"error":{"status":"PERMISSION_DENIED","details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#;
    assert_eq!(checked("", "", move |_| testing::json(403, scope)), [("token".to_owned(), FindingState::Warning)]);
}
