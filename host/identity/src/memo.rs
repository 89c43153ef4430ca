//! Digests of short values that recur: countries, genders, birth days, common names.
use crate::digest;
use caravan_model::manifest::Hash;

/// How many digests are kept; about 40 kB.
const PLACES: usize = 512;
/// The longest value that is kept.
const LONGEST: usize = 15;

/// A small direct-mapped memory of SHA-256 digests. Looking one up costs a few nanoseconds, computing it some hundred
/// on a processor without SHA instructions.
pub(crate) struct Memo {
    places: Box<[Place]>,
}

#[derive(Clone, Copy)]
struct Place {
    /// The value, zero-padded; its length in the last byte, so that an empty place equals no value.
    value: u128,
    hex: [u8; 64],
}

impl Default for Memo {
    fn default() -> Memo {
        Memo { places: vec![Place { value: 0, hex: [0; 64] }; PLACES].into_boxed_slice() }
    }
}

impl Memo {
    /// Appends the hash of a value that is not empty.
    pub(crate) fn hash_into(&mut self, hash: Hash, value: &[u8], out: &mut Vec<u8>) {
        if hash != Hash::Sha256Hex || value.is_empty() || value.len() > LONGEST {
            return digest::hash_into(hash, value, out);
        }
        let mut padded = [0; 16];
        padded[..value.len()].copy_from_slice(value);
        padded[LONGEST] = value.len() as u8;
        let value_bits = u128::from_le_bytes(padded);
        let mixed = (value_bits as u64 ^ (value_bits >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = &mut self.places[(mixed >> 55) as usize % PLACES];
        if place.value != value_bits {
            let start = out.len();
            digest::hash_into(hash, value, out);
            place.hex.copy_from_slice(&out[start..]);
            place.value = value_bits;
        } else {
            out.extend_from_slice(&place.hex);
        }
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_digest_is_the_digest() {
        let mut memo = Memo::default();
        for round in 0..2 {
            for number in 0..3_000u32 {
                let value = format!("value {number}");
                let mut out = b"before".to_vec();
                memo.hash_into(Hash::Sha256Hex, value.as_bytes(), &mut out);
                assert_eq!(out[6..], *digest::hash(Hash::Sha256Hex, &value).as_bytes(), "{round} {number}");
            }
        }
    }
}
