//! Hashes, and values that already are digests.
use crate::Unusable;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use caravan_model::manifest::Hash;
use md5::Md5;
use sha2::{Digest, Sha256};

/// Digests of nothing; someone hashed an empty cell.
const OF_NOTHING: [&str; 2] =
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e"];

/// The hash of a normalised value, as it is sent.
pub fn hash(hash: Hash, value: &str) -> String {
    let mut out = Vec::with_capacity(64);
    hash_into(hash, value.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends the hash of a normalised value. The value must not be empty: an empty one appends nothing.
pub fn hash_into(hash: Hash, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    match hash {
        Hash::None => out.extend_from_slice(value),
        Hash::Sha256Hex => push_hex::<32, 64>(&Sha256::digest(value).into(), out),
        Hash::Sha256Base64 => push_base64(&Sha256::digest(value).into(), out),
        Hash::Md5Hex => push_hex::<16, 32>(&Md5::digest(value).into(), out),
        Hash::Sha256OfMd5 => {
            let mut inner = Vec::with_capacity(32);
            push_hex::<16, 32>(&Md5::digest(value).into(), &mut inner);
            push_hex::<32, 64>(&Sha256::digest(&inner).into(), out);
        }
    }
}

/// Appends the value if it already is a digest of the key's kind; `false` where it is not.
///
/// # Errors
/// [`Unusable::Empty`] for the digest of nothing, [`Unusable::AllZero`] for zeros.
pub(crate) fn pass_through(hash: Hash, value: &str, out: &mut Vec<u8>) -> Result<bool, Unusable> {
    let wanted: &[usize] = match hash {
        Hash::None => &[],
        Hash::Sha256Hex => &[64],
        Hash::Sha256Base64 => &[64, 44],
        Hash::Md5Hex => &[32],
        Hash::Sha256OfMd5 => &[64, 32],
    };
    if !wanted.contains(&value.len()) {
        return Ok(false);
    }
    if value.len() == 44 {
        let Some(bytes) = from_base64(value) else { return Ok(false) };
        let mut hex = Vec::with_capacity(64);
        push_hex::<32, 64>(&bytes, &mut hex);
        refuse_hollow(&hex)?;
        out.extend_from_slice(value.as_bytes());
        return Ok(true);
    }
    if !is_hex(value) {
        return Ok(false);
    }
    let lower = value.to_ascii_lowercase();
    refuse_hollow(lower.as_bytes())?;
    match (hash, from_hex::<32>(lower.as_bytes())) {
        (Hash::Sha256Base64, Some(bytes)) => push_base64(&bytes, out),
        (Hash::Sha256OfMd5, None) => hash_into(Hash::Sha256Hex, lower.as_bytes(), out),
        _ => out.extend_from_slice(lower.as_bytes()),
    }
    Ok(true)
}

fn refuse_hollow(hex: &[u8]) -> Result<(), Unusable> {
    if OF_NOTHING.iter().any(|nothing| nothing.as_bytes() == hex) {
        return Err(Unusable::Empty);
    }
    if hex.iter().all(|byte| *byte == b'0') { Err(Unusable::AllZero) } else { Ok(()) }
}

/// Whether the value looks like a hexadecimal digest of some kind (MD5, SHA-1, SHA-256, SHA-512).
pub(crate) fn is_some_digest(value: &str) -> bool {
    matches!(value.len(), 32 | 40 | 64 | 128) && is_hex(value)
}

fn is_hex(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Appends bytes in lower-case hexadecimal.
pub(crate) fn push_hex<const N: usize, const TWICE: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    const { assert!(TWICE == 2 * N) };
    let mut hex = [0; TWICE];
    for (at, byte) in bytes.iter().enumerate() {
        hex[2 * at] = nibble(byte >> 4);
        hex[2 * at + 1] = nibble(byte & 15);
    }
    out.extend_from_slice(&hex);
}

const fn nibble(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

/// The bytes of lower-case hexadecimal; `None` for any other text.
pub(crate) fn from_hex<const N: usize>(hex: &[u8]) -> Option<[u8; N]> {
    if hex.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut bad = 0;
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (NIBBLES[pair[0] as usize], NIBBLES[pair[1] as usize]);
        bad |= high | low;
        *byte = high << 4 | low;
    }
    (bad & 0xF0 == 0).then_some(bytes)
}

/// The value of each lower-case hexadecimal digit; 0xFF for all other bytes.
const NIBBLES: [u8; 256] = {
    let mut table = [0xFF; 256];
    let mut value = 0;
    while value < 16 {
        table[nibble(value) as usize] = value;
        value += 1;
    }
    table
};

/// Appends 32 bytes in base64 with padding.
pub(crate) fn push_base64(bytes: &[u8; 32], out: &mut Vec<u8>) {
    let mut text = [0; 44];
    if let Ok(written) = STANDARD.encode_slice(bytes, &mut text) {
        out.extend_from_slice(&text[..written]);
    }
}

/// The 32 bytes of canonical base64 with padding; `None` for any other text.
pub(crate) fn from_base64(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
