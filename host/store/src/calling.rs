//! Calls of endpoints that are still to be made. Such a position has no timer of its own (its due time is never), so that
//! those who advance people do not meet it; when it may be called stands here.
use crate::contract::{Calling, Postponed, Tried, Uncalled};
use crate::counters::reasons;
use crate::fail::Done;
use crate::people::People;
use crate::recalls;
use crate::writer::Tx;
use caravan_model::{EntryId, Millis, ProfileId, Reason, StepIx, VersionId, VisitId};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;

/// The calls of these steps that may be made now, step by step, oldest first.
pub(crate) fn due(db: &Connection, steps: &[(VersionId, StepIx)], now: Millis, limit: usize) -> Done<Vec<Calling>> {
    let mut select = db.prepare_cached(
        "SELECT calling.entry, calling.ordinal, calling.due, began, since, attempts, reason, profile
         FROM calling INDEXED BY calling_step JOIN position ON position.entry = calling.entry
         WHERE calling.version = ?1 AND calling.step = ?2 AND calling.due <= ?3 ORDER BY calling.due LIMIT ?4",
    )?;
    let words = reasons(db)?;
    let mut found = Vec::new();
    let any_again = recalls::any(db)?;
    for &(version, step) in steps {
        let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        let mut rows = select.query((version.0, step.0, now.0, left))?;
        while let Some(row) = rows.next()? {
            found.push(Calling {
                visit: VisitId { entry: EntryId(row.get(0)?), ordinal: row.get(1)? },
                version,
                step,
                profile: ProfileId(row.get(7)?),
                person: None,
                due: Millis(row.get(2)?),
                began: Millis(row.get(3)?),
                tried: tried(row, 4, &words)?,
                again: false,
            });
        }
        if any_again {
            recalls::due(db, (version, step), now, limit, &mut found)?;
        }
    }
    let people = People::read(db, found.iter().map(|calling| calling.profile))?;
    for calling in &mut found {
        calling.person = people.get(calling.profile);
    }
    Ok(found)
}

/// What became of a call's attempts, by its columns `since`, `attempts` and `reason` from this one on; none before the first.
pub(crate) fn tried(row: &Row<'_>, from: usize, words: &HashMap<i64, Reason>) -> Done<Option<Tried>> {
    let Some(since) = row.get(from)? else { return Ok(None) };
    let reason = words.get(&row.get(from + 2)?).cloned().unwrap_or_default();
    Ok(Some(Tried { since: Millis(since), attempts: row.get(from + 1)?, reason }))
}

/// Which of these calls are still to be made.
pub(crate) fn still(db: &Connection, calls: &[Uncalled]) -> Done<Vec<bool>> {
    let mut look = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM calling WHERE entry = ?1 AND ordinal = ?2 AND version = ?3 AND step = ?4)",
    )?;
    let mut is_still = |(visit, version, step): &Uncalled| {
        let waits: bool = look.query_row((visit.entry.0, visit.ordinal, version.0, step.0), |row| row.get(0))?;
        Ok(waits || recalls::still(db, &(*visit, *version, *step))?)
    };
    calls.iter().map(&mut is_still).collect()
}

/// Puts calls off; gives how many still wait for theirs.
pub(crate) fn postpone(tx: &mut Tx<'_>, postponed: &[Postponed], now: Millis) -> Done<u64> {
    tx.books.hear(now);
    let db = tx.db;
    let mut update = db.prepare_cached(
        "UPDATE calling SET due = ?3, since = ?4, attempts = ?5, reason = ?6 WHERE entry = ?1 AND ordinal = ?2",
    )?;
    let mut count = 0;
    for one in postponed {
        let Postponed { visit, due, tried } = one;
        let reason = tx.books.reason(db, &tried.reason)?;
        let row = (visit.entry.0, visit.ordinal, due.0, tried.since.0, tried.attempts, reason);
        count += u64::from(update.execute(row)? == 1 || recalls::postpone(db, one, reason)?);
    }
    Ok(count)
}

/// Forgets the call of an entry that goes on or ends; gives when its visit began, where there was one.
pub(crate) fn forget(db: &Connection, entry: EntryId) -> Done<Option<Millis>> {
    let mut delete = db.prepare_cached("DELETE FROM calling WHERE entry = ?1 RETURNING began")?;
    Ok(delete.query_row([entry.0], |row| row.get(0).map(Millis)).optional()?)
}

/// When the next call may be made.
pub(crate) fn next_timer(db: &Connection) -> Done<Option<Millis>> {
    let due: Option<i64> = db.query_row("SELECT min(due) FROM calling", [], |row| row.get(0))?;
    Ok([due.map(Millis), recalls::next_timer(db)?].into_iter().flatten().min())
}

/// The call that an entry waits for: when it may be made, and since when it waits; then what became of attempts.
pub(crate) fn of_entry(db: &Connection, entry: EntryId) -> Done<Option<(Millis, Millis, Option<Tried>)>> {
    let row = db
        .prepare_cached("SELECT due, began, since, attempts, reason FROM calling WHERE entry = ?1")?
        .query_row([entry.0], |row| {
            let tried = row.get::<_, Option<i64>>(2)?.zip(Some((row.get::<_, u32>(3)?, row.get::<_, i64>(4)?)));
            Ok((Millis(row.get(0)?), Millis(row.get(1)?), tried))
        })
        .optional()?;
    let Some((due, began, tried)) = row else { return Ok(None) };
    let tried = match tried {
        Some((since, (attempts, reason))) => {
            let reason = reasons(db)?.remove(&reason).unwrap_or_default();
            Some(Tried { since: Millis(since), attempts, reason })
        }
        None => None,
    };
    Ok(Some((due, began, tried)))
}

/// Calls that no position belongs to.
pub(crate) fn strays(db: &Connection) -> Done<i64> {
    let sql =
        "SELECT count(*) FROM calling WHERE NOT EXISTS (SELECT 1 FROM position WHERE position.entry = calling.entry
       AND position.ordinal = calling.ordinal AND position.version = calling.version AND position.step = calling.step
       AND arrives = 0 AND position.due = ?1)";
    Ok(db.query_row(sql, [Millis::NEVER.0], |row| row.get(0))?)
}
