//! How long a delay is.
use crate::Duration;
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Delay {
    /// For so long; `2d` is 48 hours.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub span: Option<Duration>,
    /// Until an instant (RFC 3339), a local date and time in the person's zone, or a date of the person's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Until a local time of day in the person's zone, with an optional weekday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_time: Option<LocalTime>,
}

/// `{ at: "09:00", on: [mon, tue] }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalTime {
    /// `HH:MM`.
    pub at: String,
    /// Weekdays (`mon` … `sun`); empty = any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
}

/// Until when.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Until {
    /// An instant (RFC 3339), or a local date and time in the person's zone.
    Written(String),
    /// A date of the person's own.
    Attribute(DateOf),
}

/// `{ attr: renewal_date, offset: "-3d", at: "09:00" }`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateOf {
    /// The attribute or field: an ISO date, or date and time. Without an offset of its own it is local.
    pub attr: String,
    /// So long before (`-3d`) or after it; days are days of the person's calendar.
    #[serde(default, skip_serializing_if = "Offset::is_none")]
    pub offset: Offset,
    /// At this local time of that day, `HH:MM`; else at the attribute's own time, which for a date is 00:00.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// A span before or after something, in milliseconds, written as a span of time with a sign (`-3d`, `+1h30m`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Offset {
    fn is_none(&self) -> bool {
        self.0 == 0
    }

    /// Its whole days, and what remains of it, both with its sign.
    pub fn days(self) -> (i64, i64) {
        const DAY: i64 = Duration::DAY.0 as i64;
        (self.0 / DAY, self.0 % DAY)
    }
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let wrong = || format!("`{text}` is no offset: write for instance -3d, +2h or 1d12h");
        let (sign, span) = match text.strip_prefix('-') {
            Some(span) => (-1, span),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let span: Duration = span.parse().map_err(|_| wrong())?;
        Ok(Offset(sign * i64::try_from(span.0).map_err(|_| wrong())?))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.0 < 0 { "-" } else { "+" }, Duration(self.0.unsigned_abs()))
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Offset {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Offset".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A span before (-3d) or after (+2h) something.",
            "pattern": "^[-+]?(0|([0-9]+(ms|s|m|h|d|w))+)$"
        })
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Until;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date and time, or a map with `attr`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Until, E> {
                Ok(Until::Written(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Until, A::Error> {
                DateOf::deserialize(MapAccessDeserializer::new(map)).map(Until::Attribute)
            }
        }
        from.deserialize_any(Shapes)
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Until::Written(text) => f.write_str(text),
            Until::Attribute(date) => {
                f.write_str(&date.attr)?;
                if date.offset != Offset(0) {
                    write!(f, " {}", date.offset)?;
                }
                date.at.iter().try_for_each(|at| write!(f, " at {at}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_read_and_print() {
        const HOUR: i64 = 3_600_000;
        assert_eq!("-3d".parse(), Ok(Offset(-72 * HOUR)));
        assert_eq!(("+1h30m".parse(), "2d".parse()), (Ok(Offset(HOUR * 3 / 2)), Ok(Offset(48 * HOUR))));
        assert_eq!((Offset(-72 * HOUR).to_string(), Offset(HOUR).to_string()), ("-3d".into(), "+1h".into()));
        assert_eq!((Offset(-36 * HOUR).days(), Offset(25 * HOUR).days()), ((-1, -12 * HOUR), (1, HOUR)));
        for wrong in ["", "-", "--3d", "3", "-3 days"] {
            assert!(wrong.parse::<Offset>().is_err(), "{wrong}");
        }
    }
}
