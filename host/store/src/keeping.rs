//! How long things are kept: old events become summaries, visits of entries that ended long ago become sums.
//!
//! Both sweeps look at a bounded number of rows in each call and say where to go on. A visit is folded with its whole
//! entry, once that has ended, nothing of it waits or is judged later, and its newest final status is old: the counts go
//! to `folded`, which the audit adds to what it counts. So counters never move, and no entry is left with a gap.
use crate::books::mistyped;
use crate::contract::{Cursor, Sweep, Swept};
use crate::counters::waiting_operations;
use crate::fail::Done;
use crate::pack::{Packer, Unpacker};
use crate::parts;
use crate::recalls;
use crate::records::{Entries, Final, pack_finals, unpack_finals};
use crate::schema::{self, key};
use crate::writer::Tx;
use caravan_model::{Duration, EntryId, Event, Millis, PartId, ProfileId, VisitId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Times of dropped events that are remembered, by name (design, 11.16).
const TIMES: usize = 256;
/// For how long they are.
const TIMED: Duration = Duration::DAY.times(400);
/// Events beyond those times of which a reader hears, all at the time of the first.
const BEYOND: u64 = 10_000;

/// What stays of events of one person and name that were dropped.
#[derive(Clone, Debug, Default, PartialEq)]
struct Past {
    /// How many.
    n: u64,
    /// When the first was.
    first: i64,
    /// When the newest were, oldest first.
    times: Vec<i64>,
}

impl Past {
    fn read(n: i64, first: i64, times: &[u8]) -> Done<Past> {
        let mut blob = Unpacker::new(times)?;
        let (mut times, mut at) = (Vec::new(), 0i64);
        while !blob.is_done() {
            at = at.wrapping_add(blob.signed()?);
            times.push(at);
        }
        Ok(Past { n: n as u64, first, times })
    }

    fn add(&mut self, times: &[i64], now: Millis) {
        let before = self.n;
        self.n += times.len() as u64;
        let first = times.iter().min().copied().unwrap_or(self.first);
        self.first = if before == 0 { first } else { self.first.min(first) };
        self.times.extend(times);
        self.times.sort_unstable();
        let kept = now.before(TIMED).0;
        let forgotten = self.times.partition_point(|at| *at < kept).max(self.times.len().saturating_sub(TIMES));
        self.times.drain(..forgotten);
    }

    /// The same with another's.
    fn join(&mut self, other: Past, now: Millis) {
        let first = match self.n {
            0 => other.first,
            _ => self.first.min(other.first),
        };
        let n = self.n + other.n;
        self.add(&other.times, now);
        (self.n, self.first) = (n, first);
    }

    fn packed(&self) -> Vec<u8> {
        let mut blob = Packer::with_capacity(self.times.len() * 6 + 8);
        let mut last = 0;
        for at in &self.times {
            blob.signed(at - last);
            last = *at;
        }
        blob.done()
    }

    /// As readers hear of them: without properties.
    fn events(&self, name: &str) -> impl Iterator<Item = Event> {
        let bare = |at: i64| Event { name: name.to_owned(), at: Millis(at), properties: serde_json::Map::new() };
        let beyond = self.n.saturating_sub(self.times.len() as u64).min(BEYOND);
        (0..beyond).map(move |_| bare(self.first)).chain(self.times.iter().map(move |at| bare(*at)))
    }
}

/// Whether any event was ever dropped.
pub(crate) fn any_past(db: &Connection) -> Done<bool> {
    Ok(schema::has(db, "event_past")?
        && db.prepare_cached("SELECT EXISTS (SELECT 1 FROM event_past)")?.query_row([], |row| row.get(0))?)
}

/// Adds what stays of a person's dropped events with these names (all, where none is given), and puts all in order.
pub(crate) fn past_of(db: &Connection, profile: ProfileId, names: &[String], into: &mut Vec<Event>) -> Done<()> {
    let mut select = db.prepare_cached("SELECT name, n, first, times FROM event_past WHERE profile = ?1")?;
    let mut rows = select.query([profile.0])?;
    let mut any = false;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str().map_err(mistyped)?;
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            let times = row.get_ref(3)?.as_blob().map_err(mistyped)?;
            into.extend(Past::read(row.get(1)?, row.get(2)?, times)?.events(name));
            any = true;
        }
    }
    if any {
        into.sort_by_key(|event| event.at);
    }
    Ok(())
}

/// Drops events that happened before, out of the next `limit` rows.
pub(crate) fn drop_events(tx: &mut Tx<'_>, sweep: &Sweep) -> Done<Swept> {
    let Sweep { before, after, limit, now } = *sweep;
    tx.books.hear(now);
    let db = tx.db;
    let mut select = db.prepare_cached(
        "SELECT profile, n, at, name FROM event WHERE (profile, n) > (?1, ?2) ORDER BY profile, n LIMIT ?3",
    )?;
    let mut rows = select.query((after.0, after.1, limit.max(1) as i64))?;
    let (mut seen, mut last) = (0, after);
    let mut old: Vec<(i64, i64)> = Vec::new();
    let mut times: BTreeMap<(i64, String), Vec<i64>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        last = Cursor(row.get(0)?, row.get(1)?);
        seen += 1;
        let at: i64 = row.get(2)?;
        if at < before.0 {
            old.push((last.0, last.1));
            times.entry((last.0, row.get(3)?)).or_default().push(at);
        }
    }
    drop(rows);
    let mut drop = db.prepare_cached("DELETE FROM event WHERE profile = ?1 AND n = ?2")?;
    for row in &old {
        drop.execute(*row)?;
    }
    for ((profile, name), times) in times {
        add_past(db, profile, &name, &times, now)?;
    }
    Ok(Swept { done: old.len() as u64, next: (seen == limit.max(1)).then_some(last) })
}

fn add_past(db: &Connection, profile: i64, name: &str, times: &[i64], now: Millis) -> Done<()> {
    let mut past = read_past(db, profile, name)?;
    past.add(times, now);
    write_past(db, profile, name, &past)
}

fn read_past(db: &Connection, profile: i64, name: &str) -> Done<Past> {
    let known = db
        .prepare_cached("SELECT n, first, times FROM event_past WHERE profile = ?1 AND name = ?2")?
        .query_row((profile, name), |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
        .optional()?;
    match known {
        Some((n, first, times)) => Past::read(n, first, &times),
        None => Ok(Past::default()),
    }
}

fn write_past(db: &Connection, profile: i64, name: &str, past: &Past) -> Done<()> {
    db.prepare_cached("INSERT OR REPLACE INTO event_past VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
        profile,
        name,
        past.n as i64,
        past.first,
        past.packed(),
    ))?;
    Ok(())
}

/// What stays of one person's events becomes another's.
pub(crate) fn join_past(db: &Connection, survivor: ProfileId, other: ProfileId, now: Millis) -> Done<()> {
    let mut select = db.prepare_cached("SELECT name, n, first, times FROM event_past WHERE profile = ?1")?;
    let mut rows = select.query([other.0])?;
    let mut pasts = Vec::new();
    while let Some(row) = rows.next()? {
        let past = Past::read(row.get(1)?, row.get(2)?, row.get_ref(3)?.as_blob().map_err(mistyped)?)?;
        pasts.push((row.get::<_, String>(0)?, past));
    }
    drop(rows);
    for (name, past) in pasts {
        let mut whole = read_past(db, survivor.0, &name)?;
        whole.join(past, now);
        write_past(db, survivor.0, &name, &whole)?;
    }
    forget_past(db, other)
}

/// Forgets what stays of an erased person's events.
pub(crate) fn forget_past(db: &Connection, profile: ProfileId) -> Done<()> {
    db.prepare_cached("DELETE FROM event_past WHERE profile = ?1")?.execute([profile.0])?;
    Ok(())
}

/// A record of final visits.
struct Record {
    n: i64,
    at: i64,
    part: i64,
    finals: Vec<Final>,
}

/// Folds visits of entries whose last word was said before, out of the next `limit` records.
pub(crate) fn fold_visits(tx: &mut Tx<'_>, sweep: &Sweep) -> Done<Swept> {
    let Sweep { before, after, limit, now } = *sweep;
    tx.books.hear(now);
    let db = tx.db;
    // Records are in the order of time: the first that is young enough ends the sweep.
    let mut select = db.prepare_cached("SELECT n, bucket, at FROM visit WHERE n > ?1 ORDER BY n LIMIT ?2")?;
    let mut rows = select.query((after.0, limit.max(1) as i64))?;
    let (mut seen, mut next, mut buckets) = (0, None, BTreeSet::new());
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(2)? >= before.0 {
            next = None;
            break;
        }
        seen += 1;
        next = (seen == limit.max(1)).then_some(Cursor(row.get(0)?, 0));
        buckets.insert(row.get::<_, i64>(1)?);
    }
    drop(rows);
    let mut done = 0;
    if !buckets.is_empty() {
        let busy = busy(db)?;
        for bucket in buckets {
            done += fold_bucket(tx, bucket, before, &busy)?;
        }
    }
    Ok(Swept { done, next })
}

/// Entries of which something waits, and parts that are judged later.
struct Busy {
    entries: HashSet<EntryId>,
    parts: HashSet<i64>,
}

fn busy(db: &Connection) -> Done<Busy> {
    let mut entries = HashSet::new();
    waiting_operations(db, |_, op, _| {
        if op.origin.has_visit() {
            entries.insert(op.visit.entry);
        }
    })?;
    entries.extend(recalls::waiting(db)?.iter().map(|again| again.visit.entry));
    let mut select = db.prepare_cached("SELECT part FROM follow_up")?;
    let parts = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(Busy { entries, parts })
}

fn fold_bucket(tx: &mut Tx<'_>, bucket: i64, before: Millis, busy: &Busy) -> Done<u64> {
    let db = tx.db;
    let mut records = Vec::new();
    let mut select = db.prepare_cached("SELECT n, at, part, body FROM visit WHERE bucket = ?1 ORDER BY n")?;
    let mut rows = select.query([bucket])?;
    while let Some(row) = rows.next()? {
        let mut finals = Vec::new();
        unpack_finals(row.get_ref(3)?.as_blob().map_err(mistyped)?, &mut finals)?;
        records.push(Record { n: row.get(0)?, at: row.get(1)?, part: row.get(2)?, finals });
    }
    drop(rows);
    // Whether an entry's records are all old.
    let mut old: HashMap<EntryId, bool> = HashMap::new();
    for record in &records {
        for done in &record.finals {
            let is_old = record.at < before.0 && !busy.parts.contains(&record.part);
            *old.entry(done.visit.entry).or_insert(true) &= is_old;
        }
    }
    let mut entries = Entries::new(db);
    let mut over: BTreeSet<EntryId> = BTreeSet::new();
    let mut old: Vec<EntryId> = old.into_iter().filter(|(_, is_old)| *is_old).map(|(entry, _)| entry).collect();
    old.sort_unstable();
    for entry in old.into_iter().filter(|entry| !busy.entries.contains(entry)) {
        let known = entries.get(entry)?;
        let canvas = tx.books.version(known.version)?.canvas;
        let is_open: bool = db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM guard WHERE key = ?1 AND entry = ?2 AND open = 1)")?
            .query_row((key(canvas, known.profile.0)?, entry.0), |row| row.get(0))?;
        if !is_open {
            over.insert(entry);
        }
    }
    let mut stands: BTreeMap<VisitId, Final> = BTreeMap::new();
    for record in &mut records {
        let (gone, kept): (Vec<Final>, Vec<Final>) =
            record.finals.iter().copied().partition(|done| over.contains(&done.visit.entry));
        if gone.is_empty() {
            continue;
        }
        if kept.is_empty() {
            db.prepare_cached("DELETE FROM visit WHERE n = ?1")?.execute([record.n])?;
        } else {
            db.prepare_cached("UPDATE visit SET body = ?2 WHERE n = ?1")?.execute((record.n, pack_finals(&kept)))?;
        }
        if record.part > 0 {
            // By these visits alone an erasure would find the rows that were sent.
            parts::drop_rows(db, PartId(record.part))?;
        }
        // A correction replaces what stood there: the newest record counts.
        stands.extend(gone.into_iter().map(|done| (done.visit, done)));
    }
    for entry in &over {
        recalls::forget(db, *entry)?;
    }
    let mut fold = db.prepare_cached(
        "INSERT INTO folded VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET n = n + excluded.n",
    )?;
    let mut counts: BTreeMap<(i64, u16, u8, i64), i64> = BTreeMap::new();
    for done in stands.values() {
        *counts.entry((done.version.0, done.step.0, done.status.number(), done.reason)).or_default() += 1;
    }
    for ((version, step, status, reason), n) in counts {
        fold.execute((version, step, status, reason, n))?;
    }
    Ok(stands.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_of_events_counts_all_and_times_the_newest() {
        let day = Duration::DAY.0 as i64;
        let now = Millis(500 * day);
        let mut past = Past::default();
        past.add(&[450 * day, 50 * day], now);
        past.add(&(0..300).map(|n| 460 * day + n).collect::<Vec<_>>(), now);
        assert_eq!((past.n, past.first, past.times.len()), (302, 50 * day, TIMES));
        let read = Past::read(past.n as i64, past.first, &past.packed()).unwrap();
        assert_eq!(read, past);
        let events: Vec<Event> = read.events("open").collect();
        assert_eq!(events.len(), 302);
        assert!(events.iter().all(|event| event.properties.is_empty()));
        assert_eq!(events.iter().filter(|event| event.at == Millis(50 * day)).count(), 302 - TIMES);
        // What was over 400 days ago has no time of its own any more.
        let mut old = Past::default();
        old.add(&[day, 2 * day], now);
        assert_eq!((old.n, old.times.len()), (2, 0));
    }
}
