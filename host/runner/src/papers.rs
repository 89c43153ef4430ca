//! Documents that are looked at with every wake and seldom change: read from the store again only once some were written.
use caravan_store::{DocumentKind, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Documents of a kind, by id.
pub(crate) type Documents = Arc<Vec<(String, String)>>;

/// What was read, with the number of writes before it.
#[derive(Debug, Default)]
pub(crate) struct Papers(Mutex<HashMap<DocumentKind, (u64, Documents)>>);

impl Papers {
    /// The documents of a kind.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn of<S: Store>(&self, store: &S, kind: DocumentKind) -> crate::Result<Documents> {
        // Looked at before reading: a write meanwhile makes the next look read again.
        let written = store.documents_written();
        if let Some(written) = written
            && let Some((at, known)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&kind)
            && *at == written
        {
            return Ok(known.clone());
        }
        let read: Documents = Arc::new(store.documents(kind).await?);
        if let Some(written) = written {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, (written, read.clone()));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::Millis;
    use caravan_store::{OpenOptions, Slots, Sqlite};

    #[tokio::test]
    async fn documents_are_read_again_only_once_some_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("caravan.db"), OpenOptions::default()).unwrap();
        let (papers, kind) = (Papers::default(), DocumentKind::Export);
        let lease = store.lease("here", Slots::ALL, Millis(1)).await.unwrap();
        let first = papers.of(&store, kind).await.unwrap();
        assert!(first.is_empty() && Arc::ptr_eq(&first, &papers.of(&store, kind).await.unwrap()));
        let document = (kind, "a".to_owned(), Some("{}".to_owned()));
        store.put_documents(lease, vec![document]).await.unwrap();
        let second = papers.of(&store, kind).await.unwrap();
        assert_eq!(*second, [("a".to_owned(), "{}".to_owned())]);
        // Beside the owner, who may write at any time, everything is read anew.
        let beside = Sqlite::open_read_only(folder.path().join("caravan.db")).unwrap();
        let looked = papers.of(&beside, kind).await.unwrap();
        assert!(!Arc::ptr_eq(&looked, &second));
        assert_eq!(looked, second);
    }
}
