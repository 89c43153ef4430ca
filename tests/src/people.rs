//! The people of a users file, and the values of theirs that should stand at a partner, calculated apart from the host.
use crate::{oracle, python};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Key → values.
pub type Sets = BTreeMap<String, BTreeSet<String>>;

/// A phone number's digits as a partner compares them.
pub type PhoneForm = fn(&str) -> String;

/// The people of a file, with the digits of their phone numbers.
pub struct People {
    /// In the order of the file.
    pub rows: Vec<oracle::Row>,
    phones: Vec<Vec<String>>,
}

impl People {
    /// Reads a file. Phone numbers become E.164 digits by a library that the host does not use.
    pub fn read(file: &Path) -> People {
        let rows = oracle::read(file);
        let numbers = |row: &oracle::Row| oracle::several(row.get("phone").map(String::as_str).unwrap_or_default());
        let written = |row: &oracle::Row| {
            numbers(row).into_iter().map(|number| (row["country"].clone(), number)).collect::<Vec<_>>()
        };
        let all: Vec<(String, String)> = rows.iter().flat_map(written).collect::<BTreeSet<_>>().into_iter().collect();
        let lines: String = all.iter().map(|(country, number)| format!("{country}\t{number}\n")).collect();
        let said = python::run("phones.py", &[], &lines);
        assert_eq!(said.lines().count(), all.len(), "one answer for each number");
        let known: BTreeMap<_, _> = all.into_iter().zip(said.lines().map(str::to_owned)).collect();
        let digits = |row: &oracle::Row| {
            written(row).iter().map(|number| known[number].clone()).filter(|digits| !digits.is_empty()).collect()
        };
        let phones = rows.iter().map(digits).collect();
        People { rows, phones }
    }

    /// What should stand of those from `from` on who may be sent: SHA-256 of addresses and numbers as the partner
    /// compares them, under the partner's names for them.
    pub fn sets(
        &self,
        from: usize,
        (email, address): (&str, fn(&str) -> Option<String>),
        phone: Option<(&str, PhoneForm)>,
    ) -> Sets {
        let mut sets = Sets::new();
        let sent = self.rows.iter().zip(&self.phones).skip(from).filter(|(row, _)| !oracle::blocked(row));
        for (row, numbers) in sent {
            for address in oracle::several(&row["email"]).iter().filter_map(|value| address(value)) {
                sets.entry(email.to_owned()).or_default().insert(oracle::sha256(&address));
            }
            for (number, (key, form)) in numbers.iter().filter_map(|number| Some((number, phone?))) {
                sets.entry(key.to_owned()).or_default().insert(oracle::sha256(&form(number)));
            }
        }
        sets
    }
}

/// Says where two sets differ, without printing a million hashes.
///
/// # Panics
/// Where they do.
pub fn assert_same(what: &str, found: &Sets, expected: &Sets) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    for (key, expected) in expected {
        let (missing, extra) = (expected.difference(&found[key]).count(), found[key].difference(expected).count());
        assert_eq!(
            (missing, extra),
            (0, 0),
            "{what}: {key}: {missing} missing, {extra} too many of {}",
            expected.len()
        );
    }
}
