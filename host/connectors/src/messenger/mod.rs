//! Notices leave: mails by a configured SMTP server, webhooks by the guarded HTTP client that partners are reached by.
mod mail;
pub(crate) mod post;

use crate::{
    egress::{Clients, proxy::Proxy, trust::Trust},
    vault,
};
use caravan_model::alert::{Channel, Message, Messenger, SendError, WebPlace};
use caravan_model::connection::SecretRef;
use caravan_model::port::{BoxFuture, Secret};
use caravan_model::{Code, Problem};
use mail::PostOffice;
use post::way;
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// How long one request of a webhook may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long one message may take in all: several requests, or a talk with a mail server.
const IN_ALL: Duration = Duration::from_secs(30);

const NO_OFFICE: &str = "no mail server is configured: set CARAVAN_SMTP_URL and CARAVAN_MAIL_FROM";

/// How notices leave this host.
#[derive(Clone, Debug)]
pub struct MessengerSettings {
    /// The mail server: `smtps://user:password@host`, `smtp://host:25`, or with `?tls=required` for STARTTLS. A password
    /// leaves by TLS only, but to this machine. Without a server no mail is sent.
    pub smtp: Option<Secret>,
    /// Who mails: `alerts@acme.example` or `Caravan <alerts@acme.example>`.
    pub mail_from: Option<String>,
    /// Development only: webhooks may go to this machine, also by plain HTTP.
    pub allow_loopback: bool,
    /// How long one request of a webhook may take.
    pub deadline: Duration,
    /// The network's proxy, for webhooks.
    pub proxy: Option<Proxy>,
}

impl Default for MessengerSettings {
    fn default() -> Self {
        MessengerSettings { smtp: None, mail_from: None, allow_loopback: false, deadline: DEADLINE, proxy: None }
    }
}

impl MessengerSettings {
    /// From `CARAVAN_SMTP_URL`, `CARAVAN_MAIL_FROM` and `CARAVAN_ALLOW_LOOPBACK=1`.
    pub fn from_env() -> MessengerSettings {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        MessengerSettings {
            smtp: read("CARAVAN_SMTP_URL").map(|url| Secret::new(url.trim())),
            mail_from: read("CARAVAN_MAIL_FROM"),
            allow_loopback: read("CARAVAN_ALLOW_LOOPBACK").is_some_and(|value| value.trim() == "1"),
            ..MessengerSettings::default()
        }
    }
}

/// Sends notices from this host. Secrets are read at each message, so that a mended one is found.
///
/// Webhooks go by https, to public addresses only (checked on the very addresses that are dialled), and follow no
/// redirect. The mail server is the installation's own and may stand anywhere.
#[derive(Clone)]
pub struct LocalMessenger {
    clients: Clients,
    office: Option<PostOffice>,
    allow_loopback: bool,
    deadline: Duration,
}

impl fmt::Debug for LocalMessenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMessenger").field("mail", &self.office.is_some()).finish_non_exhaustive()
    }
}

impl LocalMessenger {
    /// A messenger. Nothing is dialled yet.
    ///
    /// # Errors
    /// CV004 where the mail server's URL or the sender's address cannot be understood; the URL is not repeated.
    pub fn new(settings: MessengerSettings) -> Result<LocalMessenger, Problem> {
        let office = match (&settings.smtp, &settings.mail_from) {
            (None, _) => None,
            (Some(url), Some(from)) => Some(PostOffice::new(url, from)?),
            (Some(_), None) => {
                return Err(Problem::new(Code::BadValue, "a mail server is configured, but nobody who mails")
                    .cure("set CARAVAN_MAIL_FROM to an address such as alerts@acme.example"));
            }
        };
        Ok(LocalMessenger {
            clients: Clients::new(settings.deadline, Trust::default().with_proxy(settings.proxy))?,
            office,
            allow_loopback: settings.allow_loopback,
            deadline: settings.deadline,
        })
    }

    /// Whether notices can leave by this channel, as far as can be said without sending: a mail server is configured,
    /// the secret is there, the URL may be dialled.
    ///
    /// # Errors
    /// What is missing, never a secret.
    pub fn ready(&self, channel: &Channel) -> Result<(), SendError> {
        match channel {
            Channel::Mail { .. } if self.office.is_none() => Err(SendError::later(NO_OFFICE)),
            Channel::Mail { .. } => Ok(()),
            Channel::Slack { url } => way(secret(url)?.expose(), self.allow_loopback, "Slack's webhook").map(drop),
            Channel::Webhook { url } => way(place(url)?.expose(), self.allow_loopback, "the webhook").map(drop),
            Channel::PagerDuty { routing_key, url } => {
                secret(routing_key)?;
                way(url.as_str(), self.allow_loopback, "PagerDuty").map(drop)
            }
        }
    }

    async fn deliver(&self, channel: &Channel, message: &Message) -> Result<(), SendError> {
        match (channel, message) {
            (Channel::Mail { address }, Message::Mail { id, subject, body }) => {
                let Some(office) = &self.office else {
                    return Err(SendError::later(NO_OFFICE));
                };
                office.send(id, address.as_str(), subject, body).await
            }
            (Channel::Slack { url }, Message::Posts(posts)) => {
                self.post_all("Slack's webhook", secret(url)?.expose(), posts.iter().cloned()).await
            }
            (Channel::Webhook { url }, Message::Posts(posts)) => {
                self.post_all("the webhook", place(url)?.expose(), posts.iter().cloned()).await
            }
            (Channel::PagerDuty { routing_key, url }, Message::Posts(posts)) => {
                let key = secret(routing_key)?;
                let keyed = posts.iter().cloned().map(|mut post| {
                    if let Value::Object(fields) = &mut post {
                        fields.insert("routing_key".to_owned(), json!(key.expose()));
                    }
                    post
                });
                self.post_all("PagerDuty", url.as_str(), keyed).await
            }
            (Channel::Mail { .. }, Message::Posts(_)) | (_, Message::Mail { .. }) => {
                Err(SendError::never("the message was not written for this channel"))
            }
        }
    }

    async fn post_all(&self, whom: &str, url: &str, posts: impl Iterator<Item = Value>) -> Result<(), SendError> {
        for post in posts {
            self.post(whom, url, &post).await?;
        }
        Ok(())
    }
}

impl Messenger for LocalMessenger {
    fn mails(&self) -> bool {
        self.office.is_some()
    }

    fn send<'a>(&'a self, channel: &'a Channel, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            tokio::time::timeout(IN_ALL, self.deliver(channel, message))
                .await
                .unwrap_or_else(|_| Err(SendError::later(format!("not done within {} s", IN_ALL.as_secs()))))
        })
    }
}

/// A webhook's URL, wherever it stands.
fn place(url: &WebPlace) -> Result<Secret, SendError> {
    match url {
        WebPlace::Plain(url) => Ok(Secret::new(url.as_str())),
        WebPlace::Secret(kept) => secret(kept),
    }
}

/// A secret that may be mended at any time.
fn secret(kept: &SecretRef) -> Result<Secret, SendError> {
    vault::read(kept).map_err(SendError::later)
}
