//! Strings and numbers of JSON.
use super::LockError;
use std::borrow::Cow;

/// The text of a string's raw bytes.
pub(super) fn unescaped(raw: &[u8]) -> Result<Cow<'_, str>, LockError> {
    const BROKEN: LockError = LockError::Syntax("a broken string");
    if raw.iter().all(|&byte| byte >= b' ' && byte != b'\\') {
        return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| BROKEN);
    }
    let mut json = Vec::with_capacity(raw.len() + 2);
    json.push(b'"');
    json.extend_from_slice(raw);
    json.push(b'"');
    serde_json::from_slice(&json).map(Cow::Owned).map_err(|_| BROKEN)
}

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
pub(super) fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> (usize, &[u8]) {
        let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
        (end, &text[end..])
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let leading_zero = text.first() == Some(&b'0');
    let (whole, mut rest) = digits(text);
    if whole == 0 || (leading_zero && whole > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let (count, after) = digits(exponent);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
