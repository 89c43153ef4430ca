//! `caravan connector inspect | list | install | push | sign | keygen | logs | grant | upgrade | rollback | pin | uninstall`.
mod approval;
mod inspect;
mod install;
mod logs;
pub mod oci;
mod signing;

pub use approval::{keep_file as keep_grant, tell_comparison};
pub use install::{files as components, read as component};
pub use logs::tell as tell_logs;

use crate::args::{ConnectorVerb, Global, QueueVerb, ScopeArgs};
use crate::fail::End;
use crate::host::hands::{Hands, actor};
use crate::registry::desk::Desk;
use crate::registry::removal::{self, Removal};
use crate::registry::{overview, takeover};
use crate::verbs::consent;
use crate::verbs::queue::queue;
use crate::{ask, files, out, stores};
use caravan_store::Sqlite;
use serde_json::json;
use std::path::Path;

/// Does a verb of connectors.
pub async fn connector(global: &Global, verb: ConnectorVerb) -> anyhow::Result<End> {
    match verb {
        ConnectorVerb::Inspect { connector } => {
            let store = look(global)?;
            let outline = overview::outline(store.as_ref(), &connector).await?;
            let takeover = takeover::by(store.as_ref(), &outline, Path::new(files::CONNECTIONS)).await?;
            let granted = overview::granted(store.as_ref(), outline.digest).await?;
            match global.json {
                true => out::print_json(&overview::as_json(&outline, takeover.as_ref(), granted.as_ref()))?,
                false => out::print(&inspect::in_words(&outline, takeover.as_ref(), granted.as_ref()))?,
            }
            Ok(End::Done)
        }
        ConnectorVerb::List => list(global).await,
        ConnectorVerb::Push { file, to, login } => oci::push(global, &file, &to, &login).await,
        ConnectorVerb::Keygen { file } => signing::keygen(global, &file),
        ConnectorVerb::Sign { file, key, out } => signing::sign(global, &file, &key, out.as_deref()),
        ConnectorVerb::Logs { .. } => logs::elsewhere(),
        ConnectorVerb::Hold { name, reason } => {
            queue(global, QueueVerb::Hold { scope: ScopeArgs::of_connector(name), because: reason }).await
        }
        ConnectorVerb::Release { name } => {
            queue(global, QueueVerb::Resume { scope: ScopeArgs::of_connector(name) }).await
        }
        ConnectorVerb::Install { from, watch: false, login } => install::install(global, &from, &login).await,
        ConnectorVerb::Install { from, watch: true, .. } => install::watch(global, &from).await,
        ConnectorVerb::Grant { name, as_asked, file } => {
            at_desk(global, async |desk| approval::grant(global, desk, &name, as_asked, file.as_deref()).await).await
        }
        ConnectorVerb::Upgrade { name, compare: true, .. } => {
            at_desk(global, async |desk| approval::compare(global, desk, &name).await).await
        }
        ConnectorVerb::Upgrade { name, only, compare: false } => {
            at_desk(global, async |desk| approval::upgrade(global, desk, &name, only.as_deref()).await).await
        }
        ConnectorVerb::Rollback { name } => {
            at_desk(global, async |desk| approval::roll_back(global, desk, &name).await).await
        }
        ConnectorVerb::Pin { connection, version } => {
            at_desk(global, async |desk| {
                let file = Path::new(files::CONNECTIONS);
                let words = match removal::pin(desk, &connection, version.as_deref(), file).await? {
                    None => format!("{connection} uses whatever version is in use\n"),
                    Some(digest) => {
                        format!("{connection} stays with sha256:{}, from the next run on\n", digest.short())
                    }
                };
                out::print(&words)?;
                Ok(End::Done)
            })
            .await
        }
        ConnectorVerb::App(verb) => consent::app(global, verb).await,
        ConnectorVerb::Uninstall { name } => {
            at_desk(global, async |desk| {
                let removal = Removal::of(desk, &name).await?;
                let versions = out::plural(removal.digests.len() as u64, "version", "versions");
                ask::confirm(global, &format!("{versions} of `{name}` and their grants are removed"))?;
                removal.carry_out(desk).await?;
                out::print(&format!("{name} is removed\n"))?;
                Ok(End::Done)
            })
            .await
        }
    }
}

/// Whoever types this at the desk of the store, which is made if the named one is not there.
async fn at_desk(global: &Global, work: impl AsyncFnOnce(&Desk<'_>) -> anyhow::Result<End>) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| work(&Desk::new(hands.runner(), actor())).await).await
}

/// The store for looking, where one is named or the only one here.
fn look(global: &Global) -> anyhow::Result<Option<Sqlite>> {
    match stores::existing(global) {
        Ok(path) => Ok(Some(Sqlite::open_read_only(path)?)),
        Err(problem) if global.store.is_some() => Err(problem.into()),
        Err(_) => Ok(None),
    }
}

async fn list(global: &Global) -> anyhow::Result<End> {
    let rows = overview::rows(look(global)?.as_ref()).await?;
    if global.json {
        let value = |row: &overview::Row| {
            json!({"name": row.name, "version": row.version, "state": row.state,
                "digest": row.digest.map(|digest| digest.to_string())})
        };
        out::print_json(&rows.iter().map(value).collect::<Vec<_>>())?;
        return Ok(End::Done);
    }
    let cells = rows.into_iter().map(|row| {
        let digest = row.digest.map(|digest| format!("sha256:{digest}")).unwrap_or_default();
        vec![row.name, row.version, row.state, digest]
    });
    out::print(&out::table(&["NAME", "VERSION", "STATE", "DIGEST"], &cells.collect::<Vec<_>>()))?;
    Ok(End::Done)
}
