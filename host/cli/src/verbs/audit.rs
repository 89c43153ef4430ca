//! `caravan audit list | verify`.
use crate::args::{AuditVerb, Global};
use crate::fail::End;
use crate::out;
use caravan_runner::control::{ChainState, verify_notes};
use caravan_store::{Noted, Store};
use serde_json::{Value, json};

/// Does a verb of the audit chain.
pub async fn audit(global: &Global, verb: AuditVerb) -> anyhow::Result<End> {
    let store = super::look(global)?;
    match verb {
        AuditVerb::List { after, limit } => list(global, &store.notes(after, limit).await?),
        AuditVerb::Verify => verify(global, &verify_notes(&store).await?),
    }
}

fn list(global: &Global, notes: &[Noted]) -> anyhow::Result<End> {
    if global.json {
        out::print_json(&notes.iter().map(as_json).collect::<Vec<_>>())?;
    } else if notes.is_empty() {
        out::print("nothing was changed yet")?;
    } else {
        let rows: Vec<Vec<String>> = notes
            .iter()
            .map(|note| {
                let details = if note.details == "{}" { String::new() } else { note.details.clone() };
                let of = [&note.who, &note.verb, &note.object].map(Clone::clone);
                [vec![note.n.to_string(), out::instant(note.at)], of.to_vec(), vec![details]].concat()
            })
            .collect();
        out::print(&out::table(&["N", "AT", "WHO", "VERB", "OBJECT", "DETAILS"], &rows))?;
    }
    Ok(End::Done)
}

/// A record for programs.
fn as_json(note: &Noted) -> Value {
    let details: Value = serde_json::from_str(&note.details).unwrap_or_else(|_| Value::String(note.details.clone()));
    json!({"n": note.n, "at": note.at, "who": note.who, "verb": note.verb, "object": note.object,
        "details": details, "before": note.before, "hash": note.hash})
}

fn verify(global: &Global, state: &ChainState) -> anyhow::Result<End> {
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
