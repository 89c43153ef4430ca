//! Rebinding: operations that nobody has sealed move to another lane (design, 11.2), and a lane whose audience is gone
//! gives back what it had sealed.
use crate::books::next;
use crate::fail::{Done, Fail};
use crate::ledger::{Ledger, keep_chunks};
use crate::records::{Line, Operation, each_chunk};
use crate::schema::keys_of;
use crate::slices::{self, Sealed};
use crate::writer::Tx;
use crate::{follow_ups, parts};
use caravan_model::{LaneId, Millis, PartId, SliceId, StepIx, VersionId};

/// Moves the unsealed operations of these steps to the end of another lane, in order; gives how many.
pub(crate) fn operations(
    tx: &mut Tx<'_>,
    from: LaneId,
    to: LaneId,
    steps: &[(VersionId, StepIx)],
    now: Millis,
) -> Done<u64> {
    tx.books.hear(now);
    tx.books.lane(to)?;
    let mut moved: Vec<Operation> = Vec::new();
    let mut stay: Vec<Operation> = Vec::new();
    each_chunk(tx.db, Line::Usual, from, |_, chunk| {
        let of_these = |op: &Operation| op.origin.has_visit() && steps.contains(&(op.version, op.step));
        let (go, keep): (Vec<Operation>, Vec<Operation>) = chunk.into_iter().partition(of_these);
        moved.extend(go);
        stay.extend(keep);
        Ok(true)
    })?;
    if moved.is_empty() {
        return Ok(0);
    }
    let (first, last) = keys_of(from.0)?;
    tx.db.prepare_cached("DELETE FROM operation WHERE key BETWEEN ?1 AND ?2")?.execute((first, last))?;
    // Those that stay close ranks: a lane has no gap before its newest operation.
    let facts = tx.books.lane(from)?;
    for (seq, op) in (facts.next_seq - stay.len() as i64..).zip(&mut stay) {
        op.seq = seq;
    }
    facts.waiting -= moved.len() as i64;
    if facts.waiting < 0 {
        return Err(Fail::impossible(format!("lane {from} gives more than it has")));
    }
    keep_chunks(tx.db, Line::Usual, from, &stay)?;
    let mut ledger = Ledger::new(now, None);
    ledger.touch(from);
    let count = moved.len() as u64;
    for op in moved {
        let lane = tx.books.stripe_of(to, op.profile)?;
        ledger.take_over(lane, op);
    }
    ledger.keep(tx)?;
    Ok(count)
}

/// Ends a lane's open slice: what waits in it goes back, forced operations are dropped. Gives how many went back.
pub(crate) fn give_up(tx: &mut Tx<'_>, lane: LaneId, now: Millis) -> Done<u64> {
    tx.books.hear(now);
    tx.books.lane(lane)?;
    let mut ledger = Ledger::new(now, None);
    let mut back: Vec<Operation> = Vec::new();
    for (slice, _) in slices::open_ids(tx.db)?.into_iter().filter(|(_, of)| *of == lane) {
        back.extend(Sealed::read(tx.db, slice)?.waiting());
        end_parts(tx, slice, now)?;
        tx.db.prepare_cached("UPDATE slice SET ended = ?2 WHERE id = ?1")?.execute((slice.0, now.0))?;
        Sealed::drop(tx.db, slice)?;
    }
    let count = back.len();
    tx.books.lane(lane)?.sealed -= count as i64;
    let (owed, mut usual): (Vec<Operation>, Vec<Operation>) = back.into_iter().partition(|op| op.origin.is_owed());
    each_chunk(tx.db, Line::Usual, lane, |_, chunk| {
        usual.extend(chunk);
        Ok(true)
    })?;
    let before = usual.len();
    usual.retain(|op| !op.origin.is_forced());
    let facts = tx.books.lane(lane)?;
    facts.waiting -= (before - usual.len()) as i64;
    // Seqs of what had been sealed are free, so there is room before the newest.
    for (seq, op) in (Line::Usual.seq(facts.next_seq) - usual.len() as i64..).zip(&mut usual) {
        op.seq = seq;
    }
    let (first, last) = keys_of(lane.0)?;
    tx.db.prepare_cached("DELETE FROM operation WHERE key BETWEEN ?1 AND ?2")?.execute((first, last))?;
    keep_chunks(tx.db, Line::Usual, lane, &usual)?;
    owed_back(tx, lane, owed)?;
    ledger.touch(lane);
    ledger.keep(tx)?;
    parts::prune(tx.db, lane)?;
    Ok(count as u64)
}

/// Ends the open parts of a slice, and the attempts of them that nobody has ended.
fn end_parts(tx: &mut Tx<'_>, slice: SliceId, now: Millis) -> Done<()> {
    let parts: Vec<i64> = {
        let mut select = tx.db.prepare_cached("SELECT id FROM part WHERE slice = ?1 AND ended IS NULL")?;
        let rows = select.query_map([slice.0], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for part in parts {
        tx.db
            .prepare_cached(
                "UPDATE attempt SET ended = ?2, landed = 0, note = 'given up: the audience is gone'
                 WHERE part = ?1 AND ended IS NULL",
            )?
            .execute((part, now.0))?;
        tx.db.prepare_cached("UPDATE part SET ended = ?2, open_until = NULL WHERE id = ?1")?.execute((part, now.0))?;
        follow_ups::drop_riders(tx.db, PartId(part))?;
    }
    Ok(())
}

/// Puts owed removals back at the end of their line; their receipts follow.
fn owed_back(tx: &mut Tx<'_>, lane: LaneId, mut owed: Vec<Operation>) -> Done<()> {
    let mut follow =
        tx.db.prepare_cached("UPDATE receipt SET seq = ?3 WHERE lane = ?1 AND seq = ?2 AND done IS NULL")?;
    for op in &mut owed {
        let seq = Line::Owed.seq(next(&mut tx.books.lane(lane)?.next_owed));
        follow.execute((lane.0, op.seq, seq))?;
        op.seq = seq;
    }
    keep_chunks(tx.db, Line::Owed, lane, &owed)
}
