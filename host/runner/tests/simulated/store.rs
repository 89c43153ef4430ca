//! The real store on simulated time: every call is done in line, so that no simulated instant passes meanwhile and the
//! order of all calls depends on the seed alone. It dies where it is told to, and its books are checked after every
//! write.
use caravan_journey::plan::{CompiledCanvas, StepKind, Target};
use caravan_model::{
    Canvas, Digest, Duration, Event, Group, LaneId, Millis, PartId, Profile, ProfileId, Reason, Status, StepIx,
    VersionId, VisitId,
};
use caravan_store::*;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Where the store's own threads live: their work must not look like work of the simulation.
static ENGINE: LazyLock<Runtime> = LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().unwrap());

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a call of the store without giving the simulation's clock a chance to jump.
fn in_line<T>(call: impl Future<Output = T>) -> T {
    let _inside = ENGINE.enter();
    let mut call = pin!(tokio::task::unconstrained(call));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match call.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// How the process dies around a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before the commit: nothing of the call is kept.
    Before,
    /// After the commit, before its answer.
    After,
}

/// When the process dies.
#[derive(Clone, Copy, Debug)]
pub struct Doom {
    /// At calls of this name; `None` = at any write.
    pub call: Option<&'static str>,
    /// How many of them go well before.
    pub after: u64,
    /// How.
    pub how: Death,
}

/// What the simulation tells its stores, over all incarnations of the process.
#[derive(Default)]
pub struct Watch {
    /// When the process dies next.
    pub doom: Mutex<Option<Doom>>,
    /// How often it died by it.
    pub deaths: Mutex<u64>,
    /// What was found to be off.
    pub off: Mutex<Vec<String>>,
    /// How many writes were followed by a check of all sums.
    pub samples: Mutex<u64>,
    /// Everything is counted anew after every so many writes; 0 = never.
    pub audit_every: Mutex<u64>,
    /// Ways of canvases part and meet again: their sums say nothing by themselves, and the audit counts everything.
    pub any_canvas: Mutex<bool>,
    /// What happens right before a write.
    interlude: Mutex<Option<Interlude>>,
}

/// Somebody acts between a decision and the write that keeps it.
struct Interlude {
    call: &'static str,
    after: u64,
    begins: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
}

impl Watch {
    /// The next write of this name, after so many of them, waits for somebody else: the first of what this gives says that it
    /// does, the second lets it go on.
    pub fn interlude(&self, call: &'static str, after: u64) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((begins, begun), (end, over)) = (oneshot::channel(), oneshot::channel());
        *self.interlude.lock().unwrap() = Some(Interlude { call, after, begins, over });
        (begun, end)
    }

    async fn before(&self, call: &'static str) {
        let due = {
            let mut waiting = self.interlude.lock().unwrap();
            match waiting.as_mut().filter(|one| one.call == call) {
                Some(one) if one.after > 0 => {
                    one.after -= 1;
                    None
                }
                Some(_) => waiting.take(),
                None => None,
            }
        };
        if let Some(one) = due {
            one.begins.send(()).unwrap();
            // Whoever acts may have died meanwhile.
            let _ = one.over.await;
        }
    }
}

/// The store of one incarnation of the process.
#[derive(Clone)]
pub struct SimStore {
    inner: Sqlite,
    watch: Arc<Watch>,
    dead: Arc<AtomicBool>,
    plans: Arc<Mutex<BTreeMap<VersionId, CompiledCanvas>>>,
    /// Versions whose people may move to each other, by canvas and names of steps: their sums are taken together.
    alike: Arc<Mutex<BTreeMap<Vec<String>, Vec<VersionId>>>>,
}

fn died(doing: &'static str) -> Error {
    Error::Engine { doing, source: "the process died here".into() }
}

impl SimStore {
    pub fn new(inner: Sqlite, watch: Arc<Watch>) -> SimStore {
        SimStore { inner, watch, dead: Arc::default(), plans: Arc::default(), alike: Arc::default() }
    }

    /// From now on this process does nothing any more.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    fn read<T>(&self, doing: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.dead.load(Ordering::SeqCst) { Err(died(doing)) } else { in_line(call) }
    }

    fn write<T>(&self, doing: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(died(doing));
        }
        let death = self.death_at(doing);
        if death.is_some() {
            self.kill();
            *self.watch.deaths.lock().unwrap() += 1;
        }
        if death == Some(Death::Before) {
            return Err(died(doing));
        }
        let result = in_line(call);
        if doing == "publish" {
            self.plans.lock().unwrap().clear();
        }
        self.sample(doing);
        if death.is_some() { Err(died(doing)) } else { result }
    }

    fn death_at(&self, doing: &'static str) -> Option<Death> {
        let mut doom = self.watch.doom.lock().unwrap();
        let next = doom.as_mut().filter(|doom| doom.call.is_none_or(|call| call == doing))?;
        if next.after > 0 {
            next.after -= 1;
            return None;
        }
        doom.take().map(|doom| doom.how)
    }

    /// At every instant: entered = the sum over statuses, for every step (promise 1).
    fn sample(&self, doing: &'static str) {
        let mut plans = self.plans.lock().unwrap();
        if plans.is_empty() {
            let mut alike = self.alike.lock().unwrap();
            alike.clear();
            for version in in_line(self.inner.versions()).unwrap() {
                plans.insert(version.id, CompiledCanvas::new(&version.canvas).unwrap());
                let names = version.canvas.steps.0.iter().map(|(id, _)| id.to_string());
                alike
                    .entry([version.canvas.canvas.to_string()].into_iter().chain(names).collect())
                    .or_default()
                    .push(version.id);
            }
        }
        let mut off = Vec::new();
        let alike = self.alike.lock().unwrap();
        let plain = !*self.watch.any_canvas.lock().unwrap();
        for versions in alike.values().filter(|_| plain) {
            let mut counters = Counters::default();
            for version in versions {
                let own = in_line(self.inner.counters(*version)).unwrap();
                counters.entered += own.entered;
                counters.open += own.open;
                counters.counts.extend(own.counts);
            }
            off.extend(sums_of(&plans[&versions[0]], &counters));
        }
        let mut samples = self.watch.samples.lock().unwrap();
        *samples += 1;
        let every = *self.watch.audit_every.lock().unwrap();
        if every > 0 && samples.is_multiple_of(every) {
            off.extend(in_line(self.inner.audit()).unwrap());
        }
        self.watch.off.lock().unwrap().extend(off.into_iter().map(|what| format!("after `{doing}`: {what}")));
    }
}

/// What does not add up.
fn sums_of(plan: &CompiledCanvas, counters: &Counters) -> Vec<String> {
    let sum =
        |step: StepIx| counters.counts.iter().filter(|count| count.step == step).map(|count| count.n).sum::<u64>();
    let mut off = Vec::new();
    let mut expect = |step: StepIx, came: u64| {
        if sum(step) != came {
            off.push(format!("step {}: {came} came, but its statuses sum up to {}", step.0, sum(step)));
        }
    };
    if let Target::Step(first) = plan.start {
        expect(first, counters.entered);
    }
    for (at, step) in plan.steps.iter().enumerate() {
        let at = StepIx(u16::try_from(at).unwrap());
        // Whoever leaves a delay is at the next step in the same transaction; the canvases here lead nowhere else.
        if let (StepKind::Delay(_), (Target::Step(next), _)) = (&step.kind, plan.after_delay(at)) {
            let through = |count: &&Count| count.step == at && count.status == Status::Passed;
            expect(next, counters.counts.iter().filter(through).map(|count| count.n).sum());
        }
    }
    if counters.open > counters.entered {
        off.push(format!("{} open entries of {}", counters.open, counters.entered));
    }
    off
}

macro_rules! the_store {
    (
        reads { $(fn $read:ident($($ra:ident: $rt:ty),*) -> $rr:ty;)* }
        writes { $(fn $write:ident($($wa:ident: $wt:ty),*) -> $wr:ty;)* }
    ) => {
        impl Store for SimStore {
            $(async fn $read(&self, $($ra: $rt),*) -> Result<$rr> {
                self.read(stringify!($read), self.inner.$read($($ra),*))
            })*
            $(async fn $write(&self, $($wa: $wt),*) -> Result<$wr> {
                self.watch.before(stringify!($write)).await;
                self.write(stringify!($write), self.inner.$write($($wa),*))
            })*
            fn documents_written(&self) -> Option<u64> {
                self.inner.documents_written()
            }
            async fn changed(&self) {
                self.inner.changed().await;
            }
        }
    };
}

the_store! {
    reads {
        fn versions() -> Vec<Version>;
        fn audience(name: &str) -> Option<Audience>;
        fn audiences() -> Vec<Audience>;
        fn events(profiles: Vec<ProfileId>, names: Vec<String>) -> Vec<Vec<Event>>;
        fn intake(version: VersionId, source: &str) -> (u64, u64);
        fn inbox(limit: usize) -> Vec<Inbound>;
        fn backlog() -> Backlog;
        fn due(now: Millis, limit: usize, with_people: bool) -> Vec<Due>;
        fn resting(profiles: Vec<ProfileId>) -> Vec<Due>;
        fn room(version: VersionId, caps: Caps, day: Millis) -> EntryRoom;
        fn newest_entries(version: VersionId, profiles: Vec<ProfileId>) -> Vec<NewestEntry>;
        fn inside(version: VersionId, after: ProfileId, limit: usize) -> Vec<ProfileId>;
        fn next_timer() -> Option<Millis>;
        fn still_called(calls: Vec<Uncalled>) -> Vec<bool>;
        fn calls(steps: Vec<(VersionId, StepIx)>, now: Millis, limit: usize) -> Vec<Calling>;
        fn lanes() -> Vec<Lane>;
        fn owing(now: Millis, limit: usize) -> Vec<Owing>;
        fn receipts(profile: Option<ProfileId>, limit: usize) -> Vec<Receipt>;
        fn receipts_of(external_id: &str) -> Vec<Receipt>;
        fn erased(names: Vec<String>) -> Vec<Option<Millis>>;
        fn named(names: Vec<String>) -> Vec<Option<ProfileId>>;
        fn strangers(pairs: Vec<SamePerson>) -> Vec<SamePerson>;
        fn merges() -> Merges;
        fn catalogue(most: usize) -> Catalogue;
        fn erased_at(identifier: &str) -> Option<Millis>;
        fn refused_removals() -> Vec<RefusedRemovals>;
        fn members(lane: LaneId, after: ProfileId, limit: usize) -> Vec<(ProfileId, Membership)>;
        fn group_members(group: Group, after: ProfileId, limit: usize) -> Vec<(ProfileId, Millis)>;
        fn groups_of(profiles: Vec<ProfileId>) -> Vec<Vec<Group>>;
        fn group_sizes() -> Vec<(Group, u64)>;
        fn restless(limit: usize) -> Vec<Restless>;
        fn everyone(after: ProfileId, limit: usize) -> Vec<Known>;
        fn people(profiles: Vec<ProfileId>) -> Vec<Known>;
        fn imported(import: String, after: Option<Digest>, limit: usize) -> ImportView;
        fn holds() -> Vec<Hold>;
        fn charges(now: Millis) -> Vec<Charge>;
        fn follow_ups(now: Millis, limit: usize) -> Vec<FollowUp>;
        fn documents(kind: DocumentKind) -> Vec<(String, String)>;
        fn notes(after: u64, limit: usize) -> Vec<Noted>;
        fn newest_note() -> Option<(u64, String)>;
        fn backup(to: std::path::PathBuf) -> BackedUp;
        fn space() -> Space;
        fn integrity() -> Vec<String>;
        fn component(digest: Digest) -> Option<Vec<u8>>;
        fn components() -> Vec<ComponentRecord>;
        fn peek(lane: LaneId, limit: usize) -> Vec<Queued>;
        fn open_slice(lane: LaneId) -> Option<Slice>;
        fn recheck(part: PartId) -> Vec<Queued>;
        fn counters(version: VersionId) -> Counters;
        fn history(version: VersionId, from: Millis, to: Millis) -> Vec<Quarter>;
        fn audit() -> Vec<String>;
        fn find(identifier: &str) -> Vec<ProfileId>;
        fn trace(profile: ProfileId) -> Option<Trace>;
        fn visits(
            version: VersionId, step: StepIx, status: Status, reason: Option<String>, limit: usize
        ) -> Vec<(String, VisitId, Reason)>;
        fn parts(lane: Option<LaneId>, limit: usize) -> Vec<PartRecord>;
        fn part(name: &str) -> Option<PartRecord>;
    }
    writes {
        fn lease(host: &str, wanted: Slots, now: Millis) -> Lease;
        fn renew(lease: Lease, now: Millis) -> ();
        fn receive(by: impl Under, messages: Vec<(Option<String>, String)>, now: Millis) -> u64;
        fn work_off(
            lease: Lease, upto: u64, events: Vec<(String, Option<String>, Event)>, now: Millis
        ) -> u64;
        fn release(lease: Lease) -> ();
        fn publish(by: impl Under, canvas: Canvas, now: Millis) -> Version;
        fn bind(by: impl Under, audience: Audience) -> ();
        fn name_audience(lease: Lease, key: LaneKey, id: String, parts: Vec<(String, String)>) -> bool;
        fn lane(lease: Lease, lane: LaneSpec) -> (LaneId, u32);
        fn upsert(by: impl Under, people: Vec<Profile>, now: Millis) -> Vec<Known>;
        fn merge(lease: Lease, pairs: Vec<SamePerson>, again: usize, now: Millis) -> Vec<Merged>;
        fn record(lease: Lease, events: Vec<(String, Option<String>, Event)>, now: Millis) -> Vec<ProfileId>;
        fn enter(lease: Lease, batch: EnterBatch) -> Entered;
        fn advance(lease: Lease, moves: Vec<Advance>, seen: CanvasesSeen, now: Millis) -> u64;
        fn signal_exit(
            by: impl Under, version: VersionId, profiles: Vec<ProfileId>, reason: Reason, now: Millis
        ) -> u64;
        fn move_entries(lease: Lease, wanted: MoveEntries) -> Moved;
        fn postpone(lease: Lease, calls: Vec<Postponed>, now: Millis) -> u64;
        fn set_lane(by: impl Under, lane: LaneId, state: LaneState) -> ();
        fn offer(lease: Lease, offers: Vec<Offer>, settles: Vec<ProfileId>, now: Millis) -> u64;
        fn resend(by: impl Under, resend: Resend) -> Resent;
        fn regroup(lease: Lease, changes: Vec<Regroup>, told: bool, looked: Vec<Restless>, now: Millis) -> u64;
        fn disband(by: impl Under, group: Group) -> ();
        fn import(by: impl Under, step: ImportStep, now: Millis) -> Imported;
        fn give_up(by: impl Under, lane: LaneId, now: Millis) -> u64;
        fn move_operations(
            by: impl Under, from: LaneId, to: LaneId, steps: Vec<(VersionId, StepIx)>, now: Millis
        ) -> u64;
        fn erase(by: impl Under, profiles: Vec<ProfileId>, now: Millis) -> ();
        fn take_back(
            by: impl Under, lane: LaneId, claims: Vec<(VersionId, StepIx)>, after: ProfileId, limit: usize, now: Millis
        ) -> Walked;
        fn end_claims(lease: Lease, now: Millis, limit: usize) -> u64;
        fn renew_members(lease: Lease, lane: LaneId, age: Duration, now: Millis) -> u64;
        fn refill(by: impl Under, refill: Refill) -> Walked;
        fn hold(by: impl Under, hold: Hold) -> ();
        fn lift(by: impl Under, scope: HoldScope, now: Millis) -> bool;
        fn correct(lease: Lease, correction: Correction) -> u64;
        fn swap_sealed(id: String, was: Option<String>, becomes: Option<String>, note: Option<Note>) -> bool;
        fn put_documents(by: impl Under, documents: Vec<(DocumentKind, String, Option<String>)>) -> ();
        fn note(
            lease: Lease, documents: Vec<(DocumentKind, String, Option<String>)>, notes: Vec<Note>
        ) -> ();
        fn keep_component(lease: Lease, name: String, version: String, bytes: Vec<u8>, now: Millis) -> Digest;
        fn drop_component(lease: Lease, digest: Digest) -> bool;
        fn prune(by: impl Under, before: Millis) -> u64;
        fn drop_events(lease: Lease, sweep: Sweep) -> Swept;
        fn fold_visits(lease: Lease, sweep: Sweep) -> Swept;
        fn seal(lease: Lease, sealing: Sealing) -> Option<Slice>;
        fn attempt(lease: Lease, part: PartId, deadline: Millis, charges: Vec<Charge>, now: Millis) -> u32;
        fn settle(lease: Lease, settlement: Settlement) -> ();
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn simulated_time_stands_still_while_the_store_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("caravan.db"), OpenOptions::default()).unwrap();
    let store = SimStore::new(store, Arc::default());
    let begin = tokio::time::Instant::now();
    // Something that the clock would jump to.
    let timer = tokio::spawn(tokio::time::sleep(std::time::Duration::from_millis(1)));
    let lease = store.lease("here", Slots::ALL, Millis(1)).await.unwrap();
    let known = store.upsert(lease, crate::common::people(0..2_000), Millis(1)).await.unwrap();
    assert_eq!(known.len(), 2_000);
    assert_eq!((begin.elapsed().as_millis(), timer.is_finished()), (0, false));
    timer.await.unwrap();
    assert!(begin.elapsed().as_millis() > 0);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_look_that_finds_nothing_to_do_wakes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("caravan.db"), OpenOptions::default()).unwrap();
    let store = SimStore::new(store, Arc::default());
    let lease = store.lease("here", Slots::ALL, Millis(1)).await.unwrap();
    let wakes = || tokio::time::timeout(std::time::Duration::from_millis(1), store.changed());
    assert!(wakes().await.is_ok(), "whoever begins looks once");
    assert_eq!(store.end_claims(lease, Millis(1), 10).await.unwrap(), 0);
    // Else a supervisor that looks whenever it is woken would never rest.
    assert!(wakes().await.is_err());
}

#[test]
fn the_sampler_sees_someone_who_is_missing() {
    let text = crate::common::one_step("walk", "add", "email");
    let plan = CompiledCanvas::new(&crate::common::canvas(&text)).unwrap();
    let count = |status, n| Count { version: VersionId(1), step: StepIx(0), status, reason: Reason::none(), n };
    let counts = vec![count(Status::Waiting, 3), count(Status::Synced, 6)];
    let counters = |entered| Counters { entered, open: 3, counts: counts.clone(), refused: Vec::new() };
    assert_eq!(sums_of(&plan, &counters(9)), Vec::<String>::new());
    assert_eq!(sums_of(&plan, &counters(10)).len(), 1);
    assert_eq!(sums_of(&plan, &counters(2)).len(), 2);
}
