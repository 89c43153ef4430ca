//! `caravan audit list | verify`.
use crate::args::{AuditVerb, Global};
use crate::fail::End;
use crate::out;
use crate::out::{instant_of, text_of};
use caravan_runner::control::{ChainState, verify_notes};
use caravan_store::{Noted, Store};
use serde_json::{Value, json};

/// Does a verb of the audit chain.
pub async fn audit(global: &Global, verb: AuditVerb) -> anyhow::Result<End> {
    let store = super::look(global)?;
    match verb {
        AuditVerb::List { after, limit } => {
            tell(global, &store.notes(after, limit).await?.iter().map(as_json).collect())
        }
        AuditVerb::Verify => verify(global, &verify_notes(&store).await?),
    }
}

/// Tells of records, as data has them here and on a serving host.
///
/// # Errors
/// It cannot be written.
pub fn tell(global: &Global, notes: &Value) -> anyhow::Result<End> {
    let row = |note: &Value| {
        let details = match &note["details"] {
            // A host sends the text that is hashed.
            Value::String(details) => details.clone(),
            details => details.to_string(),
        };
        let details = if details == "{}" { String::new() } else { details };
        let at = instant_of(&note["at"]);
        let of = ["who", "verb", "object"].map(|name| text_of(&note[name]));
        [vec![note["n"].to_string(), at], of.to_vec(), vec![details]].concat()
    };
    let rows: Vec<Vec<String>> = notes.as_array().into_iter().flatten().map(row).collect();
    match rows.is_empty() {
        true => out::say(global, notes, "nothing was changed yet"),
        false => out::say(global, notes, &out::table(&["N", "AT", "WHO", "VERB", "OBJECT", "DETAILS"], &rows)),
    }
}

/// A record for programs.
fn as_json(note: &Noted) -> Value {
    let details: Value = serde_json::from_str(&note.details).unwrap_or_else(|_| Value::String(note.details.clone()));
    json!({"n": note.n, "at": note.at, "who": note.who, "verb": note.verb, "object": note.object,
        "details": details, "before": note.before, "hash": note.hash})
}

/// Tells how the chain is.
///
/// # Errors
/// It cannot be written.
pub fn verify(global: &Global, state: &ChainState) -> anyhow::Result<End> {
    if global.json {
        out::print_json(state)?;
    } else {
        out::print(&words(state))?;
    }
    Ok(if state.broken.is_none() { End::Done } else { End::NeedsYou })
}

fn words(state: &ChainState) -> String {
    match &state.broken {
        Some(broken) => {
            let changed = "from there on, somebody changed the store by hand; compare it with a backup";
            format!("record {} is broken: {}; {changed}", broken.n, broken.why)
        }
        None => match &state.hash {
            Some(hash) => format!(
                "the chain holds: {}, the newest has the hash {hash}; note it elsewhere, so that a store that was \
                 exchanged whole is seen, too",
                out::plural(state.records, "record", "records")
            ),
            None => "the chain holds: nothing was changed yet".to_owned(),
        },
    }
}
