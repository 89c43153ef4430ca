//! What uses a connection: canvases that are live, imports, queues that still hold something for it.
use super::state::states;
use super::{CanvasState, names};
use crate::imports::imports_of;
use caravan_model::VersionId;
use caravan_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that uses a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionUse {
    /// What it is: `canvas win-back`, `list vip`, `queue win-back/vip`.
    pub words: String,
    /// Our short name of the account that it uses, where it names one.
    pub account: Option<String>,
}

/// What uses a connection: the newest version of each canvas that may let people in, others in which people still are,
/// imports, and queues in which something waits or is owed.
///
/// # Errors
/// What the store says.
pub async fn uses_of_connection<S: Store>(store: &S, connection: &str) -> crate::Result<Vec<ConnectionUse>> {
    let (states, versions) = (states(store).await?, store.versions().await?);
    let mut newest: BTreeMap<&str, (u32, VersionId)> = BTreeMap::new();
    for version in &versions {
        let known = newest.entry(version.canvas.canvas.as_str()).or_insert((version.number, version.id));
        if version.number >= known.0 {
            *known = (version.number, version.id);
        }
    }
    let mut uses = BTreeSet::new();
    for version in &versions {
        let accounts: BTreeSet<&String> = version
            .canvas
            .audiences
            .values()
            .filter(|spec| spec.connection == connection)
            .map(|spec| &spec.account)
            .collect();
        let canvas = version.canvas.canvas.as_str();
        let over = matches!(states.of(canvas), CanvasState::Stopped | CanvasState::Archived);
        if accounts.is_empty() || over {
            continue;
        }
        let is_newest = newest.get(canvas).is_some_and(|(_, id)| *id == version.id);
        let lets_in = is_newest && states.of(canvas) != CanvasState::Closed;
        if lets_in || store.counters(version.id).await?.open > 0 {
            let used =
                |account: &String| ConnectionUse { words: format!("canvas {canvas}"), account: Some(account.clone()) };
            uses.extend(accounts.into_iter().map(used));
        }
    }
    let imports = imports_of(store).await?.into_iter().filter(|(_, what)| what.connection == connection);
    uses.extend(imports.map(|(_, what)| ConnectionUse { words: format!("list {}", what.list), account: None }));
    let audiences = store.audiences().await?;
    let busy = |lane: &caravan_store::Lane| lane.connection == connection && (lane.waiting > 0 || lane.owed > 0);
    let queues = store.lanes().await?.into_iter().filter(busy);
    uses.extend(queues.map(|lane| ConnectionUse {
        words: format!("queue {}", names::of_queue(&lane.key, &audiences)),
        account: None,
    }));
    Ok(uses.into_iter().collect())
}
