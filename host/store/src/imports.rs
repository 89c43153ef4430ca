//! Imported members: linked to people whom we know, put on their list, and remembered where nobody is known yet.
use crate::contract::{
    DocumentKind, ImportStep, ImportView, Imported, Regroup, TakeMembers, UnlinkedMember, WhyUnlinked,
};
use crate::fail::Done;
use crate::writer::Tx;
use crate::{documents, groups, people, quotas, schema};
use caravan_model::{Digest, Group, Millis, Profile, ProfileId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};

type Link = Result<ProfileId, WhyUnlinked>;

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

/// What a member is known by, as one key.
fn key_of(who: &Profile) -> Digest {
    let mut text = who.external_id.clone();
    for name in who.aliases.iter().chain(&who.emails).chain(&who.phones) {
        text.push('\0');
        text.push_str(name);
    }
    Digest::of(text.as_bytes())
}

fn take(tx: &mut Tx<'_>, workspace: &str, taken: TakeMembers, now: Millis) -> Done<Imported> {
    let TakeMembers { import, list, members, round, leavers, ends, document, charges } = taken;
    quotas::charge(tx.db, &charges, now)?;
    if !put(tx, &import, &document)? {
        return Ok(Imported::default());
    }
    let links = link(tx.db, members.iter().map(|(who, _)| who))?;
    let (mut joins, mut leaves, mut news) = (Vec::new(), Vec::new(), Vec::new());
    {
        let db = tx.db;
        let mut known = db.prepare_cached("SELECT profile FROM import_member WHERE import = ?1 AND key = ?2")?;
        let mut keep = db.prepare_cached(
            "INSERT INTO import_member VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE
             SET profile = ?3, reason = ?4, round = ?5, body = ?7",
        )?;
        let mut forget = db.prepare_cached("DELETE FROM import_member WHERE import = ?1 AND key = ?2")?;
        for ((who, joined), found) in members.into_iter().zip(links) {
            let key = key_of(&who);
            let before: Option<Option<i64>> = known.query_row((&import, &key.0), |row| row.get(0)).optional()?;
            let profile = found.ok().map(|id| id.0);
            if !joined {
                forget.execute((&import, &key.0))?;
                leaves.extend(before.flatten().or(profile));
                continue;
            }
            let why = found.err().map_or(0, |why| why as i64);
            // What a linked one came with stands in the profile from now on.
            let body = if profile.is_some() { String::new() } else { serde_json::to_string(&who)? };
            keep.execute((&import, &key.0, profile, why, round as i64, now.0, body))?;
            let Some(id) = profile else { continue };
            if before.flatten() != Some(id) {
                joins.push(id);
            }
            news.push((ProfileId(id), who));
        }
        if ends {
            let mut absent = db.prepare_cached("SELECT profile FROM import_member WHERE import = ?1 AND round < ?2")?;
            let rows = absent.query_map((&import, round as i64), |row| row.get::<_, Option<i64>>(0))?;
            leaves.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten());
            db.prepare_cached("DELETE FROM import_member WHERE import = ?1 AND round < ?2")?
                .execute((&import, round as i64))?;
        }
        // Who came under several identifiers has left with the last of them.
        let mut others =
            db.prepare_cached("SELECT EXISTS (SELECT 1 FROM import_member WHERE import = ?1 AND profile = ?2)")?;
        let mut gone = Vec::new();
        for id in leaves {
            let stays: bool = others.query_row((&import, id), |row| row.get(0))?;
            if leavers && !stays {
                gone.push(id);
            }
        }
        leaves = gone;
    }
    learn(tx, workspace, news)?;
    let joined = regroup(tx, &list, joins, true, now)?;
    let left = regroup(tx, &list, leaves, false, now)?;
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
    let links = link(tx.db, page.iter().map(|member| &member.who))?;
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
/// source never changes where somebody is reached.
fn learn(tx: &mut Tx<'_>, workspace: &str, news: Vec<(ProfileId, Profile)>) -> Done<()> {
    let mut people = Vec::new();
    for (id, who) in news.into_iter().filter(|(_, who)| !who.attributes.is_empty()) {
        if let Some(known) = people::load(tx.db, id)? {
            let attributes = who.attributes;
            people.push(Profile { external_id: known.external_id, attributes, ..Profile::default() });
        }
    }
    people::upsert(tx, workspace, people)?;
    Ok(())
}

/// Whom members are: by an own id or an alias, else by an e-mail address. An anonymous visitor is nobody yet.
fn link<'a>(db: &Connection, members: impl Iterator<Item = &'a Profile>) -> Done<Vec<Link>> {
    let (mut links, mut wanted, mut by_email) = (Vec::new(), HashSet::new(), Vec::new());
    for who in members {
        let link = by_name(db, who)?;
        if link.is_err() && !who.emails.is_empty() {
            let emails: Vec<String> = who.emails.iter().map(|email| email.trim().to_lowercase()).collect();
            wanted.extend(emails.iter().cloned());
            by_email.push((links.len(), emails));
        }
        links.push(link);
    }
    // All of them in one look through everyone, and none where names sufficed.
    let found: HashMap<String, ProfileId> = match wanted.is_empty() {
        true => HashMap::new(),
        false => people::with_emails(db, &wanted)?,
    };
    for (at, emails) in by_email {
        if let Some(id) = emails.iter().find_map(|email| found.get(email)) {
            links[at] = Ok(*id);
        }
    }
    Ok(links)
}

fn by_name(db: &Connection, who: &Profile) -> Done<Link> {
    let names: Vec<&String> =
        [&who.external_id].into_iter().chain(&who.aliases).filter(|name| !name.is_empty()).collect();
    let mut why = match names.is_empty() && who.emails.is_empty() {
        true => WhyUnlinked::NoIdentifier,
        false => WhyUnlinked::Unknown,
    };
    for name in names {
        let Some(id) = people::named(db, name)? else { continue };
        let Some(known) = people::load(db, id)? else { continue };
        if !known.emails.is_empty() || !who.aliases.contains(&known.external_id) {
            return Ok(Ok(id));
        }
        why = WhyUnlinked::Anonymous;
    }
    Ok(Err(why))
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
    db.prepare_cached("DELETE FROM import_member WHERE profile = ?1")?.execute([profile.0])?;
    Ok(())
}

/// Somebody goes on in another profile.
pub(crate) fn join(db: &Connection, survivor: ProfileId, other: ProfileId) -> Done<()> {
    db.prepare_cached("UPDATE import_member SET profile = ?1 WHERE profile = ?2")?.execute((survivor.0, other.0))?;
    Ok(())
}
