//! How canvases stand: live, paused, closed to new people, stopped. Documents beside their versions (design, 11.12).
use caravan_model::{CanvasId, Code, Millis, Problem};
use caravan_store::{CanvasesSeen, DocumentKind, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

    /// What people read, with so many inside: a canvas that lets nobody in is *stopping* until the last one has left, and
    /// *stopped* from then on.
    pub fn word(self, inside: u64) -> &'static str {
        match self {
            CanvasState::Live => "live",
            CanvasState::Paused => "paused",
            CanvasState::Closed | CanvasState::Stopped if inside > 0 => "stopping",
            CanvasState::Closed | CanvasState::Stopped => "stopped",
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
pub struct CanvasStates {
    documents: BTreeMap<String, StateDocument>,
    seen: CanvasesSeen,
}

impl CanvasStates {
    /// As documents of the store say it, by canvas.
    pub(crate) fn read(documents: &[(String, String)]) -> Result<CanvasStates, Problem> {
        let one = |(canvas, text): &(String, String)| match serde_json::from_str(text) {
            Ok(document) => Ok((canvas.clone(), document)),
            Err(_) => Err(Problem::new(Code::StoreDamaged, format!("how the canvas {canvas} stands cannot be read"))),
        };
        let seen = documents.iter().cloned().collect();
        Ok(CanvasStates { documents: documents.iter().map(one).collect::<Result<_, _>>()?, seen })
    }

    /// What the store is told that was looked at, so that it keeps nothing that was decided on an older state.
    pub(crate) fn seen(&self) -> CanvasesSeen {
        self.seen.clone()
    }

    /// How a canvas stands.
    pub fn of(&self, canvas: &str) -> CanvasState {
        self.documents.get(canvas).map_or(CanvasState::Live, |document| document.state)
    }

    /// Since when, and who said so; `None` where it is live.
    pub fn since(&self, canvas: &str) -> Option<(Millis, &str)> {
        self.documents.get(canvas).map(|document| (document.since, document.by.as_str()))
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
        Err(Problem::new(Code::Usage, format!("{id} is {}: nobody enters", state.word(0))).cure(cure))
    }
}

/// How all canvases stand.
///
/// # Errors
/// What the store says; a document that cannot be read.
pub async fn states<S: Store>(store: &S) -> crate::Result<CanvasStates> {
    Ok(CanvasStates::read(&store.documents(DocumentKind::Canvas).await?)?)
}
