//! Where in a string the reader stands, byte by byte.

/// What the next byte of a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// A letter of its own, the quote that ends the string, or the backslash that begins an escape.
    Text,
    /// What a backslash escapes.
    Escape,
    /// One of so many hexadecimal digits.
    Digits(u8),
    /// One of so many bytes that a letter still has, the next from the first to the last of these.
    Letter { left: u8, from: u8, to: u8 },
}

impl Within {
    /// Where the reader stands after a byte, which is no quote that ends the string; `None` where JSON (RFC 8259,
    /// section 7) or UTF-8 (RFC 3629, section 4) has no such byte.
    pub(super) fn after(self, byte: u8) -> Option<Within> {
        let letter = |left, from, to| Some(Within::Letter { left, from, to });
        match self {
            Within::Text => match byte {
                b'\\' => Some(Within::Escape),
                b' '..=0x7f => Some(Within::Text),
                0xc2..=0xdf => letter(1, 0x80, 0xbf),
                0xe0 => letter(2, 0xa0, 0xbf),
                0xed => letter(2, 0x80, 0x9f),
                0xe1..=0xef => letter(2, 0x80, 0xbf),
                0xf0 => letter(3, 0x90, 0xbf),
                0xf1..=0xf3 => letter(3, 0x80, 0xbf),
                0xf4 => letter(3, 0x80, 0x8f),
                _ => None,
            },
            Within::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(Within::Text),
                b'u' => Some(Within::Digits(4)),
                _ => None,
            },
            Within::Digits(left) if byte.is_ascii_hexdigit() => {
                Some(if left > 1 { Within::Digits(left - 1) } else { Within::Text })
            }
            Within::Letter { left, from, to } if (from..=to).contains(&byte) => {
                if left > 1 {
                    letter(left - 1, 0x80, 0xbf)
                } else {
                    Some(Within::Text)
                }
            }
            Within::Digits(_) | Within::Letter { .. } => None,
        }
    }
}

/// Whether bytes are printable ASCII alone, so that each is a letter of its own. One pass without a branch, since whole
/// bodies go through it.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |seen, byte| seen | (byte.wrapping_sub(b' ') | byte) & 0x80) == 0
}
