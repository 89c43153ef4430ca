//! The inbox: messages that were taken in and are not worked off yet, in the order of their arrival.
use crate::contract::{Backlog, Inbound};
use crate::events;
use crate::fail::Done;
use crate::writer::Tx;
use caravan_model::{Duration, Event, Millis};
use rusqlite::Connection;

/// How long a message id is remembered (design, 11.11).
pub(crate) const REMEMBERED: Duration = Duration::DAY.times(7);

/// Appends messages, each with its id where it has one; an id heard within seven days does nothing. Gives how many were
/// new.
pub(crate) fn receive(tx: &mut Tx<'_>, messages: &[(Option<String>, String)], now: Millis) -> Done<u64> {
    tx.books.hear(now);
    let db = tx.db;
    db.prepare_cached("DELETE FROM message WHERE at < ?1")?.execute([now.before(REMEMBERED).0])?;
    let mut hear = db.prepare_cached("INSERT INTO message VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut append = db.prepare_cached("INSERT INTO inbox(at, body) VALUES (?1, ?2)")?;
    let mut new = 0;
    for (id, body) in messages {
        if let Some(id) = id
            && hear.execute((id, now.0))? == 0
        {
            continue;
        }
        append.execute((now.0, body))?;
        new += 1;
    }
    Ok(new)
}

/// The oldest messages.
pub(crate) fn oldest(db: &Connection, limit: usize) -> Done<Vec<Inbound>> {
    let mut select = db.prepare_cached("SELECT seq, at, body FROM inbox ORDER BY seq LIMIT ?1")?;
    let rows = select.query_map([limit as i64], |row| {
        Ok(Inbound { seq: row.get::<_, i64>(0)? as u64, at: Millis(row.get(1)?), body: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets messages up to one, and keeps their events, in one transaction.
pub(crate) fn work_off(
    tx: &mut Tx<'_>,
    workspace: &str,
    upto: u64,
    events: Vec<(String, Option<String>, Event)>,
    now: Millis,
) -> Done<u64> {
    let gone = tx.db.prepare_cached("DELETE FROM inbox WHERE seq <= ?1")?.execute([upto as i64])?;
    // A repetition finds no messages, and keeps no event twice.
    if gone > 0 {
        events::record(tx, workspace, events, now)?;
    }
    Ok(gone as u64)
}

/// How much waits.
pub(crate) fn backlog(db: &Connection) -> Done<Backlog> {
    // Both ends of the key alone: counting would read all that waits.
    let mut ends = db.prepare_cached(
        "SELECT (SELECT max(seq) FROM inbox), (SELECT min(seq) FROM inbox), (SELECT at FROM inbox ORDER BY seq LIMIT 1)",
    )?;
    let (last, first, at): (Option<i64>, Option<i64>, Option<i64>) =
        ends.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let messages = last.zip(first).map_or(0, |(last, first)| (last - first + 1) as u64);
    Ok(Backlog { messages, oldest: at.map(Millis) })
}
