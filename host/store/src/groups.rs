//! Segments and lists: who is in them, and who has changed since that was looked at.
use crate::books::Books;
use crate::contract::{Known, Regroup, Restless};
use crate::fail::Done;
use crate::imports;
use crate::people::{self, People};
use crate::writer::Tx;
use caravan_model::{Group, GroupChange, GroupKind, Message, Millis, Profile, ProfileId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::sync::Arc;

fn number(kind: GroupKind) -> i64 {
    match kind {
        GroupKind::Segment => 0,
        GroupKind::List => 1,
    }
}

fn kind(number: i64) -> GroupKind {
    if number == 0 { GroupKind::Segment } else { GroupKind::List }
}

fn id_of(db: &Connection, group: &Group) -> Done<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM people_group WHERE kind = ?1 AND name = ?2")?;
    Ok(select.query_row((number(group.kind), &group.name), |row| row.get(0)).optional()?)
}

/// Whether there are segments, so that changes of people matter to them.
pub(crate) fn any_segment(db: &Connection) -> Done<bool> {
    Ok(db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM document WHERE kind = 'segment')")?
        .query_row([], |row| row.get(0))?)
}

/// Notes that someone has changed, where that matters to segments.
pub(crate) fn stir(db: &Connection, books: &Books, profile: ProfileId) -> Done<()> {
    if books.segments {
        db.prepare_cached("INSERT OR REPLACE INTO restless SELECT ?1, ifnull(max(n), 0) + 1 FROM restless")?
            .execute([profile.0])?;
    }
    Ok(())
}

/// Puts people into groups and takes them out, and tells the inbox where that is wished.
pub(crate) fn regroup(
    tx: &mut Tx<'_>,
    changes: Vec<Regroup>,
    told: bool,
    looked: &[Restless],
    now: Millis,
) -> Done<u64> {
    tx.books.hear(now);
    let db = tx.db;
    let mut make = db.prepare_cached("INSERT INTO people_group(kind, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut join = db.prepare_cached("INSERT INTO grouped VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
    let mut leave = db.prepare_cached("DELETE FROM grouped WHERE people_group = ?1 AND profile = ?2")?;
    let mut tell = db.prepare_cached("INSERT INTO inbox(at, body) VALUES (?1, ?2)")?;
    let mut ids: HashMap<Group, i64> = HashMap::new();
    let mut changed = 0;
    for Regroup { group, profile, joined } in changes {
        let id = match ids.get(&group) {
            Some(id) => *id,
            None => {
                make.execute((number(group.kind), &group.name))?;
                let Some(id) = id_of(db, &group)? else { continue };
                ids.insert(group.clone(), id);
                id
            }
        };
        let group_is_list = group.kind == GroupKind::List;
        let Some(person) = people::load(db, profile)? else { continue };
        let any = if joined { join.execute((id, profile.0, now.0))? } else { leave.execute((id, profile.0))? };
        if any == 0 {
            continue;
        }
        if told {
            let who = Profile { external_id: person.external_id, ..Profile::default() };
            let group = Some(GroupChange { profile, group: group.clone(), joined, at: now });
            tell.execute((now.0, serde_json::to_string(&Message { who, group, ..Message::default() })?))?;
        }
        if group_is_list {
            stir(db, tx.books, profile)?;
        }
        changed += 1;
    }
    let mut rest = db.prepare_cached("DELETE FROM restless WHERE profile = ?1 AND n = ?2")?;
    for one in looked {
        rest.execute((one.profile.0, one.change))?;
    }
    Ok(changed)
}

/// Forgets a group.
pub(crate) fn disband(db: &Connection, group: &Group) -> Done<()> {
    if let Some(id) = id_of(db, group)? {
        db.prepare_cached("DELETE FROM grouped WHERE people_group = ?1")?.execute([id])?;
        db.prepare_cached("DELETE FROM people_group WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Takes an erased person out of all groups.
pub(crate) fn forget(db: &Connection, profile: ProfileId) -> Done<()> {
    db.prepare_cached("DELETE FROM grouped WHERE profile = ?1")?.execute([profile.0])?;
    db.prepare_cached("DELETE FROM restless WHERE profile = ?1")?.execute([profile.0])?;
    imports::erase(db, profile)
}

/// Puts a person into the lists that another is in, who leaves all groups. Segments are asked anew.
pub(crate) fn join(db: &Connection, survivor: ProfileId, other: ProfileId) -> Done<()> {
    db.prepare_cached(
        "INSERT INTO grouped SELECT people_group, ?1, since FROM grouped JOIN people_group ON id = people_group
         WHERE profile = ?2 AND kind = ?3 ON CONFLICT DO NOTHING",
    )?
    .execute((survivor.0, other.0, number(GroupKind::List)))?;
    imports::join(db, survivor, other)?;
    forget(db, other)
}

/// Who is in a group.
pub(crate) fn members(
    db: &Connection,
    group: &Group,
    after: ProfileId,
    limit: usize,
) -> Done<Vec<(ProfileId, Millis)>> {
    let Some(id) = id_of(db, group)? else { return Ok(Vec::new()) };
    let mut select = db.prepare_cached(
        "SELECT profile, since FROM grouped WHERE people_group = ?1 AND profile > ?2 ORDER BY profile LIMIT ?3",
    )?;
    let rows =
        select.query_map((id, after.0, limit as i64), |row| Ok((ProfileId(row.get(0)?), Millis(row.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The groups of people.
pub(crate) fn of(db: &Connection, profiles: &[ProfileId]) -> Done<Vec<Vec<Group>>> {
    let mut select = db.prepare_cached(
        "SELECT kind, name FROM grouped JOIN people_group ON id = people_group WHERE profile = ?1 ORDER BY kind, name",
    )?;
    let mut all = Vec::with_capacity(profiles.len());
    for profile in profiles {
        let rows = select.query_map([profile.0], |row| Ok(Group { kind: kind(row.get(0)?), name: row.get(1)? }))?;
        all.push(rows.collect::<rusqlite::Result<_>>()?);
    }
    Ok(all)
}

/// All groups with their sizes.
pub(crate) fn sizes(db: &Connection) -> Done<Vec<(Group, u64)>> {
    let mut select = db.prepare_cached(
        "SELECT kind, name, (SELECT count(*) FROM grouped WHERE people_group = id) FROM people_group ORDER BY kind, name",
    )?;
    let rows = select.query_map([], |row| {
        Ok((Group { kind: kind(row.get(0)?), name: row.get(1)? }, row.get::<_, i64>(2)? as u64))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Who changed.
pub(crate) fn restless(db: &Connection, limit: usize) -> Done<Vec<Restless>> {
    let mut select = db.prepare_cached("SELECT profile, n FROM restless ORDER BY n LIMIT ?1")?;
    let rows = select
        .query_map([limit as i64], |row| Ok(Restless { profile: ProfileId(row.get(0)?), change: row.get(1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// People by ascending id.
pub(crate) fn everyone(db: &Connection, after: ProfileId, limit: usize) -> Done<Vec<Known>> {
    let mut select =
        db.prepare_cached("SELECT id, data FROM profile WHERE id > ?1 AND data IS NOT NULL ORDER BY id LIMIT ?2")?;
    let mut rows = select.query((after.0, limit as i64))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let data = row.get_ref(1)?.as_blob().map_err(crate::books::mistyped)?;
        all.push(Known { id: ProfileId(row.get(0)?), profile: serde_json::from_slice(data)? });
    }
    Ok(all)
}

/// These people.
pub(crate) fn known(db: &Connection, mut ids: Vec<ProfileId>) -> Done<Vec<Known>> {
    ids.sort_unstable();
    ids.dedup();
    let people = People::read(db, ids.iter().copied())?;
    let one = |id| Some(Known { id, profile: Arc::unwrap_or_clone(people.get(id)?) });
    Ok(ids.into_iter().filter_map(one).collect())
}
