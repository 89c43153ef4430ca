//! Mail by SMTP.
use caravan_model::alert::SendError;
use caravan_model::port::Secret;
use caravan_model::{Code, Problem};
use http::Uri;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::{Error, extension::ClientId};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use std::net::IpAddr;
use std::time::Duration;

/// How long a mail server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mail server, and who mails by it.
#[derive(Clone)]
pub(super) struct PostOffice {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl PostOffice {
    /// Understands a server's URL and a sender. The URL is never repeated: it may hold a password.
    pub(super) fn new(url: &Secret, from: &str) -> Result<PostOffice, Problem> {
        let wrong = |words: &str, cure: &str| Problem::new(Code::BadValue, words).cure(cure);
        let no_url = || {
            wrong(
                "the mail server's URL (CARAVAN_SMTP_URL) cannot be understood",
                "write smtps://USER:PASSWORD@HOST, or smtp://HOST:25 without a password",
            )
        };
        let from: Mailbox = from.trim().parse().map_err(|_| {
            wrong(
                "the sender of mails (CARAVAN_MAIL_FROM) is no mail address",
                "write alerts@acme.example or Caravan <alerts@acme.example>",
            )
        })?;
        let url = by_tls(url.expose()).ok_or_else(no_url)?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url)
            .map_err(|_| no_url())?
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(PATIENCE))
            .build();
        Ok(PostOffice { transport, from })
    }

    /// Sends one mail. `id` becomes its `Message-ID`.
    pub(super) async fn send(&self, id: &str, to: &str, subject: &str, body: &str) -> Result<(), SendError> {
        let to: Address = to.parse().map_err(|_| SendError::never("the mail address is none"))?;
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(automatic)
            .body(body.to_owned())
            .map_err(|_| SendError::never("the mail could not be written"))?;
        self.transport.send(message).await.map(drop).map_err(|wrong| explain(&wrong))
    }
}

/// The URL with TLS demanded where a password would leave this machine, and tried where none would. `None` where it is
/// no URL of a mail server.
fn by_tls(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let (authority, host) = (uri.authority()?.as_str(), uri.host()?);
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let near = host == "localhost" || literal.is_ok_and(|address| address.is_loopback());
    let with_password = authority.contains('@');
    match (uri.scheme_str()?, uri.query()) {
        ("smtps", _) => Some(url.to_owned()),
        ("smtp", None) if near => Some(url.to_owned()),
        ("smtp", Some(query)) if near || query == "tls=required" || !with_password => Some(url.to_owned()),
        ("smtp", None) => {
            // The port stays that of plain SMTP where none is written.
            let port = if uri.port().is_some() { "" } else { ":25" };
            let tls = if with_password { "required" } else { "opportunistic" };
            Some(format!("smtp://{authority}{port}?tls={tls}"))
        }
        _ => None,
    }
}

/// A failure in our own words: a server's may name people.
fn explain(wrong: &Error) -> SendError {
    if let Some(code) = wrong.status() {
        let words = format!("the mail server refused the message with code {code}");
        return if wrong.is_permanent() { SendError::never(words) } else { SendError::later(words) };
    }
    SendError::later(if wrong.is_timeout() {
        "the mail server did not answer in time"
    } else if wrong.is_tls() {
        "no secure connection to the mail server: TLS failed"
    } else if wrong.is_client() {
        "the mail server lacks what is needed: TLS, or a way to sign in"
    } else {
        "the mail server could not be reached, or broke off"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_leaves_this_machine_by_tls_only() {
        let far = by_tls("smtp://user:pass@mail.acme.example:2525");
        assert_eq!(far.as_deref(), Some("smtp://user:pass@mail.acme.example:2525?tls=required"));
        assert_eq!(by_tls("smtp://user:pass@mail.acme.example?tls=opportunistic"), None);
        let plain = by_tls("smtp://mail.acme.example");
        assert_eq!(plain.as_deref(), Some("smtp://mail.acme.example:25?tls=opportunistic"));
        for url in ["smtp://user:pass@127.0.0.1:2525", "smtps://user:pass@mail.acme.example"] {
            assert_eq!(by_tls(url).as_deref(), Some(url));
        }
        assert_eq!(by_tls("https://mail.acme.example"), None);
    }

    #[test]
    fn a_server_behind_tls_is_understood() {
        for url in ["smtps://user:p%40ss@mail.acme.example", "smtp://user:pass@mail.acme.example:587"] {
            let office = PostOffice::new(&Secret::new(url), "Caravan <alerts@acme.example>").unwrap();
            assert_eq!(office.from.email.domain(), "acme.example");
        }
    }

    #[test]
    fn settings_that_cannot_be_understood_are_refused_without_repeating_the_password() {
        for (url, from) in [
            ("smtp://user:hunter2@", "alerts@acme.example"),
            ("hunter2", "alerts@acme.example"),
            ("ftp://user:hunter2@acme.example", "alerts@acme.example"),
            ("smtp://user:hunter2@acme.example?tls=opportunistic", "alerts@acme.example"),
            ("smtp://user:hunter2@acme.example", "nobody"),
        ] {
            let wrong = PostOffice::new(&Secret::new(url), from).err().expect(url);
            assert_eq!(wrong.code, Code::BadValue);
            assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
        }
    }
}
