//! People: merging them in, reading them in sets, finding one by any identifier.
use crate::books::{mistyped, next};
use crate::contract::{Known, Origin};
use crate::fail::{Done, Fail};
use crate::groups;
use crate::imports::{phone_forms, place_of};
use crate::membership;
use crate::owed;
use crate::writer::Tx;
use caravan_model::changes::Changes;
use caravan_model::{Consent, Digest, Millis, Profile, ProfileId, Told, slot_of};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// People of one snapshot, by id.
#[derive(Debug, Default)]
pub(crate) struct People(Vec<(ProfileId, Arc<Profile>)>);

impl People {
    /// Reads these; erased ones are left out.
    pub(crate) fn read(db: &Connection, ids: impl Iterator<Item = ProfileId>) -> Done<People> {
        let mut people = Vec::new();
        read_set(
            db,
            ids.map(|id| id.0).collect(),
            "SELECT id, data FROM profile WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
            |id, row| {
                if let Some(data) = row.get_ref(1)?.as_blob_or_null().map_err(mistyped)? {
                    people.push((ProfileId(id), Arc::new(serde_json::from_slice(data)?)));
                }
                Ok(())
            },
        )?;
        Ok(People(people))
    }

    /// One of them.
    pub(crate) fn get(&self, id: ProfileId) -> Option<Arc<Profile>> {
        self.0.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| self.0[at].1.clone())
    }
}

/// Reads rows by integer keys, ascending: one range scan where the keys lie close together, else a lookup each. The
/// statement selects the key first and takes a range.
pub(crate) fn read_set(
    db: &Connection,
    mut keys: Vec<i64>,
    range: &str,
    mut each: impl FnMut(i64, &Row<'_>) -> Done<()>,
) -> Done<()> {
    if !keys.is_sorted() {
        keys.sort_unstable();
    }
    keys.dedup();
    let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else { return Ok(()) };
    let mut select = db.prepare_cached(range)?;
    if last - first < keys.len() as i64 * 2 {
        let mut rows = select.query((first, last))?;
        let mut wanted = keys.iter().peekable();
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            while wanted.next_if(|wanted| **wanted < key).is_some() {}
            if wanted.next_if_eq(&&key).is_some() {
                each(key, row)?;
            }
        }
    } else {
        for key in keys {
            let mut rows = select.query((key, key))?;
            if let Some(row) = rows.next()? {
                each(key, row)?;
            }
        }
    }
    Ok(())
}

/// Merges people in.
pub(crate) fn upsert(tx: &mut Tx<'_>, workspace: &str, people: Vec<Profile>) -> Done<Vec<Known>> {
    let db = tx.db;
    let mut name = db.prepare_cached("INSERT INTO known_as VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut insert = db.prepare_cached("INSERT INTO profile VALUES (?1, ?2, ?3)")?;
    let mut update = db.prepare_cached("UPDATE profile SET data = ?2 WHERE id = ?1")?;
    let mut known = Vec::with_capacity(people.len());
    let mut json = Vec::with_capacity(512);
    for mut person in people {
        // Files say no time: what they say is told now, and the same said again is no news.
        let is_timeless = person.told.is_nothing();
        if person.is_silent() {
            person.told = Told::default();
        } else if is_timeless {
            person.told = Told::at(tx.books.now);
        }
        if person.external_id.is_empty() {
            if person.aliases.is_empty() {
                return Err(Fail::impossible("a person without any id"));
            }
            person.external_id = person.aliases.remove(0);
        }
        let id = match whose(tx, &mut name, &person)? {
            (id, false) => {
                let mut known = load(db, id)?
                    .unwrap_or_else(|| Profile { external_id: person.external_id.clone(), ..Profile::default() });
                let merged = merge(known.clone(), person);
                let told = std::mem::replace(&mut known.told, merged.told.clone());
                let is_news = merged != known;
                known.told = told;
                if is_news || (merged != known && !is_timeless) {
                    if withdraws(&known, &merged) {
                        owed::note(db, id, Origin::Consent, tx.books.now)?;
                    }
                    json.clear();
                    serde_json::to_writer(&mut json, &merged)?;
                    update.execute((id.0, &json))?;
                    // That the same was said again changes no segment.
                    if is_news {
                        groups::stir(db, tx.books, id)?;
                    }
                }
                person = merged;
                id
            }
            (id, true) => {
                json.clear();
                serde_json::to_writer(&mut json, &person)?;
                insert.execute((id.0, slot_of(workspace, &person.external_id).0, &json))?;
                groups::stir(db, tx.books, id)?;
                id
            }
        };
        // An alias that belongs to someone else stays theirs: two people are never joined by accident.
        for alias in &person.aliases {
            name.execute((alias, id.0))?;
        }
        known.push(Known { id, profile: person });
    }
    Ok(known)
}

/// Changes a person's own fields and attributes; does nothing to who was erased. Gives whether anything changed.
pub(crate) fn change(db: &Connection, id: ProfileId, changes: &Changes, now: Millis) -> Done<bool> {
    let Some(mut known) = load(db, id)? else { return Ok(false) };
    let mut changed = known.clone();
    changes.apply(&mut changed, now);
    if changed != known {
        let data = serde_json::to_vec(&changed)?;
        db.prepare_cached("UPDATE profile SET data = ?2 WHERE id = ?1")?.execute((id.0, data))?;
    }
    known.told.clone_from(&changed.told);
    Ok(changed != known)
}

/// Whether someone takes back what they allowed: a consent, or being sold and shared.
pub(crate) fn withdraws(before: &Profile, after: &Profile) -> bool {
    let sold = after.do_not_sell_or_share == Some(true) && before.do_not_sell_or_share != Some(true);
    let denies = |(purpose, consent): (&String, &Consent)| {
        *consent == Consent::Denied && before.consent(purpose) != Consent::Denied
    };
    sold || after.consents.iter().any(denies)
}

/// Who this is: by external id; else by an alias that was an anonymous person's only id; else someone new (true).
fn whose(tx: &mut Tx<'_>, name: &mut rusqlite::CachedStatement<'_>, person: &Profile) -> Done<(ProfileId, bool)> {
    let fresh = ProfileId(tx.books.numbers.profile);
    if name.execute((&person.external_id, fresh.0))? == 0 {
        let id = named(tx.db, &person.external_id)?;
        return Ok((id.ok_or_else(|| Fail::impossible("a name that is taken belongs to nobody"))?, false));
    }
    for alias in &person.aliases {
        if let Some(id) = named(tx.db, alias)?
            && load(tx.db, id)?.is_some_and(|known| known.external_id == *alias)
        {
            tx.db
                .prepare_cached("UPDATE known_as SET profile = ?2 WHERE name = ?1")?
                .execute((&person.external_id, id.0))?;
            return Ok((id, false));
        }
    }
    next(&mut tx.books.numbers.profile);
    Ok((fresh, true))
}

/// What is known and what is new. Who was known by an alias only, takes the real id.
fn merge(mut known: Profile, newer: Profile) -> Profile {
    if known.external_id != newer.external_id && newer.aliases.contains(&known.external_id) {
        known.external_id.clone_from(&newer.external_id);
    }
    known.merge(newer);
    known
}

/// The profile of a name.
pub(crate) fn named(db: &Connection, name: &str) -> Done<Option<ProfileId>> {
    let mut select = db.prepare_cached("SELECT profile FROM known_as WHERE name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?.map(ProfileId))
}

/// The profiles of names, in their order.
pub(crate) fn all_named(db: &Connection, names: &[String]) -> Done<Vec<Option<ProfileId>>> {
    names.iter().map(|name| named(db, name)).collect()
}

/// One profile; `None` once erased or where there is none.
pub(crate) fn load(db: &Connection, id: ProfileId) -> Done<Option<Profile>> {
    let mut select = db.prepare_cached("SELECT data FROM profile WHERE id = ?1")?;
    let data: Option<Option<Vec<u8>>> = select.query_row([id.0], |row| row.get(0)).optional()?;
    Ok(data.flatten().map(|data| serde_json::from_slice(&data)).transpose()?)
}

/// Finds people by any identifier. External ids and aliases are looked up; e-mails, phones, device ids and digests are
/// found by reading every profile and, for a digest, every membership: about a second for each million people.
pub(crate) fn find(db: &Connection, identifier: &str) -> Done<Vec<ProfileId>> {
    let identifier = identifier.trim();
    let mut found: BTreeSet<ProfileId> = named(db, identifier)?.into_iter().collect();
    if found.is_empty() && !identifier.is_empty() {
        let wanted = Wanted::new(identifier);
        let mut select = db.prepare_cached("SELECT id, data FROM profile WHERE data IS NOT NULL ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if wanted.is_on(&serde_json::from_slice(row.get_ref(1)?.as_blob().map_err(mistyped)?)?) {
                found.insert(ProfileId(row.get(0)?));
            }
        }
        if let Ok(digest) = identifier.to_ascii_lowercase().parse::<Digest>() {
            found.extend(membership::holders(db, &digest)?);
        }
    }
    Ok(found.into_iter().collect())
}

/// Addresses that are looked for: e-mails in lower case or as SHA-256 of that, phones in one of the forms of
/// [`phone_forms`].
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) emails: HashSet<String>,
    pub(crate) phones: HashSet<String>,
    /// Whether some e-mail is a digest.
    pub(crate) has_digests: bool,
}

/// Whom addresses belong to. E-mails belong to the first who has them; a phone that several people share to nobody.
#[derive(Debug, Default)]
pub(crate) struct Addressed {
    pub(crate) emails: HashMap<String, ProfileId>,
    pub(crate) phones: HashMap<String, Option<ProfileId>>,
}

/// Whom these addresses belong to. Reads every profile, as [`find`] does.
pub(crate) fn with_addresses(db: &Connection, wanted: &Addresses) -> Done<Addressed> {
    let mut select = db.prepare_cached("SELECT id, data FROM profile WHERE data IS NOT NULL ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut found = Addressed::default();
    while let Some(row) = rows.next()? {
        let id = ProfileId(row.get(0)?);
        let person: Identifiers = serde_json::from_slice(row.get_ref(1)?.as_blob().map_err(mistyped)?)?;
        for email in &person.emails {
            let email = email.trim().to_lowercase();
            let digest = wanted.has_digests.then(|| Digest::of(email.as_bytes()).to_string());
            for form in digest.into_iter().chain([email]).filter(|form| wanted.emails.contains(form)) {
                found.emails.entry(form).or_insert(id);
            }
        }
        if wanted.phones.is_empty() {
            continue;
        }
        let place = place_of(person.country.as_deref());
        for form in person.phones.iter().flat_map(|phone| phone_forms(phone, place)) {
            if wanted.phones.contains(&form) {
                let whose = found.phones.entry(form).or_insert(Some(id));
                *whose = whose.filter(|other| *other == id);
            }
        }
    }
    Ok(found)
}

/// The identifiers of a profile; the rest is skipped while reading.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Identifiers {
    emails: Vec<String>,
    phones: Vec<String>,
    country: Option<String>,
    idfa: Option<String>,
    gaid: Option<String>,
}

/// An identifier in the forms in which it is compared.
struct Wanted {
    text: String,
    digits: String,
}

impl Wanted {
    fn new(identifier: &str) -> Wanted {
        Wanted { text: identifier.to_lowercase(), digits: phone_digits(identifier) }
    }

    fn is_on(&self, person: &Identifiers) -> bool {
        let same = |value: &String| value.trim().to_lowercase() == self.text;
        person.emails.iter().any(same)
            || person.idfa.iter().chain(&person.gaid).any(same)
            || person
                .phones
                .iter()
                .any(|phone| same(phone) || (self.digits.len() >= 5 && phone_digits(phone) == self.digits))
    }
}

/// A phone number's digits, without a leading `00`; nothing where the text is no phone number.
fn phone_digits(text: &str) -> String {
    if text.chars().any(|c| c.is_alphabetic() || c == '@') {
        return String::new();
    }
    let digits: String = text.chars().filter_map(|c| c.to_digit(10)).filter_map(|d| char::from_digit(d, 10)).collect();
    digits.strip_prefix("00").map_or(digits.clone(), str::to_owned)
}
