//! What the checklist says.
use super::findings;
use caravan_sdk::http::Response;
use caravan_sdk::{FindingState, Settings, testing};

fn checked(
    account: &str,
    folder: u32,
    partner: impl FnMut(&testing::Call) -> Response + 'static,
) -> Vec<(String, FindingState)> {
    let settings =
        Settings::parse(&format!(r#"{{"munchkin":"123-ABC-456","folder":{folder},"folder_type":"Folder"}}"#));
    let settings = settings.expect("settings");
    let target = testing::target(account, "1021", "");
    let (list, _) = testing::with_partner(partner, || findings(&settings, &target));
    list.into_iter().map(|finding| (finding.subject, finding.state)).collect()
}

const LISTS: &str = r#"{"success":true,"result":[{"id":1021,"name":"A"}]}"#;

#[test]
fn a_sound_connection_has_only_good_findings() {
    let list = checked("123-abc-456:Default", 13, |_| testing::json(200, LISTS));
    let subjects: Vec<&str> = list.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["token", "account 123-abc-456:Default", "folder", "audience 1021"]);
    assert!(list.iter().all(|(_, state)| *state == FindingState::Good), "{list:?}");
}

#[test]
fn a_dead_token_inside_a_200_ends_the_list() {
    let dead = r#"{"success":false,"errors":[{"code":"601","message":"Access token invalid"}]}"#;
    assert_eq!(
        checked("123-ABC-456", 13, move |_| testing::json(200, dead)),
        [("token".to_owned(), FindingState::Failed)]
    );
}

#[test]
fn a_missing_folder_is_a_warning_and_a_missing_list_a_failure() {
    let gone = r#"{"success":false,"errors":[{"code":"1013","message":"Object not found"}]}"#;
    let list = checked("123-ABC-456", 0, move |call| {
        testing::json(200, if call.path.contains("/lists/1021") { gone } else { LISTS })
    });
    assert_eq!(list[2], ("folder".to_owned(), FindingState::Warning));
    assert_eq!(list[3], ("audience 1021".to_owned(), FindingState::Failed));
}

#[test]
fn an_account_of_another_instance_is_told() {
    let list = checked("999-XYZ-999", 13, |_| testing::json(200, LISTS));
    assert_eq!(list[1], ("account 999-XYZ-999".to_owned(), FindingState::Failed));
}
