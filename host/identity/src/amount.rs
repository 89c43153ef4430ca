//! Amounts: a person's value, which a value-based audience asks for (Meta's contract, section 4, LOOKALIKE_VALUE).
use crate::Unusable;

/// Appends a decimal number of at least 0 as written: digits, at most one dot, at least one digit before it.
pub(crate) fn normalise(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(Unusable::OutOfRange);
    }
    out.extend_from_slice(value.as_bytes());
    Ok(())
}
