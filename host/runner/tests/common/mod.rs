//! A partner in memory, its connector, and a store in a temporary folder.
#![allow(dead_code, reason = "each test binary uses a part of this")]
pub mod sender;

mod clock;
mod manifests;

pub use clock::MovedClock;
pub use manifests::{manifest, split_manifest};

use caravan_model::port::{
    Answer, Ask, AudienceInfo, BoxFuture, CallContext, CallOutcome, Connector, Connectors, Finding, FindingState,
    RequestRecord,
};
use caravan_model::{
    Action, AudienceState, Canvas, Cause, Connection, Connections, Digest, Effect, Fault, LaneId, Manifest, Millis,
    Part, Problem, Profile, Refusal, Report, Status, VersionId,
};
use caravan_runner::{RunEnd, RunOptions, Runner, RunnerOptions};
use caravan_store::{Lane, OpenOptions, Sqlite, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What the partner does with one call.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Takes all rows.
    Take,
    /// Takes all rows but those with these values, which it names.
    Refuse(Vec<String>),
    /// Does nothing because of rows with these values.
    BadRows(Vec<String>),
    /// Does nothing: over a quota for so many milliseconds.
    Throttle(u64),
    /// Does nothing, and proves it.
    Down,
    /// Takes all rows, but the answer is lost.
    LostAnswer,
    /// Does nothing, and nobody can tell.
    LostRequest,
    /// The call is too large.
    TooLarge,
    /// The connector breaks; the rows may have been taken.
    Break { landed: bool },
    /// Takes the first people, then goes down.
    TakeSome(usize),
    /// The credentials are dead.
    DeadToken,
    /// Answers only after so long.
    Slow(u64),
    /// Breaks a limit of the host.
    Stopped,
}

/// How the partner decides.
pub type Dial = Box<dyn FnMut(&Part) -> Reaction + Send>;

/// The partner.
#[derive(Default)]
pub struct Partner {
    /// Audiences by id: name, marker, members as rows.
    pub audiences: BTreeMap<String, (String, String, BTreeSet<String>)>,
    /// All membership calls, in order.
    pub calls: Vec<(String, Part)>,
    /// How often an audience was made.
    pub made: usize,
    /// Whether the process dies after making one.
    pub dies_after_making: bool,
    /// Values whose rows break the connector.
    pub poison: BTreeSet<String>,
    /// Whether the token is dead.
    pub dead: bool,
    /// How often `check` was asked.
    pub checks: usize,
}

/// A connector to the partner in memory.
pub struct Fake {
    pub manifest: Manifest,
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub partner: Arc<Mutex<Partner>>,
    pub dial: Mutex<Dial>,
    /// What its connection maps.
    pub identities: Mutex<Arc<caravan_model::Identities>>,
    /// Accounts of its connection that are switched off.
    pub off: Mutex<BTreeSet<String>>,
    /// When its connection's token ends.
    pub ends: Mutex<Option<Millis>>,
}

/// A row as the partner keeps it.
pub fn row_of(part: &Part, row: usize) -> String {
    let values = part.columns.iter().filter(|column| !column.value(row).is_empty());
    values.map(|column| format!("{}={}", column.key, column.value(row))).collect::<Vec<_>>().join("|")
}

impl Fake {
    pub fn new(manifest: serde_json::Value) -> Arc<Fake> {
        Arc::new(Fake {
            manifest: serde_json::from_value(manifest).expect("the test's manifest is one"),
            settings: Default::default(),
            partner: Arc::default(),
            dial: Mutex::new(Box::new(|_| Reaction::Take)),
            identities: Mutex::default(),
            off: Mutex::default(),
            ends: Mutex::default(),
        })
    }

    pub fn dial(&self, dial: impl FnMut(&Part) -> Reaction + Send + 'static) {
        *self.dial.lock().unwrap() = Box::new(dial);
    }

    /// From now on its connection maps this.
    pub fn map(&self, identities: serde_json::Value) {
        *self.identities.lock().unwrap() = Arc::new(serde_json::from_value(identities).expect("a mapping"));
    }

    pub fn calm(&self) {
        self.dial(|_| Reaction::Take);
    }

    /// Reactions in a row; afterwards everything is taken.
    pub fn script(&self, reactions: Vec<Reaction>) {
        let mut reactions = reactions.into_iter();
        self.dial(move |_| reactions.next().unwrap_or(Reaction::Take));
    }

    pub fn members(&self, audience: &str) -> BTreeSet<String> {
        self.partner.lock().unwrap().audiences.get(audience).map(|a| a.2.clone()).unwrap_or_default()
    }

    pub fn calls(&self) -> Vec<(String, Part)> {
        self.partner.lock().unwrap().calls.clone()
    }

    fn apply(&self, audience: &str, part: &Part, rows: impl Iterator<Item = usize>) {
        let mut partner = self.partner.lock().unwrap();
        let members = &mut partner.audiences.get_mut(audience).expect("the audience is there").2;
        for row in rows {
            let row = row_of(part, row);
            match part.action {
                Action::Add => members.insert(row),
                Action::Remove => members.remove(&row),
            };
        }
    }

    async fn sync(&self, audience: &str, part: &Part) -> (Report, Effect) {
        let reaction = {
            let mut partner = self.partner.lock().unwrap();
            partner.calls.push((audience.to_owned(), part.clone()));
            let is_poisoned = (0..part.rows as usize)
                .any(|row| partner.poison.iter().any(|p| row_of(part, row).contains(p.as_str())));
            if !partner.audiences.contains_key(audience) {
                return (Report::fault(gone()), Effect::None);
            }
            if partner.dead {
                Reaction::DeadToken
            } else if is_poisoned {
                Reaction::Break { landed: false }
            } else {
                (self.dial.lock().unwrap())(part)
            }
        };
        tokio::task::yield_now().await;
        let all = 0..part.rows as usize;
        let has = |row: usize, values: &[String]| values.iter().any(|value| row_of(part, row).contains(value));
        let refusal =
            |row: usize| Refusal { row: row as u32, code: "bad".into(), message: "the partner says no".into() };
        let unavailable = || Fault::Unavailable { after_ms: None, cause: Cause::new("503", "down") };
        let cause = |words: &str| Cause::new("x", words);
        match reaction {
            Reaction::Take => {
                self.apply(audience, part, all);
                (Report { settled: vec![(0, part.rows)], ..Report::default() }, Effect::MayHaveLanded)
            }
            Reaction::Refuse(values) => {
                self.apply(audience, part, all.clone().filter(|row| !has(*row, &values)));
                let settled = all.clone().filter(|row| !has(*row, &values)).map(|row| (row as u32, row as u32 + 1));
                let refused = all.clone().filter(|row| has(*row, &values)).map(refusal);
                (
                    Report { settled: settled.collect(), refused: refused.collect(), ..Report::default() },
                    Effect::MayHaveLanded,
                )
            }
            Reaction::BadRows(values) => {
                let refused: Vec<Refusal> = all.clone().filter(|row| has(*row, &values)).map(refusal).collect();
                if refused.is_empty() {
                    self.apply(audience, part, all);
                    return (Report { settled: vec![(0, part.rows)], ..Report::default() }, Effect::MayHaveLanded);
                }
                (Report::fault(Fault::Rows { refused }), Effect::None)
            }
            Reaction::Throttle(ms) => {
                (Report::fault(Fault::Throttled { after_ms: Some(ms), cause: cause("slow down") }), Effect::None)
            }
            Reaction::Down => (Report::fault(unavailable()), Effect::None),
            Reaction::LostAnswer => {
                self.apply(audience, part, all);
                (Report::fault(unavailable()), Effect::MayHaveLanded)
            }
            Reaction::LostRequest => (Report::fault(unavailable()), Effect::MayHaveLanded),
            Reaction::TooLarge => (Report::fault(Fault::TooLarge), Effect::None),
            Reaction::Break { landed } => {
                if landed {
                    self.apply(audience, part, all);
                }
                (Report::fault(Fault::Bug { cause: cause("it trapped") }), Effect::MayHaveLanded)
            }
            Reaction::TakeSome(people) => {
                let end = part.rows_of(people.min(part.people()).saturating_sub(1)).end;
                self.apply(audience, part, 0..end as usize);
                let fault = (end < part.rows).then(unavailable);
                (Report { settled: vec![(0, end)], fault, ..Report::default() }, Effect::None)
            }
            Reaction::DeadToken => (Report::fault(Fault::Unauthorized { cause: cause("expired") }), Effect::None),
            Reaction::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.apply(audience, part, all);
                (Report { settled: vec![(0, part.rows)], ..Report::default() }, Effect::MayHaveLanded)
            }
            Reaction::Stopped => {
                (Report::fault(Fault::Stopped { cause: cause("asked for another host") }), Effect::None)
            }
        }
    }
}

impl Connector for Fake {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        Digest::of(self.manifest.name.as_bytes())
    }

    fn settings(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.settings
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            let mut requests = Vec::new();
            let (answer, effect) = match ask {
                Ask::Sync { target, part } => {
                    if context.record_bodies {
                        requests.push(request_of(&target.audience, &part));
                    }
                    let (report, effect) = self.sync(&target.audience, &part).await;
                    (Ok(Answer::Report(report)), effect)
                }
                Ask::Audiences { query, .. } => {
                    let partner = self.partner.lock().unwrap();
                    let named = partner.audiences.iter().filter(|(_, audience)| audience.0.contains(&query));
                    let infos = named.map(|(id, audience)| AudienceInfo {
                        id: id.clone(),
                        name: audience.0.clone(),
                        kind: String::new(),
                        unusable: None,
                        size: None,
                    });
                    (Ok(Answer::Audiences(infos.collect(), None)), Effect::None)
                }
                Ask::CreateAudience { name, marker, seed, .. } => {
                    let mut partner = self.partner.lock().unwrap();
                    let known = partner.audiences.iter().find(|(_, a)| a.1 == marker).map(|(id, _)| id.clone());
                    let adopted = known.is_some();
                    let id = known.unwrap_or_else(|| {
                        partner.made += 1;
                        let id = format!("new-{}", partner.made);
                        let rows = seed.iter().flat_map(|part| (0..part.rows as usize).map(|row| row_of(part, row)));
                        partner.audiences.insert(id.clone(), (name, marker, rows.collect()));
                        id
                    });
                    if partner.dies_after_making {
                        let cause = Cause::new("", "the process died here");
                        (Err(Fault::Misconfigured { cause }), Effect::MayHaveLanded)
                    } else {
                        (Ok(Answer::Created { audience: id, audience_parts: Vec::new(), adopted }), Effect::None)
                    }
                }
                Ask::Check { target } => {
                    let mut partner = self.partner.lock().unwrap();
                    partner.checks += 1;
                    let there = target.audience.is_empty() || partner.audiences.contains_key(&target.audience);
                    let findings = [("token", !partner.dead), ("audience", there)].map(|(subject, good)| Finding {
                        subject: subject.into(),
                        state: if good { FindingState::Good } else { FindingState::Failed },
                        message: if good { "alive".into() } else { "dead".into() },
                        cure: None,
                        link: None,
                    });
                    (Ok(Answer::Findings(findings.to_vec())), Effect::None)
                }
                other => panic!("nobody asks for {other:?}"),
            };
            CallOutcome { answer, effect, requests, usage: Vec::new(), log: Vec::new() }
        })
    }
}

/// What the fake sends: enough to compare bytes.
pub fn request_of(audience: &str, part: &Part) -> RequestRecord {
    let body = serde_json::to_vec(&(&part.action, &part.group, part.rows, &part.person_ends, &part.columns)).unwrap();
    RequestRecord {
        body_bytes: body.len() as u64,
        body: Some(body),
        outcome: Ok(200),
        ..RequestRecord::unsent("POST", format!("https://fake/{audience}"))
    }
}

/// All connections lead to fakes.
#[derive(Default)]
pub struct Fakes(pub HashMap<String, Arc<Fake>>);

impl Connectors for Fakes {
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
        let fake = self.0.get(connection).cloned();
        let fake =
            fake.ok_or_else(|| Problem::new(caravan_model::Code::UnknownConnection, format!("no `{connection}`")))?;
        Ok(fake)
    }

    fn default_country(&self, _: &str) -> Option<String> {
        Some("FR".into())
    }

    fn identities(&self, connection: &str) -> Option<Arc<caravan_model::Identities>> {
        Some(self.0.get(connection)?.identities.lock().unwrap().clone())
    }

    fn token_ends<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Option<Millis>> {
        Box::pin(async move { *self.0.get(connection)?.ends.lock().unwrap() })
    }

    fn switched_off(&self, connection: &str) -> Option<Arc<BTreeSet<String>>> {
        Some(Arc::new(self.0.get(connection)?.off.lock().unwrap().clone()))
    }
}

/// Everything that a test needs.
pub struct Stage {
    pub folder: tempfile::TempDir,
    pub store: Sqlite,
    pub fakes: HashMap<String, Arc<Fake>>,
    pub clock: Arc<MovedClock>,
    pub options: RunnerOptions,
}

impl Stage {
    /// One connection `c` with a part size.
    pub fn new(rows: u32) -> Stage {
        Stage::of(manifest(rows))
    }

    pub fn of(manifest: serde_json::Value) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("caravan.db"), OpenOptions::default()).unwrap();
        let fakes = HashMap::from([("c".to_owned(), Fake::new(manifest))]);
        let mut options = RunnerOptions {
            batch_window: Duration::from_millis(20),
            probe_first: Duration::from_millis(2),
            probe_longest: Duration::from_millis(10),
            chunk: 64,
            ..RunnerOptions::default()
        };
        options.retry.first_wait = caravan_model::Duration(2);
        options.retry.longest_wait = caravan_model::Duration(5);
        Stage { folder, store, fakes, clock: Arc::new(MovedClock(AtomicI64::new(0))), options }
    }

    pub fn fake(&self) -> Arc<Fake> {
        self.fakes["c"].clone()
    }

    pub fn runner(&self) -> Runner<Sqlite> {
        let connectors = Arc::new(Fakes(self.fakes.clone()));
        Runner::new(self.store.clone(), connectors, self.clock.clone(), self.options.clone())
    }

    pub async fn publish(&self, text: &str) -> VersionId {
        self.runner().publish(canvas(text), &connections()).await.expect("the canvas can be published").id
    }

    /// A run with a generous wait.
    pub async fn run(&self, version: VersionId, source: &str, people: Vec<Profile>) -> RunEnd {
        let options = RunOptions { wait: Duration::from_secs(20), source: source.into(), ..RunOptions::default() };
        self.run_with(version, people, options).await
    }

    pub async fn run_with(&self, version: VersionId, people: Vec<Profile>, options: RunOptions) -> RunEnd {
        let (progress, _) = watch::channel(Default::default());
        let (_cancel, cancelled) = watch::channel(false);
        let end = self.runner().run(version, rows(people), options, progress, cancelled).await.expect("the run goes");
        self.balanced().await;
        end
    }

    /// The books balance.
    pub async fn balanced(&self) {
        assert_eq!(self.store.audit().await.unwrap(), Vec::<String>::new());
    }

    /// How many visits of a step have this status.
    pub async fn count(&self, version: VersionId, step: u16, status: Status) -> u64 {
        let counters = self.store.counters(version).await.unwrap();
        counters.counts.iter().filter(|c| c.step.0 == step && c.status == status).map(|c| c.n).sum()
    }

    pub async fn reasons(&self, version: VersionId, step: u16) -> BTreeMap<(Status, String), u64> {
        let counters = self.store.counters(version).await.unwrap();
        let mut reasons = BTreeMap::new();
        for count in counters.counts.iter().filter(|c| c.step.0 == step && c.n > 0) {
            *reasons.entry((count.status, count.reason.code.clone())).or_default() += count.n;
        }
        reasons
    }

    pub async fn lane(&self) -> Lane {
        self.store.lanes().await.unwrap().remove(0)
    }

    pub async fn lane_of(&self, audience: &str) -> LaneId {
        let lanes = self.store.lanes().await.unwrap();
        lanes.into_iter().find(|lane| lane.key.audience == audience).unwrap().id
    }
}

pub fn rows(people: Vec<Profile>) -> impl Iterator<Item = (u64, Profile)> + Send + 'static {
    (0u64..).zip(people)
}

pub fn canvas(text: &str) -> Canvas {
    caravan_journey::document::read_canvas("test.yaml", text).unwrap().value
}

pub fn connections() -> Connections {
    let connection = Connection {
        connector: "fake".into(),
        accounts: BTreeMap::from([("main".to_owned(), "act_1".to_owned())]),
        ..Connection::default()
    };
    let names = ["c", "d"].map(|name| (name.to_owned(), connection.clone()));
    let mailer = caravan_model::webhook::Endpoint {
        description: None,
        url: caravan_model::alert::WebPlace::Plain("https://mailer.example/send".parse().unwrap()),
        method: Default::default(),
        headers: BTreeMap::new(),
        timeout: caravan_model::webhook::TIMEOUT,
    };
    let webhooks = ["mailer", "other"].map(|name| (name.to_owned(), mailer.clone()));
    Connections { format: 1, connections: names.into(), webhooks: webhooks.into() }
}

pub fn person(id: impl std::fmt::Display) -> Profile {
    Profile { external_id: id.to_string(), emails: vec![format!("{id}@x.example")], ..Profile::default() }
}

pub fn people(range: std::ops::Range<u32>) -> Vec<Profile> {
    range.map(|n| person(format!("p{n}"))).collect()
}

/// A one-step canvas on the audience `list`.
pub fn one_step(id: &str, action: &str, words: &str) -> String {
    format!(
        "format: 1\ncanvas: {id}\naudiences:\n  list: {{ connection: c, account: main, name: List, if_missing: create }}\n\
         entry: {{ trigger: {{ api: true }}, re_entry: always, start: sync }}\n\
         steps:\n  sync: {{ audience_sync: {{ audience: list, action: {action}, match: [{words}] }}, next: exit }}\n"
    )
}

pub fn emails(range: std::ops::Range<u32>) -> BTreeSet<String> {
    range.map(|n| format!("EMAIL=p{n}@x.example")).collect()
}

/// A fault that only the words of `AudienceState` name.
pub fn gone() -> Fault {
    Fault::Audience { state: AudienceState::Missing, cause: Cause::new("404", "gone") }
}

/// Runs until the reaction has made the lane wait.
pub async fn waiting_after(stage: &Stage, reaction: Reaction, version: caravan_model::VersionId) {
    stage.fake().dial(move |_| reaction.clone());
    let options = RunOptions { source: "f".into(), ..RunOptions::default() };
    let RunEnd::Waits(..) = stage.run_with(version, people(0..10), options).await else { panic!("it waits") };
    stage.fake().calm();
}

/// Now, on the stage's clock.
pub fn stage_now(stage: &Stage) -> Millis {
    caravan_model::port::Clock::now(&*stage.clock)
}
