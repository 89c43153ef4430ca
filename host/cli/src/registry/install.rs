//! Installing: bytes are read, compiled in a child process, and kept. Nothing of them runs.
use super::desk::Desk;
use super::signatures;
use super::standing::{self, Waiting};
use crate::bundle;
use crate::host::workshop::Workshop;
use caravan_connectors::Outline;
use caravan_model::{Digest, Problem};
use caravan_runner::policy_of;
use serde::Serialize;
use serde_json::json;

/// A version that was brought.
#[derive(Clone, Debug, Serialize)]
pub struct Installed {
    /// The connector's name.
    pub name: String,
    /// Its version, as its manifest says.
    pub version: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Whether this very version is in use already; else it waits for approval.
    pub in_use: bool,
    /// Whether another version is in use meanwhile.
    pub another_in_use: bool,
    /// Whether it has the name of a bundled connector, which is in use until this one is allowed.
    pub bundled_name: bool,
    /// Who signed it, of those whom the policy knows; nobody where it does not ask.
    pub signed_by: Vec<String>,
}

/// Keeps a component, which then waits for approval.
///
/// # Errors
/// CV050 to CV052 where it is none that can be used here; CV055 where nobody signed it whom the policy knows; what the store says.
pub async fn install(desk: &Desk<'_>, bytes: Vec<u8>) -> anyhow::Result<Installed> {
    // A stranger's bytes: reading and compiling them takes a while, on a thread of its own.
    let (outline, bytes) =
        tokio::task::spawn_blocking(move || Outline::read(&bytes).map(|outline| (outline, bytes))).await??;
    let signed_by = signatures::check(&policy_of(desk.store()).await?.connectors, &outline.manifest.name, &bytes)?;
    let bytes = tokio::task::spawn_blocking(move || -> Result<Vec<u8>, Problem> {
        Workshop::open()?.load(&bytes)?;
        Ok(bytes)
    })
    .await??;
    let (name, version) = (outline.manifest.name.clone(), outline.manifest.version.clone());
    let mut standing = standing::all(desk.store()).await?.remove(&name).unwrap_or_default();
    let in_use = standing.active == Some(outline.digest);
    let digest = desk.acting().keep_component(&name, &version, bytes).await?;
    if !in_use && standing.waiting.as_ref().is_none_or(|waiting| waiting.digest != digest) {
        standing.waiting = Some(Waiting { digest, by: desk.who.clone() });
        let details = json!({"version": version, "digest": digest.to_string(), "signed_by": signed_by});
        desk.keep(vec![standing.document(&name)], "connector.install", &name, details).await?;
    }
    let another_in_use = standing.active.is_some();
    let bundled_name = !another_in_use && bundle::digest_of(&name).is_some_and(|bundled| bundled != digest);
    Ok(Installed { name, version, digest, in_use, another_in_use, bundled_name, signed_by })
}
