//! A growing window over a file, from which lines and records are cut.
use std::io::{self, Read};

/// The window's first size.
const START: usize = 256 << 10;
/// The longest record: beyond it the line on which it began is broken.
pub const LIMIT: usize = 4 << 20;

/// A window over a reader.
#[derive(Debug)]
pub struct Buffer<R> {
    from: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    line: u64,
    position: u64,
}

impl<R: Read> Buffer<R> {
    /// A window at the reader's beginning.
    pub fn new(from: R) -> Buffer<R> {
        Buffer { from, bytes: vec![0; START], start: 0, end: 0, ended: false, line: 1, position: 0 }
    }

    /// What the window holds now.
    pub fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether the window reaches to the end of the file.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The line on which the window begins, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Bytes taken so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fills an empty window and shows it.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.widen()?;
        }
        Ok(self.window())
    }

    /// Reads more behind the window's end; grows where it is full.
    pub fn widen(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        loop {
            match self.from.read(&mut self.bytes[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    /// Moves the window's beginning on by `n` bytes, which hold `lines` line ends.
    pub fn take(&mut self, n: usize, lines: u64) {
        self.start += n;
        self.position += n as u64;
        self.line += lines;
    }

    /// Skips a UTF-8 byte order mark.
    pub fn skip_mark(&mut self) -> io::Result<()> {
        while self.window().len() < 3 && !self.ended {
            self.widen()?;
        }
        if self.window().starts_with(&[0xEF, 0xBB, 0xBF]) {
            self.take(3, 0);
        }
        Ok(())
    }

    /// The length of the window's first line, its end included; `None` where it is longer than [`LIMIT`]. At the end
    /// of the file 0.
    pub fn line_length(&mut self) -> io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.window()[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(searched + at + 1).filter(|length| *length <= LIMIT));
            }
            searched = self.window().len();
            if self.ended {
                return Ok(Some(searched).filter(|length| *length <= LIMIT));
            }
            if searched > LIMIT {
                return Ok(None);
            }
            self.widen()?;
        }
    }

    /// Leaves out the window's first line, however long.
    pub fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = self.window().iter().position(|byte| *byte == b'\n') {
                self.take(at + 1, 1);
                return Ok(());
            }
            self.take(self.window().len(), 0);
            if self.ended {
                return Ok(());
            }
            self.widen()?;
        }
    }

    /// Leaves out empty lines. False at the end of the file.
    pub fn skip_blank(&mut self) -> io::Result<bool> {
        loop {
            match self.window() {
                [b'\n', ..] => self.take(1, 1),
                [b'\r', b'\n', ..] => self.take(2, 1),
                [] | [b'\r'] if !self.ended => self.widen()?,
                [b'\r'] => self.take(1, 0),
                [] => return Ok(false),
                _ => return Ok(true),
            }
        }
    }
}
