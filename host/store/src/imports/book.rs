//! The rows of an import: a member is found again by any identifier that it shares with a row.
//!
//! At its source an identifier belongs to one profile at a time, so the newest word on it counts: it moves to the row that
//! came with it last, and a row of somebody else that is left without any is gone.
use super::linking::Link;
use super::names;
use crate::fail::Done;
use caravan_model::{Digest, Millis, Profile, ProfileId};
use rusqlite::{Connection, OptionalExtension};

/// A row that shares an identifier with a member.
struct Row {
    key: Digest,
    profile: Option<i64>,
}

/// The rows of an import, and whom its list gains and loses.
pub(super) struct Book<'a> {
    db: &'a Connection,
    import: &'a str,
    round: i64,
    now: Millis,
    joins: Vec<i64>,
    leaves: Vec<i64>,
}

impl<'a> Book<'a> {
    pub(super) fn new(db: &'a Connection, import: &'a str, round: u64, now: Millis) -> Book<'a> {
        Book { db, import, round: round as i64, now, joins: Vec::new(), leaves: Vec::new() }
    }

    /// A member is there; gives whom it is linked to.
    pub(super) fn join(&mut self, who: &Profile, link: Link) -> Done<Option<ProfileId>> {
        let called = names::of(who);
        let rows = self.rows(who, &called)?;
        let profile = whom(&link, &rows);
        let (same, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| is_same(row, profile));
        self.take_from(others, &called)?;
        if let Some(id) = profile.filter(|id| !same.iter().any(|row| row.profile == Some(*id))) {
            self.joins.push(id);
        }
        let key = match same.first() {
            Some(row) => row.key,
            None => self.free_key(who, called.is_empty())?,
        };
        for row in same.iter().skip(1) {
            self.drop_row(&row.key)?;
        }
        let why = match (profile, link) {
            (None, Err(why)) => why as i64,
            _ => 0,
        };
        // What a linked one came with stands in the profile from now on.
        let body = if profile.is_some() { String::new() } else { serde_json::to_string(who)? };
        self.db
            .prepare_cached(
                "INSERT INTO import_member VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE
                 SET profile = ?3, reason = ?4, round = ?5, body = ?7",
            )?
            .execute((self.import, &key.0, profile, why, self.round, self.now.0, body))?;
        let mut name = self.db.prepare_cached(
            "INSERT INTO import_name VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET member = ?3 WHERE member <> ?3",
        )?;
        for called in called {
            name.execute((self.import, &called.0, &key.0))?;
        }
        Ok(profile.map(ProfileId))
    }

    /// A member has left, and so has the person it is linked to, whatever other rows lead there.
    pub(super) fn leave(&mut self, who: &Profile, link: Link) -> Done<()> {
        let called = names::of(who);
        let rows = self.rows(who, &called)?;
        let profile = whom(&link, &rows);
        let (same, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| is_same(row, profile));
        self.take_from(others, &called)?;
        for row in same {
            self.drop_row(&row.key)?;
            self.leaves.extend(row.profile);
        }
        if let Some(id) = profile {
            for key in self.keys("SELECT key FROM import_member WHERE import = ?1 AND profile = ?2", id)? {
                self.drop_row(&key)?;
            }
            self.leaves.push(id);
        }
        Ok(())
    }

    /// A full export ends: who was in no page of its round has left.
    pub(super) fn end(&mut self) -> Done<()> {
        let mut absent = self
            .db
            .prepare_cached("SELECT profile FROM import_member WHERE import = ?1 AND round < ?2 AND profile NOTNULL")?;
        let rows = absent.query_map((self.import, self.round), |row| row.get(0))?;
        self.leaves.extend(rows.collect::<rusqlite::Result<Vec<i64>>>()?);
        for key in self.keys("SELECT key FROM import_member WHERE import = ?1 AND round < ?2", self.round)? {
            self.drop_row(&key)?;
        }
        Ok(())
    }

    /// Whom the list gains, and whom it loses: those to whom no row leads any more.
    pub(super) fn close(self) -> Done<(Vec<i64>, Vec<i64>)> {
        let mut others =
            self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM import_member WHERE import = ?1 AND profile = ?2)")?;
        let mut gone = Vec::new();
        for id in self.leaves {
            let stays: bool = others.query_row((self.import, id), |row| row.get(0))?;
            if !stays {
                gone.push(id);
            }
        }
        Ok((self.joins, gone))
    }

    /// The rows that share an identifier with a member, in the order of its own. Rows from before names were kept have their
    /// key alone.
    fn rows(&self, who: &Profile, called: &[Digest]) -> Done<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::new();
        let mut by_name = self.db.prepare_cached(
            "SELECT key, profile FROM import_name AS n JOIN import_member AS m ON m.import = n.import AND m.key = n.member
             WHERE n.import = ?1 AND n.name = ?2",
        )?;
        let read = |row: &rusqlite::Row<'_>| Ok(Row { key: Digest(row.get(0)?), profile: row.get(1)? });
        for name in called {
            let found = by_name.query_row((self.import, &name.0), read).optional()?;
            rows.extend(found.filter(|found| !rows.iter().any(|row| row.key == found.key)));
        }
        if rows.is_empty() {
            let mut nameless = self.db.prepare_cached(
                "SELECT key, profile FROM import_member WHERE import = ?1 AND key = ?2 AND NOT EXISTS
                 (SELECT 1 FROM import_name WHERE import = ?1 AND member = ?2)",
            )?;
            rows.extend(nameless.query_row((self.import, &names::key(who).0), read).optional()?);
        }
        Ok(rows)
    }

    /// Takes identifiers from rows of other people; a row that has no more is gone.
    fn take_from(&mut self, rows: Vec<Row>, called: &[Digest]) -> Done<()> {
        let mut take =
            self.db.prepare_cached("DELETE FROM import_name WHERE import = ?1 AND name = ?2 AND member = ?3")?;
        let mut has =
            self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM import_name WHERE import = ?1 AND member = ?2)")?;
        for row in rows {
            for name in called {
                take.execute((self.import, &name.0, &row.key.0))?;
            }
            let has_more: bool = has.query_row((self.import, &row.key.0), |row| row.get(0))?;
            if !has_more {
                self.drop_row(&row.key)?;
                self.leaves.extend(row.profile);
            }
        }
        Ok(())
    }

    fn drop_row(&self, key: &Digest) -> Done<()> {
        self.db
            .prepare_cached("DELETE FROM import_name WHERE import = ?1 AND member = ?2")?
            .execute((self.import, &key.0))?;
        self.db
            .prepare_cached("DELETE FROM import_member WHERE import = ?1 AND key = ?2")?
            .execute((self.import, &key.0))?;
        Ok(())
    }

    fn keys(&self, select: &str, of: i64) -> Done<Vec<Digest>> {
        let mut select = self.db.prepare_cached(select)?;
        let keys = select.query_map((self.import, of), |row| Ok(Digest(row.get(0)?)))?;
        Ok(keys.collect::<rusqlite::Result<Vec<_>>>()?)
    }

    /// A key for a new row. One that another row goes on under, which was new with these identifiers, is not given twice;
    /// those without any are one row.
    fn free_key(&self, who: &Profile, is_nameless: bool) -> Done<Digest> {
        let mut taken =
            self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM import_member WHERE import = ?1 AND key = ?2)")?;
        let mut key = names::key(who);
        while !is_nameless && taken.query_row((self.import, &key.0), |row| row.get::<_, bool>(0))? {
            key = Digest::of(&key.0);
        }
        Ok(key)
    }
}

/// Whom a member is: as it was linked, else as the row that it shares an identifier with.
fn whom(link: &Link, rows: &[Row]) -> Option<i64> {
    link.as_ref().ok().map(|id| id.0).or_else(|| rows.iter().find_map(|row| row.profile))
}

/// Whether a row is of the same person: one of somebody else is not, one of nobody whom we know is.
fn is_same(row: &Row, profile: Option<i64>) -> bool {
    row.profile.is_none() || row.profile == profile
}
