//! Bytes of installed connectors, by their digest.
use crate::contract::{ComponentRecord, Error};
use crate::fail::{Done, damaged};
use crate::writer::Tx;
use caravan_model::{Digest, Millis};
use rusqlite::{Connection, OptionalExtension};

/// Keeps bytes once.
pub(crate) fn keep(tx: &mut Tx<'_>, name: &str, version: &str, bytes: &[u8], now: Millis) -> Done<Digest> {
    tx.books.hear(now);
    let digest = Digest::of(bytes);
    tx.db
        .prepare_cached("INSERT INTO component VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
        .execute((digest.0, name, version, now.0, bytes))?;
    Ok(digest)
}

/// The bytes with a digest.
pub(crate) fn bytes(db: &Connection, digest: Digest) -> Done<Option<Vec<u8>>> {
    let mut select = db.prepare_cached("SELECT bytes FROM component WHERE digest = ?1")?;
    let bytes: Option<Vec<u8>> = select.query_row([digest.0], |row| row.get(0)).optional()?;
    match bytes {
        Some(bytes) if Digest::of(&bytes) != digest => {
            Err(Error::Problem(damaged(format!("the bytes of the connector sha256:{digest} are not its own"))).into())
        }
        bytes => Ok(bytes),
    }
}

/// All of them.
pub(crate) fn all(db: &Connection) -> Done<Vec<ComponentRecord>> {
    let mut select =
        db.prepare_cached("SELECT digest, name, version, length(bytes), at FROM component ORDER BY name, at, digest")?;
    let rows = select.query_map([], |row| {
        Ok(ComponentRecord {
            digest: Digest(row.get(0)?),
            name: row.get(1)?,
            version: row.get(2)?,
            size: row.get::<_, i64>(3)?.unsigned_abs(),
            at: Millis(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets bytes.
pub(crate) fn drop(db: &Connection, digest: Digest) -> Done<bool> {
    Ok(db.prepare_cached("DELETE FROM component WHERE digest = ?1")?.execute([digest.0])? > 0)
}
