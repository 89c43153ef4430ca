//! Which version is used, and what it may do: allowing, taking up, going back.
use super::behaviour::{self, Short};
use super::desk::{Desk, Document};
use super::standing::{self, Standing};
use super::takeover::{self, Takeover};
use super::{grants, pins, read_grant, removal, write_grant};
use crate::bundle;
use crate::fail::usage;
use caravan_connectors::{Difference, Grant, GrantFile, Outline};
use caravan_model::policy::Approval;
use caravan_model::{Code, Digest, Problem};
use caravan_runner::policy_of;
use caravan_store::{DocumentKind, Store as _};
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// What is allowed.
pub enum Allowed {
    /// All that the manifest asks for.
    AsAsked,
    /// What a grant says: its name where it is wrong, and its text.
    Grant(String, String),
}

/// A version that was allowed.
#[derive(Clone, Debug, Serialize)]
pub struct Granted {
    /// The connector's name.
    pub name: String,
    /// The version, as its manifest says.
    pub version: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Whether it is in use now.
    pub in_use: bool,
    /// What it asks for and may not.
    pub withheld: Vec<String>,
    /// Lines of the grant that have no effect, because the manifest does not ask for that.
    pub beyond: Vec<String>,
    /// The grant, as a file for Git.
    pub grant: String,
    /// What it took over, where its name is a bundled connector's.
    pub takes_over: Option<Takeover>,
}

/// A version that was to be taken up.
#[derive(Clone, Debug, Serialize)]
pub struct Upgraded {
    /// The connector's name.
    pub name: String,
    /// The version before.
    pub from: Digest,
    /// The newer one.
    pub to: Digest,
    /// Their versions, as their manifests say.
    pub versions: (String, String),
    /// `waits` (for a grant), `is tried` (by one connection), `is in use`.
    pub state: &'static str,
    /// What the newer one may do more.
    pub widens: Vec<String>,
    /// What it may no longer do.
    pub narrows: Vec<String>,
    /// The narrowed grant, as a file for Git, where one was written.
    pub grant: Option<String>,
    /// How the newer one behaves beside the one before; nothing where that takes too long to be told in passing.
    pub behaviour: Option<Short>,
}

/// What was gone back from.
#[derive(Clone, Debug, Serialize)]
pub struct RolledBack {
    /// The connector's name.
    pub name: String,
    /// Connections whose trial ended; empty where the version in use was changed.
    pub trials: Vec<String>,
    /// The version that is no longer used.
    pub from: Digest,
    /// The version that is.
    pub to: Option<Digest>,
}

/// Allows the version that waits, or the one in use anew. The first version that is allowed is in use at once. `connections`
/// is the file of those that the store does not keep.
///
/// # Errors
/// There is no such version, the grant is another's, or whoever installed it may not allow it.
pub async fn grant(desk: &Desk<'_>, name: &str, allowed: Allowed, connections: &Path) -> anyhow::Result<Granted> {
    let mut standing = desk.standing(name).await?;
    let Some(digest) = standing.waiting.as_ref().map(|waiting| waiting.digest).or(standing.active) else {
        return Err(usage(format!("no version of `{name}` is there to be allowed"), "install one").into());
    };
    let outline = desk.outline(digest).await?;
    let file = match allowed {
        Allowed::Grant(shown, text) => of_this(read_grant(&shown, &text)?, &shown, name, &outline)?,
        Allowed::AsAsked => GrantFile::new(name, &digest, Grant::as_asked(&outline.manifest)),
    };
    may_approve(desk, name, digest, &standing).await?;
    let signed_by = desk.signed(name, digest).await?;
    let takes_over = takeover::by(Some(desk.store()), &outline, connections).await?;
    let text = write_grant(&file, &outline);
    let mut documents = vec![(DocumentKind::Grant, digest.to_string(), Some(text.clone()))];
    let first = standing.active.is_none();
    let mut details = json!({"digest": digest.to_string(), "in_use": first, "signed_by": signed_by});
    if let Some(takeover) = &takes_over {
        details["takes_over"] = json!({"bundled": takeover.bundled.to_string(), "connections": takeover.connections});
    }
    if first {
        standing.take_up(digest);
        // What a roll-back goes to: the one inside the program.
        standing.before = bundle::digest_of(name).filter(|bundled| *bundled != digest);
        documents.push(standing.document(name));
    }
    desk.keep(documents, "connector.grant", name, details).await?;
    Ok(Granted {
        name: name.to_owned(),
        version: outline.manifest.version.clone(),
        digest,
        in_use: standing.active == Some(digest),
        withheld: file.grant().withheld(&outline.manifest),
        beyond: file.grant().beyond(&outline.manifest),
        grant: text,
        takes_over,
    })
}

fn of_this(file: GrantFile, shown: &str, name: &str, outline: &Outline) -> Result<GrantFile, Problem> {
    let (of, digest) = file.names().map_err(|words| Problem::new(Code::BadValue, words).in_file(shown))?;
    if of != name || digest != outline.digest {
        let words = format!("this grant is for {}, and {name}@sha256:{} waits", file.connector, outline.digest);
        let cure = "a grant holds for exactly one version: look at the difference, then change `connector` in the file";
        return Err(Problem::new(Code::BadValue, words).in_file(shown).cure(cure));
    }
    Ok(file)
}

/// Holds to the policy: with `approval: other`, nobody allows what they installed, also not once it is in use.
async fn may_approve(desk: &Desk<'_>, name: &str, digest: Digest, standing: &Standing) -> anyhow::Result<()> {
    if policy_of(desk.store()).await?.connectors.approval != Approval::Other {
        return Ok(());
    }
    let waiting = standing.waiting.as_ref().filter(|waiting| waiting.digest == digest).map(|waiting| &waiting.by);
    let by = match waiting.or_else(|| standing.brought.get(&digest)) {
        Some(by) => Some(by.clone()),
        // Stores of before do not say it of a version that is in use.
        None => standing::bringer(desk.store(), name, digest).await?,
    };
    // Who installed at a command line stands there without it in stores of before.
    let own = desk.who.strip_prefix("cli:").unwrap_or(&desk.who);
    if by.as_ref().is_none_or(|by| *by == desk.who || by == own) {
        let who = if by.is_some() { own } else { "somebody who is not known" };
        let words = format!("{who} installed this version of `{name}`; the policy wants somebody else to allow it");
        return Err(Problem::new(Code::AwaitingApproval, words)
            .cure(
                "ask another member of the team to grant it, at a serving host: --server URL, with a key of their own",
            )
            .into());
    }
    Ok(())
}

/// Takes the waiting version into use, everywhere or for one connection first. What widens needs a grant. `connections` is
/// the file of those that the store does not keep.
///
/// # Errors
/// No version waits, none is in use yet, or the one connection is of another connector.
pub async fn upgrade(desk: &Desk<'_>, name: &str, only: Option<&str>, connections: &Path) -> anyhow::Result<Upgraded> {
    let mut standing = desk.standing(name).await?;
    let Some(waiting) = standing.waiting.clone() else {
        return Err(usage(
            format!("no newer version of `{name}` is installed"),
            "install it: caravan connector install FILE",
        )
        .into());
    };
    let Some(active) = standing.active else {
        let cure = format!("allow it first: `caravan connector grant {name} --as-asked`");
        return Err(Problem::new(Code::AwaitingApproval, format!("no version of `{name}` is in use yet"))
            .cure(cure)
            .into());
    };
    if let Some(connection) = only {
        removal::uses(desk, connection, name, connections).await?;
    }
    let (old, new) = (desk.outline(active).await?, desk.outline(waiting.digest).await?);
    let Difference { widens, narrows } = old.difference(&new);
    let mut upgraded = Upgraded {
        name: name.to_owned(),
        from: active,
        to: waiting.digest,
        versions: (old.manifest.version.clone(), new.manifest.version.clone()),
        state: "waits",
        widens,
        narrows,
        grant: None,
        behaviour: None,
    };
    let signed_by = desk.signed(name, waiting.digest).await?;
    upgraded.behaviour = behaviour::in_short(desk, name, connections).await;
    let granted = grants(desk.store()).await?;
    let mut documents: Vec<Document> = Vec::new();
    if !granted.contains_key(&waiting.digest) {
        if !upgraded.widens.is_empty() {
            return Ok(upgraded);
        }
        // Narrowing goes through: what was allowed, as far as it is still asked for.
        let before = granted.get(&active).map(GrantFile::grant).unwrap_or_default();
        let narrowed = before.narrowed(&new.manifest);
        let text = write_grant(&GrantFile::new(name, &waiting.digest, narrowed), &new);
        documents.push((DocumentKind::Grant, waiting.digest.to_string(), Some(text.clone())));
        upgraded.grant = Some(text);
    }
    upgraded.state = match only {
        Some(connection) => {
            documents.push((DocumentKind::Pin, connection.to_owned(), Some(waiting.digest.to_string())));
            "is tried"
        }
        None => {
            documents.extend(unpinned(desk, waiting.digest).await?);
            standing.take_up(waiting.digest);
            documents.push(standing.document(name));
            "is in use"
        }
    };
    let details = json!({"digest": waiting.digest.to_string(), "only": only, "signed_by": signed_by});
    desk.keep(documents, "connector.upgrade", name, details).await?;
    Ok(upgraded)
}

/// Takes away the pins to a version.
async fn unpinned(desk: &Desk<'_>, digest: Digest) -> anyhow::Result<Vec<Document>> {
    let pins = pins(desk.store()).await?.into_iter().filter(|(_, pinned)| *pinned == digest);
    Ok(pins.map(|(connection, _)| (DocumentKind::Pin, connection, None)).collect())
}

/// Ends a trial, or goes back to the version before.
///
/// # Errors
/// There is nothing to go back to.
pub async fn roll_back(desk: &Desk<'_>, name: &str) -> anyhow::Result<RolledBack> {
    let mut standing = desk.standing(name).await?;
    if let Some(waiting) = &standing.waiting {
        let trial = unpinned(desk, waiting.digest).await?;
        if !trial.is_empty() {
            let trials = trial.iter().map(|(_, connection, _)| connection.clone()).collect();
            let (from, to) = (waiting.digest, standing.active);
            desk.keep(trial, "connector.rollback", name, json!({"trial": true})).await?;
            return Ok(RolledBack { name: name.to_owned(), trials, from, to });
        }
    }
    let (Some(active), Some(before)) = (standing.active, standing.before) else {
        return Err(usage(format!("there is no earlier version of `{name}` to go back to"), "install one").into());
    };
    let kept = desk.store().component(before).await?.is_some();
    // What is inside the program may be another version by now.
    let to = if kept { before } else { bundle::digest_of(name).unwrap_or(before) };
    (standing.active, standing.before) = (kept.then_some(before), None);
    let mut documents = unpinned(desk, active).await?;
    documents.push(standing.document(name));
    let details = json!({"from": active.to_string(), "to": to.to_string()});
    desk.keep(documents, "connector.rollback", name, details).await?;
    Ok(RolledBack { name: name.to_owned(), trials: Vec::new(), from: active, to: Some(to) })
}

/// Keeps what a serving host did by itself: a version that broke is no longer in use, nor pinned, from now on. False where
/// it was not in use any more.
///
/// # Errors
/// What the store says.
pub async fn taken_back(desk: &Desk<'_>, name: &str, from: Digest, to: Digest, because: &str) -> anyhow::Result<bool> {
    let mut standing = desk.standing(name).await?;
    let mut documents = unpinned(desk, from).await?;
    if standing.active == Some(from) {
        // The bundled version is in use where none that is installed is.
        standing.active = desk.store().component(to).await?.map(|_| to);
        standing.before = None;
        documents.push(standing.document(name));
    }
    if documents.is_empty() {
        return Ok(false);
    }
    let details = json!({"from": from.to_string(), "to": to.to_string(), "because": because, "by_itself": true});
    desk.keep(documents, "connector.rollback", name, details).await?;
    Ok(true)
}
