//! Bodies of webhooks: texts with templates that people write, over what is known of somebody.
use caravan_journey::Person;
use caravan_journey::webhook::{Body, LARGEST_BODY};
use caravan_model::{Event, Millis, Profile};
use serde_json::{Value, json};

/// What no reason may repeat.
const PRIVATE: [&str; 3] = ["ann-7f3a@example.com", "secret-tier-9c1", "order-51f0"];

/// Whatever a template is, reading it ends; what it makes of a person is JSON within its bound, twice the same, or a reason
/// in which nothing of the person stands.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let written = json!({ "a": text, "b": [{ "c": text }], "d": 1 });
    let written = written.as_object().expect("an object");
    let body = match Body::new(written) {
        Ok(body) => body,
        Err(flaws) => return assert!(!flaws.is_empty() && flaws.iter().all(|flaw| !flaw.words.is_empty())),
    };
    let _ = body.names().count();
    let mut ann = Profile { external_id: "u1".into(), emails: vec![PRIVATE[0].into()], ..Profile::default() };
    ann.attributes.insert("tier".into(), PRIVATE[1].into());
    ann.attributes.insert("many".into(), json!([1, 2, 3, { "x": null }]));
    let properties = json!({ "id": PRIVATE[2], "total": 12.5 }).as_object().cloned().expect("an object");
    let event = Event { name: "Lapsed".into(), at: Millis(1), properties };
    for person in [
        Person { profile: &ann, events: std::slice::from_ref(&event) },
        Person { profile: &Profile::default(), events: &[] },
    ] {
        let made = body.render(&person);
        assert_eq!(made, body.render(&person), "it is made the same twice");
        match made {
            Ok(made) => {
                assert!(made.len() <= LARGEST_BODY);
                assert!(serde_json::from_str::<Value>(&made).is_ok_and(|made| made["d"] == 1), "{made}");
            }
            Err(reason) => {
                let told = format!("{} {}", reason.code, reason.words);
                // What the template itself says may be repeated.
                let leaks = |private: &&&str| told.contains(**private) && !text.contains(**private);
                assert_eq!(PRIVATE.iter().find(leaks), None, "{told}");
            }
        }
    }
}
