//! Where Snapchat's Marketing API is, and how one call to it goes.
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Fault, fault};
use serde_json::Value;

/// The one host of the API; tokens come from another, which only Caravan itself speaks to.
pub const HOST: &str = "adsapi.snapchat.com";

/// `/v1/…`.
pub fn path(segments: &[&str]) -> Path {
    Path::new(std::iter::once("v1").chain(segments.iter().copied()))
}

/// One GET and what it answers.
///
/// # Errors
/// Why Snapchat did not answer, or what it refused.
pub fn get(path: Path, about: About) -> Result<Value, Fault> {
    classify(&http::send(Request::get(HOST, path))?, about)
}

/// The objects of a list of sub-requests: of `"segments"` each `"segment"`, or the element itself.
pub fn items<'a>(answer: &'a Value, list: &str, item: &str) -> Vec<&'a Value> {
    let list = answer[list].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|element| element.get(item).unwrap_or(element)).collect()
}

/// The cursor of the next page, out of the link to it: the link itself is not followed.
///
/// # Errors
/// `bug`: the link has no cursor, so that the rest of the list cannot be read.
pub fn next(answer: &Value) -> Result<Option<String>, Fault> {
    let Some(link) = answer["paging"]["next_link"].as_str().filter(|link| !link.is_empty()) else { return Ok(None) };
    let query = link.split_once('?').map(|(_, query)| query).unwrap_or_default();
    match query.split('&').find_map(|pair| pair.strip_prefix("cursor=")) {
        Some(cursor) => Ok(Some(decode(cursor))),
        None => Err(fault::bug("paging", "Snapchat's link to the next page has no cursor.")),
    }
}

/// Decodes `%xx`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text in an answer; `""` where there is none. Ids are texts of digits, but a number is read as well.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::next;
    use serde_json::json;

    #[test]
    fn the_cursor_is_taken_from_the_link_and_a_link_without_one_is_no_end() {
        let of = |link: &str| next(&json!({"paging": {"next_link": link}}));
        assert_eq!(of("https://x/v1/a?limit=2&cursor=a%3D%2B"), Ok(Some("a=+".to_owned())));
        assert!(of("https://x/v1/a?page=2").is_err());
        assert_eq!((of(""), next(&json!({}))), (Ok(None), Ok(None)));
    }
}
