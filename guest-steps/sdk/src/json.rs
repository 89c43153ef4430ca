//! JSON for large bodies: columns of packed values, written without a value tree and without allocating per row.
//!
//! Small bodies and answers are better made and read with `serde_json`; its objects are sorted by name, so they too
//! come out the same every time.
use crate::{Sink, Values};

/// A column prepared for JSON: whether its values need escaping is decided once, for the whole column.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    values: Values<'a>,
    plain: bool,
    length: u64,
}

impl<'a> Cells<'a> {
    /// A column of digests in hexadecimal or base64: the contract says that none needs escaping.
    pub fn digests(values: Values<'a>) -> Cells<'a> {
        Cells { values, plain: true, length: values.text().len() as u64 }
    }

    /// A column of any text.
    pub fn texts(values: Values<'a>) -> Cells<'a> {
        let length = escaped_length(values.text());
        Cells { values, plain: length == values.text().len() as u64, length }
    }

    /// The column.
    pub fn values(&self) -> Values<'a> {
        self.values
    }

    /// How many bytes all values take, escaped, without quotes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes the value of a row, escaped where needed, without quotes, and then `after`.
    #[inline(always)]
    pub fn put(&self, row: usize, after: &[u8], sink: &mut Sink<'_>) {
        let value = self.values.get(row);
        if self.plain {
            sink.put_between(b"", value, after);
        } else {
            put_escaped(value, sink);
            sink.put(after);
        }
    }
}

/// How many bytes `write` writes: it is run once, and what it writes is thrown away.
pub fn measure(write: &dyn Fn(&mut Sink<'_>)) -> u64 {
    let mut nowhere = |_: &[u8]| Ok(());
    let mut sink = Sink::new(&mut nowhere);
    write(&mut sink);
    sink.finish().unwrap_or_default()
}

/// Writes a text as JSON, with quotes.
pub fn put_string(text: &str, sink: &mut Sink<'_>) {
    sink.put(b"\"");
    put_escaped(text.as_bytes(), sink);
    sink.put(b"\"");
}

/// How many bytes a text takes in JSON, with quotes.
pub fn string_length(text: &str) -> u64 {
    escaped_length(text.as_bytes()) + 2
}

/// A text as JSON, with quotes.
pub fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `"`, `\` and control characters; everything else stands for itself in JSON's UTF-8.
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape_length(byte: u8) -> u64 {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        _ => 6,
    }
}

fn escaped_length(text: &[u8]) -> u64 {
    let extra: u64 = text.iter().filter(|&&byte| needs_escape(byte)).map(|&byte| escape_length(byte) - 1).sum();
    text.len() as u64 + extra
}

fn put_escaped(text: &[u8], sink: &mut Sink<'_>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
        sink.put(&rest[..at]);
        match rest[at] {
            b'\n' => sink.put(b"\\n"),
            b'\r' => sink.put(b"\\r"),
            b'\t' => sink.put(b"\\t"),
            0x08 => sink.put(b"\\b"),
            0x0c => sink.put(b"\\f"),
            byte @ (b'"' | b'\\') => sink.put(&[b'\\', byte]),
            byte => sink.put(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
        rest = &rest[at + 1..];
    }
    sink.put(rest);
}

#[cfg(test)]
mod tests {
    use super::{Cells, put_string, string, string_length};
    use crate::{Rows, Sink, testing};

    fn written(write: impl Fn(&mut Sink<'_>)) -> String {
        let mut body = Vec::new();
        let mut out = |bytes: &[u8]| {
            body.extend_from_slice(bytes);
            Ok(())
        };
        let mut sink = Sink::new(&mut out);
        write(&mut sink);
        sink.finish().expect("a vector takes everything");
        String::from_utf8(body).expect("UTF-8")
    }

    #[test]
    fn texts_are_escaped_as_serde_json_does_it() {
        for text in ["", "plain", "ключ-7", "a\"b\\c", "\u{0}\u{1f}\u{8}\u{c}\n\r\t", "\u{7f}é東京", "\\\\\"\""]
        {
            let json = written(|sink| put_string(text, sink));
            assert_eq!(json, string(text));
            assert_eq!(json.len() as u64, string_length(text));
        }
    }

    #[test]
    fn a_column_knows_its_length_and_escapes_only_where_needed() {
        let part = testing::part("people", &[("ID", &["a", "", "q\"q"]), ("EMAIL", &["ff", "", "00"])]);
        let rows = Rows::of(&part).expect("sound");
        let (ids, emails) = (Cells::texts(rows.columns()[0]), Cells::digests(rows.columns()[1]));
        assert!(!ids.plain && emails.plain);
        let all = written(|sink| (0..3).for_each(|row| ids.put(row, b"", sink)));
        assert_eq!((all.as_str(), ids.length()), ("aq\\\"q", 5));
        assert_eq!(written(|sink| (0..3).for_each(|row| emails.put(row, b"|", sink))), "ff||00|");
    }
}
