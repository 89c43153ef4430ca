//! Credentials: the manifest says where they go, the vault has them, the egress puts them in. The guest sees none.
use crate::scrub::Scrubber;
use caravan_model::Manifest;
use caravan_model::port::{Place, Placed, Secret};
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// A text with places for secrets: `Bearer {token}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SecretText(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Secret(String),
}

impl SecretText {
    fn parse(text: &str, manifest: &Manifest) -> Result<SecretText, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) =
                after.split_once('}').ok_or_else(|| format!("`{text}` opens a place that it does not close"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let known = |name: &&str| manifest.auth.secrets.iter().any(|secret| secret.name == *name);
            match place.strip_prefix("secret.") {
                None if place == "token" => pieces.push(Piece::Secret("token".to_owned())),
                Some(name) if known(&name) => pieces.push(Piece::Secret(name.to_owned())),
                _ => {
                    return Err(format!(
                        "`{text}` names the place `{{{place}}}`: {{token}} and {{secret.NAME}} of a declared secret exist"
                    ));
                }
            }
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(SecretText(pieces))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Secret(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text as the manifest has it.
    fn template(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Secret(name) if name == "token" => "{token}".to_owned(),
            Piece::Secret(name) => format!("{{secret.{name}}}"),
        });
        pieces.collect()
    }

    fn placed(&self, place: Place, name: &str) -> Placed {
        Placed { place, name: name.to_owned(), template: self.template() }
    }

    fn fill(&self, secrets: &BTreeMap<String, Secret>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Secret(name) => out.push_str(secrets.get(name)?.expose()),
            }
        }
        Some(out)
    }
}

/// Where a manifest wants credentials.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    headers: Vec<(HeaderName, SecretText)>,
    query: BTreeMap<String, Vec<(String, SecretText)>>,
    /// Secrets that calls need, and whether they must be there.
    pub(crate) wanted: BTreeMap<String, bool>,
}

impl Placement {
    pub(crate) fn new(manifest: &Manifest) -> Result<Placement, String> {
        let mut headers = Vec::new();
        for (name, text) in &manifest.auth.headers {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header"))?;
            headers.push((header, SecretText::parse(text, manifest)?));
        }
        let mut query = BTreeMap::new();
        for (route, parameters) in &manifest.auth.query {
            let mut texts = Vec::new();
            for (name, text) in parameters {
                texts.push((name.clone(), SecretText::parse(text, manifest)?));
            }
            query.insert(route.clone(), texts);
        }
        let texts = headers.iter().map(|(_, text)| text).chain(query.values().flatten().map(|(_, text)| text));
        let mut wanted: BTreeMap<String, bool> = BTreeMap::new();
        for name in texts.flat_map(SecretText::names) {
            let required =
                name == "token" || manifest.auth.secrets.iter().any(|secret| secret.name == name && secret.required);
            wanted.insert(name.to_owned(), required);
        }
        Ok(Placement { headers, query, wanted })
    }

    /// Whether the guest must leave this header to the host.
    pub(crate) fn owns(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }
}

/// The secrets of one call, ready to be put in.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    headers: Vec<(HeaderName, HeaderValue)>,
    query: BTreeMap<String, Vec<(String, String)>>,
    /// What is put into each request, and into those of a route.
    placed: (Vec<Placed>, BTreeMap<String, Vec<Placed>>),
    pub(crate) scrubber: Scrubber,
}

impl Credentials {
    /// Fills the placement. A text whose optional secret is missing is left out.
    ///
    /// # Errors
    /// A secret that cannot stand in a header.
    pub(crate) fn new(placement: &Placement, secrets: &BTreeMap<String, Secret>) -> Result<Credentials, String> {
        let (mut headers, mut placed) = (Vec::new(), (Vec::new(), BTreeMap::new()));
        for (name, text) in &placement.headers {
            let Some(filled) = text.fill(secrets) else { continue };
            placed.0.push(text.placed(Place::Header, name.as_str()));
            let mut value = HeaderValue::from_str(&filled)
                .map_err(|_| format!("the secret for the header `{name}` has a character that no header may have"))?;
            value.set_sensitive(true);
            headers.push((name.clone(), value));
        }
        let mut query = BTreeMap::new();
        for (route, parameters) in &placement.query {
            let filled = || parameters.iter().filter_map(|(name, text)| Some((name, text, text.fill(secrets)?)));
            query.insert(route.clone(), filled().map(|(name, _, value)| (name.clone(), value)).collect());
            let texts = filled().map(|(name, text, _)| text.placed(Place::Query, name));
            placed.1.insert(route.clone(), texts.collect());
        }
        Ok(Credentials { headers, query, placed, scrubber: Scrubber::new(secrets.values()) })
    }

    /// Puts credentials into the headers. Gives what is put into a request of this route, its query included.
    pub(crate) fn put_into(&self, headers: &mut http::HeaderMap, route: &str) -> Vec<Placed> {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let of_route = self.placed.1.get(route).into_iter().flatten();
        self.placed.0.iter().chain(of_route).cloned().collect()
    }

    /// The path and query with the route's injected parameters.
    pub(crate) fn path_and_query(&self, route: &str, path_and_query: &str) -> String {
        let mut out = path_and_query.to_owned();
        for (name, value) in self.query.get(route).into_iter().flatten() {
            out.push(if out.contains('?') { '&' } else { '?' });
            push_encoded(&mut out, name);
            out.push('=');
            push_encoded(&mut out, value);
        }
        out
    }
}

fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
