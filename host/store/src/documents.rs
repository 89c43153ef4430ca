//! Documents that stand beside versions: policy, subscriptions, alerts, how canvases stand.
use crate::contract::{CanvasesSeen, DocumentKind, Error};
use crate::fail::Done;
use crate::groups;
use crate::writer::Tx;
use caravan_model::Millis;
use rusqlite::{Connection, OptionalExtension};

/// All documents of a kind, by id.
pub(crate) fn all(db: &Connection, kind: DocumentKind) -> Done<Vec<(String, String)>> {
    let mut select = db.prepare_cached("SELECT id, body FROM document WHERE kind = ?1 ORDER BY id")?;
    let rows = select.query_map([kind.word()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Refuses what was decided while a canvas stood otherwise than it does now.
pub(crate) fn as_seen(db: &Connection, canvas: i64, seen: &CanvasesSeen) -> Done<()> {
    let mut look = db.prepare_cached(
        "SELECT name, body FROM canvas LEFT JOIN document ON document.kind = ?2 AND document.id = name
         WHERE canvas.id = ?1",
    )?;
    let stands: Option<(String, Option<String>)> =
        look.query_row((canvas, DocumentKind::Canvas.word()), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match stands {
        Some((name, body)) if seen.of(&name) != body.as_deref() => Err(Error::Overtaken.into()),
        _ => Ok(()),
    }
}

/// Writes or removes documents.
pub(crate) fn put(tx: &mut Tx<'_>, documents: &[(DocumentKind, String, Option<String>)]) -> Done<()> {
    let db = tx.db;
    let mut put = db.prepare_cached("INSERT INTO document VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = ?3")?;
    let mut drop = db.prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?;
    for (kind, id, body) in documents {
        match body {
            Some(body) => put.execute((kind.word(), id, body))?,
            None => drop.execute((kind.word(), id))?,
        };
    }
    if documents.iter().any(|(kind, _, _)| *kind == DocumentKind::Segment) {
        tx.books.segments = groups::any_segment(db)?;
    }
    Ok(())
}

/// Puts a sealed text in the place of the one that was read.
pub(crate) fn swap_sealed(db: &Connection, id: &str, was: &Option<String>, becomes: &Option<String>) -> Done<bool> {
    let kind = DocumentKind::Sealed.word();
    let changed = match (was.as_deref(), becomes.as_deref()) {
        (None, None) => 1,
        (None, Some(text)) => db
            .prepare_cached("INSERT INTO document VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute((kind, id, text))?,
        (Some(was), Some(text)) => db
            .prepare_cached("UPDATE document SET body = ?4 WHERE kind = ?1 AND id = ?2 AND body = ?3")?
            .execute((kind, id, was, text))?,
        (Some(was), None) => db
            .prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2 AND body = ?3")?
            .execute((kind, id, was))?,
    };
    Ok(changed > 0)
}

/// Forgets exchanges of attempts that ended before.
pub(crate) fn prune(db: &Connection, before: Millis) -> Done<u64> {
    Ok(db.prepare_cached("DELETE FROM exchange WHERE at < ?1")?.execute([before.0])? as u64)
}
