//! `caravan config check`: whether a host could serve as `caravan.toml` says.
use crate::args::Global;
use crate::check::{self, Secrets};
use crate::config::{self, WorkspaceConfig};
use crate::fail::{End, usage};
use crate::host::{alerts, provider};
use crate::registry::Shelf;
use crate::verbs::looked::{Looked, tell};
use crate::{files, out};
use caravan_store::{Sqlite, Store as _};
use std::collections::BTreeSet;

/// Looks at all that the configuration names.
pub async fn check(global: &Global) -> anyhow::Result<End> {
    if config::current().workspaces.is_empty() {
        let cure = format!("`caravan workspace create` writes {}; or name one by --config", config::FILE);
        return Err(usage("there is no configuration that names a workspace", cure).into());
    }
    tell(global, &all().await)
}

/// All that the configuration names, each with what is there.
pub async fn all() -> Vec<Looked> {
    let config = config::current();
    let mut looked = Vec::new();
    let listen = config.listen.map_or_else(|| "127.0.0.1:8480".to_owned(), |at| at.to_string());
    looked.push(Looked { what: "listen".to_owned(), found: Ok(listen) });
    for (name, own) in &config.workspaces {
        looked.push(Looked { what: format!("{name}: store"), found: store(name, own).await });
        looked.push(Looked { what: format!("{name}: connections"), found: connections(own).await });
        for canvas in &own.canvases {
            let found = files::canvas(canvas).map(|read| read.value.canvas.to_string());
            let what = format!("{name}: canvas {}", canvas.display());
            looked.push(Looked { what, found: found.map_err(|problem| problem.to_string()) });
        }
        if let Some(keys) = &own.write_keys {
            let found = files::text(keys).map(|text| {
                let keys = text.lines().filter(|line| !line.trim().is_empty()).count();
                out::plural(keys as u64, "key", "keys")
            });
            looked.push(Looked {
                what: format!("{name}: write keys"),
                found: found.map_err(|problem| problem.to_string()),
            });
        }
    }
    match provider::configured() {
        Ok(None) => {}
        Ok(Some(provider)) => {
            let found = provider.reachable().await.map(|()| provider.issuer().to_owned());
            looked.push(Looked { what: "sign_in".to_owned(), found });
        }
        Err(problem) => looked.push(Looked { what: "sign_in".to_owned(), found: Err(problem.to_string()) }),
    }
    let mail = alerts::messenger().and_then(|messenger| alerts::policy().map(|_| messenger));
    let found = mail.map(|_| "understood".to_owned()).map_err(|problem| problem.to_string());
    looked.push(Looked { what: "mail and public URL".to_owned(), found });
    looked
}

/// A store that is there is this workspace's; one that is not can be made.
async fn store(name: &str, own: &WorkspaceConfig) -> Result<String, String> {
    if !own.store.exists() {
        let folder = files::folder(&own.store);
        return match folder.as_os_str().is_empty() || folder.is_dir() {
            true => Ok(format!("{} is made by the first command", own.store.display())),
            false => Err(format!("there is no folder {}", folder.display())),
        };
    }
    let store = Sqlite::open_read_only(&own.store).map_err(|error| error.to_string())?;
    if store.workspace() != name {
        return Err(format!("{} holds the people of the workspace `{}`", own.store.display(), store.workspace()));
    }
    let versions = store.versions().await.map_err(|error| error.to_string())?;
    let canvases: BTreeSet<&str> = versions.iter().map(|version| version.canvas.canvas.as_str()).collect();
    Ok(format!("{}, {}", own.store.display(), out::plural(canvases.len() as u64, "canvas", "canvases")))
}

/// All connections, with what each of them needs.
async fn connections(own: &WorkspaceConfig) -> Result<String, String> {
    let shelf = Shelf::at(&own.store).await.map_err(|error| error.to_string())?;
    let document = check::read_connections(&own.connections, shelf.kept()).map_err(|problem| problem.to_string())?;
    let all: BTreeSet<String> = document.value.connections.keys().cloned().collect();
    let checked =
        check::connections(&own.connections, &all, Secrets::Ask, &shelf).map_err(|wrong| wrong.to_string())?;
    let known = out::plural(checked.components.len() as u64, "connection", "connections");
    Ok(format!("{}, {known} with all they need", own.connections.display()))
}
