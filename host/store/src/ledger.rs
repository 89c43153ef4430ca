//! What one call changes, gathered while it runs and written in sets at its end: final visits, counters, offers.
use crate::books::{Books, next};
use crate::fail::{Done, Fail};
use crate::records::{Final, Line, OPERATIONS, Operation, bucket_of, pack_finals, pack_operations};
use crate::writer::Tx;
use caravan_model::{Digest, LaneId, Millis, PartId, Reason, Status, StepIx, VersionId, VisitId};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The gathered changes of one call.
#[derive(Debug)]
pub(crate) struct Ledger {
    now: Millis,
    part: Option<PartId>,
    finals: Vec<Final>,
    counts: HashMap<(VersionId, StepIx, Status, i64), i64>,
    census: BTreeMap<VersionId, (i64, i64)>,
    offers: BTreeMap<LaneId, Vec<Operation>>,
    lanes: BTreeSet<LaneId>,
    reason: (Reason, i64),
}

/// A quarter of an hour, in milliseconds.
pub(crate) const QUARTER: i64 = 15 * 60 * 1_000;

/// Writes operations with seqs in a row to the end of a line.
pub(crate) fn keep_chunks(db: &Connection, line: Line, lane: LaneId, operations: &[Operation]) -> Done<()> {
    let mut insert = db.prepare_cached(&format!("INSERT INTO {} VALUES (?1, ?2, ?3, ?4)", line.table()))?;
    for chunk in operations.chunks(OPERATIONS) {
        let (first, offered) = (chunk[0].seq, chunk[0].offered);
        insert.execute((line.key(lane, first)?, chunk.len() as i64, offered.0, pack_operations(chunk)))?;
    }
    Ok(())
}

impl Ledger {
    /// Of a call at this time, on behalf of a part or none.
    pub(crate) fn new(now: Millis, part: Option<PartId>) -> Ledger {
        Ledger {
            now,
            part,
            finals: Vec::new(),
            counts: HashMap::new(),
            census: BTreeMap::new(),
            offers: BTreeMap::new(),
            lanes: BTreeSet::new(),
            reason: (Reason::none(), 0),
        }
    }

    /// When the call is.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// The part on whose behalf.
    pub(crate) fn part(&self) -> Option<PartId> {
        self.part
    }

    fn count(&mut self, version: VersionId, step: StepIx, status: Status, reason: i64, by: i64) {
        *self.counts.entry((version, step, status, reason)).or_default() += by;
    }

    /// Entries began, or (negative) their opening was undone.
    pub(crate) fn began(&mut self, version: VersionId, entries: i64) {
        let census = self.census.entry(version).or_default();
        census.0 += entries;
        census.1 += entries;
    }

    /// An open entry ended.
    pub(crate) fn ended(&mut self, version: VersionId) {
        self.census.entry(version).or_default().1 -= 1;
    }

    /// An open entry came from another version.
    pub(crate) fn came(&mut self, version: VersionId) {
        self.census.entry(version).or_default().1 += 1;
    }

    /// A visit begins to wait.
    pub(crate) fn waits(&mut self, version: VersionId, step: StepIx) {
        self.count(version, step, Status::Waiting, 0, 1);
    }

    /// A waiting visit becomes final.
    pub(crate) fn was_waiting(&mut self, version: VersionId, step: StepIx) {
        self.count(version, step, Status::Waiting, 0, -1);
    }

    /// A visit is final.
    pub(crate) fn is_final(
        &mut self,
        (db, books): (&Connection, &mut Books),
        visit: VisitId,
        (version, step): (VersionId, StepIx),
        status: Status,
        reason: &Reason,
    ) -> Done<()> {
        if status == Status::Waiting {
            return Err(Fail::impossible(format!("`waiting` is no final status (entry {})", visit.entry)));
        }
        if self.reason.0 != *reason {
            self.reason = (reason.clone(), books.reason(db, reason)?);
        }
        let reason = self.reason.1;
        self.count(version, step, status, reason, 1);
        self.finals.push(Final { visit, version, step, status, reason });
        Ok(())
    }

    /// A visit that was final waits again, or is corrected: what it counted is taken back.
    pub(crate) fn was_final(&mut self, (version, step): (VersionId, StepIx), status: Status, reason: i64) {
        self.count(version, step, status, reason, -1);
    }

    /// An operation is offered; its seq and time are given when the call ends.
    pub(crate) fn offer(&mut self, lane: LaneId, operation: Operation) {
        self.offers.entry(lane).or_default().push(operation);
        if operation.origin.has_visit() {
            self.waits(operation.version, operation.step);
        }
    }

    /// An operation comes from another lane: its visit waits already.
    pub(crate) fn take_over(&mut self, lane: LaneId, operation: Operation) {
        self.offers.entry(lane).or_default().push(operation);
    }

    /// A lane's numbers have changed in the books.
    pub(crate) fn touch(&mut self, lane: LaneId) {
        self.lanes.insert(lane);
    }

    /// Writes it all.
    pub(crate) fn keep(mut self, tx: &mut Tx<'_>) -> Done<()> {
        self.keep_offers(tx)?;
        self.keep_finals(tx)?;
        self.keep_counts(tx.db)?;
        self.keep_quarters(tx.db)?;
        let mut update = tx.db.prepare_cached(
            "UPDATE lane SET next_seq = ?2, waiting = ?3, sealed = ?4, connection = ?5, next_owed = ?6, owed = ?7
             WHERE id = ?1",
        )?;
        for lane in self.lanes {
            let facts = tx.books.lane(lane)?;
            if facts.waiting < facts.sealed || facts.sealed < 0 || facts.owed < 0 || facts.waiting < facts.owed {
                return Err(Fail::impossible(format!("lane {lane} would have fewer operations than none")));
            }
            update.execute((
                lane.0,
                facts.next_seq,
                facts.waiting,
                facts.sealed,
                facts.connection,
                facts.next_owed,
                facts.owed,
            ))?;
        }
        Ok(())
    }

    fn keep_offers(&mut self, tx: &mut Tx<'_>) -> Done<()> {
        for (lane, mut operations) in std::mem::take(&mut self.offers) {
            let facts = tx.books.lane(lane)?;
            for operation in &mut operations {
                operation.seq = if operation.origin.is_owed() {
                    Line::Owed.seq(next(&mut facts.next_owed))
                } else {
                    Line::Usual.seq(next(&mut facts.next_seq))
                };
                operation.offered = self.now;
            }
            facts.waiting += operations.len() as i64;
            facts.connection = operations.last().map_or(facts.connection, |last| last.connection.into());
            operations.sort_by_key(|operation| operation.seq);
            for line in operations.chunk_by(|a, b| a.origin.is_owed() == b.origin.is_owed()) {
                let owed = line[0].origin.is_owed();
                if owed {
                    tx.books.lane(lane)?.owed += line.len() as i64;
                    self.keep_receipts(tx.db, lane, line)?;
                }
                keep_chunks(tx.db, if owed { Line::Owed } else { Line::Usual }, lane, line)?;
            }
            self.lanes.insert(lane);
        }
        Ok(())
    }

    fn keep_receipts(&self, db: &Connection, lane: LaneId, operations: &[Operation]) -> Done<()> {
        let mut insert = db.prepare_cached(
            "INSERT INTO receipt VALUES (?1, ?2, ?3, ifnull((SELECT name FROM tombstone WHERE profile = ?3 ORDER BY at
             LIMIT 1), ?4), ?5, ?6, NULL, 0, 0, NULL)",
        )?;
        for op in operations {
            let known = crate::people::load(db, op.profile)?;
            let subject = known.map_or(Digest([0; 32]), |person| Digest::of(person.external_id.as_bytes()));
            insert.execute((lane.0, op.seq, op.profile.0, subject.0, op.origin as u8, self.now.0))?;
        }
        Ok(())
    }

    fn keep_finals(&mut self, tx: &mut Tx<'_>) -> Done<()> {
        let mut finals = std::mem::take(&mut self.finals);
        if !finals.is_sorted_by_key(|done| done.visit) {
            finals.sort_unstable_by_key(|done| done.visit);
        }
        let part = self.part.map_or(0, |part| part.0);
        let mut insert = tx.db.prepare_cached("INSERT INTO visit VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for chunk in finals.chunk_by(|a, b| bucket_of(a.visit.entry) == bucket_of(b.visit.entry)) {
            let n = next(&mut tx.books.numbers.visit);
            insert.execute((n, bucket_of(chunk[0].visit.entry), self.now.0, part, pack_finals(chunk)))?;
        }
        Ok(())
    }

    fn keep_quarters(&self, db: &Connection) -> Done<()> {
        let mut add = db.prepare_cached(
            "INSERT INTO quarter VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?;
        let quarter = self.now.0.div_euclid(QUARTER);
        let finals = self.counts.iter().filter(|((_, _, status, _), by)| *status != Status::Waiting && **by != 0);
        for (&(version, step, status, reason), &by) in finals {
            add.execute((version.0, quarter, step.0, status.number(), reason, by))?;
        }
        Ok(())
    }

    fn keep_counts(&self, db: &Connection) -> Done<()> {
        let below = |what| Fail::impossible(format!("{what} would count fewer than none"));
        let mut add = db.prepare_cached(
            "INSERT INTO counter VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET n = n + excluded.n RETURNING n",
        )?;
        for (&(version, step, status, reason), &by) in self.counts.iter().filter(|(_, by)| **by != 0) {
            let n: i64 = add.query_row((version.0, step.0, status.number(), reason, by), |row| row.get(0))?;
            if n < 0 {
                return Err(below(format!("{} at step {} of version {version}", status.word(), step.0)));
            }
        }
        let mut add = db.prepare_cached(
            "INSERT INTO census VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET entered = entered + excluded.entered, open = open + excluded.open RETURNING open",
        )?;
        for (&version, &(entered, open)) in self.census.iter().filter(|(_, by)| **by != (0, 0)) {
            let n: i64 = add.query_row((version.0, entered, open), |row| row.get(0))?;
            if n < 0 {
                return Err(below(format!("the open entries of version {version}")));
            }
        }
        Ok(())
    }
}
