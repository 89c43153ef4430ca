//! The catalogue: which events, properties and attributes are observed, with types and how often they are filled.
//!
//! Computed when it is asked for, over a bounded sample: intake pays nothing for it, and what was erased or dropped is
//! not in it. A sample is taken in stripes over the ids of people, who are numbered in the order of their coming.
use crate::books::mistyped;
use crate::contract::{Catalogue, Looked, SeenEvent, SeenName};
use crate::fail::Done;
use caravan_model::Millis;
use rusqlite::Connection;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Names of each kind that are listed.
const NAMES: usize = 2_000;
/// Stripes of a sample.
const STRIPES: i64 = 64;
/// How deep nested values are looked into.
const DEPTH: usize = 5;

/// What is observed, of at most so many people and so many events.
pub(crate) fn of(db: &Connection, most: usize) -> Done<Catalogue> {
    let most = most.max(1);
    let newest: i64 = db.query_row("SELECT ifnull(max(id), 0) FROM profile", [], |row| row.get(0))?;
    let mut people = Names::default();
    let looked_people = stripes(newest, most, |from, upto, limit| {
        let mut select = db.prepare_cached(
            "SELECT data FROM profile WHERE id >= ?1 AND id < ?2 AND data IS NOT NULL ORDER BY id LIMIT ?3",
        )?;
        let mut rows = select.query((from, upto, limit))?;
        let mut n = 0;
        while let Some(row) = rows.next()? {
            let data: Map<String, Value> = serde_json::from_slice(row.get_ref(0)?.as_blob().map_err(mistyped)?)?;
            about_person(&mut people, &data);
            n += 1;
        }
        Ok(n)
    })?;
    let mut happened = Happened::default();
    let looked_events = stripes(newest, most, |from, upto, limit| {
        let mut select = db.prepare_cached(
            "SELECT profile, at, name, properties FROM event WHERE profile >= ?1 AND profile < ?2 ORDER BY profile, n
             LIMIT ?3",
        )?;
        let mut rows = select.query((from, upto, limit))?;
        let mut n = 0;
        while let Some(row) = rows.next()? {
            let properties: Map<String, Value> = serde_json::from_str(row.get_ref(3)?.as_str().map_err(mistyped)?)?;
            happened.add(row.get(0)?, row.get(1)?, row.get_ref(2)?.as_str().map_err(mistyped)?, &properties);
            n += 1;
        }
        Ok(n)
    })?;
    let more_attributes = people.is_full;
    let (events, more_events) = happened.list();
    Ok(Catalogue {
        people: looked_people,
        kept_events: looked_events,
        attributes: people.list(),
        events,
        more_attributes,
        more_events,
    })
}

/// Looks at all where they are few enough, else at the beginning of each stripe of ids.
fn stripes(newest: i64, most: usize, mut look: impl FnMut(i64, i64, i64) -> Done<i64>) -> Done<Looked> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    // A stripe is no shorter than one id; the whole is one stripe where it is short.
    let width = (newest / STRIPES + 1).max(1);
    let limit = (most / STRIPES).max(1);
    let (mut at, mut is_all, mut from, mut left) = (0, true, 1, most);
    while from <= newest && left > 0 {
        let limit = if newest <= most / STRIPES { left } else { limit.min(left) };
        let found = look(from, from.saturating_add(width), limit)?;
        // A stripe that gave as many as it may has perhaps more.
        is_all &= found < limit;
        at += found;
        left -= found;
        from = from.saturating_add(width);
    }
    Ok(Looked { at: at as u64, is_all: is_all && from > newest })
}

/// Names with their counts, bounded.
#[derive(Default)]
struct Names {
    names: BTreeMap<String, SeenName>,
    is_full: bool,
}

impl Names {
    /// Counts a value at a path and, where it is nested, what it holds.
    fn add(&mut self, path: &mut String, value: &Value, depth: usize, room: bool) {
        let kind = match value {
            Value::Null => return,
            Value::Object(inner) if depth < DEPTH => {
                for (name, value) in inner {
                    let length = path.len();
                    path.push('.');
                    path.push_str(name);
                    self.add(path, value, depth + 1, room);
                    path.truncate(length);
                }
                return;
            }
            Value::Object(_) => "object",
            Value::Array(_) => "list",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(text) if is_date(text) => "date",
            Value::String(_) => "text",
        };
        if !self.names.contains_key(path.as_str()) {
            if !room || self.names.len() >= NAMES {
                self.is_full = true;
                return;
            }
            self.names.insert(path.clone(), SeenName { name: path.clone(), ..SeenName::default() });
        }
        let Some(seen) = self.names.get_mut(path.as_str()) else { return };
        seen.count += 1;
        match seen.types.get_mut(kind) {
            Some(n) => *n += 1,
            None => drop(seen.types.insert(kind.to_owned(), 1)),
        }
    }

    fn list(self) -> Vec<SeenName> {
        self.names.into_values().collect()
    }
}

/// Profiles are looked at as they are kept: an absent field is not there.
fn about_person(people: &mut Names, data: &Map<String, Value>) {
    let mut path = String::new();
    let mut about = |name: &str, value: &Value| {
        path.clear();
        path.push_str(name);
        people.add(&mut path, value, 0, true);
    };
    for (name, value) in data {
        match (name.as_str(), value) {
            ("attributes", Value::Object(attributes)) => {
                attributes.iter().for_each(|(name, value)| about(name, value));
            }
            // As filters name them.
            ("emails", value) => about("email", value),
            ("phones", value) => about("phone", value),
            (name, value) => about(name, value),
        }
    }
}

/// Events with their properties, bounded together.
#[derive(Default)]
struct Happened {
    events: BTreeMap<String, (SeenEvent, Names, i64)>,
    properties: usize,
    is_full: bool,
}

impl Happened {
    fn add(&mut self, profile: i64, at: i64, name: &str, properties: &Map<String, Value>) {
        if !self.events.contains_key(name) {
            if self.events.len() >= NAMES {
                self.is_full = true;
                return;
            }
            let seen = SeenEvent { name: name.to_owned(), first: Millis(at), last: Millis(at), ..SeenEvent::default() };
            self.events.insert(name.to_owned(), (seen, Names::default(), 0));
        }
        let Some((seen, names, newest)) = self.events.get_mut(name) else { return };
        seen.count += 1;
        seen.first = seen.first.min(Millis(at));
        seen.last = seen.last.max(Millis(at));
        // People come one after the other.
        seen.people += u64::from(*newest != profile);
        *newest = profile;
        let before = names.names.len();
        let mut path = String::new();
        for (name, value) in properties {
            path.clear();
            path.push_str(name);
            names.add(&mut path, value, 0, self.properties + names.names.len() - before < NAMES);
        }
        self.properties += names.names.len() - before;
        self.is_full |= names.is_full;
    }

    fn list(self) -> (Vec<SeenEvent>, bool) {
        let events = self.events.into_values();
        (events.map(|(seen, names, _)| SeenEvent { properties: names.list(), ..seen }).collect(), self.is_full)
    }
}

/// `2026-11-12`, or an instant that begins so.
fn is_date(text: &str) -> bool {
    let shape = |(place, byte): (usize, u8)| if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() >= 10 && text.len() <= 35 && text.bytes().take(10).enumerate().all(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_no_value_is_kept() {
        let mut names = Names::default();
        for n in 0..NAMES + 5 {
            let value = serde_json::json!({"secret-value": 1, "at": "2026-11-12T09:00:00Z", "on": [1], "no": null});
            let mut path = format!("a{n}");
            names.add(&mut path, &value, 0, true);
        }
        assert!(names.is_full);
        let list = names.list();
        assert_eq!(list.len(), NAMES);
        let dated = list.iter().find(|name| name.name == "a1.at").unwrap();
        assert_eq!((dated.count, &dated.types), (1, &BTreeMap::from([("date".to_owned(), 1)])));
        assert!(!list.iter().any(|name| name.name.ends_with(".no")), "null is nothing");
    }

    #[test]
    fn few_are_all_looked_at_and_many_are_sampled_evenly() {
        let people = |newest: i64, most| {
            let mut seen = Vec::new();
            let looked = stripes(newest, most, |from, upto, limit| {
                let ids: Vec<i64> = (from..upto.min(newest + 1)).take(limit as usize).collect();
                seen.extend(&ids);
                Ok(ids.len() as i64)
            });
            (looked.unwrap(), seen)
        };
        for newest in [0, 1, 63, 64, 1_000] {
            let (looked, seen) = people(newest, 100_000);
            assert_eq!(looked, Looked { at: newest as u64, is_all: true }, "{newest}");
            assert!(seen.is_sorted());
        }
        let (looked, seen) = people(1_000_000, 6_400);
        assert_eq!(looked, Looked { at: 6_400, is_all: false });
        assert!(seen.contains(&1) && seen.iter().any(|id| *id > 980_000));
    }
}
