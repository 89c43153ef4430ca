//! Canvases and their versions.
use crate::books::VersionFacts;
use crate::contract::Version;
use crate::fail::{Done, damaged};
use crate::writer::Tx;
use caravan_model::{Canvas, Digest, Millis, VersionId};
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

/// Makes a document the live version of its canvas; the same document as the live one is that version.
/// Gives whether it is a new one, too.
pub(crate) fn publish(tx: &mut Tx<'_>, canvas: Canvas, now: Millis) -> Done<(Version, bool)> {
    tx.books.hear(now);
    let document = serde_json::to_string(&canvas)?;
    let digest = Digest::of(document.as_bytes());
    let name = canvas.canvas.as_str();
    let interned =
        tx.db.query_row("SELECT id FROM canvas WHERE name = ?1", [name], |row| row.get::<_, i64>(0)).optional()?;
    let interned = match interned {
        Some(id) => id,
        None => {
            tx.db.execute("INSERT INTO canvas(name) VALUES (?1)", [name])?;
            tx.db.last_insert_rowid()
        }
    };
    let live = tx
        .db
        .query_row(
            "SELECT id, number, digest FROM version WHERE canvas = ?1 ORDER BY number DESC LIMIT 1",
            [interned],
            |row| Ok((row.get(0)?, row.get::<_, u32>(1)?, row.get::<_, [u8; 32]>(2)?)),
        )
        .optional()?;
    let number = match live {
        Some((id, number, known)) if known == digest.0 => {
            return Ok((Version { id: VersionId(id), number, canvas: Arc::new(canvas), digest }, false));
        }
        Some((_, number, _)) => number + 1,
        None => 1,
    };
    let id = VersionId(tx.books.next_version());
    tx.db.execute(
        "INSERT INTO version VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (id.0, interned, number, digest.0, document, now.0),
    )?;
    tx.books.publish(id, VersionFacts::of(interned, &canvas));
    Ok((Version { id, number, canvas: Arc::new(canvas), digest }, true))
}

/// All versions, oldest first.
pub(crate) fn all(db: &Connection) -> Done<Vec<Version>> {
    let mut select = db.prepare_cached("SELECT id, number, digest, document FROM version ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let document = row.get_ref(3)?.as_str().map_err(crate::books::mistyped)?;
        let digest = Digest(row.get(2)?);
        if Digest::of(document.as_bytes()) != digest {
            let words = "the document of a canvas version is not the one that was published";
            return Err(crate::contract::Error::Problem(damaged(words)).into());
        }
        versions.push(Version {
            id: VersionId(row.get(0)?),
            number: row.get(1)?,
            canvas: Arc::new(serde_json::from_str(document)?),
            digest,
        });
    }
    Ok(versions)
}
