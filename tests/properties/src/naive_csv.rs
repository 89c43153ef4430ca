//! CSV by hand, over a whole file in memory: one character at a time, after RFC 4180, with one rule for what cannot be
//! right: it costs the line on which it began, and nothing else.

/// A file.
pub(crate) struct File {
    /// The columns, trimmed.
    pub(crate) names: Vec<String>,
    pub(crate) records: Vec<Record>,
}

/// One record, good or bad.
pub(crate) struct Record {
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
    /// Its cells; none where it cannot be a row.
    pub(crate) cells: Option<Vec<String>>,
}

impl File {
    /// Whether it may be one of people: each column has a name of its own, and one is `external_id`.
    pub(crate) fn is_of_people(&self) -> bool {
        let names = &self.names;
        let good = |(place, name): (usize, &String)| !name.is_empty() && !names[..place].contains(name);
        names.iter().enumerate().all(good) && names.iter().any(|name| name == "external_id")
    }
}

/// Reads a file; none where its first line cannot be read.
pub(crate) fn read(bytes: &[u8]) -> Option<File> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return None;
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    // After the mark too, as the host looks at it there.
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return None;
    }
    let (mut at, mut line) = (0, 1);
    blank(bytes, &mut at, &mut line);
    let head = bytes[at..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if head.contains(&b',') {
        b','
    } else {
        *[b';', b'\t'].iter().find(|byte| head.contains(byte)).unwrap_or(&b',')
    };
    if at == bytes.len() {
        return None;
    }
    let (cells, behind) = record(&bytes[at..], delimiter)?;
    line += newlines(&bytes[at..at + behind]);
    at += behind;
    let names: Option<Vec<String>> = cells.into_iter().map(|cell| String::from_utf8(cell).ok()).collect();
    let names: Vec<String> = names?.iter().map(|name| name.trim().to_owned()).collect();
    let mut records = Vec::new();
    loop {
        blank(bytes, &mut at, &mut line);
        if at == bytes.len() {
            return Some(File { names, records });
        }
        let rest = &bytes[at..];
        let first_line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let (cells, length) = match record(rest, delimiter) {
            Some((cells, length)) if cells.len() == names.len() => (Some(cells), length),
            _ => (None, first_line),
        };
        let text = |cells: Vec<Vec<u8>>| cells.into_iter().map(|cell| String::from_utf8(cell).ok()).collect();
        records.push(Record { line, cells: cells.and_then(text) });
        line += newlines(&rest[..length]);
        at += length;
    }
}

/// Leaves out empty lines.
fn blank(bytes: &[u8], at: &mut usize, line: &mut u64) {
    loop {
        let length = match &bytes[*at..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [b'\r'] => 1,
            _ => return,
        };
        *line += newlines(&bytes[*at..*at + length]);
        *at += length;
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The cells of the record at the beginning, and its length with its line's end; none where it is broken.
fn record(bytes: &[u8], delimiter: u8) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut cells = vec![Vec::new()];
    let (mut quoted, mut closed, mut begun) = (false, false, false);
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let next = bytes.get(at + 1).copied();
        at += 1;
        let cell = cells.last_mut()?;
        if quoted {
            match (byte, next) {
                (b'"', Some(b'"')) => {
                    cell.push(b'"');
                    at += 1;
                }
                (b'"', _) => (quoted, closed) = (false, true),
                _ => cell.push(byte),
            }
        } else if byte == b'"' && !begun {
            (quoted, begun) = (true, true);
        } else if byte == delimiter {
            cells.push(Vec::new());
            (closed, begun) = (false, false);
        } else if byte == b'\n' {
            return Some((cells, at));
        } else if byte == b'\r' && (next == Some(b'\n') || next.is_none()) {
            at += usize::from(next.is_some());
            return Some((cells, at));
        } else if closed {
            return None;
        } else {
            cell.push(byte);
            begun = true;
        }
    }
    (!quoted).then_some((cells, at))
}
