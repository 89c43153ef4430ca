//! The one writer: a thread with a connection, a channel of calls, and group commit.
//!
//! Calls that wait together share a transaction; each after the first runs in a savepoint, so that every call is still
//! all or nothing by itself. Answers are given after the commit.
use crate::books::Books;
use crate::checkpoint::Checkpointer;
use crate::contract::{Error, Result};
use crate::fail::{Done, Fail};
use rusqlite::Connection;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long calls gather in one transaction before it is committed.
const GATHER: Duration = Duration::from_millis(5);
/// How many at most.
const GROUP: usize = 64;

/// What a writing call works with.
pub(crate) struct Tx<'a> {
    /// The connection, inside the transaction.
    pub(crate) db: &'a Connection,
    /// What the writer keeps in memory.
    pub(crate) books: &'a mut Books,
}

/// A call on its way through the writer.
trait Job: Send {
    /// Does the work; false = undo it.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers, with this failure instead of the work's result where the transaction failed.
    fn tell(self: Box<Self>, failed: Option<Error>);
}

struct Call<T, F> {
    doing: &'static str,
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&mut Tx<'_>) -> Done<T> + Send> Job for Call<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = work(tx).and_then(|done| tx.books.keep(tx.db).map(|()| done));
        let good = result.is_ok();
        self.result = Some(result.map_err(|fail| fail.doing(self.doing)));
        good
    }

    fn tell(self: Box<Self>, failed: Option<Error>) {
        let result = match (failed, self.result) {
            (None, Some(result)) | (Some(_), Some(result @ Err(_))) => result,
            (Some(error), _) => Err(error),
            (None, None) => Err(gone()),
        };
        // Who asked may have gone away; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

fn gone() -> Error {
    Error::Engine { doing: "write", source: "the store's writer has stopped after a failure; start again".into() }
}

/// The way to the writer; clones share it.
#[derive(Debug)]
pub(crate) struct Writer {
    calls: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; the checkpointer is asked to look after every commit.
    pub(crate) fn start(db: Connection, books: Books, checkpointer: Checkpointer) -> std::io::Result<Writer> {
        let (calls, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            serve(&db, books, &inbox, &checkpointer);
            // Before this connection, so that closing this one merges the log.
            drop(checkpointer);
        })?;
        Ok(Writer { calls: Some(calls), thread: Some(thread) })
    }

    /// Has work done in a transaction.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let call = Box::new(Call { doing, work: Some(work), result: None, reply });
        let sent = self.calls.as_ref().is_some_and(|calls| calls.send(call).is_ok());
        if sent { answer.await.unwrap_or_else(|_| Err(gone())) } else { Err(gone()) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was told to whoever waited for it.
            let _ = thread.join();
        }
    }
}

fn serve(db: &Connection, mut books: Books, inbox: &mpsc::Receiver<Box<dyn Job>>, checkpointer: &Checkpointer) {
    while let Ok(first) = inbox.recv() {
        let (group, outcome) = transact(db, &mut books, first, inbox);
        match outcome {
            Ok(()) => {
                group.into_iter().for_each(|job| job.tell(None));
                checkpointer.consider(db);
            }
            Err(error) => {
                let words = error.to_string();
                tracing::error!(%words, "a transaction of the store failed");
                // What the pages hold after a failed commit is not known: better stop than guess.
                let usable = db.is_autocommit() || db.execute_batch("ROLLBACK").is_ok();
                let reloaded = usable.then(|| Books::load(db).ok()).flatten();
                for job in group {
                    job.tell(Some(Error::Engine { doing: "commit", source: words.clone().into() }));
                }
                match reloaded {
                    Some(fresh) if !fatal(&error) => books.replace(fresh),
                    _ => return,
                }
            }
        }
    }
}

/// Whether the file can no longer be trusted to hold what was written: everything but a full disk and a busy lock.
fn fatal(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

type Group = Vec<Box<dyn Job>>;

/// One transaction over as many calls as are waiting.
fn transact(
    db: &Connection,
    books: &mut Books,
    first: Box<dyn Job>,
    inbox: &mpsc::Receiver<Box<dyn Job>>,
) -> (Group, rusqlite::Result<()>) {
    let begun = Instant::now();
    let mut group: Group = Vec::new();
    let outcome = (|| {
        let mut next = Some(first);
        while let Some(job) = next.take() {
            group.push(job);
            let alone = group.len() == 1;
            db.execute_batch(if alone { "BEGIN IMMEDIATE" } else { "SAVEPOINT call" })?;
            let good = group.last_mut().is_some_and(|job| job.run(&mut Tx { db, books: &mut *books }));
            if !good && db.is_autocommit() {
                // SQLite has undone the whole transaction by itself, as it may where the disk is full.
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
                    Some("the transaction was undone".to_owned()),
                ));
            }
            if !good {
                db.execute_batch(if alone { "ROLLBACK" } else { "ROLLBACK TO call; RELEASE call" })?;
                let fresh = Books::load(db).map_err(|fail| match fail {
                    Fail::Sql(error) => error,
                    Fail::Told(_) => rusqlite::Error::InvalidQuery,
                })?;
                books.replace(fresh);
                if alone {
                    return Ok(());
                }
            } else if !alone {
                db.execute_batch("RELEASE call")?;
            }
            if group.len() < GROUP && begun.elapsed() < GATHER {
                next = inbox.try_recv().ok();
            }
        }
        db.execute_batch("COMMIT")
    })();
    (group, outcome)
}
