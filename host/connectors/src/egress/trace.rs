//! What is kept of an answer for people: its head, and the partner's own id of it. Never its body.
use super::{Egress, Policy, ledger::Ledger};
use caravan_model::exchange::bounded;
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

/// Answers up to this length are looked into for the trace id; error bodies are far smaller.
const LOOKED_INTO: usize = 64 * 1024;
/// The longest trace id.
const LONGEST_ID: usize = 200;

impl Egress {
    /// Notes an answer's scrubbed headers, and the trace id if it stands there.
    pub(super) fn note_head(&self, index: usize, headers: &HeaderMap) {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let shown = headers.iter().filter(|(name, _)| !name.as_str().contains("cookie"));
        let shown: Vec<(&str, String)> = shown.map(|(name, value)| (name.as_str(), text(value))).collect();
        let mut places = self.policy.trace.headers.iter().filter_map(|name| headers.get(name.as_str()));
        let id = places.find_map(|value| plain(&text(value)));
        self.ledger.head(index, bounded(shown.iter().map(|(name, value)| (*name, value.as_str()))), id);
    }

    /// A reader of the trace id in the answer's body.
    pub(super) fn trace_reader(&self, index: usize) -> TraceReader {
        let given_up = self.policy.trace.body.is_empty();
        TraceReader { policy: self.policy.clone(), ledger: self.ledger.clone(), index, kept: Vec::new(), given_up }
    }
}

/// Reads an answer's scrubbed body as it passes, and keeps the trace id of it alone.
pub(crate) struct TraceReader {
    policy: Arc<Policy>,
    ledger: Ledger,
    index: usize,
    kept: Vec<u8>,
    given_up: bool,
}

impl TraceReader {
    /// Takes the next bytes.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        if self.given_up || self.kept.len() + bytes.len() > LOOKED_INTO {
            self.given_up = true;
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(bytes);
        }
    }

    /// Looks for the id in what came, once.
    pub(crate) fn finish(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        if kept.is_empty() || std::mem::replace(&mut self.given_up, true) {
            return;
        }
        if let Some(id) = id_in(&kept, &self.policy.trace.body) {
            self.ledger.trace(self.index, id);
        }
    }
}

impl Drop for TraceReader {
    /// A connector may have enough before the end.
    fn drop(&mut self) {
        self.finish();
    }
}

fn id_in(body: &[u8], pointers: &[String]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    pointers.iter().find_map(|pointer| match body.pointer(pointer)? {
        Value::String(text) => plain(text),
        Value::Number(number) => plain(&number.to_string()),
        _ => None,
    })
}

/// An id that can be printed anywhere; anything else is none.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Option<String> {
        id_in(body.as_bytes(), &["/error/fbtrace_id".to_owned(), "/request_id".to_owned()])
    }

    #[test]
    fn an_id_is_found_where_the_manifest_says_and_only_if_it_can_be_printed() {
        assert_eq!(found(r#"{"error":{"code":190,"fbtrace_id":"A1_b-c"}}"#).as_deref(), Some("A1_b-c"));
        assert_eq!(found(r#"{"request_id":20260102}"#).as_deref(), Some("20260102"));
        assert_eq!(found(r#"{"error":{"fbtrace_id":null},"request_id":"R"}"#).as_deref(), Some("R"));
        let long = format!(r#"{{"request_id":"{}"}}"#, "x".repeat(LONGEST_ID + 1));
        for none in [r#"{"data":[]}"#, "<html>", "", r#"{"request_id":"a\u001b[2J"}"#, r#"{"request_id":["a"]}"#, &long]
        {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
