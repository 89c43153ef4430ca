//! A share of people, written in percent.
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt, str::FromStr};

/// More than nobody and less than everybody, in hundredths of a percent; written `10%` or `2.5%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u16);

impl Share {
    /// All people, in hundredths of a percent.
    pub const ALL: u32 = 10_000;

    /// In hundredths of a percent, 1 to 9,999.
    pub fn hundredths(self) -> u32 {
        u32::from(self.0)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let wrong =
            || format!("`{text}` is no share of people: write for instance 10% or 2.5%, above 0% and below 100%");
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 2) || !digits(part, 2) {
            return Err(wrong());
        }
        let hundredths: u16 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
        if hundredths == 0 { Err(wrong()) } else { Ok(Share(hundredths)) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            part if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            part => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Share, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]{1,2}([.][0-9]{1,2})?%$",
            "description": "A share of people, above 0% and below 100%."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_and_written_in_percent() {
        for (text, hundredths) in [("10%", 1_000), ("2.5%", 250), ("0.01%", 1), ("99.99%", 9_999), ("7.05%", 705)] {
            let share: Share = text.parse().unwrap();
            assert_eq!((share.hundredths(), share.to_string().as_str()), (hundredths, text));
        }
        for wrong in ["10", "0%", "100%", "0.00%", "-5%", "1.234%", "%", ".5%", "5.%", "a%", "1e1%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
