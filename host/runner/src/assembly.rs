//! Rows put together into parts: one action, one key group, within the manifest's rows and bytes. A person's rows
//! never part.
use caravan_identity::{ColumnSet, recorded};
use caravan_model::manifest::Flag;
use caravan_model::{Action, Consent, FlagColumn, Manifest, Part, Profile};
use caravan_store::{PartDraft, Rider};
use std::ops::Range;

/// The parts of one action and key group, filled in order.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    manifest: &'a Manifest,
    /// Add or remove.
    pub action: Action,
    /// The key group.
    pub group: &'a str,
    keys: Vec<String>,
    room: usize,
    drafts: Vec<Draft>,
}

/// A part being filled.
#[derive(Debug)]
struct Draft {
    set: ColumnSet,
    bytes: usize,
    flags: Vec<Vec<u8>>,
    riders: Vec<Rider>,
}

/// Where a rider was put: the draft and its place there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    draft: u32,
    place: u32,
}

impl<'a> Assembly<'a> {
    /// No parts yet. All keys of the group have a column; those without a value are left out at the end.
    pub(crate) fn new(manifest: &'a Manifest, action: Action, group: &'a str, room: usize) -> Assembly<'a> {
        Assembly { manifest, action, group, keys: keys_of(manifest, group), room, drafts: Vec::new() }
    }

    /// For each column, which column of a plan fills it.
    pub(crate) fn columns_from(&self, plan_keys: &[String]) -> Vec<Option<usize>> {
        self.keys.iter().map(|key| plan_keys.iter().position(|name| name == key)).collect()
    }

    /// Appends a person's rows from other columns.
    pub(crate) fn push_rows(
        &mut self,
        from: &ColumnSet,
        columns: &[Option<usize>],
        rows: Range<u32>,
        person: Option<&Profile>,
        rider: Rider,
    ) -> Seat {
        let range = rows.start as usize..rows.end as usize;
        let bytes: usize = from.columns.iter().map(|column| span(&column.ends, &range).len()).sum();
        let draft = self.draft_for(range.len(), bytes);
        let end = draft.set.rows() + range.len() as u32;
        for (column, source) in draft.set.columns.iter_mut().zip(columns) {
            let start = column.text.len();
            match source.and_then(|at| from.columns.get(at)) {
                Some(source) => {
                    let text = span(&source.ends, &range);
                    let shift = start.wrapping_sub(text.start);
                    column.text.extend_from_slice(source.text.get(text).unwrap_or_default());
                    let ends = source.ends.get(range.clone()).unwrap_or_default();
                    column.ends.extend(ends.iter().map(|end| (*end as usize).wrapping_add(shift) as u32));
                }
                None => column.ends.resize(end as usize, start as u32),
            }
        }
        draft.set.person_ends.push(end);
        draft.bytes += bytes;
        self.seat(range.len(), person, rider)
    }

    /// Appends recorded rows as one person; `None` where nothing of them fits this group or they cannot be read.
    pub(crate) fn push_recorded(&mut self, set: &[u8], person: Option<&Profile>, rider: Rider) -> Option<Seat> {
        let mut rows = ColumnSet::new(self.keys.clone(), 1);
        let count = recorded::append_to(&mut rows, set).ok().filter(|rows| *rows > 0)?;
        let columns: Vec<Option<usize>> = (0..self.keys.len()).map(Some).collect();
        Some(self.push_rows(&rows, &columns, 0..count, person, rider))
    }

    /// Lets an operation ride on rows.
    pub(crate) fn rider(&mut self, seat: Seat) -> Option<&mut Rider> {
        self.drafts.get_mut(seat.draft as usize)?.riders.get_mut(seat.place as usize)
    }

    fn draft_for(&mut self, rows: usize, bytes: usize) -> &mut Draft {
        let batch = &self.manifest.batch;
        let full = self.drafts.last().is_none_or(|draft| {
            let filled = draft.set.rows() as usize;
            filled > 0 && (filled + rows > batch.rows as usize || (draft.bytes + bytes) as u64 > batch.bytes)
        });
        if full {
            let room = self.room.min(batch.rows as usize);
            self.drafts.push(Draft {
                set: ColumnSet::new(self.keys.clone(), 0),
                bytes: 0,
                flags: vec![Vec::new(); self.manifest.flags.len()],
                riders: Vec::with_capacity(room),
            });
        }
        let last = self.drafts.len() - 1;
        &mut self.drafts[last]
    }

    fn seat(&mut self, rows: usize, person: Option<&Profile>, rider: Rider) -> Seat {
        let draft = self.drafts.len() - 1;
        let filling = &mut self.drafts[draft];
        // A removal needs no consent, and tells none.
        let person = person.filter(|_| self.action == Action::Add);
        for (flag, values) in self.manifest.flags.iter().zip(&mut filling.flags) {
            let value = person.map_or(0, |person| flag_value(flag, person));
            values.resize(values.len() + rows, value);
        }
        filling.riders.push(rider);
        Seat { draft: draft as u32, place: (filling.riders.len() - 1) as u32 }
    }

    /// The parts.
    pub(crate) fn finish(self) -> impl Iterator<Item = PartDraft> + 'a {
        let (manifest, action, group) = (self.manifest, self.action, self.group);
        self.drafts.into_iter().map(move |draft| {
            let rows = draft.set.rows();
            let (columns, person_ends) = draft.set.into_part_columns();
            let flags = manifest
                .flags
                .iter()
                .zip(draft.flags)
                .filter(|(_, values)| values.iter().any(|value| *value != 0))
                .map(|(flag, values)| FlagColumn { key: flag.key.clone(), values })
                .collect();
            let part = Part { id: String::new(), action, group: group.to_owned(), rows, person_ends, columns, flags };
            PartDraft { part, riders: draft.riders }
        })
    }
}

/// A fact of a row: what the person said about the flag's purpose.
fn flag_value(flag: &Flag, person: &Profile) -> u8 {
    match person.consent(&flag.purpose) {
        Consent::Unknown => 0,
        Consent::Granted => 1,
        Consent::Denied => 2,
    }
}

/// The fingerprint of an add: its identifiers', and, where there are any, that of the facts beside them. So a person
/// who said something new is sent again, although their identifiers are the same.
pub(crate) fn with_flags(print: [u8; 16], manifest: &Manifest, person: Option<&Profile>) -> [u8; 16] {
    let values = || manifest.flags.iter().filter_map(|flag| Some(flag_value(flag, person?)));
    if values().all(|value| value == 0) {
        return print;
    }
    let values: Vec<u8> = values().collect();
    recorded::fingerprint(&[&print, values.as_slice()].concat())
}

/// The keys of a group, in the manifest's order; all keys where the manifest has no groups.
fn keys_of(manifest: &Manifest, group: &str) -> Vec<String> {
    let members = manifest.groups.iter().find(|g| g.name == group).map(|g| &g.keys);
    let all = manifest.keys.iter().map(|key| &key.key);
    all.filter(|key| members.is_none_or(|members| members.contains(key))).cloned().collect()
}

/// The bytes of some rows.
fn span(ends: &[u32], rows: &Range<usize>) -> Range<usize> {
    let start = rows.start.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
    let end = rows.end.checked_sub(1).and_then(|last| ends.get(last)).map_or(start, |end| *end as usize);
    start..end.max(start)
}

/// The group that takes recorded rows: the first that has all their keys, else the one that has most.
pub(crate) fn group_of<'a>(manifest: &'a Manifest, set: &[u8]) -> &'a str {
    let Some(first) = manifest.groups.first() else { return "" };
    if manifest.groups.len() == 1 {
        return &first.name;
    }
    let columns = recorded::decode(set).unwrap_or_default();
    let fits = |at: &usize| columns.iter().filter(|c| manifest.groups[*at].keys.contains(&c.key)).count();
    let best = (0..manifest.groups.len()).rev().max_by_key(fits).unwrap_or(0);
    &manifest.groups[best].name
}

/// Some rows of a part, as a new part: `rows[i]` says whether row `i` goes along. Riders without any row stay behind;
/// `strip` names those whose operation has had its final word already.
pub(crate) fn excerpt(part: &Part, riders: &[Rider], rows: &[bool], strip: &[bool]) -> PartDraft {
    let mut person_ends = Vec::new();
    let mut kept_riders = Vec::new();
    let mut end = 0u32;
    for (person, rider) in riders.iter().enumerate() {
        let range = part.rows_of(person);
        let kept = rows[range.start as usize..range.end as usize].iter().filter(|keep| **keep).count() as u32;
        if kept == 0 {
            continue;
        }
        end += kept;
        person_ends.push(end);
        let mut rider = rider.clone();
        if strip.get(person).copied().unwrap_or(false) {
            rider.operations.clear();
        }
        kept_riders.push(rider);
    }
    let flags = part
        .flags
        .iter()
        .map(|flag| FlagColumn {
            key: flag.key.clone(),
            values: flag.values.iter().zip(rows).filter(|(_, keep)| **keep).map(|(value, _)| *value).collect(),
        })
        .collect();
    let columns = part.columns.iter().map(|column| column.retain(rows)).filter(|column| !column.text.is_empty());
    let part = Part {
        id: String::new(),
        action: part.action,
        group: part.group.clone(),
        rows: end,
        person_ends,
        columns: columns.collect(),
        flags,
    };
    PartDraft { part, riders: kept_riders }
}
