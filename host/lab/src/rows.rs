//! The members of an audience at Meta or Google: a set of rows, each a schema and one value per column.
//!
//! A row is found again through its identifying values, so a removal costs as much as the rows that it hits. Memory
//! per row: 4 bytes a column, plus 32 bytes and a few for each value not seen before in its key.

use std::collections::HashMap;

use crate::values::ValueTable;

/// A match key by its place in [`KEYS`].
pub(crate) type Key = u8;

/// How many of [`KEYS`] are Meta's; those behind them are Google's alone.
const OF_META: usize = 22;

/// Names of all keys that a Meta schema may hold (contract, section 3), then Google's, and whether a value of the key
/// identifies a person by itself. Names and places alone never do.
pub(crate) const KEYS: [(&str, bool); 29] = [
    ("EXTERN_ID", true),
    ("EMAIL", true),
    ("PHONE", true),
    ("MADID", true),
    ("UID", true),
    ("APPUID", true),
    ("PAGEUID", true),
    ("GEN", false),
    ("DOBY", false),
    ("DOBM", false),
    ("DOBD", false),
    ("LN", false),
    ("FN", false),
    ("FI", false),
    ("CT", false),
    ("ST", false),
    ("ZIP", false),
    ("COUNTRY", false),
    ("LOOKALIKE_VALUE", false),
    ("DATA_PROCESSING_OPTIONS", false),
    ("DATA_PROCESSING_OPTIONS_COUNTRY", false),
    ("DATA_PROCESSING_OPTIONS_STATE", false),
    ("GIVEN_NAME", false),
    ("FAMILY_NAME", false),
    ("REGION", false),
    ("POSTAL", false),
    ("IDFA", true),
    ("GAID", true),
    ("USER_ID", true),
];

/// The key of a schema name. The single-key names `EMAIL_SHA256`, `PHONE_SHA256` and `MOBILE_ADVERTISER_ID` are the
/// multi-key ones under another name.
pub(crate) fn key(name: &str) -> Option<Key> {
    let name = match name {
        "EMAIL_SHA256" => "EMAIL",
        "PHONE_SHA256" => "PHONE",
        "MOBILE_ADVERTISER_ID" => "MADID",
        other => other,
    };
    KEYS[..OF_META].iter().position(|(key, _)| *key == name).map(|place| place as Key)
}

/// The key of what a member at Google has.
pub(crate) fn google_key(name: &str) -> Option<Key> {
    let own = |place: usize| place >= OF_META || matches!(name, "EMAIL" | "PHONE");
    KEYS.iter().position(|(key, _)| *key == name).filter(|place| own(*place)).map(|place| place as Key)
}

/// Name of a key.
pub(crate) fn key_name(key: Key) -> &'static str {
    KEYS[usize::from(key)].0
}

fn identifies(key: Key) -> bool {
    KEYS[usize::from(key)].1
}

const DEAD: u16 = u16::MAX;
const OVERFLOW: u32 = 1 << 31;

/// Values of one key and, for an identifying key, the rows in which each stands.
#[derive(Debug, Default)]
struct Column {
    values: ValueTable,
    /// By value: 0 for no row, row + 1 for one, `OVERFLOW | place in many` for a value that several rows share.
    postings: Vec<u32>,
    many: Vec<Vec<u32>>,
}

impl Column {
    fn rows(&self, value: u32) -> &[u32] {
        match self.postings.get(value as usize) {
            None | Some(0) => &[],
            Some(posting) if posting & OVERFLOW != 0 => &self.many[(posting & !OVERFLOW) as usize],
            // A posting is a row number raised by one; lists hold the same raised numbers.
            Some(posting) => std::slice::from_ref(posting),
        }
    }

    fn post(&mut self, value: u32, row: u32) {
        if self.postings.len() <= value as usize {
            self.postings.resize(value as usize + 1, 0);
        }
        let posting = &mut self.postings[value as usize];
        match *posting {
            0 => *posting = row + 1,
            list if list & OVERFLOW != 0 => self.many[(list & !OVERFLOW) as usize].push(row + 1),
            one => {
                *posting = OVERFLOW | self.many.len() as u32;
                self.many.push(vec![one, row + 1]);
            }
        }
    }

    fn withdraw(&mut self, value: u32, row: u32) {
        let posting = &mut self.postings[value as usize];
        if *posting & OVERFLOW != 0 {
            let list = &mut self.many[(*posting & !OVERFLOW) as usize];
            if let Some(place) = list.iter().position(|other| *other == row + 1) {
                list.swap_remove(place);
            }
        } else {
            *posting = 0;
        }
    }
}

/// A set of rows. Adding a row that stands already changes nothing.
#[derive(Debug)]
pub(crate) struct RowSet {
    columns: Vec<Column>,
    schemas: Vec<Vec<Key>>,
    row_schema: Vec<u16>,
    row_start: Vec<usize>,
    /// Per cell: value number + 1, 0 for an empty cell.
    cells: Vec<u32>,
    /// Per schema: rows that were removed and whose place can be taken again.
    free: Vec<Vec<u32>>,
    /// Rows without any identifying value, which no posting can find.
    nameless: HashMap<(u16, Box<[u32]>), u32>,
    standing: usize,
    scratch: Vec<u32>,
}

impl Default for RowSet {
    fn default() -> RowSet {
        RowSet {
            columns: (0..KEYS.len()).map(|_| Column::default()).collect(),
            schemas: Vec::new(),
            row_schema: Vec::new(),
            row_start: Vec::new(),
            cells: Vec::new(),
            free: Vec::new(),
            nameless: HashMap::new(),
            standing: 0,
            scratch: Vec::new(),
        }
    }
}

impl RowSet {
    /// Number of standing rows.
    pub(crate) fn len(&self) -> usize {
        self.standing
    }

    /// The number under which rows of this schema are kept.
    pub(crate) fn schema(&mut self, keys: &[Key]) -> u16 {
        if let Some(place) = self.schemas.iter().position(|known| known == keys) {
            return place as u16;
        }
        self.schemas.push(keys.to_vec());
        self.free.push(Vec::new());
        (self.schemas.len() - 1) as u16
    }

    /// Adds a row; `cells` has one value per column of the schema, empty where unknown. False if it stood already.
    pub(crate) fn add<S: AsRef<str>>(&mut self, schema: u16, cells: &[S]) -> bool {
        let mut row = std::mem::take(&mut self.scratch);
        row.clear();
        for (key, cell) in self.schemas[usize::from(schema)].iter().zip(cells) {
            row.push(match cell.as_ref() {
                "" => 0,
                value => self.columns[usize::from(*key)].values.intern(value) + 1,
            });
        }
        let new = !self.stands(schema, &row);
        if new {
            self.insert(schema, &row);
        }
        self.scratch = row;
        new
    }

    /// Removes every standing row that shares a non-empty identifying value with the given one, and says how many.
    pub(crate) fn remove<S: AsRef<str>>(&mut self, keys: &[Key], cells: &[S]) -> usize {
        let mut hit = std::mem::take(&mut self.scratch);
        hit.clear();
        for (key, cell) in keys.iter().zip(cells).filter(|(key, cell)| identifies(**key) && !cell.as_ref().is_empty()) {
            let column = &self.columns[usize::from(*key)];
            if let Some(value) = column.values.find(cell.as_ref()) {
                hit.extend_from_slice(column.rows(value));
            }
        }
        hit.sort_unstable();
        hit.dedup();
        for raised in &hit {
            self.kill(raised - 1);
        }
        let removed = hit.len();
        self.scratch = hit;
        removed
    }

    /// The standing values of each key that has any, sorted.
    pub(crate) fn keys(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut seen: Vec<Vec<bool>> = self.columns.iter().map(|column| vec![false; column.values.len()]).collect();
        for row in self.standing_rows() {
            for (key, cell) in self.row(row) {
                if cell != 0 {
                    seen[usize::from(key)][cell as usize - 1] = true;
                }
            }
        }
        let mut keys = Vec::new();
        for (place, seen) in seen.iter().enumerate() {
            let values = &self.columns[place].values;
            let mut standing: Vec<String> =
                (0..).zip(seen).filter(|(_, seen)| **seen).map(|(id, _)| values.text(id)).collect();
            if !standing.is_empty() {
                standing.sort_unstable();
                keys.push((KEYS[place].0, standing));
            }
        }
        keys
    }

    /// Every standing row as pairs of key and value, without its empty cells, in the order of the rows' places.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<(&'static str, String)>> + '_ {
        self.standing_rows().map(|row| {
            self.row(row)
                .filter(|(_, cell)| *cell != 0)
                .map(|(key, cell)| (key_name(key), self.columns[usize::from(key)].values.text(cell - 1)))
                .collect()
        })
    }

    fn standing_rows(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.row_schema).filter(|(_, schema)| **schema != DEAD).map(|(row, _)| row)
    }

    /// Keys and cells of a standing row.
    fn row(&self, row: u32) -> impl Iterator<Item = (Key, u32)> + '_ {
        let schema = &self.schemas[usize::from(self.row_schema[row as usize])];
        let start = self.row_start[row as usize];
        schema.iter().copied().zip(self.cells[start..start + schema.len()].iter().copied())
    }

    fn stands(&self, schema: u16, cells: &[u32]) -> bool {
        let shortest = self.schemas[usize::from(schema)]
            .iter()
            .zip(cells)
            .filter(|(key, cell)| identifies(**key) && **cell != 0)
            .map(|(key, cell)| self.columns[usize::from(*key)].rows(cell - 1))
            .min_by_key(|rows| rows.len());
        match shortest {
            Some(rows) => rows.iter().any(|raised| {
                let row = *raised as usize - 1;
                let start = self.row_start[row];
                self.row_schema[row] == schema && &self.cells[start..start + cells.len()] == cells
            }),
            None => self.nameless.contains_key(&(schema, cells.into())),
        }
    }

    fn insert(&mut self, schema: u16, cells: &[u32]) {
        let row = match self.free[usize::from(schema)].pop() {
            Some(row) => {
                let start = self.row_start[row as usize];
                self.cells[start..start + cells.len()].copy_from_slice(cells);
                self.row_schema[row as usize] = schema;
                row
            }
            None => {
                self.row_start.push(self.cells.len());
                self.cells.extend_from_slice(cells);
                self.row_schema.push(schema);
                (self.row_schema.len() - 1) as u32
            }
        };
        self.standing += 1;
        let mut named = false;
        for (key, cell) in self.schemas[usize::from(schema)].iter().zip(cells) {
            if identifies(*key) && *cell != 0 {
                self.columns[usize::from(*key)].post(cell - 1, row);
                named = true;
            }
        }
        if !named {
            self.nameless.insert((schema, cells.into()), row);
        }
    }

    fn kill(&mut self, row: u32) {
        let cells: Vec<(Key, u32)> = self.row(row).collect();
        for (key, cell) in cells {
            if identifies(key) && cell != 0 {
                self.columns[usize::from(key)].withdraw(cell - 1, row);
            }
        }
        let schema = std::mem::replace(&mut self.row_schema[row as usize], DEAD);
        self.free[usize::from(schema)].push(row);
        self.standing -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<Key> {
        names.iter().filter_map(|name| key(name)).collect()
    }

    #[test]
    fn a_row_is_a_member_once() {
        let mut set = RowSet::default();
        let schema = set.schema(&keys(&["EMAIL", "FN"]));
        assert!(set.add(schema, &["e1", "anna"]));
        assert!(!set.add(schema, &["e1", "anna"]));
        assert!(set.add(schema, &["e1", "bob"]));
        assert!(set.add(schema, &["", "anna"]));
        assert!(!set.add(schema, &["", "anna"]));
        assert_eq!(set.len(), 3);
    }

    #[test]
    fn removal_goes_by_any_identifying_value_and_never_by_a_name() {
        let mut set = RowSet::default();
        let full = keys(&["EMAIL", "PHONE", "FN"]);
        let schema = set.schema(&full);
        set.add(schema, &["e1", "p1", "anna"]);
        set.add(schema, &["e2", "p1", "anna"]);
        set.add(schema, &["e3", "p3", "anna"]);
        assert_eq!(set.remove(&full, &["", "", "anna"]), 0);
        assert_eq!(set.remove(&full, &["e9", "p1", ""]), 2);
        assert_eq!(set.remove(&keys(&["EMAIL"]), &["e3"]), 1);
        assert_eq!(set.len(), 0);
        assert!(set.keys().is_empty());
        set.add(schema, &["e1", "p1", "anna"]);
        assert_eq!(
            set.keys(),
            [("EMAIL", vec!["e1".into()]), ("PHONE", vec!["p1".into()]), ("FN", vec!["anna".into()])]
        );
    }

    #[test]
    fn places_of_removed_rows_are_taken_again() {
        let mut set = RowSet::default();
        let email = keys(&["EMAIL"]);
        let schema = set.schema(&email);
        for round in 0..5 {
            for person in 0..100 {
                assert!(set.add(schema, &[format!("{person}@{round}")]));
            }
            for person in 0..100 {
                assert_eq!(set.remove(&email, &[format!("{person}@{round}")]), 1);
            }
        }
        assert_eq!(set.row_schema.len(), 100);
        assert_eq!(set.rows().count(), 0);
    }
}
