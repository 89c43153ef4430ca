//! How many may enter a canvas: a setting beside its versions, changeable while it is live.
use crate::error::written;
use crate::runner::Runner;
use caravan_model::{Code, Problem};
use caravan_store::{Caps, DocumentKind, Store};
use serde::{Deserialize, Serialize};

/// The document of a canvas with caps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct CapsDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_all: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a_run: Option<u64>,
}

/// A document as it is written: kind, id, text; `None` where it goes.
type Document = (DocumentKind, String, Option<String>);

impl<S: Store> Runner<S> {
    /// Sets how many may enter a canvas, over all its versions; [`Caps::default`] lets all in. Counts what entered before.
    ///
    /// # Errors
    /// The canvas is not there, or what the store says.
    pub async fn cap_canvas(&self, canvas: &str, caps: Caps) -> crate::Result<()> {
        let (lease, document) = (self.lease().await?, self.caps_document(canvas, caps).await?);
        Ok(self.store.put_documents(lease, vec![document]).await?)
    }

    /// The document by which a canvas has these caps.
    pub(super) async fn caps_document(&self, canvas: &str, caps: Caps) -> crate::Result<Document> {
        self.versions_of(canvas).await?;
        let document = CapsDocument { in_all: caps.in_all, a_day: caps.a_day, a_run: caps.a_run };
        let document = match caps == Caps::default() {
            true => None,
            false => Some(written(&document)?),
        };
        Ok((DocumentKind::Caps, canvas.to_owned(), document))
    }
}

/// How many may enter a canvas.
///
/// # Errors
/// What the store says; a document that cannot be read.
pub async fn caps_of<S: Store>(store: &S, canvas: &str) -> crate::Result<Caps> {
    let documents = store.documents(DocumentKind::Caps).await?;
    let Some((_, document)) = documents.into_iter().find(|(id, _)| id == canvas) else { return Ok(Caps::default()) };
    let CapsDocument { in_all, a_day, a_run } = serde_json::from_str(&document)
        .map_err(|_| Problem::new(Code::StoreDamaged, format!("the caps of the canvas {canvas} cannot be read")))?;
    Ok(Caps { in_all, a_day, a_run })
}
