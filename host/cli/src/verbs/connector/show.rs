//! `caravan connector inspect | list`.
use super::inspect;
use crate::args::Global;
use crate::bundle::{self, BUNDLED, is_path};
use crate::fail::End;
use crate::registry::{grants, pins, standing};
use crate::{out, stores};
use caravan_connectors::Outline;
use caravan_model::{Digest, Problem};
use caravan_store::{Sqlite, Store as _};
use serde_json::json;
use std::path::Path;

/// The store for looking, where one is named or the only one here.
fn look(global: &Global) -> anyhow::Result<Option<Sqlite>> {
    match stores::existing(global) {
        Ok(path) => Ok(Some(Sqlite::open_read_only(path)?)),
        Err(problem) if global.store.is_some() => Err(problem.into()),
        Err(_) => Ok(None),
    }
}

/// What a connector may send, to whom, and within which limits; its bytes are read, nothing of them runs.
pub async fn inspect(global: &Global, named: &str) -> anyhow::Result<End> {
    let bytes = match installed(global, named).await? {
        Some(bytes) => bytes,
        None => bundle::find(named, Path::new("")).map_err(|problem| in_file(problem, named))?.into_owned(),
    };
    let outline = Outline::read(&bytes).map_err(|problem| in_file(problem, named))?;
    if global.json {
        let capabilities: Vec<_> = outline
            .capabilities()
            .into_iter()
            .map(|capability| json!({"may": capability.words, "stands_out": capability.stands_out}))
            .collect();
        out::print_json(&json!({"digest": outline.digest.to_string(), "manifest": outline.manifest,
            "imports": outline.imports, "capabilities": capabilities}))?;
    } else {
        out::print(&inspect::in_words(&outline))?;
    }
    Ok(End::Done)
}

/// The bytes of the version that waits, else of the one in use, of an installed connector of this name.
async fn installed(global: &Global, named: &str) -> anyhow::Result<Option<Vec<u8>>> {
    if is_path(named) {
        return Ok(None);
    }
    let Some(store) = look(global)? else { return Ok(None) };
    let Some(standing) = standing::all(&store).await?.remove(named) else { return Ok(None) };
    match standing.waiting.map(|waiting| waiting.digest).or(standing.active) {
        Some(digest) => Ok(store.component(digest).await?),
        None => Ok(None),
    }
}

/// A component's problem says which file it is in.
fn in_file(problem: Problem, named: &str) -> Problem {
    if problem.file.is_none() && is_path(named) { problem.in_file(named) } else { problem }
}

struct Row {
    name: String,
    version: String,
    digest: Option<Digest>,
    state: String,
}

/// What is installed, and what is inside this program.
pub async fn list(global: &Global) -> anyhow::Result<End> {
    let mut rows = Vec::new();
    if let Some(store) = look(global)? {
        let (standings, granted, pins) = (standing::all(&store).await?, grants(&store).await?, pins(&store).await?);
        for record in store.components().await? {
            let standing = standings.get(&record.name).cloned().unwrap_or_default();
            let is = |digest: Option<Digest>| digest == Some(record.digest);
            let mut state = match () {
                () if is(standing.active) => "in use".to_owned(),
                () if is(standing.waiting.as_ref().map(|waiting| waiting.digest)) => {
                    let allowed = granted.contains_key(&record.digest);
                    if allowed { "allowed, not in use" } else { "waits for approval" }.to_owned()
                }
                () if is(standing.before) => "in use before".to_owned(),
                () => "kept".to_owned(),
            };
            let pinned: Vec<&str> =
                pins.iter().filter(|(_, digest)| **digest == record.digest).map(|(name, _)| name.as_str()).collect();
            if !pinned.is_empty() {
                state.push_str(&format!("; pinned by {}", pinned.join(", ")));
            }
            rows.push(Row { name: record.name, version: record.version, digest: Some(record.digest), state });
        }
    }
    for bundled in BUNDLED {
        let digest = bundled.bytes.map(Digest::of);
        let state = match digest {
            Some(_) => "in this program".to_owned(),
            None => "not built into this program; run `cargo xtask build-guests` and build it again".to_owned(),
        };
        rows.push(Row { name: bundled.name.to_owned(), version: String::new(), digest, state });
    }
    if global.json {
        let values: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({"name": row.name, "version": row.version, "state": row.state,
                "digest": row.digest.map(|digest| digest.to_string())})
            })
            .collect();
        out::print_json(&values)?;
        return Ok(End::Done);
    }
    let cells = rows.into_iter().map(|row| {
        let digest = row.digest.map(|digest| format!("sha256:{digest}")).unwrap_or_default();
        vec![row.name, row.version, row.state, digest]
    });
    out::print(&out::table(&["NAME", "VERSION", "STATE", "DIGEST"], &cells.collect::<Vec<_>>()))?;
    Ok(End::Done)
}
