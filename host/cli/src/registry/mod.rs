//! Installed connectors: what the store keeps of them, and which version a connection gets.
pub mod approval;
pub mod behaviour;
pub mod desk;
pub mod install;
pub mod loads;
pub mod overview;
pub mod removal;
pub mod signatures;
pub mod standing;
pub mod takeover;

use crate::args::Global;
use crate::bundle::{self, is_path};
use crate::kept::Kept;
use crate::{files, stores};
use caravan_connectors::{Grant, GrantFile, Outline, Safe};
use caravan_model::policy::{Approval, ConnectorPolicy, LabUse};
use caravan_model::{Code, Digest, Manifest, Policy, Problem};
use caravan_runner::policy_of;
use caravan_store::{DocumentKind, Sqlite, Store};
use standing::Standing;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a store has installed, as far as connections can use it. Read once when a command begins.
#[derive(Debug, Default)]
pub struct Shelf {
    standings: BTreeMap<String, Standing>,
    pins: BTreeMap<String, Digest>,
    grants: BTreeMap<Digest, GrantFile>,
    bytes: BTreeMap<Digest, Vec<u8>>,
    /// Of which connector each version is.
    names: BTreeMap<Digest, String>,
    /// Whose signatures count, and what becomes of what they did not sign.
    signing: ConnectorPolicy,
    /// Whether connections may lead to the lab.
    lab: LabUse,
    /// The ids of what is sealed.
    sealed: BTreeSet<String>,
    /// The connections that it keeps.
    kept: Kept,
}

/// What a connection's `connector` leads to.
#[derive(Debug)]
pub struct Found<'a> {
    /// The component.
    pub bytes: Cow<'a, [u8]>,
    /// What it may do; none where nobody need grant it: it is part of this program, or a file that the connections name. What
    /// would leave unhashed is then withheld unless the connection allows it (`raw`).
    pub grant: Option<Grant>,
}

impl Shelf {
    /// What a store has installed; nothing where there is no such file yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn at(path: &Path) -> anyhow::Result<Shelf> {
        match Sqlite::open_if_made(path)? {
            Some(store) => Shelf::of(&store).await,
            None => Ok(Shelf::default()),
        }
    }

    /// What the store of a canvas has installed. What is wrong with the canvas is told by whoever checks it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn of_canvas(global: &Global, canvas: &Path) -> anyhow::Result<Shelf> {
        let Ok(read) = files::canvas(canvas) else { return Ok(Shelf::default()) };
        Shelf::at(&stores::of_canvas(global, read.value.canvas.as_str(), canvas)?).await
    }

    /// What a store has installed.
    ///
    /// # Errors
    /// The store cannot be read, or what it keeps is damaged.
    pub async fn of(store: &impl Store) -> anyhow::Result<Shelf> {
        let policy = policy_of(store).await?;
        let mut shelf = Shelf {
            standings: standing::all(store).await?,
            pins: pins(store).await?,
            grants: grants(store).await?,
            bytes: BTreeMap::new(),
            names: store.components().await?.into_iter().map(|record| (record.digest, record.name)).collect(),
            signing: policy.connectors,
            lab: policy.lab,
            sealed: store.documents(DocumentKind::Sealed).await?.into_iter().map(|(id, _)| id).collect(),
            kept: Kept::of(store).await?,
        };
        let used = shelf.standings.values().filter_map(|standing| standing.active).chain(shelf.pins.values().copied());
        let used: Vec<Digest> = used.collect();
        for digest in used {
            if let Some(bytes) = store.component(digest).await? {
                shelf.bytes.insert(digest, bytes);
            }
        }
        Ok(shelf)
    }

    /// The same under a policy that is about to be the store's.
    #[must_use]
    pub fn under(mut self, policy: &Policy) -> Shelf {
        self.signing = policy.connectors.clone();
        self.lab = policy.lab;
        self
    }

    /// Whether connections may lead to the lab.
    pub fn allows_lab(&self) -> bool {
        self.lab.is_allowed()
    }

    /// The connections that the store keeps, beside those of a file.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The same with other connections.
    #[must_use]
    pub fn keeping(mut self, kept: Kept) -> Shelf {
        self.kept = kept;
        self
    }

    /// Whether a token of a connection, or an app that the partner gives tokens to, is sealed.
    pub fn brings_token(&self, connection: &str, manifest: &Manifest) -> bool {
        let app = manifest.auth.token.is_some() && self.sealed.contains(&Safe::of_connector(&manifest.name));
        app || self.sealed.contains(&Safe::of_connection(connection))
    }

    /// What a connection's `connector` names: a path relative to `folder`; an installed connector, by the connection's pin,
    /// else by the version in use; a bundled one, also where a version of its name is installed and none is in use: what
    /// nobody allowed takes no name away.
    ///
    /// Where the policy wants somebody else's approval, a stranger's file that a path names is used at the lab (`lab`), or
    /// once it is installed and granted.
    ///
    /// # Errors
    /// CV053 nothing is there, CV054 it waits for approval, CV055 nobody signed it whom the policy knows.
    pub fn find(&self, connection: &str, named: &str, lab: bool, folder: &Path) -> Result<Found<'_>, Problem> {
        let named = named.trim();
        let (name, wanted) = match named.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse::<Digest>().map_err(|words| Problem::new(Code::BadConnection, words))?))
            }
            None => (named, None),
        };
        let pinned = self.pins.get(connection).copied().filter(|_| !is_path(named));
        if let Some(other) = pinned.and_then(|pin| self.names.get(&pin)).filter(|other| *other != name) {
            let words = format!("`{connection}` is pinned to a version of the connector `{other}`, and names `{name}`");
            let cure = format!(
                "pin it to a version of its own connector, or take the pin away: `caravan connector pin {connection}`"
            );
            return Err(Problem::new(Code::BadConnection, words).cure(cure));
        }
        let standing = self.standings.get(name).filter(|_| !is_path(named));
        let Some(standing) = standing else {
            let bytes = bundle::find(named, folder)?;
            return if is_path(named) { self.by_path(named, bytes, lab) } else { Ok(Found { bytes, grant: None }) };
        };
        let bundled = bundle::digest_of(name);
        let Some(digest) = wanted.or(pinned).or(standing.active).or(bundled) else {
            return Err(awaiting(name, standing.waiting.as_ref().map(|waiting| waiting.digest)));
        };
        if bundled == Some(digest) && !self.grants.contains_key(&digest) {
            return Ok(Found { bytes: bundle::find(name, folder)?, grant: None });
        }
        let Some(bytes) = self.bytes.get(&digest) else {
            let words = format!("the connector {name}@sha256:{digest} is not in use here");
            let cure = "name no digest, or pin the connection to it: `caravan connector pin CONNECTION NAME@sha256:…`";
            return Err(Problem::new(Code::UnknownConnector, words).cure(cure));
        };
        match self.grants.get(&digest) {
            Some(file) => {
                signatures::check(&self.signing, name, bytes)?;
                Ok(Found { bytes: Cow::Borrowed(bytes), grant: Some(file.grant()) })
            }
            None => Err(awaiting(name, Some(digest))),
        }
    }

    /// A file that a connection names by its path.
    fn by_path<'a>(&'a self, path: &str, bytes: Cow<'a, [u8]>, lab: bool) -> Result<Found<'a>, Problem> {
        if !self.signing.signatures.is_off() {
            signatures::check(&self.signing, &Outline::read(&bytes)?.manifest.name, &bytes)?;
        }
        let digest = Digest::of(&bytes);
        if self.signing.approval != Approval::Other || lab || bundle::has(digest) {
            return Ok(Found { bytes, grant: None });
        }
        let Some(file) = self.grants.get(&digest) else {
            let name = Outline::read(&bytes)?.manifest.name;
            let words = format!(
                "`{path}` (sha256:{}) is named by its path, and the policy wants somebody else to allow a connector",
                digest.short()
            );
            let cure = format!(
                "`caravan connector install {path}`, have another member grant it, then write `connector: {name}`; at the lab \
                 (`lab: true`) a path needs nobody"
            );
            return Err(Problem::new(Code::AwaitingApproval, words).cure(cure));
        };
        Ok(Found { bytes, grant: Some(file.grant()) })
    }
}

fn awaiting(name: &str, digest: Option<Digest>) -> Problem {
    let version = digest.map(|digest| format!(" sha256:{}", digest.short())).unwrap_or_default();
    Problem::new(Code::AwaitingApproval, format!("the connector `{name}`{version} is installed and waits for approval"))
        .cure(format!(
            "look at it with `caravan connector inspect {name}`, then `caravan connector grant {name} --as-asked`"
        ))
}

/// Which version each connection stays with.
///
/// # Errors
/// The store cannot be read, or a pin is damaged.
pub async fn pins(store: &impl Store) -> anyhow::Result<BTreeMap<String, Digest>> {
    let mut pins = BTreeMap::new();
    for (connection, digest) in store.documents(DocumentKind::Pin).await? {
        pins.insert(connection, digest.parse().map_err(damaged)?);
    }
    Ok(pins)
}

/// All grants, by version.
///
/// # Errors
/// The store cannot be read, or a grant is damaged.
pub async fn grants(store: &impl Store) -> anyhow::Result<BTreeMap<Digest, GrantFile>> {
    let mut grants = BTreeMap::new();
    for (digest, text) in store.documents(DocumentKind::Grant).await? {
        let file = read_grant("a grant in the store", &text)?;
        grants.insert(digest.parse().map_err(damaged)?, file);
    }
    Ok(grants)
}

fn damaged(words: String) -> Problem {
    Problem::new(Code::StoreDamaged, words)
}

/// Reads a grant's file.
///
/// # Errors
/// CV002 where it is none.
pub fn read_grant(name: &str, text: &str) -> Result<GrantFile, Problem> {
    let wrong = |words: String| Problem::new(Code::BadSyntax, format!("this is no grant: {words}")).in_file(name);
    let file: GrantFile = serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
    file.names().map_err(wrong)?;
    Ok(file)
}

/// A grant as a file for Git.
pub fn write_grant(file: &GrantFile, outline: &Outline) -> String {
    let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "# What {} {} may do. Take words out to allow less; the manifest bounds what can be allowed.\nformat: 1\n\
         connector: {}\nsend: [{}]\n",
        outline.manifest.name,
        outline.manifest.version,
        file.connector,
        list(&file.send)
    );
    for (word, names) in [("flags", &file.flags), ("actions", &file.actions)] {
        names.iter().for_each(|names| text.push_str(&format!("{word}: [{}]\n", list(names))));
    }
    text.push_str("to:\n");
    for (host, routes) in &file.to {
        text.push_str(&format!("  {}: [{}]\n", quoted(host), list(routes)));
    }
    if file.to.is_empty() {
        text.push_str("  {}\n");
    }
    for (word, names) in [("tokens", &file.tokens), ("secrets", &file.secrets)] {
        names.iter().for_each(|names| text.push_str(&format!("{word}: [{}]\n", list(names))));
    }
    text.push_str("limits:\n");
    if let Ok(serde_json::Value::Object(limits)) = serde_json::to_value(&file.limits) {
        limits.iter().for_each(|(name, value)| text.push_str(&format!("  {name}: {value}\n")));
    }
    text
}

/// A word as JSON writes it, which YAML reads alike.
fn quoted(word: &str) -> String {
    serde_json::Value::from(word).to_string()
}
