//! Backups of an SQLite store beside its owner, and what a full disk does.
use caravan_model::{Code, Event, Millis};
use caravan_store::contract_suite::Engine;
use caravan_store::contract_suite::World;
use caravan_store::{Error, Move, OpenOptions, Slots, Sqlite, Store};
use std::path::{Path, PathBuf};

struct OnDisk(tempfile::TempDir, Sqlite);

impl OnDisk {
    fn fresh() -> OnDisk {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("store.db"), OpenOptions::default()).expect("a store");
        OnDisk(folder, store)
    }
}

impl Engine for OnDisk {
    type Store = Sqlite;

    fn store(&self) -> Sqlite {
        self.1.clone()
    }

    async fn crash(self) -> OnDisk {
        self
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_one_instant_of_a_store_that_is_written_to_meanwhile() {
    let mut w = World::new(OnDisk::fresh()).await;
    let people = w.people(0..2_000).await;
    let rest = Move::Wait { step: caravan_model::StepIx(0), due: Millis::NEVER };
    w.enter(&people, std::slice::from_ref(&rest)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("copy.caravan");
    // Beside its owner, through a store that only reads.
    let looking = Sqlite::open_read_only(w.engine.0.path().join("store.db")).expect("opened");
    let (store, lease) = (w.store.clone(), w.lease);
    let writing = tokio::spawn(async move {
        for round in 0..200u32 {
            store.receive(lease, vec![(None, format!("message {round}"))], Millis(2)).await.expect("taken in");
        }
    });
    let made = looking.backup(to.clone()).await.expect("a backup");
    writing.await.expect("written");
    assert_eq!(made.bytes, std::fs::metadata(&to).expect("a file").len());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&to).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(files(folder.path()), std::slice::from_ref(&to), "nothing else is left");
    assert_eq!(w.store.backlog().await.expect("a look").messages, 200);
    // It replaces nothing.
    let again = looking.backup(to.clone()).await;
    assert!(matches!(again, Err(Error::Problem(problem)) if problem.code == Code::Usage));
    let nowhere = looking.backup(folder.path().join("none/copy.caravan")).await;
    assert!(matches!(nowhere, Err(Error::Problem(problem)) if problem.code == Code::UnreadableFile));
    // A host goes on with it.
    let copy = Sqlite::open(&to, OpenOptions::default()).expect("opened");
    let lease = copy.lease("elsewhere", Slots::ALL, Millis(3)).await.expect("a lease");
    assert_eq!(copy.inside(w.version.id, Default::default(), 5_000).await.expect("people"), people);
    copy.receive(lease, vec![(None, "more".to_owned())], Millis(3)).await.expect("taken in");
    assert!(copy.audit().await.expect("an audit").is_empty() && copy.integrity().await.expect("a check").is_empty());
}

#[tokio::test]
async fn a_store_whose_books_are_off_makes_no_backup() {
    let mut w = World::new(OnDisk::fresh()).await;
    let people = w.people(0..3).await;
    w.enter(&people, &[Move::Wait { step: caravan_model::StepIx(0), due: Millis::NEVER }]).await;
    let db = rusqlite::Connection::open(w.engine.0.path().join("store.db")).expect("the file");
    db.execute("UPDATE census SET open = open - 1", []).expect("tampered with");
    let folder = tempfile::tempdir().expect("a folder");
    let made = w.store.backup(folder.path().join("copy.caravan")).await;
    assert!(matches!(made, Err(Error::Problem(problem)) if problem.code == Code::StoreDamaged));
    assert!(files(folder.path()).is_empty(), "nothing is left of it");
}

#[tokio::test]
async fn a_full_disk_refuses_messages_loses_none_and_intake_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let options = OpenOptions { most_pages: 200, ..OpenOptions::default() };
    let store = Sqlite::open(&path, options.clone()).expect("a store");
    let lease = store.lease("test", Slots::ALL, Millis(1)).await.expect("a lease");
    let batch = |round: u32| -> Vec<(Option<String>, String)> {
        (0..50).map(|n| (Some(format!("m{round}-{n}")), "x".repeat(400))).collect()
    };
    let (mut taken, mut refused) = (0, 0);
    for round in 0..200 {
        match store.receive(lease, batch(round), Millis(1)).await {
            Ok(new) => taken += new,
            Err(Error::Engine { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken in, {refused} calls refused");
    assert!(taken.is_multiple_of(50), "a call is kept whole or not at all");
    assert_eq!(store.inbox(100_000).await.expect("the inbox").len() as u64, taken);
    // A refused call is repeated whole once there is room: here, because messages are worked off.
    let oldest = store.inbox(500).await.expect("the inbox");
    let upto = oldest.last().expect("messages").seq;
    assert_eq!(store.work_off(lease, upto, Vec::new(), Millis(1)).await.expect("worked off"), 500);
    assert_eq!(store.receive(lease, batch(199), Millis(1)).await.expect("taken in"), 50);
    // Also what else writes was refused whole.
    let event = Event { name: "open".into(), at: Millis(1), properties: serde_json::Map::new() };
    let events: Vec<_> = (0..20_000).map(|n| (format!("p{n}"), None, event.clone())).collect();
    assert!(store.record(lease, events, Millis(1)).await.is_err());
    assert!(store.find("p1").await.expect("a search").is_empty());
    drop(store);
    let store = Sqlite::open(&path, OpenOptions::default()).expect("the store again");
    assert_eq!(store.inbox(100_000).await.expect("the inbox").len() as u64, taken - 450);
    assert!(store.audit().await.expect("an audit").is_empty() && store.integrity().await.expect("a check").is_empty());
}
