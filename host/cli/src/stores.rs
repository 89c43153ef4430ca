//! Which store a command speaks of.
use crate::args::Global;
use crate::fail::usage;
use caravan_model::{Code, Problem};
use std::path::{Path, PathBuf};

/// The ending of a store's file.
const ENDING: &str = "caravan";

/// The file that `--store` names, if it is given.
///
/// # Errors
/// It names an engine that is not there.
pub fn named(global: &Global) -> Result<Option<PathBuf>, Problem> {
    let Some(text) = global.store.as_deref() else { return Ok(None) };
    if let Some(path) = text.strip_prefix("sqlite:") {
        return Ok(Some(PathBuf::from(path)));
    }
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Problem::new(Code::NotYet, "this version keeps stores in SQLite files only")
            .cure("name a file: --store people.caravan"));
    }
    Ok(Some(PathBuf::from(text)))
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
