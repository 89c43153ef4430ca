//! `neighbour`: what a connector notices of another one that misbehaves, in paired windows of one run; and that its partner was
//! sent exactly its people meanwhile.
use crate::{
    Effort,
    call::{part, part_from, through},
    load::bound,
    peer::Peer,
    table::{Figure, Goal, median},
};
use anyhow::{Context as _, Result, anyhow};
use caravan_connectors::{Binding, BoundConnector, Grant, LabMap, LocalVault, Reach, Sandbox};
use caravan_model::{Connection, Part};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// What the other one does, in turn; without a deed it loops until its computing time is spent.
const DEEDS: [&str; 20] = [
    "spin",
    "recursion",
    "handle-flood",
    "stderr-flood",
    "one-huge-line",
    "memory-again-and-again",
    "random-flood",
    "sleep",
    "exit",
    "drip-body",
    "drip-small-body",
    "half-body-then-trap",
    "crash-after",
    "second-write",
    "many-headers",
    "large-header",
    "long-path",
    "host-header",
    "traversal",
    "settles-twice",
];
/// How long a call of the other one may take: those that only wait are not to wait for the whole of a window.
const WALL_MS: u64 = 500;
/// Rows of each call.
const ROWS: u32 = 1_000;
/// How long a window is.
const WINDOW: Duration = Duration::from_millis(1_500);

/// Calls of one window, in microseconds.
async fn window(connector: &BoundConnector, rows: &Arc<Part>) -> Result<Vec<f64>> {
    let began = Instant::now();
    let mut calls = Vec::new();
    while began.elapsed() < WINDOW {
        calls.push(through(connector, rows).await?);
    }
    Ok(calls)
}

/// Whom our connector was given, each as often as in a call.
#[derive(Default)]
struct Sent {
    first: u32,
    people: BTreeMap<String, u64>,
}

impl Sent {
    /// Other people in each window.
    fn next(&mut self) -> Arc<Part> {
        let rows = Arc::new(part_from(self.first, ROWS));
        self.first += ROWS;
        rows
    }

    fn note(&mut self, rows: &Part, calls: usize) {
        for row in 0..rows.rows as usize {
            *self.people.entry(rows.columns[0].value(row).to_owned()).or_default() += calls as u64;
        }
    }

    /// How many people the partner was not sent exactly as often.
    fn wrong(&self, at_the_partner: &BTreeMap<String, u64>) -> usize {
        let all: BTreeSet<&String> = self.people.keys().chain(at_the_partner.keys()).collect();
        all.into_iter().filter(|person| self.people.get(*person) != at_the_partner.get(*person)).count()
    }
}

fn hostile(sandbox: &Arc<Sandbox>, peer: SocketAddr, deed: &str) -> Result<BoundConnector> {
    let name = if deed == "spin" { "hostile_spin" } else { "hostile_deeds" };
    let file = xtask::stage::root().join("guest-steps/target/wasm32-wasip2/release").join(format!("{name}.wasm"));
    let bytes = std::fs::read(&file).with_context(|| format!("{} is not built", file.display()))?;
    let component = sandbox.load(&bytes).map_err(|problem| anyhow!("{problem}"))?;
    let mut settings = serde_json::Map::new();
    if deed != "spin" {
        settings.insert("deed".into(), deed.into());
    }
    let connection = Connection { connector: name.into(), lab: true, ..Connection::default() };
    let lab = LabMap::new([("graph.facebook.com", peer.to_string())]).map_err(|problem| anyhow!("{problem}"))?;
    let mut grant = Grant::as_asked(component.manifest());
    grant.limits.wall_ms = WALL_MS;
    let binding = Binding {
        connection: "stranger".into(),
        grant,
        settings,
        accounts: None,
        vault: Arc::new(LocalVault::new([("stranger".to_owned(), connection)])),
        reach: Reach::Lab(lab),
    };
    BoundConnector::new(component, binding).map_err(|problem| anyhow!("{problem}"))
}

/// Measures.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (ours, theirs) = (Peer::counting()?, Peer::start()?);
    let (sandbox, connector) = bound(Some(ours.address))?;
    let strangers: Vec<Arc<BoundConnector>> =
        DEEDS.iter().map(|deed| hostile(&sandbox, theirs.address, deed).map(Arc::new)).collect::<Result<_>>()?;
    // The strangers ask for e-mails alone.
    let mut few = part(4);
    few.columns.truncate(1);
    let few = Arc::new(few);
    let rounds = if effort.quick { 3 } else { 15 };
    let mut sent = Sent::default();
    runtime.block_on(async {
        let rows = sent.next();
        let calls = window(&connector, &rows).await?.len();
        sent.note(&rows, calls);
        let (mut medians, mut throughputs, mut tails) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let rows = sent.next();
            let alone = window(&connector, &rows).await?;
            sent.note(&rows, alone.len());
            let rows = sent.next();
            let stop = Arc::new(AtomicBool::new(false));
            let (asked, all, few) = (stop.clone(), strangers.clone(), few.clone());
            let beside = tokio::spawn(async move {
                for stranger in all.iter().cycle().skip(round) {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    // Whatever it does ends in a fault; that is what it is for.
                    let _ = through(stranger, &few).await;
                }
            });
            let crowded = window(&connector, &rows).await?;
            sent.note(&rows, crowded.len());
            stop.store(true, Ordering::Relaxed);
            beside.await?;
            medians.push(median(&crowded) / median(&alone));
            throughputs.push(crowded.len() as f64 / alone.len() as f64);
            tails.push(high(&crowded) / high(&alone));
        }
        let wrong = sent.wrong(&ours.members()?);
        let held = "one core of two computes for the stranger until its budget is spent";
        Ok(vec![
            Figure::of(
                "neighbour",
                "median of a call beside a misbehaving connector / alone",
                "",
                Goal::AtMost(1.25),
                medians,
            )
            .because(held),
            Figure::of("neighbour", "throughput beside it / alone", "", Goal::AtLeast(0.8), throughputs).because(held),
            Figure::of("neighbour", "p99 beside it / alone", "", Goal::None, tails),
            Figure::of(
                "neighbour",
                "members that its partner was not sent, or sent too often",
                "",
                Goal::AtMost(0.0),
                vec![wrong as f64],
            ),
        ])
    })
}

/// The 99th percentile.
fn high(calls: &[f64]) -> f64 {
    let mut sorted = calls.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(f64::NAN)
}
