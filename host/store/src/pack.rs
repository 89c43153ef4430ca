//! Packing: many small records in one blob. Integers are varints, differences zigzag varints, text is length-prefixed.
//!
//! Every blob starts with a version byte, so that a later version can tell what an earlier one wrote.
use caravan_model::{Code, Problem};

/// The version byte of all blobs of this schema.
const VERSION: u8 = 1;

/// Writes a blob.
#[derive(Debug)]
pub(crate) struct Packer(Vec<u8>);

impl Packer {
    /// An empty blob with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Packer {
        let mut blob = Vec::with_capacity(bytes + 1);
        blob.push(VERSION);
        Packer(blob)
    }

    /// Appends a count or id; everything of ours is below 2⁶³.
    pub(crate) fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Appends a difference or anything that may be negative.
    pub(crate) fn signed(&mut self, value: i64) {
        self.count(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Appends one byte.
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends bytes whose length the reader knows.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends bytes after their length.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Appends ascending offsets as their differences.
    pub(crate) fn ends(&mut self, ends: &[u32]) {
        self.count(ends.len() as u64);
        let mut before = 0;
        for &end in ends {
            self.signed(i64::from(end) - i64::from(before));
            before = end;
        }
    }

    /// The blob.
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// A blob that does not read as what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

impl From<Garbled> for Problem {
    fn from(_: Garbled) -> Problem {
        Problem::new(Code::StoreDamaged, "a packed record in the store cannot be read")
            .cure("restore the store from a backup; `caravan explain CV071` says how")
    }
}

/// Reads a blob.
#[derive(Debug)]
pub(crate) struct Unpacker<'a>(&'a [u8]);

type Read<T> = Result<T, Garbled>;

impl<'a> Unpacker<'a> {
    /// Starts after the version byte.
    pub(crate) fn new(blob: &'a [u8]) -> Read<Unpacker<'a>> {
        match blob.split_first() {
            Some((&VERSION, rest)) => Ok(Unpacker(rest)),
            _ => Err(Garbled),
        }
    }

    /// Whether all is read.
    pub(crate) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// A count or id.
    pub(crate) fn count(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for (at, &byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(Garbled)
    }

    /// A count that fits a smaller integer.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Read<T> {
        T::try_from(self.count()?).map_err(|_| Garbled)
    }

    /// An id.
    pub(crate) fn id(&mut self) -> Read<i64> {
        self.small()
    }

    /// A difference.
    pub(crate) fn signed(&mut self) -> Read<i64> {
        let value = self.count()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Read<u8> {
        let (&byte, rest) = self.0.split_first().ok_or(Garbled)?;
        self.0 = rest;
        Ok(byte)
    }

    /// As many bytes.
    pub(crate) fn raw(&mut self, n: usize) -> Read<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(n).ok_or(Garbled)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes after their length.
    pub(crate) fn bytes(&mut self) -> Read<&'a [u8]> {
        let n = self.small()?;
        self.raw(n)
    }

    /// Text after its length.
    pub(crate) fn text(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Garbled)
    }

    /// A number of records that follow, each at least a byte long: bounds what a garbled blob may make us allocate.
    pub(crate) fn length(&mut self) -> Read<usize> {
        let n = self.small()?;
        if n > self.0.len() { Err(Garbled) } else { Ok(n) }
    }

    /// Ascending offsets.
    pub(crate) fn ends(&mut self) -> Read<Vec<u32>> {
        let n = self.length()?;
        let mut ends = Vec::with_capacity(n);
        let mut before = 0i64;
        for _ in 0..n {
            before = before.checked_add(self.signed()?).ok_or(Garbled)?;
            ends.push(u32::try_from(before).map_err(|_| Garbled)?);
        }
        Ok(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks() {
        let mut blob = Packer::with_capacity(8);
        for value in [0, 127, 128, u64::MAX] {
            blob.count(value);
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            blob.signed(value);
        }
        blob.bytes("né".as_bytes());
        blob.ends(&[3, 3, 9]);
        let blob = blob.done();
        let mut read = Unpacker::new(&blob).unwrap();
        for value in [0, 127, 128, u64::MAX] {
            assert_eq!(read.count(), Ok(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(read.signed(), Ok(value));
        }
        assert_eq!(read.text().as_deref(), Ok("né"));
        assert_eq!(read.ends().as_deref(), Ok([3, 3, 9].as_slice()));
        assert!(read.is_done());
    }

    #[test]
    fn garbled_blobs_are_refused_not_trusted() {
        assert!(Unpacker::new(&[]).is_err());
        assert!(Unpacker::new(&[9, 1]).is_err());
        let mut endless = Unpacker::new(&[VERSION, 0xff, 0xff]).unwrap();
        assert_eq!(endless.count(), Err(Garbled));
        let mut huge = Unpacker::new(&[VERSION, 0xff, 0xff, 0xff, 0x7f]).unwrap();
        assert_eq!(huge.ends(), Err(Garbled));
    }
}
