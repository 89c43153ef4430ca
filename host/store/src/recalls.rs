//! Calls of endpoints that failed for good: kept with what their keys are made of, so that somebody may have them made once
//! more under the same keys. The person has gone on meanwhile, and stays where they are: such a call moves counters alone.
use crate::calling::tried;
use crate::contract::{Calling, Postponed, Resend, Resent, Tried, Uncalled};
use crate::counters::reasons;
use crate::fail::Done;
use crate::follow_ups::asked_for;
use crate::ledger::Ledger;
use crate::merging;
use crate::records::Entries;
use crate::schema;
use crate::writer::Tx;
use caravan_model::{EntryId, Millis, Reason, Status, StepIx, VersionId, VisitId};
use rusqlite::{Connection, Row};
use std::collections::HashMap;

/// A call that is to be made once more.
#[derive(Clone, Debug)]
pub(crate) struct Recall {
    /// The visit.
    pub(crate) visit: VisitId,
    /// Its version.
    pub(crate) version: VersionId,
    /// Its step.
    pub(crate) step: StepIx,
    /// When it may be made.
    pub(crate) due: Millis,
    /// When the visit began.
    pub(crate) began: Millis,
    /// Attempts since it was asked for.
    pub(crate) tried: Option<Tried>,
}

const COLUMNS: &str = "entry, ordinal, version, step, due, began, since, attempts, reason";

impl Recall {
    fn read(row: &Row<'_>, words: &HashMap<i64, Reason>) -> Done<Recall> {
        Ok(Recall {
            visit: VisitId { entry: EntryId(row.get(0)?), ordinal: row.get(1)? },
            version: VersionId(row.get(2)?),
            step: StepIx(row.get(3)?),
            due: Millis(row.get(4)?),
            began: Millis(row.get(5)?),
            tried: tried(row, 6, words)?,
        })
    }
}

/// Whether any such call waits.
pub(crate) fn any(db: &Connection) -> Done<bool> {
    if !schema::has(db, "failed_call")? {
        return Ok(false);
    }
    let mut select = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM failed_call WHERE due < ?1)")?;
    Ok(select.query_row([Millis::NEVER.0], |row| row.get(0))?)
}

/// Every call that waits to be made once more.
pub(crate) fn waiting(db: &Connection) -> Done<Vec<Recall>> {
    if !any(db)? {
        return Ok(Vec::new());
    }
    let words = reasons(db)?;
    let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM failed_call WHERE due < ?1"))?;
    let mut rows = select.query([Millis::NEVER.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Recall::read(row, &words)?);
    }
    Ok(found)
}

/// Those of these entries that wait to be made once more.
pub(crate) fn of_entries(db: &Connection, entries: impl Iterator<Item = EntryId>) -> Done<Vec<Recall>> {
    let mut found = Vec::new();
    if !any(db)? {
        return Ok(found);
    }
    let words = reasons(db)?;
    let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM failed_call WHERE entry = ?1 AND due < ?2"))?;
    for entry in entries {
        let mut rows = select.query((entry.0, Millis::NEVER.0))?;
        while let Some(row) = rows.next()? {
            found.push(Recall::read(row, &words)?);
        }
    }
    Ok(found)
}

/// Adds those of a step that may be made now, oldest first, up to `limit` in all.
pub(crate) fn due(
    db: &Connection,
    (version, step): (VersionId, StepIx),
    now: Millis,
    limit: usize,
    into: &mut Vec<Calling>,
) -> Done<()> {
    let words = reasons(db)?;
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM failed_call INDEXED BY failed_call_step
         WHERE version = ?1 AND step = ?2 AND due <= ?3 AND due < ?4 ORDER BY due LIMIT ?5"
    ))?;
    let left = i64::try_from(limit.saturating_sub(into.len())).unwrap_or(i64::MAX);
    let mut rows = select.query((version.0, step.0, now.0, Millis::NEVER.0, left))?;
    let mut entries = Entries::new(db);
    while let Some(row) = rows.next()? {
        let Recall { visit, version, step, due, began, tried } = Recall::read(row, &words)?;
        let profile = merging::survivor(db, entries.get(visit.entry)?.profile)?;
        into.push(Calling { visit, version, step, profile, person: None, due, began, tried, again: true });
    }
    Ok(())
}

/// When the next one may be made.
pub(crate) fn next_timer(db: &Connection) -> Done<Option<Millis>> {
    if !any(db)? {
        return Ok(None);
    }
    let due: Option<i64> = db.query_row("SELECT min(due) FROM failed_call", [], |row| row.get(0))?;
    Ok(due.map(Millis))
}

/// Whether a call still waits to be made once more.
pub(crate) fn still(db: &Connection, (visit, version, step): &Uncalled) -> Done<bool> {
    let mut look = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM failed_call WHERE entry = ?1 AND ordinal = ?2 AND version = ?3 AND step = ?4
         AND due < ?5)",
    )?;
    let row = (visit.entry.0, visit.ordinal, version.0, step.0, Millis::NEVER.0);
    Ok(look.query_row(row, |row| row.get(0))?)
}

/// Puts one off; false where it waits no more.
pub(crate) fn postpone(db: &Connection, postponed: &Postponed, reason: i64) -> Done<bool> {
    let Postponed { visit, due, tried } = postponed;
    let mut update = db.prepare_cached(
        "UPDATE failed_call SET due = ?3, since = ?4, attempts = ?5, reason = ?6
         WHERE entry = ?1 AND ordinal = ?2 AND due < ?7",
    )?;
    let row = (visit.entry.0, visit.ordinal, due.0, tried.since.0, tried.attempts, reason, Millis::NEVER.0);
    Ok(update.execute(row)? == 1)
}

/// A call failed for good: what its key is made of is kept.
pub(crate) fn keep(db: &Connection, visit: VisitId, at: (VersionId, StepIx), began: Millis) -> Done<()> {
    let row = (visit.entry.0, visit.ordinal, at.0.0, at.1.0, Millis::NEVER.0, began.0);
    let sql = "INSERT INTO failed_call VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 0, 0) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Visits whose calls failed wait once more; who has left the canvas by an exit since is left alone.
pub(crate) fn resend(tx: &mut Tx<'_>, resend: &Resend) -> Done<Resent> {
    let (found, next) = asked_for(tx.db, resend)?;
    let mut asks = tx.db.prepare_cached(
        "INSERT INTO failed_call VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 0, 0)
         ON CONFLICT DO UPDATE SET due = ?5, since = NULL, attempts = 0, reason = 0",
    )?;
    let mut left = tx.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM exited WHERE entry = ?1)")?;
    let mut ledger = Ledger::new(resend.now, None);
    let mut resent = Resent { next, ..Resent::default() };
    for (done, ended) in found {
        if left.query_row([done.visit.entry.0], |row| row.get(0))? {
            resent.overtaken += 1;
            continue;
        }
        resent.offered += 1;
        // Of what failed before such calls were kept, it is not known when it began: another key than then is made.
        let (visit, at) = (done.visit, (done.version, done.step));
        asks.execute((visit.entry.0, visit.ordinal, at.0.0, at.1.0, resend.now.0, ended.0))?;
        ledger.was_final(at, done.status, done.reason);
        ledger.waits(at.0, at.1);
    }
    ledger.keep(tx)?;
    Ok(resent)
}

/// What became of a call that was made once more; false where it waits no more.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    ledger: &mut Ledger,
    visit: VisitId,
    (version, step): (VersionId, StepIx),
    (status, reason): (Status, &Reason),
) -> Done<bool> {
    let row = (visit.entry.0, visit.ordinal, version.0, step.0, Millis::NEVER.0);
    let place = "WHERE entry = ?1 AND ordinal = ?2 AND version = ?3 AND step = ?4 AND due < ?5";
    let ended = match status {
        // It may be asked for again.
        Status::Failed => tx
            .db
            .prepare_cached(&format!(
                "UPDATE failed_call SET due = ?5, since = NULL, attempts = 0, reason = 0 {place}"
            ))?
            .execute(row)?,
        _ => tx.db.prepare_cached(&format!("DELETE FROM failed_call {place}"))?.execute(row)?,
    };
    if ended == 0 {
        return Ok(false);
    }
    ledger.was_waiting(version, step);
    ledger.is_final((tx.db, &mut *tx.books), visit, (version, step), status, reason)?;
    Ok(true)
}

/// Withdraws calls of an entry that hears an exit.
pub(crate) fn withdraw(tx: &mut Tx<'_>, ledger: &mut Ledger, entry: EntryId, reason: &Reason) -> Done<()> {
    let gone: Vec<(u32, i64, u16)> = tx
        .db
        .prepare_cached("DELETE FROM failed_call WHERE entry = ?1 AND due < ?2 RETURNING ordinal, version, step")?
        .query_map((entry.0, Millis::NEVER.0), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (ordinal, version, step) in gone {
        let (version, step) = (VersionId(version), StepIx(step));
        ledger.was_waiting(version, step);
        let visit = VisitId { entry, ordinal };
        ledger.is_final((tx.db, &mut *tx.books), visit, (version, step), Status::Exited, reason)?;
    }
    Ok(())
}

/// Forgets what is kept of an entry whose visits are folded away.
pub(crate) fn forget(db: &Connection, entry: EntryId) -> Done<()> {
    db.prepare_cached("DELETE FROM failed_call WHERE entry = ?1")?.execute([entry.0])?;
    Ok(())
}

/// Visits whose failed calls are kept and wait for nobody.
pub(crate) fn resting(db: &Connection) -> Done<Vec<VisitId>> {
    if !schema::has(db, "failed_call")? {
        return Ok(Vec::new());
    }
    let mut select = db.prepare_cached("SELECT entry, ordinal FROM failed_call WHERE due >= ?1")?;
    let rows =
        select.query_map([Millis::NEVER.0], |row| Ok(VisitId { entry: EntryId(row.get(0)?), ordinal: row.get(1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
