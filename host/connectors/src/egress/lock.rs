//! Body locks: a JSON body is read while it streams through, and every value that a lock's pointer reaches must be
//! the step's own id. Nothing is kept but the open containers and the value at hand, so memory stays flat.
//!
//! The reader is strict where parsers differ: duplicate keys and keys that equal a locked one but for case are
//! refused on the way to a lock, and the grammar is exact everywhere.
use memchr::memchr2;
use std::{
    borrow::Cow,
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher as _,
};

/// How deep a body may nest.
const DEEPEST: usize = 128;
/// The longest key or locked value that is looked at.
const LONGEST: usize = 4096;

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// The body is not the JSON that the route declares.
    #[error("the body is no acceptable JSON: {0}")]
    Syntax(&'static str),
    /// A key stands twice in an object on the way to a lock, or once more in other case.
    #[error("the body has the key `{0}` twice, or in another case")]
    Duplicate(String),
    /// A locked value is another than the step's own.
    #[error("the body has another value at `{0}` than the step's own")]
    Other(String),
    /// A locked value is not there.
    #[error("the body has no value at `{0}`, which must be the step's own")]
    Missing(String),
}

/// A lock: where, and which text must stand there.
#[derive(Clone, Debug)]
struct Lock {
    pointer: String,
    tokens: Vec<PointerToken>,
    expected: String,
    met: bool,
}

/// One step of a pointer, in the forms in which it is compared.
#[derive(Clone, Debug)]
struct PointerToken {
    text: String,
    folded: String,
    index: Option<usize>,
    any: bool,
}

impl PointerToken {
    fn new(token: &str) -> PointerToken {
        let text = token.replace("~1", "/").replace("~0", "~");
        PointerToken { folded: text.to_lowercase(), index: text.parse().ok(), any: text == "*", text }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    Colon,
    CommaOrEnd,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    /// In a string; `captured` = it is a key or locked value on the way to a lock.
    Text {
        key: bool,
        captured: bool,
        escaped: bool,
    },
    /// In a number or word.
    Bare,
}

#[derive(Debug)]
struct Container {
    object: bool,
    /// Which locks lead through here.
    active: u64,
    /// Which locks lead through the member at hand.
    member: u64,
    index: usize,
    keys: Keys,
}

/// The keys of an object, by hash with a random seed.
#[derive(Debug, Default)]
struct Keys {
    few: Vec<u64>,
    many: HashSet<u64>,
}

impl Keys {
    fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }

    fn insert(&mut self, hash: u64) -> bool {
        if self.few.len() < 32 {
            if self.few.contains(&hash) {
                return false;
            }
            self.few.push(hash);
            return true;
        }
        !self.few.contains(&hash) && self.many.insert(hash)
    }
}

/// Reads a body and checks its locks.
#[derive(Debug)]
pub struct LockReader {
    locks: Vec<Lock>,
    stack: Vec<Container>,
    expect: Expect,
    token: Token,
    capture: Vec<u8>,
    folded: String,
    spare: Vec<Keys>,
    hasher: RandomState,
}

impl LockReader {
    /// A reader for locks: JSON pointer (`*` = every element or member) and the text that must stand there.
    ///
    /// # Errors
    /// More locks than a reader holds.
    pub fn new(locks: impl IntoIterator<Item = (String, String)>) -> Result<LockReader, &'static str> {
        let locks: Vec<Lock> = locks
            .into_iter()
            .map(|(pointer, expected)| {
                let tokens = pointer.split('/').skip(1).map(PointerToken::new);
                Lock { tokens: tokens.collect(), pointer, expected, met: false }
            })
            .collect();
        if locks.len() > 64 {
            return Err("a route has more than 64 body locks");
        }
        Ok(LockReader {
            locks,
            stack: Vec::new(),
            expect: Expect::Value,
            token: Token::None,
            capture: Vec::new(),
            folded: String::new(),
            spare: Vec::new(),
            hasher: RandomState::new(),
        })
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// What is wrong; the body must then not be completed.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<(), LockError> {
        while !bytes.is_empty() {
            bytes = match self.token {
                Token::Text { key, captured, escaped } => self.read_text(bytes, key, captured, escaped)?,
                Token::Bare => self.read_bare(bytes)?,
                Token::None => self.read_structure(bytes)?,
            };
        }
        Ok(())
    }

    /// The end of the body.
    ///
    /// # Errors
    /// The body is not whole, or a locked value was not there.
    pub fn finish(&mut self) -> Result<(), LockError> {
        if self.token == Token::Bare {
            self.end_bare()?;
        }
        if self.expect != Expect::Nothing || self.token != Token::None {
            return Err(LockError::Syntax("it ends early"));
        }
        match self.locks.iter().find(|lock| !lock.met) {
            Some(lock) => Err(LockError::Missing(lock.pointer.clone())),
            None => Ok(()),
        }
    }

    /// Which locks lead through the value that comes next.
    fn next_member(&self) -> u64 {
        match self.stack.last() {
            None => u64::MAX >> (64 - self.locks.len().max(1)),
            Some(container) => container.member,
        }
    }

    /// The locks among `member` that end at the value that comes next.
    fn ending(&self, member: u64) -> u64 {
        let depth = self.stack.len();
        bits(member)
            .filter(|&i| self.locks.get(i).is_some_and(|lock| lock.tokens.len() == depth))
            .fold(0, |m, i| m | 1 << i)
    }

    #[inline]
    fn read_text<'a>(
        &mut self,
        bytes: &'a [u8],
        key: bool,
        captured: bool,
        escaped: bool,
    ) -> Result<&'a [u8], LockError> {
        let mut at = 0;
        if escaped {
            at = 1; // The byte after a backslash never ends the string; what it means is read from the capture.
        }
        loop {
            match memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
                Some(found) if bytes[at + found] == b'"' => {
                    let end = at + found;
                    self.token = Token::None;
                    if !captured {
                        self.expect = if key { Expect::Colon } else { self.after_value() };
                    } else if self.capture.is_empty() {
                        self.end_text(key, &bytes[..end])?;
                    } else {
                        self.keep(&bytes[..end])?;
                        let whole = std::mem::take(&mut self.capture);
                        self.end_text(key, &whole)?;
                    }
                    return Ok(&bytes[end + 1..]);
                }
                Some(found) if at + found + 1 < bytes.len() => at += found + 2,
                found => {
                    if captured {
                        self.keep(bytes)?;
                    }
                    self.token = Token::Text { key, captured, escaped: found.is_some() };
                    return Ok(&[]);
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), LockError> {
        if self.capture.len() + bytes.len() > LONGEST {
            return Err(LockError::Syntax("a key or locked value is longer than 4 KiB"));
        }
        self.capture.extend_from_slice(bytes);
        Ok(())
    }

    /// A key or locked value is whole.
    fn end_text(&mut self, key: bool, raw: &[u8]) -> Result<(), LockError> {
        let text = unescaped(raw)?;
        if key {
            self.expect = Expect::Colon;
            self.enter_key(&text)
        } else {
            self.check(&text)?;
            self.expect = self.after_value();
            Ok(())
        }
    }

    fn enter_key(&mut self, key: &str) -> Result<(), LockError> {
        self.folded.clear();
        if key.is_ascii() {
            self.folded.push_str(key);
            self.folded.make_ascii_lowercase();
        } else {
            self.folded.push_str(&key.to_lowercase());
        }
        let hash = self.hasher.hash_one(&self.folded);
        let depth = self.stack.len();
        let Some(container) = self.stack.last_mut() else { return Ok(()) };
        if !container.keys.insert(hash) {
            return Err(LockError::Duplicate(key.to_owned()));
        }
        container.member = 0;
        for i in bits(container.active) {
            let Some(token) = self.locks.get(i).and_then(|lock| lock.tokens.get(depth - 1)) else { continue };
            if token.any || token.text == key {
                container.member |= 1 << i;
            } else if token.folded == self.folded {
                return Err(LockError::Duplicate(key.to_owned()));
            }
        }
        Ok(())
    }

    fn check(&mut self, value: &str) -> Result<(), LockError> {
        for i in bits(self.ending(self.next_member())) {
            let lock = &mut self.locks[i];
            if lock.expected != value {
                return Err(LockError::Other(lock.pointer.clone()));
            }
            lock.met = true;
        }
        Ok(())
    }

    #[inline]
    fn read_bare<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], LockError> {
        let end = bytes.iter().position(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'));
        let end = end.unwrap_or(bytes.len());
        if self.capture.len() + end > 64 {
            return Err(LockError::Syntax("a number or word is too long"));
        }
        self.capture.extend_from_slice(&bytes[..end]);
        if end < bytes.len() {
            self.end_bare()?;
        }
        Ok(&bytes[end..])
    }

    fn end_bare(&mut self) -> Result<(), LockError> {
        self.token = Token::None;
        let text = std::str::from_utf8(&self.capture).unwrap_or_default().to_owned();
        self.capture.clear();
        let good = matches!(text.as_str(), "true" | "false" | "null") || is_number(text.as_bytes());
        if !good {
            return Err(LockError::Syntax("a word that is no value"));
        }
        self.check(&text)?;
        self.expect = self.after_value();
        Ok(())
    }

    fn after_value(&self) -> Expect {
        if self.stack.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd }
    }

    #[inline]
    fn read_structure<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], LockError> {
        let (&byte, rest) = bytes.split_first().unwrap_or((&b' ', &[]));
        match (byte, self.expect) {
            (b' ' | b'\n' | b'\r' | b'\t', _) => {}
            (b'"', Expect::Value | Expect::ValueOrEnd) => {
                let member = self.enter_element();
                let captured = self.ending(member) != 0;
                self.token = Token::Text { key: false, captured, escaped: false };
            }
            (b'"', Expect::Key | Expect::KeyOrEnd) => {
                let captured = self.stack.last().is_some_and(|container| container.active != 0);
                self.token = Token::Text { key: true, captured, escaped: false };
            }
            (b'{' | b'[', Expect::Value | Expect::ValueOrEnd) => {
                let member = self.enter_element();
                if let Some(i) = bits(self.ending(member)).next() {
                    return Err(LockError::Other(self.locks[i].pointer.clone()));
                }
                if self.stack.len() == DEEPEST {
                    return Err(LockError::Syntax("it nests too deep"));
                }
                let object = byte == b'{';
                let keys = self.spare.pop().unwrap_or_default();
                self.stack.push(Container { object, active: member, member: 0, index: 0, keys });
                self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
            }
            (b'}', Expect::KeyOrEnd | Expect::CommaOrEnd) if self.stack.last().is_some_and(|top| top.object) => {
                self.end_container();
            }
            (b']', Expect::ValueOrEnd | Expect::CommaOrEnd) if self.stack.last().is_some_and(|top| !top.object) => {
                self.end_container();
            }
            (b',', Expect::CommaOrEnd) => {
                self.expect = if self.stack.last().is_some_and(|top| top.object) { Expect::Key } else { Expect::Value };
            }
            (b':', Expect::Colon) => self.expect = Expect::Value,
            (b'0'..=b'9' | b'-' | b't' | b'f' | b'n', Expect::Value | Expect::ValueOrEnd) => {
                self.enter_element();
                self.token = Token::Bare;
                return Ok(bytes);
            }
            _ => return Err(LockError::Syntax("an unexpected character")),
        }
        Ok(rest)
    }

    fn end_container(&mut self) {
        if let Some(mut ended) = self.stack.pop() {
            ended.keys.clear();
            self.spare.push(ended.keys);
        }
        self.expect = self.after_value();
    }

    /// A value begins: in an array, the element's own locks; gives those that lead to it.
    fn enter_element(&mut self) -> u64 {
        let depth = self.stack.len();
        let locks = &self.locks;
        if let Some(container) = self.stack.last_mut().filter(|container| !container.object) {
            container.member = if container.active == 0 {
                0
            } else {
                let leads = |i: &usize| {
                    locks
                        .get(*i)
                        .and_then(|lock| lock.tokens.get(depth - 1))
                        .is_some_and(|token| token.any || token.index == Some(container.index))
                };
                bits(container.active).filter(leads).fold(0, |mask, i| mask | 1 << i)
            };
            container.index += 1;
        }
        self.next_member()
    }
}

/// The text of a string's raw bytes.
fn unescaped(raw: &[u8]) -> Result<Cow<'_, str>, LockError> {
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

fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
fn is_number(text: &[u8]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(locks: &[(&str, &str)], body: &str, cut: usize) -> Result<(), LockError> {
        let locks = locks.iter().map(|(pointer, value)| (pointer.to_string(), value.to_string()));
        let mut reader = LockReader::new(locks).unwrap();
        for chunk in body.as_bytes().chunks(cut) {
            reader.read(chunk)?;
        }
        reader.finish()
    }

    /// The same verdict however the body is cut.
    fn check(locks: &[(&str, &str)], body: &str) -> Result<(), LockError> {
        let whole = run(locks, body, usize::MAX);
        for cut in [1, 2, 3, 7, 64] {
            assert_eq!(run(locks, body, cut), whole, "{body} in chunks of {cut}");
        }
        whole
    }

    const ADVERTISER: (&str, &str) = ("/advertiser_ids/*", "7001");

    #[test]
    fn a_body_with_the_steps_own_ids_passes() {
        assert_eq!(check(&[ADVERTISER], r#"{"advertiser_ids":["7001"],"batch_data":[[{"id":"x"}],[]]}"#), Ok(()));
        assert_eq!(check(&[ADVERTISER], r#" { "a" : -1.5e+3 , "advertiser_ids" : [ 7001 , "7001" ] } "#), Ok(()));
        let deep = [("/data/*/*/audience_ids/*", "9"), ("/account", "act_1")];
        let body = r#"{"account":"act_1","data":[[{"audience_ids":["9"]},{"audience_ids":["9","9"]}]]}"#;
        assert_eq!(check(&deep, body), Ok(()));
        assert_eq!(check(&[("/a~1b/1", "x")], r#"{"a\/b":["any","\u0078"]}"#), Ok(()));
    }

    #[test]
    fn another_id_anywhere_is_refused() {
        let other = Err(LockError::Other("/advertiser_ids/*".into()));
        for body in [
            r#"{"advertiser_ids":["7002"]}"#,
            r#"{"advertiser_ids":["7001","7002"]}"#,
            r#"{"advertiser_ids":[["7001"]]}"#,
            r#"{"advertiser_ids":[{"x":"7001"}]}"#,
            r#"{"advertiser_ids":["7001 "]}"#,
            r#"{"advertiser_ids":[7.001e3]}"#,
            r#"{"advertiser_ids":[null]}"#,
            r#"{"\u0061dvertiser_ids":["7002"]}"#,
        ] {
            assert_eq!(check(&[ADVERTISER], body), other, "{body}");
        }
    }

    #[test]
    fn keys_that_parsers_read_differently_are_refused() {
        for body in [
            r#"{"advertiser_ids":["7001"],"advertiser_ids":["7002"]}"#,
            r#"{"advertiser_ids":["7001"],"advertiser\u005fids":["7002"]}"#,
            r#"{"advertiser_ids":["7001"],"Advertiser_IDs":["7002"]}"#,
            r#"{"ADVERTISER_IDS":["7002"]}"#,
            r#"{"x":1,"advertiser_ids":["7001"],"x":2}"#,
        ] {
            assert!(matches!(check(&[ADVERTISER], body), Err(LockError::Duplicate(_))), "{body}");
        }
    }

    #[test]
    fn a_missing_lock_and_bad_json_are_refused() {
        for body in
            [r#"{}"#, r#"{"advertiser_ids":[]}"#, r#"["7001"]"#, r#""7001""#, r#"{"a":{"advertiser_ids":["7001"]}}"#]
        {
            assert!(matches!(check(&[ADVERTISER], body), Err(LockError::Missing(_))), "{body}");
        }
        for body in [
            "",
            "{",
            r#"{"advertiser_ids":["7001"]"#,
            r#"{"advertiser_ids":["7001"]}}"#,
            r#"{"advertiser_ids":["7001"]}{}"#,
            r#"{"advertiser_ids":["7001"}"#,
            r#"{"advertiser_ids":["7001"],}"#,
            r#"{"advertiser_ids":["7001",]}"#,
            r#"{'advertiser_ids':["7001"]}"#,
            r#"{advertiser_ids:["7001"]}"#,
            "/**/{}",
            "\u{feff}{}",
            "01",
            "1.",
            "1e",
            "-",
            "nul",
            r#"{"a" "b"}"#,
            r#"{"a":}"#,
            r#"[1 2]"#,
            r#"{"\ud800":1}"#,
            "{\"advertiser_ids\":[\"70\n01\"]}",
        ] {
            let verdict = check(&[ADVERTISER], body);
            assert!(matches!(verdict, Err(LockError::Syntax(_))), "{body}: {verdict:?}");
        }
    }

    proptest! {
        #[test]
        fn the_verdict_is_that_of_a_whole_parse(keys in proptest::collection::vec("[ab]{1,2}", 0..5), ids in proptest::collection::vec("[12]", 0..4), cut in 1usize..9) {
            let mut object = serde_json::Map::new();
            for key in &keys {
                object.insert(key.clone(), ids.clone().into());
            }
            let value = serde_json::Value::Object(object);
            let expected = value.get("a").and_then(|a| a.as_array()).is_some_and(|ids| !ids.is_empty() && ids.iter().all(|id| id == "1"));
            let verdict = run(&[("/a/*", "1")], &value.to_string(), cut);
            prop_assert_eq!(verdict.is_ok(), expected);
        }

        #[test]
        fn whatever_passes_is_json(body in "[{}\\[\\]\",:a1 .e-]{0,24}") {
            if run(&[], &body, 3).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}", body);
            }
        }
    }
}
