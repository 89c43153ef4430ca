//! Entries that went to another version of their canvas while they were open.
use crate::contract::{MoveEntries, Moved};
use crate::fail::{Done, Fail};
use crate::ledger::Ledger;
use crate::schema::has;
use crate::writer::Tx;
use caravan_model::{EntryId, StepIx, VersionId};
use rusqlite::{Connection, OptionalExtension};

/// The version to which an entry went, if it left the one it began in.
pub(crate) fn version_of(db: &Connection, entry: EntryId) -> Done<Option<VersionId>> {
    let mut select = db.prepare_cached("SELECT version FROM moved WHERE entry = ?1")?;
    Ok(select.query_row([entry.0], |row| row.get(0).map(VersionId)).optional()?)
}

/// Whether any entry ever went to another version.
pub(crate) fn any(db: &Connection) -> Done<bool> {
    if !has(db, "moved")? {
        return Ok(false);
    }
    Ok(db.prepare_cached("SELECT EXISTS (SELECT 1 FROM moved)")?.query_row([], |row| row.get(0))?)
}

/// Moves entries that wait at steps, with their visits as they wait.
pub(crate) fn entries(tx: &mut Tx<'_>, wanted: &MoveEntries) -> Done<Moved> {
    tx.books.hear(wanted.now);
    let (from, to) = (tx.books.version(wanted.from)?, tx.books.version(wanted.to)?);
    if from.canvas != to.canvas {
        return Err(Fail::impossible("entries do not move to another canvas"));
    }
    let db = tx.db;
    let mut select = db.prepare_cached(
        "SELECT entry, step, arrives FROM position WHERE version = ?1 AND entry > ?2
         AND NOT EXISTS (SELECT 1 FROM calling WHERE calling.entry = position.entry) ORDER BY entry LIMIT ?3",
    )?;
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let found: Vec<(i64, u16, bool)> = select
        .query_map((wanted.from.0, wanted.after.0, limit), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut ledger = Ledger::new(wanted.now, None);
    let mut stand = db.prepare_cached("UPDATE position SET version = ?2, step = ?3 WHERE entry = ?1")?;
    let mut note = db.prepare_cached("INSERT INTO moved VALUES (?1, ?2) ON CONFLICT DO UPDATE SET version = ?2")?;
    let mut moved = 0;
    for (entry, step, arrives) in &found {
        let Some(step_to) = wanted.steps.iter().find(|(old, _)| old.0 == *step).map(|(_, new)| *new) else { continue };
        if step_to.0 >= to.steps {
            return Err(Fail::impossible(format!("version {} has no step at place {}", wanted.to, step_to.0)));
        }
        stand.execute((entry, wanted.to.0, step_to.0))?;
        note.execute((entry, wanted.to.0))?;
        if !arrives {
            ledger.was_waiting(wanted.from, StepIx(*step));
            ledger.waits(wanted.to, step_to);
        }
        ledger.ended(wanted.from);
        ledger.came(wanted.to);
        moved += 1;
    }
    ledger.keep(tx)?;
    let next = found.last().filter(|_| found.len() == wanted.limit).map(|(entry, ..)| EntryId(*entry));
    Ok(Moved { moved, next })
}
