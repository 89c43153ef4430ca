-- A store of format 1 as it was written then, with a lane that is held and a member. Never regenerated.
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
CREATE TABLE lane(id INTEGER PRIMARY KEY, connector TEXT NOT NULL, account TEXT NOT NULL, audience TEXT NOT NULL,
  made_by_us INTEGER NOT NULL, parts TEXT NOT NULL, connection INTEGER NOT NULL, state TEXT NOT NULL,
  next_seq INTEGER NOT NULL, waiting INTEGER NOT NULL, sealed INTEGER NOT NULL, UNIQUE(connector, account, audience));

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
-- Final visits, written once: records of one call whose entries share a bucket. `part` 0 where no part carried them.
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
PRAGMA application_id = 1129469518;
INSERT INTO meta VALUES ('format', 1), ('min_reader', 1), ('epoch', 1), ('leased', 0), ('now', 5000),
  ('next_profile', 2);
INSERT INTO connection VALUES (0, 'meta-main');
INSERT INTO profile VALUES (1, 7, CAST('{"external_id":"p1"}' AS BLOB));
INSERT INTO known_as VALUES ('p1', 1);
INSERT INTO lane VALUES (1, 'meta', 'act_1', 'aud-1', 1, '[]', 0,
  '{"state":"held","reason":{"code":"held-terms"},"since":4000,"probe":9000,"probes":1}', 1, 0, 0);
-- In since 3000, claimed by step 2 of version 1, with one set of three bytes.
INSERT INTO membership VALUES (1 << 40 | 1,
  X'0101F02E0909090909090909090909090909090901010201030A0B0C');
