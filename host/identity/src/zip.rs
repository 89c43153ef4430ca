//! Postal codes.
use crate::{Place, Unusable, text};

/// The longest code that any country has, with room.
const MAX: usize = 16;

/// Appends the code in lower case, without white space, hyphens and other punctuation; American ones cut to five
/// digits. Where no country is known, `12345-6789` is read as American.
pub(crate) fn normalise(value: &str, place: Place, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    if value.is_ascii() {
        out.extend(value.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()));
    } else {
        let lower = text::lower_nfc(value);
        let kept = lower.chars().filter(|c| text::is_wordy(*c));
        let kept: String = kept.map(|c| text::digit(c).map_or(c, |digit| char::from(b'0' + digit))).collect();
        out.extend_from_slice(text::nfc(kept).as_bytes());
    }
    let length = out.len() - start;
    let digits = out[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let verdict = match place.is_american() {
        _ if length == 0 => Err(Unusable::NothingLeft),
        _ if length > MAX => Err(Unusable::NotAPostalCode),
        Some(true) if digits >= 5 => Ok(5),
        Some(true) => Err(Unusable::NotAPostalCode),
        None if is_plus_four(value) => Ok(5),
        _ => Ok(length),
    };
    out.truncate(start + verdict.unwrap_or(0));
    verdict.map(|_| ())
}

/// `12345-6789`.
fn is_plus_four(value: &str) -> bool {
    let mut chars = value.chars();
    let is_digit = |c: Option<char>| c.and_then(text::digit).is_some();
    (0..5).all(|_| is_digit(chars.next()))
        && chars.next().is_some_and(|c| matches!(c, '-' | '\u{2010}'..='\u{2015}'))
        && (0..4).all(|_| is_digit(chars.next()))
        && chars.next().is_none()
}
