//! Schedules: a cron expression and a time zone, as people write them into a canvas.
use caravan_journey::schedule::Schedule;
use caravan_model::Millis;
use caravan_model::canvas::ScheduleTrigger;

/// Moments to ask at: 1970, the end of a summer, the beginning of one, a leap day, a far year.
const MOMENTS: [i64; 5] = [0, 1_792_886_400_000, 1_774_744_200_000, 1_835_395_199_999, 4_102_444_800_000];

/// `EXPRESSION` and, in a second line, a zone. What can be read comes again and again, each time later and at a whole
/// second; nothing comes between a moment and the one after it; what was missed collapses into the latest.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (schedule, tz) = text.split_once('\n').unwrap_or((&text, "Europe/Paris"));
    let trigger = ScheduleTrigger { schedule: schedule.into(), tz: tz.into(), segment: "s".into() };
    let schedule = match Schedule::new(&trigger) {
        Ok(schedule) => schedule,
        Err(fault) => return assert!(!fault.to_string().is_empty()),
    };
    for moment in MOMENTS.map(Millis) {
        let Some(first) = schedule.next(moment) else { continue };
        assert!(first > moment && first.0 % 1_000 == 0, "{first:?} comes after {moment:?}");
        let half = Millis(moment.0 + (first.0 - moment.0) / 2);
        for between in [half, Millis(first.0 - 1)] {
            assert_eq!(schedule.next(between), Some(first), "nothing comes between {moment:?} and {first:?}");
        }
        assert_eq!(schedule.latest(moment, Millis(first.0 - 1)), None, "nothing was missed before the first");
        assert_eq!(schedule.latest(moment, first), Some(first));
        let Some(second) = schedule.next(first) else { continue };
        assert!(second > first);
        assert_eq!(schedule.latest(moment, second), Some(second), "two that were missed are one");
        assert_eq!(schedule.latest(moment, Millis(second.0 - 1)), Some(first));
    }
}
