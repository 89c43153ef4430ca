//! Positions: entries that wait for the clock.
use crate::calling;
use crate::contract::{Advance, CanvasesSeen, Due, LaneState};
use crate::documents;
use crate::fail::{Done, Fail};
use crate::ledger::Ledger;
use crate::people::People;
use crate::recalls;
use crate::rests::{Rests, Walker};
use crate::writer::Tx;
use caravan_model::{EntryId, Millis, ProfileId, Status, StepIx, VersionId, VisitId};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Positions due, oldest first.
pub(crate) fn due(db: &Connection, now: Millis, limit: usize, with_people: bool) -> Done<Vec<Due>> {
    let mut select = db.prepare_cached(
        "SELECT entry, due, ordinal, version, step, profile, arrives FROM position INDEXED BY position_due
         WHERE due <= ?1 AND due < ?2 ORDER BY due, entry LIMIT ?3",
    )?;
    // A clock before 1970 must not hide arrivals.
    let latest = now.0.max(crate::rests::ARRIVAL.0);
    let mut rows = select.query((latest, Millis::NEVER.0, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push(Due {
            visit: VisitId { entry: EntryId(row.get(0)?), ordinal: row.get(2)? },
            version: VersionId(row.get(3)?),
            step: StepIx(row.get(4)?),
            arrives: row.get(6)?,
            profile: ProfileId(row.get(5)?),
            person: None,
            due: Millis(row.get(1)?),
        });
    }
    if with_people {
        let people = People::read(db, due.iter().map(|due| due.profile))?;
        for due in &mut due {
            due.person = people.get(due.profile);
        }
    }
    Ok(due)
}

/// Where these people's entries rest.
pub(crate) fn resting(db: &Connection, profiles: &[ProfileId]) -> Done<Vec<Due>> {
    let mut found = Vec::new();
    let mut select = db
        .prepare_cached("SELECT position.entry, due, ordinal, version, step, arrives FROM position WHERE entry = ?1")?;
    for &profile in profiles {
        for entry in crate::trace::entries_of(db, profile)?.into_keys() {
            let mut rows = select.query([entry.0])?;
            while let Some(row) = rows.next()? {
                found.push(Due {
                    visit: VisitId { entry, ordinal: row.get(2)? },
                    version: VersionId(row.get(3)?),
                    step: StepIx(row.get(4)?),
                    arrives: row.get(5)?,
                    profile,
                    person: None,
                    due: Millis(row.get(1)?),
                });
            }
        }
    }
    found.sort_by_key(|due| due.visit);
    Ok(found)
}

/// Moves due positions on, and ends visits that were sent again; gives how many were there.
pub(crate) fn advance(tx: &mut Tx<'_>, moves: &[Advance], seen: &CanvasesSeen, now: Millis) -> Done<u64> {
    tx.books.hear(now);
    let db = tx.db;
    let versions: BTreeSet<VersionId> = moves.iter().map(|advance| advance.version).collect();
    for version in versions {
        documents::as_seen(db, tx.books.version(version)?.canvas, seen)?;
    }
    let mut ledger = Ledger::new(now, None);
    let mut rests = Rests::new(db)?;
    let mut leave = db.prepare_cached(
        "DELETE FROM position WHERE entry = ?1 AND ordinal = ?2 AND version = ?3 AND step = ?4 AND arrives = ?5
         AND profile = ?6",
    )?;
    let mut moved = 0;
    for advance in moves {
        let Advance { visit, version, step, arrives, profile, .. } = *advance;
        let facts = tx.books.version(version)?;
        if leave.execute((visit.entry.0, visit.ordinal, version.0, step.0, arrives, profile.0))? == 0 {
            let (status, reason) = &advance.ends_as;
            let ends = !arrives && advance.moves.is_empty();
            moved += u64::from(ends && recalls::end(tx, &mut ledger, visit, (version, step), (*status, reason))?);
            continue;
        }
        moved += 1;
        let mut ordinal = visit.ordinal;
        if !arrives {
            let (status, reason) = &advance.ends_as;
            if facts.calls
                && let Some(began) = calling::forget(db, visit.entry)?
                && *status == Status::Failed
            {
                recalls::keep(db, visit, (version, step), began)?;
            }
            ledger.was_waiting(version, step);
            ledger.is_final((db, &mut *tx.books), visit, (version, step), *status, reason)?;
            ordinal += 1;
        }
        let who = Walker { entry: visit.entry, version, facts, profile };
        if rests.walk(tx.books, &mut ledger, who, ordinal, &advance.moves)? {
            if !rests.end(who)? {
                return Err(Fail::impossible(format!("entry {} had a position although it had ended", visit.entry)));
            }
            ledger.ended(version);
        }
    }
    ledger.keep(tx)?;
    Ok(moved)
}

/// When the next timer is due.
pub(crate) fn next_timer(db: &Connection) -> Done<Option<Millis>> {
    let position: Option<i64> = db.query_row("SELECT min(due) FROM position", [], |row| row.get(0))?;
    let mut earliest = position.map_or(Millis::NEVER, Millis);
    let mut select = db.prepare_cached("SELECT state FROM lane WHERE waiting > 0")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let timer = match serde_json::from_str(row.get_ref(0)?.as_str().map_err(crate::books::mistyped)?)? {
            LaneState::Open => Millis::NEVER,
            LaneState::Waiting { until, .. } => until,
            LaneState::Held { probe, .. } => probe,
        };
        earliest = earliest.min(timer);
    }
    earliest = earliest.min(calling::next_timer(db)?.unwrap_or(Millis::NEVER));
    let others = [crate::claims::next_timer(db)?, crate::follow_ups::next_timer(db)?, crate::owed::next_timer(db)?];
    earliest = others.into_iter().flatten().fold(earliest, Millis::min);
    Ok(Some(earliest).filter(|at| *at != Millis::NEVER))
}
