//! Who owns an SQLite store: one process, by a lock that the operating system drops when the process dies.
use crate::contract::{Error, Lease, Result, Slots};
use crate::fail::{Done, Fail};
use crate::schema::set_meta;
use crate::writer::Tx;
use caravan_model::{Code, Millis, Problem};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The lock; held as long as this lives.
#[derive(Debug)]
pub(crate) struct Ownership {
    _file: File,
    /// A store that was made under this lock, and is to go again where nothing was ever written to it.
    made: Option<PathBuf>,
}

impl Ownership {
    /// The store is made now: where nothing is written to it until the lock is let go, its files go, too.
    pub(crate) fn unmakes(&mut self, store: &Path) {
        self.made = Some(store.to_owned());
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // Nobody else may open it yet, and whoever holds it here has closed it.
        let Some(store) = self.made.take().filter(|store| is_blank(store).unwrap_or(false)) else { return };
        for beside in ["", "-wal", "-shm", ".lock"] {
            // What stays is an empty store.
            let _ = std::fs::remove_file(beside_of(&store, beside));
        }
    }
}

/// Whether a store holds nothing but what it was made with.
fn is_blank(store: &Path) -> Done<bool> {
    let db = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut select = db.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'meta' AND name NOT LIKE 'sqlite_%'",
    )?;
    let tables: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for table in tables {
        if db.query_row(&format!("SELECT EXISTS (SELECT 1 FROM \"{table}\")"), [], |row| row.get(0))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the lease, fencing whoever had it.
pub(crate) fn lease(tx: &mut Tx<'_>, host: &str, wanted: &Slots, now: Millis) -> Done<Lease> {
    if wanted.is_empty() {
        return Err(Fail::impossible("a lease on no slot at all"));
    }
    tx.books.hear(now);
    tx.books.numbers.epoch += 1;
    tx.books.numbers.leased = 1;
    set_meta(tx.db, "now", tx.books.now.0)?;
    tx.db.execute("INSERT INTO meta VALUES ('owner', ?1) ON CONFLICT DO UPDATE SET value = excluded.value", [host])?;
    // One file has one owner: whoever wants a part gets all.
    Ok(Lease { epoch: tx.books.numbers.epoch, slots: Slots::ALL })
}

/// Hears the time on behalf of whoever has the lease.
pub(crate) fn renew(tx: &mut Tx<'_>, now: Millis) -> Done<()> {
    tx.books.hear(now);
    set_meta(tx.db, "now", tx.books.now.0)
}

/// Gives the lease back.
pub(crate) fn release(tx: &mut Tx<'_>) -> Done<()> {
    tx.books.numbers.leased = 0;
    Ok(())
}

/// A file of ours: readable and writable by its owner alone.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The lock file beside a store. It stays when the lock is gone, as long as the store does.
fn lock_path(store: &Path) -> PathBuf {
    beside_of(store, ".lock")
}

fn beside_of(store: &Path, ending: &str) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    store.with_file_name(name)
}

/// Whether a path leads to the file that is open: a store that was never written to takes its lock's file along.
fn leads_to(path: &Path, file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let same = file.metadata().ok().zip(std::fs::metadata(path).ok());
        same.is_some_and(|(open, there)| (open.dev(), open.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// The error for a file that cannot be opened.
pub(crate) fn unopenable(path: &Path, error: &std::io::Error) -> Error {
    Error::Problem(
        Problem::new(Code::StoreDamaged, format!("the store cannot be opened: {error}"))
            .in_file(path.display().to_string())
            .cure("check that the folder exists and that you may write there, or name another file"),
    )
}

/// Who owns a store, as the owner wrote it; `None` where nobody does.
pub(crate) fn of(store: &Path) -> Option<String> {
    let mut file = File::open(lock_path(store)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut note = String::new();
            let _ = (&mut file).take(300).read_to_string(&mut note);
            Some(if note.trim().is_empty() { "another process" } else { note.trim() }.to_owned())
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Takes ownership, or says who has it.
pub(crate) fn take(store: &Path, host: &str) -> Result<Ownership> {
    let path = lock_path(store);
    let mut file = private_file(&path).map_err(|error| unopenable(&path, &error))?;
    match file.try_lock() {
        // Whoever had it took the file away: the lock is on nothing.
        Ok(()) if !leads_to(&path, &file) => take(store, host),
        Ok(()) => {
            let note = format!("pid {} on {host}\n", std::process::id());
            // The note only helps people; a disk too full for it shows itself soon enough.
            let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
            Ok(Ownership { _file: file, made: None })
        }
        Err(TryLockError::WouldBlock) => {
            let mut note = String::new();
            let _ = (&file).take(300).read_to_string(&mut note);
            let who = if note.trim().is_empty() { "another process" } else { note.trim() };
            Err(Error::Problem(
                Problem::new(Code::StoreInUse, format!("the store is in use by {who}"))
                    .in_file(store.display().to_string())
                    .cure("stop that process, or talk to it with --server"),
            ))
        }
        Err(TryLockError::Error(error)) => Err(unopenable(&path, &error)),
    }
}
