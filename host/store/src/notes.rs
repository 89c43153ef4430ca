//! The audit chain: appended, read, never changed.
use crate::contract::{Note, Noted};
use crate::fail::Done;
use caravan_model::Millis;
use rusqlite::{Connection, OptionalExtension};

/// The newest number and hash that were ever given.
pub(crate) fn newest(db: &Connection) -> Done<Option<(u64, String)>> {
    let mut select = db.prepare_cached("SELECT n, hash FROM note_head")?;
    Ok(select.query_row([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))).optional()?)
}

/// Appends notes.
pub(crate) fn append(db: &Connection, notes: &[Note]) -> Done<()> {
    let mut head = newest(db)?;
    let mut insert = db.prepare_cached("INSERT INTO note VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for note in notes {
        let noted = Noted::after(head.as_ref().map(|(n, hash)| (*n, hash.as_str())), note);
        let Noted { n, at, who, verb, object, details, before, hash } = noted;
        insert.execute((n as i64, at.0, who, verb, object, details, before, &hash))?;
        head = Some((n, hash));
    }
    if let Some((n, hash)) = head.filter(|_| !notes.is_empty()) {
        db.prepare_cached("INSERT INTO note_head VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET n = ?1, hash = ?2")?
            .execute((n as i64, hash))?;
    }
    Ok(())
}

/// Records after a number, oldest first.
pub(crate) fn after(db: &Connection, after: u64, limit: usize) -> Done<Vec<Noted>> {
    let mut select = db.prepare_cached("SELECT * FROM note WHERE n > ?1 ORDER BY n LIMIT ?2")?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = select.query_map((after, i64::try_from(limit).unwrap_or(i64::MAX)), |row| {
        Ok(Noted {
            n: row.get::<_, i64>(0)? as u64,
            at: Millis(row.get(1)?),
            who: row.get(2)?,
            verb: row.get(3)?,
            object: row.get(4)?,
            details: row.get(5)?,
            before: row.get(6)?,
            hash: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
