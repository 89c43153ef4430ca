//! When a clock lets people in: cron expressions in a time zone.
use crate::delay::instant_of;
use crate::person::zone;
use caravan_model::Millis;
use caravan_model::canvas::ScheduleTrigger;
use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::Timestamp;
use jiff::civil::DateTime as Local;
use jiff::tz::TimeZone;

/// A schedule, ready to ask.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads minute, hour, day of month, month and weekday, as cron has them (`0 9 * * MON`), and the zone.
    ///
    /// # Errors
    /// In words: which of the two cannot be read, and how it is written.
    pub fn new(trigger: &ScheduleTrigger) -> Result<Schedule, ScheduleFault> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(trigger.schedule.trim()).map_err(|why| {
            ScheduleFault::Cron(format!("`{}` is no schedule: {}", trigger.schedule, why.to_string().to_lowercase()))
        })?;
        let zone =
            zone(&trigger.tz).ok_or_else(|| ScheduleFault::Zone(format!("there is no time zone `{}`", trigger.tz)))?;
        let schedule = Schedule { cron, zone };
        if !schedule.has_a_day() || schedule.next(Millis(0)).is_none() {
            return Err(ScheduleFault::Cron(format!("`{}` never comes", trigger.schedule)));
        }
        Ok(schedule)
    }

    /// Whether any day fits. A year is one of fourteen kinds, by its first weekday and its length, and 28 years in a row
    /// have them all; the library would look day by day until the year 5000 instead.
    fn has_a_day(&self) -> bool {
        let pattern = &self.cron.pattern;
        let first = NaiveDate::from_ymd_opt(2001, 1, 1).unwrap_or_default();
        first.iter_days().take_while(|day| day.year() < 2029).any(|day| {
            let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
            pattern.month_match(day.month()).unwrap_or(false)
                && pattern.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(false)
        })
    }

    /// The first time after an instant; `None` where there is none. In a gap of the zone the first moment after it, in an
    /// overlap the first of both (design, 11.14).
    pub fn next(&self, after: Millis) -> Option<Millis> {
        let instant = Timestamp::from_millisecond(after.0).ok()?;
        let mut local = utc(self.zone.to_datetime(instant))?;
        // A local time in an overlap or gap may map to no later instant: then the next one is asked for.
        for _ in 0..8 {
            local = self.cron.find_next_occurrence(&local, false).ok()?;
            let at = instant_of(civil(&local)?, &self.zone)?;
            if at > after {
                return Some(at);
            }
        }
        None
    }

    /// The latest time up to an instant, later than another: missed runs collapse into one (design, 11.14).
    pub fn latest(&self, after: Millis, upto: Millis) -> Option<Millis> {
        let mut latest = self.next(after).filter(|at| *at <= upto)?;
        // A schedule that runs each minute, missed for long, is looked for near its end alone.
        let near = upto.before(caravan_model::Duration::DAY.times(400));
        if latest < near {
            latest = self.next(near).filter(|at| *at <= upto).unwrap_or(latest);
        }
        let mut step = upto.since(latest).0 / 2;
        // By halves towards the end, then one by one.
        while step > 60_000 {
            match self.next(Millis(latest.0 + i64::try_from(step).unwrap_or(0))).filter(|at| *at <= upto) {
                Some(later) => latest = later,
                None => step /= 2,
            }
        }
        while let Some(later) = self.next(latest).filter(|at| *at <= upto) {
            latest = later;
        }
        Some(latest)
    }
}

/// What of a schedule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleFault {
    /// The expression.
    #[error("{0}")]
    Cron(String),
    /// The zone.
    #[error("{0}")]
    Zone(String),
}

/// A local time as the cron library reads it: it counts in UTC, and knows nothing of the zone.
fn utc(local: Local) -> Option<DateTime<Utc>> {
    let date = NaiveDate::from_ymd_opt(
        i32::from(local.year()),
        u32::try_from(local.month()).ok()?,
        u32::try_from(local.day()).ok()?,
    )?;
    let time = date.and_hms_opt(
        u32::try_from(local.hour()).ok()?,
        u32::try_from(local.minute()).ok()?,
        u32::try_from(local.second()).ok()?,
    )?;
    Some(time.and_utc())
}

fn civil(at: &DateTime<Utc>) -> Option<Local> {
    let small = |n: u32| i8::try_from(n).ok();
    Local::new(
        i16::try_from(at.year()).ok()?,
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cron: &str, tz: &str) -> Result<Schedule, ScheduleFault> {
        Schedule::new(&ScheduleTrigger { schedule: cron.into(), tz: tz.into(), segment: "s".into() })
    }

    fn at(text: &str) -> Millis {
        Millis(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn rule_11_14_a_schedule_follows_the_zones_clock() {
        let mondays = schedule("0 9 * * MON", "Europe/Paris").unwrap();
        assert_eq!(mondays.next(at("2026-03-27T12:00:00Z")), Some(at("2026-03-30T07:00:00Z")), "summer time began");
        assert_eq!(mondays.next(at("2026-03-23T08:00:00Z")), Some(at("2026-03-30T07:00:00Z")), "not the same again");
        // In the gap of 29 March 02:30 does not exist; in the overlap of 25 October it comes twice, and counts once.
        let nightly = schedule("30 2 * * *", "Europe/Paris").unwrap();
        assert_eq!(nightly.next(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:00:00Z")));
        let first = at("2026-10-25T00:30:00Z");
        assert_eq!(nightly.next(at("2026-10-24T12:00:00Z")), Some(first));
        assert_eq!(nightly.next(first), Some(at("2026-10-26T01:30:00Z")));
    }

    #[test]
    fn rule_11_14_missed_runs_collapse_into_the_latest() {
        let hourly = schedule("0 * * * *", "UTC").unwrap();
        let (began, now) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T10:20:00Z"));
        assert_eq!(hourly.latest(began, now), Some(at("2026-02-01T10:00:00Z")));
        assert_eq!(hourly.latest(at("2026-02-01T10:00:00Z"), now), None);
        let minutely = schedule("* * * * *", "UTC").unwrap();
        assert_eq!(minutely.latest(Millis(0), now), Some(now));
    }

    #[test]
    fn what_is_no_schedule_is_named() {
        assert!(matches!(schedule("often", "UTC"), Err(ScheduleFault::Cron(_))));
        assert!(matches!(schedule("0 0 31 2 *", "UTC"), Err(ScheduleFault::Cron(_))));
        // A fifth Monday on 29 February comes every 28 years, with longer gaps around some centuries.
        let seldom = schedule("0 0 29 2 +MON", "UTC").unwrap();
        assert_eq!(seldom.next(at("2072-03-01T00:00:00Z")), Some(at("2112-02-29T00:00:00Z")));
        assert!(matches!(schedule("0 0 0 1 1 *", "UTC"), Err(ScheduleFault::Cron(_))));
        assert!(matches!(schedule("0 9 * * *", "Mars/Base"), Err(ScheduleFault::Zone(_))));
    }
}
