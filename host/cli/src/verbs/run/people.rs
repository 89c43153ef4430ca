//! The rows of a users file on their way to the runner, and what was seen of them.
use crate::users::Users;
use caravan_model::{Problem, Profile};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The reason code of a row that cannot be read.
pub const BAD_ROW: &str = "bad-row";
/// The most bad rows that are remembered one by one.
const REMEMBERED: usize = 100_000;

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BadRow {
    /// Its line, from 1.
    pub line: u64,
    /// Why; without any of its values.
    pub reason: String,
}

/// What was seen of a file, shared with whoever watches.
#[derive(Debug, Default)]
pub struct Seen {
    position: AtomicU64,
    rows: AtomicU64,
    bad: AtomicU64,
    list: Mutex<Vec<BadRow>>,
    first: Mutex<Option<String>>,
    broken: Mutex<Option<Problem>>,
}

impl Seen {
    /// Bytes read.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Rows read, bad ones included.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bad rows.
    pub fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }

    /// The bad rows, as many as are remembered.
    pub fn list(&self) -> Vec<BadRow> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first person's external id.
    pub fn first(&self) -> Option<String> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the file could not be read to its end.
    pub fn broken(&self) -> Option<Problem> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The rows as the runner takes them.
pub struct PeopleRows {
    users: Users,
    seen: Arc<Seen>,
}

impl PeopleRows {
    /// The rows of a file.
    pub fn new(users: Users, seen: Arc<Seen>) -> PeopleRows {
        PeopleRows { users, seen }
    }
}

impl Iterator for PeopleRows {
    type Item = (u64, Result<Profile, String>);

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.users.next_row() {
            Ok(row) => row,
            Err(problem) => {
                // What was read so far counts; the same command goes on behind it once the file can be read.
                *self.seen.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
                return None;
            }
        };
        self.seen.position.store(self.users.position(), Ordering::Relaxed);
        let row = row?;
        self.seen.rows.store(row.number + 1, Ordering::Relaxed);
        if row.number == 0
            && let Ok(person) = &row.person
        {
            *self.seen.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(person.external_id.clone());
        }
        let person = row.person.map_err(|reason| {
            self.seen.bad.fetch_add(1, Ordering::Relaxed);
            let mut list = self.seen.list.lock().unwrap_or_else(PoisonError::into_inner);
            if list.len() < REMEMBERED {
                list.push(BadRow { line: row.line, reason });
            }
            BAD_ROW.to_owned()
        });
        Some((row.number, person))
    }
}
