//! Lists as they are shown, made and found again.
use super::{body, create, list};
use caravan_sdk::{Fault, Settings, testing};

fn settings(more: &str) -> Settings {
    Settings::parse(&format!(r#"{{"membership_days":540{more}}}"#)).expect("settings")
}

const LISTS: &str = r#"{"userLists":[
    {"id":"1","displayName":"Churn FR","accessReason":"OWNED","description":"Kept by Caravan. m-12",
     "ingestedUserListInfo":{"uploadKeyTypes":["CONTACT_ID"]},
     "sizeInfo":{"displayNetworkMembersCount":"1200","searchNetworkMembersCount":"900"}},
    {"id":"2","displayName":"churn iOS","ingestedUserListInfo":{"uploadKeyTypes":["MOBILE_ID"],"mobileIdInfo":{"keySpace":"IOS"}},
     "sizeInfo":{"displayNetworkMembersCount":"0"}},
    {"id":"3","displayName":"Churn visitors"},
    {"id":"4","displayName":"Churn pairs","ingestedUserListInfo":{"uploadKeyTypes":["PAIR_ID"]}},
    {"id":"5","displayName":"Churn read","readOnly":true,"ingestedUserListInfo":{"uploadKeyTypes":["USER_ID"]}},
    {"id":"6","displayName":"Churn shared","accessReason":"SHARED","ingestedUserListInfo":{"uploadKeyTypes":["USER_ID"]}},
    {"id":"7","displayName":"Churn off","accountAccessStatus":"DISABLED","ingestedUserListInfo":{"uploadKeyTypes":["USER_ID"]}},
    {"id":"8","displayName":"Churn closed","membershipStatus":"CLOSED","ingestedUserListInfo":{"uploadKeyTypes":["USER_ID"]}},
    {"id":"9","displayName":"Other"}],"nextPageToken":"n="}"#;

#[test]
fn lists_are_filtered_by_name_and_say_their_kind_their_size_and_why_they_are_unusable() {
    let (page, calls) = testing::with_partner(
        |_| testing::json(200, LISTS),
        || list(&settings(r#","login_account":"99""#), "1", "CHURN", None).expect("a page"),
    );
    let seen: Vec<_> =
        page.audiences.iter().map(|a| (a.id.as_str(), a.kind.as_str(), a.size, a.unusable.is_some())).collect();
    assert_eq!(
        seen,
        [
            ("1", "CONTACT_ID", Some(1200), false),
            ("2", "MOBILE_ID/IOS", None, false),
            ("3", "", None, true),
            ("4", "PAIR_ID", None, true),
            ("5", "USER_ID", None, true),
            ("6", "USER_ID", None, true),
            ("7", "USER_ID", None, true),
            ("8", "USER_ID", None, true),
        ]
    );
    assert_eq!(page.next.as_deref(), Some("n="));
    assert_eq!(calls[0].path, "/v1/accountTypes/GOOGLE_ADS/accounts/1/userLists?pageSize=1000");
    assert_eq!(calls[0].headers, [("login-account".to_owned(), "accountTypes/GOOGLE_ADS/accounts/99".to_owned())]);
}

#[test]
fn a_list_is_made_with_the_marker_in_its_description() {
    let (made, calls) = testing::with_partner(
        |call| testing::json(200, if call.method == "GET" { "{}" } else { r#"{"id":"77"}"# }),
        || create(&settings(""), "1", "Churn \"FR\"", "caravan-abc", "contact").expect("made"),
    );
    assert_eq!((made.audience.as_str(), made.adopted), ("77", false));
    assert_eq!(
        calls[1].body,
        "{\"description\":\"Kept by Caravan. caravan-abc\",\"displayName\":\"Churn \\\"FR\\\"\",\
         \"ingestedUserListInfo\":{\"contactIdInfo\":{\"dataSourceType\":\"DATA_SOURCE_TYPE_FIRST_PARTY\"},\
         \"uploadKeyTypes\":[\"CONTACT_ID\"]},\"membershipDuration\":\"46656000s\",\"membershipStatus\":\"OPEN\"}"
    );
}

#[test]
fn the_list_that_carries_the_marker_is_adopted_from_any_page() {
    let (made, calls) = testing::with_partner(
        |call| match call.path.contains("pageToken=n%3D") {
            false => testing::json(200, LISTS),
            true => testing::json(200, r#"{"userLists":[{"id":"10","description":"Kept by Caravan. m-1"}]}"#),
        },
        || create(&settings(""), "1", "Any", "m-1", "contact").expect("found"),
    );
    assert_eq!((made.audience.as_str(), made.adopted), ("10", true));
    assert!(calls.iter().all(|call| call.method == "GET"));
}

#[test]
fn the_group_of_keys_decides_the_kind_of_list_and_mobile_ones_need_their_app() {
    let kind = |more: &str, group: &str| body(&settings(more), "A", "d", group).map(|body| super::kind(&body));
    assert_eq!(kind("", "user").as_deref(), Ok("USER_ID"));
    assert_eq!(kind(r#","ios_app_id":"1""#, "ios").as_deref(), Ok("MOBILE_ID/IOS"));
    assert_eq!(kind(r#","android_app_id":"a.b""#, "android").as_deref(), Ok("MOBILE_ID/ANDROID"));
    for group in ["ios", "android"] {
        assert!(matches!(kind("", group), Err(Fault::Misconfigured(_))));
    }
}

#[test]
fn settings_and_ids_that_google_would_refuse_are_refused_without_a_call() {
    let days = Settings::parse(r#"{"membership_days":541}"#).expect("settings");
    let (made, calls) = testing::with_partner(
        |_| testing::json(200, "{}"),
        || (create(&days, "1", "A", "m", "contact"), list(&settings(""), "123-456-7890", "", None)),
    );
    assert!(matches!(made.0, Err(Fault::Misconfigured(_))) && matches!(made.1, Err(Fault::Misconfigured(_))));
    assert!(calls.is_empty());
}
