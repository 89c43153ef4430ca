//! When a delay is over. Instants are UTC; local times exist only here (design, 11.14).
use crate::compare::{Found, Written, written};
use crate::filter::look_up;
use crate::person::Person;
use crate::walk::Way;
use caravan_model::canvas::{DateOf, Delay, Offset, Until};
use caravan_model::{Duration, Millis};
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

/// A delay, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DelayRule {
    /// For so long; a day is 24 hours.
    For(Duration),
    /// Until an instant, the same for everyone.
    Until(Millis),
    /// Until a local date and time in the person's zone.
    UntilLocal(DateTime),
    /// Until a date of the person's own.
    UntilDate {
        /// The attribute or field.
        attr: String,
        /// So long before or after it.
        offset: Offset,
        /// At this time of that day.
        at: Option<Time>,
    },
    /// Until the next such time of day in the person's zone.
    LocalTime {
        /// The time of day.
        at: Time,
        /// On which weekdays; Monday first.
        on: [bool; 7],
    },
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl DelayRule {
    /// Parses a delay.
    ///
    /// # Errors
    /// In plain words: what is wrong and what may stand here.
    pub fn new(delay: &Delay) -> Result<DelayRule, String> {
        match (delay.span, &delay.until, &delay.local_time) {
            (Some(span), None, None) => Ok(DelayRule::For(span)),
            (None, Some(Until::Written(text)), None) => until(text),
            (None, Some(Until::Attribute(date)), None) => until_date(date),
            (None, None, Some(local)) => {
                Ok(DelayRule::LocalTime { at: time_of_day(&local.at)?, on: weekdays(&local.on)? })
            }
            _ => Err("a delay has exactly one of `for`, `until` and `local_time`".to_owned()),
        }
    }

    /// The instant at which the delay is over for someone who begins it now. Never before `now`, but for `until`,
    /// whose instant may have passed. Where the person has no date to wait for, it is over now.
    pub fn due(&self, now: Millis, person: &Person<'_>, workspace: &TimeZone) -> Millis {
        match self {
            DelayRule::For(span) => now.after(*span),
            DelayRule::Until(instant) => *instant,
            DelayRule::UntilLocal(local) => instant_of(*local, &person.zone(workspace)).unwrap_or(Millis::NEVER),
            DelayRule::UntilDate { attr, offset, at } => {
                let zone = person.zone(workspace);
                date_of(person, attr, &zone).and_then(|date| shifted(date, *offset, *at, &zone)).unwrap_or(now)
            }
            DelayRule::LocalTime { at, on } => next_local(now, *at, on, &person.zone(workspace)),
        }
    }

    /// Why someone goes on at once, whose delay is over when it begins.
    pub fn way_at_once(&self, person: &Person<'_>, workspace: &TimeZone) -> Way {
        match self {
            DelayRule::UntilDate { attr, .. } if date_of(person, attr, &person.zone(workspace)).is_none() => {
                Way::NoDate
            }
            DelayRule::UntilDate { .. } => Way::DatePassed,
            _ => Way::Next,
        }
    }

    /// Whether everyone who meets it again and again waits each time: what a loop needs.
    pub fn always_waits(&self) -> bool {
        match self {
            DelayRule::For(span) => span.0 > 0,
            DelayRule::LocalTime { .. } => true,
            DelayRule::Until(_) | DelayRule::UntilLocal(_) | DelayRule::UntilDate { .. } => false,
        }
    }
}

fn until(text: &str) -> Result<DelayRule, String> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(DelayRule::Until(Millis(instant.as_millisecond())));
    }
    text.parse::<DateTime>().map(DelayRule::UntilLocal).map_err(|_| {
        format!(
            "`{text}` is no date and time: write 2026-11-12T09:00 (in the person's time zone) or \
             2026-11-12T09:00:00+01:00 (the same instant for all)"
        )
    })
}

fn until_date(date: &DateOf) -> Result<DelayRule, String> {
    if date.attr.split('.').any(|name| name.trim().is_empty()) {
        return Err(format!("`{}` names no attribute", date.attr));
    }
    let at = date.at.as_deref().map(time_of_day).transpose()?;
    Ok(DelayRule::UntilDate { attr: date.attr.clone(), offset: date.offset, at })
}

/// A person's date as local time in their zone; `None` where there is none, or none that can be read.
fn date_of(person: &Person<'_>, attr: &str, zone: &TimeZone) -> Option<DateTime> {
    let text = match look_up(person.profile, attr) {
        Found::Text(text) => text,
        Found::Value(value) => value.as_str()?,
        _ => return None,
    };
    Some(match written(text)? {
        Written::Instant(instant) => zone.to_datetime(instant),
        Written::Local(local) => local,
    })
}

/// The instant so long before or after a local time. Whole days are days of the calendar, so that nine o'clock stays
/// nine o'clock when the clocks change; the rest is time that passes.
fn shifted(date: DateTime, offset: Offset, at: Option<Time>, zone: &TimeZone) -> Option<Millis> {
    let (days, rest) = offset.days();
    let mut day = date.checked_add(Span::new().try_days(days).ok()?).ok()?;
    if let Some(at) = at {
        day = day.date().to_datetime(at);
    }
    instant_of(day, zone).map(|instant| Millis(instant.0.saturating_add(rest)))
}

fn time_of_day(text: &str) -> Result<Time, String> {
    let wrong = || format!("`{text}` is no time of day: write \"HH:MM\", for instance \"09:00\"");
    let (hour, minute) = text.trim().split_once(':').ok_or_else(wrong)?;
    let number = |digits: &str| -> Option<i8> {
        (digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
    };
    let (hour, minute) = (number(hour).ok_or_else(wrong)?, number(minute).ok_or_else(wrong)?);
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

fn weekdays(names: &[String]) -> Result<[bool; 7], String> {
    if names.is_empty() {
        return Ok([true; 7]);
    }
    let mut on = [false; 7];
    for name in names {
        let lower = name.to_ascii_lowercase();
        let day = DAYS.iter().position(|day| *day == lower);
        let day = day.ok_or_else(|| format!("`{name}` is no weekday: write one of {}", DAYS.join(", ")))?;
        on[day] = true;
    }
    Ok(on)
}

/// When the day of this instant began in a zone.
pub fn day_start(now: Millis, zone: &TimeZone) -> Millis {
    let Ok(instant) = Timestamp::from_millisecond(now.0) else { return Millis(0) };
    instant_of(zone.to_datetime(instant).date().to_datetime(Time::midnight()), zone).unwrap_or(Millis(0))
}

/// The instant of a local time: in a gap the first moment after it, in an overlap the first of both.
pub fn instant_of(local: DateTime, zone: &TimeZone) -> Option<Millis> {
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(local).ok();
    let instant = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => at(offset)?,
        AmbiguousOffset::Fold { before, .. } => at(before)?,
        AmbiguousOffset::Gap { before, .. } => {
            // With the offset from before the gap the local time names a moment at or after the jump itself.
            let beyond = at(before)?;
            let just_after = beyond.checked_add(SignedDuration::from_secs(1)).ok()?;
            zone.preceding(just_after).next().map_or(beyond, |jump| jump.timestamp())
        }
    };
    Some(Millis(instant.as_millisecond()))
}

fn next_local(now: Millis, at: Time, on: &[bool; 7], zone: &TimeZone) -> Millis {
    let Ok(instant) = Timestamp::from_millisecond(now.0) else { return Millis::NEVER };
    let mut date = zone.to_datetime(instant).date();
    // Eight days reach each weekday after today once; a gap can only move a time within its day's neighbourhood.
    for _ in 0..=8 {
        let monday_first = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        if on[monday_first]
            && let Some(due) = instant_of(date.to_datetime(at), zone).filter(|due| *due > now)
        {
            return due;
        }
        let Ok(tomorrow) = date.tomorrow() else { return Millis::NEVER };
        date = tomorrow;
    }
    Millis::NEVER
}
