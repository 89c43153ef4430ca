//! Which strangers' components a process loaded, noted in the audit chain. Those inside the program are part of it.
use crate::args::Global;
use crate::host::Host;
use crate::host::hands::actor;
use crate::{bundle, config, stores};
use caravan_connectors::LoadedComponent;
use caravan_model::Digest;
use caravan_model::port::SystemClock;
use caravan_runner::control::Acting;
use caravan_runner::{Runner, RunnerOptions};
use caravan_store::Sqlite;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Notes what was loaded: a record for each version, with the connections that it serves.
///
/// # Errors
/// What the store says.
pub async fn note(
    acting: &Acting<'_, Sqlite>,
    components: &BTreeMap<String, Arc<LoadedComponent>>,
) -> anyhow::Result<()> {
    let mut loaded: BTreeMap<Digest, (&Arc<LoadedComponent>, Vec<&str>)> = BTreeMap::new();
    for (connection, component) in components {
        loaded.entry(component.digest()).or_insert((component, Vec::new())).1.push(connection);
    }
    for (digest, (component, connections)) in loaded {
        if bundle::has(digest) {
            continue;
        }
        let manifest = component.manifest();
        let details = json!({"version": manifest.version, "digest": digest.to_string(), "connections": connections});
        acting.note("connector.load", &format!("connector {}", manifest.name), details).await?;
    }
    Ok(())
}

/// Notes what was loaded for something else than a connection's calls: to be looked at, or tried without the partner.
///
/// # Errors
/// What the store says.
pub async fn note_for(
    acting: &Acting<'_, Sqlite>,
    purpose: &str,
    components: impl IntoIterator<Item = &Arc<LoadedComponent>>,
) -> anyhow::Result<()> {
    let loaded: BTreeMap<Digest, &Arc<LoadedComponent>> =
        components.into_iter().map(|component| (component.digest(), component)).collect();
    for (digest, component) in loaded.into_iter().filter(|(digest, _)| !bundle::has(*digest)) {
        let manifest = component.manifest();
        let details = json!({"version": manifest.version, "digest": digest.to_string(), "for": purpose});
        acting.note("connector.load", &format!("connector {}", manifest.name), details).await?;
    }
    Ok(())
}

/// The same at the store of a command that only looks, where there is one.
///
/// # Errors
/// What the store says; a host that owns it goes on, and people are told that nothing was noted.
pub async fn note_at<'a>(
    global: &Global,
    store: &Path,
    purpose: &str,
    components: impl IntoIterator<Item = &'a Arc<LoadedComponent>>,
) -> anyhow::Result<()> {
    let strangers: Vec<_> = components.into_iter().filter(|component| !bundle::has(component.digest())).collect();
    if strangers.is_empty() || !store.exists() {
        return Ok(());
    }
    let own = match Sqlite::open(store, stores::options(global)) {
        Ok(own) => own,
        Err(error) => {
            tracing::warn!(store = %store.display(), %error, "that a connector was loaded is not in the audit chain");
            return Ok(());
        }
    };
    let options = RunnerOptions { workspace_zone: config::zone_of(own.workspace()), ..RunnerOptions::default() };
    let runner = Runner::new(own, Arc::new(Host::none()), Arc::new(SystemClock), options);
    let noted = note_for(&runner.acting(actor()), purpose, strangers).await;
    runner.close().await?;
    noted
}
