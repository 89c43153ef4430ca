//! Paths with their queries, percent-encoded, so that no id or cursor can break out of its place.
use std::fmt::{self, Write};

/// A path and its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    has_query: bool,
}

impl Path {
    /// `/first/second/…`; an empty last segment gives a trailing slash.
    pub fn new<'s>(segments: impl IntoIterator<Item = &'s str>) -> Path {
        let mut text = String::with_capacity(64);
        for segment in segments {
            text.push('/');
            encode(segment, &mut text);
        }
        if text.is_empty() {
            text.push('/');
        }
        Path { text, has_query: false }
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: &str) -> Path {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        encode(name, &mut self.text);
        self.text.push('=');
        encode(value, &mut self.text);
        self
    }

    /// Adds a query parameter where there is a value.
    pub fn query_if(self, name: &str, value: Option<&str>) -> Path {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// As it is written on the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Keeps RFC 3986's unreserved characters, the comma, which lists of fields are written with, and the colon, which parts
/// a verb from its resource (`members:ingest`); both may stand in a path and in a query.
fn encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b':' => to.push(byte as char),
            // A `String` takes whatever is written to it.
            _ => drop(write!(to, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn ids_cannot_break_out_of_their_segment() {
        let path = Path::new(["v26.0", "../me?x=1#y", "users"]);
        assert_eq!(path.as_str(), "/v26.0/..%2Fme%3Fx%3D1%23y/users");
    }

    #[test]
    fn queries_follow_one_another() {
        let path = Path::new(["list", ""]).query("ids", "[\"1\"]").query_if("after", None).query("fields", "id,name");
        assert_eq!(path.as_str(), "/list/?ids=%5B%221%22%5D&fields=id,name");
    }
}
