//! Merging: two profiles of one person become one, in one transaction.
//!
//! One survives, with its id and so its slot (design, 11.18). Names, identifiers, events, lists, entries and receipts of
//! the other go over to it, and so does what audiences and queues have of it ([`crate::joining`]); its row stays without
//! data, as an erased person's does. Where rows of either are at a partner at that moment, the two are noted and merged
//! later.
use crate::contract::{Merged, MergedAt, Merges, Origin, SamePerson};
use crate::entries;
use crate::fail::Done;
use crate::groups;
use crate::joining::{self, Busy};
use crate::keeping;
use crate::owed;
use crate::people;
use crate::records::{Entries, pack_entries, unpack_entries};
use crate::schema::{self, key};
use crate::trace::entries_of;
use crate::writer::Tx;
use caravan_model::status::reason;
use caravan_model::{Consent, EntryId, Millis, Profile, ProfileId, Reason, VersionId};
use rusqlite::{Connection, OptionalExtension};

/// The most e-mails, and phones, of one person (design, section 6).
const VALUES: usize = 10;

/// Which of these name two people who are to be one.
pub(crate) fn strangers(db: &Connection, pairs: Vec<SamePerson>) -> Done<Vec<SamePerson>> {
    let mut found = Vec::new();
    for pair in pairs {
        if are_two(db, &pair)?.is_some() {
            found.push(pair);
        }
    }
    Ok(found)
}

/// The survivor and the other, where they are two and may be one.
fn are_two(db: &Connection, pair: &SamePerson) -> Done<Option<(ProfileId, ProfileId)>> {
    let (Some(survivor), Some(other)) = (people::named(db, &pair.name)?, people::named(db, &pair.other)?) else {
        return Ok(None);
    };
    if survivor == other {
        return Ok(None);
    }
    let is_nameless =
        || Ok::<_, crate::fail::Fail>(people::load(db, other)?.is_some_and(|known| known.external_id == pair.other));
    Ok((pair.is_certain || is_nameless()?).then_some((survivor, other)))
}

/// Merges those that may be merged, and up to `again` of those that were noted before; gives which were.
pub(crate) fn merge(tx: &mut Tx<'_>, mut pairs: Vec<SamePerson>, again: usize, now: Millis) -> Done<Vec<Merged>> {
    tx.books.hear(now);
    pairs.extend(noted(tx.db, again)?);
    let mut busy: Option<Busy> = None;
    let mut merged = Vec::new();
    for pair in pairs {
        let Some((survivor, other)) = are_two(tx.db, &pair)? else { continue };
        let busy = match &mut busy {
            Some(busy) => busy,
            None => busy.insert(Busy::read(tx.db)?),
        };
        if busy.is_under_way(other) || busy.is_under_way(survivor) {
            tx.db.prepare_cached("INSERT OR REPLACE INTO merging VALUES (?1, ?2, ?3, ?4)")?.execute((
                other.0,
                survivor.0,
                now.0,
                pair.is_certain,
            ))?;
            continue;
        }
        join(tx, busy, (survivor, other), now)?;
        merged.push(Merged { other, survivor });
    }
    Ok(merged)
}

/// Those that were noted longest ago; who is erased, or is nobody's double any more, is forgotten.
fn noted(db: &Connection, limit: usize) -> Done<Vec<SamePerson>> {
    let mut select = db.prepare_cached("SELECT other, survivor, certain FROM merging ORDER BY at, other LIMIT ?1")?;
    let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok((ProfileId(row.get(0)?), ProfileId(row.get(1)?), row.get::<_, bool>(2)?))
    })?;
    let mut pairs = Vec::new();
    for (other, survivor, is_certain) in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        if let (Some(left), Some(known)) = (people::load(db, other)?, people::load(db, survivor)?) {
            let pair = SamePerson { name: known.external_id, other: left.external_id, is_certain };
            if are_two(db, &pair)?.is_some() {
                pairs.push(pair);
                continue;
            }
        }
        db.prepare_cached("DELETE FROM merging WHERE other = ?1")?.execute([other.0])?;
    }
    Ok(pairs)
}

fn join(tx: &mut Tx<'_>, busy: &mut Busy, (survivor, other): (ProfileId, ProfileId), now: Millis) -> Done<()> {
    let db = tx.db;
    let (Some(known), Some(left)) = (people::load(db, survivor)?, people::load(db, other)?) else { return Ok(()) };
    let names: Vec<String> = [&left.external_id].into_iter().chain(&left.aliases).cloned().collect();
    let whole = both(known.clone(), left.clone());
    // What either allowed and the whole does not, and what the other took back just now, is owed.
    if people::withdraws(&known, &whole) || people::withdraws(&left, &whole) || owed::is_noted(db, other)? {
        owed::note(db, survivor, Origin::Consent, now)?;
    }
    db.prepare_cached("UPDATE profile SET data = ?2 WHERE id = ?1")?
        .execute((survivor.0, serde_json::to_vec(&whole)?))?;
    db.prepare_cached("UPDATE profile SET data = NULL WHERE id = ?1")?.execute([other.0])?;
    let mut name = db.prepare_cached("UPDATE known_as SET profile = ?2 WHERE name = ?1 AND profile = ?3")?;
    for known_as in &names {
        name.execute((known_as, survivor.0, other.0))?;
    }
    db.prepare_cached("UPDATE event SET profile = ?1 WHERE profile = ?2")?.execute((survivor.0, other.0))?;
    keeping::join_past(db, survivor, other, now)?;
    db.prepare_cached("UPDATE receipt SET profile = ?1 WHERE profile = ?2")?.execute((survivor.0, other.0))?;
    db.prepare_cached("DELETE FROM withdrawal WHERE profile = ?1")?.execute([other.0])?;
    joining::join(tx, busy, (survivor, other), now)?;
    move_entries(tx, survivor, other, now)?;
    groups::join(db, survivor, other)?;
    groups::stir(db, tx.books, survivor)?;
    // Whoever went on in the other goes on in the survivor.
    db.prepare_cached("UPDATE merged SET survivor = ?1 WHERE survivor = ?2")?.execute((survivor.0, other.0))?;
    db.prepare_cached("INSERT OR REPLACE INTO merged VALUES (?1, ?2, ?3)")?.execute((other.0, survivor.0, now.0))?;
    db.prepare_cached("DELETE FROM merging WHERE other = ?1")?.execute([other.0])?;
    db.prepare_cached("UPDATE merging SET survivor = ?1 WHERE survivor = ?2")?.execute((survivor.0, other.0))?;
    Ok(())
}

/// What is known of both. Where both say something, the newer word stays (design, 11.13); a withdrawal outweighs.
fn both(known: Profile, left: Profile) -> Profile {
    let emails = values(&known.emails, &left.emails);
    let phones = values(&known.phones, &left.phones);
    let sold = [known.do_not_sell_or_share, left.do_not_sell_or_share].contains(&Some(true));
    let untracked = [known.ad_tracking_enabled, left.ad_tracking_enabled].contains(&Some(false));
    let denied: Vec<String> = known
        .consents
        .iter()
        .chain(&left.consents)
        .filter(|(_, said)| **said == Consent::Denied)
        .map(|(purpose, _)| purpose.clone())
        .collect();
    let external_id = known.external_id.clone();
    let others: Vec<String> = [left.external_id.clone()].into_iter().chain(left.aliases.iter().cloned()).collect();
    let mut whole = left;
    whole.aliases.clear();
    whole.merge(known);
    whole.external_id = external_id;
    for alias in others {
        if alias != whole.external_id && !whole.aliases.contains(&alias) {
            whole.aliases.push(alias);
        }
    }
    (whole.emails, whole.phones) = (emails, phones);
    whole.consents.extend(denied.into_iter().map(|purpose| (purpose, Consent::Denied)));
    if sold {
        whole.do_not_sell_or_share = Some(true);
    }
    if untracked {
        whole.ad_tracking_enabled = Some(false);
    }
    whole
}

fn values(known: &[String], left: &[String]) -> Vec<String> {
    let mut all = known.to_vec();
    all.extend(left.iter().filter(|value| !known.contains(value)).cloned());
    all.truncate(VALUES);
    all
}

/// The other's entries become the survivor's. Of two that are open in one canvas, the survivor's stays.
fn move_entries(tx: &mut Tx<'_>, survivor: ProfileId, other: ProfileId, now: Millis) -> Done<()> {
    let db = tx.db;
    let canvases: i64 = db.query_row("SELECT ifnull(max(id), 0) FROM canvas", [], |row| row.get(0))?;
    for canvas in 1..=canvases {
        let Some(theirs) = guard(db, canvas, other)? else { continue };
        let own = guard(db, canvas, survivor)?;
        if theirs.open && own.as_ref().is_some_and(|own| own.open) {
            let version = Entries::new(db).get(theirs.entry)?.version;
            let why = Reason::new(reason::MERGED, "the person's other profile is in this canvas");
            entries::signal_exit(tx, version, &[other], &why, now)?;
        }
        let theirs = guard(db, canvas, other)?.unwrap_or(theirs);
        db.prepare_cached("DELETE FROM guard WHERE key = ?1")?.execute([key(canvas, other.0)?])?;
        let their_line = line(db, theirs.entry)?;
        let Some(own) = own else {
            adopt(db, &their_line, survivor, None)?;
            put_guard(db, canvas, survivor, &theirs)?;
            continue;
        };
        // The line that has the open entry, else the newer one, comes first; the other goes on behind its end.
        let started = own.started.max(theirs.started);
        let theirs_first = theirs.open || (!own.open && theirs.entry > own.entry);
        if theirs_first {
            adopt(db, &their_line, survivor, Some(own.entry))?;
            put_guard(db, canvas, survivor, &Guard { started, ..theirs })?;
        } else {
            adopt(db, &their_line, survivor, None)?;
            let own_line = line(db, own.entry)?;
            if let Some(oldest) = own_line.last() {
                rewrite(db, *oldest, survivor, Some(theirs.entry))?;
            }
            put_guard(db, canvas, survivor, &Guard { started, ..own })?;
        }
    }
    for entry in entries_of(db, survivor)?.keys() {
        db.prepare_cached("UPDATE position SET profile = ?1 WHERE entry = ?2")?.execute((survivor.0, entry.0))?;
    }
    Ok(())
}

/// The newest entry of someone into a canvas.
struct Guard {
    entry: EntryId,
    started: i64,
    open: bool,
}

fn guard(db: &Connection, canvas: i64, profile: ProfileId) -> Done<Option<Guard>> {
    let mut select = db.prepare_cached("SELECT entry, started, open FROM guard WHERE key = ?1")?;
    let read =
        |row: &rusqlite::Row<'_>| Ok(Guard { entry: EntryId(row.get(0)?), started: row.get(1)?, open: row.get(2)? });
    Ok(select.query_row([key(canvas, profile.0)?], read).optional()?)
}

fn put_guard(db: &Connection, canvas: i64, profile: ProfileId, guard: &Guard) -> Done<()> {
    db.prepare_cached("INSERT OR REPLACE INTO guard VALUES (?1, ?2, ?3, ?4)")?.execute((
        key(canvas, profile.0)?,
        guard.entry.0,
        guard.started,
        guard.open,
    ))?;
    Ok(())
}

/// An entry and those before it, the newest first.
fn line(db: &Connection, newest: EntryId) -> Done<Vec<EntryId>> {
    let mut entries = Entries::new(db);
    let (mut line, mut next) = (Vec::new(), Some(newest));
    while let Some(entry) = next {
        line.push(entry);
        next = entries.get(entry)?.before;
    }
    Ok(line)
}

/// Gives a line of entries to someone; its oldest follows on another entry.
fn adopt(db: &Connection, line: &[EntryId], survivor: ProfileId, before: Option<EntryId>) -> Done<()> {
    for (place, entry) in line.iter().enumerate() {
        let before = match line.get(place + 1) {
            Some(older) => Some(*older),
            None => before,
        };
        rewrite(db, *entry, survivor, before)?;
    }
    Ok(())
}

/// Writes an entry's chunk anew with this owner and this entry before.
fn rewrite(db: &Connection, entry: EntryId, profile: ProfileId, before: Option<EntryId>) -> Done<()> {
    let (first, version, started, body): (i64, i64, i64, Vec<u8>) = db
        .prepare_cached(
            "SELECT first, version, started, body FROM entry WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
        )?
        .query_row([entry.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let chunk = unpack_entries(first, VersionId(version), Millis(started), &body)?;
    let chunk: Vec<(ProfileId, Option<EntryId>)> = chunk
        .into_iter()
        .map(|one| if one.id == entry { (profile, before) } else { (one.profile, one.before) })
        .collect();
    db.prepare_cached("UPDATE entry SET body = ?2 WHERE first = ?1")?.execute((first, pack_entries(&chunk)))?;
    Ok(())
}

/// Whether anybody was ever merged.
pub(crate) fn any(db: &Connection) -> Done<bool> {
    Ok(db.prepare_cached("SELECT EXISTS (SELECT 1 FROM merged)")?.query_row([], |row| row.get(0))?)
}

/// Who goes on in place of someone: themselves where they were not merged.
pub(crate) fn survivor(db: &Connection, who: ProfileId) -> Done<ProfileId> {
    let mut select = db.prepare_cached("SELECT survivor FROM merged WHERE other = ?1")?;
    Ok(select.query_row([who.0], |row| row.get(0)).optional()?.map_or(who, ProfileId))
}

/// How many were merged, and how many should be.
pub(crate) fn counts(db: &Connection) -> Done<Merges> {
    if !schema::has(db, "merged")? {
        return Ok(Merges::default());
    }
    let count = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|n| n as u64);
    Ok(Merges { merged: count("SELECT count(*) FROM merged")?, waiting: count("SELECT count(*) FROM merging")? })
}

/// Who went on in a profile.
pub(crate) fn merged_into(db: &Connection, survivor: ProfileId) -> Done<Vec<MergedAt>> {
    if !schema::has(db, "merged")? {
        return Ok(Vec::new());
    }
    let mut select = db.prepare_cached("SELECT other, at FROM merged WHERE survivor = ?1 ORDER BY at, other")?;
    let rows = select
        .query_map([survivor.0], |row| Ok(MergedAt { other: ProfileId(row.get(0)?), at: Millis(row.get(1)?) }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
