//! `load`: a cached component, and a fresh instance.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::{Context as _, Result, anyhow};
use caravan_connectors::{Binding, BoundConnector, Grant, LabMap, LocalVault, Reach, Sandbox, SandboxOptions};
use caravan_model::{
    Connection, Millis, Target,
    port::{Ask, CallContext, Connector as _},
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Instant};

/// The bytes of Meta's component.
pub fn meta() -> Result<Vec<u8>> {
    let file = xtask::stage::root().join("guest-steps/target/wasm32-wasip2/release/meta.wasm");
    std::fs::read(&file).with_context(|| format!("{} is not built: cargo xtask build-guests", file.display()))
}

fn cache() -> PathBuf {
    xtask::stage::target().join("bench-cache")
}

/// Meta's component, bound to a lab connection at this address.
pub fn bound(peer: Option<SocketAddr>) -> Result<(Arc<Sandbox>, BoundConnector)> {
    let options = SandboxOptions { cache_dir: Some(cache()), cache_key: Some([0; 32]), ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options).map_err(|problem| anyhow!("{problem}"))?;
    let component = sandbox.load(&meta()?).map_err(|problem| anyhow!("{problem}"))?;
    let connection = Connection { connector: "meta".into(), lab: true, ..Connection::default() };
    let address = peer.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9)));
    let lab = LabMap::new([("graph.facebook.com", address.to_string())]).map_err(|problem| anyhow!("{problem}"))?;
    let binding = Binding {
        connection: "bench".into(),
        grant: Grant::as_asked(component.manifest()),
        settings: serde_json::Map::new(),
        accounts: None,
        vault: Arc::new(LocalVault::new([("bench".to_owned(), connection)])),
        reach: Reach::Lab(lab),
    };
    let connector = BoundConnector::new(component, binding).map_err(|problem| anyhow!("{problem}"))?;
    Ok((sandbox, connector))
}

/// Measures.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let rounds = if effort.quick { 20 } else { 200 };
    let bytes = meta()?;
    // Compiles where the cache is cold.
    let (_first, connector) = bound(None)?;
    let mut loads = Vec::new();
    for _ in 0..rounds.min(50) {
        let options =
            SandboxOptions { cache_dir: Some(cache()), cache_key: Some([0; 32]), ..SandboxOptions::default() };
        let sandbox = Sandbox::new(options).map_err(|problem| anyhow!("{problem}"))?;
        let began = Instant::now();
        sandbox.load(&bytes).map_err(|problem| anyhow!("{problem}"))?;
        loads.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    // Meta judges at once: `follow-up` answers from the guest without any request, so that what is measured is the
    // store, the instance, the call and the drop.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let calls = runtime.block_on(async {
        let mut calls = Vec::new();
        for round in 0..rounds * 10 + 20 {
            let context = CallContext {
                at: Millis(1_764_000_000_000),
                seed: "bench".into(),
                deadline: std::time::Duration::from_secs(10),
                record_bodies: false,
            };
            let began = Instant::now();
            let outcome =
                connector.call(context, Ask::FollowUp { target: Target::default(), reference: "none".into() }).await;
            if round >= 20 {
                calls.push(began.elapsed().as_nanos() as f64 / 1_000.0);
            }
            if !outcome.requests.is_empty() {
                return Err(anyhow!("the call made a request"));
            }
        }
        Ok(calls)
    })?;
    Ok(vec![
        Figure::of("load", "a cached component", "ms", Goal::AtMost(5.0), loads)
            .because("mapping the compiled code and resolving its imports"),
        Figure::of("load", "a fresh instance: store, instance, call, drop", "µs", Goal::AtMost(60.0), calls)
            .because("resetting the pooled memory"),
    ])
}
