//! E-mail addresses.
use crate::{Unusable, text};

/// How much of an address is folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// Case only.
    Plain,
    /// And white space within.
    Compact,
    /// And, at Gmail only, dots of the local part.
    GmailTag,
    /// And, at Gmail only, dots of the local part and `+tag`.
    Gmail,
    /// And `+tag`.
    NoTag,
    /// And dots of the local part.
    NoTagNoDots,
}

/// The longest address, in characters: 64 + 1 + 255.
const MAX_CHARS: usize = 320;

/// Bytes of an ASCII address in lower case; 0 where none may stand.
const LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        let refused = matches!(byte, b'"' | b'(' | b')' | b',' | b':' | b';' | b'<' | b'>' | b'[' | b'\\' | b']');
        if !refused {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// Appends the normalised address.
pub(crate) fn normalise(value: &str, form: Form, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    append(value, form, out).inspect_err(|_| out.truncate(start))
}

fn append(value: &str, form: Form, out: &mut Vec<u8>) -> Result<(), Unusable> {
    if form >= Form::Compact && value.contains(char::is_whitespace) {
        let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
        return append(&compact, form, out);
    }
    let start = out.len();
    if value.is_ascii() {
        out.extend(value.bytes().map(|byte| LOWER[byte as usize]));
    } else {
        let lower = text::lower_nfc(value);
        let refused = |c: char| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => LOWER[byte as usize] == 0,
            _ => c.is_whitespace() || c.is_control() || text::is_invisible(c),
        };
        if lower.contains(refused) {
            return Err(Unusable::NotAnEmail);
        }
        out.extend_from_slice(lower.as_bytes());
    }
    let address = &out[start..];
    if address.len() > MAX_CHARS && value.chars().count() > MAX_CHARS {
        return Err(Unusable::TooLong);
    }
    let at = address.iter().position(|byte| *byte == b'@').ok_or(Unusable::NotAnEmail)?;
    let domain = &address[at + 1..];
    if at == 0 || address[..at].contains(&0) || !is_domain(domain) {
        return Err(Unusable::NotAnEmail);
    }
    let (tag, dots) = match form {
        Form::Plain | Form::Compact => (false, false),
        Form::GmailTag | Form::Gmail if !is_gmail(domain) => (false, false),
        Form::GmailTag => (false, true),
        Form::NoTag => (true, false),
        Form::Gmail | Form::NoTagNoDots => (true, true),
    };
    if tag || dots {
        fold_local(out, start, at, tag, dots);
        if out[start] == b'@' {
            return Err(Unusable::NotAnEmail);
        }
    }
    Ok(())
}

/// Whether the mailbox is one of Google's, which ignore dots and tags.
fn is_gmail(domain: &[u8]) -> bool {
    matches!(domain, b"gmail.com" | b"googlemail.com")
}

/// Labels of letters, digits, hyphens and underscores of any script, at least two; the last is no number.
fn is_domain(domain: &[u8]) -> bool {
    let mut label = 0usize;
    let mut labels = 0;
    let mut letters = false;
    for byte in domain {
        match byte {
            b'.' => {
                if label == 0 {
                    return false;
                }
                labels += 1;
                (label, letters) = (0, false);
            }
            b'a'..=b'z' | 0x80.. => {
                label += 1;
                letters = true;
            }
            b'0'..=b'9' | b'-' | b'_' => label += 1,
            _ => return false,
        }
    }
    labels >= 1 && label >= 2 && letters
}

/// Takes `+tag`, dots, or both out of the local part.
fn fold_local(out: &mut Vec<u8>, start: usize, at: usize, tag: bool, dots: bool) {
    let end = start + at;
    let plus = out[start..end].iter().position(|byte| *byte == b'+').map_or(end, |plus| start + plus);
    let local_end = if tag { plus } else { end };
    let mut kept = start;
    for from in start..local_end {
        // Dots of a tag that stays are its own.
        if !dots || from >= plus || out[from] != b'.' {
            out[kept] = out[from];
            kept += 1;
        }
    }
    out.drain(kept..end);
    // A mark may have moved to another letter.
    if !out[start..kept].is_ascii() {
        let address = text::nfc(String::from_utf8_lossy(&out[start..]).into_owned());
        out.truncate(start);
        out.extend_from_slice(address.as_bytes());
    }
}
