//! The workspace's policy: where a command finds it, and which live canvases it refuses.
use crate::args::Global;
use crate::check::read_where_there;
use crate::fail::Problems;
use crate::host::hands::actor;
use crate::host::workshop::Workshop;
use crate::kept::Kept;
use crate::{bundle, files, stores};
use caravan_connectors::LoadedComponent;
use caravan_journey::document::{self, Document};
use caravan_journey::policy::check;
use caravan_journey::validate::denied_uses;
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Canvas, CanvasId, Identities, Policy, Problem};
use caravan_runner::control::{self, CanvasState};
use caravan_runner::{POLICY_ID, policy_of};
use caravan_store::{DocumentKind, Note, Slots, Sqlite, Store};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A policy as it stands in a file.
pub struct PolicyFile {
    /// What it says.
    pub policy: Policy,
    /// The text, which the store keeps with its comments.
    pub text: String,
}

impl PolicyFile {
    /// The document that keeps it.
    pub fn document(&self) -> (DocumentKind, String, Option<String>) {
        (DocumentKind::Policy, POLICY_ID.to_owned(), Some(self.text.clone()))
    }

    /// The first digits of its text's digest, for the audit chain.
    pub fn digest(&self) -> String {
        Sha256::digest(self.text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Reads a policy and looks whether it makes sense.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path) -> Result<PolicyFile, Problems> {
    let text = files::text(path).map_err(|problem| Problems(vec![problem]))?;
    read_text(&path.display().to_string(), text)
}

/// The text of a store's policy; `format: 1` where there is none.
///
/// # Errors
/// The store cannot be read.
pub async fn text_of(store: &impl Store) -> anyhow::Result<String> {
    let documents = store.documents(DocumentKind::Policy).await?.into_iter();
    let text = documents.into_iter().find(|(id, _)| id == POLICY_ID).map(|(_, text)| text);
    Ok(text.unwrap_or_else(|| "format: 1\n".to_owned()))
}

/// Reads a policy from its text, under a name for what is wrong with it.
///
/// # Errors
/// All that is wrong with it.
pub fn read_text(name: &str, text: String) -> Result<PolicyFile, Problems> {
    let document = document::read_policy(name, &text).map_err(|problem| Problems(vec![problem]))?;
    Problems::check(check(&document))?;
    Ok(PolicyFile { policy: document.value, text })
}

/// The policy that holds for a canvas: the named file's, else the one in the canvas's store.
///
/// # Errors
/// The file is no policy, or the store cannot be read.
pub async fn holding(global: &Global, named: Option<&Path>, canvas: &Path) -> anyhow::Result<Policy> {
    if let Some(named) = named {
        return Ok(read(named)?.policy);
    }
    // What is wrong with the canvas is told by whoever checks it.
    let Ok(canvas_read) = files::canvas(canvas) else { return Ok(Policy::default()) };
    let store = stores::of_canvas(global, canvas_read.value.canvas.as_str(), canvas)?;
    match Sqlite::open_if_made(store)? {
        Some(store) => Ok(policy_of(&store).await?),
        None => Ok(Policy::default()),
    }
}

/// Live canvases against a policy.
#[derive(Debug, Default)]
pub struct Refusals {
    /// The canvases that it refuses, and why.
    pub refused: Vec<(CanvasId, Vec<Problem>)>,
    /// Connections whose match fields were not all looked at: their connector is not in this program, or what they map is
    /// not known here.
    pub unseen: Vec<String>,
}

/// Gives what a connection maps, by its name; `None` where that is not known.
pub type Mapped<'a> = dyn Fn(&str) -> Option<Arc<Identities>> + Send + Sync + 'a;

/// What the connections of a file and of a store map; nothing is known where it cannot be read.
pub fn mapped_in(file: &Path, kept: &Kept) -> impl Fn(&str) -> Option<Arc<Identities>> + Send + Sync + use<> {
    let known = read_where_there(file, kept).ok().map(|read| read.value.connections).unwrap_or_default();
    move |name| known.get(name).map(|connection| Arc::new(connection.identities.clone()))
}

/// Which live canvases a policy refuses. They go on as they were published; publishing them again is refused. What their
/// connections map is asked for; of a connection of which that is not known, the partner's default fields are looked at.
///
/// # Errors
/// The store cannot be read.
pub async fn refusals(store: &impl Store, policy: &Policy, identities: &Mapped<'_>) -> anyhow::Result<Refusals> {
    let mut refusals = Refusals::default();
    if policy.labels.deny.is_empty() && policy.entitlements.is_none() {
        return Ok(refusals);
    }
    let mut newest: BTreeMap<String, (u32, Arc<Canvas>)> = BTreeMap::new();
    for version in store.versions().await? {
        let known = newest.entry(version.canvas.canvas.to_string()).or_insert((0, version.canvas.clone()));
        if version.number >= known.0 {
            *known = (version.number, version.canvas);
        }
    }
    let mut components: BTreeMap<String, Arc<LoadedComponent>> = BTreeMap::new();
    let mut workshop = Workshop::open()?;
    for audience in store.audiences().await? {
        if components.contains_key(&audience.connection) || refusals.unseen.contains(&audience.connection) {
            continue;
        }
        let component = bundle::find(&audience.connector, Path::new("")).and_then(|bytes| workshop.load(&bytes));
        match component {
            Ok(component) => {
                if identities(&audience.connection).is_none() {
                    refusals.unseen.push(audience.connection.clone());
                }
                components.insert(audience.connection, component);
            }
            Err(_) => refusals.unseen.push(audience.connection),
        }
    }
    let states = control::states(store).await?;
    // A stopped canvas is not live.
    newest.retain(|canvas, _| states.of(canvas) != CanvasState::Stopped);
    for (_, canvas) in newest.into_values() {
        let manifest = |connection: &str| components.get(connection).map(|component| component.manifest());
        let problems =
            denied_uses(&Document::without_file(Canvas::clone(&canvas)), Some(&manifest), identities, policy);
        if !problems.is_empty() {
            refusals.refused.push((canvas.canvas.clone(), problems));
        }
    }
    Ok(refusals)
}

/// Keeps a policy in a store: what is sealed or published from now on stands under it.
///
/// # Errors
/// The store cannot be written.
pub async fn keep(store: &impl Store, file: &PolicyFile) -> anyhow::Result<()> {
    let lease = store.lease("caravan policy set", Slots::ALL, SystemClock.now()).await?;
    let document = file.document();
    let note = Note::new(SystemClock.now(), actor(), "policy.set", "policy").with("sha256", file.digest());
    let kept = store.note(lease, vec![document], vec![note]).await;
    store.release(lease).await?;
    Ok(kept?)
}
