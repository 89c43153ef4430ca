//! Parameters of a request wherever they stand: query string, JSON body, form body, multipart body.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use serde_json::value::RawValue;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error("the body is not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the body is not UTF-8")]
    Text,
    #[error("the multipart body is broken: {0}")]
    Multipart(&'static str),
}

/// Named parameters. JSON strings appear unquoted, every other JSON value as its text, which is how Meta treats
/// the two spellings as one.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    list: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Params<'a> {
    /// The parameters of the query string alone.
    pub(crate) fn of_query(request: &'a Request<Bytes>) -> Params<'a> {
        let mut params = Params::default();
        params.read_form(request.uri().query().unwrap_or(""));
        params
    }

    /// The parameters of query string and body. Of two with one name, the body's is meant.
    pub(crate) fn of(request: &'a Request<Bytes>) -> Result<Params<'a>, FormError> {
        let mut params = Params::default();
        let body = request.body();
        if !body.is_empty() {
            match media(request.headers()) {
                "multipart/form-data" => {
                    for part in parts(request)? {
                        let value = String::from_utf8(part.value.to_vec()).map_err(|_| FormError::Text)?;
                        params.list.push((part.name.into(), value.into()));
                    }
                }
                "application/x-www-form-urlencoded" => {
                    params.read_form(std::str::from_utf8(body).map_err(|_| FormError::Text)?);
                }
                "application/json" => params.read_json(body)?,
                _ if body.trim_ascii_start().starts_with(b"{") => params.read_json(body)?,
                _ => params.read_form(std::str::from_utf8(body).map_err(|_| FormError::Text)?),
            }
        }
        params.read_form(request.uri().query().unwrap_or(""));
        Ok(params)
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// The value of a parameter unless it is missing or empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All parameters in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    fn read_form(&mut self, text: &'a str) {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.list.push((decode(name), decode(value)));
        }
    }

    fn read_json(&mut self, body: &'a [u8]) -> Result<(), FormError> {
        let fields: HashMap<String, &'a RawValue> = serde_json::from_slice(body)?;
        for (name, value) in fields {
            let text = value.get();
            let value = match text.as_bytes().first() {
                Some(b'"') => Cow::Owned(serde_json::from_str(text)?),
                Some(b'n') => continue,
                _ => Cow::Borrowed(text),
            };
            self.list.push((name.into(), value));
        }
        Ok(())
    }
}

fn media(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

/// Decodes `%xx` and `+`. A broken escape stays as it is; bytes that are no UTF-8 become replacement characters.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match tail.first_chunk::<2>().and_then(|pair| Some((nibble(pair[0])?, nibble(pair[1])?))) {
                Some((high, low)) => {
                    out.push(high << 4 | low);
                    rest = &tail[2..];
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Encodes a query value.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// One part of a multipart body.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// The form field's name.
    pub(crate) name: String,
    /// The content, byte for byte.
    pub(crate) value: &'a [u8],
}

/// The parts of a `multipart/form-data` body.
pub(crate) fn parts(request: &Request<Bytes>) -> Result<Vec<Part<'_>>, FormError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let boundary = kind
        .split(';')
        .find_map(|piece| piece.trim().strip_prefix("boundary="))
        .map(|text| text.trim_matches('"'))
        .filter(|text| !text.is_empty())
        .ok_or(FormError::Multipart("no boundary"))?;
    let opening = format!("--{boundary}");
    let closing = format!("\r\n--{boundary}");
    let body: &[u8] = request.body();
    let mut rest =
        body.strip_prefix(opening.as_bytes()).ok_or(FormError::Multipart("it does not start with its boundary"))?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(FormError::Multipart("no line end after a boundary"))?;
        let head_end = find(rest, b"\r\n\r\n").ok_or(FormError::Multipart("a part without end of headers"))?;
        let head = std::str::from_utf8(&rest[..head_end]).map_err(|_| FormError::Text)?;
        rest = &rest[head_end + 4..];
        let end = find(rest, closing.as_bytes()).ok_or(FormError::Multipart("a part without end"))?;
        let name = head
            .lines()
            .filter(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
            .flat_map(|line| line.split(';'))
            .find_map(|piece| piece.trim().strip_prefix("name="))
            .ok_or(FormError::Multipart("a part without name"))?;
        parts.push(Part { name: name.trim_matches('"').to_string(), value: &rest[..end] });
        rest = &rest[end + closing.len()..];
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, _) = needle.split_first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(decode("a%20b+c%C3%A9"), "a b cé");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz"), "%zz");
        assert_eq!(decode(&encode("é{\"x\":[1]}& =")), "é{\"x\":[1]}& =");
    }

    #[test]
    fn one_meaning_in_three_spellings() -> Result<(), Box<dyn std::error::Error>> {
        for (kind, body) in [
            ("application/json", r#"{"payload":{"a":[1]},"name":"N"}"#),
            ("application/x-www-form-urlencoded", "payload=%7B%22a%22%3A%5B1%5D%7D&name=N"),
            (
                "multipart/form-data; boundary=xx",
                "--xx\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n{\"a\":[1]}\r\n--xx\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nN\r\n--xx--\r\n",
            ),
        ] {
            let request = Request::builder().header(CONTENT_TYPE, kind).body(Bytes::from(body))?;
            let params = Params::of(&request)?;
            assert_eq!(params.get("payload"), Some(r#"{"a":[1]}"#), "{kind}");
            assert_eq!(params.get("name"), Some("N"), "{kind}");
        }
        Ok(())
    }

    #[test]
    fn broken_bodies_are_errors() -> Result<(), Box<dyn std::error::Error>> {
        for (kind, body) in [
            ("application/json", "{"),
            ("application/json", "[1]"),
            ("multipart/form-data", "--xx--"),
            ("multipart/form-data; boundary=xx", "--xx\r\nno end"),
        ] {
            let request = Request::builder().header(CONTENT_TYPE, kind).body(Bytes::from(body))?;
            assert!(Params::of(&request).is_err(), "{kind} {body}");
        }
        Ok(())
    }
}
