//! A page of members, read from a file.
use super::folder::{Folder, Place, holds_people};
use super::wrong;
use crate::users::handed::{Handed, HandedMember};
use caravan_model::port::{BrokenRow, FileRead, Members};
use caravan_model::{Cause, Column, Digest, Fault};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Rows of a page.
const ROWS: usize = 5_000;
/// Broken rows that a page names.
const NAMED: usize = 20;
/// Files that stay open between two pages.
const OPEN: usize = 4;

/// Files whose next page is to come, by audience and cursor: so the page behind begins where the one before ended. Whoever
/// comes with another cursor, as after a crash, reads from the file's beginning up to their row.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(Mutex<Vec<(String, Handed)>>);

impl OpenFiles {
    fn take(&self, key: &str) -> Option<Handed> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|(other, _)| other == key)?;
        Some(open.remove(at).1)
    }

    fn keep(&self, key: String, handed: Handed) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(0, (key, handed));
        open.truncate(OPEN);
    }
}

/// The next members of an audience.
///
/// # Errors
/// Why a file or the folder cannot be read.
pub(super) fn read(folder: &Folder, open: &OpenFiles, audience: &str, mut place: Place) -> Result<Members, Fault> {
    let key = |place: &Place| format!("{audience}\n{}", place.text());
    let kept = open.take(&key(&place));
    folder.forget_gone(&mut place)?;
    // A file that changed while it was read is another one, and is read anew once it has settled.
    let resumed = place.reading.take().filter(|reading| folder.is_same(&reading.file));
    let found = match (resumed, kept) {
        (Some(reading), Some(handed)) => Some((reading, handed)),
        (Some(reading), None) => match folder.head(&reading.file, audience)? {
            Some(mut handed) => {
                for _ in 0..reading.rows {
                    handed.next_row(audience).map_err(broken_off)?;
                }
                Some((reading, handed))
            }
            None => folder.next(&mut place, audience)?,
        },
        (None, _) => folder.next(&mut place, audience)?,
    };
    let Some((mut reading, mut handed)) = found else {
        return Ok(Members { next: Some(place.text()), ..Members::default() });
    };
    let (mut members, mut wrong_rows, mut ended, before) = (Vec::new(), Vec::new(), false, reading.broken);
    for _ in 0..ROWS {
        let Some((line, row)) = handed.next_row(audience).map_err(broken_off)? else {
            ended = true;
            break;
        };
        reading.rows += 1;
        match row {
            Ok(Some(member)) => members.push(member),
            Ok(None) => {}
            Err(why) => {
                reading.broken += 1;
                if wrong_rows.len() < NAMED {
                    wrong_rows.push(BrokenRow { file: reading.file.name.clone(), line, why });
                }
            }
        }
    }
    reading.members += members.len() as u64;
    if !folder.is_same(&reading.file) {
        let words = format!("The file {} changed while it was read.", reading.file.name);
        return Err(Fault::Unavailable { after_ms: None, cause: Cause::new("hand-over", words) });
    }
    if ended && folder.own.everyone && reading.members == 0 {
        let words = format!(
            "The file {} of the hand-over {} names nobody, so everyone would leave: move it away, or take people off the list \
             by `caravan list take`.",
            reading.file.name, folder.name
        );
        return Err(wrong("hand-over-file", words));
    }
    let file = FileRead {
        name: reading.file.name.clone(),
        digest: reading.digest.parse::<Digest>().map_err(|why| wrong("cursor", why))?,
        rows: reading.rows,
        broken: reading.broken,
        broken_here: reading.broken - before,
        wrong: wrong_rows,
        ended,
    };
    // A row that cannot be read may be of somebody who stays, so that then nobody leaves by being absent.
    let full = folder.own.everyone && !(ended && reading.broken > 0);
    let columns = columns(&handed, &members);
    let more = match ended {
        false => {
            place.reading = Some(reading);
            open.keep(key(&place), handed);
            true
        }
        true => {
            place.take(&reading.file, reading.digest);
            !folder.own.everyone && has_next(folder, &place, audience)?
        }
    };
    Ok(Members {
        rows: members.len() as u32,
        columns,
        joined: members.iter().map(|member| u8::from(member.joined)).collect(),
        full,
        next: Some(place.text()),
        more,
        file: Some(file),
    })
}

/// Whether another file can be read at once. One that cannot be is told by a pass of its own, which has nothing to lose.
fn has_next(folder: &Folder, place: &Place, audience: &str) -> Result<bool, Fault> {
    for file in folder.waiting(place)?.iter().filter(|file| holds_people(&file.name)) {
        match folder.head(file, audience) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) => {}
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

fn broken_off(error: std::io::Error) -> Fault {
    let cause = Cause::new("hand-over", format!("A file could not be read on: {error}."));
    Fault::Unavailable { after_ms: None, cause }
}

/// Packs members: a column for each key, and another for each further value of it.
fn columns(handed: &Handed, members: &[HandedMember]) -> Vec<Column> {
    let mut columns: BTreeMap<(String, usize), Column> =
        handed.attributes().map(|key| ((key.clone(), 0), Column::with_capacity(&key, members.len(), 8))).collect();
    for (row, member) in members.iter().enumerate() {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, value) in &member.values {
            let nth = seen.entry(key).and_modify(|nth| *nth += 1).or_default();
            let column = columns
                .entry((key.clone(), *nth))
                .or_insert_with(|| Column::with_capacity(key, members.len(), value.len()));
            fill(column, row);
            column.push(value);
        }
    }
    columns
        .into_values()
        .map(|mut column| {
            fill(&mut column, members.len());
            column
        })
        .collect()
}

fn fill(column: &mut Column, rows: usize) {
    while column.rows() < rows {
        column.push("");
    }
}
