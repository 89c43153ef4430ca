//! The watch over a real store, with a messenger that keeps what it is given: told in time, told once, never a storm.
use crate::common::*;
use caravan_model::alert::{Channel, Message, Messenger, SendError};
use caravan_model::port::BoxFuture;
use caravan_model::{Consent, Duration, LaneId, Millis, Profile, Reason, VersionId};
use caravan_runner::RunOptions;
use caravan_runner::alerts::{AlertBook, AlertOptions, Watch};
use caravan_store::{Audience, DocumentKind, LaneKey, LaneSpec, LaneState, Lease, OpenOptions, Slots, Sqlite, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Keeps what it is given.
#[derive(Default)]
struct Post {
    sent: Mutex<Vec<(String, Message)>>,
    hangs: AtomicBool,
}

impl Post {
    /// Subjects of mails, and texts of everything else, since the last call.
    fn take(&self) -> Vec<String> {
        self.messages().into_iter().map(|(_, text)| text).collect()
    }

    /// The same with the mails' ids.
    fn messages(&self) -> Vec<(String, String)> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let text = |message: Message| match message {
            Message::Mail { id, subject, body } => (id, format!("{subject}\n{body}")),
            Message::Posts(posts) => (String::new(), posts.iter().map(ToString::to_string).collect()),
        };
        sent.into_iter().map(|(_, message)| text(message)).collect()
    }
}

impl Messenger for Post {
    fn send<'a>(&'a self, channel: &'a Channel, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            self.sent.lock().unwrap().push((channel.to_string(), message.clone()));
            Ok(())
        })
    }
}

/// A store, a clock of our own, and a watch over them.
struct Scene {
    _folder: tempfile::TempDir,
    store: Sqlite,
    lease: Lease,
    now: Millis,
    post: Arc<Post>,
    options: AlertOptions,
    watch: Watch,
}

impl Scene {
    async fn new(subscriptions: &[&str]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("caravan.db"), OpenOptions::default()).unwrap();
        let now = Millis(1_700_000_000_000);
        let lease = store.lease("test", Slots::ALL, now).await.unwrap();
        let scene = Scene::over(folder, store, lease, now);
        scene.subscribe(subscriptions).await;
        scene
    }

    fn over(folder: tempfile::TempDir, store: Sqlite, lease: Lease, now: Millis) -> Scene {
        let post = Arc::new(Post::default());
        let options = AlertOptions { messenger: Some(post.clone()), ..AlertOptions::default() };
        Scene { _folder: folder, store, lease, now, post, watch: Watch::new(options.clone()), options }
    }

    async fn subscribe(&self, subscriptions: &[&str]) {
        subscribe(&self.store, self.lease, subscriptions).await;
    }

    /// An audience of connection `c`, with so many stripes; gives its first lane.
    async fn queue(&self, name: &str, stripes: u32) -> LaneId {
        let key = LaneKey { connector: "fake".into(), account: "act_1".into(), audience: format!("id-{name}") };
        let audience = Audience {
            name: name.to_owned(),
            connection: "c".into(),
            connector: key.connector.clone(),
            account: key.account.clone(),
            partner_id: Some(key.audience.clone()),
            parts: Vec::new(),
            marker: String::new(),
            made_by_us: true,
        };
        self.store.bind(self.lease, audience).await.unwrap();
        let spec = LaneSpec { key, connection: "c".into(), made_by_us: true, parts: Vec::new(), stripes };
        self.store.lane(self.lease, spec).await.unwrap().0
    }

    async fn hold(&self, lane: LaneId, code: &str) {
        let reason = Reason::new(code, "the partner's own words");
        let state = LaneState::Held { reason, since: self.now, probe: self.now.after(Duration::HOUR), probes: 0 };
        self.store.set_lane(self.lease, lane, state).await.unwrap();
    }

    async fn open(&self, lane: LaneId) {
        self.store.set_lane(self.lease, lane, LaneState::Open).await.unwrap();
    }

    async fn tick(&mut self) {
        let lanes = self.store.lanes().await.unwrap();
        self.watch.tick(&self.store, self.lease, &lanes, self.now).await.unwrap();
        // What was set off leaves.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.now = self.now.after(Duration::SECOND.times(2));
    }

    async fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now < end {
            self.tick().await;
        }
    }

    /// The process ends and another takes over.
    fn restart(&mut self) {
        self.watch = Watch::new(self.options.clone());
    }

    /// The same with a restart after every look but those whose sending is stored only by the next one.
    async fn run_with_restarts(&mut self, span: Duration) {
        let end = self.now.after(span);
        let sent = |scene: &Scene| scene.post.sent.lock().unwrap().len();
        while self.now < end {
            let before = sent(self);
            self.tick().await;
            if sent(self) == before {
                self.restart();
            }
        }
    }

    async fn documents(&self, kind: DocumentKind) -> Vec<(String, String)> {
        self.store.documents(kind).await.unwrap()
    }
}

async fn subscribe(store: &Sqlite, lease: Lease, subscriptions: &[&str]) {
    let known = store.documents(DocumentKind::Subscription).await.unwrap();
    let gone = known.into_iter().map(|(id, _)| (DocumentKind::Subscription, id, None));
    let new = subscriptions.iter().map(|json| {
        let wanted: caravan_model::Subscription = serde_json::from_str(json).unwrap();
        (DocumentKind::Subscription, wanted.id.to_string(), Some((*json).to_owned()))
    });
    store.put_documents(lease, gone.chain(new).collect()).await.unwrap();
}

const OPS: &str = r#"{"id": "ops", "to": {"mail": {"address": "ops@acme.example"}}}"#;
const MINUTE: Duration = Duration::MINUTE;

#[tokio::test]
async fn a_held_queue_is_told_within_a_minute_and_so_is_its_recovery() {
    let mut scene = Scene::new(&[OPS]).await;
    let lane = scene.queue("win-back/vip", 1).await;
    scene.run(MINUTE).await;
    assert_eq!(scene.post.take(), Vec::<String>::new());
    scene.hold(lane, "held-unauthorized").await;
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("caravan: [critical] queue win-back/vip of connection c is held"), "{told:?}");
    assert!(!told[0].contains("own words"), "the partner's words may be anything: {told:?}");
    scene.open(lane).await;
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("caravan: [mended] queue win-back/vip of connection c is no longer held"), "{told:?}");
    scene.run(MINUTE.times(5)).await;
    assert_eq!(scene.post.take(), Vec::<String>::new());
    assert!(scene.documents(DocumentKind::Alert).await.is_empty());
}

#[tokio::test]
async fn a_restart_at_every_look_tells_nothing_twice() {
    let mut scene = Scene::new(&[OPS]).await;
    let lane = scene.queue("vip", 1).await;
    scene.hold(lane, "held-terms").await;
    scene.run_with_restarts(MINUTE.times(3)).await;
    assert_eq!(scene.post.take().len(), 1);
    scene.open(lane).await;
    scene.run_with_restarts(MINUTE.times(3)).await;
    let told = scene.post.take();
    assert!(told.len() == 1 && told[0].contains("[mended]"), "{told:?}");
}

#[tokio::test]
async fn a_crash_after_sending_repeats_one_notice_under_the_same_id() {
    let mut scene = Scene::new(&[OPS]).await;
    let lane = scene.queue("vip", 1).await;
    scene.hold(lane, "held-terms").await;
    while scene.post.sent.lock().unwrap().is_empty() {
        scene.tick().await;
    }
    // It left, but nobody has stored so.
    scene.restart();
    scene.run(MINUTE.times(10)).await;
    let told = scene.post.messages();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn what_is_to_be_sent_is_stored_first() {
    let mut scene = Scene::new(&[OPS]).await;
    let lane = scene.queue("vip", 1).await;
    scene.post.hangs.store(true, Ordering::SeqCst);
    scene.hold(lane, "held-terms").await;
    // A messenger that hangs holds nothing up.
    tokio::time::timeout(std::time::Duration::from_secs(120), scene.run(MINUTE)).await.expect("no look waits for it");
    let (alerts, notices) = (scene.documents(DocumentKind::Alert).await, scene.documents(DocumentKind::Notice).await);
    let book = AlertBook::from_documents(&alerts, &notices).unwrap();
    assert_eq!((book.open().count(), book.due(scene.now).count()), (1, 1));
    scene.post.hangs.store(false, Ordering::SeqCst);
    scene.restart();
    scene.run(MINUTE).await;
    assert_eq!(scene.post.take().len(), 1);
}

#[tokio::test]
async fn five_hundred_held_queues_of_a_connection_are_one_notice() {
    let mut scene = Scene::new(&[OPS]).await;
    let mut lanes = Vec::new();
    for n in 0..500 {
        lanes.push(scene.queue(&format!("audience-{n}"), 1).await);
    }
    scene.run(Duration::SECOND.times(10)).await;
    for lane in &lanes {
        scene.hold(*lane, "held-unauthorized").await;
    }
    scene.run(MINUTE.times(10)).await;
    let told = scene.post.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("500 queues of connection c are held"), "{told:?}");
    for lane in &lanes {
        scene.open(*lane).await;
    }
    scene.run(MINUTE.times(2)).await;
    let told = scene.post.take();
    assert!(told.len() == 1 && told[0].contains("500 queues of connection c are no longer held"), "{told:?}");
}

#[tokio::test]
async fn the_stripes_of_one_audience_are_one_queue() {
    let mut scene = Scene::new(&[OPS]).await;
    let first = scene.queue("vip", 3).await;
    for stripe in 1..3 {
        scene.hold(LaneId(first.0 + stripe), "held-terms").await;
    }
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert!(told.len() == 1 && told[0].contains("queue vip of connection c is held"), "{told:?}");
    scene.open(LaneId(first.0 + 1)).await;
    scene.run(MINUTE.times(2)).await;
    assert_eq!(scene.post.take(), Vec::<String>::new(), "one stripe is held still");
}

#[tokio::test]
async fn nobody_asked_nothing_is_written_and_a_new_subscription_takes_effect_at_once() {
    let mut scene = Scene::new(&[]).await;
    let lane = scene.queue("vip", 1).await;
    scene.hold(lane, "held-terms").await;
    scene.run(MINUTE).await;
    assert!(scene.documents(DocumentKind::Alert).await.is_empty());
    assert!(scene.documents(DocumentKind::Notice).await.is_empty());
    let elsewhere = r#"{"id": "other", "connection": "d", "to": {"mail": {"address": "d@acme.example"}}}"#;
    scene.subscribe(&[OPS, elsewhere]).await;
    scene.run(MINUTE).await;
    assert_eq!(
        scene.post.sent.lock().unwrap().iter().map(|sent| &*sent.0).collect::<Vec<_>>(),
        ["mailto:ops@acme.example"]
    );
    // After the last one has gone, nothing is left of it.
    scene.subscribe(&[]).await;
    scene.run(MINUTE).await;
    assert!(scene.documents(DocumentKind::Alert).await.is_empty());
    assert!(scene.documents(DocumentKind::Notice).await.is_empty());
}

#[tokio::test]
async fn a_trap_and_a_token_that_ends_are_told_also_over_a_restart() {
    let mut scene = Scene::new(&[OPS]).await;
    let lane = scene.queue("vip", 1).await;
    scene.run(MINUTE).await;
    let signals = scene.options.signals.clone();
    signals.trapped("c", lane);
    signals.trapped("c", lane);
    signals.token_ends("c", Some(scene.now.after(Duration::DAY.times(3))));
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("connector fake of connection c trapped or broke a limit 2 times"), "{told:?}");
    assert!(told[0].contains("the token of connection c ends in 2d"), "{told:?}");
    // Another process knows neither by itself.
    scene.options.signals = Arc::default();
    scene.restart();
    scene.run(MINUTE.times(5)).await;
    assert_eq!(scene.post.take(), Vec::<String>::new());
    scene.options.signals.token_ends("c", None);
    scene.run(MINUTE.times(20)).await;
    let told = scene.post.take().concat();
    assert!(told.contains("connector fake of connection c works again"), "{told}");
    assert!(told.contains("the token of connection c no longer ends soon"), "{told}");
}

/// A stage whose runs tell `OPS`.
async fn told_stage(rows: u32) -> (Stage, Arc<Post>) {
    let mut stage = Stage::new(rows);
    let post = Arc::new(Post::default());
    stage.options.alerts.messenger = Some(post.clone());
    stage.options.alerts.policy.public_url = Some("https://caravan.acme.example".into());
    let lease = stage.store.lease("test", Slots::ALL, stage_now(&stage)).await.unwrap();
    subscribe(&stage.store, lease, &[OPS]).await;
    (stage, post)
}

async fn short_run(stage: &Stage, version: VersionId, source: &str, people: Vec<Profile>) {
    let options = RunOptions { source: source.into(), ..RunOptions::default() };
    stage.run_with(version, people, options).await;
}

#[tokio::test]
async fn a_short_run_tells_what_it_left_held_and_the_next_one_what_it_mended() {
    let (stage, post) = told_stage(10).await;
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().partner.lock().unwrap().dead = true;
    short_run(&stage, version, "f", people(0..30)).await;
    let told = post.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("[critical] queue one/list of connection c is held"), "{told:?}");
    assert!(told[0].contains("https://caravan.acme.example/canvas/one?step=sync"), "{told:?}");
    // The same trouble again is no news.
    short_run(&stage, version, "f", people(0..30)).await;
    assert_eq!(post.take(), Vec::<String>::new());
    stage.fake().partner.lock().unwrap().dead = false;
    short_run(&stage, version, "f", people(0..30)).await;
    let told = post.take();
    assert!(told.len() == 1 && told[0].contains("[mended] queue one/list of connection c"), "{told:?}");
    short_run(&stage, version, "g", people(30..40)).await;
    assert_eq!(post.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_run_in_which_many_are_rejected_tells_their_share() {
    let (stage, post) = told_stage(50).await;
    let version = stage.publish(&one_step("one", "add", "email")).await;
    short_run(&stage, version, "f", people(0..200)).await;
    assert_eq!(post.take(), Vec::<String>::new());
    stage.fake().dial(|_| Reaction::Refuse((200..260).map(|n| format!("p{n}@")).collect()));
    short_run(&stage, version, "g", people(200..400)).await;
    let told = post.take();
    assert!(
        told.len() == 1 && told[0].contains("step sync of canvas one: rejected, expired or failed: 60 of"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_slice_that_cannot_leave_is_late_although_nothing_else_waits() {
    let (stage, post) = told_stage(10).await;
    let version = stage.publish(&one_step("one", "add", "email")).await;
    waiting_after(&stage, Reaction::Throttle(3_600_000), version).await;
    let lane = stage.lane().await;
    assert_eq!((lane.sealed, lane.oldest), (10, None));
    let now = stage_now(&stage);
    let lease = stage.store.lease("test", Slots::ALL, now).await.unwrap();
    let mut scene = Scene::over(tempfile::tempdir().unwrap(), stage.store.clone(), lease, now);
    scene.run(MINUTE.times(9)).await;
    assert_eq!((post.take(), scene.post.take()), (Vec::new(), Vec::new()));
    // A process that begins only now knows how old the slice is.
    scene.restart();
    scene.now = now.after(MINUTE.times(11));
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert!(told.len() == 1 && told[0].contains("queue one/list of connection c is late"), "{told:?}");
    scene.now = now.after(MINUTE.times(61));
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert!(told.len() == 1 && told[0].contains("worse, critical"), "{told:?}");
}

/// Someone of the members withdraws consent.
async fn withdraw(stage: &Stage, person: &str) {
    let lease = stage.store.lease("test", Slots::ALL, stage_now(stage)).await.unwrap();
    let consents = [("advertising".to_owned(), Consent::Denied)].into();
    let denied = Profile { external_id: person.into(), consents, ..Profile::default() };
    stage.store.upsert(lease, vec![denied], stage_now(stage)).await.unwrap();
}

#[tokio::test]
async fn an_owed_removal_behind_a_refusal_is_a_critical_alert_of_its_own() {
    let (stage, post) = told_stage(10).await;
    let version = stage.publish(&one_step("one", "add", "email")).await;
    short_run(&stage, version, "f", people(0..5)).await;
    withdraw(&stage, "p1").await;
    // The removal is queued, and its call waits.
    stage.fake().dial(|_| Reaction::Throttle(3_600_000));
    short_run(&stage, version, "f", people(0..5)).await;
    let (lane, now) = (stage.lane().await, stage_now(&stage));
    assert_eq!(lane.owed, 1);
    let lease = stage.store.lease("test", Slots::ALL, now).await.unwrap();
    let reason = Reason::new("held-audience-too-small", "2655: too few would be left");
    let state = LaneState::Held { reason, since: now, probe: Millis(i64::MAX - 1), probes: 0 };
    stage.store.set_lane(lease, lane.id, state).await.unwrap();
    let mut scene = Scene::over(tempfile::tempdir().unwrap(), stage.store.clone(), lease, now);
    scene.run(MINUTE).await;
    let told = scene.post.take();
    assert!(told.len() == 1 && post.take().is_empty(), "{told:?}");
    assert!(told[0].contains("new, critical: the partner refuses to remove 1 person from one/list"), "{told:?}");
    assert!(told[0].contains("new, warning: queue one/list of connection c is held"), "{told:?}");
}

#[tokio::test]
async fn an_owed_removal_that_was_refused_is_told_although_nothing_waits() {
    let (stage, post) = told_stage(10).await;
    let version = stage.publish(&one_step("one", "add", "email")).await;
    short_run(&stage, version, "f", people(0..5)).await;
    withdraw(&stage, "p1").await;
    stage.fake().dial(|_| Reaction::Refuse(vec!["p1@".into()]));
    short_run(&stage, version, "f", people(0..5)).await;
    let told = post.take();
    assert!(told.len() == 1 && told[0].contains("the partner refuses to remove 1 person from one/list"), "{told:?}");
    assert!(told[0].contains("[critical]"), "{told:?}");
    // It is asked for anew, and taken.
    stage.fake().calm();
    stage.clock.0.fetch_add(7 * 3_600_000, Ordering::SeqCst);
    short_run(&stage, version, "f", people(0..5)).await;
    let told = post.take();
    assert!(told.len() == 1 && told[0].contains("removals owed from one/list"), "{told:?}");
    assert!(told[0].contains("are no longer refused"), "{told:?}");
}

#[tokio::test]
async fn a_connector_that_breaks_a_limit_is_told_beside_the_queue_that_it_holds() {
    let (stage, post) = told_stage(10).await;
    let version = stage.publish(&one_step("one", "add", "email")).await;
    stage.fake().dial(|_| Reaction::Stopped);
    short_run(&stage, version, "f", people(0..5)).await;
    let told = post.take();
    assert!(told.len() == 1 && told[0].contains("connector fake of connection c trapped or broke a limit"), "{told:?}");
    assert!(told[0].contains("queue one/list of connection c is held"), "{told:?}");
}
