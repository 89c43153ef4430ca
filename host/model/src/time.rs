//! Instants and spans. All instants are UTC milliseconds; local times exist only in `journey`.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// Later than any instant that occurs; used where a timer must never fire.
    pub const NEVER: Millis = Millis(i64::MAX);

    /// The instant `span` later; saturates.
    pub fn after(self, span: Duration) -> Millis {
        Millis(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// The instant `span` earlier; saturates.
    pub fn before(self, span: Duration) -> Millis {
        Millis(self.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero where it is not after.
    pub fn since(self, earlier: Millis) -> Duration {
        Duration(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A span in milliseconds, written as `500ms`, `30s`, `5m`, `2h`, `7d` or `4w`, or several in a row (`1h30m`).
/// A day is 24 hours and a week 168, whatever the calendar does (design, 11.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub u64);

impl Duration {
    /// One second.
    pub const SECOND: Duration = Duration(1_000);
    /// One minute.
    pub const MINUTE: Duration = Duration(60_000);
    /// One hour.
    pub const HOUR: Duration = Duration(3_600_000);
    /// 24 hours.
    pub const DAY: Duration = Duration(86_400_000);

    /// `n` of these.
    pub const fn times(self, n: u64) -> Duration {
        Duration(self.0.saturating_mul(n))
    }
}

impl From<Duration> for std::time::Duration {
    fn from(span: Duration) -> Self {
        std::time::Duration::from_millis(span.0)
    }
}

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no span of time: write for instance 500ms, 30s, 5m, 2h, 7d, 4w or 1h30m");
        let mut rest = text.trim();
        let mut total: u64 = 0;
        if rest == "0" {
            return Ok(Duration(0));
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let amount: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let unit = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).ok_or_else(wrong)?.1;
            rest = &rest[letters..];
            total = amount.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        }
        Ok(Duration(total))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        // Not in weeks: people write `30d`, and want to read that again.
        for (name, ms) in UNITS.into_iter().skip(1) {
            if rest >= ms {
                write!(f, "{}{name}", rest / ms)?;
                rest %= ms;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A span of time: 500ms, 30s, 5m, 2h, 7d, 4w, or several in a row as in 1h30m.",
            "pattern": "^(0|([0-9]+(ms|s|m|h|d|w))+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        assert_eq!("2d".parse(), Ok(Duration::DAY.times(2)));
        assert_eq!("1h30m".parse(), Ok(Duration(5_400_000)));
        assert_eq!("500ms".parse(), Ok(Duration(500)));
        assert_eq!(Duration(5_400_000).to_string(), "1h30m");
        for wrong in ["", "2", "d", "2 days", "-1d", "1h30"] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
    }
}
