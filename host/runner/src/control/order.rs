//! What somebody ordered, on its way into the store: its note goes with the first transaction that does something of it.
use super::Acting;
use crate::runner::Runner;
use caravan_store::{Lease, Note, Store, Warrant};
use serde_json::{Map, Value};

/// An order, until it is done.
#[derive(Debug)]
pub struct Order {
    lease: Lease,
    note: Option<Note>,
}

impl From<Lease> for Order {
    fn from(lease: Lease) -> Order {
        Order { lease, note: None }
    }
}

impl Order {
    pub(crate) fn lease(&self) -> Lease {
        self.lease
    }

    /// What the next call that does something of it is made under.
    pub(crate) fn warrant(&mut self) -> Warrant {
        Warrant { lease: self.lease, note: self.note.take() }
    }

    /// Takes a note back from a call that did nothing, and so wrote none.
    pub(crate) fn keep(&mut self, note: Option<Note>) {
        self.note = note;
    }
}

impl<S: Store> Runner<S> {
    /// What the runner does without anybody's order, as far as the audit chain knows.
    pub(crate) async fn unordered(&self) -> crate::Result<Order> {
        Ok(self.lease().await?.into())
    }
}

impl<S: Store> Acting<'_, S> {
    /// An order of whoever acts, with its note.
    ///
    /// # Errors
    /// What the store says.
    pub async fn order(&self, verb: &str, object: &str, details: Value) -> crate::Result<Order> {
        Ok(Order { lease: self.runner().lease().await?, note: Some(self.noted(verb, object, details)) })
    }

    /// Notes an order for which nothing was to be done, so that no transaction has its note.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(&self, mut order: Order) -> crate::Result<()> {
        match order.note.take() {
            Some(note) => Ok(self.store().note(order.lease, Vec::new(), vec![note]).await?),
            None => Ok(()),
        }
    }

    /// The note of something that whoever acts orders now, for a call that writes it with the deed.
    pub fn noted(&self, verb: &str, object: &str, details: Value) -> Note {
        let mut note = Note::new(self.now(), self.who(), verb, object);
        note.details = match details {
            Value::Object(details) => details,
            _ => Map::new(),
        };
        note
    }
}
