//! Phone numbers, to E.164.
use crate::{Alpha2, Place, Unusable, text};
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, Region};

/// The longest text that may hold a number: what the phone library reads.
const MAX_CHARS: usize = 250;

/// Appends the number: digits with the country code, after a `+` if `plus`.
pub(crate) fn normalise(value: &str, place: Place, plus: bool, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let number = read(value, place)?;
    if number.national_number == 0 {
        return Err(Unusable::AllZero);
    }
    if plus {
        out.push(b'+');
    }
    let mut buffer = [0; 20];
    out.extend_from_slice(decimal(number.country_code.unsigned_abs().into(), &mut buffer));
    if number.italian_leading_zero() {
        out.resize(out.len() + number.number_of_leading_zeros().clamp(0, 10) as usize, b'0');
    }
    out.extend_from_slice(decimal(number.national_number, &mut buffer));
    Ok(())
}

fn decimal(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

/// With `+` international; else in the profile's country, then the default country, where possible is enough; else
/// international if valid.
fn read(value: &str, place: Place) -> Result<PhoneNumber, Unusable> {
    let cleaned = clean(value)?;
    if cleaned.starts_with('+') {
        return parse(&cleaned, None).filter(is_possible).ok_or(Unusable::NotAPhone);
    }
    let countries = [place.country, place.default_country];
    for region in countries.into_iter().flatten().filter_map(region) {
        if let Some(number) = parse(&cleaned, Some(region)).filter(is_possible) {
            return Ok(number);
        }
    }
    let international = parse(&format!("+{cleaned}"), None).filter(PhoneNumber::is_valid);
    international.ok_or(if countries == [None; 2] { Unusable::NoCountry } else { Unusable::NotAPhone })
}

fn parse(number: &str, region: Option<Region>) -> Option<PhoneNumber> {
    PHONE_NUMBER_UTIL.parse(number, region).ok()
}

fn is_possible(number: &PhoneNumber) -> bool {
    matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible))
}

fn region(country: Alpha2) -> Option<Region> {
    Region::from_code(country.as_str()).ok()
}

/// How many digits before a letter or another sign make a whole number, whose extension begins there.
const WHOLE: usize = 7;
/// RFC 3966: where a local number belongs.
const CONTEXT: &str = ";phone-context=";

/// What the library reads: `+` and ASCII digits where the text holds no more than a number and an extension; letters
/// stay where they may be part of the number.
fn clean(value: &str) -> Result<String, Unusable> {
    if value.len() > MAX_CHARS && value.chars().count() > MAX_CHARS {
        return Err(Unusable::TooLong);
    }
    let (value, context) = value.split_once(CONTEXT).unwrap_or((value, ""));
    let number = international(ascii(value));
    if !number.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Unusable::NotAPhone);
    }
    if number.bytes().all(|byte| matches!(byte, b'+' | b'0')) {
        return Err(Unusable::AllZero);
    }
    match ascii(context) {
        area if area.starts_with('+') && !number.starts_with('+') => Ok(area + &number),
        _ => Ok(number),
    }
}

/// Digits of all scripts as ASCII, words before the number out (`tel:`, `Phone (home):`), separators and the
/// extension out.
fn ascii(value: &str) -> String {
    let mut number = String::with_capacity(value.len());
    let mut digits = 0;
    for c in value.chars() {
        match text::digit(c) {
            Some(digit) => {
                digits += 1;
                number.push(char::from(b'0' + digit));
            }
            None if matches!(c, '+' | '＋') && number.is_empty() => number.push('+'),
            None if digits == 0 || is_separator(c) => {}
            None if digits >= WHOLE => break,
            None => number.push(c),
        }
    }
    number
}

/// `00…` and `+00…` as `+…`.
fn international(number: String) -> String {
    match number.trim_start_matches('+').strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => number,
    }
}

fn is_separator(c: char) -> bool {
    matches!(
        c,
        '-' | '.' | '(' | ')' | '/' | '[' | ']' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FF0D}' | '\u{30FC}'
    ) || matches!(c, '（' | '）' | '·' | '•' | '_' | '~' | '\'')
        || c.is_whitespace()
        || c.is_control()
        || text::is_invisible(c)
}
