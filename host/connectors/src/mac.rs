//! HMAC-SHA-256 (RFC 2104), for compiled components: what is loaded as machine code must come from us.
use sha2::{Digest as _, Sha256};

/// The length of a tag.
pub(crate) const TAG: usize = 32;

/// The tag of some parts under a key of 32 bytes. Each part's length is told, so that parts cannot be shifted.
pub(crate) fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; TAG] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    for part in parts {
        inner.update((part.len() as u64).to_le_bytes());
        inner.update(part);
    }
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// Whether two tags are one, in the same time whatever they are.
pub(crate) fn same(one: &[u8; TAG], other: &[u8]) -> bool {
    other.len() == TAG && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_key_and_on_every_part() {
        let tag_of = |key: u8, parts: &[&[u8]]| tag(&[key; 32], parts);
        let one = tag_of(1, &[b"ab", b"c"]);
        assert!(same(&one, &tag_of(1, &[b"ab", b"c"])));
        for other in
            [tag_of(2, &[b"ab", b"c"]), tag_of(1, &[b"a", b"bc"]), tag_of(1, &[b"ab", b"d"]), tag_of(1, &[b"abc"])]
        {
            assert!(!same(&one, &other));
        }
        assert!(!same(&one, &one[..31]));
    }
}
