//! Names of people and of cities.
use crate::{Unusable, text};

/// What stays between the words of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spaces {
    /// One space (people).
    Kept,
    /// Nothing (cities, states).
    Out,
}

/// Appends a name in lower case, letters and digits of any script only.
pub(crate) fn normalise(value: &str, spaces: Spaces, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    if value.is_ascii() {
        ascii(value, spaces, out);
    } else {
        unicode(value, spaces, out);
    }
    if out.len() == start { Err(Unusable::NothingLeft) } else { Ok(()) }
}

fn ascii(value: &str, spaces: Spaces, out: &mut Vec<u8>) {
    let start = out.len();
    let mut gap = false;
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            if gap && out.len() > start {
                out.push(b' ');
            }
            gap = false;
            out.push(byte.to_ascii_lowercase());
        } else if spaces == Spaces::Kept {
            gap |= char::from(byte).is_whitespace();
        }
    }
}

fn unicode(value: &str, spaces: Spaces, out: &mut Vec<u8>) {
    let lower = text::lower_nfc(value);
    let mut kept = String::with_capacity(lower.len());
    let mut gap = false;
    for c in lower.chars() {
        if text::is_wordy(c) {
            if gap && !kept.is_empty() {
                kept.push(' ');
            }
            gap = false;
            kept.push(c);
        } else if spaces == Spaces::Kept {
            gap |= c.is_whitespace();
        }
    }
    // What stood between a letter and its mark may be gone now.
    out.extend_from_slice(text::nfc(kept).as_bytes());
}

/// Appends the letters a to z of a name.
pub(crate) fn latin(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    // A letter and its mark are one character that goes as a whole.
    out.extend(text::lower_nfc(value).bytes().filter(u8::is_ascii_lowercase));
    if out.len() == start { Err(Unusable::NothingLeft) } else { Ok(()) }
}

/// Appends the first character of the normalised name.
pub(crate) fn initial(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let mut whole = Vec::with_capacity(value.len());
    normalise(value, Spaces::Out, &mut whole)?;
    let first = String::from_utf8_lossy(&whole).chars().next().ok_or(Unusable::NothingLeft)?;
    out.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

/// Words around a name that are no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extras {
    /// Before a first name.
    Titles,
    /// Behind a last name.
    Suffixes,
}

/// Titles and suffixes that are dropped, in lower case without punctuation.
const TITLES: [&str; 8] = ["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir"];
const SUFFIXES: [&str; 9] = ["jr", "sr", "ii", "iii", "iv", "md", "phd", "esq", "2nd"];

/// Appends a name as [`normalise`] makes it, without the extras at its beginning or end, and without spaces. A name
/// that is nothing but an extra stays: it may be the name.
pub(crate) fn without_extras(value: &str, extras: Extras, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    normalise(value, Spaces::Kept, out)?;
    let whole = String::from_utf8_lossy(&out[start..]).into_owned();
    let mut words: Vec<&str> = whole.split(' ').collect();
    while words.len() > 1 {
        match extras {
            Extras::Titles if TITLES.contains(&words[0]) => drop(words.remove(0)),
            Extras::Suffixes if words.last().is_some_and(|last| SUFFIXES.contains(last)) => drop(words.pop()),
            _ => break,
        }
    }
    out.truncate(start);
    // A mark at the beginning of a word joins the letter before it.
    out.extend_from_slice(text::nfc(words.concat()).as_bytes());
    Ok(())
}

/// Appends a name in lower case without white space; punctuation stays.
pub(crate) fn spaceless(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let lower = text::lower_nfc(value);
    let kept: String =
        lower.chars().filter(|c| !c.is_whitespace() && !c.is_control() && !text::is_invisible(*c)).collect();
    if kept.is_empty() {
        return Err(Unusable::NothingLeft);
    }
    out.extend_from_slice(text::nfc(kept).as_bytes());
    Ok(())
}
