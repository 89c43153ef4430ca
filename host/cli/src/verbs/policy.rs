//! `caravan policy set | show | check`.
use crate::args::Global;
use crate::fail::{End, usage};
use crate::kept::Kept;
use crate::policies::{PolicyFile, Refusals, keep, mapped_in, read, refusals};
use crate::{out, stores};
use caravan_runner::{POLICY_ID, policy_of};
use caravan_store::{DocumentKind, Sqlite, Store};
use serde_json::json;
use std::path::Path;

/// Keeps a policy, unless it refuses live canvases and nobody said `--yes`.
pub async fn set(global: &Global, path: &Path, connections: &Path) -> anyhow::Result<End> {
    let file = read(path)?;
    let store = Sqlite::open(stores::to_set_up(global)?, stores::options(global))?;
    let found = refusals(&store, &file.policy, &mapped_in(connections, &Kept::of(&store).await?)).await?;
    let kept = found.refused.is_empty() || global.yes;
    if kept {
        keep(&store, &file).await?;
    }
    tell(global, &found, Some(kept))
}

/// Says what is wrong with a policy, and, where there is a store, which live canvases it would refuse.
pub async fn check(global: &Global, path: &Path, connections: &Path) -> anyhow::Result<End> {
    let file = read(path)?;
    let found = match stores::existing(global) {
        Ok(store) => {
            let store = Sqlite::open_read_only(store)?;
            refusals(&store, &file.policy, &mapped_in(connections, &Kept::of(&store).await?)).await?
        }
        Err(problem) if global.store.is_some() => return Err(problem.into()),
        Err(_) => Refusals::default(),
    };
    tell(global, &found, None)
}

/// Prints the store's policy as it was written.
pub async fn show(global: &Global, store: &impl Store) -> anyhow::Result<End> {
    let documents = store.documents(DocumentKind::Policy).await?;
    let text = documents.into_iter().find(|(id, _)| id == POLICY_ID).map(|(_, text)| text);
    if global.json {
        out::print_json(&policy_of(store).await?)?;
        return Ok(End::Done);
    }
    if text.is_none() && !global.quiet {
        eprintln!(
            "There is no policy: only what people denied is kept from leaving. `caravan policy set FILE` sets one."
        );
    }
    out::print(&text.unwrap_or_else(|| "format: 1".to_owned()))?;
    Ok(End::Done)
}

/// Keeps the policy of a run. Its own canvas was checked before; others that are live need `--yes`.
///
/// # Errors
/// The policy refuses another live canvas, or the store cannot be written.
pub async fn keep_for_run(
    global: &Global,
    store: &Sqlite,
    file: &PolicyFile,
    (canvas, connections): (&str, &Path),
) -> anyhow::Result<()> {
    let mut found = refusals(store, &file.policy, &mapped_in(connections, &Kept::of(store).await?)).await?;
    found.refused.retain(|(id, _)| id.as_str() != canvas);
    if !found.refused.is_empty() && !global.yes {
        let names: Vec<&str> = found.refused.iter().map(|(id, _)| id.as_str()).collect();
        let message = format!("the policy refuses live canvases: {}", names.join(", "));
        let cure = "`caravan policy check` says why; change them, or keep the policy all the same with --yes";
        return Err(usage(message, cure).into());
    }
    keep(store, file).await
}

fn tell(global: &Global, found: &Refusals, kept: Option<bool>) -> anyhow::Result<End> {
    if global.json {
        let refused: Vec<_> =
            found.refused.iter().map(|(canvas, problems)| json!({"canvas": canvas, "problems": problems})).collect();
        out::print_json(&json!({"kept": kept, "refuses": refused, "unseen": found.unseen}))?;
    } else {
        for (canvas, problems) in &found.refused {
            out::print(&format!("{canvas} is live, and this policy refuses it:"))?;
            problems
                .iter()
                .try_for_each(|problem| out::print(&format!("  {}", problem.to_string().replace('\n', "\n  "))))?;
        }
        for connection in &found.unseen {
            eprintln!(
                "note: the match fields of connection `{connection}` were not all looked at: its connector is not in \
                this program, or the connections file is not here. Publishing looks at them."
            );
        }
        if !global.quiet {
            eprintln!("{}", words(found, kept));
        }
    }
    Ok(if found.refused.is_empty() { End::Done } else { End::NeedsYou })
}

fn words(found: &Refusals, kept: Option<bool>) -> &'static str {
    match (kept, found.refused.is_empty()) {
        (Some(true), true) => "The policy is kept: it holds from the next run on.",
        (Some(true), false) => {
            "The policy is kept. What is refused goes on as it was published, and cannot be published again like this."
        }
        (Some(false), _) => "Nothing was changed. Change these canvases, or keep the policy all the same with --yes.",
        (None, true) => "The policy is sound, and refuses no live canvas.",
        (None, false) => "The policy is sound. `caravan policy set` would keep it only with --yes.",
    }
}
