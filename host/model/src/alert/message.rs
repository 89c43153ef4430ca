//! The port through which notices leave: what a messenger is given, and how it fails.
use super::Channel;
use crate::{Duration, port::BoxFuture};
use serde_json::Value;

/// A notice as it leaves, without any secret: the messenger adds URLs and keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A mail.
    Mail {
        /// The same for a repeat of the same mail: it becomes the `Message-ID`, so that mail programs show it once.
        id: String,
        /// One line.
        subject: String,
        /// Plain text.
        body: String,
    },
    /// JSON documents to post, in order. A messenger adds `routing_key` to those for PagerDuty.
    Posts(Vec<Value>),
}

/// Why a message did not leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct SendError {
    /// What happened, in plain words; never a secret, nor a URL that may be one.
    pub words: String,
    /// Whether the same message may arrive later.
    pub again: bool,
    /// How long to wait at least, where the other side says so.
    pub after: Option<Duration>,
}

impl SendError {
    /// Later it may work.
    pub fn later(words: impl Into<String>) -> SendError {
        SendError { words: words.into(), again: true, after: None }
    }

    /// It will not work until a person changes something.
    pub fn never(words: impl Into<String>) -> SendError {
        SendError { words: words.into(), again: false, after: None }
    }
}

/// Sends notices. Every call ends within a minute; nothing is repeated inside.
pub trait Messenger: Send + Sync {
    /// Sends one message by one channel.
    ///
    /// # Errors
    /// What happened, and whether to try again.
    fn send<'a>(&'a self, channel: &'a Channel, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>>;

    /// Whether mails can leave at all: a mail server is configured.
    fn mails(&self) -> bool {
        true
    }
}
