//! Files that a platform hands over: members of audiences, as whoever made the file wrote it.
use crate::naive_csv;
use caravan_files::users::handed::{Handed, HandedRow, Meaning};
use std::collections::BTreeMap;
use std::io::Write as _;

/// The audience that is asked for.
const AUDIENCE: &str = "gold";
/// Columns whose meaning everybody may say for themselves.
const SAID: [(&str, &str); 3] = [("who", "external_id"), ("of", "audience"), ("left out", "-")];

/// Whatever the bytes are: the file is refused in words, or has the rows that a naive reader reads, on the same lines. A
/// member has the values of its row and none from elsewhere, an identifier, where there is one, is not empty, and a bad
/// row costs no other.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    let Some(Read { names_audiences, attributes, rows }) = read(bytes) else { return };
    let naive = naive_csv::read(bytes).expect("a file whose first line names its columns");
    let lines = |rows: &[HandedRow]| rows.iter().map(|(line, _)| *line).collect::<Vec<_>>();
    let expected: Vec<u64> = naive.records.iter().map(|record| record.line).collect();
    assert_eq!(lines(&rows), expected, "the lines on which rows begin");
    for ((line, row), record) in rows.iter().zip(&naive.records) {
        let (member, cells) = match (row, &record.cells) {
            (Err(why), _) => {
                assert!(!why.is_empty());
                continue;
            }
            (Ok(_), None) => panic!("line {line} is taken, and cannot be a row"),
            (Ok(None), Some(_)) => {
                assert!(names_audiences, "line {line}: only a row that names its audience is another's");
                continue;
            }
            (Ok(Some(member)), Some(cells)) => (member, cells),
        };
        for (key, value) in &member.values {
            let is_there = cells.iter().any(|cell| cell.contains(value.as_str()) || cell.contains('\\'));
            assert!(is_there, "line {line}: {key} is in no cell");
            if !key.starts_with("attributes.") {
                assert!(!value.trim().is_empty() && value.len() <= 1_000, "line {line}: {key}");
            }
        }
        let told = member.values.iter().filter(|(key, _)| key.starts_with("attributes.")).map(|(key, _)| key.clone());
        assert_eq!(told.collect::<Vec<_>>(), attributes, "line {line}: every attribute, be it empty");
    }
}

/// A file as it was read.
#[derive(Debug, PartialEq)]
struct Read {
    names_audiences: bool,
    attributes: Vec<String>,
    rows: Vec<HandedRow>,
}

/// Reads a file twice over, with the same end; none where it is refused.
fn read(bytes: &[u8]) -> Option<Read> {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let meaning = |word: &str| Meaning::of_word(word).expect("a word of configurations");
    let said: BTreeMap<String, Meaning> = SAID.iter().map(|(name, word)| ((*name).to_owned(), meaning(word))).collect();
    let once = || {
        let opened = Handed::open(file.path(), &said);
        let mut handed = opened.inspect_err(|why| assert!(!why.is_empty())).ok()?;
        Some(Read {
            names_audiences: handed.has(&Meaning::Audience),
            attributes: handed.attributes().collect(),
            rows: std::iter::from_fn(|| handed.next_row(AUDIENCE).expect("a file that can be read")).collect(),
        })
    };
    let first = once();
    assert_eq!(once(), first, "read again, it says the same");
    first
}
