//! Comparisons of one value with what a filter asks: numbers, dates, texts, lists.
use crate::delay::instant_of;
use caravan_model::filter::Compare;
use caravan_model::{Duration, Millis};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::DateTime};
use serde_json::Value;
use std::cmp::Ordering;

/// What is compared: the values that a path reaches.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// There is no value.
    Absent,
    /// Text of a profile field.
    Text(&'a str),
    /// A field with several texts (`emails`): it fulfils what any of them fulfils.
    Texts(&'a [String]),
    /// A truth of a profile field.
    Truth(bool),
    /// An attribute or a property, any JSON but null; a list fulfils what any of its elements fulfils.
    Value(&'a Value),
    /// A count.
    Number(u64),
    /// An instant, of an event.
    Instant(Millis),
}

/// How values are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Now.
    pub now: Millis,
    /// The person's own zone by name, where dates without an offset are local.
    pub own_zone: Option<&'a str>,
    /// The workspace's zone, for people without one.
    pub zone: &'a TimeZone,
    /// Whether equal texts may differ in case (`country`).
    pub any_case: bool,
}

/// Whether all comparisons given hold.
pub fn holds(compare: &Compare, found: &Found<'_>, reading: Reading<'_>) -> bool {
    let equals = |wanted: &Value| found.any(|one| one.equals(wanted, reading));
    let ordered = |wanted: &Option<Value>, test: fn(Ordering) -> bool| {
        wanted.as_ref().is_none_or(|wanted| found.any(|one| one.order(wanted, reading).is_some_and(test)))
    };
    let text = |wanted: &Option<String>, test: fn(&str, &str) -> bool| {
        wanted.as_ref().is_none_or(|wanted| found.any(|one| one.text().is_some_and(|text| test(text, wanted))))
    };
    let aged = |span: &Option<Duration>, test: fn(Millis, Millis) -> bool| {
        span.is_none_or(|span| {
            let limit = reading.now.before(span);
            found.any(|one| one.instant(reading).is_some_and(|instant| test(instant, limit)))
        })
    };
    compare.exists.is_none_or(|wanted| wanted != matches!(found, Found::Absent))
        && compare.eq.as_ref().is_none_or(equals)
        && compare.ne.as_ref().is_none_or(|wanted| !equals(wanted))
        && compare.one_of.as_ref().is_none_or(|wanted| wanted.iter().any(equals))
        && compare.not_in.as_ref().is_none_or(|wanted| !wanted.iter().any(equals))
        && ordered(&compare.gt, Ordering::is_gt)
        && ordered(&compare.gte, Ordering::is_ge)
        && ordered(&compare.lt, Ordering::is_lt)
        && ordered(&compare.lte, Ordering::is_le)
        && compare.contains.as_ref().is_none_or(|wanted| found.contains(wanted, reading))
        && text(&compare.starts_with, |text, wanted| text.starts_with(wanted))
        && text(&compare.ends_with, |text, wanted| text.ends_with(wanted))
        && aged(&compare.within, |instant, limit| instant >= limit)
        && aged(&compare.before, |instant, limit| instant < limit)
}

/// One value out of what was found.
#[derive(Clone, Copy)]
enum One<'a> {
    Text(&'a str),
    Truth(bool),
    Number(f64),
    Whole(i128),
    Instant(Millis),
    /// A list or a map as a whole: equal or not, nothing else.
    Other(&'a Value),
}

impl Found<'_> {
    fn any(&self, mut test: impl FnMut(One<'_>) -> bool) -> bool {
        match self {
            Found::Absent => false,
            Found::Text(text) => test(One::Text(text)),
            Found::Texts(texts) => texts.iter().any(|text| test(One::Text(text))),
            Found::Truth(truth) => test(One::Truth(*truth)),
            Found::Number(number) => test(One::Whole(i128::from(*number))),
            Found::Instant(instant) => test(One::Instant(*instant)),
            Found::Value(whole @ Value::Array(elements)) => {
                test(One::Other(whole)) || elements.iter().any(|element| test(One::of(element)))
            }
            Found::Value(value) => test(One::of(value)),
        }
    }

    fn contains(&self, wanted: &Value, reading: Reading<'_>) -> bool {
        self.any(|one| match (one.text(), wanted.as_str()) {
            (Some(text), Some(part)) => text.contains(part),
            _ => matches!(self, Found::Value(Value::Array(_))) && one.equals(wanted, reading),
        })
    }
}

impl<'a> One<'a> {
    fn of(value: &'a Value) -> One<'a> {
        match value {
            Value::String(text) => One::Text(text),
            Value::Bool(truth) => One::Truth(*truth),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => One::Whole(i128::from(whole)),
                (None, Some(whole)) => One::Whole(i128::from(whole)),
                (None, None) => One::Number(number.as_f64().unwrap_or(f64::NAN)),
            },
            other => One::Other(other),
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            One::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number that this is or, as text (cells of a CSV file have no types), spells.
    fn number(self) -> Option<Number> {
        match self {
            One::Whole(whole) => Some(Number::Whole(whole)),
            One::Number(number) => Some(Number::Real(number)),
            One::Text(text) => {
                let text = text.trim();
                let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
                let whole = text.parse::<i128>().map(Number::Whole).ok();
                whole.or_else(|| text.parse::<f64>().map(Number::Real).ok()).filter(|_| numeric)
            }
            _ => None,
        }
    }

    fn instant(self, reading: Reading<'_>) -> Option<Millis> {
        match self {
            One::Instant(instant) => Some(instant),
            One::Text(text) => date(text, reading),
            _ => None,
        }
    }

    fn equals(self, wanted: &Value, reading: Reading<'_>) -> bool {
        match (self, One::of(wanted)) {
            (One::Text(text), One::Text(wanted)) => {
                text == wanted || reading.any_case && text.trim().eq_ignore_ascii_case(wanted)
            }
            (One::Truth(truth), One::Truth(wanted)) => truth == wanted,
            (One::Truth(truth), One::Text(text)) | (One::Text(text), One::Truth(truth)) => {
                text.eq_ignore_ascii_case(if truth { "true" } else { "false" })
            }
            (One::Other(value), _) => value == wanted,
            (One::Instant(instant), wanted) => wanted.instant(reading) == Some(instant),
            (one, wanted) => match (one.number(), wanted.number()) {
                (Some(one), Some(wanted)) => one.order(wanted) == Some(Ordering::Equal),
                _ => false,
            },
        }
    }

    /// Numbers with numbers, else dates with dates, else texts with texts.
    fn order(self, wanted: &Value, reading: Reading<'_>) -> Option<Ordering> {
        let wanted = One::of(wanted);
        if let (Some(one), Some(wanted)) = (self.number(), wanted.number()) {
            return one.order(wanted);
        }
        if let (Some(one), Some(wanted)) = (self.instant(reading), wanted.instant(reading)) {
            return Some(one.cmp(&wanted));
        }
        Some(self.text()?.cmp(wanted.text()?))
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn order(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Whole(one), Number::Whole(other)) => Some(one.cmp(&other)),
            (one, other) => one.real().partial_cmp(&other.real()),
        }
    }

    fn real(self) -> f64 {
        match self {
            Number::Whole(whole) => whole as f64,
            Number::Real(real) => real,
        }
    }
}

/// An ISO date or date and time.
pub(crate) enum Written {
    /// With an offset: the same instant everywhere.
    Instant(Timestamp),
    /// Without one: local.
    Local(DateTime),
}

/// Reads an ISO date or date and time.
pub(crate) fn written(text: &str) -> Option<Written> {
    let text = text.trim();
    if !(text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[0].is_ascii_digit()) {
        return None;
    }
    let instant = text.parse().map(Written::Instant).ok();
    instant.or_else(|| text.parse().map(Written::Local).ok())
}

/// The instant of an ISO date or date and time; one without offset is local in the person's zone.
fn date(text: &str, reading: Reading<'_>) -> Option<Millis> {
    let local = match written(text)? {
        Written::Instant(instant) => return Some(Millis(instant.as_millisecond())),
        Written::Local(local) => local,
    };
    match reading.own_zone.and_then(crate::person::zone) {
        Some(own) => instant_of(local, &own),
        None => instant_of(local, reading.zone),
    }
}
