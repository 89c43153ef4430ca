//! The contract's suite on SQLite, and what SQLite alone must show.
use caravan_model::{Code, Millis, ProfileId, StepIx, VersionId};
use caravan_store::contract_suite::{self, Engine};
use caravan_store::{Claim, Error, LaneState, OpenOptions, Slots, Sqlite, Standing, Store};
use std::path::PathBuf;

/// A store in a folder of its own.
struct OnDisk {
    folder: tempfile::TempDir,
    store: Sqlite,
}

impl OnDisk {
    fn fresh() -> OnDisk {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("store.db"), OpenOptions::default()).expect("a store");
        OnDisk { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }
}

impl Engine for OnDisk {
    type Store = Sqlite;

    fn store(&self) -> Sqlite {
        self.store.clone()
    }

    /// What a killed process leaves: the files as they are at this moment, the log unmerged.
    async fn crash(self) -> OnDisk {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(self.folder.path().join(name), folder.path().join(name)).expect("a copy");
        }
        let store = Sqlite::open(folder.path().join("store.db"), OpenOptions::default()).expect("the store again");
        OnDisk { folder, store }
    }
}

caravan_store::contract_suite!(OnDisk::fresh());

mod walk {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_sequence_of_calls_keeps_the_books_balanced(choices in prop::collection::vec(any::<u16>(), 0..600)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(contract_suite::walk::random(OnDisk::fresh(), &choices));
        }
    }
}

fn code(error: &Error) -> Option<Code> {
    match error {
        Error::Problem(problem) => Some(problem.code),
        _ => None,
    }
}

#[test]
fn a_store_has_one_owner_and_says_who() {
    let disk = OnDisk::fresh();
    let error = Sqlite::open(disk.path(), OpenOptions::default()).expect_err("a second owner");
    assert_eq!(code(&error), Some(Code::StoreInUse));
    let words = error.to_string();
    assert!(words.contains(&format!("pid {}", std::process::id())) && words.contains("--server"), "{words}");
    let OnDisk { folder, store } = disk;
    drop(store);
    Sqlite::open(folder.path().join("store.db"), OpenOptions::default()).expect("it is free again");
}

#[test]
fn a_store_whose_maker_died_before_its_first_write_is_none_yet() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    assert!(Sqlite::open_if_made(&path).expect("nothing wrong").is_none(), "there is no file");
    std::fs::write(&path, b"").expect("written");
    assert!(Sqlite::open_if_made(&path).expect("nothing wrong").is_none());
    let error = Sqlite::open_read_only(&path).expect_err("nothing to read");
    assert_eq!(code(&error), Some(Code::StoreDamaged));
    drop(Sqlite::open(&path, OpenOptions::default()).expect("it is made"));
    assert!(Sqlite::open_if_made(&path).expect("nothing wrong").is_some());
    std::fs::write(&path, b"no store at all, but something else that somebody keeps here").expect("written");
    assert!(Sqlite::open_if_made(&path).is_err(), "what is no store is told, never taken for nothing");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let disk = OnDisk::fresh();
    for file in std::fs::read_dir(disk.folder.path()).expect("a folder") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    let text = "not a database, but somebody's notes ".repeat(100);
    std::fs::write(&path, &text).expect("a file");
    for result in [Sqlite::open(&path, OpenOptions::default()), Sqlite::open_read_only(&path)] {
        let error = result.expect_err("no store");
        assert_eq!(code(&error), Some(Code::StoreDamaged), "{error}");
        assert!(error.to_string().contains("notes.txt"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), text);
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).and_then(|db| db.execute_batch("CREATE TABLE t(x)")).expect("a database");
    let error = Sqlite::open(&foreign, OpenOptions::default()).expect_err("somebody else's");
    assert_eq!(code(&error), Some(Code::StoreDamaged));
    let missing = Sqlite::open_read_only(folder.path().join("missing.db")).expect_err("missing");
    assert_eq!(code(&missing), Some(Code::StoreDamaged));
    assert!(!folder.path().join("missing.db").exists());
    let nowhere = Sqlite::open(folder.path().join("no/folder/store.db"), OpenOptions::default()).expect_err("nowhere");
    assert_eq!(code(&nowhere), Some(Code::StoreDamaged));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let OnDisk { folder, store } = OnDisk::fresh();
    drop(store);
    let path = folder.path().join("store.db");
    let newer = "UPDATE meta SET value = 3 WHERE key = 'min_reader'";
    rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(newer)).expect("a newer store");
    for result in [Sqlite::open(&path, OpenOptions::default()), Sqlite::open_read_only(&path)] {
        assert_eq!(code(&result.expect_err("too new")), Some(Code::StoreTooNew));
    }
}

#[tokio::test]
async fn a_store_of_format_1_is_upgraded_and_keeps_what_it_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let old = include_str!("format_1.sql");
    rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(old)).expect("a store of format 1");
    let reading = Sqlite::open_read_only(&path).expect_err("it must be upgraded first");
    assert_eq!(code(&reading), Some(Code::StoreDamaged));
    for _ in 0..2 {
        let store = Sqlite::open(&path, OpenOptions::default()).expect("an upgraded store");
        let lane = store.lanes().await.expect("lanes").remove(0);
        assert_eq!((lane.key.audience.as_str(), lane.stripe, lane.owed, lane.made_by_us), ("aud-1", 0, 0, true));
        assert!(matches!(lane.state, LaneState::Held { since: Millis(4000), .. }));
        let (profile, member) = store.members(lane.id, ProfileId(0), 9).await.expect("members").remove(0);
        assert_eq!((profile, member.standing, member.at), (ProfileId(1), Standing::In, Millis(3000)));
        assert_eq!(member.claims, [Claim { version: VersionId(1), step: StepIx(2), until: None }]);
        assert_eq!(member.recorded, [vec![10, 11, 12]]);
        assert_eq!(store.audit().await.expect("an audit"), Vec::<String>::new());
    }
    Sqlite::open_read_only(&path).expect("readable now");
}

#[tokio::test]
async fn members_imported_before_names_were_kept_are_found_by_their_key() {
    use caravan_model::Profile;
    use caravan_store::{DocumentKind, ImportStep, TakeMembers};
    let disk = OnDisk::fresh();
    let lease = disk.store.lease("test", Slots::ALL, Millis(0)).await.expect("a lease");
    let known = Profile { external_id: "p1".to_owned(), ..Profile::default() };
    disk.store.upsert(lease, vec![known.clone()], Millis(0)).await.expect("people");
    let document = (DocumentKind::ListImport, "l:1".to_owned(), Some("{}".to_owned()));
    disk.store.put_documents(lease, vec![document]).await.expect("an import");
    let take = |joined| {
        let members = vec![(known.clone(), joined)];
        let (import, list, document) = ("l:1".to_owned(), "l".to_owned(), "{}".to_owned());
        let (round, charges) = (1, Vec::new());
        ImportStep::Take(TakeMembers { import, list, members, round, leavers: true, ends: false, document, charges })
    };
    assert_eq!(disk.store.import(lease, take(true), Millis(0)).await.expect("a page").joined, 1);
    disk.store.release(lease).await.expect("released");
    let disk = disk.crash().await;
    let older = "DELETE FROM import_name";
    rusqlite::Connection::open(disk.path()).and_then(|db| db.execute_batch(older)).expect("an older store");
    let lease = disk.store.lease("test", Slots::ALL, Millis(1)).await.expect("a lease");
    assert_eq!(disk.store.import(lease, take(true), Millis(1)).await.expect("a page").joined, 0, "the row is there");
    assert_eq!(disk.store.import(lease, take(false), Millis(1)).await.expect("a page").left, 1);
}

#[tokio::test]
async fn a_store_opened_for_reading_reads_beside_its_owner_and_writes_nothing() {
    let disk = OnDisk::fresh();
    let world = contract_suite::World::new(disk).await;
    let people = world.people(0..3).await;
    let reading = Sqlite::open_read_only(world.engine.path()).expect("opened beside its owner");
    assert_eq!(reading.find("p0001").await.expect("found"), [people[1]]);
    assert!(matches!(reading.lease("x", Slots::ALL, Millis(0)).await, Err(Error::Impossible(_))));
    let contract_suite::World { engine: OnDisk { folder, store: one }, store: two, .. } = world;
    drop((one, two, reading));
    let alone = Sqlite::open_read_only(folder.path().join("store.db")).expect("opened while nothing runs");
    assert!(alone.audit().await.expect("an audit").is_empty());
}

#[tokio::test]
async fn a_long_log_is_moved_into_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let options = OpenOptions { checkpoint_pages: 64, ..OpenOptions::default() };
    let store = Sqlite::open(&path, options).expect("a store");
    let lease = store.lease("test", Slots::ALL, Millis(1)).await.expect("a lease");
    let log = || std::fs::metadata(folder.path().join("store.db-wal")).map_or(0, |file| file.len());
    for round in 0..200 {
        let people = (0..200)
            .map(|n| caravan_model::Profile { external_id: format!("{round}-{n}"), ..Default::default() })
            .collect();
        store.upsert(lease, people, Millis(1)).await.expect("people");
    }
    assert!(log() < 8 << 20, "the log has {} bytes", log());
    assert!(std::fs::metadata(&path).expect("the file").len() > 1 << 20);
}

#[test]
fn a_closed_store_is_one_file() {
    let OnDisk { folder, store } = OnDisk::fresh();
    drop(store);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|file| file.expect("a file").file_name()).collect();
    assert!(left.iter().all(|name| name == "store.db" || name == "store.db.lock"), "{left:?}");
}

/// Calls that wait together share a transaction; one that is refused takes nothing of the others with it.
#[tokio::test]
async fn a_refused_call_leaves_those_beside_it_whole() {
    let mut world = contract_suite::World::new(OnDisk::fresh()).await;
    let people = world.people(0..400).await;
    let offer = world.offer(0, caravan_model::Action::Add, false);
    let mut calls = Vec::new();
    for round in 0..40usize {
        // Every third offers to its first people and then breaks.
        let mut batch = world.batch(&people[round * 10..round * 10 + 10], &[offer.clone(), caravan_store::Move::End]);
        if round % 3 == 0 {
            batch.candidates[9].moves.clear();
        }
        let (store, lease) = (world.store.clone(), world.lease);
        calls.push(tokio::spawn(async move { store.enter(lease, batch).await }));
    }
    let mut refused = 0;
    for call in calls {
        refused += usize::from(call.await.expect("a call").is_err());
    }
    assert_eq!(refused, 14);
    let ops = world.peek().await;
    assert!(ops.len() == 260 && ops.iter().zip(1..).all(|(op, seq)| op.seq == seq));
    world.balanced().await;
}

/// The audit would be worth nothing if it balanced whatever the rows say.
#[tokio::test]
async fn the_audit_finds_what_is_off() {
    use caravan_model::{Action, Millis, StepIx};
    use caravan_store::Move;
    for tampering in [
        "UPDATE counter SET n = n + 1 WHERE status = 7",
        "DELETE FROM counter WHERE status = 0",
        "UPDATE census SET open = open - 1",
        "UPDATE census SET entered = entered + 1",
        "UPDATE lane SET waiting = waiting + 1",
        "UPDATE lane SET sealed = 0",
        "DELETE FROM position",
        "UPDATE position SET ordinal = 5",
        "DELETE FROM operation",
        "DELETE FROM visit",
        "INSERT INTO folded VALUES (1, 0, 1, 0, 1)",
        "INSERT INTO visit SELECT n + 100, bucket, at, part, body FROM visit",
        "UPDATE guard SET open = 0",
        "UPDATE guard SET open = 1",
        "DELETE FROM entry",
        "UPDATE intake SET entered = 0",
        "UPDATE settled SET bits = x'ff'",
        "INSERT INTO membership VALUES (99 << 40 | 1, x'')",
    ] {
        let mut world = contract_suite::World::new(OnDisk::fresh()).await;
        let people = world.people(0..4).await;
        let pass = Move::Visit { step: StepIx(0), status: caravan_model::Status::Passed, reason: Default::default() };
        let park = world.offer(1, Action::Add, true);
        world.enter(&people[..1], &[pass.clone(), park.clone()]).await;
        world.seal_all().await;
        world.enter(&people[1..2], &[pass.clone(), park]).await;
        world.enter(&people[2..3], &[pass.clone(), Move::Wait { step: StepIx(2), due: Millis::NEVER }]).await;
        world.enter(&people[3..], &[pass, Move::End]).await;
        world.balanced().await;
        let db = rusqlite::Connection::open(world.engine.path()).expect("the file");
        assert!(db.execute(tampering, []).expect(tampering) > 0, "{tampering}");
        assert!(!world.store.audit().await.expect("an audit").is_empty(), "not noticed: {tampering}");
    }
}

#[tokio::test]
async fn the_bare_calls_can_be_timed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.db");
    let timings = caravan_store::bench::bench_calls(&path, 25_000).await.expect("timings");
    assert_eq!(timings.people, 25_000);
    let store = Sqlite::open_read_only(&path).expect("the store");
    assert!(store.audit().await.expect("an audit").is_empty());
    let version = store.versions().await.expect("versions")[0].id;
    let counters = store.counters(version).await.expect("counters");
    assert_eq!((counters.entered, counters.open, counters.counts[0].n), (25_000, 0, 25_000));
}

#[tokio::test]
async fn a_store_that_nobody_wrote_to_goes_with_whoever_made_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let open =
        || Sqlite::open(&path, OpenOptions { unmade_if_blank: true, ..OpenOptions::default() }).expect("a store");
    let left = || std::fs::read_dir(folder.path()).expect("a folder").count();
    // A lease, and looks, are nothing that is kept.
    let store = open();
    let lease = store.lease("test", Slots::ALL, Millis(1)).await.expect("a lease");
    assert!(store.versions().await.expect("a look").is_empty());
    store.release(lease).await.expect("given back");
    drop(store);
    assert_eq!(left(), 0);
    // Once something is written it stays, also where the next one writes nothing.
    let store = open();
    let lease = store.lease("test", Slots::ALL, Millis(1)).await.expect("a lease");
    let people = vec![caravan_model::Profile { external_id: "p".into(), ..Default::default() }];
    store.upsert(lease, people, Millis(1)).await.expect("people");
    drop(store);
    drop(open());
    let store = Sqlite::open_read_only(&path).expect("it is there");
    assert_eq!(store.everyone(caravan_model::ProfileId(0), 9).await.expect("people").len(), 1);
    // A file that was there before, even an empty one, is not taken away.
    let other = folder.path().join("other.db");
    std::fs::write(&other, "").expect("a file");
    drop(Sqlite::open(&other, OpenOptions { unmade_if_blank: true, ..OpenOptions::default() }).expect("a store"));
    assert!(other.exists());
}
