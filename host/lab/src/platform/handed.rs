//! What a file destination hands over: a text file of an audience's members, with the status of each (contract, 3c).

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Member, now};
use crate::reply::{Class, Reply};
use crate::world::World;

/// Body of `POST /_lab/audiences/ID/hand-over`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandOver {
    /// The folder on this machine; none = the text comes in the answer.
    folder: Option<PathBuf>,
    /// All who are in it, in place of what changed since the audience was handed over last.
    #[serde(default)]
    everyone: bool,
    /// By tab, in a `.txt`, in place of comma in a `.csv`.
    #[serde(default)]
    tabs: bool,
}

/// Hands an audience over.
pub(crate) fn hand_over(world: &World, id: &str, wish: &HandOver) -> Reply {
    let refuse = |status, words: String| Reply::json(status, Class::BadRequest, &json!({"error": words}));
    let mut state = world.platform();
    let Some(audience) = state.existing_mut(id) else {
        return refuse(404, format!("experience-platform has no audience {id}"));
    };
    if audience.name.contains('&') {
        return refuse(400, "file names with & fail".to_string());
    }
    let since = if wish.everyone { 0 } else { audience.handed };
    let rows: Vec<&Member> = audience
        .members
        .values()
        .filter(|member| member.changed >= since && !(wish.everyone && member.exited))
        .collect();
    let text = file(&rows, if wish.tabs { '\t' } else { ',' });
    let count = rows.len();
    // What changes within this millisecond is told twice rather than never.
    audience.handed = now();
    let stamp: String = super::jobs::date(audience.handed).chars().filter(char::is_ascii_digit).collect();
    let end = if wish.tabs { "txt" } else { "csv" };
    let name = format!("{}_{id}_{stamp}.{end}", audience.name.replace(' ', "-"));
    drop(state);
    match &wish.folder {
        None => Reply::json(200, Class::Ok, &json!({"file": name, "rows": count, "text": text})),
        Some(folder) => {
            // Under another name until it is whole, as uploads have it.
            let (part, whole) = (folder.join(format!("{name}.part")), folder.join(&name));
            match std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &whole)) {
                Ok(()) => Reply::json(200, Class::Ok, &json!({"file": name, "rows": count})),
                Err(error) => refuse(400, format!("the file cannot be written: {error}")),
            }
        }
    }
}

fn file(rows: &[&Member], delimiter: char) -> String {
    let spaces: BTreeSet<&String> = rows.iter().flat_map(|member| member.identities.keys()).collect();
    let fields: BTreeSet<&String> = rows.iter().flat_map(|member| member.attributes.keys()).collect();
    let mut text = String::new();
    let names = spaces.iter().map(|space| format!("identityMap.{space}"));
    let names = names.chain(fields.iter().map(|field| format!("_lab.{field}")));
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(&delimiter.to_string()));
        text.push('\n');
    };
    line(names.chain(["segmentMembershipStatus".to_string()]).collect());
    for member in rows {
        let ids = spaces.iter().map(|space| match member.identities.get(*space).map(|ids| ids.all()) {
            None => String::new(),
            Some([one]) => quoted(one, delimiter),
            Some(ids) => quoted(&json!(ids).to_string(), delimiter),
        });
        let values = fields.iter().map(|field| match member.attributes.get(*field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => quoted(text, delimiter),
            Some(value) => quoted(&value.to_string(), delimiter),
        });
        let status = if member.exited { "exited" } else { "realized" };
        line(ids.chain(values).chain([status.to_string()]).collect());
    }
    text
}

fn quoted(cell: &str, delimiter: char) -> String {
    match cell.contains([delimiter, '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    }
}
