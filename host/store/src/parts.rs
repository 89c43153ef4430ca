//! Parts: their packed rows and riders, how they are kept, and what people read of them.
use crate::books::{mistyped, next};
use crate::contract::{OpenPart, PartDraft, PartRecord, Rider};
use crate::fail::Done;
use crate::lanes::lane_key;
use crate::pack::{Garbled, Packer, Unpacker};
use crate::words::instant;
use crate::writer::Tx;
use caravan_model::{
    Action, Column, Digest, EntryId, FlagColumn, LaneId, Millis, Part, PartId, ProfileId, SliceId, StepIx, VersionId,
    VisitId,
};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many ended parts of a lane keep their rows for `batch show` …
const KEPT_PARTS: i64 = 50;
/// … within so many bytes.
const KEPT_BYTES: i64 = 256 << 20;

/// `<slice>-<n>`
pub(crate) fn name_of(slice: SliceId, n: i64) -> String {
    format!("{slice}-{n}")
}

fn pack_rows(part: &Part) -> Vec<u8> {
    let text: usize = part.columns.iter().map(|column| column.text.len() + column.ends.len() * 2).sum();
    let mut blob = Packer::with_capacity(text + part.person_ends.len() * 2 + 256);
    blob.byte(u8::from(part.action == Action::Remove));
    blob.bytes(part.group.as_bytes());
    blob.count(part.rows.into());
    blob.ends(&part.person_ends);
    blob.count(part.columns.len() as u64);
    for column in &part.columns {
        blob.bytes(column.key.as_bytes());
        blob.bytes(&column.text);
        blob.ends(&column.ends);
    }
    blob.count(part.flags.len() as u64);
    for flag in &part.flags {
        blob.bytes(flag.key.as_bytes());
        blob.bytes(&flag.values);
    }
    blob.done()
}

pub(crate) fn unpack_rows(id: String, blob: &[u8]) -> Result<Part, Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let action = if blob.byte()? == 0 { Action::Add } else { Action::Remove };
    let group = blob.text()?;
    let rows = blob.small()?;
    let person_ends = blob.ends()?;
    let mut columns = Vec::new();
    for _ in 0..blob.length()? {
        columns.push(Column { key: blob.text()?, text: blob.bytes()?.to_vec(), ends: blob.ends()? });
    }
    let mut flags = Vec::new();
    for _ in 0..blob.length()? {
        flags.push(FlagColumn { key: blob.text()?, values: blob.bytes()?.to_vec() });
    }
    Ok(Part { id, action, group, rows, person_ends, columns, flags })
}

fn pack_riders(riders: &[Rider]) -> Vec<u8> {
    let size = riders.iter().map(|rider| 24 + rider.recorded.len() + rider.operations.len() * 12).sum();
    let mut blob = Packer::with_capacity(size);
    let (mut profile, mut seq, mut entry) = (0, 0, 0);
    for rider in riders {
        blob.signed(rider.profile.0 - profile);
        blob.count(rider.operations.len() as u64);
        for (at, visit, version, step, parks) in &rider.operations {
            blob.signed(at - seq);
            blob.signed(visit.entry.0 - entry);
            blob.count(visit.ordinal.into());
            blob.count(version.0 as u64);
            blob.count(step.0.into());
            blob.byte((*parks).into());
            (seq, entry) = (*at, visit.entry.0);
        }
        blob.raw(&rider.fingerprint);
        blob.bytes(&rider.recorded);
        profile = rider.profile.0;
    }
    blob.done()
}

pub(crate) fn unpack_riders(blob: &[u8]) -> Result<Vec<Rider>, Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let (mut profile, mut seq, mut entry) = (0i64, 0i64, 0i64);
    let mut riders = Vec::new();
    while !blob.is_done() {
        profile = profile.checked_add(blob.signed()?).ok_or(Garbled)?;
        let n = blob.length()?;
        let mut operations = Vec::with_capacity(n);
        for _ in 0..n {
            seq = seq.checked_add(blob.signed()?).ok_or(Garbled)?;
            entry = entry.checked_add(blob.signed()?).ok_or(Garbled)?;
            let visit = VisitId { entry: EntryId(entry), ordinal: blob.small()? };
            operations.push((seq, visit, VersionId(blob.id()?), StepIx(blob.small()?), blob.byte()? != 0));
        }
        let fingerprint = blob.raw(16)?.try_into().map_err(|_| Garbled)?;
        let recorded = blob.bytes()?.to_vec();
        riders.push(Rider { profile: ProfileId(profile), operations, fingerprint, recorded });
    }
    Ok(riders)
}

/// Packs the places of struck people.
pub(crate) fn pack_struck(struck: &[u32]) -> Vec<u8> {
    let mut blob = Packer::with_capacity(struck.len() * 2);
    struck.iter().for_each(|place| blob.count((*place).into()));
    blob.done()
}

/// The places of struck people.
pub(crate) fn unpack_struck(blob: &[u8]) -> Result<Vec<u32>, Garbled> {
    let mut blob = Unpacker::new(blob)?;
    let mut struck = Vec::new();
    while !blob.is_done() {
        struck.push(blob.small()?);
    }
    Ok(struck)
}

/// Where a new part goes, and what it takes over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Its slice.
    pub(crate) slice: SliceId,
    /// Its lane.
    pub(crate) lane: LaneId,
    /// Its number within the slice.
    pub(crate) n: i64,
    /// Its place among the slice's parts.
    pub(crate) place: i64,
    /// From when its retries count.
    pub(crate) flowing_since: Millis,
    /// Whether its rows may have landed already.
    pub(crate) may_have_landed: bool,
    /// Poison rows found before.
    pub(crate) poison: u32,
}

/// Keeps a new part.
pub(crate) fn keep(tx: &mut Tx<'_>, cut: Cut, draft: PartDraft) -> Done<OpenPart> {
    let id = PartId(next(&mut tx.books.numbers.part));
    let rows = pack_rows(&draft.part);
    tx.db
        .prepare_cached("INSERT INTO part VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, NULL, ?7, ?8, ?9, 0, NULL, NULL, ?10)")?
        .execute((
            id.0,
            cut.slice.0,
            cut.lane.0,
            cut.n,
            cut.place,
            pack_struck(&[]),
            cut.may_have_landed,
            cut.flowing_since.0,
            cut.poison,
            rows.len() as i64,
        ))?;
    tx.db.prepare_cached("INSERT INTO part_rows VALUES (?1, ?2)")?.execute((id.0, rows))?;
    tx.db.prepare_cached("INSERT INTO part_riders VALUES (?1, ?2)")?.execute((id.0, pack_riders(&draft.riders)))?;
    Ok(OpenPart {
        id,
        part: Arc::new(Part { id: name_of(cut.slice, cut.n), ..draft.part }),
        riders: Arc::new(draft.riders),
        struck: Vec::new(),
        attempts: 0,
        open_until: None,
        may_have_landed: cut.may_have_landed,
        flowing_since: cut.flowing_since,
        poison: cut.poison,
    })
}

/// The open parts of a slice, in order.
pub(crate) fn open(db: &Connection, lane: LaneId) -> Done<Vec<OpenPart>> {
    let mut select = db.prepare_cached(
        "SELECT id, slice, n, struck, attempts, open_until, may_have_landed, flowing_since, poison, part_rows.body,
                part_riders.body
         FROM part JOIN part_rows ON part_rows.part = id JOIN part_riders ON part_riders.part = id
         WHERE lane = ?1 AND ended IS NULL ORDER BY place",
    )?;
    let mut rows = select.query([lane.0])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let name = name_of(SliceId(row.get(1)?), row.get(2)?);
        parts.push(OpenPart {
            id: PartId(row.get(0)?),
            part: Arc::new(unpack_rows(name, row.get_ref(9)?.as_blob().map_err(mistyped)?)?),
            riders: Arc::new(unpack_riders(row.get_ref(10)?.as_blob().map_err(mistyped)?)?),
            struck: unpack_struck(row.get_ref(3)?.as_blob().map_err(mistyped)?)?,
            attempts: row.get(4)?,
            open_until: row.get::<_, Option<i64>>(5)?.map(Millis),
            may_have_landed: row.get(6)?,
            flowing_since: Millis(row.get(7)?),
            poison: row.get(8)?,
        });
    }
    Ok(parts)
}

/// The riders of one open part; `None` once it has ended.
pub(crate) fn riders(db: &Connection, part: PartId) -> Done<Option<Vec<Rider>>> {
    let mut select = db.prepare_cached("SELECT body FROM part_riders WHERE part = ?1")?;
    let blob: Option<Vec<u8>> = select.query_row([part.0], |row| row.get(0)).optional()?;
    Ok(blob.map(|blob| unpack_riders(&blob)).transpose()?)
}

/// Drops the rows of a lane's older ended parts; the newest [`KEPT_PARTS`] within [`KEPT_BYTES`] stay.
pub(crate) fn prune(db: &Connection, lane: LaneId) -> Done<()> {
    let mut select = db.prepare_cached(
        "SELECT id, size FROM part WHERE lane = ?1 AND size > 0 AND ended IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM follow_up WHERE follow_up.part = id) ORDER BY id DESC",
    )?;
    let mut rows = select.query([lane.0])?;
    let (mut parts, mut bytes, mut drop) = (0, 0, Vec::new());
    while let Some(row) = rows.next()? {
        parts += 1;
        bytes += row.get::<_, i64>(1)?;
        if parts > KEPT_PARTS || (bytes > KEPT_BYTES && parts > 1) {
            drop.push(row.get::<_, i64>(0)?);
        }
    }
    drop.into_iter().try_for_each(|part| drop_rows(db, PartId(part)))
}

/// Drops the rows of an ended part.
pub(crate) fn drop_rows(db: &Connection, part: PartId) -> Done<()> {
    let ended = db.prepare_cached("UPDATE part SET size = 0 WHERE id = ?1 AND ended IS NOT NULL")?.execute([part.0])?;
    if ended == 1 {
        db.prepare_cached("DELETE FROM part_rows WHERE part = ?1")?.execute([part.0])?;
    }
    Ok(())
}

const RECORD: &str =
    "SELECT connector, account, audience, part.id, slice.id, n, slice.connection, digest, slice.at, settings,
    part.ended, doubtful, body, pending, struck FROM part JOIN slice ON slice.id = part.slice JOIN lane ON lane.id = part.lane
    LEFT JOIN part_rows ON part_rows.part = part.id";

fn record(db: &Connection, row: &Row<'_>) -> Done<PartRecord> {
    let name = name_of(SliceId(row.get(4)?), row.get(5)?);
    let part = match row.get_ref(12)?.as_blob_or_null().map_err(mistyped)? {
        Some(blob) => {
            let whole = unpack_rows(name.clone(), blob)?;
            let gone = unpack_struck(row.get_ref(14)?.as_blob().map_err(mistyped)?)?;
            let struck: BTreeSet<u32> = gone.into_iter().collect();
            let people = 0..u32::try_from(whole.people()).unwrap_or(u32::MAX);
            match struck.is_empty() {
                true => whole,
                false => whole.without(&people.map(|place| struck.contains(&place)).collect::<Vec<bool>>()),
            }
        }
        None => Part {
            id: name.clone(),
            action: Action::Add,
            group: String::new(),
            rows: 0,
            person_ends: Vec::new(),
            columns: Vec::new(),
            flags: Vec::new(),
        },
    };
    let id = PartId(row.get(3)?);
    let mut attempts = attempts(db, id)?;
    let pending = row.get::<_, Option<String>>(13)?;
    if let Some(pending) = &pending {
        attempts.push(format!("to be followed up: {pending}"));
    }
    Ok(PartRecord {
        name,
        lane: lane_key(row)?,
        connection: row.get(6)?,
        digest: Digest(row.get(7)?),
        at: Millis(row.get(8)?),
        settings: row.get(9)?,
        part,
        ended: row.get::<_, Option<i64>>(10)?.map(Millis),
        attempts,
        exchanges: exchanges(db, id)?,
        doubtful: row.get(11)?,
        pending: pending.is_some(),
        judged: judged(db, id)?,
    })
}

fn exchanges(db: &Connection, part: PartId) -> Done<Vec<(u32, String)>> {
    let mut select = db.prepare_cached("SELECT n, body FROM exchange WHERE part = ?1 ORDER BY n")?;
    let rows = select.query_map([part.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn judged(db: &Connection, part: PartId) -> Done<Vec<(String, u32)>> {
    let mut select = db.prepare_cached("SELECT reason, n FROM judged WHERE part = ?1 ORDER BY reason")?;
    let rows = select.query_map([part.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn attempts(db: &Connection, part: PartId) -> Done<Vec<String>> {
    let mut select =
        db.prepare_cached("SELECT n, begun, deadline, ended, landed, note FROM attempt WHERE part = ?1 ORDER BY n")?;
    let lines = select.query_map([part.0], |row| {
        let (n, begun): (u32, i64) = (row.get(0)?, row.get(1)?);
        let end = match row.get::<_, Option<i64>>(3)? {
            None => format!("no end was recorded; its deadline: {}", instant(Millis(row.get(2)?))),
            Some(at) => {
                let landed = if row.get(4)? { "" } else { ", had no effect" };
                let note: String = row.get(5)?;
                format!("ended {}{landed}{}{note}", instant(Millis(at)), if note.is_empty() { "" } else { ": " })
            }
        };
        Ok(format!("attempt {n} at {}, {end}", instant(Millis(begun))))
    })?;
    Ok(lines.collect::<rusqlite::Result<_>>()?)
}

/// The newest parts, newest first.
pub(crate) fn newest(db: &Connection, lane: Option<LaneId>, limit: usize) -> Done<Vec<PartRecord>> {
    let sql = format!("{RECORD} WHERE ?1 IS NULL OR part.lane = ?1 ORDER BY part.id DESC LIMIT ?2");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query((lane.map(|lane| lane.0), i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(db, row)?);
    }
    Ok(records)
}

/// One part by its name.
pub(crate) fn named(db: &Connection, name: &str) -> Done<Option<PartRecord>> {
    let Some((slice, n)) = name.split_once('-') else { return Ok(None) };
    let (Ok(slice), Ok(n)) = (slice.parse::<i64>(), n.parse::<i64>()) else { return Ok(None) };
    let mut select = db.prepare_cached(&format!("{RECORD} WHERE part.slice = ?1 AND n = ?2"))?;
    let mut rows = select.query((slice, n))?;
    rows.next()?.map(|row| record(db, row)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_riders_unpack_as_packed() {
        let mut column = Column::with_capacity("EMAIL", 3, 4);
        ["a", "", "né"].into_iter().for_each(|value| column.push(value));
        let part = Part {
            id: "4-1".into(),
            action: Action::Remove,
            group: "hashed".into(),
            rows: 3,
            person_ends: vec![2, 3],
            columns: vec![column],
            flags: vec![FlagColumn { key: "consent".into(), values: vec![0, 1, 2] }],
        };
        assert_eq!(unpack_rows("4-1".into(), &pack_rows(&part)), Ok(part));
        let visit = VisitId { entry: EntryId(8), ordinal: 3 };
        let riders = vec![
            Rider {
                profile: ProfileId(7),
                operations: vec![(5, visit, VersionId(1), StepIx(2), true), (2, visit, VersionId(1), StepIx(0), false)],
                fingerprint: [9; 16],
                recorded: vec![1, 2, 3],
            },
            Rider { profile: ProfileId(2), operations: vec![], fingerprint: [0; 16], recorded: vec![] },
        ];
        assert_eq!(unpack_riders(&pack_riders(&riders)), Ok(riders));
        assert_eq!(unpack_struck(&pack_struck(&[3, 1, 700])), Ok(vec![3, 1, 700]));
    }
}
