//! Files of what people did: taken in as if it had streamed in, and worked off at once.
//!
//! Each chunk is received in one transaction, worked off, and then noted under the file's digest. Cut short in between, its
//! rows are taken in again, and their ids keep them from counting twice. A row without an id of its own has the file's
//! digest and its number.
use crate::control::Order;
use crate::error::written;
use crate::inbox;
use crate::runner::Runner;
use caravan_model::{Code, Message, Problem};
use caravan_store::{DocumentKind, Store};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Messages per transaction.
const CHUNK: usize = 5_000;

/// A row that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRow {
    /// Its number in the file; rows ascend.
    pub row: u64,
    /// The sender's id of the message, where it has one.
    pub id: Option<String>,
    /// What it says.
    pub message: Message,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportedEvents {
    /// Rows that could be read.
    pub rows: u64,
    /// Of these, messages that were new.
    pub new: u64,
    /// Messages that were known already: by an import of the same file, or by their ids.
    pub known: u64,
    /// It was asked to stop before the end.
    pub is_cut: bool,
}

/// How far a file was imported.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Progress {
    /// Rows below this are done.
    rows: u64,
}

impl<S: Store> Runner<S> {
    /// Takes the rows of a source in, usually named by its file's digest, and works them off: people are merged, let into
    /// live canvases and out of them, as by [`Runner::serve`]. The same source again goes on behind the last row done.
    ///
    /// # Errors
    /// What the store says; chunks before it are kept, and the same call goes on.
    pub async fn import_events(
        &self,
        source: &str,
        rows: impl IntoIterator<Item = ImportRow>,
        cancel: &watch::Receiver<bool>,
    ) -> crate::Result<ImportedEvents> {
        self.import_events_under(&mut self.unordered().await?, source, rows, cancel).await
    }

    /// The same by somebody's order, which is noted where anything was new.
    ///
    /// # Errors
    /// As [`Runner::import_events`].
    pub async fn import_events_under(
        &self,
        order: &mut Order,
        source: &str,
        rows: impl IntoIterator<Item = ImportRow>,
        cancel: &watch::Receiver<bool>,
    ) -> crate::Result<ImportedEvents> {
        let lease = order.lease();
        let documents = self.store.documents(DocumentKind::Import).await?;
        let progress: Progress = match documents.iter().find(|(id, _)| id == source) {
            Some((_, text)) => serde_json::from_str(text)
                .map_err(|_| Problem::new(Code::StoreDamaged, "how far a file was imported cannot be read"))?,
            None => Progress::default(),
        };
        let shared = self.share().await?;
        let mut imported = ImportedEvents::default();
        let mut rows = rows.into_iter();
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let mut next_row = progress.rows;
            for ImportRow { row, id, message } in rows.by_ref() {
                imported.rows += 1;
                if row < progress.rows {
                    imported.known += 1;
                    continue;
                }
                next_row = row + 1;
                chunk.push((Some(id.unwrap_or_else(|| format!("{source}:{row}"))), message));
                if chunk.len() == CHUNK {
                    break;
                }
            }
            if chunk.is_empty() {
                break;
            }
            let offered = chunk.len() as u64;
            let new = self.receive_under(order, chunk).await?;
            imported.new += new;
            imported.known += offered - new;
            inbox::run(shared.clone()).await?;
            let text = written(&Progress { rows: next_row })?;
            self.store.put_documents(lease, vec![(DocumentKind::Import, source.to_owned(), Some(text))]).await?;
            if *cancel.borrow() {
                imported.is_cut = true;
                break;
            }
        }
        Ok(imported)
    }
}
