//! A version that would take a bundled connector's name, with its connections, their tokens and its app: what people should
//! know before they allow that.
use super::standing;
use crate::bundle::{self, is_path};
use crate::check::read_where_there;
use crate::kept::Kept;
use caravan_connectors::{Difference, Outline, Safe};
use caravan_model::manifest::Publisher;
use caravan_model::{Connection, Digest};
use caravan_store::{DocumentKind, Store};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What would change hands.
#[derive(Clone, Debug, Serialize)]
pub struct Takeover {
    /// The bundled version of the name.
    pub bundled: Digest,
    /// Its version, and the newcomer's, as their manifests say.
    pub versions: (String, String),
    /// Its publisher, and the newcomer's, where they differ.
    pub publishers: Option<(String, String)>,
    /// The connections that would go through the newcomer.
    pub connections: Vec<String>,
    /// Those of them whose tokens the host would put into its requests.
    pub tokens: Vec<String>,
    /// Whether an app is sealed under the name, which would be used for it.
    pub app: bool,
    /// What the newcomer may do more than the bundled version.
    pub widens: Vec<String>,
    /// What it does not ask for any more.
    pub narrows: Vec<String>,
}

/// What a component would take over, once it is allowed; nothing where its name is no bundled one, it is the bundled version
/// itself, or a version by others is in use under the name already. `file` has the connections that the store does not keep.
///
/// # Errors
/// The store cannot be read.
pub async fn by(store: Option<&impl Store>, outline: &Outline, file: &Path) -> anyhow::Result<Option<Takeover>> {
    let name = outline.manifest.name.as_str();
    let Some(bundled) = bundle::digest_of(name).filter(|bundled| *bundled != outline.digest) else { return Ok(None) };
    let (mut kept, mut used, mut sealed) = (Kept::default(), BTreeSet::new(), BTreeSet::new());
    if let Some(store) = store {
        if standing::all(store).await?.get(name).is_some_and(|standing| standing.active.is_some()) {
            return Ok(None);
        }
        kept = Kept::of(store).await?;
        sealed.extend(store.documents(DocumentKind::Sealed).await?.into_iter().map(|(id, _)| id));
        let lanes = store.lanes().await?.into_iter().filter(|lane| lane.key.connector == name);
        used.extend(lanes.map(|lane| lane.connection));
    }
    let known = connections(file, &kept);
    let of_name = |connection: &Connection| !is_path(&connection.connector) && connection.connector.trim() == name;
    used.retain(|one: &String| known.get(one).is_none_or(of_name));
    used.extend(known.iter().filter(|(_, connection)| of_name(connection)).map(|(one, _)| one.clone()));
    let has_token = |one: &&String| {
        let named = known.get(*one).is_some_and(|connection| {
            connection.secret.is_some() || connection.app.is_some() || !connection.secrets.is_empty()
        });
        named || sealed.contains(&Safe::of_connection(one))
    };
    let tokens = used.iter().filter(has_token).cloned().collect();
    let ours = Outline::read(&bundle::find(name, Path::new(""))?)?;
    let Difference { widens, narrows } = ours.difference(outline);
    let (before, after) = (&ours.manifest.publisher, &outline.manifest.publisher);
    Ok(Some(Takeover {
        bundled,
        versions: (ours.manifest.version.clone(), outline.manifest.version.clone()),
        publishers: (before != after).then(|| (said(before), said(after))),
        connections: used.into_iter().collect(),
        tokens,
        app: sealed.contains(&Safe::of_connector(name)),
        widens,
        narrows,
    }))
}

/// The connections of a file and a store; those of the store alone where the file cannot be read, which others tell.
pub fn connections(file: &Path, kept: &Kept) -> BTreeMap<String, Connection> {
    let read = read_where_there(file, kept).or_else(|_| read_where_there(Path::new(""), kept));
    read.map(|document| document.value.connections.into_iter().collect()).unwrap_or_default()
}

fn said(publisher: &Publisher) -> String {
    let places = [&publisher.support, &publisher.docs].map(String::as_str);
    let places: Vec<&str> = places.into_iter().filter(|place| !place.is_empty()).collect();
    match places.as_slice() {
        [] => publisher.name.clone(),
        places => format!("{} ({})", publisher.name, places.join(", ")),
    }
}

impl Takeover {
    /// For people, each line with a `!` or what changes.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let of = match self.connections.as_slice() {
            [] => "no connection uses it yet".to_owned(),
            connections => format!("these connections would go through it: {}", connections.join(", ")),
        };
        let (old, new) = &self.versions;
        let bundled = self.bundled.short();
        let mut lines = vec![format!(
            "! it takes the name of the bundled `{name}` {old} (sha256:{bundled}), and is not that; {of}"
        )];
        if !self.tokens.is_empty() {
            lines.push(format!("! the host would put the tokens of {} into its requests", self.tokens.join(", ")));
        }
        if self.app {
            lines.push(format!("! the app that is sealed for `{name}` would be used for it"));
        }
        match &self.publishers {
            Some((before, after)) => lines.push(format!("! another publisher says so of itself: {before} → {after}")),
            None => lines.push("! it names the same publisher; who wrote it is shown by a signature alone".to_owned()),
        }
        lines.extend(self.widens.iter().map(|line| format!("+ may {line}, and {old} may not")));
        lines.extend(self.narrows.iter().map(|line| format!("- does not {line}, as {old} may")));
        if self.widens.is_empty() && self.narrows.is_empty() {
            lines.push(format!("  {new} asks for the same as the bundled {old}"));
        }
        lines
    }
}
