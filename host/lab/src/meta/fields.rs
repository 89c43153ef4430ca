//! The `fields` parameter, cursor paging, and what they cut out of an object.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{MetaError, Origin};
use crate::form::{Params, encode};

/// Field names at the top level of a `fields` parameter; `delivery_status{code}` counts as `delivery_status`.
pub(super) fn requested(params: &Params<'_>) -> Option<Vec<String>> {
    let text = params.filled("fields")?;
    if text.starts_with('[')
        && let Ok(names) = serde_json::from_str::<Vec<String>>(text)
    {
        return Some(names);
    }
    let mut names = vec![String::new()];
    let mut depth = 0usize;
    for letter in text.chars() {
        match letter {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 && !letter.is_whitespace() => {
                if let Some(name) = names.last_mut() {
                    name.push(letter);
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    Some(names)
}

/// The requested fields of an object, and always its id. A name that the object's type does not have is an error; a
/// field without a value is left out.
pub(super) fn select(
    mut object: Map<String, Value>,
    names: &[String],
    kind: &str,
    known: &[&str],
) -> Result<Value, MetaError> {
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let message = format!("(#100) Tried accessing nonexisting field ({name}) on node type ({kind})");
        return Err(MetaError::new(100, message));
    }
    object.retain(|name, value| (name == "id" || names.contains(name)) && !value.is_null());
    Ok(Value::Object(object))
}

/// One page of a list, in Meta's form: `data` and `paging` with cursors and, if there is more, the next address. As in
/// reality that address holds the token.
pub(super) fn page(objects: Vec<Value>, params: &Params<'_>, origin: &Origin<'_>) -> Result<Value, MetaError> {
    let Origin { path, host, token } = origin;
    let limit = match params.filled("limit") {
        None => 25,
        Some(text) => match text.parse::<usize>() {
            Ok(limit) if limit > 0 => limit.min(5_000),
            _ => return Err(MetaError::new(100, "(#100) Param limit must be a positive integer")),
        },
    };
    let start = match params.filled("after") {
        None => 0,
        Some(cursor) => place(cursor).ok_or_else(|| MetaError::new(100, "(#100) Invalid cursor"))?,
    };
    let total = objects.len();
    let data: Vec<Value> = objects.into_iter().skip(start).take(limit).collect();
    if data.is_empty() {
        return Ok(json!({"data": [], "paging": {}}));
    }
    let end = start + data.len();
    let mut paging = json!({"cursors": {"before": cursor(start), "after": cursor(end)}});
    if end < total {
        let scheme = if host.starts_with("127.0.0.1") || host.starts_with("localhost") { "http" } else { "https" };
        let mut next = format!("{scheme}://{host}{path}?after={}", cursor(end));
        for (name, value) in params.iter().filter(|(name, _)| !matches!(*name, "after" | "access_token")) {
            let _ = write!(next, "&{}={}", encode(name), encode(value));
        }
        let _ = write!(next, "&access_token={}", encode(token));
        paging["next"] = next.into();
    }
    Ok(json!({"data": data, "paging": paging}))
}

/// Cursors are opaque to callers.
fn cursor(place: usize) -> String {
    format!("QVFIU{:08X}ZD", place ^ 0x005a_17c3)
}

fn place(cursor: &str) -> Option<usize> {
    let digits = cursor.strip_prefix("QVFIU")?.strip_suffix("ZD")?;
    Some(usize::from_str_radix(digits, 16).ok()? ^ 0x005a_17c3)
}
