//! `neighbour`: what a connector notices of another one that misbehaves, in paired windows of one run.
use crate::{
    Effort,
    call::{part, through},
    load::bound,
    peer::Peer,
    table::{Figure, Goal, median},
};
use anyhow::{Context as _, Result, anyhow};
use caravan_connectors::{Binding, BoundConnector, Grant, LabMap, LocalVault, Reach, Sandbox};
use caravan_model::Connection;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// What the other one does, in turn; without a deed it loops until its computing time is spent.
const DEEDS: [&str; 7] =
    ["spin", "recursion", "handle-flood", "stderr-flood", "memory-again-and-again", "random-flood", "traversal"];
/// How long a window is.
const WINDOW: Duration = Duration::from_millis(1_500);

/// Calls of one window, in microseconds.
async fn window(connector: &BoundConnector, rows: &Arc<caravan_model::Part>) -> Result<Vec<f64>> {
    let began = Instant::now();
    let mut calls = Vec::new();
    while began.elapsed() < WINDOW {
        calls.push(through(connector, rows).await?);
    }
    Ok(calls)
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
    let binding = Binding {
        connection: "stranger".into(),
        grant: Grant::as_asked(component.manifest()),
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
    let (ours, theirs) = (Peer::start()?, Peer::start()?);
    let (sandbox, connector) = bound(Some(ours.address))?;
    let strangers: Vec<Arc<BoundConnector>> =
        DEEDS.iter().map(|deed| hostile(&sandbox, theirs.address, deed).map(Arc::new)).collect::<Result<_>>()?;
    let rows = Arc::new(part(1_000));
    // The strangers ask for e-mails alone.
    let mut few = part(4);
    few.columns.truncate(1);
    let few = Arc::new(few);
    let rounds = if effort.quick { 3 } else { 15 };
    runtime.block_on(async {
        window(&connector, &rows).await?;
        let (mut medians, mut throughputs, mut tails) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let alone = window(&connector, &rows).await?;
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
            stop.store(true, Ordering::Relaxed);
            beside.await?;
            medians.push(median(&crowded) / median(&alone));
            throughputs.push(crowded.len() as f64 / alone.len() as f64);
            tails.push(high(&crowded) / high(&alone));
        }
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
        ])
    })
}

/// The 99th percentile.
fn high(calls: &[f64]) -> f64 {
    let mut sorted = calls.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(f64::NAN)
}
