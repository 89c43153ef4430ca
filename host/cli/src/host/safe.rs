//! What a store keeps sealed, as connections use it.
use caravan_connectors::{Book, Safe, SealPlace};
use caravan_model::port::BoxFuture;
use caravan_store::{DocumentKind, Sqlite, Store as _};
use std::sync::Arc;

struct StoreBook(Sqlite);

impl Book for StoreBook {
    fn read(&self, id: String) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            let all = self.0.documents(DocumentKind::Sealed).await.map_err(|error| error.to_string())?;
            Ok(all.into_iter().find(|(known, _)| *known == id).map(|(_, sealed)| sealed))
        })
    }

    fn swap(&self, id: String, was: Option<String>, becomes: Option<String>) -> BoxFuture<'_, Result<bool, String>> {
        Box::pin(async move { self.0.swap_sealed(id, was, becomes).await.map_err(|error| error.to_string()) })
    }
}

/// The safe of a store; its key is in the environment, or beside the store.
pub fn of(store: &Sqlite) -> Safe {
    Safe::new(SealPlace::of_store(store.file()), Arc::new(StoreBook(store.clone())))
}
