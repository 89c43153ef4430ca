//! `/api/canvases/{canvas}/…`: drafts, versions, and what changed between them.
use super::{EDIT_CANVASES, PUBLISH_CANVASES, VIEW_CANVASES};
use crate::caller::Caller;
use crate::input::{At, Search, Text};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::{Code, Problem};
use caravan_runner::control::{CanvasDiff, VersionLine, diff, draft, history, version_text};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftView {
    /// The canvas's id.
    pub canvas: String,
    /// The text as it was written.
    pub text: String,
    /// When it was kept, in milliseconds of UTC.
    pub at: i64,
    /// Who kept it.
    pub by: String,
}

/// A version's text.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionText {
    /// The canvas's id.
    pub canvas: String,
    /// The version's number.
    pub version: u32,
    /// The canonical text.
    pub text: String,
}

/// What is compared: versions by number, or `draft`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Sides {
    /// The first; the version before the second if not given.
    pub from: Option<String>,
    /// The second; the draft, else the newest version, if not given.
    pub to: Option<String>,
}

fn view(canvas: String, draft: caravan_runner::control::Draft) -> DraftView {
    DraftView { canvas, text: draft.text, at: draft.at.0, by: draft.by }
}

/// A canvas's draft.
#[utoipa::path(get, path = "/api/canvases/{canvas}/draft", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = DraftView)))]
pub(crate) async fn show_draft<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<DraftView>, Refused> {
    let draft = draft(caller.store(), &canvas).await?;
    let draft = draft.ok_or_else(|| Refused::missing(format!("{canvas} has no draft")))?;
    Ok(axum::Json(view(canvas, draft)))
}

/// Keeps a draft, sound or not; nothing of it runs.
#[utoipa::path(put, path = "/api/canvases/{canvas}/draft", tag = "canvases", params(("canvas" = String, Path)),
    request_body(content = String, content_type = "application/yaml", description = "The canvas, as YAML or JSON"),
    security(("key" = ["edit-canvases"])), responses((status = 200, body = DraftView)))]
pub(crate) async fn save_draft<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    At(canvas): At<String>,
    Text(text): Text,
) -> Result<axum::Json<DraftView>, Refused> {
    let draft = caller.acting().save_draft(&canvas, &text).await?;
    Ok(axum::Json(view(canvas, draft)))
}

/// Forgets a draft.
#[utoipa::path(delete, path = "/api/canvases/{canvas}/draft", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["edit-canvases"])), responses((status = 204)))]
pub(crate) async fn drop_draft<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    At(canvas): At<String>,
) -> Result<StatusCode, Refused> {
    match caller.acting().drop_draft(&canvas).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refused::missing(format!("{canvas} has no draft"))),
    }
}

/// All versions: number, digest, when and by whom published, how many entered and are inside.
#[utoipa::path(get, path = "/api/canvases/{canvas}/versions", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(canvas): At<String>,
) -> Result<axum::Json<Vec<VersionLine>>, Refused> {
    Ok(axum::Json(history(caller.store(), &canvas).await?))
}

/// A version's text.
#[utoipa::path(get, path = "/api/canvases/{canvas}/versions/{version}", tag = "canvases",
    params(("canvas" = String, Path), ("version" = u32, Path)), security(("key" = ["view-canvases"])),
    responses((status = 200, body = VersionText)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At((canvas, version)): At<(String, u32)>,
) -> Result<axum::Json<VersionText>, Refused> {
    let text = version_text(caller.store(), &canvas, Some(version)).await?;
    Ok(axum::Json(VersionText { canvas, version, text }))
}

/// Makes a version's text the draft again; publishing it makes a new version.
#[utoipa::path(post, path = "/api/canvases/{canvas}/versions/{version}/restore", tag = "canvases",
    params(("canvas" = String, Path), ("version" = u32, Path)), security(("key" = ["edit-canvases"])),
    responses((status = 200, body = DraftView)))]
pub(crate) async fn restore<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    At((canvas, version)): At<(String, u32)>,
) -> Result<axum::Json<DraftView>, Refused> {
    let draft = caller.acting().restore(&canvas, version).await?;
    Ok(axum::Json(view(canvas, draft)))
}

/// What changed between two texts, in words and line by line.
#[utoipa::path(get, path = "/api/canvases/{canvas}/diff", tag = "canvases", params(("canvas" = String, Path), Sides),
    security(("key" = ["view-canvases"])), responses((status = 200, body = Object)))]
pub(crate) async fn compare<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(canvas): At<String>,
    Search(sides): Search<Sides>,
) -> Result<axum::Json<CanvasDiff>, Refused> {
    let side = |text: Option<String>, at: &str| {
        let read = text.map(|text| text.parse()).transpose();
        read.map_err(|words: String| Problem::new(Code::BadValue, words).at_path(at))
    };
    let (from, to) = (side(sides.from, "from")?, side(sides.to, "to")?);
    Ok(axum::Json(diff(caller.store(), &canvas, from, to).await?))
}

/// Puts a canvas away that nobody is in any more; published again, it is back.
#[utoipa::path(post, path = "/api/canvases/{canvas}/archive", tag = "canvases", params(("canvas" = String, Path)),
    security(("key" = ["publish-canvases"])), responses((status = 204)))]
pub(crate) async fn archive<S: Store>(
    caller: Caller<S, PUBLISH_CANVASES>,
    At(canvas): At<String>,
) -> Result<StatusCode, Refused> {
    caller.acting().archive(&canvas).await?;
    Ok(StatusCode::NO_CONTENT)
}
