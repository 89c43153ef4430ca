//! Birth dates and their parts.
use crate::{Unusable, text};

/// The part of a date that a key carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `YYYY`
    Year,
    /// `MM`
    Month,
    /// `DD`
    Day,
}

const YEARS: std::ops::RangeInclusive<u32> = 1900..=2100;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Appends the part of an ISO date (`1985-07-03`, also with a time behind it), or of the part alone (`7`, `July`).
pub(crate) fn normalise(value: &str, part: Part, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let number = if value.contains(['-', '/']) {
        let date = value.split(['T', 't', ' ']).next().unwrap_or(value);
        of_date(date.split(['-', '/']), part)?
    } else if value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        of_date([&value[..4], &value[4..6], &value[6..]].into_iter(), part)?
    } else {
        alone(value, part)?
    };
    let digits = [number / 1_000, number / 100 % 10, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8);
    out.extend_from_slice(if part == Part::Year { &digits } else { &digits[2..] });
    Ok(())
}

fn of_date<'a>(mut parts: impl Iterator<Item = &'a str>, part: Part) -> Result<u32, Unusable> {
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Unusable::NotADate);
    };
    if year.len() != 4 {
        return Err(Unusable::NotADate);
    }
    let (year, month, day) = (decimal(year)?, decimal(month)?, decimal(day)?);
    if !YEARS.contains(&year) || day == 0 || day > days_in(year, month) {
        return Err(Unusable::OutOfRange);
    }
    Ok(match part {
        Part::Year => year,
        Part::Month => month,
        Part::Day => day,
    })
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

fn alone(value: &str, part: Part) -> Result<u32, Unusable> {
    let range = match part {
        Part::Year => YEARS,
        Part::Month => 1..=12,
        Part::Day => 1..=31,
    };
    if part == Part::Month
        && let Some(month) = MONTHS.iter().position(|name| is_month(name, value))
    {
        return Ok(month as u32 + 1);
    }
    let number = decimal(value)?;
    if range.contains(&number) { Ok(number) } else { Err(Unusable::OutOfRange) }
}

/// `July` and `Jul`, in any case.
fn is_month(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case(value) || name[..3].eq_ignore_ascii_case(value.trim_end_matches('.'))
}

/// At most four digits of any script.
fn decimal(value: &str) -> Result<u32, Unusable> {
    let mut number = 0u32;
    let mut count = 0;
    for c in value.chars() {
        count += 1;
        number = number * 10 + u32::from(text::digit(c).filter(|_| count <= 4).ok_or(Unusable::NotADate)?);
    }
    if count == 0 { Err(Unusable::NotADate) } else { Ok(number) }
}
