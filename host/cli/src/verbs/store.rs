//! `caravan store backup | copy | upgrade | check | prune`.
use crate::args::{Global, StoreVerb};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{out, stores};
use caravan_runner::{StoreState, look_through};
use caravan_store::{Sqlite, Store};
use serde_json::json;
use std::path::Path;

/// Does a verb of the store itself.
pub async fn store(global: &Global, verb: StoreVerb) -> anyhow::Result<End> {
    match verb {
        StoreVerb::Backup { to } => backup(global, &to).await,
        StoreVerb::Copy { to } => copy(global, &to).await,
        StoreVerb::Upgrade => upgrade(global),
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

/// As a backup, of a store that nobody writes to meanwhile.
async fn copy(global: &Global, to: &str) -> anyhow::Result<End> {
    let (from, to) = (stores::existing(global)?, stores::file_of(to)?);
    let store = Sqlite::open(&from, stores::options(global))?;
    let made = store.backup(to.clone()).await?;
    let words = format!(
        "{} holds all of {}, and was looked through: {} bytes. It goes on where commands and caravan.toml name it; what is \
         sealed opens with the same key: set CARAVAN_SEAL_KEY_FILE, or copy caravan.key beside it\n",
        to.display(),
        from.display(),
        out::count(made.bytes)
    );
    out::say(global, &json!({"from": from, "to": to, "bytes": made.bytes}), &words)
}

fn upgrade(global: &Global) -> anyhow::Result<End> {
    let path = stores::existing(global)?;
    let was = Sqlite::format_of(&path)?;
    drop(Sqlite::open(&path, stores::options(global))?);
    let is = Sqlite::format_of(&path)?;
    let words = match was == is {
        true => format!("{} has format {is} already\n", path.display()),
        false => format!("{} has format {is} now; it had {was}\n", path.display()),
    };
    out::say(global, &json!({"file": path, "from": was, "to": is}), &words)
}

async fn check(global: &Global) -> anyhow::Result<End> {
    tell_check(global, &look_through(&super::look(global)?).await?)
}

/// Tells whether a store is whole.
///
/// # Errors
/// It cannot be written.
pub fn tell_check(global: &Global, state: &StoreState) -> anyhow::Result<End> {
    if global.json {
        out::print_json(state)?;
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
        let kept = hands.runner().prune_under(hands.acting().order("store.prune", "store", json!({})).await?).await?;
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
