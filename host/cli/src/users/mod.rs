//! Files of people and events, read as a stream: one bad row never hurts the next.
//!
//! A row's number counts the file's records from 0, bad ones included, blank lines not: it depends on the bytes
//! alone, so a run that resumes finds the same person under the same number.
mod buffer;
mod csv;
pub mod events;
mod fields;
pub mod handed;
mod json;
pub mod stream;

use buffer::Buffer;
use caravan_model::{Code, Digest, Problem, Profile};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// One row of a users file.
#[derive(Debug)]
pub struct Row {
    /// Its place among the file's records, from 0.
    pub number: u64,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The person, or what is wrong with the row: plain words, without any of its values.
    pub person: Result<Profile, String>,
}

/// A users file, open and hashed; an iterator over its rows.
#[derive(Debug)]
pub struct Users {
    /// As the person named it.
    pub path: PathBuf,
    /// Of its bytes: the same file under another name is the same source.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// What a person should know although it stops nothing: columns that look like a misspelt field.
    pub warnings: Vec<String>,
    next: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Csv(csv::Records<File>, fields::Columns),
    Json(Buffer<File>),
}

impl Users {
    /// Opens and hashes a file, reads its head, and finds out whether it is CSV or JSON lines: by the extension
    /// (`.csv`, `.tsv`, `.jsonl`, `.ndjson`), else by its first character.
    ///
    /// # Errors
    /// The file cannot be read, is not in UTF-8, or its head line has no `external_id` or a column twice.
    pub fn open(path: &Path) -> Result<Users, Problem> {
        let name = path.display().to_string();
        let unreadable = |error: io::Error| unreadable(path, &error);
        let mut file = File::open(path).map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(Problem::new(
                Code::UnreadableFile,
                "this is no ordinary file, and a run must be able to read it again",
            )
            .in_file(name)
            .cure("write the people to a file first, then name that file"));
        }
        let (digest, size) = hash(&mut file).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let mut buffer = Buffer::new(file);
        buffer.skip_mark().map_err(unreadable)?;
        let start = buffer.peek().map_err(unreadable)?;
        if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
            return Err(Problem::new(Code::UserRow, "the file is in UTF-16")
                .in_file(name)
                .at_line(1)
                .cure("save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"));
        }
        let first = start.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let extension = path.extension().and_then(|text| text.to_str()).unwrap_or_default().to_ascii_lowercase();
        let json = match extension.as_str() {
            "csv" | "tsv" => false,
            "jsonl" | "ndjson" => true,
            _ => matches!(first, Some(b'{' | b'[')),
        };
        if json && first == Some(b'[') {
            return Err(Problem::new(Code::UserRow, "the file is one JSON array")
                .in_file(name)
                .at_line(1)
                .cure("write one object per line (JSON lines): jq -c '.[]' people.json > people.jsonl"));
        }
        let mut warnings = Vec::new();
        let form = if json {
            Form::Json(buffer)
        } else {
            let mut records = csv::Records::new(buffer);
            let columns = head(&mut records, &name, path, &mut warnings)?;
            Form::Csv(records, columns)
        };
        Ok(Users { path: path.to_owned(), digest, size, warnings, next: 0, form })
    }

    /// How many bytes of the file have been read so far.
    pub fn position(&self) -> u64 {
        match &self.form {
            Form::Csv(records, _) => records.position(),
            Form::Json(buffer) => buffer.position(),
        }
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// The file could not be read on.
    pub fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        let found = match &mut self.form {
            Form::Csv(records, columns) => records
                .next()
                .map(|next| next.map(|(line, cells)| (line, cells.and_then(|cells| columns.profile(cells))))),
            Form::Json(buffer) => json::next(buffer),
        };
        let found = found.map_err(|error| unreadable(&self.path, &error))?;
        Ok(found.map(|(line, person)| {
            let number = self.next;
            self.next += 1;
            Row { number, line, person }
        }))
    }
}

/// Reads the head line of a CSV file.
fn head(
    records: &mut csv::Records<File>,
    name: &str,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<fields::Columns, Problem> {
    let wrong = |line: u64, message: String| {
        Problem::new(Code::UserRow, message)
            .in_file(name)
            .at_line(u32::try_from(line).unwrap_or(u32::MAX))
            .cure("the first line names the columns: external_id,email,phone,first_name,…")
    };
    match records.head().map_err(|error| unreadable(path, &error))? {
        None => Err(wrong(1, "the file is empty".to_owned())),
        Some((line, Err(reason))) => {
            Err(wrong(line, format!("the line with the column names cannot be read: {reason}")))
        }
        Some((line, Ok(names))) => {
            let columns = fields::Columns::new(&names, warnings).map_err(|message| wrong(line, message))?;
            records.expect_cells(names.len());
            Ok(columns)
        }
    }
}

/// The digest and size of a file from where it stands.
pub fn hash(file: &mut File) -> io::Result<(Digest, u64)> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((Digest(hash.finalize().into()), size)),
            Ok(n) => {
                hash.update(&chunk[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Code::UnreadableFile, error.to_string())
        .in_file(path.display().to_string())
        .cure("check the name and that you may read it")
}

#[cfg(test)]
mod tests;
