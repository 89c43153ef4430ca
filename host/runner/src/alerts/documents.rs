//! The book as the store's documents: one per alert, per subscription's state and per notice.
use super::{AlertBook, AlertKey, Changes};
use caravan_store::DocumentKind;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// Sets subscriptions' states apart from notices: both are notices' documents, written together.
const STATE: &str = "told/";

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subject)?;
        if self.code.is_empty() { Ok(()) } else { write!(f, "/{}", self.code) }
    }
}

impl Changes {
    /// What [`caravan_store::Store::put_documents`] takes. To be written before anything of it is sent.
    ///
    /// # Errors
    /// A document that cannot be written as JSON: a mistake of Caravan's own.
    pub fn documents(&self) -> Result<Vec<(DocumentKind, String, Option<String>)>, serde_json::Error> {
        let state = |id: &dyn fmt::Display| format!("{STATE}{id}");
        let mut all = Vec::new();
        // What goes comes first: an alert may go and come anew.
        all.extend(self.alerts_gone.iter().map(|key| (DocumentKind::Alert, key.to_string(), None)));
        all.extend(self.states_gone.iter().map(|id| (DocumentKind::Notice, state(id), None)));
        all.extend(self.notices_gone.iter().map(|id| (DocumentKind::Notice, id.clone(), None)));
        let mut write = |kind: DocumentKind, id: String, document: String| all.push((kind, id, Some(document)));
        for alert in &self.alerts {
            write(DocumentKind::Alert, alert.key.to_string(), json(alert)?);
        }
        for told in &self.states {
            write(DocumentKind::Notice, state(&told.subscription), json(told)?);
        }
        for notice in &self.notices {
            write(DocumentKind::Notice, notice.id.clone(), json(notice)?);
        }
        Ok(all)
    }
}

fn json(document: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(document)
}

impl AlertBook {
    /// The book from the store's documents: those of [`DocumentKind::Alert`] and of [`DocumentKind::Notice`].
    ///
    /// # Errors
    /// Which document cannot be read.
    pub fn from_documents(alerts: &[(String, String)], notices: &[(String, String)]) -> Result<AlertBook, String> {
        let (told, notices): (Vec<_>, Vec<_>) = notices.iter().partition(|(id, _)| id.starts_with(STATE));
        Ok(AlertBook::from_parts(read(alerts)?, read(told)?, read(notices)?))
    }
}

fn read<'a, T: DeserializeOwned>(documents: impl IntoIterator<Item = &'a (String, String)>) -> Result<Vec<T>, String> {
    let read = |(id, document): &(String, String)| {
        serde_json::from_str(document).map_err(|wrong| format!("the document `{id}` of alerts cannot be read: {wrong}"))
    };
    documents.into_iter().map(read).collect()
}
