//! What a connector is called with: the host's mirror of `wit/`'s `target` and `part`.
use serde::{Deserialize, Serialize};

/// Add to or remove from an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Make them members.
    Add,
    /// Make them members no longer.
    Remove,
}

impl Action {
    /// `add` or `remove`.
    pub fn word(self) -> &'static str {
        match self {
            Action::Add => "add",
            Action::Remove => "remove",
        }
    }
}

/// Where a call goes; egress enforces both ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The partner's id of the ad account.
    pub account: String,
    /// The partner's id of the audience; empty before one exists.
    pub audience: String,
    /// Further ids (name, id) where the partner splits an audience.
    pub audience_parts: Vec<(String, String)>,
    /// The connection's settings as one JSON object, defaults filled in.
    pub settings: String,
}

/// All values of one match key, packed: row `i` is `text[ends[i-1]..ends[i]]`; an empty slice means absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The match key's name in the manifest.
    pub key: String,
    /// All values, UTF-8, one after the other.
    pub text: Vec<u8>,
    /// One end offset per row, in bytes.
    pub ends: Vec<u32>,
}

impl Column {
    /// An empty column with room for `rows` values of about `width` bytes.
    pub fn with_capacity(key: &str, rows: usize, width: usize) -> Column {
        Column { key: key.to_owned(), text: Vec::with_capacity(rows * width), ends: Vec::with_capacity(rows) }
    }

    /// Appends a row; `""` is an absent value.
    pub fn push(&mut self, value: &str) {
        self.text.extend_from_slice(value.as_bytes());
        self.ends.push(self.text.len() as u32);
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The value of a row; `""` where absent or out of range.
    pub fn value(&self, row: usize) -> &str {
        let Some(&end) = self.ends.get(row) else { return "" };
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        self.text.get(start as usize..end as usize).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// Only the rows for which `keep` is true, in order.
    pub fn retain(&self, keep: &[bool]) -> Column {
        let mut kept = Column::with_capacity(&self.key, self.rows(), self.text.len() / self.rows().max(1));
        for (row, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
            kept.push(self.value(row));
        }
        kept
    }
}

/// One small fact per row that is no identifier (consent: 0 unspecified, 1 granted, 2 denied).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagColumn {
    /// The flag's name in the manifest.
    pub key: String,
    /// One byte per row.
    pub values: Vec<u8>,
}

/// The unit of call, attempt, quota and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Unique, stable over retries; seeds the guest's random numbers.
    pub id: String,
    /// Add or remove.
    pub action: Action,
    /// The key group of the manifest.
    pub group: String,
    /// Rows; every column has as many.
    pub rows: u32,
    /// Where each person's rows end.
    pub person_ends: Vec<u32>,
    /// One column per key that some row has, in the manifest's order.
    pub columns: Vec<Column>,
    /// Flags that travel with the rows.
    pub flags: Vec<FlagColumn>,
}

impl Part {
    /// The half-open range of rows of one person.
    pub fn rows_of(&self, person: usize) -> std::ops::Range<u32> {
        let start = if person == 0 { 0 } else { self.person_ends.get(person - 1).copied().unwrap_or(self.rows) };
        start..self.person_ends.get(person).copied().unwrap_or(start)
    }

    /// How many people.
    pub fn people(&self) -> usize {
        self.person_ends.len()
    }

    /// The part without the struck people, in the same order and form (design, 11.6); `struck[i]` is person `i`.
    pub fn without(&self, struck: &[bool]) -> Part {
        let mut keep = vec![true; self.rows as usize];
        let mut person_ends = Vec::with_capacity(self.people());
        let mut rows = 0u32;
        for person in 0..self.people() {
            let range = self.rows_of(person);
            if struck.get(person).copied().unwrap_or(false) {
                keep[range.start as usize..range.end as usize].fill(false);
            } else {
                rows += range.end - range.start;
                person_ends.push(rows);
            }
        }
        Part {
            id: self.id.clone(),
            action: self.action,
            group: self.group.clone(),
            rows,
            person_ends,
            columns: self.columns.iter().map(|column| column.retain(&keep)).collect(),
            flags: self
                .flags
                .iter()
                .map(|flag| FlagColumn {
                    key: flag.key.clone(),
                    values: flag.values.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(v, _)| *v).collect(),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struck_person_takes_all_their_rows_along() {
        let mut column = Column::with_capacity("EMAIL", 4, 1);
        for value in ["a", "b1", "", "d"] {
            column.push(value);
        }
        let part = Part {
            id: "p".into(),
            action: Action::Add,
            group: "g".into(),
            rows: 4,
            person_ends: vec![1, 3, 4],
            columns: vec![column],
            flags: vec![FlagColumn { key: "c".into(), values: vec![1, 2, 2, 0] }],
        };
        let rest = part.without(&[false, true, false]);
        assert_eq!((rest.rows, rest.person_ends.as_slice()), (2, [1, 2].as_slice()));
        assert_eq!((rest.columns[0].value(0), rest.columns[0].value(1)), ("a", "d"));
        assert_eq!(rest.flags[0].values, [1, 0]);
    }
}
