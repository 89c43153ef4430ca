//! `/api/lists/{list}/imports`: external audiences that are imported into a list.
use super::{EDIT_SEGMENTS, VIEW_PROFILES, VIEW_SEGMENTS};
use crate::caller::Caller;
use crate::input::{At, Json, Search};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::{Code, Duration, Problem, Right, mask};
use caravan_runner::control::{Labs, lists_of};
use caravan_runner::{FOLDER, FULL_EVERY, ImportState, ListImport, import_lines, imports_of};
use caravan_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// The most members that one answer names.
const MOST: usize = 10_000;

/// An import that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportWish {
    /// The connection of the source; `files:NAME` = a folder in which files are handed over, by its name in the host's
    /// configuration.
    pub connection: String,
    /// The source's id of the folder; left out of files.
    #[serde(default)]
    pub folder: String,
    /// The source's id of the audience; of files, what their column of audiences or their name holds, or nothing.
    #[serde(default)]
    pub audience: String,
    /// How often the source is asked anew: `5m`.
    #[serde(default = "five_minutes")]
    #[schema(value_type = String)]
    pub every: Duration,
    /// How often everyone is read anew, so that whatever was not told in between comes right: `1d` if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub full_every: Option<Duration>,
    /// Whether whoever leaves the audience is taken off the list.
    #[serde(default)]
    pub leavers: bool,
}

fn five_minutes() -> Duration {
    Duration::MINUTE.times(5)
}

/// An import that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportKept {
    /// Its id.
    pub import: String,
}

/// How an import stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// Its id.
    pub import: String,
    /// The connection of the source.
    pub connection: String,
    /// Whether it leads to the lab, and not to the partner.
    pub lab: bool,
    /// The folder.
    pub folder: String,
    /// The audience.
    pub audience: String,
    /// How often the source is asked, in milliseconds.
    pub every_ms: u64,
    /// How often everyone is read anew, in milliseconds; none for files, which are read once.
    pub full_every_ms: Option<u64>,
    /// Whether leavers are followed.
    pub leavers: bool,
    /// Members read in the pass under way, or in the last one.
    pub rows: u64,
    /// Since when the source has been preparing an export, in milliseconds of UTC; none where it is not.
    pub pending: Option<i64>,
    /// When everyone was read for the first time, in milliseconds of UTC.
    pub filled: Option<i64>,
    /// When the last pass ended.
    pub done: Option<i64>,
    /// When the source is asked next.
    pub due: i64,
    /// Members who are linked to somebody here.
    pub linked: u64,
    /// Members who are not, by reason.
    pub unlinked: Vec<UnlinkedCount>,
    /// What keeps it from going on: code and words.
    pub trouble: Option<String>,
    /// Files that were read to their end.
    pub files: u64,
    /// Rows of files that cannot be read.
    pub broken: u64,
    /// The newest of them.
    pub wrong: Vec<BrokenRowView>,
}

/// A row of a file that cannot be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenRowView {
    /// The file.
    pub file: String,
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// What is wrong with it, without any of its values.
    pub why: String,
}

/// Members who are not linked, for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnlinkedCount {
    /// The reason: `no_identifier`, `unknown`, `anonymous`, `shared`.
    #[schema(value_type = String)]
    pub why: caravan_store::WhyUnlinked,
    /// The same in words.
    pub words: &'static str,
    /// How many.
    pub members: u64,
}

/// A member who is not linked.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnlinkedView {
    /// The identifiers as they came; masked without the right `see-identities`.
    pub identifiers: Vec<String>,
    /// The reason.
    #[schema(value_type = String)]
    pub why: caravan_store::WhyUnlinked,
    /// The same in words.
    pub words: &'static str,
    /// Since when, in milliseconds of UTC.
    pub since: i64,
}

/// How many members are named.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Limit {
    /// How many, at most 10,000.
    #[serde(default = "hundred")]
    pub limit: usize,
}

fn hundred() -> usize {
    100
}

/// The imports of a list.
#[utoipa::path(get, path = "/api/lists/{list}/imports", tag = "lists", params(("list" = String, Path)),
    security(("key" = ["view-segments"])), responses((status = 200, body = Vec<ImportView>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_SEGMENTS>,
    At(name): At<String>,
) -> Result<axum::Json<Vec<ImportView>>, Refused> {
    there(&caller, &name).await?;
    let lines = import_lines(caller.store(), &name).await?;
    let labs = Labs::of(caller.store()).await?;
    let view = |line: caravan_runner::ImportLine| ImportView {
        import: line.import,
        lab: labs.has(&line.what.connection),
        connection: line.what.connection,
        folder: line.what.folder,
        audience: line.what.audience,
        every_ms: line.what.every.0,
        full_every_ms: line.what.full_every.map(|every| every.0),
        leavers: line.what.leavers,
        rows: line.what.state.rows,
        pending: line.what.state.pending.map(|at| at.0),
        filled: line.what.state.filled.map(|at| at.0),
        done: line.what.state.done.map(|at| at.0),
        due: line.what.state.due.0,
        linked: line.linked,
        unlinked: line
            .unlinked
            .into_iter()
            .map(|(why, members)| UnlinkedCount { why, words: why.words(), members })
            .collect(),
        files: line.what.state.files,
        broken: line.what.state.broken,
        wrong: line
            .what
            .state
            .wrong
            .into_iter()
            .map(|row| BrokenRowView { file: row.file, line: row.line, why: row.why })
            .collect(),
        trouble: line.what.state.trouble.map(|trouble| format!("{}: {}", trouble.code, trouble.words)),
    };
    Ok(axum::Json(lines.into_iter().map(view).collect()))
}

/// Has an external audience imported into a list, now and whenever somebody joins it.
#[utoipa::path(post, path = "/api/lists/{list}/imports", tag = "lists", params(("list" = String, Path)),
    request_body = ImportWish, security(("key" = ["edit-segments"])), responses((status = 200, body = ImportKept)))]
pub(crate) async fn set<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At(name): At<String>,
    Json(wish): Json<ImportWish>,
) -> Result<axum::Json<ImportKept>, Refused> {
    there(&caller, &name).await?;
    let is_of_files = wish.connection.starts_with(FOLDER);
    if !is_of_files {
        for (name, value) in [("folder", &wish.folder), ("audience", &wish.audience)] {
            if value.is_empty() {
                return Err(Problem::new(Code::BadValue, format!("`{name}` is missing")).at_path(name).into());
            }
        }
        caller.place.bench.bind_connection(wish.connection.clone()).await?;
    }
    let import = ListImport {
        list: name.clone(),
        connection: wish.connection,
        folder: wish.folder,
        audience: wish.audience,
        every: wish.every,
        full_every: Some(wish.full_every.unwrap_or(FULL_EVERY.max(wish.every))),
        leavers: wish.leavers,
        state: ImportState::default(),
    };
    let details = json!({"connection": import.connection, "folder": import.folder, "audience": import.audience});
    let mut order = caller.acting().order("list.import", &format!("list {name}"), details).await?;
    let import = caller.runner().set_import_under(&mut order, import, false).await?;
    Ok(axum::Json(ImportKept { import }))
}

/// Ends an import; who is on the list stays there.
#[utoipa::path(delete, path = "/api/lists/{list}/imports/{import}", tag = "lists",
    params(("list" = String, Path), ("import" = String, Path)), security(("key" = ["edit-segments"])),
    responses((status = 204)))]
pub(crate) async fn end<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At((name, import)): At<(String, String)>,
) -> Result<StatusCode, Refused> {
    let details = json!({"import": import});
    let mut order = caller.acting().order("list.end-import", &format!("list {name}"), details).await?;
    if !caller.runner().end_import_under(&mut order, &name, &import).await? {
        return Err(Refused::missing(format!("the list `{name}` has no import `{import}`")));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Members of imported audiences whom nobody here is, with the reason of each; they join once they become known.
#[utoipa::path(get, path = "/api/lists/{list}/unlinked", tag = "lists", params(("list" = String, Path), Limit),
    security(("key" = ["view-profiles"])), responses((status = 200, body = Vec<UnlinkedView>)))]
pub(crate) async fn unlinked<S: Store>(
    caller: Caller<S, VIEW_PROFILES>,
    At(name): At<String>,
    Search(page): Search<Limit>,
) -> Result<axum::Json<Vec<UnlinkedView>>, Refused> {
    there(&caller, &name).await?;
    let (mut rows, limit) = (Vec::new(), page.limit.min(MOST));
    let open = caller.signed.rights.has(Right::SeeIdentities);
    for (import, _) in imports_of(caller.store()).await?.into_iter().filter(|(_, what)| what.list == name) {
        let view = caller.store().imported(import, None, limit.saturating_sub(rows.len())).await?;
        rows.extend(view.page.into_iter().map(|member| {
            let who = member.who;
            let all = [who.external_id].into_iter().chain(who.aliases).chain(who.emails).chain(who.phones);
            let shown = all.filter(|id| !id.is_empty()).map(|id| if open { id } else { mask::identifier(&id) });
            UnlinkedView {
                identifiers: shown.collect(),
                why: member.why,
                words: member.why.words(),
                since: member.since.0,
            }
        }));
    }
    Ok(axum::Json(rows))
}

async fn there<S: Store, const R: u8>(caller: &Caller<S, R>, name: &str) -> Result<(), Refused> {
    match lists_of(caller.store()).await?.contains(name) {
        true => Ok(()),
        false => Err(Refused::from(
            Problem::new(Code::UnknownGroup, format!("there is no list `{name}`")).cure("make it first"),
        )),
    }
}
