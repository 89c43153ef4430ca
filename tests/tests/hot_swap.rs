//! Connectors are changed under load, at batch boundaries: nobody is lost or doubled, a version that breaks is taken back
//! before its second batch, and a partner's outage takes nothing back.
//!
//! A million people in batches of 500, so that more than 1,000 changes fall into the run.
use caravan_connectors::{
    Binding, BoundConnector, Change, Grant, LabMap, LocalVault, Reach, Sandbox, SandboxOptions, Switch,
};
use caravan_journey::document::{read_canvas, read_connections};
use caravan_model::manifest::SECTION;
use caravan_model::port::{Ask, BoxFuture, CallContext, CallOutcome, Connector, Connectors, SystemClock};
use caravan_model::{Connection, Digest, Manifest, Problem, Profile, Status};
use caravan_runner::{Progress, RunEnd, RunOptions, Runner, RunnerOptions};
use caravan_store::{OpenOptions, Sqlite, Store as _};
use caravan_tests::{Place, audience_named, guest, keys_of};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const CANVAS: &str = "
format: 1
canvas: swaps
audiences:
  even: { connection: shop, account: main, name: Even, if_missing: create }
  odd: { connection: shop, account: main, name: Odd, if_missing: create }
entry: { trigger: { event: any }, start: split }
steps:
  split: { branch: [ { if: { attr: half, eq: odd }, next: odd } ], else: even }
  even: { audience_sync: { audience: even, action: add, match: [email] }, next: exit }
  odd: { audience_sync: { audience: odd, action: add, match: [email] }, next: exit }
";
const CONNECTIONS: &str =
    "format: 1\nconnections:\n  shop: { connector: meta, lab: true, accounts: { main: act_1 } }\n";

/// By which versions each batch was carried, by the batch's id.
type Carried = Arc<Mutex<HashMap<String, Vec<Digest>>>>;

/// A version that counts the batches it was given.
struct Counted {
    inner: BoundConnector,
    batches: AtomicU32,
    carried: Carried,
}

impl Connector for Counted {
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }

    fn digest(&self) -> Digest {
        self.inner.digest()
    }

    fn settings(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.inner.settings()
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        if matches!(ask, Ask::Sync { .. }) {
            self.batches.fetch_add(1, Ordering::SeqCst);
            let mut carried = self.carried.lock().expect("the notes");
            carried.entry(context.seed.clone()).or_default().push(self.inner.digest());
        }
        self.inner.call(context, ask)
    }
}

/// The one connection, through the switch.
struct One(Arc<Switch>);

impl Connectors for One {
    fn connector(&self, _: &str) -> Result<Arc<dyn Connector>, Problem> {
        Ok(self.0.clone())
    }

    fn default_country(&self, _: &str) -> Option<String> {
        None
    }
}

/// Writes another text over each place of one, of the same length.
fn change(bytes: &mut [u8], from: &str, to: &str) {
    let to = format!("{to:<width$}", width = from.len());
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "there is no {from}");
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
}

/// The code of a guest under the manifest of Meta's.
fn code_of(name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(guest(name)).expect("the guest");
    if name != "meta" {
        // Its own manifest is called something else; Meta's stands in a section at the end.
        change(&mut bytes, SECTION, &SECTION.replace("caravan", "another"));
        let text = include_bytes!("../../guest-steps/meta/manifest.json");
        let body = [&[SECTION.len() as u8][..], SECTION.as_bytes(), text].concat();
        let mut length = body.len();
        bytes.push(0);
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(body);
    }
    bytes
}

/// A guest's code as another version of Meta's, with smaller batches; `requests` = how many a call may make.
fn version(
    sandbox: &Arc<Sandbox>,
    lab: &str,
    (code, number, rows, requests): (&str, u8, u32, u32),
    carried: &Carried,
) -> Arc<Counted> {
    let mut bytes = code_of(code);
    change(&mut bytes, "\"version\": \"0.1.0\"", &format!("\"version\": \"0.1.{number}\""));
    change(&mut bytes, "\"rows\": 10000", &format!("\"rows\": {rows}"));
    let component = sandbox.load(&bytes).expect("a component");
    let connection = Connection { connector: "meta".into(), lab: true, ..Connection::default() };
    let mut grant = Grant::as_asked(component.manifest());
    grant.limits.requests = requests;
    let binding = Binding {
        connection: "shop".into(),
        grant,
        settings: serde_json::Map::new(),
        accounts: None,
        vault: Arc::new(LocalVault::new([("shop".to_owned(), connection)])),
        reach: Reach::Lab(LabMap::new([("graph.facebook.com", lab.trim_start_matches("http://"))]).expect("a lab")),
    };
    let inner = BoundConnector::new(component, binding).expect("a connector");
    Arc::new(Counted { inner, batches: AtomicU32::new(0), carried: carried.clone() })
}

fn people(n: u64) -> impl Iterator<Item = (u64, Result<Profile, String>)> + Send + 'static {
    (0..n).map(|row| {
        let emails = vec![format!("person{row}@example.com")];
        let mut person = Profile { external_id: format!("p{row}"), emails, ..Profile::default() };
        person.attributes.insert("half".into(), if row % 2 == 1 { "odd" } else { "even" }.into());
        (row, Ok(person))
    })
}

/// What the swapping task saw.
struct Swaps {
    promoted: u32,
    rolled_back: Vec<(Digest, String)>,
}

/// Changes between two good versions whenever the one before has proved itself; each bad one is tried once, after some
/// changes.
async fn swap(
    switch: Arc<Switch>,
    good: [Arc<Counted>; 2],
    bad: Vec<Arc<Counted>>,
    done: watch::Receiver<bool>,
) -> Swaps {
    let mut bad = bad.into_iter();
    let mut seen = Swaps { promoted: 0, rolled_back: Vec::new() };
    let mut next = 1;
    switch.try_version(good[next].clone()).expect("the same shape");
    while !*done.borrow() {
        for change in switch.changes() {
            match change {
                Change::Promoted(_) => {
                    seen.promoted += 1;
                    next = 1 - next;
                    let candidate = if seen.promoted.is_multiple_of(5) { bad.next() } else { None };
                    let candidate = candidate.unwrap_or_else(|| good[next].clone());
                    switch.try_version(candidate).expect("the same shape");
                }
                Change::RolledBack { from, because, .. } => {
                    seen.rolled_back.push((from, because));
                    switch.try_version(good[next].clone()).expect("the same shape");
                }
                Change::OnTrial(_) => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_of_version_within_a_run_lose_and_double_nobody() {
    let (count, rows, at_least) = (1_000_000, 500, 1_000);
    let place = Place::new();
    let lab = place.lab();
    let address = lab.get("/").expect("addresses")["partners"]["meta"].as_str().expect("an address").to_owned();
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let carried = Carried::default();
    let make = |code, number, requests| version(&sandbox, &address, (code, number, rows, requests), &carried);
    let (one, two) = (make("meta", 1, 32), make("meta", 2, 32));
    // One breaks a limit, one crashes, one sends its batch and then reports what cannot be.
    let bad = [
        (make("meta", 3, 0), "CV061"),
        (make("hostile_panic", 4, 32), "the connector crashed"),
        (make("hostile_liar", 5, 32), "report"),
    ];
    let switch = Arc::new(Switch::new(one.clone()));
    let store = Sqlite::open(place.path("s.caravan"), OpenOptions::default()).expect("a store");
    let connectors = Arc::new(One(switch.clone()));
    let runner = Runner::new(store.clone(), connectors, Arc::new(SystemClock), RunnerOptions::default());
    let canvas = read_canvas("canvas.yaml", CANVAS).expect("a canvas").value;
    let connections = read_connections("connections.yaml", CONNECTIONS).expect("connections").value;
    let version = runner.publish(canvas, &connections).await.expect("published");
    let (finish, finished) = watch::channel(false);
    let tried = bad.iter().map(|(version, _)| version.clone()).collect();
    let swapping = tokio::spawn(swap(switch.clone(), [one.clone(), two.clone()], tried, finished));
    let options =
        RunOptions { wait: Duration::from_secs(120), skip_delays: false, source: "people".into(), again: false };
    let (tell, _) = watch::channel(Progress::default());
    let (_cancel, cancelled) = watch::channel(false);
    let began = Instant::now();
    let end = runner.run(version.id, people(count), options, tell, cancelled).await.expect("a run");
    let took = began.elapsed();
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    finish.send_replace(true);
    let swaps = swapping.await.expect("the swapping task");
    assert!(swaps.promoted >= at_least, "{} changes", swaps.promoted);
    // Each bad version had one batch, and that went on with the version before.
    assert_eq!(swaps.rolled_back.len(), bad.len(), "{:?}", swaps.rolled_back);
    for ((version, why), (from, because)) in bad.iter().zip(&swaps.rolled_back) {
        assert_eq!(version.batches.load(Ordering::SeqCst), 1, "{why}");
        assert!(*from == version.digest() && because.contains(why), "{why}: {:?}", swaps.rolled_back);
    }
    let both = [&one, &two].map(|version| version.batches.load(Ordering::SeqCst));
    assert!(both.iter().all(|batches| *batches >= at_least / 3), "{both:?}");
    assert!(u64::from(both.iter().sum::<u32>()) >= count / u64::from(rows), "{both:?}");
    let counters = store.counters(version.id).await.expect("counters");
    let synced: u64 = counters.counts.iter().filter(|count| count.status == Status::Synced).map(|count| count.n).sum();
    assert_eq!((counters.entered, synced), (count, count));
    assert_eq!(store.audit().await.expect("an audit"), Vec::<String>::new());
    // Two queues sealed side by side: each batch names the version that carried it.
    let newest = store.parts(None, 40).await.expect("batches");
    let carried = carried.lock().expect("the notes").clone();
    assert!(newest.len() == 40 && newest.iter().map(|part| part.digest).collect::<HashSet<_>>().len() == 2);
    for part in newest.iter().filter(|part| bad.iter().all(|(version, _)| part.digest != version.digest())) {
        assert_eq!(carried.get(&part.part.id), Some(&vec![part.digest]), "{}", part.name);
    }
    runner.close().await.expect("closed");
    let mut members = 0;
    for name in ["Even", "Odd"] {
        let keys = keys_of(&lab, &audience_named(&lab, name).expect("one audience")).expect("members");
        members += keys.values().next().map_or(0, |values| values.len() as u64);
    }
    assert_eq!(members, count);
    println!(
        "{count} people, {} changes, {} and {} batches, {:.1} s",
        swaps.promoted,
        both[0],
        both[1],
        took.as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_fails_while_a_version_is_on_trial_takes_nothing_back() {
    let place = Place::new();
    let lab = place.lab();
    let address = lab.get("/").expect("addresses")["partners"]["meta"].as_str().expect("an address").to_owned();
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let carried = Carried::default();
    let make = |number| version(&sandbox, &address, ("meta", number, 100, 32), &carried);
    let (one, two) = (make(1), make(2));
    let switch = Arc::new(Switch::new(one.clone()));
    let store = Sqlite::open(place.path("s.caravan"), OpenOptions::default()).expect("a store");
    let connectors = Arc::new(One(switch.clone()));
    let runner = Runner::new(store.clone(), connectors, Arc::new(SystemClock), RunnerOptions::default());
    let canvas = read_canvas("canvas.yaml", CANVAS).expect("a canvas").value;
    let connections = read_connections("connections.yaml", CONNECTIONS).expect("connections").value;
    let published = runner.publish(canvas, &connections).await.expect("published");
    // Each way to fail once: the first batches, that of the new version among them, fall into it.
    for fault in ["server-error", "drop", "cut", "html", "malformed"] {
        lab.post("/_lab/faults", &json!({"partner": "meta", "route": "users-add", "fault": fault, "count": 1}))
            .unwrap_or_else(|error| panic!("{fault}: {error}"));
    }
    switch.try_version(two.clone()).expect("the same shape");
    let options =
        RunOptions { wait: Duration::from_secs(300), skip_delays: false, source: "people".into(), again: false };
    let (tell, _) = watch::channel(Progress::default());
    let (_cancel, cancelled) = watch::channel(false);
    let end = runner.run(published.id, people(1_000), options, tell, cancelled).await.expect("a run");
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    let changes = switch.changes();
    assert_eq!(changes, [Change::OnTrial(two.digest()), Change::Promoted(two.digest())]);
    assert_eq!(switch.in_use(), two.digest());
    // It was the partner: batches were sent again, by the version that had them.
    let tries = |version: &Counted| version.batches.load(Ordering::SeqCst) as usize;
    let carried = carried.lock().expect("the notes").clone();
    assert_eq!(tries(&one) + tries(&two), carried.len() + 5, "five batches failed once");
    // A batch that had to wait is taken up again by whichever version is in use then: the newer one, never the older.
    let newer = two.digest();
    assert!(carried.values().all(|by| by.iter().skip_while(|by| **by != newer).all(|by| *by == newer)), "{carried:?}");
    assert_eq!(store.audit().await.expect("an audit"), Vec::<String>::new());
    runner.close().await.expect("closed");
    let mut members = 0;
    for name in ["Even", "Odd"] {
        let keys = keys_of(&lab, &audience_named(&lab, name).expect("one audience")).expect("members");
        members += keys.values().next().map_or(0, |values| values.len());
    }
    assert_eq!(members, 1_000);
}
