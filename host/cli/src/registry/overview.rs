//! What is installed, and what is inside this program.
use super::takeover::Takeover;
use super::{grants, pins, standing};
use crate::bundle::{self, BUNDLED, is_path};
use caravan_connectors::{GrantFile, Outline};
use caravan_model::{Digest, Problem};
use caravan_store::Store;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// A version of a connector.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The connector's name.
    pub name: String,
    /// The version, as its manifest says.
    pub version: String,
    /// How it stands, in words.
    pub state: String,
    /// The digest of its bytes; nothing where they are not built into this program.
    pub digest: Option<Digest>,
}

/// All versions of a store, and those inside this program.
///
/// # Errors
/// The store cannot be read.
pub async fn rows(store: Option<&impl Store>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if let Some(store) = store {
        let (standings, granted, pins) = (standing::all(store).await?, grants(store).await?, pins(store).await?);
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
    Ok(rows)
}

/// What a connector is: of an installed name the version that waits, else the one in use; a bundled name; a file.
///
/// # Errors
/// There is none, or its bytes are none that can be read.
pub async fn outline(store: Option<&impl Store>, named: &str) -> anyhow::Result<Outline> {
    // A component's problem says which file it is in.
    let placed =
        |problem: Problem| if problem.file.is_none() && is_path(named) { problem.in_file(named) } else { problem };
    let kept = match store.filter(|_| !is_path(named)) {
        Some(store) => match standing::all(store).await?.remove(named) {
            Some(standing) => match standing.waiting.map(|waiting| waiting.digest).or(standing.active) {
                Some(digest) => store.component(digest).await?,
                None => None,
            },
            None => None,
        },
        None => None,
    };
    let bytes = match kept {
        Some(bytes) => bytes,
        None => bundle::find(named, Path::new("")).map_err(placed)?.into_owned(),
    };
    Ok(Outline::read(&bytes).map_err(placed)?)
}

/// What a connector asks for, for programs; and what it would take over, and what it is allowed, where a store says so.
pub fn as_json(outline: &Outline, takeover: Option<&Takeover>, granted: Option<&GrantFile>) -> Value {
    let capabilities: Vec<_> = outline
        .capabilities()
        .into_iter()
        .map(|capability| json!({"may": capability.words, "stands_out": capability.stands_out}))
        .collect();
    json!({"digest": outline.digest.to_string(), "manifest": outline.manifest, "imports": outline.imports,
        "capabilities": capabilities, "takes_over": takeover, "granted": granted})
}

/// What a version is allowed in a store.
///
/// # Errors
/// The store cannot be read.
pub async fn granted(store: Option<&impl Store>, digest: Digest) -> anyhow::Result<Option<GrantFile>> {
    match store {
        Some(store) => Ok(grants(store).await?.remove(&digest)),
        None => Ok(None),
    }
}
