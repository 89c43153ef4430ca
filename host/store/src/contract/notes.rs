//! The audit chain: who changed what, each record bound to the one before it.
use super::Lease;
use caravan_model::Millis;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// A change that is to be noted. Names of ours, codes and counts: no person, no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// When it was done.
    pub at: Millis,
    /// Who did it: `cli:ann`, `key:k-4f2a`, `member:ann@acme.example`, `host`.
    pub who: String,
    /// What was done: `canvas.publish`.
    pub verb: String,
    /// To what: `canvas win-back`.
    pub object: String,
    /// The particulars.
    pub details: Map<String, Value>,
}

impl Note {
    /// A note without particulars.
    pub fn new(at: Millis, who: impl Into<String>, verb: impl Into<String>, object: impl Into<String>) -> Note {
        Note { at, who: who.into(), verb: verb.into(), object: object.into(), details: Map::new() }
    }

    /// With a particular.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Note {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// What a writing call is done under: the lease and, where somebody ordered it, the note of the order, which is appended in
/// the call's own transaction. A lease alone is one without a note. Where an order takes several calls, the first that does
/// something has the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warrant {
    /// Whose writing it is.
    pub lease: Lease,
    /// What the audit chain says of it.
    pub note: Option<Note>,
}

impl From<Lease> for Warrant {
    fn from(lease: Lease) -> Warrant {
        Warrant { lease, note: None }
    }
}

/// What can be called under: a lease alone, or a warrant.
pub trait Under: Into<Warrant> + Send {}

impl<T: Into<Warrant> + Send> Under for T {}

/// A record of the chain, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// Its number: from 1 on, without a gap.
    pub n: u64,
    /// When it was done.
    pub at: Millis,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub verb: String,
    /// To what.
    pub object: String,
    /// The particulars: the JSON text that is hashed.
    pub details: String,
    /// The hash of the record before, in hexadecimal; empty for the first.
    pub before: String,
    /// Its own hash, in hexadecimal.
    pub hash: String,
}

impl Noted {
    /// The record that follows another (`None`: the first).
    pub fn after(before: Option<(u64, &str)>, note: &Note) -> Noted {
        let (n, before) = before.map_or((1, ""), |(n, hash)| (n + 1, hash));
        let details = Value::Object(note.details.clone()).to_string();
        let (who, verb, object) = (note.who.clone(), note.verb.clone(), note.object.clone());
        let mut noted =
            Noted { n, at: note.at, who, verb, object, details, before: before.to_owned(), hash: String::new() };
        noted.hash = noted.computed();
        noted
    }

    /// The hash that its contents have: SHA-256 of the JSON list of all its fields but `hash`, in their order here.
    pub fn computed(&self) -> String {
        let fields = (self.n, self.at.0, &self.who, &self.verb, &self.object, &self.details, &self.before);
        // Numbers and texts are always JSON.
        let text = serde_json::to_string(&fields).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Why it does not follow the record before, if it does not.
    pub fn broken(&self, before: Option<(u64, &str)>) -> Option<&'static str> {
        let (n, hash) = before.map_or((1, ""), |(n, hash)| (n + 1, hash));
        if self.n != n {
            return Some("records before it are missing");
        }
        if self.before != hash {
            return Some("it does not follow the record before it");
        }
        (self.computed() != self.hash).then_some("its contents are not those that were noted")
    }
}
