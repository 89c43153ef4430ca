//! Which strangers' components a process loaded, noted in the audit chain. Those inside the program are part of it.
use crate::bundle;
use caravan_connectors::LoadedComponent;
use caravan_model::Digest;
use caravan_runner::control::Acting;
use caravan_store::Sqlite;
use serde_json::json;
use std::collections::BTreeMap;
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
