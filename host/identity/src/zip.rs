//! Postal codes.
use crate::{Place, Unusable, text};

/// The longest code that any country has, with room.
const MAX: usize = 16;

/// Appends the code in lower case, without white space, hyphens and other punctuation; American ones cut to five
/// digits. Where no country is known, `12345-6789` is read as American.
pub(crate) fn normalise(value: &str, place: Place, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    let mut utf8 = [0; 4];
    for c in value.chars() {
        match text::digit(c) {
            Some(digit) => out.push(b'0' + digit),
            None if text::is_wordy(c) => {
                c.to_lowercase().for_each(|c| out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()));
            }
            None => {}
        }
    }
    let length = out.len() - start;
    let digits = out[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let verdict = match place.is_american() {
        _ if length == 0 => Err(Unusable::NothingLeft),
        _ if length > MAX => Err(Unusable::NotAPostalCode),
        Some(true) if digits == length && matches!(digits, 5 | 9) => Ok(5),
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
