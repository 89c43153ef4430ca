//! Letting people in, and ending entries by a signal.
use crate::books::next;
use crate::calling;
use crate::contract::{Caps, EnterBatch, Entered, EntryRoom, Move, NewestEntry};
use crate::documents;
use crate::fail::{Done, Fail};
use crate::ledger::Ledger;
use crate::merging;
use crate::people::People;
use crate::recalls;
use crate::records::{ENTRIES, Entries, pack_entries};
use crate::rests::{Rests, Walker};
use crate::schema::key;
use crate::writer::Tx;
use caravan_model::canvas::ReEntry;
use caravan_model::status::reason;
use caravan_model::{EntryId, Millis, ProfileId, Reason, Status, StepIx, VersionId, VisitId};
use rusqlite::{Connection, OptionalExtension};

/// How many rows of a source are done, and how many entered.
pub(crate) fn intake(db: &Connection, version: VersionId, source: &str) -> Done<(u64, u64)> {
    let found = db
        .prepare_cached("SELECT next_row, entered FROM intake WHERE version = ?1 AND source = ?2")?
        .query_row((version.0, source), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(found.map_or((0, 0), |(rows, entered)| (rows as u64, entered as u64)))
}

/// Lets people in.
pub(crate) fn enter(tx: &mut Tx<'_>, batch: EnterBatch) -> Done<Entered> {
    tx.books.hear(batch.now);
    let facts = tx.books.version(batch.version)?;
    documents::as_seen(tx.db, facts.canvas, &batch.seen)?;
    let (known, entered_before) = intake(tx.db, batch.version, &batch.source)?;
    let mut result = Entered::default();
    if !batch.candidates.is_sorted_by_key(|candidate| candidate.row) {
        return Err(Fail::impossible("the candidates of a chunk do not come by ascending row"));
    }
    if batch.candidates.last().is_some_and(|last| last.row >= batch.next_row) {
        return Err(Fail::impossible("a candidate's row is beyond the rows that the chunk says are done"));
    }

    let any_merged = merging::any(tx.db)?;
    let mut room = Room(left(tx.db, facts.canvas, batch.caps, batch.day, entered_before)?.least());
    let mut ledger = Ledger::new(batch.now, None);
    let mut begun: Vec<(ProfileId, Option<EntryId>)> = Vec::with_capacity(batch.candidates.len());
    let first = tx.books.numbers.entry;
    let mut rests = Rests::new(tx.db)?;
    let mut begin = tx.db.prepare_cached("INSERT INTO guard VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    let mut look = tx.db.prepare_cached("SELECT entry, started, open FROM guard WHERE key = ?1")?;
    let mut again = tx.db.prepare_cached("UPDATE guard SET entry = ?2, started = ?3, open = ?4 WHERE key = ?1")?;
    for candidate in &batch.candidates {
        if candidate.row < known {
            result.known_rows += 1;
            continue;
        }
        // Who was merged since the caller looked enters as the one that they go on in.
        let profile = if any_merged { merging::survivor(tx.db, candidate.profile)? } else { candidate.profile };
        if !(1..tx.books.numbers.profile).contains(&profile.0) {
            return Err(Fail::impossible(format!("there is no profile {profile}")));
        }
        let entry = EntryId(tx.books.numbers.entry);
        let began = candidate.began.min(batch.now);
        let stays_open = !matches!(candidate.moves.last(), Some(Move::End));
        let key = key(facts.canvas, profile.0)?;
        let mut before = None;
        if room.is_full() || begin.execute((key, entry.0, began.0, stays_open))? == 0 {
            let found = look
                .query_row([key], |row| Ok((EntryId(row.get(0)?), Millis(row.get(1)?), row.get::<_, bool>(2)?)))
                .optional()?;
            if found.is_some_and(|(_, started, open)| open || !may_enter_again(batch.re_entry, started, began)) {
                result.kept_out += 1;
                continue;
            }
            if room.is_full() {
                result.capped += 1;
                continue;
            }
            again.execute((key, entry.0, began.0, stays_open))?;
            before = found.map(|(last, _, _)| last);
        }
        room.take();
        next(&mut tx.books.numbers.entry);
        begun.push((profile, before));
        ledger.began(batch.version, 1);
        let who = Walker { entry, version: batch.version, facts, profile };
        if rests.walk(tx.books, &mut ledger, who, 0, &candidate.moves)? {
            ledger.ended(batch.version);
        }
        result.entered += 1;
    }
    let mut insert = tx.db.prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (at, chunk) in begun.chunks(ENTRIES).enumerate() {
        let first = first + (at * ENTRIES) as i64;
        insert.execute((first, chunk.len() as i64, batch.version.0, batch.now.0, pack_entries(chunk)))?;
    }
    if result.entered > 0 {
        tx.db
            .prepare_cached("INSERT INTO admitted VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + excluded.n")?
            .execute((facts.canvas, batch.day.0, result.entered as i64))?;
    }
    if batch.next_row > known {
        let mut refuse = tx
            .db
            .prepare_cached("INSERT INTO refused VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + excluded.n")?;
        let capped = (result.capped > 0).then(|| (reason::CAPPED.to_owned(), result.capped));
        for (reason, n) in batch.refused.iter().chain(&capped) {
            refuse.execute((batch.version.0, reason, *n as i64))?;
        }
        tx.db
            .prepare_cached(
                "INSERT INTO intake VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET next_row = ?3, entered = ?4",
            )?
            .execute((
                batch.version.0,
                &batch.source,
                batch.next_row as i64,
                (entered_before + result.entered) as i64,
            ))?;
    }
    ledger.keep(tx)?;
    Ok(result)
}

/// How many more may enter.
struct Room(u64);

impl Room {
    fn is_full(&self) -> bool {
        self.0 == 0
    }

    fn take(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

/// How many more a canvas's caps let in: on a day, from a source from which so many entered.
fn left(db: &Connection, canvas: i64, caps: Caps, day: Millis, of_source: u64) -> Done<EntryRoom> {
    let one = |sql: &str, values: &[i64]| -> Done<u64> {
        let n: i64 = db.prepare_cached(sql)?.query_row(rusqlite::params_from_iter(values), |row| row.get(0))?;
        Ok(n as u64)
    };
    let mut room = EntryRoom { in_all: u64::MAX, a_day: u64::MAX, a_run: u64::MAX };
    if let Some(cap) = caps.in_all {
        let sql = "SELECT ifnull(sum(entered), 0) FROM census JOIN version ON id = version WHERE canvas = ?1";
        room.in_all = cap.saturating_sub(one(sql, &[canvas])?);
    }
    if let Some(cap) = caps.a_day {
        let sql = "SELECT ifnull(sum(n), 0) FROM admitted WHERE canvas = ?1 AND day = ?2";
        room.a_day = cap.saturating_sub(one(sql, &[canvas, day.0])?);
    }
    if let Some(cap) = caps.a_run {
        room.a_run = cap.saturating_sub(of_source);
    }
    Ok(room)
}

/// The same for whoever looks: of the version's canvas, for a source of which nobody entered yet.
pub(crate) fn room(db: &Connection, version: VersionId, caps: Caps, day: Millis) -> Done<EntryRoom> {
    left(db, canvas_of(db, version)?, caps, day, 0)
}

/// The newest entries of people into a version's canvas; who never entered is left out.
pub(crate) fn newest(db: &Connection, version: VersionId, profiles: &[ProfileId]) -> Done<Vec<NewestEntry>> {
    let canvas = canvas_of(db, version)?;
    let mut look = db.prepare_cached("SELECT entry, started, open FROM guard WHERE key = ?1")?;
    let mut entries = Entries::new(db);
    let people = People::read(db, profiles.iter().copied())?;
    let mut found = Vec::new();
    for &profile in profiles {
        let guard = look
            .query_row([key(canvas, profile.0)?], |row| Ok((EntryId(row.get(0)?), Millis(row.get(1)?), row.get(2)?)))
            .optional()?;
        let Some((entry, began, open)) = guard else { continue };
        let version = entries.get(entry)?.version;
        found.push(NewestEntry { profile, person: people.get(profile), version, began, open });
    }
    Ok(found)
}

fn canvas_of(db: &Connection, version: VersionId) -> Done<i64> {
    db.prepare_cached("SELECT canvas FROM version WHERE id = ?1")?
        .query_row([version.0], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Fail::impossible(format!("there is no version {version}")))
}

/// People with an open entry in a version.
pub(crate) fn inside(db: &Connection, version: VersionId, after: ProfileId, limit: usize) -> Done<Vec<ProfileId>> {
    let canvas = canvas_of(db, version)?;
    let (first, last) = crate::schema::keys_of(canvas)?;
    let mut select =
        db.prepare_cached("SELECT key, entry FROM guard WHERE key > ?1 AND key <= ?2 AND open = 1 ORDER BY key")?;
    let mut rows = select.query((first + after.0.max(0), last))?;
    let mut entries = Entries::new(db);
    let mut inside = Vec::new();
    while let Some(row) = rows.next()? {
        if inside.len() >= limit {
            break;
        }
        if entries.get(EntryId(row.get(1)?))?.version == version {
            inside.push(ProfileId(crate::schema::low(row.get(0)?)));
        }
    }
    Ok(inside)
}

fn may_enter_again(rule: ReEntry, started: Millis, now: Millis) -> bool {
    match rule {
        ReEntry::Never => false,
        ReEntry::Always => true,
        ReEntry::After(span) => started.after(span) <= now,
    }
}

/// Ends the open entries of people in a canvas at once, and lets earlier ones hear it while something of theirs is
/// unsent. Gives how many were open.
pub(crate) fn signal_exit(
    tx: &mut Tx<'_>,
    version: VersionId,
    profiles: &[ProfileId],
    reason: &Reason,
    now: Millis,
) -> Done<u64> {
    tx.books.hear(now);
    let canvas = tx.books.version(version)?.canvas;
    let db = tx.db;
    let mut ledger = Ledger::new(now, None);
    let mut entries = Entries::new(db);
    let mut look = db.prepare_cached("SELECT entry, open FROM guard WHERE key = ?1")?;
    let mut close = db.prepare_cached("UPDATE guard SET open = 0 WHERE key = ?1")?;
    let mut mark = db.prepare_cached("INSERT INTO exited VALUES (?1) ON CONFLICT DO NOTHING")?;
    let mut leave =
        db.prepare_cached("DELETE FROM position WHERE entry = ?1 RETURNING ordinal, version, step, arrives")?;
    let any_again = recalls::any(db)?;
    let mut ended = 0;
    for profile in profiles {
        let key = key(canvas, profile.0)?;
        let newest = look.query_row([key], |row| Ok((EntryId(row.get(0)?), row.get::<_, bool>(1)?))).optional()?;
        let Some((newest, open)) = newest else { continue };
        if open {
            close.execute([key])?;
            ledger.ended(entries.get(newest)?.version);
            ended += 1;
            let position = leave
                .query_row([newest.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?)))
                .optional()?;
            if let Some((ordinal, version, step, false)) = position {
                let (version, step) = (VersionId(version), StepIx(step));
                let visit = VisitId { entry: newest, ordinal };
                if tx.books.version(version)?.calls {
                    calling::forget(db, newest)?;
                }
                ledger.was_waiting(version, step);
                ledger.is_final((db, &mut *tx.books), visit, (version, step), Status::Exited, reason)?;
            }
        }
        // Marked ones have been here: all before them are marked too.
        let mut next = Some(newest);
        while let Some(entry) = next {
            next = if mark.execute([entry.0])? == 1 { entries.get(entry)?.before } else { None };
            if any_again {
                recalls::withdraw(tx, &mut ledger, entry, reason)?;
            }
        }
    }
    ledger.keep(tx)?;
    Ok(ended)
}
