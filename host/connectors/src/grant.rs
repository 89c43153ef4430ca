//! Grants: a manifest asks, a grant allows. What either lacks is denied at the egress.
use crate::oauth::place::{SecretPlace, distinct};
use caravan_model::{Digest, Manifest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a platform team allows a connector version to do. A list that is missing stood in no grant when this one was written:
/// then flags, secrets and actions are as the manifest asks, and endpoints of tokens only where they are on the host of a route
/// that is granted, which gets the tokens anyway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Match keys of the manifest that it may send.
    pub send: Vec<String>,
    /// Flags of the manifest that it may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// What it may do with members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    /// Where to: hosts, and the names of the manifest's routes that it may use there.
    pub to: BTreeMap<String, Vec<String>>,
    /// Endpoints, as `host/path`, where the host may give secrets away for it: the app's, codes, refresh tokens, assertions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Vec<String>>,
    /// Further secrets that may be used for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// The bounds of each call.
    #[serde(default)]
    pub limits: Limits,
}

/// Nothing at all.
impl Default for Grant {
    fn default() -> Grant {
        let nothing = || Some(Vec::new());
        Grant {
            send: Vec::new(),
            flags: nothing(),
            actions: nothing(),
            to: BTreeMap::new(),
            tokens: nothing(),
            secrets: nothing(),
            limits: Limits::default(),
        }
    }
}

impl Grant {
    /// A grant of all that the manifest asks for, within the default limits.
    pub fn as_asked(manifest: &Manifest) -> Grant {
        let mut to: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for route in &manifest.routes {
            to.entry(route.host.clone()).or_default().push(route.name.clone());
        }
        Grant {
            send: Word::Send.asked(manifest),
            flags: Some(Word::Flags.asked(manifest)),
            actions: Some(Word::Actions.asked(manifest)),
            to,
            tokens: Some(Word::Tokens.asked(manifest)),
            secrets: Some(Word::Secrets.asked(manifest)),
            limits: Limits::default(),
        }
    }

    /// Whether a route of the manifest is allowed.
    pub fn allows(&self, host: &str, route: &str) -> bool {
        self.to.get(host).is_some_and(|routes| routes.iter().any(|granted| granted == route))
    }

    /// Whether a match key may be sent.
    pub fn sends(&self, key: &str) -> bool {
        self.names(Word::Send, key)
    }

    /// Whether one of the lists that may be missing names a thing, or is missing.
    pub(crate) fn names(&self, word: Word, name: &str) -> bool {
        self.list(word).is_none_or(|list| list.iter().any(|granted| granted == name))
    }

    /// Whether secrets may go to an endpoint, which a grant may name as the manifest does or as it is under a connection's
    /// settings.
    pub(crate) fn gives(&self, manifest: &Manifest, place: &SecretPlace<'_>, settled: &str) -> bool {
        match &self.tokens {
            Some(list) => list.iter().any(|granted| *granted == place.named() || *granted == place.named_on(settled)),
            None => manifest
                .routes
                .iter()
                .filter(|route| route.host == place.host)
                .any(|route| self.allows(&route.host, &route.name) || self.allows(settled, &route.name)),
        }
    }

    fn list(&self, word: Word) -> Option<&Vec<String>> {
        match word {
            Word::Send => Some(&self.send),
            Word::Flags => self.flags.as_ref(),
            Word::Actions => self.actions.as_ref(),
            Word::Tokens => self.tokens.as_ref(),
            Word::Secrets => self.secrets.as_ref(),
        }
    }

    /// What the grant allows and the manifest does not ask for: it has no effect, and a person should know.
    pub fn beyond(&self, manifest: &Manifest) -> Vec<String> {
        let mut beyond = Vec::new();
        for word in Word::ALL {
            let asked = word.asked(manifest);
            let more = self.list(word).into_iter().flatten().filter(|name| !asked.contains(name));
            beyond.extend(more.map(|name| format!("{}: {name}", word.word())));
        }
        for (host, routes) in &self.to {
            let asked = |name: &String| manifest.routes.iter().any(|route| route.host == *host && route.name == *name);
            beyond.extend(routes.iter().filter(|name| !asked(name)).map(|name| format!("to: {host}: {name}")));
        }
        beyond
    }

    /// What the manifest asks for and the grant does not allow, in the grant's own lines.
    pub fn withheld(&self, manifest: &Manifest) -> Vec<String> {
        let mut withheld = Vec::new();
        for word in Word::ALL.into_iter().filter(|word| *word != Word::Tokens) {
            let asked = word.asked(manifest).into_iter().filter(|name| !self.names(word, name));
            withheld.extend(asked.map(|name| word.line(&name)));
        }
        let routes = manifest.routes.iter().filter(|route| !self.allows(&route.host, &route.name));
        withheld.extend(routes.map(|route| to_line(&route.host, &route.name)));
        let places = distinct(manifest).into_iter().filter(|place| !self.gives(manifest, place, place.host));
        withheld.extend(places.map(|place| Word::Tokens.line(&place.named())));
        withheld
    }

    /// The grant, as far as another version's manifest asks for the same. What a list of before left open is settled.
    #[must_use]
    pub fn narrowed(&self, manifest: &Manifest) -> Grant {
        let asked = Grant::as_asked(manifest);
        let both = |word: Word| -> Vec<String> {
            word.asked(manifest).into_iter().filter(|name| self.names(word, name)).collect()
        };
        let mut to = self.to.clone();
        for (host, routes) in &mut to {
            routes.retain(|route| asked.allows(host, route));
        }
        to.retain(|_, routes| !routes.is_empty());
        let places = distinct(manifest).into_iter().filter(|place| self.gives(manifest, place, place.host));
        Grant {
            send: both(Word::Send),
            flags: Some(both(Word::Flags)),
            actions: Some(both(Word::Actions)),
            to,
            tokens: Some(places.map(|place| place.named()).collect()),
            secrets: Some(both(Word::Secrets)),
            limits: self.limits.clone(),
        }
    }
}

/// The lists of a grant that name things of the manifest one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Send,
    Flags,
    Actions,
    Tokens,
    Secrets,
}

impl Word {
    const ALL: [Word; 5] = [Word::Send, Word::Flags, Word::Actions, Word::Tokens, Word::Secrets];

    fn word(self) -> &'static str {
        match self {
            Word::Send => "send",
            Word::Flags => "flags",
            Word::Actions => "actions",
            Word::Tokens => "tokens",
            Word::Secrets => "secrets",
        }
    }

    /// The line of a grant that allows a thing.
    pub(crate) fn line(self, name: &str) -> String {
        match self {
            Word::Tokens => format!("{}: [\"{name}\"]", self.word()),
            _ => format!("{}: [{name}]", self.word()),
        }
    }

    /// What the manifest asks for.
    fn asked(self, manifest: &Manifest) -> Vec<String> {
        match self {
            Word::Send => manifest.keys.iter().map(|key| key.key.clone()).collect(),
            Word::Flags => manifest.flags.iter().map(|flag| flag.key.clone()).collect(),
            Word::Actions => manifest.actions.iter().map(|action| action.word().to_owned()).collect(),
            Word::Tokens => distinct(manifest).iter().map(SecretPlace::named).collect(),
            Word::Secrets => manifest.auth.secrets.iter().map(|secret| secret.name.clone()).collect(),
        }
    }
}

/// The line of a grant that allows a route.
pub(crate) fn to_line(host: &str, route: &str) -> String {
    format!("to: {{ \"{host}\": [{route}] }}")
}

/// A grant as a file that Git can review, `grants/NAME.yaml`: it holds for exactly one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantFile {
    /// The file format: 1.
    pub format: u32,
    /// The version: `NAME@sha256:DIGEST`.
    pub connector: String,
    /// Match keys that it may send.
    pub send: Vec<String>,
    /// Flags that it may send; absent in files of before these lists, as are the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// What it may do with members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    /// Where to: hosts, and the names of routes that it may use there.
    pub to: BTreeMap<String, Vec<String>>,
    /// Endpoints, as `host/path`, where the host may give secrets away for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Vec<String>>,
    /// Further secrets that may be used for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// The bounds of each call; what is not named is the default.
    #[serde(default)]
    pub limits: Limits,
}

impl GrantFile {
    /// The file for a version.
    pub fn new(name: &str, digest: &Digest, grant: Grant) -> GrantFile {
        let Grant { send, flags, actions, to, tokens, secrets, limits } = grant;
        let connector = format!("{name}@sha256:{digest}");
        GrantFile { format: 1, connector, send, flags, actions, to, tokens, secrets, limits }
    }

    /// What it allows.
    pub fn grant(&self) -> Grant {
        let GrantFile { send, flags, actions, to, tokens, secrets, limits, .. } = self.clone();
        Grant { send, flags, actions, to, tokens, secrets, limits }
    }

    /// The version that the file names.
    ///
    /// # Errors
    /// In plain words, where it names none or the format is another.
    pub fn names(&self) -> Result<(String, Digest), String> {
        if self.format != 1 {
            return Err(format!("the grant has format {}, this host reads format 1", self.format));
        }
        let (name, digest) = self.connector.split_once('@').ok_or("`connector` must be NAME@sha256:DIGEST")?;
        Ok((name.to_owned(), digest.parse()?))
    }
}

/// The bounds of one call. Breaching one stops the call; the queue then says which, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of the guest's memories together.
    pub memory_bytes: u64,
    /// Most time that a call takes, waiting included, in milliseconds; a run's own deadline may be shorter.
    pub wall_ms: u64,
    /// Most computing time, in ticks of 10 ms; waiting costs nothing.
    pub cpu_ticks: u32,
    /// Most requests.
    pub requests: u32,
    /// Most bytes of a request's body.
    pub request_bytes: u64,
    /// Most bytes of an answer's body.
    pub response_bytes: u64,
    /// Most bytes of all requests' bodies of a call together.
    pub sent_bytes: u64,
    /// Most bytes of all answers' bodies of a call together.
    pub received_bytes: u64,
    /// Most headers of a request or an answer.
    pub headers: u32,
    /// Most bytes of all headers of a request or an answer.
    pub header_bytes: u32,
    /// Most lines of the log.
    pub log_lines: u32,
    /// Most bytes of the log.
    pub log_bytes: u32,
    /// Most elements of a table.
    pub table_elements: u32,
    /// Most core instances of the component.
    pub instances: u32,
    /// Most calls of one connection at the same time; more wait within their deadlines.
    pub calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 256 << 20,
            wall_ms: 300_000,
            cpu_ticks: 500,
            requests: 32,
            request_bytes: 64 << 20,
            response_bytes: 16 << 20,
            sent_bytes: 128 << 20,
            received_bytes: 64 << 20,
            headers: 64,
            header_bytes: 32 << 10,
            log_lines: 200,
            log_bytes: 64 << 10,
            table_elements: 100_000,
            instances: 200,
            calls: 32, // Half of what a host runs at once: nobody fills it alone.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Manifest {
        serde_json::from_str(include_str!("../../../guest-steps/template/manifest.json")).unwrap()
    }

    #[test]
    fn a_grant_as_asked_allows_what_the_manifest_names_and_nothing_else() {
        let (manifest, grant) = (template(), Grant::as_asked(&template()));
        assert!(grant.allows("api.ads.example", "members") && grant.sends("email"));
        assert!(!grant.allows("api.ads.example", "other") && !grant.allows("ads.example", "members"));
        assert!(!grant.sends("EMAIL"));
        assert!(grant.beyond(&manifest).is_empty() && grant.withheld(&manifest).is_empty());
    }

    #[test]
    fn neither_side_widens_the_other() {
        let manifest = template();
        let mut grant = Grant::as_asked(&manifest);
        grant.send = vec!["email".into(), "passport".into()];
        grant.actions = Some(vec!["add".into(), "merge".into()]);
        grant.to = BTreeMap::from([("api.ads.example".into(), vec!["members".into(), "steal".into()])]);
        assert_eq!(grant.beyond(&manifest), ["send: passport", "actions: merge", "to: api.ads.example: steal"]);
        let withheld = ["send: [phone]", "actions: [remove]", "to: { \"api.ads.example\": [audiences] }"];
        assert_eq!(grant.withheld(&manifest), withheld);
    }

    #[test]
    fn endpoints_of_tokens_are_granted_by_name_and_without_the_list_only_where_tokens_go_anyway() {
        let manifest: Manifest =
            serde_json::from_str(include_str!("../../../guest-steps/snapchat/manifest.json")).unwrap();
        let all = Grant::as_asked(&manifest);
        let named = all.tokens.clone().unwrap();
        assert!(named.contains(&"accounts.snapchat.com/login/oauth2/access_token".to_owned()), "{named:?}");
        assert!(all.withheld(&manifest).is_empty() && all.beyond(&manifest).is_empty());
        let before = Grant { tokens: None, ..all.clone() };
        let withheld = before.withheld(&manifest);
        assert_eq!(withheld.len(), named.len(), "no route is on the host of these: {withheld:?}");
        assert!(withheld.contains(&"tokens: [\"accounts.snapchat.com/login/oauth2/access_token\"]".to_owned()));
        // On the host of a route that is granted, a grant of before goes on.
        let mut near = manifest.clone();
        near.auth.oauth.as_mut().unwrap().token.host = "adsapi.snapchat.com".into();
        let of_before = before.narrowed(&near).tokens.unwrap();
        assert_eq!(of_before, ["adsapi.snapchat.com/login/oauth2/access_token"]);
        assert!(Grant { to: BTreeMap::new(), ..before }.narrowed(&near).tokens.unwrap().is_empty());
        // What a newer version asks for beside is not in the grant of the older.
        assert!(!all.narrowed(&near).tokens.unwrap().contains(&of_before[0]));
    }

    #[test]
    fn a_file_names_one_version_and_unknown_fields_are_refused() {
        let digest = Digest::of(b"bytes");
        let file = GrantFile::new("acme", &digest, Grant::as_asked(&template()));
        assert_eq!(file.names(), Ok(("acme".to_owned(), digest)));
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!(serde_json::from_value::<GrantFile>(json.clone()).unwrap(), file);
        assert!(GrantFile { connector: "acme".into(), ..file.clone() }.names().is_err());
        assert!(GrantFile { format: 2, ..file }.names().is_err());
        let mut more = json;
        more["everything"] = true.into();
        assert!(serde_json::from_value::<GrantFile>(more).is_err());
    }
}
