//! Countries.
use crate::country_names::{ALPHA2, ALPHA3, NAMES};
use crate::{Unusable, text};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A country by its ISO 3166-1 alpha-2 code, in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alpha2([u8; 2]);

impl Alpha2 {
    /// Reads a code (alpha-2, alpha-3) or an English name, in any case.
    ///
    /// # Errors
    /// [`Unusable::Empty`], [`Unusable::TooLong`] or [`Unusable::NotACountry`].
    pub fn parse(value: &str) -> Result<Alpha2, Unusable> {
        let value = text::usable(value)?;
        Alpha2::of_code(value).or_else(|| Alpha2::of_name(value)).ok_or(Unusable::NotACountry)
    }

    /// By an alpha-2 or alpha-3 code.
    fn of_code(value: &str) -> Option<Alpha2> {
        if let &[first, second] = value.as_bytes() {
            let code = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
            return match &code {
                b"uk" => Some(Alpha2(*b"gb")),
                b"el" => Some(Alpha2(*b"gr")),
                _ => is_assigned(code).then_some(Alpha2(code)),
            };
        }
        if value.len() != 3 || !value.is_ascii() {
            return None;
        }
        let code = value.to_ascii_lowercase();
        let at = ALPHA3.binary_search_by_key(&code.as_str(), |row| &row[..3]).ok()?;
        Alpha2::of_code(&ALPHA3[at][3..])
    }

    /// By a name, or a code with dots (`U.S.`).
    fn of_name(value: &str) -> Option<Alpha2> {
        let name = fold(value);
        match NAMES.binary_search_by_key(&name.as_str(), |(name, _)| name) {
            Ok(at) => Alpha2::of_code(NAMES[at].1),
            Err(_) if value.contains('.') => Alpha2::of_code(&name),
            Err(_) => None,
        }
    }

    /// The code: `us`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

/// A bit for each second letter, by first letter.
const ASSIGNED: [u32; 26] = {
    let mut table = [0; 26];
    let mut at = 0;
    while at < ALPHA2.len() {
        let [first, second] = *ALPHA2[at];
        table[(first - b'a') as usize] |= 1 << (second - b'a');
        at += 1;
    }
    table
};

fn is_assigned([first, second]: [u8; 2]) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase().then(|| byte - b'a');
    let (Some(first), Some(second)) = (letter(first), letter(second)) else { return false };
    ASSIGNED[usize::from(first)] >> second & 1 == 1
}

impl std::fmt::Debug for Alpha2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Appends the code.
pub(crate) fn normalise(value: &str, out: &mut Vec<u8>) -> Result<(), Unusable> {
    out.extend_from_slice(&Alpha2::parse(value)?.0);
    Ok(())
}

/// Lower case, no accents, no apostrophes and dots, words joined, without *the*, *of*, *and*.
fn fold(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'ß' => plain.push_str("ss"),
            '\'' | '’' | 'ʼ' | '.' => {}
            other => plain.push(other),
        }
    }
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !matches!(*word, "the" | "of" | "and"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(value: &str) -> Option<String> {
        Alpha2::parse(value).ok().map(|country| country.as_str().to_owned())
    }

    #[test]
    fn the_tables_are_sorted_folded_and_consistent() {
        assert!(ALPHA2.is_sorted() && ALPHA3.is_sorted() && NAMES.is_sorted());
        assert!(ALPHA2.windows(2).all(|pair| pair[0] != pair[1]));
        for (name, short) in NAMES {
            assert_eq!(fold(name), name);
            assert_eq!(code(name).as_deref(), Some(short), "{name}");
        }
        for code in ALPHA2 {
            assert_eq!(Alpha2::parse(std::str::from_utf8(code).unwrap()), Ok(Alpha2(*code)));
        }
        for row in ALPHA3 {
            assert_eq!(code(&row[..3]).as_deref(), Some(&row[3..]));
        }
    }

    #[test]
    fn names_are_understood_as_people_write_them() {
        for (name, expected) in [
            ("United States of America", "us"),
            ("the united states", "us"),
            ("U.S.A.", "us"),
            ("UK", "gb"),
            ("Great Britain", "gb"),
            ("Côte d’Ivoire", "ci"),
            ("Cote d'Ivoire", "ci"),
            ("Korea, Republic of", "kr"),
            ("South Korea", "kr"),
            ("Türkiye", "tr"),
            ("Turkey", "tr"),
            ("Deutschland", "de"),
            ("España", "es"),
            ("Bosnia & Herzegovina", "ba"),
            ("Trinidad and Tobago", "tt"),
            ("Czech Republic", "cz"),
            ("Curaçao", "cw"),
            ("日本", "jp"),
            ("भारत", "in"),
            ("NO", "no"),
            ("Norway", "no"),
            ("DEU", "de"),
            ("Georgia", "ge"),
        ] {
            assert_eq!(code(name).as_deref(), Some(expected), "{name}");
        }
        for unknown in ["Atlantis", "zz", "xx", "12", "é", "n/a", "False"] {
            assert_eq!(Alpha2::parse(unknown), Err(Unusable::NotACountry), "{unknown}");
        }
    }
}
