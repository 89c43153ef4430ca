//! `caravan host list | drain` where no host is spoken with: who has the stores.
use crate::args::{Global, HostVerb};
use crate::fail::{End, usage};
use crate::{config, out, stores};
use caravan_store::Sqlite;
use serde_json::json;
use std::path::PathBuf;

/// Does a verb of hosts.
pub fn host(global: &Global, verb: &HostVerb) -> anyhow::Result<End> {
    match verb {
        HostVerb::List => list(global),
        HostVerb::Drain => {
            let owned = places(global)?.into_iter().find_map(|(_, store)| Sqlite::owner_of(&store));
            let cure = match owned {
                Some(by) => format!("name its address by --server, or ask {by} to end (SIGTERM), which does the same"),
                None => "name its address by --server; no process has a store of this configuration".to_owned(),
            };
            Err(usage("a host is asked over its API", cure).into())
        }
    }
}

/// The workspaces that the command line or the configuration means, with their stores.
fn places(global: &Global) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let configured = &config::current().workspaces;
    if global.store.is_some() || configured.is_empty() {
        return Ok(vec![(global.workspace.clone(), stores::existing(global)?)]);
    }
    Ok(configured.iter().map(|(name, own)| (name.clone(), own.store.clone())).collect())
}

fn list(global: &Global) -> anyhow::Result<End> {
    let of = |(name, store): (String, PathBuf)| (Sqlite::owner_of(&store), name, store);
    let all: Vec<_> = places(global)?.into_iter().map(of).collect();
    if global.json {
        let value = |(by, name, store): &(Option<String>, String, PathBuf)| json!({"workspace": name, "store": store, "host": by});
        out::print_json(&all.iter().map(value).collect::<Vec<_>>())?;
    } else {
        let row = |(by, name, store): &(Option<String>, String, PathBuf)| {
            vec![by.clone().unwrap_or_else(|| "nobody".to_owned()), name.clone(), store.display().to_string()]
        };
        out::print(&out::table(&["HOST", "WORKSPACE", "STORE"], &all.iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(End::Done)
}
