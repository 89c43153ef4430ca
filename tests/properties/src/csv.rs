//! Users files: CSV as whoever made it wrote it.
use crate::naive_csv;
use caravan_files::users::Users;
use caravan_model::Profile;
use serde_json::Value;
use std::io::Write as _;

/// Columns whose cells may be refused for what they say.
const STRICT: [&str; 5] = ["birth_date", "ad_tracking_enabled", "do_not_sell_or_share", "consents", "attributes"];
/// Columns that are a plain text of the profile.
const TEXTS: [&str; 11] =
    ["first_name", "last_name", "gender", "city", "state", "zip", "country", "idfa", "gaid", "time_zone", "locale"];
/// Columns that may hold several values.
const SEVERAL: [&str; 5] = ["email", "emails", "phone", "phones", "aliases"];

/// One row as the host read it: the line on which it begins, and the person or a reason.
pub type Read = (u64, Result<Profile, String>);

/// Reads bytes as the command line reads a file of that name; none where it takes no such file.
///
/// # Panics
/// The file cannot be written or read, or its rows are not numbered.
pub fn read(bytes: &[u8], suffix: &str) -> Option<Vec<Read>> {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let mut users = Users::open(file.path()).ok()?;
    let mut rows = Vec::new();
    while let Some(row) = users.next_row().expect("a file that can be read") {
        assert_eq!(row.number, rows.len() as u64, "rows are numbered from 0");
        rows.push((row.line, row.person));
        assert!(users.position() <= bytes.len() as u64);
    }
    assert_eq!(users.position(), bytes.len() as u64, "it is read to its end");
    Some(rows)
}

/// Whatever the bytes are, the host reads the rows that a naive reader reads, with the same cells on the same lines, and
/// refuses the same ones; a bad row costs no other.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    // As JSON lines they are another matter: no panic, and numbers and positions as they should be.
    let _ = read(bytes, ".jsonl");
    let rows = read(bytes, ".csv");
    let Some(naive) = naive_csv::read(bytes).filter(naive_csv::File::is_of_people) else {
        assert!(rows.is_none(), "the host takes a file whose first line names no columns");
        return;
    };
    let rows = rows.expect("a file whose first line names its columns");
    let lines = |rows: &[Read]| rows.iter().map(|(line, _)| *line).collect::<Vec<_>>();
    let expected: Vec<u64> = naive.records.iter().map(|record| record.line).collect();
    assert_eq!(lines(&rows), expected, "the lines on which rows begin");
    for ((line, person), record) in rows.iter().zip(&naive.records) {
        match (person, &record.cells) {
            (Ok(person), Some(cells)) => same(person, &naive.names, cells, *line),
            (Err(_), None) => {}
            (Ok(_), None) => panic!("line {line} is taken, and cannot be a row"),
            (Err(why), Some(cells)) => assert!(may_be_refused(&naive.names, cells), "line {line}: {why}"),
        }
    }
    assert_eq!(read(bytes, ".csv"), Some(rows), "read again, it says the same");
}

/// Whether what the cells say may be wrong: a person without an id, or a field of a form.
fn may_be_refused(names: &[String], cells: &[String]) -> bool {
    names.iter().zip(cells).any(|(name, cell)| match name.as_str() {
        "external_id" => cell.trim().is_empty() || cell.trim().len() > 1_024,
        name => STRICT.contains(&name) && !cell.trim().is_empty(),
    })
}

/// The person is what the cells say.
fn same(person: &Profile, names: &[String], cells: &[String], line: u64) {
    let json = serde_json::to_value(person).expect("JSON");
    for (name, cell) in names.iter().zip(cells) {
        let (name, trimmed) = (name.as_str(), cell.trim());
        match name {
            "external_id" => assert_eq!(person.external_id, trimmed, "line {line}"),
            _ if TEXTS.contains(&name) => {
                let right = (!trimmed.is_empty()).then_some(cell.as_str());
                assert_eq!(json.get(name).and_then(Value::as_str), right, "line {line}: {name}");
            }
            _ if SEVERAL.contains(&name) => several(person, name, trimmed),
            _ if STRICT.contains(&name) => {}
            // Attributes of one's own; the column `attributes` may say the same name.
            _ if names.iter().any(|name| name == "attributes") => {}
            _ if trimmed.is_empty() => assert_eq!(person.attributes.get(name), None, "line {line}: {name}"),
            _ => attribute(&person.attributes[name], cell),
        }
    }
}

/// Every value of the cell is among the person's, trimmed and once.
fn several(person: &Profile, name: &str, cell: &str) {
    let values = match name {
        "email" | "emails" => &person.emails,
        "phone" | "phones" => &person.phones,
        _ => &person.aliases,
    };
    let unique = |(at, value): (usize, &String)| !value.is_empty() && !values[..at].contains(value);
    assert!(values.iter().enumerate().all(unique), "{values:?}");
    // Lists in brackets, and parameters of telephone numbers, are read in another way.
    let reads_otherwise = cell.starts_with('[') || (name.starts_with("phone") && cell.contains('='));
    if !reads_otherwise {
        for value in cell.split(';').map(str::trim).filter(|value| !value.is_empty()) {
            assert!(values.iter().any(|known| known == value), "`{value}` of {name} is lost");
        }
    }
}

/// A value that says what the cell says.
fn attribute(value: &Value, cell: &str) {
    match value {
        Value::String(text) => assert_eq!(text, cell),
        Value::Bool(flag) => assert_eq!(cell.to_lowercase(), flag.to_string()),
        Value::Number(number) => {
            let (read, written) = (number.as_f64(), cell.parse::<f64>().ok());
            assert!(read == written && !cell.contains(['e', 'E', '+']), "{cell} became {number}");
        }
        value => assert_eq!(serde_json::from_str::<Value>(cell).ok().as_ref(), Some(value)),
    }
}

/// A CSV file of rows, every cell in quotes.
pub fn written(names: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| {
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        quoted.join(",") + "\r\n"
    };
    let rows = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(names.to_vec())).chain(rows).collect()
}
