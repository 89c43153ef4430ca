//! Whom a member is here.
use super::names::{is_digest, phone_forms, place_of};
use crate::contract::WhyUnlinked;
use crate::fail::Done;
use crate::people::{self, Addresses};
use caravan_model::{Profile, ProfileId};
use rusqlite::Connection;

/// Who it is, or why nobody.
pub(super) type Link = Result<ProfileId, WhyUnlinked>;

/// The addresses of a member whom no name finds.
struct Asked {
    at: usize,
    emails: Vec<String>,
    phones: Vec<String>,
}

/// Whom members are: by an own id or an alias, else by an e-mail address, else by a phone number that one of us alone has.
/// An anonymous visitor is nobody yet.
pub(super) fn link<'a>(db: &Connection, members: impl Iterator<Item = &'a Profile>) -> Done<Vec<Link>> {
    let (mut links, mut wanted, mut asked) = (Vec::new(), Addresses::default(), Vec::new());
    for who in members {
        let link = by_name(db, who)?;
        if link.is_err() && !(who.emails.is_empty() && who.phones.is_empty()) {
            let emails: Vec<String> = who.emails.iter().map(|email| email.trim().to_lowercase()).collect();
            let place = place_of(who.country.as_deref());
            // One form of each number is enough: it finds the same people as the others.
            let phones: Vec<String> =
                who.phones.iter().filter_map(|phone| phone_forms(phone, place).into_iter().next()).collect();
            wanted.has_digests |= emails.iter().any(|email| is_digest(email));
            wanted.emails.extend(emails.iter().cloned());
            wanted.phones.extend(phones.iter().cloned());
            asked.push(Asked { at: links.len(), emails, phones });
        }
        links.push(link);
    }
    // All of them in one look through everyone, and none where names sufficed.
    if wanted.emails.is_empty() && wanted.phones.is_empty() {
        return Ok(links);
    }
    let found = people::with_addresses(db, &wanted)?;
    for Asked { at, emails, phones } in asked {
        let by_email = emails.iter().find_map(|email| found.emails.get(email));
        let by_phone = || phones.iter().find_map(|phone| found.phones.get(phone));
        match by_email.map(|id| Some(*id)).or_else(|| by_phone().copied()) {
            Some(Some(id)) => links[at] = Ok(id),
            Some(None) => links[at] = Err(WhyUnlinked::Shared),
            None => {}
        }
    }
    Ok(links)
}

fn by_name(db: &Connection, who: &Profile) -> Done<Link> {
    let names: Vec<&String> =
        [&who.external_id].into_iter().chain(&who.aliases).filter(|name| !name.is_empty()).collect();
    let mut why = match names.is_empty() && who.emails.is_empty() && who.phones.is_empty() {
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
