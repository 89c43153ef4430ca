//! People as packed columns of match keys.
use crate::memo::Memo;
use crate::normalise::{declared, prepare};
use crate::plan::PlannedKey;
use crate::source::{KeySource, title, values};
use crate::{Plan, Unusable};
use caravan_model::manifest::Rule;
use caravan_model::status::reason;
use caravan_model::{Column, Profile, Reason};
use std::ops::Range;

/// The most rows of one person: further e-mails and phones are left out.
pub const MAX_ROWS: usize = 10;

/// Packed columns of people: `columns[i]` holds the values of `keys[i]`; all have the same rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnSet {
    /// The keys, in the manifest's order.
    pub keys: Vec<String>,
    /// One column per key.
    pub columns: Vec<Column>,
    /// Where each person's rows end.
    pub person_ends: Vec<u32>,
}

impl ColumnSet {
    /// Empty columns with room for `rows` rows.
    pub fn new(keys: Vec<String>, rows: usize) -> ColumnSet {
        let columns = keys.iter().map(|key| Column::with_capacity(key, rows, 64)).collect();
        ColumnSet { keys, columns, person_ends: Vec::with_capacity(rows) }
    }

    /// How many rows.
    pub fn rows(&self) -> u32 {
        self.person_ends.last().copied().unwrap_or(0)
    }

    /// How many people.
    pub fn people(&self) -> usize {
        self.person_ends.len()
    }

    /// The bytes of all values.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.text.len()).sum()
    }

    /// The rows of one person; empty for a person who is not there.
    pub fn rows_of(&self, person: usize) -> Range<u32> {
        let Some(&end) = self.person_ends.get(person) else { return 0..0 };
        let start = person.checked_sub(1).map_or(0, |before| self.person_ends[before]);
        start..end
    }

    /// Takes the last person away again.
    pub fn pop(&mut self) {
        if self.person_ends.pop().is_none() {
            return;
        }
        let rows = self.rows() as usize;
        for column in &mut self.columns {
            column.ends.truncate(rows);
            column.text.truncate(column.ends.last().map_or(0, |end| *end as usize));
        }
    }

    /// Empties the columns, keeping their room.
    pub fn clear(&mut self) {
        self.person_ends.clear();
        for column in &mut self.columns {
            column.text.clear();
            column.ends.clear();
        }
    }

    /// What a part carries: the columns that some row has a value in, and where each person's rows end.
    pub fn into_part_columns(self) -> (Vec<Column>, Vec<u32>) {
        let filled = self.columns.into_iter().filter(|column| !column.text.is_empty());
        (filled.collect(), self.person_ends)
    }
}

/// What became of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// So many rows were appended.
    Rows(u32),
    /// No row: the reason, without values.
    Skip(Reason),
}

/// Appends people to columns, reusing its buffers.
#[derive(Debug)]
pub struct ColumnBuilder {
    plan: Plan,
    set: ColumnSet,
    /// Per key of the plan, what the person at hand has.
    counts: Vec<Count>,
    scratch: Vec<u8>,
    memo: Memo,
    needs_place: bool,
}

/// The values of one key for one person, already at the end of its column.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// Where the column's text ended before this person.
    start: usize,
    /// How many values.
    values: usize,
    /// In how many rows, from the first, the key may stand.
    rows: usize,
}

impl ColumnBuilder {
    /// Empty columns with room for `people`.
    pub fn new(plan: &Plan, people: usize) -> ColumnBuilder {
        let placed =
            |key: &PlannedKey| matches!(key.rule, Rule::PhoneDigits | Rule::PhonePlus | Rule::State | Rule::Zip);
        ColumnBuilder {
            set: ColumnSet::new(plan.key_names(), people),
            counts: Vec::with_capacity(plan.keys.len()),
            scratch: Vec::with_capacity(64),
            memo: Memo::default(),
            needs_place: plan.keys.iter().any(placed),
            plan: plan.clone(),
        }
    }

    /// Appends a person: a row, or several where there are several e-mails or phones (at most [`MAX_ROWS`]), single
    /// values repeated. Device ids are withheld if `tracking_denied`, or if the profile says so.
    pub fn push(&mut self, profile: &Profile, tracking_denied: bool) -> Person {
        let tracking_denied = tracking_denied || profile.ad_tracking_enabled == Some(false);
        let place = if self.needs_place { self.plan.place(profile) } else { Default::default() };
        self.counts.clear();
        for (key, column) in self.plan.keys.iter().zip(&mut self.set.columns) {
            let start = column.text.len();
            let mut count = Count { start, values: 0, rows: 0 };
            if !(key.device && tracking_denied) {
                count.values = append_values(key, profile, place, &mut self.scratch, &mut self.memo, column);
            }
            self.counts.push(count);
        }
        let rows = self.settle();
        for ((key, column), count) in self.plan.keys.iter().zip(&mut self.set.columns).zip(&self.counts) {
            debug_assert_eq!(key.key, column.key);
            spread(column, *count, rows);
        }
        if rows == 0 {
            return Person::Skip(self.why_skipped(profile, tracking_denied));
        }
        let end = self.set.rows() + rows as u32;
        self.set.person_ends.push(end);
        Person::Rows(rows as u32)
    }

    /// In how many rows each key stands, and how many rows the person has.
    fn settle(&mut self) -> usize {
        let keys = &self.plan.keys;
        let identifying = |count: fn(&Count) -> usize, counts: &[Count]| {
            keys.iter().zip(counts).filter(|(key, _)| key.identifies).map(|(_, c)| count(c)).max().unwrap_or(0)
        };
        let rows = identifying(|count| count.values, &self.counts);
        for count in &mut self.counts {
            count.rows = if count.values == 1 { rows } else { count.values.min(rows) };
        }
        // Keys that want company stand only in rows where all of it stands.
        loop {
            let mut settled = true;
            for at in 0..self.counts.len() {
                let company = keys[at].with.iter().map(|with| self.counts[*with].rows).min();
                if let Some(company) = company.filter(|company| *company < self.counts[at].rows) {
                    self.counts[at].rows = company;
                    settled = false;
                }
            }
            if settled {
                return identifying(|count| count.rows, &self.counts);
            }
        }
    }

    fn why_skipped(&self, profile: &Profile, tracking_denied: bool) -> Reason {
        let plan = &self.plan;
        let complaints = plan.complaints(profile);
        let brings = |key: &PlannedKey, source: &KeySource| {
            values(profile, &source.at).next().is_some()
                && !complaints.iter().any(|complaint| complaint.key == key.key && complaint.field == source.at)
        };
        let is_withheld = |key: &PlannedKey| key.device && tracking_denied;
        let withheld = plan.keys.iter().filter(|key| key.identifies && is_withheld(key));
        if withheld
            .flat_map(|key| key.sources.iter().map(move |source| (key, source)))
            .any(|(key, source)| brings(key, source))
        {
            let why = match profile.ad_tracking_enabled {
                Some(false) => "only an advertising id is known, and tracking is off",
                _ => "only an advertising id is known, and tracking is not granted, which policy asks for",
            };
            return Reason::new(reason::TRACKING_OFF, why);
        }
        let mut words: Vec<String> = Vec::new();
        let mut say = |word: String| {
            if !words.contains(&word) {
                words.push(word);
            }
        };
        for key in plan.keys.iter().filter(|key| key.identifies) {
            for complaint in complaints.iter().filter(|complaint| complaint.key == key.key) {
                match complaint.why {
                    Unusable::Empty => say(format!("{} is missing or empty", title(&complaint.field))),
                    why => say(format!("{} {why}", title(&complaint.field))),
                }
            }
            let lacks_company = key.with.iter().any(|with| self.counts[*with].rows == 0);
            if let Some(source) = key.sources.iter().find(|source| lacks_company && brings(key, source)) {
                say(format!("{} is not enough alone", title(&source.at)));
            }
        }
        Reason::new(reason::NO_IDENTIFIER, words.join("; "))
    }

    /// The columns so far.
    pub fn columns(&self) -> &ColumnSet {
        &self.set
    }

    /// Takes the last person away again.
    pub fn pop(&mut self) {
        self.set.pop();
    }

    /// The columns; the builder starts anew with empty ones of the same room.
    pub fn take(&mut self) -> ColumnSet {
        let empty = ColumnSet::new(self.plan.key_names(), self.set.rows() as usize);
        std::mem::replace(&mut self.set, empty)
    }

    /// The columns.
    pub fn finish(self) -> ColumnSet {
        self.set
    }
}

/// Appends the distinct usable values of a key to its column: one, or several where the field has several. Leaves
/// their ends behind the rows that are there.
fn append_values(
    key: &PlannedKey,
    profile: &Profile,
    place: crate::Place,
    scratch: &mut Vec<u8>,
    memo: &mut Memo,
    column: &mut Column,
) -> usize {
    let (first_end, start) = (column.ends.len(), column.text.len());
    let recurring = !matches!(
        key.rule,
        Rule::Trim
            | Rule::Email
            | Rule::EmailCompact
            | Rule::EmailNoTag
            | Rule::EmailNoTagNoDots
            | Rule::EmailGmail
            | Rule::EmailGmailTag
            | Rule::PhoneDigits
            | Rule::PhonePlus
            | Rule::AdId
            | Rule::AdIdUpper
    );
    for source in &key.sources {
        for value in values(profile, &source.at) {
            let from = column.text.len();
            let hash_into = |normalised: &[u8], out: &mut Vec<u8>| {
                if recurring {
                    memo.hash_into(key.hash, normalised, out);
                } else {
                    crate::hash_into(key.hash, normalised, out);
                }
            };
            let done = match source.hashed {
                Some(hashed) => declared(key.rule, key.hash, hashed, &value, &mut column.text),
                None => prepare(key.rule, key.hash, &value, place, scratch, &mut column.text, hash_into),
            };
            if done.is_err() || column.text.len() == from {
                column.text.truncate(from);
                continue;
            }
            let mut earlier = start;
            let known = column.ends[first_end..].iter().any(|end| {
                let slice = earlier..*end as usize;
                earlier = slice.end;
                column.text[slice] == column.text[from..]
            });
            if known {
                column.text.truncate(from);
                continue;
            }
            column.ends.push(column.text.len() as u32);
            let count = column.ends.len() - first_end;
            if count == MAX_ROWS || !source.counts_all(key.rule) {
                return count;
            }
        }
    }
    column.ends.len() - first_end
}

/// Makes `rows` rows of a person's values, which stand at the end of the column: a single one repeated, several one
/// by one, absent ones behind them.
fn spread(column: &mut Column, count: Count, rows: usize) {
    let before = column.ends.len() - count.values;
    let stands = count.rows.min(rows);
    if count.values == 1 {
        let end = column.text.len();
        for _ in 1..stands {
            column.text.extend_from_within(count.start..end);
            column.ends.push(column.text.len() as u32);
        }
    }
    column.ends.truncate(before + stands);
    let end = if stands == 0 { count.start } else { column.ends[before + stands - 1] as usize };
    column.text.truncate(end);
    column.ends.resize(before + rows, end as u32);
}
