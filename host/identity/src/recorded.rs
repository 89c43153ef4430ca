//! A person's identifiers as they were sent, in the compact form that membership keeps.
//!
//! Format 1: the byte 1; the number of rows and of keys; then per key its name and one value per row. Numbers are
//! LEB128. A value is a tag and its bytes: 0 absent, 1 the same as in the row before, 2 a digest of 32 bytes
//! (lower-case hexadecimal), 3 one of 16 bytes, 4 one of 32 bytes (base64), 5 + n text of n bytes. Keys without any
//! value are left out. Equal identifiers give equal bytes, for ever: [`fingerprint`] rests on it.
use crate::columns::ColumnSet;
use crate::digest::{from_base64, from_hex, push_base64, push_hex};
use caravan_model::Column;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// The format that is written.
pub const VERSION: u8 = 1;

const ABSENT: u64 = 0;
const SAME: u64 = 1;
const HEX_32: u64 = 2;
const HEX_16: u64 = 3;
const BASE64_32: u64 = 4;
const TEXT: u64 = 5;

/// Why recorded identifiers cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// Written by a newer version.
    #[error("recorded identifiers of format {0}, of which this version knows nothing")]
    Version(u8),
    /// Cut short or damaged.
    #[error("recorded identifiers are damaged at byte {0}")]
    Damaged(usize),
}

/// One person's rows, read from columns.
pub fn encode(columns: &[Column], rows: Range<u32>) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + columns.len() * 44);
    encode_into(columns, rows, &mut out);
    out
}

/// As [`encode`], appending to a buffer.
pub fn encode_into(columns: &[Column], rows: Range<u32>, out: &mut Vec<u8>) {
    let has_value = |column: &&Column| rows.clone().any(|row| !bytes_of(column, row).is_empty());
    out.push(VERSION);
    push_number(u64::from(rows.end.saturating_sub(rows.start)), out);
    push_number(columns.iter().filter(has_value).count() as u64, out);
    for column in columns.iter().filter(has_value) {
        push_number(column.key.len() as u64, out);
        out.extend_from_slice(column.key.as_bytes());
        let mut before: &[u8] = &[];
        for row in rows.clone() {
            let value = bytes_of(column, row);
            push_value(value, before, out);
            before = value;
        }
    }
}

fn bytes_of(column: &Column, row: u32) -> &[u8] {
    let row = row as usize;
    let Some(&end) = column.ends.get(row) else { return &[] };
    let start = row.checked_sub(1).map_or(0, |before| column.ends[before]);
    column.text.get(start as usize..end as usize).unwrap_or(&[])
}

fn push_value(value: &[u8], before: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        push_number(ABSENT, out);
    } else if value == before {
        push_number(SAME, out);
    } else if let Some(digest) = from_hex::<32>(value) {
        push_number(HEX_32, out);
        out.extend_from_slice(&digest);
    } else if let Some(digest) = from_hex::<16>(value) {
        push_number(HEX_16, out);
        out.extend_from_slice(&digest);
    } else if let Some(digest) = base64_digest(value) {
        push_number(BASE64_32, out);
        out.extend_from_slice(&digest);
    } else {
        push_number(TEXT + value.len() as u64, out);
        out.extend_from_slice(value);
    }
}

fn base64_digest(value: &[u8]) -> Option<[u8; 32]> {
    if value.len() != 44 {
        return None;
    }
    from_base64(std::str::from_utf8(value).ok()?)
}

fn push_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The rows as columns, one per recorded key.
///
/// # Errors
/// An unknown format, or damaged bytes.
pub fn decode(recorded: &[u8]) -> Result<Vec<Column>, RecordedError> {
    let mut reader = Reader { recorded, at: 0 };
    match reader.byte()? {
        VERSION => {}
        version => return Err(RecordedError::Version(version)),
    }
    let rows = reader.count()?;
    let keys = reader.count()?;
    let mut columns = Vec::with_capacity(keys);
    for _ in 0..keys {
        let length = reader.count()?;
        let name = reader.bytes(length)?;
        let key = std::str::from_utf8(name).map_err(|_| reader.damaged())?;
        let mut column = Column::with_capacity(key, rows, 64);
        for _ in 0..rows {
            reader.value(&mut column)?;
        }
        columns.push(column);
    }
    if reader.at == recorded.len() { Ok(columns) } else { Err(reader.damaged()) }
}

struct Reader<'a> {
    recorded: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self) -> RecordedError {
        RecordedError::Damaged(self.at)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], RecordedError> {
        let end = self.at.checked_add(length).ok_or(self.damaged())?;
        let bytes = self.recorded.get(self.at..end).ok_or(self.damaged())?;
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, RecordedError> {
        Ok(self.bytes(1)?[0])
    }

    fn number(&mut self) -> Result<u64, RecordedError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    /// A number of things that take a byte each at least, so that damage cannot ask for much memory.
    fn count(&mut self) -> Result<usize, RecordedError> {
        let number = self.number()?;
        match usize::try_from(number) {
            Ok(count) if count <= self.recorded.len() => Ok(count),
            _ => Err(self.damaged()),
        }
    }

    fn value(&mut self, column: &mut Column) -> Result<(), RecordedError> {
        match self.number()? {
            ABSENT => {}
            SAME => {
                let rows = column.ends.len();
                let end = column.ends.last().copied().ok_or(self.damaged())? as usize;
                let start = if rows > 1 { column.ends[rows - 2] as usize } else { 0 };
                column.text.extend_from_within(start..end);
            }
            HEX_32 => push_hex::<32, 64>(&self.array()?, &mut column.text),
            HEX_16 => push_hex::<16, 32>(&self.array()?, &mut column.text),
            BASE64_32 => push_base64(&self.array()?, &mut column.text),
            length => {
                let length = usize::try_from(length - TEXT).map_err(|_| self.damaged())?;
                let text = std::str::from_utf8(self.bytes(length)?).map_err(|_| self.damaged())?;
                column.text.extend_from_slice(text.as_bytes());
            }
        }
        column.ends.push(column.text.len() as u32);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordedError> {
        self.bytes(N)?.try_into().map_err(|_| self.damaged())
    }
}

/// Appends the recorded rows as one person: to remove who was sent. Keys that the columns do not have are left out,
/// rows that are empty then too; returns how many rows were appended, 0 where none of it fits.
///
/// # Errors
/// An unknown format, or damaged bytes; nothing is appended then.
pub fn append_to(columns: &mut ColumnSet, recorded: &[u8]) -> Result<u32, RecordedError> {
    append_all_to(columns, &[recorded])
}

/// As [`append_to`], for a person of whom several sets may stand at the partner; equal rows are appended once.
///
/// # Errors
/// An unknown format, or damaged bytes; nothing is appended then.
pub fn append_all_to(columns: &mut ColumnSet, recorded: &[&[u8]]) -> Result<u32, RecordedError> {
    let sets = recorded.iter().map(|set| decode(set)).collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<Vec<&str>> = Vec::new();
    for set in &sets {
        let sources: Vec<Option<&Column>> =
            columns.keys.iter().map(|key| set.iter().find(|column| column.key == *key)).collect();
        for row in 0..set.first().map_or(0, Column::rows) {
            let values: Vec<&str> =
                sources.iter().map(|source| source.map_or("", |column| column.value(row))).collect();
            if values.iter().any(|value| !value.is_empty()) && !rows.contains(&values) {
                rows.push(values);
            }
        }
    }
    if rows.is_empty() {
        return Ok(0);
    }
    for (at, column) in columns.columns.iter_mut().enumerate() {
        rows.iter().for_each(|row| column.push(row[at]));
    }
    let end = columns.rows() + rows.len() as u32;
    columns.person_ends.push(end);
    Ok(rows.len() as u32)
}

/// The fingerprint of recorded identifiers: the first half of their SHA-256. Equal sets of a person have equal ones,
/// over versions of Caravan and machines.
pub fn fingerprint(recorded: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(recorded).into();
    std::array::from_fn(|at| digest[at])
}
