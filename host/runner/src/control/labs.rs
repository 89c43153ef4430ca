//! Which connections lead to the lab, so that whatever names one says so: an emulator's answer is no partner's.
use crate::runner::Runner;
use caravan_store::{DocumentKind, Lease, Store};
use std::collections::BTreeSet;

/// The connections of a store that lead to the lab, as their canvases were published last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labs(BTreeSet<String>);

impl Labs {
    /// Those of a store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn of(store: &impl Store) -> crate::Result<Labs> {
        Ok(Labs(store.documents(DocumentKind::Lab).await?.into_iter().map(|(name, _)| name).collect()))
    }

    /// Whether a connection is one of them.
    pub fn has(&self, connection: &str) -> bool {
        self.0.contains(connection)
    }

    /// A connection's name with its badge, for people: `lab-meta [lab]`.
    pub fn badged(&self, connection: &str) -> String {
        badged(connection, self.has(connection))
    }
}

/// A connection's name for people, with a badge where it leads to the lab.
pub fn badged(connection: &str, lab: bool) -> String {
    match lab {
        true => format!("{connection} [lab]"),
        false => connection.to_owned(),
    }
}

impl<S: Store> Runner<S> {
    /// Keeps which of these connections lead to the lab, and which do so no longer.
    pub(crate) async fn note_labs(
        &self,
        lease: Lease,
        connections: impl IntoIterator<Item = &str>,
    ) -> crate::Result<()> {
        let known = Labs::of(&self.store).await?;
        let connections: BTreeSet<&str> = connections.into_iter().collect();
        let changed = connections.into_iter().filter(|name| known.has(name) != self.connectors.is_lab(name));
        let documents: Vec<_> = changed
            .map(|name| (DocumentKind::Lab, name.to_owned(), (!known.has(name)).then(|| "true".to_owned())))
            .collect();
        match documents.is_empty() {
            true => Ok(()),
            false => Ok(self.store.put_documents(lease, documents).await?),
        }
    }
}
