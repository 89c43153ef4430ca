//! Pinning connections to a version, and removing what nobody needs.
use super::desk::{Desk, Document};
use super::pins;
use super::takeover::connections;
use crate::bundle::is_path;
use crate::fail::usage;
use crate::kept::Kept;
use caravan_model::{Code, Digest, Problem};
use caravan_store::{DocumentKind, Store as _};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// Keeps a connection at a version, or (none named) lets it go with the others again. Gives the version. `file` has the
/// connections that the store does not keep.
///
/// # Errors
/// The version is not installed, or is none of the connection's own connector.
pub async fn pin(
    desk: &Desk<'_>,
    connection: &str,
    version: Option<&str>,
    file: &Path,
) -> anyhow::Result<Option<Digest>> {
    let Some(version) = version else {
        let pin = (DocumentKind::Pin, connection.to_owned(), None);
        desk.keep(vec![pin], "connector.unpin", connection, json!({})).await?;
        return Ok(None);
    };
    let digest = installed(desk, version).await?;
    let name = version.split('@').next().unwrap_or_default();
    uses(desk, connection, name, file).await?;
    let pin = (DocumentKind::Pin, connection.to_owned(), Some(digest.to_string()));
    desk.keep(vec![pin], "connector.pin", connection, json!({"digest": digest.to_string()})).await?;
    Ok(Some(digest))
}

/// Holds a connection that is known to its own connector: a version of another one is nothing that it could stay with.
///
/// # Errors
/// CV026 where it names another connector, or a file.
pub async fn uses(desk: &Desk<'_>, connection: &str, name: &str, file: &Path) -> anyhow::Result<()> {
    let known = connections(file, &Kept::of(desk.store()).await?);
    let named = match known.get(connection) {
        Some(known) => Some(known.connector.trim().to_owned()),
        None => {
            let lanes = desk.store().lanes().await?;
            lanes.into_iter().find(|lane| lane.connection == connection).map(|lane| lane.key.connector)
        }
    };
    let Some(named) = named else { return Ok(()) };
    if !is_path(&named) && named.split('@').next() == Some(name) {
        return Ok(());
    }
    let words =
        format!("the connection `{connection}` uses the connector `{named}`, and this is a version of `{name}`");
    let cure = match is_path(&named) {
        true => format!("a path is used as it is: write `connector: {name}` into the connection first"),
        false => format!("name a version of `{named}`: `caravan connector list` has them"),
    };
    Err(Problem::new(Code::BadConnection, words).cure(cure).into())
}

/// The digest of `NAME@sha256:DIGEST`, which must be installed.
async fn installed(desk: &Desk<'_>, version: &str) -> anyhow::Result<Digest> {
    let (name, digest) =
        version.split_once('@').ok_or_else(|| usage("this names no version", "name one: NAME@sha256:DIGEST"))?;
    let digest: Digest = digest.parse().map_err(|words: String| usage(words, "name one: NAME@sha256:DIGEST"))?;
    let known = desk.store().components().await?;
    if !known.iter().any(|record| record.name == name && record.digest == digest) {
        let words = format!("the version {version} is not installed");
        return Err(Problem::new(Code::UnknownConnector, words)
            .cure("`caravan connector list` names those that are")
            .into());
    }
    Ok(digest)
}

/// A removal that nothing stands against.
pub struct Removal {
    named: String,
    documents: Vec<Document>,
    /// The versions that go.
    pub digests: BTreeSet<Digest>,
}

impl Removal {
    /// Looks whether a connector, or one version of it (`NAME@sha256:DIGEST`), can be removed.
    ///
    /// # Errors
    /// CV026 where a connection is pinned to it, it is in use, or a queue needs it.
    pub async fn of(desk: &Desk<'_>, named: &str) -> anyhow::Result<Removal> {
        let (name, only) = match named.contains('@') {
            true => (named.split('@').next().unwrap_or_default(), Some(installed(desk, named).await?)),
            false => (named, None),
        };
        let standing = desk.standing(name).await?;
        let of_name = desk.store().components().await?.into_iter().filter(|record| record.name == name);
        let digests: BTreeSet<Digest> =
            of_name.map(|record| record.digest).filter(|one| only.is_none_or(|only| only == *one)).collect();
        let refused = |words: String, cure: &str| Err(Problem::new(Code::BadConnection, words).cure(cure).into());
        let pinned: Vec<String> = pins(desk.store())
            .await?
            .into_iter()
            .filter(|(_, digest)| digests.contains(digest))
            .map(|(name, _)| name)
            .collect();
        if !pinned.is_empty() {
            return refused(
                format!("`{named}` cannot be removed: {} pinned to it", pinned.join(", ")),
                "pin those connections to another version, or take the pin away: `caravan connector pin CONNECTION`",
            );
        }
        if standing.active.is_some_and(|active| digests.contains(&active)) {
            if only.is_some() {
                return refused(
                    format!("`{named}` cannot be removed: it is the version in use"),
                    "upgrade or roll back first",
                );
            }
            let lanes = desk.store().lanes().await?;
            let queues: BTreeSet<String> =
                lanes.into_iter().filter(|lane| lane.key.connector == name).map(|lane| lane.connection).collect();
            if !queues.is_empty() {
                let queues: Vec<String> = queues.into_iter().collect();
                return refused(
                    format!("`{name}` cannot be removed: queues of {} need it", queues.join(", ")),
                    "removals that consent owes go through these queues: keep the connector while the store has them",
                );
            }
        }
        let mut documents: Vec<Document> =
            digests.iter().map(|digest| (DocumentKind::Grant, digest.to_string(), None)).collect();
        let mut left = standing;
        left.before = left.before.filter(|before| !digests.contains(before));
        left.waiting = left.waiting.filter(|waiting| !digests.contains(&waiting.digest));
        documents.push(match only {
            Some(_) => left.document(name),
            None => (DocumentKind::Connector, name.to_owned(), None),
        });
        Ok(Removal { named: named.to_owned(), documents, digests })
    }

    /// Removes it. First nobody finds the versions any more, then the bytes go: cut short, a repeat does the rest.
    ///
    /// # Errors
    /// What the store says.
    pub async fn carry_out(self, desk: &Desk<'_>) -> anyhow::Result<()> {
        desk.keep(self.documents, "connector.uninstall", &self.named, json!({})).await?;
        for digest in self.digests {
            desk.acting().drop_component(digest).await?;
        }
        Ok(())
    }
}
