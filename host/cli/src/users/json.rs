//! JSON lines: one object per line.
use super::buffer::Buffer;
use super::fields::{self, Column};
use caravan_model::Profile;
use serde_json::{Map, Value};
use std::io::{self, Read};

/// What a line gave, and its number; `None` at the end.
pub type Next<T> = io::Result<Option<(u64, Result<T, String>)>>;

/// The next line's person and its line number.
pub fn next<R: Read>(buffer: &mut Buffer<R>) -> Next<Profile> {
    next_object(buffer).map(|next| next.map(|(line, object)| (line, object.and_then(profile))))
}

/// The next line's object and its line number.
pub fn next_object<R: Read>(buffer: &mut Buffer<R>) -> Next<Map<String, Value>> {
    if !buffer.skip_blank()? {
        return Ok(None);
    }
    let line = buffer.line();
    let Some(length) = buffer.line_length()? else {
        buffer.skip_line()?;
        return Ok(Some((line, Err("the line is longer than 4 MiB".to_owned()))));
    };
    let bytes = &buffer.window()[..length];
    let object = match std::str::from_utf8(bytes) {
        Err(_) => Err("the line is not in UTF-8".to_owned()),
        Ok(text) => serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "the line is no JSON object".to_owned(),
            _ => format!("the line is no JSON: broken at character {}", error.column()),
        }),
    };
    let lines = u64::from(bytes.ends_with(b"\n"));
    buffer.take(length, lines);
    Ok(Some((line, object)))
}

fn profile(object: Map<String, Value>) -> Result<Profile, String> {
    let mut profile = Profile::default();
    for (name, value) in object {
        if value.is_null() {
            continue;
        }
        match Column::known(&name) {
            Some(column) => fields::set_value(&mut profile, column, &name, value)?,
            None => {
                profile.attributes.insert(name, value);
            }
        }
    }
    fields::finish(profile)
}
