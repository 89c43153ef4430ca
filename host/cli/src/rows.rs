//! The people of a file for verbs that take them in without a canvas: bad rows are put aside and told.
use crate::fail::Problems;
use crate::users::Users;
use caravan_model::{Code, Problem, Profile};
use std::path::PathBuf;

/// The most bad rows that are listed one by one.
const LISTED: usize = 20;

/// The people of a file, with what could not be read put aside.
pub struct Rows {
    /// The file.
    pub users: Users,
    /// How many rows could not be read.
    pub bad: u64,
    listed: Vec<Problem>,
    broken: Option<Problem>,
}

impl Rows {
    /// Opens files; warnings about their columns go to stderr.
    ///
    /// # Errors
    /// All files that cannot be opened.
    pub fn open_all(files: &[PathBuf]) -> anyhow::Result<Vec<Rows>> {
        let (mut open, mut problems) = (Vec::new(), Vec::new());
        for path in files {
            match Users::open(path) {
                Ok(users) => open.push(Rows { users, bad: 0, listed: Vec::new(), broken: None }),
                Err(problem) => problems.push(problem),
            }
        }
        Problems::check(problems)?;
        for rows in &open {
            rows.users.warnings.iter().for_each(|warning| eprintln!("note: {warning}"));
        }
        Ok(open)
    }

    /// Tells the bad rows on stderr, and gives how many there were.
    ///
    /// # Errors
    /// Why the file could not be read to its end.
    pub fn finish(self) -> anyhow::Result<u64> {
        self.listed.iter().for_each(|problem| eprintln!("{problem}"));
        match self.broken {
            Some(problem) => Err(problem.into()),
            None => Ok(self.bad),
        }
    }
}

impl Iterator for &mut Rows {
    type Item = Profile;

    fn next(&mut self) -> Option<Profile> {
        loop {
            let row = match self.users.next_row() {
                Ok(row) => row?,
                Err(problem) => {
                    self.broken = Some(problem);
                    return None;
                }
            };
            match row.person {
                Ok(person) => return Some(person),
                Err(reason) => {
                    self.bad += 1;
                    if self.listed.len() < LISTED {
                        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
                        let file = self.users.path.display().to_string();
                        self.listed.push(Problem::new(Code::UserRow, reason).in_file(file).at_line(line));
                    }
                }
            }
        }
    }
}
