//! Readers: a few connections that only read, each call one snapshot.
use crate::contract::{Error, Result};
use crate::fail::Done;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many connections stay open.
const KEPT: usize = 4;

/// The pool.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// A pool of the file at a path.
    pub(crate) fn new(path: PathBuf) -> Readers {
        Readers { path, idle: Mutex::new(Vec::new()) }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.busy_timeout(Duration::from_secs(10))?;
        db.execute_batch("PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY; PRAGMA query_only = 1")?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    }

    /// Reads in one snapshot. Blocks.
    pub(crate) fn read<T>(&self, doing: &'static str, work: impl FnOnce(&Connection) -> Done<T>) -> Result<T> {
        let engine = |error: rusqlite::Error| Error::Engine { doing, source: Box::new(error) };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => self.connect().map_err(engine)?,
        };
        db.execute_batch("BEGIN").map_err(engine)?;
        let result = work(&db).map_err(|fail| fail.doing(doing));
        if db.execute_batch("COMMIT").is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(db);
            }
        }
        result
    }
}
