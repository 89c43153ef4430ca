//! Connections that a store keeps, beside those of the connections file: a name stands in one of the two alone. Accounts of
//! either may be switched.
use caravan_journey::document::{Document, Path as Place};
use caravan_model::{Code, Connections, KeptConnection, Problem};
use caravan_store::{DocumentKind, Store};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a store keeps of connections, by name.
#[derive(Clone, Debug, Default)]
pub struct Kept(BTreeMap<String, KeptConnection>);

impl Kept {
    /// What a store keeps.
    ///
    /// # Errors
    /// The store cannot be read, or a connection of it cannot.
    pub async fn of(store: &impl Store) -> anyhow::Result<Kept> {
        let mut kept = BTreeMap::new();
        for (name, text) in store.documents(DocumentKind::Connection).await? {
            let read = serde_json::from_str(&text).map_err(|_| {
                let words = format!("the connection `{name}` in the store cannot be read");
                Problem::new(Code::StoreDamaged, words)
            })?;
            kept.insert(name, read);
        }
        Ok(Kept(kept))
    }

    /// Whether it keeps no connection whole.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|kept| kept.connection.is_none())
    }

    /// Whether it keeps this connection whole.
    pub fn holds(&self, name: &str) -> bool {
        self.get(name).is_some_and(|kept| kept.connection.is_some())
    }

    /// What it keeps of a connection.
    pub fn get(&self, name: &str) -> Option<&KeptConnection> {
        self.0.get(name)
    }

    /// The same with something about to be kept.
    #[must_use]
    pub fn with(mut self, name: &str, kept: KeptConnection) -> Kept {
        self.0.insert(name.to_owned(), kept);
        self
    }

    /// The document by which problems of a connection are told: without file and line for one that stands in no file.
    pub fn said_by<'a>(&self, connections: &'a Document<Connections>, name: &str) -> Cow<'a, Document<Connections>> {
        match self.holds(name) {
            true => Cow::Owned(Document::without_file(connections.value.clone())),
            false => Cow::Borrowed(connections),
        }
    }

    /// Puts what is kept beside what a file says, and switches the file's accounts.
    ///
    /// # Errors
    /// CV041 where both have a connection of one name.
    pub fn join(&self, connections: &mut Document<Connections>) -> Result<(), Problem> {
        for (name, kept) in &self.0 {
            if let Some(connection) = &kept.connection {
                if connections.value.connections.contains_key(name) {
                    let at = Place::root().key("connections").key(name);
                    let words = format!("the connection `{name}` stands here, and in the store");
                    let cure = format!("take it out of this file, or `caravan connection delete {name}`");
                    return Err(connections.problem(Code::ConnectionTwice, &at, words).cure(cure));
                }
                connections.value.connections.insert(name.clone(), connection.clone());
            } else if let Some(connection) = connections.value.connections.get_mut(name) {
                for (account, on) in kept.switches.iter().filter(|(name, _)| connection.accounts.contains_key(*name)) {
                    if *on {
                        connection.off.remove(account);
                    } else {
                        connection.off.insert(account.clone());
                    }
                }
            }
        }
        Ok(())
    }
}
