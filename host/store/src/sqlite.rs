//! The store on SQLite: opening it, and the contract's calls handed to the writer or to readers.
use crate::books::Books;
use crate::checkpoint::Checkpointer;
use crate::contract::*;
use crate::fail::{Done, Fail, damaged};
use crate::owner::{self, Ownership};
use crate::readers::Readers;
use crate::schema::{self, Kind, set_meta};
use crate::writer::{Tx, Writer};
use crate::{
    audiences, audit, counters, entries, events, lanes, parts, people, positions, settlement, slices, trace, versions,
};
use caravan_model::{Canvas, Event, LaneId, Millis, PartId, Profile, ProfileId, Reason, Status, StepIx, VersionId};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Who opens it, for the words of `CV070`; the machine's name by default.
    pub host: String,
    /// The workspace whose people live here; part of what gives a profile its slot.
    pub workspace: String,
    /// The log is moved into the file once it has so many pages.
    pub checkpoint_pages: u32,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
        let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
        OpenOptions {
            host: host.unwrap_or_else(|| "this machine".to_owned()),
            workspace: "default".to_owned(),
            checkpoint_pages: 50_000,
        }
    }
}

/// A store in an SQLite file. Clones share it; the file is let go with the last one.
#[derive(Debug)]
pub struct Sqlite {
    shared: Arc<Shared>,
    /// The newest change that this clone has been told of.
    heard: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    // In the order in which they go: the writer closes last, so that the log is merged and removed, and only then may
    // others own the file.
    readers: Readers,
    writer: Option<Writer>,
    changes: watch::Sender<u64>,
    workspace: Arc<str>,
    _ownership: Option<Ownership>,
}

impl Clone for Sqlite {
    fn clone(&self) -> Sqlite {
        Sqlite { shared: Arc::clone(&self.shared), heard: AtomicU64::new(self.heard.load(Ordering::Relaxed)) }
    }
}

impl Sqlite {
    /// Opens a store, or makes one in a new file that its owner alone can read, and owns it until dropped.
    ///
    /// # Errors
    /// `CV070` where another process owns it, `CV071` where it cannot be read, `CV072` where it is too new.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Sqlite> {
        let path = path.as_ref();
        let ownership = owner::take(path, &options.host)?;
        // SQLite gives the log beside it the same permissions.
        owner::private_file(path).map_err(|error| owner::unopenable(path, &error))?;
        let told = |fail: Fail| about(path, fail.doing("open the store"));
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(told)?;
        let books = prepare(&db).map_err(told)?;
        let checkpoints = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|db| Ok(db.execute_batch("PRAGMA cache_size = -1000; PRAGMA synchronous = FULL").map(|()| db)?))
            .map_err(told)?;
        let thread = |error: std::io::Error| Error::Engine { doing: "start a thread", source: Box::new(error) };
        let checkpointer = Checkpointer::start(checkpoints, options.checkpoint_pages).map_err(thread)?;
        let writer = Writer::start(db, books, checkpointer).map_err(thread)?;
        Ok(Sqlite::new(path, Some(writer), Some(ownership), options.workspace))
    }

    /// Opens an existing store for reading alone, beside its owner if there is one. Every writing call is refused.
    ///
    /// # Errors
    /// `CV071` where it is missing or cannot be read, `CV072` where it is too new.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Sqlite> {
        let path = path.as_ref();
        let told = |fail: Fail| about(path, fail.doing("open the store"));
        std::fs::File::open(path).map_err(|error| owner::unopenable(path, &error))?;
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
        if let Kind::New = schema::inspect(&db).map_err(told)? {
            return Err(Error::Problem(damaged("the store is empty").in_file(path.display().to_string())));
        }
        Ok(Sqlite::new(path, None, None, String::new()))
    }

    fn new(path: &Path, writer: Option<Writer>, ownership: Option<Ownership>, workspace: String) -> Sqlite {
        let readers = Readers::new(PathBuf::from(path));
        let workspace = Arc::from(workspace);
        let shared = Shared { writer, readers, changes: watch::Sender::new(1), workspace, _ownership: ownership };
        Sqlite { shared: Arc::new(shared), heard: AtomicU64::new(0) }
    }

    /// A writing call, fenced.
    async fn write<T: Send + 'static>(
        &self,
        lease: Lease,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.write_unfenced(doing, move |tx| {
            tx.books.check(lease)?;
            work(tx)
        })
        .await
    }

    async fn write_unfenced<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        match &self.shared.writer {
            Some(writer) => writer.call(doing, work).await,
            None => Err(Error::Impossible("the store was opened for reading alone".to_owned())),
        }
    }

    /// A writing call that may make work.
    async fn stir<T: Send + 'static>(
        &self,
        lease: Lease,
        doing: &'static str,
        work: impl FnOnce(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.write(lease, doing, work).await;
        self.shared.changes.send_modify(|n| *n += 1);
        result
    }

    /// A reading call, one snapshot.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || shared.readers.read(doing, work));
        read.await.unwrap_or_else(|error| Err(Error::Engine { doing, source: Box::new(error) }))
    }
}

fn about(path: &Path, error: Error) -> Error {
    match error {
        Error::Problem(problem) if problem.file.is_none() => {
            Error::Problem(problem.in_file(path.display().to_string()))
        }
        other => other,
    }
}

fn connect(path: &Path, mode: OpenFlags) -> Done<Connection> {
    let db = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(Duration::from_secs(30))?;
    Ok(db)
}

/// Makes the writer's connection ready, and the tables where there are none.
fn prepare(db: &Connection) -> Done<Books> {
    db.set_prepared_statement_cache_capacity(128);
    let kind = schema::inspect(db)?;
    if let Kind::New = kind {
        db.execute_batch("PRAGMA page_size = 8192")?;
    }
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY",
    )?;
    if let Kind::New = kind {
        schema::create(db)?;
    }
    Books::load(db)
}

impl Store for Sqlite {
    async fn lease(&self, host: &str, now: Millis) -> Result<Lease> {
        let host = host.to_owned();
        self.write_unfenced("take the lease", move |tx| {
            tx.books.hear(now);
            tx.books.numbers.epoch += 1;
            tx.books.numbers.leased = 1;
            set_meta(tx.db, "now", tx.books.now.0)?;
            tx.db.execute(
                "INSERT INTO meta VALUES ('owner', ?1) ON CONFLICT DO UPDATE SET value = excluded.value",
                [host],
            )?;
            Ok(Lease { epoch: tx.books.numbers.epoch })
        })
        .await
    }

    async fn renew(&self, lease: Lease, now: Millis) -> Result<()> {
        self.write(lease, "renew the lease", move |tx| {
            tx.books.hear(now);
            set_meta(tx.db, "now", tx.books.now.0)
        })
        .await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.write(lease, "give the lease back", |tx| {
            tx.books.numbers.leased = 0;
            Ok(())
        })
        .await
    }

    async fn publish(&self, lease: Lease, canvas: Canvas, now: Millis) -> Result<Version> {
        self.stir(lease, "publish a canvas", move |tx| versions::publish(tx, canvas, now)).await
    }

    async fn versions(&self) -> Result<Vec<Version>> {
        self.read("read canvases", versions::all).await
    }

    async fn audience(&self, name: &str) -> Result<Option<Audience>> {
        let name = name.to_owned();
        self.read("read an audience", move |db| audiences::named(db, &name)).await
    }

    async fn audiences(&self) -> Result<Vec<Audience>> {
        self.read("read audiences", audiences::all).await
    }

    async fn bind(&self, lease: Lease, audience: Audience) -> Result<()> {
        self.write(lease, "register an audience", move |tx| audiences::bind(tx.db, &audience)).await
    }

    async fn lane(
        &self,
        lease: Lease,
        key: LaneKey,
        connection: &str,
        made_by_us: bool,
        parts: Vec<(String, String)>,
    ) -> Result<(LaneId, u32)> {
        let connection = connection.to_owned();
        self.write(lease, "open a queue", move |tx| lanes::open(tx, &key, &connection, made_by_us, &parts)).await
    }

    async fn upsert(&self, lease: Lease, people: Vec<Profile>, now: Millis) -> Result<Vec<Known>> {
        let workspace = Arc::clone(&self.shared.workspace);
        self.write(lease, "take people in", move |tx| {
            tx.books.hear(now);
            people::upsert(tx, &workspace, people)
        })
        .await
    }

    async fn record(
        &self,
        lease: Lease,
        events: Vec<(String, Option<String>, Event)>,
        now: Millis,
    ) -> Result<Vec<ProfileId>> {
        let workspace = Arc::clone(&self.shared.workspace);
        self.write(lease, "record events", move |tx| events::record(tx, &workspace, events, now)).await
    }

    async fn events(&self, profiles: Vec<ProfileId>, names: Vec<String>) -> Result<Vec<Vec<Event>>> {
        self.read("read events", move |db| profiles.iter().map(|id| events::of(db, *id, &names)).collect()).await
    }

    async fn intake(&self, version: VersionId, source: &str) -> Result<(u64, u64)> {
        let source = source.to_owned();
        self.read("read what was taken in", move |db| entries::intake(db, version, &source)).await
    }

    async fn enter(&self, lease: Lease, batch: EnterBatch) -> Result<Entered> {
        self.stir(lease, "let people in", move |tx| entries::enter(tx, batch)).await
    }

    async fn due(&self, now: Millis, limit: usize, with_people: bool) -> Result<Vec<Due>> {
        self.read("read what is due", move |db| positions::due(db, now, limit, with_people)).await
    }

    async fn advance(&self, lease: Lease, moves: Vec<Advance>, now: Millis) -> Result<u64> {
        self.stir(lease, "move people on", move |tx| positions::advance(tx, &moves, now)).await
    }

    async fn signal_exit(
        &self,
        lease: Lease,
        version: VersionId,
        profiles: Vec<ProfileId>,
        reason: Reason,
        now: Millis,
    ) -> Result<u64> {
        self.stir(lease, "let people out", move |tx| entries::signal_exit(tx, version, &profiles, &reason, now)).await
    }

    async fn next_timer(&self) -> Result<Option<Millis>> {
        self.read("read the next timer", positions::next_timer).await
    }

    async fn lanes(&self) -> Result<Vec<Lane>> {
        self.read("read queues", lanes::all).await
    }

    async fn set_lane(&self, lease: Lease, lane: LaneId, state: LaneState) -> Result<()> {
        self.stir(lease, "change a queue", move |tx| lanes::set_state(tx, lane, state, tx.books.now)).await
    }

    async fn peek(&self, lane: LaneId, limit: usize) -> Result<Vec<Queued>> {
        self.read("read a queue", move |db| lanes::peek(db, lane, limit)).await
    }

    async fn seal(&self, lease: Lease, sealing: Sealing) -> Result<Option<Slice>> {
        self.stir(lease, "seal a batch", move |tx| slices::seal(tx, sealing)).await
    }

    async fn open_slice(&self, lane: LaneId) -> Result<Option<Slice>> {
        self.read("read a batch", move |db| slices::open(db, lane)).await
    }

    async fn attempt(&self, lease: Lease, part: PartId, deadline: Millis, now: Millis) -> Result<u32> {
        self.write(lease, "record an attempt", move |tx| settlement::attempt(tx, part, deadline, now)).await
    }

    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<()> {
        self.stir(lease, "settle a batch", move |tx| settlement::settle(tx, settlement)).await
    }

    async fn recheck(&self, part: PartId) -> Result<Vec<Queued>> {
        self.read("look at a batch again", move |db| settlement::recheck(db, part)).await
    }

    async fn counters(&self, version: VersionId) -> Result<Counters> {
        self.read("read counters", move |db| counters::of(db, version)).await
    }

    async fn audit(&self) -> Result<Vec<String>> {
        self.read("audit", audit::audit).await
    }

    async fn find(&self, identifier: &str) -> Result<Vec<ProfileId>> {
        let identifier = identifier.to_owned();
        self.read("find a person", move |db| people::find(db, &identifier)).await
    }

    async fn trace(&self, profile: ProfileId) -> Result<Option<Trace>> {
        self.read("trace a person", move |db| trace::of(db, profile)).await
    }

    async fn visits(
        &self,
        version: VersionId,
        step: StepIx,
        status: Status,
        reason: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, caravan_model::VisitId, Reason)>> {
        self.read("read visits", move |db| counters::visits(db, (version, step), status, reason.as_deref(), limit))
            .await
    }

    async fn parts(&self, lane: Option<LaneId>, limit: usize) -> Result<Vec<PartRecord>> {
        self.read("read batches", move |db| parts::newest(db, lane, limit)).await
    }

    async fn part(&self, name: &str) -> Result<Option<PartRecord>> {
        let name = name.to_owned();
        self.read("read a batch", move |db| parts::named(db, &name)).await
    }

    async fn changed(&self) {
        let mut changes = self.shared.changes.subscribe();
        // The sender lives as long as this.
        let heard = self.heard.load(Ordering::Relaxed);
        if let Ok(newest) = changes.wait_for(|newest| *newest != heard).await.map(|newest| *newest) {
            self.heard.store(newest, Ordering::Relaxed);
        }
    }
}
