//! The tables of format 2, how a store of format 1 becomes one, and who may open them.
//!
//! Three shapes make it fast. *Chunks*: what is written by the thousand and read by the thousand (operations, entries,
//! final visits, sealed operations, parts) is packed into blobs, one row per chunk. *Dense keys*: ids are counted up
//! by us, so that inserts append. *Compound keys*: where two ids make a key (lane and seq, lane and profile, canvas and
//! profile), they share one 64-bit integer, 23 bits and 40 bits, because integer keys are SQLite's fastest.
use crate::contract::Error;
use crate::fail::{Done, Fail, damaged};
use caravan_model::{Code, Problem};
use rusqlite::{Connection, OptionalExtension};

/// What this host writes.
pub(crate) const FORMAT: i64 = 2;
/// The oldest host that reads what this one writes.
pub(crate) const MIN_READER: i64 = 2;
/// `CRVN`: SQLite's `application_id` of our files.
const APPLICATION: i64 = 0x4352_564e;

/// How many bits the second half of a compound key has.
const LOW: u32 = 40;

/// A compound key.
pub(crate) fn key(high: i64, low: i64) -> Done<i64> {
    if !(0..1 << (63 - LOW)).contains(&high) || !(0..1 << LOW).contains(&low) {
        return Err(Fail::impossible(format!("the ids {high} and {low} are beyond what a key can hold")));
    }
    Ok(high << LOW | low)
}

/// The second half of a compound key.
pub(crate) fn low(key: i64) -> i64 {
    key & ((1 << LOW) - 1)
}

/// The first half of a compound key.
pub(crate) fn high(key: i64) -> i64 {
    key >> LOW
}

/// The range of all keys with this first half.
pub(crate) fn keys_of(high: i64) -> Done<(i64, i64)> {
    let first = key(high, 0)?;
    Ok((first, first | ((1 << LOW) - 1)))
}

/// What format 1 had, and still has.
const TABLES: &str = "
-- One row per fact about the store itself: format, min_reader, epoch, owner, the newest `now` heard, next ids.
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE canvas(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE version(id INTEGER PRIMARY KEY, canvas INTEGER NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL,
  document TEXT NOT NULL, published INTEGER NOT NULL);
CREATE TABLE census(version INTEGER PRIMARY KEY, entered INTEGER NOT NULL, open INTEGER NOT NULL);
CREATE TABLE counter(version INTEGER, step INTEGER, status INTEGER, reason INTEGER, n INTEGER NOT NULL,
  PRIMARY KEY(version, step, status, reason)) WITHOUT ROWID;
CREATE TABLE intake(version INTEGER, source TEXT, next_row INTEGER NOT NULL, entered INTEGER NOT NULL,
  PRIMARY KEY(version, source)) WITHOUT ROWID;
CREATE TABLE refused(version INTEGER, reason TEXT, n INTEGER NOT NULL, PRIMARY KEY(version, reason)) WITHOUT ROWID;
CREATE TABLE reason(id INTEGER PRIMARY KEY, code TEXT NOT NULL, words TEXT NOT NULL);

CREATE TABLE connection(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE audience(name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;

-- `data` is model::Profile as JSON; NULL once erased.
CREATE TABLE profile(id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, data BLOB);
-- External ids and aliases share one namespace.
CREATE TABLE known_as(name TEXT PRIMARY KEY, profile INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE message(id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX message_at ON message(at);
CREATE TABLE event(profile INTEGER, n INTEGER, at INTEGER NOT NULL, name TEXT NOT NULL, properties TEXT NOT NULL,
  PRIMARY KEY(profile, n)) WITHOUT ROWID;

-- A chunk of entries with ids from `first` on: profile and the same person's entry before in this canvas.
CREATE TABLE entry(first INTEGER PRIMARY KEY, n INTEGER NOT NULL, version INTEGER NOT NULL, started INTEGER NOT NULL,
  body BLOB NOT NULL);
-- (canvas, profile): the newest entry over all versions. Written at entry and at its end, never in between.
CREATE TABLE guard(key INTEGER PRIMARY KEY, entry INTEGER NOT NULL, started INTEGER NOT NULL, open INTEGER NOT NULL);
-- Entries that a signal ended, or that ended before and heard it: what of theirs is unsent is withdrawn.
CREATE TABLE exited(entry INTEGER PRIMARY KEY);
-- Where an entry waits for the clock. An arrival has due 0; its ordinal is that of the visit to come.
CREATE TABLE position(entry INTEGER PRIMARY KEY, due INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  version INTEGER NOT NULL, step INTEGER NOT NULL, profile INTEGER NOT NULL, arrives INTEGER NOT NULL);
CREATE INDEX position_due ON position(due);
-- (lane, first seq): a chunk of operations that no slice has taken yet.
CREATE TABLE operation(key INTEGER PRIMARY KEY, n INTEGER NOT NULL, offered INTEGER NOT NULL, body BLOB NOT NULL);
-- Final visits: records of one call whose entries share a bucket. Written once; a correction is a later row that
-- replaces an earlier one. `part` 0 where no part carried them.
CREATE TABLE visit(n INTEGER PRIMARY KEY, bucket INTEGER NOT NULL, at INTEGER NOT NULL, part INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX visit_bucket ON visit(bucket);

CREATE TABLE slice(id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, upto INTEGER NOT NULL, connection TEXT NOT NULL,
  digest BLOB NOT NULL, settings TEXT NOT NULL, at INTEGER NOT NULL, ended INTEGER);
CREATE INDEX slice_open ON slice(lane) WHERE ended IS NULL;
-- The operations of an open slice, and a bit for each whose visit is final.
CREATE TABLE sealed(slice INTEGER PRIMARY KEY, operations BLOB NOT NULL);
CREATE TABLE settled(slice INTEGER PRIMARY KEY, bits BLOB NOT NULL);
-- `size` 0 once its rows are no longer kept.
CREATE TABLE part(id INTEGER PRIMARY KEY, slice INTEGER NOT NULL, lane INTEGER NOT NULL, n INTEGER NOT NULL,
  place INTEGER NOT NULL, struck BLOB NOT NULL, attempts INTEGER NOT NULL, open_until INTEGER,
  may_have_landed INTEGER NOT NULL, flowing_since INTEGER NOT NULL, poison INTEGER NOT NULL,
  doubtful INTEGER NOT NULL, pending TEXT, ended INTEGER, size INTEGER NOT NULL);
CREATE INDEX part_slice ON part(slice, n);
CREATE INDEX part_open ON part(lane, place) WHERE ended IS NULL;
CREATE INDEX part_kept ON part(lane) WHERE size > 0 AND ended IS NOT NULL;
CREATE TABLE part_rows(part INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE part_riders(part INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE attempt(part INTEGER, n INTEGER, begun INTEGER NOT NULL, deadline INTEGER NOT NULL, ended INTEGER,
  landed INTEGER, note TEXT, PRIMARY KEY(part, n)) WITHOUT ROWID;
-- (lane, profile): standing, time, fingerprint, claims and every identifier set that may stand there.
CREATE TABLE membership(key INTEGER PRIMARY KEY, body BLOB NOT NULL);
";

/// What format 2 has beside them.
const TABLES_2: &str = "
-- A lane's stripes have ids in a row; `stripes` is their number. `stopped` is since when it does not flow. `renewal` is
-- when members are looked through next, and `renewed` up to which time of acknowledgement they were.
CREATE TABLE lane(id INTEGER PRIMARY KEY, connector TEXT NOT NULL, account TEXT NOT NULL, audience TEXT NOT NULL,
  made_by_us INTEGER NOT NULL, parts TEXT NOT NULL, connection INTEGER NOT NULL, state TEXT NOT NULL,
  next_seq INTEGER NOT NULL, waiting INTEGER NOT NULL, sealed INTEGER NOT NULL, stripe INTEGER NOT NULL,
  stripes INTEGER NOT NULL, next_owed INTEGER NOT NULL, owed INTEGER NOT NULL, stopped INTEGER, renewal INTEGER,
  renewed INTEGER NOT NULL, UNIQUE(connector, account, audience, stripe));
-- The same for removals that consent or erasure owe: (lane, seq + 2³⁹), seqs below 0.
CREATE TABLE owed_operation(key INTEGER PRIMARY KEY, n INTEGER NOT NULL, offered INTEGER NOT NULL, body BLOB NOT NULL);
-- Who withdrew consent or was erased, and what of it is not queued yet. `cause` is contract::Origin.
CREATE TABLE withdrawal(profile INTEGER PRIMARY KEY, cause INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE receipt(lane INTEGER, seq INTEGER, profile INTEGER NOT NULL, subject BLOB NOT NULL, cause INTEGER NOT NULL,
  asked INTEGER NOT NULL, done INTEGER, status INTEGER NOT NULL, reason INTEGER NOT NULL, part INTEGER,
  PRIMARY KEY(lane, seq)) WITHOUT ROWID;
CREATE INDEX receipt_profile ON receipt(profile);
CREATE INDEX receipt_subject ON receipt(subject);
CREATE INDEX receipt_open ON receipt(lane, seq) WHERE done IS NULL;
-- Digests of the names of erased people: events dated before are dropped.
CREATE TABLE tombstone(name BLOB PRIMARY KEY, at INTEGER NOT NULL, profile INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE exchange(part INTEGER, n INTEGER, at INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(part, n))
  WITHOUT ROWID;
CREATE TABLE follow_up(part INTEGER PRIMARY KEY, since INTEGER NOT NULL, due INTEGER NOT NULL, asked INTEGER NOT NULL);
CREATE INDEX follow_up_due ON follow_up(due);
CREATE TABLE judged(part INTEGER, reason TEXT, n INTEGER NOT NULL, PRIMARY KEY(part, reason)) WITHOUT ROWID;
-- Timers of claims with an end; one that was asked for anew has a later row as well.
CREATE TABLE claim_end(due INTEGER, member INTEGER, version INTEGER, step INTEGER,
  PRIMARY KEY(due, member, version, step)) WITHOUT ROWID;
CREATE TABLE hold(scope TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE quota_use(key TEXT, bucket INTEGER, amount INTEGER NOT NULL, keep_until INTEGER NOT NULL,
  PRIMARY KEY(key, bucket)) WITHOUT ROWID;
CREATE INDEX quota_use_over ON quota_use(keep_until);
CREATE TABLE document(kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;
-- What became final within a quarter of an hour (in UTC, from 1970 on).
CREATE TABLE quarter(version INTEGER, quarter INTEGER, step INTEGER, status INTEGER, reason INTEGER, n INTEGER NOT NULL,
  PRIMARY KEY(version, quarter, step, status, reason)) WITHOUT ROWID;
";

/// Brings a store of format 1 up to format 2: lanes get their new columns, the rest is new.
fn upgrade_from_1(db: &Connection) -> Done<()> {
    db.execute_batch("ALTER TABLE lane RENAME TO lane_1")?;
    db.execute_batch(TABLES_2)?;
    db.execute_batch(
        "INSERT INTO lane SELECT id, connector, account, audience, made_by_us, parts, connection, state, next_seq, waiting,
           sealed, 0, 1, 0, 0, json_extract(state, '$.since'), NULL, 0 FROM lane_1;
         DROP TABLE lane_1;",
    )?;
    Ok(())
}

/// What the file is.
pub(crate) enum Kind {
    /// Nothing yet.
    New,
    /// A store that we can read, of this format.
    Ours(i64),
}

/// Looks at the file.
pub(crate) fn inspect(db: &Connection) -> Done<Kind> {
    let application: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if application == 0 && objects == 0 {
        return Ok(Kind::New);
    }
    if application != APPLICATION {
        return Err(told(damaged("the file is a SQLite database, but no store of Caravan's")));
    }
    let needs = meta(db, "min_reader")?.ok_or_else(|| told(damaged("the store does not say which format it has")))?;
    if needs > FORMAT {
        let words = format!("the store has format {needs} and up; this version of Caravan reads format {FORMAT}");
        return Err(told(
            Problem::new(Code::StoreTooNew, words).cure("use the newer version of Caravan that wrote it"),
        ));
    }
    Ok(Kind::Ours(meta(db, "format")?.unwrap_or(1)))
}

/// What came later and makes no other format. 4 is `Status::Rejected`. Numbers of messages are never given twice: they
/// are the rows of an intake source.
const LATER: &str = "
CREATE INDEX IF NOT EXISTS receipt_refused ON receipt(lane, seq) WHERE status = 4;
CREATE TABLE IF NOT EXISTS inbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL);
-- How many entered a canvas, by when the workspace's day began.
CREATE TABLE IF NOT EXISTS admitted(canvas INTEGER, day INTEGER, n INTEGER NOT NULL, PRIMARY KEY(canvas, day))
  WITHOUT ROWID;
-- The audit chain. Its newest number and hash stand apart, so that records missing at its end are seen.
CREATE TABLE IF NOT EXISTS note(n INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, verb TEXT NOT NULL,
  object TEXT NOT NULL, details TEXT NOT NULL, before TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS note_head(one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS note_stays BEFORE UPDATE ON note BEGIN SELECT RAISE(ABORT, 'notes are not changed'); END;
CREATE TRIGGER IF NOT EXISTS note_remains BEFORE DELETE ON note BEGIN SELECT RAISE(ABORT, 'notes are not removed'); END;
-- Segments and lists (`kind` is model::GroupKind's number), and who is in them.
CREATE TABLE IF NOT EXISTS people_group(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL,
  UNIQUE(kind, name));
CREATE TABLE IF NOT EXISTS grouped(people_group INTEGER, profile INTEGER, since INTEGER NOT NULL,
  PRIMARY KEY(people_group, profile)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grouped_profile ON grouped(profile, people_group);
-- Who changed since their segments were looked at, with a number that grows with each change.
-- Open entries that went to another version of their canvas.
CREATE TABLE IF NOT EXISTS moved(entry INTEGER PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS restless(profile INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS restless_n ON restless(n);
-- Who waits at a webhook (its position is due never): when it may be called, when the visit began, and what became of
-- attempts; `since` is NULL before the first.
CREATE TABLE IF NOT EXISTS calling(entry INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL, version INTEGER NOT NULL,
  step INTEGER NOT NULL, due INTEGER NOT NULL, began INTEGER NOT NULL, since INTEGER, attempts INTEGER NOT NULL,
  reason INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS calling_step ON calling(version, step, due);
CREATE INDEX IF NOT EXISTS calling_due ON calling(due);
-- Visits whose calls failed for good. `due` is never, or, once they are sent again, when the call may be made; the rest as
-- in `calling`, attempts since they are sent again.
CREATE TABLE IF NOT EXISTS failed_call(entry INTEGER, ordinal INTEGER, version INTEGER NOT NULL, step INTEGER NOT NULL,
  due INTEGER NOT NULL, began INTEGER NOT NULL, since INTEGER, attempts INTEGER NOT NULL, reason INTEGER NOT NULL,
  PRIMARY KEY(entry, ordinal)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS failed_call_step ON failed_call(version, step, due);
CREATE INDEX IF NOT EXISTS failed_call_due ON failed_call(due);
-- Profiles that went on in others, and those that will once nothing of either is under way; `certain` as in SamePerson.
CREATE TABLE IF NOT EXISTS merged(other INTEGER PRIMARY KEY, survivor INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS merged_survivor ON merged(survivor);
CREATE TABLE IF NOT EXISTS merging(other INTEGER PRIMARY KEY, survivor INTEGER NOT NULL, at INTEGER NOT NULL,
  certain INTEGER NOT NULL);
DROP TABLE IF EXISTS unmerged;
-- Visits that were folded away, as their counters count them.
CREATE TABLE IF NOT EXISTS folded(version INTEGER, step INTEGER, status INTEGER, reason INTEGER, n INTEGER NOT NULL,
  PRIMARY KEY(version, step, status, reason)) WITHOUT ROWID;
-- What stays of dropped events: how many, when the first was, and the newest times.
CREATE TABLE IF NOT EXISTS event_past(profile INTEGER, name TEXT, n INTEGER NOT NULL, first INTEGER NOT NULL,
  times BLOB NOT NULL, PRIMARY KEY(profile, name)) WITHOUT ROWID;
-- Members of external audiences, by the digest of the identifiers with which they were new. `profile` is whom they are linked to, `reason` why
-- they are not (contract::WhyUnlinked), `round` the export that they were last in; `body` what they came with, while
-- nobody is known.
CREATE TABLE IF NOT EXISTS import_member(import TEXT, key BLOB, profile INTEGER, reason INTEGER NOT NULL,
  round INTEGER NOT NULL, since INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(import, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS import_member_profile ON import_member(profile) WHERE profile IS NOT NULL;
CREATE INDEX IF NOT EXISTS import_member_unlinked ON import_member(import, key) WHERE profile IS NULL;
-- What those members are called by (SHA-256 of kind and identifier): each name leads to one of an import's members.
CREATE TABLE IF NOT EXISTS import_name(import TEXT, name BLOB, member BLOB NOT NULL, PRIMARY KEY(import, name))
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS import_name_member ON import_name(import, member);
-- Bytes of installed connectors, by their SHA-256 digest.
CREATE TABLE IF NOT EXISTS component(digest BLOB PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL,
  at INTEGER NOT NULL, bytes BLOB NOT NULL);
";

/// Brings an older store's tables up to this format, in one transaction.
pub(crate) fn upgrade(db: &Connection, format: i64) -> Done<()> {
    if format >= FORMAT {
        return Ok(db.execute_batch(LATER)?);
    }
    db.execute_batch("BEGIN IMMEDIATE")?;
    let upgraded = upgrade_from_1(db).and_then(|()| {
        db.execute_batch(LATER)?;
        set_meta(db, "format", FORMAT)?;
        set_meta(db, "min_reader", MIN_READER)
    });
    db.execute_batch(if upgraded.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    upgraded
}

/// Whether a store of this format can be read without writing to it.
pub(crate) fn readable(format: i64) -> Result<(), Error> {
    if format >= FORMAT {
        return Ok(());
    }
    let words = format!("the store has format {format}, and this version of Caravan reads format {FORMAT}");
    Err(Error::Problem(
        Problem::new(Code::StoreDamaged, words).cure("run `caravan store upgrade` while no host serves it"),
    ))
}

fn told(problem: Problem) -> Fail {
    Fail::Told(Error::Problem(problem))
}

/// Makes the tables in an empty file.
pub(crate) fn create(db: &Connection) -> Done<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    db.execute_batch(TABLES)?;
    db.execute_batch(TABLES_2)?;
    db.execute_batch(LATER)?;
    db.pragma_update(None, "application_id", APPLICATION)?;
    set_meta(db, "format", FORMAT)?;
    set_meta(db, "min_reader", MIN_READER)?;
    db.execute_batch("COMMIT")?;
    Ok(())
}

/// The workspace of a store that does not say it: those made before there were several.
const FIRST: &str = "default";

/// The workspace whose people live in a store.
pub(crate) fn workspace_of(db: &Connection) -> Done<String> {
    let kept = db.query_row("SELECT value FROM meta WHERE key = 'workspace'", [], |row| row.get(0)).optional()?;
    Ok(kept.unwrap_or_else(|| FIRST.to_owned()))
}

/// The same for a store that is opened for writing: a new one becomes that of the workspace that is asked for.
pub(crate) fn workspace(db: &Connection, wanted: Option<&str>) -> Done<String> {
    let is_new: bool = !db.query_row("SELECT EXISTS (SELECT 1 FROM profile)", [], |row| row.get(0))?;
    let kept: Option<String> =
        db.query_row("SELECT value FROM meta WHERE key = 'workspace'", [], |row| row.get(0)).optional()?;
    let name = match (kept, wanted) {
        (Some(kept), _) => return same(kept, wanted),
        (None, Some(wanted)) if is_new => wanted,
        (None, _) => FIRST,
    };
    db.execute("INSERT INTO meta VALUES ('workspace', ?1)", [name])?;
    same(name.to_owned(), wanted)
}

fn same(kept: String, wanted: Option<&str>) -> Done<String> {
    match wanted.is_none_or(|wanted| wanted == kept) {
        true => Ok(kept),
        false => Err(told(
            Problem::new(Code::BadValue, format!("this store holds the people of the workspace `{kept}`"))
                .cure("name another store for this workspace: people do not move between workspaces"),
        )),
    }
}

/// Whether there is a table: one that came later is missing in an older store that is only read.
pub(crate) fn has(db: &Connection, table: &str) -> Done<bool> {
    let mut select =
        db.prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)")?;
    Ok(select.query_row([table], |row| row.get(0))?)
}

/// A number of the store's own.
pub(crate) fn meta(db: &Connection, key: &str) -> Done<Option<i64>> {
    Ok(db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()?)
}

/// Keeps a number of the store's own.
pub(crate) fn set_meta(db: &Connection, key: &str, value: i64) -> Done<()> {
    db.prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
        .execute((key, value))?;
    Ok(())
}
