//! `caravan canvas publish`: makes canvases live without letting anyone in; a serving host then runs them.
use crate::args::{Global, PublishArgs};
use crate::check::{self, Secrets};
use crate::fail::{End, Problems};
use crate::host::ready::Ready;
use crate::registry::Shelf;
use crate::{out, policies, stores};
use caravan_model::Canvas;
use caravan_store::Sqlite;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Publishes the canvases of files.
pub async fn publish(global: &Global, args: &PublishArgs) -> anyhow::Result<End> {
    let canvases = read(global, &args.canvases, &args.connections).await?;
    let path = stores::of_workspace(global)?;
    let ready =
        Ready::open(Sqlite::open(&path, stores::options(global))?, &args.connections, &canvases, args.lab.as_deref())
            .await?;
    let published = ready.publish(global, canvases).await;
    ready.close().await?;
    let versions: Vec<_> = published?
        .iter()
        .map(|version| json!({"canvas": version.canvas.canvas, "version": version.number, "digest": version.digest.to_string()}))
        .collect();
    if global.json {
        out::print_json(&versions)?;
    }
    Ok(End::Done)
}

/// The canvases without a fault, each under the policy that holds.
///
/// # Errors
/// All that is wrong with any.
pub async fn read(global: &Global, paths: &[PathBuf], connections: &Path) -> anyhow::Result<Vec<Canvas>> {
    let (mut canvases, mut problems) = (Vec::new(), Vec::new());
    let shelf = Shelf::at(&stores::of_workspace(global)?).await?;
    for path in paths {
        let policy = policies::holding(global, None, path).await.unwrap_or_default();
        match check::canvas_with_connections(path, connections, &policy, Secrets::Ask, &shelf) {
            Ok(checked) => canvases.push(checked.canvas.value),
            Err(mut wrong) => problems.append(&mut wrong.0),
        }
    }
    Problems::check(problems)?;
    Ok(canvases)
}
