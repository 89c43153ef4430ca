//! `caravan connector install`: bytes are read, compiled in a child process, and kept. Nothing of them runs.
use super::Desk;
use crate::args::Global;
use crate::fail::End;
use crate::host::hands::who;
use crate::host::workshop::Workshop;
use crate::registry::standing::{self, Waiting};
use crate::{out, stop};
use caravan_connectors::Outline;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Digest, Problem};
use caravan_store::Store as _;
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
    if from.as_os_str().to_string_lossy().starts_with("oci://") {
        return Err(Problem::new(Code::NotYet, "this version installs from files and folders only")
            .cure("pull the component to a file first, for example with `oras pull`, and install that")
            .into());
    }
    let files = files(from)?;
    Desk::with(global, async |desk| {
        let mut end = End::Done;
        let mut workshop = Workshop::open()?;
        for file in &files {
            match one(global, desk, &mut workshop, file).await {
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
                let kept = Desk::with(global, async |desk| {
                    one(global, desk, &mut Workshop::open()?, &file).await.map(|()| End::Done)
                });
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

fn files(from: &Path) -> Result<Vec<PathBuf>, Problem> {
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

fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    let size = std::fs::metadata(file).map_err(|error| unreadable(file, &error.to_string()))?.len();
    if size > LARGEST {
        return Err(unreadable(file, "it is larger than 64 MiB"));
    }
    std::fs::read(file).map_err(|error| unreadable(file, &error.to_string()))
}

async fn one(global: &Global, desk: &Desk, workshop: &mut Workshop, file: &Path) -> anyhow::Result<()> {
    let bytes = read(file)?;
    let here = |problem: Problem| problem.in_file(file.display().to_string());
    let outline = Outline::read(&bytes).map_err(here)?;
    workshop.load(&bytes).map_err(here)?;
    let (name, version) = (outline.manifest.name.clone(), outline.manifest.version.clone());
    let mut standing = standing::all(&desk.store).await?.remove(&name).unwrap_or_default();
    let known = standing.active == Some(outline.digest);
    let digest = desk.store.keep_component(desk.lease, name.clone(), version.clone(), bytes, SystemClock.now()).await?;
    if !known && standing.waiting.as_ref().is_none_or(|waiting| waiting.digest != digest) {
        standing.waiting = Some(Waiting { digest, by: who() });
        let details = json!({"version": version, "digest": digest.to_string()});
        desk.keep(vec![standing.document(&name)], "connector.install", &name, details).await?;
    }
    if global.json {
        out::print_json(&json!({"name": name, "version": version, "digest": digest.to_string(), "in_use": known}))?;
    } else if known {
        out::print(&format!("{name} {version} (sha256:{}) is in use already\n", digest.short()))?;
    } else {
        let next = match standing.active {
            None => format!("caravan connector grant {name} --as-asked"),
            Some(_) => format!("caravan connector upgrade {name}"),
        };
        let short = digest.short();
        out::print(&format!("{name} {version} (sha256:{short}) is installed and waits for approval: `{next}`\n"))?;
    }
    Ok(())
}
