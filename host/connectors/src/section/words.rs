//! What a stranger's manifest may say to people: its name becomes a file's name and a word on command lines, and all of
//! its text is printed on terminals before anybody has allowed anything.
use serde_json::Value;

/// The longest name.
const LONGEST_NAME: usize = 64;

/// The longest name of an import or export.
const LONGEST_IMPORT: usize = 512;

/// Checks a manifest's name, and every text in its JSON.
///
/// # Errors
/// What is wrong, without the text itself.
pub(super) fn check(name: &str, json: &[u8]) -> Result<(), String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !plain || name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('-') {
        return Err(format!(
            "its manifest's name must be of lower-case letters, digits and hyphens, at most {LONGEST_NAME}, not beginning with a hyphen"
        ));
    }
    let all: Value = serde_json::from_slice(json).map_err(|wrong| format!("its manifest cannot be read: {wrong}"))?;
    match is_harmless(&all) {
        true => Ok(()),
        false => Err("its manifest has a text with control characters, or with characters that turn the direction of \
             text: what a terminal shows of it would not be what it says"
            .to_owned()),
    }
}

/// Checks the name of an import or export, which people read too: the contract has none that is not plain.
///
/// # Errors
/// What is wrong, without the name itself.
pub(super) fn is_name(name: &str) -> Result<(), String> {
    match name.len() <= LONGEST_IMPORT && name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(()),
        false => Err(format!(
            "it imports or exports something by a name that is no plain text of at most {LONGEST_IMPORT} letters"
        )),
    }
}

fn is_harmless(value: &Value) -> bool {
    let plain = |text: &str| !text.chars().any(deceives);
    match value {
        Value::String(text) => plain(text),
        Value::Array(values) => values.iter().all(is_harmless),
        Value::Object(fields) => fields.iter().all(|(name, value)| plain(name) && is_harmless(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Control characters, line separators, and the marks, embeddings, overrides and isolates of bidirectional text.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_that_are_paths_and_texts_that_steer_a_terminal_are_refused() {
        assert_eq!(check("my-ads-2", br#"{"title": "\u00c9t\u00e9 \u2013 ads"}"#), Ok(()));
        for name in ["", "../../x", "a/b", "a@b", "A", "-rf", "a b", "a\n", &"a".repeat(65)] {
            assert!(check(name, b"{}").is_err(), "{name}");
        }
        for json in [
            r#"{"title": "\u001b[2J"}"#,
            r#"{"title": "two\nlines"}"#,
            r#"{"a": [{"b": "\u202egnp"}]}"#,
            r#"{"\u0007": 1}"#,
        ] {
            assert!(check("a", json.as_bytes()).is_err_and(|wrong| !wrong.contains('\u{1b}')), "{json}");
        }
    }
}
