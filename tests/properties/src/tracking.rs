//! The tracking API: bodies that libraries and strangers send, plain or packed.
use caravan_api::tracking::{read_message, unpacked};
use caravan_model::{Message, Millis};
use serde_json::Value;

/// How much a body may be once unpacked.
const MOST: usize = 1 << 20;

/// Whatever is sent, unpacking ends within its bound, and every message is taken or refused with words; what is taken is
/// about somebody, survives the inbox, and is read the same again.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    if let Ok(plain) = unpacked(bytes, MOST) {
        assert!(plain.len() <= MOST);
        messages(&plain);
    }
    messages(bytes);
}

fn messages(body: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    let several = body.get("batch").and_then(Value::as_array).map(Vec::as_slice);
    for one in several.unwrap_or(std::slice::from_ref(&body)) {
        let received = Millis(1_700_000_000_000);
        match read_message(one, received) {
            Err(problem) => assert!(!problem.message.is_empty()),
            Ok((id, message)) => {
                let who = &message.who;
                assert!(!who.external_id.is_empty(), "about somebody: {who:?}");
                let kept = serde_json::to_string(&message).expect("the inbox keeps it");
                let again: Message = serde_json::from_str(&kept).expect("the inbox gives it back");
                let json = |message: &Message| serde_json::to_value(message).expect("JSON");
                assert_eq!(json(&again), json(&message), "it was {kept}");
                assert_eq!(read_message(one, received).expect("taken"), (id, message));
            }
        }
    }
}
