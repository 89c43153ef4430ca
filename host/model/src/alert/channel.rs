//! The ways by which people hear of alerts. What is secret stands elsewhere and is only referred to.
use crate::connection::SecretRef;
use schemars::JsonSchema;
use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};

/// Where PagerDuty takes events (its US service region; the EU one is `https://events.eu.pagerduty.com/v2/enqueue`).
pub const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// A way to a person. As text: `mailto:ops@acme.example`, `slack:env:NAME`, `pagerduty:env:NAME` (with another address:
/// `pagerduty:env:NAME;url=https://…`), `webhook:env:NAME`, `https://…`; `file:PATH` for `env:NAME` where a file holds it.
///
/// ```
/// use caravan_model::Channel;
/// let slack: Channel = "slack:env:SLACK_HOOK".parse().unwrap();
/// assert_eq!(slack.to_string(), "slack:env:SLACK_HOOK");
/// assert!("https://hooks.slack.com/services/T0/B0/x".parse::<Channel>().is_err(), "it holds a secret");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Channel {
    /// A mail by the configured SMTP server.
    Mail {
        /// To whom.
        address: MailAddress,
    },
    /// Slack, or whatever understands its incoming webhooks.
    Slack {
        /// Where the webhook's URL is kept: whoever has it can post.
        url: SecretRef,
    },
    /// PagerDuty, or whatever understands its events, version 2.
    PagerDuty {
        /// Where the integration's routing key is kept.
        routing_key: SecretRef,
        /// Where events go; PagerDuty's US service region by itself.
        #[serde(default = "pagerduty")]
        url: WebUrl,
    },
    /// Any web service that takes JSON.
    Webhook {
        /// Its URL, or where that is kept.
        url: WebPlace,
    },
}

fn pagerduty() -> WebUrl {
    WebUrl(PAGERDUTY.to_owned())
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "mailto" => Ok(Channel::Mail { address: rest.parse()? }),
            "slack" => Ok(Channel::Slack { url: place(rest)? }),
            "webhook" => Ok(Channel::Webhook { url: WebPlace::Secret(place(rest)?) }),
            "pagerduty" => {
                let (key, url) = rest.split_once(";url=").unwrap_or((rest, PAGERDUTY));
                Ok(Channel::PagerDuty { routing_key: place(key)?, url: url.parse()? })
            }
            "https" | "http" => Ok(Channel::Webhook { url: WebPlace::Plain(text.parse()?) }),
            // What stands here may be a secret, so it is not repeated.
            _ => Err("this is no way to send alerts: write mailto:ADDRESS, slack:env:NAME, pagerduty:env:NAME, \
                      webhook:env:NAME or https://…"
                .to_owned()),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Mail { address } => write!(f, "mailto:{address}"),
            Channel::Slack { url } => write!(f, "slack:{}", Kept(url)),
            Channel::PagerDuty { routing_key, url } if url.as_str() == PAGERDUTY => {
                write!(f, "pagerduty:{}", Kept(routing_key))
            }
            Channel::PagerDuty { routing_key, url } => write!(f, "pagerduty:{};url={url}", Kept(routing_key)),
            Channel::Webhook { url: WebPlace::Plain(url) } => url.fmt(f),
            Channel::Webhook { url: WebPlace::Secret(url) } => write!(f, "webhook:{}", Kept(url)),
        }
    }
}

/// Where a secret is kept, as text.
struct Kept<'a>(&'a SecretRef);

impl fmt::Display for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{path}"),
        }
    }
}

fn place(text: &str) -> Result<SecretRef, String> {
    match text.split_once(':') {
        Some(("env", name))
            if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            Ok(SecretRef::Env(name.to_owned()))
        }
        Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.to_owned())),
        _ => Err("a secret stands elsewhere: write env:NAME or file:PATH, never the secret itself".to_owned()),
    }
}

macro_rules! checked {
    ($($name:ident)*) => {$(
        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

checked! { MailAddress WebUrl }

/// A mail address: one, without a name. Whether it exists only the mail server knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct MailAddress(String);

impl FromStr for MailAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.rsplit_once('@').is_some_and(|(who, host)| {
            let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.');
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"@,;:<>()[]\"\\?".contains(c);
            part(who) && part(host) && who.chars().chain(host.chars()).all(plain)
        });
        if good && text.len() <= 254 {
            Ok(MailAddress(text.to_owned()))
        } else {
            Err("this is no mail address: write one, such as ops@acme.example".to_owned())
        }
    }
}

/// A URL to post to, without anything secret: `https`, or `http` on this machine for development.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct WebUrl(
    #[schemars(regex(pattern = r"^https?://[^/?#@]+(/[^?#]*)?$"))]
    String,
);

impl FromStr for WebUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let say = |what: &str| Err(what.to_owned());
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return say("a webhook's URL begins with https://"),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => authority,
        };
        if text.len() > 2_000 || !text.bytes().all(|byte| byte.is_ascii_graphic()) || host.is_empty() {
            return say("this is no URL");
        }
        if authority.contains('@') || text.contains(['?', '#']) || host.eq_ignore_ascii_case("hooks.slack.com") {
            return say("this URL may hold a secret: keep it in a variable and write webhook:env:NAME \
                        (slack:env:NAME for Slack)");
        }
        if !tls && !["localhost", "127.0.0.1", "[::1]"].contains(&host) {
            return say("a webhook's URL begins with https://; http:// is for this machine only");
        }
        Ok(WebUrl(text.to_owned()))
    }
}

/// A URL, or where it is kept if whoever has it can post: `https://…` or `{ env: NAME }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum WebPlace {
    /// Written out.
    Plain(WebUrl),
    /// Kept like a secret.
    Secret(SecretRef),
}

/// By hand, so that an error says what is wrong without repeating what stands here.
impl<'de> Deserialize<'de> for WebPlace {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WebPlace;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, or where it is kept, `{ env: NAME }` or `{ file: path }`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<WebPlace, E> {
                text.parse().map(WebPlace::Plain).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WebPlace, A::Error> {
                SecretRef::deserialize(MapAccessDeserializer::new(map)).map(WebPlace::Secret)
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_of_every_channel_reads_back() {
        for text in [
            "mailto:ops@acme.example",
            "slack:env:SLACK_HOOK",
            "slack:file:/run/secrets/hook",
            "pagerduty:env:PD_KEY",
            "pagerduty:env:PD_KEY;url=https://events.eu.pagerduty.com/v2/enqueue",
            "webhook:env:HOOK",
            "https://alerts.acme.example/caravan",
            "https://alerts.acme.example:8443/caravan",
            "http://127.0.0.1:9000/hook",
            "http://localhost:9000",
        ] {
            let channel: Channel = text.parse().unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
            assert_eq!(channel.to_string(), text);
            let json = serde_json::to_string(&channel).unwrap();
            assert_eq!(serde_json::from_str::<Channel>(&json).unwrap(), channel, "{json}");
        }
        let pagerduty: Channel = "pagerduty:env:PD_KEY".parse().unwrap();
        assert!(matches!(pagerduty, Channel::PagerDuty { url, .. } if url.as_str() == PAGERDUTY));
    }

    #[test]
    fn a_channel_that_cannot_be_is_refused_without_repeating_it() {
        for text in [
            "",
            "ops@acme.example",
            "mailto:",
            "mailto:hunter2",
            "mailto:a@b@hunter2",
            "mailto:hunter2@acme.example, b@acme.example",
            "mailto:hunter2@acme.example?cc=b@acme.example",
            "mailto:hunter2@acme.example\r\nBcc: b@acme.example",
            "slack:https://hooks.slack.com/services/hunter2",
            "slack:hunter2",
            "slack:env:",
            "slack:env:hunter2 x",
            "pagerduty:hunter2",
            "pagerduty:env:KEY;url=http://events.acme.example/hunter2",
            "https://hooks.slack.com/services/hunter2",
            "https://user:hunter2@acme.example/",
            "https://acme.example/hook?token=hunter2",
            "https://acme.example/ hunter2",
            "https://",
            "http://acme.example/hunter2",
            "http://127.0.0.1.acme.example/hunter2",
            "ftp://acme.example/hunter2",
        ] {
            let wrong = text.parse::<Channel>().expect_err(text);
            assert!(!wrong.contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn a_secret_written_into_a_file_is_refused_without_repeating_it() {
        for text in [
            r#"{"slack": {"url": "https://hooks.slack.com/services/hunter2"}}"#,
            r#"{"pagerduty": {"routing_key": "hunter2"}}"#,
            r#"{"webhook": {"url": "https://acme.example/?key=hunter2"}}"#,
            r#"{"webhook": {"url": {"value": "hunter2"}}}"#,
        ] {
            let wrong = serde_json::from_str::<Channel>(text).unwrap_err().to_string();
            assert!(!wrong.contains("hunter2"), "{wrong}");
        }
        let more = r#"{"mail": {"address": "ops@acme.example", "cc": "b@acme.example"}}"#;
        assert!(serde_json::from_str::<Channel>(more).unwrap_err().to_string().contains("cc"));
        let kept: Channel = serde_json::from_str(r#"{"webhook": {"url": {"env": "HOOK"}}}"#).unwrap();
        assert_eq!(kept.to_string(), "webhook:env:HOOK");
    }
}
