//! Advertising ids.
use crate::Unusable;

/// Where the hyphens of an id stand: 8-4-4-4-12.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Appends the id in lower case, hyphens kept.
pub(crate) fn normalise(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    if value.contains('0') && value.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        return Err(Unusable::AllZero);
    }
    let fits = |(at, byte): (usize, u8)| if HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    if value.len() != 36 || !value.bytes().enumerate().all(fits) {
        return Err(Unusable::NotADeviceId);
    }
    out.extend(value.bytes().map(|byte| byte.to_ascii_lowercase()));
    Ok(())
}
