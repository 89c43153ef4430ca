//! `caravan connector install`: bytes are read, compiled in a child process, and kept. Nothing of them runs.
use super::{at_desk, oci};
use crate::args::{Global, OciLoginArgs};
use crate::fail::{End, problem_in};
use crate::registry::desk::Desk;
use crate::registry::{self, install::Installed};
use crate::{out, stop};
use caravan_model::{Code, Digest, Problem};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a watched folder is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// The largest file that is read at all.
const LARGEST: u64 = 64 << 20;

/// Installs a file, or all components of a folder.
pub async fn install(global: &Global, from: &Path, login: &OciLoginArgs) -> anyhow::Result<End> {
    if let Some(reference) = oci::reference(from)? {
        let bytes = oci::pull(global, &reference, login).await?;
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

/// How a file looked: when it was written last, and how long it is.
type Look = Option<(SystemTime, u64)>;

/// What a watched folder had.
#[derive(Default)]
struct Seen {
    looks: BTreeMap<PathBuf, Look>,
    known: BTreeSet<(PathBuf, Option<Digest>)>,
}

impl Seen {
    /// The files whose bytes are new; only those that look otherwise than before are read.
    fn new_ones(&mut self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        self.looks.retain(|path, _| files.contains(path));
        let mut new = Vec::new();
        for file in files {
            let look = std::fs::metadata(&file).ok();
            let look = look.and_then(|look| Some((look.modified().ok()?, look.len())));
            if look.is_some() && self.looks.get(&file) == Some(&look) {
                continue;
            }
            self.looks.insert(file.clone(), look);
            let digest = read(&file).ok().map(|bytes| Digest::of(&bytes));
            if self.known.insert((file.clone(), digest)) {
                new.push(file);
            }
        }
        new
    }

    /// As if a file had not been there.
    fn forget(&mut self, file: &Path) {
        self.looks.remove(file);
        self.known.retain(|(known, _)| known != file);
    }
}

/// Installs what comes into a folder, until it is stopped. The store is held only while something new is kept.
pub async fn watch(global: &Global, folder: &Path) -> anyhow::Result<End> {
    let mut stopped = stop::listen(global.quiet);
    let mut seen = Seen::default();
    loop {
        for file in seen.new_ones(files(folder)?) {
            let kept = at_desk(global, async |desk| a_file(global, desk, &file).await.map(|()| End::Done));
            if let Err(error) = kept.await {
                eprintln!("{error}");
                // Somebody else has the store: the file is looked at again.
                if problem_in(&error).is_some_and(|problem| problem.code == Code::StoreInUse) {
                    seen.forget(&file);
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
    let Installed { name, version, digest, in_use, another_in_use, bundled_name, signed_by } = installed;
    let signers = if signed_by.is_empty() { String::new() } else { format!(", signed by {},", signed_by.join(", ")) };
    if global.json {
        out::print_json(&json!({"name": name, "version": version, "digest": digest.to_string(), "in_use": in_use,
            "bundled_name": bundled_name, "signed_by": signed_by}))?;
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
        if bundled_name {
            out::print(&format!(
                "! `{name}` is the name of a bundled connector, which stays in use until then; `caravan connector inspect \
                 {name}` says what this one would take over\n"
            ))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_file_is_read_again_only_once_it_looks_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("acme.wasm");
        let mut seen = Seen::default();
        let mut new_ones = || seen.new_ones(files(folder.path()).expect("its files")).len();
        let write = |text: &str, second: u64| {
            std::fs::write(&file, text).expect("a file");
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
            std::fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(at)).expect("a time");
        };
        assert_eq!(new_ones(), 0);
        write("one", 0);
        assert_eq!((new_ones(), new_ones()), (1, 0));
        // Other bytes under the same look are not looked for; under another look they are new, the same ones are not.
        write("two", 0);
        assert_eq!(new_ones(), 0);
        write("two", 1);
        assert_eq!(new_ones(), 1);
        write("two", 2);
        assert_eq!(new_ones(), 0);
        write("three", 2);
        assert_eq!(new_ones(), 1);
    }
}
