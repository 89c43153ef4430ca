//! What a person reads when they check a connection.
use super::findings;
use caravan_sdk::{Finding, FindingState, testing};

const USER: &str = r#"{"code":0,"message":"OK","data":{"display_name":"Ann"}}"#;
const ADVERTISER: &str = r#"{"code":0,"data":{"list":[{"advertiser_id":"7","name":"Acme","status":"STATUS_ENABLE"}]}}"#;
const AUDIENCE: &str =
    r#"{"code":0,"data":{"list":[{"audience_details":{"audience_id":"173","name":"Lapsed","type":"Partner"}}]}}"#;

fn found(user: &'static str, advertiser: &'static str, audience: &'static str) -> Vec<Finding> {
    let answer = move |call: &testing::Call| {
        let path = call.path.strip_prefix("/open_api/v1.3/").unwrap_or_default();
        testing::json(
            200,
            match path {
                "user/info/" => user,
                "advertiser/info/?advertiser_ids=%5B%227%22%5D" => advertiser,
                _ => audience,
            },
        )
    };
    testing::with_partner(answer, || findings(&testing::target("7", "173", ""))).0
}

fn states(list: &[Finding]) -> Vec<FindingState> {
    list.iter().map(|finding| finding.state).collect()
}

#[test]
fn a_sound_connection_is_good_throughout() {
    assert_eq!(states(&found(USER, ADVERTISER, AUDIENCE)), [FindingState::Good; 3]);
}

#[test]
fn a_dead_token_ends_the_list() {
    let list = found(r#"{"code":40105,"message":"x"}"#, ADVERTISER, AUDIENCE);
    assert_eq!(states(&list), [FindingState::Failed]);
}

#[test]
fn accounts_and_audiences_say_why_they_fail() {
    let none = r#"{"code":0,"data":{"list":[]}}"#;
    let list = found(USER, none, none);
    assert_eq!(states(&list), [FindingState::Good, FindingState::Failed, FindingState::Failed]);
    let file = r#"{"code":0,"data":{"list":[{"audience_details":{"audience_id":"173","type":"Customer File"}}]}}"#;
    assert_eq!(found(USER, ADVERTISER, file)[2].state, FindingState::Failed);
    let expiring = r#"{"code":0,"data":{"list":[{"audience_details":{"audience_id":"173","type":"Partner","is_expiring":true}}]}}"#;
    assert_eq!(found(USER, ADVERTISER, expiring)[2].state, FindingState::Warning);
    let limited = r#"{"code":0,"data":{"list":[{"advertiser_id":"7","status":"STATUS_LIMIT"}]}}"#;
    assert_eq!(found(USER, limited, AUDIENCE)[1].state, FindingState::Warning);
}
