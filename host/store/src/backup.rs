//! Backups of a store that goes on meanwhile, whether a store's file is whole, and how much room there is for it.
//!
//! A backup is one snapshot, written anew by `VACUUM INTO` through a connection that only reads: it waits for no writer,
//! no writer waits for it, and nothing of what was deleted is in it. Until it is done, the log of a busy store grows.
use crate::contract::{BackedUp, Error, Result, Space, Store as _};
use crate::fail::{Done, Fail, damaged};
use crate::owner;
use crate::sqlite::{Sqlite, connect};
use caravan_model::{Code, Problem};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The most lines that a look at a file's integrity gives.
const LINES: u32 = 20;

/// What SQLite says of the file's own structure; empty = whole.
pub(crate) fn integrity(db: &Connection) -> Done<Vec<String>> {
    let mut check = db.prepare(&format!("PRAGMA integrity_check({LINES})"))?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let lines: Vec<String> = lines.collect::<rusqlite::Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// The room that a store's file and its log take, and what the file system has left for them.
pub(crate) async fn space(path: PathBuf) -> Result<Space> {
    let doing = "look at the disk";
    let look = move || -> io::Result<Space> {
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        // The log comes and goes.
        let log = fs::metadata(log).map_or(0, |log| log.len());
        let disk = rustix::fs::statvfs(&path)?;
        Ok(Space { bytes: fs::metadata(&path)?.len() + log, free: Some(disk.f_bavail.saturating_mul(disk.f_frsize)) })
    };
    let looked = tokio::task::spawn_blocking(look).await;
    let looked = looked.unwrap_or_else(|error| Err(io::Error::other(error)));
    looked.map_err(|error| Error::Engine { doing, source: Box::new(error) })
}

/// A file on its way to become a backup; removed unless it has become one.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        for ending in ["", "-journal", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(ending);
            // Most of these were never there.
            let _ = fs::remove_file(name);
        }
    }
}

/// Copies the store at one path to another, looks the copy through, and gives it its name.
pub(crate) async fn make(from: PathBuf, to: PathBuf) -> Result<BackedUp> {
    refuse_existing(&to)?;
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let draft = Draft(to.with_file_name(name));
    let wrong = |error: io::Error| unwritable(&to, &error);
    let blank = owner::private_file(&draft.0).map_err(wrong)?;
    // What a backup before this one left half done under the same name.
    blank.set_len(0).map_err(wrong)?;
    let (source, target) = (from.clone(), draft.0.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&source, &target)).await;
    copied.unwrap_or_else(|error| Err(Error::Engine { doing: "make a backup", source: Box::new(error) }))?;
    let copy = Sqlite::open_read_only(&draft.0)?;
    let off = [copy.integrity().await?, copy.audit().await?].concat();
    drop(copy);
    if let Some(first) = off.first() {
        let words = format!("the backup was made, but it is not whole: {first}");
        let problem = damaged(words).cure("look at the store by `caravan store check`: the fault is in there already");
        return Err(problem.in_file(from.display().to_string()).into());
    }
    let bytes = File::open(&draft.0).and_then(|file| file.sync_all().and_then(|()| file.metadata())).map_err(wrong)?;
    settle(&draft.0, &to)?;
    Ok(BackedUp { bytes: bytes.len() })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let told = |fail: Fail| fail.doing("make a backup");
    let db = connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
    let to = to.to_str().ok_or_else(|| {
        Error::Problem(Problem::new(Code::Usage, "the backup's path is not in UTF-8").cure("choose another name"))
    })?;
    db.execute("VACUUM INTO ?1", [to]).map_err(|error| told(error.into()))?;
    Ok(())
}

/// Gives the draft its name, unless somebody else has it meanwhile, and makes that durable.
fn settle(draft: &Path, to: &Path) -> Result<()> {
    let wrong = |error: io::Error| unwritable(to, &error);
    match fs::hard_link(draft, to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_existing(to)?,
        // A file system without links.
        Err(_) => {
            refuse_existing(to)?;
            fs::rename(draft, to).map_err(wrong)?;
        }
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)
}

fn refuse_existing(to: &Path) -> Result<()> {
    match to.symlink_metadata() {
        Ok(_) => Err(Problem::new(Code::Usage, "there is such a file already, and a backup replaces none")
            .in_file(to.display().to_string())
            .cure("choose another name, or move that file away")
            .into()),
        Err(_) => Ok(()),
    }
}

fn unwritable(to: &Path, error: &io::Error) -> Error {
    Problem::new(Code::UnreadableFile, format!("the backup cannot be written: {error}"))
        .in_file(to.display().to_string())
        .cure("check that the folder exists, that you may write there, and that it has room")
        .into()
}
