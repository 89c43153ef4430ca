//! Body locks: a JSON body is read while it streams through, and every value that a lock's pointer reaches must be
//! the step's own id. Nothing is kept but the open containers and the value at hand, so memory stays flat.
//!
//! The reader is strict where parsers differ: duplicate keys and keys that equal a locked one but for case are
//! refused on the way to a lock, and the grammar is exact everywhere: also in strings that no lock reaches, where
//! another parser might take half a letter together with the quote behind it.
mod pointer;
mod scalar;
#[cfg(test)]
mod tests;
mod text;

use memchr::memchr2;
use pointer::{Keys, Lock};
use scalar::{is_number, unescaped};
use std::{collections::hash_map::RandomState, hash::BuildHasher as _};
use text::{Within, is_plain};

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
        within: Within,
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
        let locks: Vec<Lock> = locks.into_iter().map(|(pointer, expected)| Lock::new(pointer, expected)).collect();
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
        let plain = is_plain(bytes);
        while !bytes.is_empty() {
            bytes = match self.token {
                Token::Text { key, captured, within } => self.read_text(bytes, plain, key, captured, within)?,
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

    /// Reads on in a string; in `plain` bytes only quotes and backslashes mean anything.
    #[inline]
    fn read_text<'a>(
        &mut self,
        bytes: &'a [u8],
        plain: bool,
        key: bool,
        captured: bool,
        mut within: Within,
    ) -> Result<&'a [u8], LockError> {
        let mut at = 0;
        loop {
            if plain && within == Within::Text {
                at += memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at);
            }
            let Some(&byte) = bytes.get(at) else { break };
            if byte == b'"' && within == Within::Text {
                self.token = Token::None;
                if !captured {
                    self.expect = if key { Expect::Colon } else { self.after_value() };
                } else if self.capture.is_empty() {
                    self.end_text(key, &bytes[..at])?;
                } else {
                    self.keep(&bytes[..at])?;
                    let whole = std::mem::take(&mut self.capture);
                    self.end_text(key, &whole)?;
                }
                return Ok(&bytes[at + 1..]);
            }
            within = within.after(byte).ok_or(LockError::Syntax("a broken string"))?;
            at += 1;
        }
        if captured {
            self.keep(bytes)?;
        }
        self.token = Token::Text { key, captured, within };
        Ok(&[])
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
                self.token = Token::Text { key: false, captured, within: Within::Text };
            }
            (b'"', Expect::Key | Expect::KeyOrEnd) => {
                let captured = self.stack.last().is_some_and(|container| container.active != 0);
                self.token = Token::Text { key: true, captured, within: Within::Text };
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

fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}
