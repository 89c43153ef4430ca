//! Where the host gives secrets away for a connector: every endpoint of tokens that a manifest names. Each is asked for and
//! granted like a route.
use crate::egress::route::host_under;
use crate::grant::{Grant, Word};
use caravan_model::{Cause, Code, Fault, Manifest, Problem};
use serde_json::{Map, Value};

/// What goes to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gives {
    /// An app's id and secret, for a token of its own.
    App,
    /// Codes, refresh tokens and assertions, with the app's id and secret.
    Token,
    /// A person, with the app's id.
    Person,
    /// A token that is to end.
    Revoked,
}

/// An endpoint of tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretPlace<'a> {
    pub(crate) gives: Gives,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
}

impl SecretPlace<'_> {
    /// As a grant names it.
    pub(crate) fn named(&self) -> String {
        self.named_on(self.host)
    }

    /// As a grant names it where its host is another, under a connection's settings.
    pub(crate) fn named_on(&self, host: &str) -> String {
        format!("{host}{}", self.path)
    }

    /// In plain words.
    pub(crate) fn words(&self) -> String {
        let what = match self.gives {
            Gives::App => "the app's id and secret",
            Gives::Token => "the app's secret, codes of people's consent, refresh tokens and signed assertions",
            Gives::Person => "people, with the app's id, to consent",
            Gives::Revoked => "a token that is to end, and the app's secret with it,",
        };
        format!("have the host send {what} to https://{}", self.named())
    }

    /// Whether it is on the host of no route, so that secrets go where nothing else goes.
    pub(crate) fn is_apart(&self, manifest: &Manifest) -> bool {
        !manifest.routes.iter().any(|route| route.host == self.host)
    }
}

/// Every endpoint of a manifest.
pub(crate) fn places(manifest: &Manifest) -> Vec<SecretPlace<'_>> {
    let place = |gives, host, path| SecretPlace { gives, host, path };
    let app = manifest.auth.token.iter().map(|token| place(Gives::App, &token.host, &token.path));
    let mut all: Vec<SecretPlace<'_>> = app.collect();
    if let Some(oauth) = &manifest.auth.oauth {
        all.push(place(Gives::Token, &oauth.token.host, &oauth.token.path));
        all.push(place(Gives::Person, &oauth.authorize.host, &oauth.authorize.path));
        all.extend(oauth.revoke.iter().map(|revoke| place(Gives::Revoked, &revoke.host, &revoke.path)));
    }
    all
}

/// The same, each name once.
pub(crate) fn distinct(manifest: &Manifest) -> Vec<SecretPlace<'_>> {
    let mut all = places(manifest);
    all.sort_by_key(SecretPlace::named);
    all.dedup_by_key(|place| place.named());
    all
}

/// Holds the endpoints of a manifest to what each must be.
///
/// # Errors
/// What is wrong with one.
pub(crate) fn check(manifest: &Manifest) -> Result<(), String> {
    for place in places(manifest) {
        let (host, path) = (place.host, place.path);
        // A browser goes to the page of consent, never the host.
        if place.gives != Gives::Person && !manifest.hosts.iter().any(|known| known == host) {
            return Err(format!("the token endpoint's host `{host}` is not among the manifest's hosts"));
        }
        if !path.starts_with('/') || path.contains(['?', '#', '{', '}']) {
            return Err(format!("the token endpoint's path `{path}` is none: it begins with `/` and has no query"));
        }
    }
    Ok(())
}

/// An endpoint under a connection's settings, and whether its grant lets secrets go there.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    host: String,
    path: String,
    granted: bool,
    line: String,
}

impl Endpoint {
    /// The endpoint of a kind, if the manifest has one.
    ///
    /// # Errors
    /// A setting cannot stand in its host.
    pub(crate) fn of(
        manifest: &Manifest,
        gives: Gives,
        grant: &Grant,
        settings: &Map<String, Value>,
    ) -> Result<Option<Endpoint>, String> {
        let Some(place) = places(manifest).into_iter().find(|place| place.gives == gives) else { return Ok(None) };
        let host = host_under(place.host, settings)?;
        let granted = grant.gives(manifest, &place, &host);
        Ok(Some(Endpoint { granted, line: Word::Tokens.line(&place.named()), host, path: place.path.to_owned() }))
    }

    /// Host and path, where the grant names the endpoint.
    ///
    /// # Errors
    /// CV060 with the line of the grant that would allow it.
    pub(crate) fn open(&self) -> Result<(&str, &str), Problem> {
        match self.granted {
            true => Ok((&self.host, &self.path)),
            false => Err(Problem::new(
                Code::Denied,
                format!("the grant does not let secrets go to https://{}{}", self.host, self.path),
            )
            .cure(format!("this line of the grant would allow it: {}", self.line))),
        }
    }

    /// The same for a call.
    ///
    /// # Errors
    /// The call stops, with the line that would allow it.
    pub(crate) fn open_for_call(&self) -> Result<(&str, &str), Fault> {
        self.open().map_err(|problem| {
            let words = format!("{}. This line of the grant would allow it:\n{}", problem.message, self.line);
            Fault::Stopped { cause: Cause::new(Code::Denied.as_str(), words) }
        })
    }
}
