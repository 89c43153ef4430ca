//! The dial that a name on the page stands for.
use serde_json::{Value, json};

/// The dial of this name, for a partner's call that adds people unless it says another route.
pub fn dial(partner: &str, name: &str) -> Value {
    if let Some(dial) = anybodys(name).or_else(|| special(partner, name)) {
        return dial;
    }
    let (head, words) = name.split_once(' ').unwrap_or((name, ""));
    let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("{partner}: no dial {name}"));
    match partner {
        "criteo" if head.parse::<u16>().is_ok() => json!({"fault": "error", "reason": words, "status": number(head)}),
        "criteo" | "google" => json!({"fault": "error", "reason": name}),
        // Meta's codes and subcodes; a word after them is Meta's.
        "meta" => {
            let (code, subcode) = head.split_once('/').unwrap_or((head, "0"));
            let mut dial = json!({"fault": "error", "code": number(code), "status": 400});
            if subcode != "0" {
                dial["subcode"] = json!(number(subcode));
            }
            // Under which status a code comes is not certain for all of them.
            if let Some(status) = words.strip_prefix("under ") {
                dial["status"] = json!(number(status));
            } else if !words.is_empty() {
                dial["message"] = json!(format!("The audience {words}"));
            }
            dial
        }
        "tiktok" | "marketo" => json!({"fault": "error", "code": number(head)}),
        // Statuses; a word after them is the partner's, or its code.
        "snapchat" if words.starts_with('E') => json!({"fault": "error", "reason": words, "status": number(head)}),
        "pinterest" | "snapchat" if words.is_empty() => json!({"fault": "error", "code": 1, "status": number(head)}),
        "pinterest" | "snapchat" => json!({"fault": "error", "code": 2, "status": number(head), "message": words}),
        _ => panic!("no dial {name} for {partner}"),
    }
}

/// What any partner's answer can be.
fn anybodys(name: &str) -> Option<Value> {
    Some(match name {
        "a page" => json!({"fault": "html"}),
        "no answer" => json!({"fault": "drop"}),
        "half an answer" => json!({"fault": "cut"}),
        "no JSON" => json!({"fault": "malformed"}),
        _ => return None,
    })
}

fn special(partner: &str, name: &str) -> Option<Value> {
    Some(match (partner, name) {
        ("criteo", "a version that ends") => json!({"fault": "slow", "ms": 1}),
        ("criteo", "the name is taken") => {
            json!({"route": "create", "fault": "error", "reason": "name-must-be-unique"})
        }
        ("criteo", "the token endpoint") => {
            json!({"route": "token", "fault": "error", "reason": "authorization-token-invalid", "status": 401})
        }
        ("marketo", "the token endpoint") => json!({"route": "token", "fault": "error", "code": 601, "status": 401}),
        ("criteo", "nbInvalidIdentifiers") | ("pinterest", "exceptions") | ("snapchat", "number_uploaded_users") => {
            json!({"fault": "bad-rows", "rows": 1})
        }
        ("meta", "num_invalid_entries") => json!({"fault": "bad-rows", "rows": 1}),
        // Each small list is.
        ("pinterest", "TOO_SMALL") => json!({"fault": "slow", "ms": 1}),
        ("meta", "HTTP 500") => json!({"fault": "server-error", "status": 500}),
        ("meta", "is_transient") => json!({"fault": "error", "code": 999, "status": 400, "transient": true}),
        ("tiktok", "40002 not editable") => json!({"fault": "not-editable"}),
        ("tiktok", "HTTP 500") => json!({"fault": "html", "status": 500}),
        ("tiktok", "HTTP 404") => json!({"fault": "error", "code": 40_002, "status": 404}),
        ("tiktok", "20001") => json!({"fault": "partial", "rows": 1, "count": 1}),
        ("snapchat", "not active") => json!({"fault": "not-editable"}),
        ("google", "fieldWarnings") => {
            json!({"fault": "partial", "rows": 1, "reason": "WARNING_REASON_UNSPECIFIED"})
        }
        ("marketo", "HTTP 413" | "HTTP 414") => json!({"fault": "too-large", "status": status(name)}),
        ("marketo", name) if name.starts_with("HTTP ") => json!({"fault": "html", "status": status(name)}),
        ("marketo", "no reason") => json!({"fault": "error", "code": 0}),
        ("marketo", name) => {
            let code = |text: &str| text.parse::<u32>().ok();
            if let Some(code) = name.strip_suffix(" at the lookup").and_then(code) {
                return Some(json!({"route": "lookup", "fault": "error", "code": code}));
            }
            if let Some(code) = name.strip_suffix(" at the making").and_then(code) {
                return Some(json!({"route": "create", "fault": "error", "code": code}));
            }
            json!({"fault": "bad-rows", "rows": 1, "code": name.strip_prefix("lead ").and_then(code)?})
        }
        _ => return None,
    })
}

fn status(name: &str) -> Option<u16> {
    name.strip_prefix("HTTP ")?.parse().ok()
}
