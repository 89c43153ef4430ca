//! `caravan store backup | check | prune`.
use crate::args::{Global, StoreVerb};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{out, stores};
use caravan_runner::look_through;
use caravan_store::{Sqlite, Store};
use serde_json::json;
use std::path::Path;

/// Does a verb of the store itself.
pub async fn store(global: &Global, verb: StoreVerb) -> anyhow::Result<End> {
    match verb {
        StoreVerb::Backup { to } => backup(global, &to).await,
        StoreVerb::Check => check(global).await,
        StoreVerb::Prune => prune(global).await,
    }
}

async fn backup(global: &Global, to: &Path) -> anyhow::Result<End> {
    let from = stores::existing(global)?;
    let made = Sqlite::open_read_only(&from)?.backup(to.to_owned()).await?;
    if global.json {
        out::print_json(&json!({"file": to, "bytes": made.bytes}))?;
    } else {
        let words = format!(
            "{} holds all of {} at one instant, and was looked through: {} bytes\n",
            to.display(),
            from.display(),
            out::count(made.bytes)
        );
        out::print(&words)?;
    }
    Ok(End::Done)
}

async fn check(global: &Global) -> anyhow::Result<End> {
    let state = look_through(&super::look(global)?).await?;
    if global.json {
        out::print_json(&state)?;
    } else if state.is_whole() {
        out::print("the file is whole, and the books balance\n")?;
    } else {
        let lines: Vec<&str> = state.integrity.iter().chain(&state.books).map(String::as_str).collect();
        out::print(&format!("{}\nrestore a backup, or report this with these lines\n", lines.join("\n")))?;
    }
    Ok(if state.is_whole() { End::Done } else { End::NeedsYou })
}

async fn prune(global: &Global) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        let kept = hands.runner().prune().await?;
        hands.acting().note("store.prune", "store", json!(kept)).await?;
        if global.json {
            out::print_json(&kept)?;
        } else {
            let words = format!(
                "dropped {}, folded {}, forgot {}\n",
                out::plural(kept.events, "event", "events"),
                out::plural(kept.visits, "visit", "visits"),
                out::plural(kept.exchanges, "request with its answer", "requests with their answers"),
            );
            out::print(&words)?;
        }
        Ok(End::Done)
    })
    .await
}
