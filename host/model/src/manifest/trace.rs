//! Where the partner's own id of an answer stands.
use serde::{Deserialize, Serialize};

/// Where the partner's trace id stands in its answers: what its support asks for. The first place that has one
/// counts, the body's before the headers'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trace {
    /// JSON pointers into the answer's body: `/error/fbtrace_id`. Only answers of up to 64 kB are looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Names of the answer's headers, in any case: `x-fb-trace-id`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

impl Trace {
    /// Whether the manifest names no place.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty() && self.headers.is_empty()
    }

    /// Whether all places can be read.
    ///
    /// # Errors
    /// Names the place that is no JSON pointer to something within the body, or no header name.
    pub fn check(&self) -> Result<(), String> {
        if let Some(wrong) = self.body.iter().find(|pointer| !is_pointer(pointer)) {
            return Err(format!("`{wrong}` under `trace` is no JSON pointer: write one as /error/trace_id"));
        }
        match self.headers.iter().find(|name| !is_header(name)) {
            Some(wrong) => Err(format!("`{wrong}` under `trace` is no header name")),
            None => Ok(()),
        }
    }
}

/// RFC 6901, without the pointer to the whole.
fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1);
    text.starts_with('/') && escapes.into_iter().all(|rest| rest.starts_with(['0', '1']))
}

/// A token of RFC 9110.
fn is_header(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, header: &str) -> Result<(), String> {
        Trace { body: vec![body.to_owned()], headers: vec![header.to_owned()] }.check()
    }

    #[test]
    fn places_that_cannot_be_read_are_named() {
        assert_eq!(check("/error/fbtrace_id", "X-Tt-Logid"), Ok(()));
        assert_eq!(check("/a~1b/~0/0", "x"), Ok(()));
        for pointer in ["", "request_id", "$.request_id", "/a~2", "/a~"] {
            assert!(check(pointer, "x").unwrap_err().contains("JSON pointer"), "{pointer}");
        }
        for header in ["", "x y", "x:", "é"] {
            assert!(check("/a", header).unwrap_err().contains("header name"), "{header}");
        }
    }
}
