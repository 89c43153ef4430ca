//! Drafts: canvases that are being written. One per canvas; it may be wrong, and does not run.
use super::{Acting, CanvasState};
use crate::error::written;
use crate::runner::Runner;
use caravan_journey::document::read_canvas;
use caravan_model::{CanvasId, Code, Millis, Problem};
use caravan_store::{DocumentKind, Store, Version};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The longest draft, in bytes.
const LONGEST: usize = 4 << 20;

/// A draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The text as it was written.
    pub text: String,
    /// When it was kept.
    pub at: Millis,
    /// Who kept it.
    pub by: String,
}

/// A canvas's draft, if there is one.
///
/// # Errors
/// What the store says; a document that cannot be read.
pub async fn draft(store: &impl Store, canvas: &str) -> crate::Result<Option<Draft>> {
    let all = drafts(store).await?;
    Ok(all.into_iter().find(|(id, _)| id == canvas).map(|(_, draft)| draft))
}

/// All drafts, by the canvas's id.
///
/// # Errors
/// As [`draft`].
pub async fn drafts(store: &impl Store) -> crate::Result<Vec<(String, Draft)>> {
    let mut drafts = Vec::new();
    for (id, text) in store.documents(DocumentKind::Draft).await? {
        let draft = serde_json::from_str(&text)
            .map_err(|_| Problem::new(Code::StoreDamaged, format!("the draft of {id} cannot be read")))?;
        drafts.push((id, draft));
    }
    Ok(drafts)
}

impl<S: Store> Acting<'_, S> {
    /// Keeps a draft, in place of the one before.
    ///
    /// # Errors
    /// It is no canvas's id, the text is longer than 4 MiB, or what the store says.
    pub async fn save_draft(&self, canvas: &str, text: &str) -> crate::Result<Draft> {
        CanvasId::new(canvas).map_err(|words| Problem::new(Code::BadValue, words).at_path("canvas"))?;
        if text.len() > LONGEST {
            return Err(Problem::new(Code::BadValue, "a draft has at most 4 MiB").into());
        }
        let draft = Draft { text: text.to_owned(), at: self.now(), by: self.who().to_owned() };
        let kept = written(&draft)?;
        let document = (DocumentKind::Draft, canvas.to_owned(), Some(kept));
        self.put(vec![document], "canvas.save", &format!("canvas {canvas}"), json!({})).await?;
        Ok(draft)
    }

    /// Forgets a draft; false where there was none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn drop_draft(&self, canvas: &str) -> crate::Result<bool> {
        if draft(self.store(), canvas).await?.is_none() {
            return Ok(false);
        }
        let document = (DocumentKind::Draft, canvas.to_owned(), None);
        self.put(vec![document], "canvas.drop-draft", &format!("canvas {canvas}"), json!({})).await?;
        Ok(true)
    }

    /// Forgets a draft that says what was published; another one stays.
    pub(super) async fn drop_published(&self, version: &Version) -> crate::Result<()> {
        let canvas = version.canvas.canvas.as_str();
        let Some(draft) = draft(self.store(), canvas).await? else { return Ok(()) };
        if read_canvas("the draft", &draft.text).is_ok_and(|read| read.value == *version.canvas) {
            self.drop_draft(canvas).await?;
        }
        Ok(())
    }

    /// Makes a version's text the draft again; publishing it makes a new version.
    ///
    /// # Errors
    /// There is no such version, or what the store says.
    pub async fn restore(&self, canvas: &str, version: u32) -> crate::Result<Draft> {
        let text = super::version_text(self.store(), canvas, Some(version)).await?;
        self.save_draft(canvas, &text).await
    }

    /// Puts a canvas away that nobody is in any more: it is no longer listed, and lets nobody in until it is published again.
    ///
    /// # Errors
    /// Somebody is inside, it still lets people in, or what the store says.
    pub async fn archive(&self, canvas: &str) -> crate::Result<()> {
        let document = self.runner().archived(canvas, self.who()).await?;
        self.put(vec![document], "canvas.archive", &format!("canvas {canvas}"), json!({})).await
    }
}

impl<S: Store> Runner<S> {
    /// The document of a canvas that is put away, where it may be.
    async fn archived(&self, canvas: &str, by: &str) -> crate::Result<(DocumentKind, String, Option<String>)> {
        let waits = super::what_waits(&self.store, canvas).await?;
        let closed = matches!(waits.state, CanvasState::Closed | CanvasState::Stopped | CanvasState::Archived);
        if !closed || waits.open > 0 || waits.queued > 0 {
            let words = match (waits.open, waits.queued) {
                (0, 0) => format!("{canvas} still lets people in"),
                (0, queued) => format!("{queued} operations of {canvas} wait in queues"),
                (inside, _) => format!("{inside} people are inside {canvas}"),
            };
            let cure = format!("`caravan canvas stop {canvas}` lets nobody in any more; then wait, or add --now");
            return Err(Problem::new(Code::BadValue, words).cure(cure).into());
        }
        self.state_document(canvas, CanvasState::Archived, by)
    }
}
