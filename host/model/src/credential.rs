//! What a connection keeps sealed: a token by hand, a person's consent, or a service account's key.
use crate::Millis;
use crate::manifest::QuotaCredential;
use crate::port::{App, Secret};
use serde_json::{Value, json};

/// A connection's credential. Its debug form shows no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// The token that calls carry.
    pub access: Option<Secret>,
    /// What gets the next one.
    pub refresh: Option<Secret>,
    /// A service account's key file, as the partner wrote it.
    pub service_account: Option<Secret>,
    /// When the token ends, where that is known.
    pub ends: Option<Millis>,
    /// When the token was given.
    pub given: Millis,
    /// What was asked for.
    pub requested: Vec<String>,
    /// What the partner says it granted; none where it says nothing.
    pub granted: Option<Vec<String>>,
    /// What whoever brought a token says that it is; none where nobody does.
    pub called_as: Option<QuotaCredential>,
}

impl Credential {
    /// A token that somebody brought, and what they say that it is.
    pub fn by_hand(token: Secret, called_as: Option<QuotaCredential>, now: Millis) -> Credential {
        Credential { access: Some(token), given: now, called_as, ..Credential::default() }
    }

    /// Scopes that were asked for and not granted.
    pub fn missing(&self) -> Vec<&str> {
        let Some(granted) = &self.granted else { return Vec::new() };
        let lacks = |wanted: &&String| !wanted.split('|').any(|either| granted.iter().any(|known| known == either));
        self.requested.iter().filter(lacks).map(String::as_str).collect()
    }

    /// When somebody must connect anew or bring another token; `None` where it is not known, or the host gets the next
    /// one by itself.
    pub fn over(&self) -> Option<Millis> {
        self.ends.filter(|_| self.refresh.is_none() && self.service_account.is_none())
    }

    /// By which kind of credential calls go, where quotas differ by it; none of a token that somebody brought without saying.
    pub fn calls_by(&self) -> Option<QuotaCredential> {
        if self.service_account.is_some() {
            return Some(QuotaCredential::App);
        }
        let consented = self.refresh.is_some() || !self.requested.is_empty();
        self.called_as.or(consented.then_some(QuotaCredential::Consent))
    }

    /// What kind it is, for people.
    pub fn kind(&self) -> &'static str {
        match (&self.service_account, &self.refresh, self.requested.is_empty()) {
            (Some(_), _, _) => "a service account",
            (None, Some(_), _) => "a person's consent, which is refreshed",
            (None, None, false) => "a person's consent",
            (None, None, true) => "a token by hand",
        }
    }

    /// The text that is sealed.
    pub fn to_plain(&self) -> String {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        json!({"access": text(&self.access), "refresh": text(&self.refresh),
            "service_account": text(&self.service_account), "ends": self.ends.map(|at| at.0), "given": self.given.0,
            "requested": self.requested, "granted": self.granted, "as": self.called_as})
        .to_string()
    }

    /// What a text that was sealed says; `None` where it is none of these.
    pub fn from_plain(text: &str) -> Option<Credential> {
        let value: Value = serde_json::from_str(text).ok()?;
        let secret = |name: &str| value[name].as_str().map(Secret::new);
        let words = |name: &str| {
            let list = value[name].as_array()?;
            Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        };
        Some(Credential {
            access: secret("access"),
            refresh: secret("refresh"),
            service_account: secret("service_account"),
            ends: value["ends"].as_i64().map(Millis),
            given: Millis(value["given"].as_i64()?),
            requested: words("requested").unwrap_or_default(),
            granted: words("granted"),
            called_as: serde_json::from_value(value["as"].clone()).ok(),
        })
    }
}

impl App {
    /// The text that is sealed.
    pub fn to_plain(&self) -> String {
        json!({"id": self.id, "secret": self.secret.expose()}).to_string()
    }

    /// What a text that was sealed says; `None` where it is none of these.
    pub fn from_plain(text: &str) -> Option<App> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(App { id: value["id"].as_str()?.to_owned(), secret: Secret::new(value["secret"].as_str()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_by_hand_is_what_its_bringer_says_and_of_no_kind_without_a_word() {
        for said in [None, Some(QuotaCredential::App), Some(QuotaCredential::Consent)] {
            let brought = Credential::by_hand(Secret::new("t"), said, Millis(0));
            assert_eq!((brought.calls_by(), brought.kind()), (said, "a token by hand"));
            assert_eq!(Credential::from_plain(&brought.to_plain()), Some(brought));
        }
        // As it was sealed before there was such a word.
        let older = Credential::from_plain(r#"{"access":"t","given":0,"requested":[]}"#).expect("it is one");
        assert_eq!(older.calls_by(), None);
    }

    #[test]
    fn a_credential_survives_its_sealed_form_and_shows_nothing() {
        let credential = Credential {
            access: Some(Secret::new("acc")),
            refresh: Some(Secret::new("ref")),
            ends: Some(Millis(5)),
            given: Millis(1),
            requested: vec!["a".into(), "b".into()],
            granted: Some(vec!["a".into()]),
            ..Credential::default()
        };
        assert_eq!(Credential::from_plain(&credential.to_plain()).as_ref(), Some(&credential));
        assert_eq!(credential.missing(), ["b"]);
        assert_eq!(credential.calls_by(), Some(QuotaCredential::Consent));
        assert_eq!(credential.over(), None, "the host refreshes it");
        assert_eq!(Credential { refresh: None, ..credential.clone() }.over(), Some(Millis(5)));
        let shown = format!("{credential:?}");
        assert!(!shown.contains("acc\"") && !shown.contains("ref\""), "{shown}");
        assert_eq!(Credential::from_plain("nonsense"), None);
        assert!(Credential { granted: None, ..credential }.missing().is_empty(), "who says nothing granted all");
    }
}
