//! Moves the write-ahead log into the file, in a thread of its own.
use rusqlite::Connection;
use std::sync::mpsc;

/// Asks for checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<mpsc::SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    pages: i64,
}

impl Checkpointer {
    /// Starts the thread; it ends with this.
    pub(crate) fn start(db: Connection, pages: u32) -> std::io::Result<Checkpointer> {
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                // Most pages beside the writer; then the rest under its lock, so that the log starts anew.
                for pragma in ["PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(RESTART)"] {
                    if let Err(error) = log_pages(&db, pragma) {
                        tracing::warn!(%error, "a checkpoint of the store failed; the next one tries again");
                    }
                }
            }
        })?;
        Ok(Checkpointer { wake: Some(wake), thread: Some(thread), pages: i64::from(pages) })
    }

    /// Called by the writer after a commit.
    pub(crate) fn consider(&self, db: &Connection) {
        if log_pages(db, "PRAGMA wal_checkpoint(NOOP)").is_ok_and(|pages| pages >= self.pages) {
            // Full = one is under way.
            let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
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

fn log_pages(db: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    db.prepare_cached(pragma)?.query_row([], |row| row.get(1))
}
