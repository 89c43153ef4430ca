//! Events: appending them once each, and reading them by person and name.
use crate::books::{mistyped, next};
use crate::fail::Done;
use crate::groups;
use crate::inbox::REMEMBERED;
use crate::keeping;
use crate::owed;
use crate::people;
use crate::writer::Tx;
use caravan_model::{Event, Millis, Profile, ProfileId};
use rusqlite::Connection;

/// Appends events: (external id, message id, event). A message id heard within seven days does nothing.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    workspace: &str,
    events: Vec<(String, Option<String>, Event)>,
    now: Millis,
) -> Done<Vec<ProfileId>> {
    tx.books.hear(now);
    let db = tx.db;
    db.prepare_cached("DELETE FROM message WHERE at < ?1")?.execute([now.before(REMEMBERED).0])?;
    let mut hear = db.prepare_cached("INSERT INTO message VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut insert = db.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut whose = Vec::with_capacity(events.len());
    for (external_id, message, event) in events {
        let id = match people::named(db, &external_id)? {
            Some(id) => id,
            // An erased person is not made anew by what happened before (design, 11.13).
            None if owed::erased_at(db, &external_id)?.is_some_and(|erased| event.at <= erased) => {
                whose.push(ProfileId::default());
                continue;
            }
            None => {
                let person = Profile { external_id, ..Profile::default() };
                people::upsert(tx, workspace, vec![person])?.first().map(|known| known.id).unwrap_or_default()
            }
        };
        whose.push(id);
        if let Some(message) = message
            && hear.execute((message, now.0))? == 0
        {
            continue;
        }
        let properties = serde_json::to_string(&event.properties)?;
        groups::stir(db, tx.books, id)?;
        insert.execute((id.0, next(&mut tx.books.numbers.event), event.at.0, event.name, properties))?;
    }
    Ok(whose)
}

/// People's events with these names, oldest first; what was dropped comes without its properties.
pub(crate) fn of_all(db: &Connection, profiles: &[ProfileId], names: &[String]) -> Done<Vec<Vec<Event>>> {
    let any_past = keeping::any_past(db)?;
    let one = |id: &ProfileId| {
        let mut events = of(db, *id, names)?;
        if any_past {
            keeping::past_of(db, *id, names, &mut events)?;
        }
        Ok(events)
    };
    profiles.iter().map(one).collect()
}

/// One person's events with these names (all, where none is given) that are kept whole, oldest first.
pub(crate) fn of(db: &Connection, profile: ProfileId, names: &[String]) -> Done<Vec<Event>> {
    let mut select = db.prepare_cached("SELECT at, name, properties FROM event WHERE profile = ?1 ORDER BY at, n")?;
    let mut rows = select.query([profile.0])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(1)?.as_str().map_err(mistyped)?;
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            let properties = serde_json::from_str(row.get_ref(2)?.as_str().map_err(mistyped)?)?;
            events.push(Event { name: name.to_owned(), at: Millis(row.get(0)?), properties });
        }
    }
    Ok(events)
}
