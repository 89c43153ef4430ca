//! How far the members of an audience are read: what the host keeps between two calls, which remember nothing.
use caravan_sdk::{Fault, fault};
use serde_json::{Value, json};

/// An export under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// When the job began by Adobe's clock, in milliseconds since 1970.
    pub at: u64,
    /// Whether it exports everyone; else who qualified or left since.
    pub full: bool,
    /// Since when, where it is not a full one.
    pub since: u64,
    /// How many jobs failed before it.
    pub failed: u64,
}

/// Where we stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Everyone was read who qualified before this time: an incremental export begins.
    Since(u64),
    /// A job is under way.
    Job(Export, String),
    /// Its files are read: the batch, the file, the part of the file, the byte.
    Read(Export, String, [u64; 3]),
}

impl Cursor {
    /// As the host keeps it.
    pub fn text(&self) -> String {
        let head = |export: &Export| json!([export.at, export.full, export.since, export.failed]);
        match self {
            Cursor::Since(at) => json!({"since": at}),
            Cursor::Job(export, id) => json!({"job": id, "export": head(export)}),
            Cursor::Read(export, batch, place) => json!({"batch": batch, "place": place, "export": head(export)}),
        }
        .to_string()
    }

    /// Reads it back.
    ///
    /// # Errors
    /// `bug`: the host gave another text than it was given.
    pub fn parse(text: &str) -> Result<Cursor, Fault> {
        let wrong = || fault::bug("cursor", "The cursor is none of this connector's.");
        let value: Value = serde_json::from_str(text).map_err(|_| wrong())?;
        if let Some(at) = value["since"].as_u64() {
            return Ok(Cursor::Since(at));
        }
        let head = &value["export"];
        let number = |value: &Value| value.as_u64().ok_or_else(wrong);
        let export = Export {
            at: number(&head[0])?,
            full: head[1].as_bool().ok_or_else(wrong)?,
            since: number(&head[2])?,
            failed: number(&head[3])?,
        };
        if let Some(id) = value["job"].as_str() {
            return Ok(Cursor::Job(export, id.to_owned()));
        }
        let batch = value["batch"].as_str().ok_or_else(wrong)?.to_owned();
        let place = &value["place"];
        Ok(Cursor::Read(export, batch, [number(&place[0])?, number(&place[1])?, number(&place[2])?]))
    }
}

/// `YYYY-MM-DDThh:mm:ss.mmmZ` of milliseconds since 1970.
pub fn date(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    // Howard Hinnant's `civil_from_days`, for days since 1970.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, early) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + early;
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1_000)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Export, date};

    #[test]
    fn a_cursor_comes_back_as_it_was_and_another_text_is_a_bug() {
        let export = Export { at: 1_790_000_000_123, full: true, since: 0, failed: 1 };
        for cursor in [
            Cursor::Since(7),
            Cursor::Job(export.clone(), "100".to_owned()),
            Cursor::Read(export, "b".to_owned(), [1, 2, 3]),
        ] {
            assert_eq!(Cursor::parse(&cursor.text()).expect("ours"), cursor);
        }
        for wrong in ["", "{}", "[]", r#"{"job":"1"}"#] {
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_written_as_adobe_reads_them() {
        assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(date(1_798_761_599_999), "2026-12-31T23:59:59.999Z");
    }
}
