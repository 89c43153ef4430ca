//! Pieces that the rules share: trimming, lower case, NFC, digits of all scripts.
use crate::Unusable;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The longest value that is looked at, in characters.
pub(crate) const MAX_CHARS: usize = 1_000;

/// White space, controls and invisible marks off the ends.
pub(crate) fn trim(value: &str) -> &str {
    let graphic = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if graphic(value.as_bytes().first()) && graphic(value.as_bytes().last()) {
        return value;
    }
    value.trim_matches(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// Characters without a shape: zero-width spaces, direction marks, byte order marks.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{AD}')
}

/// The trimmed value, or why it is not looked at.
pub(crate) fn usable(value: &str) -> Result<&str, Unusable> {
    let value = trim(value);
    if value.is_empty() {
        return Err(Unusable::Empty);
    }
    if value.len() > MAX_CHARS && (value.len() > 4 * MAX_CHARS || value.chars().count() > MAX_CHARS) {
        return Err(Unusable::TooLong);
    }
    Ok(value)
}

/// Unicode lower case, then NFC.
pub(crate) fn lower_nfc(value: &str) -> String {
    nfc(value.to_lowercase())
}

/// NFC, without work where it is already.
pub(crate) fn nfc(value: String) -> String {
    match is_nfc_quick(value.chars()) {
        IsNormalized::Yes => value,
        _ => value.nfc().collect(),
    }
}

/// A letter or digit of any script, or a mark that belongs to one.
pub(crate) fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

/// The value of a decimal digit of any script.
pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.is_ascii_digit().then(|| c as u8 - b'0');
    }
    let at = ZEROS.partition_point(|zero| *zero <= c as u32).checked_sub(1)?;
    let value = c as u32 - ZEROS[at];
    (value < 10).then_some(value as u8)
}

/// The zero of each script's decimal digits (general category Nd), sorted.
const ZEROS: [u32; 77] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
    0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136,
    0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0,
    0x11C50, 0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE,
    0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_many_scripts_have_their_values() {
        assert!(ZEROS.is_sorted());
        for (text, expected) in [("0159", "0159"), ("٠٤٩", "049"), ("۰۴۹", "049"), ("９８７", "987"), ("०१९", "019")]
        {
            let digits: String = text.chars().filter_map(digit).map(|d| char::from(b'0' + d)).collect();
            assert_eq!(digits, expected);
        }
        assert_eq!((digit('½'), digit('²'), digit('四'), digit('a')), (None, None, None, None));
    }

    #[test]
    fn trimming_takes_white_space_controls_and_invisible_marks() {
        assert_eq!(trim("\u{FEFF}\t a b \u{200E}\r\n\0"), "a b");
        assert_eq!(trim(" \u{3000}\u{A0}"), "");
        assert_eq!(trim("ab"), "ab");
    }
}
