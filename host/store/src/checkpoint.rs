//! Moves the write-ahead log into the file: the bulk in a thread of its own, beside the writer; then what came meanwhile
//! by the writer itself, between two transactions, so that the log starts anew however fast it is written.
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const BULK_DONE: u8 = 2;

/// Moves what it can without waiting for anybody.
const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Moves nothing; tells the log's length.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";

/// Asks for checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    stage: Arc<AtomicU8>,
    pages: i64,
}

impl Checkpointer {
    /// Starts the thread; it ends with this.
    pub(crate) fn start(db: Connection, pages: u32) -> std::io::Result<Checkpointer> {
        let (wake, woken) = mpsc::channel();
        let stage = Arc::new(AtomicU8::new(IDLE));
        let shared = Arc::clone(&stage);
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                log_pages(&db, MOVE);
                shared.store(BULK_DONE, Ordering::Release);
            }
        })?;
        Ok(Checkpointer { wake: Some(wake), thread: Some(thread), stage, pages: i64::from(pages) })
    }

    /// Called by the writer after a commit.
    pub(crate) fn consider(&self, db: &Connection) {
        match self.stage.load(Ordering::Acquire) {
            BULK_DONE => {
                log_pages(db, MOVE);
                self.stage.store(IDLE, Ordering::Release);
            }
            IDLE if log_pages(db, LOOK) >= self.pages => {
                self.stage.store(RUNNING, Ordering::Release);
                if self.wake.as_ref().is_none_or(|wake| wake.send(()).is_err()) {
                    // Without the thread, the writer does it all.
                    self.stage.store(BULK_DONE, Ordering::Release);
                }
            }
            _ => {}
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // A panic there cost a checkpoint, no data.
            let _ = thread.join();
        }
    }
}

/// Runs the pragma; gives the log's length in pages, 0 where it failed.
fn log_pages(db: &Connection, pragma: &str) -> i64 {
    let pages = db.prepare_cached(pragma).and_then(|mut pragma| pragma.query_row([], |row| row.get(1)));
    pages.unwrap_or_else(|error| {
        tracing::warn!(%error, "a checkpoint of the store failed; the next one tries again");
        0
    })
}
