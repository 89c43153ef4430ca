//! CSV as spreadsheets and databases write it (RFC 4180), with a way back after a broken line.
//!
//! A general parser takes everything after a stray quote for one cell. Here a record that cannot be right (a quote
//! that never closes, text after a closing quote, a record over several lines with the wrong number of cells) costs
//! only the line on which it began.
use super::buffer::{Buffer, LIMIT};
use super::json::Next;
use std::io::Read;

/// The records of a file.
#[derive(Debug)]
pub struct Records<R> {
    buffer: Buffer<R>,
    delimiter: u8,
    cells: usize,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// The cells of one record.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Cells<'a> {
    /// The cells in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let cell = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            cell
        })
    }
}

/// What one attempt at a record found.
enum Found {
    /// A record of so many bytes and line ends.
    Record(usize, u64),
    /// It goes on behind the window.
    More,
    /// It cannot be a record.
    Broken(String),
}

impl<R: Read> Records<R> {
    /// Records of a file whose mark has been skipped.
    pub fn new(buffer: Buffer<R>) -> Records<R> {
        Records { buffer, delimiter: b',', cells: 0, text: Vec::new(), ends: Vec::new() }
    }

    /// Bytes taken so far.
    pub fn position(&self) -> u64 {
        self.buffer.position()
    }

    /// The column names. The delimiter is the comma, or, where the first line has none, the semicolon or the tab.
    pub fn head(&mut self) -> Next<Vec<String>> {
        if !self.buffer.skip_blank()? {
            return Ok(None);
        }
        let length = self.buffer.line_length()?.unwrap_or_default();
        let line = &self.buffer.window()[..length];
        if !line.contains(&b',') {
            self.delimiter = [b';', b'\t'].into_iter().find(|byte| line.contains(byte)).unwrap_or(b',');
        }
        let found = self.next()?;
        Ok(found.map(|(line, cells)| (line, cells.map(|cells| cells.iter().map(str::to_owned).collect()))))
    }

    /// From now on a record has so many cells.
    pub fn expect_cells(&mut self, cells: usize) {
        self.cells = cells;
    }

    /// The next record and the line on which it begins.
    pub fn next(&mut self) -> Next<Cells<'_>> {
        if !self.buffer.skip_blank()? {
            return Ok(None);
        }
        let line = self.buffer.line();
        let too_long =
            || Found::Broken("the row is longer than 4 MiB, or a quote is opened and never closed".to_owned());
        let found = loop {
            match self.parse() {
                Found::Record(bytes, _) if bytes > LIMIT => break too_long(),
                Found::More if self.buffer.window().len() > LIMIT => break too_long(),
                Found::More => self.buffer.widen()?,
                found => break found,
            }
        };
        let wrong_count = |have: usize, want: usize| {
            format!("the row has {have} cell{} where the first line has {want}", if have == 1 { "" } else { "s" })
        };
        let broken = match found {
            Found::Record(bytes, lines) => {
                let right = self.cells == 0 || self.ends.len() == self.cells;
                if right || !self.buffer.window()[..bytes].trim_ascii_end().contains(&b'\n') {
                    self.buffer.take(bytes, lines);
                } else {
                    self.buffer.skip_line()?;
                }
                (!right).then(|| wrong_count(self.ends.len(), self.cells))
            }
            Found::Broken(reason) => {
                self.buffer.skip_line()?;
                Some(reason)
            }
            Found::More => None,
        };
        if let Some(reason) = broken {
            return Ok(Some((line, Err(reason))));
        }
        // Cell by cell: what is no text in two cells may be a letter where one follows the other.
        let text = std::str::from_utf8(&self.text).ok();
        let text = text.filter(|text| self.ends.iter().all(|end| text.is_char_boundary(*end)));
        let cells = text.map(|text| Cells { text, ends: &self.ends });
        Ok(Some((line, cells.ok_or_else(|| "the row is not in UTF-8".to_owned()))))
    }

    /// Cuts the record at the window's beginning into cells.
    fn parse(&mut self) -> Found {
        let (window, ended, delimiter) = (self.buffer.window(), self.buffer.ended(), self.delimiter);
        self.text.clear();
        self.ends.clear();
        let mut at = 0;
        let mut lines = 0;
        loop {
            if window.get(at) == Some(&b'"') {
                at += 1;
                loop {
                    let Some(quote) = window[at..].iter().position(|byte| *byte == b'"') else {
                        return if ended {
                            Found::Broken("a quote is opened and never closed".to_owned())
                        } else {
                            Found::More
                        };
                    };
                    let piece = &window[at..at + quote];
                    lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
                    self.text.extend_from_slice(piece);
                    at += quote + 1;
                    match window.get(at) {
                        Some(b'"') => {
                            self.text.push(b'"');
                            at += 1;
                        }
                        None if !ended => return Found::More,
                        _ => break,
                    }
                }
            } else {
                let rest = &window[at..];
                let length = rest.iter().position(|byte| *byte == delimiter || *byte == b'\n');
                let length = match length {
                    Some(length) => length,
                    None if ended => rest.len(),
                    None => return Found::More,
                };
                let mut cell = &rest[..length];
                if rest.get(length) != Some(&delimiter) {
                    cell = cell.strip_suffix(b"\r").unwrap_or(cell);
                }
                self.text.extend_from_slice(cell);
                at += length;
            }
            self.ends.push(self.text.len());
            match &window[at..] {
                [byte, ..] if *byte == delimiter => at += 1,
                [b'\n', ..] => return Found::Record(at + 1, lines + 1),
                [b'\r', b'\n', ..] => return Found::Record(at + 2, lines + 1),
                [] | [b'\r'] if !ended => return Found::More,
                rest @ ([] | [b'\r']) => return Found::Record(at + rest.len(), lines),
                _ => return Found::Broken("there is text after a closing quote".to_owned()),
            }
        }
    }
}
