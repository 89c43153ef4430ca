//! Rebinding: operations that nobody has sealed move to another lane (design, 11.2).
use crate::fail::{Done, Fail};
use crate::ledger::{Ledger, keep_chunks};
use crate::records::{Line, Operation, each_chunk};
use crate::schema::keys_of;
use crate::writer::Tx;
use caravan_model::{LaneId, Millis, StepIx, VersionId};

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
