//! Registered audiences.
use crate::contract::Audience;
use crate::fail::Done;
use rusqlite::{Connection, OptionalExtension};

/// The audience of a name.
pub(crate) fn named(db: &Connection, name: &str) -> Done<Option<Audience>> {
    let mut select = db.prepare_cached("SELECT document FROM audience WHERE name = ?1")?;
    let document: Option<String> = select.query_row([name], |row| row.get(0)).optional()?;
    Ok(document.map(|document| serde_json::from_str(&document)).transpose()?)
}

/// All audiences, by name.
pub(crate) fn all(db: &Connection) -> Done<Vec<Audience>> {
    let mut select = db.prepare_cached("SELECT document FROM audience ORDER BY name")?;
    let documents = select.query_map([], |row| row.get::<_, String>(0))?;
    documents.map(|document| Ok(serde_json::from_str(&document?)?)).collect()
}

/// Registers or changes one.
pub(crate) fn bind(db: &Connection, audience: &Audience) -> Done<()> {
    db.prepare_cached("INSERT INTO audience VALUES (?1, ?2) ON CONFLICT DO UPDATE SET document = ?2")?
        .execute((&audience.name, serde_json::to_string(audience)?))?;
    Ok(())
}
