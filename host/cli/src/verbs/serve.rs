//! `caravan serve`: takes events in over HTTP, moves people on and delivers, until it is asked to stop. One workspace by the
//! command line, or all of the configuration, each with its own store.
use crate::args::{Global, ServeArgs};
use crate::config::{self, WorkspaceConfig};
use crate::fail::{End, usage};
use crate::host::bench::Workbench;
use crate::host::ready::Ready;
use crate::host::{alerts, provider};
use crate::installation::Installation;
use crate::verbs::canvas::publish;
use crate::{out, stop, stores};
use caravan_api::{Provider, Server, ServerOptions, Workspace, WriteKeys};
use caravan_model::{Canvas, Code, Problem};
use caravan_runner::{Progress, Runner};
use caravan_store::Sqlite;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The variable that holds write keys.
const KEYS: &str = "CARAVAN_WRITE_KEYS";
/// How often versions are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How often consents are looked at that end when nobody uses them.
const TEND: Duration = Duration::from_secs(3_600);
/// Where it listens if nothing says it.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8480);

/// A workspace that is about to be served.
struct Place {
    name: String,
    own: WorkspaceConfig,
    write_keys: WriteKeys,
    canvases: Vec<Canvas>,
}

/// Serves until it is asked to stop.
pub async fn serve(global: &Global, args: &ServeArgs) -> anyhow::Result<End> {
    let places = places(global, args).await?;
    // Bound before a store is taken: an address in use is said before anything is done.
    let listen = args.listen.or(config::current().listen).unwrap_or(LISTEN);
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Problem::new(Code::Usage, format!("cannot listen on {listen}: {error}"))
            .cure("name another address: --listen 127.0.0.1:0 takes a free port")
    })?;
    let mut open = Vec::with_capacity(places.len());
    for place in places {
        let name = global.of_workspace(&place.name);
        let store = Sqlite::open(&place.own.store, stores::options(&name))?;
        let ready = Ready::open(store, &place.own.connections, &place.canvases, args.lab.as_deref()).await?;
        open.push((place, ready));
    }
    let cancel = stop::listen(global.quiet);
    let served = go(global, args, &mut open, listener, cancel).await;
    for (_, ready) in open {
        ready.close().await?;
    }
    served
}

/// What is to be served: the one store that the command line names, else all workspaces of the configuration.
async fn places(global: &Global, args: &ServeArgs) -> anyhow::Result<Vec<Place>> {
    let configured = &config::current().workspaces;
    if global.store.is_some() || configured.is_empty() {
        let own = WorkspaceConfig {
            store: stores::of_workspace(global)?,
            connections: args.connections.clone(),
            canvases: args.canvases.clone(),
            write_keys: args.write_keys.clone(),
            zone: None,
            hand_overs: Default::default(),
        };
        return Ok(vec![place(global, &global.workspace, own, true).await?]);
    }
    if !args.canvases.is_empty() || args.write_keys.is_some() {
        let cure = "write them into the configuration, or name one store by --store";
        return Err(usage("the configuration says which canvases and write keys each workspace has", cure).into());
    }
    let mut places = Vec::with_capacity(configured.len());
    for (name, own) in configured {
        places.push(place(global, name, own.clone(), configured.len() == 1).await?);
    }
    Ok(places)
}

async fn place(global: &Global, name: &str, own: WorkspaceConfig, only: bool) -> anyhow::Result<Place> {
    let write_keys = write_keys(own.write_keys.as_deref(), only)?;
    let of = Global { store: Some(own.store.display().to_string()), ..global.clone() };
    let canvases = publish::read(&of, &own.canvases, &own.connections).await?;
    Ok(Place { name: name.to_owned(), own, write_keys, canvases })
}

async fn go(
    global: &Global,
    args: &ServeArgs,
    open: &mut [(Place, Ready)],
    listener: TcpListener,
    cancel: watch::Receiver<bool>,
) -> anyhow::Result<End> {
    let (mut workspaces, mut watched) = (Vec::with_capacity(open.len()), Vec::with_capacity(open.len()));
    let installation = Arc::new(Installation::of(open.iter().map(|(_, ready)| ready.runner.clone())));
    installation.settle().await?;
    for (place, ready) in open.iter_mut() {
        ready.publish(global, std::mem::take(&mut place.canvases)).await?;
        let (connections, lab) = (place.own.connections.clone(), ready.lab.take());
        let bench = Workbench::new(
            ready.runner.clone(),
            ready.host.clone(),
            connections,
            args.lab.clone(),
            lab,
            installation.clone(),
        );
        let bench = Arc::new(bench);
        watched.push(bench.clone());
        let name = ready.runner.store().workspace().to_owned();
        workspaces.push(Workspace::new(name, ready.runner.clone(), bench, place.write_keys.clone()));
    }
    drop(installation);
    let names: Vec<String> = workspaces.iter().map(|workspace| workspace.name.clone()).collect();
    let address = format!("http://{}", listener.local_addr()?);
    if global.json {
        out::print(&format!("{}\n", json!({"listen": address, "workspaces": names})))?;
    } else {
        let of = if names.len() > 1 { format!(" {}", names.join(", ")) } else { String::new() };
        out::print(&format!(
            "Serving{of} at {address}: events at /v1, API at /api, metrics at /metrics. Ctrl-C stops.\n"
        ))?;
    }
    let runners: Vec<Arc<Runner<Sqlite>>> = open.iter().map(|(_, ready)| ready.runner.clone()).collect();
    let provider = provider::configured()?.map(|provider| Arc::new(provider) as Arc<dyn Provider>);
    let options = ServerOptions {
        public_url: alerts::policy()?.public_url,
        metrics_key: config::metrics_key()?,
        loopback: listener.local_addr()?.ip().is_loopback(),
        ..config::current().intake.options()
    };
    let server = Server::new(workspaces, options, provider);
    // Whoever ends first, by a failure or because it was asked to, takes all others along.
    let (leave, leaving) = watch::channel(false);
    let (mut asked, mut called) = (cancel, server.asked_to_leave());
    let leave = Arc::new(leave);
    let asker = leave.clone();
    let asking = tokio::spawn(async move {
        let asked = tokio::select! {
            asked = asked.wait_for(|asked| *asked) => asked.is_ok(),
            called = called.wait_for(|called| *called) => called.is_ok(),
        };
        if asked {
            asker.send_replace(true);
        }
    });
    let mut left = leaving.clone();
    let http = tokio::spawn(server.run(listener, async move { drop(left.wait_for(|left| *left).await) }));
    let watching = tokio::spawn(watch_versions(watched));
    let mut served = JoinSet::new();
    for runner in runners {
        let leaving = leaving.clone();
        served.spawn(async move {
            let (tell, _) = watch::channel(Progress::default());
            runner.serve(tell, leaving).await
        });
    }
    let mut end = Ok(End::Done);
    while let Some(one) = served.join_next().await {
        leave.send_replace(true);
        if let Err(error) = one.map_err(anyhow::Error::from).and_then(|one| Ok(one.map(drop)?)) {
            end = Err(error);
        }
    }
    http.await??;
    // What they hold of the stores is let go before this ends: a store that nobody has open any more is one file.
    for task in [asking, watching] {
        task.abort();
        let _ = task.await;
    }
    end
}

/// Refreshes idle consents now and then, and notes again and again what connections did with versions of their connectors by themselves.
async fn watch_versions(benches: Vec<Arc<Workbench>>) {
    let mut tended = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let tend = tended.elapsed() >= TEND;
        if tend {
            tended = Instant::now();
        }
        for bench in &benches {
            if tend {
                bench.tend().await;
            }
            if let Err(error) = bench.note_changes().await {
                tracing::error!("what became of a connector's version could not be noted: {error:#}");
            }
        }
    }
}

/// Keys of those who may send events, beside the kept ones with the right to; the variable is for the only workspace.
fn write_keys(file: Option<&Path>, only: bool) -> anyhow::Result<WriteKeys> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Problem::new(Code::UnreadableFile, format!("the write keys cannot be read: {error}"))
                .in_file(file.display().to_string())
        })?,
        None if only => std::env::var(KEYS).unwrap_or_default(),
        None => String::new(),
    };
    Ok(WriteKeys::new(text.split(['\n', ','])))
}
