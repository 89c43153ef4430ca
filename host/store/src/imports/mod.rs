//! Imported members: linked to people whom we know, put on their list, and remembered where nobody is known yet.
mod book;
mod linking;
mod names;

pub(crate) use names::{phone_forms, place_of};

use crate::contract::{
    DocumentKind, ImportStep, ImportView, Imported, Regroup, TakeMembers, UnlinkedMember, WhyUnlinked,
};
use crate::fail::Done;
use crate::writer::Tx;
use crate::{documents, groups, people, quotas, schema};
use book::Book;
use caravan_model::{Digest, Group, Millis, Profile, ProfileId};
use rusqlite::Connection;

/// Does a step of an import.
pub(crate) fn step(tx: &mut Tx<'_>, workspace: &str, step: ImportStep, now: Millis) -> Done<Imported> {
    tx.books.hear(now);
    match step {
        ImportStep::Take(taken) => take(tx, workspace, taken, now),
        ImportStep::Relink { import, list, after, limit } => relink(tx, workspace, &import, &list, after, limit, now),
        ImportStep::Note { import, document, charges } => {
            quotas::charge(tx.db, &charges, now)?;
            put(tx, &import, &document)?;
            Ok(Imported::default())
        }
        ImportStep::Forget { import } => {
            tx.db.prepare_cached("DELETE FROM import_name WHERE import = ?1")?.execute([&import])?;
            tx.db.prepare_cached("DELETE FROM import_member WHERE import = ?1")?.execute([&import])?;
            documents::put(tx, &[(DocumentKind::ListImport, import, None)])?;
            Ok(Imported::default())
        }
    }
}

/// Writes the document of an import that is there; false where there is none.
fn put(tx: &mut Tx<'_>, import: &str, document: &str) -> Done<bool> {
    let mut update = tx.db.prepare_cached("UPDATE document SET body = ?3 WHERE kind = ?1 AND id = ?2")?;
    Ok(update.execute((DocumentKind::ListImport.word(), import, document))? > 0)
}

fn take(tx: &mut Tx<'_>, workspace: &str, taken: TakeMembers, now: Millis) -> Done<Imported> {
    let TakeMembers { import, list, members, round, leavers, ends, document, charges } = taken;
    quotas::charge(tx.db, &charges, now)?;
    if !put(tx, &import, &document)? {
        return Ok(Imported::default());
    }
    let links = linking::link(tx.db, members.iter().map(|(who, _)| who))?;
    let mut book = Book::new(tx.db, &import, round, now);
    let (stay, leave): (Vec<_>, Vec<_>) = members.into_iter().zip(links).partition(|((_, joined), _)| *joined);
    // Who leaves and comes again within a page has only changed by what it is known.
    for ((who, _), link) in leave {
        book.leave(&who, link)?;
    }
    let mut news = Vec::new();
    for ((who, _), link) in stay {
        if let Some(id) = book.join(&who, link)? {
            news.push((id, who));
        }
    }
    if ends {
        book.end()?;
    }
    let (joins, leaves) = book.close()?;
    learn(tx, workspace, news)?;
    let joined = regroup(tx, &list, joins, true, now)?;
    let left = regroup(tx, &list, if leavers { leaves } else { Vec::new() }, false, now)?;
    Ok(Imported { joined, left, next: None })
}

fn relink(
    tx: &mut Tx<'_>,
    workspace: &str,
    import: &str,
    list: &str,
    after: Option<Digest>,
    limit: usize,
    now: Millis,
) -> Done<Imported> {
    let page = page(tx.db, import, after, limit)?;
    let next = page.last().map(|last| last.key).filter(|_| page.len() == limit);
    let links = linking::link(tx.db, page.iter().map(|member| &member.who))?;
    let (mut joins, mut news) = (Vec::new(), Vec::new());
    {
        let mut found = tx.db.prepare_cached(
            "UPDATE import_member SET profile = ?3, reason = 0, body = '' WHERE import = ?1 AND key = ?2",
        )?;
        let mut other = tx.db.prepare_cached("UPDATE import_member SET reason = ?3 WHERE import = ?1 AND key = ?2")?;
        for (member, link) in page.into_iter().zip(links) {
            match link {
                Ok(id) => {
                    found.execute((import, &member.key.0, id.0))?;
                    joins.push(id.0);
                    news.push((id, member.who));
                }
                Err(why) if why != member.why => {
                    other.execute((import, &member.key.0, why as i64))?;
                }
                Err(_) => {}
            }
        }
    }
    learn(tx, workspace, news)?;
    Ok(Imported { joined: regroup(tx, list, joins, true, now)?, left: 0, next })
}

/// Puts people on the list or takes them off, and tells the inbox.
fn regroup(tx: &mut Tx<'_>, list: &str, people: Vec<i64>, joined: bool, now: Millis) -> Done<u64> {
    let group = Group::list(list);
    let change = |id| Regroup { group: group.clone(), profile: ProfileId(id), joined };
    groups::regroup(tx, people.into_iter().map(change).collect(), true, &[], now)
}

/// Merges in what came along with people whom we know: attributes alone. Identifiers are not taken over, so that a
/// source never changes where somebody is reached. Null is what the source has emptied.
fn learn(tx: &mut Tx<'_>, workspace: &str, news: Vec<(ProfileId, Profile)>) -> Done<()> {
    let mut people = Vec::new();
    for (id, who) in news.into_iter().filter(|(_, who)| !who.attributes.is_empty()) {
        if let Some(known) = people::load(tx.db, id)? {
            let mut attributes = who.attributes;
            let has = |name: &String| known.attributes.get(name).is_some_and(|value| !value.is_null());
            attributes.retain(|name, value| !value.is_null() || has(name));
            if attributes.is_empty() {
                continue;
            }
            people.push(Profile { external_id: known.external_id, attributes, ..Profile::default() });
        }
    }
    people::upsert(tx, workspace, people)?;
    Ok(())
}

fn page(db: &Connection, import: &str, after: Option<Digest>, limit: usize) -> Done<Vec<UnlinkedMember>> {
    let mut select = db.prepare_cached(
        "SELECT key, body, reason, since FROM import_member
         WHERE import = ?1 AND profile IS NULL AND key > ?2 ORDER BY key LIMIT ?3",
    )?;
    let after: &[u8] = after.as_ref().map_or(&[], |key| &key.0);
    let mut rows = select.query((import, after, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(UnlinkedMember {
            key: Digest(row.get(0)?),
            who: serde_json::from_str(&row.get::<_, String>(1)?)?,
            why: WhyUnlinked::of(row.get(2)?),
            since: Millis(row.get(3)?),
        });
    }
    Ok(page)
}

/// How an import stands.
pub(crate) fn view(db: &Connection, import: &str, after: Option<Digest>, limit: usize) -> Done<ImportView> {
    if !schema::has(db, "import_member")? {
        return Ok(ImportView::default());
    }
    let mut view = ImportView { page: page(db, import, after, limit)?, ..ImportView::default() };
    let mut select = db.prepare_cached(
        "SELECT reason, count(*) FROM import_member WHERE import = ?1 GROUP BY reason ORDER BY reason",
    )?;
    let mut rows = select.query([import])?;
    while let Some(row) = rows.next()? {
        let (reason, n): (i64, i64) = (row.get(0)?, row.get(1)?);
        match reason {
            0 => view.linked = n as u64,
            why => view.unlinked.push((WhyUnlinked::of(why), n as u64)),
        }
    }
    Ok(view)
}

/// Somebody was erased: no import remembers them.
pub(crate) fn erase(db: &Connection, profile: ProfileId) -> Done<()> {
    db.prepare_cached(
        "DELETE FROM import_name WHERE (import, member) IN (SELECT import, key FROM import_member WHERE profile = ?1)",
    )?
    .execute([profile.0])?;
    db.prepare_cached("DELETE FROM import_member WHERE profile = ?1")?.execute([profile.0])?;
    Ok(())
}

/// Somebody goes on in another profile.
pub(crate) fn join(db: &Connection, survivor: ProfileId, other: ProfileId) -> Done<()> {
    db.prepare_cached("UPDATE import_member SET profile = ?1 WHERE profile = ?2")?.execute((survivor.0, other.0))?;
    Ok(())
}
