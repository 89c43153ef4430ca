//! Secrets out of everything that comes back: answers' headers and bodies, log lines, errors.
use bytes::{Bytes, BytesMut};
use caravan_model::port::Secret;
use memchr::memmem::Finder;

/// Below this length a secret is not looked for: it would shred every answer.
const SHORTEST: usize = 4;

/// Below this length the letters of a secret within longer base64 are not looked for: they would be found by chance.
const SHORTEST_INNER: usize = 8;

/// Finds secrets, in the forms in which a partner echoes them, and blanks them with as many asterisks.
#[derive(Clone, Debug, Default)]
pub struct Scrubber {
    needles: Vec<Finder<'static>>,
}

impl Scrubber {
    /// A scrubber for these secrets: as they are, percent-encoded, form-encoded, escaped in JSON, and in base64, also where that
    /// holds more than the secret (`Bearer …`).
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Scrubber {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            let raw = secret.expose();
            if raw.len() < SHORTEST {
                continue;
            }
            let json = serde_json::to_string(raw).unwrap_or_default();
            let json = json.trim_matches('"');
            let inner = [0, 1, 2].map(|before| inner_base64(raw.as_bytes(), before));
            let for_urls = inner.clone().map(|form| form.replace('+', "-").replace('/', "_"));
            let inner = inner.into_iter().chain(for_urls).filter(|form| form.len() >= SHORTEST_INNER);
            for form in inner.chain([
                raw.to_owned(),
                percent(raw, false),
                percent(raw, true),
                percent_all(raw),
                percent(raw, false).replace("%20", "+"),
                json.to_owned(),
                json.replace('/', "\\/"),
                base64(raw.as_bytes()),
            ]) {
                if !forms.contains(&form.as_bytes().to_vec()) {
                    forms.push(form.into_bytes());
                }
            }
        }
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Scrubber { needles: forms.iter().map(|form| Finder::new(form).into_owned()).collect() }
    }

    /// Whether there is nothing to look for.
    pub fn is_idle(&self) -> bool {
        self.needles.is_empty()
    }

    /// The text without secrets.
    pub fn text(&self, text: String) -> String {
        if self.find(text.as_bytes()).is_none() {
            return text;
        }
        let mut bytes = text.into_bytes();
        self.blank(&mut bytes);
        // A needle is whole UTF-8, and asterisks are ASCII, so this loses nothing.
        String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned())
    }

    /// Where any secret begins.
    pub fn find(&self, bytes: &[u8]) -> Option<usize> {
        self.needles.iter().filter_map(|needle| needle.find(bytes)).min()
    }

    /// Blanks all secrets in place; true where there were some.
    pub fn blank(&self, bytes: &mut [u8]) -> bool {
        let mut found = false;
        for needle in &self.needles {
            let mut from = 0;
            while let Some(at) = needle.find(&bytes[from..]) {
                let end = from + at + needle.needle().len();
                bytes[from + at..end].fill(b'*');
                from = end;
                found = true;
            }
        }
        found
    }

    /// How many last bytes may be the beginning of a secret that the next chunk completes.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let longest = self.needles.iter().map(|needle| needle.needle().len() - 1).max().unwrap_or(0);
        let from = bytes.len().saturating_sub(longest);
        (from..bytes.len())
            .find(|&start| self.needles.iter().any(|needle| needle.needle().starts_with(&bytes[start..])))
            .map_or(0, |start| bytes.len() - start)
    }
}

/// Scrubs a body that arrives in chunks: what may be the beginning of a secret waits for the next chunk.
#[derive(Debug)]
pub struct ScrubStream {
    scrubber: Scrubber,
    held: BytesMut,
}

impl ScrubStream {
    /// A stream at its beginning.
    pub fn new(scrubber: Scrubber) -> ScrubStream {
        ScrubStream { scrubber, held: BytesMut::new() }
    }

    /// Takes a chunk and gives what can be passed on.
    pub fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.scrubber.is_idle() {
            return chunk;
        }
        if self.held.is_empty() && self.scrubber.find(&chunk).is_none() && self.scrubber.open_end(&chunk) == 0 {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        self.scrubber.blank(&mut self.held);
        let keep = self.scrubber.open_end(&self.held);
        let ready = self.held.len() - keep;
        self.held.split_to(ready).freeze()
    }

    /// What was held back, at the end.
    pub fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

pub(crate) fn percent(text: &str, lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ if lower => out.push_str(&format!("%{byte:02x}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Every byte that is no letter or digit encoded, as some servers do.
fn percent_all(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for triple in bytes.chunks(3) {
        let word = triple.iter().enumerate().fold(0u32, |word, (i, &byte)| word | u32::from(byte) << (16 - 8 * i));
        for sextet in 0..=triple.len() {
            out.push(LETTERS[(word >> (18 - 6 * sextet)) as usize & 63].into());
        }
    }
    // Padding is left out: the text is found with it or without.
    out
}

/// The letters that a secret alone decides where base64 encodes `before` (0 to 2) other bytes, modulo 3, in front of it
/// and anything behind it.
fn inner_base64(secret: &[u8], before: usize) -> String {
    let with_others = [&[0, 0][..before], secret].concat();
    let from = (before * 8).div_ceil(6);
    let to = with_others.len() * 8 / 6;
    base64(&with_others).get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scrubber() -> Scrubber {
        Scrubber::new(&[Secret::new("EAAB/se+cret=1"), Secret::new("abc")])
    }

    #[test]
    fn every_form_of_a_secret_is_blanked() {
        for echo in [
            "Malformed access token EAAB/se+cret=1.",
            "?access_token=EAAB%2Fse%2Bcret%3D1&x",
            "?access_token=EAAB%2fse%2bcret%3d1",
            r#"{"token":"EAAB\/se+cret=1"}"#,
            "RUFBQi9zZStjcmV0PTE=",
        ] {
            let clean = scrubber().text(echo.to_owned());
            assert_eq!(clean.len(), echo.len());
            assert!(clean.contains("*****") && !clean.contains("cret") && !clean.contains("c3JldA"), "{clean}");
        }
        assert_eq!(scrubber().text("abc is too short to look for".into()), "abc is too short to look for");
    }

    #[test]
    fn a_secret_within_longer_base64_is_blanked_wherever_it_begins() {
        for before in ["", "x", "Bearer ", "access_token="] {
            for behind in ["", "&x", " is malformed"] {
                let echo = base64(format!("{before}EAAB/se+cret=1{behind}").as_bytes());
                let clean = scrubber().text(echo.clone());
                assert!(clean.contains("****************"), "{before}…{behind}: {clean}");
                let url = scrubber().text(echo.replace('+', "-").replace('/', "_"));
                assert!(url.contains("****************"), "{before}…{behind}: {url}");
            }
        }
    }

    proptest! {
        #[test]
        fn cuts_between_chunks_hide_nothing(cuts in proptest::collection::vec(0usize..60, 0..6)) {
            let body = b"xxEAAB/se+cret=1yyEAABEAAB/se+cret=1EAAB/se+cret=EAAB/se+cr";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let mut stream = ScrubStream::new(scrubber());
            let mut out = Vec::new();
            for pair in cuts.windows(2) {
                out.extend_from_slice(&stream.push(Bytes::copy_from_slice(&body[pair[0]..pair[1]])));
            }
            out.extend_from_slice(&stream.finish());
            prop_assert_eq!(&out[..], &b"xx**************yyEAAB**************EAAB/se+cret=EAAB/se+cr"[..]);
        }
    }
}
