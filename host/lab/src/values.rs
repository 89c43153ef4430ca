//! The distinct values of one match key, held compactly.
//!
//! A lower-case SHA-256 digest takes 32 bytes instead of its 64 characters; anything else is kept as the text that
//! came, so that what is listed later is exactly what was received.

/// A table of distinct values, numbered from 0 in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct ValueTable {
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`.
    ends: Vec<usize>,
    /// Open addressing. Each slot: 32 bits of the value's hash, so that neither growing nor a false neighbour has to
    /// fetch the value, then its number + 1; 0 for a free slot. The length is a power of two.
    slots: Vec<u64>,
}

const DIGEST: u8 = 0;
const TEXT: u8 = 1;

impl ValueTable {
    /// Number of distinct values seen so far, standing or not.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of `value`, which is added if it is new.
    pub(crate) fn intern(&mut self, value: &str) -> u32 {
        if (self.ends.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let mut buffer = [0; 33];
        match digest(value, &mut buffer) {
            true => self.intern_bytes(DIGEST, &buffer[1..]),
            false => self.intern_bytes(TEXT, value.as_bytes()),
        }
    }

    /// The number of `value`, if it was ever seen.
    pub(crate) fn find(&self, value: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mut buffer = [0; 33];
        let found = match digest(value, &mut buffer) {
            true => self.probe(hash(DIGEST, &buffer[1..]), DIGEST, &buffer[1..]),
            false => self.probe(hash(TEXT, value.as_bytes()), TEXT, value.as_bytes()),
        };
        found.ok()
    }

    /// The value as it was received.
    pub(crate) fn text(&self, id: u32) -> String {
        match self.stored(id).split_first() {
            Some((&DIGEST, digest)) => to_hex(digest),
            Some((_, text)) => String::from_utf8_lossy(text).into_owned(),
            None => String::new(),
        }
    }

    fn stored(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..self.ends[id]]
    }

    fn intern_bytes(&mut self, tag: u8, value: &[u8]) -> u32 {
        let hash = hash(tag, value);
        match self.probe(hash, tag, value) {
            Ok(id) => id,
            Err(slot) => {
                let id = self.ends.len() as u32;
                self.bytes.push(tag);
                self.bytes.extend_from_slice(value);
                self.ends.push(self.bytes.len());
                self.slots[slot] = u64::from(hash) << 32 | u64::from(id + 1);
                id
            }
        }
    }

    /// `Ok(number)` of a known value, or `Err(slot)` where it would go.
    fn probe(&self, hash: u32, tag: u8, value: &[u8]) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return Err(slot);
            }
            if (found >> 32) as u32 == hash {
                let id = found as u32 - 1;
                let stored = self.stored(id);
                if stored[0] == tag && &stored[1..] == value {
                    return Ok(id);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let mask = size - 1;
        let mut slots = vec![0; size];
        for taken in self.slots.iter().filter(|slot| **slot != 0) {
            let mut slot = (taken >> 32) as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = *taken;
        }
        self.slots = slots;
    }
}

/// Digests are spread already, but tests like to count in their first bytes, so a multiplication follows.
fn hash(tag: u8, value: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ u64::from(tag);
    for chunk in value.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    (hash >> 16) as u32
}

/// Writes the digest to `out[1..]` if `value` is 64 lower-case hexadecimal digits.
fn digest(value: &str, out: &mut [u8; 33]) -> bool {
    let text = value.as_bytes();
    if text.len() != 64 {
        return false;
    }
    for (byte, pair) in out[1..].iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (NIBBLES[pair[0] as usize], NIBBLES[pair[1] as usize]);
        if high | low > 15 {
            return false;
        }
        *byte = high << 4 | low;
    }
    true
}

const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

/// Lower-case hexadecimal text of `bytes`.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
    text
}

/// Whether `value` is `length` hexadecimal digits of either case.
pub(crate) fn is_hex(value: &str, length: usize) -> bool {
    // Without an early end the loop becomes a few vector instructions.
    value.len() == length && value.bytes().fold(true, |good, byte| good & byte.is_ascii_hexdigit())
}

/// Whether `value` has the form of a UUID, in either case.
pub(crate) fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether `value` is a non-empty run of decimal digits, as most ids of partners are.
pub(crate) fn is_digits(value: &str) -> bool {
    !value.is_empty() && value.len() <= 30 && value.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_received() {
        let mut table = ValueTable::default();
        let lower = "a".repeat(64);
        let upper = "A".repeat(64);
        let ids: Vec<u32> =
            [lower.as_str(), &upper, "user-1", "", "ключ", &lower].map(|value| table.intern(value)).into();
        assert_eq!(ids, [0, 1, 2, 3, 4, 0]);
        assert_eq!(table.text(0), lower);
        assert_eq!(table.text(1), upper);
        assert_eq!(table.text(4), "ключ");
        assert_eq!(table.find("user-1"), Some(2));
        assert_eq!(table.find("user-2"), None);
    }

    #[test]
    fn many_values_stay_distinct() {
        let mut table = ValueTable::default();
        for number in 0..50_000u32 {
            assert_eq!(table.intern(&format!("{number:064x}")), number);
        }
        for number in (0..50_000u32).rev() {
            assert_eq!(table.find(&format!("{number:064x}")), Some(number));
        }
    }
}
