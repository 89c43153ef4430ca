//! Registered audiences.
use crate::contract::{Audience, HoldScope, LaneKey};
use crate::fail::Done;
use crate::holds;
use crate::writer::Tx;
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

/// Gives an audience that was to be made its id, wherever its key stands; false where another queue has it.
pub(crate) fn name(tx: &mut Tx<'_>, key: &LaneKey, id: &str, parts: &[(String, String)]) -> Done<bool> {
    let db = tx.db;
    let mut count =
        db.prepare_cached("SELECT count(*) FROM lane WHERE connector = ?1 AND account = ?2 AND audience = ?3")?;
    let mut lanes = |audience: &str| -> Done<i64> {
        Ok(count.query_row((&key.connector, &key.account, audience), |row| row.get(0))?)
    };
    // A name may lead there before anybody waits for it.
    let leads = |other: &Audience| {
        (&other.connector, &other.account, other.partner_id.as_deref()) == (&key.connector, &key.account, Some(id))
    };
    let taken = lanes(id)? > 0 || all(db)?.iter().any(leads);
    if lanes(&key.audience)? == 0 || taken {
        // Said again, it is the lane that was named before.
        return Ok(taken && lanes(&key.audience)? == 0);
    }
    db.prepare_cached(
        "UPDATE lane SET audience = ?4, parts = ?5, made_by_us = 1
         WHERE connector = ?1 AND account = ?2 AND audience = ?3",
    )?
    .execute((&key.connector, &key.account, &key.audience, id, serde_json::to_string(parts)?))?;
    for mut audience in all(db)? {
        let leads_there = audience.connector == key.connector
            && audience.account == key.account
            && audience.partner_id.as_deref() == Some(&key.audience);
        if leads_there {
            audience.partner_id = Some(id.to_owned());
            audience.parts = parts.to_vec();
            audience.made_by_us = true;
            bind(db, &audience)?;
        }
    }
    let named = LaneKey { audience: id.to_owned(), ..key.clone() };
    holds::rename(db, &HoldScope::Audience { key: key.clone() }, HoldScope::Audience { key: named })?;
    Ok(true)
}
