//! `/api/catalogue` and `/api/store`: what is observed, whether the store is whole, copies of it, and forgetting what is old.
use super::{AUDIT, BACK_UP, OPERATE, VIEW_PROFILES};
use crate::caller::Caller;
use crate::input::Search;
use crate::problem::Refused;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use caravan_model::{Code, Problem};
use caravan_runner::{Kept, StoreState, look_through};
use caravan_store::{BackedUp, Catalogue, Store};
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read as _};
use tempfile::TempDir;
use utoipa::IntoParams;

/// So many bytes of a backup are sent at a time.
const PIECE: usize = 256 << 10;

/// The most people, and the most events, that a catalogue looks at.
const MOST: usize = 1_000_000;

/// How much is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// How many people, and how many events, at most 1,000,000; more are sampled evenly over the times of their coming.
    #[serde(default = "hundred_thousand")]
    pub sample: usize,
}

fn hundred_thousand() -> usize {
    100_000
}

/// Observed events, properties and attributes with types and how often they are filled; no value of anybody.
#[utoipa::path(get, path = "/api/catalogue", tag = "profiles", params(Sample), security(("key" = ["view-profiles"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn catalogue<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    Search(how): Search<Sample>,
) -> Result<axum::Json<Catalogue>, Refused> {
    Ok(axum::Json(caller.store().catalogue(how.sample.clamp(1, MOST)).await?))
}

/// Looks the store through: whether the file is whole, and whether the books balance. Reads all of it.
#[utoipa::path(post, path = "/api/store/check", tag = "host", security(("key" = ["audit"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn check<S: Store>(caller: Caller<S, AUDIT>) -> Result<axum::Json<StoreState>, Refused> {
    Ok(axum::Json(look_through(caller.store()).await?))
}

/// A copy of the store, as it is at one instant, looked through before the first byte is sent. It holds everything.
///
/// It is made in this host's folder for temporary files (`TMPDIR`), which needs room for all of it meanwhile.
#[utoipa::path(get, path = "/api/store/backup", tag = "host", security(("key" = ["back-up"])),
    responses((status = 200, content_type = "application/vnd.sqlite3", body = Vec<u8>)))]
pub(crate) async fn backup<S: Store>(caller: Caller<S, BACK_UP>) -> Result<Response, Refused> {
    // Removed when this ends, while the file stays readable by whoever has it open.
    let (folder, made, file) = copy(caller.store()).await?;
    drop(folder);
    let made_of = json!({"bytes": made.bytes});
    caller.acting().note("store.backup", "store", made_of).await?;
    let name = format!("attachment; filename=\"{}.caravan\"", caller.place.name);
    let kind = HeaderValue::from_static("application/vnd.sqlite3");
    let mut answer = Body::from_stream(pieces(file)).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(made.bytes));
    // The name of a workspace has letters, digits, `-` and `_`.
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}

async fn copy<S: Store>(store: &S) -> Result<(TempDir, BackedUp, File), Refused> {
    let failed = |error: io::Error| {
        tracing::error!(%error, "a backup for a caller was not made");
        let problem = Problem::new(Code::Internal, "the backup could not be made");
        Refused::bad(problem.cure("look whether the host's folder for temporary files has room, and try again"))
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("backup.caravan");
    let made = store.backup(path.clone()).await?;
    let file = File::open(path).map_err(failed)?;
    Ok((folder, made, file))
}

/// A file's bytes, read beside the tasks that answer others.
fn pieces(file: File) -> impl Stream<Item = io::Result<Vec<u8>>> {
    stream::try_unfold(file, async |mut file| {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE];
            let n = file.read(&mut piece)?;
            piece.truncate(n);
            Ok((n > 0).then_some((piece, file)))
        });
        read.await.map_err(io::Error::other)?
    })
}

/// Drops, folds and forgets at once what the policy no longer keeps; a serving host does the same by itself.
#[utoipa::path(post, path = "/api/store/prune", tag = "host", security(("key" = ["operate"])),
    responses((status = 200, body = Object)))]
pub(crate) async fn prune<S: Store>(caller: Caller<S, OPERATE>) -> Result<axum::Json<Kept>, Refused> {
    let kept = caller.runner().prune_under(caller.acting().order("store.prune", "store", json!({})).await?).await?;
    Ok(axum::Json(kept))
}
