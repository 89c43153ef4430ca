//! People's data as it is shown where nobody asked for it in full.
use serde_json::Value;

/// The longest text that is shown in full among attributes.
const SHORT: usize = 24;

/// From this length on, both ends of a number or id are shown.
const LONG: usize = 12;

/// `a***@example.com`, `+33…45`, `A***`: enough to recognise, too little to use.
pub fn identifier(value: &str) -> String {
    if let Some((local, domain)) = value.rsplit_once('@') {
        return format!("{}***@{domain}", local.chars().take(1).collect::<String>());
    }
    let digits = value.chars().filter(char::is_ascii_digit).count();
    // What is shown of a short one would be nearly all of it.
    if digits >= 5 && value.chars().count() >= LONG {
        let chars: Vec<char> = value.chars().collect();
        let head: String = chars.iter().take(3).collect();
        let tail: String = chars.iter().skip(chars.len().saturating_sub(2)).collect();
        return format!("{head}…{tail}");
    }
    match value.chars().next() {
        Some(first) => format!("{first}***"),
        None => String::new(),
    }
}

/// An attribute: numbers and words in full, whatever could be an identifier masked.
pub fn attribute(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            let telling = text.chars().count() > SHORT || text.contains('@') || digits >= 5;
            if telling { identifier(text) } else { text.clone() }
        }
        Value::Array(values) => format!("[{}]", values.iter().map(attribute).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", attribute(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A document whose texts are masked as attributes are; its shape, its keys and its numbers stay.
pub fn below(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::String(attribute(value)),
        Value::Array(values) => values.iter().map(below).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), below(value))).collect(),
        other => other.clone(),
    }
}

/// A line of free words: addresses, international phone numbers and digests in it are masked, all else stands as it is.
pub fn line(text: &str) -> String {
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '@');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !within(c)).unwrap_or(rest.len());
        shown.push_str(&telling(&rest[..word]));
        let behind = rest[word..].find(within).map_or(rest.len(), |at| word + at);
        shown.push_str(&rest[word..behind]);
        rest = &rest[behind..];
    }
    shown
}

/// A word of a line, masked where it is an identifier.
fn telling(word: &str) -> String {
    let address = word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    let phone = word.strip_prefix('+').is_some_and(|rest| rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_digit()));
    let digest = matches!(word.len(), 32 | 64) && word.bytes().all(|b| b.is_ascii_hexdigit());
    if address || phone || digest { identifier(word) } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn identifiers_are_masked_within_a_line_and_nothing_else() {
        let digest = "0a".repeat(32);
        let said =
            format!("refused: \"anna@example.com\", +33612345678, {digest}; audience 120210000000001 at 10:15\u{fc}");
        let shown = line(&said);
        assert_eq!(shown, "refused: \"a***@example.com\", +33…78, 0a0…0a; audience 120210000000001 at 10:15\u{fc}");
        assert_eq!(line(""), "");
    }

    #[test]
    fn masked_values_can_be_recognised_but_not_used() {
        for (value, masked) in [
            ("anna@example.com", "a***@example.com"),
            ("+33612345678", "+33…78"),
            ("Zoë", "Z***"),
            ("67008", "6***"),
            ("1967-08-16", "1***"),
            ("", ""),
            ("0a1b2c3d-0000-4000-8000-000000000000", "0a1…00"),
        ] {
            assert_eq!(identifier(value), masked);
        }
        assert_eq!(
            attribute(&json!({"plan": "pro", "n": 3, "mail": ["x@example.com"]})),
            "{ mail: [x***@example.com], n: 3, plan: pro }"
        );
        assert_eq!(
            below(&json!({"to": "x@example.com", "deep": [{"plan": "pro", "n": 123456}]})),
            json!({"to": "x***@example.com", "deep": [{"plan": "pro", "n": 123456}]})
        );
    }
}
