//! Who owns an SQLite store: one process, by a lock that the operating system drops when the process dies.
use crate::contract::{Error, Lease, Result, Slots};
use crate::fail::{Done, Fail};
use crate::schema::set_meta;
use crate::writer::Tx;
use caravan_model::{Code, Millis, Problem};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The lock; held as long as this lives.
#[derive(Debug)]
pub(crate) struct Ownership {
    _file: File,
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

/// The lock file beside a store. It stays when the lock is gone.
fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_os_string();
    name.push(".lock");
    store.with_file_name(name)
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
        Ok(()) => {
            let note = format!("pid {} on {host}\n", std::process::id());
            // The note only helps people; a disk too full for it shows itself soon enough.
            let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
            Ok(Ownership { _file: file })
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
