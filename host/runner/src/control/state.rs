//! How canvases stand: live, paused, closed to new people, stopped. Documents beside their versions (design, 11.12).
use caravan_model::{CanvasId, Code, Millis, Problem, VersionId};
use caravan_store::{DocumentKind, Store};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// How a canvas stands, over all its versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CanvasState {
    /// People enter and move on.
    #[default]
    Live,
    /// Nobody enters, and nobody moves on; what is queued still goes.
    Paused,
    /// Nobody enters; those inside go on to their end.
    Closed,
    /// Nobody enters, and everyone inside was let out.
    Stopped,
    /// Put away: nobody is inside, and nobody enters until it is published again.
    Archived,
}

impl CanvasState {
    /// Whether people may enter.
    pub fn admits(self) -> bool {
        self == CanvasState::Live
    }

    /// Whether people inside move on. Nobody is inside of one that was stopped, unless stopping was cut short.
    pub fn advances(self) -> bool {
        matches!(self, CanvasState::Live | CanvasState::Closed)
    }

    /// What people read.
    pub fn word(self) -> &'static str {
        match self {
            CanvasState::Live => "live",
            CanvasState::Paused => "paused",
            CanvasState::Closed => "closed",
            CanvasState::Stopped => "stopped",
            CanvasState::Archived => "archived",
        }
    }
}

/// The document of a canvas that is not live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StateDocument {
    /// How it stands.
    pub state: CanvasState,
    /// Since when.
    pub since: Millis,
    /// Who said so.
    pub by: String,
}

/// How all canvases stand that are not simply live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanvasStates(BTreeMap<String, StateDocument>);

impl CanvasStates {
    /// How a canvas stands.
    pub fn of(&self, canvas: &str) -> CanvasState {
        self.0.get(canvas).map_or(CanvasState::Live, |document| document.state)
    }

    /// Since when, and who said so; `None` where it is live.
    pub fn since(&self, canvas: &str) -> Option<(Millis, &str)> {
        self.0.get(canvas).map(|document| (document.since, document.by.as_str()))
    }

    /// Refuses entries to a canvas that does not admit people.
    ///
    /// # Errors
    /// In words, with the command that opens it again.
    pub fn admit(&self, canvas: &CanvasId) -> Result<(), Problem> {
        let id = canvas.as_str();
        let state = self.of(id);
        if state.admits() {
            return Ok(());
        }
        let cure =
            format!("`caravan canvas resume {id}` lets people in again; `caravan queue deliver` sends what is queued");
        Err(Problem::new(Code::Usage, format!("{id} is {}: nobody enters", state.word())).cure(cure))
    }
}

/// How all canvases stand.
///
/// # Errors
/// What the store says; a document that cannot be read.
pub async fn states<S: Store>(store: &S) -> crate::Result<CanvasStates> {
    let mut states = BTreeMap::new();
    for (canvas, document) in store.documents(DocumentKind::Canvas).await? {
        let read = serde_json::from_str(&document)
            .map_err(|_| Problem::new(Code::StoreDamaged, format!("how the canvas {canvas} stands cannot be read")))?;
        states.insert(canvas, read);
    }
    Ok(CanvasStates(states))
}

/// The versions in which nobody moves on now.
pub(crate) async fn still_versions<S: Store>(store: &S) -> crate::Result<HashSet<VersionId>> {
    let states = states(store).await?;
    if states.0.is_empty() {
        return Ok(HashSet::new());
    }
    let versions = store.versions().await?.into_iter();
    let still = versions.filter(|version| !states.of(version.canvas.canvas.as_str()).advances());
    Ok(still.map(|version| version.id).collect())
}
