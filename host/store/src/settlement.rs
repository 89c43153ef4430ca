//! Attempts and their ends.
use crate::contract::{Charge, Queued, Settlement};
use crate::fail::{Done, Fail};
use crate::follow_ups;
use crate::lanes;
use crate::ledger::Ledger;
use crate::membership;
use crate::owed;
use crate::parts::{self, Cut, pack_struck, unpack_struck};
use crate::quotas;
use crate::records::Operation;
use crate::rests::Rests;
use crate::slices::{Sealed, conclude};
use crate::writer::Tx;
use caravan_model::{Effect, LaneId, Millis, PartId, SliceId};
use rusqlite::{Connection, OptionalExtension};

/// What settling must know of a part.
struct Facts {
    slice: SliceId,
    lane: LaneId,
    place: i64,
    struck: Vec<u32>,
    attempts: u32,
    open: bool,
    may_have_landed: bool,
    ended: bool,
}

fn facts(db: &Connection, part: PartId) -> Done<Facts> {
    let mut select = db.prepare_cached(
        "SELECT slice, lane, place, struck, attempts, open_until, may_have_landed, ended FROM part
         WHERE id = ?1",
    )?;
    let mut rows = select.query([part.0])?;
    let row = rows.next()?.ok_or_else(|| Fail::impossible(format!("there is no part {part}")))?;
    Ok(Facts {
        slice: SliceId(row.get(0)?),
        lane: LaneId(row.get(1)?),
        place: row.get(2)?,
        struck: unpack_struck(row.get_ref(3)?.as_blob().map_err(crate::books::mistyped)?)?,
        attempts: row.get(4)?,
        open: row.get::<_, Option<i64>>(5)?.is_some(),
        may_have_landed: row.get(6)?,
        ended: row.get::<_, Option<i64>>(7)?.is_some(),
    })
}

/// The lane of a part that must exist.
pub(crate) fn lane_of(db: &Connection, part: PartId) -> Done<LaneId> {
    Ok(facts(db, part)?.lane)
}

/// Records an attempt before its request leaves. One before it whose end was never recorded may have landed.
pub(crate) fn attempt(tx: &mut Tx<'_>, part: PartId, deadline: Millis, charges: &[Charge], now: Millis) -> Done<u32> {
    tx.books.hear(now);
    quotas::charge(tx.db, charges, now)?;
    let facts = facts(tx.db, part)?;
    if facts.ended {
        return Err(Fail::impossible(format!("part {part} has ended: it is never sent again")));
    }
    let n = facts.attempts + 1;
    tx.db
        .prepare_cached("INSERT INTO attempt VALUES (?1, ?2, ?3, ?4, NULL, NULL, NULL)")?
        .execute((part.0, n, now.0, deadline.0))?;
    tx.db
        .prepare_cached("UPDATE part SET attempts = ?2, open_until = ?3, may_have_landed = ?4 WHERE id = ?1")?
        .execute((part.0, n, deadline.0, facts.may_have_landed || facts.open))?;
    Ok(n)
}

/// Ends an attempt.
pub(crate) fn settle(tx: &mut Tx<'_>, settlement: Settlement) -> Done<()> {
    let Settlement { part, now, .. } = settlement;
    tx.books.hear(now);
    let mut facts = facts(tx.db, part)?;
    if facts.ended || !end_attempt(tx.db, &settlement, &facts)? {
        return Ok(());
    }
    if !settlement.replaced_by.is_empty() && !settlement.ends {
        return Err(Fail::impossible(format!("part {part} is replaced although it does not end")));
    }

    let mut ledger = Ledger::new(now, Some(part));
    let mut rests = Rests::new(tx.db)?;
    let mut sealed = Sealed::read(tx.db, facts.slice)?;
    let (mut owed, mut done) = (0, Vec::with_capacity(settlement.outcomes.len()));
    for outcome in &settlement.outcomes {
        let op = sealed.settle(outcome.seq)?;
        conclude(tx, facts.lane, &mut ledger, &mut rests, &op, outcome)?;
        owed += i64::from(op.origin.is_owed());
        done.push(op);
    }
    if !settlement.outcomes.is_empty() {
        sealed.keep(tx.db)?;
        let lane = tx.books.lane(facts.lane)?;
        lane.waiting -= settlement.outcomes.len() as i64;
        lane.sealed -= settlement.outcomes.len() as i64;
        lane.owed -= owed;
        ledger.touch(facts.lane);
    }
    membership::apply(tx.db, facts.lane, &settlement.membership, false)?;
    owed::forget_erased(tx.db, facts.lane, done.iter())?;
    for place in &settlement.struck {
        if !facts.struck.contains(place) {
            facts.struck.push(*place);
        }
    }
    // While the part is still open, so that its clock is shifted if the lane leaves a hold with this.
    lanes::set_state(tx, facts.lane, settlement.lane.clone())?;
    facts.may_have_landed |= settlement.effect == Effect::MayHaveLanded;
    tx.db
        .prepare_cached(
            "UPDATE part SET struck = ?2, open_until = NULL, may_have_landed = ?3, poison = max(poison, ?4),
             doubtful = doubtful + ?5, pending = coalesce(?6, pending), ended = ?7 WHERE id = ?1",
        )?
        .execute((
            part.0,
            pack_struck(&facts.struck),
            facts.may_have_landed,
            settlement.poison,
            settlement.doubtful,
            settlement.pending.as_ref().map(|(reference, _)| reference),
            settlement.ends.then_some(now.0),
        ))?;
    if !settlement.exchange.is_empty() {
        tx.db.prepare_cached("INSERT INTO exchange VALUES (?1, ?2, ?3, ?4)")?.execute((
            part.0,
            settlement.attempt,
            now.0,
            &settlement.exchange,
        ))?;
    }
    if let Some((_, due)) = &settlement.pending {
        tx.db
            .prepare_cached("INSERT INTO follow_up VALUES (?1, ?2, ?3, 0) ON CONFLICT DO NOTHING")?
            .execute((part.0, now.0, due.0))?;
    }
    if settlement.ends {
        follow_ups::drop_riders(tx.db, part)?;
        replace(tx, settlement, &facts, &sealed)?;
        close(tx, &facts, &sealed, now)?;
    }
    ledger.keep(tx)
}

/// Records the end of the attempt; false where it is recorded already.
fn end_attempt(db: &Connection, settlement: &Settlement, facts: &Facts) -> Done<bool> {
    let Settlement { part, attempt, .. } = *settlement;
    let ended: Option<Option<i64>> = db
        .prepare_cached("SELECT ended FROM attempt WHERE part = ?1 AND n = ?2")?
        .query_row((part.0, attempt), |row| row.get(0))
        .optional()?;
    match ended {
        Some(Some(_)) => return Ok(false),
        Some(None) if attempt == facts.attempts => {}
        _ => {
            let words = format!("attempt {attempt} of part {part} is settled, but the newest is {}", facts.attempts);
            return Err(Fail::impossible(words));
        }
    }
    let landed = settlement.effect == Effect::MayHaveLanded;
    db.prepare_cached("UPDATE attempt SET ended = ?3, landed = ?4, note = ?5 WHERE part = ?1 AND n = ?2")?
        .execute((part.0, attempt, settlement.now.0, landed, &settlement.note))?;
    Ok(true)
}

/// Puts the new parts in the ended one's place.
fn replace(tx: &mut Tx<'_>, settlement: Settlement, facts: &Facts, sealed: &Sealed) -> Done<()> {
    if settlement.replaced_by.is_empty() {
        return Ok(());
    }
    for (seq, visit, ..) in settlement.replaced_by.iter().flat_map(|draft| &draft.riders).flat_map(|r| &r.operations) {
        if !sealed.get(*seq).is_some_and(|(op, settled)| !settled && op.visit == *visit) {
            return Err(Fail::impossible(format!("operation {seq} rides on although it does not wait in this slice")));
        }
    }
    let more = settlement.replaced_by.len() as i64;
    tx.db.prepare_cached("UPDATE part SET place = place + ?3 WHERE slice = ?1 AND place > ?2")?.execute((
        facts.slice.0,
        facts.place,
        more,
    ))?;
    let last: i64 = tx
        .db
        .prepare_cached("SELECT max(n) FROM part WHERE slice = ?1")?
        .query_row([facts.slice.0], |row| row.get(0))?;
    let flowing_since = tx
        .db
        .prepare_cached("SELECT flowing_since FROM part WHERE id = ?1")?
        .query_row([settlement.part.0], |row| row.get(0))?;
    for (at, draft) in (1..).zip(settlement.replaced_by) {
        let cut = Cut {
            slice: facts.slice,
            lane: facts.lane,
            n: last + at,
            place: facts.place + at,
            flowing_since: Millis(flowing_since),
            may_have_landed: facts.may_have_landed,
            poison: settlement.poison,
        };
        parts::keep(tx, cut, draft)?;
    }
    Ok(())
}

/// Closes the slice with its last part: every operation of it must be final by then.
fn close(tx: &mut Tx<'_>, facts: &Facts, sealed: &Sealed, now: Millis) -> Done<()> {
    let open: bool = tx
        .db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM part WHERE lane = ?1 AND ended IS NULL)")?
        .query_row([facts.lane.0], |row| row.get(0))?;
    if open {
        return Ok(());
    }
    if let Some(op) = sealed.waiting().next() {
        let words = format!("the last part of slice {} ends, but operation {} still waits", facts.slice, op.seq);
        return Err(Fail::impossible(words));
    }
    tx.db.prepare_cached("UPDATE slice SET ended = ?2 WHERE id = ?1")?.execute((facts.slice.0, now.0))?;
    Sealed::drop(tx.db, facts.slice)?;
    parts::prune(tx.db, facts.lane)
}

/// The operations that still ride on an open part, with their people as known now.
pub(crate) fn recheck(db: &Connection, part: PartId) -> Done<Vec<Queued>> {
    let facts = facts(db, part)?;
    let Some(riders) = parts::riders(db, part)? else { return Ok(Vec::new()) };
    let sealed = Sealed::read(db, facts.slice)?;
    let mut operations: Vec<Operation> = riders
        .iter()
        .zip(0u32..)
        .filter(|(_, place)| !facts.struck.contains(place))
        .flat_map(|(rider, _)| &rider.operations)
        .filter_map(|(seq, ..)| sealed.get(*seq))
        .filter(|(_, settled)| !settled)
        .map(|(op, _)| *op)
        .collect();
    operations.sort_unstable_by_key(|op| op.seq);
    operations.dedup();
    lanes::queued(db, facts.lane, &operations)
}
