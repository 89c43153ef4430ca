//! `caravan doctor`: whether everything is there to work with.
use super::config;
use super::looked::{Looked, tell};
use crate::args::Global;
use crate::bundle::BUNDLED;
use crate::check::{self, Secrets};
use crate::fail::End;
use crate::host::workshop::Workshop;
use crate::registry::Shelf;
use crate::{config as configuration, files, out, stores};
use bytesize::ByteSize;
use caravan_runner::control::verify_notes;
use caravan_store::{Sqlite, Store as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Looks at the program, the configuration, the stores and the connections.
pub async fn doctor(global: &Global) -> anyhow::Result<End> {
    let mut looked = vec![Looked::of("program".to_owned(), Ok(env!("CARGO_PKG_VERSION").to_owned()))];
    looked.push(Looked::of("connectors".to_owned(), bundled()));
    let runs = Workshop::open().map(|_| "components run on this machine".to_owned());
    looked.push(Looked::of("sandbox".to_owned(), runs.map_err(|problem| problem.to_string())));
    let proxy = configuration::proxy().map(|proxy| if proxy.is_some() { "understood" } else { "none" }.to_owned());
    looked.push(Looked::of("proxy".to_owned(), proxy.map_err(|problem| problem.to_string())));
    let configured = &configuration::current().workspaces;
    let all: Vec<PathBuf> = if global.store.is_none() && !configured.is_empty() {
        looked.extend(config::all().await);
        configured.values().map(|own| own.store.clone()).filter(|store| store.exists()).collect()
    } else {
        if Path::new(files::CONNECTIONS).exists() {
            looked.push(Looked::of(files::CONNECTIONS.to_owned(), connections(global).await));
        }
        stores::existing(global).into_iter().collect()
    };
    for path in &all {
        looked.push(Looked::of(format!("store {}", path.display()), store(path).await));
    }
    tell(global, &looked)
}

fn bundled() -> Result<String, String> {
    let missing: Vec<&str> = BUNDLED.iter().filter(|one| one.bytes.is_none()).map(|one| one.name).collect();
    match missing.is_empty() {
        true => Ok(format!("{} are bundled", out::count(BUNDLED.len() as u64))),
        false => Err(format!(
            "built without {}: run `cargo xtask build-guests`, then build this program again",
            missing.join(", ")
        )),
    }
}

/// The connections of this folder, with their components and secrets.
async fn connections(global: &Global) -> Result<String, String> {
    let path = Path::new(files::CONNECTIONS);
    let shelf = match stores::existing(global) {
        Ok(store) => Shelf::at(&store).await.map_err(|error| error.to_string())?,
        Err(_) => Shelf::at(Path::new("")).await.map_err(|error| error.to_string())?,
    };
    let document = check::read_connections(path, shelf.kept()).map_err(|problem| problem.to_string())?;
    let all: BTreeSet<String> = document.value.connections.keys().cloned().collect();
    let checked = check::connections(path, &all, Secrets::Ask, &shelf).map_err(|wrong| wrong.to_string())?;
    let known = out::plural(checked.components.len() as u64, "connection", "connections");
    Ok(format!("{known} with all they need"))
}

/// A store that can be read, whose audit chain holds, on a disk that has room.
async fn store(path: &Path) -> Result<String, String> {
    let store = Sqlite::open_read_only(path).map_err(|error| error.to_string())?;
    let chain = verify_notes(&store).await.map_err(|error| error.to_string())?;
    if let Some(broken) = chain.broken {
        return Err(format!("the audit chain is broken at record {}: `caravan audit verify` tells more", broken.n));
    }
    let space = store.space().await.map_err(|error| error.to_string())?;
    let least = configuration::current().intake.options().least_free;
    if let Some(free) = space.free.filter(|free| *free < least) {
        return Err(format!("its disk has {} left: below {} nothing is taken in", ByteSize(free), ByteSize(least)));
    }
    let held = store.lanes().await.map_err(|error| error.to_string())?;
    let waiting: u64 = held.iter().map(|lane| lane.waiting).sum();
    let by = Sqlite::owner_of(path).unwrap_or_else(|| "no process".to_owned());
    Ok(format!(
        "{}, {} in queues, {} in the audit chain, in use by {by}",
        ByteSize(space.bytes),
        out::people(waiting),
        out::plural(chain.records, "record", "records")
    ))
}
