//! Instants in words, for notes that people read.
use caravan_model::Millis;

/// `2026-03-01T09:30:00Z`, or `never`.
pub(crate) fn instant(at: Millis) -> String {
    if at == Millis::NEVER {
        return "never".to_owned();
    }
    let seconds = at.0.div_euclid(1_000);
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil-from-days: years that begin in March, in eras of 400.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3_600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_utc() {
        assert_eq!(instant(Millis(0)), "1970-01-01T00:00:00Z");
        assert_eq!(instant(Millis(951_782_400_999)), "2000-02-29T00:00:00Z");
        assert_eq!(instant(Millis(1_772_357_400_000)), "2026-03-01T09:30:00Z");
        assert_eq!(instant(Millis(-1)), "1969-12-31T23:59:59Z");
        assert_eq!(instant(Millis::NEVER), "never");
    }
}
