//! Files of what people did, for `event import`: CSV, JSON lines of our own form, or of Segment's messages.
//!
//! In JSON lines, an object with a `type`, a `userId` or an `anonymousId` is a message as the tracking API takes it; any
//! other is `{external_id, event, at, properties?, message_id?}`. A CSV file has the columns `external_id`, `event` and
//! `timestamp` (or `at`), may have `message_id` and `properties` (a JSON object), and each further column is a property.
use super::buffer::Buffer;
use super::csv::{Cells, Records};
use super::events::{Said, instant, said};
use super::fields::detect;
use super::{hash, json, unreadable};
use caravan_model::{Code, Digest, Event, Message, Millis, Problem, Profile, Told};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

/// The longest external id and event name, as the tracking API has it.
const LONGEST: usize = 1_000;

/// A message, with its id where it has one; or what is wrong with the row, without any of its values.
pub type Read = Result<(Option<String>, Message), String>;

/// One row.
#[derive(Debug)]
pub struct StreamRow {
    /// Its place among the file's records, from 0.
    pub number: u64,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// What it says.
    pub message: Read,
}

/// A file of what people did, open and hashed.
#[derive(Debug)]
pub struct Stream {
    /// As the person named it.
    pub path: PathBuf,
    /// Of its bytes: the same file under another name is the same source.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    next: u64,
    received: Millis,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Csv(Records<File>, Vec<Column>),
    Json(Buffer<File>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    ExternalId,
    Event,
    At,
    MessageId,
    Properties,
    Property(String),
}

impl Column {
    fn named(name: &str) -> Column {
        match name {
            "external_id" | "user_id" | "userId" => Column::ExternalId,
            "event" => Column::Event,
            "timestamp" | "at" => Column::At,
            "message_id" | "messageId" => Column::MessageId,
            "properties" => Column::Properties,
            other => Column::Property(other.to_owned()),
        }
    }
}

impl Stream {
    /// Opens and hashes a file, and finds out whether it is CSV or JSON lines: by the extension, else by its first
    /// character. Nothing in it happens later than `received`.
    ///
    /// # Errors
    /// The file cannot be read, or its head line lacks a column.
    pub fn open(path: &Path, received: Millis) -> Result<Stream, Problem> {
        let wrong = |error| unreadable(path, &error);
        let mut file = File::open(path).map_err(wrong)?;
        let (digest, size) = hash(&mut file).map_err(wrong)?;
        file.rewind().map_err(wrong)?;
        let mut buffer = Buffer::new(file);
        buffer.skip_mark().map_err(wrong)?;
        let first = buffer.peek().map_err(wrong)?.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let extension = path.extension().and_then(|text| text.to_str()).unwrap_or_default().to_ascii_lowercase();
        let is_json = match extension.as_str() {
            "csv" | "tsv" => false,
            "jsonl" | "ndjson" => true,
            _ => matches!(first, Some(b'{')),
        };
        let form = if is_json { Form::Json(buffer) } else { head(path, Records::new(buffer))? };
        Ok(Stream { path: path.to_owned(), digest, size, next: 0, received, form })
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
    pub fn next_row(&mut self) -> Result<Option<StreamRow>, Problem> {
        let received = self.received;
        let found = match &mut self.form {
            Form::Csv(records, columns) => records.next().map(|next| {
                next.map(|(line, cells)| {
                    (line, cells.and_then(|cells| of_cells(columns, cells)).map(|said| took(said, received)))
                })
            }),
            Form::Json(buffer) => json::next_object(buffer)
                .map(|next| next.map(|(line, object)| (line, object.and_then(|object| of_object(object, received))))),
        };
        let found = found.map_err(|error| unreadable(&self.path, &error))?;
        Ok(found.map(|(line, message)| {
            let number = self.next;
            self.next += 1;
            StreamRow { number, line, message: message.and_then(short_enough) }
        }))
    }
}

/// Reads the head line of a CSV file.
fn head(path: &Path, mut records: Records<File>) -> Result<Form, Problem> {
    let wrong = |message: String| {
        Problem::new(Code::UserRow, message)
            .in_file(path.display().to_string())
            .at_line(1)
            .cure("the first line names the columns: external_id,event,timestamp,message_id,…")
    };
    let names = match records.head().map_err(|error| unreadable(path, &error))? {
        None => return Err(wrong("the file is empty".to_owned())),
        Some((_, Err(reason))) => {
            return Err(wrong(format!("the line with the column names cannot be read: {reason}")));
        }
        Some((_, Ok(names))) => names,
    };
    let columns: Vec<Column> = names.iter().map(|name| Column::named(name.trim())).collect();
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].contains(column) {
            return Err(wrong(format!("the column `{}` is there twice", names[place].trim())));
        }
    }
    for (column, name) in [(Column::ExternalId, "external_id"), (Column::Event, "event"), (Column::At, "timestamp")] {
        if !columns.contains(&column) {
            return Err(wrong(format!("there is no column `{name}`")));
        }
    }
    records.expect_cells(names.len());
    Ok(Form::Csv(records, columns))
}

fn of_cells(columns: &[Column], cells: Cells<'_>) -> Result<Said, String> {
    let (mut external_id, mut name, mut at, mut message_id) = (None, None, None, None);
    let mut properties = Map::new();
    for (column, cell) in columns.iter().zip(cells.iter()) {
        let text = cell.trim();
        if text.is_empty() {
            continue;
        }
        match column {
            Column::ExternalId => external_id = Some(text.to_owned()),
            Column::Event => name = Some(text.to_owned()),
            Column::At => {
                let cure = "timestamp is no instant as 2026-11-12T09:00:00Z (RFC 3339)";
                at = Some(instant(text).ok_or(cure)?);
            }
            Column::MessageId => message_id = Some(text.to_owned()),
            Column::Properties => match serde_json::from_str(text) {
                Ok(Value::Object(object)) => properties.extend(object),
                _ => return Err("properties is no JSON object".to_owned()),
            },
            Column::Property(name) => {
                properties.insert(name.clone(), detect(text));
            }
        }
    }
    let external_id = external_id.ok_or("external_id is missing")?;
    let name = name.ok_or("event is missing")?;
    let at = at.ok_or("timestamp is missing")?;
    Ok(Said { external_id, message_id, event: Event { name, at, properties } })
}

fn of_object(object: Map<String, Value>, received: Millis) -> Read {
    if ["type", "userId", "anonymousId"].iter().any(|name| object.contains_key(*name)) {
        let read = caravan_api::read_message(&Value::Object(object), received);
        return read.map_err(|problem| match problem.path {
            Some(path) => format!("{path}: {}", problem.message),
            None => problem.message,
        });
    }
    Ok(took(said(object)?, received))
}

fn took(said: Said, received: Millis) -> (Option<String>, Message) {
    // Nothing happens in the future.
    let event = Event { at: said.event.at.min(received), ..said.event };
    let who = Profile { external_id: said.external_id, told: Told::at(event.at), ..Profile::default() };
    (said.message_id, Message { who, event: Some(event), ..Message::default() })
}

fn short_enough((id, message): (Option<String>, Message)) -> Read {
    let long = |text: &str| text.len() > LONGEST;
    if long(&message.who.external_id) || message.event.as_ref().is_some_and(|event| long(&event.name)) {
        return Err("an id or the event's name has more than 1,000 bytes".to_owned());
    }
    Ok((id.filter(|id| !long(id)), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn rows(name: &str, text: &str) -> Vec<(u64, Read)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut stream = Stream::open(&path, NOW).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = stream.next_row().unwrap() {
            rows.push((row.line, row.message));
        }
        rows
    }

    #[test]
    fn csv_and_both_forms_of_json_lines_say_the_same() {
        let csv = rows(
            "a.csv",
            "external_id,event,timestamp,message_id,n,properties\nu1,Opened,2026-01-02T03:04:05Z,m1,3,\"{\"\"a\"\":\"\"b\"\"}\"\n",
        );
        let plain = rows(
            "b.jsonl",
            r#"{"external_id": "u1", "event": "Opened", "at": "2026-01-02T03:04:05Z", "message_id": "m1", "properties": {"n": 3, "a": "b"}}"#,
        );
        let segment = rows(
            "c.jsonl",
            r#"{"type": "track", "userId": "u1", "event": "Opened", "timestamp": "2026-01-02T03:04:05Z", "messageId": "m1", "properties": {"n": 3, "a": "b"}}"#,
        );
        assert_eq!(csv[0].1, plain[0].1);
        assert_eq!(plain[0].1, segment[0].1);
        let (id, message) = plain[0].1.clone().unwrap();
        assert_eq!((id.as_deref(), message.event.unwrap().at), (Some("m1"), Millis(1_767_323_045_000)));
    }

    #[test]
    fn a_bad_row_costs_itself_alone_and_says_nothing_of_its_values() {
        let csv = rows(
            "a.csv",
            "external_id,event,at\nu1,Opened,2026-01-02T03:04:05Z\nu2,Opened,secret-day\n,Opened,2026-01-02T03:04:05Z\nu3,Opened,2099-01-02T03:04:05Z\n",
        );
        let wrong: Vec<(u64, &str)> =
            csv.iter().filter_map(|(line, read)| Some((*line, read.as_ref().err()?.as_str()))).collect();
        assert_eq!(
            wrong,
            [(3, "timestamp is no instant as 2026-11-12T09:00:00Z (RFC 3339)"), (4, "external_id is missing"),]
        );
        let future = csv[3].1.as_ref().unwrap().1.event.as_ref().unwrap();
        assert_eq!(future.at, NOW, "nothing happens in the future");
        let json = rows(
            "b.jsonl",
            "{\"type\": \"track\", \"userId\": \"u1\"}\n{\n{\"userId\": \"u1\", \"type\": \"dance\"}\n",
        );
        assert!(json.iter().all(|(_, read)| read.is_err()));
        assert_eq!(json.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
