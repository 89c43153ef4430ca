//! The `payload` parameter: schema and rows, read in one pass without a document tree, since ten thousand rows come
//! at a time.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::MetaError;
use crate::rows::{Key, key, key_name};

/// What an upload says.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) keys: Vec<Key>,
    pub(super) rows: Rows<'a>,
    /// The cells are in the clear and Meta hashes them itself.
    pub(super) raw: bool,
}

/// Rows as one list of cells, and where each row ends in it.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    cells: Vec<Cow<'a, str>>,
    ends: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The rows in order, each a list of cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[Cow<'a, str>]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.cells[start..*end])
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    schema: Option<Schema>,
    #[serde(borrow)]
    data: Option<Rows<'a>>,
    #[serde(default)]
    is_raw: Truth,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Schema {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Truth {
    #[default]
    Absent,
    Bool(bool),
    Number(i64),
    Text(String),
}

impl<'a> Payload<'a> {
    /// Reads the parameter's text.
    pub(super) fn parse(text: &'a str) -> Result<Payload<'a>, MetaError> {
        let wire: Wire<'a> = serde_json::from_str(text)
            .map_err(|error| MetaError::new(100, format!("(#100) Param payload is invalid: {error}")))?;
        let names = match wire.schema.ok_or_else(|| MetaError::missing("payload[schema]"))? {
            Schema::One(name) => vec![name],
            Schema::Many(names) => names,
        };
        if names.is_empty() {
            return Err(MetaError::missing("payload[schema]"));
        }
        let unknown = |name: &String| {
            MetaError::new(100, format!("(#100) Param payload[schema] holds '{name}', which is no key of a schema"))
        };
        let keys = names.iter().map(|name| key(name).ok_or_else(|| unknown(name))).collect::<Result<Vec<Key>, _>>()?;
        let rows = wire.data.ok_or_else(|| MetaError::missing("payload[data]"))?;
        if let Some((place, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != keys.len()) {
            let schema: Vec<&str> = keys.iter().map(|key| key_name(*key)).collect();
            let message = format!(
                "(#100) Invalid parameter: row {place} of payload[data] has {} values, the schema {} has {}",
                row.len(),
                schema.join(","),
                keys.len()
            );
            return Err(MetaError::new(100, message));
        }
        let raw = match wire.is_raw {
            Truth::Absent => false,
            Truth::Bool(raw) => raw,
            Truth::Number(number) => number != 0,
            Truth::Text(text) => super::audience::is_true(&text),
        };
        Ok(Payload { keys, rows, raw })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rows<'a>, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Rows<'de>;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a list of rows")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows<'de>, A::Error> {
                let mut rows = Rows::default();
                while list.next_element_seed(Row(&mut rows.cells))?.is_some() {
                    rows.ends.push(rows.cells.len());
                }
                Ok(rows)
            }
        }
        deserializer.deserialize_seq(All)
    }
}

/// Reads one row into the list of cells; a bare value is a row of one cell.
struct Row<'r, 'a>(&'r mut Vec<Cow<'a, str>>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Row<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Row<'_, 'a> {
    type Value = ();
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a row: a list of values, or one value")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(cell) = list.next_element_seed(Cell)? {
            self.0.push(cell);
        }
        Ok(())
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.0.push(Cow::Borrowed(text));
        Ok(())
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push(Cow::Owned(text.to_string()));
        Ok(())
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.0.push(Cow::Owned(number.to_string()));
        Ok(())
    }
}

/// Reads one cell as text: numbers as written, null as empty, a list (`["LDU"]`) as its JSON text.
struct Cell;

impl<'de> DeserializeSeed<'de> for Cell {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell {
    type Value = Cow<'de, str>;
    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value of a row")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_string()))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }
    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Cow::Owned(truth.to_string()))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values: Vec<String> = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        serde_json::to_string(&values).map(Cow::Owned).map_err(A::Error::custom)
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("an object cannot be a value of a row"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        let payload = Payload::parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message));
        payload.rows.iter().map(|row| row.iter().map(|cell| cell.to_string()).collect()).collect()
    }

    #[test]
    fn all_forms_of_rows() {
        assert_eq!(rows(r#"{"schema":"EMAIL_SHA256","data":["a","b"]}"#), [["a"], ["b"]]);
        assert_eq!(rows(r#"{"data":[["a"],["b"]],"schema":["EMAIL"]}"#), [["a"], ["b"]]);
        assert_eq!(
            rows(
                r#"{"schema":["EMAIL","LOOKALIKE_VALUE","FN","DATA_PROCESSING_OPTIONS"],"data":[["\u00e9",10.5,null,["LDU"]]]}"#
            ),
            [["é", "10.5", "", "[\"LDU\"]"]]
        );
    }

    #[test]
    fn wrong_forms_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"schema":"EMAIL_SHA256"}"#,
            r#"{"schema":[],"data":[]}"#,
            r#"{"schema":["EMAIL","FN"],"data":[["a"]]}"#,
            r#"{"schema":["E_MAIL"],"data":[["a"]]}"#,
            r#"{"schema":["EMAIL"],"data":[[{}]]}"#,
            r#"{"schema":["EMAIL"],"data":{"a":1}}"#,
        ] {
            assert!(Payload::parse(text).is_err(), "{text}");
        }
    }
}
