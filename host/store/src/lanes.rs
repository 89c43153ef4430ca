//! Lanes: their states and numbers, and what stands at their heads.
use crate::books::{LaneFacts, mistyped};
use crate::contract::{Lane, LaneKey, LaneSpec, LaneState, Queued};
use crate::fail::{Done, Fail};
use crate::holds;
use crate::membership::Members;
use crate::people::People;
use crate::records::{Line, Operation, each_chunk};
use crate::schema::keys_of;
use crate::writer::Tx;
use caravan_model::{LaneId, Millis};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashSet;
use std::sync::Arc;

/// The lane of a key, made if need be, and the number of a connection.
pub(crate) fn open(tx: &mut Tx<'_>, spec: &LaneSpec) -> Done<(LaneId, u32)> {
    let LaneSpec { key, connection, made_by_us, .. } = spec;
    let db = tx.db;
    let parts = serde_json::to_string(&spec.parts)?;
    let known = db
        .query_row("SELECT id FROM connection WHERE name = ?1", [connection], |row| row.get::<_, u32>(0))
        .optional()?;
    let number = match known {
        Some(number) => number,
        None => {
            db.execute("INSERT INTO connection VALUES (?1, ?2)", (tx.books.connections, connection))?;
            tx.books.connections += 1;
            tx.books.connections - 1
        }
    };
    // Once ours, always ours: the lane is asked for again by canvases that found the audience there.
    let known = db.execute(
        "UPDATE lane SET made_by_us = made_by_us OR ?4, parts = ?5 WHERE connector = ?1 AND account = ?2 AND audience = ?3",
        (&key.connector, &key.account, &key.audience, made_by_us, &parts),
    )?;
    if known > 0 {
        let id = db.query_row(
            "SELECT min(id) FROM lane WHERE connector = ?1 AND account = ?2 AND audience = ?3",
            (&key.connector, &key.account, &key.audience),
            |row| row.get(0).map(LaneId),
        )?;
        return Ok((id, number));
    }
    let first = LaneId(tx.books.next_lane());
    let stripes = i64::from(spec.stripes.max(1));
    for stripe in 0..stripes {
        let facts = LaneFacts {
            state: LaneState::Open,
            next_seq: 1,
            waiting: 0,
            sealed: 0,
            connection: number.into(),
            next_owed: 0,
            owed: 0,
            stripes,
        };
        let id = LaneId(first.0 + stripe);
        db.execute(
            "INSERT INTO lane VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, 0, 0, ?9, ?10, 0, 0, NULL, NULL, 0)",
            (
                id.0,
                &key.connector,
                &key.account,
                &key.audience,
                made_by_us,
                &parts,
                number,
                serde_json::to_string(&facts.state)?,
                stripe,
                stripes,
            ),
        )?;
        tx.books.open_lane(id, facts);
        holds::restop(tx, id)?;
    }
    Ok((first, number))
}

/// Reads a lane's key from the first three columns.
pub(crate) fn lane_key(row: &Row<'_>) -> rusqlite::Result<LaneKey> {
    Ok(LaneKey { connector: row.get(0)?, account: row.get(1)?, audience: row.get(2)? })
}

/// All lanes' ids.
pub(crate) fn ids(db: &Connection) -> Done<Vec<LaneId>> {
    let mut select = db.prepare_cached("SELECT id FROM lane ORDER BY id")?;
    let rows = select.query_map([], |row| row.get(0).map(LaneId))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// All lanes.
pub(crate) fn all(db: &Connection) -> Done<Vec<Lane>> {
    let mut select = db.prepare_cached(
        "SELECT connector, account, audience, lane.id, state, connection.name, waiting, sealed, made_by_us, parts,
                owed, stripe, renewal
         FROM lane JOIN connection ON connection.id = lane.connection ORDER BY lane.id",
    )?;
    let oldest_of = |line: Line| {
        let sql = format!("SELECT offered FROM {} WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1", line.table());
        db.prepare_cached(&sql)
    };
    let mut oldest = [oldest_of(Line::Owed)?, oldest_of(Line::Usual)?];
    let holds = holds::all(db)?;
    let mut rows = select.query([])?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        let id = LaneId(row.get(3)?);
        let mut since = None;
        for line in &mut oldest {
            let offered: Option<i64> = line.query_row(keys_of(id.0)?, |row| row.get(0)).optional()?;
            since = [since, offered.map(Millis)].into_iter().flatten().min();
        }
        let mut lane = Lane {
            id,
            key: lane_key(row)?,
            state: serde_json::from_str(row.get_ref(4)?.as_str().map_err(mistyped)?)?,
            connection: row.get(5)?,
            waiting: row.get::<_, i64>(6)? as u64,
            sealed: row.get::<_, i64>(7)? as u64,
            owed: row.get::<_, i64>(10)? as u64,
            oldest: since,
            made_by_us: row.get(8)?,
            audience_parts: serde_json::from_str(row.get_ref(9)?.as_str().map_err(mistyped)?)?,
            stripe: row.get(11)?,
            held_by: Vec::new(),
            next_renewal: row.get::<_, Option<i64>>(12)?.map(Millis),
        };
        lane.held_by =
            holds.iter().filter(|hold| holds::reaches(&hold.scope, &lane.key, &lane.connection)).cloned().collect();
        lanes.push(lane);
    }
    Ok(lanes)
}

/// Changes a lane's state.
pub(crate) fn set_state(tx: &mut Tx<'_>, lane: LaneId, state: LaneState) -> Done<()> {
    let before = &tx.books.lane(lane)?.state;
    if *before == state {
        return Ok(());
    }
    // Only a hold stops the clock: waiting by itself does not.
    let held = [before, &state].into_iter().any(|state| matches!(state, LaneState::Held { .. }));
    tx.db
        .prepare_cached("UPDATE lane SET state = ?2 WHERE id = ?1")?
        .execute((lane.0, serde_json::to_string(&state)?))?;
    tx.books.lane(lane)?.state = state;
    if held { holds::restop(tx, lane) } else { Ok(()) }
}

/// The lane's next operations, with all that sealing needs.
pub(crate) fn peek(db: &Connection, lane: LaneId, limit: usize) -> Done<Vec<Queued>> {
    let mut operations = Vec::new();
    for line in [Line::Owed, Line::Usual] {
        each_chunk(db, line, lane, |_, chunk| {
            operations.extend(chunk);
            Ok(operations.len() < limit)
        })?;
        if !operations.is_empty() {
            break;
        }
    }
    operations.truncate(limit);
    queued(db, lane, &operations)
}

/// Adds to operations what is known of their people now.
pub(crate) fn queued(db: &Connection, lane: LaneId, operations: &[Operation]) -> Done<Vec<Queued>> {
    let people = People::read(db, operations.iter().map(|op| op.profile))?;
    let members = Members::read(db, lane, operations.iter().map(|op| op.profile))?;
    let exited = exited(db, operations)?;
    let connections = connections(db)?;
    operations
        .iter()
        .map(|op| {
            let connection = connections.get(op.connection as usize).cloned();
            Ok(Queued {
                seq: op.seq,
                action: op.action,
                origin: op.origin,
                visit: op.visit,
                step: (op.version, op.step),
                connection: connection.ok_or_else(|| Fail::impossible("an operation of an unknown connection"))?,
                parks: op.parks,
                exited: exited.contains(&op.visit.entry.0),
                profile: op.profile,
                person: people.get(op.profile),
                membership: members.get(op.profile),
                offered: op.offered,
            })
        })
        .collect()
}

/// Which of these operations' entries heard an exit. Whoever is not among them is skipped on both sides: neither are all asked
/// about one by one, nor all read who ever left in between.
pub(crate) fn exited(db: &Connection, operations: &[Operation]) -> Done<HashSet<i64>> {
    let mut next = db.prepare_cached("SELECT min(entry) FROM exited WHERE entry >= ?1")?;
    let mut entries: Vec<i64> =
        operations.iter().filter(|op| op.origin.has_visit()).map(|op| op.visit.entry.0).collect();
    entries.sort_unstable();
    entries.dedup();
    let (mut found, mut rest) = (HashSet::new(), entries.as_slice());
    while let Some(&entry) = rest.first() {
        let Some(marked) = next.query_row([entry], |row| row.get::<_, Option<i64>>(0))? else { break };
        rest = &rest[rest.partition_point(|one| *one < marked)..];
        if rest.first() == Some(&marked) {
            found.insert(marked);
            rest = &rest[1..];
        }
    }
    Ok(found)
}

/// The names of connections by their numbers.
pub(crate) fn connections(db: &Connection) -> Done<Vec<Arc<str>>> {
    let mut select = db.prepare_cached("SELECT name FROM connection ORDER BY id")?;
    let names = select.query_map([], |row| row.get::<_, Arc<str>>(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}
