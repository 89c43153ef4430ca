use super::*;
use serde_json::json;

const NOW: Millis = Millis(1_800_000_000_000);

fn read(kind: Option<&str>, value: Value) -> Result<(Option<String>, Message), Problem> {
    message(kind, &value, &Envelope::default(), Moment { received: NOW, sent: None })
}

#[test]
fn an_identify_becomes_a_profile_with_its_reserved_traits() {
    let (id, message) = read(
        Some("identify"),
        json!({"userId": "u1", "anonymousId": "a1", "messageId": "m1", "traits": {
            "email": " Ann@Example.com ", "phone": "+33 6 12 34 56 78", "firstName": "Ann", "lastName": "Other",
            "birthday": "1985-07-03T00:00:00Z", "address": {"city": "Paris", "postalCode": "75001", "country": "FR"},
            "plan": "pro", "tags": ["a"]}, "context": {"timezone": "Europe/Paris", "locale": "fr-FR"}}),
    )
    .expect("a message");
    assert_eq!(id.as_deref(), Some("m1"));
    let who = message.who;
    assert_eq!((who.external_id.as_str(), who.aliases.as_slice()), ("u1", ["a1".to_owned()].as_slice()));
    assert_eq!((who.emails, who.phones), (vec!["Ann@Example.com".to_owned()], vec!["+33 6 12 34 56 78".to_owned()]));
    assert_eq!((who.birth_date.as_deref(), who.zip.as_deref()), (Some("1985-07-03"), Some("75001")));
    assert_eq!((who.time_zone.as_deref(), who.locale.as_deref()), (Some("Europe/Paris"), Some("fr-FR")));
    assert_eq!(Value::Object(who.attributes), json!({"plan": "pro", "tags": ["a"]}));
    assert_eq!(message.event, None);
}

#[test]
fn numbers_beyond_64_bits_survive_the_inbox_to_the_last_bit() {
    for number in ["3040900993826735515122062", "16431732851926010853340228", "17801246309558322749604812"] {
        let body = format!(r#"{{"userId":"u1","traits":{{"spent":{number}}}}}"#);
        let value = serde_json::from_str(&body).expect("JSON");
        let message = read(Some("identify"), value).expect("a message").1;
        assert_eq!(message.who.attributes["spent"].as_f64(), number.parse().ok(), "the nearest, {number}");
        let kept = serde_json::to_string(&message).expect("the inbox keeps it");
        let again: Message = serde_json::from_str(&kept).expect("the inbox gives it back");
        assert_eq!(again.who.attributes, message.who.attributes);
    }
}

#[test]
fn devices_further_ids_and_consent_come_from_the_context() {
    let context = json!({"device": {"type": "iOS", "advertisingId": "ID-1", "adTrackingEnabled": false},
        "externalIds": [{"id": "ecid-7", "type": "ecid"}, {"id": "ID-2", "type": "android.idfa"}],
        "consent": {"categoryPreferences": {"Advertising": false, "Analytics": true}}});
    let said = read(Some("track"), json!({"anonymousId": "a1", "event": "Opened", "context": context}));
    let who = said.expect("a message").1.who;
    assert_eq!((who.external_id.as_str(), who.aliases.as_slice()), ("a1", ["ecid-7".to_owned()].as_slice()));
    assert_eq!((who.idfa.as_deref(), who.gaid.as_deref()), (Some("ID-1"), Some("ID-2")));
    assert_eq!(who.ad_tracking_enabled, Some(false));
    assert_eq!((who.consent("advertising"), who.consent("analytics")), (Consent::Denied, Consent::Granted));
}

#[test]
fn events_are_dated_by_a_clock_that_is_put_right_and_never_in_the_future() {
    let at = |extra: Value| {
        let mut body = json!({"userId": 7, "event": "Bought"});
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        read(Some("track"), body).expect("a message").1.event.expect("an event").at
    };
    let text = |at: i64| jiff::Timestamp::from_millisecond(at).expect("an instant").to_string();
    assert_eq!(at(json!({})), NOW);
    assert_eq!(at(json!({"timestamp": text(NOW.0 - 5_000)})), Millis(NOW.0 - 5_000));
    assert_eq!(at(json!({"timestamp": text(NOW.0 + 5_000)})), NOW);
    // Sent a minute after it happened, by a clock that is an hour ahead.
    let (happened, sent) = (text(NOW.0 + 3_540_000), text(NOW.0 + 3_600_000));
    assert_eq!(at(json!({"timestamp": happened, "sentAt": sent})), Millis(NOW.0 - 60_000));
}

#[test]
fn pages_groups_and_aliases_are_read() {
    let page = read(None, json!({"type": "page", "userId": "u", "name": "Home", "properties": {"url": "/"}}));
    let event = page.expect("a page").1.event.expect("an event");
    assert_eq!((event.name.as_str(), Value::Object(event.properties)), ("page", json!({"url": "/", "name": "Home"})));
    let group = read(None, json!({"type": "group", "userId": "u", "groupId": "g1", "traits": {"seats": 3}}));
    let event = group.expect("a group").1.event.expect("an event");
    assert_eq!(Value::Object(event.properties), json!({"seats": 3, "groupId": "g1"}));
    let (_, alias) = read(None, json!({"type": "alias", "previousId": "old", "userId": "new"})).expect("an alias");
    assert_eq!((alias.who.external_id.as_str(), alias.who.aliases), ("new", vec!["old".to_owned()]));
}

#[test]
fn mistakes_name_their_place_and_repeat_no_value() {
    for (body, place) in [
        (json!({"type": "track", "event": "x"}), Some("userId")),
        (json!({"type": "track", "userId": "secret"}), Some("event")),
        (json!({"type": "dance", "userId": "secret"}), Some("type")),
        (json!(["secret"]), None),
        (json!({"type": "track", "userId": "s".repeat(1_001), "event": "x"}), Some("userId")),
    ] {
        let problem = read(None, body).expect_err("a mistake");
        assert_eq!(problem.path.as_deref(), place, "{problem}");
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}
