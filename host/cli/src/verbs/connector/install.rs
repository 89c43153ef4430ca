//! `caravan connector install`: bytes are read, compiled in a child process, and kept. Nothing of them runs.
use super::{at_desk, oci};
use crate::args::Global;
use crate::fail::End;
use crate::registry::desk::Desk;
use crate::registry::{self, install::Installed};
use crate::{out, stop};
use caravan_model::{Code, Digest, Problem};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a watched folder is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// The largest file that is read at all.
const LARGEST: u64 = 64 << 20;

/// Installs a file, or all components of a folder.
pub async fn install(global: &Global, from: &Path) -> anyhow::Result<End> {
    if let Some(reference) = oci::reference(from)? {
        let bytes = oci::pull(global, &reference).await?;
        return at_desk(global, async |desk| {
            one(global, desk, &reference.to_string(), bytes).await.map(|()| End::Done)
        })
        .await;
    }
    let files = files(from)?;
    at_desk(global, async |desk| {
        let mut end = End::Done;
        for file in &files {
            match a_file(global, desk, file).await {
                Ok(()) => {}
                // One bad file of a folder keeps no other one away.
                Err(error) if from.is_dir() => {
                    eprintln!("{error}");
                    end = End::NeedsYou;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(end)
    })
    .await
}

/// Installs what comes into a folder, until it is stopped. The store is held only while something new is kept.
pub async fn watch(global: &Global, folder: &Path) -> anyhow::Result<End> {
    let mut stopped = stop::listen(global.quiet);
    let mut seen: BTreeSet<(PathBuf, Option<Digest>)> = BTreeSet::new();
    loop {
        for file in files(folder)? {
            let digest = read(&file).ok().map(|bytes| Digest::of(&bytes));
            if seen.insert((file.clone(), digest)) {
                let kept = at_desk(global, async |desk| a_file(global, desk, &file).await.map(|()| End::Done));
                if let Err(error) = kept.await {
                    eprintln!("{error}");
                }
            }
        }
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(End::Done),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// The components that a file or folder names.
///
/// # Errors
/// The folder cannot be read.
pub fn files(from: &Path) -> Result<Vec<PathBuf>, Problem> {
    if !from.is_dir() {
        return Ok(vec![from.to_owned()]);
    }
    let entries = std::fs::read_dir(from).map_err(|error| unreadable(from, &error.to_string()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "wasm")).collect();
    files.sort();
    Ok(files)
}

fn unreadable(file: &Path, words: &str) -> Problem {
    Problem::new(Code::UnreadableFile, format!("the component cannot be read: {words}"))
        .in_file(file.display().to_string())
        .cure("check the name and that you may read it")
}

/// A component's bytes.
///
/// # Errors
/// They cannot be read, or are too many.
pub fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    let size = std::fs::metadata(file).map_err(|error| unreadable(file, &error.to_string()))?.len();
    if size > LARGEST {
        return Err(unreadable(file, "it is larger than 64 MiB"));
    }
    std::fs::read(file).map_err(|error| unreadable(file, &error.to_string()))
}

async fn a_file(global: &Global, desk: &Desk<'_>, file: &Path) -> anyhow::Result<()> {
    one(global, desk, &file.display().to_string(), read(file)?).await
}

/// Installs bytes that came from a place.
async fn one(global: &Global, desk: &Desk<'_>, place: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
    let installed =
        registry::install::install(desk, bytes).await.map_err(|error| match error.downcast::<Problem>() {
            Ok(problem) => problem.in_file(place).into(),
            Err(error) => error,
        })?;
    let Installed { name, version, digest, in_use, another_in_use, signed_by } = installed;
    let signers = if signed_by.is_empty() { String::new() } else { format!(", signed by {},", signed_by.join(", ")) };
    if global.json {
        out::print_json(&json!({"name": name, "version": version, "digest": digest.to_string(), "in_use": in_use,
            "signed_by": signed_by}))?;
    } else if in_use {
        out::print(&format!("{name} {version} (sha256:{}) is in use already\n", digest.short()))?;
    } else {
        let next = match another_in_use {
            false => format!("caravan connector grant {name} --as-asked"),
            true => format!("caravan connector upgrade {name}"),
        };
        let short = digest.short();
        out::print(&format!(
            "{name} {version} (sha256:{short}){signers} is installed and waits for approval: `{next}`\n"
        ))?;
    }
    Ok(())
}
