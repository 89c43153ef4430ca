//! What a run says of its queue and its people, in one word each: for tables of partners' errors.
use serde_json::Value;

/// The state of the only queue that waits (`held-forbidden`, `throttled`), else what became of the people
/// (`rejected partner:1004`, `synced`).
pub fn state_of(ran: &Value) -> String {
    let waits = ran["waits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(what) = waits.first().and_then(|wait| wait["what"].as_str()) {
        let state = what.split(": ").nth(1).unwrap_or_default();
        return state.to_owned();
    }
    let counts = ran["counts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let states: Vec<String> = counts
        .iter()
        .map(|count| format!("{} {}", word(&count["status"]), word(&count["reason"])).trim().to_owned())
        .collect();
    states.join(", ")
}

/// The words that a person reads with that state.
pub fn words_of(ran: &Value) -> String {
    let texts = |list: &Value, name: &str| -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|item| item[name].as_str().map(str::to_owned)).collect()
    };
    [texts(&ran["waits"], "what"), texts(&ran["counts"], "words")].concat().join(" ")
}
