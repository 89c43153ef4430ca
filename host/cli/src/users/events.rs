//! Events files: JSON lines `{external_id, event, at, properties?, message_id?}`.
use super::buffer::Buffer;
use super::{hash, json, unreadable};
use caravan_model::{Digest, Event, Millis, Problem};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

/// What an event line says.
#[derive(Debug, PartialEq)]
pub struct Said {
    /// Who.
    pub external_id: String,
    /// The sender's id of this message: the same id twice is the same event.
    pub message_id: Option<String>,
    /// What and when.
    pub event: Event,
}

/// One line of an events file.
#[derive(Debug)]
pub struct EventRow {
    /// Its line, from 1.
    pub line: u64,
    /// The event, or what is wrong with the line.
    pub said: Result<Said, String>,
}

/// An events file, open.
#[derive(Debug)]
pub struct Events {
    /// As the person named it.
    pub path: PathBuf,
    /// Of its bytes.
    pub digest: Digest,
    buffer: Buffer<File>,
}

impl Events {
    /// Opens and hashes a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Events, Problem> {
        let wrong = |error| unreadable(path, &error);
        let mut file = File::open(path).map_err(wrong)?;
        let (digest, _) = hash(&mut file).map_err(wrong)?;
        file.rewind().map_err(wrong)?;
        let mut buffer = Buffer::new(file);
        buffer.skip_mark().map_err(wrong)?;
        Ok(Events { path: path.to_owned(), digest, buffer })
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// The file could not be read on.
    pub fn next_row(&mut self) -> Result<Option<EventRow>, Problem> {
        let next = json::next_object(&mut self.buffer).map_err(|error| unreadable(&self.path, &error))?;
        Ok(next.map(|(line, object)| EventRow { line, said: object.and_then(said) }))
    }
}

pub(super) fn said(mut object: Map<String, Value>) -> Result<Said, String> {
    let mut text = |name: &str| match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) if name != "at" && name != "event" => Ok(Some(number.to_string())),
        Some(_) => Err(format!("{name} is no text")),
    };
    let external_id = text("external_id")?.ok_or("external_id is missing")?;
    let name = text("event")?.ok_or("event is missing")?;
    let at = text("at")?.ok_or("at is missing")?;
    let at = instant(&at).ok_or("at is no instant as 2026-11-12T09:00:00Z (RFC 3339)")?;
    let message_id = text("message_id")?;
    let properties = match object.remove("properties") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("properties is no object".to_owned()),
    };
    match object.keys().next() {
        Some(unknown) => Err(format!("there is no field `{unknown}` in an event; put it into `properties`")),
        None => Ok(Said { external_id, message_id, event: Event { name, at, properties } }),
    }
}

/// An RFC 3339 instant.
pub(super) fn instant(text: &str) -> Option<Millis> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Millis(instant.as_millisecond()))
}
