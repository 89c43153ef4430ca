//! What consent and erasure owe: who withdrew, the removals that follow, and their receipts.
use crate::books::mistyped;
use crate::contract::{LaneKey, Offer, Origin, Outcome, Owing, Receipt, RefusedRemovals};
use crate::fail::{Done, Fail};
use crate::groups;
use crate::keeping;
use crate::ledger::Ledger;
use crate::membership;
use crate::merging;
use crate::parts::{self, name_of};
use crate::people::{self, People};
use crate::records::{Line, Operation, buckets_of, each_chunk, unpack_finals};
use crate::slices::{self, Sealed};
use crate::writer::Tx;
use crate::{counters, lanes};
use caravan_model::{
    Action, Digest, Duration, EntryId, LaneId, Millis, PartId, ProfileId, Reason, SliceId, Status, VisitId,
};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashSet;

/// A removal that the partner refused is owed again after so long: it never expires.
const ASK_AGAIN: Duration = Duration::HOUR.times(6);

/// When the next withdrawal is to be looked at.
pub(crate) fn next_timer(db: &Connection) -> Done<Option<Millis>> {
    let at: Option<i64> = db.prepare_cached("SELECT min(at) FROM withdrawal")?.query_row([], |row| row.get(0))?;
    Ok(at.map(Millis))
}

/// Notes that someone withdrew, or was erased; erasure outweighs.
pub(crate) fn note(db: &Connection, profile: ProfileId, cause: Origin, now: Millis) -> Done<()> {
    db.prepare_cached("INSERT INTO withdrawal VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET cause = max(cause, ?2)")?
        .execute((profile.0, cause as u8, now.0))?;
    Ok(())
}

/// Whether something is owed to someone that is not queued yet.
pub(crate) fn is_noted(db: &Connection, profile: ProfileId) -> Done<bool> {
    let mut select = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM withdrawal WHERE profile = ?1)")?;
    Ok(select.query_row([profile.0], |row| row.get(0))?)
}

/// Who is owed removals that are not queued yet, as far as their time has come.
pub(crate) fn owing(db: &Connection, now: Millis, limit: usize) -> Done<Vec<Owing>> {
    let mut select =
        db.prepare_cached("SELECT profile, cause, at FROM withdrawal WHERE at <= ?1 ORDER BY at, profile LIMIT ?2")?;
    let mut rows = select.query((now.0, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut owing = Vec::new();
    while let Some(row) = rows.next()? {
        let cause = Origin::from_number(row.get(1)?).filter(|cause| cause.is_owed());
        owing.push(Owing {
            profile: ProfileId(row.get(0)?),
            cause: cause.ok_or_else(|| Fail::impossible("a withdrawal without a cause"))?,
            since: Millis(row.get(2)?),
            person: None,
            lanes: Vec::new(),
        });
    }
    if owing.is_empty() {
        return Ok(owing);
    }
    let lanes = lanes::ids(db)?;
    let mut under_way: HashSet<(ProfileId, LaneId)> = HashSet::new();
    for (slice, lane) in slices::open_ids(db)? {
        under_way.extend(Sealed::read(db, slice)?.waiting().map(|op| (op.profile, lane)));
    }
    let people = People::read(db, owing.iter().map(|owing| owing.profile))?;
    for owing in &mut owing {
        owing.person = people.get(owing.profile);
        let members = membership::of(db, lanes.iter().copied(), owing.profile)?;
        let calls = lanes.iter().filter(|lane| under_way.contains(&(owing.profile, **lane)));
        let unknown = calls.filter(|lane| members.iter().all(|(known, _)| known != *lane)).map(|lane| (*lane, None));
        owing.lanes = unknown.collect();
        owing.lanes.extend(members.into_iter().map(|(lane, member)| (lane, Some(member.into()))));
        owing.lanes.sort_by_key(|(lane, _)| *lane);
    }
    Ok(owing)
}

/// Adds operations that no entry asks for; those that wait already are left out.
pub(crate) fn offer(tx: &mut Tx<'_>, offers: &[Offer], settles: &[ProfileId], now: Millis) -> Done<u64> {
    tx.books.hear(now);
    let mut ledger = Ledger::new(now, None);
    let offered = offer_into(tx, &mut ledger, offers)?;
    let mut done = tx.db.prepare_cached("DELETE FROM withdrawal WHERE profile = ?1")?;
    for profile in settles {
        done.execute([profile.0])?;
    }
    ledger.keep(tx)?;
    Ok(offered)
}

/// The same as part of a greater call.
pub(crate) fn offer_into(tx: &mut Tx<'_>, ledger: &mut Ledger, offers: &[Offer]) -> Done<u64> {
    let mut waiting: HashSet<Offer> = HashSet::new();
    let lanes: HashSet<LaneId> = offers.iter().map(|offer| offer.lane).collect();
    for lane in lanes {
        for line in [Line::Owed, Line::Usual] {
            each_chunk(tx.db, line, lane, |_, chunk| {
                let of = |op: &Operation| Offer {
                    lane,
                    profile: op.profile,
                    action: op.action,
                    origin: op.origin,
                    step: (op.version, op.step),
                };
                waiting.extend(chunk.iter().filter(|op| !op.origin.has_visit()).map(of));
                Ok(true)
            })?;
        }
    }
    let mut offered = 0;
    for offer in offers {
        if offer.origin.has_visit() || (offer.origin.is_owed() && offer.action == Action::Add) {
            return Err(Fail::impossible(format!("{} is offered as what it is not", offer.origin.word())));
        }
        if !waiting.insert(*offer) {
            continue;
        }
        let connection = tx.books.lane(offer.lane)?.connection;
        let operation = Operation {
            seq: 0,
            action: offer.action,
            parks: false,
            origin: offer.origin,
            visit: VisitId { entry: EntryId(0), ordinal: 0 },
            version: offer.step.0,
            step: offer.step.1,
            connection: u32::try_from(connection).unwrap_or_default(),
            profile: offer.profile,
            offered: Millis(0),
        };
        ledger.offer(offer.lane, operation);
        offered += 1;
    }
    Ok(offered)
}

/// The final word on a removal that was owed: its receipt.
pub(crate) fn conclude(
    tx: &mut Tx<'_>,
    lane: LaneId,
    op: &Operation,
    outcome: &Outcome,
    part: Option<PartId>,
) -> Done<()> {
    let reason = tx.books.reason(tx.db, &outcome.reason)?;
    tx.db
        .prepare_cached(
            "UPDATE receipt SET done = ?3, status = ?4, reason = ?5, part = ?6 WHERE lane = ?1 AND seq = ?2",
        )?
        .execute((lane.0, op.seq, tx.books.now.0, outcome.status.number(), reason, part.map(|part| part.0)))?;
    if outcome.status == Status::Rejected {
        note(tx.db, op.profile, op.origin, tx.books.now.after(ASK_AGAIN))?;
    }
    Ok(())
}

/// A removal that was owed and counted as done was not, as the partner says later: its receipt says so, and it is owed again,
/// after the next of these waits by how often it was refused, else as one that is refused at once.
pub(crate) fn reopen(
    tx: &mut Tx<'_>,
    (lane, seq): (LaneId, i64),
    profile: ProfileId,
    why: &Reason,
    waits: &[Duration],
) -> Done<()> {
    let refused = Status::Rejected.number();
    let before: i64 = tx
        .db
        .prepare_cached("SELECT count(*) FROM receipt WHERE profile = ?1 AND lane = ?2 AND status = ?3")?
        .query_row((profile.0, lane.0, refused), |row| row.get(0))?;
    let reason = tx.books.reason(tx.db, why)?;
    let cause: Option<u8> = tx
        .db
        .prepare_cached(
            "UPDATE receipt SET status = ?3, reason = ?4 WHERE lane = ?1 AND seq = ?2 AND done IS NOT NULL
             RETURNING cause",
        )?
        .query_row((lane.0, seq, refused, reason), |row| row.get(0))
        .optional()?;
    let wait = usize::try_from(before).ok().and_then(|before| waits.get(before)).or(waits.last());
    match cause.and_then(Origin::from_number) {
        Some(cause) => {
            let survivor = merging::survivor(tx.db, profile)?;
            note(tx.db, survivor, cause, tx.books.now.after(*wait.unwrap_or(&ASK_AGAIN)))
        }
        None => Ok(()),
    }
}

/// Once the removals of an erased person are done, only receipts prove them.
pub(crate) fn forget_erased<'a>(db: &Connection, lane: LaneId, ops: impl Iterator<Item = &'a Operation>) -> Done<()> {
    for op in ops.filter(|op| op.origin == Origin::Erasure) {
        let gone =
            membership::of(db, [lane].into_iter(), op.profile)?.iter().all(|(_, member)| member.recorded.is_empty());
        if gone {
            membership::forget(db, lane, op.profile)?;
        }
    }
    Ok(())
}

const RECEIPT: &str =
    "SELECT connector, account, audience, receipt.profile, subject, cause, asked, done, receipt.status,
    receipt.reason, slice, part.n FROM receipt JOIN lane ON lane.id = receipt.lane
    LEFT JOIN part ON part.id = receipt.part";

fn receipt(row: &Row<'_>) -> Done<(Receipt, i64)> {
    let part: Option<(i64, i64)> = row.get::<_, Option<i64>>(10)?.zip(row.get::<_, Option<i64>>(11)?);
    let lane: LaneKey = lanes::lane_key(row)?;
    let receipt = Receipt {
        profile: ProfileId(row.get(3)?),
        subject: Digest(row.get(4)?),
        lane,
        cause: Origin::from_number(row.get(5)?).ok_or_else(|| Fail::impossible("a receipt without a cause"))?,
        asked: Millis(row.get(6)?),
        done: row.get::<_, Option<i64>>(7)?.map(Millis),
        status: Status::from_number(row.get(8)?).ok_or_else(|| Fail::impossible("a receipt without a status"))?,
        reason: Reason::none(),
        part: part.map(|(slice, n)| name_of(SliceId(slice), n)),
    };
    Ok((receipt, row.get(9)?))
}

fn collect(db: &Connection, condition: &str, value: impl rusqlite::ToSql, limit: usize) -> Done<Vec<Receipt>> {
    let reasons = counters::reasons(db)?;
    let sql = format!("{RECEIPT} WHERE {condition} ORDER BY asked, receipt.lane, receipt.seq LIMIT ?2");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query((value, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut receipts = Vec::new();
    while let Some(row) = rows.next()? {
        let (mut receipt, reason) = receipt(row)?;
        receipt.reason = reasons.get(&reason).cloned().unwrap_or_default();
        receipts.push(receipt);
    }
    Ok(receipts)
}

/// Waits, or was refused and not asked for anew.
const OPEN: &str = "((receipt.lane, receipt.seq) IN (SELECT lane, seq FROM receipt WHERE done IS NULL) OR
    ((receipt.lane, receipt.seq) IN (SELECT lane, seq FROM receipt WHERE status = 4) AND NOT EXISTS
     (SELECT 1 FROM receipt AS later INDEXED BY receipt_profile
      WHERE later.profile = receipt.profile AND later.lane = receipt.lane AND later.seq > receipt.seq))) AND ?1 IS NULL";

/// A person's receipts, or those that are open.
pub(crate) fn receipts(db: &Connection, profile: Option<ProfileId>, limit: usize) -> Done<Vec<Receipt>> {
    match profile {
        Some(profile) => collect(db, "receipt.profile = ?1", profile.0, limit),
        None => collect(db, OPEN, rusqlite::types::Null, limit),
    }
}

/// The receipts of an external id.
pub(crate) fn receipts_of(db: &Connection, external_id: &str) -> Done<Vec<Receipt>> {
    collect(db, "subject = ?1", Digest::of(external_id.as_bytes()).0, usize::MAX)
}

/// Refused removals by lane and reason. Owed operations' places grow, so a greater one is newer.
pub(crate) fn refused(db: &Connection) -> Done<Vec<RefusedRemovals>> {
    let mut select = db.prepare_cached(
        "SELECT lane, reason, count(*), min(done) FROM receipt AS refused INDEXED BY receipt_refused
         WHERE status = 4 AND NOT EXISTS (SELECT 1 FROM receipt AS later INDEXED BY receipt_profile
             WHERE later.profile = refused.profile AND later.lane = refused.lane AND later.seq > refused.seq
               AND later.done IS NOT NULL)
         GROUP BY lane, reason ORDER BY lane, reason",
    )?;
    let mut rows = select.query([])?;
    let (mut all, mut reasons) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let reasons = match &reasons {
            Some(reasons) => reasons,
            None => reasons.insert(counters::reasons(db)?),
        };
        all.push(RefusedRemovals {
            lane: LaneId(row.get(0)?),
            reason: reasons.get(&row.get(1)?).cloned().unwrap_or_default(),
            count: row.get::<_, i64>(2)? as u64,
            since: Millis(row.get(3)?),
        });
    }
    Ok(all)
}

/// When an erased name was erased.
pub(crate) fn erased_at(db: &Connection, name: &str) -> Done<Option<Millis>> {
    let mut select = db.prepare_cached("SELECT at FROM tombstone WHERE name = ?1")?;
    Ok(select.query_row([Digest::of(name.as_bytes()).0], |row| row.get(0)).optional()?.map(Millis))
}

/// When names were erased, in their order.
pub(crate) fn erased(db: &Connection, names: &[String]) -> Done<Vec<Option<Millis>>> {
    let any: bool = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM tombstone)")?.query_row([], |row| row.get(0))?;
    if !any {
        return Ok(vec![None; names.len()]);
    }
    names.iter().map(|name| erased_at(db, name)).collect()
}

/// Erases people.
pub(crate) fn erase(tx: &mut Tx<'_>, profiles: &[ProfileId], now: Millis) -> Done<()> {
    tx.books.hear(now);
    let db = tx.db;
    let mut empty = db.prepare_cached("UPDATE profile SET data = NULL WHERE id = ?1 AND data IS NOT NULL")?;
    let mut bury = db.prepare_cached("INSERT INTO tombstone VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = ?2")?;
    let mut unname = db.prepare_cached("DELETE FROM known_as WHERE name = ?1 AND profile = ?2")?;
    let mut events = db.prepare_cached("DELETE FROM event WHERE profile = ?1")?;
    for &profile in profiles {
        let Some(person) = people::load(db, profile)? else { continue };
        // The external id's tombstone comes first: it is the one that receipts name.
        for name in [&person.external_id].into_iter().chain(&person.aliases) {
            if unname.execute((name, profile.0))? == 1 {
                bury.execute((Digest::of(name.as_bytes()).0, now.0, profile.0))?;
            }
        }
        empty.execute([profile.0])?;
        events.execute([profile.0])?;
        keeping::forget_past(db, profile)?;
        groups::forget(db, profile)?;
        drop_rows(db, profile)?;
        note(db, profile, Origin::Erasure, now)?;
    }
    Ok(())
}

/// Drops the kept rows of all ended parts that carried someone.
fn drop_rows(db: &Connection, profile: ProfileId) -> Done<()> {
    let entries = crate::trace::entries_of(db, profile)?;
    let mut select = db.prepare_cached("SELECT part, body FROM visit WHERE bucket = ?1 AND part > 0")?;
    let mut carried = HashSet::new();
    for bucket in buckets_of(entries.keys().copied()) {
        let mut rows = select.query([bucket])?;
        while let Some(row) = rows.next()? {
            let mut finals = Vec::new();
            unpack_finals(row.get_ref(1)?.as_blob().map_err(mistyped)?, &mut finals)?;
            if finals.iter().any(|done| entries.contains_key(&done.visit.entry)) {
                carried.insert(row.get::<_, i64>(0)?);
            }
        }
    }
    for part in carried {
        parts::drop_rows(db, PartId(part))?;
    }
    Ok(())
}

/// How many receipts wait without an operation, or the other way round; for the audit.
pub(crate) fn orphans(db: &Connection) -> Done<i64> {
    let mut waiting: HashSet<(LaneId, i64)> = HashSet::new();
    counters::waiting_operations(db, |lane, op, _| {
        if op.origin.is_owed() {
            waiting.insert((lane, op.seq));
        }
    })?;
    let mut select = db.prepare_cached("SELECT lane, seq FROM receipt WHERE done IS NULL")?;
    let mut rows = select.query([])?;
    let mut orphans = 0;
    while let Some(row) = rows.next()? {
        orphans += i64::from(!waiting.remove(&(LaneId(row.get(0)?), row.get(1)?)));
    }
    Ok(orphans + waiting.len() as i64)
}
