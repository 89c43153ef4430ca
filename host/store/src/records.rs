//! The packed records: operations, final visits, and chunks of entries.
use crate::contract::Origin;
use crate::fail::{Done, Fail};
use crate::moved;
use crate::pack::{Garbled, Packer, Unpacker};
use caravan_model::{Action, EntryId, LaneId, Millis, ProfileId, Status, StepIx, VersionId, VisitId};
use rusqlite::{Connection, OptionalExtension};

/// Operations per chunk row: few enough that taking half a chunk is cheap.
pub(crate) const OPERATIONS: usize = 2_048;
/// Entries per chunk row.
pub(crate) const ENTRIES: usize = 4_096;
/// Entries whose final visits share a bucket: 2¹⁰.
const BUCKET: u32 = 10;

/// The bucket of an entry's final visits.
pub(crate) fn bucket_of(entry: EntryId) -> i64 {
    entry.0 >> BUCKET
}

/// The buckets of entries' final visits, each once, ascending.
pub(crate) fn buckets_of(entries: impl Iterator<Item = EntryId>) -> Vec<i64> {
    let mut buckets: Vec<i64> = entries.map(bucket_of).collect();
    buckets.sort_unstable();
    buckets.dedup();
    buckets
}

/// An operation in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its place in the lane; below 0 where it is owed.
    pub(crate) seq: i64,
    /// Add or remove.
    pub(crate) action: Action,
    /// Why it is there.
    pub(crate) origin: Origin,
    /// Whether its entry rests on it.
    pub(crate) parks: bool,
    /// The visit that asked; entry 0 where none did.
    pub(crate) visit: VisitId,
    /// Its version, or that of the claim that it is about.
    pub(crate) version: VersionId,
    /// Its step, or that of the claim.
    pub(crate) step: StepIx,
    /// The interned connection.
    pub(crate) connection: u32,
    /// Whose.
    pub(crate) profile: ProfileId,
    /// When it came.
    pub(crate) offered: Millis,
}

/// Packs operations in lane order.
pub(crate) fn pack_operations(operations: &[Operation]) -> Vec<u8> {
    let mut blob = Packer::with_capacity(operations.len() * 12 + 16);
    let (mut seq, mut entry, mut profile, mut offered) = (0, 0, 0, 0);
    for op in operations {
        blob.byte(u8::from(op.action == Action::Remove) | u8::from(op.parks) << 1 | (op.origin as u8) << 2);
        blob.signed(op.seq - seq);
        blob.signed(op.visit.entry.0 - entry);
        blob.count(op.visit.ordinal.into());
        blob.count(op.version.0 as u64);
        blob.count(op.step.0.into());
        blob.count(op.connection.into());
        blob.signed(op.profile.0 - profile);
        blob.signed(op.offered.0 - offered);
        (seq, entry, profile, offered) = (op.seq, op.visit.entry.0, op.profile.0, op.offered.0);
    }
    blob.done()
}

/// Appends what a blob holds.
pub(crate) fn unpack_operations(blob: &[u8], into: &mut Vec<Operation>) -> Result<(), Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let (mut seq, mut entry, mut profile, mut offered) = (0i64, 0i64, 0i64, 0i64);
    let add = |to: &mut i64, blob: &mut Unpacker<'_>| -> Result<i64, Garbled> {
        *to = to.checked_add(blob.signed()?).ok_or(Garbled)?;
        Ok(*to)
    };
    while !blob.is_done() {
        let flags = blob.byte()?;
        into.push(Operation {
            action: if flags & 1 == 0 { Action::Add } else { Action::Remove },
            parks: flags & 2 != 0,
            origin: Origin::from_number(flags >> 2).ok_or(Garbled)?,
            seq: add(&mut seq, &mut blob)?,
            visit: VisitId { entry: EntryId(add(&mut entry, &mut blob)?), ordinal: blob.small()? },
            version: VersionId(blob.id()?),
            step: StepIx(blob.small()?),
            connection: blob.small()?,
            profile: ProfileId(add(&mut profile, &mut blob)?),
            offered: Millis(add(&mut offered, &mut blob)?),
        });
    }
    Ok(())
}

/// The two waiting ends of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Removals that consent or erasure owe; their seqs are below 0.
    Owed,
    /// Everything else.
    Usual,
}

/// Seqs of owed operations count up from here.
const OWED: i64 = -(1 << 39);

impl Line {
    /// Where a seq belongs.
    pub(crate) fn of(seq: i64) -> Line {
        if seq < 0 { Line::Owed } else { Line::Usual }
    }

    fn first(self) -> i64 {
        match self {
            Line::Owed => OWED,
            Line::Usual => 0,
        }
    }

    /// The seq of the n-th operation.
    pub(crate) fn seq(self, n: i64) -> i64 {
        self.first() + n
    }

    /// The key of a chunk that begins with this seq.
    pub(crate) fn key(self, lane: LaneId, seq: i64) -> Done<i64> {
        crate::schema::key(lane.0, seq - self.first())
    }

    /// The table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Line::Owed => "owed_operation",
            Line::Usual => "operation",
        }
    }
}

/// Reads a lane's unsealed operations of one line in order, chunk by chunk, until `more` is false.
pub(crate) fn each_chunk(
    db: &Connection,
    line: Line,
    lane: LaneId,
    mut more: impl FnMut(i64, Vec<Operation>) -> Done<bool>,
) -> Done<()> {
    let (first, last) = crate::schema::keys_of(lane.0)?;
    let sql = format!("SELECT key, body FROM {} WHERE key BETWEEN ?1 AND ?2 ORDER BY key", line.table());
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query((first, last))?;
    while let Some(row) = rows.next()? {
        let mut operations = Vec::with_capacity(OPERATIONS);
        unpack_operations(row.get_ref(1)?.as_blob().map_err(crate::books::mistyped)?, &mut operations)?;
        if !more(row.get(0)?, operations)? {
            break;
        }
    }
    Ok(())
}

/// A final visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Final {
    /// Which.
    pub(crate) visit: VisitId,
    /// Its version.
    pub(crate) version: VersionId,
    /// Its step.
    pub(crate) step: StepIx,
    /// Its status.
    pub(crate) status: Status,
    /// The interned reason.
    pub(crate) reason: i64,
}

/// Packs final visits of one bucket.
pub(crate) fn pack_finals(finals: &[Final]) -> Vec<u8> {
    let mut blob = Packer::with_capacity(finals.len() * 8 + 8);
    let mut entry = 0;
    for done in finals {
        blob.signed(done.visit.entry.0 - entry);
        blob.count(done.visit.ordinal.into());
        blob.count(done.version.0 as u64);
        blob.count(done.step.0.into());
        blob.byte(done.status.number());
        blob.count(done.reason as u64);
        entry = done.visit.entry.0;
    }
    blob.done()
}

/// Appends what a blob holds.
pub(crate) fn unpack_finals(blob: &[u8], into: &mut Vec<Final>) -> Result<(), Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let mut entry = 0i64;
    while !blob.is_done() {
        entry = entry.checked_add(blob.signed()?).ok_or(Garbled)?;
        into.push(Final {
            visit: VisitId { entry: EntryId(entry), ordinal: blob.small()? },
            version: VersionId(blob.id()?),
            step: StepIx(blob.small()?),
            status: Status::from_number(blob.byte()?).ok_or(Garbled)?,
            reason: blob.id()?,
        });
    }
    Ok(())
}

/// An entry as its chunk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The id.
    pub(crate) id: EntryId,
    /// The version that it is in.
    pub(crate) version: VersionId,
    /// When it began.
    pub(crate) started: Millis,
    /// Whose.
    pub(crate) profile: ProfileId,
    /// The same person's entry before in this canvas.
    pub(crate) before: Option<EntryId>,
}

/// Packs entries with ids in a row: whose, and which came before.
pub(crate) fn pack_entries(entries: &[(ProfileId, Option<EntryId>)]) -> Vec<u8> {
    let mut blob = Packer::with_capacity(entries.len() * 3 + 8);
    let mut last = 0;
    for (profile, before) in entries {
        blob.signed(profile.0 - last);
        blob.count(before.map_or(0, |entry| entry.0 as u64));
        last = profile.0;
    }
    blob.done()
}

/// Looks entries up; keeps the chunk read last.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    db: &'a Connection,
    chunk: Vec<Entry>,
    /// Whether any entry is in another version than it began in; `None` until that was looked at.
    any_moved: Option<bool>,
}

impl<'a> Entries<'a> {
    /// Nothing read yet.
    pub(crate) fn new(db: &'a Connection) -> Entries<'a> {
        Entries { db, chunk: Vec::new(), any_moved: None }
    }

    /// An entry that must exist.
    pub(crate) fn get(&mut self, id: EntryId) -> Done<Entry> {
        let missing = || Fail::impossible(format!("there is no entry {id}"));
        if self.chunk.first().is_none_or(|first| first.id > id) || self.chunk.last().is_none_or(|last| last.id < id) {
            let found = self
                .db
                .prepare_cached(
                    "SELECT first, version, started, body FROM entry WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
                )?
                .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?)))
                .optional()?;
            let (first, version, started, body) = found.ok_or_else(missing)?;
            self.chunk = unpack_entries(first, VersionId(version), Millis(started), &body)?;
        }
        let first = self.chunk.first().ok_or_else(missing)?.id;
        let mut entry =
            usize::try_from(id.0 - first.0).ok().and_then(|at| self.chunk.get(at)).copied().ok_or_else(missing)?;
        let any_moved = match self.any_moved {
            Some(known) => known,
            None => *self.any_moved.insert(moved::any(self.db)?),
        };
        if any_moved && let Some(version) = moved::version_of(self.db, id)? {
            entry.version = version;
        }
        Ok(entry)
    }
}

/// Reads a chunk.
pub(crate) fn unpack_entries(
    first: i64,
    version: VersionId,
    started: Millis,
    blob: &[u8],
) -> Result<Vec<Entry>, Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let mut entries = Vec::new();
    let mut profile = 0i64;
    while !blob.is_done() {
        profile = profile.checked_add(blob.signed()?).ok_or(Garbled)?;
        let before = Some(EntryId(blob.id()?)).filter(|entry| entry.0 != 0);
        let id = EntryId(first + entries.len() as i64);
        entries.push(Entry { id, version, started, profile: ProfileId(profile), before });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_visits_and_entries_unpack_as_packed() {
        let visit = |entry, ordinal| VisitId { entry: EntryId(entry), ordinal };
        let operation = |seq, entry, action, parks| Operation {
            seq,
            action,
            parks,
            origin: if parks { Origin::Visit } else { Origin::Refill },
            visit: visit(entry, 2),
            version: VersionId(3),
            step: StepIx(4),
            connection: 1,
            profile: ProfileId(1_000 - seq),
            offered: Millis(1_700_000_000_000 + seq),
        };
        let operations = vec![operation(7, 90, Action::Add, true), operation(8, 3, Action::Remove, false)];
        let mut read = Vec::new();
        unpack_operations(&pack_operations(&operations), &mut read).unwrap();
        assert_eq!(read, operations);

        let finals: Vec<Final> = [Status::Synced, Status::Control]
            .into_iter()
            .map(|status| Final { visit: visit(5, 0), version: VersionId(1), step: StepIx(300), status, reason: 7 })
            .collect();
        let mut read = Vec::new();
        unpack_finals(&pack_finals(&finals), &mut read).unwrap();
        assert_eq!(read, finals);

        let entries = [(ProfileId(9), None), (ProfileId(4), Some(EntryId(2)))];
        let read = unpack_entries(10, VersionId(1), Millis(5), &pack_entries(&entries)).unwrap();
        assert_eq!(read.iter().map(|entry| (entry.profile, entry.before)).collect::<Vec<_>>(), entries);
        assert_eq!(read[1].id, EntryId(11));
    }
}
