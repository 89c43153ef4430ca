//! Sealing: what a lane's waiting end gives to a durable, immutable slice.
use crate::books::{mistyped, next};
use crate::contract::{CanvasesSeen, Error, GoesTo, Origin, Outcome, Sealing, Slice};
use crate::documents;
use crate::fail::{Done, Fail};
use crate::lanes;
use crate::ledger::{Ledger, keep_chunks};
use crate::membership;
use crate::owed;
use crate::parts::{self, Cut};
use crate::records::{Line, Operation, each_chunk, pack_operations, unpack_operations};
use crate::rests::{Rests, Walker};
use crate::settlement;
use crate::writer::Tx;
use caravan_model::{Digest, LaneId, Millis, SliceId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The operations of an open slice, and which of them are settled.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The slice.
    pub(crate) slice: SliceId,
    /// In lane order.
    pub(crate) operations: Vec<Operation>,
    bits: Vec<u8>,
}

impl Sealed {
    /// Of a slice that is open.
    pub(crate) fn read(db: &Connection, slice: SliceId) -> Done<Sealed> {
        let mut select =
            db.prepare_cached("SELECT operations, bits FROM sealed JOIN settled USING (slice) WHERE slice = ?1")?;
        let mut rows = select.query([slice.0])?;
        let row = rows.next()?.ok_or_else(|| Fail::impossible(format!("slice {slice} has no operations")))?;
        let mut operations = Vec::new();
        unpack_operations(row.get_ref(0)?.as_blob().map_err(mistyped)?, &mut operations)?;
        let mut bits: Vec<u8> = row.get(1)?;
        bits.resize(operations.len().div_ceil(8), 0);
        Ok(Sealed { slice, operations, bits })
    }

    /// Keeps those of a new slice.
    fn insert(db: &Connection, slice: SliceId, operations: &[Operation]) -> Done<()> {
        let bits = vec![0u8; operations.len().div_ceil(8)];
        db.prepare_cached("INSERT INTO sealed VALUES (?1, ?2)")?.execute((slice.0, pack_operations(operations)))?;
        db.prepare_cached("INSERT INTO settled VALUES (?1, ?2)")?.execute((slice.0, bits))?;
        Ok(())
    }

    fn is_settled(&self, at: usize) -> bool {
        self.bits[at / 8] & 1 << (at % 8) != 0
    }

    /// An operation by its seq, and whether it is settled.
    pub(crate) fn get(&self, seq: i64) -> Option<(&Operation, bool)> {
        let at = self.operations.binary_search_by_key(&seq, |op| op.seq).ok()?;
        Some((&self.operations[at], self.is_settled(at)))
    }

    /// Settles one; `Impossible` where it is not of this slice or was settled before.
    pub(crate) fn settle(&mut self, seq: i64) -> Done<Operation> {
        let at = self.operations.binary_search_by_key(&seq, |op| op.seq).ok();
        let at = at.ok_or_else(|| Fail::impossible(format!("operation {seq} is not in slice {}", self.slice)))?;
        if self.is_settled(at) {
            return Err(Fail::impossible(format!("operation {seq} of slice {} is final already", self.slice)));
        }
        self.bits[at / 8] |= 1 << (at % 8);
        Ok(self.operations[at])
    }

    /// Those still waiting.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().enumerate().filter(|(at, _)| !self.is_settled(*at)).map(|(_, op)| op)
    }

    /// Keeps what was settled.
    pub(crate) fn keep(&self, db: &Connection) -> Done<()> {
        db.prepare_cached("UPDATE settled SET bits = ?2 WHERE slice = ?1")?.execute((self.slice.0, &self.bits))?;
        Ok(())
    }

    /// Forgets a slice's operations: it is closed.
    pub(crate) fn drop(db: &Connection, slice: SliceId) -> Done<()> {
        db.prepare_cached("DELETE FROM sealed WHERE slice = ?1")?.execute([slice.0])?;
        db.prepare_cached("DELETE FROM settled WHERE slice = ?1")?.execute([slice.0])?;
        Ok(())
    }
}

/// Writes the final word on an operation, and moves its entry on if it rests there and is still open.
pub(crate) fn conclude(
    tx: &mut Tx<'_>,
    lane: LaneId,
    ledger: &mut Ledger,
    rests: &mut Rests<'_>,
    op: &Operation,
    outcome: &Outcome,
) -> Done<()> {
    let wrong = |what: &str| Fail::impossible(format!("the outcome of operation {} {what}", op.seq));
    if (outcome.visit, outcome.step, outcome.profile) != (op.visit, (op.version, op.step), op.profile) {
        return Err(wrong("names another visit"));
    }
    if op.origin.has_visit() {
        ledger.was_waiting(op.version, op.step);
        ledger.is_final((tx.db, &mut *tx.books), op.visit, outcome.step, outcome.status, &outcome.reason)?;
    }
    if op.origin.is_owed() {
        owed::conclude(tx, lane, op, outcome, ledger.part())?;
    }
    if !op.parks {
        let stays = outcome.goes == GoesTo::Stays;
        return if stays { Ok(()) } else { Err(wrong("moves an entry that is not parked on it")) };
    }
    let facts = tx.books.version(op.version)?;
    let who = Walker { entry: op.visit.entry, version: op.version, facts, profile: op.profile };
    match outcome.goes {
        GoesTo::End => {
            if rests.end(who)? {
                ledger.ended(op.version);
            }
        }
        GoesTo::Step(step) => {
            tx.books.step(op.version, step)?;
            if rests.is_open(who)? {
                rests.arrive(who, op.visit.ordinal + 1, step)?;
            }
        }
        GoesTo::Stays => {
            if rests.is_open(who)? {
                return Err(wrong("would leave its open entry resting nowhere"));
            }
        }
    }
    Ok(())
}

/// The lane's open slice: its id, and up to where it took operations.
fn open_id(db: &Connection, lane: LaneId) -> Done<Option<(SliceId, i64)>> {
    let mut select = db.prepare_cached("SELECT id, upto FROM slice WHERE lane = ?1 AND ended IS NULL")?;
    Ok(select.query_row([lane.0], |row| Ok((SliceId(row.get(0)?), row.get(1)?))).optional()?)
}

/// All open slices.
pub(crate) fn open_ids(db: &Connection) -> Done<Vec<(SliceId, LaneId)>> {
    let mut select = db.prepare_cached("SELECT id, lane FROM slice WHERE ended IS NULL ORDER BY id")?;
    let rows = select.query_map([], |row| Ok((SliceId(row.get(0)?), LaneId(row.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The lane's open slice with its open parts.
pub(crate) fn open(db: &Connection, lane: LaneId) -> Done<Option<Slice>> {
    let mut select =
        db.prepare_cached("SELECT id, connection, digest, settings, at FROM slice WHERE lane = ?1 AND ended IS NULL")?;
    let found = select
        .query_row([lane.0], |row| {
            Ok(Slice {
                id: SliceId(row.get(0)?),
                lane,
                connection: row.get(1)?,
                digest: Digest(row.get(2)?),
                settings: row.get(3)?,
                at: Millis(row.get(4)?),
                parts: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut slice) = found else { return Ok(None) };
    slice.parts = parts::open(db, lane)?;
    Ok(Some(slice))
}

/// Takes operations off the lane's waiting end.
pub(crate) fn seal(tx: &mut Tx<'_>, mut sealing: Sealing) -> Done<Option<Slice>> {
    tx.books.hear(sealing.now);
    let lane = sealing.lane;
    let line = Line::of(sealing.upto);
    let facts = tx.books.lane(lane)?;
    let next_seq = line.seq(if line == Line::Owed { facts.next_owed } else { facts.next_seq });
    if let Some((slice, upto)) = open_id(tx.db, lane)? {
        if sealing.upto > upto {
            return Err(Fail::impossible(format!("lane {lane} has slice {slice} open")));
        }
        return open(tx.db, lane);
    }
    if sealing.upto >= next_seq {
        return Err(Fail::impossible(format!("lane {lane} has no operation {}", sealing.upto)));
    }
    let taken = take(tx.db, line, lane, sealing.upto)?;
    let Some(first) = taken.first().map(|op| op.seq) else {
        // A repeat of a sealing whose slice has ended or was never needed.
        return Ok(None);
    };

    if sealing.first_attempt.is_some() && is_overtaken(tx, &taken, sealing.exited, &sealing.seen)? {
        sealing.first_attempt = None;
    }
    let mut ledger = Ledger::new(sealing.now, None);
    let mut rests = Rests::new(tx.db)?;
    let mut fates = vec![Fate::None; taken.len()];
    let place = |seq: i64| {
        let at = usize::try_from(seq - first).ok().filter(|at| *at < taken.len());
        at.ok_or_else(|| Fail::impossible(format!("operation {seq} is not among those that lane {lane} gives")))
    };
    for outcome in &sealing.outcomes {
        let at = place(outcome.seq)?;
        if fates[at] != Fate::None {
            return Err(Fail::impossible(format!("operation {} has two outcomes", outcome.seq)));
        }
        fates[at] = Fate::Final;
        conclude(tx, lane, &mut ledger, &mut rests, &taken[at], outcome)?;
    }
    for (seq, visit, version, step, parks) in
        sealing.parts.iter().flat_map(|draft| &draft.riders).flat_map(|rider| &rider.operations)
    {
        let at = place(*seq)?;
        let op = &taken[at];
        if fates[at] == Fate::Final || (*visit, *version, *step, *parks) != (op.visit, op.version, op.step, op.parks) {
            return Err(Fail::impossible(format!("operation {seq} rides as what it is not")));
        }
        fates[at] = Fate::Rides;
    }
    if let Some(at) = fates.iter().position(|fate| *fate == Fate::None) {
        return Err(Fail::impossible(format!("operation {} has neither an outcome nor a part", taken[at].seq)));
    }
    membership::apply(tx.db, lane, &sealing.membership, false)?;
    owed::forget_erased(
        tx.db,
        lane,
        taken.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Final).map(|(op, _)| op),
    )?;

    let riding: Vec<Operation> =
        taken.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Rides).map(|(op, _)| *op).collect();
    let facts = tx.books.lane(lane)?;
    facts.waiting -= (taken.len() - riding.len()) as i64;
    if line == Line::Owed {
        facts.owed -= (taken.len() - riding.len()) as i64;
    }
    facts.sealed += riding.len() as i64;
    ledger.touch(lane);
    ledger.keep(tx)?;
    if sealing.parts.is_empty() {
        return Ok(None);
    }
    keep(tx, sealing, &riding).map(Some)
}

/// Whether somebody among these left, or a canvas of theirs was paused, stopped or opened, since it was decided what to
/// send. An entry that has left never comes back, so their number tells.
fn is_overtaken(tx: &mut Tx<'_>, taken: &[Operation], exited: usize, seen: &CanvasesSeen) -> Done<bool> {
    let marked = lanes::exited(tx.db, taken)?;
    if taken.iter().filter(|op| marked.contains(&op.visit.entry.0)).count() != exited {
        return Ok(true);
    }
    let asking = taken.iter().filter(|op| op.origin == Origin::Visit);
    for version in asking.map(|op| op.version).collect::<BTreeSet<_>>() {
        match documents::as_seen(tx.db, tx.books.version(version)?.canvas, seen) {
            Err(Fail::Told(Error::Overtaken)) => return Ok(true),
            looked => looked?,
        }
    }
    Ok(false)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    None,
    Final,
    Rides,
}

/// Removes the lane's operations up to a seq from their chunks and gives them.
fn take(db: &Connection, line: Line, lane: LaneId, upto: i64) -> Done<Vec<Operation>> {
    let mut taken: Vec<Operation> = Vec::new();
    let mut rest = Vec::new();
    each_chunk(db, line, lane, |_, mut chunk| {
        if chunk.first().is_some_and(|first| first.seq > upto) {
            return Ok(false);
        }
        let split = chunk.partition_point(|op| op.seq <= upto);
        rest = chunk.split_off(split);
        taken.extend(chunk);
        Ok(rest.is_empty())
    })?;
    if let (Some(first), Some(last)) = (taken.first(), taken.last()) {
        if last.seq != upto || last.seq - first.seq + 1 != taken.len() as i64 {
            return Err(Fail::impossible(format!("lane {lane} has a gap before operation {upto}")));
        }
        db.prepare_cached(&format!("DELETE FROM {} WHERE key BETWEEN ?1 AND ?2", line.table()))?
            .execute((line.key(lane, first.seq)?, line.key(lane, upto)?))?;
        keep_chunks(db, line, lane, &rest)?;
    }
    Ok(taken)
}

/// Keeps a new slice and its parts.
fn keep(tx: &mut Tx<'_>, sealing: Sealing, riding: &[Operation]) -> Done<Slice> {
    let (lane, at) = (sealing.lane, sealing.now);
    let id = SliceId(next(&mut tx.books.numbers.slice));
    tx.db.prepare_cached("INSERT INTO slice VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)")?.execute((
        id.0,
        lane.0,
        sealing.upto,
        &*sealing.connection,
        sealing.digest.0,
        &sealing.settings,
        at.0,
    ))?;
    Sealed::insert(tx.db, id, riding)?;
    let mut open = Vec::with_capacity(sealing.parts.len());
    for (place, draft) in (1..).zip(sealing.parts) {
        let cut = Cut { slice: id, lane, n: place, place, flowing_since: at, may_have_landed: false, poison: 0 };
        open.push(parts::keep(tx, cut, draft)?);
    }
    if let (Some(deadline), Some(first)) = (sealing.first_attempt, open.first_mut()) {
        first.attempts = settlement::attempt(tx, first.id, deadline, &sealing.charges, at)?;
        first.open_until = Some(deadline);
    }
    Ok(Slice {
        id,
        lane,
        connection: Arc::clone(&sealing.connection),
        digest: sealing.digest,
        settings: sealing.settings,
        at,
        parts: open,
    })
}
