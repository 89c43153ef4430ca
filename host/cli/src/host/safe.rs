//! What a store keeps sealed, as connections use it.
use caravan_connectors::{Book, Safe, SealPlace};
use caravan_model::port::BoxFuture;
use caravan_store::{DocumentKind, Note, Sqlite, Store as _};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sealed texts, read from the store again only once documents were written: each call of a connection asks for one.
struct StoreBook {
    store: Sqlite,
    /// The number of writes before they were read, and the texts, which are sealed here too.
    read: Mutex<Option<(u64, HashMap<String, String>)>>,
    /// What the audit chain says of a change, in the transaction of it; none where the host changes by itself.
    note: Option<Note>,
}

impl StoreBook {
    async fn text(&self, id: &str) -> Result<Option<String>, String> {
        let written = self.store.documents_written();
        if let Some(written) = written
            && let Some((at, known)) = &*self.read.lock().unwrap_or_else(PoisonError::into_inner)
            && *at == written
        {
            return Ok(known.get(id).cloned());
        }
        let all = self.store.documents(DocumentKind::Sealed).await.map_err(|error| error.to_string())?;
        let all: HashMap<String, String> = all.into_iter().collect();
        let found = all.get(id).cloned();
        if let Some(written) = written {
            *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((written, all));
        }
        Ok(found)
    }
}

impl Book for StoreBook {
    fn read(&self, id: String) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move { self.text(&id).await })
    }

    fn swap(&self, id: String, was: Option<String>, becomes: Option<String>) -> BoxFuture<'_, Result<bool, String>> {
        Box::pin(async move {
            let swapped = self.store.swap_sealed(id, was, becomes, self.note.clone()).await;
            swapped.map_err(|error| error.to_string())
        })
    }
}

/// The safe of a store; its key is in the environment, or beside the store.
pub fn of(store: &Sqlite) -> Safe {
    with(store, None)
}

/// The same for one change that somebody ordered: its note is written with it, and not without it.
pub fn ordered(store: &Sqlite, note: Note) -> Safe {
    with(store, Some(note))
}

fn with(store: &Sqlite, note: Option<Note>) -> Safe {
    let book = StoreBook { store: store.clone(), read: Mutex::default(), note };
    Safe::new(SealPlace::of_store(store.file()), Arc::new(book))
}
