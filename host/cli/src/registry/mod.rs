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

use crate::args::Global;
use crate::bundle::{self, is_path};
use crate::kept::Kept;
use crate::{files, stores};
use caravan_connectors::{Grant, GrantFile, Outline, Safe};
use caravan_model::policy::{ConnectorPolicy, LabUse};
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
        if !path.exists() {
            return Ok(Shelf::default());
        }
        Shelf::of(&Sqlite::open_read_only(path)?).await
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
    /// else by the version in use; a bundled one.
    ///
    /// # Errors
    /// CV053 nothing is there, CV054 it waits for approval, CV055 nobody signed it whom the policy knows.
    pub fn find(&self, connection: &str, named: &str, folder: &Path) -> Result<Found<'_>, Problem> {
        let named = named.trim();
        let (name, wanted) = match named.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse::<Digest>().map_err(|words| Problem::new(Code::BadConnection, words))?))
            }
            None => (named, None),
        };
        let standing = self.standings.get(name).filter(|_| !is_path(named));
        let Some(standing) = standing else {
            let bytes = bundle::find(named, folder)?;
            if is_path(named) {
                signatures::check(&self.signing, named, &bytes)?;
            }
            return Ok(Found { bytes, grant: None });
        };
        let pinned = self.pins.get(connection).copied();
        let Some(digest) = wanted.or(pinned).or(standing.active) else {
            return Err(awaiting(name, standing.waiting.as_ref().map(|waiting| waiting.digest)));
        };
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
        "# What {} {} may do. Take lines out to allow less; the manifest bounds what can be allowed.\nformat: 1\n\
         connector: {}\nsend: [{}]\nto:\n",
        outline.manifest.name,
        outline.manifest.version,
        file.connector,
        list(&file.send)
    );
    for (host, routes) in &file.to {
        text.push_str(&format!("  {}: [{}]\n", quoted(host), list(routes)));
    }
    if file.to.is_empty() {
        text.push_str("  {}\n");
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
