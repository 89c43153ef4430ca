//! Messages that were taken in.
use caravan_model::Millis;

/// A message that waits in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Its number: counted up for ever, never given twice.
    pub seq: u64,
    /// When it was taken in.
    pub at: Millis,
    /// What it says; the store does not look into it.
    pub body: String,
}

/// How much waits in the inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages.
    pub messages: u64,
    /// When the oldest came; `None` where nothing waits.
    pub oldest: Option<Millis>,
}
