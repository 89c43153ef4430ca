//! Which store a command speaks of.
use crate::args::Global;
use crate::config;
use crate::fail::usage;
use caravan_model::{Code, Problem};
use caravan_store::OpenOptions;
use std::path::{Path, PathBuf};

/// The workspace that is meant where none is named.
pub const FIRST: &str = "default";

/// The ending of a store's file.
const ENDING: &str = "caravan";

/// How the store of a command is opened: that of another workspace than the one that is asked for is refused, and one that the
/// command would make, and then writes nothing to, is not left behind.
pub fn options(global: &Global) -> OpenOptions {
    let workspace = (global.workspace != FIRST).then(|| global.workspace.clone());
    OpenOptions { workspace, unmade_if_blank: true, ..OpenOptions::default() }
}

/// The file that `--store` names, if it is given; else that of the workspace in the configuration, if there is one.
///
/// # Errors
/// It names an engine that is not there, or nothing says which store the workspace has.
pub fn named(global: &Global) -> Result<Option<PathBuf>, Problem> {
    match global.store.as_deref() {
        Some(text) => file_of(text).map(Some),
        None => of_config(&global.workspace),
    }
}

/// The file of a store that somebody names.
///
/// # Errors
/// It names an engine that is not there.
pub fn file_of(text: &str) -> Result<PathBuf, Problem> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        return Ok(PathBuf::from(path));
    }
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Problem::new(Code::NotYet, "this version keeps stores in SQLite files only")
            .cure("name a file: --store people.caravan"));
    }
    Ok(PathBuf::from(text))
}

/// The store of a workspace in the configuration.
fn of_config(workspace: &str) -> Result<Option<PathBuf>, Problem> {
    let known = &config::current().workspaces;
    match known.get(workspace) {
        Some(own) => Ok(Some(own.store.clone())),
        None if workspace == FIRST => Ok(None),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let cure = match names.as_slice() {
                [] => "name its store by --store, or write it into caravan.toml".to_owned(),
                names => format!("the workspaces of the configuration are: {}", names.join(", ")),
            };
            Err(usage(format!("nothing says which store the workspace `{workspace}` has"), cure))
        }
    }
}

/// The store of a canvas: the named one, else `<canvas id>.caravan` beside the canvas.
///
/// # Errors
/// As [`named`].
pub fn of_canvas(global: &Global, id: &str, canvas: &Path) -> Result<PathBuf, Problem> {
    Ok(named(global)?.unwrap_or_else(|| canvas.with_file_name(format!("{id}.{ENDING}"))))
}

/// The store of a workspace: the named one, else `workspace.caravan` here, made if need be.
///
/// # Errors
/// As [`named`].
pub fn of_workspace(global: &Global) -> Result<PathBuf, Problem> {
    Ok(named(global)?.unwrap_or_else(|| PathBuf::from("workspace.caravan")))
}

/// A store that people set up before anything runs: the named one, made if need be, else the only one in this folder.
///
/// # Errors
/// As [`existing`], where none is named.
pub fn to_set_up(global: &Global) -> Result<PathBuf, Problem> {
    named(global)?.map_or_else(|| existing(global), Ok)
}

/// A store that is there already: the named one, else the only one in this folder.
///
/// # Errors
/// There is none, or there are several.
pub fn existing(global: &Global) -> Result<PathBuf, Problem> {
    if let Some(path) = named(global)? {
        return match path.exists() {
            true => Ok(path),
            false => Err(Problem::new(Code::UnreadableFile, "there is no such store")
                .in_file(path.display().to_string())
                .cure("`caravan run` makes one; it prints its name at the end")),
        };
    }
    let here = std::fs::read_dir(".").into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<PathBuf> = here
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    match found.as_slice() {
        [only] => Ok(only.strip_prefix(".").unwrap_or(only).to_owned()),
        [] => Err(usage("no store is named, and there is none in this folder", "name one: --store FILE.caravan")),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(usage(
                "no store is named, and this folder has several",
                format!("name one by --store: {}", names.join(", ")),
            ))
        }
    }
}
