//! What goes to stdout, and how numbers and tables look.
use crate::args::Global;
use crate::fail::End;
use caravan_model::Millis;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};

/// Writes data to stdout, with a line end.
///
/// # Errors
/// As the system says; a broken pipe ends the process as a success (see `fail::report`).
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Writes one JSON value, indented for people.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Writes an answer: data where that is asked for, else words. A verb that says it is done.
///
/// # Errors
/// As [`print`].
pub fn say(global: &Global, data: &Value, words: &str) -> anyhow::Result<End> {
    match global.json {
        true => print_json(data)?,
        false => print(words)?,
    }
    Ok(End::Done)
}

/// `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text of data; empty where there is none.
pub fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A number of data, as [`count`] writes it; empty where there is none.
pub fn count_of(value: &Value) -> String {
    value.as_u64().map(count).unwrap_or_default()
}

/// An instant of data, as [`instant`] writes it; empty where there is none.
pub fn instant_of(value: &Value) -> String {
    value.as_i64().map(|at| instant(Millis(at))).unwrap_or_default()
}

/// `1 person`, `2 people`.
pub fn people(n: u64) -> String {
    plural(n, "person", "people")
}

/// A number with the word that fits it.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// Columns, two spaces apart, as wide as they need to be. Lines carry no trailing space.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).chain([head[at].len()]).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(head.to_vec());
    rows.iter().for_each(|row| text.push_str(&line(row.iter().map(String::as_str).collect())));
    text
}

/// An instant as people read it: `2026-11-22 06:08:13Z`.
pub fn instant(at: Millis) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => "never".to_owned(),
    }
}

/// What a person types for `caravan`: `cargo xtask demo` sets it, because nothing is on the path yet then.
pub fn called() -> String {
    std::env::var("CARAVAN_CALLED").unwrap_or_else(|_| "caravan".to_owned())
}

/// A word of a command line, quoted where the shell would take it apart.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::Millis;

    #[test]
    fn numbers_have_separators() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (100_000, "100,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        assert_eq!((people(1), people(2_000)), ("1 person".to_owned(), "2,000 people".to_owned()));
    }

    #[test]
    fn tables_align() {
        let rows = vec![vec!["añb".to_owned(), "1".to_owned()], vec!["c".to_owned(), String::new()]];
        assert_eq!(table(&["A", "COUNT"], &rows), "A    COUNT\nañb  1\nc\n");
    }

    #[test]
    fn instants_are_plain() {
        assert_eq!(instant(Millis(1_794_470_400_250)), "2026-11-12 08:00:00Z");
        assert_eq!(instant(Millis::NEVER), "never");
    }

    #[test]
    fn commands_survive_the_shell() {
        assert_eq!(
            (quoted("a/b-1.csv").as_str(), quoted("it's").as_str(), quoted("").as_str()),
            ("a/b-1.csv", r"'it'\''s'", "''")
        );
    }
}
