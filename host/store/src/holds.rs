//! Holds by people, and the clock of what is held (design, 11.9).
use crate::books::mistyped;
use crate::contract::{Hold, HoldScope, LaneKey, LaneState};
use crate::fail::Done;
use crate::lanes;
use crate::writer::Tx;
use caravan_model::{LaneId, Millis};
use rusqlite::{Connection, OptionalExtension};

/// All holds.
pub(crate) fn all(db: &Connection) -> Done<Vec<Hold>> {
    let mut select = db.prepare_cached("SELECT body FROM hold ORDER BY scope")?;
    let mut rows = select.query([])?;
    let mut holds = Vec::new();
    while let Some(row) = rows.next()? {
        holds.push(serde_json::from_str(row.get_ref(0)?.as_str().map_err(mistyped)?)?);
    }
    Ok(holds)
}

/// Whether a hold reaches a lane.
pub(crate) fn reaches(scope: &HoldScope, key: &LaneKey, connection: &str) -> bool {
    match scope {
        HoldScope::Everything => true,
        HoldScope::Connector { name } => *name == key.connector,
        HoldScope::Connection { name } => name == connection,
        HoldScope::Audience { key: held } => held == key,
    }
}

/// Holds, or changes the words of a hold; its beginning stays.
pub(crate) fn hold(tx: &mut Tx<'_>, mut hold: Hold) -> Done<()> {
    tx.books.hear(hold.since);
    let scope = serde_json::to_string(&hold.scope)?;
    let mut select = tx.db.prepare_cached("SELECT body FROM hold WHERE scope = ?1")?;
    if let Some(known) = select.query_row([&scope], |row| row.get::<_, String>(0)).optional()? {
        hold.since = serde_json::from_str::<Hold>(&known)?.since;
    }
    tx.db
        .prepare_cached("INSERT INTO hold VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2")?
        .execute((scope, serde_json::to_string(&hold)?))?;
    restop_all(tx)
}

/// Ends a hold; false where there was none.
pub(crate) fn lift(tx: &mut Tx<'_>, scope: &HoldScope, now: Millis) -> Done<bool> {
    tx.books.hear(now);
    let there = tx.db.prepare_cached("DELETE FROM hold WHERE scope = ?1")?.execute([serde_json::to_string(scope)?])?;
    restop_all(tx)?;
    Ok(there > 0)
}

/// A hold goes on under another scope: what it holds got another key.
pub(crate) fn rename(db: &Connection, from: &HoldScope, to: HoldScope) -> Done<()> {
    for hold in all(db)?.into_iter().filter(|hold| hold.scope == *from) {
        let hold = Hold { scope: to.clone(), ..hold };
        db.prepare_cached("UPDATE hold SET scope = ?2, body = ?3 WHERE scope = ?1")?.execute((
            serde_json::to_string(from)?,
            serde_json::to_string(&to)?,
            serde_json::to_string(&hold)?,
        ))?;
    }
    Ok(())
}

fn restop_all(tx: &mut Tx<'_>) -> Done<()> {
    for lane in lanes::ids(tx.db)? {
        restop(tx, lane)?;
    }
    Ok(())
}

/// Notes whether a lane flows. Once it does again, the time that it did not is added to the `flowing_since` of its open
/// parts: holds stop their clock, whoever holds.
pub(crate) fn restop(tx: &mut Tx<'_>, lane: LaneId) -> Done<()> {
    let held_since = match tx.books.lane(lane)?.state {
        LaneState::Held { since, .. } => Some(since),
        LaneState::Open | LaneState::Waiting { .. } => None,
    };
    let (key, connection, stopped) = tx
        .db
        .prepare_cached(
            "SELECT connector, account, audience, connection.name, stopped FROM lane
             JOIN connection ON connection.id = lane.connection WHERE lane.id = ?1",
        )?
        .query_row([lane.0], |row| {
            Ok((lanes::lane_key(row)?, row.get::<_, String>(3)?, row.get::<_, Option<i64>>(4)?.map(Millis)))
        })?;
    let people = all(tx.db)?.into_iter().filter(|hold| reaches(&hold.scope, &key, &connection));
    let since = people.map(|hold| hold.since).chain(held_since).min();
    let set = |to: Option<Millis>| -> Done<()> {
        tx.db.prepare_cached("UPDATE lane SET stopped = ?2 WHERE id = ?1")?.execute((lane.0, to.map(|at| at.0)))?;
        Ok(())
    };
    match (stopped, since) {
        (None, None) | (Some(_), Some(_)) => Ok(()),
        (None, Some(since)) => set(Some(since)),
        (Some(stopped), None) => {
            tx.db
                .prepare_cached(
                    "UPDATE part SET flowing_since = flowing_since + max(0, ?3 - max(?2, flowing_since))
                     WHERE lane = ?1 AND ended IS NULL",
                )?
                .execute((lane.0, stopped.0, tx.books.now.0))?;
            set(None)
        }
    }
}
