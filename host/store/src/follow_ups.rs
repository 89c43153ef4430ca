//! Parts that a partner judges later, corrections of what was final, and visits that are sent again.
use crate::books::mistyped;
use crate::claims;
use crate::contract::{Again, Correction, FollowUp, Offer, Origin, Resend, Resent, Undone};
use crate::fail::{Done, Fail};
use crate::ledger::Ledger;
use crate::membership;
use crate::merging;
use crate::owed;
use crate::parts;
use crate::records::{Entries, Final, Line, Operation, buckets_of, unpack_finals};
use crate::writer::Tx;
use crate::{counters, settlement};
use caravan_model::{Action, LaneId, Millis, PartId, ProfileId, Status, VisitId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};

/// An ended part keeps its riders while it is judged.
pub(crate) fn drop_riders(db: &Connection, part: PartId) -> Done<()> {
    db.prepare_cached(
        "DELETE FROM part_riders WHERE part = ?1 AND NOT EXISTS (SELECT 1 FROM follow_up WHERE part = ?1)",
    )?
    .execute([part.0])?;
    Ok(())
}

/// Parts to be asked about.
pub(crate) fn due(db: &Connection, now: Millis, limit: usize) -> Done<Vec<FollowUp>> {
    let mut select = db.prepare_cached(
        "SELECT follow_up.part, part.lane, slice.connection, settings, pending, since, asked, slice.id, part.n, struck,
                part_rows.body, part_riders.body
         FROM follow_up JOIN part ON part.id = follow_up.part JOIN slice ON slice.id = part.slice
         JOIN part_rows ON part_rows.part = part.id JOIN part_riders ON part_riders.part = part.id
         WHERE due <= ?1 AND part.ended IS NOT NULL ORDER BY due, follow_up.part LIMIT ?2",
    )?;
    let mut rows = select.query((now.0, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let name = parts::name_of(caravan_model::SliceId(row.get(7)?), row.get(8)?);
        due.push(FollowUp {
            part: PartId(row.get(0)?),
            lane: LaneId(row.get(1)?),
            connection: row.get(2)?,
            settings: row.get(3)?,
            reference: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
            since: Millis(row.get(5)?),
            asked: row.get(6)?,
            rows: parts::unpack_rows(name, row.get_ref(10)?.as_blob().map_err(mistyped)?)?.into(),
            riders: parts::unpack_riders(row.get_ref(11)?.as_blob().map_err(mistyped)?)?.into(),
            struck: parts::unpack_struck(row.get_ref(9)?.as_blob().map_err(mistyped)?)?,
        });
    }
    Ok(due)
}

/// When the next part is to be asked about.
pub(crate) fn next_timer(db: &Connection) -> Done<Option<Millis>> {
    let mut select = db.prepare_cached("SELECT due FROM follow_up ORDER BY due LIMIT 1")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?.map(Millis))
}

/// The newest final word on visits, and how often each was synced; those that have none are left out.
fn newest(db: &Connection, visits: &HashSet<VisitId>) -> Done<HashMap<VisitId, (Final, usize)>> {
    let mut select = db.prepare_cached("SELECT body FROM visit WHERE bucket = ?1 ORDER BY n")?;
    let mut found: HashMap<VisitId, (Final, usize)> = HashMap::new();
    for bucket in buckets_of(visits.iter().map(|visit| visit.entry)) {
        let mut rows = select.query([bucket])?;
        while let Some(row) = rows.next()? {
            let mut finals = Vec::new();
            unpack_finals(row.get_ref(0)?.as_blob().map_err(mistyped)?, &mut finals)?;
            for done in finals.into_iter().filter(|done| visits.contains(&done.visit)) {
                let known = found.entry(done.visit).or_insert((done, 0));
                *known = (done, known.1 + usize::from(done.status == Status::Synced));
            }
        }
    }
    Ok(found)
}

/// Asks about a part again then.
fn postpone(db: &Connection, part: PartId, due: Millis) -> Done<()> {
    db.prepare_cached("UPDATE follow_up SET due = ?2, asked = asked + 1 WHERE part = ?1")?.execute((part.0, due.0))?;
    Ok(())
}

/// What of a person must not be overtaken when a part is sent again.
struct Newer {
    /// Something of theirs waits in the lane.
    waits: HashSet<ProfileId>,
    /// Something of theirs ended after the part was left pending.
    ended: HashSet<ProfileId>,
}

impl Newer {
    fn read(db: &Connection, lane: LaneId, since: Millis, people: impl Iterator<Item = ProfileId>) -> Done<Newer> {
        let mut newer = Newer { waits: HashSet::new(), ended: HashSet::new() };
        counters::waiting_operations(db, |of, op, _| {
            if of == lane {
                newer.waits.insert(op.profile);
            }
        })?;
        for profile in people {
            if membership::of(db, [lane].into_iter(), profile)?.iter().any(|(_, known)| known.newest > since) {
                newer.ended.insert(profile);
            }
        }
        Ok(newer)
    }

    fn has(&self, profile: ProfileId) -> bool {
        self.waits.contains(&profile) || self.ended.contains(&profile)
    }
}

/// Writes what a follow-up said; gives how many visits were corrected.
pub(crate) fn correct(tx: &mut Tx<'_>, correction: Correction) -> Done<u64> {
    let Correction { part, now, .. } = correction;
    tx.books.hear(now);
    let mut select = tx.db.prepare_cached("SELECT since FROM follow_up WHERE part = ?1")?;
    let Some(since) = select.query_row([part.0], |row| row.get(0)).optional()?.map(Millis) else { return Ok(0) };
    let lane = settlement::lane_of(tx.db, part)?;
    let wanted: HashSet<VisitId> = correction.visits.iter().map(|visit| visit.visit).collect();
    let stands = newest(tx.db, &wanted)?;
    let sent = stands.values().map(|(_, sent)| *sent).max().unwrap_or(0).max(1);
    let unprocessed = match &correction.unprocessed {
        Some(unprocessed) => match unprocessed.waits.get(sent - 1).map(|wait| since.after(*wait)) {
            Some(due) if now < due => {
                postpone(tx.db, part, due)?;
                return Ok(0);
            }
            Some(_) => Some(unprocessed.action),
            None => None,
        },
        None => None,
    };
    let people = correction.membership.iter().map(|change| change.profile);
    let newer = match unprocessed {
        Some(_) => Some(Newer::read(tx.db, lane, since, people)?),
        None => None,
    };
    let again = resent(tx.db)?;
    let mut ledger = Ledger::new(now, Some(part));
    let mut entries = Entries::new(tx.db);
    let mut corrected = 0;
    for visit in &correction.visits {
        let stands = stands.get(&visit.visit).map(|(done, _)| done);
        let stands = stands.filter(|done| done.status == visit.from && !again.contains(&visit.visit));
        let Some(done) = stands else { continue };
        if (done.version, done.step) != visit.step {
            return Err(Fail::impossible("a correction names another step"));
        }
        ledger.was_final(visit.step, done.status, done.reason);
        let profile = entries.get(visit.visit.entry)?.profile;
        match unprocessed.filter(|_| newer.as_ref().is_some_and(|newer| !newer.has(profile))) {
            Some(action) => {
                let connection = u32::try_from(tx.books.lane(lane)?.connection).unwrap_or_default();
                let operation = Operation {
                    seq: 0,
                    action,
                    parks: false,
                    origin: Origin::Resend,
                    visit: visit.visit,
                    version: done.version,
                    step: done.step,
                    connection,
                    profile,
                    offered: Millis(0),
                };
                ledger.offer(lane, operation);
            }
            None => ledger.is_final((tx.db, &mut *tx.books), visit.visit, visit.step, visit.to, &visit.reason)?,
        }
        corrected += 1;
    }
    let mut changes = correction.membership;
    if merging::any(tx.db)? {
        // Whoever went on in another is sent anew as that one: this is about identifiers that are no longer asked for.
        let mut stays = Vec::with_capacity(changes.len());
        for change in changes {
            if merging::survivor(tx.db, change.profile)? == change.profile {
                stays.push(change);
            }
        }
        changes = stays;
    }
    membership::apply(tx.db, lane, &changes, true)?;
    let mut offers = Vec::new();
    for undone in &correction.undone {
        let Undone { profile, operation, reason } = undone;
        match (operation, &newer, unprocessed) {
            (Some((seq, _)), ..) if Line::of(*seq) == Line::Owed => {
                let waits = correction.unprocessed.as_ref().map_or(&[][..], |unprocessed| unprocessed.waits.as_slice());
                owed::reopen(tx, (lane, *seq), *profile, reason, waits)?;
            }
            (_, Some(newer), _) if newer.ended.contains(profile) => {}
            (Some((_, step)), _, Some(Action::Remove)) => {
                let (action, origin) = (Action::Remove, Origin::TakeBack);
                offers.push(Offer { lane, profile: *profile, action, origin, step: *step });
            }
            (_, Some(newer), Some(_)) if !newer.waits.contains(profile) => {
                let known = membership::of(tx.db, [lane].into_iter(), *profile)?;
                offers.extend(
                    known.iter().filter_map(|(_, known)| claims::again(lane, *profile, known, Origin::Renewal)),
                );
            }
            _ => {}
        }
    }
    owed::offer_into(tx, &mut ledger, &offers)?;
    let mut count =
        tx.db.prepare_cached("INSERT INTO judged VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = excluded.n")?;
    for (reason, n) in &correction.counts {
        count.execute((part.0, reason, n))?;
    }
    match correction.again {
        Some(due) => postpone(tx.db, part, due)?,
        None => {
            tx.db.prepare_cached("DELETE FROM follow_up WHERE part = ?1")?.execute([part.0])?;
            tx.db.prepare_cached("UPDATE part SET pending = NULL WHERE id = ?1")?.execute([part.0])?;
            drop_riders(tx.db, part)?;
            parts::prune(tx.db, lane)?;
        }
    }
    ledger.keep(tx)?;
    Ok(corrected)
}

/// Visits that wait although they were final: they are sent again.
pub(crate) fn resent(db: &Connection) -> Done<HashSet<VisitId>> {
    let mut visits = HashSet::new();
    counters::waiting_operations(db, |_, op, _| {
        if op.origin == Origin::Resend {
            visits.insert(op.visit);
        }
    })?;
    Ok(visits)
}

/// Sends visits again; gives how many, and how far it came.
pub(crate) fn resend(tx: &mut Tx<'_>, resend: &Resend) -> Done<Resent> {
    tx.books.hear(resend.now);
    tx.books.step(resend.version, resend.step)?;
    let Again::Queued { lane: to, connection, action } = resend.to else { return crate::recalls::resend(tx, resend) };
    if connection >= tx.books.connections {
        return Err(Fail::impossible("a resend names a connection that was never interned"));
    }
    let (found, next) = asked_for(tx.db, resend)?;
    let first = to.0;
    let stripes: HashSet<LaneId> = (first..first + tx.books.lane(to)?.stripes).map(LaneId).collect();
    // Whatever of the person waits in the lane is newer than what has ended.
    let mut busy: HashSet<ProfileId> = HashSet::new();
    counters::waiting_operations(tx.db, |lane, op, _| {
        if stripes.contains(&lane) {
            busy.insert(op.profile);
        }
    })?;
    let mut entries = Entries::new(tx.db);
    let mut ledger = Ledger::new(resend.now, None);
    let mut resent = Resent { next, ..Resent::default() };
    for (done, ended) in found {
        let profile = entries.get(done.visit.entry)?.profile;
        let lane = tx.books.stripe_of(to, profile)?;
        let newer = membership::of(tx.db, [lane].into_iter(), profile)?.iter().any(|(_, known)| known.newest > ended);
        if newer || !busy.insert(profile) {
            resent.overtaken += 1;
            continue;
        }
        resent.offered += 1;
        ledger.was_final((done.version, done.step), done.status, done.reason);
        ledger.offer(
            lane,
            Operation {
                seq: 0,
                action,
                parks: false,
                origin: Origin::Resend,
                visit: done.visit,
                version: done.version,
                step: done.step,
                connection,
                profile,
                offered: Millis(0),
            },
        );
    }
    ledger.keep(tx)?;
    Ok(resent)
}

/// A final visit, with when it became so.
pub(crate) type Ended = (Final, Millis);

/// The newest of the final visits that a resend asks for; and how far it came, where there are more.
pub(crate) fn asked_for(db: &Connection, resend: &Resend) -> Done<(Vec<Ended>, Option<VisitId>)> {
    let limit = resend.limit.max(1);
    let mut found: Vec<Ended> = Vec::new();
    let mut more = false;
    // One person's newest comes first, and is the one that is sent again. Records are in the order in which visits became
    // final, so all are looked at, and no more than two pages kept.
    let newest_first = |found: &mut Vec<Ended>| {
        found.sort_unstable_by_key(|(done, _)| std::cmp::Reverse(done.visit));
        let cut = found.len() > limit;
        found.truncate(limit);
        cut
    };
    counters::each_final(db, (resend.version, resend.step), |done, at, reason| {
        let asked = done.status == resend.status && resend.reason.as_deref().is_none_or(|code| reason.code == code);
        if asked && resend.before.is_none_or(|before| done.visit < before) {
            found.push((*done, at));
            if found.len() >= limit.saturating_mul(2) {
                more |= newest_first(&mut found);
            }
        }
        Ok(true)
    })?;
    more |= newest_first(&mut found);
    let next = found.last().filter(|_| more).map(|(done, _)| done.visit);
    Ok((found, next))
}
