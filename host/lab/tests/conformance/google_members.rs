//! Google: adding and removing members, consent, and what became of a request.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, hex};
use crate::google::refusal;

/// A body for one list; `more` replaces or adds fields.
fn body(list: &str, members: Value, more: Value) -> Value {
    let mut body = json!({
        "destinations": [{"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1"}, "productDestinationId": list}],
        "audienceMembers": members,
        "encoding": "HEX",
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn terms() -> Value {
    json!({"termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"}})
}

fn email(number: u64) -> Value {
    json!({"userData": {"userIdentifiers": [{"emailAddress": hex(number)}]}})
}

async fn ingest(bench: &Bench, body: Value) -> Value {
    bench.google(Method::POST, "/v1/audienceMembers:ingest", body).await.json()
}

async fn status(bench: &Bench, answer: &Value) -> Value {
    let id = answer["requestId"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let answer = bench.google(Method::GET, &format!("/v1/requestStatus:retrieve?requestId={id}"), Value::Null).await;
    answer.json()["requestStatusPerDestination"][0].clone()
}

#[tokio::test]
async fn members_come_and_go_by_any_of_their_identifiers() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    let address =
        json!({"address": {"givenName": hex(7), "familyName": hex(8), "regionCode": "US", "postalCode": "94045"}});
    let members = json!([
        {"userData": {"userIdentifiers": [{"emailAddress": hex(1)}, {"phoneNumber": hex(2)}, address]}},
        email(3),
    ]);
    ingest(&bench, body(&list, members, terms())).await;
    let standing = bench.members(&list).await;
    assert_eq!(
        (&standing["size"], &standing["keys"]["PHONE"], &standing["keys"]["REGION"]),
        (&json!(2), &json!([hex(2)]), &json!(["US"]))
    );
    let gone = json!([{"userData": {"userIdentifiers": [{"phoneNumber": hex(2)}]}}]);
    let removed = bench.google(Method::POST, "/v1/audienceMembers:remove", body(&list, gone, json!({}))).await;
    assert!(removed.json()["requestId"].is_string());
    assert_eq!(bench.members(&list).await["keys"], json!({"EMAIL": [hex(3)]}));
    let mut all = body(&list, json!([]), json!({}));
    all.as_object_mut().expect("an object").remove("audienceMembers");
    all.as_object_mut().expect("an object").remove("encoding");
    bench.google(Method::POST, "/v1/audienceMembers:removeAll", all).await;
    assert_eq!(bench.members(&list).await["size"], 0);
}

#[tokio::test]
async fn one_bad_member_fails_the_whole_request_and_is_named() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    let bad = |identifier: Value| json!({"userData": {"userIdentifiers": [identifier]}});
    let address = |given: &str, region: &str, postal: &str| json!({"address": {"givenName": given, "familyName": hex(2), "regionCode": region, "postalCode": postal}});
    for (member, reason) in [
        (bad(json!({"emailAddress": "a@example.com"})), "INVALID_HEX_ENCODING"),
        (bad(json!({"emailAddress": "abcd"})), "INVALID_SHA256_FORMAT"),
        (bad(address(&hex(1), "USA", "9")), "INVALID_REGION_CODE"),
        (bad(address(&hex(1), "US", &"9".repeat(21))), "INVALID_POSTAL_CODE"),
        (bad(address(&hex(1), "US", "")), "REQUIRED_FIELD_MISSING"),
        (bad(json!({"emailAddress": hex(1), "phoneNumber": hex(2)})), "INVALID_FORMAT"),
        (json!({"userData": {"userIdentifiers": []}}), "NO_IDENTIFIERS_PROVIDED"),
        (
            json!({"userData": {"userIdentifiers": vec![json!({"emailAddress": hex(1)}); 11]}}),
            "TOO_MANY_USER_IDENTIFIERS",
        ),
    ] {
        let answer = ingest(&bench, body(&list, json!([email(1), member]), terms())).await;
        let violation = &answer["error"]["details"][2]["fieldViolations"][0];
        assert_eq!(violation["reason"], reason, "{answer}");
        assert!(violation["field"].as_str().is_some_and(|field| field.starts_with("audience_members[1]")), "{answer}");
    }
    assert_eq!(bench.members(&list).await["size"], 0, "nothing is processed");
    let base64 = ingest(
        &bench,
        body(&list, json!([bad(json!({"emailAddress": "@"}))]), {
            let mut more = terms();
            more["encoding"] = "BASE64".into();
            more
        }),
    )
    .await;
    assert_eq!(refusal(&base64).1, "INVALID_BASE64_ENCODING");
    let peer = ingest(&bench, body(&list, json!([bad(json!({"addressInfo": {}}))]), terms())).await;
    assert!(
        peer["error"]["message"].as_str().is_some_and(|words| words.contains("Unknown name \"addressInfo\"")),
        "{peer}"
    );
    // Google may name only some of them.
    bench.control(Method::POST, "/_lab/settings", json!({"google": {"named_rows": 1}})).await;
    let two = json!([bad(json!({"emailAddress": "x"})), bad(json!({"emailAddress": "y"}))]);
    let answer = ingest(&bench, body(&list, two, terms())).await;
    assert_eq!(answer["error"]["details"][2]["fieldViolations"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_has_its_reason() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    let shared = json!({"partner": "google", "account": "1", "name": "S", "id": "55", "read_only": true});
    bench.control(Method::POST, "/_lab/audiences", shared).await;
    let user = json!([{"userIdData": {"userId": "u"}}]);
    let mixed = json!([email(1), {"userIdData": {"userId": "u"}}]);
    let destination = |id: &str, kind: &str| json!({"operatingAccount": {"accountType": kind, "accountId": "1"}, "productDestinationId": id});
    let with = |name: &str, value: Value| {
        let mut more = terms();
        more[name] = value;
        more
    };
    let twice = json!([
        {"reference": "a", "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1"}, "productDestinationId": list},
        {"reference": "a", "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1"}, "productDestinationId": list},
    ]);
    let many: Vec<Value> = (0..11).map(|_| destination(&list, "GOOGLE_ADS")).collect();
    for (body, reason) in [
        (body(&list, json!([email(1)]), json!({})), "REQUIRED_FIELD_MISSING"),
        (body(&list, json!([email(1)]), with("encoding", Value::Null)), "REQUIRED_FIELD_MISSING"),
        (body(&list, json!([]), terms()), "REQUIRED_FIELD_MISSING"),
        (body(&list, user, terms()), "INVALID_USER_LIST_TYPE"),
        (body(&list, mixed, terms()), "MULTIPLE_DATA_TYPES_NOT_ALLOWED"),
        (body("404", json!([email(1)]), terms()), "INVALID_USER_LIST_ID"),
        (body("55", json!([email(1)]), terms()), "USER_LIST_MUTATION_NOT_SUPPORTED"),
        (
            body(&list, json!([email(1)]), with("destinations", json!([destination(&list, "DISPLAY_VIDEO_PARTNER")]))),
            "DESTINATION_ACCOUNT_TYPE_MISMATCH",
        ),
        (body(&list, json!([email(1)]), with("destinations", twice)), "DUPLICATE_DESTINATION_REFERENCE"),
        (body(&list, json!([email(1)]), with("destinations", json!(many))), "TOO_MANY_DESTINATIONS"),
        (body(&list, json!(vec![email(1); 10_001]), terms()), "TOO_MANY_AUDIENCE_MEMBERS"),
        (body(&list, json!([email(1)]), with("consent", json!({"adUserData": "YES"}))), "INVALID_ENUM_VALUE"),
    ] {
        assert_eq!(refusal(&ingest(&bench, body).await), (400, reason.into()));
    }
    let removal =
        bench.google(Method::POST, "/v1/audienceMembers:remove", body(&list, json!([email(1)]), terms())).await;
    assert!(removal.json()["error"]["message"].as_str().is_some_and(|words| words.contains("termsOfService")));
    bench.control(Method::POST, "/_lab/settings", json!({"google": {"manager": "9"}})).await;
    let answer = ingest(&bench, body(&list, json!([email(1)]), terms())).await;
    assert_eq!(refusal(&answer).1, "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH");
}

#[tokio::test]
async fn a_status_comes_after_a_while_and_counts_whom_consent_dropped() {
    let bench = Bench::start().await;
    let list = bench.google_list("A").await;
    let said = |data: &str, ads: &str| json!({"adUserData": data, "adPersonalization": ads});
    let mut denied = email(1);
    denied["consent"] = said("CONSENT_DENIED", "CONSENT_GRANTED");
    let mut granted = email(2);
    granted["consent"] = said("CONSENT_GRANTED", "CONSENT_GRANTED");
    let french = json!({"userData": {"userIdentifiers": [{"emailAddress": hex(3)},
        {"address": {"givenName": hex(7), "familyName": hex(8), "regionCode": "FR", "postalCode": "75001"}}]}});
    let answer = ingest(&bench, body(&list, json!([denied, granted, french, email(4)]), terms())).await;
    assert_eq!(status(&bench, &answer).await["requestStatus"], "PROCESSING");
    bench.control(Method::POST, "/_lab/settings", json!({"time_scale": 4_000_000_000u32})).await;
    let done = status(&bench, &answer).await;
    assert_eq!(done["requestStatus"], "PARTIAL_SUCCESS");
    let counts = json!([
        {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_DENIED_CONSENT"},
        {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_NO_CONSENT"},
    ]);
    assert_eq!(done["errorInfo"]["errorCounts"], counts);
    assert_eq!(done["audienceMembersIngestionStatus"]["userDataIngestionStatus"]["recordCount"], "4");
    let standing = bench.members(&list).await;
    assert_eq!((&standing["keys"]["EMAIL"], &standing["refused"]), (&json!([hex(2), hex(4)]), &json!(2)));
    // What the whole request says holds for those who say nothing of their own.
    let mut more = terms();
    more["consent"] = said("CONSENT_DENIED", "CONSENT_DENIED");
    let answer = ingest(&bench, body(&list, json!([email(5)]), more)).await;
    assert_eq!(status(&bench, &answer).await["requestStatus"], "FAILED");
    let removal =
        bench.google(Method::POST, "/v1/audienceMembers:remove", body(&list, json!([email(2)]), json!({}))).await;
    let removal = status(&bench, &removal.json()).await;
    assert_eq!(removal["audienceMembersRemovalStatus"]["userDataRemovalStatus"]["recordCount"], "1");
    let only = json!({"validateOnly": true, "termsOfService": terms()["termsOfService"]});
    assert_eq!(ingest(&bench, body(&list, json!([email(6)]), only)).await, json!({}));
}

#[tokio::test]
async fn mobile_lists_are_of_one_platform_and_user_ids_stay_as_they_are() {
    let bench = Bench::start().await;
    let make = |kind: &str, name: &str| json!({"partner": "google", "account": "1", "name": name, "kind": kind});
    let ios = bench.control(Method::POST, "/_lab/audiences", make("MOBILE_ID/IOS", "I")).await["audience"].clone();
    let ios = ios.as_str().expect("an id");
    let id = "AECE52E7-03EE-455A-B3C4-E57283966239";
    ingest(&bench, body(ios, json!([{"mobileData": {"mobileIds": [id]}}]), terms())).await;
    assert_eq!(bench.members(ios).await["keys"], json!({"IDFA": [id]}));
    let answer = ingest(&bench, body(ios, json!([{"mobileData": {"mobileIds": ["no-uuid"]}}]), terms())).await;
    assert_eq!(refusal(&answer).1, "INVALID_MOBILE_ID_FORMAT");
    let users = bench.control(Method::POST, "/_lab/audiences", make("USER_ID", "U")).await["audience"].clone();
    let users = users.as_str().expect("an id");
    ingest(&bench, body(users, json!([{"userIdData": {"userId": "USER-123"}}]), json!({}))).await;
    assert_eq!(bench.members(users).await["keys"], json!({"USER_ID": ["USER-123"]}));
}
