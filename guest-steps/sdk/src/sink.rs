//! Where a body is built while it is being sent: one buffer, handed on whenever it is full.
use crate::copy;
use crate::http::HttpError;

/// How much is handed to the transport at once. Measured: smaller wakes the host too often, a megabyte no longer
/// overlaps building and sending.
pub(crate) const CHUNK: usize = 64 * 1024;

/// The receiving end of a body. Once the transport has failed, what is still written is dropped, so that a writer need
/// not look after every value; the failure is reported by `http::send`.
pub struct Sink<'o> {
    buffer: Vec<u8>,
    out: &'o mut dyn FnMut(&[u8]) -> Result<(), HttpError>,
    written: u64,
    failed: Option<HttpError>,
}

impl<'o> Sink<'o> {
    pub(crate) fn new(out: &'o mut dyn FnMut(&[u8]) -> Result<(), HttpError>) -> Sink<'o> {
        Sink { buffer: Vec::with_capacity(CHUNK), out, written: 0, failed: None }
    }

    /// Writes bytes as they are.
    #[inline(always)]
    pub fn put(&mut self, bytes: &[u8]) {
        if self.room() >= bytes.len() {
            copy::append(&mut self.buffer, [b"", bytes, b""]);
        } else {
            self.put_slowly(bytes);
        }
    }

    /// Writes `before`, `value` and `after` as they are: one check of the room for all three.
    #[inline(always)]
    pub fn put_between(&mut self, before: &[u8], value: &[u8], after: &[u8]) {
        if self.room() >= before.len() + value.len() + after.len() {
            copy::append(&mut self.buffer, [before, value, after]);
        } else {
            self.put_slowly(before);
            self.put_slowly(value);
            self.put_slowly(after);
        }
    }

    /// Hands on what is left.
    pub(crate) fn finish(mut self) -> Result<u64, HttpError> {
        self.hand_on();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.written),
        }
    }

    #[inline(always)]
    fn room(&self) -> usize {
        CHUNK - self.buffer.len()
    }

    #[cold]
    #[inline(never)]
    fn put_slowly(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while rest.len() > self.room() {
            let (now, later) = rest.split_at(self.room());
            self.buffer.extend_from_slice(now);
            self.hand_on();
            rest = later;
        }
        self.buffer.extend_from_slice(rest);
    }

    fn hand_on(&mut self) {
        if self.failed.is_none() && !self.buffer.is_empty() {
            match (self.out)(&self.buffer) {
                Ok(()) => self.written += self.buffer.len() as u64,
                Err(error) => self.failed = Some(error),
            }
        }
        self.buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Sink};
    use crate::http::HttpError;

    #[test]
    fn a_body_arrives_whole_and_in_chunks() {
        let (mut sizes, mut body, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut out = |bytes: &[u8]| {
            sizes.push(bytes.len());
            body.extend_from_slice(bytes);
            Ok(())
        };
        let mut sink = Sink::new(&mut out);
        for width in 0..700 {
            let value = vec![b'a' + (width % 26) as u8; width];
            sink.put_between(b"<", &value, b">");
            expected.extend([&b"<"[..], &value, b">"].concat());
        }
        let long = vec![b'z'; 3 * CHUNK + 5];
        sink.put(&long);
        expected.extend(&long);
        assert_eq!(sink.finish(), Ok(expected.len() as u64));
        assert_eq!(body, expected);
        assert!(sizes.iter().rev().skip(1).all(|&size| size == CHUNK), "{sizes:?}");
    }

    #[test]
    fn after_a_failure_nothing_more_is_handed_on() {
        let mut calls = 0;
        let mut out = |_: &[u8]| {
            calls += 1;
            Err(HttpError::failed("cut"))
        };
        let mut sink = Sink::new(&mut out);
        sink.put(&vec![0; 5 * CHUNK]);
        assert_eq!(sink.finish(), Err(HttpError::failed("cut")));
        assert_eq!(calls, 1);
    }
}
