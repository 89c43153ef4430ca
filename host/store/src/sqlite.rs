//! The store on SQLite: opening it, and the ways to its writer and its readers.
use crate::books::Books;
use crate::checkpoint::Checkpointer;
use crate::contract::{Error, Result, Under, Warrant};
use crate::fail::{Done, Fail, damaged};
use crate::notes;
use crate::owner::{self, Ownership};
use crate::readers::Readers;
use crate::schema::{self, Kind};
use crate::writer::{Tx, Writer};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Who opens it, for the words of `CV070`; the machine's name by default.
    pub host: String,
    /// The workspace whose people live here; part of what gives a profile its slot. Kept in the file when it is made
    /// (`default` where none is named), and the file's for ever: another one is refused.
    pub workspace: Option<String>,
    /// The log is moved into the file once it has so many pages.
    pub checkpoint_pages: u32,
    /// The file grows no larger than so many pages (8 KiB each), whatever room the disk has: what needs more is refused
    /// as on a full disk, with nothing lost. 0 = no bound.
    pub most_pages: u32,
    /// A store that is made by opening it goes again where nothing is written to it before it is let go.
    pub unmade_if_blank: bool,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
        let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
        OpenOptions {
            host: host.unwrap_or_else(|| "this machine".to_owned()),
            workspace: None,
            checkpoint_pages: 50_000,
            most_pages: 0,
            unmade_if_blank: false,
        }
    }
}

/// A store in an SQLite file. Clones share it; the file is let go with the last one.
#[derive(Debug)]
pub struct Sqlite {
    pub(crate) shared: Arc<Shared>,
    /// The newest change that this clone has been told of.
    pub(crate) heard: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    // In the order in which they go: the writer closes last, so that the log is merged and removed, and only then may
    // others own the file.
    readers: Readers,
    writer: Option<Writer>,
    pub(crate) changes: watch::Sender<u64>,
    /// Counts writes of documents.
    documents: Arc<AtomicU64>,
    pub(crate) workspace: Arc<str>,
    pub(crate) path: PathBuf,
    _ownership: Option<Ownership>,
}

/// Counts a write of documents once it is dropped. It travels with the answer of the call, which is given, or dropped where
/// nobody waits for it any more, after the commit: whoever looks earlier looks again.
#[derive(Debug)]
struct Told(Arc<AtomicU64>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl Clone for Sqlite {
    fn clone(&self) -> Sqlite {
        Sqlite { shared: Arc::clone(&self.shared), heard: AtomicU64::new(self.heard.load(Ordering::Relaxed)) }
    }
}

impl Sqlite {
    /// Waits until somebody writes what others should look at.
    pub(crate) async fn hear_of_changes(&self) {
        let mut changes = self.shared.changes.subscribe();
        // The sender lives as long as this.
        let heard = self.heard.load(Ordering::Relaxed);
        if let Ok(newest) = changes.wait_for(|newest| *newest != heard).await.map(|newest| *newest) {
            self.heard.store(newest, Ordering::Relaxed);
        }
    }

    /// Opens a store, or makes one in a new file that its owner alone can read, and owns it until dropped.
    ///
    /// # Errors
    /// `CV070` where another process owns it, `CV071` where it cannot be read, `CV072` where it is too new.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Sqlite> {
        let path = path.as_ref();
        let mut ownership = owner::take(path, &options.host)?;
        if options.unmade_if_blank && !path.exists() {
            ownership.unmakes(path);
        }
        // SQLite gives the log beside it the same permissions.
        owner::private_file(path).map_err(|error| owner::unopenable(path, &error))?;
        let told = |fail: Fail| about(path, fail.doing("open the store"));
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(told)?;
        let books = prepare(&db).map_err(told)?;
        let workspace = schema::workspace(&db, options.workspace.as_deref()).map_err(told)?;
        if options.most_pages > 0 {
            db.pragma_update_and_check(None, "max_page_count", options.most_pages, |_| Ok(()))
                .map_err(|error| told(error.into()))?;
        }
        let checkpoints = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|db| Ok(db.execute_batch("PRAGMA cache_size = -1000; PRAGMA synchronous = FULL").map(|()| db)?))
            .map_err(told)?;
        let thread = |error: std::io::Error| Error::Engine { doing: "start a thread", source: Box::new(error) };
        let checkpointer = Checkpointer::start(checkpoints, options.checkpoint_pages).map_err(thread)?;
        let writer = Writer::start(db, books, checkpointer).map_err(thread)?;
        Ok(Sqlite::new(path, Some(writer), Some(ownership), workspace))
    }

    /// Opens an existing store for reading alone, beside its owner if there is one. Every writing call is refused.
    ///
    /// # Errors
    /// `CV071` where it is missing or cannot be read, `CV072` where it is too new.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Sqlite> {
        let path = path.as_ref();
        let (db, kind) = inspected(path)?;
        Sqlite::reading(path, &db, kind)?.ok_or_else(|| empty(path))
    }

    /// The same for whoever asks before a command that would make the store: `None` where there is none yet, or where the
    /// process that was making it died before its first write.
    ///
    /// # Errors
    /// As [`Sqlite::open_read_only`].
    pub fn open_if_made(path: impl AsRef<Path>) -> Result<Option<Sqlite>> {
        let path = path.as_ref();
        if !path.exists() {
            return Ok(None);
        }
        let (db, kind) = inspected(path)?;
        Sqlite::reading(path, &db, kind)
    }

    fn reading(path: &Path, db: &Connection, kind: Kind) -> Result<Option<Sqlite>> {
        match kind {
            Kind::New => return Ok(None),
            Kind::Ours(format) => schema::readable(format).map_err(|error| about(path, error))?,
        }
        let workspace = schema::workspace_of(db).map_err(|fail| about(path, fail.doing("open the store")))?;
        Ok(Some(Sqlite::new(path, None, None, workspace)))
    }

    /// Which process owns a store, in words; `None` where none does.
    pub fn owner_of(path: impl AsRef<Path>) -> Option<String> {
        owner::of(path.as_ref())
    }

    /// The format of an existing store's tables, read without changing them.
    ///
    /// # Errors
    /// As [`Sqlite::open_read_only`], but one that is too old is none.
    pub fn format_of(path: impl AsRef<Path>) -> Result<i64> {
        let path = path.as_ref();
        match inspected(path)?.1 {
            Kind::New => Err(empty(path)),
            Kind::Ours(format) => Ok(format),
        }
    }

    fn new(path: &Path, writer: Option<Writer>, ownership: Option<Ownership>, workspace: String) -> Sqlite {
        let readers = Readers::new(PathBuf::from(path));
        let workspace = Arc::from(workspace);
        let shared = Shared {
            writer,
            readers,
            changes: watch::Sender::new(1),
            documents: Arc::new(AtomicU64::new(1)),
            workspace,
            path: path.to_owned(),
            _ownership: ownership,
        };
        Sqlite { shared: Arc::new(shared), heard: AtomicU64::new(0) }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.shared.path
    }

    /// The workspace whose people live here.
    pub fn workspace(&self) -> &str {
        &self.shared.workspace
    }

    /// A writing call, fenced; with the note of its warrant, where there is one.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        by: impl Under,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let Warrant { lease, note } = by.into();
        self.write_unfenced(doing, move |tx| {
            tx.books.check(lease)?;
            let done = work(tx)?;
            notes::append(tx.db, note.as_slice())?;
            Ok(done)
        })
        .await
    }

    pub(crate) async fn write_unfenced<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        match &self.shared.writer {
            Some(writer) => writer.call(doing, work).await,
            None => Err(Error::Impossible("the store was opened for reading alone".to_owned())),
        }
    }

    /// How often documents were written; none where another process may write them.
    pub(crate) fn writes_of_documents(&self) -> Option<u64> {
        self.shared.writer.as_ref().map(|_| self.shared.documents.load(Ordering::Acquire))
    }

    /// A writing call that changes documents, fenced by a lease where there is one; with the note of its warrant.
    pub(crate) async fn write_documents<T: Send + 'static>(
        &self,
        by: Option<Warrant>,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let told = Told(Arc::clone(&self.shared.documents));
        let counted = self.write_unfenced(doing, move |tx| {
            let Some(Warrant { lease, note }) = by else { return Ok((work(tx)?, told)) };
            tx.books.check(lease)?;
            let done = work(tx)?;
            notes::append(tx.db, note.as_slice())?;
            Ok((done, told))
        });
        counted.await.map(|(done, _)| done)
    }

    /// The same, and it may make work: counted before anybody is woken.
    pub(crate) async fn stir_documents<T: Send + 'static>(
        &self,
        by: impl Under,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.write_documents(Some(by.into()), doing, work).await;
        self.shared.changes.send_modify(|n| *n += 1);
        result
    }

    /// A writing call that may make work.
    pub(crate) async fn stir<T: Send + 'static>(
        &self,
        by: impl Under,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.write(by, doing, work).await;
        self.shared.changes.send_modify(|n| *n += 1);
        result
    }

    /// A writing call that tells how much work it made: where that is none, nobody is woken to look again.
    pub(crate) async fn stir_some(
        &self,
        by: impl Under,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<u64> + Send + 'static,
    ) -> Result<u64> {
        let result = self.write(by, doing, work).await;
        if !matches!(result, Ok(0)) {
            self.shared.changes.send_modify(|n| *n += 1);
        }
        result
    }

    /// A reading call, one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || shared.readers.read(doing, work));
        read.await.unwrap_or_else(|error| Err(Error::Engine { doing, source: Box::new(error) }))
    }
}

fn about(path: &Path, error: Error) -> Error {
    match error {
        Error::Problem(problem) if problem.file.is_none() => {
            Error::Problem(problem.in_file(path.display().to_string()))
        }
        other => other,
    }
}

/// A store's file opened for reading, and what it is.
fn inspected(path: &Path) -> Result<(Connection, Kind)> {
    let told = |fail: Fail| about(path, fail.doing("open the store"));
    std::fs::File::open(path).map_err(|error| owner::unopenable(path, &error))?;
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
    let kind = schema::inspect(&db).map_err(told)?;
    Ok((db, kind))
}

fn empty(path: &Path) -> Error {
    Error::Problem(damaged("the store is empty").in_file(path.display().to_string()))
}

/// A connection of its own to a file.
pub(crate) fn connect(path: &Path, mode: OpenFlags) -> Done<Connection> {
    let db = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(Duration::from_secs(30))?;
    Ok(db)
}

/// Makes the writer's connection ready, and the tables where there are none.
fn prepare(db: &Connection) -> Done<Books> {
    db.set_prepared_statement_cache_capacity(128);
    let kind = schema::inspect(db)?;
    if let Kind::New = kind {
        db.execute_batch("PRAGMA page_size = 8192")?;
    }
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY",
    )?;
    match kind {
        Kind::New => schema::create(db)?,
        Kind::Ours(format) => schema::upgrade(db, format)?,
    }
    Books::load(db)
}
