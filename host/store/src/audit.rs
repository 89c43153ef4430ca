//! The audit: everything counted anew from the rows, against what the counters say.
use crate::books::mistyped;
use crate::calling;
use crate::contract::Origin;
use crate::counters::{reasons, waiting_operations};
use crate::fail::{Done, Fail};
use crate::membership;
use crate::owed;
use crate::recalls;
use crate::records::{Entries, Final, unpack_entries, unpack_finals};
use crate::schema;
use caravan_model::{EntryId, LaneId, Millis, Status, StepIx, VersionId, VisitId};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Key = (i64, u16, u8, i64);

/// As rows keep it.
const FAILED: u8 = Status::Failed as u8;

/// The books being checked.
#[derive(Default)]
struct Audit {
    off: Vec<String>,
    /// What the rows say, by counter.
    counted: BTreeMap<Key, i64>,
    /// The newest final word on each visit.
    stands: HashMap<VisitId, (Key, i64, i64)>,
    /// (entry, ordinal) of every visit.
    visits: Vec<(i64, u32)>,
    /// Where open entries rest: how often each.
    resting: HashMap<i64, u32>,
}

/// What is off, in words; empty = the books balance. Holds a few dozen bytes per visit while it runs.
pub(crate) fn audit(db: &Connection) -> Done<Vec<String>> {
    let mut audit = Audit::default();
    let exited = ids(db, "SELECT entry FROM exited")?;
    let open = ids(db, "SELECT entry FROM guard WHERE open = 1")?;
    audit.finals(db)?;
    audit.folded(db)?;
    audit.positions(db)?;
    audit.lanes(db, &exited)?;
    audit.recalls(db)?;
    audit.counters(db)?;
    audit.census(db, &open)?;
    audit.rests(&open);
    audit.ways();
    let orphans = owed::orphans(db)?;
    if orphans > 0 {
        audit.off.push(format!("{orphans} removals owed and receipts do not belong together"));
    }
    let strays = calling::strays(db)?;
    if strays > 0 {
        audit.off.push(format!("{strays} calls of endpoints belong to nobody who waits for one"));
    }
    for (lane, profile) in membership::strays(db)? {
        audit.off.push(format!("a membership of profile {profile} in lane {lane}, one of which does not exist"));
    }
    Ok(audit.off)
}

fn ids(db: &Connection, sql: &str) -> Done<BTreeSet<i64>> {
    let mut select = db.prepare_cached(sql)?;
    let rows = select.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Audit {
    fn waits(&mut self, version: VersionId, step: StepIx) {
        *self.counted.entry((version.0, step.0, Status::Waiting.number(), 0)).or_default() += 1;
    }

    fn finals(&mut self, db: &Connection) -> Done<()> {
        let mut select = db.prepare_cached("SELECT body, part, at FROM visit ORDER BY n")?;
        let mut rows = select.query([])?;
        let mut finals: Vec<Final> = Vec::new();
        while let Some(row) = rows.next()? {
            finals.clear();
            unpack_finals(row.get_ref(0)?.as_blob().map_err(mistyped)?, &mut finals)?;
            for done in &finals {
                let key = (done.version.0, done.step.0, done.status.number(), done.reason);
                *self.counted.entry(key).or_default() += 1;
                // Only the newest word on a visit counts, and no call says the same twice.
                let word = (key, row.get(1)?, row.get(2)?);
                if let Some(before) = self.stands.insert(done.visit, word) {
                    *self.counted.entry(before.0).or_default() -= 1;
                    if before == word {
                        self.off.push(format!("a visit of entry {} became final twice at once", done.visit.entry));
                    }
                }
            }
        }
        Ok(())
    }

    /// Visits that were folded away have their counts alone.
    fn folded(&mut self, db: &Connection) -> Done<()> {
        if !schema::has(db, "folded")? {
            return Ok(());
        }
        let mut select = db.prepare_cached("SELECT version, step, status, reason, n FROM folded")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            *self.counted.entry(key).or_default() += row.get::<_, i64>(4)?;
        }
        Ok(())
    }

    fn positions(&mut self, db: &Connection) -> Done<()> {
        let mut select = db.prepare_cached("SELECT entry, ordinal, version, step, arrives FROM position")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (entry, ordinal) = (row.get(0)?, row.get(1)?);
            *self.resting.entry(entry).or_default() += 1;
            if !row.get::<_, bool>(4)? {
                self.visits.push((entry, ordinal));
                self.waits(VersionId(row.get(2)?), StepIx(row.get(3)?));
            }
        }
        Ok(())
    }

    fn lanes(&mut self, db: &Connection, exited: &BTreeSet<i64>) -> Done<()> {
        let mut numbers: BTreeMap<LaneId, (i64, i64, i64)> = BTreeMap::new();
        waiting_operations(db, |lane, op, sealed| {
            let numbers = numbers.entry(lane).or_default();
            numbers.0 += 1;
            numbers.1 += i64::from(sealed);
            numbers.2 += i64::from(op.origin.is_owed());
            if !op.origin.has_visit() {
                return;
            }
            if op.origin == Origin::Resend
                && let Some((key, ..)) = self.stands.remove(&op.visit)
            {
                *self.counted.entry(key).or_default() -= 1;
            }
            self.visits.push((op.visit.entry.0, op.visit.ordinal));
            self.waits(op.version, op.step);
            if op.parks && !exited.contains(&op.visit.entry.0) {
                *self.resting.entry(op.visit.entry.0).or_default() += 1;
            }
        })?;
        let mut select = db.prepare_cached("SELECT id, waiting, sealed, owed FROM lane")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (lane, kept) = (LaneId(row.get(0)?), (row.get(1)?, row.get(2)?, row.get(3)?));
            let counted = numbers.get(&lane).copied().unwrap_or_default();
            if counted != kept {
                self.off.push(format!(
                    "lane {lane} counts {} waiting, {} sealed, {} owed; its rows say {}, {}, {}",
                    kept.0, kept.1, kept.2, counted.0, counted.1, counted.2
                ));
            }
        }
        Ok(())
    }

    /// Calls that are made once more wait, whatever their visits were before; the others that are kept had failed.
    fn recalls(&mut self, db: &Connection) -> Done<()> {
        for again in recalls::waiting(db)? {
            if let Some((key, ..)) = self.stands.remove(&again.visit) {
                *self.counted.entry(key).or_default() -= 1;
            }
            self.visits.push((again.visit.entry.0, again.visit.ordinal));
            self.waits(again.version, again.step);
        }
        let failed = |visit| self.stands.get(visit).is_some_and(|((_, _, status, _), ..)| *status == FAILED);
        let strays = recalls::resting(db)?.iter().filter(|visit| !failed(visit)).count();
        if strays > 0 {
            self.off.push(format!("{strays} calls of endpoints are kept as failed whose visits did not fail"));
        }
        Ok(())
    }

    fn counters(&mut self, db: &Connection) -> Done<()> {
        let reasons = reasons(db)?;
        let mut kept: BTreeMap<Key, i64> = BTreeMap::new();
        let mut select = db.prepare_cached("SELECT version, step, status, reason, n FROM counter WHERE n <> 0")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            kept.insert((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?);
        }
        let keys: BTreeSet<Key> = kept.keys().chain(self.counted.keys()).copied().collect();
        for key in keys {
            let (kept, counted) = (kept.get(&key).copied().unwrap_or(0), self.counted.get(&key).copied().unwrap_or(0));
            if kept != counted {
                let (version, step, status, reason) = key;
                let status = Status::from_number(status).map_or("?", Status::word);
                let reason = reasons.get(&reason).map_or("?", |reason| &reason.code);
                self.off.push(format!(
                    "version {version}, step {step}, {status} {reason}: the counter says {kept}, the rows {counted}"
                ));
            }
        }
        Ok(())
    }

    fn census(&mut self, db: &Connection, open: &BTreeSet<i64>) -> Done<()> {
        let mut counted: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let mut select = db.prepare_cached("SELECT first, n, version, body FROM entry ORDER BY first")?;
        let mut rows = select.query([])?;
        let mut next = 1;
        while let Some(row) = rows.next()? {
            let (first, n, version): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let body = row.get_ref(3)?.as_blob().map_err(mistyped)?;
            if first != next || unpack_entries(first, VersionId(version), Millis(0), body)?.len() as i64 != n {
                self.off.push(format!("the chunk of entries from {first} on does not follow the one before"));
            }
            next = first + n;
            counted.entry(version).or_default().0 += n;
        }
        let mut entries = Entries::new(db);
        for &entry in open {
            match entries.get(EntryId(entry)) {
                Ok(entry) => counted.entry(entry.version.0).or_default().1 += 1,
                Err(Fail::Told(error)) => self.off.push(format!("entry {entry} is open, but {error}")),
                Err(fail) => return Err(fail),
            }
        }
        let mut select = db.prepare_cached(
            "SELECT census.version, census.entered, open, (SELECT ifnull(sum(entered), 0) FROM intake
             WHERE intake.version = census.version) FROM census",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (version, entered, open, by_source): (i64, i64, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let counted = counted.remove(&version).unwrap_or_default();
            if counted != (entered, open) || by_source != entered {
                self.off.push(format!(
                    "version {version} counts {entered} entered, {open} open; its rows say {}, {}, its sources {by_source}",
                    counted.0, counted.1
                ));
            }
        }
        self.off.extend(counted.keys().map(|version| format!("version {version} has entries, but counts none")));
        Ok(())
    }

    /// Every open entry rests in exactly one place, an ended one in none.
    fn rests(&mut self, open: &BTreeSet<i64>) {
        for entry in open.iter().filter(|entry| !self.resting.contains_key(entry)) {
            self.off.push(format!("entry {entry} is open but rests nowhere"));
        }
        for (entry, times) in &self.resting {
            if !open.contains(entry) {
                self.off.push(format!("entry {entry} has ended but still rests somewhere"));
            } else if *times != 1 {
                self.off.push(format!("entry {entry} rests in {times} places"));
            }
        }
    }

    /// Every entry's visits are numbered without a gap and stand there once.
    fn ways(&mut self) {
        self.visits.extend(self.stands.keys().map(|visit| (visit.entry.0, visit.ordinal)));
        self.visits.sort_unstable();
        for way in self.visits.chunk_by(|a, b| a.0 == b.0) {
            if !way.iter().zip(0..).all(|((_, ordinal), place)| *ordinal == place) {
                let ordinals: Vec<u32> = way.iter().map(|(_, ordinal)| *ordinal).collect();
                self.off.push(format!("entry {} has the visits {ordinals:?}", way[0].0));
            }
        }
    }
}
