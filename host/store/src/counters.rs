//! Sums, and who is behind them.
use crate::books::mistyped;
use crate::contract::{Count, Counters, Quarter};
use crate::fail::{Done, Fail};
use crate::follow_ups;
use crate::lanes;
use crate::ledger::QUARTER;
use crate::people::People;
use crate::recalls;
use crate::records::{Entries, Final, Line, Operation, each_chunk, unpack_finals};
use crate::slices::{self, Sealed};
use caravan_model::{EntryId, LaneId, Millis, ProfileId, Reason, Status, StepIx, VersionId, VisitId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};

/// The interned reasons.
pub(crate) fn reasons(db: &Connection) -> Done<HashMap<i64, Reason>> {
    let mut select = db.prepare_cached("SELECT id, code, words FROM reason")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, Reason { code: row.get(1)?, words: row.get(2)? })))?;
    let mut reasons: HashMap<i64, Reason> = rows.collect::<rusqlite::Result<_>>()?;
    reasons.insert(0, Reason::none());
    Ok(reasons)
}

/// The sums of one version.
pub(crate) fn of(db: &Connection, version: VersionId) -> Done<Counters> {
    let reasons = reasons(db)?;
    let census = db
        .prepare_cached("SELECT entered, open FROM census WHERE version = ?1")?
        .query_row([version.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let (entered, open) = census.unwrap_or_default();
    let mut select = db.prepare_cached("SELECT step, status, reason, n FROM counter WHERE version = ?1 AND n > 0")?;
    let mut rows = select.query([version.0])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        counts.push(Count {
            version,
            step: StepIx(row.get(0)?),
            status: status(row.get(1)?)?,
            reason: reasons.get(&row.get(2)?).cloned().unwrap_or_default(),
            n: row.get::<_, i64>(3)? as u64,
        });
    }
    counts.sort();
    let mut select = db.prepare_cached("SELECT reason, n FROM refused WHERE version = ?1 ORDER BY reason")?;
    let refused = select.query_map([version.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(Counters {
        entered: entered as u64,
        open: open as u64,
        counts,
        refused: refused.collect::<rusqlite::Result<_>>()?,
    })
}

fn status(number: u8) -> Done<Status> {
    Status::from_number(number).ok_or_else(|| Fail::impossible(format!("there is no status {number}")))
}

/// Every operation that still waits, sealed ones included.
pub(crate) fn waiting_operations(db: &Connection, mut each: impl FnMut(LaneId, &Operation, bool)) -> Done<()> {
    for lane in lanes::ids(db)? {
        for line in [Line::Owed, Line::Usual] {
            each_chunk(db, line, lane, |_, chunk| {
                chunk.iter().for_each(|op| each(lane, op, false));
                Ok(true)
            })?;
        }
    }
    for (slice, lane) in slices::open_ids(db)? {
        Sealed::read(db, slice)?.waiting().for_each(|op| each(lane, op, true));
    }
    Ok(())
}

/// The final visits of a step with the time and reason, newest first, until `more` is false. Only the newest word on a
/// visit counts, and none on one that is sent again.
pub(crate) fn each_final(
    db: &Connection,
    (version, step): (VersionId, StepIx),
    mut more: impl FnMut(&Final, Millis, &Reason) -> Done<bool>,
) -> Done<()> {
    let reasons = reasons(db)?;
    let mut seen: HashSet<VisitId> = follow_ups::resent(db)?;
    seen.extend(recalls::waiting(db)?.iter().map(|again| again.visit));
    let mut select = db.prepare_cached("SELECT body, at FROM visit ORDER BY n DESC")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let mut finals = Vec::new();
        unpack_finals(row.get_ref(0)?.as_blob().map_err(mistyped)?, &mut finals)?;
        let at = Millis(row.get(1)?);
        for done in finals.iter().rev().filter(|done| (done.version, done.step) == (version, step)) {
            let reason = reasons.get(&done.reason).cloned().unwrap_or_default();
            if seen.insert(done.visit) && !more(done, at, &reason)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What became final in a version, by quarters of an hour.
pub(crate) fn history(db: &Connection, version: VersionId, from: Millis, to: Millis) -> Done<Vec<Quarter>> {
    let reasons = reasons(db)?;
    let mut select = db.prepare_cached(
        "SELECT quarter, step, status, reason, n FROM quarter WHERE version = ?1 AND quarter >= ?2 AND quarter < ?3
         ORDER BY quarter, step, status, reason",
    )?;
    let bounds = (from.0.div_euclid(QUARTER), to.0.div_euclid(QUARTER) + i64::from(to.0.rem_euclid(QUARTER) > 0));
    let mut rows = select.query((version.0, bounds.0, bounds.1))?;
    let mut quarters = Vec::new();
    while let Some(row) = rows.next()? {
        let change: i64 = row.get(4)?;
        quarters.push(Quarter {
            from: Millis(row.get::<_, i64>(0)? * QUARTER),
            count: Count {
                version,
                step: StepIx(row.get(1)?),
                status: status(row.get(2)?)?,
                reason: reasons.get(&row.get(3)?).cloned().unwrap_or_default(),
                n: change.unsigned_abs(),
            },
            change,
        });
    }
    Ok(quarters)
}

/// Visits of a step with a status, newest first: external id, visit, reason. Reads the final visits from the newest
/// on, or all that waits.
pub(crate) fn visits(
    db: &Connection,
    (version, step): (VersionId, StepIx),
    wanted: Status,
    code: Option<&str>,
    limit: usize,
) -> Done<Vec<(String, VisitId, Reason)>> {
    let mut found: Vec<(ProfileId, VisitId, i64)> = Vec::new();
    let reasons = reasons(db)?;
    if wanted == Status::Waiting {
        if code.is_none_or(str::is_empty) {
            found = waiting(db, version, step)?;
            found.sort_unstable_by_key(|(_, visit, _)| std::cmp::Reverse(*visit));
            found.truncate(limit);
        }
    } else {
        let mut entries = Entries::new(db);
        if limit > 0 {
            each_final(db, (version, step), |done, _, reason| {
                if done.status == wanted && code.is_none_or(|code| reason.code == code) {
                    found.push((entries.get(done.visit.entry)?.profile, done.visit, done.reason));
                }
                Ok(found.len() < limit)
            })?;
        }
    }
    let people = People::read(db, found.iter().map(|(profile, ..)| *profile))?;
    let named = |(profile, visit, reason): (ProfileId, VisitId, i64)| {
        let id = people.get(profile).map_or_else(|| format!("erased ({profile})"), |person| person.external_id.clone());
        (id, visit, reasons.get(&reason).cloned().unwrap_or_default())
    };
    Ok(found.into_iter().map(named).collect())
}

fn waiting(db: &Connection, version: VersionId, step: StepIx) -> Done<Vec<(ProfileId, VisitId, i64)>> {
    let mut found = Vec::new();
    let mut select = db.prepare_cached(
        "SELECT entry, ordinal, profile FROM position WHERE version = ?1 AND step = ?2 AND arrives = 0",
    )?;
    let mut rows = select.query((version.0, step.0))?;
    while let Some(row) = rows.next()? {
        let visit = VisitId { entry: EntryId(row.get(0)?), ordinal: row.get(1)? };
        found.push((ProfileId(row.get(2)?), visit, 0));
    }
    let mut entries = Entries::new(db);
    for again in recalls::waiting(db)?.into_iter().filter(|again| (again.version, again.step) == (version, step)) {
        found.push((entries.get(again.visit.entry)?.profile, again.visit, 0));
    }
    waiting_operations(db, |_, op, _| {
        if op.origin.has_visit() && (op.version, op.step) == (version, step) {
            found.push((op.profile, op.visit, 0));
        }
    })?;
    Ok(found)
}
